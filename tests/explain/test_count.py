"""What counting finds missing, kind by kind, and that it is never wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from placer.domain import VnodeMemory
from placer.explain.count import Shortage, shortage_of
from placer.explain.room import Room
from placer.host import RunningDomain
from tests.builders import every_vcpu, make_domain, make_host
from tests.explain.ask import can_be_placed, draw_alone

GIB = 1 << 18


def count(host: Any, domain: Any) -> Shortage:
    shortage = shortage_of(domain, Room(host))
    assert shortage is not None
    return shortage


def test_memory_is_counted_with_the_overhead() -> None:
    found = count(make_host([GIB, GIB]), make_domain([2 * GIB], memory=(spill(),)))
    assert found.reason == "needs 2049 MiB with overhead, host has 2.0 GiB free"
    assert found.short_by == ("1 MiB on host",)


def spill() -> VnodeMemory:
    return VnodeMemory(policy="preferred")


def test_a_strict_vnode_needs_one_pnode() -> None:
    found = count(make_host([10 * GIB, 8 * GIB]), make_domain([GIB, 12 * GIB], 2))
    assert found.reason == (
        "vnode 1 needs 12.0 GiB on one pnode, the freest, pnode 0, of host has 10.0 GiB free"
    )
    assert found.short_by == ("2.0 GiB on pnode 0 of host",)


def test_the_pnode_asked_for_is_the_one_that_counts() -> None:
    host = make_host([10 * GIB, 8 * GIB])
    found = count(host, make_domain([GIB, 9 * GIB], 2, vnode_pnode=[-1, 1]))
    assert "pnode 1, which it asks for, of host has 8.0 GiB free" in found.reason
    assert found.short_by == ("1.0 GiB on pnode 1 of host",)


def test_shared_vcpus_are_counted_with_overcommit_and_what_runs() -> None:
    running = RunningDomain(name="dom0", pages=[0, 0], vcpus_on=[2, 0])
    host = make_host([GIB, GIB], cpus=4, overcommit=Fraction(3, 2), running=(running,))
    assert shortage_of(make_domain([1000], 10), Room(host)) is None
    assert count(host, make_domain([1000], 11)).short_by == ("1 vcpu on host",)


@pytest.mark.parametrize(("policy", "room"), [("prefer", 8), ("isolate", 4), ("require", 8)])
def test_dedicated_vcpus_are_counted_by_thread_policy(policy: str, room: int) -> None:
    host = make_host([GIB, GIB], cpus=4, threads=2)
    fits = make_domain([1000], room, dedicated=True, thread_policy=policy, cpu_spill="last")
    assert shortage_of(fits, Room(host)) is None
    more = make_domain([1000], room + 1, dedicated=True, thread_policy=policy, cpu_spill="last")
    assert count(host, more).short_by == ("1 vcpu on host",)


def test_dedicated_vcpus_that_fill_cores_find_none_of_one_thread() -> None:
    domain = make_domain([1000], 1, dedicated=True, thread_policy="require")
    assert (
        "1 dedicated vcpu on whole cores, host has room for 0"
        in count(make_host([GIB]), domain).reason
    )


def test_vcpus_of_a_mask_are_counted_against_its_pcpus() -> None:
    host = make_host([GIB, GIB], cpus=4)
    found = count(host, make_domain([1000], 4, hard_affinity=every_vcpu("0-2", 4)))
    assert found.reason == '4 shared vcpus with cpus = "0-2", where host has room for 3 (pnode 0)'
    assert found.short_by == ('1 vcpu in "0-2"',)


def test_vcpus_that_may_not_leave_home_are_counted_against_one_pnode() -> None:
    host = make_host([GIB, GIB], cpus=[4, 6])
    found = count(host, make_domain([1000], 8, cpu_spill="never"))
    assert found.reason == (
        "vnode 0 has 8 vcpus that may not leave its home, pnode 1 of host has room for 6"
    )


def test_large_pages_are_counted_in_free_extents() -> None:
    host = make_host([2400], free_spans=[(0, 1 << 14 | 1, 2400)])
    found = count(host, make_domain([2048], page_order=[9]))
    assert found.reason == ("vnode 0 wants 4 pages of 2 MiB, host has 3 free in whole on one pnode")
    assert shortage_of(make_domain([2048]), Room(host)) is None


def test_an_interleaved_vnode_needs_its_share_on_each_pnode() -> None:
    memory = (VnodeMemory(policy="interleave", interleave_pnodes=(0, 1)),)
    found = count(make_host([8 * GIB, GIB, GIB]), make_domain([4 * GIB], memory=memory))
    assert "2.0 GiB on each, pnode 1 of host has 1.0 GiB free" in found.reason


def test_vnodes_that_share_too_few_pnodes_are_a_matching() -> None:
    host = make_host([10 * GIB] * 7 + [4 * GIB] * 9)
    found = count(host, make_domain([8 * GIB] * 8, 8, distinct_pnodes=True))
    assert found.certificate == "matching"
    assert found.reason == (
        "vnodes 0-7 need 8 pnodes of their own, together they fit only 7 pnodes (0-6) of host"
    )


def test_vnodes_that_are_forced_together_are_added_up() -> None:
    found = count(make_host([10 * GIB, 4 * GIB]), make_domain([6 * GIB, 5 * GIB], 2))
    assert "vnodes 0-1 need 11.0 GiB together and fit only pnode 0" in found.reason


def test_vnodes_of_a_size_are_counted_pnode_by_pnode() -> None:
    found = count(make_host([5 * GIB + GIB // 2] * 2), make_domain([GIB, *[3 * GIB] * 3], 4))
    assert found.reason == (
        "vnodes 1-3 of 3.0 GiB or more are 3, the pnodes of host hold 2 of that size"
    )
    assert found.short_by == ("0.5 GiB on pnode 0 of host",)


@pytest.mark.parametrize("part", range(4))
def test_what_counting_refuses_the_solver_refuses_too(part: int) -> None:
    refused = 0
    for problem in draw_alone(range(300 + 40 * part, 340 + 40 * part)):
        if shortage_of(problem.domains[0], Room(problem.hosts[0])) is not None:
            refused += 1
            assert not can_be_placed(problem)
    assert refused > 10
