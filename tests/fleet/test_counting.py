"""Bounds by counting: never better than the best, and as near as sums alone can come."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from benchmarks.generate_fleet import make_fleet
from placer.answer import Limits
from placer.cost import level_values
from placer.cpsat.search import search
from placer.fleet.best_fit import densest_first, fill_best
from placer.fleet.counting import cost_of_cheapest, most_priority
from placer.fleet.engine import place_fleet
from placer.fleet.plan import Plan
from placer.fleet.shapes import list_shapes
from placer.problem import Problem
from placer.units import COST_UNITS, LOCAL_DISTANCE, PAGES_2MIB
from tests.builders import make_domain, make_host, make_problem
from tests.fleet.tiny_fleets import draw_fleet, fleet_of


def most(problem: Problem) -> int:
    return most_priority(list_shapes(problem))


@pytest.mark.parametrize("seed", range(60))
def test_the_best_placement_has_no_more_priority_and_costs_no_less(seed: int) -> None:
    problem = replace(draw_fleet(seed), allow_partial=True)
    answer = search(problem, Limits(), in_order=False)
    assert answer.placement is not None
    values = level_values(problem, answer.placement)
    assert values["placed_priority"] <= most(problem)
    if not values["vcpus_off_home"]:
        cheapest = cost_of_cheapest(fleet_of(problem), values["placed_priority"])
        assert cheapest <= values["cost"]


def test_the_scarcest_resource_decides_and_the_densest_go_first() -> None:
    host = make_host([40 * PAGES_2MIB, 40 * PAGES_2MIB], cpus=4)
    small = [make_domain([PAGES_2MIB], 2, name=f"s{n}") for n in range(3)]
    dear = [make_domain([PAGES_2MIB], 4, name=f"d{n}", priority=3) for n in range(2)]
    # 8 vcpus: a priority of 3 for 4 of them goes before 1 for 2.
    assert most(make_problem(host, *small, *dear, allow_partial=True)) == 6
    assert most(make_problem(host, *small, dear[0], allow_partial=True)) == 5
    assert most(make_problem(host, *small, allow_partial=True)) == 3
    large = [make_domain([30 * PAGES_2MIB], 1, name=f"l{n}") for n in range(4)]
    # 80 of 120: two whole ones and a part of the third.
    assert most(make_problem(host, *large, allow_partial=True)) == 2


def test_dedicated_vcpus_take_what_overcommitted_ones_share() -> None:
    host = make_host([40 * PAGES_2MIB], cpus=4, overcommit=Fraction(2))
    shared = [make_domain([PAGES_2MIB], 2, name=f"s{n}") for n in range(6)]
    own = [make_domain([PAGES_2MIB], 2, name=f"o{n}", dedicated=True) for n in range(6)]
    assert most(make_problem(host, *shared, allow_partial=True)) == 4
    assert most(make_problem(host, *own, allow_partial=True)) == 2


def test_what_as_much_priority_costs_begins_with_the_cheapest() -> None:
    host = make_host([40 * PAGES_2MIB, 40 * PAGES_2MIB], cpus=8)
    domains = [make_domain([PAGES_2MIB], n + 1, name=f"d{n}") for n in range(3)]
    fleet = fleet_of(make_problem(host, *domains, allow_partial=True))
    local = LOCAL_DISTANCE * COST_UNITS
    assert [cost_of_cheapest(fleet, priority) for priority in range(4)] == [
        0,
        local,
        3 * local,
        6 * local,
    ]


def test_too_many_domains_are_refused_at_once_where_all_are_wanted() -> None:
    host = make_host([40 * PAGES_2MIB], cpus=4)
    problem = make_problem(host, *(make_domain([PAGES_2MIB], 3, name=f"d{n}") for n in range(2)))
    answer = place_fleet(problem, Limits())
    assert answer is not None
    assert (answer.status, answer.placement) == ("infeasible", None)


def test_a_fleet_for_half_the_hosts_begins_with_the_densest() -> None:
    problem = make_fleet(200, 20, 0.95, 1)
    half = replace(problem, hosts=problem.hosts[::2], allow_partial=True)
    fleet = fleet_of(half)
    plans = [Plan(fleet), Plan(fleet)]
    fill_best(plans[0])
    fill_best(plans[1], order=densest_first(fleet))
    assert plans[1].priority > plans[0].priority
    answer = place_fleet(half, Limits(time_limit=1e-6))
    assert answer is not None
    placed = next(level for level in answer.levels if level.name == "placed_priority")
    assert plans[1].priority <= placed.value <= placed.bound == most(half)
    cost = next(level for level in answer.levels if level.name == "cost")
    assert 0 < cost.bound <= cost.value
