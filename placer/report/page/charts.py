"""Charts as SVG that takes its colours from the page, by matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from markupsafe import escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from placer.arrays import Ints
from placer.units import UNREACHABLE
from placer.whatif.frontier import Point

_INK, _LINE, _PAPER = "#000001", "#000002", "#000003"
_HUES: Final = ("#000011", "#000012", "#000013", "#000014")
_VARIABLES: Final = {
    _INK: "var(--ink)",
    _LINE: "var(--line)",
    _PAPER: "var(--paper)",
    **{hue: f"var(--hue{number})" for number, hue in enumerate(_HUES)},
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
_MOST_FIGURES: Final = 16


def use_of_hosts(
    names: Sequence[str], memory: Sequence[Sequence[float]], vcpus: Sequence[Sequence[float]]
) -> str:
    """Return how full hosts are: shares of memory (held before, placed, reserve) and of pcpus.

    ``memory`` are three lists of shares of the total by host, ``vcpus`` two of vcpus for each
    pcpu (ran before, placed). Up to 120 hosts are bars in their order; more are one area, the
    fullest first.
    """
    with mpl.rc_context(_STYLE):
        figure = _new_figure(9.6, 4.2)
        upper, lower = figure.subplots(2, 1, sharex=True)
        _stack(upper, names, memory, ("held before", "placed", "reserve"), "share of memory")
        _stack(lower, names, vcpus, ("vcpus before", "vcpus placed"), "vcpus for each pcpu")
        upper.set_ylim(0, 1)
        if len(names) <= _MOST_LABELS:
            shown = [name if len(name) <= 18 else f"{name[:17]}…" for name in names]
            turned = {"rotation": 60, "ha": "right"} if max(map(len, shown)) > 4 else {}
            lower.set_xticks(range(len(names)), [_plain(name) for name in shown], **turned)
        else:
            lower.set_xlabel(f"{len(names)} hosts")
        return _svg(figure, "use", "How full each host is")


def _stack(
    axes: Any,
    names: Sequence[str],
    parts: Sequence[Sequence[float]],
    labels: Sequence[str],
    title: str,
) -> None:
    if len(names) > _MOST_BARS:
        order = np.argsort(-np.array(parts).sum(axis=0), kind="stable")
        chosen = order[np.linspace(0, len(order) - 1, min(len(order), _MOST_STEPS)).astype(int)]
        places = np.linspace(0, len(order), len(chosen))
        stacked = np.array(parts)[:, chosen]
        axes.stackplot(places, stacked, labels=labels, colors=_HUES, step="mid")
    else:
        below = [0.0] * len(names)
        for part, label, colour in zip(parts, labels, _HUES, strict=False):
            if not any(part):
                continue
            axes.bar(range(len(names)), part, bottom=below, label=label, color=colour, width=0.8)
            below = [low + high for low, high in zip(below, part, strict=True)]
    axes.set_ylabel(title)
    axes.margins(x=0.01)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)


def heat_map(distances: Ints, title: str, name: str) -> str:
    """Return the distances of a host, from the pcpus of a row to the memory of a column."""
    size = len(distances)
    with mpl.rc_context(_STYLE):
        side = min(4.4, 1.4 + 0.36 * size)
        figure = _new_figure(side + 0.4, side)
        axes = figure.subplots()
        reach = distances[distances != UNREACHABLE]
        furthest = max(11, int(reach.max(initial=10)))
        for row in range(size):
            for column in range(size):
                value = int(distances[row, column])
                share = 1.0 if value == UNREACHABLE else (value - 10) / (furthest - 10)
                axes.add_patch(
                    Rectangle(
                        (column - 0.5, row - 0.5),
                        1,
                        1,
                        color=_HUES[1],
                        alpha=0.06 + 0.7 * share,
                        linewidth=0,
                    )
                )
                if size <= _MOST_FIGURES:
                    text = "-" if value == UNREACHABLE else str(value)
                    axes.text(column, row, text, ha="center", va="center", fontsize=8)
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        axes.set_aspect("equal")
        every = range(0, size, max(1, size // 16))
        axes.set_xticks(every)
        axes.set_yticks(every)
        axes.set_xlabel("to the memory of pnode")
        axes.set_ylabel("from the pcpus of pnode")
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
        axes.plot(moves, cost, drawstyle="steps-post", color=_HUES[1], label="best known")
        worth = [n for n, point in enumerate(points) if point.is_pareto]
        axes.plot(
            [moves[n] for n in worth], [cost[n] for n in worth], "o", color=_HUES[1], markersize=4
        )
        if any(value is not None for value in known):
            axes.plot(
                moves,
                [float("nan") if value is None else value for value in known],
                drawstyle="steps-post",
                color=_HUES[0],
                linestyle="--",
                label="no answer is cheaper",
            )
        axes.set_xlabel("domains that may be moved")
        axes.set_ylabel("access cost, % of today's")
        axes.grid(visible=True, linewidth=0.4)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
        return _svg(figure, "frontier", "Access cost against the number of domains moved")


def scenarios_plot(
    names: Sequence[str], left_out: Sequence[int], moved: Sequence[int], mean: Sequence[float]
) -> str:
    """Return scenarios as rows, the base first: what has no place, what moves, mean access.

    ``mean`` is 0.0 where nothing is placed. At most 60 rows, the first ones.
    """
    names, mean = names[:_MOST_SCENARIOS], mean[:_MOST_SCENARIOS]
    left_out, moved = left_out[:_MOST_SCENARIOS], moved[:_MOST_SCENARIOS]
    with mpl.rc_context(_STYLE):
        figure = _new_figure(9.6, 1.0 + 0.2 * len(names))
        first, second, third = figure.subplots(1, 3, sharey=True)
        places = range(len(names))
        for axes, values, hue, title in (
            (first, left_out, _HUES[3], "domains without a place"),
            (second, moved, _HUES[1], "domains moved"),
            (third, mean, _HUES[0], "mean access distance"),
        ):
            axes.barh(places, values, color=hue, height=0.7)
            axes.set_title(title, fontsize=9)
            axes.set_xlim(0, max(1, *values))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=axes is not third))
        known = [value for value in mean if value]
        if known:
            third.set_xlim(10, max(10.5, *known) + 0.2)
        shown = [name if len(name) <= 36 else f"{name[:35]}…" for name in names]
        first.set_yticks(places, [_plain(name) for name in shown])
        first.margins(y=0.01)
        first.invert_yaxis()
        return _svg(figure, "scenarios", "Scenarios: what has no place, what moves, mean access")


def alone(chart: str) -> str:
    """Return a chart as a file of its own, light or dark as its reader's screen is."""
    start = chart.index(">") + 1
    head = chart[:start].replace(
        "<svg ",
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ',
        1,
    )
    return f"{head}<style>{_COLOURS}</style>{chart[start:].rstrip()}\n"


_COLOURS: Final = (
    "svg{color-scheme:light dark;--paper:#ffffff;--ink:#1c2230;--line:#c9ced8;"
    "--hue0:#2f6bab;--hue1:#d07a1f;--hue2:#9aa3b2;--hue3:#b3403a}"
    "@media (prefers-color-scheme:dark){svg{--paper:#14171d;--ink:#e6e8ec;--line:#4a5261;"
    "--hue0:#7db3e8;--hue1:#e39a4b;--hue2:#737d8d;--hue3:#ee8a83}}"
)


def _new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def _plain(text: str) -> str:
    """A name as it is: for matplotlib a dollar begins mathematics."""
    return text.replace("$", r"\$")


def _svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an svg element with ids of its own, named for those who do not see it."""
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(
        r'<svg [^>]*?(viewBox="[^"]*")[^>]*>',
        rf'<svg role="img" {_label(title)} \1>',
        text,
        count=1,
    )
    return re.sub(r"\n\s*", "\n", text)


def _label(title: str) -> str:
    return f'aria-label="{escape(title)}"'
