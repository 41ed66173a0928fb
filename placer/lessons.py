"""What a heap that cannot realise a plan teaches, as a narrower problem to solve again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from placer.errors import AllocationError
from placer.host import Host
from placer.pages.heap import Heap
from placer.problem import Problem
from placer.result import Level


def narrowed(problem: Problem, failures: Iterable[AllocationError]) -> Problem:
    """Return ``problem`` with less on each pnode that could not give what a plan took from it.

    Pages that were missing are kept back there as a reserve; of extents that were missing so
    many are broken up. Every placement of the narrower problem is one of ``problem``; that a
    placement has none there proves nothing.
    """
    hosts = list(problem.hosts)
    for failure in failures:
        index = problem.host_index[failure.host]
        short = max(failure.wanted - failure.available, 1)
        host = hosts[index]
        if failure.order == 0:
            hosts[index] = _with_reserve(host, failure.pnode, short)
        else:
            hosts[index] = _with_broken_extents(host, failure.pnode, failure.order, short)
    return replace(problem, hosts=tuple(hosts))


def _with_reserve(host: Host, pnode: int, pages: int) -> Host:
    """Keep so many pages of what is free now back on a pnode."""
    reserve = host.reserve_pages.copy()
    kept = max(int(host.free_pages[pnode] - host.usable_pages[pnode]), int(reserve[pnode]))
    reserve[pnode] = min(kept + pages, int(host.total_pages[pnode]))
    return replace(host, reserve_pages=reserve)


def _with_broken_extents(host: Host, pnode: int, order: int, number: int) -> Host:
    """Take one page out of so many of the extents that a pnode can hand out."""
    heap = Heap.of(host)
    taken = heap.allocate(pnode, order, number)
    starts = [start + (index << order) for start, count in taken.tolist() for index in range(count)]
    left = Heap.of(host)
    if starts:
        left.remove(np.array([(pnode, start, 1) for start in starts], dtype=np.int64))
    return replace(host, free_pages=left.free_pages, free_spans=left.spans())


def bounded_by(first: Sequence[Level], later: Sequence[Level], problem: Problem) -> list[Level]:
    """Return the levels of a narrower problem's answer with bounds that hold for ``problem``.

    ``first`` are those of the answer to ``problem`` itself. A bound of theirs holds as long as
    all levels before have the same value; below a level that came out worse nothing is proven.
    """
    found = []
    known = {level.name: level for level in first}
    alike = True
    for level in later:
        own = known.get(level.name)
        bound = own.bound if alike and own is not None else _trivial_bound(level, problem)
        proven = level.value == bound
        found.append(replace(level, bound=bound, status="optimal" if proven else "feasible"))
        alike = alike and own is not None and own.value == level.value
    return found


def _trivial_bound(level: Level, problem: Problem) -> int:
    """Return what no placement betters, whatever it is."""
    if level.sense == "min":
        return 0
    if level.name == "placed_priority":
        return sum(domain.priority for domain in problem.domains)
    return sum(int(host.total_pages.sum()) for host in problem.hosts)
