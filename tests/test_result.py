"""Levels, placements and frames: the values that an answer is made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from placer.errors import Fault, InputError, PlacerError
from placer.frames import DomainFrames
from placer.placement import PlacedDomain, Placement
from placer.result import Level, Result, SolverInfo

PLACED: dict[str, Any] = {
    "domain": "vm",
    "host": "host",
    "vnode_pages": [600, 500],
    "home": [1, 0],
    "pages": [[0, 600], [500, 0]],
    "vcpu_to_vnode": [0, 1],
    "vcpu_to_pnode": [1, 0],
    "vcpu_to_pcpu": [4, 0],
}
RUNS = [[0, 1, 9, 0, 4096, 1], [0, 1, 0, 512, 8192, 88], [1, 0, 0, 600, 0, 500]]


def test_the_gap_is_relative_and_0_where_the_bound_is_reached() -> None:
    level = Level(name="cost", value=200, bound=150, status="feasible")
    assert level.gap == 0.25
    assert replace(level, bound=200).gap == 0.0
    assert replace(level, value=0, bound=3).gap == 3.0
    assert replace(level, sense="max", value=100, bound=150).gap == 0.5


def test_levels_are_equal_whatever_time_they_took() -> None:
    level = Level(name="cost", value=1, bound=1, status="optimal", seconds=0.5)
    assert level == replace(level, seconds=1.5)
    assert level != replace(level, value=2)


def test_a_result_without_an_answer_has_none() -> None:
    info = SolverInfo(name="cpsat", version="9.12", seed=0, workers=1)
    result = Result(status="infeasible", solver=info)
    assert (result.placement, result.levels, result.unplaced) == (None, (), ())


@pytest.mark.parametrize(
    "name", ["vnode_pages", "home", "pages", "vcpu_to_vnode", "vcpu_to_pnode", "vcpu_to_pcpu"]
)
def test_arrays_of_a_placed_domain_are_read_only(name: str) -> None:
    array = getattr(PlacedDomain(**PLACED), name)
    with pytest.raises(ValueError, match="read-only"):
        array.flat[0] = 9


def test_pages_on_a_pnode_are_those_of_all_vnodes() -> None:
    placed = PlacedDomain(**{**PLACED, "pages": [[100, 500], [500, 0]]})
    assert placed.num_vnodes == 2
    assert placed.pages_on.tolist() == [600, 500]


def test_placed_domains_are_equal_by_content() -> None:
    placed = PlacedDomain(**PLACED)
    assert placed == PlacedDomain(**PLACED)
    assert placed != replace(placed, home=[0, 0])
    assert placed != replace(placed, empty_siblings=(5,))


def test_a_placement_is_asked_by_name() -> None:
    placed = PlacedDomain(**PLACED)
    placement = Placement(domains=(placed,), unplaced=("other",))
    assert placement.of("vm") is placed
    with pytest.raises(KeyError, match="other"):
        placement.of("other")


def test_frames_count_their_pages_and_extents() -> None:
    frames = DomainFrames(domain="vm", host="host", runs=RUNS)
    assert frames.run_pages.tolist() == [512, 88, 500]
    assert frames.pages_on(2, 2).tolist() == [[0, 600], [500, 0]]
    assert frames.extents_of(0) == {0: 88, 9: 1}
    assert frames.extents_of(1) == {0: 500}


def test_frames_of_nothing_have_no_pages() -> None:
    frames = DomainFrames(domain="vm", host="host", runs=[])
    assert frames.pages_on(1, 2).tolist() == [[0, 0]]
    assert frames == DomainFrames(domain="vm", host="host", runs=[])


def test_runs_of_frames_are_read_only() -> None:
    frames = DomainFrames(domain="vm", host="host", runs=RUNS)
    with pytest.raises(ValueError, match="read-only"):
        frames.runs[0, 0] = 1


def test_a_fault_names_its_place_what_was_found_and_what_was_expected() -> None:
    fault = Fault(source="vm.cfg", line=3, column=7, field="cpus", found="'x'", expected="a list")
    assert str(fault) == "vm.cfg:3:7: cpus: found 'x', expected a list"
    assert str(replace(fault, column=None)) == "vm.cfg:3: cpus: found 'x', expected a list"
    assert str(replace(fault, line=None, expected="")) == "vm.cfg: cpus: found 'x'"


def test_an_input_error_carries_every_fault_and_leaves_by_2() -> None:
    faults = [Fault(source="a", field=name, found="x", expected="y") for name in "fg"]
    error = InputError(faults)
    assert isinstance(error, PlacerError)
    assert error.exit_code == 2
    assert error.faults == tuple(faults)
    assert str(error) == "a: f: found x, expected y\na: g: found x, expected y"
    assert InputError(faults[0]).faults == (faults[0],)
