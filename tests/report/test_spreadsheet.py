"""Tables for spreadsheets: what looks like a formula is text, numbers stay numbers."""

from __future__ import annotations

import csv
import io

import pytest

from placer.report.spreadsheet import as_spreadsheet, spreadsheet_files
from placer.run import CSV_NAMES
from tests.report.pages import named_evil


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "＝1+1",
        "-",
        "+",
        '=HYPERLINK("x","y")',
        "-1e5x",
    ],
)
def test_what_begins_as_a_formula_is_marked_as_text(name: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["domain", "n"], [name, "1"]])
    assert cells(as_spreadsheet(written.getvalue()))[1] == [f"'{name}", "1"]


@pytest.mark.parametrize("value", ["-1", "+2.5", "-1e-05", "0", "14.0", "a=b", "web-1", "", " =x"])
def test_numbers_and_other_text_stay_as_they_are(value: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["v", "w"], [value, "x"]])
    assert cells(as_spreadsheet(written.getvalue()))[1] == [value, "x"]


def test_every_table_is_there_with_a_byte_order_mark_and_its_line_ends() -> None:
    files = spreadsheet_files(named_evil(), [("more.csv", "a\n=b\n")])
    assert set(files) == {*(f"{name}.csv" for name in CSV_NAMES), "more.csv"}
    for text in files.values():
        assert text.startswith("\ufeff")
        assert text.count("\r\n") == len(cells(text))
    assert files["more.csv"] == "\ufeffa\r\n'=b\r\n"
