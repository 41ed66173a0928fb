"""The physical map of a placed domain: guest frame to machine frame, in extents or as an array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints, one_by_one
from placer.frames import (
    GUEST_FRAME,
    GUEST_STEP,
    MACHINE_FRAME,
    NUM_EXTENTS,
    ORDER,
    OUTSIDE,
    DomainFrames,
)
from placer.units import ORDER_2MIB, PAGES_2MIB
from placer.whole_file import whole_file

NO_FRAME: Final = -1
"""The entry of a guest frame that has no memory."""

WINDOW: Final = 1 << 22
"""Entries of a file that are mapped at a time: 32 MiB of it."""

_COUNT: Final = np.arange(1 << 16, dtype=np.int64)
_PIECES: Final = 64
_TILE: Final = np.tile(_COUNT[:PAGES_2MIB], (_PIECES, 1))
"""So many pieces of 2 MiB are written at a time: what is added to them stays in the cache."""

Orders = npt.NDArray[np.uint8]


class PhysicalMap:
    """Which machine frame backs each guest frame of one domain.

    ``num_frames`` is one more than the highest guest frame that has memory; pages at no guest
    address are left out.
    """

    def __init__(self, frames: DomainFrames) -> None:
        runs = frames.runs[frames.runs[:, GUEST_FRAME] != OUTSIDE]
        runs = side_by_side(runs)
        self._runs = runs[np.argsort(runs[:, GUEST_FRAME], kind="stable")]
        self._starts = self._runs[:, GUEST_FRAME]
        self._ends = self._starts + (self._runs[:, NUM_EXTENTS] << self._runs[:, ORDER])
        # In a run of single pages the sum of guest and machine frame is the same everywhere.
        self._sums = self._starts + self._runs[:, MACHINE_FRAME] + self._runs[:, NUM_EXTENTS] - 1

    @property
    def num_frames(self) -> int:
        """How many entries the array of the whole map has."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def extents(self) -> Ints:
        """Return (guest_frame, machine_frame, order) of every extent, by guest frame."""
        counts, orders = self._runs[:, NUM_EXTENTS], self._runs[:, ORDER]
        row, place = one_by_one(counts)
        guest = self._starts[row] + (place << orders[row])
        from_top = counts[row] - 1 - place
        machine = self._runs[row, MACHINE_FRAME] + (from_top << orders[row])
        return np.stack([guest, machine, orders[row]], axis=1)

    def to_array(self) -> Ints:
        """Return the machine frame of every guest frame; NO_FRAME where there is none."""
        out = np.empty(self.num_frames, dtype=np.int64)
        self.fill(out)
        return out

    def fill(self, out: Ints, first: int = 0) -> None:
        """Write the entries of the guest frames from ``first`` up into the whole of ``out``.

        ``out`` is contiguous and of type int64. Costs one pass over it.
        """
        end = first + len(out)
        cursor = first
        for low, high in self._blocks(first, end):
            start, stop = max(int(self._starts[low]), first), min(int(self._ends[high - 1]), end)
            out[cursor - first : start - first] = NO_FRAME
            if self._runs[low, ORDER] < ORDER_2MIB:
                self._fill_small(out[start - first : stop - first], start, low, high)
            else:
                self._fill_large(out[start - first : stop - first], start, low, high)
            cursor = stop
        out[cursor - first :] = NO_FRAME

    def fill_orders(self, out: Orders, first: int = 0) -> None:
        """Write the order of the extent behind each guest frame from ``first`` up into ``out``.

        Entries of frames without memory are 255.
        """
        end = first + len(out)
        cursor = first
        for low, high in self._blocks(first, end):
            for index in range(low, high):
                start = max(int(self._starts[index]), first)
                stop = min(int(self._ends[index]), end)
                out[cursor - first : start - first] = 255
                out[start - first : stop - first] = self._runs[index, ORDER]
                cursor = stop
        out[cursor - first :] = 255

    def _blocks(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield runs low to high - 1 that lie side by side in the guest, small or large alike."""
        low = int(np.searchsorted(self._ends, first, side="right"))
        high = int(np.searchsorted(self._starts, end, side="left"))
        if low >= high:
            return
        large = self._runs[low:high, ORDER] >= ORDER_2MIB
        breaks = self._ends[low : high - 1] != self._starts[low + 1 : high]
        breaks |= large[1:] != large[:-1]
        cuts = [low, *(np.flatnonzero(breaks) + low + 1).tolist(), high]
        yield from pairwise(cuts)

    def _fill_small(self, out: Ints, start: int, low: int, high: int) -> None:
        """Fill ``out`` from guest frame ``start`` with single pages, which descend in each run."""
        for at in range(0, len(out), len(_COUNT)):
            part = out[at : at + len(_COUNT)]
            guest = start + at
            one = low + int(np.searchsorted(self._ends[low:high], guest, side="right"))
            last = low + int(np.searchsorted(self._starts[low:high], guest + len(part)))
            if last == one + 1:
                np.subtract(self._sums[one] - guest, _COUNT[: len(part)], out=part)
                continue
            begins = np.maximum(self._starts[one:last], guest)
            sizes = np.minimum(self._ends[one:last], guest + len(part)) - begins
            np.subtract(
                np.repeat(self._sums[one:last] - guest, sizes), _COUNT[: len(part)], out=part
            )

    def _fill_large(self, out: Ints, start: int, low: int, high: int) -> None:
        """Fill ``out`` from guest frame ``start`` with pieces of 2 MiB."""
        base = int(self._starts[low])
        first = start - base >> ORDER_2MIB
        last = -(-(start + len(out) - base) >> ORDER_2MIB)
        machine = self._pieces(low, high, first, last)
        head = min(-(start - base) & (PAGES_2MIB - 1), len(out))
        inner = _COUNT[:PAGES_2MIB]
        if head:
            skipped = PAGES_2MIB - (-(start - base) & (PAGES_2MIB - 1))
            out[:head] = machine[0] + inner[skipped : skipped + head]
            machine = machine[1:]
        whole = len(out) - head >> ORDER_2MIB
        middle = out[head : head + (whole << ORDER_2MIB)].reshape(whole, PAGES_2MIB)
        for at in range(0, whole, _PIECES):
            part = middle[at : at + _PIECES]
            np.add(_TILE[: len(part)], machine[at : at + len(part), None], out=part)
        tail = len(out) - head - (whole << ORDER_2MIB)
        if tail:
            out[len(out) - tail :] = machine[whole] + inner[:tail]

    def _pieces(self, low: int, high: int, first: int, last: int) -> Ints:
        """Return the machine frames of pieces ``first`` to ``last`` - 1 of 2 MiB of a block."""
        splits = self._runs[low:high, ORDER] - ORDER_2MIB
        counts = self._runs[low:high, NUM_EXTENTS] << splits
        ends = np.cumsum(counts)
        begins = ends - counts
        used = np.clip(np.minimum(ends, last) - np.maximum(begins, first), 0, None)
        row = np.repeat(np.arange(len(counts)), used)
        place = np.arange(first, last) - begins[row]
        extent = place >> splits[row]
        inside = place - (extent << splits[row])
        from_top = self._runs[low:high, NUM_EXTENTS][row] - 1 - extent
        frame = self._runs[low:high, MACHINE_FRAME][row]
        orders = self._runs[low:high, ORDER][row]
        return np.asarray(frame + (from_top << orders) + (inside << ORDER_2MIB), dtype=np.int64)


def side_by_side(runs: Ints) -> Ints:
    """Return runs (see DomainFrames) whose extents all lie side by side in the guest.

    Those whose extents lie apart there become a run an extent, after the others.
    """
    apart = runs[:, GUEST_STEP] > 1
    return np.concatenate([runs[~apart], _single_extents(runs[apart])])


def _single_extents(runs: Ints) -> Ints:
    """Return runs as runs of one extent each."""
    counts, orders = runs[:, NUM_EXTENTS], runs[:, ORDER]
    row, place = one_by_one(counts)
    found = runs[row]
    found[:, GUEST_FRAME] += place * runs[row, GUEST_STEP] << orders[row]
    found[:, MACHINE_FRAME] += counts[row] - 1 - place << orders[row]
    found[:, NUM_EXTENTS] = found[:, GUEST_STEP] = 1
    return found


def write_p2m(path: Path, frames: DomainFrames) -> int:
    """Write the machine frame of every guest frame as a numpy file of int64; return its length.

    It is written a window at a time, so that it may be larger than memory. Raises OSError
    where it cannot be written; no file is left then.
    """
    whole = PhysicalMap(frames)
    return _write(path, whole.num_frames, np.dtype(np.int64), whole.fill)


def write_orders(path: Path, frames: DomainFrames) -> int:
    """Write the order of the extent behind every guest frame likewise, as a file of uint8."""
    whole = PhysicalMap(frames)
    return _write(path, whole.num_frames, np.dtype(np.uint8), whole.fill_orders)


def _write(path: Path, size: int, kind: np.dtype[Any], fill: Callable[[Any, int], None]) -> int:
    """Write a numpy file of ``size`` entries beside ``path``, then give it that name."""
    with whole_file(path) as begun, begun.open("wb") as file:
        header = {"descr": kind.str, "fortran_order": False, "shape": (size,)}
        np.lib.format.write_array_header_1_0(file, header)
        # Not mapped: on a full disk a mapping ends the process instead of raising an error.
        for first in range(0, size, WINDOW):
            window = np.zeros(min(WINDOW, size - first), kind)
            fill(window, first)
            file.write(window.data)
    return size
