"""Frames that back a placement, and the rules that wrong ones break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from placer.check import check_placement
from placer.frames import DomainFrames
from placer.placement import Placement
from placer.problem import Problem
from tests.builders import make_domain, make_host, make_problem
from tests.placements import place_simply


def frame_problem(**fields: Any) -> Problem:
    """Two vnodes of 700 pages on two pnodes of a host, frames from 512 and 2**24 + 512 up."""
    domain = make_domain([700, 700], 2, vcpu_to_vnode=[0, 1], **fields)
    return make_problem(make_host([4096] * 2), domain)


def frame_placement(problem: Problem) -> Placement:
    pages = [[700, 0], [0, 700]]
    return place_simply(problem, 0, 4, home=[0, 1], pages=pages, vcpu_to_pnode=[0, 1])


GOOD_RUNS = [
    [0, 0, 9, 0, 512, 1],
    [0, 0, 0, 512, 1024, 188],
    [1, 1, 0, 700, (1 << 24) + 512, 700],
]


def frames_broken(problem: Problem, runs: list[list[int]], **fields: Any) -> set[str]:
    named: dict[str, Any] = {"domain": "vm", "host": "host", "runs": runs, **fields}
    found = check_placement(problem, frame_placement(problem), [DomainFrames(**named)])
    return {violation.rule for violation in found}


def test_frames_that_back_every_page_once_from_free_memory_break_nothing() -> None:
    assert frames_broken(frame_problem(), GOOD_RUNS) == set()


def run_changed(run: int, column: int, value: int) -> Callable[[], list[list[int]]]:
    def change() -> list[list[int]]:
        runs = [list(row) for row in GOOD_RUNS]
        runs[run][column] = value
        return runs

    return change


@pytest.mark.parametrize(
    ("runs", "rule"),
    [
        pytest.param(run_changed(2, 5, 699), "F1 pages", id="a page is missing"),
        pytest.param(run_changed(2, 0, 0), "F1 pages", id="pages of the wrong vnode"),
        pytest.param(run_changed(1, 4, 900), "F2 once", id="frames given twice"),
        pytest.param(run_changed(1, 4, 5000), "F3 free", id="frames beyond the free span"),
        pytest.param(run_changed(1, 4, 0), "F3 free", id="frames before the free span"),
        pytest.param(run_changed(2, 4, 2048), "F3 free", id="frames of another pnode"),
        pytest.param(run_changed(0, 4, 600), "F4 extents", id="an extent not aligned"),
        pytest.param(run_changed(1, 2, 3), "F4 extents", id="an extent of 32 KiB"),
        pytest.param(run_changed(1, 5, 0), "F4 extents", id="a run of nothing"),
        pytest.param(run_changed(2, 1, 7), "F4 extents", id="a pnode that is not there"),
        pytest.param(run_changed(1, 3, 500), "F5 guest frames", id="a guest frame backed twice"),
        pytest.param(run_changed(2, 3, 701), "F5 guest frames", id="a guest frame not backed"),
        pytest.param(run_changed(0, 3, -1), "F5 guest frames", id="pages at no guest address"),
    ],
)
def test_frames_that_break_a_rule_are_caught(
    runs: Callable[[], list[list[int]]], rule: str
) -> None:
    assert rule in frames_broken(frame_problem(), runs())


def test_frames_are_of_a_placed_domain_on_its_host_and_there_once() -> None:
    problem = frame_problem()
    assert frames_broken(problem, GOOD_RUNS, host="other") == {"F1 frames"}
    assert frames_broken(problem, GOOD_RUNS, domain="other") == {"F1 frames"}
    assert {v.rule for v in check_placement(problem, frame_placement(problem), [])} == {"F1 frames"}


def test_a_page_size_wanted_is_used_for_every_aligned_block_of_the_guest() -> None:
    problem = frame_problem(page_order=[9, 0])
    assert frames_broken(problem, GOOD_RUNS) == set()
    small = [[0, 0, 0, 0, 512, 700], GOOD_RUNS[2]]
    assert frames_broken(problem, small) == {"F4 page size"}


def test_two_domains_never_share_a_frame() -> None:
    host = make_host([4096])
    one, other = make_domain([600], name="one"), make_domain([600], name="other")
    problem = make_problem(host, one, other)
    placed = tuple(
        place_simply(make_problem(host, domain), pcpu).domains[0]
        for pcpu, domain in enumerate((one, other))
    )
    for start, broken in ((1112, set()), (1111, {"F2 once"})):
        frames = [
            DomainFrames(domain="one", host="host", runs=[[0, 0, 0, 0, 512, 600]]),
            DomainFrames(domain="other", host="host", runs=[[0, 0, 0, 0, start, 600]]),
        ]
        found = check_placement(problem, Placement(domains=placed), frames)
        assert {violation.rule for violation in found} == broken


def test_a_pvh_guest_leaves_out_the_device_hole_only() -> None:
    size = (1 << 20) + 512
    problem = make_problem(make_host([1 << 22]), make_domain([size], type="pvh"))
    below = (1 << 20) - 0x4000
    runs = [[0, 0, 0, 0, 512, below], [0, 0, 0, 1 << 20, 512 + below, size - below]]
    across = [[0, 0, 0, 0, 512, size]]
    for rows, broken in ((runs, set()), (across, {"F5 guest frames"})):
        frames = [DomainFrames(domain="vm", host="host", runs=rows)]
        found = check_placement(problem, place_simply(problem, 0), frames)
        assert {violation.rule for violation in found} == broken


HVM_SIZE = 4096
GOOD_HVM_RUNS = [
    [0, 0, 0, 0, 512, 80, 2],
    [0, 1, 0, 1, (1 << 24) + 512, 80, 2],
    [0, 0, 0, 192, 1024, HVM_SIZE - 2048 - 192, 1],
    [0, 1, 0, -1, (1 << 24) + 1024, 2048 + 32, 1],
]


def hvm_broken(runs: list[list[int]], **fields: Any) -> set[str]:
    problem = make_problem(make_host([1 << 22] * 2), make_domain([HVM_SIZE], type="hvm", **fields))
    frames = [DomainFrames(domain="vm", host="host", runs=runs)]
    found = check_placement(problem, place_simply(problem, 0), frames)
    return {violation.rule for violation in found}


def test_what_an_hvm_guest_gets_without_a_pnode_may_lie_on_any() -> None:
    assert hvm_broken(GOOD_HVM_RUNS) == set()


@pytest.mark.parametrize(
    ("run", "column", "value", "rule"),
    [
        pytest.param(3, 5, 2048 + 31, "F1 pages", id="a page at no address is missing"),
        pytest.param(2, 1, 1, "F1 pages", id="what names a pnode lies on another"),
        pytest.param(0, 5, 79, "F5 guest frames", id="a low page is missing"),
        pytest.param(0, 6, 1, "F5 guest frames", id="low pages twice and not at all"),
        pytest.param(2, 3, 191, "F5 guest frames", id="memory in the VGA hole"),
        pytest.param(2, 6, 0, "F4 extents", id="extents that all lie at one guest frame"),
    ],
)
def test_an_hvm_guests_other_frames_are_held_to_the_placement(
    run: int, column: int, value: int, rule: str
) -> None:
    runs = [list(row) for row in GOOD_HVM_RUNS]
    runs[run][column] = value
    assert rule in hvm_broken(runs)


def test_an_hvm_guest_without_a_graphics_card_lacks_16_pages() -> None:
    runs = [
        *GOOD_HVM_RUNS[:2],
        [0, 0, 0, 192, 1024, HVM_SIZE - 192],
        [0, 1, 0, -1, (1 << 24) + 1024, 16],
    ]
    runs = [[*row, 1][:7] for row in runs]
    assert hvm_broken(runs, extra=(("vga", "none"),)) == set()
    assert hvm_broken(runs) == {"F1 pages"}


@pytest.mark.parametrize("e820_host", [0, 1])
def test_a_pv_guest_has_the_hosts_hole_with_e820_host_alone(e820_host: int) -> None:
    size, hole = 4096, 1024
    memory_map = [[0, hole << 12, 1], [hole << 12, (hole + 16) << 12, 2]]
    host = make_host([1 << 22], memory_map=memory_map)
    problem = make_problem(host, make_domain([size], extra=(("e820_host", e820_host),)))
    with_hole = [[0, 0, 0, 0, 512, hole], [0, 0, 0, 1 << 20, 4096, size - hole]]
    without = [[0, 0, 0, 0, 512, size]]
    for rows, fits in ((with_hole, e820_host), (without, not e820_host)):
        frames = [DomainFrames(domain="vm", host="host", runs=rows)]
        found = check_placement(problem, place_simply(problem, 0), frames)
        assert {violation.rule for violation in found} == (set() if fits else {"F5 guest frames"})
