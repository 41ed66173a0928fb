"""Tables for spreadsheets: text that a spreadsheet would take for a formula is marked as text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from placer.report.tables import format_csv, tables
from placer.run import Run

_FORMULA: Final = re.compile(r"[=+\-@\t\r\n＝＋－＠|]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.ASCII)
_BOM: Final = "\ufeff"


def spreadsheet_files(run: Run, more: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the CSV files of a run by name, for a spreadsheet; ``more`` are others' (name, text).

    They begin with a byte order mark, by which Excel knows UTF-8, and lines end with CR LF.
    Cells that are no number and begin as a formula does get an apostrophe before them.
    """
    found = {f"{name}.csv": format_csv(table) for name, table in tables(run).items()}
    found.update(more)
    return {name: as_spreadsheet(text) for name, text in found.items()}


def as_spreadsheet(text: str) -> str:
    """Return CSV text for a spreadsheet."""
    rows = csv.reader(io.StringIO(text, newline=""))
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(_harmless(row) for row in rows)
    return _BOM + written.getvalue()


def _harmless(row: Sequence[Any]) -> list[str]:
    return [
        f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell for cell in row
    ]
