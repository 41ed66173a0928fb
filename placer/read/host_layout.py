"""How a host that is described by counts is laid out: frames, pcpus, limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from placer.errors import Fault
from placer.units import ORDER_1GIB

MOST_PNODES: Final = 256
"""Four times what Xen can be built for (NR_NUMA_NODES, 2 to 64)."""

MOST_PCPUS: Final = 16383
"""The most that Xen can be built for (NR_CPUS)."""

MOST_PNODE_ID: Final = 65535
"""More than Linux can be built for (MAX_NUMNODES, 1024)."""

MOST_SOCKET: Final = 65535
MOST_OVERCOMMIT: Final = 1024
MOST_SMT_PENALTY: Final = 10_000
MOST_DOMID: Final = 0x7FEF
"""The highest number of an ordinary domain is below DOMID_FIRST_RESERVED, 0x7FF0."""

_MOST_DIGITS: Final = 40
_RANGE: Final = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?", re.ASCII)
_PENALTY: Final = re.compile(r"penalty=([0-9]{1,9})", re.ASCII)

Span = tuple[int, int]
"""First frame and number of frames."""


def parse_pcpus(text: str) -> list[int]:
    """Return the pcpus of ``"0-3,8"`` in the order written.

    Raises ValueError where a part is neither N nor A-B, runs backwards, repeats a
    pcpu or is above ``MOST_PCPUS``.
    """
    found: list[int] = []
    for part in text.split(","):
        first, last = parse_pcpu_range(part)
        found.extend(range(first, last + 1))
        if len(found) > MOST_PCPUS + 1:
            break
    if len(set(found)) < len(found):
        raise ValueError("a pcpu is named twice")
    return found


def parse_pcpu_range(text: str) -> tuple[int, int]:
    """Return the first and the last pcpu of ``"3"`` or ``"0-3"``; ValueError for another text."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no pcpu and no range A-B")
    first = int(match[1])
    last = int(match[2] or first)
    if last < first:
        raise ValueError(f"the range {text[:40]!r} runs backwards")
    if last > MOST_PCPUS:
        raise ValueError(f"pcpu {last} is above {MOST_PCPUS}")
    return first, last


def parse_figure(text: str, most: int) -> int:
    """Return the number that decimal digits write; ValueError where it is above ``most``."""
    if len(text) > _MOST_DIGITS or int(text) > most:
        raise ValueError(f"{text[:_MOST_DIGITS]}, above {most}")
    return int(text)


def parse_smt(text: str) -> tuple[str, int] | None:
    """Return mode and penalty of ``threads``, ``cores`` or ``penalty=W``; None for others."""
    if text in ("threads", "cores"):
        return text, 0
    match = _PENALTY.fullmatch(text)
    if match is None or int(match[1]) > MOST_SMT_PENALTY:
        return None
    return "penalty", int(match[1])


def lay_out_spans(totals: Sequence[int], given: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """Return the spans of each pnode; those that are not given lie above all that are.

    Each begins at a whole GiB, from 1 GiB up: frame 0, which Xen never hands out,
    lies in none of them, and the largest extents are whole.
    """
    unit = 1 << ORDER_1GIB
    top = max((start + num for spans in given for start, num in spans), default=0)
    laid_out = []
    for total, spans in zip(totals, given, strict=True):
        if spans or not total:
            laid_out.append(list(spans))
            continue
        start = max(1, -(-top // unit)) * unit
        laid_out.append([(start, total)])
        top = start + total
    return laid_out


def without_frame_0(spans: Iterable[Span]) -> list[Span]:
    """Return the frames that Xen can hand out: all but machine frame 0 (page_alloc.c)."""
    return [
        (max(1, start), num - (start == 0)) for start, num in sorted(spans) if num > (start == 0)
    ]


def lay_out_free(spans: Iterable[Span], free_pages: int) -> list[Span]:
    """Return ``free_pages`` frames at the low end of ``spans``, frame 0 left out.

    Xen hands out high addresses first, so what is free lies low.
    """
    laid_out = []
    for start, num in without_frame_0(spans):
        taken = min(num, free_pages)
        if taken:
            laid_out.append((start, taken))
        free_pages -= taken
    return laid_out


def as_rows(spans: Sequence[Sequence[Span]]) -> list[tuple[int, int, int]]:
    """Return (pnode, start, num) rows in ascending order of start, touching spans joined."""
    rows: list[tuple[int, int, int]] = []
    flat = [(start, num, p) for p, own in enumerate(spans) for start, num in own if num]
    for start, num, pnode in sorted(flat):
        if rows and rows[-1][0] == pnode and rows[-1][1] + rows[-1][2] == start:
            rows[-1] = (pnode, rows[-1][1], rows[-1][2] + num)
        else:
            rows.append((pnode, start, num))
    return rows


def near_far(num_pnodes: int, local: int, remote: int) -> list[list[int]]:
    """Return a matrix with ``local`` on the diagonal and ``remote`` elsewhere."""
    return [[local if p == q else remote for q in range(num_pnodes)] for p in range(num_pnodes)]


def assumed_distances(source: str, field: str, line: int | None) -> Fault:
    """Return the warning for a host of several pnodes whose distances nobody gave."""
    return Fault(
        source=source,
        field=field,
        found="no distances",
        expected="distances; 10 (local) and 20 (remote) are assumed",
        line=line,
    )


def counts_end(source: str, field: str, line: int | None) -> Fault:
    """Return the warning for a host whose free extents Linux counts."""
    return Fault(
        source=source,
        field=field,
        found="counts of free extents without places, up to 4 MiB",
        expected="frame numbers; places are made up, and 1 GiB pages are a lower bound",
        line=line,
    )
