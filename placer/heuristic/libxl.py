"""libxl's rule for NUMA placement: the baseline that every plan is compared with.

Sources: xl-numa-placement(7); libxl_numa.c (libxl__get_numa_candidate) and libxl_dom.c
(numa_place_domain) for the choice of pnodes; the vNUMA patches posted to xen-devel
in November 2013 (libxl_dom.c, libxl__init_vnode_to_pnode) for vnodes to pnodes. See
docs/baseline.md for what is followed and what is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.units import PAGE_KIB, PAGES_2MIB

MOST_PNODES: Final = 16
"""libxl does not search on hosts with more: there are 2**16 - 1 sets already."""


Masks = npt.NDArray[np.bool_]


def place(problem: Problem) -> Placement:
    """Place the domains as xl would create them: in input order, each on the first host.

    A host will do where its free memory holds the domain and a pcpu is left to
    every vcpu's hard affinity. The placement may break rules (reserves, C2, groups,
    memory policies): libxl knows nothing of them. Domains that no host will hold are
    named in ``unplaced``.
    """
    states = [HostState.of(host) for host in problem.hosts]
    free = np.array([int(state.free.sum()) for state in states])
    placed: list[PlacedDomain] = []
    unplaced: list[str] = []
    for domain in problem.domains:
        for number in np.flatnonzero(free >= domain.memory_pages + domain.overhead_pages).tolist():
            if may_use(domain, states[number].host):
                found = _place_on(states[number], domain)
                if found is not None:
                    placed.append(found)
                    free[number] = int(states[number].free.sum())
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
    if not 1 < host.num_pnodes <= MOST_PNODES:
        return None
    suitable = np.flatnonzero(pcpus)
    fewest = -(-num_vcpus // int(pcpus[0])) if pcpus[0] and (pcpus == pcpus[0]).all() else 1
    for size in range(min(fewest, len(suitable)), len(suitable) + 1):
        sets = suitable[_subsets(len(suitable), size)]
        free = free_pages[sets].sum(axis=1) * PAGE_KIB
        valid = free >= need_pages * PAGE_KIB
        valid &= pcpus[sets].sum(axis=1) >= num_vcpus
        if valid.any():
            sets, free = sets[valid], free[valid]
            best = np.lexsort((-free, nr_vcpus[sets].sum(axis=1)))[0]
            return tuple(sets[best].tolist())
    return None


def count_running_vcpus(host: Host) -> Ints:
    """Return how many vcpus of running domains may run on each pnode, shape (P,).

    A vcpu that nothing ties to a pnode counts on every one (nr_vcpus_on_nodes); a
    dedicated pcpu counts as one vcpu.
    """
    counts = np.zeros(host.num_pnodes, dtype=np.int64)
    for running in host.running:
        own = np.isin(host.pcpu_ids, running.dedicated_pcpus)
        counts += running.vcpus_on + running.floating_vcpus
        counts += np.bincount(host.pcpu_pnode[own], minlength=host.num_pnodes)
    return counts


@dataclass
class HostState:
    """One host as the domains placed so far leave it.

    ``free[p]``: free pages. ``nr_vcpus[p]``: vcpus that may
    run on pnode p. ``vcpus_on_pcpu[c]``: vcpus that run on one pcpu, as far as known.
    """

    host: Host
    free: Ints
    nr_vcpus: Ints
    vcpus_on_pcpu: Ints

    @classmethod
    def of(cls, host: Host) -> HostState:
        """Return the state of a host on which nothing of the batch is placed yet."""
        pinned = [pcpu for running in host.running for pcpu in running.dedicated_pcpus]
        return cls(
            host,
            host.free_pages.copy(),
            count_running_vcpus(host),
            np.isin(host.pcpu_ids, pinned).astype(np.int64),
        )


@lru_cache(maxsize=MOST_PNODES * MOST_PNODES)
def _subsets(total: int, size: int) -> Ints:
    """Return all subsets of 0..total-1 of one size, lexicographically, one a row."""
    return np.array(list(combinations(range(total), size)), dtype=np.int64)


def may_use(domain: Domain, host: Host) -> bool:
    """Whether the administrator would run xl there at all."""
    allowed = domain.hosts is None or host.name in domain.hosts
    return allowed and host.name not in domain.forbidden_hosts


def _place_on(state: HostState, domain: Domain) -> PlacedDomain | None:
    """Place ``domain`` where its memory is free; None where a vcpu may run nowhere."""
    host = state.host
    hard = hard_masks(host, domain)
    if not hard.any(axis=1).all():
        return None
    sizes = domain.vnode_pages
    if _is_usable(state, domain):
        vnode_pnode = domain.vnode_pnode.copy()
        nodemap = sorted(set(vnode_pnode.tolist()))
    else:
        nodemap = _nodemap(state, domain)
        vnode_pnode = _vnodes_to_pnodes(state.free, nodemap, sizes)
    pages = _pages(state.free, nodemap, vnode_pnode, sizes)
    home = np.asarray(pages.argmax(axis=1), dtype=np.int64)
    home[sizes == 0] = np.where(vnode_pnode < 0, nodemap[0], vnode_pnode)[sizes == 0]
    vcpu_to_vnode = domain.vcpu_to_vnode
    if vcpu_to_vnode is None:
        vcpu_to_vnode = np.arange(domain.num_vcpus, dtype=np.int64) % len(sizes)
    pcpus = run_vcpus(state, home[vcpu_to_vnode], hard)
    state.free -= pages.sum(axis=0)
    charge_overhead(state.free, int(home[0]), domain.overhead_pages)
    for pnode in nodemap:
        state.nr_vcpus[pnode] += hard[:, host.pcpu_pnode == pnode].any(axis=1).sum()
    return PlacedDomain(
        domain=domain.name,
        host=host.name,
        vnode_pages=sizes,
        home=home,
        pages=pages,
        vcpu_to_vnode=vcpu_to_vnode,
        vcpu_to_pnode=host.pcpu_pnode[pcpus],
        vcpu_to_pcpu=host.pcpu_ids[pcpus],
    )


def hard_masks(host: Host, domain: Domain) -> Masks:
    """Return which pcpus each vcpu may use, shape (N, C)."""
    masks = np.ones((domain.num_vcpus, host.num_pcpus), dtype=np.bool_)
    for affinity in set(domain.hard_affinity):
        if affinity is None:
            continue
        named = sorted(affinity.resolve(host.pcpu_ids, host.pcpu_pnode))
        vcpus = [vcpu for vcpu, own in enumerate(domain.hard_affinity) if own == affinity]
        masks[vcpus] = np.isin(host.pcpu_ids, named)
    return masks


def _is_usable(state: HostState, domain: Domain) -> bool:
    """Whether the user's map names a pnode with room for every vnode."""
    wanted = domain.vnode_pnode
    if (wanted < 0).any() or (wanted >= len(state.free)).any():
        return False
    used = np.zeros_like(state.free)
    np.add.at(used, wanted, domain.vnode_pages)
    return bool((used <= state.free).all())


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
    chosen = choose_pnodes(state.host, state.free, state.nr_vcpus, domain.num_vcpus, need)
    return everything if chosen is None else list(chosen)


def _vnodes_to_pnodes(free: Ints, nodemap: list[int], sizes: Ints) -> Ints:
    """Return the pnode of each vnode, -1 where none has room.

    All vnodes on the first pnode that holds them all; else first fit, pnode by
    pnode, in each the vnodes in order (libxl__init_vnode_to_pnode).
    """
    for pnode in nodemap:
        if free[pnode] >= sizes.sum():
            return np.full(len(sizes), pnode, dtype=np.int64)
    found = np.full(len(sizes), -1, dtype=np.int64)
    for pnode in nodemap:
        left = int(free[pnode])
        for vnode in np.flatnonzero(found < 0).tolist():
            if sizes[vnode] <= left:
                found[vnode] = pnode
                left -= int(sizes[vnode])
    return found


def _pages(free: Ints, nodemap: list[int], vnode_pnode: Ints, sizes: Ints) -> Ints:
    """Return the pages of each vnode on each pnode, shape (V, P).

    A vnode without a pnode takes what the others leave: in the nodemap first, then
    elsewhere, each time from the lowest pnode up.
    """
    pages = np.zeros((len(sizes), len(free)), dtype=np.int64)
    fixed = np.flatnonzero(vnode_pnode >= 0)
    pages[fixed, vnode_pnode[fixed]] = sizes[fixed]
    left = free - pages.sum(axis=0)
    by_turn = nodemap + [pnode for pnode in range(len(free)) if pnode not in nodemap]
    for vnode in np.flatnonzero(vnode_pnode < 0).tolist():
        before = np.concatenate([[0], np.cumsum(left[by_turn])[:-1]])
        pages[vnode, by_turn] = np.clip(sizes[vnode] - before, 0, left[by_turn])
        left -= pages[vnode]
    return pages


def run_vcpus(state: HostState, wanted: Ints, hard: Masks) -> Ints:
    """Return the position of the pcpu of each vcpu, the least used one of its pnode.

    A vcpu runs on its vnode's pnode (its soft affinity) where its hard affinity has
    a pcpu there, else on the lowest pnode where it has one.
    """
    chosen = np.empty(len(wanted), dtype=np.int64)
    for vcpu, pnode in enumerate(wanted.tolist()):
        allowed = np.flatnonzero(hard[vcpu])
        on = state.host.pcpu_pnode[allowed]
        allowed = allowed[on == (pnode if (on == pnode).any() else on.min())]
        chosen[vcpu] = allowed[state.vcpus_on_pcpu[allowed].argmin()]
        state.vcpus_on_pcpu[chosen[vcpu]] += 1
    return chosen


def charge_overhead(free: Ints, home: int, overhead: int) -> None:
    """Take the toolstack's pages from ``home``, what it lacks from the lowest pnode up."""
    for pnode in (home, *range(len(free))):
        taken = min(overhead, int(free[pnode]))
        free[pnode] -= taken
        overhead -= taken
