"""What-if results as tables, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from placer.report.console import new_table, print_to
from placer.report.printable import printable
from placer.units import format_pages
from placer.whatif.rows import SCENARIO_COLUMNS, Cells

MAX_ROWS: Final = 200


def show_scenarios(rows: Sequence[Cells], out: TextIO) -> None:
    """Print a line for each scenario, the base first; ``rows`` are those of whatif.csv."""
    print_to(out, lambda console: _print(rows, console))


def _print(rows: Sequence[Cells], console: Console) -> None:
    table = new_table(
        ("scenario", False),
        ("placed", True),
        ("unplaced", True),
        ("moved", True),
        ("mean access", True),
        ("cost", True),
        ("gap", True),
        ("free", True),
    )
    table.columns[0].min_width = 20
    base_cost = _cost(rows[0]) if rows else 0
    for row in rows[:MAX_ROWS]:
        table.add_row(*(Text(cell) for cell in _line(row, base_cost)))
    if len(rows) > MAX_ROWS:
        table.caption = f"and {len(rows) - MAX_ROWS} more scenarios"
    console.print(table)
    failed = [row for row in rows if cell_of(row, "status") == "failed"]
    for row in failed[:MAX_ROWS]:
        text = f"{cell_of(row, 'scenario')}: failed: {cell_of(row, 'reason')}"
        console.print(Text(printable(text)), soft_wrap=True)


def cell_of(row: Cells, column: str) -> str:
    """Return the cell of a column of whatif.csv."""
    return row[SCENARIO_COLUMNS.index(column)]


def _cost(row: Cells) -> int:
    return int(cell_of(row, "cost_slit_per_640000") or 0)


def _line(row: Cells, base_cost: int) -> Iterable[str]:
    yield printable(cell_of(row, "scenario"))
    if cell_of(row, "status") == "failed":
        yield from ("failed", "", "", "", "", "", "")
        return
    yield cell_of(row, "num_placed")
    yield cell_of(row, "num_unplaced")
    moved = int(cell_of(row, "num_moved"))
    yield f"{moved} ({format_pages(int(cell_of(row, 'moved_pages')))})" if moved else "0"
    mean = cell_of(row, "mean_access_distance_slit")
    yield str(round(float(mean), 2)) if mean else ""
    yield f"{100 * (_cost(row) - base_cost) / base_cost:+.1f} %" if base_cost else ""
    gap = cell_of(row, "cost_gap")
    yield "" if not gap else "proven" if float(gap) == 0 else f"{100 * float(gap):.2f} %"
    yield format_pages(int(cell_of(row, "usable_pages")))
