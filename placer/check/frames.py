"""The rules about machine frames: F1 to F5 of models/README.md."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from placer.arrays import Ints
from placer.check.violation import Triple, Violation
from placer.domain import Domain
from placer.frames import (
    GUEST_FRAME,
    GUEST_STEP,
    MACHINE_FRAME,
    MAX_FRAME,
    NUM_EXTENTS,
    ORDER,
    OUTSIDE,
    PNODE,
    VNODE,
    DomainFrames,
)
from placer.host import Host
from placer.placement import PlacedDomain
from placer.units import ORDER_NAMES, PAGE_BYTES, PAGES_PER_MIB

FOUR_GIB_FRAME = 1 << 20
VGA_HOLE = (0xA0, 0xC0)
"""Guest frames of the VGA window, which an HVM guest has no memory at."""

SPECIAL_PAGES = 16
"""Pages at no guest address that an HVM guest without a graphics card has too."""

VIDEO_MIB = {"none": 0, "cirrus": 8, "stdvga": 16, "qxl": 128}
"""Video memory of an HVM guest by ``vga``, with upstream QEMU (libxl_create.c)."""

XL_NUMBER = re.compile(r"0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*)")
"""What xl takes for a number (strtoul): hexadecimal, octal or decimal."""

ONE_MIB = 1 << 20
E820_RAM, E820_UNUSABLE = 1, 5

MMIO_HOLE_FRAMES = {"hvm": 0x10000, "pvh": 0x4000}
"""Guest frames below 4 GiB that hold devices (libxl_dom.c: 256 MiB, for PVH 64 MiB)."""


def check_frames(
    triples: Sequence[Triple], hosts: Sequence[Host], frames: Sequence[DomainFrames]
) -> Iterator[Violation]:
    """Yield every rule that the frames of the placed domains break.

    ``triples`` are the placed domains whose arrays fit together, on ``hosts``.
    """
    times = Counter(frame.domain for frame in frames)
    by_name = {frame.domain: frame for frame in frames}
    for name in sorted(set(times) - {domain.name for domain, _, _ in triples}):
        yield Violation("F1 frames", name, "frames for a domain that is not placed")
    sound: list[DomainFrames] = []
    for domain, placed, host in triples:
        if times[domain.name] != 1:
            yield Violation("F1 frames", domain.name, f"{times[domain.name]} sets of frames")
            continue
        mine = by_name[domain.name]
        if mine.host != host.name:
            text = f"frames of {mine.host}, but placed on {host.name}"
            yield Violation("F1 frames", domain.name, text)
            continue
        faults = list(check_extents(mine, placed.num_vnodes, host))
        yield from faults
        if faults:
            continue
        sound.append(mine)
        yield from check_pages(domain, placed, mine, host.num_pnodes)
        yield from check_free(mine, host)
        yield from check_outside(domain, mine)
        if domain.ballooned_pages.any():
            yield from check_ballooned_frames(domain, placed, mine, host)
        else:
            yield from check_guest_frames(domain, mine, host)
        yield from check_large_pages(domain, mine)
    here: defaultdict[str, list[DomainFrames]] = defaultdict(list)
    for frame in sound:
        here[frame.host].append(frame)
    for host in hosts:
        yield from check_given_once(here[host.name])


def check_extents(frames: DomainFrames, num_vnodes: int, host: Host) -> Iterator[Violation]:
    """F4: extents of 4 KiB, 2 MiB or 1 GiB, each aligned in the machine to its size."""
    for run in frames.runs.tolist():
        vnode, pnode, order, guest, machine, count, step = run
        if not (0 <= vnode < num_vnodes and 0 <= pnode < host.num_pnodes):
            text = f"a run for vnode {vnode} on pnode {pnode}"
        elif not all(number <= MAX_FRAME for number in (guest, machine, count, step)):
            text = f"a run of {count} extents from machine frame {machine}, beyond the last frame"
        elif order not in ORDER_NAMES or min(count, step) < 1 or min(guest + 1, machine) < 0:
            text = f"a run of {count} extents of order {order} from guest frame {guest}"
        elif count << order > int(host.total_pages.sum()):
            text = f"{count} extents of order {order}, more than {host.name} has memory"
        elif machine % (1 << order):
            text = f"an extent of order {order} at machine frame {machine}, which is not aligned"
        else:
            continue
        yield Violation("F4 extents", frames.domain, text)


def check_pages(
    domain: Domain, placed: PlacedDomain, frames: DomainFrames, num_pnodes: int
) -> Iterator[Violation]:
    """F1: pages by vnode and pnode are those of the placement.

    But for what Xen takes for an HVM guest without naming a pnode: the guest frames below
    640 KiB and what has no guest frame. These count for their number alone.
    """
    if domain.type != "hvm":
        if not np.array_equal(frames.pages_on(placed.num_vnodes, num_pnodes), placed.pages):
            text = "pages by vnode and pnode are not those of the placement"
            yield Violation("F1 pages", domain.name, text)
        return
    loose = frames.runs[:, GUEST_FRAME] < VGA_HOLE[0]
    bound = DomainFrames(domain=frames.domain, host=frames.host, runs=frames.runs[~loose])
    missing = placed.pages - bound.pages_on(placed.num_vnodes, num_pnodes)
    sizes = domain.pages_with_addresses(placed.vnode_pages).copy()
    video = min(video_pages(domain), int(sizes[0]))
    sizes[0] -= video
    ends = np.minimum(np.cumsum(sizes), VGA_HOLE[1])
    low = np.diff(ends, prepend=0)
    low[0] += video
    if (missing < 0).any() or not np.array_equal(missing.sum(axis=1), low):
        text = "pages above the VGA hole by vnode and pnode are not those of the placement"
        yield Violation("F1 pages", domain.name, text)
    hole = max(int(ends[-1]) - VGA_HOLE[0], 0)
    expected = int(low.sum()) - (0 if video else max(hole - SPECIAL_PAGES, 0))
    found = int(frames.run_pages[loose].sum())
    if found != expected:
        text = f"{found} pages wherever there was room, expected {expected}"
        yield Violation("F1 pages", domain.name, text)


def check_free(frames: DomainFrames, host: Host) -> Iterator[Violation]:
    """F3: every frame was free, on the pnode that the run names."""
    start = frames.runs[:, MACHINE_FRAME]
    end = start + frames.run_pages
    for pnode in np.unique(frames.runs[:, PNODE]).tolist():
        spans = merge_spans(host.free_spans[host.free_spans[:, 0] == pnode, 1:])
        here = frames.runs[:, PNODE] == pnode
        if len(spans) == 0:
            outside = np.ones(int(here.sum()), dtype=bool)
        else:
            at = np.searchsorted(spans[:, 0], start[here], side="right") - 1
            outside = (at < 0) | (end[here] > spans[np.maximum(at, 0), 1])
        for frame in start[here][outside].tolist():
            text = f"the run at machine frame {frame} is not all free memory of pnode {pnode}"
            yield Violation("F3 free", frames.domain, text)


def merge_spans(spans: Ints) -> Ints:
    """Return (start, count) spans as (start, end), sorted, touching ones joined."""
    some = spans[spans[:, 1] > 0]
    if not len(some):
        return np.empty((0, 2), dtype=np.int64)
    start, count = some[np.argsort(some[:, 0], kind="stable")].T
    reach = np.maximum.accumulate(start + count)
    first = np.flatnonzero(np.concatenate([[True], start[1:] > reach[:-1]]))
    last = np.append(first[1:], len(start)) - 1
    return np.column_stack((start[first], reach[last]))


def check_given_once(frames: Sequence[DomainFrames]) -> Iterator[Violation]:
    """F2: no machine frame of a host is given twice, to one domain or to two."""
    if not frames:
        return
    start = np.concatenate([frame.runs[:, MACHINE_FRAME] for frame in frames])
    end = start + np.concatenate([frame.run_pages for frame in frames])
    owner = np.repeat(np.arange(len(frames)), [len(frame.runs) for frame in frames])
    order = np.argsort(start, kind="stable")
    start, owner = start[order], owner[order]
    highest = np.maximum.accumulate(end[order])
    for k in (np.flatnonzero(start[1:] < highest[:-1]) + 1).tolist():
        text = f"machine frame {int(start[k])} is given twice"
        yield Violation("F2 once", frames[int(owner[k])].domain, text)


def check_outside(domain: Domain, frames: DomainFrames) -> Iterator[Violation]:
    """F5: only vnode 0 of an HVM guest has pages at no guest address."""
    outside = frames.runs[:, GUEST_FRAME] == OUTSIDE
    if (outside & ((frames.runs[:, VNODE] != 0) | (domain.type != "hvm"))).any():
        yield Violation("F5 guest frames", frames.domain, "pages at no guest address")


def check_guest_frames(domain: Domain, frames: DomainFrames, host: Host) -> Iterator[Violation]:
    """F5: vnodes fill guest memory in order from frame 0; only the type's holes are left out."""
    starts, ends, vnodes = guest_blocks(frames.runs)
    cursors = np.concatenate([[0], ends])[:-1]
    owners = np.concatenate([[0], vnodes])[:-1]
    holes = guest_holes(domain, host)
    wrong = (starts != cursors) | (vnodes < owners)
    for hole_start, hole_end in holes:
        wrong |= (starts < hole_end) & (ends > hole_start)
    for k in np.flatnonzero(wrong).tolist():
        start, end, cursor = int(starts[k]), int(ends[k]), int(cursors[k])
        if start < cursor:
            text = f"guest frame {start} is backed twice"
        elif start > cursor and (cursor, start) not in holes:
            text = f"guest frames {cursor} to {start - 1} are not backed"
        elif any(start < hole_end and hole_start < end for hole_start, hole_end in holes):
            text = f"guest frames {start} to {end - 1} reach into a hole of the guest"
        elif vnodes[k] < owners[k]:
            text = f"vnode {vnodes[k]} lies above vnode {owners[k]} at guest frame {start}"
        else:
            continue
        yield Violation("F5 guest frames", frames.domain, text)
        return


def check_ballooned_frames(
    domain: Domain, placed: PlacedDomain, frames: DomainFrames, host: Host
) -> Iterator[Violation]:
    """F5 after a balloon gave pages back: each vnode in its own guest memory, no frame twice."""
    starts, ends, vnodes = guest_blocks(frames.runs)
    if (starts[1:] < ends[:-1]).any():
        yield Violation("F5 guest frames", frames.domain, "a guest frame is backed twice")
    sizes = domain.pages_with_addresses(placed.vnode_pages).tolist()
    if domain.type == "hvm":
        sizes[0] -= min(video_pages(domain), sizes[0])
    holes = guest_holes(domain, host)
    device = next((hole for hole in holes if hole[1] == FOUR_GIB_FRAME), None)
    for hole_start, hole_end in holes:
        if ((starts < hole_end) & (ends > hole_start)).any():
            yield Violation("F5 guest frames", frames.domain, "memory in a hole of the guest")
    first = 0
    for vnode, size in enumerate(sizes):
        low, high = first, first + size
        if device is not None:
            low += (device[1] - device[0]) * (low >= device[0])
            high += (device[1] - device[0]) * (high > device[0])
        mine = vnodes == vnode
        if ((starts[mine] < low) | (ends[mine] > high)).any():
            text = f"vnode {vnode} has frames outside {low} to {high - 1}"
            yield Violation("F5 guest frames", frames.domain, text)
        first += size


def guest_blocks(runs: Ints) -> tuple[Ints, Ints, Ints]:
    """Return (start, end, vnode) of the blocks of guest frames that the runs back, by start.

    Runs whose extents do not lie side by side in the guest are a block an extent, and those
    outside of it none.
    """
    runs = runs[runs[:, GUEST_FRAME] != OUTSIDE]
    apart = runs[:, GUEST_STEP] > 1
    blocks = np.where(apart, runs[:, NUM_EXTENTS], 1)
    row = np.repeat(np.arange(len(runs)), blocks)
    place = np.arange(len(row)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    orders = runs[row, ORDER]
    starts = runs[row, GUEST_FRAME] + (place * runs[row, GUEST_STEP] << orders)
    ends = starts + (np.where(apart[row], 1, runs[row, NUM_EXTENTS]) << orders)
    by_start = np.argsort(starts, kind="stable")
    return starts[by_start], ends[by_start], runs[row, VNODE][by_start]


def video_pages(domain: Domain) -> int:
    """Return the pages of video memory that an HVM guest has of vnode 0: videoram, else by vga."""
    given = dict(domain.extra)
    megabytes = xl_number(given.get("videoram"))
    if megabytes is None:
        standard = "stdvga" if xl_number(given.get("stdvga")) else "cirrus"
        card = given.get("vga", standard)
        megabytes = VIDEO_MIB.get(card if isinstance(card, str) else "", VIDEO_MIB["cirrus"])
    return megabytes * PAGES_PER_MIB if domain.type == "hvm" else 0


def xl_number(value: object) -> int | None:
    """Return what xl reads as a number: decimal, 0x hexadecimal or 0 octal; None for others."""
    if isinstance(value, int):
        return int(value) if value >= 0 else None
    match = XL_NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    return next(
        int(text, base) for text, base in zip(match.groups(), (16, 8, 10), strict=True) if text
    )


def guest_holes(domain: Domain, host: Host) -> list[tuple[int, int]]:
    """Return the ranges of guest frames that have no memory."""
    if domain.type == "pv":
        return host_holes(domain, host)
    size = MMIO_HOLE_FRAMES[domain.type]
    asked = dict(domain.extra).get("mmio_hole")
    if domain.type == "hvm" and isinstance(asked, int):
        size = max(size, asked * PAGES_PER_MIB)
    holes = [(FOUR_GIB_FRAME - size, FOUR_GIB_FRAME)]
    return [*holes, VGA_HOLE] if domain.type == "hvm" else holes


def host_holes(domain: Domain, host: Host) -> list[tuple[int, int]]:
    """The hole of a PV guest with ``e820_host``: from the host's first reserved entry to 4 GiB."""
    if str(dict(domain.extra).get("e820_host", 0)) in ("0", "") or not len(host.memory_map):
        return []
    reserved = [
        start // PAGE_BYTES
        for start, _, kind in host.memory_map.tolist()
        if kind not in (E820_RAM, E820_UNUSABLE) and start > ONE_MIB
    ]
    return [(min(reserved), FOUR_GIB_FRAME)] if reserved and min(reserved) < FOUR_GIB_FRAME else []


def check_large_pages(domain: Domain, frames: DomainFrames) -> Iterator[Violation]:
    """F4: where a page size is wanted, every aligned guest block of it has it.

    Blocks are those that lie whole in one vnode's guest memory on one pnode; what is
    left at the edges comes in smaller pages.
    """
    runs = frames.runs
    for vnode, pnode in np.unique(runs[:, [VNODE, PNODE]], axis=0).tolist():
        order = int(domain.page_order[min(vnode, domain.num_vnodes - 1)])
        if order == 0:
            continue
        mine = runs[(runs[:, VNODE] == vnode) & (runs[:, PNODE] == pnode)]
        mine = mine[mine[:, GUEST_FRAME] != OUTSIDE]
        pages = mine[:, NUM_EXTENTS] << mine[:, ORDER]
        ranges = merge_spans(np.column_stack((mine[:, GUEST_FRAME], pages)))
        blocks = sum(max(0, (end >> order) - -(-start >> order)) for start, end in ranges.tolist())
        large = int(pages[mine[:, ORDER] >= order].sum()) >> order
        if large < blocks:
            text = f"vnode {vnode} on pnode {pnode}: {large} of {blocks} pages of "
            yield Violation("F4 page size", frames.domain, text + ORDER_NAMES[order])
