"""A balloon's work in frames: pages of one vnode given back, or taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints
from placer.frames import (
    GUEST_FRAME,
    NUM_COLUMNS,
    NUM_EXTENTS,
    ORDER,
    PNODE,
    VNODE,
)
from placer.pages.heap import Heap
from placer.pages.p2m import side_by_side
from placer.units import ORDER_2MIB, ORDER_4KIB


@dataclass(frozen=True, eq=False, kw_only=True)
class Given:
    """What is left of a domain's runs, and the machine frames given back.

    ``spans[s] = (pnode, start_frame, num_frames)``.
    """

    runs: Ints
    spans: Ints


def give_back(runs: Ints, vnode: int, pages: int, home: int, page_order: int, lowest: int) -> Given:
    """Give back ``pages`` pages of a vnode: those off its home first, then from the top.

    Of each pnode the highest guest frames go first. Where the vnode asks for larger pages,
    those alone are given back, whole. Guest frames below ``lowest`` stay, and what has none.
    Raises ValueError where the vnode has less.
    """
    mine = (runs[:, VNODE] == vnode) & (runs[:, GUEST_FRAME] >= lowest)
    mine &= runs[:, ORDER] >= page_order
    kept = [runs[~mine]]
    spans: list[tuple[int, int, int]] = []
    left = pages
    able = runs[mine]
    order = np.lexsort((-able[:, GUEST_FRAME], able[:, PNODE] == home))
    for run in able[order].tolist():
        taken = min(left, run[NUM_EXTENTS] << run[ORDER])
        left -= taken
        rows, given = _cut(run, taken)
        kept.append(rows)
        spans += given
    if left:
        raise ValueError(f"vnode {vnode} has {pages - left} pages to give back")
    return Given(runs=np.concatenate(kept), spans=np.array(spans, dtype=np.int64).reshape(-1, 3))


def _cut(run: list[int], pages: int) -> tuple[Ints, list[tuple[int, int, int]]]:
    """Take the highest guest pages off a run: the rows that are left, and what is given back.

    The highest guest extents have the lowest machine frames. An extent that is given back in
    part is left as smaller ones.
    """
    vnode, pnode, order, guest, machine, count, step = run
    whole, part = pages >> order, pages & ((1 << order) - 1)
    spans = [(pnode, machine, whole << order)] if whole else []
    machine += whole << order
    count -= whole
    rows = []
    if part:
        count -= 1
        at, frame, left = guest + (count * step << order), machine, (1 << order) - part
        spans.append((pnode, machine + left, part))
        for smaller in (ORDER_2MIB, ORDER_4KIB):
            if smaller < order:
                number = left >> smaller
                rows += [
                    (vnode, pnode, smaller, at + (k << smaller), frame + (k << smaller), 1, 1)
                    for k in range(number)
                ]
                at, frame = at + (number << smaller), frame + (number << smaller)
                left -= number << smaller
        machine += 1 << order
    if count:
        rows.append((vnode, pnode, order, guest, machine, count, step))
    return np.array(rows, dtype=np.int64).reshape(-1, NUM_COLUMNS), spans


def missing_frames(runs: Ints, vnode: int, ranges: Ints) -> Ints:
    """Return (start, num) of the guest frames of a vnode's ``ranges`` that nothing backs.

    ``ranges`` are (start, end) in guest frames, ascending.
    """
    mine = side_by_side(runs[(runs[:, VNODE] == vnode) & (runs[:, GUEST_FRAME] >= 0)])
    starts, sizes = mine[:, GUEST_FRAME], mine[:, NUM_EXTENTS] << mine[:, ORDER]
    lows = np.sort(np.concatenate([ranges[:, 0], starts + sizes]))
    highs = np.sort(np.concatenate([ranges[:, 1], starts]))
    found = lows < highs
    return np.stack([lows[found], highs[found] - lows[found]], axis=1)


def take(
    heap: Heap,
    vnode: int,
    missing: Ints,
    pages: int,
    order: int,
    sources: list[tuple[int, int]],
) -> Ints:
    """Take ``pages`` pages for the lowest ``missing`` guest frames, in extents of ``order``.

    ``sources`` are pnodes with the most pages that each may give, in the order in which they
    are asked; zones kept for devices come last (get_free_buddy with a node and no exact flag).
    Fewer pages come back where all of them have no more.
    """
    rows: list[tuple[int, ...]] = []
    free = {pnode: most >> order for pnode, most in sources}
    left = pages >> order
    spots = _Spots(missing, order)
    for above_zone in (heap.dma_zone, 0) if heap.dma_zone else (0,):
        for pnode, _ in sources:
            wanted = min(left, free[pnode])
            if wanted <= 0:
                continue
            for frame, count in heap.allocate(pnode, order, wanted, above_zone=above_zone).tolist():
                for guest, number, first in spots.next(count):
                    # The lowest guest extent of a run has its highest machine extent.
                    machine = frame + (count - first - number << order)
                    rows.append((vnode, pnode, order, guest, machine, number, 1))
                left -= count
                free[pnode] -= count
    return np.array(rows, dtype=np.int64).reshape(-1, NUM_COLUMNS)


class _Spots:
    """Guest frames to be filled with extents of one order, in ascending order."""

    def __init__(self, missing: Ints, order: int) -> None:
        self._spans = [[start, num >> order] for start, num in missing.tolist() if num >> order]
        self._order = order

    def next(self, count: int) -> list[tuple[int, int, int]]:
        """Return (guest_frame, num_extents, place) of the next ``count`` extents, side by side."""
        found = []
        place = 0
        while place < count:
            start, room = self._spans[0]
            number = min(count - place, room)
            found.append((start, number, place))
            place += number
            if number == room:
                self._spans.pop(0)
            else:
                self._spans[0] = [start + (number << self._order), room - number]
        return found


def pages_moved(before: Ints, after: Ints, vnode: int, num_pnodes: int) -> Ints:
    """Return how many more pages of a vnode each pnode has in ``after`` than in ``before``."""
    counts = np.zeros(num_pnodes, dtype=np.int64)
    for runs, sign in ((after, 1), (before, -1)):
        mine = runs[runs[:, VNODE] == vnode]
        pages = mine[:, NUM_EXTENTS] << mine[:, ORDER]
        np.add.at(counts, mine[:, PNODE], sign * pages)
    return counts
