"""One domain by the quadratic core: the same answer as the encoding, to the last level."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat.search import search
from placer.domain import VnodeMemory
from placer.host import Host
from placer.policy import Policy
from placer.problem import Problem
from placer.quadratic import one_domain
from placer.quadratic.one_domain import place_one, solve_one
from placer.quadratic.stages import Effort
from placer.solve import solve
from placer.units import COST_UNITS, LOCAL_DISTANCE
from tests.builders import make_domain, make_host, make_problem
from tests.quadratic.large_domains import draw_large
from tests.quadratic.plain_problems import draw_plain_problem

LIMITS = Limits()


def said(answer: Answer) -> tuple[Any, ...]:
    """All of an answer that two engines must agree on."""
    levels = [(x.name, x.value, x.bound, x.status, x.sense) for x in answer.levels]
    if answer.placement is None:
        return answer.status, levels, None
    homes = [(placed.host, placed.home.tolist()) for placed in answer.placement.domains]
    return answer.status, levels, homes, answer.placement.unplaced


def compare(seeds: range) -> Counter[str]:
    """Hold both engines against each other; return how often what was answered."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        problem = draw_plain_problem(seed)
        answer = place_one(problem, LIMITS)
        if answer is None:
            counts["left to the encoding"] += 1
            continue
        assert said(answer) == said(search(problem, LIMITS)), f"seed {seed}"
        counts[answer.status] += 1
        if answer.placement is None:
            continue
        assert check_placement(problem, answer.placement) == (), f"seed {seed}"
        values = {level.name: level.value for level in answer.levels}
        for name, value in level_values(problem, answer.placement).items():
            assert values[name] == value, f"seed {seed}"
        counts["off home"] += values["vcpus_off_home"] > 0
        counts["left out"] += bool(answer.placement.unplaced)
    return counts


def test_every_level_and_home_is_that_of_the_encoding_and_the_checker_agrees() -> None:
    counts = compare(range(200))
    assert counts["optimal"] > 60
    assert counts["infeasible"] > 20
    assert counts["off home"] > 5
    assert counts["left out"] > 5
    assert counts["left to the encoding"] < 60


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_thousands_of_plain_domains_are_answered_as_by_the_encoding(part: int) -> None:
    first = 1000 + 400 * part
    counts = compare(range(first, first + 400))
    assert counts["left to the encoding"] < 100


def test_of_equal_hosts_the_first_is_taken_and_of_others_the_cheapest() -> None:
    far = [[10, 32], [32, 10]]
    hosts = [
        make_host([600, 600], distances=far, name="far"),
        make_host([600, 600], name="near"),
        make_host([600, 600], name="as near"),
    ]
    problem = make_problem(hosts, make_domain([300, 300], 2))
    answer = place_one(problem, LIMITS)
    assert answer is not None
    assert answer.placement is not None
    assert answer.placement.domains[0].host == "near"


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": Policy(name="spread", tie_break="spread")},
        {"policy": Policy(name="pack", tie_break="pack")},
        {"cost_slack": Fraction(1, 20)},
        {"domains": (make_domain([100], name="one"), make_domain([100], name="two"))},
        {"domains": (make_domain([100], auto_vnodes=True),)},
        {"domains": (make_domain([100], cpu_spill="free"),)},
        {
            "domains": (
                make_domain([900], memory=(VnodeMemory(policy="interleave", interleave_width=2),)),
            )
        },
    ],
)
def test_questions_that_a_core_does_not_say_are_left_to_the_encoding(
    changes: dict[str, Any],
) -> None:
    problem = make_problem(make_host([1000, 1000]), make_domain([100]))
    assert place_one(problem, LIMITS) is not None
    assert place_one(replace(problem, **changes), LIMITS) is None


def test_a_search_cut_short_is_a_start_and_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    free = [2000, 2100, 2300, 2200]
    sizes = [500, 510, 520, 530, 540, 550]
    problem = make_problem(make_host(free), make_domain(sizes, 12))
    monkeypatch.setattr(one_domain, "MAX_NODES", 500)
    found = solve_one(problem, LIMITS)
    assert found.answer is None
    assert found.start is not None
    assert check_placement(problem, found.start) == ()


@pytest.mark.parametrize("fixed", [True, False])
def test_a_domain_too_large_to_prove_has_a_start_and_bounds(fixed: bool) -> None:
    problem = draw_large(1, fixed=fixed)
    found = solve_one(problem, Limits(time_limit=1.5))
    assert found.answer is None
    assert found.best is not None
    assert found.best.placement is found.start
    assert found.best.status == "feasible"
    assert check_placement(problem, found.start) == ()
    values = level_values(problem, found.start)
    assert {level.name: level.value for level in found.best.levels} == values
    levels = {level.name: level for level in found.best.levels}
    assert levels["vcpus_off_home"].status == "optimal"
    vcpus = problem.domains[0].num_vcpus
    assert vcpus * LOCAL_DISTANCE * COST_UNITS < levels["cost"].bound < levels["cost"].value
    assert found.known == {"cost": levels["cost"].bound}


def test_within_a_time_limit_the_best_so_far_is_the_answer_and_else_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = draw_large(2, num_vnodes=12, num_pnodes=12)
    answer = place_one(problem, Limits(time_limit=1.0))
    assert answer is not None
    assert (answer.status, answer.interrupted) == ("feasible", False)
    monkeypatch.setattr(one_domain, "MAX_NODES", 500)
    assert place_one(problem, LIMITS) is None


def test_without_a_time_limit_equal_seeds_give_equal_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_domain, "MAX_NODES", 2000)
    problem = draw_large(3, num_vnodes=12, num_pnodes=16, fixed=False)
    one, other = (solve_one(problem, Limits(seed=7)) for _ in range(2))
    assert one.start is not None
    assert one.start == other.start
    assert (one.known, one.work) == (other.known, other.work)


def test_ctrl_c_gives_the_best_so_far_with_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    def tell(self: Effort, cost: int | None, bound: int) -> None:
        if cost is not None and bound > 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(Effort, "tell", tell)
    problem = draw_large(1)
    answer = place_one(problem, LIMITS)
    assert answer is not None
    assert (answer.status, answer.interrupted) == ("feasible", True)
    assert answer.placement is not None
    assert check_placement(problem, answer.placement) == ()
    cost = next(level for level in answer.levels if level.name == "cost")
    assert cost.bound < cost.value == level_values(problem, answer.placement)["cost"]


def test_ctrl_c_before_anything_is_found_leaves_it_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tell(self: Effort, cost: int | None, bound: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Effort, "tell", tell)
    answer = place_one(draw_large(1), LIMITS)
    assert answer is not None
    assert (answer.status, answer.interrupted, answer.placement) == ("unknown", True, None)


def test_of_several_hosts_the_bound_is_that_of_the_best_for_the_domain() -> None:
    near, far = draw_large(1).hosts[0], draw_large(2).hosts[0]
    domain = draw_large(1).domains[0]
    fields = {field: getattr(far, field) for field in far.__dataclass_fields__}
    hosts = [near, Host(**{**fields, "name": "far"})]
    both = solve_one(make_problem(hosts, domain), Limits(time_limit=2.0))
    alone = solve_one(make_problem(hosts[:1], domain), Limits(time_limit=2.0))
    values = [
        level.value
        for answer in (both.best, alone.best)
        if answer is not None
        for level in answer.levels
        if level.name == "cost"
    ]
    assert len(values) == 2
    assert both.known["cost"] <= min(values)


def test_preferred_memory_is_proven_where_all_is_local_and_else_only_a_start() -> None:
    domain = make_domain([800], 2, memory=(VnodeMemory(policy="preferred"),))
    local = solve_one(make_problem(make_host([2000, 2000]), domain), LIMITS)
    assert local.answer is not None
    assert local.answer.status == "optimal"
    split = replace(domain, vnode_pages=np.array([3000]))
    spilled = solve_one(make_problem(make_host([2000, 2000]), split), LIMITS)
    assert (spilled.answer, spilled.start) == (None, None)


def test_vcpus_stay_home_where_any_host_allows_it() -> None:
    """A cheaper host where one vcpu would run off home comes after all that keep it home."""
    narrow = make_host([3000, 3000], cpus=2, distances=[[10, 11], [11, 10]], name="narrow")
    wide = make_host([1000, 1000], cpus=4, distances=[[10, 40], [40, 10]], name="wide")
    problem = make_problem([narrow, wide], make_domain([600, 600], 3, vcpu_to_vnode=[0, 0, 0]))
    answer = place_one(problem, LIMITS)
    assert answer is not None
    assert answer.placement is not None
    assert answer.placement.domains[0].host == "wide"
    assert said(answer) == said(search(problem, LIMITS))


def test_a_domain_wider_than_any_pnode_runs_as_few_vcpus_off_home_as_possible() -> None:
    problem = make_problem(make_host([3000, 3000, 3000], cpus=4), make_domain([1000], 7))
    answer = place_one(problem, LIMITS)
    assert answer is not None
    assert {level.name: level.value for level in answer.levels}["vcpus_off_home"] == 3
    assert said(answer) == said(search(problem, LIMITS))
    solution = solve(problem)
    assert solution.result.status == "optimal"


def crowded(same: bool) -> Problem:
    """8 vnodes that each fit 7 of 16 pnodes, and must have homes of their own."""
    free = np.full(16, 400)
    free[4:11] = 5000
    if not same:
        free[4:11] += np.arange(7) * 10
    sizes = [1000 + 10 * vnode for vnode in range(8)] if not same else [1000] * 8
    return make_problem(make_host(free.tolist()), make_domain(sizes, 8, distinct_pnodes=True))


@pytest.mark.parametrize("same", [True, False])
def test_a_crowd_on_too_few_pnodes_is_refused_with_proof(same: bool) -> None:
    answer = place_one(crowded(same), LIMITS)
    assert answer is not None
    assert (answer.status, answer.placement) == ("infeasible", None)
