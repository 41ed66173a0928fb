"""A placement as values of the variables: all of them, and no others would do."""

from __future__ import annotations

import numpy as np
import pytest
from ortools.sat.python import cp_model

from placer.answer import Limits
from placer.cost import level_values
from placer.cpsat.constraints import add_constraints
from placer.cpsat.extract import extract_placement
from placer.cpsat.hint import hint_of
from placer.cpsat.search import search
from placer.cpsat.symmetry import break_symmetry
from placer.cpsat.variables import Variables, new_solver
from placer.problem import Problem
from tests.builders import make_domain, make_host, make_problem
from tests.random_problems import draw_problem
from tests.strategies import tiny_problem

PARTS = 5


def fixed_to(v: Variables, hint: dict[int, int]) -> tuple[object, cp_model.CpSolver]:
    """Solve with every hinted variable held at its value."""
    for index, value in hint.items():
        v.model.add_hint(v.model.get_int_var_from_proto_index(index), value)
    solver = new_solver()
    solver.parameters.fix_variables_to_their_hinted_value = True
    return solver.solve(v.model), solver


def hold_hint_against(problem: Problem) -> bool:
    """Check the hint of the problem's best placement; False where it has none."""
    placement = search(problem, Limits(time_limit=20.0)).placement
    if placement is None:
        return False
    v = Variables(problem, spill=True)
    decisions = {
        index
        for index, variable in enumerate(v.model.proto.variables)
        if variable.domain[0] < variable.domain[-1]
    }
    add_constraints(v)
    break_symmetry(v)
    hint = hint_of(v, placement)
    assert decisions <= set(hint)
    status, solver = fixed_to(v, hint)
    assert status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    again = extract_placement(v, solver)
    assert level_values(problem, again) == level_values(problem, placement)
    for one, other in zip(again.domains, placement.domains, strict=True):
        assert one.pages.tolist() == other.pages.tolist()
        assert one.home.tolist() == other.home.tolist()
        assert one.vcpu_to_pnode.tolist() == other.vcpu_to_pnode.tolist()
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_a_hint_has_every_decision_and_the_encoding_takes_it(part: int) -> None:
    seeds = range(part, 150, PARTS)
    held = [
        hold_hint_against(make(seed)) for make in (tiny_problem, draw_problem) for seed in seeds
    ]
    assert sum(held) >= 15


def test_a_domain_that_is_left_out_is_hinted_too() -> None:
    domains = [make_domain([1000], name=f"vm{n}") for n in range(3)]
    problem = make_problem(make_host([2600]), *domains, allow_partial=True)
    assert hold_hint_against(problem)


def test_vnodes_that_no_alternative_has_get_no_values() -> None:
    problem = make_problem(make_host([5376, 9216]), make_domain([12800], 4, auto_vnodes=True))
    sized = search(problem, Limits(), sizes={"vm": np.array([5120, 7680])}).placement
    assert sized is not None
    assert hint_of(Variables(problem, spill=True), sized) == {}
