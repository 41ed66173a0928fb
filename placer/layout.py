"""Where the memory of a host lies that is described by counts alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from placer.units import ORDER_1GIB

Span = tuple[int, int]
"""First frame and number of frames."""


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
