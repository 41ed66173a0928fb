"""Runs of frames: joined, taken out of one another, cut into buddies."""

from __future__ import annotations

from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.units import MAX_ORDER

NO_SPANS: Final = np.empty((0, 2), dtype=np.int64)


def merge(spans: Ints) -> Ints:
    """Return (start, num) spans ascending, neighbours joined; ValueError on overlap."""
    if not len(spans):
        return NO_SPANS
    start, num = spans[np.argsort(spans[:, 0], kind="stable")].T
    end = start + num
    if (end[:-1] > start[1:]).any():
        raise ValueError(f"frame {int(start[1:][end[:-1] > start[1:]][0])} is free twice")
    opens = np.flatnonzero(np.concatenate([[True], end[:-1] != start[1:]]))
    closes = np.append(opens[1:], len(start)) - 1
    return np.stack([start[opens], end[closes] - start[opens]], axis=1)


def subtract(spans: Ints, holes: Ints) -> Ints:
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
        limit = np.minimum(high, np.int64(1) << zone_of(low))
        done.append((low, limit))
        low, high = limit[limit < high], high[limit < high]
    empty = np.empty(0, dtype=np.int64)
    return (
        np.concatenate([empty, *(part for part, _ in done)]),
        np.concatenate([empty, *(part for _, part in done)]),
    )


def zone_of(frames: Ints) -> Ints:
    """Return the bit length of each frame number; a double holds 40 bits exactly."""
    return np.asarray(np.frexp(frames.astype(np.float64))[1], dtype=np.int64)
