"""``placer report`` as users run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import run_placer, spawn_placer


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


def test_the_option_of_a_file_that_cannot_be_written_is_named(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "file"
    for command, option in (
        (["report", run], "--html"),
        (["whatif", "compare", run, run], "--csv"),
        (["export", run, "--format", "xl"], "-o"),
        (["host", run], "-o"),
        (["heap", run], "--save"),
    ):
        ended = run_placer(*command, option, path)
        assert ended.code == 2
        assert f"error: {path}: {option}: found no such file" in ended.err


def test_a_dash_is_standard_output(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run_placer("report", run, "--html", "-", "--pictures", "charts")
    assert ended.code == 0
    assert ended.err == "wrote charts\n"
    assert run_placer("report", run, "--html", "page.html").out == ""
    assert ended.out == (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("option", ["--csv", "--pictures"])
def test_a_folder_of_results_is_not_written_into(run: Path, tmp_path: Path, option: str) -> None:
    answers = tmp_path / "n-1"
    run_placer("whatif", "fail-each", "--pnodes", "--base", run, "--out", answers)
    for folder, what in ((run, "a finished run"), (answers, "what-if results")):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        ended = run_placer("report", run, "--whatif", answers, option, folder)
        assert ended.code == 2
        assert ended.err == (
            f"error: {folder}: {option}: found {what}, expected a folder of its own\n"
        )
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_tables_are_written_anew_where_they_are(run: Path, tmp_path: Path) -> None:
    answers, tables = tmp_path / "n-1", tmp_path / "tables"
    run_placer("whatif", "fail-each", "--pnodes", "--base", run, "--out", answers)
    for _ in range(2):
        ended = run_placer("report", run, "--whatif", answers, "--csv", tables)
        assert (ended.code, ended.err) == (0, f"wrote {tables}\n")


@pytest.mark.parametrize("options", [(), ("--html", "page"), ("--csv", "tables")])
def test_results_of_another_base_are_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    answers, other = tmp_path / "n-1", tmp_path / "other"
    run_placer("whatif", "fail-each", "--pnodes", "--base", run, "--out", answers)
    write_run(other, sample_runs.rcbig(), log={})
    ended = run_placer("report", other, "--whatif", answers, *options)
    assert ended.code == 2
    assert ended.out == ""
    assert re.fullmatch(
        rf"error: {answers}/whatif.csv:2: base: found 1 domains, 1 placed, cost 30720000, "
        r"expected 1 domains, 1 placed, cost \d+, as in the run\n",
        ended.err,
    )
    assert {path.name for path in tmp_path.iterdir()} == {"monday", "tuesday", "n-1", "other"}


def test_runs_of_one_name_are_told_apart_by_their_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        write_run(tmp_path / folder / "run", sample_runs.rc9(), log={})
    page = run_placer("report", "a/run", "--compare", "b/run", "--html", "-").out
    assert "<h1>a/run</h1>" in page
    assert "Compared with b/run" in page


def test_without_a_home_to_write_to_a_page_is_drawn_without_a_word(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    page = tmp_path / "page.html"
    nowhere = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), "/dev/null")
    ended = spawn_placer("report", tmp_path / "run", "--html", page, MPLCONFIGDIR="", **nowhere)
    assert ended.code == 0
    assert ended.err == f"wrote {page}\n"
