"""One domain's memory, allocated as libxc builds it (meminit_pv, meminit_hvm, xg_dom_x86.c)."""

from __future__ import annotations

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.errors import AllocationError, ModelError
from placer.frames import NUM_COLUMNS, OUTSIDE, DomainFrames
from placer.host import Host
from placer.pages.affinity import affinity_at_build, affinity_when_built
from placer.pages.heap import Heap
from placer.pages.striped import Round, Stripe
from placer.placement import PlacedDomain
from placer.problem import Era
from placer.topology import VGA_HOLE, pages_without_address, vmemranges
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_4KIB, ORDER_NAMES, PAGE_BYTES


def build_domain(
    heap: Heap, domain: Domain, placed: PlacedDomain, host: Host, era: Era = "upstream"
) -> DomainFrames:
    """Take the frames of one placed domain from ``heap``.

    The guest's ranges are filled in ascending order, vnode by vnode; the pages of a
    vnode on several pnodes in ascending order of pnode, each piece of a range on one
    pnode as if it were a range of its own. docs/pages.md says how each type is built.

    Raises AllocationError, naming domain, vnode and pnode, where the heap cannot give the
    pages or the page size wanted; the heap then keeps what was taken.
    """
    build = _Build(heap, domain, placed, host)
    ranges = _ranges_with_memory(domain, placed, host)
    if domain.type == "hvm":
        build.populate_low(ranges)
    for vnode in range(placed.num_vnodes):
        mine = ranges[ranges[:, 0] == vnode, 1:]
        for pnode, guest, pages in _pieces(domain, vnode, mine, placed.pages[vnode]):
            if domain.type == "pv":
                build.populate_pv(vnode, pnode, guest, pages, era)
            else:
                build.populate_hvm(vnode, pnode, guest, pages)
    if domain.type == "hvm":
        build.populate_outside()
    return DomainFrames(domain=placed.domain, host=placed.host, runs=build.runs())


def _ranges_with_memory(domain: Domain, placed: PlacedDomain, host: Host) -> Ints:
    """The guest's ranges, each vnode's without its end where a balloon has given back pages."""
    ranges = vmemranges(domain, placed.vnode_pages, host.memory_map)
    whole = domain.pages_with_addresses(placed.vnode_pages)
    if np.array_equal(whole, placed.vnode_pages):
        return ranges
    found = ranges.copy()
    for vnode, pages in enumerate((whole - placed.vnode_pages).tolist()):
        left = pages * PAGE_BYTES
        for row in np.flatnonzero(found[:, 0] == vnode)[::-1].tolist():
            cut = min(left, int(found[row, 2] - found[row, 1]))
            found[row, 2] -= cut
            left -= cut
    return found


def _pieces(domain: Domain, vnode: int, ranges: Ints, pages: Ints) -> list[tuple[int, int, int]]:
    """Return (pnode, guest_frame, num_pages) for one vnode, in guest order.

    A piece ends where a range or the vnode's part on a pnode does. Of an HVM guest the low
    pages, the VGA hole and what lies in no range are left out.
    """
    starts, ends = ranges[:, 0] // PAGE_BYTES, ranges[:, 1] // PAGE_BYTES
    range_ends = np.cumsum(ends - starts)
    pnode_ends = np.cumsum(pages)
    within = int(range_ends[-1]) if len(range_ends) else 0
    total = int(pnode_ends[-1])
    if within > total or (within < total and not (domain.type == "hvm" and vnode == 0)):
        raise ModelError(f"guest ranges of {within} pages for a vnode of {total}")
    lowest = VGA_HOLE[1] if domain.type == "hvm" else 0
    cuts = np.unique(np.concatenate([[0], range_ends, pnode_ends]))
    cuts = cuts[cuts <= within]
    found = []
    for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        pnode = int(np.searchsorted(pnode_ends, low, side="right"))
        place = int(np.searchsorted(range_ends, low, side="right"))
        end = int(ends[place] - (range_ends[place] - high))
        guest = max(end - (high - low), lowest)
        if guest < end:
            found.append((pnode, guest, end - guest))
    return found


class _Build:
    """The frames of one domain so far, and where its next allocations come from."""

    def __init__(self, heap: Heap, domain: Domain, placed: PlacedDomain, host: Host) -> None:
        self._heap = heap
        self._domain = domain
        self._placed = placed
        self._host = host
        self._found: list[Ints] = []
        self._round: Round | None = None

    def runs(self) -> Ints:
        """Everything taken so far, as DomainFrames has it."""
        return np.concatenate([np.empty((0, NUM_COLUMNS), dtype=np.int64), *self._found])

    def populate_pv(self, vnode: int, pnode: int, guest: int, pages: int, era: Era) -> None:
        """2 MiB extents, as many as there are, then 4 KiB; before them 1 GiB where wanted.

        In the seed's era 4 KiB alone (arch_boot_numa_alloc). An extent's guest frame need
        not be aligned.
        """
        orders = [ORDER_2MIB, ORDER_4KIB] if era == "upstream" else [ORDER_4KIB]
        if self._wanted(vnode) == ORDER_1GIB:
            orders.insert(0, ORDER_1GIB)
        self._fill(vnode, pnode, guest, pages, orders)

    def populate_hvm(self, vnode: int, pnode: int, guest: int, pages: int) -> None:
        """4 KiB to the next 2 MiB of the guest, 2 MiB to the next GiB, then 1 GiB and smaller."""
        end = guest + pages
        for order, smaller in (
            (ORDER_2MIB, [ORDER_4KIB]),
            (ORDER_1GIB, [ORDER_2MIB, ORDER_4KIB]),
        ):
            edge = min(end, -(-guest >> order) << order)
            self._fill(vnode, pnode, guest, edge - guest, smaller)
            guest = edge
        self._fill(vnode, pnode, guest, end - guest, [ORDER_1GIB, ORDER_2MIB, ORDER_4KIB])

    def populate_low(self, ranges: Ints) -> None:
        """The first 640 KiB of an HVM guest, single pages from any pnode of the affinity."""
        self._round = Round(affinity_at_build(self._domain, self._placed, self._host))
        for vnode, start, end in ranges.tolist():
            first = start // PAGE_BYTES
            self._take_anywhere(vnode, min(end // PAGE_BYTES, VGA_HOLE[0]) - first, first)

    def populate_outside(self) -> None:
        """What lies in no range: the builder's special pages, then the device model's."""
        special, others = pages_without_address(self._domain, self._placed.vnode_pages)
        self._take_anywhere(0, special, OUTSIDE)
        affinity = affinity_when_built(self._domain, self._placed, self._host)
        if self._round is not None:
            self._round.narrow(affinity)
        self._take_anywhere(0, others, OUTSIDE)

    def _wanted(self, vnode: int) -> int:
        # Vnodes that the solver made are all of the one kind that was given.
        return int(self._domain.page_order[min(vnode, self._domain.num_vnodes - 1)])

    def _fill(self, vnode: int, pnode: int, guest: int, left: int, orders: list[int]) -> None:
        """Back ``left`` pages from ``guest`` up, in each order as many as fit and are there."""
        wanted_order = self._wanted(vnode)
        for order in orders:
            wanted = left >> order
            if not wanted:
                continue
            rows = self._heap.allocate(pnode, order, wanted)
            given = int(rows[:, 1].sum())
            if given < wanted and order in (wanted_order, ORDER_4KIB):
                raise self._refusal(vnode, pnode, order, wanted, given)
            self._add(vnode, pnode, order, guest, rows)
            left -= given << order
            guest += given << order

    def _add(self, vnode: int, pnode: int, order: int, guest: int, rows: Ints) -> None:
        runs = np.empty((len(rows), NUM_COLUMNS), dtype=np.int64)
        runs[:, :3] = (vnode, pnode, order)
        pages = rows[:, 1] << order
        runs[:, 3] = guest + np.cumsum(pages) - pages
        runs[:, 4:6] = rows
        runs[:, 6] = 1
        self._found.append(runs)

    def _take_anywhere(self, vnode: int, pages: int, guest: int) -> None:
        """Take single pages of a vnode that name no pnode, from guest frame ``guest`` up."""
        if self._round is None or pages <= 0:
            return
        stripes = self._round.allocate(self._heap, ORDER_4KIB, pages)
        given = sum(int(stripe.rows[:, 1].sum()) for stripe in stripes)
        if given < pages:
            home = int(self._placed.home[vnode])
            raise self._refusal(vnode, home, ORDER_4KIB, pages, given, anywhere=True)
        self._found += [_stripe_runs(stripe, vnode, guest) for stripe in stripes]

    def _refusal(
        self,
        vnode: int,
        pnode: int,
        order: int,
        wanted: int,
        available: int,
        *,
        anywhere: bool = False,
    ) -> AllocationError:
        where = "on any pnode" if anywhere else f"on pnode {pnode}"
        return AllocationError(
            f"domain {self._placed.domain}, vnode {vnode}: {wanted} extents of "
            f"{ORDER_NAMES[order]} wanted {where} of host {self._placed.host}, {available} left",
            domain=self._placed.domain,
            host=self._placed.host,
            vnode=vnode,
            pnode=pnode,
            order=order,
            wanted=wanted,
            available=available,
        )


def _stripe_runs(stripe: Stripe, vnode: int, guest: int) -> Ints:
    """Return the rows of a stripe as runs of single pages of a vnode."""
    runs = np.empty((len(stripe.rows), NUM_COLUMNS), dtype=np.int64)
    runs[:, :3] = (vnode, stripe.pnode, ORDER_4KIB)
    before = np.cumsum(stripe.rows[:, 1]) - stripe.rows[:, 1]
    runs[:, 3] = OUTSIDE if guest == OUTSIDE else guest + stripe.first + before * stripe.step
    runs[:, 4:6] = stripe.rows
    runs[:, 6] = 1 if guest == OUTSIDE else stripe.step
    return runs
