"""Conflicts are impossible together, and possible without any one of their requirements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.explain.conflict import Conflict, find_conflict, relax_all
from placer.explain.requirement import requirements_of
from placer.problem import Group, Problem
from tests.builders import every_vcpu, make_domain, make_host, make_problem
from tests.explain.ask import can_be_placed, draw_alone, new_asker
from tests.random_problems import draw_problem


def conflict_of(problem: Problem) -> Conflict:
    asker = new_asker()
    units = requirements_of(problem, problem.domains[0].name, asker.room)
    conflict = find_conflict(problem, units, asker)
    assert conflict is not None
    assert conflict.irreducible
    return conflict


def assert_irreducible(problem: Problem, conflict: Conflict) -> None:
    """By the solver alone: all of them clash, all but one of them do not."""
    texts = {unit.text for unit in conflict.requirements}
    units = requirements_of(problem, problem.domains[0].name, new_asker().room)
    others = [unit for unit in units if unit.text not in texts]
    assert len(others) + len(texts) == len(units)
    assert not can_be_placed(relax_all(problem, others))
    for unit in conflict.requirements:
        assert can_be_placed(relax_all(problem, [*others, unit])), unit.text


@pytest.mark.parametrize("part", range(4))
def test_a_conflict_of_one_domain_is_irreducible(part: int) -> None:
    seen = 0
    for problem in draw_alone(range(700 + 20 * part, 720 + 20 * part)):
        if not can_be_placed(problem):
            seen += 1
            assert_irreducible(problem, conflict_of(problem))
    assert seen > 5


def test_a_conflict_of_a_batch_is_irreducible() -> None:
    seen = 0
    for seed in range(900, 960):
        problem = replace(draw_problem(seed), allow_partial=False)
        if len(problem.domains) > 1 and not can_be_placed(problem):
            seen += 1
            assert_irreducible(problem, conflict_of(problem))
    assert seen > 10


def texts_of(problem: Problem) -> list[str]:
    return [unit.text for unit in conflict_of(problem).requirements]


def test_pnodes_and_vnodes_that_are_alike_are_one_requirement() -> None:
    host = make_host([10 << 18] * 4, cpus=8)
    assert texts_of(make_problem(host, make_domain([6 << 18] * 5, 5))) == [
        "memory of pnodes 0-3 of host: 10.0 GiB free on each",
        "vnodes 0-4 strict: 6.0 GiB on one pnode each",
    ]


def test_the_reserve_is_named_where_it_is_in_the_way() -> None:
    host = make_host([10 << 18, 4 << 18], reserve_pages=[2 << 18, 0])
    assert texts_of(make_problem(host, make_domain([9 << 18]))) == [
        "memory of pnode 0 of host: 10.0 GiB free, 2.0 GiB of it in reserve",
        "memory of pnode 1 of host: 4.0 GiB free",
        "vnode 0 strict: 9.0 GiB on one pnode",
        "reserve of 2.0 GiB on pnode 0 of host",
    ]


def test_requests_are_named_in_the_words_of_the_user() -> None:
    host = make_host([4000, 4000], cpus=4)
    domain = make_domain(
        [1000, 1000],
        8,
        vnode_pnode=[0, 0],
        distinct_pnodes=True,
        hard_affinity=every_vcpu("0-7", 8),
    )
    assert texts_of(make_problem(host, domain)) == [
        "vnode 0 asks for pnode 0",
        "vnode 1 asks for pnode 0",
        "distinct_pnodes",
    ]
    never = make_domain([1000], 6, cpu_spill="never", dedicated=True)
    assert texts_of(make_problem(host, never)) == [
        "pcpus of pnodes 0-1 of host: 4 each, room for 4 dedicated vcpus each",
        "cpu_spill = never",
    ]


def test_pnodes_out_of_reach_are_named() -> None:
    host = make_host([3000, 3000], distances=[[10, 255], [255, 10]])
    found = texts_of(make_problem(host, make_domain([2000, 2000], 2)))
    assert "unreachable on host: 0 to 1 and 1 to 0" in found


def test_a_group_and_the_others_are_named() -> None:
    group = Group(name="web", keep="apart")
    domains = [make_domain([1000], name=name, groups=("web",)) for name in ("a", "b")]
    assert texts_of(make_problem(make_host([9000]), *domains, groups=(group,))) == [
        "group web keeps a and b apart over hosts",
        "b (3.9 MiB, 1 vcpu) beside it",
    ]
