"""MiniZinc solves what is exported, and reaches the run's cost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from placer.domain import Domain
from placer.errors import RefusedError
from placer.export import ExportOptions, render
from placer.export.folder import render_all
from placer.result import Level
from placer.run import Run
from placer.solve import solve
from tests.brute_force import count_choices
from tests.builders import make_domain
from tests.export.runs import heatpipe, make_run, put_on_heatpipe
from tests.strategies import tiny_problem

PARTS = 5
SEEDS = [seed for seed in range(160) if count_choices(tiny_problem(seed)) <= 20_000][:60]

Minizinc = Callable[[str], list[int] | None]


@pytest.fixture
def minizinc(
    project_root: Path, tmp_path: Path, require_program: Callable[[str, str], str]
) -> Minizinc:
    """Solve an instance of the model; the goals of its optimum, or None where there is none."""
    program = require_program("minizinc", "minizinc")

    def ask(instance: str) -> list[int] | None:
        path = tmp_path / "instance.dzn"
        path.write_text(instance, encoding="utf-8")
        model = project_root / "models" / "placement.mzn"
        command = [program, "--solver", "gecode", str(model), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        lines = done.stdout.splitlines()
        if "=====UNSATISFIABLE=====" in lines:
            return None
        assert done.returncode == 0, done.stdout + done.stderr
        assert "==========" in lines, "the optimum is proven"
        goals: list[int] = json.loads([line for line in lines if line.startswith("{")][-1])["goal"]
        return goals

    return ask


def solved(seed: int) -> Run:
    problem = tiny_problem(seed)
    solution = solve(problem)
    return Run(problem=problem, result=solution.result, frames=solution.frames)


@pytest.mark.parametrize("part", range(PARTS))
def test_minizinc_reaches_the_cost_of_the_run_and_none_below(minizinc: Minizinc, part: int) -> None:
    asked = 0
    for seed in SEEDS[part::PARTS]:
        run = solved(seed)
        try:
            instance = render(run, None, "dzn").text
        except RefusedError:
            continue
        asked += 1
        goals = minizinc(instance)
        if run.result.placement is None:
            assert goals is None, f"seed {seed}"
        else:
            levels = {level.name: level.value for level in run.result.levels}
            assert goals is not None, f"seed {seed}"
            assert goals[1:3] == [levels["vcpus_off_home"], levels["cost"]], f"seed {seed}"
    assert asked >= 8


@pytest.mark.parametrize(("guest", "cost"), [("rcbig", 35_840_000), ("rc9", 30_720_000)])
def test_minizinc_takes_the_posting_s_host_with_all_of_its_memory(
    request: pytest.FixtureRequest, minizinc: Minizinc, guest: str, cost: int
) -> None:
    goals = minizinc(render(request.getfixturevalue(guest), None, "dzn").text)
    assert goals is not None
    assert goals[2] == cost


def test_a_run_that_claims_less_than_the_least_cost_is_found_out(
    rc9: Run, minizinc: Minizinc
) -> None:
    claimed = Level(name="cost", value=30_719_999, bound=30_719_999, status="optimal")
    run = replace(rc9, result=replace(rc9.result, levels=(claimed,)))
    assert minizinc(render(run, None, "dzn").text) is None


def test_what_is_not_proven_is_said(rc9: Run) -> None:
    run = replace(rc9, result=replace(rc9.result, status="feasible"))
    (warning,) = render(run, None, "dzn").warnings
    assert "the run is feasible, not optimal" in warning


def test_a_cost_beyond_gecode_is_said() -> None:
    run = put_on_heatpipe(make_domain([512], num_vcpus=400), [0], [0] * 400)
    (warning,) = render(run, None, "dzn").warnings
    assert "2147483646" in warning


def test_every_thing_that_the_model_cannot_say_is_told_at_once() -> None:
    domains = [
        Domain(name="auto", vnode_pages=[1024], num_vcpus=1, auto_vnodes=True),
        make_domain([1 << 18], name="giant", page_order=[18]),
    ]
    run = make_run(heatpipe([655759, 865898], ()), domains, [])
    with pytest.raises(RefusedError) as refused:
        render(run, None, "dzn")
    assert str(refused.value).splitlines() == [
        "domain 'auto': the model takes vnodes as given, and here placer chooses them",
        "domain 'giant': the model has no pages of 1 GiB",
    ]


def test_it_is_of_the_whole_run_and_of_no_single_domain(rc9: Run) -> None:
    with pytest.raises(RefusedError, match="of the whole run, not of one domain"):
        render(rc9, "rc9", "dzn")
    with pytest.raises(RefusedError, match="of the whole run: leave --all out"):
        render_all(rc9, "dzn", ExportOptions())
