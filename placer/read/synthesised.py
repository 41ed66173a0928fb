"""Places for free memory of which only amounts are known: made up, and marked so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from placer.arrays import Ints, one_by_one
from placer.spans import merge, split_into_buddies
from placer.units import ORDER_1GIB, ORDER_2MIB, PAGES_2MIB, exact_size

MOST_BLOCKS: Final = 1 << 21
"""Blocks of one pnode that places are made up among: 4 TiB of memory in blocks of 2 MiB."""


def lay_out_counts(spans: Ints, counts: Sequence[int]) -> Ints:
    """Return (start, num) of free memory in ``spans`` with ``counts[o]`` extents of each order.

    Extents below the last order have a buddy that is not all free, so that a heap of them has
    exactly these. Those of the last order may be parts of larger ones, of which nothing is
    known: they are spread so that as few as can be make up 1 GiB. Raises ValueError where the
    spans have no room.
    """
    last = len(counts) - 1
    slots = _aligned(spans, last)
    # The first slot of every GiB, then the second of every one, and so on.
    in_gib = slots >> last & (1 << ORDER_1GIB - last) - 1
    slots = slots[np.lexsort((slots, in_gib))]
    if counts[last] > len(slots):
        raise ValueError(f"{counts[last]} extents of order {last} where {len(slots)} have room")
    found = [np.stack([slots[: counts[last]], np.full(counts[last], 1 << last)], axis=1)]
    pool: list[Ints] = [np.empty(0, dtype=np.int64) for _ in range(last)]
    pool.append(slots[counts[last] :])
    for order in range(last - 1, -1, -1):
        pairs = _take(pool, order + 1, counts[order])
        found.append(np.stack([pairs, np.full(len(pairs), 1 << order)], axis=1))
        pool[order] = np.concatenate([pool[order], pairs + (1 << order)])
    return merge(np.concatenate(found))


def _take(pool: list[Ints], order: int, number: int) -> Ints:
    """Take ``number`` regions of ``order`` out of the pool, larger ones split where needed."""
    missing = number - len(pool[order])
    if missing > 0:
        if order + 1 == len(pool):
            raise ValueError(f"{missing} extents of order {order - 1} more than there is room for")
        larger = _take(pool, order + 1, -(-missing // 2))
        pool[order] = np.concatenate([pool[order], larger, larger + (1 << order)])
    taken, pool[order] = pool[order][:number], pool[order][number:]
    return taken


def lay_out_fragmented(
    spans: Ints, free_pages: int, share: float, random: np.random.Generator
) -> Ints:
    """Return (start, num) of ``free_pages`` in ``spans``, ``share`` of them in no 2 MiB extent.

    The larger extents lie in one piece at the low end; above them 2 MiB blocks drawn at
    random are free in part, about half of each where there is room. Raises ValueError where
    the spans are too full for that share.
    """
    blocks = _aligned(spans, ORDER_2MIB)
    large = int(free_pages * (1 - share)) >> ORDER_2MIB
    small = free_pages - (large << ORDER_2MIB)
    rest = blocks[large:]
    fewest = -(-small // (PAGES_2MIB - 1))
    if large > len(blocks) or fewest > len(rest):
        raise ValueError(f"{free_pages} free pages leave no room for {share:.0%} in small extents")
    found = [np.stack([blocks[:large], np.full(large, PAGES_2MIB)], axis=1)]
    if small:
        number = min(max(fewest, small // (PAGES_2MIB // 2)), len(rest), small)
        chosen = np.sort(random.choice(rest, number, replace=False))
        pages = np.full(number, small // number)
        pages[: small % number] += 1
        first = random.integers(1, np.maximum(pages, 2))
        first = np.minimum(first, pages)
        taken = PAGES_2MIB - pages
        gap = random.integers(1, taken + 1)
        low = chosen + random.integers(0, taken - gap + 1)
        found.append(np.stack([low, first], axis=1))
        found.append(np.stack([low + first + gap, pages - first], axis=1))
    rows = np.concatenate(found)
    return merge(rows[rows[:, 1] > 0])


def _aligned(spans: Ints, order: int) -> Ints:
    """Return the start of every aligned block of ``order`` in (start, num) spans, ascending."""
    start, size, number = split_into_buddies(spans[:, 0], spans[:, 0] + spans[:, 1])
    kept = size >= order
    start, each = start[kept], number[kept] << (size[kept] - order)
    if int(each.sum()) > MOST_BLOCKS:
        raise ValueError(
            f"{int(each.sum())} blocks of {exact_size(1 << order)}: places are made up among "
            f"{MOST_BLOCKS} at most"
        )
    row, place = one_by_one(each)
    return np.sort(start[row] + (place << order))
