"""Parts of a fleet: nothing that belongs together is cut, and all parts are alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.fleet.divide import Share, divide, problem_of
from placer.problem import Group, Problem, Running
from tests.builders import make_domain, make_host, make_problem
from tests.placements import place_simply
from tests.random_problems import draw_batch, draw_problem

GIB = 1 << 18


def part_with(shares: tuple[Share, ...], domain: int) -> Share:
    (found,) = (share for share in shares if domain in share.domains)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_no_host_group_or_running_domain_is_cut(seed: int) -> None:
    problem = draw_batch(seed) if seed % 2 else draw_problem(seed)
    shares = divide(problem, 3)
    hosts = [number for share in shares for number in share.hosts]
    domains = [number for share in shares for number in share.domains]
    assert len(set(hosts)) == len(hosts)
    assert len(set(domains)) == len(domains)
    for group in problem.groups:
        parts = {
            share
            for share in shares
            for number in share.domains
            if group.name in problem.domains[number].groups
        }
        assert len(parts) <= 1
    for share in shares:
        part = problem_of(problem, share)
        assert part.allow_partial
        assert {domain.name for domain in part.domains} >= set(part.running_now)
        for number in share.domains:
            running = problem.running_now.get(problem.domains[number].name)
            assert running is None or problem.host_index[running.host] in share.hosts


def test_equal_hosts_and_large_domains_are_dealt_evenly() -> None:
    large = [make_host([64 * GIB] * 2, cpus=32, name=f"l{n}") for n in range(4)]
    small = [make_host([16 * GIB], cpus=8, name=f"s{n}") for n in range(8)]
    domains = (
        *(make_domain([GIB], 1, name=f"tiny-{n}") for n in range(40)),
        *(make_domain([40 * GIB], 8, name=f"huge-{n}") for n in range(8)),
    )
    problem = make_problem((*large, *small), *domains)
    shares = divide(problem, 4)
    assert len(shares) == 4
    for share in shares:
        names = [problem.hosts[number].name[0] for number in share.hosts]
        assert (names.count("l"), names.count("s")) == (1, 2)
        assert sum(number >= 40 for number in share.domains) == 2
        assert sum(number < 40 for number in share.domains) == 10


def test_a_domain_goes_where_a_host_of_its_own_is() -> None:
    hosts = [make_host([4 * GIB] * count, name=f"h{count}") for count in (1, 1, 2)]
    hosts[1] = replace(hosts[1], name="other")
    domains = (
        make_domain([GIB], name="named", hosts=("other",)),
        make_domain([GIB], name="second", vnode_pnode=[1]),
        make_domain([GIB], name="free"),
    )
    problem = make_problem(hosts, *domains)
    shares = divide(problem, 3)
    assert part_with(shares, 0).hosts == (1,)
    assert part_with(shares, 1).hosts == (2,)


def test_what_no_part_has_hosts_for_is_in_none() -> None:
    hosts = [make_host([4 * GIB], name=name) for name in ("a", "b")]
    domains = (
        make_domain([GIB], name="on-a", hosts=("a",), groups=("apart",)),
        make_domain([GIB], name="on-b", hosts=("b",), groups=("apart",)),
        make_domain([GIB], name="one"),
        make_domain([GIB], name="two"),
    )
    problem = make_problem(hosts, *domains, groups=(Group(name="apart", keep="apart"),))
    assert divide(problem, 2) == (
        Share(hosts=(0,), domains=(2,)),
        Share(hosts=(1,), domains=(3,)),
    )


def test_moves_are_shared_out_by_what_runs() -> None:
    hosts = [make_host([4 * GIB], name=f"h{n}") for n in range(2)]
    domains = [make_domain([GIB], name=f"vm{n}", vcpu_to_vnode=[0]) for n in range(3)]
    current = []
    for number, domain in enumerate(domains):
        alone = make_problem(hosts[number % 2], domain)
        placement = place_simply(alone, 0)
        current.append(Running(placed=placement.domains[0]))
    problem = Problem(
        hosts=tuple(hosts),
        domains=tuple(domains),
        current=tuple(current),
        max_moves=3,
        max_moved_pages=3 * GIB,
    )
    parts = [problem_of(problem, share) for share in divide(problem, 2)]
    assert [part.max_moves for part in parts] == [2, 1]
    assert [part.max_moved_pages for part in parts] == [2 * GIB, GIB]
