"""What a person at a terminal sees: progress, colours, completion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.program import run_placer, spawn_placer, watch_placer

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HOST = "pnode:2 core:4 memory:8GiB distance:10,21"
DOMAINS = '[[domain]]\nname = "web"\nmemory = "1GiB"\nvcpus = 1\ncount = 4\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four domains, beside the file that they are from."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "domains.toml").write_text(DOMAINS, encoding="utf-8")
    ended = run_placer("place", folder / "domains.toml", "--host", HOST, "--out", folder / "run")
    assert ended.code == 0
    return folder / "run"


def test_progress_moves_at_a_terminal_and_leaves_nothing_behind(run: Path) -> None:
    ended = watch_placer("whatif", "fail-each", "--pnodes", "--base", run)
    assert "fail pnode" in ended.err
    assert "2/2" in ended.err
    assert ended.err.count("\r") > 1
    last = ESCAPES.sub("", ended.err.rsplit("\x1b[2K", 1)[-1])
    assert last.strip() == ""
    assert "fail pnode 1 of host" in ended.out
    assert "\x1b" not in ended.out


def test_no_color_is_honoured(run: Path) -> None:
    arguments = ("whatif", "fail-each", "--base", run)
    coloured = watch_placer(*arguments, NO_COLOR="")
    plain = watch_placer(*arguments, NO_COLOR="1")
    colours = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|38|9[0-7]|4[0-7])[0-9;]*m")
    assert colours.search(coloured.err)
    assert not colours.search(plain.err)


def test_quiet_means_quiet_at_a_terminal_too(run: Path) -> None:
    arguments = ("whatif", "fail-each", "--base", run)
    assert watch_placer(*arguments, "--quiet").err == ""
    assert watch_placer(*arguments, TERM="dumb").err == ""


READING = [
    ("check", "RUN"),
    ("report", "RUN"),
    ("report", "RUN", "--html", "page.html"),
    ("export", "RUN", "--format", "xl", "--all", "-o", "xl"),
    ("pages", "RUN", "--domain", "web-0"),
    ("heap", "RUN"),
    ("host", "RUN"),
    ("balloon", "RUN", "--domain", "web-0", "--target", "512MiB"),
    ("explain", "DOMAINS", "--host", "RUN"),
    ("place", "DOMAINS", "--host", "RUN"),
    ("whatif", "fail-each", "--base", "RUN"),
    ("whatif", "frontier", "--base", "RUN", "--max-moves", "1"),
    ("whatif", "sweep", "--base", "RUN", "--set", "overcommit=1.0,2.0"),
    ("whatif", "headroom", "--base", "RUN", "--vm", "memory:1GiB"),
    ("whatif", "compare", "RUN", "RUN"),
]


def given_for(run: Path, arguments: tuple[str, ...]) -> list[object]:
    """The arguments with the paths that stand for RUN and DOMAINS."""
    paths = {"RUN": run, "DOMAINS": run.parent / "domains.toml"}
    return [paths.get(argument, argument) for argument in arguments]


HELD = """
import pathlib, time
import placer.{module} as module
function = module.{function}
def held(*arguments, **named):
    for _ in range(2000):
        if pathlib.Path({go!r}).exists():
            return function(*arguments, **named)
        time.sleep(0.01)
    raise SystemExit("nothing moved")
module.{function} = held
"""


def watch_held(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: tuple[str, str],
    what: str,
    *arguments: object,
) -> str:
    """What is seen of a command whose function goes on once ``what`` was drawn several times."""
    go = folder / "go"
    module, function = where
    (folder / "sitecustomize.py").write_text(
        HELD.format(module=module, function=function, go=str(go)), encoding="utf-8"
    )
    monkeypatch.syspath_prepend(folder)

    def react(seen: bytes) -> None:
        if seen.count(what.encode()) > 5:
            go.touch()

    ended = watch_placer(*arguments, cwd=folder, react=react)
    assert go.exists(), ended.err
    assert "nothing moved" not in ended.err
    return ended.err


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_progress_moves_while_a_run_is_read(
    arguments: tuple[str, ...], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = given_for(run, arguments)
    watch_held(tmp_path, monkeypatch, ("run", "read_records"), "reading", *given)


def test_progress_moves_while_an_answer_is_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("place", run.parent / "domains.toml", "--host", HOST, "--out", "other")
    seen = watch_held(
        tmp_path, monkeypatch, ("report.folder", "write_run"), "writing other", *arguments
    )
    assert seen.index("reading") < seen.index("writing other")
    assert ESCAPES.sub("", seen).endswith("wrote other\r\n")


def test_warnings_stand_whole_above_the_progress(seed: Path) -> None:
    arguments = (
        "place", seed / "rcbig.cfg", "--host", seed / "heatpipe-before-rcbig.toml", "--fallback",
    )  # fmt: skip
    warnings = spawn_placer(*arguments).err.splitlines()
    seen = ESCAPES.sub("", watch_placer(*arguments).err)
    lines = [line.strip() for line in re.split(r"[\r\n]+", seen)]
    assert len(warnings) > 5
    assert [line for line in lines if line in warnings] == warnings


@pytest.mark.parametrize("arguments", READING[:4], ids=" ".join)
def test_commands_are_silent_where_nobody_watches_and_where_asked_to(
    arguments: tuple[str, ...], run: Path, tmp_path: Path
) -> None:
    given = given_for(run, arguments)
    watched = watch_placer(*given, "--quiet", cwd=tmp_path)
    unwatched = spawn_placer(*given, cwd=tmp_path)
    assert not [line for line in watched.err.splitlines() if not line.startswith("warning: ")]
    told = ("warning: ", "wrote ")
    assert not [line for line in unwatched.err.splitlines() if not line.startswith(told)]
    assert watched.out == unwatched.out


def completed(*words: str, cwd: Path | None = None) -> list[str]:
    """What bash is offered after ``placer`` and the words."""
    ended = spawn_placer(
        cwd=cwd,
        _PLACER_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(("placer", *words)),
        COMP_CWORD=str(len(words)),
    )
    return ended.out.split()


def test_shells_complete_formats_and_policies_and_files_beside_these(tmp_path: Path) -> None:
    (tmp_path / "spare.toml").touch()
    (tmp_path / "sparse.txt").touch()
    (tmp_path / "special").mkdir()
    (tmp_path / "special" / "own.toml").touch()
    assert completed("export", "run", "--format", "xl") == ["xl", "xl-v1"]
    assert completed("host", "--from", "num") == ["numactl"]
    policy = ("place", "d.toml", "--policy")
    assert completed(*policy, "sp", cwd=tmp_path) == ["spread", "spare.toml", "special/"]
    assert completed(*policy, "special/", cwd=tmp_path) == ["special/own.toml"]
    assert completed(*policy, "nowhere/", cwd=tmp_path) == []


def test_shells_complete_commands_and_options() -> None:
    assert completed("what") == ["whatif"]
    assert set(completed("whatif", "f")) == {"fail-each", "frontier"}
    assert "--html" in completed("report", "--h")
