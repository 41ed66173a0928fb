"""Tables for spreadsheets: names and sentences stay text, whatever they look like."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

from placer.report.tables import format_csv, tables
from placer.run import Run

TEXTS: Final = frozenset(
    "domain host from_host to_host base_host host_a host_b scenario key unit text reason "
    "reason_b".split()
)
"""The columns of names and sentences. Others hold figures, or one of placer's own words."""

_WORD: Final = re.compile(r"[^\W\d]")
_DATE_OR_TRUTH: Final = re.compile(
    r"(true|false|(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?"
    r"|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?)\W*[0-9].*)",
    re.IGNORECASE | re.DOTALL,
)
_FORMULA: Final = re.compile(r"[=+\-@\t\r\n＝＋－＠|]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.ASCII)
_BOM: Final = "\ufeff"


def spreadsheet_files(run: Run, more: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the CSV files of a run by name, for a spreadsheet; ``more`` are others' (name, text).

    They begin with a byte order mark, by which Excel knows UTF-8, and lines end with CR LF.
    Text that would be taken for a formula, a number, a date or a truth value gets an apostrophe
    before it: in the columns of `TEXTS` whatever does not begin with a letter, in others what
    begins as a formula and is no number.
    """
    found = {f"{name}.csv": format_csv(table) for name, table in tables(run).items()}
    found.update(more)
    return {name: as_spreadsheet(text) for name, text in found.items()}


def as_spreadsheet(text: str) -> str:
    """Return CSV text for a spreadsheet."""
    rows = csv.reader(io.StringIO(text, newline=""))
    columns = next(rows, [])
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(map(_harmless, columns, row))
    return _BOM + written.getvalue()


def _harmless(column: str, cell: str) -> str:
    if column in TEXTS:
        is_text = _WORD.match(cell) and not _DATE_OR_TRUTH.fullmatch(cell)
        marked = bool(cell) and not is_text
    else:
        marked = bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if marked else cell
