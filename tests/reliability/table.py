"""docs/reliability.md, made of faults.toml and of what the tests have counted.

    python tests/reliability/table.py write build/reliability/*.json   # the table anew
    python tests/reliability/table.py check build/reliability/*.json   # whether it is current

The files are those that pytest writes with ``--tried FILE``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FAULTS = Path(__file__).parent / "faults.toml"
PAGE = ROOT / "docs" / "reliability.md"
COLUMNS = 4
SLACK = 0.05
"""Writes are killed at calls of the system; how many a write takes, the file system decides."""

BEGIN, END = "<!-- table: make reliability -->\n", "<!-- end of table -->\n"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault; ``unit`` is what is counted ("kills")."""

    area: str
    fault: str
    how: str
    unit: str


def read_rows() -> dict[str, Row]:
    """Return the rows by their keys, in the order of the page."""
    with FAULTS.open("rb") as file:
        return {key: Row(**fields) for key, fields in tomllib.load(file).items()}


def count(records: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sum (key, times) by key."""
    times: Counter[str] = Counter()
    for key, number in records:
        times[key] += number
    return dict(times)


def render(rows: Mapping[str, Row], counts: Mapping[str, int]) -> str:
    """Return the table in Markdown; KeyError where a row was not tried at all.

    What was lost is nothing in every row: a test that loses something fails, and counts for none.
    """
    lines = ["| fault | how it is tried | how many times | what was lost |", "|---|---|---|---|"]
    area = ""
    for key, row in rows.items():
        if row.area != area:
            area = row.area
            lines.append(f"| **{area}** | | | |")
        lines.append(f"| {row.fault} | {row.how} | {counts[key]:,} {row.unit} | nothing |")
    return "\n".join(lines) + "\n"


def table_of(page: str) -> str:
    """Return the table that stands in the page."""
    return page.split(BEGIN)[1].split(END, maxsplit=1)[0]


def differences(found: str, expected: str) -> list[str]:
    """Return the lines of ``expected`` that ``found`` lacks, or a line to say that it has more.

    A number of tries may differ by `SLACK`.
    """
    lines, wanted = found.splitlines(), expected.splitlines()
    lacking = [
        line
        for number, line in enumerate(wanted)
        if number >= len(lines) or not _is_alike(lines[number], line)
    ]
    if not lacking and len(lines) > len(wanted):
        return [f"{len(wanted)} lines, found {len(lines)}"]
    return lacking


def _is_alike(found: str, expected: str) -> bool:
    if found == expected:
        return True
    one, other = (line.split(" | ") for line in (found, expected))
    if len(one) != len(other) or len(one) != COLUMNS:
        return False
    (times, unit), (wanted, same_unit) = (_times_of(cells.pop(2)) for cells in (one, other))
    return one == other and unit == same_unit and abs(times - wanted) <= SLACK * wanted


def _times_of(cell: str) -> tuple[int, str]:
    number, unit = cell.split(" ", 1)
    return int(number.replace(",", "")), unit


def read_records(paths: Iterable[Path]) -> list[tuple[str, int]]:
    """Return what the test runs have counted."""
    return [(*record,) for path in paths for record in json.loads(path.read_text("utf-8"))]


def main() -> int:
    """Write or check the page; 1 where it is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["write", "check"])
    parser.add_argument("records", nargs="+", type=Path)
    arguments = parser.parse_args()
    counts = count(read_records(arguments.records))
    rows = read_rows()
    for key in sorted(rows.keys() ^ counts.keys()):
        where = "faults.toml, but no test tried it" if key in rows else "no row of faults.toml"
        print(f"{key}: {where}", file=sys.stderr)
    if rows.keys() != counts.keys():
        return 1
    page = PAGE.read_text("utf-8")
    table = render(rows, counts)
    if arguments.what == "write":
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}", "utf-8")
        return 0
    differing = differences(table_of(page), table)
    for line in differing:
        print(f"docs/reliability.md: expected {line}", file=sys.stderr)
    if differing:
        print("docs/reliability.md is not current: make reliability", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
