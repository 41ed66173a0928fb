"""Xen's page allocator and libxc's builders without any cleverness, to hold the bulk ones against.

One extent at a time, as xen/common/page_alloc.c and tools/libs/guest/xg_dom_x86.c go about it;
of a free list the highest address goes first. Written from the rules, not from placer.pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.pages.plain_buddy import PlainBuddy

VIDEO_AND_BIOS = 2048 + 16
SPECIAL = 16


@dataclass
class Extent:
    """One extent of a guest; ``guest`` is -1 where it has no address."""

    vnode: int
    pnode: int
    order: int
    guest: int
    machine: int


class PlainXen:
    """The heap of a host: a buddy allocator for each pnode."""

    def __init__(
        self, num_pnodes: int, free: Iterable[tuple[int, int, int]], dma_zone: int
    ) -> None:
        self.pnodes = [PlainBuddy() for _ in range(num_pnodes)]
        self.dma_zone = dma_zone
        for pnode, start, num in free:
            self.pnodes[pnode].free_range(start, num)

    def exact(self, pnode: int, order: int) -> int | None:
        """One extent of ``order`` from ``pnode``, or None."""
        return self.pnodes[pnode].allocate(order)

    def anywhere(self, order: int, affinity: list[int], last: int) -> tuple[int, int] | None:
        """(pnode, frame) of one extent, begun after ``last`` in ``affinity``, or None."""
        for above in (self.dma_zone, 0):
            later = [pnode for pnode in affinity if pnode > last]
            earlier = [pnode for pnode in affinity if pnode <= last]
            others = [p for p in range(len(self.pnodes)) if p not in affinity]
            for pnode in later + earlier + others:
                frame = self.pnodes[pnode].allocate(order, above)
                if frame is not None:
                    return pnode, frame
        return None


@dataclass
class PlainGuest:
    """The extents of one guest so far; ``ok`` is False once a page could not be had."""

    xen: PlainXen
    extents: list[Extent] = field(default_factory=list)
    last: int = -1
    ok: bool = True

    def one(self, vnode: int, pnode: int, order: int, guest: int) -> bool:
        """Populate one extent on exactly ``pnode``."""
        frame = self.xen.exact(pnode, order)
        if frame is not None:
            self.extents.append(Extent(vnode, pnode, order, guest, frame))
        return frame is not None

    def loose(self, vnode: int, guest: int, affinity: list[int]) -> None:
        """Populate one page without a node."""
        found = self.xen.anywhere(0, affinity, self.last)
        if found is None:
            self.ok = False
            return
        self.last, frame = found
        self.extents.append(Extent(vnode, self.last, 0, guest, frame))

    def pv(self, vnode: int, pnode: int, guest: int, pages: int) -> None:
        """meminit_pv for one range."""
        done = 0
        while pages - done >= 512 and self.one(vnode, pnode, 9, guest + done):
            done += 512
        while done < pages and self.ok:
            self.ok = self.one(vnode, pnode, 0, guest + done)
            done += 1

    def hvm(self, vnode: int, pnode: int, start: int, end: int) -> None:
        """meminit_hvm's loop for one range, from ``start`` to ``end``."""
        at = start
        while at < end and self.ok:
            count = min(end - at, 1 << 18)
            if at % (1 << 18) and count > -at % (1 << 18):
                count = -at % (1 << 18)
            if not (at | count) % (1 << 18) and self.one(vnode, pnode, 18, at):
                at += 1 << 18
                continue
            count = min(count, 2048)
            if at % 512 and count > -at % 512:
                count = -at % 512
            elif count % 512 and count > 512:
                count -= count % 512
            if not (at | count) % 512:
                while count and self.one(vnode, pnode, 9, at):
                    at += 512
                    count -= 512
            while count and self.ok:
                self.ok = self.one(vnode, pnode, 0, at)
                at += 1
                count -= 1


def build_hvm(
    xen: PlainXen,
    ranges: list[tuple[int, int, int]],
    pnode_of: list[int],
    at_build: list[int],
    when_built: list[int],
) -> PlainGuest:
    """An HVM guest with ``ranges`` of (vnode, first frame, end frame) and 8 MiB of video memory."""
    guest = PlainGuest(xen)
    for frame in range(0xA0):
        guest.loose(owner(ranges, frame), frame, at_build)
    for vnode, start, end in ranges:
        guest.hvm(vnode, pnode_of[vnode], max(start, 0xC0), end)
    for _ in range(SPECIAL):
        guest.loose(0, -1, at_build)
    for _ in range(VIDEO_AND_BIOS):
        guest.loose(0, -1, when_built)
    return guest


def owner(ranges: list[tuple[int, int, int]], frame: int) -> int:
    """The vnode whose range holds a guest frame."""
    return next(vnode for vnode, start, end in ranges if start <= frame < end)
