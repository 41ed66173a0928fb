"""Free machine memory of a host as Xen's buddy allocator keeps it (xen/common/page_alloc.c)."""

from __future__ import annotations

from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.host import Host
from placer.units import MAX_ORDER

FRAME_BITS: Final = 40
"""Bits of a machine frame number: PADDR_BITS of 52 less the 12 of a page."""

NUM_ZONES: Final = FRAME_BITS + 1
"""Zone z holds the frames of bit length z, as Xen's page_to_zone counts them."""

_ORDERS: Final = np.arange(MAX_ORDER + 1, dtype=np.int64)
_NO_ROWS: Final = np.empty((0, 2), dtype=np.int64)


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

    def __init__(self, num_pnodes: int, free_spans: Ints) -> None:
        """Hold ``free_spans[s] = (pnode, start_frame, num_frames)``, in any order.

        Raises ValueError where spans overlap, are negative, or name a frame or pnode
        that cannot be.
        """
        self._num_pnodes = num_pnodes
        self._lists: dict[tuple[int, int, int], Ints] = {}
        self._counts = np.zeros((num_pnodes, NUM_ZONES, MAX_ORDER + 1), dtype=np.int64)
        _merge(self._checked(free_spans)[:, 1:])  # no frame on two pnodes either
        self.free(free_spans)

    @classmethod
    def of(cls, host: Host) -> Heap:
        """Return the heap of ``host`` as its free spans say."""
        return cls(host.num_pnodes, host.free_spans)

    def copy(self) -> Heap:
        """Return a heap of its own with the same free memory."""
        twin = Heap(self._num_pnodes, np.empty((0, 3), dtype=np.int64))
        twin._lists = dict(self._lists)
        twin._counts = self._counts.copy()
        return twin

    @property
    def num_pnodes(self) -> int:
        """How many pnodes the host has."""
        return self._num_pnodes

    @property
    def free_pages(self) -> Ints:
        """Free pages by pnode, shape (P,)."""
        return np.asarray((self.extents() << _ORDERS).sum(axis=1), dtype=np.int64)

    def extents(self) -> Ints:
        """Return how many free extents of each order each pnode has, shape (P, 19)."""
        return np.asarray(self._counts.sum(axis=1), dtype=np.int64)

    def available(self, order: int) -> Ints:
        """Return how many extents of ``order`` each pnode can hand out, shape (P,).

        Larger extents count for what they split into.
        """
        shifts = _ORDERS[order:] - order
        return np.asarray((self.extents()[:, order:] << shifts).sum(axis=1), dtype=np.int64)

    def spans(self) -> Ints:
        """Return the longest runs of free frames, ``(pnode, start_frame, num_frames)``.

        Ascending by start; the shape is (n, 3), as Host.free_spans has it.
        """
        found = np.concatenate(
            [np.empty((0, 3), dtype=np.int64)]
            + [_with_pnode(pnode, self._pnode_spans(pnode)) for pnode in range(self._num_pnodes)]
        )
        return np.asarray(found[np.argsort(found[:, 1], kind="stable")], dtype=np.int64)

    def allocate(self, pnode: int, order: int, num_extents: int) -> Ints:
        """Take up to ``num_extents`` extents of ``order`` from ``pnode`` alone.

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
        taken: list[Ints] = []
        left = num_extents
        for zone in np.flatnonzero(self._counts[pnode, :, order:].any(axis=1))[::-1].tolist():
            for larger in np.flatnonzero(self._counts[pnode, zone, order:]).tolist():
                if left <= 0:
                    break
                rows = self._take(pnode, zone, order + larger, order, left)
                taken.append(rows)
                left -= int(rows[:, 1].sum())
        return _join_downwards(np.concatenate([_NO_ROWS, *taken]), order)

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
            merged[pnode] = _merge(both)
        for pnode, free in merged.items():
            self._rebuild(pnode, free)

    def remove(self, spans: Ints) -> None:
        """Take exactly ``spans[s] = (pnode, start_frame, num_frames)`` out of free memory.

        Raises ValueError, and changes nothing, where a frame is not free.
        """
        wanted = self._checked(spans)
        left = {}
        for pnode in np.unique(wanted[:, 0]).tolist():
            mine = _merge(wanted[wanted[:, 0] == pnode, 1:])
            left[pnode] = _subtract(self._pnode_spans(pnode), mine)
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
        found = [_NO_ROWS]
        for (owner, _zone, order), rows in self._lists.items():
            if owner == pnode:
                found.append(np.stack([rows[:, 0], rows[:, 1] << order], axis=1))
        return _merge(np.concatenate(found))

    def _rebuild(self, pnode: int, spans: Ints) -> None:
        """Replace the lists of ``pnode`` by the extents of ``spans``."""
        for key in [key for key in self._lists if key[0] == pnode]:
            del self._lists[key]
        self._counts[pnode] = 0
        start, order, count = split_into_buddies(spans[:, 0], spans[:, 0] + spans[:, 1])
        by_list = np.lexsort((start, order, _zone_of(start)))
        start, order, count = start[by_list], order[by_list], count[by_list]
        index = _zone_of(start) * (MAX_ORDER + 1) + order
        rows = np.stack([start, count], axis=1)
        first = np.flatnonzero(np.diff(index, prepend=-1))
        # The first piece of a split at these places is the empty one before row 0.
        for place, part in zip(first.tolist(), np.split(rows, first)[1:], strict=True):
            zone, size = divmod(int(index[place]), MAX_ORDER + 1)
            self._set(pnode, zone, size, part)

    def _set(self, pnode: int, zone: int, order: int, rows: Ints) -> None:
        key = (pnode, zone, order)
        if len(rows):
            self._lists[key] = rows
        else:
            self._lists.pop(key, None)
        self._counts[pnode, zone, order] = rows[:, 1].sum()

    def _take(self, pnode: int, zone: int, larger: int, order: int, most: int) -> Ints:
        """Take extents of ``order`` out of the one list of ``larger`` ones, top down."""
        rows = self._lists[pnode, zone, larger]
        shift = larger - order
        # Each row gives at least 2**shift extents: rows below these are not needed.
        reach = len(rows) - min(len(rows), -(-most >> shift))
        top = rows[reach:][::-1]
        given = np.cumsum(top[:, 1] << shift)
        used = min(int(np.searchsorted(given, most)) + 1, len(top))
        taken = np.stack([top[:used, 0], top[:used, 1] << shift], axis=1)
        excess = max(int(given[used - 1]) - most, 0)
        kept = rows[: len(rows) - used]
        if excess:
            start = int(taken[-1, 0])
            taken[-1] += (excess << order, -excess)
            whole, part = excess >> shift, excess & ((1 << shift) - 1)
            if whole:
                kept = np.concatenate([kept, [[start, whole]]])
            self._put_back(pnode, zone, order, start + (whole << larger), part)
        self._counts[pnode, zone, larger] -= -(-int(taken[:, 1].sum()) >> shift)
        if len(kept):
            self._lists[pnode, zone, larger] = kept
        else:
            del self._lists[pnode, zone, larger]
        return taken

    def _put_back(self, pnode: int, zone: int, order: int, start: int, part: int) -> None:
        """Put the lower remainder of a split extent, ``part`` of ``order``, into its lists.

        Every list between ``order`` and the extent's own is empty: else it
        would have been used first.
        """
        for bit in range(part.bit_length() - 1, -1, -1):
            if part >> bit & 1:
                self._set(pnode, zone, order + bit, np.array([[start, 1]], dtype=np.int64))
                start += 1 << (order + bit)


def free_extents(host: Host) -> Ints:
    """Return the free extents of each order on each pnode of ``host``, shape (P, 19).

    These are the largest aligned pieces of its free spans, as a coalesced heap
    holds them; ``sum(count[p, o] << (o - 9) for o >= 9)`` is what pnode p can back in
    2 MiB pages (MODEL C1).
    """
    return Heap.of(host).extents()


def split_into_buddies(starts: Ints, ends: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the extents that the half-open frame ranges consist of.

    Three arrays: first frame, order, number of extents side by side (1 below order
    18). Extents are aligned to their size, as large as can be, and in one zone:
    Xen keeps frame 0 from its allocator so that no merge crosses zones, and a
    frame 0 given here stands alone for the same reason.
    """
    low, high = _cut_at_zones(starts, ends)
    pieces: list[tuple[Ints, int]] = []
    for order in range(MAX_ORDER):
        size = 1 << order
        odd = (low & size != 0) & (low < high)
        pieces.append((low[odd], order))
        low = low + np.where(odd, size, 0)
        odd = (high & size != 0) & (low < high)
        high = high - np.where(odd, size, 0)
        pieces.append((high[odd], order))
        rest = low < high
        low, high = low[rest], high[rest]
    start = np.concatenate([piece for piece, _ in pieces] + [low])
    order_of = np.concatenate(
        [np.full(len(piece), order, dtype=np.int64) for piece, order in pieces]
        + [np.full(len(low), MAX_ORDER, dtype=np.int64)]
    )
    count = np.ones(len(start), dtype=np.int64)
    count[len(start) - len(low) :] = (high - low) >> MAX_ORDER
    return start, order_of, count


def _cut_at_zones(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Cut the ranges where the bit length of the frame number grows."""
    low, high = starts[starts < ends], ends[starts < ends]
    done: list[tuple[Ints, Ints]] = []
    while len(low):
        limit = np.minimum(high, np.int64(1) << _zone_of(low))
        done.append((low, limit))
        low, high = limit[limit < high], high[limit < high]
    empty = np.empty(0, dtype=np.int64)
    return (
        np.concatenate([empty, *(part for part, _ in done)]),
        np.concatenate([empty, *(part for _, part in done)]),
    )


def _zone_of(frames: Ints) -> Ints:
    """Return the bit length of each frame number; a double holds 40 bits exactly."""
    return np.asarray(np.frexp(frames.astype(np.float64))[1], dtype=np.int64)


def _with_pnode(pnode: int, spans: Ints) -> Ints:
    return np.insert(spans, 0, pnode, axis=1)


def _merge(spans: Ints) -> Ints:
    """Return (start, num) spans ascending, neighbours joined; ValueError on overlap."""
    if not len(spans):
        return _NO_ROWS
    start, num = spans[np.argsort(spans[:, 0], kind="stable")].T
    end = start + num
    if (end[:-1] > start[1:]).any():
        raise ValueError(f"frame {int(start[1:][end[:-1] > start[1:]][0])} is free twice")
    opens = np.flatnonzero(np.concatenate([[True], end[:-1] != start[1:]]))
    closes = np.append(opens[1:], len(start)) - 1
    return np.stack([start[opens], end[closes] - start[opens]], axis=1)


def _subtract(spans: Ints, holes: Ints) -> Ints:
    """Return ``spans`` without ``holes``, both merged; ValueError where a hole lies outside."""
    if not len(spans):
        raise ValueError(f"frame {int(holes[0, 0])} is not free")
    start, end = spans[:, 0], spans[:, 0] + spans[:, 1]
    hole_end = holes[:, 0] + holes[:, 1]
    owner = np.searchsorted(start, holes[:, 0], side="right") - 1
    outside = (owner < 0) | (hole_end > end[owner])
    if outside.any():
        raise ValueError(f"span from frame {int(holes[outside][0, 0])} is not all free")
    low = np.sort(np.concatenate([start, hole_end]))
    high = np.sort(np.concatenate([end, holes[:, 0]]))
    rest = low < high
    return np.stack([low[rest], high[rest] - low[rest]], axis=1)


def _join_downwards(rows: Ints, order: int) -> Ints:
    """Join rows that go on just below the one before, so that they read as one run."""
    if len(rows) < 2:
        return rows
    ends = rows[:, 0] + (rows[:, 1] << order)
    opens = np.flatnonzero(np.concatenate([[True], ends[1:] != rows[:-1, 0]]))
    closes = np.append(opens[1:], len(rows)) - 1
    return np.stack([rows[closes, 0], np.add.reduceat(rows[:, 1], opens)], axis=1)
