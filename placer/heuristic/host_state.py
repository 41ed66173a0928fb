"""Hosts as the rules of thumb fill them: what is free, which pcpus are used, who has room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapreplace
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.cpulist import CpuList
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain
from placer.problem import Problem

_BLOCK: Final = 128
"""Hosts that are searched at once; about the square root of a large fleet."""


class Layout:
    """Which pcpus lie on which pnode; one value for all hosts that are alike in it.

    Pcpus are meant by their position in ``ids``. ``pcpus[p]``: how many pnode p has.
    """

    def __init__(self, num_pnodes: int, ids: Ints, pnode: Ints) -> None:
        self.num_pnodes = num_pnodes
        self.ids = ids
        self.pnode = pnode
        self.pcpus = np.bincount(pnode, minlength=num_pnodes)
        self._allowed: dict[CpuList | None, dict[int, list[int]]] = {}

    def allowed(self, hard: CpuList | None) -> dict[int, list[int]]:
        """Return the pcpus that a hard affinity allows, ascending, by pnode that has any."""
        if hard not in self._allowed:
            positions = np.arange(len(self.ids))
            if hard is not None:
                named = sorted(hard.resolve(self.ids, self.pnode))
                positions = np.flatnonzero(np.isin(self.ids, named))
            found: dict[int, list[int]] = {}
            for position in positions.tolist():
                found.setdefault(int(self.pnode[position]), []).append(position)
            self._allowed[hard] = found
        return self._allowed[hard]

    def runs(self, domain: Domain) -> bool:
        """Whether every vcpu of ``domain`` has a pcpu that it may use."""
        return all(self.allowed(hard) for hard in set(domain.hard_affinity))


def layouts_of(hosts: Sequence[Host]) -> list[Layout]:
    """Return the layout of each host, equal ones being the same value."""
    known: dict[tuple[int, bytes, bytes], Layout] = {}
    found = []
    for host in hosts:
        key = host.num_pnodes, host.pcpu_ids.tobytes(), host.pcpu_pnode.tobytes()
        if key not in known:
            known[key] = Layout(host.num_pnodes, host.pcpu_ids, host.pcpu_pnode)
        found.append(known[key])
    return found


def count_running_vcpus(host: Host) -> Ints:
    """Return how many vcpus of running domains may run on each pnode, shape (P,).

    A vcpu that nothing ties to a pnode counts on every one (nr_vcpus_on_nodes); a
    dedicated pcpu counts as one vcpu.
    """
    counts = np.zeros(host.num_pnodes, dtype=np.int64)
    for running in host.running:
        counts += running.vcpus_on + running.floating_vcpus
        counts += count_on(host, running.dedicated_pcpus)
    return counts


def count_on(host: Host, pcpus: tuple[int, ...]) -> Ints:
    """Return how many pcpus of each pnode are among ``pcpus``, shape (P,)."""
    if not pcpus:
        return np.zeros(host.num_pnodes, dtype=np.int64)
    own = np.isin(host.pcpu_ids, pcpus)
    return np.bincount(host.pcpu_pnode[own], minlength=host.num_pnodes)


class HostState:
    """One host as the domains placed so far leave it.

    ``free[p]``: free pages. ``nr_vcpus[p]``: vcpus that may run on pnode p.
    """

    def __init__(self, host: Host, layout: Layout) -> None:
        self.host = host
        self.layout = layout
        self.free: list[int] = host.free_pages.tolist()
        self.nr_vcpus: list[int] = count_running_vcpus(host).tolist()
        # How many vcpus run on one pcpu, as far as known; by pnode, as a heap of
        # (vcpus, position) in one number each, once vcpus that nothing ties run there.
        self._vcpus_on = [0] * host.num_pcpus
        self._least_used: dict[int, list[int]] = {}
        pinned = [pcpu for running in host.running for pcpu in running.dedicated_pcpus]
        for position in np.searchsorted(host.pcpu_ids, pinned).tolist():
            self._vcpus_on[position] = 1

    def settle(
        self, domain: Domain, home: list[int], pages: list[list[int]], vcpu_to_vnode: Ints
    ) -> PlacedDomain:
        """Charge the overhead, run the vcpus of a domain whose pages are taken, and return it."""
        self.take(home[0], domain.overhead_pages)
        pcpus = self.run_vcpus(domain, [home[vnode] for vnode in vcpu_to_vnode.tolist()])
        return PlacedDomain(
            domain=domain.name,
            host=self.host.name,
            vnode_pages=domain.vnode_pages,
            home=np.array(home, dtype=np.int64),
            pages=np.array(pages, dtype=np.int64),
            vcpu_to_vnode=vcpu_to_vnode,
            vcpu_to_pnode=self.host.pcpu_pnode[pcpus],
            vcpu_to_pcpu=self.host.pcpu_ids[pcpus],
        )

    def run_vcpus(self, domain: Domain, wanted: Sequence[int]) -> Ints:
        """Return the position of the pcpu of each vcpu, the least used one of its pnode.

        A vcpu runs on its vnode's pnode (``wanted``, its soft affinity) where its hard
        affinity has a pcpu there, else on the lowest pnode where it has one.
        """
        size = len(self._vcpus_on)
        chosen = []
        for pnode, hard in zip(wanted, domain.hard_affinity, strict=True):
            allowed = self.layout.allowed(hard)
            here = pnode if pnode in allowed else min(allowed)
            if hard is None:
                heap = self._heap(here)
                pcpu = heap[0] % size
                heapreplace(heap, heap[0] + size)
            else:
                pcpu = min(allowed[here], key=self._vcpus_on.__getitem__)
                self._least_used.pop(here, None)
            self._vcpus_on[pcpu] += 1
            chosen.append(pcpu)
        return np.array(chosen, dtype=np.int64)

    def _heap(self, pnode: int) -> list[int]:
        if pnode not in self._least_used:
            size = len(self._vcpus_on)
            pcpus = self.layout.allowed(None)[pnode]
            # Sorted is a heap already.
            self._least_used[pnode] = sorted(self._vcpus_on[c] * size + c for c in pcpus)
        return self._least_used[pnode]

    def take(self, first: int, num_pages: int) -> list[int]:
        """Take pages from pnode ``first``, what it lacks from the lowest pnode up.

        Returns how many came from each pnode.
        """
        taken = [0] * len(self.free)
        for pnode in (first, *range(len(self.free))):
            part = min(num_pages, self.free[pnode])
            taken[pnode] += part
            self.free[pnode] -= part
            num_pages -= part
            if not num_pages:
                break
        return taken


class Rooms:
    """Figures of many hosts, searched for the hosts that have enough of each.

    Hosts are looked at in blocks of which the most of each figure is known, so that a
    search costs a few operations on short arrays however many hosts are full.
    """

    def __init__(self, *figures: Sequence[int]) -> None:
        """Hold ``figures[k][h]``, whole numbers, of every host."""
        num_blocks = -(-len(figures[0]) // _BLOCK)
        self._of = np.full((len(figures), num_blocks * _BLOCK), -1, dtype=np.int64)
        self._of[:, : len(figures[0])] = figures
        self._most = self._of.reshape(len(figures), num_blocks, _BLOCK).max(axis=2)

    def set(self, host: int, *figures: int) -> None:
        """Give one host its new figures."""
        block = host // _BLOCK
        self._of[:, host] = figures
        self._most[:, block] = self._of[:, block * _BLOCK : (block + 1) * _BLOCK].max(axis=1)

    def with_room(self, *needs: int) -> Iterator[int]:
        """Yield the hosts, ascending, that have as much of each figure, all 0 or more."""
        wanted = np.array(needs, dtype=np.int64)[:, None]
        for block in np.flatnonzero((self._most >= wanted).all(axis=0)).tolist():
            here = self._of[:, block * _BLOCK : (block + 1) * _BLOCK]
            for place in np.flatnonzero((here >= wanted).all(axis=0)).tolist():
                yield block * _BLOCK + place

    def has_room(self, host: int, *needs: int) -> bool:
        """Whether one host has as much of each figure."""
        return bool((self._of[:, host] >= needs).all())


def hosts_for(problem: Problem, domain: Domain, rooms: Rooms, *needs: int) -> Iterator[int]:
    """Yield the hosts with room, in order, where the administrator would run ``domain`` at all."""
    if domain.hosts is None:
        found = rooms.with_room(*needs)
    else:
        named = sorted({problem.host_index[name] for name in domain.hosts})
        found = (host for host in named if rooms.has_room(host, *needs))
    forbidden = {problem.host_index[name] for name in domain.forbidden_hosts}
    return (host for host in found if host not in forbidden)
