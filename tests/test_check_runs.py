"""Runs broken in every named way, their records written anew: `placer check` names the rule."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from placer.check import check_placement
from placer.record import format_json, record_frames, record_problem, record_result
from placer.report.folder import write_run
from placer.run import Run
from tests import sample_runs
from tests.breakings.answers import break_answer
from tests.breakings.frames import break_frames
from tests.breakings.moves import break_moves, moving, swapping
from tests.breakings.placements import auto_problem, break_placement
from tests.breakings.table import FRAMES, MOVES, TABLE
from tests.cli.program import run_placer
from tests.edited_runs import sum_again

pytestmark = pytest.mark.xdist_group("broken runs")

TIMES = 2
"""How many cases of each name go through the program."""


def valid_runs() -> Iterator[Run]:
    """Solved runs: drawn ones, in the end those that rarer features are in, and runs with moves."""
    for seed in range(4):
        yield swapping(seed)
        yield moving(seed)
        yield sample_runs.solved(auto_problem(seed))
    for seed in (*range(16), 21, 26, 30, 33, 42, 51, 52, 58, 66, 78, 81, 86):
        yield sample_runs.tiny(seed)


def break_run(run: Run) -> Iterator[tuple[str, str, Run]]:
    """Yield every named way to break a valid run."""
    if run.placed:
        placement = run.result.placement
        assert placement is not None
        for name, rule, problem, broken in break_placement(run.problem, placement):
            result = replace(run.result, placement=broken)
            yield name, rule, replace(run, problem=problem, result=result)
        yield from break_frames(run)
        yield from break_moves(run)
    yield from break_answer(run)


@cache
def cases() -> dict[str, list[tuple[Run, str, Run]]]:
    """Of each name the first cases, each of another run: as it was, the rule, broken."""
    found: defaultdict[str, list[tuple[Run, str, Run]]] = defaultdict(list)
    for run in valid_runs():
        if len(found) == len(TABLE) and min(map(len, found.values())) == TIMES:
            break
        seen: set[str] = set()
        for name, rule, broken in break_run(run):
            if name not in seen and len(found[name]) < TIMES:
                seen.add(name)
                found[name].append((run, rule, broken))
    return found


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Run], Path]:
    """Where each run is written, once."""
    written: dict[int, Path] = {}

    def folder(run: Run) -> Path:
        if id(run) not in written:
            written[id(run)] = tmp_path_factory.mktemp("valid") / "run"
            write_run(written[id(run)], run, log={})
            assert run_placer("check", written[id(run)]).code == 0
        return written[id(run)]

    return folder


def break_folder(valid: Path, broken: Run, target: Path) -> None:
    """Write the records of ``broken`` over a copy of the valid run, with sums that agree."""
    shutil.copytree(valid, target)
    for name, record in (
        ("problem.json", record_problem(broken.problem)),
        ("result.json", record_result(broken.result)),
        ("frames.json", record_frames(broken.frames)),
    ):
        (target / name).write_text(format_json(record), encoding="utf-8")
    sum_again(target)


@pytest.mark.parametrize("name", TABLE)
def test_the_program_names_the_rule_that_a_broken_run_breaks(
    name: str, folder_of: Callable[[Run], Path], tmp_path: Path, tried: Callable[..., None]
) -> None:
    assert len(cases()[name]) == TIMES
    for number, (run, rule, broken) in enumerate(cases()[name]):
        assert rule in TABLE[name]
        break_folder(folder_of(run), broken, tmp_path / f"{number}")
        ended = run_placer("check", tmp_path / f"{number}")
        assert ended.code == 5, ended.err
        assert "SHA256SUMS" not in ended.err
        assert rule in ended.err
    tried("broken-runs", TIMES)


def test_frames_and_moves_that_are_broken_in_many_runs_are_caught_each_time() -> None:
    drawn: Counter[str] = Counter()
    for run in valid_runs():
        if not run.placed:
            continue
        for name, rule, broken in (*break_frames(run), *break_moves(run)):
            placement = broken.result.placement
            assert placement is not None
            found = check_placement(broken.problem, placement, broken.frames, broken.result.moves)
            assert rule in {violation.rule for violation in found}, name
            drawn[name] += 1
    assert set(drawn) == {*FRAMES, *MOVES}
    assert min(drawn.values()) >= 3
