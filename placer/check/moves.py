"""The rules about moves: C7 and M1 to M4 of models/README.md, by replaying them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints
from placer.check.violation import Violation
from placer.cost import pages_moved
from placer.domain import Domain
from placer.frames import MACHINE_FRAME, DomainFrames
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.result import Move


def check_limits(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """C7: no more running domains and no more of their pages are moved than may be."""
    moved = {
        placed.domain: pages_moved(placed, problem.running_now[placed.domain])
        for placed in placement.domains
        if placed.domain in problem.running_now
    }
    number, pages = sum(count > 0 for count in moved.values()), sum(moved.values())
    if problem.max_moves is not None and number > problem.max_moves:
        text = f"{number} domains are moved, at most {problem.max_moves} may be"
        yield Violation("C7 moves", "", text)
    if problem.max_moved_pages is not None and pages > problem.max_moved_pages:
        text = f"{pages} pages are moved, at most {problem.max_moved_pages} may be"
        yield Violation("C7 pages", "", text)


@dataclass(frozen=True, slots=True)
class _Held:
    """A domain and the place that it holds at one time."""

    domain: Domain
    placed: PlacedDomain


def check_moves(
    problem: Problem, placement: Placement, moves: Sequence[Move]
) -> Iterator[Violation]:
    """Yield every rule that ``moves`` break on the way from what runs to ``placement``.

    M1: they lead there, each domain by the steps that it needs. M2: only a domain of one
    vnode is migrated live. M3: no step over-commits a pnode. Domains whose arrays do not
    fit together are not in ``placement``, and their steps are passed over.
    """
    if not problem.current:
        if moves:
            yield Violation("M1 moves", "", "moves although nothing runs that may be moved")
        return
    yield from _check_steps(problem, placement, moves)
    targets = {placed.domain: placed for placed in placement.domains}
    hosts = {host.name: host for host in problem.hosts}
    held = {
        name: [_Held(problem.domains[problem.domain_index[name]], placed)]
        for name, placed in problem.running_now.items()
    }
    for move in moves:
        if move.domain not in targets or move.domain not in problem.domain_index:
            continue
        domain = problem.domains[problem.domain_index[move.domain]]
        target = _Held(domain, targets[move.domain])
        if move.kind == "stop":
            held[move.domain] = []
            continue
        others = [
            item
            for name, items in held.items()
            if name != move.domain
            for item in items
            if item.placed.host == target.placed.host
        ]
        own = held.get(move.domain, []) if move.kind == "live" else []
        for text in _overcommits(hosts[target.placed.host], target, own, others, move):
            yield Violation("M3 room", move.domain, f"step {move.step}: {text}")
        held[move.domain] = [target]


def _check_steps(
    problem: Problem, placement: Placement, moves: Sequence[Move]
) -> Iterator[Violation]:
    """M1, M2: the steps are those that the placement needs, in one numbering."""
    if [move.step for move in moves] != list(range(1, len(moves) + 1)):
        yield Violation("M1 moves", "", "steps are not numbered from 1 up")
    kinds: dict[str, list[str]] = {}
    for move in moves:
        kinds.setdefault(move.domain, []).append(move.kind)
    targets = {placed.domain: placed for placed in placement.domains}
    for name in sorted(set(kinds) - set(targets)):
        yield Violation("M1 moves", name, "is moved, but not placed")
    for name, target in targets.items():
        done = tuple(kinds.get(name, ()))
        before = problem.running_now.get(name)
        domain = problem.domains[problem.domain_index[name]]
        allowed: tuple[tuple[str, ...], ...]
        if before is None:
            allowed = (("start",),)
        elif pages_moved(target, before):
            allowed = (("live",), ("restart",), ("stop", "start"))
        elif _is_pinned_anew(domain, before, target):
            allowed = (("repin",), ("stop", "start"))
        else:
            allowed = ((),)
        if done not in allowed:
            text = f"steps {' '.join(done) or 'none'}, expected one of "
            yield Violation(
                "M1 moves", name, text + ", ".join(" ".join(a) or "none" for a in allowed)
            )
        if "live" in done and target.num_vnodes > 1:
            yield Violation("M2 live", name, "is migrated live, but has a virtual topology")
    for move in moves:
        if move.domain in targets:
            yield from _check_figures(move, problem.running_now.get(move.domain), targets)


def _is_pinned_anew(domain: Domain, before: PlacedDomain, target: PlacedDomain) -> bool:
    if (before.vcpu_to_pnode != target.vcpu_to_pnode).any():
        return True
    own = [{*p.vcpu_to_pcpu.tolist(), *p.empty_siblings} for p in (before, target)]
    return domain.dedicated and (
        own[0] != own[1] or bool((before.vcpu_to_pcpu != target.vcpu_to_pcpu).any())
    )


def _check_figures(
    move: Move, before: PlacedDomain | None, targets: dict[str, PlacedDomain]
) -> Iterator[Violation]:
    """M1: what a step says of hosts, homes and pages is what is given and placed."""
    source = None if move.kind == "start" else before
    target = None if move.kind == "stop" else targets[move.domain]
    pages = 0 if target is None or before is None else pages_moved(target, before)
    expected = (
        None if source is None else source.host,
        None if target is None else target.host,
        () if source is None else tuple(source.home.tolist()),
        () if target is None else tuple(target.home.tolist()),
        pages,
    )
    said = (move.from_host, move.to_host, move.from_homes, move.to_homes, move.pages)
    if said != expected:
        text = f"step {move.step} says {said}, the placement {expected}"
        yield Violation("M1 moves", move.domain, text)


def _overcommits(
    host: Host, target: _Held, own: Sequence[_Held], others: Sequence[_Held], move: Move
) -> Iterator[str]:
    """Say what is over-committed when ``target`` is taken, ``own`` still being held."""
    mine = [item for item in own if item.placed.host == host.name]
    if move.kind != "repin":
        need = _memory(target)
        pages = need + sum(map(_memory, [*mine, *others]), np.zeros_like(need))
        usable = np.maximum(host.free_pages - host.reserve_pages, 0)
        for pnode in np.flatnonzero((need > 0) & (pages > usable)).tolist():
            yield f"{pages[pnode]} pages on pnode {pnode} of {host.name}, room for {usable[pnode]}"
    yield from _overcommitted_cpus(host, target, mine, others)


def _memory(item: _Held) -> Ints:
    """The pages of a domain by pnode, overhead included."""
    pages = item.placed.pages_on.copy()
    pages[item.placed.home[0]] += item.domain.overhead_pages
    return pages


def _overcommitted_cpus(
    host: Host, target: _Held, mine: Sequence[_Held], others: Sequence[_Held]
) -> Iterator[str]:
    slots = host.pcpu_core if host.smt == "cores" else host.pcpu_ids
    slot_of = dict(zip(host.pcpu_ids.tolist(), slots.tolist(), strict=True))
    pnode_of = dict(zip(slots.tolist(), host.pcpu_pnode.tolist(), strict=True))

    def own_slots(items: Sequence[_Held]) -> set[int]:
        return {
            slot_of[pcpu]
            for item in items
            if item.domain.dedicated
            for pcpu in (*item.placed.vcpu_to_pcpu.tolist(), *item.placed.empty_siblings)
        }

    def shared_on(items: Sequence[_Held]) -> Ints:
        counts = np.zeros(host.num_pnodes, dtype=np.int64)
        for item in items:
            if not item.domain.dedicated:
                np.add.at(counts, item.placed.vcpu_to_pnode, 1)
        return counts

    running = {slot_of[pcpu] for run in host.running for pcpu in run.dedicated_pcpus}
    taken, wanted = own_slots(others) | running, own_slots([target])
    for slot in sorted(wanted & taken):
        yield f"slot {slot} of {host.name} still is another domain's alone"
    # In a live migration the vcpus run in one of the two places at a time.
    here, before = shared_on([target]), shared_on(mine)
    shared = shared_on(others) + np.maximum(here, before)
    for run in host.running:
        shared += run.vcpus_on
    given = Counter(pnode_of[slot] for slot in taken | wanted | own_slots(mine))
    slots_on = Counter(pnode_of.values())
    fresh = {pnode_of[slot] for slot in wanted - own_slots(mine)}
    for pnode in sorted({*np.flatnonzero(here > before).tolist(), *fresh}):
        room = ((slots_on[pnode] - given[pnode]) * host.overcommit).__floor__()
        if int(shared[pnode]) > room:
            yield f"{shared[pnode]} shared vcpus on pnode {pnode} of {host.name}, room for {room}"


def check_frames_on_the_way(
    problem: Problem,
    placement: Placement,
    moves: Sequence[Move],
    frames: Sequence[DomainFrames],
) -> Iterator[Violation]:
    """M4: what stays keeps its frames; none is given before its holder has left it."""
    now = {r.placed.domain: r.frames for r in problem.current if r.frames is not None}
    given = {frame.domain: frame for frame in frames}
    steps: dict[str, list[Move]] = {}
    for move in moves:
        steps.setdefault(move.domain, []).append(move)
    comes: dict[str, float] = {}
    leaves: dict[str, float] = {}
    for placed in placement.domains:
        name = placed.domain
        mine = [move for move in steps.get(name, []) if move.kind != "repin"]
        if mine:
            # A live migration leaves at the end of its step, all else before it takes.
            leaves[name] = mine[0].step + (0.5 if mine[0].kind == "live" else -0.5)
            comes[name] = mine[-1].step
        elif name in now and name in given and given[name] != now[name]:
            yield Violation("M4 frames", name, "is not moved, but has other frames")
    old = [(name, now[name]) for name in leaves if name in now]
    new = [(name, given[name]) for name in comes if name in given]
    for host in problem.hosts:
        yield from _given_too_early(
            [(name, frame) for name, frame in old if frame.host == host.name],
            [(name, frame) for name, frame in new if frame.host == host.name],
            leaves,
            comes,
        )


def _given_too_early(
    old: Sequence[tuple[str, DomainFrames]],
    new: Sequence[tuple[str, DomainFrames]],
    leaves: dict[str, float],
    comes: dict[str, float],
) -> Iterator[Violation]:
    """Compare the frames taken with those still held then; each list is without overlaps."""
    if not old or not new:
        return
    starts = np.concatenate([frame.runs[:, MACHINE_FRAME] for _, frame in old])
    ends = starts + np.concatenate([frame.run_pages for _, frame in old])
    times = np.repeat([leaves[name] for name, _ in old], [len(frame.runs) for _, frame in old])
    order = np.argsort(starts, kind="stable")
    starts, ends, times = starts[order], ends[order], times[order]
    for name, frame in new:
        for start, end in zip(
            frame.runs[:, MACHINE_FRAME].tolist(),
            (frame.runs[:, MACHINE_FRAME] + frame.run_pages).tolist(),
            strict=True,
        ):
            first = int(np.searchsorted(ends, start, side="right"))
            last = int(np.searchsorted(starts, end, side="left"))
            if (times[first:last] > comes[name]).any():
                text = f"machine frames from {start} are given before their holder leaves them"
                yield Violation("M4 frames", name, text)
                break
