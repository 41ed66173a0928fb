"""Every option of every command with values that it cannot have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from placer.cli.defaults import commands_of, options_of
from placer.cli.main import app
from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import HOST, Ended, run_placer

COMMANDS: dict[str, Any] = dict(commands_of(typer.main.get_command(app)))
NUMBERS = ("", " ", "nan", "-inf", "-1e999", "-1", "x", "0x10", "\udcff", "\x1b[31m5", "²")
"""What no number of an option is."""

HUGE = ("inf", "1e999", str(10**30), "1e30", "9" * 5000, "-" + "9" * 400)
TEXTS = ("", " ", "nan", "-1", "\x1b[31m\n", "\udcff", "a" * 5000, "../../x", "*", "0" * 400, "=")
WRITTEN = frozenset(
    {"out", "o", "output", "html", "csv", "pictures", "p2m", "orders", "save", "scheduler"}
)
"""Options that name what is written, where most texts are good, and an address to wait for."""


def _arguments(command: str, folder: Path) -> list[object]:
    """A good command line, but for the option that is tried."""
    cfg, run = folder / "a.cfg", folder / "run"
    lines: dict[str, list[object]] = {
        "place": ["place", cfg, "--host", HOST],
        "explain": ["explain", cfg, "--host", HOST],
        "check": ["check", run],
        "export": ["export", run, "--format", "xl"],
        "host": ["host", folder / "numactl.txt"],
        "heap": ["heap", HOST],
        "pages": ["pages", run],
        "verify": ["verify", run, "--seen", folder / "numactl.txt"],
        "balloon": ["balloon", run, "--target", "1GiB"],
        "report": ["report", run],
        "whatif run": ["whatif", "run", folder / "a.toml", "--base", run],
        "whatif fail-each": ["whatif", "fail-each", "--base", run],
        "whatif headroom": ["whatif", "headroom", "--base", run, "--vm", "memory:1GiB"],
        "whatif frontier": ["whatif", "frontier", "--base", run],
        "whatif sweep": ["whatif", "sweep", "--base", run, "--set", "hosts=1"],
        "whatif compare": ["whatif", "compare", run, run],
        "config show": ["config", "show"],
    }
    return lines[command]


def _takes(command: str, option: Any, value: str) -> bool:
    """Whether an option takes a value, as far as its type tells."""
    try:
        option.process_value(
            typer.Context(COMMANDS[command]), [value] if option.multiple else value
        )
    except typer.BadParameter:
        return False
    return True


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good files, and a scenario that is refused once all options were read."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "a.cfg").write_text('name = "a"\nmemory = 256\n')
    (folder / "a.toml").write_text("[[scenario]]\n")
    (folder / "numactl.txt").write_text(
        "available: 1 nodes (0)\nnode 0 cpus: 0 1\nnode 0 size: 1000 MB\nnode 0 free: 900 MB\n"
    )
    write_run(folder / "run", sample_runs.rc9(), log={})
    return folder


def assert_no_defect(ended: Ended, what: str) -> None:
    """No unexpected failure, and nothing that moves a terminal's cursor."""
    assert ended.code in (0, 2, 3, 4, 5), f"{what}: {ended}"
    assert "Traceback" not in ended.err, f"{what}: {ended}"
    for line in ended.err.splitlines():
        assert line.isprintable(), f"{what}: {ended}"


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_value_that_an_option_cannot_have_is_refused(
    command: str,
    good: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tried: Callable[..., None],
) -> None:
    monkeypatch.chdir(tmp_path)
    count = 0
    for name, option in options_of(COMMANDS[command]).items():
        if option.is_flag or name in WRITTEN:
            continue
        flag = max(option.opts, key=len)
        is_number = _takes(command, option, "1") and not _takes(command, option, "x")
        for value in (*NUMBERS, *HUGE) if is_number else TEXTS:
            ended = run_placer(*_arguments(command, good), f"{flag}={value}")
            assert_no_defect(ended, f"{command} {flag}={value[:20]!r}")
            if is_number and value in NUMBERS:
                assert ended.code == 2, f"{command} {flag}={value!r}: {ended}"
                assert ended.out == "", f"{command} {flag}={value!r}: {ended}"
            count += 1
    tried("option-values", count)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_value_is_refused_and_never_the_working_folder(
    command: str, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an unset variable of a shell gives it; the working folder is a run, and would do."""
    monkeypatch.chdir(good / "run")
    for option in COMMANDS[command].params:
        if option.is_eager or (option.param_type_name == "option" and option.is_flag):
            continue
        line = _arguments(command, good)
        if option.param_type_name == "option":
            line.append(f"{max(option.opts, key=len)}=")
        else:
            first = len(command.split())
            line[first : first + 1] = [""]
        ended = run_placer(*line)
        assert ended.code == 2, (line, ended)
        assert "found an empty text, expected " in ended.err, (line, ended)


def test_an_empty_value_in_a_settings_file_is_refused(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "placer.toml").write_text('[place]\nout = ""\n', encoding="utf-8")
    ended = run_placer("place", good / "a.cfg", "--host", HOST)
    assert ended.code == 2
    assert ended.err == "error: placer.toml:2: place.out: found '', expected DIR\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["\x1b[31m"],
        ["--\x1b[31m"],
        ["place", "--\x1b]0;title\x07"],
        ["check", "run", "\x1b[31m"],
        ["whatif", "\x1b[31m"],
        ["export", "run", "--format", "\x1b[31m"],
        ["place", "a.cfg", "--host", HOST, "--solver", "\x1b[31m"],
        ["\udcff"],
        ["config", "show", "\x1b[31m"],
    ],
    ids=repr,
)
def test_words_that_no_command_knows_reach_the_terminal_as_escapes(arguments: list[str]) -> None:
    ended = run_placer(*arguments)
    assert ended.code == 2
    assert_no_defect(ended, str(arguments))
