"""libxl's rule for NUMA placement: the baseline that every plan is compared with.

Sources: xl-numa-placement(7); libxl_numa.c (libxl__get_numa_candidate) and libxl_dom.c
(numa_place_domain) for the choice of pnodes; the vNUMA patches posted to xen-devel
in November 2013 (libxl_dom.c, libxl__init_vnode_to_pnode) for vnodes to pnodes. See
docs/baseline.md for what is followed and what is not.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.heuristic.host_state import HostState, Rooms, hosts_for, layouts_of
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.units import PAGES_2MIB

MOST_PNODES: Final = 16
"""libxl does not search on hosts with more: there are 2**16 - 1 sets already."""


def place(problem: Problem) -> Placement:
    """Place the domains as xl would create them: in input order, each on the first host.

    A host will do where its free memory holds the domain and a pcpu is left to
    every vcpu's hard affinity. The placement may break rules (reserves, C2, groups,
    memory policies): libxl knows nothing of them. Domains that no host will hold are
    named in ``unplaced``.
    """
    layouts = layouts_of(problem.hosts)
    states = [HostState(*pair) for pair in zip(problem.hosts, layouts, strict=True)]
    rooms = Rooms([sum(state.free) for state in states])
    placed: list[PlacedDomain] = []
    unplaced: list[str] = []
    for domain in problem.domains:
        need = domain.memory_pages + domain.overhead_pages
        for host in hosts_for(problem, domain, rooms, need):
            if states[host].layout.runs(domain):
                placed.append(_place_on(states[host], domain))
                rooms.set(host, sum(states[host].free))
                break
        else:
            unplaced.append(domain.name)
    return Placement(domains=tuple(placed), unplaced=tuple(unplaced))


def choose_pnodes(
    host: Host, free_pages: Ints, nr_vcpus: Ints, num_vcpus: int, need_pages: int
) -> tuple[int, ...] | None:
    """Return the pnodes that libxl picks for a domain, or None where it picks none.

    ``free_pages[p]`` and ``nr_vcpus[p]`` say what is free and how many vcpus may run on
    pnode p already; ``num_vcpus`` and ``need_pages`` what the domain needs.

    Sets of few pnodes beat larger ones; among sets of one size the one with the fewest
    vcpus wins, then the one with the most free memory, then the lexicographically
    first. Distances play no part (libxl_numa.c, numa_cmpf).
    """
    pcpus = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)
    return _choose(pcpus, free_pages, nr_vcpus, num_vcpus, need_pages)


def _choose(
    pcpus: Ints, free_pages: Ints, nr_vcpus: Ints, num_vcpus: int, need_pages: int
) -> tuple[int, ...] | None:
    """choose_pnodes on a host with ``pcpus[p]`` pcpus on pnode p."""
    if not 1 < len(pcpus) <= MOST_PNODES:
        return None
    suitable = np.flatnonzero(pcpus)
    fewest = -(-num_vcpus // int(pcpus[0])) if pcpus[0] and (pcpus == pcpus[0]).all() else 1
    for size in range(min(fewest, len(suitable)), len(suitable) + 1):
        sets = suitable[_subsets(len(suitable), size)]
        free = free_pages[sets].sum(axis=1)
        valid = (free >= need_pages) & (pcpus[sets].sum(axis=1) >= num_vcpus)
        if valid.any():
            sets, free = sets[valid], free[valid]
            best = np.lexsort((-free, nr_vcpus[sets].sum(axis=1)))[0]
            return tuple(sets[best].tolist())
    return None


@lru_cache(maxsize=MOST_PNODES * MOST_PNODES)
def _subsets(total: int, size: int) -> Ints:
    """Return all subsets of 0..total-1 of one size, lexicographically, one a row."""
    return np.array(list(combinations(range(total), size)), dtype=np.int64)


def _place_on(state: HostState, domain: Domain) -> PlacedDomain:
    """Place ``domain`` where its memory is free; each of its vcpus may run somewhere."""
    sizes: list[int] = domain.vnode_pages.tolist()
    vnode_pnode: list[int] = domain.vnode_pnode.tolist()
    if _is_usable(state, vnode_pnode, sizes):
        nodemap = sorted(set(vnode_pnode))
    else:
        nodemap = _nodemap(state, domain)
        vnode_pnode = _vnodes_to_pnodes(state.free, nodemap, sizes)
    pages = _pages(state.free, nodemap, vnode_pnode, sizes)
    home = []
    for size, pnode, on in zip(sizes, vnode_pnode, pages, strict=True):
        # A vnode without memory lies where it was put, or on the first pnode chosen.
        empty = nodemap[0] if pnode < 0 else pnode
        home.append(on.index(max(on)) if size else empty)
    vcpu_to_vnode = domain.vcpu_to_vnode
    if vcpu_to_vnode is None:
        vcpu_to_vnode = np.arange(domain.num_vcpus, dtype=np.int64) % len(sizes)
    for on in pages:
        state.free = [left - taken for left, taken in zip(state.free, on, strict=True)]
    for hard, num_vcpus in Counter(domain.hard_affinity).items():
        for pnode in state.layout.allowed(hard).keys() & nodemap:
            state.nr_vcpus[pnode] += num_vcpus
    return state.settle(domain, home, pages, vcpu_to_vnode)


def _is_usable(state: HostState, vnode_pnode: list[int], sizes: list[int]) -> bool:
    """Whether the user's map names a pnode with room for every vnode."""
    if min(vnode_pnode) < 0 or max(vnode_pnode) >= len(state.free):
        return False
    left = state.free.copy()
    for pnode, size in zip(vnode_pnode, sizes, strict=True):
        left[pnode] -= size
    return min(left) >= 0


def _nodemap(state: HostState, domain: Domain) -> list[int]:
    """Return the pnodes of the domain, all of them where libxl does not choose.

    xl turns automatic placement off for a soft affinity and for a list of hard
    ones, which is what masks that differ stand for.
    """
    everything = list(range(state.host.num_pnodes))
    listed = len({None if mask is None else mask.text for mask in domain.hard_affinity}) > 1
    if listed or any(mask is not None for mask in domain.soft_affinity):
        return everything
    need = domain.memory_pages + domain.overhead_pages
    need = -(-need // PAGES_2MIB) * PAGES_2MIB
    free, load = np.array(state.free), np.array(state.nr_vcpus)
    chosen = _choose(state.layout.pcpus, free, load, domain.num_vcpus, need)
    return everything if chosen is None else list(chosen)


def _vnodes_to_pnodes(free: list[int], nodemap: list[int], sizes: list[int]) -> list[int]:
    """Return the pnode of each vnode, -1 where none has room.

    All vnodes on the first pnode that holds them all; else first fit, pnode by
    pnode, in each the vnodes in order (libxl__init_vnode_to_pnode).
    """
    for pnode in nodemap:
        if free[pnode] >= sum(sizes):
            return [pnode] * len(sizes)
    found = [-1] * len(sizes)
    for pnode in nodemap:
        left = free[pnode]
        for vnode, size in enumerate(sizes):
            if found[vnode] < 0 and size <= left:
                found[vnode] = pnode
                left -= size
    return found


def _pages(
    free: list[int], nodemap: list[int], vnode_pnode: list[int], sizes: list[int]
) -> list[list[int]]:
    """Return the pages of each vnode on each pnode.

    A vnode without a pnode takes what the others leave: in the nodemap first, then
    elsewhere, each time from the lowest pnode up.
    """
    pages = [[0] * len(free) for _ in sizes]
    left = free.copy()
    for vnode, pnode in enumerate(vnode_pnode):
        if pnode >= 0:
            pages[vnode][pnode] = sizes[vnode]
            left[pnode] -= sizes[vnode]
    by_turn = nodemap + [pnode for pnode in range(len(free)) if pnode not in nodemap]
    for vnode in (n for n, pnode in enumerate(vnode_pnode) if pnode < 0):
        missing = sizes[vnode]
        for pnode in by_turn:
            taken = min(missing, left[pnode])
            pages[vnode][pnode] = taken
            left[pnode] -= taken
            missing -= taken
    return pages
