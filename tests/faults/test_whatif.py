"""What-if folders: whatever ends a sweep, what it had is kept, and the same command goes on."""

from __future__ import annotations

import csv
import errno
import io
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from placer.report.whatif_folder import DOMAINS_FILE, PNODES_FILE, SCENARIOS_FILE
from tests.cli.program import start_placer
from tests.faults.program import (
    FAIL,
    FAIL_ON,
    KILL,
    SIGNAL,
    WORDS,
    Ended,
    Fault,
    Program,
    leftovers,
)
from tests.faults.writes import WHATIFS, Write, content

FEW = 4
ERRORS = "open write mkdir rename fsync truncate"


class Asked:
    """One question, with its answers where nothing disturbs it."""

    def __init__(self, program: Program, given: Path, room: Path, write: Write) -> None:
        self.program = program
        self.room = room
        self.target = room / write.name
        self.earlier = write.earlier(given, self.target)
        self.arguments = [*write.later(given, self.target), "--engine", "serial", "--replace"]
        ended = program.run(self.arguments, room)
        assert ended.code in (0, 5), ended.err
        self.calls = ended.calls
        self.whole = content(self.target)
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.target, ignore_errors=True)

    def run(self, fault: Fault = Fault()) -> Ended:  # noqa: B008 - a frozen value
        return self.program.run(self.arguments, self.room, fault)

    def finished(self) -> list[str]:
        """The whole rows of the scenarios that are there."""
        path = self.target / SCENARIOS_FILE
        text = path.read_bytes() if path.is_file() else b""
        return [line.decode() for line in text.splitlines(keepends=True)[1:] if line[-1:] == b"\n"]

    def goes_on(self) -> None:
        """Assert that the same command keeps what is finished, and ends as if undisturbed."""
        kept = self.finished()
        ended = self.run()
        assert ended.code in (0, 5), ended.err
        # A row that is there is not written to the file again, but where the files are begun
        # anew and put in order: no scenario is solved twice.
        appended = sum(call.startswith("write") for call in ended.calls)
        assert appended <= 3 * (self.scenarios - len(kept)) + self.rewrites, (appended, len(kept))
        assert content(self.target) == self.whole
        assert sorted(path.name for path in self.room.iterdir()) == [self.target.name]
        assert leftovers(self.room) == []

    @property
    def scenarios(self) -> int:
        assert self.whole is not None
        rows = self.whole[SCENARIOS_FILE]
        assert rows is not None
        return rows.count(b"\n") - 1

    rewrites = 8
    """Writes of the three files' beginnings and ends, and of the curve."""


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(one, id=one.key, marks=() if one.key == "whatif-run" else pytest.mark.slow)
        for one in WHATIFS
    ],
)
def asked(
    request: pytest.FixtureRequest,
    program: Program,
    given: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Asked:
    return Asked(program, given, tmp_path_factory.mktemp("whatif"), request.param)


def points(calls: tuple[str, ...], number: int) -> list[int]:
    last = len(calls) - 1
    return [1 + last * place // (number - 1) for place in range(number)]


def test_a_killed_question_goes_on_with_what_it_had(
    asked: Asked, tried: Callable[..., None]
) -> None:
    for when in points(asked.calls, 3 * FEW):
        asked.remove()
        assert asked.run(Fault(action=KILL, when=when)).code == -signal.SIGKILL
        asked.goes_on()
    tried("killed-whatif", 3 * FEW)


@pytest.mark.slow
def test_a_question_killed_again_and_again_ends_all_the_same(
    asked: Asked, tried: Callable[..., None]
) -> None:
    chosen = random.Random(len(asked.calls))
    kills = 16
    asked.remove()
    for number in range(kills):
        before = asked.finished()
        asked.run(Fault(action=KILL, when=chosen.randrange(1, 12 + number)))
        assert set(before) <= set(asked.finished())
    asked.goes_on()
    tried("killed-whatif", kills)


@pytest.mark.parametrize(
    ("number", "action"), [(errno.ENOSPC, FAIL_ON), (errno.EIO, FAIL), (errno.EROFS, FAIL)]
)
def test_an_error_is_told_and_what_was_finished_stays(
    asked: Asked, number: int, action: int, tried: Callable[..., None]
) -> None:
    for when in points(asked.calls, FEW):
        asked.remove()
        ended = asked.run(Fault(action=action, number=number, when=when, calls=ERRORS))
        if ended.code != 2:  # fewer such calls than calls
            assert content(asked.target) == asked.whole
            continue
        assert ended.err.count("error:") == 1
        assert str(asked.target) in ended.err
        assert f"found {WORDS[number]}" in ended.err
        assert leftovers(asked.room) == []
        asked.goes_on() if asked.target.exists() else asked.remove()
    tried("failed-whatif", FEW)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_question_goes_on(
    asked: Asked, kind: signal.Signals, tried: Callable[..., None]
) -> None:
    for when in points(asked.calls, FEW):
        asked.remove()
        ended = asked.run(Fault(action=SIGNAL, number=kind, when=when))
        assert (ended.code, ended.err) == (130, "")
        asked.goes_on()
    tried("interrupted-write", FEW)


def test_two_questions_at_once_do_not_mix(asked: Asked, tried: Callable[..., None]) -> None:
    for _ in range(FEW):
        asked.remove()
        both = asked.program.run_together([asked.arguments] * 2, asked.room)
        codes = sorted(ended.code for ended in both)
        assert codes[0] in (0, 2, 5)
        for ended in both:
            if ended.code == 2:
                assert "another process is writing, expected one at a time" in ended.err
        assert any(ended.code in (0, 5) for ended in both)
        assert content(asked.target) == asked.whole
    tried("two-at-once", FEW)


def test_a_run_and_a_question_do_not_share_a_folder(
    program: Program, given: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    target = tmp_path / "target"
    for _ in range(FEW):
        shutil.rmtree(target, ignore_errors=True)
        both = program.run_together(
            [
                ["balloon", given / "one", "--target", "768MiB", "--out", target],
                ["whatif", "run", given / "first.toml", "--base", given / "base", "--out", target],
            ],
            tmp_path,
        )
        names = {path.name for path in target.iterdir()}
        assert (SCENARIOS_FILE in names) + ("placement.json" in names) == 1
        assert sorted(ended.code for ended in both) == [0, 2], both
        assert leftovers(tmp_path) == []
    tried("two-at-once", FEW)


SWEEP = "".join(
    f'[[scenario]]\nname = "s{n}"\nsolve = "fresh"\n'
    f'changes = [{{ op = "set-host", host = "*", overcommit = {1 + n / 100} }}]\n'
    for n in range(24)
)


@pytest.fixture(scope="module")
def sweep(given: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file of two dozen scenarios, and the folder of their answers."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "sweep.toml").write_text(SWEEP, encoding="utf-8")
    return folder / "sweep.toml", folder / "whole"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["serial", "threads", "processes"])
def test_kills_at_any_time_lose_no_finished_scenario(
    program: Program,
    given: Path,
    sweep: tuple[Path, Path],
    tmp_path: Path,
    engine: str,
    tried: Callable[..., None],
) -> None:
    file, whole = sweep
    plain = ["whatif", "run", file, "--base", given / "base", "--workers", 2, "--quiet", "--out"]
    if not whole.exists():
        assert program.run([*plain, whole], tmp_path).code == 0
    chosen = random.Random(engine)
    target = tmp_path / "target"
    kept: set[bytes] = set()
    kills = 12 if engine != "processes" else 4
    for _ in range(kills):
        delay = chosen.uniform(0.05, 0.6 if engine != "processes" else 4)
        program.run([*plain, target, "--engine", engine], tmp_path, Fault(kill_after=delay))
        path = target / SCENARIOS_FILE
        lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
        now = {line for line in lines if line.endswith(b"\n")}
        assert kept <= now
        kept = now
    assert program.run([*plain, target, "--engine", engine], tmp_path).code == 0
    assert content(target) == content(whole)
    assert leftovers(tmp_path) == []
    tried("killed-whatif", kills)


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(
    program: Program,
    given: Path,
    sweep: tuple[Path, Path],
    tmp_path: Path,
    tried: Callable[..., None],
) -> None:
    file, whole = sweep
    plain = ["whatif", "run", file, "--base", given / "base", "--workers", 2, "--quiet", "--out"]
    if not whole.exists():
        assert program.run([*plain, whole], tmp_path).code == 0
    target = tmp_path / "target"
    with start_placer([*plain, target, "--engine", "processes"]) as process:
        os.kill(_workers(process, target)[0], signal.SIGKILL)
        _, told = process.communicate(timeout=300)
    assert (process.returncode, told) == (0, "")
    assert content(target) == content(whole)
    tried("killed-worker", 1)


@pytest.mark.slow
def test_workers_end_with_the_process_that_asks(
    given: Path, sweep: tuple[Path, Path], tmp_path: Path, tried: Callable[..., None]
) -> None:
    target = tmp_path / "target"
    arguments = ["whatif", "run", sweep[0], "--base", given / "base", "--out", target]
    with start_placer([*arguments, "--engine", "processes", "--workers", 2]) as process:
        workers = _workers(process, target)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)  # ends once nobody has the outputs any more
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists() and _command(pid)] == []
    tried("killed-worker", 1)


def _workers(process: subprocess.Popen[str], target: Path) -> list[int]:
    """Wait for the first rows; return the worker processes."""
    rows = target / SCENARIOS_FILE
    while process.poll() is None and not (rows.is_file() and rows.read_bytes().count(b"\n") > 2):
        time.sleep(0.01)
    found = [pid for pid in _children(process.pid) if b"spawn_main" in _command(pid)]
    assert found
    return found


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(word) for word in text.split()]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_torn_row_is_solved_again(asked: Asked, tried: Callable[..., None]) -> None:
    assert asked.whole is not None
    for name in (SCENARIOS_FILE, DOMAINS_FILE, PNODES_FILE):
        for cut in (1, 2, 7, 30):
            asked.remove()
            asked.target.mkdir()
            for file, data in asked.whole.items():
                assert data is not None
                # The row of a scenario is written last: what of the others is torn has none.
                rows = data.splitlines(keepends=True)
                left = data[:-cut] if file == name else data
                if file == SCENARIOS_FILE and name != SCENARIOS_FILE:
                    left = b"".join(rows[: 1 + _scenarios_before_the_last(asked, name)])
                (asked.target / file).write_bytes(left)
            asked.goes_on()
    tried("torn-row", 12)


def _scenarios_before_the_last(asked: Asked, name: str) -> int:
    """How many scenarios, in order, come before the last one that has rows in that file."""
    assert asked.whole is not None
    last = _names(asked.whole[name])[-1]
    return _names(asked.whole[SCENARIOS_FILE]).index(last)


def _names(data: bytes | None) -> list[str]:
    assert data is not None
    return [row[0] for row in csv.reader(io.StringIO(data.decode(), newline=""))][1:]
