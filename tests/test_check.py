"""A valid placement, broken in named ways: the checker names the rule that is broken."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from placer.answer import Limits
from placer.check import check_placement, score
from placer.domain import VnodeMemory
from placer.explain.count import misfit_of
from placer.explain.room import Room
from placer.fleet.part import may_run_on
from placer.host import RunningDomain
from placer.pipeline import find_answer
from placer.placement import Placement
from placer.problem import Problem
from tests import sample_runs
from tests.breakings.placements import auto_problem, break_placement
from tests.breakings.table import PLACEMENTS
from tests.brute_force import count_choices, solve_by_brute_force
from tests.builders import make_domain, make_host, make_problem
from tests.placements import place_simply, rules_broken
from tests.strategies import tiny_problem

Case = tuple[Problem, Placement]


@cache
def valid_case(seed: int) -> Case | None:
    """Return a tiny problem with the best of its placements, or None where there is none."""
    problem = tiny_problem(seed)
    if count_choices(problem) > 20_000:
        return None
    optimum = solve_by_brute_force(problem)
    return None if optimum is None else (problem, optimum.placement)


def test_every_named_way_to_break_a_placement_is_drawn_and_caught() -> None:
    drawn: Counter[str] = Counter()
    autos = [sample_runs.solved(auto_problem(seed)) for seed in range(5)]
    cases = [valid_case(seed) for seed in range(150)]
    cases += [(run.problem, run.result.placement) for run in autos if run.result.placement]
    for seed, case in enumerate(cases):
        if case is None or not case[1].domains:
            continue
        assert check_placement(*case) == ()
        for name, rule, problem, placement in break_placement(*case):
            drawn[name] += 1
            assert rule in PLACEMENTS[name]
            assert rule in rules_broken(problem, placement), f"seed {seed}: {name}"
    assert set(drawn) == set(PLACEMENTS)
    assert min(drawn.values()) >= 3


@settings(max_examples=60)
@given(seed=st.integers(1000, 100_000), data=st.data())
def test_whatever_is_broken_the_checker_names_the_rule(seed: int, data: st.DataObject) -> None:
    case = valid_case(seed)
    assume(case is not None and case[1].domains)
    assert case is not None
    assert check_placement(*case) == ()
    name, rule, problem, placement = data.draw(
        st.sampled_from(list(break_placement(*case))), label="broken"
    )
    assert rule in rules_broken(problem, placement), name


# -- rules by hand -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "fits"), [(1000 + 256, True), (1000 + 255, False)], ids=["just", "one short"]
)
def test_the_overhead_of_a_domain_counts_on_the_home_of_vnode_0(free: int, fits: bool) -> None:
    problem = make_problem(make_host([free, free]), make_domain([1000]))
    broken = rules_broken(problem, place_simply(problem, 0))
    assert broken == (set() if fits else {"C1 memory"})


def test_shared_vcpus_fill_a_pnode_up_to_its_overcommit_and_no_further() -> None:
    host = make_host([4096], cpus=2, overcommit=Fraction(3, 2))
    three = make_problem(host, make_domain([1000], 3))
    assert rules_broken(three, place_simply(three, 0, 0, 1)) == set()
    four = make_problem(host, make_domain([1000], 4))
    assert rules_broken(four, place_simply(four, 0, 0, 1, 1)) == {"C2 pnode"}
    assert rules_broken(three, place_simply(three, 0, 0, 0)) == {"C2 crowd"}


def test_running_shared_vcpus_count_and_an_untouched_pnode_may_be_overfull() -> None:
    busy = RunningDomain(name="busy", pages=[0, 0], vcpus_on=[3, 9])
    problem = make_problem(make_host([4096] * 2, running=(busy,)), make_domain([1000], 2))
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 pnode"}
    one = make_problem(make_host([4096] * 2, running=(busy,)), make_domain([1000], 1))
    assert rules_broken(one, place_simply(one, 0)) == set()


def test_dedicated_vcpus_take_pcpus_from_running_shared_ones() -> None:
    busy = RunningDomain(name="busy", pages=[0], vcpus_on=[3])
    host = make_host([4096], running=(busy,))
    problem = make_problem(host, make_domain([1000], 2, dedicated=True))
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 pnode"}


def test_where_smt_counts_cores_two_shared_vcpus_need_two_cores() -> None:
    host = make_host([4096], cpus=4, threads=2, smt="cores")
    problem = make_problem(host, make_domain([1000], 2))
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 crowd"}
    assert rules_broken(problem, place_simply(problem, 0, 2)) == set()
    three = make_problem(host, make_domain([1000], 3))
    assert "C2 pnode" in rules_broken(three, place_simply(three, 0, 2, 3))
    alone = make_problem(host, make_domain([1000], 2, dedicated=True))
    assert rules_broken(alone, place_simply(alone, 0, 1)) == {"C2 dedicated"}


def test_isolated_vcpus_have_a_core_each_whose_siblings_stay_empty() -> None:
    host = make_host([4096], cpus=4, threads=2)
    domain = make_domain([1000], 2, dedicated=True, thread_policy="isolate")
    problem = make_problem(host, domain)
    apart = place_simply(problem, 0, 2, empty_siblings=(1, 3))
    assert rules_broken(problem, apart) == set()
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 threads"}
    assert rules_broken(problem, place_simply(problem, 0, 2)) == {"C2 threads"}


def test_required_siblings_fill_whole_cores_and_leave_the_last_thread_empty() -> None:
    host = make_host([4096], cpus=6, threads=2)
    domain = make_domain([1000], 3, dedicated=True, thread_policy="require")
    problem = make_problem(host, domain)
    assert rules_broken(problem, place_simply(problem, 0, 1, 2, empty_siblings=(3,))) == set()
    assert rules_broken(problem, place_simply(problem, 0, 1, 2)) == {"C2 threads"}
    loose = place_simply(problem, 0, 2, 4, empty_siblings=(1, 3, 5))
    assert rules_broken(problem, loose) == {"C2 threads"}


def test_nobody_runs_on_a_sibling_that_another_domain_leaves_empty() -> None:
    host = make_host([4096], cpus=4, threads=2)
    lone = make_domain([1000], 1, name="lone", dedicated=True, thread_policy="isolate")
    problem = make_problem(host, lone, make_domain([1000], 1, name="shared"))
    first = place_simply(make_problem(host, lone), 0, empty_siblings=(1,)).domains[0]
    for pcpu, broken in ((1, {"C2 dedicated"}), (2, set())):
        other = place_simply(make_problem(host, problem.domains[1]), pcpu).domains[0]
        assert rules_broken(problem, Placement(domains=(first, other))) == broken


@pytest.mark.parametrize(
    ("sizes", "rules"),
    [
        ([1024, 1024], set()),
        ([1536, 512], set()),
        ([2048, 0], {"C4 empty"}),
        ([1024, 512], {"C4 memory"}),
        ([1024, 512, 512], {"C4 count"}),
    ],
)
def test_vnodes_chosen_by_the_solver_hold_all_memory_on_as_many_pnodes(
    sizes: list[int], rules: set[str]
) -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([2048], 4, auto_vnodes=True))
    pages = np.zeros((len(sizes), 2), dtype=np.int64)
    pages[:, 0] = sizes
    counts = np.array(sizes) * 4 // sum(sizes)
    counts[0] += 4 - counts.sum()
    placement = place_simply(
        problem,
        *range(4),
        vnode_pages=sizes,
        home=[0] * len(sizes),
        pages=pages,
        vcpu_to_vnode=np.repeat(np.arange(len(sizes)), counts),
    )
    assert {rule for rule in rules_broken(problem, placement) if rule[0] == "C"} == rules


@pytest.mark.parametrize(
    ("memory", "row", "rules"),
    [
        ({"interleave_width": 2}, [1024, 1024, 0], set()),
        ({"interleave_width": 2}, [1536, 512, 0], {"D2 interleave"}),
        ({"interleave_width": 2}, [1024, 512, 512], {"D2 interleave"}),
        ({"interleave_width": 3}, [1024, 512, 512], set()),
        ({"interleave_pnodes": (0, 2)}, [1024, 0, 1024], set()),
        ({"interleave_pnodes": (1, 2)}, [1024, 0, 1024], {"D2 interleave"}),
    ],
)
def test_interleaved_memory_has_equal_shares_on_its_set(
    memory: dict[str, Any], row: list[int], rules: set[str]
) -> None:
    interleaved = (VnodeMemory(policy="interleave", **memory),)
    problem = make_problem(make_host([4096] * 3), make_domain([2048], memory=interleaved))
    placement = place_simply(problem, 0, pages=[row])
    assert rules_broken(problem, placement) == rules


@pytest.mark.parametrize("memory", [{"interleave_width": 2}, {"interleave_pnodes": (0, 1)}])
def test_a_vnode_without_pages_interleaves_nothing(memory: dict[str, Any]) -> None:
    policies = (VnodeMemory(), VnodeMemory(policy="interleave", **memory))
    domain = make_domain([2048, 0], memory=policies)
    narrow, wide = make_host([4096], name="narrow"), make_host([64, 64], name="wide")
    problem = make_problem((narrow, wide), domain)
    assert misfit_of(domain, Room(narrow)) is None
    assert may_run_on(domain, narrow)
    answer = find_answer(problem, Limits())
    assert answer.placement is not None
    assert [placed.host for placed in answer.placement.domains] == ["narrow"]
    assert rules_broken(problem, answer.placement) == set()


def test_the_short_granule_of_spilled_memory_lies_on_the_highest_pnode() -> None:
    domain = make_domain([1200], memory=(VnodeMemory(policy="preferred"),))
    problem = make_problem(make_host([4096] * 2), domain)
    assert rules_broken(problem, place_simply(problem, 0, pages=[[1024, 176]])) == set()
    early = place_simply(problem, 4, on=1, pages=[[176, 1024]])
    assert rules_broken(problem, early) == {"D2 granules"}


def test_a_pair_out_of_reach_may_be_there_where_nobody_uses_it() -> None:
    host = make_host([4096] * 2, distances=[[10, 255], [20, 10]])
    local = ((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1)))
    fields: dict[str, Any] = {"vcpu_to_vnode": [0, 1]}
    placed = {"home": [0, 1], "pages": [[600, 0], [0, 600]], "vcpu_to_pnode": [0, 1]}
    problem = make_problem(host, make_domain([600, 600], 2, **fields))
    assert rules_broken(problem, place_simply(problem, 0, 4, **placed)) == {"C5 unreachable"}
    apart = make_problem(host, make_domain([600, 600], 2, access=local, **fields))
    assert rules_broken(apart, place_simply(apart, 0, 4, **placed)) == set()


def test_the_score_counts_cost_and_names_what_is_broken() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 2))
    good = score(problem, place_simply(problem, 0, 1))
    assert (good.placed, good.cost, good.violations) == (1, 2 * 10 * 640_000, ())
    assert good.mean_access_distance == 10.0
    away = place_simply(problem, 4, 5, on=1, pages=[[1000, 0]])
    bad = score(problem, away)
    assert bad.mean_access_distance == 20.0
    assert bad.violations == ("D2 strict: vm: strict vnode 0 has 1000 pages off its home",)
    nothing = score(problem, Placement(domains=()))
    assert (nothing.placed, nothing.cost, nothing.mean_access_distance) == (0, 0, 0.0)
    assert nothing.violations == ("D1 once: vm: placed 0 times and left out 0 times",)


def test_a_misshapen_domain_is_reported_and_scored_as_nothing() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 2))
    odd = place_simply(problem, 0, 99)
    assert rules_broken(problem, odd) == {"D1 shape"}
    assert (score(problem, odd).placed, score(problem, odd).cost) == (0, 0)


def test_a_domain_without_any_memory_is_misshapen() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 2))
    nothing = place_simply(problem, 0, 1, vnode_pages=[0], pages=[[0, 0]])
    assert rules_broken(problem, nothing) == {"D1 shape"}
    assert score(problem, nothing).placed == 0
