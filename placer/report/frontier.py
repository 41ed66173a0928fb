"""The curve of cost against moves: as CSV, and for a person at a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from placer.report.console import new_table, print_table, print_to
from placer.units import format_pages
from placer.whatif.frontier import Point

FRONTIER_FILE: Final = "frontier.csv"
COLUMNS: Final = (
    "max_moves",
    "num_moved",
    "moved_pages",
    "num_placed",
    "cost_slit_per_640000",
    "cost_bound",
    "cost_gap",
    "mean_access_distance_slit",
    "is_pareto",
    "is_proven",
)


def format_frontier(points: Sequence[Point]) -> str:
    """Return the curve as CSV, a row for each number of moves."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        writer.writerow(
            (
                point.max_moves,
                point.num_moved,
                point.moved_pages,
                point.num_placed,
                point.cost,
                point.bound,
                repr(point.gap),
                repr(point.mean_access_distance),
                int(point.is_pareto),
                int(point.is_proven),
            )
        )
    return text.getvalue()


def point_of(cell: Mapping[str, str]) -> Point:
    """Return the point of a row of frontier.csv; ValueError where a figure is none."""
    return Point(
        max_moves=_whole(cell["max_moves"]),
        num_moved=_whole(cell["num_moved"]),
        moved_pages=_whole(cell["moved_pages"]),
        num_placed=_whole(cell["num_placed"]),
        cost=_whole(cell["cost_slit_per_640000"]),
        bound=_whole(cell["cost_bound"]),
        mean_access_distance=_finite(cell["mean_access_distance_slit"]),
        is_pareto=cell["is_pareto"] == "1",
        is_proven=cell["is_proven"] == "1",
    )


def _whole(text: str) -> int:
    if len(text) > 30:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text[:60])
    if not isfinite(value):
        raise ValueError(f"{text[:40]}, no figure")
    return value


def show_frontier(points: Sequence[Point], out: TextIO) -> None:
    """Print the points that are better than those with fewer moves."""
    print_to(out, lambda console: _print(points, console))


def _proof(point: Point) -> str:
    if point.is_proven:
        return "proven"
    return f"{100 * point.gap:.2f} %" if point.gap else "more may fit"


def _print(points: Sequence[Point], console: Console) -> None:
    table = new_table(
        ("moves", True),
        ("memory moved", True),
        ("placed", True),
        ("mean access", True),
        ("cost", True),
        ("saved", True),
        ("gap", True),
    )
    worth = [point for point in points if point.is_pareto]
    first = worth[0].cost if worth else 0
    for point in worth:
        saved = f"{100 * (first - point.cost) / first:.2f} %" if first else ""
        table.add_row(
            *map(
                Text,
                (
                    str(point.num_moved),
                    format_pages(point.moved_pages),
                    str(point.num_placed),
                    str(round(point.mean_access_distance, 3)),
                    str(point.cost),
                    saved,
                    _proof(point),
                ),
            )
        )
    print_table(console, table)
    if points:
        last = points[-1]
        console.print(
            Text(
                f"{len(worth)} of {len(points)} numbers of moves bring something, up to "
                f"{last.max_moves} were asked"
            ),
            soft_wrap=True,
        )
