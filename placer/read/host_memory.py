"""The memory of a host's pnodes, as an inventory says: sizes, frames, what is free and where."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.errors import InputError
from placer.host import FreeFrom, RunningDomain
from placer.layout import (
    Span,
    as_rows,
    lay_out_free,
    lay_out_spans,
    without_frame_0,
)
from placer.read.heap_file import HeapFile, read_heap_file
from placer.read.synthesised import lay_out_fragmented
from placer.read.toml_fields import MOST_PAGES, Fields, TomlDocument, describe
from placer.read.toml_lines import FieldPath
from placer.units import ORDER_2MIB

MOST_SEED: Final = (1 << 31) - 1
E820_TYPES: Final = {"ram": 1, "reserved": 2, "acpi": 3, "nvs": 4, "unusable": 5}
"""Words for the types of a memory map's entries."""


@dataclass
class PnodeMemory:
    """The memory of one pnode as it was written.

    ``total`` is None where it is faulty; what follows from it is then not checked.
    """

    total: int | None = None
    free: int | None = None
    reserve: int = 0
    spans: list[Span] = field(default_factory=list)
    free_spans: list[Span] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class HostMemory:
    """Frames and free frames of a host, as `Host` has them."""

    spans: Ints
    free_spans: Ints
    free_from: FreeFrom


def read_heap_of(table: Fields) -> HeapFile | None:
    """Return what the file that a host names as its ``heap`` says, None where it names none."""
    if "heap" not in table:
        return None
    name = table.text("heap", "the name of a file")
    if name is None:
        return None
    for key in table.given("fragmentation", "fragmentation_seed"):
        table.fault(key, "heap as well", "one of the two")
    try:
        return read_heap_file(Path(table.document.source).parent / name)
    except InputError as error:
        for fault in error.faults:
            if fault.line is None:  # of the file as a whole: that it is named is what is wrong
                table.fault("heap", f"{fault.source}: {fault.found}", fault.expected)
            else:
                table.document.faults.append(fault)
        return None


def read_pnode_memory(table: Fields, index: int, heap: HeapFile | None) -> PnodeMemory:
    """Return what a ``[[host.pnode]]`` says of its memory, where the host has no ``heap``.

    Else the frames are the heap's, and so is what is free.
    """
    pnode = PnodeMemory()
    spans = _read_spans(table, "spans")
    if heap is not None and heap.spans is not None:
        for key in table.given("spans"):
            table.fault(key, "spans beside a heap that has them", "none")
        mine = heap.spans[heap.spans[:, 0] == index, 1:].tolist()
        spans = [(start, num) for start, num in mine]
    pnode.spans = spans or []
    spanned = sum(num for _, num in pnode.spans)
    total = table.pages("total")
    if total is not None:
        pnode.total = total
        if spans is not None and total > spanned:
            table.fault("spans", f"{spanned} frames for {total} pages", "a frame for each page")
    elif spans is not None and not table.given("total", "total_pages"):
        pnode.total = spanned
    elif not table.given("total", "total_pages", "spans"):
        table.fault("total", "no memory size", "total, total_pages or spans (0 for none)")
    if heap is None:
        pnode.free = table.pages("free")
        pnode.free_spans = _read_spans(table, "free_spans")
    elif index < heap.num_pnodes:
        for key in table.given("free", "free_pages", "free_spans"):
            table.fault(key, f"{key} beside a heap, which says it", "none")
        pnode.free = int(heap.free_pages[index])
    pnode.reserve = table.pages("reserve") or 0
    for name, value in (("free", pnode.free), ("reserve", pnode.reserve)):
        if value is not None and total is not None and value > total:
            if own := table.given(name, f"{name}_pages"):
                table.fault(own[0], f"{value} pages", f"at most the total, {total} pages")
            else:
                free = f"{value} pages or more, which are free in the heap"
                table.fault(table.given("total", "total_pages")[0], f"{total} pages", free)
    return pnode


def _read_spans(table: Fields, key: str) -> list[Span] | None:
    """Return a list of [first frame, number of frames]; overlaps are found later."""
    if key not in table:
        return None
    document, expected = table.document, "a list of [first frame, number of frames]"
    items = document.items(table.at(key), table.table[key], expected)
    spans: list[Span] = []
    for index, item in enumerate(items or []):
        path = (*table.at(key), index)
        pair = document.integers(path, item, 0, MOST_PAGES, "[first frame, number of frames]")
        if pair is None:
            continue
        if len(pair) != 2 or not pair[1] or sum(pair) > MOST_PAGES:
            expected = f"[first frame, number of frames], ending at {MOST_PAGES} or before"
            document.fault(path, str(pair) if len(pair) == 2 else describe(pair), expected)
            continue
        spans.append((pair[0], pair[1]))
    return None if items is None else spans


def lay_out_memory(
    table: Fields,
    pnodes: Sequence[PnodeMemory],
    running: Sequence[RunningDomain],
    heap: HeapFile | None,
) -> HostMemory | None:
    """Return all frames and the free ones; None where the document has a fault about them."""
    noted = len(table.document.faults)
    _check_overlaps(table, "spans", [pnode.spans for pnode in pnodes])
    _check_overlaps(table, "free_spans", [pnode.free_spans or [] for pnode in pnodes])
    spans = lay_out_spans([p.total or 0 for p in pnodes], [p.spans for p in pnodes])
    free: list[list[Span]] = []
    for index, pnode in enumerate(pnodes):
        held = sum(int(domain.pages[index]) for domain in running)
        place = (*table.at("pnode"), index)
        if pnode.total is not None:
            own = _free_frames(table.document, place, pnode, pnode.total, spans[index], held)
            free.append(own)
    share, seed = _read_fragmentation(table)
    if heap is not None and heap.num_pnodes != len(pnodes):
        found = f"{heap.num_pnodes} pnodes in {heap.source}"
        table.fault("heap", found, f"those of the host, {len(pnodes)}")
    if len(table.document.faults) > noted or len(free) < len(pnodes):
        return None
    rows = np.array(as_rows(spans), dtype=np.int64).reshape(-1, 3)
    free_rows = np.array(as_rows(free), dtype=np.int64).reshape(-1, 3)
    free_from: FreeFrom = "counts"
    if all(pnode.free_spans is not None for pnode in pnodes if pnode.total):
        free_from = "spans"
    try:
        if heap is not None:
            free_rows, free_from = heap.lay_out(rows), heap.free_from
        elif share is not None:
            # Looking for places takes time whether there are any or not.
            blocks = sum(pnode.total or 0 for pnode in pnodes) >> ORDER_2MIB
            table.document.spend(table.at("fragmentation"), blocks >> 2)
            free_rows, free_from = _fragmented(rows, free_rows, float(share), seed), "fragmentation"
            table.document.spend(table.at("fragmentation"), 2 * len(free_rows))
    except ValueError as error:
        key = "heap" if heap is not None else "fragmentation"
        table.fault(key, str(error), "free memory that the spans have room for")
        return None
    if not _lie_in(free_rows, rows):
        table.fault("heap", "free frames outside the spans", "frames of the pnode's spans")
        return None
    return HostMemory(spans=rows, free_spans=free_rows, free_from=free_from)


def _read_fragmentation(table: Fields) -> tuple[Fraction | None, int]:
    """Return the share of free memory in no extent of 2 MiB or larger, and the random seed."""
    seed = table.integer("fragmentation_seed", 0, MOST_SEED)
    if "fragmentation" not in table:
        if "fragmentation_seed" in table:
            table.fault("fragmentation_seed", "no fragmentation", "a share to go with it")
        return None, 0
    expected = "a share of the free memory, from 0 to 1"
    value = table.table["fragmentation"]
    share = table.document.number(table.at("fragmentation"), value, expected)
    if share is not None and not 0 <= share <= 1:
        table.fault("fragmentation", describe(value), expected)
        return None, 0
    for index, own in enumerate(table.table.get("pnode", [])):
        if isinstance(own, dict) and "free_spans" in own:
            place = (*table.at("pnode"), index, "free_spans")
            table.document.fault(place, "free_spans beside fragmentation", "one of the two")
    return share, seed or 0


def _fragmented(spans: Ints, free: Ints, share: float, seed: int) -> Ints:
    """Return free memory of the same amounts, broken up, by pnode."""
    random = np.random.default_rng(seed)
    found = [np.empty((0, 3), dtype=np.int64)]
    for pnode in np.unique(free[:, 0]).tolist():
        pages = int(free[free[:, 0] == pnode, 2].sum())
        usable = np.array(without_frame_0(spans[spans[:, 0] == pnode, 1:].tolist()))
        try:
            rows = lay_out_fragmented(usable, pages, share, random)
        except ValueError as error:
            raise ValueError(f"pnode {pnode}: {error}") from error
        found.append(np.insert(rows, 0, pnode, axis=1))
    rows = np.concatenate(found)
    return np.asarray(rows[np.argsort(rows[:, 1], kind="stable")], dtype=np.int64)


def _lie_in(free: Ints, spans: Ints) -> bool:
    """Whether each free span lies in one of its pnode's."""
    if not len(free):
        return True
    at = np.searchsorted(spans[:, 1], free[:, 1], side="right") - 1
    own = spans[np.maximum(at, 0)]
    inside = (at >= 0) & (own[:, 0] == free[:, 0])
    return bool((inside & (free[:, 1] + free[:, 2] <= own[:, 1] + own[:, 2])).all())


def read_memory_map(table: Fields) -> Ints:
    """Return the ``memory_map`` of a host, rows of (start, end, type) in bytes; empty if none."""
    document = table.document
    empty = np.empty((0, 3), dtype=np.int64)
    if "memory_map" not in table:
        return empty
    words = ", ".join(E820_TYPES)
    expected = f"[first byte, end, type] in ascending order, the type one of {words}"
    place, value = table.at("memory_map"), table.table["memory_map"]
    items = document.items(place, value, f"a list of {expected}")
    rows: list[tuple[int, int, int]] = []
    for index, item in enumerate(items or []):
        path = (*place, index)
        if not isinstance(item, list) or len(item) != 3:
            document.fault(path, describe(item), expected)
            continue
        start = document.integer((*path, 0), item[0], 0, 1 << 52)
        end = document.integer((*path, 1), item[1], 1, 1 << 52)
        kind = E820_TYPES.get(item[2]) if isinstance(item[2], str) else None
        if kind is None:
            document.fault((*path, 2), describe(item[2]), f"one of {words}")
        if start is None or end is None or kind is None:
            continue
        if end <= start or (rows and start < rows[-1][1]):
            document.fault(path, f"{start} to {end}", expected)
            continue
        rows.append((start, end, kind))
    return np.array(rows, dtype=np.int64).reshape(-1, 3) if rows else empty


def _free_frames(
    document: TomlDocument,
    place: FieldPath,
    pnode: PnodeMemory,
    total: int,
    spans: list[Span],
    held: int,
) -> list[Span]:
    """Return the free frames of one pnode, as given or laid out from the count."""
    usable = without_frame_0(spans)
    most = min(total, sum(num for _, num in usable))
    if pnode.free_spans is not None:
        listed = sum(num for _, num in pnode.free_spans)
        if pnode.free not in (None, listed):
            document.fault((*place, "free"), f"{pnode.free} pages", f"{listed}, as free_spans sum")
        joined = [(first, first + num) for _, first, num in as_rows([usable])]
        for index, (start, num) in enumerate(pnode.free_spans):
            if not _lies_in(start, num, joined):
                document.fault(
                    (*place, "free_spans", index),
                    f"[{start}, {num}]",
                    "frames of the pnode's spans, frame 0 left out",
                )
        free, key = listed, "free_spans"
    elif pnode.free is not None:
        free, key = pnode.free, "free"
        if most < free <= total:
            document.fault(
                (*place, key), f"{free} pages", f"at most {most}: frame 0 is never handed out"
            )
    else:
        free, key = min(most, total - held), "total"
    if (held and free + held > total) or free < 0:
        document.fault(
            (*place, key),
            f"{max(free, 0)} free pages and {held} of running domains",
            f"at most the total, {total} pages",
        )
    return lay_out_free(spans, free) if pnode.free_spans is None else sorted(pnode.free_spans)


def _lies_in(start: int, num: int, joined: list[tuple[int, int]]) -> bool:
    """Whether frames lie in one of (first, end), ascending."""
    at = bisect_right(joined, (start, MOST_PAGES + 1)) - 1
    return at >= 0 and joined[at][0] <= start and start + num <= joined[at][1]


def _check_overlaps(table: Fields, key: str, spans: list[list[Span]]) -> None:
    flat = sorted((start, num, p) for p, own in enumerate(spans) for start, num in own)
    for (start, num, pnode), (later, _, other) in pairwise(flat):
        if start + num > later:
            table.document.fault(
                (*table.at("pnode"), other, key),
                f"frame {later} again",
                f"each frame once (pnode {pnode} has {start} to {start + num - 1})",
            )
