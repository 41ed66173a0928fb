"""First fit decreasing: what operators and simple schedulers do, the second baseline.

Domains by size, the largest first; each on the first host that has room for it as a whole; on it
the vnodes by size, each on the first pnode with room. Distances play no part.
"""

from __future__ import annotations

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.heuristic.libxl import HostState, charge_overhead, hard_masks, may_use, run_vcpus
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem


def place(problem: Problem) -> Placement:
    """Place the domains by vcpus, then memory, descending, each on the first host with room.

    A host has room where its free memory, less reserves, and its pcpus, times overcommit,
    hold the domain as a whole. The placement may break rules: vnodes that no pnode holds
    lie in pieces, and groups and memory policies are not looked at. Domains that find no
    host are named in ``unplaced``.
    """
    states = [HostState.of(host) for host in problem.hosts]
    for state in states:
        state.free -= np.minimum(state.host.reserve_pages, state.free)
    free = np.array([int(state.free.sum()) for state in states])
    room = np.array([_vcpu_room(state) for state in states])
    left = [_vcpus_left(state) for state in states]
    placed: dict[str, PlacedDomain] = {}
    order = sorted(
        range(len(problem.domains)),
        key=lambda n: (-problem.domains[n].num_vcpus, -problem.domains[n].memory_pages, n),
    )
    for number in order:
        domain = problem.domains[number]
        need = domain.memory_pages + domain.overhead_pages
        for host in np.flatnonzero((free >= need) & (room >= domain.num_vcpus)).tolist():
            if not may_use(domain, states[host].host):
                continue
            answer = _place_on(states[host], left[host], domain)
            if answer is not None:
                placed[domain.name] = answer
                free[host] = int(states[host].free.sum())
                room[host] -= domain.num_vcpus
                break
    return Placement(
        domains=tuple(placed[d.name] for d in problem.domains if d.name in placed),
        unplaced=tuple(d.name for d in problem.domains if d.name not in placed),
    )


def _vcpus_left(state: HostState) -> Ints:
    """How many more vcpus each pnode takes, those that run counted."""
    host = state.host
    pcpus = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)
    own = np.isin(host.pcpu_ids, [c for d in host.running for c in d.dedicated_pcpus])
    pcpus = pcpus - np.bincount(host.pcpu_pnode[own], minlength=host.num_pnodes)
    running = sum((d.vcpus_on for d in host.running), np.zeros_like(pcpus))
    over, under = host.overcommit.numerator, host.overcommit.denominator
    return np.asarray(np.maximum(pcpus * over // under - running, 0), dtype=np.int64)


def _vcpu_room(state: HostState) -> int:
    return int(_vcpus_left(state).sum())


def _place_on(state: HostState, left: Ints, domain: Domain) -> PlacedDomain | None:
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
