"""The cost terms, by hand on small cases, and by their laws on random ones."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.cost import (
    domain_cost,
    granule_counts,
    granule_pages,
    level_values,
    load_per_mille,
    mean_access_distance,
    packed_pages,
    pages_moved,
    placed_priority,
    scaled_parts,
    smt_penalty,
    spread_terms,
    total_cost,
    vcpus_off_home,
    vcpus_off_soft,
)
from placer.cpulist import CpuList
from placer.host import RunningDomain
from placer.placement import PlacedDomain, Placement
from placer.policy import Policy
from placer.problem import Problem
from tests.builders import every_vcpu, make_domain, make_host, make_problem

GIB = 1 << 18
"""Pages of 1 GiB."""


def place(problem: Problem, number: int = 0, **fields: Any) -> PlacedDomain:
    """Return a domain placed strictly at ``home`` with its vcpus at home, but for ``fields``."""
    domain = problem.domains[number]
    host = problem.hosts[0]
    home = fields.pop("home")
    pages = np.zeros((domain.num_vnodes, host.num_pnodes), dtype=np.int64)
    pages[np.arange(domain.num_vnodes), home] = domain.vnode_pages
    mapping = domain.vcpu_to_vnode
    vnodes = [0] * domain.num_vcpus if mapping is None else mapping.tolist()
    pnodes = fields.get("vcpu_to_pnode", [home[vnode] for vnode in vnodes])
    first = {p: int(host.pcpu_ids[host.pcpu_pnode == p][0]) for p in set(pnodes)}
    given_fields: dict[str, Any] = {
        "domain": domain.name,
        "host": host.name,
        "vnode_pages": domain.vnode_pages,
        "home": home,
        "pages": pages,
        "vcpu_to_vnode": vnodes,
        "vcpu_to_pnode": pnodes,
        "vcpu_to_pcpu": [first[p] for p in pnodes],
    }
    return PlacedDomain(**{**given_fields, **fields})


def test_the_first_guest_of_the_vnuma_posting_has_a_mean_distance_of_14() -> None:
    """Four vnodes 10 and 20 apart, two on each pnode (xen-devel, November 2013)."""
    domain = make_domain([4 * GIB] * 4, 4, vcpu_to_vnode=[0, 1, 2, 3])
    problem = make_problem(make_host([16 * GIB] * 2), domain)
    placed = place(problem, home=[0, 0, 1, 1])
    assert domain_cost(domain, placed, problem.hosts[0]) == 4 * 14 * 640_000
    assert mean_access_distance(domain, placed, problem.hosts[0]) == 14


def test_the_second_guest_of_the_vnuma_posting_has_a_mean_distance_of_12() -> None:
    """Two vnodes 10 and 40 apart, each alone on its pnode."""
    domain = make_domain(
        [2 * GIB] * 2, 4, vcpu_to_vnode=[1, 0, 1, 0], distances=[[10, 40], [40, 10]]
    )
    problem = make_problem(make_host([4 * GIB] * 2), domain)
    placed = place(problem, home=[1, 0])
    assert mean_access_distance(domain, placed, problem.hosts[0]) == 12


def test_distances_count_from_the_pcpus_to_the_memory() -> None:
    host = make_host([4096] * 2, distances=[[10, 30], [15, 10]])
    problem = make_problem(host, make_domain([1000]))
    domain = problem.domains[0]
    for home, runs_on, distance in ((0, 1, 15), (1, 0, 30), (1, 1, 10)):
        placed = place(problem, home=[home], vcpu_to_pnode=[runs_on])
        assert mean_access_distance(domain, placed, host) == distance


def test_each_vcpu_pays_for_the_pnode_that_it_runs_on() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 3))
    placed = place(problem, home=[0], vcpu_to_pnode=[0, 1, 1])
    assert domain_cost(problem.domains[0], placed, problem.hosts[0]) == (10 + 20 + 20) * 640_000
    assert vcpus_off_home(problem.domains[0], placed) == 2


def test_vcpus_of_a_domain_that_spills_freely_are_never_off_home() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 2, cpu_spill="free"))
    placed = place(problem, home=[0], vcpu_to_pnode=[1, 1])
    assert vcpus_off_home(problem.domains[0], placed) == 0


@pytest.mark.parametrize(
    ("pages", "grain"),
    [(1, 512), (512, 512), (64 * 512, 512), (64 * 512 + 1, 513), (1 << 24, 1 << 18)],
)
def test_a_granule_is_2_mib_or_a_64th_of_the_vnode(pages: int, grain: int) -> None:
    assert granule_pages(pages) == grain


@pytest.mark.parametrize(
    ("row", "counts", "parts"),
    [
        ([1000, 0, 0], [2, 0, 0], [64, 0, 0]),
        ([512, 0, 488], [1, 0, 1], [32, 0, 32]),
        ([512, 512, 512], [1, 1, 1], [21, 21, 22]),
        ([1024, 512, 0], [2, 1, 0], [42, 22, 0]),
        ([0, 512, 100], [0, 1, 1], [0, 32, 32]),
        ([488, 0, 512], None, [31, 0, 33]),
    ],
)
def test_spilled_memory_counts_in_64_parts(
    row: list[int], counts: list[int] | None, parts: list[int]
) -> None:
    pages = np.array(row)
    assert granule_counts(pages) == counts
    assert scaled_parts(pages, home=0) == parts


def test_a_vnode_without_memory_counts_at_home() -> None:
    assert scaled_parts(np.array([0, 0, 0]), home=2) == [0, 0, 64]


@given(st.lists(st.integers(0, 64), min_size=1, max_size=8).filter(any))
def test_parts_sum_to_64_and_miss_the_share_by_less_than_two(counts: Sequence[int]) -> None:
    pages = np.array(counts) * 512
    parts = scaled_parts(pages, home=int(pages.argmax()))
    assert sum(parts) == 64
    for part, count in zip(parts, counts, strict=True):
        assert abs(part - Fraction(64 * count, sum(counts))) < 1
        assert part == 0 or count > 0


def test_memory_on_two_pnodes_costs_the_mean_of_both_distances() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1024]))
    placed = place(problem, home=[0], pages=[[512, 512]])
    assert mean_access_distance(problem.domains[0], placed, problem.hosts[0]) == 15


def test_the_penalty_counts_vcpus_beyond_the_cores_that_running_ones_leave() -> None:
    busy = RunningDomain(name="busy", pages=[0], vcpus_on=[1])
    host = make_host([8192], cpus=6, threads=2, smt="penalty", smt_penalty=3, running=(busy,))
    problem = make_problem(host, make_domain([1000], 4))
    placed = place(problem, home=[0])
    assert smt_penalty(host, [placed]) == 2 * 3 * 640_000
    placement = Placement(domains=(placed,))
    assert total_cost(problem, placement) == (4 * 10 + 2 * 3) * 640_000
    threads = make_host([8192], cpus=6, threads=2, smt_penalty=3)
    assert smt_penalty(threads, [placed]) == 0


def test_a_running_domain_that_fills_the_cores_makes_every_vcpu_pay_once() -> None:
    busy = RunningDomain(name="busy", pages=[0], vcpus_on=[9])
    host = make_host([8192], cpus=6, threads=2, smt="penalty", smt_penalty=1, running=(busy,))
    problem = make_problem(host, make_domain([1000], 4))
    assert smt_penalty(host, [place(problem, home=[0])]) == 4 * 640_000


def test_a_vcpu_is_off_soft_on_a_pnode_without_a_pcpu_of_its_mask() -> None:
    soft = (CpuList.parse("0"), CpuList.parse("4-7"), CpuList.parse("nodes:1"), None)
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 4, soft_affinity=soft))
    placed = place(problem, home=[0])
    assert vcpus_off_soft(problem.domains[0], placed, problem.hosts[0]) == 2


def test_a_load_is_rounded_up_and_counts_what_was_used_before() -> None:
    host = make_host([3000, 1000, 0], total_pages=[3001, 2000, 0])
    problem = make_problem(host, make_domain([500]))
    placed = place(problem, home=[1])
    assert load_per_mille(host, [placed]) == [1, 750, 0]
    assert spread_terms(problem, Placement(domains=(placed,))) == (750, 751)


def test_packed_pages_are_those_of_pnodes_with_nothing_on_them() -> None:
    guard = RunningDomain(name="guard", pages=[0, 0, 0, 5], vcpus_on=[0] * 4)
    host = make_host([3000, 1000, 2000, 4000], total_pages=[3000, 1000, 2001, 4000])
    problem = make_problem(host, make_domain([500]))
    placement = Placement(domains=(place(problem, home=[1]),))
    assert packed_pages(problem, placement) == 3000 + 4000
    held = make_host(
        [3000, 1000, 2000, 4000], total_pages=[3000, 1000, 2001, 4000], running=(guard,)
    )
    assert packed_pages(make_problem(held, make_domain([500])), placement) == 3000


def test_levels_are_those_that_the_problem_has_in_their_order() -> None:
    host = make_host([4096] * 2)
    plain = make_problem(host, make_domain([1000], 2))
    placement = Placement(domains=(place(plain, home=[0]),))
    assert level_values(plain, placement) == {"vcpus_off_home": 0, "cost": 2 * 6_400_000}
    rich = make_problem(
        host,
        make_domain([1000], 2, soft_affinity=every_vcpu("4-7", 2), priority=3),
        make_domain([1000], 2, name="left", priority=5),
        allow_partial=True,
        policy=Policy(name="spread", tie_break="spread"),
    )
    partly = Placement(domains=placement.domains, unplaced=("left",))
    assert list(level_values(rich, partly).items()) == [
        ("placed_priority", 3),
        ("vcpus_off_home", 0),
        ("cost", 12_800_000),
        ("vcpus_off_soft", 2),
        ("spread_max", 245),
        ("spread_sum", 245),
    ]
    assert placed_priority(rich, partly) == 3
    packed = make_problem(
        host, make_domain([1000], 2), policy=Policy(name="pack", tie_break="pack")
    )
    assert level_values(packed, placement)["packed_pages"] == 4096


def test_the_number_of_vnodes_that_the_solver_chose_is_a_level() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1024], 2, auto_vnodes=True))
    placed = PlacedDomain(
        domain="vm",
        host="host",
        vnode_pages=[512, 512],
        home=[0, 1],
        pages=[[512, 0], [0, 512]],
        vcpu_to_vnode=[0, 1],
        vcpu_to_pnode=[0, 1],
        vcpu_to_pcpu=[0, 4],
    )
    values = level_values(problem, Placement(domains=(placed,)))
    assert values["auto_vnodes"] == 2
    assert values["cost"] == 2 * (6667 * 10 + 3333 * 20) * 64


def test_costs_of_ten_thousand_domains_stay_exact_and_below_2_to_the_63() -> None:
    domain = make_domain([512], 128, cpu_spill="free")
    host = make_host([512, 4096], cpus=128, distances=[[10, 254], [254, 10]])
    problem = make_problem(host, domain)
    placed = place(problem, home=[0], vcpu_to_pnode=[1] * 128)
    cost = domain_cost(domain, placed, host)
    assert cost == 128 * 254 * 640_000
    assert 10_000 * cost < 1 << 63


def test_pages_moved_are_those_that_a_vnode_has_fewer_of_or_all_on_another_host() -> None:
    def at(host: str, pages: list[list[int]], pcpu: int = 0) -> PlacedDomain:
        return PlacedDomain(
            domain="vm",
            host=host,
            vnode_pages=[100, 50],
            home=[0, 1],
            pages=pages,
            vcpu_to_vnode=[0],
            vcpu_to_pnode=[0],
            vcpu_to_pcpu=[pcpu],
        )

    before = at("h0", [[100, 0], [0, 50]])
    assert pages_moved(before, before) == 0
    assert pages_moved(at("h0", [[100, 0], [0, 50]], pcpu=3), before) == 0
    assert pages_moved(at("h0", [[60, 40], [0, 50]]), before) == 40
    assert pages_moved(at("h0", [[0, 100], [50, 0]]), before) == 150
    assert pages_moved(at("h1", [[100, 0], [0, 50]]), before) == 150
