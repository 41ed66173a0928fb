"""Free machine memory of a host as Xen's buddy allocator keeps it (xen/common/page_alloc.c)."""

from __future__ import annotations

from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.host import Host
from placer.spans import NO_SPANS, merge, split_into_buddies, subtract, zone_of
from placer.units import MAX_ORDER, PAGE_BITS

FRAME_BITS: Final = 40
"""Bits of a machine frame number: PADDR_BITS of 52 less the 12 of a page."""

NUM_ZONES: Final = FRAME_BITS + 1
"""Zone z holds the frames of bit length z, as Xen's page_to_zone counts them."""

DMA_BITS: Final = 32
"""The widest address that Xen keeps memory back for on a host of several pnodes."""

_ORDERS: Final = np.arange(MAX_ORDER + 1, dtype=np.int64)

_FEW_ROWS: Final = 8
"""Lists of so many rows are gone through one by one."""

_Key = tuple[int, int, int]
"""Pnode, zone and order of a list."""


class _Taken:
    """Rows handed out so far, few of them one by one and many at a time."""

    def __init__(self) -> None:
        self._parts: list[Ints] = []
        self._single: list[tuple[int, int]] = []

    def add(self, frame: int, count: int) -> None:
        self._single.append((frame, count))

    def extend(self, rows: Ints) -> None:
        self._flush()
        self._parts.append(rows)

    def rows(self) -> Ints:
        self._flush()
        if len(self._parts) == 1:
            return self._parts[0]
        return np.concatenate([NO_SPANS, *self._parts])

    def _flush(self) -> None:
        if self._single:
            self._parts.append(np.array(self._single, dtype=np.int64))
            self._single = []


class Heap:
    """The free extents of one host, by pnode, zone and order.

    Xen holds ``heap[node][zone][order]``; so does this, each list an array of rows
    ``(start_frame, num_extents)`` ascending by frame, where a row is a run of
    extents side by side. Only order 18 has runs longer than 1: smaller
    neighbours would have been merged. A terabyte in one piece is one row in each
    zone that it touches, and a few at its ends.

    Free memory is always fully coalesced, so the set of free frames alone
    determines every list. Inside one list the highest address goes first; Xen takes
    the head of the list, whose place depends on the machine's past.

    The arrays in the lists are never written to, so that copies may share them.
    """

    def __init__(self, num_pnodes: int, free_spans: Ints, *, dma_zone: int = 0) -> None:
        """Hold ``free_spans[s] = (pnode, start_frame, num_frames)``, in any order.

        Zones up to ``dma_zone`` are kept for devices as long as there is other memory.
        Raises ValueError where spans overlap, are negative, or name a frame or pnode
        that cannot be.
        """
        self._num_pnodes = num_pnodes
        self._dma_zone = dma_zone
        self._lists: dict[_Key, Ints] = {}
        self._masks = [[0] * NUM_ZONES for _ in range(num_pnodes)]
        self._counts = np.zeros((num_pnodes, NUM_ZONES, MAX_ORDER + 1), dtype=np.int64)
        merge(self._checked(free_spans)[:, 1:])  # no frame on two pnodes either
        self.free(free_spans)

    @classmethod
    def of(cls, host: Host) -> Heap:
        """Return the heap of ``host`` as its free spans say."""
        return cls(host.num_pnodes, host.free_spans, dma_zone=dma_zone_of(host))

    def copy(self) -> Heap:
        """Return a heap of its own with the same free memory."""
        twin = Heap(self._num_pnodes, np.empty((0, 3), dtype=np.int64), dma_zone=self._dma_zone)
        twin._lists = dict(self._lists)
        twin._masks = [list(masks) for masks in self._masks]
        twin._counts = self._counts.copy()
        return twin

    @property
    def num_pnodes(self) -> int:
        """How many pnodes the host has."""
        return self._num_pnodes

    @property
    def dma_zone(self) -> int:
        """The highest zone that is kept for devices; 0 for none."""
        return self._dma_zone

    @property
    def free_pages(self) -> Ints:
        """Free pages by pnode, shape (P,)."""
        return np.asarray((self.extents() << _ORDERS).sum(axis=1), dtype=np.int64)

    def extents(self) -> Ints:
        """Return how many free extents of each order each pnode has, shape (P, 19)."""
        return np.asarray(self._counts.sum(axis=1), dtype=np.int64)

    def extents_by_zone(self) -> Ints:
        """Return how many free extents of each order each zone has, shape (P, 41, 19)."""
        return self._counts.copy()

    def available(self, order: int, *, above_zone: int = 0) -> Ints:
        """Return how many extents of ``order`` each pnode can hand out, shape (P,).

        Larger extents count for what they split into, those of zones up to ``above_zone``
        for nothing.
        """
        shifts = _ORDERS[order:] - order
        lowest = above_zone + 1 if above_zone else 0
        counts = self._counts[:, lowest:, order:].sum(axis=1)
        return np.asarray((counts << shifts).sum(axis=1), dtype=np.int64)

    def spans(self) -> Ints:
        """Return the longest runs of free frames, ``(pnode, start_frame, num_frames)``.

        Ascending by start; the shape is (n, 3), as Host.free_spans has it.
        """
        found = np.concatenate(
            [np.empty((0, 3), dtype=np.int64)]
            + [_with_pnode(pnode, self._pnode_spans(pnode)) for pnode in range(self._num_pnodes)]
        )
        return np.asarray(found[np.argsort(found[:, 1], kind="stable")], dtype=np.int64)

    def allocate(self, pnode: int, order: int, num_extents: int, *, above_zone: int = 0) -> Ints:
        """Take up to ``num_extents`` extents of ``order`` from ``pnode`` alone.

        With ``above_zone`` those of higher zones alone.

        Returns rows ``(machine_frame, num_extents)`` in the order in which they are
        handed out; inside a row from the highest extent down. Fewer come back where
        no more are left, as from the hypercall; nothing else is taken.

        Xen's rule (alloc_heap_pages, get_free_buddy): zones from high to low; in
        a zone the first list that is not empty from ``order`` up; of a larger extent
        the upper half is kept at every split. An extent of order j hence gives
        its parts from the top down before the next one is touched, and the
        remainder of the last one falls into lists that are empty. So a call costs
        as much as it takes rows, however many extents they hold.
        """
        taken = _Taken()
        left = num_extents
        masks = self._masks[pnode]
        for zone in range(NUM_ZONES - 1, above_zone if above_zone else -1, -1):
            while left > 0 and (mask := masks[zone] >> order):
                larger = order + (mask & -mask).bit_length() - 1
                left -= self._take(taken, (pnode, zone, larger), order, left)
            if left <= 0:
                break
        return _join_downwards(taken.rows(), order)

    def free(self, spans: Ints) -> None:
        """Give back ``spans[s] = (pnode, start_frame, num_frames)`` and merge buddies.

        Raises ValueError, and changes nothing, where a frame is free already or a
        figure cannot be.
        """
        wanted = self._checked(spans)
        merged = {}
        for pnode in np.unique(wanted[:, 0]).tolist():
            mine = wanted[wanted[:, 0] == pnode, 1:]
            both = np.concatenate([self._pnode_spans(pnode), mine])
            merged[pnode] = merge(both)
        for pnode, free in merged.items():
            self._rebuild(pnode, free)

    def remove(self, spans: Ints) -> None:
        """Take exactly ``spans[s] = (pnode, start_frame, num_frames)`` out of free memory.

        Raises ValueError, and changes nothing, where a frame is not free.
        """
        wanted = self._checked(spans)
        left = {}
        for pnode in np.unique(wanted[:, 0]).tolist():
            mine = merge(wanted[wanted[:, 0] == pnode, 1:])
            left[pnode] = subtract(self._pnode_spans(pnode), mine)
        for pnode, free in left.items():
            self._rebuild(pnode, free)

    def _checked(self, spans: Ints) -> Ints:
        """Return ``spans`` without the empty ones; ValueError where one cannot be."""
        rows = np.asarray(spans, dtype=np.int64).reshape(-1, 3)
        pnode, start, num = rows.T
        if ((pnode < 0) | (pnode >= self._num_pnodes)).any():
            raise ValueError(f"pnodes are 0 to {self._num_pnodes - 1}")
        if ((start < 0) | (num < 0) | (num > (1 << FRAME_BITS) - start)).any():
            raise ValueError(f"frame numbers are 0 to 2**{FRAME_BITS} - 1")
        return np.asarray(rows[num > 0], dtype=np.int64)

    def _pnode_spans(self, pnode: int) -> Ints:
        """Return the free spans of ``pnode`` as (start, num), ascending."""
        found = [NO_SPANS]
        for (owner, _zone, order), rows in self._lists.items():
            if owner == pnode:
                found.append(np.stack([rows[:, 0], rows[:, 1] << order], axis=1))
        return merge(np.concatenate(found))

    def _rebuild(self, pnode: int, spans: Ints) -> None:
        """Replace the lists of ``pnode`` by the extents of ``spans``."""
        for key in [key for key in self._lists if key[0] == pnode]:
            del self._lists[key]
        self._counts[pnode] = 0
        self._masks[pnode] = [0] * NUM_ZONES
        start, order, count = split_into_buddies(spans[:, 0], spans[:, 0] + spans[:, 1])
        by_list = np.lexsort((start, order, zone_of(start)))
        start, order, count = start[by_list], order[by_list], count[by_list]
        index = zone_of(start) * (MAX_ORDER + 1) + order
        rows = np.stack([start, count], axis=1)
        first = np.flatnonzero(np.diff(index, prepend=-1))
        # The first piece of a split at these places is the empty one before row 0.
        for place, part in zip(first.tolist(), np.split(rows, first)[1:], strict=True):
            zone, size = divmod(int(index[place]), MAX_ORDER + 1)
            self._set(pnode, zone, size, part)

    def _set(self, pnode: int, zone: int, order: int, rows: Ints) -> None:
        self._keep((pnode, zone, order), rows)
        self._counts[pnode, zone, order] = rows[:, 1].sum()

    def _keep(self, key: _Key, rows: Ints) -> None:
        """Make ``rows`` one list, and note whether it is empty."""
        pnode, zone, order = key
        if len(rows):
            self._lists[key] = rows
            self._masks[pnode][zone] |= 1 << order
        else:
            self._lists.pop(key, None)
            self._masks[pnode][zone] &= ~(1 << order)

    def _take(self, taken: _Taken, key: _Key, order: int, most: int) -> int:
        """Take up to ``most`` extents of ``order`` out of one list of larger ones, top down."""
        pnode, zone, larger = key
        rows = self._lists[key]
        shift = larger - order
        start, count = rows[-1].tolist()
        if most > count << shift and len(rows) > _FEW_ROWS:
            return self._take_rows(taken, key, order, most)
        most = min(most, count << shift)
        used = -(-most >> shift)
        taken.add(start + (count << larger) - (most << order), most)
        if used == count:
            kept = rows[:-1]
        else:
            kept = rows.copy()
            kept[-1, 1] = count - used
        self._keep(key, kept)
        self._counts[key] -= used
        rest = (used << shift) - most
        if rest:
            self._put_back(pnode, zone, order, start + (count - used << larger), rest)
        return most

    def _take_rows(self, taken: _Taken, key: _Key, order: int, most: int) -> int:
        """Do so where the top row has too few."""
        rows = self._lists[key]
        pnode, zone, larger = key
        shift = larger - order
        # Each row gives at least 2**shift extents: rows below these are not needed.
        reach = len(rows) - min(len(rows), -(-most >> shift))
        top = rows[reach:][::-1]
        given = np.cumsum(top[:, 1] << shift)
        used = min(int(np.searchsorted(given, most)) + 1, len(top))
        found = np.stack([top[:used, 0], top[:used, 1] << shift], axis=1)
        excess = max(int(given[used - 1]) - most, 0)
        kept = rows[: len(rows) - used]
        if excess:
            start = int(found[-1, 0])
            found[-1] += (excess << order, -excess)
            whole, part = excess >> shift, excess & ((1 << shift) - 1)
            if whole:
                kept = np.concatenate([kept, [[start, whole]]])
            self._put_back(pnode, zone, order, start + (whole << larger), part)
        number = int(given[used - 1]) - excess
        self._counts[key] -= -(-number >> shift)
        self._keep(key, kept)
        taken.extend(found)
        return number

    def _put_back(self, pnode: int, zone: int, order: int, start: int, part: int) -> None:
        """Put the lower remainder of a split extent, ``part`` of ``order``, into its lists.

        Every list between ``order`` and the extent's own is empty: else it
        would have been used first.
        """
        for bit in range(part.bit_length() - 1, -1, -1):
            if part >> bit & 1:
                self._set(pnode, zone, order + bit, np.array([[start, 1]], dtype=np.int64))
                start += 1 << (order + bit)


def dma_zone_of(host: Host) -> int:
    """Return the highest zone that Xen keeps for devices on ``host``; 0 with one pnode.

    The width is that of a quarter of the first pnode that begins below 4 GiB, 32 bits at most
    (arch_get_dma_bitsize in xen/arch/x86/numa.c; end_boot_allocator in page_alloc.c uses it
    where there are several pnodes).
    """
    below = host.spans[host.spans[:, 1] < 1 << DMA_BITS - PAGE_BITS]
    if host.num_pnodes < 2 or not len(below):
        return 0
    mine = host.spans[host.spans[:, 0] == below[:, 0].min()]
    start, end = int(mine[:, 1].min()), int((mine[:, 1] + mine[:, 2]).max())
    width = (start + (end - start) // 4 - 1).bit_length() + PAGE_BITS
    return max(min(width, DMA_BITS) - PAGE_BITS, 0)


def free_extents(host: Host) -> Ints:
    """Return the free extents of each order on each pnode of ``host``, shape (P, 19).

    These are the largest aligned pieces of its free spans, as a coalesced heap
    holds them; ``sum(count[p, o] << (o - 9) for o >= 9)`` is what pnode p can back in
    2 MiB pages (MODEL C1).
    """
    return Heap.of(host).extents()


def _with_pnode(pnode: int, spans: Ints) -> Ints:
    return np.insert(spans, 0, pnode, axis=1)


def _join_downwards(rows: Ints, order: int) -> Ints:
    """Join rows that go on just below the one before, so that they read as one run."""
    if len(rows) < 2:
        return rows
    ends = rows[:, 0] + (rows[:, 1] << order)
    opens = np.flatnonzero(np.concatenate([[True], ends[1:] != rows[:-1, 0]]))
    closes = np.append(opens[1:], len(rows)) - 1
    return np.stack([rows[closes, 0], np.add.reduceat(rows[:, 1], opens)], axis=1)
