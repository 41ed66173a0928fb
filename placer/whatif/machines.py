"""Hosts that are not what they were: parts that fail, other modes, other figures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from placer.arrays import ABSENT, Ints
from placer.frames import MACHINE_FRAME, PNODE, DomainFrames
from placer.host import Host, RunningDomain
from placer.scenario import SetHosts
from placer.spans import merge, subtract
from placer.units import LOCAL_DISTANCE, ORDER_1GIB, PAGES_2MIB, format_pages


def without_pnodes(host: Host, pnodes: Collection[int]) -> Host:
    """Return ``host`` with no memory and no pcpus on some pnodes, which keep their numbers.

    Raises ValueError for a pnode that is not there.
    """
    for pnode in pnodes:
        if not 0 <= pnode < host.num_pnodes:
            raise ValueError(f"pnode {pnode}, expected 0 to {host.num_pnodes - 1}")
    gone = np.isin(np.arange(host.num_pnodes), list(pnodes))

    def left(figures: Ints) -> Ints:
        return np.where(gone, 0, figures)

    smaller = replace(
        host,
        total_pages=left(host.total_pages),
        free_pages=left(host.free_pages),
        reserve_pages=left(host.reserve_pages),
        spans=host.spans[~gone[host.spans[:, 0]]],
        free_spans=host.free_spans[~gone[host.free_spans[:, 0]]],
        running=tuple(
            replace(run, pages=left(run.pages), vcpus_on=left(run.vcpus_on)) for run in host.running
        ),
    )
    return _with_pcpus(smaller, ~gone[host.pcpu_pnode])


def without_pcpus(host: Host, pcpus: Collection[int]) -> Host:
    """Return ``host`` without some pcpus; ValueError where it has none of them."""
    gone = np.isin(host.pcpu_ids, list(pcpus))
    if not gone.any():
        raise ValueError("none of these pcpus, expected some of the host's")
    return _with_pcpus(host, ~gone)


def _with_pcpus(host: Host, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Host:
    ids = set(host.pcpu_ids[kept].tolist())
    return replace(
        host,
        pcpu_ids=host.pcpu_ids[kept],
        pcpu_pnode=host.pcpu_pnode[kept],
        pcpu_socket=host.pcpu_socket[kept],
        pcpu_core=host.pcpu_core[kept],
        running=tuple(
            replace(run, dedicated_pcpus=tuple(p for p in run.dedicated_pcpus if p in ids))
            for run in host.running
        ),
    )


def unheld_pages(host: Host, pnode: int, held: Ints) -> int:
    """Return how many free pages of a pnode are outside ``held``, rows of (start, num)."""
    return int(_unheld(host, pnode, held)[:, 1].sum())


def _unheld(host: Host, pnode: int, held: Ints) -> Ints:
    mine = host.free_spans[host.free_spans[:, 0] == pnode, 1:]
    return subtract(merge(mine), merge(held)) if len(held) and len(mine) else mine


def without_memory(host: Host, pnode: int, pages: int, held: Ints) -> Host:
    """Return ``host`` without the highest ``pages`` free frames of a pnode outside ``held``.

    ``held`` are rows of (start, num). Raises ValueError where there are not so many.
    """
    free = _unheld(host, pnode, held)
    left, gone = pages, []
    for start, num in free[::-1].tolist():
        cut = min(left, num)
        if cut:
            gone.append((start + num - cut, cut))
        left -= cut
    if left:
        most = format_pages(pages - left)
        raise ValueError(f"{format_pages(pages)} of pnode {pnode}, expected {most} or less")
    mine = host.free_spans[:, 0] == pnode
    kept = subtract(merge(host.free_spans[mine, 1:]), merge(np.array(gone[::-1])))
    rows = np.concatenate([host.free_spans[~mine], np.insert(kept, 0, pnode, axis=1)])
    change = np.zeros(host.num_pnodes, dtype=np.int64)
    change[pnode] = pages
    total = host.total_pages - change
    return replace(
        host,
        total_pages=total,
        free_pages=host.free_pages - change,
        reserve_pages=np.minimum(host.reserve_pages, total),
        free_spans=rows[np.argsort(rows[:, 1], kind="stable")],
    )


def set_figures(host: Host, change: SetHosts) -> Host:
    """Return ``host`` with other figures; ValueError for a matrix that does not fit it."""
    found = host
    if change.overcommit is not None:
        found = replace(found, overcommit=change.overcommit)
    if change.reserve_pages is not None:
        reserve = np.minimum(change.reserve_pages, host.total_pages)
        found = replace(found, reserve_pages=reserve)
    if change.distances is not None:
        matrix = change.distances
        if matrix.ndim == 1:
            matrix = np.full((host.num_pnodes, host.num_pnodes), matrix[1])
            np.fill_diagonal(matrix, LOCAL_DISTANCE)
        found = replace(found, distances=matrix)
    if change.smt is not None:
        found = replace(found, smt=change.smt, smt_penalty=change.smt_penalty)
    return found


def split_pnodes(host: Host, into: int, distance: int) -> Host:
    """Return ``host`` with each pnode cut into ``into``: as NPS and SNC modes do.

    Memory is cut by address into equal parts of whole GiB, or of 2 MiB where those are too
    large, the last one with the rest; cores are dealt in blocks, in the order of their pcpus.
    What runs there is spread evenly. ``distance`` is between parts of one pnode; all other
    distances stay. Raises ValueError for a pnode with fewer cores than parts.
    """
    cut = [_cut_spans(host, pnode, into) for pnode in range(host.num_pnodes)]
    spans = np.array(
        [
            (p * into + k, *row)
            for p, parts in enumerate(cut)
            for k, part in enumerate(parts)
            for row in part
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    free_spans = _owned(host.free_spans, spans)
    num = host.num_pnodes * into
    free = np.bincount(free_spans[:, 0], free_spans[:, 2], num).astype(np.int64)
    sizes = np.bincount(spans[:, 0], spans[:, 2], num).astype(np.int64)
    owner = np.repeat(np.arange(host.num_pnodes), into)
    distances = host.distances[np.ix_(owner, owner)].copy()
    distances[owner[:, None] == owner[None, :]] = distance
    np.fill_diagonal(distances, LOCAL_DISTANCE)
    total = np.maximum(np.minimum(sizes, -(-host.total_pages // into)[owner]), free)
    whole = np.bincount(host.spans[:, 0], host.spans[:, 2], host.num_pnodes)
    total = np.where((whole == host.total_pages)[owner], sizes, total)
    return replace(
        host,
        total_pages=total,
        free_pages=free,
        reserve_pages=np.minimum(_dealt(host.reserve_pages, into), total),
        spans=spans[np.argsort(spans[:, 1], kind="stable")],
        free_spans=free_spans,
        pcpu_pnode=_dealt_pcpus(host, into),
        distances=distances,
        pnode_ids=ABSENT,
        running=tuple(_spread(run, into) for run in host.running),
    )


def _cut_spans(host: Host, pnode: int, into: int) -> list[list[tuple[int, int]]]:
    """The spans of a pnode as ``into`` lists of (start, num), in the order of addresses."""
    mine = [(s, n) for p, s, n in host.spans.tolist() if p == pnode]
    whole = sum(n for _, n in mine)
    unit = next((u for u in (1 << ORDER_1GIB, PAGES_2MIB) if whole // into >= u), 1)
    share = whole // into // unit * unit
    parts: list[list[tuple[int, int]]] = [[] for _ in range(into)]
    part, room = 0, share
    for start, num in mine:
        first, left = start, num
        while left:
            taken = left if part == into - 1 else min(left, room)
            if taken:
                parts[part].append((first, taken))
            first, left, room = first + taken, left - taken, room - taken
            if not room and part < into - 1:
                part, room = part + 1, share
    return parts


def _owned(free: Ints, spans: Ints) -> Ints:
    """Free spans under the pnodes of the spans that they lie in."""
    rows = []
    for pnode, start, num in spans.tolist():
        low = np.maximum(free[:, 1], start)
        high = np.minimum(free[:, 1] + free[:, 2], start + num)
        rows += [
            (pnode, a, b - a) for a, b in zip(low.tolist(), high.tolist(), strict=True) if b > a
        ]
    found = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return np.asarray(found[np.argsort(found[:, 1], kind="stable")], dtype=np.int64)


def _dealt(pages: Ints, into: int) -> Ints:
    """Pages by pnode as pages by its parts, the first ones with what does not divide."""
    parts = np.repeat(pages // into, into)
    more = np.tile(np.arange(into), len(pages)) < np.repeat(pages % into, into)
    return np.asarray(parts + more, dtype=np.int64)


def _dealt_pcpus(host: Host, into: int) -> Ints:
    found = np.zeros(host.num_pcpus, dtype=np.int64)
    for pnode in range(host.num_pnodes):
        mine = host.pcpu_pnode == pnode
        cores, first = np.unique(host.pcpu_core[mine], return_index=True)
        if 0 < len(cores) < into:
            raise ValueError(f"{len(cores)} cores on pnode {pnode}, expected {into} or more")
        rank = np.empty(len(cores), dtype=np.int64)
        rank[np.argsort(first, kind="stable")] = np.arange(len(cores))
        part = rank * into // max(1, len(cores))
        found[mine] = pnode * into + part[np.searchsorted(cores, host.pcpu_core[mine])]
    return found


def _spread(run: RunningDomain, into: int) -> RunningDomain:
    return replace(run, pages=_dealt(run.pages, into), vcpus_on=_dealt(run.vcpus_on, into))


def merge_pnodes(host: Host) -> Host:
    """Return ``host`` with the pnodes of each socket made one.

    A pnode without pcpus stays by itself. Distances are means over the pairs, rounded.
    Raises ValueError where no socket has two pnodes.
    """
    first_of: dict[int, int] = {}
    owner: list[int] = []
    for pnode in range(host.num_pnodes):
        sockets = host.pcpu_socket[host.pcpu_pnode == pnode]
        key = int(sockets[0]) if len(sockets) else -1 - pnode
        owner.append(first_of.setdefault(key, len(first_of)))
    num = len(first_of)
    if num == host.num_pnodes:
        raise ValueError("one pnode for each socket, expected several to merge")
    to = np.array(owner)

    def summed(figures: Ints) -> Ints:
        return np.bincount(to, figures, num).astype(np.int64)

    def renumbered(rows: Ints) -> Ints:
        return np.column_stack([to[rows[:, 0]], rows[:, 1:]])

    return replace(
        host,
        total_pages=summed(host.total_pages),
        free_pages=summed(host.free_pages),
        reserve_pages=summed(host.reserve_pages),
        spans=renumbered(host.spans),
        free_spans=renumbered(host.free_spans),
        pcpu_pnode=to[host.pcpu_pnode],
        distances=_mean_distances(host.distances, to, num),
        pnode_ids=ABSENT,
        running=tuple(
            replace(run, pages=summed(run.pages), vcpus_on=summed(run.vcpus_on))
            for run in host.running
        ),
    )


def _mean_distances(distances: Ints, to: Ints, num: int) -> Ints:
    means = np.full((num, num), LOCAL_DISTANCE)
    for p in range(num):
        for q in range(num):
            if p != q:
                part = distances[np.ix_(to == p, to == q)]
                means[p, q] = round(Fraction(int(part.sum()), part.size))
    return means


def held_frames(held: Sequence[DomainFrames], pnode: int) -> Ints:
    """Return (start, num) of the frames that domains hold on a pnode."""
    rows = [np.empty((0, 2), dtype=np.int64)]
    for frames in held:
        here = frames.runs[:, PNODE] == pnode
        rows.append(np.stack([frames.runs[here, MACHINE_FRAME], frames.run_pages[here]], axis=1))
    return np.concatenate(rows)
