"""A plan held against what the hypervisor did, vnode by vnode and page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.text import Text

from placer.arrays import Ints
from placer.cpulist import format_ranges
from placer.domain import Domain
from placer.errors import RefusedError
from placer.frames import GUEST_FRAME, PNODE, VNODE, DomainFrames
from placer.placement import PlacedDomain
from placer.read.seen import SeenGuest
from placer.read.xen_keys import SeenDomain
from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable
from placer.run import Run, realised_frames
from placer.topology import VGA_HOLE, Topology, topology_of
from placer.units import PAGES_PER_MIB

Flags = npt.NDArray[np.bool_]

PVH_PAGES: Final = 17
"""Special pages that a PVH guest has beside its memory (Xen 4.17)."""

ROM_PAGES: Final = 256
"""What option ROMs of devices may add to an HVM guest: libxl allows 1 MiB beyond maxmem."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, as planned and as seen; ``note`` explains a difference, or is empty."""

    what: str
    planned: str
    seen: str
    note: str = ""
    agrees: bool = True


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One domain held against what was seen of it."""

    domain: str
    domid: int
    rows: tuple[Row, ...]

    @property
    def unexplained(self) -> int:
        """How many figures differ without an explanation."""
        return sum(not row.agrees for row in self.rows)


def match_guests(
    run: Run, guests: Sequence[SeenGuest], domain: str | None, domid: int | None
) -> list[tuple[PlacedDomain, SeenGuest]]:
    """Return which seen guest each placed domain is.

    One that is named, with the guest of that id; else all of the run, in the order in which
    they are created, with the guests by id. Where the source says types they have to agree.
    Raises RefusedError where that leaves a doubt.
    """
    placed = [one for one in run.placed if domain in (None, one.domain)]
    if not placed:
        raise RefusedError(f"no domain {domain!r} is placed in this run")
    if len({one.host for one in placed}) > 1:
        raise RefusedError("the run places domains on several hosts: --domain is needed")
    order = run.result.creation_order
    if order:
        placed.sort(key=lambda one: order.index(one.domain) if one.domain in order else -1)
    if domid is not None:
        guests = [guest for guest in guests if guest.domid == domid]
        if not guests:
            raise RefusedError(f"no domain {domid} was seen")
    if len(placed) == 1:
        kind = run.domain(placed[0].domain).type
        guests = [guest for guest in guests if guest.type in (None, kind)]
    running = {one.domid for one in run.host(placed[0].host).running}
    new = [guest for guest in guests if guest.domid not in running]
    if len(new) != len(placed):
        listed = ", ".join(str(guest.domid) for guest in new) or "none"
        raise RefusedError(
            f"{len(placed)} placed and {len(new)} seen (domain ids {listed}): "
            "--domain and --domid say which is which"
        )
    return list(zip(placed, new, strict=True))


def compare(run: Run, placed: PlacedDomain, guest: SeenGuest) -> Comparison:
    """Hold one domain's plan against a guest, figure by figure."""
    domain = run.domain(placed.domain)
    frames = realised_frames(run, placed.domain)
    num_pnodes = run.host(placed.host).num_pnodes
    beyond = [node for node in guest.domain.pages_on if node >= num_pnodes]
    if beyond:
        raise RefusedError(f"pnode {beyond[0]} was seen, and {placed.host} has {num_pnodes}")
    rows = (
        *_topology_rows(topology_of(run.problem, placed), guest.domain),
        *_vnode_page_rows(domain, frames, guest.domain, placed.num_vnodes, num_pnodes),
        *_page_rows(domain, frames, guest.domain, num_pnodes),
    )
    return Comparison(domain=placed.domain, domid=guest.domid, rows=rows)


def _topology_rows(plan: Topology, seen: SeenDomain) -> Iterator[Row]:
    """Yield pnode, vcpus and ranges of each vnode."""
    if not seen.vnodes:
        alone = plan.num_vnodes == 1
        note = "created without vNUMA, as one vnode needs none" if alone else ""
        yield Row(what="vnodes", planned=str(plan.num_vnodes), seen="0", note=note, agrees=alone)
        return
    if sorted(seen.vnodes) != list(range(plan.num_vnodes)):
        yield Row(
            what="vnodes",
            planned=str(plan.num_vnodes),
            seen=str(len(seen.vnodes)),
            agrees=False,
        )
        return
    for number, vnode in sorted(seen.vnodes.items()):
        home = int(plan.vnode_to_pnode[number])
        pnode = "none" if vnode.pnode is None else str(vnode.pnode)
        yield _row(f"vnode {number}: pnode", str(home), pnode)
        vcpus = format_ranges(plan.vcpus_of(number)) or "none"
        yield _row(f"vnode {number}: vcpus", vcpus, format_ranges(sorted(vnode.vcpus)) or "none")
        if vnode.mib is not None:
            mib = int(plan.vnode_pages[number]) // PAGES_PER_MIB
            yield _row(f"vnode {number}: MiB", str(mib), str(vnode.mib))
            continue
        ranges = plan.ranges[plan.ranges[:, 0] == number, 1:].tolist()
        yield _row(f"vnode {number}: ranges", _span_text(ranges), _span_text(vnode.ranges))


def _vnode_page_rows(
    domain: Domain, frames: DomainFrames, seen: SeenDomain, num_vnodes: int, num_pnodes: int
) -> Iterator[Row]:
    """Yield the pages of each vnode on each pnode, where the source tells them apart."""
    if not seen.pages_of:
        return
    inside = frames.runs[:, GUEST_FRAME] >= 0
    planned = _count(frames, inside, num_vnodes, num_pnodes)
    loose = _count(frames, inside & _is_loose(domain, frames), num_vnodes, num_pnodes)
    for vnode in range(num_vnodes):
        for pnode in range(num_pnodes):
            pages = seen.pages_of.get((vnode, pnode), 0)
            least = int(planned[vnode, pnode] - loose[vnode, pnode])
            most = least + int(loose[vnode].sum())
            if pages or planned[vnode, pnode]:
                yield _page_row(
                    f"vnode {vnode} on pnode {pnode}: pages",
                    int(planned[vnode, pnode]),
                    pages,
                    (least, most),
                    "low pages that name no pnode",
                )


def _page_rows(
    domain: Domain, frames: DomainFrames, seen: SeenDomain, num_pnodes: int
) -> Iterator[Row]:
    """Yield the pages on each pnode, and in all."""
    every = np.ones(len(frames.runs), dtype=bool)
    planned = _count(frames, every, 1, num_pnodes)[0]
    loose = _count(frames, _is_loose(domain, frames), 1, num_pnodes)[0]
    more, words = {
        "pv": (0, ""),
        "pvh": (PVH_PAGES, "special pages of a PVH guest"),
        "hvm": (ROM_PAGES, "pages that name no pnode: low ones, video memory, ROMs"),
    }[domain.type]
    for pnode in range(num_pnodes):
        least = int(planned[pnode] - loose[pnode])
        most = least + int(loose.sum()) + more
        pages = seen.pages_on.get(pnode, 0)
        yield _page_row(f"pnode {pnode}: pages", int(planned[pnode]), pages, (least, most), words)
    total = int(planned.sum())
    yield _page_row("all pages", total, seen.total_pages, (total, total + more), words)
    on_pnodes = sum(seen.pages_on.values())
    if on_pnodes != seen.total_pages:
        yield _row("pages on all pnodes, seen", str(seen.total_pages), str(on_pnodes))


def _is_loose(domain: Domain, frames: DomainFrames) -> Flags:
    """Whether each run is of pages that Xen takes from any pnode."""
    if domain.type != "hvm":
        return np.zeros(len(frames.runs), dtype=bool)
    return np.asarray(frames.runs[:, GUEST_FRAME] < VGA_HOLE[0], dtype=bool)


def _count(frames: DomainFrames, chosen: Flags, num_vnodes: int, num_pnodes: int) -> Ints:
    """Sum the pages of the chosen runs by vnode and pnode; by pnode alone for one vnode."""
    counts = np.zeros((num_vnodes, num_pnodes), dtype=np.int64)
    vnodes = frames.runs[chosen, VNODE] if num_vnodes > 1 else 0
    np.add.at(counts, (vnodes, frames.runs[chosen, PNODE]), frames.run_pages[chosen])
    return counts


def _row(what: str, planned: str, seen: str) -> Row:
    return Row(what=what, planned=planned, seen=seen, agrees=planned == seen)


def _page_row(what: str, planned: int, seen: int, bounds: tuple[int, int], words: str) -> Row:
    """A figure that may differ within ``bounds``, for the reason ``words`` give."""
    agrees = bounds[0] <= seen <= bounds[1]
    note = f"{seen - planned:+d}: {words}" if agrees and seen != planned else ""
    return Row(what=what, planned=str(planned), seen=str(seen), note=note, agrees=agrees)


def _span_text(ranges: Sequence[Sequence[int]]) -> str:
    return " ".join(f"{start:x}-{end:x}" for start, end in ranges if start < end) or "none"


def show_comparisons(found: Sequence[Comparison], out: TextIO) -> None:
    """Print a table for each domain, and whether all is as planned."""
    print_to(out, lambda console: _print(found, console))


def _print(found: Sequence[Comparison], console: Console) -> None:
    for one in found:
        console.print(Text(printable(f"{one.domain}, domain id {one.domid}")), soft_wrap=True)
        table = new_table(("figure", False), ("planned", True), ("seen", True), ("", False))
        for row in one.rows:
            note = row.note or ("" if row.agrees else "differs, and nothing explains it")
            table.add_row(row.what, row.planned, row.seen, note)
        print_table(console, table)
        console.print()
    wrong = sum(one.unexplained for one in found)
    explained = sum(bool(row.note) for one in found for row in one.rows)
    beside = f", {explained} explained differences" if explained else ""
    console.print(Text("as planned" + beside if not wrong else f"{wrong} unexplained{beside}"))
