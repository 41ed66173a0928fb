from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from placer import aside
from placer.errors import InputError
from placer.report.folder import refuse_unless_replaceable, run_files, write_run
from placer.run import LOG_FILE, RUN_FILES, SUMS_FILE, Run, read_run
from tests import sample_runs
from tests.builders import make_domain, make_host, make_problem
from tests.export.runs import rc9_run, renamed
from tests.strategies import tiny_problem


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("run", [sample_runs.rc9, sample_runs.impossible, sample_runs.unrealised])
def test_a_folder_holds_every_file_of_a_run_and_no_other(
    run: Callable[[], Run], tmp_path: Path
) -> None:
    write_run(tmp_path / "run", run(), log={"seconds": 1.0})
    assert set(names(tmp_path / "run")) == RUN_FILES
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 8])
def test_equal_questions_give_equal_bytes_but_for_the_log(seed: int, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run = sample_runs.solved(tiny_problem(seed))
        write_run(tmp_path / name, run, log={"name": name})
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one.pop(LOG_FILE) != two.pop(LOG_FILE)
    for files in (one, two):
        sums = files[SUMS_FILE].splitlines()
        assert len(sums) == len(RUN_FILES) - 1
        files[SUMS_FILE] = b"\n".join(line for line in sums if LOG_FILE.encode() not in line)
    assert one == two


def test_the_sums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    write_run(tmp_path / "run", renamed(rc9_run(), "gäste"), log={"seconds": 1.0})
    command = ["sha256sum", "--check", "--strict", "--quiet", SUMS_FILE]
    assert subprocess.run(command, cwd=tmp_path / "run", check=False).returncode == 0
    (tmp_path / "run" / LOG_FILE).write_text("{}", encoding="utf-8")
    assert subprocess.run(command, cwd=tmp_path / "run", check=False).returncode == 1


def test_files_are_utf_8_with_line_feeds(tmp_path: Path) -> None:
    run = renamed(rc9_run(), 'gäste, "alle"')
    write_run(tmp_path / "run", run, log={})
    for name, data in contents(tmp_path / "run").items():
        assert b"\r" not in data, name
        assert data.endswith(b"\n"), name
        data.decode("utf-8")
    assert '"gäste, ""alle""",heatpipe' in (tmp_path / "run" / "domains.csv").read_text("utf-8")
    assert read_run(tmp_path / "run") == run


def test_a_run_is_replaced_by_a_run(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    write_run(tmp_path / "run", sample_runs.rcbig(), log={})
    assert read_run(tmp_path / "run") == sample_runs.rcbig()
    assert names(tmp_path) == ["run"]


def make_notes(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("mine", encoding="utf-8")


def make_run_with_notes(path: Path) -> None:
    write_run(path, sample_runs.rc9(), log={})
    (path / "notes.txt").write_text("mine", encoding="utf-8")


def make_link_to_run(path: Path) -> None:
    write_run(path.parent / "elsewhere", sample_runs.rc9(), log={})
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (make_notes, "no run"),
        (make_run_with_notes, "'notes.txt' as well"),
        (Path.touch, "no folder"),
        (make_link_to_run, "a symbolic link"),
        (lambda path: path.symlink_to("nowhere"), "a symbolic link"),
    ],
)
def test_what_is_not_a_run_alone_is_never_replaced(
    make: Callable[[Path], object], found: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    make(target)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with pytest.raises(InputError, match=found):
        refuse_unless_replaceable(target)
    with pytest.raises(InputError, match=found):
        write_run(target, sample_runs.rcbig(), log={})
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_an_empty_folder_becomes_the_run_and_is_as_private_as_before(
    mode: int, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(mode)
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    assert read_run(tmp_path / "run") == sample_runs.rc9()
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == mode
    assert names(tmp_path) == ["run"]


def test_what_comes_into_an_empty_folder_at_the_last_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "run"
    target.mkdir()
    rename = Path.rename

    def late(self: Path, to: Path) -> Path:
        (to / "notes.txt").write_text("mine", encoding="utf-8")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(InputError, match="no run"):
        write_run(target, sample_runs.rc9(), log={})
    assert names(tmp_path) == ["run"]
    assert names(target) == ["notes.txt"]


def test_a_folder_that_was_empty_is_so_again_where_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "run"
    target.mkdir(mode=0o700)

    def fail(folder: Path) -> None:
        if folder == tmp_path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("placer.aside.sync_folder", fail)
    with pytest.raises(InputError, match="input/output error"):
        write_run(target, sample_runs.rc9(), log={})
    assert names(tmp_path) == ["run"]
    assert names(target) == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o700


def test_the_working_folder_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    monkeypatch.chdir(tmp_path / "run")
    for folder in (Path(), tmp_path / "run"):
        with pytest.raises(InputError, match="found the working folder"):
            refuse_unless_replaceable(folder)


@pytest.mark.parametrize("name", ["x" * 256, "\N{LATIN SMALL LETTER A WITH DIAERESIS}" * 128])
@pytest.mark.parametrize("parent", [".", "new"])
def test_a_name_that_no_folder_can_have_is_told_beforehand(
    name: str, parent: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--out: found a name of 256 bytes, expected 255 at most"):
        refuse_unless_replaceable(tmp_path / parent / name)
    assert names(tmp_path) == []


def test_parent_folders_are_made(tmp_path: Path) -> None:
    write_run(tmp_path / "a" / "b" / "run", sample_runs.rc9(), log={})
    assert set(names(tmp_path / "a" / "b" / "run")) == RUN_FILES


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--out"):
        write_run(tmp_path / "file" / "run", sample_runs.rc9(), log={})


@pytest.mark.parametrize("calls_before", range(0, 16, 3))
def test_a_failure_on_the_way_leaves_the_run_that_was_there(
    calls_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    before = contents(tmp_path / "run")
    calls = 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > calls_before:
            raise OSError(28, "No space left on device")

    if calls_before < len(RUN_FILES) + 1:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="no space left"):
            write_run(tmp_path / "run", sample_runs.rcbig(), log={})
        assert contents(tmp_path / "run") == before
    assert names(tmp_path) == ["run"]


def refuse_to_exchange(old: Path, new: Path, flags: int) -> None:
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(old))


def test_an_interrupt_between_the_renames_leaves_the_run_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where two names cannot be exchanged at once, the earlier run is put aside first.
    monkeypatch.setattr(aside, "_renameat2", refuse_to_exchange)
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    before = contents(tmp_path / "run")
    rename = Path.rename
    calls = 0

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_run(tmp_path / "run", sample_runs.rcbig(), log={})
    assert contents(tmp_path / "run") == before
    assert names(tmp_path) == ["run"]


def test_the_folder_has_the_rights_of_any_new_folder(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    (tmp_path / "plain").mkdir()
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert rights["run"] == rights["plain"]


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "a/b", "..", "nul\n", "-rf"])
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    host = make_host([8192], name=name)
    run = sample_runs.solved(make_problem(host, make_domain([512], name=name)))
    (tmp_path / "inner").mkdir()
    write_run(tmp_path / "inner" / "run", run, log={})
    assert names(tmp_path) == ["inner"]
    assert names(tmp_path / "inner") == ["run"]
    assert set(names(tmp_path / "inner" / "run")) == RUN_FILES
    assert read_run(tmp_path / "inner" / "run") == run


def test_the_wall_clock_is_in_no_file_but_the_log() -> None:
    run = sample_runs.rc9()
    levels = tuple(replace(level, seconds=12345.678) for level in run.result.levels)
    slower = replace(run, result=replace(run.result, levels=levels))
    assert run_files(slower) == run_files(run)
    assert LOG_FILE not in run_files(run)
