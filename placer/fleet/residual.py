"""A host with some domains placed on it, as the host that the others find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host, RunningDomain
from placer.pages.heap import Heap
from placer.placement import PlacedDomain, held_pages
from placer.problem import Problem
from placer.units import ORDER_1GIB, PAGES_2MIB


def host_without(host: Host, problem: Problem, placed: Iterable[PlacedDomain]) -> Host:
    """Return ``host`` with these placed domains running on it; others on it are not looked at.

    Their pages and overhead are no longer free, their shared vcpus count on their
    pnodes (C2), their dedicated pcpus and the siblings left empty are gone by name.
    Shared vcpus are not tied to pcpus: who places more on this host names them all
    again (``seating.seat_shared``). Where the problem asks for larger pages, frames are
    taken from the heap as those domains would take them; else from the top, which no
    rule looks at. Each of ``placed`` is on ``host``.
    """
    listed = list(placed)
    if not listed:
        return host
    domains = [problem.domains[problem.domain_index[answer.domain]] for answer in listed]
    taken = np.zeros(host.num_pnodes, dtype=np.int64)
    running = list(host.running)
    for domain, answer in zip(domains, listed, strict=True):
        taken += held_pages(domain, answer)
        running.append(as_running(domain, answer, host))
    by_size = any(domain.page_order.any() for domain in problem.domains)
    spans = _left_by_order(host, domains, listed) if by_size else _left_below(host, taken)
    return replace(
        host, free_pages=host.free_pages - taken, free_spans=spans, running=tuple(running)
    )


def as_running(domain: Domain, answer: PlacedDomain, host: Host) -> RunningDomain:
    """Return a placed domain as one that runs: its pages, and its vcpus or pcpus."""
    vcpus_on = np.bincount(answer.vcpu_to_pnode, minlength=host.num_pnodes)
    own = {*answer.vcpu_to_pcpu.tolist(), *answer.empty_siblings} if domain.dedicated else set()
    return RunningDomain(
        name=domain.name,
        pages=answer.pages_on,
        vcpus_on=np.zeros_like(vcpus_on) if domain.dedicated else vcpus_on,
        dedicated_pcpus=tuple(sorted(own)),
    )


def _left_below(host: Host, taken: Ints) -> Ints:
    """The free spans without the highest ``taken[p]`` frames of each pnode p."""
    spans = host.free_spans[np.argsort(host.free_spans[:, 1], kind="stable")]
    sizes = spans[:, 2].copy()
    for pnode in np.flatnonzero(taken).tolist():
        mine = np.flatnonzero(spans[:, 0] == pnode)[::-1]
        above = np.cumsum(sizes[mine]) - sizes[mine]
        sizes[mine] -= np.clip(int(taken[pnode]) - above, 0, sizes[mine])
    left = np.column_stack([spans[:, :2], sizes])
    return np.asarray(left[sizes > 0], dtype=np.int64)


def _left_by_order(host: Host, domains: list[Domain], placed: list[PlacedDomain]) -> Ints:
    """The free spans without aligned extents of the sizes wanted, then without the rest.

    Large pages go first and small ones take what is left of the smallest extents, so
    that what C1 counts in extents is not broken up without need.
    """
    heap = Heap.of(host)
    small = np.zeros(host.num_pnodes, dtype=np.int64)
    pairs = sorted(
        zip(domains, placed, strict=True), key=lambda pair: -int(pair[0].page_order.max())
    )
    for domain, answer in pairs:
        small[int(answer.home[0])] += domain.overhead_pages
        for vnode in range(answer.num_vnodes):
            order = int(domain.page_order[min(vnode, domain.num_vnodes - 1)])
            for pnode, pages in enumerate(answer.pages[vnode].tolist()):
                whole = pages >> order if order else 0
                given = int(heap.allocate(pnode, order, whole)[:, 1].sum()) if whole else 0
                small[pnode] += pages - (given << order)
    spans = heap.spans()
    for unit in (PAGES_2MIB, 1 << ORDER_1GIB, 0):
        spans, small = _without_fragments(spans, small, unit)
    return spans


def _without_fragments(spans: Ints, pages: Ints, unit: int) -> tuple[Ints, Ints]:
    """Take ``pages[p]`` frames of each pnode from what lies outside aligned blocks of ``unit``.

    With unit 0 from anywhere. Returns the spans left, and the pages not found.
    """
    left = pages.copy()
    kept: list[tuple[int, int, int]] = []
    for pnode, start, num in spans[::-1].tolist():
        end = start + num
        low, high = (-(-start // unit) * unit, end // unit * unit) if unit else (end, end)
        pieces = [(start, low, True), (low, high, False), (high, end, True)]
        if low >= high:
            pieces = [(start, end, True)]
        for first, last, loose in reversed(pieces):
            cut = min(int(left[pnode]), last - first) if loose else 0
            left[pnode] -= cut
            if last - cut > first:
                kept.append((pnode, first, last - cut - first))
    return np.array(kept[::-1], dtype=np.int64).reshape(-1, 3), left
