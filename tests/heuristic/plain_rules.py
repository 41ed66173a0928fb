"""The rules of thumb as plainly as they can be put: every host asked in turn, nothing kept.

What the project's own are held against.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.domain import Domain
from placer.heuristic.host_state import count_running_vcpus
from placer.heuristic.libxl import choose_pnodes
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.units import PAGES_2MIB

Masks = npt.NDArray[np.bool_]


@dataclass
class HostState:
    """One host as the domains placed so far leave it."""

    host: Host
    free: Ints
    nr_vcpus: Ints
    vcpus_on_pcpu: Ints

    @classmethod
    def of(cls, host: Host) -> HostState:
        pinned = [pcpu for running in host.running for pcpu in running.dedicated_pcpus]
        on_pcpu = np.isin(host.pcpu_ids, pinned).astype(np.int64)
        return cls(host, host.free_pages.copy(), count_running_vcpus(host), on_pcpu)


def place_by_libxl(problem: Problem) -> Placement:
    """Domains in input order, each on the first host whose free memory holds it."""
    states = [HostState.of(host) for host in problem.hosts]
    placed = []
    for domain in problem.domains:
        for state in states:
            if state.free.sum() < domain.memory_pages + domain.overhead_pages:
                continue
            answer = _by_libxl(state, domain) if may_use(domain, state.host) else None
            if answer is not None:
                placed.append(answer)
                break
    return _placement(problem, placed)


def place_first_fit(problem: Problem) -> Placement:
    """Domains by vcpus, then memory, descending, each on the first host with room."""
    states = [HostState.of(host) for host in problem.hosts]
    for state in states:
        state.free -= np.minimum(state.host.reserve_pages, state.free)
    left = [_vcpus_left(state.host) for state in states]
    room = [int(pnodes.sum()) for pnodes in left]
    placed = []
    for domain in sorted(problem.domains, key=lambda d: (-d.num_vcpus, -d.memory_pages)):
        for number, state in enumerate(states):
            need = domain.memory_pages + domain.overhead_pages
            if state.free.sum() < need or room[number] < domain.num_vcpus:
                continue
            may = may_use(domain, state.host)
            answer = _by_first_fit(state, left[number], domain) if may else None
            if answer is not None:
                placed.append(answer)
                room[number] -= domain.num_vcpus
                break
    return _placement(problem, placed)


def _placement(problem: Problem, placed: list[PlacedDomain]) -> Placement:
    by_name = {answer.domain: answer for answer in placed}
    return Placement(
        domains=tuple(by_name[d.name] for d in problem.domains if d.name in by_name),
        unplaced=tuple(d.name for d in problem.domains if d.name not in by_name),
    )


def may_use(domain: Domain, host: Host) -> bool:
    """Whether the administrator would run xl there at all."""
    allowed = domain.hosts is None or host.name in domain.hosts
    return allowed and host.name not in domain.forbidden_hosts


def _by_libxl(state: HostState, domain: Domain) -> PlacedDomain | None:
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


def _vcpus_left(host: Host) -> Ints:
    """How many more vcpus each pnode takes, those that run counted."""
    pcpus = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)
    own = np.isin(host.pcpu_ids, [c for d in host.running for c in d.dedicated_pcpus])
    pcpus = pcpus - np.bincount(host.pcpu_pnode[own], minlength=host.num_pnodes)
    running = sum((d.vcpus_on for d in host.running), np.zeros_like(pcpus))
    over, under = host.overcommit.numerator, host.overcommit.denominator
    return np.asarray(np.maximum(pcpus * over // under - running, 0), dtype=np.int64)


def _by_first_fit(state: HostState, left: Ints, domain: Domain) -> PlacedDomain | None:
    """Place a domain on a host that holds it as a whole; None where a vcpu may run nowhere."""
    host, sizes = state.host, domain.vnode_pages
    hard = hard_masks(host, domain)
    if not hard.any(axis=1).all() or int(domain.vnode_pnode.max()) >= host.num_pnodes:
        return None
    vcpu_to_vnode = domain.vcpu_to_vnode
    if vcpu_to_vnode is None:
        vcpu_to_vnode = np.arange(domain.num_vcpus, dtype=np.int64) * len(sizes) // domain.num_vcpus
    counts = np.bincount(vcpu_to_vnode, minlength=len(sizes))
    pages = np.zeros((len(sizes), host.num_pnodes), dtype=np.int64)
    home = np.zeros(len(sizes), dtype=np.int64)
    for vnode in np.lexsort((-counts, -sizes)).tolist():
        asked = int(domain.vnode_pnode[vnode])
        fits = (state.free >= sizes[vnode]) & (left >= counts[vnode])
        fits = fits if fits.any() else state.free >= sizes[vnode]
        if asked >= 0:
            fits = np.arange(host.num_pnodes) == asked
        home[vnode] = int(np.flatnonzero(fits)[0]) if fits.any() else int(state.free.argmax())
        _lay(state.free, pages[vnode], int(home[vnode]), int(sizes[vnode]))
        left[home[vnode]] = max(0, int(left[home[vnode]]) - int(counts[vnode]))
    home = np.where(sizes > 0, pages.argmax(axis=1), home)
    charge_overhead(state.free, int(home[0]), domain.overhead_pages)
    pcpus = run_vcpus(state, home[vcpu_to_vnode], hard)
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


def _lay(free: Ints, pages: Ints, home: int, size: int) -> None:
    """Take a vnode's pages from ``home``, what it lacks from the lowest pnode up."""
    for pnode in (home, *range(len(free))):
        taken = min(size, int(free[pnode]))
        pages[pnode] += taken
        free[pnode] -= taken
        size -= taken
