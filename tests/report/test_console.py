"""Tables at any width: nothing is cut, and figures and headings stay readable."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from placer.report import console as console_module
from placer.report.console import new_table, print_table
from placer.report.whatif_tables import show_scenarios
from placer.whatif.rows import SCENARIO_COLUMNS, Cells

HEADINGS = ("scenario", "placed", "not placed", "memory moved", "mean access", "gap", "free")


def drawn(width: int, names: list[str], caption: str = "") -> str:
    """A table of a name and six figures, for a console of so many columns."""
    out = io.StringIO()
    table = new_table(*((heading, number > 0) for number, heading in enumerate(HEADINGS)))
    for name in names:
        table.add_row(*map(Text, (name, "1234", "56", "78 (910 GiB)", "10.21", "proven", "9 TiB")))
    table.caption = caption or None
    print_table(Console(file=out, width=width, color_system=None), table)
    return out.getvalue()


FIGURES = ("1234", "56", "78 (910 GiB)", "10.21", "proven", "9 TiB")


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 90, 100, 140])
def test_figures_stay_whole_and_headings_break_between_words_alone(width: int) -> None:
    text = drawn(width, ["fail server-17", "all hosts of the second room fail"])
    lines = text.splitlines()
    assert all(len(line) <= width for line in lines)
    for figure in FIGURES:
        assert len(re.findall(rf"(?<!\\S){re.escape(figure)}(?!\\S)", text)) == 2
    words = set(text.split())
    assert words >= {word for heading in HEADINGS for word in heading.split()}
    assert words >= {"fail", "server-17", "hosts", "second", "room"}


def test_a_name_that_is_too_long_is_folded_not_cut() -> None:
    name = "x" * 50 + "y"
    text = drawn(80, [name])
    assert text.count("x") + text.count("y") == len(name) + "memory moved".count("y")
    assert all(len(line) <= 80 for line in text.splitlines())


def test_columns_that_have_no_room_follow_below_with_the_first_one_again() -> None:
    first, second = drawn(40, ["one", "two"], caption="and 7 more").split("\n\n")
    assert "one" in first
    assert "one" in second
    assert "and 7 more" not in first
    assert "and 7 more" in second


def test_what_has_room_is_drawn_in_one_line_each() -> None:
    assert len(drawn(100, ["one", "two"]).splitlines()) == 4


def row(name: str, **cells: object) -> Cells:
    found = {
        "scenario": name, "status": "optimal", "num_placed": 384, "num_unplaced": 0,
        "num_moved": 28, "moved_pages": 448 << 18, "cost_slit_per_640000": 1000,
        "cost_gap": 0.0, "mean_access_distance_slit": 10.2061, "usable_pages": 97 << 25, **cells,
    }  # fmt: skip
    return tuple(str(found.get(column, "")) for column in SCENARIO_COLUMNS)


def test_what_if_results_are_whole_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_module, "WIDTH", 80)
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding="utf-8")
    show_scenarios([row("base"), row("fail nps4-00"), row("fail nps4-01")], out)
    out.flush()
    lines = data.getvalue().decode().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[-6:] for line in lines[-2:]] == [
        ["10.21", "+0.0", "%", "proven", "12.1", "TiB"],
        ["10.21", "+0.0", "%", "proven", "12.1", "TiB"],
    ]
    assert lines[-1].startswith("fail nps4-01 ")
