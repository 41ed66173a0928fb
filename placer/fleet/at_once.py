"""A placement that keeps the rules without any search: there when the time ends too soon."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.check import check_placement
from placer.domain import Domain
from placer.fleet.staying import place_beside
from placer.heuristic.host_state import HostState, Rooms, count_on, hosts_for, layouts_of
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.splits import vcpu_bounds

_MOST_HOSTS: Final = 64
"""How many hosts with room for a domain as a whole are tried for its vnodes."""

_MOST_ROUNDS: Final = 8
"""How often what breaks a rule is left out, which may leave others without what they need."""


def place_at_once(problem: Problem) -> Placement | None:
    """Return a placement that keeps the rules, or None where one is not found this easily.

    First fit decreasing with every vnode whole on one pnode and its vcpus with it; running
    domains stay where they are. Requests that this does not look at (affinity, groups, memory
    policies, threads) may be met by chance; a domain of which one is not is left out.
    """
    loose = replace(problem, allow_partial=True)
    found = place_beside(problem, _first_fit)
    grouped = {domain.name for domain in problem.domains if domain.groups}
    for _ in range(_MOST_ROUNDS):
        violations = check_placement(loose, found)
        if not violations:
            return found if problem.allow_partial or not found.unplaced else None
        out = {violation.domain for violation in violations if violation.domain}
        if any(not violation.domain for violation in violations):
            # Of a group or a host it is not said who is to blame.
            out |= grouped
        left = [placed for placed in found.domains if placed.domain not in out]
        if len(left) == len(found.domains) or not problem.allow_partial:
            return None
        there = {placed.domain for placed in left}
        found = Placement(
            domains=tuple(left),
            unplaced=tuple(d.name for d in problem.domains if d.name not in there),
        )
    return None


def _first_fit(problem: Problem) -> Placement:
    layouts = layouts_of(problem.hosts)
    states = [HostState(*pair) for pair in zip(problem.hosts, layouts, strict=True)]
    for state in states:
        state.free = state.host.usable_pages.tolist()
    left = [_vcpus_left(state.host) for state in states]
    rooms = Rooms(*zip(*map(_room, states, left), strict=True))
    placed: dict[str, PlacedDomain] = {}
    begin: dict[Hashable, int] = {}
    order = sorted(
        range(len(problem.domains)),
        key=lambda n: (
            -problem.domains[n].priority,
            -problem.domains[n].num_vcpus,
            -problem.domains[n].memory_pages,
            n,
        ),
    )
    for number in order:
        domain = problem.domains[number]
        if domain.auto_vnodes or domain.dedicated:
            continue
        counts, vcpu_to_vnode = _vcpu_map(domain)
        needs = (
            domain.memory_pages + domain.overhead_pages,
            domain.num_vcpus,
            int(domain.vnode_pages.max()),
            max(counts),
        )
        # Rooms only shrink: where one of its like found none, none is.
        key = (needs, tuple(counts), domain.vnode_pages.tobytes(), domain.vnode_pnode.tobytes())
        since = begin.get(key, 0)
        later = (host for host in hosts_for(problem, domain, rooms, *needs) if host >= since)
        for host in islice(later, _MOST_HOSTS):
            begin[key] = host
            state = states[host]
            home = _homes(domain, state.free, left[host], counts)
            if home is None or not state.layout.runs(domain):
                continue
            pages = [state.take(p, size) for p, size in zip(home, domain.vnode_pages, strict=True)]
            for pnode, count in zip(home, counts, strict=True):
                left[host][pnode] -= count
            placed[domain.name] = state.settle(domain, home, pages, vcpu_to_vnode)
            rooms.set(host, *_room(state, left[host]))
            break
    return Placement(
        domains=tuple(placed[d.name] for d in problem.domains if d.name in placed),
        unplaced=tuple(d.name for d in problem.domains if d.name not in placed),
    )


def _room(state: HostState, vcpus: list[int]) -> tuple[int, int, int, int]:
    """Free pages and vcpus of a host in all, and the most of each on one pnode."""
    return sum(state.free), sum(vcpus), max(state.free), max(vcpus)


def _vcpus_left(host: Host) -> list[int]:
    """How many more shared vcpus each pnode takes (C2)."""
    if host.smt == "cores":
        _, first = np.unique(host.pcpu_core, return_index=True)
        units = np.bincount(host.pcpu_pnode[first], minlength=host.num_pnodes)
    else:
        units = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)
    for running in host.running:
        units = units - count_on(host, running.dedicated_pcpus)
    over, under = host.overcommit.numerator, host.overcommit.denominator
    most = np.maximum(units, 0) * over // under
    for running in host.running:
        most = most - running.vcpus_on
    return [max(0, room) for room in most.tolist()]


def _vcpu_map(domain: Domain) -> tuple[list[int], Ints]:
    """How many vcpus each vnode has, and the vnode of each: as given, else by its share (D3)."""
    if domain.vcpu_to_vnode is not None:
        counts = np.bincount(domain.vcpu_to_vnode, minlength=domain.num_vnodes)
        return counts.tolist(), domain.vcpu_to_vnode
    bounds = vcpu_bounds(domain, domain.vnode_pages)
    given = [low for low, _ in bounds]
    for vnode, (_, high) in enumerate(bounds):
        given[vnode] += min(max(high - given[vnode], 0), domain.num_vcpus - sum(given))
    given[-1] += domain.num_vcpus - sum(given)
    return given, np.repeat(np.arange(domain.num_vnodes, dtype=np.int64), given)


def _homes(
    domain: Domain, free: Sequence[int], vcpus: Sequence[int], counts: Sequence[int]
) -> list[int] | None:
    """The first pnode with room for each vnode, the largest first; None where one has none."""
    pages, room = list(free), list(vcpus)
    sizes = domain.vnode_pages.tolist()
    sizes[0] += domain.overhead_pages
    asked = domain.vnode_pnode.tolist()
    homes = [-1] * len(sizes)
    for vnode in sorted(range(len(sizes)), key=lambda n: (asked[n] < 0, -sizes[n], -counts[n])):
        for pnode in range(len(pages)) if asked[vnode] < 0 else (asked[vnode],):
            if pnode >= len(pages) or pages[pnode] < sizes[vnode] or room[pnode] < counts[vnode]:
                continue
            if domain.distinct_pnodes and pnode in homes:
                continue
            homes[vnode] = pnode
            pages[pnode] -= sizes[vnode]
            room[pnode] -= counts[vnode]
            break
        else:
            return None
    return homes
