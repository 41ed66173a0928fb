"""First fit decreasing: what operators and simple schedulers do, the second baseline.

Domains by size, the largest first; each on the first host that has room for it as a whole; on it
the vnodes by size, each on the first pnode with room. Distances play no part.
"""

from __future__ import annotations

import numpy as np

from placer.domain import Domain
from placer.heuristic.host_state import HostState, Rooms, count_on, hosts_for, layouts_of
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem


def place(problem: Problem) -> Placement:
    """Place the domains by vcpus, then memory, descending, each on the first host with room.

    A host has room where its free memory, less reserves, and its pcpus, times overcommit,
    hold the domain as a whole. The placement may break rules: vnodes that no pnode holds
    lie in pieces, and groups and memory policies are not looked at. Domains that find no
    host are named in ``unplaced``.
    """
    layouts = layouts_of(problem.hosts)
    states = [HostState(*pair) for pair in zip(problem.hosts, layouts, strict=True)]
    for state in states:
        kept = np.minimum(state.host.reserve_pages, state.host.free_pages)
        state.free = (state.host.free_pages - kept).tolist()
    left = [_vcpus_left(state) for state in states]
    vcpu_room = [sum(pnodes) for pnodes in left]
    rooms = Rooms([sum(state.free) for state in states], vcpu_room)
    placed: dict[str, PlacedDomain] = {}
    order = sorted(
        range(len(problem.domains)),
        key=lambda n: (-problem.domains[n].num_vcpus, -problem.domains[n].memory_pages, n),
    )
    for number in order:
        domain = problem.domains[number]
        need = domain.memory_pages + domain.overhead_pages
        most_pnode = int(domain.vnode_pnode.max())
        for host in hosts_for(problem, domain, rooms, need, domain.num_vcpus):
            state = states[host]
            if most_pnode < state.host.num_pnodes and state.layout.runs(domain):
                placed[domain.name] = _place_on(state, left[host], domain)
                vcpu_room[host] -= domain.num_vcpus
                rooms.set(host, sum(state.free), vcpu_room[host])
                break
    return Placement(
        domains=tuple(placed[d.name] for d in problem.domains if d.name in placed),
        unplaced=tuple(d.name for d in problem.domains if d.name not in placed),
    )


def _vcpus_left(state: HostState) -> list[int]:
    """How many more vcpus each pnode takes, those that run counted."""
    host = state.host
    own = tuple(pcpu for running in host.running for pcpu in running.dedicated_pcpus)
    pcpus = state.layout.pcpus - count_on(host, own)
    running = sum((d.vcpus_on for d in host.running), np.zeros_like(pcpus))
    over, under = host.overcommit.numerator, host.overcommit.denominator
    left: list[int] = np.maximum(pcpus * over // under - running, 0).tolist()
    return left


def _place_on(state: HostState, left: list[int], domain: Domain) -> PlacedDomain:
    """Place a domain on a host that holds it as a whole and where each vcpu may run."""
    sizes: list[int] = domain.vnode_pages.tolist()
    vcpu_to_vnode = domain.vcpu_to_vnode
    if vcpu_to_vnode is None:
        vcpu_to_vnode = np.arange(domain.num_vcpus, dtype=np.int64) * len(sizes) // domain.num_vcpus
    counts: list[int] = np.bincount(vcpu_to_vnode, minlength=len(sizes)).tolist()
    asked: list[int] = domain.vnode_pnode.tolist()
    pages = [[0]] * len(sizes)
    home = [0] * len(sizes)
    for vnode in sorted(range(len(sizes)), key=lambda n: (-sizes[n], -counts[n])):
        first = asked[vnode]
        if first < 0:
            first = _first_pnode(state.free, left, sizes[vnode], counts[vnode])
        pages[vnode] = state.take(first, sizes[vnode])
        left[first] = max(0, left[first] - counts[vnode])
        # Where it lies in pieces, most of it may lie elsewhere.
        home[vnode] = pages[vnode].index(max(pages[vnode])) if sizes[vnode] else first
    return state.settle(domain, home, pages, vcpu_to_vnode)


def _first_pnode(free: list[int], left: list[int], size: int, num_vcpus: int) -> int:
    """The first pnode with room for memory and vcpus, else for memory, else the one with most."""
    for pnode, pages in enumerate(free):
        if pages >= size and left[pnode] >= num_vcpus:
            return pnode
    for pnode, pages in enumerate(free):
        if pages >= size:
            return pnode
    return free.index(max(free))
