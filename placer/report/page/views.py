"""What the page shows of a run, as plain values that its template only lays out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from placer.cost import domain_cost, mean_access_distance
from placer.host import Host
from placer.placement import PlacedDomain
from placer.report.document import frames_or_none, realised_pages
from placer.report.loads import load_of
from placer.run import Run
from placer.units import ORDER_NAMES, UNREACHABLE, format_pages

NUM_HUES: Final = 8
_MOST_LINKED: Final = 12
"""Domains with more vnodes are drawn without the links between them."""

_CARD, _GAP, _RADIUS = 64, 10, 9


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar: its style, its share of the bar in percent, and what it is."""

    style: str
    share: str
    title: str


@dataclass(frozen=True, slots=True)
class PnodeView:
    """One pnode: two bars, and what is free."""

    number: int
    total: str
    free: str
    memory: tuple[Segment, ...]
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
    """The way between two vnodes; ``step`` 0 is as near as can be, 4 the furthest."""

    path: str
    step: int
    title: str


@dataclass(frozen=True, slots=True)
class Card:
    """A pnode in the picture of a domain."""

    x: int
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
        domains = tuple(
            _domain(run, host, number, placed, position) for position, placed in enumerate(here)
        )
        pages = {placed.domain: realised_pages(run, placed).sum(axis=0) for placed in here}
        placed_pages = sum(pages.values(), np.zeros(host.num_pnodes, dtype=np.int64))
        total = int(host.total_pages.sum())
        used = total - int(host.free_pages.sum()) + int(placed_pages.sum())
        vcpus = int(load.vcpus.sum())
        yield HostView(
            number=number,
            name=host.name,
            memory_share=_percent(used, total),
            vcpus=f"{vcpus} vcpus on {host.num_pcpus} pcpus",
            free=format_pages(int(host.free_pages.sum() - placed_pages.sum())),
            pnodes=tuple(
                _pnode(run, host, here, pages, load.running, pnode)
                for pnode in range(host.num_pnodes)
            ),
            domains=domains,
        )


def _pnode(
    run: Run,
    host: Host,
    here: list[PlacedDomain],
    pages: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]],
    running: np.ndarray[tuple[int], np.dtype[np.int64]],
    pnode: int,
) -> PnodeView:
    total = int(host.total_pages[pnode])
    before = total - int(host.free_pages[pnode])
    memory, vcpus = [], []
    if before:
        memory.append(_segment("held", before, total, f"held before: {format_pages(before)}"))
    pcpus = int((host.pcpu_pnode == pnode).sum())
    counts = [int((placed.vcpu_to_pnode == pnode).sum()) for placed in here]
    whole = max(pcpus, int(running[pnode]) + sum(counts), 1)
    if running[pnode]:
        vcpus.append(_segment("held", int(running[pnode]), whole, f"{running[pnode]} before"))
    placed_pages = 0
    for position, (placed, count) in enumerate(zip(here, counts, strict=True)):
        mine = int(pages[placed.domain][pnode])
        placed_pages += mine
        style = f"c{position % NUM_HUES}"
        if mine:
            told = f"{placed.domain}: {format_pages(mine)}"
            memory.append(_segment(style, mine, total, told))
        if count:
            vcpus.append(_segment(style, count, whole, f"{placed.domain}: {count} vcpus"))
    reserve = min(int(host.reserve_pages[pnode]), total - before - placed_pages)
    if reserve > 0:
        memory.append(_segment("kept", reserve, total, f"reserve: {format_pages(reserve)}"))
    load = int(running[pnode]) + sum(counts)
    return PnodeView(
        number=pnode,
        total=format_pages(total),
        free=format_pages(total - before - placed_pages),
        memory=tuple(memory),
        vcpus=tuple(vcpus),
        load=f"{load} vcpus, {pcpus} pcpus",
    )


def _segment(style: str, part: int, whole: int, title: str) -> Segment:
    return Segment(style, f"{100 * part / max(1, whole):.3g}", title)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.0f} %"


def _domain(run: Run, host: Host, number: int, placed: PlacedDomain, position: int) -> DomainView:
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
    width = _GAP + len(cards) * (_CARD + _GAP)
    depth = max(Counter(placed.home.tolist()).values())
    return DomainView(
        name=domain.name,
        host=host.name,
        host_number=number,
        hue=position % NUM_HUES,
        num_vnodes=placed.num_vnodes,
        num_vcpus=domain.num_vcpus,
        pages=pages,
        memory=format_pages(pages),
        homes=" ".join(map(str, placed.home.tolist())),
        mean=str(round(float(mean_access_distance(domain, placed, host)), 2)),
        off_home=int((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).sum()),
        large=f"{100 * large / max(1, pages):.0f}" if extents else "",
        sizes=tuple((name, extents.get(order, 0) >> order) for order, name in ORDER_NAMES.items()),
        width=width,
        height=34 + 26 * ((depth + 1) // 2),
        cards=cards,
        circles=circles,
        links=links,
    )


def _picture(
    host: Host, placed: PlacedDomain
) -> tuple[tuple[Card, ...], tuple[Circle, ...], tuple[Link, ...]]:
    """Cards for the pnodes that it uses, a circle for each vnode at home, links between them."""
    homes = placed.home.tolist()
    used = sorted({*homes, *np.flatnonzero(placed.pages_on).tolist()})
    at = {pnode: _GAP + column * (_CARD + _GAP) for column, pnode in enumerate(used)}
    taken: Counter[int] = Counter()
    circles = []
    vcpus = np.bincount(placed.vcpu_to_vnode, minlength=placed.num_vnodes)
    for vnode, home in enumerate(homes):
        place = taken[home]
        taken[home] += 1
        x = at[home] + 18 + 28 * (place % 2)
        y = 40 + 26 * (place // 2)
        title = (
            f"vnode {vnode}: {format_pages(int(placed.vnode_pages[vnode]))}, {vcpus[vnode]} vcpus"
        )
        circles.append(Circle(x, y, vnode, title))
    links = tuple(_links(host, homes, circles)) if len(homes) <= _MOST_LINKED else ()
    return tuple(Card(at[pnode], pnode) for pnode in used), tuple(circles), links


def _links(host: Host, homes: list[int], circles: list[Circle]) -> Iterator[Link]:
    steps = sorted({int(d) for d in np.unique(host.distances)} - {UNREACHABLE})
    for one in range(len(homes)):
        for other in range(one + 1, len(homes)):
            there = int(host.distances[homes[one], homes[other]])
            back = int(host.distances[homes[other], homes[one]])
            far = min(max(there, back), UNREACHABLE - 1)
            rank = sum(step < far for step in steps)
            step = round(4 * rank / max(1, len(steps) - 1))
            a, b = circles[one], circles[other]
            lift = 8 + abs(a.x - b.x) // 5 if a.y == b.y else 0
            middle = f"{(a.x + b.x) // 2} {(a.y + b.y) // 2 - lift}"
            told = str(there) if there == back else f"{there}, back {back}"
            yield Link(
                f"M{a.x} {a.y}Q{middle} {b.x} {b.y}", min(4, step), f"{one} to {other}: {told}"
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
