"""Writes are all or nothing: killed, refused or interrupted at any call, the earlier or the new."""

from __future__ import annotations

import errno
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from placer.run import RUN_FILES
from tests.faults.program import (
    FAIL,
    FAIL_ON,
    KILL,
    NONE,
    SIGNAL,
    WORDS,
    Ended,
    Fault,
    Program,
    leftovers,
    tree,
)
from tests.faults.writes import HOST, WHATIFS, WRITES, Write, content

FEW = 3
"""Points at which a write is tried in the fast suite, and four times as many for a run."""

CLEARING = ("unlink", "rmdir")


@dataclass
class Tried:
    """One write with its earlier and later state; ``room`` is the folder that holds the target."""

    program: Program
    given: Path
    room: Path
    write: Write

    def __post_init__(self) -> None:
        self.target = self.room / self.write.name
        self.kept = self.room.with_name(f"{self.room.name}-kept")
        self.later_arguments = self.write.later(self.given, self.target)
        assert self.program.run(self.later_arguments, self.room).code in (0, 5)
        self.later = content(self.target)
        self._remove()
        self.calls_anew = self.program.run(self.later_arguments, self.room).calls
        self._remove()
        assert self.program.run(self.write.earlier(self.given, self.target), self.room).code in (
            0,
            5,
        )
        self.earlier = content(self.target)
        assert self.earlier is not None
        assert self.earlier != self.later
        self._copy(self.target, self.kept)
        self.calls = self.run(NONE).calls

    def run(self, fault: Fault, *, anew: bool = False) -> Ended:
        """Write the later over the earlier state, or ``anew``, with a fault."""
        self._remove()
        if not anew:
            self._copy(self.kept, self.target)
        return self.program.run(self.later_arguments, self.room, fault)

    def again(self) -> None:
        """Write once more, without a fault: the later state must be there, and nothing else."""
        assert self.program.run(self.later_arguments, self.room).code in (0, 5)
        assert content(self.target) == self.later
        assert sorted(path.name for path in self.room.iterdir()) == [self.write.name]
        assert leftovers(self.room) == []

    def check_whole(self, state: object, *, anew: bool = False, deeply: bool = True) -> None:
        """Assert that the earlier or the later state is there, and ``deeply`` that a run checks."""
        assert state in ((None, self.later) if anew else (self.earlier, self.later))
        assert {path.name for path in self.room.iterdir()} - {self.write.name} <= {
            Path(name).name for name in leftovers(self.room)
        }
        if deeply and self.write.is_run() and state is not None:
            ended = self.program.run(["check", self.target], self.room)
            assert (ended.code, "all agree" in ended.out) == (0, True), ended.err
            assert {path.name for path in self.target.iterdir()} == RUN_FILES

    def check_refused(self, ended: Ended, number: int, at: str = "") -> None:
        """Assert one clear message, the earlier state as it was, and no litter."""
        assert (ended.code, ended.out) == (2, ""), (at, ended)
        assert str(self.target) in ended.err, at
        assert f"found {WORDS[number]}" in ended.err, at
        assert [line[:6] for line in ended.err.splitlines() if line[:8] != "warning:"] == ["error:"]
        assert content(self.target) == self.earlier, at
        assert sorted(path.name for path in self.room.iterdir()) == [self.write.name], at
        assert leftovers(self.room) == [], at

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    def _remove(self) -> None:
        for path in self.room.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


QUICK = ("place", "export-all", "heap")
"""Those of the fast suite: a run, a folder and a file."""


def tried_of(
    request: pytest.FixtureRequest, program: Program, given: Path, rooms: pytest.TempPathFactory
) -> Tried:
    key = request.param.key
    if key not in TRIED:
        TRIED[key] = Tried(program, given, rooms.mktemp("room"), request.param)
    return TRIED[key]


TRIED: dict[str, Tried] = {}


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(one, id=one.key, marks=() if one.key in QUICK else pytest.mark.slow)
        for one in WRITES
    ],
)
def write(
    request: pytest.FixtureRequest,
    program: Program,
    given: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Tried:
    """Every write; those that are not `QUICK` in the slow suite."""
    return tried_of(request, program, given, tmp_path_factory)


@pytest.fixture(
    scope="session", params=[pytest.param(one, id=one.key) for one in WRITES if one.key in QUICK]
)
def quick(
    request: pytest.FixtureRequest,
    program: Program,
    given: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Tried:
    """The `QUICK` writes alone: where the slow suite tries every call of every write anyway."""
    return tried_of(request, program, given, tmp_path_factory)


def some(calls: tuple[str, ...], number: int) -> list[int]:
    """Return so many points among the calls, from the first to the last."""
    last = len(calls) - 1
    assert last + 1 >= number
    return [1 + last * place // (number - 1) for place in range(number)]


def few_for(write: Tried) -> int:
    return 4 * FEW if write.write.key == "place" else FEW


def test_every_option_that_writes_is_in_the_table() -> None:
    from typer.main import get_command

    from placer.cli.main import app

    found = set()
    commands = [((), get_command(app))]
    while commands:
        names, command = commands.pop()
        for name, inner in getattr(command, "commands", {}).items():
            commands.append(((*names, name), inner))
        for option in command.params:
            text = (getattr(option, "help", "") or "").lower()
            if text.startswith(("write", "save", "where to", "a file", "the file")):
                found.add((" ".join(names), option.opts[0]))
    assert found == {write.option for write in (*WRITES, *WHATIFS)}


def test_a_killed_write_leaves_the_earlier_or_the_new(
    quick: Tried, tried: Callable[..., None]
) -> None:
    points = some(quick.calls, few_for(quick))
    for when in points:
        assert quick.run(Fault(action=KILL, when=when)).code == -signal.SIGKILL
        quick.check_whole(content(quick.target))
    quick.again()
    tried("killed-write", len(points))


@pytest.mark.slow
def test_a_write_killed_at_any_call_leaves_the_earlier_or_the_new(
    write: Tried, tried: Callable[..., None]
) -> None:
    for when in range(1, len(write.calls) + 1):
        assert write.run(Fault(action=KILL, when=when)).code == -signal.SIGKILL
        write.check_whole(content(write.target), deeply=when % 5 == 0)
        if when % 5 == 0:
            write.again()
    for when in range(1, len(write.calls_anew) + 1, 2):
        assert write.run(Fault(action=KILL, when=when), anew=True).code == -signal.SIGKILL
        write.check_whole(content(write.target), anew=True, deeply=when % 5 == 0)
    write.again()
    tried("killed-write", len(write.calls) + (len(write.calls_anew) + 1) // 2)


def test_a_full_disk_leaves_the_earlier(quick: Tried, tried: Callable[..., None]) -> None:
    number = sum(not call.startswith(CLEARING) for call in quick.calls)
    points = some(quick.calls[:number], few_for(quick))
    for when in points:
        for code, action in ((errno.ENOSPC, FAIL_ON), (errno.EACCES, FAIL)):
            fault = Fault(action=action, number=code, when=when, calls="open write mkdir rename")
            check_failed(quick, quick.run(fault), code)
    tried("failed-write", 2 * len(points))


def check_failed(write: Tried, ended: Ended, number: int, at: str = "") -> None:
    if ended.code in (0, 5):  # the fault befell what is removed afterwards, or nothing
        assert content(write.target) == write.later, at
        write.again()
    else:
        write.check_refused(ended, number, at)


@pytest.mark.slow
def test_an_error_at_any_call_leaves_the_earlier_with_one_message(
    write: Tried, tried: Callable[..., None]
) -> None:
    numbers = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)
    points = range(1, len(write.calls) + 1, 3 if len(write.calls) > 40 else 1)
    for when in points:
        number = numbers[when % len(numbers)]
        ended = write.run(Fault(action=FAIL, number=number, when=when))
        check_failed(write, ended, number, write.calls[when - 1])
    tried("failed-write", len(points))


def test_a_read_only_folder_is_left_as_it_was(write: Tried, tried: Callable[..., None]) -> None:
    ended = write.run(Fault(action=FAIL_ON, number=errno.EROFS, when=1))
    write.check_refused(ended, errno.EROFS)
    tried("read-only-folder", 1)


def test_a_file_that_may_not_grow_is_left_as_it_was(
    write: Tried, tried: Callable[..., None]
) -> None:
    size = max(len(data) for data in (write.later or {}).values() if data is not None)
    for limit in (0, 100, 1000):
        ended = write.run(Fault(file_limit=min(limit, size - 1)))
        write.check_refused(ended, errno.EFBIG)
    tried("file-limit", 3)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_write_leaves_the_earlier_or_the_new(
    write: Tried, kind: signal.Signals, tried: Callable[..., None]
) -> None:
    points = some(write.calls, FEW)
    for when in points:
        ended = write.run(Fault(action=SIGNAL, number=kind, when=when))
        assert ended.code == 130
        assert all(line.startswith("warning:") for line in ended.err.splitlines())
        write.check_whole(content(write.target))
    write.again()
    tried("interrupted-write", len(points))


def test_names_that_cannot_be_exchanged_are_renamed_and_put_right(
    write: Tried, tried: Callable[..., None]
) -> None:
    fault = Fault(no_exchange=True)
    assert write.run(fault).code == 0
    calls = write.run(fault).calls
    renames = [when for when, call in enumerate(calls, start=1) if call.startswith("rename")]
    for when in renames:
        for after in (0, 1):
            killed = Fault(action=KILL, when=min(when + after, len(calls)), no_exchange=True)
            assert write.run(killed).code == -signal.SIGKILL
            if write.write.is_run():
                # Reading it is enough: a run that was put aside has its name again.
                ended = write.program.run(["check", write.target], write.room)
                assert (ended.code, "all agree" in ended.out) == (0, True), ended.err
                write.check_whole(content(write.target))
            write.again()
    tried("killed-write", 2 * len(renames))


def test_two_at_once_do_not_mix(write: Tried, tried: Callable[..., None]) -> None:
    arguments = [write.write.earlier(write.given, write.target), write.later_arguments]
    for number in range(4):
        write.run(NONE, anew=bool(number % 2))
        both = write.program.run_together(arguments, write.room)
        assert all(ended.code in (0, 5) for ended in both), both
        assert content(write.target) in (write.earlier, write.later)
        assert leftovers(write.room) == []
    tried("two-at-once", 4)


def test_an_empty_folder_is_empty_or_the_whole_run(
    program: Program, given: Path, tmp_path: Path
) -> None:
    target = tmp_path / "run"
    place = ["place", given / "a.cfg", "--host", HOST, "--out", target, "--quiet"]
    target.mkdir()
    calls = program.run(place, tmp_path).calls
    whole = tree(target).keys()
    renames = [at for at, call in enumerate(calls, start=1) if call.startswith("rename")]
    for when in (1, len(calls) // 2, *renames, *(at + 1 for at in renames)):
        shutil.rmtree(target)
        target.mkdir()
        assert program.run(place, tmp_path, Fault(action=KILL, when=when)).code == -signal.SIGKILL
        assert target.is_dir()
        assert tree(target).keys() in ({}.keys(), whole)
        assert program.run(place, tmp_path).code == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_folder_with_other_things_keeps_them(
    program: Program, given: Path, tmp_path: Path
) -> None:
    target = tmp_path / "mixed"
    target.mkdir()
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    first, second = (["report", given / name, "--csv", target] for name in ("one", "two"))
    assert program.run(first, tmp_path).code == 0
    earlier = tree(target)
    calls = program.run(second, tmp_path).calls
    later = tree(target)
    assert earlier["notes.txt"] == later["notes.txt"] == b"mine"
    for when in (1, len(calls) // 2, calls.index(next(c for c in calls if c.startswith("rename")))):
        assert program.run(first, tmp_path).code == 0
        ended = program.run(second, tmp_path, Fault(action=FAIL, number=errno.ENOSPC, when=when))
        assert (ended.code, tree(target)) == (2, earlier)
        assert leftovers(tmp_path) == []
        assert program.run(second, tmp_path, Fault(action=KILL, when=when)).code == -signal.SIGKILL
        assert program.run(second, tmp_path).code == 0
        assert tree(target) == later
