"""What is free on a host, from a file: saved by placer, Xen's debug keys, Linux's own counts."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from placer.arrays import Ints
from placer.errors import Fault, InputError
from placer.host import FreeFrom, Host
from placer.layout import without_frame_0
from placer.read.host_layout import parse_figure
from placer.read.synthesised import lay_out_counts
from placer.read.toml_fields import MOST_PAGES
from placer.read.xen_keys import free_spans_of, has_xen_keys, parse_xen_keys
from placer.spans import merge
from placer.text_file import decode_text, read_bytes
from placer.units import MAX_ORDER
from placer.whole_file import whole_file

VERSION: Final = 1
MOST_NODES: Final = 1 << 10
"""What Linux can be built for (MAX_NUMNODES)."""

_MOST_BYTES: Final = 128 << 20
"""Of an archive once it is unpacked: some five million free spans."""

_NAMES: Final = ("version", "num_pnodes", "spans", "free_spans", "free_from")
_DAMAGED: Final = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile raises where an archive is damaged, or packed in a way that it does not know."""

_ARRAYS: Final[dict[tuple[int, int], Callable[..., Any]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads the head of an array, by the version of its format."""

_FREE_FROM: Final[tuple[FreeFrom, ...]] = get_args(FreeFrom)
_BUDDYINFO: Final = re.compile(r"Node +(\d+), zone +(\w+) +(\d+(?: +\d+)*+)")
_PAGETYPE: Final = re.compile(r"Node +(\d+), zone +(\w+), type +(\w+) +(>?\d+(?: +>?\d+)*+)")
_EXPECTED: Final = (
    "a file saved by placer heap --save, Xen's debug keys u and H, /proc/buddyinfo or "
    "/proc/pagetypeinfo"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class HeapFile:
    """Free memory by pnode, with its places or without.

    ``spans`` and ``free_spans`` are as in `Host`, or None where the file has no frame numbers;
    then ``counts[p, o]`` are the free extents of each order, and what is merged to more
    than the last order is not known.
    """

    source: str
    free_from: FreeFrom
    free_pages: Ints
    spans: Ints | None = None
    free_spans: Ints | None = None
    counts: Ints | None = None

    @property
    def num_pnodes(self) -> int:
        """How many pnodes the file tells of."""
        return len(self.free_pages)

    def lay_out(self, spans: Ints) -> Ints:
        """Return the free spans of a host with ``spans``; ValueError where they have no room."""
        if self.free_spans is not None:
            return self.free_spans
        found = []
        for pnode, counts in enumerate([] if self.counts is None else self.counts.tolist()):
            usable = without_frame_0(spans[spans[:, 0] == pnode, 1:].tolist())
            mine = np.array(usable, dtype=np.int64).reshape(-1, 2)
            try:
                rows = lay_out_counts(mine, counts)
            except ValueError as error:
                raise ValueError(f"pnode {pnode}: {error}") from error
            found.append(np.insert(rows, 0, pnode, axis=1))
        return np.concatenate([np.empty((0, 3), dtype=np.int64), *found])


def read_heap_file(path: Path) -> HeapFile:
    """Return what ``path`` says of free memory; InputError where it is none of the kinds."""
    data = read_bytes(path, _EXPECTED)
    if data.startswith(b"PK"):
        return _read_saved(path, data)
    text = decode_text(data, path)
    if "type" in text and _PAGETYPE.search(text):
        return _read_counts(path, text, _PAGETYPE)
    if _BUDDYINFO.search(text):
        return _read_counts(path, text, _BUDDYINFO)
    if not has_xen_keys(text):
        raise _fault(path, "heap", "none of these", _EXPECTED)
    keys = parse_xen_keys(text, str(path))
    free = free_spans_of(keys)
    return HeapFile(
        source=str(path),
        free_from="xen keys",
        free_pages=_sums(free, len(keys.nodes)),
        spans=np.array([(n, start, size) for n, (start, size, _) in sorted(keys.nodes.items())]),
        free_spans=free,
    )


def save_heap_file(path: Path, host: Host) -> None:
    """Write the free memory of ``host`` as a compressed numpy archive.

    Equal hosts give equal files. Raises OSError where it cannot be written.
    """
    saved = BytesIO()
    np.savez_compressed(
        saved,
        version=np.array(VERSION),
        num_pnodes=np.array(host.num_pnodes),
        spans=host.spans,
        free_spans=host.free_spans,
        free_from=np.array(_FREE_FROM.index(host.free_from)),
    )
    with whole_file(path) as begun:
        begun.write_bytes(saved.getvalue())


def _read_saved(path: Path, data: bytes) -> HeapFile:
    try:
        found = _unpack(data)
    except _DAMAGED as error:
        raise _fault(path, "heap", f"a damaged archive: {error}"[:120], _EXPECTED) from error
    shapes = [found[name].shape for name in _NAMES]
    tables = all(len(shape) == 2 and shape[1] == 3 for shape in shapes[2:4])
    if not tables or any(shape != () for shape in (*shapes[:2], shapes[4])):
        raise _fault(path, "heap", "arrays of other shapes", _EXPECTED)
    version, num_pnodes = int(found["version"]), int(found["num_pnodes"])
    if version != VERSION:
        raise _fault(path, "version", str(version), str(VERSION))
    kind = int(found["free_from"])
    free = _checked_spans(path, "free_spans", found["free_spans"])
    spans = _checked_spans(path, "spans", found["spans"])
    pnodes = np.concatenate([free[:, 0], spans[:, 0], [kind]])
    if not 0 < num_pnodes <= 1 << 16 or not 0 <= kind < len(_FREE_FROM):
        raise _fault(path, "num_pnodes", f"{num_pnodes}, of kind {kind}", "figures of a host")
    if (pnodes[:-1] < 0).any() or (pnodes[:-1] >= num_pnodes).any():
        raise _fault(path, "spans", "a pnode out of range", f"0 to {num_pnodes - 1}")
    return HeapFile(
        source=str(path),
        free_from=_FREE_FROM[kind],
        free_pages=_sums(free, num_pnodes),
        spans=spans,
        free_spans=free,
    )


def _unpack(data: bytes) -> dict[str, Ints]:
    """Return the arrays of a saved heap.

    Raises ValueError where it has others, or more than a heap takes, before they are unpacked,
    and what zipfile raises.
    """
    with zipfile.ZipFile(BytesIO(data)) as archive:
        parts = {part.filename.removesuffix(".npy"): part for part in archive.infolist()}
        size = sum(part.file_size for part in parts.values())
        if size > _MOST_BYTES:
            raise ValueError(f"{size} bytes once unpacked, {_MOST_BYTES} at most")
        for name in _NAMES:
            if name not in parts:
                raise ValueError(f"no {name}")
            # Others need modules that may be absent, or a password.
            plain = parts[name].compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if not plain or parts[name].flag_bits & 1:
                raise ValueError(f"{name} is packed in another way")
        return {name: _array(archive.read(parts[name])) for name in _NAMES}


def _array(data: bytes) -> Ints:
    """Return the whole numbers that numpy saved; ValueError where they are none."""
    file = BytesIO(data)
    head = _ARRAYS.get(np.lib.format.read_magic(file))
    if head is None:
        raise ValueError("an array of another version")
    try:
        shape, by_columns, kind = head(file)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"the head of an array: {error}") from error
    if kind.kind not in "iu" or len(shape) > 2:
        raise ValueError("arrays of other than whole numbers")
    rest = memoryview(data)[file.tell() :]
    if len(rest) != prod(shape) * kind.itemsize:
        raise ValueError(f"{len(rest)} bytes for an array of {shape}")
    values = np.frombuffer(rest, dtype=kind).reshape(shape, order="F" if by_columns else "C")
    if values.size and kind.itemsize == 8 and kind.kind == "u" and int(values.max()) >> 63:
        raise ValueError("numbers beyond 63 bits")
    return values.astype(np.int64)


def _checked_spans(path: Path, name: str, rows: Ints) -> Ints:
    """Return rows of (pnode, start, num) whose frames can be, each once."""
    frames = rows[:, 1:]
    if ((frames < 0) | (frames > MOST_PAGES)).any() or (frames.sum(axis=1) > MOST_PAGES).any():
        raise _fault(path, name, "frames out of range", f"0 to {MOST_PAGES - 1}")
    try:
        merge(frames[frames[:, 1] > 0])
    except ValueError as error:
        raise _fault(path, name, str(error), "each frame once") from None
    return rows


def _read_counts(path: Path, text: str, pattern: re.Pattern[str]) -> HeapFile:
    """Sum the counts of /proc/buddyinfo, or of all types in /proc/pagetypeinfo, by node."""
    rows: dict[int, list[int]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = pattern.fullmatch(line.strip())
        if match is None:
            if pattern is _BUDDYINFO and line.strip():
                found, expected = repr(line.strip()[:40]), "Node N, zone NAME and counts"
                raise _fault(path, "buddyinfo", found, expected, number)
            continue
        # A count that is too long for the kernel to make is written as ">100000".
        words = match[match.lastindex or 0].split()
        if len(words) > MAX_ORDER + 1:
            found, expected = f"{len(words)} orders", f"{MAX_ORDER + 1} at most"
            raise _fault(path, "buddyinfo", found, expected, number)
        try:
            node = parse_figure(match[1], MOST_NODES - 1)
            counts = [parse_figure(word.lstrip(">"), MOST_PAGES) for word in words]
        except ValueError as error:
            raise _fault(path, "buddyinfo", str(error), "figures of Linux", number) from None
        own = rows.setdefault(node, [0] * len(counts))
        if len(own) != len(counts):
            raise _fault(path, "buddyinfo", f"{len(counts)} orders", f"{len(own)}", number)
        for order, count in enumerate(counts):
            own[order] += count
    if not rows:
        raise _fault(path, "buddyinfo", "no line that is whole", "Node N, zone NAME and counts")
    free = sum(count << order for own in rows.values() for order, count in enumerate(own))
    if free > MOST_PAGES:
        raise _fault(path, "buddyinfo", f"{free} free pages", f"{MOST_PAGES} at most")
    num_orders = max(map(len, rows.values()))
    table = np.zeros((max(rows) + 1, num_orders), dtype=np.int64)
    for node, own in rows.items():
        table[node, : len(own)] = own
    return HeapFile(
        source=str(path),
        free_from="buddyinfo",
        free_pages=(table << np.arange(num_orders)).sum(axis=1),
        counts=table,
    )


def _sums(free: Ints, num_pnodes: int) -> Ints:
    return np.bincount(free[:, 0], free[:, 2], num_pnodes).astype(np.int64)


def _fault(
    path: Path, field: str, found: str, expected: str, line: int | None = None
) -> InputError:
    return InputError(
        Fault(source=str(path), field=field, found=found, expected=expected, line=line)
    )
