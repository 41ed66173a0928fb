from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.heuristic.host_state import count_running_vcpus
from placer.heuristic.libxl import choose_pnodes, place
from placer.host import Host, RunningDomain
from placer.placement import PlacedDomain
from placer.problem import Problem
from placer.units import pages_from_mib
from tests.heuristic.captures import CASES, read_capture

MIB = 256


def host_of(
    free: list[int], pcpus: list[int] | None = None, *, name: str = "host", **more: Any
) -> Host:
    """Return a host with free pages and a number of pcpus by pnode."""
    num_pnodes = len(free)
    pcpu_pnode = np.repeat(np.arange(num_pnodes), pcpus or [4] * num_pnodes)
    ids = np.arange(len(pcpu_pnode))
    distances = np.full((num_pnodes, num_pnodes), 20)
    np.fill_diagonal(distances, 10)
    starts = np.arange(num_pnodes) * (1 << 24) + 1
    spans = np.stack([np.arange(num_pnodes), starts, free], axis=1)
    return Host(
        name=name,
        total_pages=np.array(free),
        free_pages=np.array(free),
        reserve_pages=np.zeros(num_pnodes, dtype=np.int64),
        spans=spans,
        free_spans=spans,
        pcpu_ids=ids,
        pcpu_pnode=pcpu_pnode,
        pcpu_socket=pcpu_pnode,
        pcpu_core=ids,
        distances=distances,
        **more,
    )


def domain_of(name: str, mib: list[int], num_vcpus: int = 1, **more: Any) -> Domain:
    pages = np.array([pages_from_mib(size) for size in mib])
    return Domain(name=name, vnode_pages=pages, num_vcpus=num_vcpus, **more)


def placed_alone(host: Host, domain: Domain) -> PlacedDomain:
    placement = place(Problem(hosts=(host,), domains=(domain,)))
    return placement.of(domain.name)


# The host of the vNUMA posting of November 2013, as its second example's dump shows it.
HEATPIPE_BEFORE_RCBIG = [2752911, 2963050]
HEATPIPE_BEFORE_RC9 = [655759, 865898]


def test_the_first_example_of_the_posting_is_placed_as_it_prints() -> None:
    domain = domain_of("rcbig", [4096] * 4, num_vcpus=4)
    placed = placed_alone(host_of(HEATPIPE_BEFORE_RCBIG), domain)
    assert placed.home.tolist() == [0, 0, 1, 1]
    assert placed.pages_on.tolist() == [2097152, 2097152]
    assert placed.vcpu_to_vnode.tolist() == [0, 1, 2, 3]
    assert placed.vcpu_to_pnode.tolist() == [0, 0, 1, 1]
    assert placed.vcpu_to_pcpu.tolist() == [0, 1, 4, 5]


def test_the_second_example_of_the_posting_keeps_the_users_map() -> None:
    domain = domain_of(
        "rc9",
        [2048, 2048],
        num_vcpus=4,
        vcpu_to_vnode=np.array([1, 0, 1, 0]),
        vnode_pnode=np.array([1, 0]),
    )
    placed = placed_alone(host_of(HEATPIPE_BEFORE_RC9), domain)
    assert placed.home.tolist() == [1, 0]
    assert placed.pages.tolist() == [[0, 524288], [524288, 0]]
    assert placed.vcpu_to_pnode.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("name", CASES)
def test_the_pnodes_chosen_are_those_that_a_real_xen_chose(name: str) -> None:
    capture = read_capture(name)
    host, domain = capture.host, capture.domain
    chosen = choose_pnodes(
        host,
        host.free_pages,
        count_running_vcpus(host),
        domain.num_vcpus,
        domain.memory_pages + domain.overhead_pages,
    )
    everything = tuple(range(host.num_pnodes))
    assert (chosen or everything) == capture.chosen
    assert (chosen is None) == (host.num_pnodes == 1)
    assert placed_alone(host, domain).home[0] in capture.chosen


def test_every_kind_of_choice_is_among_the_captures() -> None:
    chosen = {read_capture(name).chosen for name in CASES}
    assert chosen == {(0,), (1,), (0, 1), (0, 2), (0, 1, 2)}


def plain_choice(
    free: list[int], pcpus: list[int], loads: list[int], num_vcpus: int, need: int
) -> tuple[int, ...] | None:
    """Libxl's search as its manual page words it, one set at a time."""
    if len(free) < 2:
        return None
    suitable = [pnode for pnode in range(len(free)) if pcpus[pnode]]
    fewest = -(-num_vcpus // pcpus[0]) if len(set(pcpus)) == 1 else 1
    for size in range(min(fewest, len(suitable)), len(suitable) + 1):
        best: tuple[int, ...] | None = None
        for group in combinations(suitable, size):
            if sum(free[p] for p in group) < need or sum(pcpus[p] for p in group) < num_vcpus:
                continue
            figures = (sum(loads[p] for p in group), -sum(free[p] for p in group))
            if best is None or figures < (
                sum(loads[p] for p in best),
                -sum(free[p] for p in best),
            ):
                best = group
        if best is not None:
            return best
    return None


@given(
    st.integers(1, 5).flatmap(
        lambda num: st.tuples(
            st.lists(st.integers(0, 6), min_size=num, max_size=num),
            st.one_of(
                st.lists(st.integers(0, 3), min_size=num, max_size=num).filter(any),
                st.integers(1, 4).map(lambda count: [count] * num),
            ),
            st.lists(st.integers(0, 3), min_size=num, max_size=num),
        )
    ),
    st.integers(1, 8),
    st.integers(1, 12),
)
def test_the_search_agrees_with_one_set_at_a_time(
    figures: tuple[list[int], list[int], list[int]], num_vcpus: int, need: int
) -> None:
    free, pcpus, loads = figures
    host = host_of([pages * 512 for pages in free], pcpus)
    assert choose_pnodes(
        host, host.free_pages, np.array(loads), num_vcpus, need * 512
    ) == plain_choice([pages * 512 for pages in free], pcpus, loads, num_vcpus, need * 512)


def test_more_than_16_pnodes_are_not_searched() -> None:
    for num_pnodes, expected in ((16, (0,)), (17, None)):
        host = host_of([4096] * num_pnodes, [1] * num_pnodes)
        assert choose_pnodes(host, host.free_pages, host.free_pages * 0, 1, 512) == expected


def test_without_a_choice_all_pnodes_serve_and_first_fit_goes_on() -> None:
    host = host_of([1024 * MIB] * 2 + [2048 * MIB] * 15, [1] * 17)
    assert placed_alone(host, domain_of("wide", [1500])).home.tolist() == [2]


def test_running_vcpus_push_a_domain_to_the_other_pnode() -> None:
    busy = RunningDomain(
        name="dom0", pages=np.zeros(2, dtype=np.int64), vcpus_on=np.array([2, 1]), floating_vcpus=9
    )
    pinned = RunningDomain(
        name="pinned",
        pages=np.zeros(2, dtype=np.int64),
        vcpus_on=np.zeros(2, dtype=np.int64),
        dedicated_pcpus=(4, 5),
    )
    free = [4096 * MIB, 2048 * MIB]
    small = domain_of("small", [512])
    assert placed_alone(host_of(free), small).home.tolist() == [0]
    assert placed_alone(host_of(free, running=(busy,)), small).home.tolist() == [1]
    assert placed_alone(host_of(free, running=(busy, pinned)), small).home.tolist() == [0]
    assert count_running_vcpus(host_of(free, running=(busy, pinned))).tolist() == [11, 12]


def test_domains_placed_before_count_as_load_on_every_pnode_that_they_may_use() -> None:
    host = host_of([4096 * MIB, 2048 * MIB], [2, 2])
    domains = [domain_of(name, [256], num_vcpus=2) for name in ("a", "b", "c")]
    placement = place(Problem(hosts=(host,), domains=tuple(domains)))
    assert [placed.home[0] for placed in placement.domains] == [0, 1, 0]


def test_a_map_without_room_falls_back_to_the_automatic_one() -> None:
    host = host_of([1024 * MIB, 4096 * MIB])
    domain = domain_of("d", [1000, 1000], num_vcpus=2, vnode_pnode=np.array([0, 0]))
    assert placed_alone(host, domain).home.tolist() == [1, 1]


def test_a_map_with_a_gap_is_no_map() -> None:
    host = host_of([4096 * MIB, 2048 * MIB])
    domain = domain_of("d", [512, 512], num_vcpus=2, vnode_pnode=np.array([1, -1]))
    assert placed_alone(host, domain).home.tolist() == [0, 0]


def test_first_fit_fills_a_pnode_with_the_vnodes_that_fit_before_the_next() -> None:
    host = host_of([1024 * MIB, 1300 * MIB], [4, 4])
    domain = domain_of("d", [600, 600, 400], num_vcpus=3)
    assert placed_alone(host, domain).home.tolist() == [0, 1, 0]


def test_a_vnode_that_fits_nowhere_takes_what_the_others_leave() -> None:
    host = host_of([1024 * MIB, 1024 * MIB], [4, 4])
    placed = placed_alone(host, domain_of("d", [600, 600, 700], num_vcpus=3))
    assert placed.pages.tolist() == [[600 * MIB, 0], [0, 600 * MIB], [424 * MIB, 276 * MIB]]
    assert placed.home.tolist() == [0, 1, 0]


def test_pages_go_beyond_the_chosen_pnodes_only_when_those_are_full() -> None:
    host = host_of([100 * MIB, 300 * MIB, 300 * MIB], [1, 1, 1])
    soft = CpuList.parse("0")
    domain = domain_of("d", [600], soft_affinity=(soft,))
    assert placed_alone(host, domain).pages.tolist() == [[100 * MIB, 300 * MIB, 200 * MIB]]
    pinned = domain_of("e", [550])
    assert placed_alone(host, pinned).pages.tolist() == [[0, 300 * MIB, 250 * MIB]]


def test_a_vnode_without_memory_has_a_home_too() -> None:
    host = host_of([256 * MIB, 2048 * MIB])
    domain = domain_of("d", [0, 512], num_vcpus=2)
    assert placed_alone(host, domain).home.tolist() == [1, 1]


def test_a_soft_affinity_or_a_list_of_hard_ones_turns_the_choice_off() -> None:
    free = [1024 * MIB, 2048 * MIB]
    first, second = CpuList.parse("0-7"), CpuList.parse("0-3")
    same = domain_of("same", [512], 2, hard_affinity=(first, first))
    listed = domain_of("listed", [512], 2, hard_affinity=(first, second))
    soft = domain_of("soft", [512], 2, soft_affinity=(first, None))
    assert placed_alone(host_of(free), same).home.tolist() == [1]
    assert placed_alone(host_of(free), listed).home.tolist() == [0]
    assert placed_alone(host_of(free), soft).home.tolist() == [0]


def test_vcpus_stay_within_their_hard_affinity() -> None:
    host = host_of([1024 * MIB, 2048 * MIB])
    mask = CpuList.parse("1,3")
    placed = placed_alone(host, domain_of("d", [512], 3, hard_affinity=(mask,) * 3))
    assert placed.home.tolist() == [1]
    assert placed.vcpu_to_pnode.tolist() == [0, 0, 0]
    assert placed.vcpu_to_pcpu.tolist() == [1, 3, 1]


def test_vcpus_share_the_pcpus_of_a_pnode_evenly() -> None:
    placed = placed_alone(host_of([4096 * MIB]), domain_of("d", [512], 6))
    assert placed.vcpu_to_pcpu.tolist() == [0, 1, 2, 3, 0, 1]


def test_vcpus_of_a_pnode_without_pcpus_run_on_the_lowest_that_has_some() -> None:
    host = host_of([1024 * MIB, 1024 * MIB, 1024 * MIB], [0, 2, 2])
    domain = domain_of("d", [512, 512], 2, vnode_pnode=np.array([0, 2]))
    placed = placed_alone(host, domain)
    assert placed.home.tolist() == [0, 2]
    assert placed.vcpu_to_pnode.tolist() == [1, 2]


def test_domains_go_to_the_first_host_that_holds_them_in_input_order() -> None:
    small = host_of([512 * MIB], name="small")
    large = host_of([4096 * MIB], name="large")
    domains = tuple(domain_of(name, [mib]) for name, mib in (("a", 2048), ("b", 500), ("c", 100)))
    placement = place(Problem(hosts=(small, large), domains=domains))
    assert [(placed.domain, placed.host) for placed in placement.domains] == [
        ("a", "large"),
        ("b", "small"),
        ("c", "large"),
    ]


def test_a_domain_that_no_host_holds_is_left_out_and_named() -> None:
    domains = (domain_of("big", [9000]), domain_of("fits", [100]))
    placement = place(Problem(hosts=(host_of([1024 * MIB]),), domains=domains))
    assert placement.unplaced == ("big",)
    assert [placed.domain for placed in placement.domains] == ["fits"]


def test_the_toolstacks_pages_are_counted_before_the_next_domain() -> None:
    host = host_of([514 * MIB])
    alone = (domain_of("a", [256]), domain_of("b", [256]))
    third = (*alone, domain_of("c", [1]))
    assert place(Problem(hosts=(host,), domains=alone)).unplaced == ()
    assert place(Problem(hosts=(host,), domains=third)).unplaced == ("c",)


def test_only_hosts_that_the_user_allows_are_tried() -> None:
    hosts = tuple(host_of([4096 * MIB], name=name) for name in ("a", "b", "c"))
    domains = (
        domain_of("one", [100], hosts=("c", "b")),
        domain_of("two", [100], forbidden_hosts=("a", "b")),
    )
    placement = place(Problem(hosts=hosts, domains=domains))
    assert [placed.host for placed in placement.domains] == ["b", "c"]


def test_a_host_without_a_pcpu_of_the_hard_affinity_is_passed_over() -> None:
    hosts = (host_of([4096 * MIB], [2], name="a"), host_of([4096 * MIB], [8], name="b"))
    domain = domain_of("d", [100], hard_affinity=(CpuList.parse("6"),))
    assert place(Problem(hosts=hosts, domains=(domain,))).of("d").host == "b"


def test_vnodes_that_the_solver_would_choose_are_one() -> None:
    placed = placed_alone(
        host_of([1024 * MIB, 1024 * MIB]), domain_of("d", [1500], 2, auto_vnodes=True)
    )
    assert placed.num_vnodes == 1
    assert placed.vcpu_to_vnode.tolist() == [0, 0]
    assert placed.pages.tolist() == [[1024 * MIB, 476 * MIB]]
