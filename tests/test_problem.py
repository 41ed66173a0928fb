"""A problem is cross-checked once, and says all that is wrong at once."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from placer.cpulist import CpuList
from placer.domain import VnodeMemory
from placer.errors import InputError
from placer.host import RunningDomain
from placer.problem import Group, Problem
from tests.builders import every_vcpu, make_domain, make_host, make_problem

HALF = Fraction(1, 2)


def faults_of(*domains: Any, hosts: Any = None, **fields: Any) -> list[str]:
    """Return the fields that a problem of these domains is refused for."""
    with pytest.raises(InputError) as caught:
        make_problem(make_host([4096] * 2) if hosts is None else hosts, *domains, **fields)
    return [fault.field for fault in caught.value.faults]


def test_hosts_and_domains_are_found_by_name() -> None:
    hosts = [make_host([4096], name="a"), make_host([4096], name="b")]
    problem = make_problem(hosts, make_domain([512], name="x"), make_domain([512], name="y"))
    assert problem.host_index == {"a": 0, "b": 1}
    assert problem.domain_index == {"x": 0, "y": 1}


def test_every_fault_is_told_at_once() -> None:
    hosts = [make_host([4096]), make_host([4096])]
    domain = make_domain([512], vnode_pnode=[3], groups=("none",), hosts=("other",))
    assert faults_of(domain, domain, hosts=hosts) == [
        "host",
        "domain",
        *["vm.groups", "vm.hosts", "vm.pnode"] * 2,
    ]


def test_a_problem_has_hosts_and_domains() -> None:
    with pytest.raises(InputError) as caught:
        Problem(hosts=(), domains=())
    assert [fault.found for fault in caught.value.faults] == ["no host", "no domain"]


def test_a_name_that_runs_already_is_refused() -> None:
    running = RunningDomain(name="vm", pages=[0, 0], vcpus_on=[0, 0])
    host = make_host([4096] * 2, running=(running,))
    assert faults_of(make_domain([512]), hosts=host) == ["vm"]


def test_forbidden_hosts_must_be_there_too() -> None:
    assert faults_of(make_domain([512], forbidden_hosts=("other",))) == ["vm.hosts"]


def test_a_pnode_that_one_of_the_hosts_has_may_be_asked_for() -> None:
    hosts = [make_host([4096], name="one"), make_host([4096] * 3, name="three")]
    problem = make_problem(hosts, make_domain([512], vnode_pnode=[2]))
    assert problem.domains[0].vnode_pnode.tolist() == [2]


def test_a_group_that_is_there_may_be_named() -> None:
    group = Group(name="pair", keep="apart")
    problem = make_problem(make_host([4096]), make_domain([512], groups=("pair",)), groups=(group,))
    assert problem.groups == (group,)
    assert group.over == "hosts"


@pytest.mark.parametrize(
    ("access", "pages", "found"),
    [
        (((HALF, HALF), (HALF, HALF)), [512, 512], None),
        (((HALF, HALF + Fraction(1, 2_000_000)), (HALF, HALF)), [512, 512], None),
        (((HALF, HALF + Fraction(1, 500_000)), (HALF, HALF)), [512, 512], "sum"),
        (((HALF,), (HALF, HALF)), [512, 512], "1 entries"),
        (((Fraction(-1), Fraction(2)), (HALF, HALF)), [512, 512], "2 entries"),
        (((HALF, HALF), (HALF, HALF)), [512, 0], "a share on a vnode without memory"),
        (((Fraction(1), Fraction(0)), ()), [512, 0], None),
        (((), (HALF, HALF)), [512, 512], "0 entries"),
    ],
)
def test_a_measured_matrix_is_square_sums_to_1_and_leaves_empty_vnodes_alone(
    access: Any, pages: list[int], found: str | None
) -> None:
    domain = make_domain(pages, 2, vcpu_to_vnode=[0, 0], access=access)
    if found is None:
        assert make_problem(make_host([4096] * 2), domain).domains == (domain,)
        return
    with pytest.raises(InputError, match=found):
        make_problem(make_host([4096] * 2), domain)


def test_a_row_of_a_vnode_that_may_get_vcpus_is_needed() -> None:
    domain = make_domain([512, 512], 2, access=((HALF, HALF), ()))
    assert faults_of(domain) == ["vm.access row 1"]


def test_a_hard_affinity_must_name_a_pcpu_of_some_host() -> None:
    assert faults_of(make_domain([512], 2, hard_affinity=every_vcpu("90-99", 2))) == ["vm.cpus"]
    inside = make_domain([512], 2, hard_affinity=(CpuList.parse("7-99"), None))
    assert make_problem(make_host([4096] * 2), inside).domains == (inside,)
    soft = make_domain([512], 2, soft_affinity=every_vcpu("90-99", 2))
    assert make_problem(make_host([4096] * 2), soft).domains == (soft,)


@pytest.mark.parametrize(
    "memory",
    [
        VnodeMemory(policy="interleave", interleave_width=3),
        VnodeMemory(policy="interleave", interleave_width=0),
        VnodeMemory(policy="interleave", interleave_pnodes=(0, 2)),
        VnodeMemory(policy="interleave", interleave_pnodes=()),
    ],
)
def test_memory_is_interleaved_over_pnodes_that_some_host_has(memory: VnodeMemory) -> None:
    assert faults_of(make_domain([512], memory=(memory,))) == ["vm.memory_policy of vnode 0"]
