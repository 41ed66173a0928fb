"""A time limit holds: within 1 s and 10 %, whatever the question is and wherever the time ends."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from placer.answer import Limits
from placer.check import check_placement
from placer.engine import open_engine
from placer.fleet.at_once import place_at_once
from placer.pipeline import find_answer
from placer.problem import Problem
from placer.result import Result
from placer.solve import SolveOptions, solve
from tests.cli.program import start_placer
from tests.limits.questions import QUESTIONS

_NOISE = 1.0
"""Seconds for other tests beside this one on a machine of two processors."""


def _most(limit: float) -> float:
    return 1.1 * limit + 1.0 + _NOISE


def _is_sound(problem: Problem, result: Result) -> bool:
    placement = result.placement
    if placement is None:
        return result.status == "unknown" and not result.interrupted
    return not check_placement(problem, placement) and all(
        level.value >= level.bound if level.sense == "min" else level.value <= level.bound
        for level in result.levels
    )


@pytest.mark.slow
@pytest.mark.parametrize("limit", [3.0, 8.0])
@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_comes_within_its_time_limit(
    name: str, limit: float, project_root: Path, tried: Callable[..., None]
) -> None:
    problem = QUESTIONS[name](project_root)
    started = time.monotonic()
    result = solve(problem, SolveOptions(time_limit=limit)).result
    assert time.monotonic() - started <= _most(limit)
    assert _is_sound(problem, result)
    tried("time-limit", 1)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_parts_keep_the_time_limit_of_the_whole(
    engine: str, project_root: Path, tried: Callable[..., None]
) -> None:
    problem = QUESTIONS["a batch with groups and spilled memory"](project_root)
    on = open_engine("threads" if engine == "threads" else "processes", workers=2)
    started = time.monotonic()
    result = solve(problem, SolveOptions(time_limit=10.0, parts=2), engine=on).result
    assert time.monotonic() - started <= _most(10.0)
    assert _is_sound(problem, result)
    tried("time-limit", 1)


def _never_ends(*_: object) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    "place",
    [
        "placer.fleet.plan.list_patterns",
        "placer.fleet.engine.fill_best",
        "placer.fleet.engine._Engine._improve",
        "placer.fleet.many.construct",
        "placer.fleet.many.improve",
        "placer.fleet.neighbourhood.search",
    ],
)
def test_whatever_never_ends_is_ended_and_what_is_known_is_the_answer(
    place: str, monkeypatch: pytest.MonkeyPatch, project_root: Path, tried: Callable[..., None]
) -> None:
    problem = QUESTIONS["a batch to be spread"](project_root)
    monkeypatch.setattr(place, _never_ends)
    result = solve(problem, SolveOptions(time_limit=1.0)).result
    assert result.placement is not None
    assert not result.interrupted
    assert _is_sound(problem, result)
    tried("endless-step", 1)


def test_an_explanation_that_never_ends_is_left_out(
    monkeypatch: pytest.MonkeyPatch, project_root: Path, tried: Callable[..., None]
) -> None:
    problem = QUESTIONS["a batch to be spread"](project_root)
    monkeypatch.setattr("placer.solve.explain_all", _never_ends)
    result = solve(problem, SolveOptions(time_limit=1.0)).result
    assert {refusal.reason for refusal in result.unplaced} == {"not explained"}
    tried("endless-step", 1)


def test_where_all_are_to_be_placed_the_end_of_time_leaves_no_answer(
    monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    problem = QUESTIONS["the same, all to be placed"](project_root)
    monkeypatch.setattr("placer.fleet.plan.list_patterns", _never_ends)
    answer = find_answer(problem, Limits(time_limit=0.5))
    assert answer.status == "unknown"
    assert answer.placement is None


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_placed_at_once_keeps_the_rules(name: str, project_root: Path) -> None:
    problem = QUESTIONS[name](project_root)
    found = place_at_once(problem)
    if found is not None:
        assert not check_placement(problem, found)
    assert (found is not None) >= problem.allow_partial


def _fleet_files(folder: Path, root: Path) -> Sequence[object]:
    study = root / "datasets" / "study-fleet"
    del folder
    return (study / "domains.toml", "--host", study / "hosts.toml")


@pytest.mark.slow
@pytest.mark.parametrize("limit", [4, 10])
def test_the_command_ends_within_its_time_limit(
    limit: int, project_root: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    arguments = ("place", *_fleet_files(tmp_path, project_root), "--out", tmp_path / "run")
    started = time.monotonic()
    process = start_placer((*arguments, "--time-limit", limit))
    process.communicate()
    assert time.monotonic() - started <= _most(limit)
    assert process.returncode in {0, 4}
    tried("time-limit", 1)


def test_limits_that_are_none_are_refused() -> None:
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="expected above 0"):
            SolveOptions(time_limit=wrong)
        with pytest.raises(ValueError, match="expected above 0"):
            SolveOptions(work=wrong)
    with pytest.raises(ValueError, match="expected above 0"):
        SolveOptions(memory_limit=0)


@pytest.mark.slow
def test_reasons_are_within_the_time_limit_of_explain(
    tmp_path: Path, tried: Callable[..., None]
) -> None:
    lines = [
        f'[[domain]]\nname = "vm{n}"\nmemory = "{2 + 7 * n % 17}GiB"\nvcpus = {1 + 5 * n % 11}\n'
        f"vnodes = {1 + n % 2}\n"
        for n in range(40)
    ]
    (tmp_path / "domains.toml").write_text("".join(lines), encoding="utf-8")
    host = "pnode:2 core:8 pu:2 memory:48GiB distance:10,21"
    many = [argument for _ in range(4) for argument in ("--host", host)]
    started = time.monotonic()
    process = start_placer(["explain", tmp_path / "domains.toml", *many, "--time-limit", "3"])
    process.communicate()
    assert time.monotonic() - started <= _most(3.0)
    assert process.returncode in {3, 4}
    tried("time-limit", 1)
