"""Headroom, frontier, grids and comparisons, against counting by hand and solving outright."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.errors import InputError
from placer.host import Host
from placer.problem import Problem
from placer.scenario import CountHosts, SetHosts
from placer.solve import SolveOptions, solve
from placer.whatif.compare import compare_runs
from placer.whatif.draft import Base
from placer.whatif.frontier import frontier_of, frontier_scenarios
from placer.whatif.headroom import headroom
from placer.whatif.many import number_scenarios, solve_chunk
from placer.whatif.sweep import sweep_scenarios
from tests.builders import make_domain, make_host, make_problem
from tests.sample_runs import solved
from tests.whatif.bases import GIB, QUICK, domain_of, drawn_base, hosts_of, three_hosts


def empty(*hosts: Host) -> Base:
    """A base whose hosts carry next to nothing."""
    tiny = make_domain([256], name="tiny", vcpu_to_vnode=[0])
    return Base(run=solved(make_problem(hosts, tiny)))


def test_headroom_is_what_counting_by_hand_gives() -> None:
    base = empty(*hosts_of(2, gib=8, cpus=8))
    rooms = list(headroom(base, domain_of("vm", 2, vcpus=1)))
    # Three of 2 GiB with 1 MiB each beside them fit in 8 GiB, four do not.
    assert [room.number for room in rooms] == [6, 6]
    assert all(room.is_proven for room in rooms)
    assert "memory" in " ".join(rooms[1].next_one.binding)
    assert "h1" in rooms[1].next_one.reason


def test_headroom_knows_what_stops_the_next_one() -> None:
    base = empty(make_host([64 * GIB], cpus=4))
    (room,) = headroom(base, domain_of("vm", 1, vcpus=2))
    assert room.number == 1
    assert "vcpus" in room.next_one.reason


def test_shapes_that_no_host_takes_have_no_room() -> None:
    base = three_hosts()
    pinned = domain_of("vm", 1, vnode_pnode=[5])
    assert [room.number for room in headroom(base, pinned)] == [0, 0, 0]
    only = replace(domain_of("vm", 1), hosts=("h1",))
    numbers = [room.number for room in headroom(base, only)]
    assert numbers[0] == numbers[2] == 0 < numbers[1]


@pytest.mark.parametrize("seed", range(300, 312))
def test_headroom_is_never_below_what_solving_finds(seed: int) -> None:
    base = drawn_base(seed)
    if base is None:
        return
    shape = make_domain([512, 256], 2, name="one more", vcpu_to_vnode=[0, 1])
    for room in headroom(base, shape, work=1.0):
        host = base.after[room.host]
        assert room.number <= room.bound
        for number, fits in ((room.number, True), (room.bound + 1, False)):
            if not number:
                continue
            copies = tuple(replace(shape, name=f"c{n}") for n in range(number))
            problem = Problem(hosts=(host,), domains=copies)
            found = solve(problem, SolveOptions(work=5.0, reasons=False, baselines=False)).result
            assert found.status != ("infeasible" if fits else "optimal")


def scattered() -> Base:
    """Wide domains whose vnodes had to be far apart; room has come since."""
    hosts = tuple(
        make_host([4 * GIB + 4096] * 4, cpus=4, name=f"h{n}", distances=FAR) for n in range(2)
    )
    pinned = [
        domain_of(f"w{n}", 2, 2, vcpus=1, vnode_pnode=[0, 3], hosts=(f"h{n % 2}",))
        for n in range(4)
    ]
    run = solved(make_problem(hosts, *pinned, allow_partial=True))
    free = tuple(
        replace(domain, vnode_pnode=[-1, -1], hosts=None) for domain in run.problem.domains
    )
    return Base(run=replace(run, problem=replace(run.problem, domains=free)))


FAR = [[10, 12, 32, 32], [12, 10, 32, 32], [32, 32, 10, 12], [32, 32, 12, 10]]


def test_the_frontier_never_gets_dearer_and_keeps_its_bounds() -> None:
    base = scattered()
    scenarios = frontier_scenarios(base)
    assert [scenario.max_moves for scenario in scenarios] == [0, 1, 2, 3, 4]
    outcomes = solve_chunk((base, QUICK), number_scenarios(base, scenarios, QUICK))
    points = frontier_of(scenarios, [outcome.row for outcome in outcomes])
    costs = [point.cost for point in points]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] == sum(base.cost_of.values())
    assert costs[-1] < costs[0]
    assert all(point.bound <= point.cost for point in points)
    assert [point.bound for point in points] == sorted(
        (point.bound for point in points), reverse=True
    )
    assert all(point.num_moved <= point.max_moves for point in points)
    assert points[0].gap == 0.0
    assert [point.is_pareto for point in points[:2]] == [True, costs[1] < costs[0]]


def test_frontiers_of_many_domains_grow_in_steps() -> None:
    numbers = [s.max_moves or 0 for s in frontier_scenarios(scattered(), 2)]
    assert numbers == [0, 1, 2]


def test_a_grid_has_every_combination_once() -> None:
    found = sweep_scenarios(["overcommit=1.0:1.5:0.25", "hosts=2,3"])
    assert [scenario.name for scenario in found] == [
        "overcommit=1.0 hosts=2",
        "overcommit=1.0 hosts=3",
        "overcommit=1.25 hosts=2",
        "overcommit=1.25 hosts=3",
        "overcommit=1.50 hosts=2",
        "overcommit=1.50 hosts=3",
    ]
    first, second = found[2].changes
    assert isinstance(first, SetHosts)
    assert first.overcommit == 1.25
    assert second == CountHosts(number=2)


@pytest.mark.parametrize(
    ("axis", "told"),
    [
        ("overcommit", "expected NAME=VALUES"),
        ("colour=red", "expected NAME=VALUES"),
        ("overcommit=-1", "overcommit: found '-1', expected a number above 0"),
        ("overcommit=nan", "overcommit: found 'nan'"),
        ("overcommit=1:2:0", "overcommit: found '1:2:0', expected .* a step above 0"),
        ("overcommit=1:2:-1", "overcommit: found '1:2:-1', expected .* a step above 0"),
        ("overcommit=2:1:1", "found '2:1:1', expected .* last value that is not below the first"),
        ("overcommit=1:1e9:0.000001", "expected FIRST:LAST:STEP with 10000 steps or fewer"),
        ("overcommit=1:2:1e-999999999", "expected FIRST:LAST:STEP with 10000 steps or fewer"),
        ("overcommit=1:2", "found '1:2', expected a number above 0"),
        ("reserve=-5GiB", "found '-5GiB', expected a size in whole pages, such as 512MiB or"),
        ("reserve=1B", "found '1B', expected a size in whole pages"),
        ("hosts=0", "hosts: found '0', expected how many hosts"),
        ("reserve=lots", "reserve: found 'lots'"),
        ("policy=wise", "found 'wise'"),
        ("smt=half", "smt: found 'half', expected threads, cores or penalty=W"),
        ("hosts=1:9999:1", None),
    ],
)
def test_a_faulty_axis_is_told(axis: str, told: str | None) -> None:
    if told is None:
        assert len(sweep_scenarios([axis])) == 9999
        return
    with pytest.raises(InputError, match=told):
        sweep_scenarios([axis])


def test_a_grid_has_an_end_and_no_axis_twice() -> None:
    with pytest.raises(InputError, match="cells, expected 100000 or fewer"):
        sweep_scenarios(["hosts=1:1000:1", "overcommit=1:1000:1"])
    with pytest.raises(InputError, match="'hosts' again"):
        sweep_scenarios(["hosts=1", "hosts=2"])


def test_two_runs_are_compared_domain_by_domain() -> None:
    first = three_hosts().run
    smaller = replace(
        first.problem,
        hosts=first.problem.hosts[:1],
        domains=(*first.problem.domains[1:], domain_of("new", 1)),
    )
    second = solved(smaller)
    found = {row.domain: row for row in compare_runs(first, second)}
    assert found["a"].difference == "removed"
    assert found["new"].difference == "added"
    assert {row.difference for row in compare_runs(first, first)} == {"same"}
    for name in ("b", "wide", "big"):
        before, after = first.placed_by_name[name], second.placed_by_name.get(name)
        if after is None:
            assert found[name].difference == "unplaced"
            assert found[name].reason_b
        elif after.host != before.host:
            assert found[name].difference == "moved"
            assert found[name].moved_pages == before.vnode_pages.sum()
