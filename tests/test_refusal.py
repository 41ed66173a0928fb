"""Refusals that counting proves: what is short, where, and by how much."""

from __future__ import annotations

from placer.refusal import explain_by_count
from tests.builders import make_domain, make_host, make_problem


def test_a_domain_larger_than_every_host_is_short_on_the_largest() -> None:
    hosts = (make_host([1000], name="small"), make_host([1500, 1000], name="large"))
    domain = make_domain([3000])
    refusal = explain_by_count(make_problem(hosts, domain), domain)
    assert refusal is not None
    assert refusal.binding == ("C1: memory of large",)
    assert refusal.short_by == (f"{3000 + 256 - 2500} pages on large",)


def test_a_strict_vnode_larger_than_every_pnode_is_named() -> None:
    domain = make_domain([500, 1800])
    refusal = explain_by_count(make_problem(make_host([1500, 1500]), domain), domain)
    assert refusal is not None
    assert "vnode 1" in refusal.reason
    assert refusal.short_by == ("300 pages for vnode 1 on host",)


def test_the_pnode_asked_for_is_the_one_that_is_short() -> None:
    domain = make_domain([500], vnode_pnode=[1])
    refusal = explain_by_count(make_problem(make_host([5000, 100]), domain), domain)
    assert refusal is not None
    assert "pnode 1" in refusal.binding[0]


def test_too_many_vcpus_are_counted_against_the_host() -> None:
    domain = make_domain([500], 9)
    refusal = explain_by_count(make_problem(make_host([5000, 5000], cpus=4), domain), domain)
    assert refusal is not None
    assert refusal.short_by == ("1 vcpus on host",)


def test_no_host_allowed_is_said() -> None:
    domain = make_domain([500], forbidden_hosts=("host",))
    refusal = explain_by_count(make_problem(make_host([5000]), domain), domain)
    assert refusal is not None
    assert refusal.reason == "no host is allowed"


def test_counting_is_silent_about_a_domain_that_counts_allow() -> None:
    domain = make_domain([900, 900])
    assert explain_by_count(make_problem(make_host([1500, 1500]), domain), domain) is None
