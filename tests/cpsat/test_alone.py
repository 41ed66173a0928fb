"""What domains cost alone bounds what they cost together."""

from __future__ import annotations

import pytest

from placer.answer import Limits
from placer.cpsat import search as searching
from placer.cpsat.alone import bound_by_least_costs
from placer.cpsat.constraints import add_constraints
from placer.cpsat.objective import access_cost
from placer.cpsat.search import search
from placer.cpsat.timebox import TimeBox
from placer.cpsat.variables import Variables
from tests.builders import make_domain, make_host, make_problem
from tests.random_problems import draw_problem
from tests.strategies import tiny_problem

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_bounds_of_domains_alone_change_no_answer(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = 0
    for make in (tiny_problem, draw_problem):
        for seed in range(part, 100, PARTS):
            problem = make(seed)
            plain = search(problem, Limits(time_limit=60.0))
            with monkeypatch.context() as patch:
                patch.setattr(searching, "_FIRST_WORK", 0.0)
                bounded = search(problem, Limits(time_limit=60.0))
            assert bounded.status == plain.status, f"seed {seed}"
            assert bounded.levels == plain.levels, f"seed {seed}"
            placed += plain.placement is not None
    assert placed >= 20


def test_domains_too_large_for_a_pnode_cost_at_least_what_they_cost_alone() -> None:
    hosts = [
        make_host([3000, 3000], cpus=8, name=f"h{n}", distances=[[10, 30], [30, 10]])
        for n in range(2)
    ]
    wide = [make_domain([2000, 2000], 4, name=f"wide{n}") for n in range(2)]
    problem = make_problem(hosts, *wide)
    alone = search(make_problem(hosts[0], wide[0]), Limits())
    cost = next(level.value for level in alone.levels if level.name == "cost")
    v = Variables(problem, spill=False)
    add_constraints(v)
    bound = bound_by_least_costs(v, access_cost(v), Limits(), TimeBox(Limits()), None)
    assert bound == 2 * cost
    assert (
        next(level.value for level in search(problem, Limits()).levels if level.name == "cost")
        == 2 * cost
    )


def test_a_domain_that_cannot_be_on_a_host_alone_is_kept_off_it() -> None:
    hosts = [make_host([3000, 1000], name="small"), make_host([3000, 3000], name="large")]
    problem = make_problem(hosts, make_domain([2000, 2000], 4))
    v = Variables(problem, spill=False)
    add_constraints(v)
    cost = access_cost(v)
    bound_by_least_costs(v, cost, Limits(), TimeBox(Limits()), None)
    v.model.maximize(v.item_on(v.items[0], 0))
    status, solver, _ = TimeBox(Limits()).solve(v.model, lambda *_: "")
    assert solver.objective_value == 0
    assert status is not None
