"""Turn a placement into machine frames, each domain on the heap that those before left."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.errors import AllocationError, ModelError
from placer.frames import MACHINE_FRAME, OUTSIDE, PNODE, DomainFrames
from placer.pages.heap import Heap
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.topology import vmemranges
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_4KIB, ORDER_NAMES, PAGE_BYTES


def realise(problem: Problem, placement: Placement) -> tuple[DomainFrames, ...]:
    """Return the frames of every placed domain, in the placement's order.

    Domains that ask for larger pages take theirs first, so that no other breaks up
    the extents that they need; else domains take theirs in the placement's order.
    Raises AllocationError, naming domain, vnode and pnode, where a heap cannot give
    the pages or the page size wanted. The pages that the toolstack needs beside
    the guest's own are in no domain's frames.
    """
    heaps = _heaps(problem)
    found: dict[str, DomainFrames] = {}
    for placed in sorted(placement.domains, key=lambda placed: -_largest_order(problem, placed)):
        domain = problem.domains[problem.domain_index[placed.domain]]
        found[placed.domain] = allocate_domain(heaps[placed.host], domain, placed)
    return tuple(found[placed.domain] for placed in placement.domains)


def _largest_order(problem: Problem, placed: PlacedDomain) -> int:
    """The largest page size that the domain asks for, as an order."""
    return int(problem.domains[problem.domain_index[placed.domain]].page_order.max())


def heaps_after(problem: Problem, frames: Iterable[DomainFrames]) -> dict[str, Heap]:
    """Return the heap of every host, by name, without the frames of ``frames``.

    Raises ValueError where a frame is not free, or given twice.
    """
    heaps = _heaps(problem)
    for domain in frames:
        heaps[domain.host].remove(_spans(domain))
    return heaps


def take_domain(heap: Heap, frames: DomainFrames) -> None:
    """Take the frames that a domain holds; ValueError where one is not free."""
    heap.remove(_spans(frames))


def free_domain(heap: Heap, frames: DomainFrames) -> None:
    """Give the frames of a domain back; ValueError where one is free already."""
    heap.free(_spans(frames))


def allocate_domain(heap: Heap, domain: Domain, placed: PlacedDomain) -> DomainFrames:
    """Take the frames of one placed domain from ``heap``.

    The guest's ranges are filled in ascending order, vnode by vnode; the pages of a
    vnode on several pnodes in ascending order of pnode. Each piece of a range on one
    pnode is built as libxc builds a PV guest (meminit_pv): 2 MiB extents as many
    as fit and are there, the rest in 4 KiB, all from that pnode exactly; before
    them 1 GiB extents where the vnode asks for that size. An extent's guest
    frame need not be aligned.

    Raises AllocationError as ``realise`` does; the heap then keeps what was taken.
    """
    ranges = vmemranges(domain, placed.vnode_pages)
    found: list[Ints] = []
    for vnode in range(placed.num_vnodes):
        # Vnodes that the solver made are all of the one kind that was given.
        order = int(domain.page_order[min(vnode, domain.num_vnodes - 1)])
        mine = ranges[ranges[:, 0] == vnode, 1:]
        for piece in _pieces(mine, placed.pages[vnode]):
            found.extend(_allocate_piece(heap, placed, vnode, order, piece))
    return DomainFrames(
        domain=placed.domain,
        host=placed.host,
        runs=np.concatenate([np.empty((0, 6), dtype=np.int64), *found]),
    )


def _heaps(problem: Problem) -> dict[str, Heap]:
    return {host.name: Heap.of(host) for host in problem.hosts}


def _spans(frames: DomainFrames) -> Ints:
    """Return the machine frames of a domain as (pnode, start_frame, num_frames)."""
    runs = frames.runs
    return np.stack([runs[:, PNODE], runs[:, MACHINE_FRAME], frames.run_pages], axis=1)


def _pieces(ranges: Ints, pages: Ints) -> list[tuple[int, int, int]]:
    """Return (pnode, guest_frame, num_pages) for one vnode, in guest order.

    A piece ends where a range or the vnode's part on a pnode does. Pages beyond
    the ranges, of the highest pnodes, are OUTSIDE.
    """
    starts, ends = ranges[:, 0] // PAGE_BYTES, ranges[:, 1] // PAGE_BYTES
    range_ends = np.cumsum(ends - starts)
    pnode_ends = np.cumsum(pages)
    total = int(pnode_ends[-1])
    if len(range_ends) and range_ends[-1] > total:
        raise ModelError(f"guest ranges of {range_ends[-1]} pages for a vnode of {total}")
    cuts = np.unique(np.concatenate([[0], range_ends, pnode_ends]))
    found = []
    for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        pnode = int(np.searchsorted(pnode_ends, low, side="right"))
        place = int(np.searchsorted(range_ends, low, side="right"))
        inside = place < len(ranges)
        guest = int(ends[place] - (range_ends[place] - low)) if inside else OUTSIDE
        found.append((pnode, guest, high - low))
    return found


def _allocate_piece(
    heap: Heap, placed: PlacedDomain, vnode: int, page_order: int, piece: tuple[int, int, int]
) -> list[Ints]:
    """Return the runs that back one piece of a vnode, largest extents first."""
    pnode, guest, left = piece
    found = []
    for order in (ORDER_1GIB, ORDER_2MIB, ORDER_4KIB):
        wanted = left >> order
        if order > max(page_order, ORDER_2MIB) or not wanted:
            continue
        rows = heap.allocate(pnode, order, wanted)
        given = int(rows[:, 1].sum())
        if given < wanted and order in (page_order, ORDER_4KIB):
            raise _refusal(placed, vnode, pnode, order, wanted, given)
        found.append(_runs(rows, vnode, pnode, order, guest))
        left -= given << order
        if guest != OUTSIDE:
            guest += given << order
    return found


def _runs(rows: Ints, vnode: int, pnode: int, order: int, guest: int) -> Ints:
    """Return rows of the heap as runs of frames.DomainFrames, side by side in the guest."""
    runs = np.empty((len(rows), 6), dtype=np.int64)
    runs[:, :3] = (vnode, pnode, order)
    pages = rows[:, 1] << order
    runs[:, 3] = OUTSIDE if guest == OUTSIDE else guest + np.cumsum(pages) - pages
    runs[:, 4:] = rows
    return runs


def _refusal(
    placed: PlacedDomain, vnode: int, pnode: int, order: int, wanted: int, available: int
) -> AllocationError:
    return AllocationError(
        f"domain {placed.domain}, vnode {vnode}: {wanted} extents of {ORDER_NAMES[order]} wanted "
        f"on pnode {pnode} of host {placed.host}, {available} left",
        domain=placed.domain,
        host=placed.host,
        vnode=vnode,
        pnode=pnode,
        order=order,
        wanted=wanted,
        available=available,
    )
