"""A search that begins with a placement, tells how far it is, and stops when it is told."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from placer.answer import Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat import timebox
from placer.cpsat.search import search
from placer.cpsat.timebox import TimeBox
from placer.fleet.sequential import construct
from placer.placement import Placement
from placer.problem import Problem
from placer.result import rank
from tests.builders import make_domain, make_host, make_problem
from tests.placements import place_simply
from tests.random_problems import draw_batch, draw_problem
from tests.strategies import tiny_problem


def ring(count: int) -> list[list[int]]:
    steps = [[min((p - q) % count, (q - p) % count) for q in range(count)] for p in range(count)]
    return [[10 if s == 0 else 16 + 6 * (s - 1) for s in row] for row in steps]


def hard_problem() -> Problem:
    """Return a question that takes minutes: nine domains of six vnodes on a ring of eight."""
    rng = np.random.default_rng(3)
    host = make_host([40_000] * 8, cpus=16, distances=ring(8))
    domains = [
        make_domain(rng.integers(2000, 9000, size=6).tolist(), 12, name=f"vm{n}") for n in range(9)
    ]
    return make_problem(host, *domains)


def start_of(problem: Problem) -> Placement:
    found = construct(problem, Limits(time_limit=60.0))
    assert found is not None
    return found


def test_a_start_is_the_answer_where_no_time_is_left() -> None:
    problem = hard_problem()
    start = start_of(problem)
    answer = search(problem, Limits(time_limit=1e-6), start=start)
    assert answer.status == "feasible"
    assert answer.placement is not None
    assert {level.name: level.value for level in answer.levels} == level_values(problem, start)
    assert all(level.bound <= level.value for level in answer.levels)


def test_a_start_that_a_bound_meets_needs_no_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make_problem(make_host([9999, 9999]), make_domain([512], 2))
    start = place_simply(problem, 0, 1)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the solver is asked")

    monkeypatch.setattr(TimeBox, "solve", refuse)
    answer = search(problem, Limits(), start=start, in_order=False)
    assert answer.status == "optimal"
    assert answer.placement == start


@pytest.mark.parametrize("make", [tiny_problem, draw_problem])
def test_a_worse_start_changes_no_optimum(make: Callable[[int], Problem]) -> None:
    begun = 0
    for seed in range(60):
        problem = make(seed)
        best = search(problem, Limits(time_limit=30.0))
        other = construct(problem, Limits(seed=1, time_limit=30.0))
        if best.status != "optimal" or other is None:
            continue
        begun += 1
        again = search(problem, Limits(time_limit=30.0), start=other)
        assert (again.status, again.levels) == (best.status, best.levels), f"seed {seed}"
        kept = search(problem, Limits(time_limit=0.01), start=other)
        assert kept.placement is not None
        assert check_placement(problem, kept.placement) == (), f"seed {seed}"
        if not problem.cost_slack:
            found = rank(level_values(problem, kept.placement))
            assert found <= rank(level_values(problem, other)), f"seed {seed}"
    assert begun >= 15


def test_a_start_is_never_made_worse_in_a_short_time() -> None:
    for seed in (4, 5):
        problem = replace(draw_batch(seed), allow_partial=True)
        start = start_of(problem)
        answer = search(problem, Limits(time_limit=2.0), start=start)
        assert answer.placement is not None
        assert check_placement(problem, answer.placement) == (), f"seed {seed}"
        before, after = level_values(problem, start), level_values(problem, answer.placement)
        assert rank(after) <= rank(before), f"seed {seed}"
        for level in answer.levels:
            good = (
                (level.bound, level.value) if level.sense == "min" else (level.value, level.bound)
            )
            assert good[0] <= good[1], (seed, level)


def test_equal_questions_with_a_start_have_equal_answers() -> None:
    problem = replace(draw_batch(4), allow_partial=True)
    start = start_of(problem)
    boxes = [TimeBox(Limits(seed=5), work=0.5) for _ in range(2)]
    first, second = (search(problem, Limits(seed=5), start=start, box=box) for box in boxes)
    assert first.placement == second.placement
    assert first.levels == second.levels


def test_progress_says_how_far_it_is_at_most_once_a_second() -> None:
    told: list[tuple[float, str]] = []
    search(
        hard_problem(),
        Limits(time_limit=4.0),
        progress=lambda text: told.append((time.monotonic(), text)),
    )
    assert 1 <= len(told) <= 5
    times = [at for at, _ in told]
    assert all(later - earlier >= 0.9 for earlier, later in pairwise(times))
    assert all(text.endswith(" s") and "bound" in text for _, text in told)
    # On a slow machine the bound may be all that is known of the cost in this time.
    told_of_cost = r"cost: (bound \d+|\d+ \(bound \d+, gap \d+\.\d\d %\)), 9 placed, \d+\.\d s"
    assert re.fullmatch(told_of_cost, told[-1][1])


def test_progress_says_so_where_there_is_no_placement_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(timebox, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(timebox, "_WAKE_SECONDS", 0.001)
    search(hard_problem(), Limits(time_limit=4.0), progress=told.append)
    assert "no placement yet" in told[0]


def test_progress_is_told_by_the_thread_that_asks() -> None:
    threads = set()

    def note(text: str) -> None:
        threads.add(threading.current_thread())

    search(hard_problem(), Limits(time_limit=3.0), progress=note)
    assert threads == {threading.main_thread()}


def test_an_interrupt_gives_the_start_or_better() -> None:
    problem = hard_problem()
    start = start_of(problem)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    answer = search(problem, Limits(time_limit=60.0), start=start)
    timer.join()
    assert answer.interrupted
    assert answer.placement is not None
    assert rank(level_values(problem, answer.placement)) <= rank(level_values(problem, start))


def test_the_time_of_one_box_is_not_outlasted_by_those_within() -> None:
    outer = TimeBox(Limits(time_limit=5.0), work=1.0)
    inner = TimeBox(Limits(), work=3.0, within=outer)
    assert inner.meter.left == 1.0
    assert (inner.seconds_left() or 9.0) <= 5.0
    inner.stop()
    assert outer.stopped()
    assert outer.is_over()
