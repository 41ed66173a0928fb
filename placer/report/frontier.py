"""The curve of cost against moves: as CSV, and for a person at a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
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
        max_moves=int(cell["max_moves"]),
        num_moved=int(cell["num_moved"]),
        moved_pages=int(cell["moved_pages"]),
        num_placed=int(cell["num_placed"]),
        cost=int(cell["cost_slit_per_640000"]),
        bound=int(cell["cost_bound"]),
        mean_access_distance=float(cell["mean_access_distance_slit"]),
        is_pareto=cell["is_pareto"] == "1",
        is_proven=cell["is_proven"] == "1",
    )


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
