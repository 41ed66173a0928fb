"""The levels in order: what each decides, its bound, and when the time is up."""

from __future__ import annotations

import os
import signal
import threading
import time
from fractions import Fraction

import numpy as np

from placer.answer import Answer, Limits
from placer.cpsat.search import search
from placer.cpsat.sizing import find_unequal_sizes
from placer.cpsat.timebox import TimeBox
from placer.domain import VnodeMemory
from placer.policy import Policy
from placer.problem import Problem
from placer.units import COST_UNITS
from tests.builders import every_vcpu, make_domain, make_host, make_problem
from tests.strategies import tiny_problem


def levels_of(answer: Answer) -> dict[str, int]:
    """Return the value of every level by name."""
    return {level.name: level.value for level in answer.levels}


def homes_of(answer: Answer, name: str = "vm") -> list[int]:
    """Return the homes of a domain's vnodes."""
    assert answer.placement is not None
    homes: list[int] = answer.placement.of(name).home.tolist()
    return homes


def test_every_level_of_an_optimal_answer_has_its_value_for_a_bound() -> None:
    host = make_host([4096, 4096], distances=[[10, 21], [21, 10]])
    domain = make_domain([2048, 2048], 4)
    answer = search(make_problem(host, domain), Limits())
    assert answer.status == "optimal"
    assert [level.name for level in answer.levels] == ["vcpus_off_home", "cost", "homes_in_order"]
    assert all(level.bound == level.value for level in answer.levels)
    assert all(level.gap == 0.0 for level in answer.levels)


def test_two_vnodes_on_one_pnode_are_all_local_and_the_first_pnode_is_taken() -> None:
    answer = search(make_problem(make_host([9999, 9999]), make_domain([512, 512], 2)), Limits())
    assert levels_of(answer)["cost"] == 2 * 10 * COST_UNITS
    assert homes_of(answer) == [0, 0]


def test_a_nearer_pair_of_pnodes_beats_a_lower_numbered_one() -> None:
    distances = [[10, 30, 30], [30, 10, 12], [30, 12, 10]]
    host = make_host([1000] * 3, cpus=1, distances=distances)
    domain = make_domain([512, 512], 2, vcpu_to_vnode=[0, 1])
    answer = search(make_problem(host, domain), Limits())
    assert homes_of(answer) == [1, 2]


def test_asymmetric_distances_count_from_vcpus_to_memory() -> None:
    distances = [[10, 40], [12, 10]]
    host = make_host([1000, 1000], distances=distances)
    domain = make_domain([512, 512], 1, vcpu_to_vnode=[0])
    answer = search(make_problem(host, domain), Limits())
    assert homes_of(answer) == [1, 0]
    assert levels_of(answer)["cost"] == 64 * (6667 * 10 + 3333 * 12)


def test_vcpus_leave_their_home_only_where_nothing_else_fits() -> None:
    host = make_host([9999, 0], cpus=[2, 2])
    domain = make_domain([512], 3, vcpu_to_vnode=[0, 0, 0])
    answer = search(make_problem(host, domain), Limits())
    assert levels_of(answer)["vcpus_off_home"] == 1
    assert levels_of(answer)["cost"] == (2 * 10 + 20) * COST_UNITS
    never = make_domain([512], 3, vcpu_to_vnode=[0, 0, 0], cpu_spill="never")
    assert search(make_problem(host, never), Limits()).status == "infeasible"


def test_free_spill_is_no_fault_of_level_2a() -> None:
    host = make_host([9999, 0], cpus=[2, 2])
    domain = make_domain([512], 3, vcpu_to_vnode=[0, 0, 0], cpu_spill="free")
    assert levels_of(search(make_problem(host, domain), Limits()))["vcpus_off_home"] == 0


def test_partial_placement_keeps_the_highest_sum_of_priorities() -> None:
    host = make_host([3000], cpus=8)
    domains = [make_domain([1000], name=f"small{n}") for n in range(2)]
    large = make_domain([2500], name="large", priority=3)
    answer = search(make_problem(host, *domains, large, allow_partial=True), Limits())
    assert levels_of(answer)["placed_priority"] == 3
    assert answer.placement is not None
    assert answer.placement.unplaced == ("small0", "small1")


def test_the_penalty_for_hyperthreads_drives_vcpus_to_free_cores() -> None:
    domain = make_domain([512, 512], 4, vcpu_to_vnode=[0, 0, 1, 1])
    for penalty, homes in ((0, [0, 0]), (20, [0, 1])):
        host = make_host([9999, 9999], cpus=4, threads=2, smt="penalty", smt_penalty=penalty)
        assert homes_of(search(make_problem(host, domain), Limits())) == homes


def test_soft_affinity_is_kept_where_it_costs_nothing() -> None:
    host = make_host([9999, 9999])
    domain = make_domain([512], 2, soft_affinity=every_vcpu("nodes:1", 2))
    answer = search(make_problem(host, domain), Limits())
    assert homes_of(answer) == [1]
    assert levels_of(answer)["vcpus_off_soft"] == 0


def test_spread_levels_the_fullest_pnode_and_pack_keeps_pnodes_free() -> None:
    host = make_host([4000, 4000], cpus=8)
    domains = [make_domain([1000], name=f"vm{n}") for n in range(2)]
    spread = Policy(name="spread", tie_break="spread")
    answer = search(make_problem(host, *domains, policy=spread), Limits())
    assert levels_of(answer)["spread_max"] == 250
    assert homes_of(answer, "vm0") != homes_of(answer, "vm1")
    pack = Policy(name="pack", tie_break="pack")
    answer = search(make_problem(host, *domains, policy=pack), Limits())
    assert levels_of(answer)["packed_pages"] == 4000
    assert homes_of(answer, "vm0") == homes_of(answer, "vm1")


def test_cost_slack_lets_the_policy_give_up_that_much_cost() -> None:
    host = make_host([4000, 4000], distances=[[10, 11], [11, 10]])
    domain = make_domain([1000, 1000], 2, vcpu_to_vnode=[0, 1])
    spread = Policy(name="spread", tie_break="spread")
    for slack, fullest in ((Fraction(0), 500), (Fraction(1, 20), 250)):
        problem = make_problem(host, domain, policy=spread, cost_slack=slack)
        assert levels_of(search(problem, Limits()))["spread_max"] == fullest


def test_auto_vnodes_are_as_few_as_can_be_placed() -> None:
    host = make_host([5000, 5000, 5000])
    for pages, count in ((4000, 1), (8192, 2), (12288, 3)):
        domain = make_domain([pages], 3, auto_vnodes=True)
        answer = search(make_problem(host, domain), Limits())
        assert levels_of(answer)["auto_vnodes"] == count
        assert len(homes_of(answer)) == count


def test_unequal_vnodes_are_the_least_unequal_that_fit() -> None:
    host = make_host([5120 + 256, 9216])
    problem = make_problem(host, make_domain([12800], 4, auto_vnodes=True))
    assert search(problem, Limits()).status == "infeasible"
    sizes, proven = find_unequal_sizes(problem, TimeBox(Limits()))
    assert proven
    assert sorted(sizes["vm"].tolist()) == [5120, 7680]
    answer = search(problem, Limits(), sizes=sizes)
    assert answer.status == "optimal"
    assert answer.levels[0].name == "auto_vnodes"
    assert answer.levels[0].bound == 2


def test_preferred_memory_overflows_by_as_little_as_it_must() -> None:
    host = make_host([256 + 512 * 6, 512 * 8])
    domain = make_domain(
        [512 * 10], 1, memory=(VnodeMemory(policy="preferred"),), hard_affinity=every_vcpu("0", 1)
    )
    answer = search(make_problem(host, domain), Limits())
    assert answer.placement is not None
    assert answer.placement.of("vm").pages.tolist() == [[512 * 6, 512 * 4]]


def test_the_same_question_gives_the_same_placement_twice() -> None:
    host = make_host([3000] * 4, distances=_ring(4))
    domains = [make_domain([700, 700], 2, name=f"vm{n}") for n in range(4)]
    problem = make_problem(host, *domains)
    first, second = (search(problem, Limits(seed=7)) for _ in range(2))
    assert first.placement == second.placement
    assert first.levels == second.levels


def _ring(count: int) -> list[list[int]]:
    steps = [[min((p - q) % count, (q - p) % count) for q in range(count)] for p in range(count)]
    return [[10 if s == 0 else 16 + 6 * (s - 1) for s in row] for row in steps]


def _hard_problem() -> Problem:
    rng = np.random.default_rng(3)
    host = make_host([40_000] * 8, cpus=16, distances=_ring(8))
    domains = [
        make_domain(rng.integers(2000, 9000, size=6).tolist(), 12, name=f"vm{n}") for n in range(9)
    ]
    return make_problem(host, *domains)


def test_a_time_limit_gives_the_best_so_far_with_a_bound_below_it() -> None:
    started = time.monotonic()
    answer = search(_hard_problem(), Limits(time_limit=4.0))
    assert time.monotonic() - started < 10.0
    assert answer.status == "feasible"
    assert answer.placement is not None
    cost = next(level for level in answer.levels if level.name == "cost")
    assert cost.status == "feasible"
    assert 0 < cost.bound < cost.value


def test_an_interrupt_gives_the_best_so_far() -> None:
    timer = threading.Timer(4.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    answer = search(_hard_problem(), Limits(time_limit=60.0))
    timer.join()
    assert answer.interrupted
    assert answer.placement is not None
    assert answer.status == "feasible"


def test_levels_that_time_leaves_out_still_have_a_value_and_a_bound() -> None:
    problem = _hard_problem()
    partial = Problem(hosts=problem.hosts, domains=problem.domains, allow_partial=True)
    answer = search(partial, Limits(time_limit=0.6))
    assert answer.placement is not None
    assert answer.status == "feasible"
    for level in answer.levels:
        better = level.bound <= level.value if level.sense == "min" else level.bound >= level.value
        assert better, level
    assert {"placed_priority", "vcpus_off_home", "cost"} <= {level.name for level in answer.levels}


def test_domains_left_out_are_the_last_of_equals() -> None:
    domains = [make_domain([1000], name=f"vm{n}") for n in range(3)]
    answer = search(make_problem(make_host([2600]), *domains, allow_partial=True), Limits())
    assert answer.placement is not None
    assert answer.placement.unplaced == ("vm2",)


def test_a_small_problem_with_spilled_memory_is_finished_with_one_worker() -> None:
    answer = search(tiny_problem(538), Limits(time_limit=60.0))
    assert answer.status == "optimal"
