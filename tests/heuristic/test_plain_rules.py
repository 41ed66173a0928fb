"""The rules of thumb give the very placements of their plain forms, whatever is asked."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.generate_fleet import make_fleet
from placer.heuristic import first_fit, libxl
from placer.heuristic.host_state import Rooms
from placer.problem import Problem
from tests.builders import make_domain, make_host, make_problem
from tests.heuristic.plain_rules import place_by_libxl, place_first_fit
from tests.random_problems import draw_batch, draw_problem
from tests.wide_problems import wide_problem


def agree(problem: Problem) -> None:
    assert libxl.place(problem) == place_by_libxl(problem)
    assert first_fit.place(problem) == place_first_fit(problem)


@pytest.mark.parametrize("seed", range(40))
def test_batches_of_any_features_are_placed_as_by_the_plain_rules(seed: int) -> None:
    agree(draw_batch(seed))


@pytest.mark.parametrize("draw", [draw_problem, wide_problem])
def test_problems_of_any_features_are_placed_as_by_the_plain_rules(draw: object) -> None:
    assert callable(draw)
    for seed in range(150):
        agree(draw(seed))


@pytest.mark.parametrize("arguments", [(600, 60, 0.85, 3), (900, 90, 0.97, 4), (3000, 300, 0.9, 5)])
def test_fleets_are_placed_as_by_the_plain_rules(arguments: tuple[int, int, float, int]) -> None:
    agree(make_fleet(*arguments))


def test_hosts_named_and_forbidden_are_kept_among_many() -> None:
    hosts = [make_host([3000, 5000], name=f"h{n}", cpus=4) for n in range(300)]
    domains = [
        make_domain([2500], 3, name="named", hosts=("h290", "h7", "h131")),
        make_domain([2500], 3, name="not", forbidden_hosts=("h0", "h1", "h2")),
        *(make_domain([2500], 3, name=f"d{n}") for n in range(400)),
        make_domain([2500], 3, name="last", hosts=("h299", "h290")),
    ]
    problem = make_problem(hosts, *domains, allow_partial=True)
    agree(problem)
    placed = {answer.domain: answer.host for answer in libxl.place(problem).domains}
    assert (placed["named"], placed["not"]) == ("h7", "h3")


def test_rooms_name_the_hosts_that_have_enough_of_both_in_one_host() -> None:
    # Each block of hosts has enough of one figure or the other, few hosts of both.
    pages = [9 if n % 2 else 1 for n in range(700)]
    vcpus = [1 if n % 2 else 9 for n in range(700)]
    rooms = Rooms(pages, vcpus)
    assert not list(rooms.with_room(5, 5))
    for host in (3, 400, 699):
        rooms.set(host, 6, 6)
    assert list(rooms.with_room(5, 5)) == [3, 400, 699]
    rooms.set(3, 0, 6)
    assert list(rooms.with_room(5, 5)) == [400, 699]
    assert Counter(rooms.with_room(0, 0)) == Counter(range(700))
