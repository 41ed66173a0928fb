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


def assert_books_balance(dive: Dive) -> None:
    """What is fixed and what remains are all there is, also after steps that were taken back."""
    hosts, wanted = list(dive.hosts), dive.wanted.copy()
    for column, times in dive.chosen:
        hosts[column.host_type] += times
        wanted[column.shapes] += times * column.amounts
    assert hosts == [host_type.count for host_type in dive.fleet.types]
    assert (wanted == dive.fleet.counts).all()
    assert dive.cost == sum(times * column.cost for column, times in dive.chosen)


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
    penalties = generator.penalties.copy()
    before = generator.pool.bound
    generator.run_without_lack(time.monotonic() + FAR)
    assert before <= generator.pool.bound <= values["cost"]
    assert (generator.penalties == penalties).all()


@pytest.mark.parametrize("seed", range(30))
def test_best_fit_dives_and_neighbourhoods_make_placements(seed: int) -> None:
    problem = replace(draw_fleet(seed), allow_partial=True)
    fleet = fleet_of(problem)
    plan = Plan(fleet)
    fill_best(plan)
    assert_is_placement(problem, plan)
    total = int(fleet.counts @ fleet.priorities)
    generator = generate(fleet, total, plan)
    rng = np.random.default_rng(seed)
    dive = Dive(fleet, generator.pricers, generator.pool, total, rng)
    dived = dive.run(time.monotonic() + FAR)
    assert_is_placement(problem, dived)
    assert_books_balance(dive)
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
        Dive(fleet, generator.pricers, generator.pool, total, np.random.default_rng(n)).run(
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


@pytest.mark.parametrize(("num_domains", "num_hosts", "seed"), [(60, 6, 2), (100, 10, 1)])
def test_a_dive_where_memory_is_short_leaves_out_as_little_as_asked(
    num_domains: int, num_hosts: int, seed: int
) -> None:
    problem = make_fleet(num_domains, num_hosts, 0.85, seed, memory_fill=0.97)
    fleet = fleet_of(problem)
    plan = Plan(fleet)
    fill_best(plan)
    keep = int(fleet.counts @ fleet.priorities) - 1
    assert plan.priority < keep
    generator = Generator(fleet, keep, seed=0, workers=1)
    generator.add_plan(plan)
    generator.run(time.monotonic() + FAR, tail=False)
    assert generator.pool.bound > 0
    for number in range(3):
        rng = np.random.default_rng(number)
        dived = Dive(fleet, generator.pricers, generator.pool, keep, rng).run(
            time.monotonic() + FAR
        )
        assert_is_placement(problem, dived)
        assert dived.priority >= keep
        assert generator.pool.bound <= dived.cost <= 1.01 * generator.pool.bound


def test_dives_take_back_steps_that_cost_too_much() -> None:
    problem = make_fleet(30, 3, 0.97, 2)
    fleet = fleet_of(problem)
    total = int(fleet.counts @ fleet.priorities)
    generator = Generator(fleet, total, seed=0, workers=1)
    generator.run(time.monotonic() + FAR, gap=0.03)
    taken_back = 0
    for number in range(3):
        dive = Dive(fleet, generator.pricers, generator.pool, total, np.random.default_rng(number))
        assert_is_placement(problem, dive.run(time.monotonic() + FAR))
        assert_books_balance(dive)
        taken_back += dive.steps_back
    assert taken_back


def test_a_generator_takes_the_columns_of_another_once() -> None:
    fleet = fleet_of(make_fleet(60, 6, 0.85, 1))
    total = int(fleet.counts @ fleet.priorities)
    first = Generator(fleet, total, seed=0, workers=1)
    first.run(time.monotonic() + FAR, tail=False)
    other = Generator(fleet, total - 1, seed=0, workers=1)
    for _ in range(2):
        other.add_pool(first.pool)
        assert len(other.pool.columns) == len(first.pool.columns)
    other.run(time.monotonic() + FAR, tail=False)
    assert other.pool.bound <= first.pool.bound


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
