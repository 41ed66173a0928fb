"""What the page shows of a run, as plain values that its template only lays out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.cost import domain_cost, mean_access_distance
from placer.explain.text import count_of
from placer.host import Host
from placer.placement import PlacedDomain
from placer.report.document import frames_or_none, realised_pages
from placer.report.loads import load_of
from placer.run import Run
from placer.units import ORDER_NAMES, format_pages

NUM_HUES: Final = 8
MOST_LINKED: Final = 12
"""Domains with more vnodes are drawn without the links between them."""

LINK_STEPS: Final = (10, 15, 20, 30)
"""Links are coloured by the first of these that their distance is not above; else as far."""

_LABELLED: Final = 14.0
"""From so many percent on a part of a bar has its domain's name in it."""

_GAP, _STEP, _RADIUS, _NARROW = 10, 26, 9, 52
"""Between cards; from circle to circle; of a circle; the least width of a card."""

_ROW: Final = 8
"""Circles side by side on a card, where there are no links."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: its style, its share of the bar in percent, what it is, a word in it."""

    style: str
    share: str
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class PnodeView:
    """One pnode: a bar of memory and one of vcpus, each with its figures."""

    number: int
    memory: tuple[Segment, ...]
    free: str
    vcpus: tuple[Segment, ...]
    load: str


@dataclass(frozen=True, slots=True)
class Circle:
    """A vnode in the picture of its domain."""

    x: int
    y: int
    vnode: int
    title: str


@dataclass(frozen=True, slots=True)
class Link:
    """The way between two vnodes; ``step`` 0 is local, 4 beyond the last of `LINK_STEPS`."""

    path: str
    step: int
    title: str


@dataclass(frozen=True, slots=True)
class Card:
    """A pnode in the picture of a domain."""

    x: int
    y: int
    width: int
    height: int
    number: int


@dataclass(frozen=True, slots=True)
class DomainView:
    """A placed domain: its row in the table, and its picture."""

    name: str
    host: str
    host_number: int
    hue: int
    num_vnodes: int
    num_vcpus: int
    pages: int
    memory: str
    homes: str
    mean: str
    off_home: int
    large: str
    sizes: tuple[tuple[str, int], ...]
    width: int
    height: int
    cards: tuple[Card, ...]
    circles: tuple[Circle, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class HostView:
    """A host: how full it is, its pnodes, its domains."""

    number: int
    name: str
    memory_share: str
    vcpus: str
    free: str
    pnodes: tuple[PnodeView, ...]
    domains: tuple[DomainView, ...] = field(default=())


def host_views(run: Run) -> Iterator[HostView]:
    """Yield every host, with its domains in their order."""
    for number, host in enumerate(run.problem.hosts):
        here = run.placed_on.get(host.name, [])
        load = load_of(host, here)
        hues = _hues(here, host.num_pnodes)
        domains = tuple(
            _domain(run, host, number, placed, hue) for placed, hue in zip(here, hues, strict=True)
        )
        pages = {placed.domain: realised_pages(run, placed).sum(axis=0) for placed in here}
        placed_pages = sum(pages.values(), np.zeros(host.num_pnodes, dtype=np.int64))
        total = int(host.total_pages.sum())
        used = total - int(host.free_pages.sum()) + int(placed_pages.sum())
        vcpus = int(load.vcpus.sum())
        seats = [np.bincount(one.vcpu_to_pnode, minlength=host.num_pnodes) for one in here]
        yield HostView(
            number=number,
            name=host.name,
            memory_share=_percent(used, total),
            vcpus=f"{count_of(vcpus, 'vcpu')} on {count_of(host.num_pcpus, 'pcpu')}",
            free=format_pages(int(host.free_pages.sum() - placed_pages.sum())),
            pnodes=tuple(
                PnodeView(
                    number=pnode,
                    memory=tuple(_memory(host, here, hues, pages, pnode)),
                    free=(
                        f"{format_pages(int(host.free_pages[pnode] - placed_pages[pnode]))} of "
                        f"{format_pages(int(host.total_pages[pnode]))} free"
                    ),
                    vcpus=tuple(_vcpus(host, here, hues, seats, int(load.running[pnode]), pnode)),
                    load=(
                        f"{count_of(int(load.vcpus[pnode]), 'vcpu')} on "
                        f"{count_of(int((host.pcpu_pnode == pnode).sum()), 'pcpu')}"
                    ),
                )
                for pnode in range(host.num_pnodes)
            ),
            domains=domains,
        )


def _hues(here: list[PlacedDomain], num_pnodes: int) -> list[int]:
    """A hue for each domain that is not that of the one before it on any bar, where there is one.

    Equal domains would else come round in step with the pnodes.
    """
    before: list[set[int]] = [set() for _ in range(2 * num_pnodes)]
    found: list[int] = []
    for placed in here:
        bars = np.flatnonzero(placed.pages_on).tolist()
        bars += [num_pnodes + pnode for pnode in set(placed.vcpu_to_pnode.tolist())]
        beside = set().union(*(before[bar] for bar in bars))
        start = found[-1] + 1 if found else 0
        turn = [(start + step) % NUM_HUES for step in range(NUM_HUES)]
        hue = next((hue for hue in turn if hue not in beside), turn[0])
        found.append(hue)
        for bar in bars:
            before[bar] = {hue}
    return found


def _memory(
    host: Host,
    here: list[PlacedDomain],
    hues: list[int],
    pages: dict[str, Ints],
    pnode: int,
) -> Iterator[Segment]:
    """The parts of a pnode's bar of memory."""
    total = int(host.total_pages[pnode])
    before = total - int(host.free_pages[pnode])
    if before:
        yield _segment("held", before, total, f"held before: {format_pages(before)}")
    free = total - before
    for placed, hue in zip(here, hues, strict=True):
        mine = int(pages[placed.domain][pnode])
        free -= mine
        if mine:
            told = f"{placed.domain}: {format_pages(mine)}"
            yield _segment(f"c{hue}", mine, total, told, placed.domain)
    reserve = min(int(host.reserve_pages[pnode]), free)
    if reserve > 0:
        yield _segment("kept", reserve, total, f"reserve: {format_pages(reserve)}")


def _vcpus(
    host: Host,
    here: list[PlacedDomain],
    hues: list[int],
    seats: list[Ints],
    running: int,
    pnode: int,
) -> Iterator[Segment]:
    """The parts of a pnode's bar of vcpus, which is as long as its pcpus, or as they are more."""
    counts = [int(seat[pnode]) for seat in seats]
    whole = max(int((host.pcpu_pnode == pnode).sum()), running + sum(counts), 1)
    if running:
        yield _segment("held", running, whole, f"ran before: {count_of(running, 'vcpu')}")
    for placed, hue, count in zip(here, hues, counts, strict=True):
        if count:
            told = f"{placed.domain}: {count_of(count, 'vcpu')}"
            yield _segment(f"c{hue}", count, whole, told, placed.domain)


def _segment(style: str, part: int, whole: int, title: str, name: str = "") -> Segment:
    share = 100 * part / max(1, whole)
    return Segment(style, f"{share:.3g}", title, name if share >= _LABELLED else "")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.0f} %"


def _domain(run: Run, host: Host, number: int, placed: PlacedDomain, hue: int) -> DomainView:
    domain = run.domain(placed.domain)
    extents: Counter[int] = Counter()
    frames = frames_or_none(run, placed)
    if frames is not None:
        for vnode in range(placed.num_vnodes):
            for order, count in frames.extents_of(vnode).items():
                extents[order] += count << order
    pages = int(placed.vnode_pages.sum())
    large = sum(count for order, count in extents.items() if order)
    cards, circles, links = _picture(host, placed)
    return DomainView(
        name=domain.name,
        host=host.name,
        host_number=number,
        hue=hue,
        num_vnodes=placed.num_vnodes,
        num_vcpus=domain.num_vcpus,
        pages=pages,
        memory=format_pages(pages),
        homes=" ".join(map(str, placed.home.tolist())),
        mean=str(round(float(mean_access_distance(domain, placed, host)), 2)),
        off_home=int((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).sum()),
        large=f"{100 * large / max(1, pages):.0f}" if extents else "",
        sizes=tuple((name, extents.get(order, 0) >> order) for order, name in ORDER_NAMES.items()),
        width=cards[-1].x + cards[-1].width + 2,
        height=cards[0].y + cards[0].height + 2,
        cards=cards,
        circles=circles,
        links=links,
    )


def _picture(
    host: Host, placed: PlacedDomain
) -> tuple[tuple[Card, ...], tuple[Circle, ...], tuple[Link, ...]]:
    """Cards for the pnodes that it uses, a circle for each vnode at home, links as arcs above."""
    homes = placed.home.tolist()
    used = sorted({*homes, *np.flatnonzero(placed.pages_on).tolist()})
    linked = 1 < len(homes) <= MOST_LINKED
    row = MOST_LINKED if linked else _ROW
    count = Counter(homes)
    at, left = {}, 2
    for pnode in used:
        wide = max(_NARROW, 2 * _GAP + _STEP * (min(row, max(1, count[pnode])) - 1) + 2 * _RADIUS)
        at[pnode] = left, wide
        left += wide + _GAP
    places: Counter[int] = Counter()
    columns, rows = [], []
    for home in homes:
        columns.append(at[home][0] + _GAP + _RADIUS + _STEP * (places[home] % row))
        rows.append(places[home] // row)
        places[home] += 1
    # An arc is as high as half of how far its control point is above the circles.
    top = max((_lift(max(columns) - min(columns)) // 2) - _GAP, 2) if linked else 2
    first = top + _GAP + _RADIUS
    vcpus = np.bincount(placed.vcpu_to_vnode, minlength=placed.num_vnodes)
    circles = tuple(
        Circle(
            x,
            first + _STEP * y,
            vnode,
            f"vnode {vnode}: {format_pages(int(placed.vnode_pages[vnode]))}, "
            f"{count_of(int(vcpus[vnode]), 'vcpu')}",
        )
        for vnode, (x, y) in enumerate(zip(columns, rows, strict=True))
    )
    height = 2 * _GAP + 2 * _RADIUS + _STEP * max(rows) + 10
    cards = tuple(Card(at[pnode][0], top, at[pnode][1], height, pnode) for pnode in used)
    return cards, circles, tuple(_links(host, homes, circles)) if linked else ()


def _lift(across: int) -> int:
    """How far above the circles the control point of an arc is."""
    return 12 + across // 4


def _links(host: Host, homes: list[int], circles: tuple[Circle, ...]) -> Iterator[Link]:
    for one in range(len(homes)):
        for other in range(one + 1, len(homes)):
            there = int(host.distances[homes[one], homes[other]])
            back = int(host.distances[homes[other], homes[one]])
            a, b = circles[one], circles[other]
            above = a.y - _RADIUS
            middle = f"{(a.x + b.x) // 2} {above - _lift(abs(a.x - b.x))}"
            told = str(there) if there == back else f"{there}, back {back}"
            yield Link(
                f"M{a.x} {above}Q{middle} {b.x} {above}",
                sum(max(there, back) > step for step in LINK_STEPS),
                f"{one} to {other}: {told}",
            )


def total_cost(run: Run) -> int:
    """Return the access cost of all that is placed."""
    return sum(domain_cost(run.domain(p.domain), p, run.host(p.host)) for p in run.placed)


def shares_of_hosts(run: Run) -> tuple[list[str], list[list[float]], list[list[float]]]:
    """Return names, shares of memory (before, placed, reserve) and vcpus for each pcpu, by host."""
    names: list[str] = []
    memory: list[list[float]] = [[], [], []]
    vcpus: list[list[float]] = [[], []]
    for host in run.problem.hosts:
        here = run.placed_on.get(host.name, [])
        load = load_of(host, here)
        total = max(1, int(host.total_pages.sum()))
        placed = sum(int(realised_pages(run, one).sum()) for one in here)
        before = int(host.total_pages.sum() - host.free_pages.sum())
        reserve = min(int(host.reserve_pages.sum()), total - before - placed)
        names.append(host.name)
        for column, value in zip(memory, (before, placed, max(0, reserve)), strict=True):
            column.append(value / total)
        for column, counted in zip(vcpus, (load.running, load.placed), strict=True):
            column.append(float(Fraction(int(counted.sum()), max(1, host.num_pcpus))))
    return names, memory, vcpus
