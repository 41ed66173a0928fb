"""Refusals that counting proves: what is short, where, and by how much."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.answer import Limits
from placer.cpsat.search import search
from placer.explain import explain_by_count
from placer.host import RunningDomain
from tests.builders import make_domain, make_host, make_problem
from tests.random_problems import draw_problem


def test_a_domain_larger_than_every_host_is_short_on_the_largest() -> None:
    hosts = (make_host([1000], name="small"), make_host([1500, 1000], name="large"))
    domain = make_domain([3000])
    refusal = explain_by_count(make_problem(hosts, domain), domain)
    assert refusal is not None
    assert refusal.binding == ("memory of large",)
    assert refusal.short_by == (f"{4 * (3000 + 256 - 2500)} KiB on large",)


def test_a_strict_vnode_larger_than_every_pnode_is_named() -> None:
    domain = make_domain([500, 1800])
    refusal = explain_by_count(make_problem(make_host([1500, 1500]), domain), domain)
    assert refusal is not None
    assert "vnode 1" in refusal.reason
    assert refusal.short_by == ("1200 KiB on pnode 0 of host",)


def test_the_pnode_asked_for_is_the_one_that_is_short() -> None:
    domain = make_domain([500], vnode_pnode=[1])
    refusal = explain_by_count(make_problem(make_host([5000, 100]), domain), domain)
    assert refusal is not None
    assert "pnode 1" in refusal.binding[0]


def test_too_many_vcpus_are_counted_against_the_host() -> None:
    domain = make_domain([500], 9)
    refusal = explain_by_count(make_problem(make_host([5000, 5000], cpus=4), domain), domain)
    assert refusal is not None
    assert refusal.short_by == ("1 vcpu on host",)


def test_no_host_allowed_is_said() -> None:
    domain = make_domain([500], forbidden_hosts=("host",))
    refusal = explain_by_count(make_problem(make_host([5000]), domain), domain)
    assert refusal is not None
    assert refusal.reason == "no host is allowed"


def test_counting_is_silent_about_a_domain_that_counts_allow() -> None:
    domain = make_domain([900, 900])
    assert explain_by_count(make_problem(make_host([1500, 1500]), domain), domain) is None


def test_a_pnode_that_running_vcpus_overfill_takes_nothing_from_the_others() -> None:
    running = RunningDomain(name="web", pages=[0, 0], vcpus_on=[9, 0])
    host = make_host([5000, 5000], cpus=4, running=(running,))
    fits, too_many = make_domain([500], 4), make_domain([500], 5)
    assert explain_by_count(make_problem(host, fits), fits) is None
    refusal = explain_by_count(make_problem(host, too_many), too_many)
    assert refusal is not None
    assert refusal.short_by == ("1 vcpu on host",)


@pytest.mark.parametrize("part", range(4))
def test_what_counting_refuses_the_solver_refuses_too(part: int) -> None:
    refused = 0
    for seed in range(50 * part, 50 * part + 50):
        problem = draw_problem(seed)
        alone = replace(problem.with_only(problem.domains[:1]), allow_partial=False)
        if explain_by_count(alone, alone.domains[0]) is not None:
            refused += 1
            assert search(alone, Limits()).status == "infeasible", f"seed {seed}"
    assert refused > 0
