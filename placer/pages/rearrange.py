"""Machine frames for a placement that is reached by moves from what runs now."""

from __future__ import annotations

from collections.abc import Sequence

from placer.errors import Fault, InputError
from placer.frames import DomainFrames
from placer.pages.build import build_domain
from placer.pages.heap import Heap
from placer.pages.realise import by_page_size, free_domain, take_domain
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.result import Move


def realise_moves(
    problem: Problem, placement: Placement, moves: Sequence[Move]
) -> tuple[DomainFrames, ...]:
    """Return the frames of every placed domain, in the placement's order, as the moves give them.

    A domain that is not moved keeps its very frames. Each other takes its own at its step,
    from the heap as it stands there: a live migration while its old frames are still held,
    so that old and new do not overlap; a restart after they are given back. What runs with
    frames that are not known is given some first where it stays, and holds none where it
    is moved.

    Raises AllocationError as ``realise`` does, and InputError where the frames of a running
    domain are not free memory of its host.
    """
    heaps = {host.name: Heap.of(host) for host in problem.hosts}
    gone = {move.domain for move in moves if move.kind != "repin"}
    held = _frames_now(problem, heaps, gone)
    placed = {answer.domain: answer for answer in placement.domains}
    for move in moves:
        before = held.get(move.domain)
        if move.kind == "repin":
            continue
        if move.kind in ("stop", "restart") and before is not None:
            free_domain(heaps[before.host], before)
        if move.kind == "stop":
            continue
        answer = placed[move.domain]
        held[move.domain] = _build(problem, heaps, answer)
        if move.kind == "live" and before is not None:
            free_domain(heaps[before.host], before)
    return tuple(held[answer.domain] for answer in placement.domains)


def _frames_now(
    problem: Problem, heaps: dict[str, Heap], gone: set[str]
) -> dict[str, DomainFrames]:
    """Take the frames of what runs from the heaps, those that are known first.

    Others are taken for domains that are not ``gone``, large pages first.
    """
    held: dict[str, DomainFrames] = {}
    faults = []
    for running in problem.current:
        if running.frames is None:
            continue
        held[running.placed.domain] = running.frames
        try:
            take_domain(heaps[running.placed.host], running.frames)
        except ValueError as error:
            faults.append(
                Fault(
                    source="problem",
                    field=f"current {running.placed.domain}",
                    found=f"frames that are not there: {error}",
                    expected="each in free memory of its host, once",
                )
            )
    if faults:
        raise InputError(faults)
    unknown = [
        running.placed
        for running in problem.current
        if running.frames is None and running.placed.domain not in gone
    ]
    for placed in by_page_size(problem, unknown):
        held[placed.domain] = _build(problem, heaps, placed)
    return held


def _build(problem: Problem, heaps: dict[str, Heap], placed: PlacedDomain) -> DomainFrames:
    domain = problem.domains[problem.domain_index[placed.domain]]
    host = problem.hosts[problem.host_index[placed.host]]
    return build_domain(heaps[placed.host], domain, placed, host, problem.era)
