from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest

from placer.check import check_placement
from placer.domain import Domain
from placer.host import Host, RunningDomain
from placer.moves import is_live, order_moves, standing
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem, Running
from placer.result import Move
from tests.builders import make_domain, make_host

OVERHEAD = 256


def put(
    domain: Domain, host: Host, homes: list[int], pcpus: list[int] | None = None
) -> PlacedDomain:
    """The domain with each vnode whole on a pnode; vcpus at home, on the first pcpus there."""
    homes_of = np.array(homes)
    pages = np.zeros((domain.num_vnodes, host.num_pnodes), dtype=np.int64)
    pages[np.arange(domain.num_vnodes), homes_of] = domain.vnode_pages
    mapping = domain.vcpu_to_vnode
    assert mapping is not None
    pnodes = homes_of[mapping]
    named = [int(host.pcpu_ids[host.pcpu_pnode == pnode][0]) for pnode in pnodes]
    return PlacedDomain(
        domain=domain.name,
        host=host.name,
        vnode_pages=domain.vnode_pages,
        home=homes_of,
        pages=pages,
        vcpu_to_vnode=mapping,
        vcpu_to_pnode=pnodes,
        vcpu_to_pcpu=np.array(named if pcpus is None else pcpus),
    )


def guest(name: str, *pages: int, vcpus: int = 0, **fields: object) -> Domain:
    """A domain whose memory with overhead is the sum of ``pages``, one vcpu a vnode or more."""
    mapping = np.arange(vcpus or len(pages)) % len(pages)
    sizes = [pages[0] - OVERHEAD, *pages[1:]]
    return make_domain(sizes, len(mapping), vcpu_to_vnode=mapping, name=name, **fields)


def moves_of(
    hosts: list[Host],
    way: dict[str, tuple[Domain, PlacedDomain | None, PlacedDomain]],
) -> tuple[tuple[Move, ...], bool, Problem, Placement]:
    """Order the way from one place to another of each domain, and have it replayed."""
    problem = Problem(
        hosts=tuple(hosts),
        domains=tuple(domain for domain, _, _ in way.values()),
        current=tuple(Running(placed=b) for _, b, _ in way.values() if b is not None),
    )
    placement = Placement(domains=tuple(target for _, _, target in way.values()))
    moves, fewest = order_moves(problem, placement)
    return moves, fewest, problem, placement


def kinds(moves: tuple[Move, ...]) -> list[tuple[str, str]]:
    return [(move.kind, move.domain) for move in moves]


def broken(problem: Problem, placement: Placement, moves: tuple[Move, ...]) -> set[str]:
    """The rules about moves that the checker sees broken."""
    found = check_placement(problem, placement, None, moves)
    return {violation.rule for violation in found if violation.rule[0] == "M"}


def test_a_domain_of_one_vnode_is_migrated_live_and_one_of_several_restarted() -> None:
    host = make_host([4096, 4096])
    one, two = guest("one", 1000), guest("two", 1000, 1000)
    moves, _, problem, placement = moves_of(
        [host],
        {
            "one": (one, put(one, host, [0]), put(one, host, [1])),
            "two": (two, put(two, host, [0, 0]), put(two, host, [0, 1])),
        },
    )
    assert sorted(kinds(moves)) == [("live", "one"), ("restart", "two")]
    assert is_live(one)
    assert not is_live(two)
    assert [move.pages for move in sorted(moves, key=lambda move: move.domain)] == [744, 1000]
    assert broken(problem, placement, moves) == set()


def test_a_live_move_waits_for_what_leaves_its_new_place() -> None:
    host = make_host([1000, 1000, 1000])
    first, second = guest("first", 1000), guest("second", 1000)
    moves, fewest, problem, placement = moves_of(
        [host],
        {
            "first": (first, put(first, host, [0]), put(first, host, [1])),
            "second": (second, put(second, host, [1]), put(second, host, [2])),
        },
    )
    assert kinds(moves) == [("live", "second"), ("live", "first")]
    assert [move.step for move in moves] == [1, 2]
    assert fewest
    assert broken(problem, placement, moves) == set()
    assert broken(problem, placement, _numbered(moves[::-1])) == {"M3 room"}


def test_a_live_cycle_without_room_needs_one_domain_to_stop_first() -> None:
    host = make_host([1000, 1000, 1000])
    guests = [guest(f"vm{n}", 1000) for n in range(3)]
    moves, fewest, problem, placement = moves_of(
        [host],
        {
            vm.name: (vm, put(vm, host, [n]), put(vm, host, [(n + 1) % 3]))
            for n, vm in enumerate(guests)
        },
    )
    assert kinds(moves) == [
        ("stop", "vm0"),
        ("live", "vm2"),
        ("live", "vm1"),
        ("start", "vm0"),
    ]
    assert fewest
    assert [move.pages for move in moves] == [0, 744, 744, 744]
    assert (moves[0].to_host, moves[0].to_homes) == (None, ())
    assert (moves[3].from_host, moves[3].to_homes) == (None, (1,))
    assert broken(problem, placement, moves) == set()


def test_a_swap_with_spare_memory_elsewhere_is_a_swap_all_the_same() -> None:
    """A move goes to its place at once: no detour over another pnode is taken."""
    host = make_host([1000, 1000, 1000])
    one, other = guest("one", 1000), guest("other", 1000)
    moves, fewest, _, _ = moves_of(
        [host],
        {
            "one": (one, put(one, host, [0]), put(one, host, [1])),
            "other": (other, put(other, host, [1]), put(other, host, [0])),
        },
    )
    assert [move.kind for move in moves] == ["stop", "live", "start"]
    assert fewest


def test_a_restart_frees_its_place_before_it_takes_the_new_one() -> None:
    host = make_host([1500, 1500])
    swapped = guest("swapped", 1500, 1500)
    moves, _, problem, placement = moves_of(
        [host], {"vm": (swapped, put(swapped, host, [0, 1]), put(swapped, host, [0, 1]))}
    )
    assert moves == ()
    uneven = guest("uneven", 1000, 1400)
    moves, _, problem, placement = moves_of(
        [host], {"vm": (uneven, put(uneven, host, [0, 1]), put(uneven, host, [1, 0]))}
    )
    assert kinds(moves) == [("restart", "uneven")]
    assert broken(problem, placement, moves) == set()


def test_of_sets_to_stop_the_one_that_is_restarted_anyway_comes_first() -> None:
    host = make_host([1000, 1000, 1000])
    live, down = guest("a", 1000), guest("b", 600, 400)
    moves, fewest, problem, placement = moves_of(
        [host],
        {
            "a": (live, put(live, host, [0]), put(live, host, [1])),
            "b": (down, put(down, host, [1, 1]), put(down, host, [0, 0])),
        },
    )
    assert kinds(moves) == [("stop", "b"), ("live", "a"), ("start", "b")]
    assert fewest
    assert broken(problem, placement, moves) == set()


def test_shared_vcpus_never_exceed_what_a_pnode_has_left_on_the_way() -> None:
    host = make_host([9000, 9000, 9000], cpus=2)
    first, second = guest("first", 1000, vcpus=2), guest("second", 1000, vcpus=2)
    way = {
        "first": (first, put(first, host, [0]), put(first, host, [1])),
        "second": (second, put(second, host, [1]), put(second, host, [2])),
    }
    moves, _, problem, placement = moves_of([host], way)
    assert kinds(moves) == [("live", "second"), ("live", "first")]
    assert broken(problem, placement, _numbered(moves[::-1])) == {"M3 room"}
    busy = RunningDomain(name="busy", pages=[0, 0, 0], vcpus_on=[0, 0, 1])
    moves, _, _, _ = moves_of([replace(host, running=(busy,), overcommit=2)], way)
    assert len(moves) == 2


def test_dedicated_pcpus_are_taken_by_name() -> None:
    """Two domains that exchange their pcpus cannot both run meanwhile, room or not."""
    host = make_host([9000], cpus=4)
    one, other = (guest(name, 1000, dedicated=True) for name in ("one", "other"))
    moves, fewest, problem, placement = moves_of(
        [host],
        {
            "one": (one, put(one, host, [0], [0]), put(one, host, [0], [1])),
            "other": (other, put(other, host, [0], [1]), put(other, host, [0], [0])),
        },
    )
    assert kinds(moves) == [("stop", "one"), ("repin", "other"), ("start", "one")]
    assert sum(move.pages for move in moves) == 0
    assert fewest
    assert broken(problem, placement, moves) == set()
    moves, _, _, _ = moves_of(
        [host],
        {
            "one": (one, put(one, host, [0], [0]), put(one, host, [0], [1])),
            "other": (other, put(other, host, [0], [1]), put(other, host, [0], [2])),
        },
    )
    assert kinds(moves) == [("repin", "other"), ("repin", "one")]


def test_new_domains_start_as_soon_as_what_follows_leaves_them_room() -> None:
    host = make_host([1000, 1000, 1000])
    first, second = guest("first", 1000), guest("second", 400)
    large, small, last = guest("large", 1000), guest("small", 500), guest("last", 600)
    moves, _, problem, placement = moves_of(
        [host],
        {
            "large": (large, None, put(large, host, [0])),
            "first": (first, put(first, host, [0]), put(first, host, [1])),
            "second": (second, put(second, host, [1]), put(second, host, [2])),
            "small": (small, None, put(small, host, [2])),
        },
    )
    assert kinds(moves) == [
        ("start", "small"),
        ("live", "second"),
        ("live", "first"),
        ("start", "large"),
    ]
    assert moves[0].from_host is None
    assert broken(problem, placement, moves) == set()
    assert last.memory_pages


def test_moves_between_hosts_are_ordered_too_and_hosts_apart_do_not_mix() -> None:
    hosts = [make_host([1000, 1000], name=f"h{n}") for n in range(4)]
    way = {}
    for pair in (0, 2):
        one, other = guest(f"one{pair}", 1000), guest(f"other{pair}", 1000)
        here, there = hosts[pair], hosts[pair + 1]
        way[one.name] = (one, put(one, here, [0]), put(one, there, [0]))
        way[other.name] = (other, put(other, there, [0]), put(other, there, [1]))
    moves, fewest, problem, placement = moves_of(hosts, way)
    assert [move.domain for move in moves] == ["other0", "other2", "one0", "one2"]
    assert {move.kind for move in moves} == {"live"}
    assert fewest
    assert broken(problem, placement, moves) == set()


def test_nothing_that_runs_means_no_moves() -> None:
    host = make_host([4096])
    vm = guest("vm", 1000)
    problem = Problem(hosts=(host,), domains=(vm,))
    assert order_moves(problem, Placement(domains=(put(vm, host, [0]),))) == ((), True)
    assert standing(problem) is None
    assert standing(replace(problem, allow_partial=True)) == Placement(domains=(), unplaced=("vm",))


def test_a_standing_placement_is_that_of_what_runs() -> None:
    host = make_host([4096, 4096])
    vm = guest("vm", 1000)
    problem = Problem(hosts=(host,), domains=(vm,), current=(Running(placed=put(vm, host, [1])),))
    found = standing(problem)
    assert found is not None
    assert found.of("vm").home.tolist() == [1]


def _numbered(moves: tuple[Move, ...]) -> tuple[Move, ...]:
    return tuple(replace(move, step=number) for number, move in enumerate(moves, start=1))


def _random_way(
    seed: int,
) -> tuple[list[Host], dict[str, tuple[Domain, PlacedDomain | None, PlacedDomain]]]:
    """Domains of 1 to 4 units, dealt twice over pnodes that they fill nearly."""
    rng = np.random.default_rng(seed)
    num_pnodes = int(rng.integers(2, 7))
    host = make_host([1000] * num_pnodes, cpus=64)

    def deal(sizes: list[list[int]]) -> list[list[int]] | None:
        left = [1000] * num_pnodes
        homes = []
        for vnodes in sizes:
            mine = []
            for pages in vnodes:
                fits = [p for p in range(num_pnodes) if left[p] >= pages]
                if not fits:
                    return None
                mine.append(int(rng.choice(fits)))
                left[mine[-1]] -= pages
            homes.append(mine)
        return homes

    while True:
        count = int(rng.integers(2, 7))
        sizes = [
            [400 + 50 * int(n) for n in rng.integers(0, 13, size=rng.integers(1, 3))]
            for _ in range(count)
        ]
        before, after = deal(sizes), deal(sizes)
        if before is not None and after is not None:
            break
    way: dict[str, tuple[Domain, PlacedDomain | None, PlacedDomain]] = {}
    for number, vnodes in enumerate(sizes):
        vm = guest(f"vm{number}", *vnodes)
        way[vm.name] = (vm, put(vm, host, before[number]), put(vm, host, after[number]))
    return [host], way


def _fewest_stops_by_trying(
    host: Host, way: dict[str, tuple[Domain, PlacedDomain | None, PlacedDomain]]
) -> int:
    """The fewest domains to stop first, by trying every set and every order of the others."""

    def pages(vm: Domain, placed: PlacedDomain) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        on = placed.pages_on.copy()
        on[placed.home[0]] += vm.overhead_pages
        return on

    changed = []
    still = np.zeros(host.num_pnodes, dtype=np.int64)
    for vm, before, after in way.values():
        assert before is not None
        if np.array_equal(before.pages, after.pages):
            still += pages(vm, before)
        else:
            changed.append((vm, pages(vm, before), pages(vm, after)))
    for size in range(len(changed) + 1):
        for stopped in combinations(range(len(changed)), size):
            rest = [n for n in range(len(changed)) if n not in stopped]
            for order in permutations(rest):
                held = still + sum((changed[n][1] for n in rest), np.zeros_like(still))
                for n in order:
                    vm, source, target = changed[n]
                    peak = held + target - (source if vm.num_vnodes > 1 else 0)
                    if (peak > host.usable_pages)[target > 0].any():
                        break
                    held = held - source + target
                else:
                    return size
    raise AssertionError


@pytest.mark.parametrize("part", range(10))
def test_the_number_of_stops_is_the_one_that_trying_all_orders_finds(part: int) -> None:
    for seed in range(part, 200, 10):
        hosts, way = _random_way(seed)
        moves, fewest, problem, placement = moves_of(hosts, way)
        assert fewest, seed
        stops = [move for move in moves if move.kind == "stop"]
        assert len(stops) == _fewest_stops_by_trying(hosts[0], way), seed
        assert broken(problem, placement, moves) == set(), seed


def test_the_random_ways_need_stops_often_enough() -> None:
    numbers = [
        len([move for move in moves_of(*_random_way(seed))[0] if move.kind == "stop"])
        for seed in range(200)
    ]
    assert sum(number > 0 for number in numbers) >= 20
    assert max(numbers) >= 2


def test_many_domains_that_hinder_one_another_are_ordered_without_a_search_of_all_sets() -> None:
    """A ring of forty pnodes, each full: one stop, and everybody else moves up."""
    size = 40
    host = make_host([1000] * size)
    guests = [guest(f"vm{n}", 1000) for n in range(size)]
    moves, fewest, problem, placement = moves_of(
        [host],
        {
            vm.name: (vm, put(vm, host, [n]), put(vm, host, [(n + 1) % size]))
            for n, vm in enumerate(guests)
        },
    )
    assert [move.kind for move in moves].count("stop") == 1
    assert fewest
    assert broken(problem, placement, moves) == set()
