"""What-if results as tables, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from placer.explain.text import list_names
from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable
from placer.units import format_pages
from placer.whatif.rows import DOMAIN_COLUMNS, SCENARIO_COLUMNS, Cells, proof_of

MAX_ROWS: Final = 200
MAX_REASONS: Final = 40


def show_scenarios(rows: Sequence[Cells], out: TextIO) -> None:
    """Print a line for each scenario, the base first; ``rows`` are those of whatif.csv."""
    print_to(out, lambda console: _print(rows, console))


def _print(rows: Sequence[Cells], console: Console) -> None:
    table = new_table(
        ("scenario", False),
        ("placed", True),
        ("not placed", True),
        ("moved", True),
        ("mean access", True),
        ("cost", True),
        ("gap", True),
        ("free", True),
    )
    base_cost = _cost(rows[0]) if rows else 0
    for row in rows[:MAX_ROWS]:
        table.add_row(*(Text(cell) for cell in _line(row, base_cost)))
    if len(rows) > MAX_ROWS:
        table.caption = f"and {len(rows) - MAX_ROWS} more scenarios"
    print_table(console, table)
    failed = [row for row in rows if cell_of(row, "status") == "failed"]
    for row in failed[:MAX_ROWS]:
        text = f"{cell_of(row, 'scenario')}: failed: {cell_of(row, 'reason')}"
        console.print(Text(printable(text)), soft_wrap=True)


def show_losers(rows: Sequence[Cells], out: TextIO) -> None:
    """Print which domains have no place in which scenario, and why, a line for each reason.

    ``rows`` are those of whatif_domains.csv, by scenario.
    """
    if rows:
        print_to(out, lambda console: _print_losers(rows, console))


def _print_losers(rows: Sequence[Cells], console: Console) -> None:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        cell = dict(zip(DOMAIN_COLUMNS, row, strict=True))
        state = "lost" if cell["state"] == "lost" else "not placed"
        key = cell["scenario"], state, cell["reason"]
        alike.setdefault(key, []).append(cell["domain"])
    for (scenario, state, reason), names in list(alike.items())[:MAX_REASONS]:
        text = f"{scenario}: {list_names(names)}: {state}: {reason}"
        console.print(Text(printable(text)), soft_wrap=True)
    if len(alike) > MAX_REASONS:
        more = f"and {len(alike) - MAX_REASONS} more reasons; whatif_domains.csv has them all"
        console.print(Text(more), soft_wrap=True)
    console.print()


def leaves_out(row: Cells) -> bool:
    """Whether a scenario leaves a domain without a place that the base has placed."""
    change, lost = cell_of(row, "num_placed_change"), cell_of(row, "num_lost")
    return int(change or 0) < 0 or int(lost or 0) > 0


def show_gate(rows: Sequence[Cells], out: TextIO) -> None:
    """Print how many scenarios leave out what the base has placed; the base is the first row."""
    print_to(out, lambda console: console.print(Text(_gate(rows[1:])), soft_wrap=True))


_STAYING: Final = {
    "keep": "with what runs staying where it is",
    "moves": "with what runs moved within the limits",
    "fresh": "with all domains placed anew",
}


def _gate(rows: Sequence[Cells]) -> str:
    solve = cell_of(rows[0], "solve") if rows else "keep"
    count = sum(map(leaves_out, rows))
    if not count:
        return f"every domain keeps a place in all {len(rows)} cases, {_STAYING[solve]}"
    text = f"{count} of {len(rows)} cases leave a domain without a place, {_STAYING[solve]}"
    return text if solve != "keep" else f"{text}; --solve moves or fresh asks what moving would do"


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
    yield proof_of(row)
    yield format_pages(int(cell_of(row, "usable_pages")))
