"""Each rule alone: only it is built, the decisions are fixed, and the solver says yes or no."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from ortools.sat.python import cp_model

from placer.cpsat import constraints
from placer.cpsat.variables import Variables, new_solver
from placer.domain import Domain, VnodeMemory
from placer.host import RunningDomain
from placer.problem import Group, Problem
from tests.builders import every_vcpu, make_domain, make_host, make_problem

Rule = Callable[[Variables], None]


def allows(
    problem: Problem,
    *rules: Rule,
    homes: dict[str, list[int]] | None = None,
    on: dict[str, int] | None = None,
    spill: bool = True,
    fix: Callable[[Variables], None] | None = None,
) -> bool:
    """Return whether the rules allow the homes (by domain) and hosts that are fixed."""
    v = Variables(problem, spill=spill)
    for rule in (constraints.place_every_domain, *rules):
        rule(v)
    for item in v.items:
        for vnode, pnode in enumerate((homes or {}).get(item.domain.name, [])):
            for site in v.sites_of(item):
                if on is None or site.number == on[item.domain.name]:
                    v.model.add(v.home(item, vnode, site)[pnode] == 1)
        if on is not None and item.domain.name in on:
            v.model.add(v.item_on(item, on[item.domain.name]) == 1)
    if fix is not None:
        fix(v)
    return bool(new_solver().solve(v.model) == cp_model.OPTIMAL)


def test_memory_on_a_pnode_counts_pages_overhead_and_reserve_to_the_page() -> None:
    domain = make_domain([1000, 500], vcpu_to_vnode=[0])
    rule = constraints.keep_memory_within_free
    for free, reserve, fits in (
        (1756, 0, True),
        (1755, 0, False),
        (1766, 10, True),
        (1765, 10, False),
    ):
        host = make_host([free, 500], reserve_pages=[reserve, 0])
        problem = make_problem(host, domain)
        assert allows(problem, rule, homes={"vm": [0, 0]}) is fits


def test_a_page_size_wanted_needs_free_extents_of_it() -> None:
    rule = constraints.keep_page_sizes_within_extents
    whole = make_host([1024])
    split = make_host([1024], free_spans=[(0, 100, 512), (0, 5000, 512)])
    wants = make_domain([512], page_order=[9])
    assert allows(make_problem(whole, wants), rule)
    assert not allows(make_problem(split, wants), rule)
    assert allows(make_problem(split, make_domain([512])), rule)


def test_shared_vcpus_fill_a_pnode_up_to_overcommit_rounded_down() -> None:
    rule = constraints.keep_vcpus_within_pcpus
    for overcommit, most in ((Fraction(1), 2), (Fraction(5, 4), 2), (Fraction(3, 2), 3)):
        for vcpus in (most, most + 1):
            host = make_host([9999], cpus=2, overcommit=overcommit)
            domain = make_domain([512], vcpus, vcpu_to_vnode=[0] * vcpus)
            assert allows(make_problem(host, domain), rule) is (vcpus <= most)


def test_ten_vcpus_pinned_to_one_pcpu_do_not_fit_beside_idle_pcpus() -> None:
    rule = constraints.keep_vcpus_within_pcpus
    host = make_host([9999], cpus=16)
    pinned = make_domain([512], 10, vcpu_to_vnode=[0] * 10, hard_affinity=every_vcpu("3", 10))
    assert not allows(make_problem(host, pinned), rule)
    free = make_domain([512], 10, vcpu_to_vnode=[0] * 10)
    assert allows(make_problem(host, free), rule)


def test_running_vcpus_and_dedicated_pcpus_are_taken_already() -> None:
    rule = constraints.keep_vcpus_within_pcpus
    running = RunningDomain(name="web", pages=[0], vcpus_on=[1], dedicated_pcpus=(3,))
    host = make_host([9999], cpus=4, running=(running,))
    for vcpus, fits in ((2, True), (3, False)):
        domain = make_domain([512], vcpus, vcpu_to_vnode=[0] * vcpus)
        assert allows(make_problem(host, domain), rule) is fits


@pytest.mark.parametrize(("thread_policy", "most"), [("prefer", 8), ("isolate", 4), ("require", 8)])
def test_thread_policies_take_threads_or_whole_cores(thread_policy: Any, most: int) -> None:
    rule = constraints.keep_vcpus_within_pcpus
    host = make_host([9999], cpus=8, threads=2)
    for vcpus in (most, most + 1):
        domain = make_domain(
            [512],
            vcpus,
            vcpu_to_vnode=[0] * vcpus,
            dedicated=True,
            thread_policy=thread_policy,
        )
        assert allows(make_problem(host, domain), rule) is (vcpus <= most)


def test_require_keeps_the_spare_thread_of_its_last_core_from_others() -> None:
    rule = constraints.keep_vcpus_within_pcpus
    host = make_host([9999], cpus=4, threads=2)
    three = make_domain([512], 3, vcpu_to_vnode=[0] * 3, dedicated=True, thread_policy="require")
    other = make_domain([512], 1, name="other", vcpu_to_vnode=[0])
    assert allows(make_problem(host, three), rule)
    assert not allows(make_problem(host, three, other), rule)
    assert not allows(make_problem(make_host([9999], cpus=4), three), rule)


def test_smt_cores_counts_cores_and_not_threads() -> None:
    rule = constraints.keep_vcpus_within_pcpus
    domain = make_domain([512], 3, vcpu_to_vnode=[0] * 3)
    for smt, fits in (("threads", True), ("cores", False)):
        host = make_host([9999], cpus=4, threads=2, smt=smt)
        assert allows(make_problem(host, domain), rule) is fits


def test_without_spill_vcpus_run_where_their_vnode_has_its_home() -> None:
    rules = (constraints.keep_vcpus_within_pcpus, constraints.keep_vcpus_at_home)
    host = make_host([9999, 9999], cpus=[2, 8])
    domain = make_domain([512], 3, vcpu_to_vnode=[0] * 3)
    problem = make_problem(host, domain)
    assert not allows(problem, *rules, homes={"vm": [0]}, spill=False)
    assert allows(problem, *rules, homes={"vm": [1]}, spill=False)
    assert allows(problem, *rules, homes={"vm": [0]}, spill=True)


def test_a_pnode_asked_for_is_the_home() -> None:
    problem = make_problem(make_host([9999, 9999]), make_domain([512], vnode_pnode=[1]))
    assert allows(problem, constraints.keep_homes_asked_for, homes={"vm": [1]})
    assert not allows(problem, constraints.keep_homes_asked_for, homes={"vm": [0]})


def test_the_home_of_spilled_memory_is_the_lowest_pnode_with_most_pages() -> None:
    domain = make_domain([2048], memory=(VnodeMemory(policy="preferred"),))
    problem = make_problem(make_host([9999, 9999]), domain)

    def deal(first: int, second: int) -> Callable[[Variables], None]:
        def fix(v: Variables) -> None:
            for granules, number in zip(v.granules[0, 0, 0], (first, second), strict=True):
                v.model.add(granules == number)

        return fix

    rule = constraints.keep_homes_where_memory_is
    assert allows(problem, rule, homes={"vm": [0]}, fix=deal(2, 2))
    assert not allows(problem, rule, homes={"vm": [1]}, fix=deal(2, 2))
    assert allows(problem, rule, homes={"vm": [1]}, fix=deal(1, 3))
    assert not allows(problem, rule, homes={"vm": [0]}, fix=deal(1, 3))


def test_interleaved_granules_are_equal_within_one_on_the_given_set() -> None:
    memory = VnodeMemory(policy="interleave", interleave_pnodes=(0, 2))
    domain = make_domain([2560], memory=(memory,))
    problem = make_problem(make_host([9999] * 3), domain)

    def deal(*numbers: int) -> Callable[[Variables], None]:
        def fix(v: Variables) -> None:
            for granules, number in zip(v.granules[0, 0, 0], numbers, strict=True):
                v.model.add(granules == number)

        return fix

    rule = constraints.interleave_evenly
    assert allows(problem, rule, fix=deal(3, 0, 2))
    assert not allows(problem, rule, fix=deal(4, 0, 1))
    assert not allows(problem, rule, fix=deal(3, 2, 0))


def test_distinct_pnodes_never_share_a_home() -> None:
    domain = make_domain([512, 512], distinct_pnodes=True)
    problem = make_problem(make_host([9999, 9999]), domain)
    assert allows(problem, constraints.keep_pnodes_distinct, homes={"vm": [1, 0]})
    assert not allows(problem, constraints.keep_pnodes_distinct, homes={"vm": [1, 1]})


def _pair(*groups: str) -> tuple[Domain, Domain]:
    return make_domain([512], name="a", groups=groups), make_domain([512], name="b", groups=groups)


@pytest.mark.parametrize(("keep", "same"), [("together", True), ("apart", False)])
def test_groups_over_hosts_keep_domains_together_or_apart(keep: Any, same: bool) -> None:
    hosts = (make_host([9999], name="h0"), make_host([9999], name="h1"))
    problem = make_problem(hosts, *_pair("g"), groups=(Group(name="g", keep=keep),))
    assert allows(problem, constraints.keep_groups, on={"a": 0, "b": 0}) is same
    assert allows(problem, constraints.keep_groups, on={"a": 0, "b": 1}) is not same


@pytest.mark.parametrize(("keep", "same"), [("together", True), ("apart", False)])
def test_groups_over_pnodes_keep_homes_together_or_apart(keep: Any, same: bool) -> None:
    group = Group(name="g", keep=keep, over="pnodes")
    problem = make_problem(make_host([9999, 9999]), *_pair("g"), groups=(group,))
    assert allows(problem, constraints.keep_groups, homes={"a": [1], "b": [1]}) is same
    assert allows(problem, constraints.keep_groups, homes={"a": [0], "b": [1]}) is not same


def test_vcpus_never_run_where_memory_they_access_is_unreachable() -> None:
    host = make_host([9999, 9999], distances=[[10, 255], [20, 10]])
    domain = make_domain([512, 512], 1, vcpu_to_vnode=[0])
    problem = make_problem(host, domain)
    rules = (constraints.keep_vcpus_at_home, constraints.avoid_unreachable_pairs)
    assert not allows(problem, *rules, homes={"vm": [0, 1]}, spill=False)
    assert allows(problem, *rules, homes={"vm": [1, 0]}, spill=False)


def test_a_forbidden_host_is_never_used() -> None:
    hosts = (make_host([9999], name="h0"), make_host([9999], name="h1"))
    domain = make_domain([512], forbidden_hosts=("h0",))
    v = Variables(make_problem(hosts, domain), spill=False)
    assert [site.host.name for site in v.sites_of(v.items[0])] == ["h1"]
