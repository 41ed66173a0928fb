"""``placer report`` as users run it."""

from __future__ import annotations

from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import run_placer


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run in a folder."""
    write_run(tmp_path / "monday", sample_runs.rc9(), log={})
    write_run(tmp_path / "tuesday", sample_runs.rc9(), log={})
    return tmp_path / "monday"


def test_a_page_and_tables_are_written(run: Path, tmp_path: Path) -> None:
    page, tables = tmp_path / "page.html", tmp_path / "tables"
    other = tmp_path / "tuesday"
    ended = run_placer("report", run, "--html", page, "--csv", tables, "--compare", other)
    assert ended.code == 0
    assert ended.out == ""
    assert ended.err == f"wrote {page}\nwrote {tables}\n"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<h1>monday</h1>" in text
    assert "Compared with tuesday" in text
    assert "compare.csv" in {path.name for path in tables.iterdir()}


def test_without_a_file_the_run_is_shown_here(run: Path) -> None:
    ended = run_placer("report", run)
    assert ended.code == 0
    assert "proven optimal: 1 of 1 domains placed" in ended.out


def test_what_if_results_go_along(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "n-1"
    run_placer("whatif", "fail-each", "--pnodes", "--base", run, "--out", out)
    page, tables = tmp_path / "page.html", tmp_path / "tables"
    ended = run_placer("report", run, "--html", page, "--csv", tables, "--whatif", out)
    assert ended.code == 0, ended.err
    assert "fail pnode 0 of heatpipe" in page.read_text(encoding="utf-8")
    assert (tables / "whatif_pnodes.csv").is_file()
    charts = tmp_path / "charts"
    assert run_placer("report", run, "--whatif", out, "--pictures", charts).code == 0
    assert {p.name for p in charts.iterdir()} == {"hosts.svg", "distances-0.svg", "scenarios.svg"}
    assert all(fromstring(p.read_text(encoding="utf-8")).get("viewBox") for p in charts.iterdir())
    shown = run_placer("report", run, "--whatif", out)
    assert "fail pnode 1 of heatpipe" in shown.out


def test_wrong_input_is_told_and_nothing_written(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    for arguments, told in (
        ((tmp_path / "nowhere",), "no such folder"),
        ((run, "--compare", tmp_path / "nowhere"), "no such folder"),
        ((run, "--whatif", run), "found no whatif.csv"),
    ):
        ended = run_placer("report", *arguments, "--html", page)
        assert ended.code == 2
        assert told in ended.err
        assert not page.exists()
    (run / "whatif.csv").write_text("scenario,else\n", encoding="utf-8")
    ended = run_placer("report", tmp_path / "tuesday", "--whatif", run, "--html", page)
    assert ended.code == 2
    assert "whatif.csv:1: columns: found 2: scenario, else" in ended.err
