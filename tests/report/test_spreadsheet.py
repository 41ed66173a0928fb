"""Tables for spreadsheets: what looks like a formula is text, numbers stay numbers."""

from __future__ import annotations

import csv
import io
import re

import pytest

from placer.report.compared import COLUMNS as COMPARED_COLUMNS
from placer.report.frontier import COLUMNS as FRONTIER_COLUMNS
from placer.report.spreadsheet import TEXTS, as_spreadsheet, spreadsheet_files
from placer.report.tables import COLUMNS
from placer.report.whatif_folder import COLUMNS as WHATIF_COLUMNS
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


@pytest.mark.parametrize(
    "name",
    ["+49123", "-5", "1e5", "007", "1-2", "2024-05-01", "12:30", "5%", ".5", "(3)", " 7", "€5"]
    + ["TRUE", "false", "Mar-1", "dec 24", "sept2024", "*1", "#REF!"],
)
def test_a_name_is_text_whatever_number_or_date_it_looks_like(name: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["domain", "cost_change", "host"], [name, "-5", name]])
    assert cells(as_spreadsheet(written.getvalue()))[1] == [f"'{name}", "-5", f"'{name}"]


@pytest.mark.parametrize(
    "name", ["web-1", "büro", "_x", "market-1", "maya2", "decoder-3", "truest", "e5", "百", ""]
)
def test_a_name_that_is_nothing_else_stands_as_it_is(name: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["n", "domain"], ["1", name]])
    assert cells(as_spreadsheet(written.getvalue()))[1] == ["1", name]


WORDS = {"solve", "status", "state", "difference", "type", "page_size", "metric", "fact", "kind"}
"""Columns of placer's own words."""

FIGURES = re.compile(
    r"vnode|pnode|vcpu|pcpu|priority|position|step|value|\w*_(value|vnode|pnode|pages|slit|bound"
    r"|gap|change|priority|homes|home_pnode|a|b)|homes_[ab]|homes|(num|is|max|vcpus_per)_\w+|\w+_per_\w+"
)


def test_every_column_is_of_text_of_figures_or_of_words() -> None:
    columns = {
        name
        for table in (
            *COLUMNS.values(),
            *WHATIF_COLUMNS.values(),
            COMPARED_COLUMNS,
            FRONTIER_COLUMNS,
        )
        for name in table
    }
    assert columns >= TEXTS
    assert [name for name in columns - TEXTS - WORDS if not FIGURES.fullmatch(name)] == []


def test_every_table_is_there_with_a_byte_order_mark_and_its_line_ends() -> None:
    files = spreadsheet_files(named_evil(), [("more.csv", "a\n=b\n")])
    assert set(files) == {*(f"{name}.csv" for name in CSV_NAMES), "more.csv"}
    for text in files.values():
        assert text.startswith("\ufeff")
        assert text.count("\r\n") == len(cells(text))
    assert files["more.csv"] == "\ufeffa\r\n'=b\r\n"
