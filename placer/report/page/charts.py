"""Charts as SVG that takes its colours from the page, by matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from markupsafe import escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from placer.arrays import Ints
from placer.units import UNREACHABLE
from placer.whatif.frontier import Point

_INK, _LINE, _PAPER = "#000001", "#000002", "#000003"
_PLACED, _MOVED, _HELD, _LOST, _KEPT = "#000011", "#000012", "#000013", "#000014", "#000015"
_VARIABLES: Final = {
    _INK: "var(--ink)",
    _LINE: "var(--line)",
    _PAPER: "var(--paper)",
    _PLACED: "var(--placed)",
    _MOVED: "var(--moved)",
    _HELD: "var(--held)",
    _LOST: "var(--bad)",
    _KEPT: "var(--kept)",
}
"""Colours that nothing else has, and the variables of the page's style that take their place."""

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "placer",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _LINE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": _LINE,
    "legend.frameon": False,
}
_MOST_BARS: Final = 120
_MOST_LABELS: Final = 40
_MOST_STEPS: Final = 200
_MOST_SCENARIOS: Final = 60
_MOST_FIGURES: Final = 24
_CELL: Final = 0.34
_PIXELS: Final = 96 / 72
"""Pixels of a page for each point of a chart."""


def use_of_hosts(
    names: Sequence[str], memory: Sequence[Sequence[float]], vcpus: Sequence[Sequence[float]]
) -> str:
    """Return how full hosts are: shares of memory (held before, placed, reserve) and of pcpus.

    ``memory`` are three lists of shares of the total by host, ``vcpus`` two of vcpus for each
    pcpu (ran before, placed). Up to 120 hosts are bars in their order, which say what they are
    to a pointer; more are one area, the fullest first.
    """
    with mpl.rc_context(_STYLE):
        figure = _new_figure(min(9.6, 3.2 + 0.32 * len(names)), 4.2)
        upper, lower = figure.subplots(2, 1, sharex=True)
        _stack(
            upper,
            memory,
            (("held before", _HELD), ("placed", _PLACED), ("reserve", _KEPT)),
            "share of memory",
        )
        _stack(
            lower,
            vcpus,
            (("vcpus before", _HELD), ("vcpus placed", _PLACED)),
            "vcpus for each pcpu",
        )
        most = float(np.array(vcpus).sum(axis=0).max(initial=0.0))
        upper.set_ylim(0, 1)
        lower.set_ylim(0, 1 if most <= 1 else 1.05 * most)
        told: dict[str, str] = {}
        if len(names) <= _MOST_BARS:
            told = _tell_of_hosts(names, memory, vcpus, upper, lower)
        if len(names) <= _MOST_LABELS:
            shown = [name if len(name) <= 18 else f"{name[:17]}…" for name in names]
            turned = {"rotation": 60, "ha": "right"} if _is_tight(shown) else {}
            lower.set_xticks(range(len(names)), [_plain(name) for name in shown], **turned)
        elif len(names) <= _MOST_BARS:
            lower.set_xlabel(f"{len(names)} hosts, in their order")
        else:
            lower.set_xlabel(f"{len(names)} hosts, in each chart the fullest first")
        return _svg(figure, "use", "How full each host is", told)


def _is_tight(names: Sequence[str]) -> bool:
    """Whether names would touch one another, were they written side by side."""
    return max(map(len, names)) > (20 if len(names) == 1 else 4)


def _tell_of_hosts(
    names: Sequence[str],
    memory: Sequence[Sequence[float]],
    vcpus: Sequence[Sequence[float]],
    *charts: Any,
) -> dict[str, str]:
    """Lay a sheet that cannot be seen over each host; return what each of them says."""
    told = {}
    for number, name in enumerate(names):
        used = sum(part[number] for part in memory[:2])
        text = f"{name}: {100 * used:.0f} % of memory, "
        text += f"{sum(part[number] for part in vcpus):.2f} vcpus for each pcpu"
        for place, axes in enumerate(charts):
            sheet = Rectangle((number - 0.5, 0), 1, axes.get_ylim()[1], color=_INK, alpha=0.001)
            sheet.set_gid(f"host{place}-{number}")
            axes.add_patch(sheet)
            told[f"host{place}-{number}"] = text
    return told


def _stack(
    axes: Any,
    parts: Sequence[Sequence[float]],
    kinds: Sequence[tuple[str, str]],
    title: str,
) -> None:
    """Stack parts of hosts, of the kinds of these names and colours."""
    number = len(parts[0])
    if number > _MOST_BARS:
        order = np.argsort(-np.array(parts).sum(axis=0), kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, min(len(order), _MOST_STEPS)).astype(int)]
        places = np.linspace(0, len(order), len(chosen))
        labels, colours = zip(*kinds, strict=True)
        stacked = np.array(parts)[:, chosen]
        axes.stackplot(places, stacked, labels=labels, colors=colours, step="mid")
    else:
        below = [0.0] * number
        for part, (label, colour) in zip(parts, kinds, strict=True):
            if not any(part):
                continue
            axes.bar(range(number), part, bottom=below, label=label, color=colour, width=0.8)
            below = [low + high for low, high in zip(below, part, strict=True)]
    axes.set_ylabel(title)
    axes.margins(x=0.01)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)


def heat_map(distances: Ints, title: str, name: str) -> str:
    """Return the distances of a host, from the pcpus of a row to the memory of a column.

    Up to 24 pnodes every distance is written out; for more a legend tells the colours.
    """
    size = len(distances)
    cell = min(_CELL, 8.0 / size)
    with mpl.rc_context(_STYLE):
        legend = size > _MOST_FIGURES
        side = max(1.5, cell * size)
        figure = _new_figure(0.8 + side + (0.9 if legend else 0), 0.7 + side)
        axes = figure.subplots()
        reach = np.unique(distances[distances != UNREACHABLE])
        furthest = max(11, int(reach.max(initial=10)))

        def shade(value: int) -> float:
            share = 1.0 if value == UNREACHABLE else (value - 10) / (furthest - 10)
            return 0.06 + 0.7 * share

        for row in range(size):
            for column in range(size):
                value = int(distances[row, column])
                corner = column - 0.5, row - 0.5
                axes.add_patch(
                    Rectangle(corner, 1, 1, color=_MOVED, alpha=shade(value), linewidth=0)
                )
                if not legend:
                    text = "-" if value == UNREACHABLE else str(value)
                    axes.text(column, row, text, ha="center", va="center", fontsize=8)
        if legend:
            few = reach[np.unique(np.linspace(0, len(reach) - 1, min(8, len(reach))).astype(int))]
            axes.legend(
                handles=[Patch(color=_MOVED, alpha=shade(v), label=str(v)) for v in few.tolist()],
                loc="upper left",
                bbox_to_anchor=(1.0, 1.0),
                fontsize=8,
            )
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        axes.set_aspect("equal")
        every = range(0, size, max(1, size // 16))
        axes.set_xticks(every)
        axes.set_yticks(every)
        axes.set_xlabel("to memory of pnode")
        axes.set_ylabel("from pcpus of pnode")
        return _svg(figure, name, title)


def frontier_plot(points: Sequence[Point]) -> str:
    """Return cost against moves: the best known at each number, and the bound below it."""
    with mpl.rc_context(_STYLE):
        figure = _new_figure(7.6, 3.4)
        axes = figure.subplots()
        moves = [point.max_moves for point in points]
        first = points[0].cost or 1
        cost = [100 * point.cost / first for point in points]
        bound = [100 * point.bound / first for point in points]
        known = [value if value > 0 else None for value in bound]
        axes.plot(moves, cost, drawstyle="steps-post", color=_MOVED, label="best known")
        worth = [n for n, point in enumerate(points) if point.is_pareto]
        axes.plot(
            [moves[n] for n in worth], [cost[n] for n in worth], "o", color=_MOVED, markersize=4
        )
        if any(value is not None for value in known):
            axes.plot(
                moves,
                [float("nan") if value is None else value for value in known],
                drawstyle="steps-post",
                color=_PLACED,
                linestyle="--",
                label="no answer is cheaper",
            )
        axes.set_xlabel("domains that may be moved")
        axes.set_ylabel("access cost, % of today's")
        axes.grid(visible=True, linewidth=0.4)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
        return _svg(figure, "frontier", "Access cost against the number of domains moved")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioBar:
    """A row of the chart of scenarios. ``failed``: there is no answer, and all else is 0.

    ``mean`` is None where nothing is placed.
    """

    name: str
    failed: bool = False
    left_out: int = 0
    moved: int = 0
    mean: float | None = None


def scenarios_plot(bars: Sequence[ScenarioBar]) -> str:
    """Return scenarios as rows: what has no place, what moves, and mean access.

    At most 60 rows, the first ones; the chart says so.
    """
    number = len(bars)
    bars = bars[:_MOST_SCENARIOS]
    places = range(len(bars))
    with mpl.rc_context(_STYLE):
        figure = _new_figure(9.6, 1.0 + 0.2 * len(bars) + (0.2 if number > len(bars) else 0), 0.06)
        first, second, third = figure.subplots(1, 3, sharey=True)
        for axes, values, hue, title in (
            (first, [bar.left_out for bar in bars], _LOST, "domains without a place"),
            (second, [bar.moved for bar in bars], _MOVED, "domains moved"),
        ):
            drawn = axes.barh(places, values, color=hue, height=0.7)
            axes.bar_label(drawn, [str(v) if v else "" for v in values], padding=3, fontsize=8)
            axes.set_title(title, fontsize=9)
            axes.set_xlim(0, 1.15 * max(1, *values))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        known = [bar.mean for bar in bars if bar.mean is not None]
        for place, bar in enumerate(bars):
            if bar.mean is not None:
                third.plot([10, bar.mean], [place, place], color=_LINE, linewidth=1)
                third.plot([bar.mean], [place], "o", color=_PLACED, markersize=5, clip_on=False)
                third.annotate(
                    f"{bar.mean:.2f}",
                    (bar.mean, place),
                    (6, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                )
            else:
                text = "failed" if bar.failed else "nothing placed"
                third.annotate(
                    text, (10, place), (6, 0), textcoords="offset points", va="center", fontsize=8
                )
        third.set_title("mean access distance", fontsize=9)
        furthest = max(10.5, *known) if known else 10.5
        third.set_xlim(10, 10 + 1.2 * (furthest - 10))
        third.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        shown = [bar.name if len(bar.name) <= 36 else f"{bar.name[:35]}…" for bar in bars]
        first.set_yticks(places, [_plain(name) for name in shown])
        first.set_ylim(len(bars) - 0.4, -0.6)
        if number > len(bars):
            second.set_xlabel(f"the first {len(bars)} of {number} scenarios")
        return _svg(figure, "scenarios", "Scenarios: what has no place, what moves, mean access")


def alone(chart: str) -> str:
    """Return a chart as a file of its own, light or dark as its reader's screen is."""
    start = chart.index(">") + 1
    head = chart[:start].replace(
        "<svg ",
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ',
        1,
    )
    paper = '<rect width="100%" height="100%" style="fill:var(--paper)"/>'
    return f"{head}<style>{_COLOURS}</style>{paper}{chart[start:].rstrip()}\n"


_COLOURS: Final = (
    "svg{color-scheme:light dark;--paper:#ffffff;--ink:#1c2230;--line:#c9ced8;"
    "--placed:#2f6bab;--moved:#d07a1f;--held:#aab2bf;--kept:#dfe3ea;--bad:#b3403a}"
    "@media (prefers-color-scheme:dark){svg{--paper:#14171d;--ink:#e6e8ec;--line:#4a5261;"
    "--placed:#5f9bd6;--moved:#e39a4b;--held:#59626f;--kept:#2f3643;--bad:#ee8a83}}"
)
"""Light and dark as in report.css."""


def _new_figure(width: float, height: float, between: float = 0.02) -> Figure:
    """A figure of so many inches, its charts apart by ``between`` of their width."""
    layout = ConstrainedLayoutEngine(wspace=between)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasSVG(figure)
    return figure


def _plain(text: str) -> str:
    """A name as it is: for matplotlib a dollar begins mathematics."""
    return text.replace("$", r"\$")


def _svg(figure: Figure, name: str, title: str, told: Mapping[str, str] | None = None) -> str:
    """The figure as an svg element with ids of its own, named for those who do not see it.

    ``told`` are titles by the ids of elements.
    """
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    for key, words in (told or {}).items():
        mark = f'<g id="{name}-{key}">'
        text = text.replace(mark, f"{mark}<title>{escape(words)}</title>", 1)
    width, height = (round(_PIXELS * 72 * inches) for inches in figure.get_size_inches())
    text = re.sub(
        r'<svg [^>]*?(viewBox="[^"]*")[^>]*>',
        lambda found: (
            f'<svg role="img" {_label(title)} width="{width}" height="{height}" {found[1]}>'
        ),
        text,
        count=1,
    )
    return re.sub(r"\n\s*", "\n", text)


def _label(title: str) -> str:
    return f'aria-label="{escape(title)}"'
