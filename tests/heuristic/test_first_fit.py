from __future__ import annotations

import numpy as np

from placer.heuristic import first_fit
from placer.problem import Problem
from tests.builders import make_domain, make_host, make_problem


def test_the_largest_comes_first_and_takes_the_first_host_with_room() -> None:
    hosts = [make_host([4096, 4096], name=name, cpus=4) for name in ("a", "b")]
    small = make_domain([1024], 1, name="small")
    large = make_domain([3000, 3000], 6, name="large")
    placement = first_fit.place(make_problem(hosts, small, large))
    assert placement.of("large").host == "a"
    assert placement.of("small").host == "a"
    assert [placed.domain for placed in placement.domains] == ["small", "large"]


def test_a_vnode_goes_to_the_first_pnode_with_room_for_memory_and_vcpus() -> None:
    host = make_host([1000, 4096, 4096], cpus=2)
    placement = first_fit.place(make_problem(host, make_domain([2000, 1500], 4)))
    assert placement.of("vm").home.tolist() == [1, 2]


def test_distances_play_no_part() -> None:
    far = [[10, 32, 12], [32, 10, 32], [12, 32, 10]]
    host = make_host([2048, 2048, 2048], cpus=2, distances=far)
    placement = first_fit.place(make_problem(host, make_domain([1800, 1800], 4)))
    assert placement.of("vm").home.tolist() == [0, 1]


def test_what_no_pnode_holds_lies_in_pieces_and_all_of_it_lies_somewhere() -> None:
    host = make_host([2000, 2000], cpus=4)
    placement = first_fit.place(make_problem(host, make_domain([3000], 2)))
    pages = placement.of("vm").pages
    assert pages.sum() == 3000
    assert (pages <= 2000).all()


def test_what_no_host_holds_is_left_out() -> None:
    host = make_host([1024], cpus=2)
    problem = make_problem(
        host, make_domain([4096], 1, name="memory"), make_domain([100], 3, name="vcpus")
    )
    assert set(first_fit.place(problem).unplaced) == {"memory", "vcpus"}


def test_hosts_named_and_pnodes_asked_for_are_kept() -> None:
    hosts = [make_host([4096, 4096], name=name) for name in ("a", "b")]
    domain = make_domain([1024], 1, hosts=("b",), vnode_pnode=[1])
    placed = first_fit.place(make_problem(hosts, domain)).of("vm")
    assert (placed.host, placed.home.tolist()) == ("b", [1])


def test_no_host_is_filled_beyond_its_memory_or_vcpus() -> None:
    rng = np.random.default_rng(7)
    hosts = tuple(make_host([3000, 5000], name=f"h{n}", cpus=4) for n in range(4))
    domains = tuple(
        make_domain([int(rng.integers(200, 3000))], int(rng.integers(1, 5)), name=f"d{n}")
        for n in range(20)
    )
    placement = first_fit.place(Problem(hosts=hosts, domains=domains, allow_partial=True))
    assert placement.unplaced
    for host in hosts:
        here = [placed for placed in placement.domains if placed.host == host.name]
        assert sum(placed.pages.sum() for placed in here) <= host.free_pages.sum()
        assert sum(len(placed.vcpu_to_pnode) for placed in here) <= host.num_pcpus
