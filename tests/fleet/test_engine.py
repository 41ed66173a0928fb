from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.generate_fleet import make_fleet
from placer.answer import Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat.master import Duals, NoRelaxationError, RelaxedMaster
from placer.cpsat.search import search
from placer.fleet.engine import place_fleet
from placer.fleet.plan import Plan
from placer.placement import Placement
from tests.fleet.tiny_fleets import draw_fleet, fleet_of


@pytest.mark.parametrize("seed", range(25))
def test_no_answer_of_the_fleet_engine_contradicts_the_encoding(seed: int) -> None:
    problem = draw_fleet(seed)
    ours = place_fleet(problem, Limits())
    theirs = search(problem, Limits(), in_order=False)
    assert ours is not None
    if ours.status == "infeasible":
        assert theirs.status == "infeasible"
    if ours.placement is None:
        return
    assert theirs.placement is not None
    assert check_placement(problem, ours.placement) == ()
    values = level_values(problem, ours.placement)
    best = {level.name: level.value for level in theirs.levels}
    for level in ours.levels:
        sign = -1 if level.sense == "max" else 1
        assert level.value == values[level.name]
        assert sign * level.bound <= sign * best[level.name] <= sign * level.value
        if level.value != best[level.name]:
            break


def test_a_fleet_is_proven_optimal() -> None:
    problem = make_fleet(200, 20, 0.8, 1)
    answer = place_fleet(problem, Limits(time_limit=60.0))
    assert answer is not None
    assert answer.placement is not None
    assert check_placement(problem, answer.placement) == ()
    cost = next(level for level in answer.levels if level.name == "cost")
    assert cost.gap < 0.01


@pytest.mark.parametrize("solved", [0, 3, 20])
def test_a_fleet_is_placed_where_a_relaxation_is_given_up(
    solved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [solved]
    solve = RelaxedMaster.solve

    def give_up(master: RelaxedMaster) -> tuple[float, Duals]:
        left[0] -= 1
        if left[0] < 0:
            raise NoRelaxationError("given up")
        return solve(master)

    monkeypatch.setattr(RelaxedMaster, "solve", give_up)
    problem = make_fleet(60, 6, 0.85, 2, memory_fill=0.97)
    answer = place_fleet(problem, Limits(time_limit=6.0))
    assert left[0] < 0
    assert answer is not None
    assert answer.placement is not None
    assert check_placement(problem, answer.placement) == ()
    assert all(level.gap >= 0 for level in answer.levels)


def test_equal_seeds_place_a_fleet_alike() -> None:
    problem = replace(draw_fleet(3), allow_partial=True)
    one, other = (place_fleet(problem, Limits(seed=4)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.placement == other.placement


@pytest.mark.parametrize("seed", range(40))
def test_a_placement_is_a_plan_again_and_a_start_is_never_made_worse(seed: int) -> None:
    problem = replace(draw_fleet(seed), allow_partial=True)
    found = place_fleet(problem, Limits(work=0.5))
    assert found is not None
    assert found.placement is not None
    values = {level.name: level.value for level in found.levels}
    plan = Plan.of(fleet_of(problem), problem, found.placement)
    assert (plan.priority, plan.cost) == (values["placed_priority"], values["cost"])
    again = place_fleet(problem, Limits(), improve_it=False, start=found.placement)
    assert again is not None
    assert {level.name: level.value for level in again.levels} == values


def test_what_a_start_leaves_out_is_fitted_in_beside_it() -> None:
    problem = make_fleet(100, 10, 0.5, 1)
    found = place_fleet(problem, Limits(), improve_it=False)
    assert found is not None
    assert found.placement is not None
    names = [domain.name for domain in problem.domains]
    start = Placement(domains=found.placement.domains[::2], unplaced=tuple(names[1::2]))
    again = place_fleet(problem, Limits(), improve_it=False, start=start)
    assert again is not None
    assert again.placement is not None
    assert check_placement(problem, again.placement) == ()
