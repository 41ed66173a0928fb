"""Allocations that name no pnode: Xen goes round the pnodes of the domain's node affinity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from placer.arrays import Ints
from placer.pages.heap import Heap


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Stripe:
    """The share of one pnode in one row of single allocations.

    ``rows[k] = (machine_frame, num_extents)`` as `Heap.allocate` gives them; the extents are
    the allocations ``first``, ``first + step``, ``first + 2 * step`` and so on of the row.
    """

    pnode: int
    first: int
    step: int
    rows: Ints


class Round:
    """Where a domain's next allocation begins: after the pnode of its last one.

    ``pnodes`` is the node affinity. Xen starts at ``last_alloc_node``'s successor within it,
    goes on cyclically where a pnode has nothing left, then takes the other pnodes from the
    lowest up; all of them first without the zones kept for devices, then with them
    (get_free_buddy and alloc_domheap_pages in xen/common/page_alloc.c). Distances play no
    part.
    """

    def __init__(self, pnodes: Sequence[int]) -> None:
        self._pnodes = sorted(set(pnodes))
        self._last = -1

    def narrow(self, pnodes: Sequence[int]) -> None:
        """Go on with another node affinity."""
        self._pnodes = sorted(set(pnodes))

    def allocate(self, heap: Heap, order: int, num_extents: int) -> list[Stripe]:
        """Take up to ``num_extents`` extents of ``order``, one allocation each.

        Fewer come back only where the whole host has no more.
        """
        others = [pnode for pnode in range(heap.num_pnodes) if pnode not in self._pnodes]
        found: list[Stripe] = []
        done = 0
        for above_zone in (heap.dma_zone, 0) if heap.dma_zone else (0,):
            for around in (self._pnodes, *([pnode] for pnode in others)):
                if done < num_extents:
                    stripes = self._go_round(heap, order, num_extents, done, above_zone, around)
                    found += stripes
                    done += sum(int(stripe.rows[:, 1].sum()) for stripe in stripes)
        return found

    def _go_round(
        self,
        heap: Heap,
        order: int,
        num_extents: int,
        done: int,
        above_zone: int,
        around: list[int],
    ) -> list[Stripe]:
        """Take what is left of ``num_extents`` from ``around`` in turn, as far as it goes."""
        there = heap.available(order, above_zone=above_zone)
        found = []
        while done < num_extents:
            able = [pnode for pnode in around if there[pnode]]
            if not able:
                break
            # Those after the last one come first.
            able.sort(key=lambda pnode: (pnode <= self._last, pnode))
            fewest = int(there[able].min())
            turns = min(num_extents - done, fewest * len(able))
            for place, pnode in enumerate(able[:turns]):
                share = -(-(turns - place) // len(able))
                rows = heap.allocate(pnode, order, share, above_zone=above_zone)
                found.append(Stripe(pnode=pnode, first=done + place, step=len(able), rows=rows))
                there[pnode] -= share
            self._last = able[(turns - 1) % len(able)]
            done += turns
        return found
