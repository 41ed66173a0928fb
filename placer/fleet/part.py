"""A part of a problem: some hosts and some domains, as a problem of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from placer.cost import level_values, pages_moved
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.result import rank


def may_run_on(domain: Domain, host: Host) -> bool:
    """Return whether ``host`` is allowed and has the pnodes and pcpus that are named."""
    if domain.hosts is not None and host.name not in domain.hosts:
        return False
    if host.name in domain.forbidden_hosts or int(domain.vnode_pnode.max()) >= host.num_pnodes:
        return False
    for memory, pages in zip(domain.memory, domain.vnode_pages.tolist(), strict=True):
        if not pages:
            continue
        if max(memory.interleave_pnodes or (0,)) >= host.num_pnodes:
            return False
        if (memory.interleave_width or 1) > host.num_pnodes:
            return False
    masks = {mask.text: mask for mask in domain.hard_affinity if mask is not None}
    return all(mask.resolve(host.pcpu_ids, host.pcpu_pnode) for mask in masks.values())


def part_of(
    problem: Problem,
    hosts: Sequence[Host],
    names: Collection[str],
    *,
    allow_partial: bool,
    moved: tuple[int, int] = (0, 0),
) -> Problem:
    """Return the problem of placing the domains ``names`` on ``hosts``.

    ``hosts`` stand in for those of the problem and may have less free. Every domain
    may run on one of them at least. Groups are kept among these domains; the domains
    stay in their order. ``moved`` says how many running domains and pages are moved
    elsewhere (C7); a running domain that was on none of ``hosts`` is one of them.
    """
    here = {host.name for host in hosts}
    numbers = sorted({problem.domain_index[name] for name in names})
    domains = tuple(_named_for(problem.domains[number], here) for number in numbers)
    used = {group for domain in domains for group in domain.groups}
    return replace(
        problem,
        hosts=tuple(hosts),
        domains=domains,
        groups=tuple(group for group in problem.groups if group.name in used),
        allow_partial=allow_partial,
        cost_slack=problem.cost_slack * 0,
        current=tuple(
            running
            for running in problem.current
            if running.placed.domain in names and running.placed.host in here
        ),
        max_moves=_less(problem.max_moves, moved[0]),
        max_moved_pages=_less(problem.max_moved_pages, moved[1]),
    )


def _less(most: int | None, taken: int) -> int | None:
    return None if most is None else max(0, most - taken)


def moves_of(problem: Problem, placed: Iterable[PlacedDomain]) -> tuple[int, int]:
    """Return how many of these domains ran already and are moved, and the pages of them."""
    pages = [
        pages_moved(answer, problem.running_now[answer.domain])
        for answer in placed
        if answer.domain in problem.running_now
    ]
    return sum(number > 0 for number in pages), sum(pages)


def _named_for(domain: Domain, here: set[str]) -> Domain:
    """The domain with no host named that is not there."""
    if domain.hosts is None and not domain.forbidden_hosts:
        return domain
    return replace(
        domain,
        hosts=None if domain.hosts is None else tuple(n for n in domain.hosts if n in here),
        forbidden_hosts=tuple(name for name in domain.forbidden_hosts if name in here),
    )


def placement_of(problem: Problem, placed: Iterable[PlacedDomain]) -> Placement:
    """Return the placement of these domains, in the problem's order; the others are left out."""
    by_name = {answer.domain: answer for answer in placed}
    return Placement(
        domains=tuple(by_name[d.name] for d in problem.domains if d.name in by_name),
        unplaced=tuple(d.name for d in problem.domains if d.name not in by_name),
    )


def better_of(problem: Problem, one: Placement | None, other: Placement | None) -> Placement | None:
    """Return the better of two placements, either of which may not be there."""
    known = [placement for placement in (one, other) if placement is not None]
    loose = replace(problem, allow_partial=True)
    return min(known, key=lambda found: rank(level_values(loose, found)), default=None)


def kept_together(problem: Problem) -> list[list[str]]:
    """Return the domains as units: those that groups keep together are one."""
    together = {group.name for group in problem.groups if group.keep == "together"}
    first: dict[str, int] = {}
    pairs = (
        (number, first.setdefault(group, number))
        for number, domain in enumerate(problem.domains)
        for group in together.intersection(domain.groups)
    )
    names = [domain.name for domain in problem.domains]
    return [[names[number] for number in unit] for unit in tied_together(len(names), pairs)]


def tied_together(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the numbers below ``count`` in sets that no pair leads out of, in ascending order."""
    root = list(range(count))

    def find(number: int) -> int:
        while root[number] != number:
            root[number] = root[root[number]]
            number = root[number]
        return number

    for one, other in pairs:
        root[find(one)] = find(other)
    sets: dict[int, list[int]] = {}
    for number in range(count):
        sets.setdefault(find(number), []).append(number)
    return list(sets.values())
