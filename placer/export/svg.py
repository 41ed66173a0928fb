"""A picture of a placed domain on its host: pnodes with memory and pcpus, and distances."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from placer.arrays import Ints
from placer.export.picture import Picture, PnodePicture, picture_of
from placer.export.rendered import ExportOptions, Rendered
from placer.export.xml_text import add, format_xml
from placer.run import Run
from placer.units import UNREACHABLE, format_pages

_WIDTH: Final = 960
_MARGIN: Final = 24
_GAP: Final = 16
_CARDS: Final = 4
"""Most pnodes in a row."""
_BAR: Final = 26
_SQUARE: Final = 22
_CELL: Final = 30
_LABELS: Final = 64
"""Width of the names of a matrix' rows."""
_LEGEND: Final = (
    "Grey: in use by others. A square is a pcpu, the siblings of a core beside each other, and "
    "the number on it that of a vcpu."
)

_COLOURS: Final = (
    "#3b78b5",
    "#d9822b",
    "#3f9c60",
    "#b5485d",
    "#7d62b3",
    "#8a6d3b",
    "#2a9aa5",
    "#98a02c",
)
"""Of vnodes, in turn; the numbers beside them tell apart those that share one."""

_STYLE: Final = """
svg { color-scheme: light dark; font: 12px sans-serif;
      --paper: #ffffff; --ink: #1f2430; --faint: #6b7280; --line: #c9ced8;
      --used: #b9bfca; --free: #eef0f4; --heat: #d9822b }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14171d; --ink: #e6e8ec; --faint: #9aa3b2; --line: #3a4150;
        --used: #586072; --free: #232833; --heat: #b06a22 } }
.paper { fill: var(--paper) }
text { fill: var(--ink) }
.title { font-size: 18px; font-weight: 600 }
.head { font-weight: 600 }
.faint { fill: var(--faint) }
.card { fill: none; stroke: var(--line) }
.used { fill: var(--used) }
.free { fill: var(--free); stroke: var(--line) }
.heat { fill: var(--heat) }
.on { fill: #ffffff; font-weight: 600 }
"""


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the picture as SVG 1.1, which needs nothing beside it; light or dark as the reader.

    Raises RefusedError for a name that XML cannot say.
    """
    del options
    picture = picture_of(run, domain)
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
    title = f"{picture.domain.name} on {picture.host.name}"
    add(root, "title", title)
    add(root, "style", _STYLE)
    add(root, "rect", **{"class": "paper"}, width="100%", height="100%")
    _text(root, _MARGIN, 38, _shortened(title, 80), "title")
    _text(root, _MARGIN, 58, _LEGEND, "faint")
    y = 74 + _draw_pnodes(root, picture, 74)
    _draw_matrix(root, "Distances between pnodes", picture.host.distances, "pnode", _MARGIN, y)
    width = _matrix_width(picture.host.num_pnodes)
    beside = _MARGIN + width + 2 * _GAP
    if beside + _matrix_width(picture.placed.num_vnodes) > _WIDTH - _MARGIN:
        y += _matrix_height(picture.host.num_pnodes) + _GAP
        beside = _MARGIN
    _draw_matrix(
        root, "Distances that the guest sees", picture.topology.distances, "vnode", beside, y
    )
    heights = [picture.placed.num_vnodes]
    if beside != _MARGIN:
        heights.append(picture.host.num_pnodes)
    height = y + max(map(_matrix_height, heights)) + _MARGIN
    for name, value in (("width", _WIDTH), ("height", height)):
        root.set(name, str(value))
    root.set("viewBox", f"0 0 {_WIDTH} {height}")
    return Rendered(text=format_xml(root))


# -- pnodes ----------------------------------------------------------------------------------


def _draw_pnodes(root: Element, picture: Picture, top: int) -> int:
    """Draw a card for each pnode, in rows; return the height of all of them."""
    columns = min(_CARDS, picture.host.num_pnodes)
    width = (_WIDTH - 2 * _MARGIN - (columns - 1) * _GAP) // columns
    y = top
    for first in range(0, len(picture.pnodes), columns):
        row = picture.pnodes[first : first + columns]
        height = max(_card_height(pnode, width) for pnode in row)
        for column, pnode in enumerate(row):
            _draw_pnode(root, picture, pnode, _MARGIN + column * (width + _GAP), y, width, height)
        y += height + _GAP
    return y - top


def _per_row(width: int) -> int:
    return max(1, (width - 24 + 4) // (_SQUARE + 4))


def _columns(pnode: PnodePicture, width: int) -> int:
    """Return the squares of a row: as many as fit without siblings parted, where they do."""
    most, siblings = _per_row(width), max(map(len, pnode.pcpus), default=1)
    return max(most // siblings * siblings, 1 if siblings <= most else most)


def _card_height(pnode: PnodePicture, width: int) -> int:
    num_pcpus = sum(map(len, pnode.pcpus))
    rows = -(-num_pcpus // _columns(pnode, width))
    return 84 + _BAR + 18 * max(1, len(_vnode_lines(pnode))) + rows * (_SQUARE + 4)


def _vnode_lines(pnode: PnodePicture) -> list[tuple[int, str]]:
    held = dict(pnode.vnodes)
    lines = [(v, f"vnode {v}: {format_pages(held.get(v, 0))}") for v in pnode.homes]
    away = [(v, f"vnode {v}, a part: {format_pages(n)}") for v, n in pnode.vnodes]
    return sorted([*lines, *(line for line in away if line[0] not in pnode.homes)])


def _draw_pnode(
    root: Element, picture: Picture, pnode: PnodePicture, x: int, y: int, width: int, height: int
) -> None:
    add(root, "rect", **{"class": "card"}, x=x, y=y, width=width, height=height, rx=6)
    inner = x + 12
    _text(root, inner, y + 22, f"pnode {pnode.pnode}", "head")
    room = f"{format_pages(pnode.total)}, {format_pages(pnode.free)} free"
    _text(root, inner, y + 40, room, "faint")
    _draw_memory(root, pnode, inner, y + 50, width - 24)
    line = y + 50 + _BAR + 18
    lines = _vnode_lines(pnode)
    for vnode, what in lines:
        add(root, "circle", cx=inner + 5, cy=line - 4, r=5, fill=_colour(vnode))
        _text(root, inner + 16, line, what)
        line += 18
    if not lines:
        _text(root, inner, line, "nothing of it here", "faint")
        line += 18
    _draw_pcpus(root, picture, pnode, inner, line, width)


def _draw_memory(root: Element, pnode: PnodePicture, x: int, y: int, width: int) -> None:
    add(root, "rect", **{"class": "free"}, x=x, y=y, width=width, height=_BAR)
    shares: list[tuple[int, str, int | None]] = [
        (pnode.before, "in use before", None),
        (pnode.others + pnode.overhead, "other domains of the run and the toolstack", None),
        *((pages, f"vnode {vnode}", vnode) for vnode, pages in pnode.vnodes),
    ]
    at = 0
    for pages, what, vnode in shares:
        if not pages:
            continue
        left = x + width * at / pnode.total
        wide = width * pages / pnode.total
        at += pages
        box = add(
            root,
            "rect",
            x=f"{left:.2f}",
            y=y,
            width=f"{wide:.2f}",
            height=_BAR,
            **({"class": "used"} if vnode is None else {"fill": _colour(vnode)}),
        )
        add(box, "title", f"{what}: {format_pages(pages)}")
        if vnode is not None and wide >= 16:
            _text(root, left + wide / 2, y + 17, str(vnode), "on", middle=True)


def _draw_pcpus(
    root: Element, picture: Picture, pnode: PnodePicture, x: int, y: int, width: int
) -> None:
    """Draw a square for each pcpu, siblings beside each other; the number is the vcpu's."""
    pcpus = [pcpu for core in pnode.pcpus for pcpu in core]
    columns = _columns(pnode, width)
    for place, pcpu in enumerate(pcpus):
        left = x + place % columns * (_SQUARE + 4)
        top = y + place // columns * (_SQUARE + 4)
        vcpus, others = pnode.vcpus.get(pcpu, ()), pnode.guests.get(pcpu, 0)
        what = f"pcpu {pcpu}"
        look = {"class": "used" if others else "free"}
        if vcpus:
            vnode = int(picture.placed.vcpu_to_vnode[vcpus[0]])
            look = {"fill": _colour(vnode)}
            what += f": vcpu {', '.join(map(str, vcpus))}"
        if others:
            what += f"; {others} of other domains"
        box = add(root, "rect", x=left, y=top, width=_SQUARE, height=_SQUARE, rx=3, **look)
        add(box, "title", what)
        if vcpus:
            said = str(vcpus[0]) if len(vcpus) == 1 else f"{vcpus[0]}+"
            _text(root, left + _SQUARE / 2, top + 15, said, "on", middle=True)


# -- distances -------------------------------------------------------------------------------


def _matrix_width(count: int) -> int:
    return max(220, count * _CELL + _LABELS)


def _matrix_height(count: int) -> int:
    return (count + 1) * _CELL + 30


def _draw_matrix(root: Element, title: str, distances: Ints, what: str, x: int, y: int) -> None:
    """Draw distances as a table, from the row to the column; the further, the darker."""
    _text(root, x, y + 14, title, "head")
    left, top = x + _LABELS, y + 26
    reach = distances[distances != UNREACHABLE]
    furthest = max(int(reach.max(initial=0)), 11)
    for number in range(len(distances)):
        _text(root, left + (number + 0.5) * _CELL, top + 14, str(number), "faint", middle=True)
        _text(root, x, top + number * _CELL + 38, f"{what} {number}", "faint")
    for row, values in enumerate(distances.tolist()):
        for column, value in enumerate(values):
            share = min(1.0, max(0.0, (value - 10) / (furthest - 10)))
            corner = (left + column * _CELL, top + row * _CELL + 20)
            add(
                root,
                "rect",
                **{"class": "heat"},
                x=corner[0],
                y=corner[1],
                width=_CELL - 2,
                height=_CELL - 2,
                **{"fill-opacity": f"{0.08 + 0.6 * share:.2f}"},
            )
            _text(
                root,
                corner[0] + _CELL / 2 - 1,
                corner[1] + 18,
                "-" if value == UNREACHABLE else str(value),
                middle=True,
            )


def _colour(vnode: int) -> str:
    return _COLOURS[vnode % len(_COLOURS)]


def _text(
    root: Element,
    x: float,
    y: float,
    text: str,
    style: str | None = None,
    *,
    middle: bool = False,
) -> None:
    look = {} if style is None else {"class": style}
    if middle:
        look["text-anchor"] = "middle"
    add(root, "text", text, x=f"{x:g}", y=f"{y:g}", **look)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
