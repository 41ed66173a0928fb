"""The moves of a valid run, and what they keep to, broken in named ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from placer.cost import pages_moved
from placer.frames import MACHINE_FRAME, DomainFrames
from placer.problem import Problem
from placer.result import Move
from placer.run import Run, movable_after
from tests.builders import make_domain, make_host, make_problem
from tests.sample_runs import solved

Broken = Iterator[tuple[str, str, Run]]


def swapping(seed: int) -> Run:
    """A solved run in which two domains that fill two pnodes change places, and a third stays."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(6, 20)) * 512
    sizes = [size - 256 - int(rng.integers(1, size // 4)) for _ in range(2)]
    host = make_host(
        [size, size, 4096 + 512], distances=np.full((3, 3), 20) - 10 * np.eye(3, dtype=int)
    )
    guests = [
        make_domain([pages], name=name, vnode_pnode=[pnode])
        for pnode, (name, pages) in enumerate(zip(("one", "other"), sizes, strict=True))
    ]
    third = make_domain([1024, 1024], 2, name="third", vnode_pnode=[2, 2], page_order=[9, 0])
    found = movable_after(solved(make_problem(host, *guests, third)))
    asked = {"one": [1], "other": [0], "third": [2, 2]}
    domains = tuple(replace(d, vnode_pnode=np.array(asked[d.name])) for d in found.domains)
    problem = Problem(hosts=found.hosts, domains=domains, current=found.current)
    return solved(problem)


def moving(seed: int) -> Run:
    """A solved run in which a domain of two vnodes, which is never moved live, moves."""
    size = int(np.random.default_rng(seed).integers(2, 8)) * 512
    host = make_host([2 * size + 512] * 2)
    guest = make_domain([size, size], 2, vnode_pnode=[0, 0])
    found = movable_after(solved(make_problem(host, guest)))
    (runs,) = found.domains
    there = replace(runs, vnode_pnode=np.array([1, 1]))
    return solved(Problem(hosts=found.hosts, domains=(there,), current=found.current))


def break_moves(run: Run) -> Broken:
    """Yield every named way to break the moves of a valid run."""
    problem, moves = run.problem, run.result.moves
    if not problem.current:
        step = Move(
            step=1, domain=run.problem.domains[0].name, kind="start", from_host=None, to_host=None
        )
        yield "move where nothing runs", "M1 moves", _with(run, [step])
        return
    if not moves:
        return
    before = problem.running_now
    counts = [
        pages_moved(placed, before[placed.domain])
        for placed in run.placed
        if placed.domain in before
    ]
    number, pages = sum(count > 0 for count in counts), sum(counts)
    if number:
        fewer = replace(run, problem=replace(problem, max_moves=number - 1))
        yield "allow fewer moves", "C7 moves", fewer
        less = replace(run, problem=replace(problem, max_moved_pages=pages - 1))
        yield "allow fewer pages to be moved", "C7 pages", less
    yield "forget a step", "M1 moves", _with(run, _numbered(moves[:-1]))
    yield (
        "number the steps from 0",
        "M1 moves",
        _with(run, [replace(m, step=m.step - 1) for m in moves]),
    )
    stranger = replace(moves[0], domain="stranger", step=len(moves) + 1)
    yield "move a domain that nobody placed", "M1 moves", _with(run, [*moves, stranger])
    last = moves[-1]
    for name, other in (
        ("say another host of a step", replace(last, to_host="elsewhere")),
        ("say other homes of a step", replace(last, to_homes=(*last.to_homes, 0))),
        ("say other pages of a step", replace(last, pages=last.pages + 1)),
    ):
        yield name, "M1 moves", _with(run, [*moves[:-1], other])
    live = [
        replace(move, kind="live") if move.kind in ("live", "restart") else move for move in moves
    ]
    wide = {placed.domain for placed in run.placed if placed.num_vnodes > 1}
    if any(move.kind == "restart" and move.domain in wide for move in moves):
        yield "let a virtual topology move live", "M2 live", _with(run, live)
    yield from _break_order(run, moves)
    yield from _shift(run, {move.domain for move in moves})


def _with(run: Run, moves: Sequence[Move]) -> Run:
    return replace(run, result=replace(run.result, moves=tuple(moves)))


def _numbered(moves: Sequence[Move]) -> list[Move]:
    return [replace(move, step=step) for step, move in enumerate(moves, start=1)]


def _break_order(run: Run, moves: Sequence[Move]) -> Broken:
    """Let a domain that stops to make room be started anew when all others are done."""
    stopped = {move.domain for move in moves if move.kind == "stop"}
    if len(run.problem.hosts) > 1 or len(stopped) != 1 or len(moves) != 3:
        return
    hasty = [
        replace(move, kind="restart", from_host=move.to_host, from_homes=_homes(run, move.domain))
        if move.domain in stopped
        else move
        for move in moves
        if move.kind != "stop"
    ]
    hasty = _numbered(hasty)
    yield "start before there is room", "M3 room", _with(run, hasty)
    if all(one.frames is not None for one in run.problem.current):
        yield "give frames before their holder leaves", "M4 frames", _with(run, hasty)


def _homes(run: Run, name: str) -> tuple[int, ...]:
    return tuple(run.problem.running_now[name].home.tolist())


def _shift(run: Run, moved: set[str]) -> Broken:
    known = {one.placed.domain for one in run.problem.current if one.frames is not None}
    for number, frames in enumerate(run.frames):
        if frames.domain in known - moved:
            runs = frames.runs.copy()
            runs[-1, MACHINE_FRAME] += 1
            other = DomainFrames(domain=frames.domain, host=frames.host, runs=runs)
            shifted = (*run.frames[:number], other, *run.frames[number + 1 :])
            yield "shift what stays", "M4 frames", replace(run, frames=shifted)
