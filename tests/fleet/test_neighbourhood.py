"""Large neighbourhoods: never worse, valid, deterministic, stopped when told."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace

import pytest

from placer.answer import Limits
from placer.check import check_placement
from placer.cost import level_values, pages_moved
from placer.cpsat.search import search
from placer.cpsat.timebox import TimeBox
from placer.fleet.neighbourhood import improve
from placer.fleet.sequential import construct
from placer.placement import Placement
from placer.problem import Problem, Running, as_running
from placer.result import rank
from tests.builders import make_domain, make_host, make_problem
from tests.random_problems import draw_batch

PARTS = 4
EVERY_PART = [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))]


def start_of(problem: Problem) -> Placement | None:
    return construct(problem, Limits(time_limit=60.0))


@pytest.mark.parametrize("part", EVERY_PART)
def test_batches_of_any_features_become_no_worse_and_stay_valid(part: int) -> None:
    held = 0
    for seed in range(part, 8, PARTS):
        problem = draw_batch(seed)
        start = start_of(problem)
        if start is None:
            continue
        found = improve(problem, start, Limits(time_limit=2.0))
        assert check_placement(problem, found) == (), f"seed {seed}"
        before, after = rank(level_values(problem, start)), rank(level_values(problem, found))
        assert after <= before, f"seed {seed}"
        held += 1
    assert held >= 1


def crowded() -> Problem:
    """Two hosts, each with half of two wide guests: one host each would be nearer."""
    hosts = [
        make_host([3000, 3000], name=f"h{n}", cpus=4, distances=[[10, 30], [30, 10]])
        for n in range(3)
    ]
    domains = [make_domain([1200], 2, name=f"small{n}") for n in range(6)]
    return make_problem(hosts, *domains, make_domain([1100, 1100], 4, name="wide"))


def test_a_bad_start_is_improved_to_the_optimum_of_a_small_batch() -> None:
    problem = crowded()
    best = search(problem, Limits())
    start = search(problem, Limits(), box=TimeBox(Limits(), work=0.02)).placement
    start = start or start_of(problem)
    assert start is not None
    found = improve(problem, start, Limits())
    values = {level.name: level.value for level in best.levels if level.name != "homes_in_order"}
    assert level_values(problem, found) == values


def test_what_was_left_out_is_brought_in() -> None:
    problem = replace(crowded(), allow_partial=True)
    full = construct(problem, Limits())
    assert full is not None
    names = [domain.name for domain in problem.domains]
    start = Placement(
        domains=tuple(answer for answer in full.domains if answer.domain == "small0"),
        unplaced=tuple(name for name in names if name != "small0"),
    )
    found = improve(problem, start, Limits())
    assert found.unplaced == ()
    assert check_placement(problem, found) == ()


def test_moves_stay_within_their_limit() -> None:
    problem = replace(draw_batch(4), allow_partial=True)
    start = start_of(problem)
    assert start is not None
    running = tuple(Running(placed=answer) for answer in start.domains)
    domains = tuple(as_running(domain, start.of(domain.name)) for domain in problem.domains)
    moving = replace(problem, domains=domains, current=running, max_moves=1)
    found = improve(moving, start, Limits(time_limit=4.0))
    assert check_placement(moving, found) == ()
    moved = [
        answer.domain
        for answer in found.domains
        if pages_moved(answer, moving.running_now[answer.domain])
    ]
    assert len(moved) <= 1


def test_equal_seeds_give_equal_placements() -> None:
    problem = replace(draw_batch(7), allow_partial=True)
    start = start_of(problem)
    assert start is not None
    first, second = (
        improve(problem, start, Limits(seed=2), box=TimeBox(Limits(seed=2), work=0.2))
        for _ in range(2)
    )
    assert first == second


def test_an_interrupt_keeps_the_best_so_far() -> None:
    problem = replace(draw_batch(1), allow_partial=True)
    start = start_of(problem)
    assert start is not None
    box = TimeBox(Limits(time_limit=60.0))
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    found = improve(problem, start, Limits(time_limit=60.0), box=box)
    timer.join()
    assert box.stopped()
    assert box.elapsed < 30.0
    assert check_placement(problem, found) == ()


def test_progress_names_cost_and_what_is_placed() -> None:
    problem = replace(draw_batch(1), allow_partial=True)
    start = start_of(problem)
    assert start is not None
    told: list[str] = []
    improve(problem, start, Limits(time_limit=4.0), progress=told.append)
    assert told
    assert all("cost: " in text and " placed" in text for text in told)
