"""Branch and bound against full enumeration, and its promises when it is cut short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from placer.quadratic.branch import solve_core
from placer.quadratic.core import QuadraticCore
from placer.quadratic.partial import VcpuTerms
from tests.quadratic.random_cores import (
    SPILL_PRICE,
    draw_core,
    draw_core_with_spare,
    draw_core_with_spill,
    enumerate_best,
)

Draw = Callable[[int], tuple[QuadraticCore, VcpuTerms | None]]


def without_terms(seed: int) -> tuple[QuadraticCore, None]:
    return draw_core(seed), None


DRAWS: tuple[Draw, ...] = (without_terms, draw_core_with_spare, draw_core_with_spill)


def agrees_with_enumeration(draw: Draw, seed: int) -> bool:
    """Solve one random core both ways; return whether it has an assignment at all."""
    core, terms = draw(seed)
    best = enumerate_best(core, terms)
    answer = solve_core(core, terms=terms)
    assert answer.proven, f"seed {seed}"
    if best is None:
        assert answer.locations is None, f"seed {seed}"
        return False
    assert answer.locations is not None, f"seed {seed}"
    assert (answer.cost, tuple(answer.locations.tolist())) == best, f"seed {seed}"
    assert answer.bound == answer.cost, f"seed {seed}"
    return True


@pytest.mark.parametrize("draw", DRAWS)
def test_the_first_of_the_cheapest_assignments_is_found_and_refusals_are_right(draw: Draw) -> None:
    placed = sum(agrees_with_enumeration(draw, seed) for seed in range(200))
    assert 50 < placed < 180


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWS)
def test_thousands_of_cores_agree_with_enumeration(draw: Draw) -> None:
    placed = sum(agrees_with_enumeration(draw, seed) for seed in range(200, 2200))
    assert 500 < placed < 1800


def test_units_beyond_the_room_are_seated_elsewhere_and_paid_for() -> None:
    spilled = 0
    for seed in range(200):
        core, terms = draw_core_with_spill(seed)
        answer = solve_core(core, terms=terms)
        if answer.locations is None:
            continue
        assert answer.units is not None
        assert (answer.units.sum(axis=0) <= terms.room).all(), f"seed {seed}"
        away = answer.units.copy()
        away[np.arange(core.num_facilities), answer.locations] = 0
        assert away.sum() == answer.bound // SPILL_PRICE, f"seed {seed}"
        spilled += away.sum() > 0
    assert spilled > 10


@pytest.mark.parametrize("seed", range(60))
def test_nothing_above_the_upper_limit_is_given(seed: int) -> None:
    core = draw_core(seed)
    best = enumerate_best(core)
    if best is None:
        return
    cost, locations = best
    at_limit = solve_core(core, upper=cost)
    assert at_limit.locations is not None
    assert tuple(at_limit.locations.tolist()) == locations
    below = solve_core(core, upper=cost - 1)
    assert (below.locations, below.proven, below.bound) == (None, True, cost)


@pytest.mark.parametrize("max_nodes", [0, 1, 5, 40])
def test_a_search_cut_short_gives_a_valid_bound_and_a_feasible_assignment(max_nodes: int) -> None:
    cut = 0
    for seed in range(80):
        core = draw_core(seed)
        best = enumerate_best(core)
        answer = solve_core(core, max_nodes=max_nodes)
        if answer.locations is not None:
            assert core.is_feasible(answer.locations)
            assert core.cost(answer.locations) == answer.cost
        if best is None:
            assert answer.locations is None
        elif not answer.proven:
            cut += 1
            assert answer.bound <= best[0]
        else:
            assert answer.cost == best[0]
    assert cut > 5


def test_equal_questions_look_at_equally_many_nodes() -> None:
    core = draw_core(7)
    assert solve_core(core).nodes == solve_core(core).nodes


def test_costs_that_do_not_fit_64_bits_are_refused() -> None:
    core = draw_core(3)
    with pytest.raises(ValueError, match="64 bits"):
        solve_core(replace(core, distance=core.distance + (1 << 58), flow=core.flow + 1))


def test_eight_equal_vnodes_on_eight_equal_pnodes_take_few_nodes() -> None:
    """Interchangeable vnodes and pnodes are looked at in one order alone."""
    core = QuadraticCore(
        linear=np.zeros((8, 8), dtype=int),
        flow=np.full((8, 8), 5),
        distance=np.where(np.eye(8, dtype=bool), 10, 21),
        demand=np.full((1, 8), 3),
        capacity=np.full((1, 8), 7),
    )
    answer = solve_core(core)
    assert answer.proven
    assert answer.locations is not None
    assert answer.locations.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert answer.nodes < 500
