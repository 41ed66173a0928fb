"""More workers and other engines: the same values, and of what-if the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from placer.check import check_placement
from placer.problem import Problem
from placer.result import Result
from placer.solve import SolveOptions, solve
from tests.cli.program import run_placer
from tests.determinism.cases import ROOT, place_seed
from tests.fleet.tiny_fleets import draw_fleet
from tests.random_problems import draw_problem
from tests.strategies import tiny_problem


def questions(seeds: range) -> Iterator[Problem]:
    for seed in seeds:
        yield tiny_problem(seed)
        yield draw_problem(seed)
        if seed % 4 == 3:
            yield draw_fleet(seed)


def proven(result: Result) -> dict[str, int]:
    return {level.name: level.value for level in result.levels if level.status == "optimal"}


def hold_workers(seeds: range, workers: int) -> int:
    """Ask with one worker and with more; return how many levels both have proven."""
    levels = 0
    for problem in questions(seeds):
        one = solve(problem, SolveOptions(reasons=False, baselines=False)).result
        found = solve(problem, SolveOptions(workers=workers, reasons=False, baselines=False))
        assert found.result.status == one.status
        both = proven(one).keys() & proven(found.result).keys()
        assert {name: proven(found.result)[name] for name in both} == {
            name: proven(one)[name] for name in both
        }
        if found.result.placement is not None:
            broken = check_placement(problem, found.result.placement, found.frames)
            assert broken == ()
        levels += len(both)
    return levels


@pytest.mark.parametrize("workers", [2, 4])
def test_more_workers_prove_the_same_values(workers: int, tried: Callable[..., None]) -> None:
    assert hold_workers(range(4), workers) >= 10
    tried("more-workers", len(list(questions(range(4)))))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_more_workers_prove_the_same_values_of_many_problems(
    workers: int, tried: Callable[..., None]
) -> None:
    assert hold_workers(range(4, 32), workers) >= 80
    tried("more-workers", len(list(questions(range(4, 32)))))


def test_every_engine_writes_the_same_files_of_a_what_if(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_placer(*place_seed("rc9")).code == 0
    asked = ROOT / "datasets" / "study-seed" / "after-rc9.toml"
    found = {}
    for engine in ("serial", "threads", "processes"):
        options = ("--engine", engine, "--workers", "1" if engine == "serial" else "2", "--quiet")
        said = run_placer("whatif", "run", asked, "--base", "rc9", "--out", engine, *options)
        files = {path.name: path.read_bytes() for path in (tmp_path / engine).iterdir()}
        assert len(files) >= 2
        found[engine] = (said.code, said.out, files)
    assert found["threads"] == found["serial"]
    assert found["processes"] == found["serial"]
    tried("same-bytes", 2)
