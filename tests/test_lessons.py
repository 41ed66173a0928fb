"""What a heap that cannot realise a plan teaches."""

from __future__ import annotations

from typing import Literal

import pytest

from placer.errors import AllocationError
from placer.lessons import bounded_by, narrowed
from placer.pages.heap import Heap
from placer.result import Level
from tests.builders import make_domain, make_host, make_problem


def failure(order: int, wanted: int, available: int, pnode: int = 0) -> AllocationError:
    return AllocationError(
        "no",
        domain="vm",
        host="host",
        vnode=0,
        pnode=pnode,
        order=order,
        wanted=wanted,
        available=available,
    )


def test_pages_that_were_missing_are_kept_back_on_that_pnode_alone() -> None:
    problem = make_problem(make_host([4096, 4096]), make_domain([512]))
    once = narrowed(problem, [failure(0, 700, 500, pnode=1)])
    assert once.hosts[0].usable_pages.tolist() == [4096, 3896]
    twice = narrowed(once, [failure(0, 1, 0, pnode=1), failure(0, 5, 2)])
    assert twice.hosts[0].usable_pages.tolist() == [4093, 3895]
    assert problem.hosts[0].usable_pages.tolist() == [4096, 4096]


def test_what_is_kept_back_counts_from_what_is_free() -> None:
    host = make_host([1000], total_pages=[4096], reserve_pages=[300], spans=[(0, 0, 8192)])
    problem = make_problem(host, make_domain([512]))
    assert narrowed(problem, [failure(0, 50, 0)]).hosts[0].usable_pages.tolist() == [650]
    assert narrowed(problem, [failure(0, 5000, 0)]).hosts[0].usable_pages.tolist() == [0]


@pytest.mark.parametrize("order", [9, 18])
def test_so_many_extents_count_as_broken(order: int) -> None:
    size = 1 << order
    host = make_host([4 * size], free_spans=[(0, 1 << 20, 4 * size)])
    problem = make_problem(host, make_domain([512]))
    less = narrowed(problem, [failure(order, 3, 1)])
    assert Heap.of(host).available(order).tolist() == [4]
    assert Heap.of(less.hosts[0]).available(order).tolist() == [2]
    assert less.hosts[0].free_pages.tolist() == [4 * size - 2]


def level(name: str, value: int, bound: int, sense: Literal["min", "max"] = "min") -> Level:
    proven = value == bound
    return Level(
        name=name,
        value=value,
        bound=bound,
        status="optimal" if proven else "feasible",
        sense=sense,
    )


def test_bounds_stay_those_of_the_whole_problem_down_to_the_first_level_that_is_worse() -> None:
    problem = make_problem(make_host([4096]), make_domain([512], priority=7))
    first = [
        level("placed_priority", 7, 7, "max"),
        level("vcpus_off_home", 0, 0),
        level("cost", 5, 5),
    ]
    worse = [
        level("placed_priority", 7, 7, "max"),
        level("vcpus_off_home", 2, 2),
        level("cost", 4, 4),
    ]
    found = bounded_by(first, worse, problem)
    assert [(one.value, one.bound, one.status) for one in found] == [
        (7, 7, "optimal"),
        (2, 0, "feasible"),
        (4, 0, "feasible"),
    ]
    left_out = [level("placed_priority", 0, 0, "max"), level("packed_pages", 9, 9, "max")]
    found = bounded_by(first, left_out, problem)
    assert [(one.bound, one.status) for one in found] == [(7, "feasible"), (4096, "feasible")]
    assert bounded_by(first, first, problem) == first
