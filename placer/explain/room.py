"""What a host has left for one domain, pnode by pnode, as counting sees it (C1, C2)."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host
from placer.pages.heap import free_extents
from placer.quadratic.core import Mask
from placer.units import MAX_ORDER


class Room:
    """The figures of one host that counting needs, each found once.

    Vcpu figures are never below what the rules allow, and exact for shared vcpus without
    a hard affinity. Figures that do not differ are taken over from ``like``.
    """

    def __init__(self, host: Host, like: Room | None = None) -> None:
        self.host = host
        if like is not None:
            self._take_over(like)
        self.usable: list[int] = host.usable_pages.tolist()
        self.reach_all = not bool((host.distances == 255).any())

    def _take_over(self, like: Room) -> None:
        """Share the figures of an equal heap and of equal pcpus that are already known."""
        mine, theirs = self.host, like.host
        known = vars(like)
        if mine.free_spans is theirs.free_spans and "_extents" in known:
            self.__dict__["_extents"] = known["_extents"]
        same = ("pcpu_ids", "pcpu_core", "pcpu_pnode", "running")
        if mine.smt == theirs.smt and all(getattr(mine, f) is getattr(theirs, f) for f in same):
            for field in ("_cells", "running_vcpus"):
                if field in known:
                    self.__dict__[field] = known[field]

    @cached_property
    def _cells(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """Slots, whole cores, and threads of whole cores with siblings, by pnode; pcpus free."""
        host = self.host
        taken = sorted({pcpu for run in host.running for pcpu in run.dedicated_pcpus})
        free = ~np.isin(host.pcpu_ids, taken)
        _, first, core, size = np.unique(
            host.pcpu_core, return_index=True, return_inverse=True, return_counts=True
        )
        left = np.bincount(core[free], minlength=len(size))
        pnode_of, whole = host.pcpu_pnode[first], left == size

        def by_pnode(chosen: Mask, weights: Ints | None = None) -> list[int]:
            counted = None if weights is None else weights[chosen]
            numbers = np.bincount(pnode_of[chosen], counted, minlength=host.num_pnodes)
            return [int(number) for number in numbers]

        if host.smt == "cores":
            slots, free = by_pnode(whole), free & whole[core]
        else:
            slots = np.bincount(host.pcpu_pnode[free], minlength=host.num_pnodes).tolist()
        wide = whole & (size > 1)
        return slots, by_pnode(whole), by_pnode(wide, size), host.pcpu_ids[free].tolist()

    @cached_property
    def running_vcpus(self) -> list[int]:
        """Shared vcpus of running domains by pnode."""
        nothing = np.zeros(self.host.num_pnodes, dtype=np.int64)
        return list(sum((run.vcpus_on for run in self.host.running), nothing).tolist())

    @cached_property
    def shared(self) -> list[int]:
        """How many more shared vcpus each pnode takes."""
        over, under = self.host.overcommit.numerator, self.host.overcommit.denominator
        slots = self._cells[0]
        return [
            max(0, over * number // under - running)
            for number, running in zip(slots, self.running_vcpus, strict=True)
        ]

    def vcpus(self, domain: Domain) -> list[int]:
        """Return how many vcpus of the kind of ``domain`` each pnode takes at most."""
        if not domain.dedicated:
            return self.shared
        slots, cores, threads, _ = self._cells
        over, under = self.host.overcommit.numerator, self.host.overcommit.denominator
        most = {"prefer": slots, "isolate": cores, "require": threads}[domain.thread_policy]
        room = []
        for number, running, have in zip(most, self.running_vcpus, slots, strict=True):
            kept = -(-under * running // over)
            left = have - kept
            spare = left if domain.thread_policy == "prefer" else number
            room.append(min(number, spare) if left >= 0 else 0)
        return room

    def vcpus_in(self, domain: Domain, mask: frozenset[int]) -> list[int]:
        """Return how many vcpus that may use the pcpus of ``mask`` alone each pnode takes at most.

        Shared vcpus: ceil(overcommit) for each slot of the mask, within what the pnode
        takes. Dedicated ones: the free pcpus of the mask, or the whole cores that have one.
        """
        host = self.host
        free = mask.intersection(self._cells[3])
        units: list[set[int]] = [set() for _ in range(host.num_pnodes)]
        by_core = host.smt == "cores" and not (
            domain.dedicated and domain.thread_policy == "require"
        )
        by_core = by_core or (domain.dedicated and domain.thread_policy == "isolate")
        for pcpu, core, pnode in zip(
            host.pcpu_ids.tolist(), host.pcpu_core.tolist(), host.pcpu_pnode.tolist(), strict=True
        ):
            if pcpu in free:
                units[pnode].add(core if by_core else pcpu)
        each = (
            1 if domain.dedicated else -(-host.overcommit.numerator // host.overcommit.denominator)
        )
        pairs = zip(units, self.vcpus(domain), strict=True)
        return [min(len(mine) * each, most) for mine, most in pairs]

    @cached_property
    def _extents(self) -> Ints:
        return free_extents(self.host)

    def extents(self, order: int) -> list[int]:
        """Return how many extents of ``order`` each pnode can give."""
        return [
            sum(int(row[o]) << (o - order) for o in range(order, MAX_ORDER + 1))
            for row in self._extents
        ]
