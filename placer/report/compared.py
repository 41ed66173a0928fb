"""Two runs compared: as CSV, and for a person at a terminal."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from placer.placement import PlacedDomain
from placer.report.console import new_table, print_table, print_to
from placer.report.document import mean_distance
from placer.report.printable import printable
from placer.run import Run
from placer.units import format_pages
from placer.whatif.compare import Compared

COLUMNS: Final = (
    "domain",
    "difference",
    "host_a",
    "homes_a",
    "host_b",
    "homes_b",
    "moved_pages",
    "mean_access_distance_a_slit",
    "mean_access_distance_b_slit",
    "reason_b",
)
MAX_ROWS: Final = 200


def format_compared(rows: Sequence[Compared]) -> str:
    """Return the comparison as CSV, a row for each domain."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        a, b = row.placed_a, row.placed_b
        writer.writerow(
            (
                row.domain,
                row.difference,
                "" if a is None else a.host,
                "" if a is None else _homes(a),
                "" if b is None else b.host,
                "" if b is None else _homes(b),
                row.moved_pages,
                "" if row.mean_a is None else repr(row.mean_a),
                "" if row.mean_b is None else repr(row.mean_b),
                row.reason_b,
            )
        )
    return text.getvalue()


def _homes(placed: PlacedDomain) -> str:
    return " ".join(map(str, placed.home.tolist()))


def show_compared(run_a: Run, run_b: Run, rows: Sequence[Compared], out: TextIO) -> None:
    """Print the domains that differ, and the figures of both runs."""
    print_to(out, lambda console: _print(run_a, run_b, rows, console))


def _print(run_a: Run, run_b: Run, rows: Sequence[Compared], console: Console) -> None:
    other = [row for row in rows if row.difference != "same"]
    table = new_table(
        ("domain", False),
        ("difference", False),
        ("A", False),
        ("B", False),
        ("moved", True),
        ("mean A", True),
        ("mean B", True),
    )
    for row in other[:MAX_ROWS]:
        cells = (
            printable(row.domain),
            row.difference,
            _where(row.placed_a),
            _where(row.placed_b),
            format_pages(row.moved_pages) if row.moved_pages else "",
            _figure(row.mean_a),
            _figure(row.mean_b),
        )
        table.add_row(*map(Text, cells))
    if len(other) > MAX_ROWS:
        table.caption = f"and {len(other) - MAX_ROWS} more domains"
    if other:
        print_table(console, table)
        console.print()
    for line in summary_lines(run_a, run_b, rows):
        console.print(Text(printable(line)), soft_wrap=True)


def summary_lines(
    run_a: Run, run_b: Run, rows: Sequence[Compared], names: tuple[str, str] = ("A", "B")
) -> list[str]:
    """Return what both runs come to, in a few lines; ``names`` are what they are called."""
    counts = Counter(row.difference for row in rows)
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    lines = [f"{len(rows)} domains: {told}"]
    for name, run in zip(names, (run_a, run_b), strict=True):
        costs = [row.cost_a if run is run_a else row.cost_b for row in rows]
        cost = sum(each for each in costs if each is not None)
        vcpus = sum(len(placed.vcpu_to_vnode) for placed in run.placed)
        mean = _figure(mean_distance(cost, vcpus)) if vcpus else "none"
        hosts = len({placed.host for placed in run.placed})
        lines.append(
            f"{name}: {len(run.placed)} of {len(run.problem.domains)} placed on {hosts} of "
            f"{len(run.problem.hosts)} hosts, cost {cost}, mean access distance {mean}"
        )
    return lines


def _where(placed: PlacedDomain | None) -> str:
    return "" if placed is None else printable(f"{placed.host}: {_homes(placed)}")


def _figure(value: float | None) -> str:
    return "" if value is None else str(round(value, 4))
