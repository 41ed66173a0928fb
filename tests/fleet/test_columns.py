"""Column generation, dives and neighbourhoods: bounds that hold, plans that are placements."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.generate_fleet import make_fleet
from placer.answer import Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat.search import search
from placer.fleet.best_fit import fill_best
from placer.fleet.columns import Generator
from placer.fleet.dive import Dive
from placer.fleet.expand import expand
from placer.fleet.plan import Fleet, Plan
from placer.fleet.repack import Repacker
from placer.problem import Problem
from tests.fleet.tiny_fleets import draw_fleet, fleet_of

FAR = 1e9


def assert_is_placement(problem: Problem, plan: Plan) -> None:
    """No host carries more than it can, and by name the plan is a placement of its cost."""
    assert all((left >= 0).all() for left in plan.left)
    assert (plan.missing >= 0).all()
    placement = expand(problem, plan)
    assert check_placement(problem, placement) == ()
    assert len(placement.domains) == int(plan.placed.sum())
    assert len(placement.unplaced) == int(plan.missing.sum())
    assert level_values(problem, placement)["cost"] == plan.cost


def generate(fleet: Fleet, keep: int, plan: Plan) -> Generator:
    """Run column generation to its end."""
    generator = Generator(fleet, keep, seed=0, workers=1)
    generator.add_plan(plan)
    generator.run(time.monotonic() + FAR)
    return generator


@pytest.mark.parametrize("seed", range(30))
def test_the_bound_is_below_every_placement_as_good_in_priority(seed: int) -> None:
    problem = draw_fleet(seed)
    answer = search(problem, Limits(), in_order=False)
    if answer.placement is None:
        return
    values = level_values(problem, answer.placement)
    if values["vcpus_off_home"]:
        return  # patterns have every vcpu at home
    total = sum(domain.priority for domain in problem.domains)
    fleet = fleet_of(problem)
    plan = Plan(fleet)
    fill_best(plan)
    generator = generate(fleet, values.get("placed_priority", total), plan)
    assert generator.is_over
    assert generator.pool.bound <= values["cost"]


@pytest.mark.parametrize("seed", range(30))
def test_best_fit_dives_and_neighbourhoods_make_placements(seed: int) -> None:
    problem = replace(draw_fleet(seed), allow_partial=True)
    fleet = fleet_of(problem)
    plan = Plan(fleet)
    fill_best(plan)
    assert_is_placement(problem, plan)
    total = int(fleet.counts @ fleet.priorities)
    generator = generate(fleet, total, plan)
    dive = Dive(fleet, generator.pricers, generator.pool, np.random.default_rng(seed))
    dived = dive.run(time.monotonic() + FAR)
    assert_is_placement(problem, dived)
    for start in (plan, dived):
        before = start.rank
        packer = Repacker(start, generator.pricers, generator.pool.duals, seed=seed, workers=1)
        packer.run(time.monotonic() + FAR, lambda _: False, idle=5)
        assert start.rank <= before
        assert_is_placement(problem, start)


def test_a_dive_and_its_neighbourhoods_are_near_the_bound_on_a_hard_fleet() -> None:
    problem = make_fleet(100, 10, 0.85, 2)
    fleet = fleet_of(problem)
    plan = Plan(fleet)
    fill_best(plan)
    total = int(fleet.counts @ fleet.priorities)
    generator = Generator(fleet, total, seed=0, workers=1)
    generator.add_plan(plan)
    generator.run(time.monotonic() + FAR, tail=False)
    assert generator.pool.bound > 0
    dives = [
        Dive(fleet, generator.pricers, generator.pool, np.random.default_rng(n)).run(
            time.monotonic() + FAR
        )
        for n in range(3)
    ]
    best = min(dives, key=lambda dived: dived.rank)
    Repacker(best, generator.pricers, generator.pool.duals, seed=0, workers=1).run(
        time.monotonic() + FAR, lambda _: False, idle=30
    )
    assert_is_placement(problem, best)
    assert not best.missing.any()
    assert generator.pool.bound <= best.cost <= 1.02 * generator.pool.bound


def test_one_worker_and_one_seed_repack_alike() -> None:
    problem = make_fleet(100, 10, 0.85, 3)
    fleet = fleet_of(problem)
    ends = []
    for _ in range(2):
        plan = Plan(fleet)
        fill_best(plan)
        pricers = Generator(fleet, 0, seed=0, workers=1).pricers
        Repacker(plan, pricers, None, seed=7, workers=1).run(
            time.monotonic() + FAR, lambda _: False, idle=10
        )
        ends.append((plan.rank, plan.pieces))
    assert ends[0] == ends[1]
