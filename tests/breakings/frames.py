"""The frames of a valid run broken in named ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from placer.arrays import Ints
from placer.frames import (
    GUEST_FRAME,
    GUEST_STEP,
    MACHINE_FRAME,
    NUM_EXTENTS,
    ORDER,
    PNODE,
    VNODE,
    DomainFrames,
)
from placer.run import Run

Broken = Iterator[tuple[str, str, Run]]
"""The name of a mutation, the rule that it breaks, and the run that breaks it."""


def break_frames(run: Run) -> Broken:
    """Yield every named way to break the frames of a valid run."""
    if not run.frames:
        return
    first = run.frames[0]
    stranger = replace(first, domain="stranger")
    yield "back a domain that is not placed", "F1 frames", _with(run, (*run.frames, stranger))
    yield "back one domain twice", "F1 frames", _with(run, (first, *run.frames))
    if len(run.frames) > 1:
        yield "forget the frames of a domain", "F1 frames", _with(run, run.frames[1:])
    elsewhere = replace(first, host="elsewhere")
    yield "back with frames of another host", "F1 frames", _with(run, (elsewhere, *run.frames[1:]))
    yield from _break_shared(run)
    for number, frames in enumerate(run.frames):
        if len(frames.runs):
            yield from _break_extents(run, number)
            yield from _break_guest(run, number)


def _with(run: Run, frames: tuple[DomainFrames, ...]) -> Run:
    return replace(run, frames=frames)


def _with_runs(run: Run, number: int, runs: Ints) -> Run:
    frames = list(run.frames)
    frames[number] = replace(frames[number], runs=runs)
    return _with(run, tuple(frames))


_COLUMNS = {
    "pnode": PNODE,
    "order": ORDER,
    "guest": GUEST_FRAME,
    "machine": MACHINE_FRAME,
    "count": NUM_EXTENTS,
}


def _set(run: Run, number: int, **columns: int) -> Run:
    """Change columns of the first of the runs of extents."""
    runs = run.frames[number].runs.copy()
    for name, value in columns.items():
        runs[0, _COLUMNS[name]] = value
    return _with_runs(run, number, runs)


def _break_shared(run: Run) -> Broken:
    for number, frames in enumerate(run.frames[1:], start=1):
        other = run.frames[0]
        if other.host == frames.host and len(other.runs) and len(frames.runs):
            taken = _set(
                run,
                number,
                machine=int(other.runs[0, MACHINE_FRAME]),
                order=0,
                count=1,
            )
            yield "give a frame to two domains", "F2 once", taken


def _break_extents(run: Run, number: int) -> Broken:
    frames = run.frames[number]
    host = run.host(frames.host)
    _, pnode, order, _, machine, count, _ = frames.runs[0].tolist()
    spans = host.free_spans[host.free_spans[:, 0] == pnode]
    end = int((spans[:, 1] + spans[:, 2]).max())
    beyond = -(-end >> order) << order
    yield "give a frame that is not free", "F3 free", _set(run, number, machine=beyond)
    if order:
        odd = _set(run, number, machine=machine + 1)
        yield "give an extent that is not aligned", "F4 extents", odd
    yield "give an extent without pages", "F4 extents", _set(run, number, count=0)
    yield "give extents of 32 KiB", "F4 extents", _set(run, number, order=3)
    absent = _set(run, number, pnode=host.num_pnodes)
    yield "give extents of a pnode that is not there", "F4 extents", absent
    many = _set(run, number, count=1 << 39)
    yield "give more extents than there is memory", "F4 extents", many
    if count > 1:
        yield "back a page less", "F1 pages", _set(run, number, count=count - 1)
    if host.num_pnodes > 1 and run.domain(frames.domain).type != "hvm":
        moved = _set(run, number, pnode=(pnode + 1) % host.num_pnodes)
        yield "give pages of another pnode", "F1 pages", moved
    if len(frames.runs) > 1:
        runs = frames.runs.copy()
        runs[1, [ORDER, MACHINE_FRAME, NUM_EXTENTS]] = 0, machine, 1
        yield "give a frame twice", "F2 once", _with_runs(run, number, runs)


def _break_guest(run: Run, number: int) -> Broken:
    frames = run.frames[number]
    domain = run.domain(frames.domain)
    runs = frames.runs.copy()
    if domain.type == "pv":
        last = int(runs[:, GUEST_FRAME].argmax())
        runs[last, GUEST_FRAME] += 1
        yield "leave a guest frame without memory", "F5 guest frames", _with_runs(run, number, runs)
        outside = _set(run, number, guest=-1)
        yield "put a PV guest's memory at no address", "F5 guest frames", outside
    if len(runs) > 1:
        runs = frames.runs.copy()
        runs[1, GUEST_FRAME] = max(runs[0, GUEST_FRAME], 0)
        if runs[0, GUEST_FRAME] >= 0:
            yield "back a guest frame twice", "F5 guest frames", _with_runs(run, number, runs)
    if np.unique(frames.runs[:, VNODE]).tolist() == [0, 1] and domain.type == "pv":
        sizes = frames.pages_on(2, run.host(frames.host).num_pnodes).sum(axis=1)
        if not domain.ballooned_pages.any():
            runs = frames.runs.copy()
            of_first = runs[:, VNODE] == 0
            runs[of_first, GUEST_FRAME] += sizes[1]
            runs[~of_first, GUEST_FRAME] -= sizes[0]
            wrong = _with_runs(run, number, runs)
            yield "exchange the guest memory of two vnodes", "F5 guest frames", wrong
    large = np.flatnonzero((frames.runs[:, ORDER] > 0) & (frames.runs[:, GUEST_STEP] == 1))
    wanted = domain.page_order[np.minimum(frames.runs[:, VNODE], domain.num_vnodes - 1)]
    large = large[wanted[large] > 0]
    if len(large):
        runs = frames.runs.copy()
        runs[large[0], NUM_EXTENTS] <<= runs[large[0], ORDER]
        runs[large[0], ORDER] = 0
        yield "cut a large page into small ones", "F4 page size", _with_runs(run, number, runs)
