"""Defaults of options: a flag over the environment over placer.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from placer.cli.defaults import commands_of, options_of
from placer.cli.main import app
from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import run_placer

FILE = """
[place]
seed = 3

[defaults]
seed = 7
quiet = true

[whatif]
engine = "processes"
workers = 2

[whatif.run]
engine = "serial"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no defaults from elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PLACER_CONFIG", raising=False)
    return tmp_path


def shown(*arguments: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Option by option what ``placer config show`` says of its default and its source."""
    ended = run_placer("config", "show", *arguments)
    assert ended.code == 0, ended.err
    found = {}
    for line in ended.out.splitlines()[2:]:
        cells = [cell for cell in line.split("  ") if cell.strip()]
        if len(cells) == 4:
            command, option, value, source = (cell.strip() for cell in cells)
            found[command, option] = value, source
    return found


def test_the_narrowest_table_wins_whatever_the_order(here: Path) -> None:
    (here / "placer.toml").write_text(FILE, encoding="utf-8")
    found = shown()
    assert found["place", "seed"] == ("3", "placer.toml:3")
    assert found["explain", "seed"] == ("7", "placer.toml:6")
    assert found["whatif run", "engine"] == ("serial", "placer.toml:14")
    assert found["whatif sweep", "engine"] == ("processes", "placer.toml:10")
    assert found["report", "quiet"] == ("true", "placer.toml:7")


def test_the_environment_wins_over_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "placer.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("PLACER_WHATIF_RUN_ENGINE", "dask")
    found = shown("whatif", "run")
    assert found["whatif run", "engine"] == ("dask", "environment PLACER_WHATIF_RUN_ENGINE")
    assert {command for command, _ in found} == {"whatif run"}


def test_defaults_are_used_and_flags_win(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "d.toml").write_text(
        '[[domain]]\nname = "a"\nmemory = "1GiB"\nvcpus = 1\n', encoding="utf-8"
    )
    (here / "placer.toml").write_text(
        '[place]\nhost = ["pnode:1 core:2 memory:2GiB"]\nseed = 3\nout = "runs"\nquiet = true\n',
        encoding="utf-8",
    )

    def seed(*flags: str) -> str:
        ended = run_placer("place", "d.toml", *flags)
        assert (ended.code, ended.err) == (0, "")
        text = (here / "runs" / "placement.json").read_text(encoding="utf-8")
        return next(line.strip() for line in text.splitlines() if '"seed"' in line)

    assert seed() == '"seed": 3,'
    monkeypatch.setenv("PLACER_PLACE_SEED", "4")
    assert seed() == '"seed": 4,'
    assert seed("--seed", "5") == '"seed": 5,'


def test_a_file_is_named_by_the_environment_or_is_the_users_own(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = here / "home" / "placer" / "placer.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[place]\nseed = 1\n", encoding="utf-8")
    assert shown()["place", "seed"][0] == "1"
    (here / "placer.toml").write_text("[place]\nseed = 2\n", encoding="utf-8")
    assert shown()["place", "seed"][0] == "2"
    (here / "other.toml").write_text("[place]\nseed = 3\n", encoding="utf-8")
    monkeypatch.setenv("PLACER_CONFIG", "other.toml")
    assert shown()["place", "seed"][0] == "3"
    monkeypatch.setenv("PLACER_CONFIG", "gone.toml")
    assert run_placer("config", "show").code == 2


def test_what_nobody_sets_is_shown_on_demand() -> None:
    assert shown() == {}
    assert shown("--all")["whatif run", "engine"] == ("threads", "built in")


def test_every_fault_of_the_file_is_told(here: Path) -> None:
    (here / "placer.toml").write_text(
        '[plcae]\nseed = 1\n[place]\nsed = 1\nseed = "x"\nquiet = 3\nhost = "one"\n'
        "[defaults]\ncolour = 1\n[whatif]\nrun = 3\n",
        encoding="utf-8",
    )
    ended = run_placer("config", "show")
    assert ended.code == 2
    assert [line.partition(": ")[2] for line in ended.err.splitlines()] == [
        "placer.toml:1: plcae: found an unknown name, expected place?",
        "placer.toml:4: place.sed: found an unknown name, expected seed?",
        "placer.toml:5: place.seed: found 'x', expected a valid integer, "
        "unable to parse string as an integer",
        "placer.toml:6: place.quiet: found 3, expected true or false",
        "placer.toml:7: place.host: found 'one', expected a list",
        "placer.toml:11: whatif.run: found 3, expected a table",
        "placer.toml:9: defaults.colour: found an unknown name, expected an option of some command",
    ]


def test_a_faulty_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACER_PLACE_SEED", "many")
    ended = run_placer("config", "show")
    assert ended.code == 2
    assert ended.err.startswith("error: environment: PLACER_PLACE_SEED: found 'many'")


def test_a_choice_that_is_none_is_told_with_what_there_is(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACER_WHATIF_RUN_ENGINE", "foo")
    known = "expected one of 'serial', 'threads', 'processes', 'dask'\n"
    assert run_placer("config", "show").err == (
        f"error: environment: PLACER_WHATIF_RUN_ENGINE: found 'foo', {known}"
    )
    monkeypatch.delenv("PLACER_WHATIF_RUN_ENGINE")
    (here / "placer.toml").write_text('[whatif]\nengine = "foo"\n', encoding="utf-8")
    ended = run_placer("config", "show")
    assert ended.err.endswith(f"placer.toml:2: whatif.engine: found 'foo', {known}")


def test_a_variable_that_is_of_no_option_is_a_warning_with_what_is_like_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PLACE_TIME_LIMITT", "DEBG", "SERVICE_PORT", "VERSION", "XEN_CACHE", "TEST_MORE"):
        monkeypatch.setenv(f"PLACER_{name}", "3")
    ended = run_placer("config", "show")
    assert ended.code == 0
    before = "warning: environment: PLACER_"
    assert ended.err.splitlines() == [
        f"{before}DEBG: found an unknown name, expected PLACER_DEBUG?",
        f"{before}PLACE_TIME_LIMITT: found an unknown name, expected PLACER_PLACE_TIME_LIMIT?",
        f"{before}SERVICE_PORT: found an unknown name, expected PLACER_CONFIG or that of an option",
        f"{before}VERSION: found an unknown name, expected PLACER_CONFIG or that of an option",
    ]
    assert run_placer("place", "--help").err == ""


def test_the_variable_of_any_option_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACER_PLACE_TIME_LIMIT", "3")
    monkeypatch.setenv("PLACER_WHATIF_FAIL_EACH_PNODES", "true")
    monkeypatch.setenv("PLACER_DEBUG", "false")
    assert run_placer("config", "show").err == ""


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("place", "--help"), ("whatif", "--help"), ("check", "--help")],
)
def test_faulty_defaults_do_not_keep_help_away(
    arguments: tuple[str, ...], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run_placer(*arguments)
    (here / "placer.toml").write_text("[plcae]\nseed = 1\n", encoding="utf-8")
    assert run_placer(*arguments) == expected
    monkeypatch.setenv("PLACER_PLACE_SEED", "many")
    assert run_placer(*arguments) == expected
    assert expected.code == 0


def test_faulty_defaults_are_told_before_what_they_lead_to(here: Path) -> None:
    (here / "placer.toml").write_text('[place]\nhots = ["one.toml"]\n', encoding="utf-8")
    ended = run_placer("place", "domains.toml")
    assert ended.code == 2
    assert ended.err == "error: placer.toml:2: place.hots: found an unknown name, expected host?\n"


def test_help_shows_the_defaults_of_the_file(here: Path) -> None:
    (here / "placer.toml").write_text("[place]\nseed = 4711\n", encoding="utf-8")
    assert "4711" in run_placer("place", "--help").out


def test_every_switch_has_an_opposite() -> None:
    root: Any = typer.main.get_command(app)
    switches = {
        f"{name} --{key}": option.secondary_opts
        for name, command in (("", root), *commands_of(root))
        for key, option in options_of(command).items()
        if option.is_flag and not key.endswith("-completion")
    }
    assert len(switches) > 20
    assert [name for name, opposite in switches.items() if not opposite] == []


def test_a_flag_undoes_what_the_file_switches_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(here / "run", sample_runs.rc9(), log={})
    (here / "placer.toml").write_text("[defaults]\nquiet = true\njson = true\n", encoding="utf-8")
    report = ("report", "run", "--html", "page.html")
    assert run_placer(*report).err == ""
    assert run_placer(*report, "--no-quiet").err == "wrote page.html\n"
    assert run_placer("pages", "run").out.startswith("{")
    assert not run_placer("pages", "run", "--no-json").out.startswith("{")
    monkeypatch.setenv("PLACER_REPORT_QUIET", "false")
    assert run_placer(*report).err == "wrote page.html\n"


def test_a_command_that_is_not_there_is_told() -> None:
    ended = run_placer("config", "show", "plce")
    assert ended.code == 2
    assert "found 'plce', expected one of place" in ended.err
