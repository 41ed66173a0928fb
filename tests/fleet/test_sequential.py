"""Batches built unit by unit: valid, whole where they must be, kept together and apart."""

from __future__ import annotations

import numpy as np
import pytest

from placer.answer import Limits
from placer.check import check_placement
from placer.fleet.sequential import construct
from placer.problem import Group, Running
from tests.builders import make_domain, make_host, make_problem
from tests.placements import place_simply
from tests.random_problems import draw_batch

PARTS = 4
EVERY_PART = [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))]


@pytest.mark.parametrize("part", EVERY_PART)
def test_batches_of_any_features_are_built_without_a_violation(part: int) -> None:
    built = 0
    for seed in range(part, 12, PARTS):
        problem = draw_batch(seed)
        found = construct(problem, Limits(time_limit=60.0))
        if problem.allow_partial:
            assert found is not None
        if found is not None:
            assert check_placement(problem, found) == (), f"seed {seed}"
            built += len(found.domains) >= 5
    assert built >= 1


def test_the_widest_comes_first_so_that_all_find_room() -> None:
    host = make_host([4000, 4000], cpus=8)
    small = [make_domain([1700], name=f"small{n}") for n in range(2)]
    wide = make_domain([3500], name="wide")
    found = construct(make_problem(host, *small, wide), Limits())
    assert found is not None
    assert found.of("wide").home.tolist() != found.of("small0").home.tolist()


def test_a_batch_that_does_not_fit_is_none_or_leaves_some_out() -> None:
    domains = [make_domain([1000], name=f"vm{n}") for n in range(3)]
    assert construct(make_problem(make_host([2600]), *domains), Limits()) is None
    found = construct(make_problem(make_host([2600]), *domains, allow_partial=True), Limits())
    assert found is not None
    assert len(found.domains) == 2
    assert len(found.unplaced) == 1


@pytest.mark.parametrize("keep", ["together", "apart"])
@pytest.mark.parametrize("over", ["hosts", "pnodes"])
def test_groups_are_kept(keep: str, over: str) -> None:
    hosts = [make_host([4000, 4000], name=f"h{n}") for n in range(2)]
    domains = [make_domain([600], name=f"vm{n}", groups=("g",)) for n in range(2)]
    groups = (Group(name="g", keep=keep, over=over),)
    problem = make_problem(hosts, *domains, groups=groups)
    found = construct(problem, Limits())
    assert found is not None
    assert check_placement(problem, found) == ()
    places = {(answer.host, *answer.home.tolist()) for answer in found.domains}
    assert len({place[0] for place in places}) == 1 + (keep == "apart" and over == "hosts")
    assert len(places) >= (1 if keep == "together" else 2)


def test_what_runs_stays_where_it_is() -> None:
    hosts = [make_host([4000, 4000], name=f"h{n}") for n in range(2)]
    runs = make_domain([3000], 1, name="runs", vcpu_to_vnode=[0])
    alone = make_problem(hosts[1], runs)
    (placed,) = place_simply(alone, 4, on=1).domains
    new = make_domain([3000], name="new")
    problem = make_problem(hosts, runs, new, current=(Running(placed=placed),))
    found = construct(problem, Limits())
    assert found is not None
    assert found.of("runs").host == "h1"
    assert found.of("runs").home.tolist() == [1]
    assert check_placement(problem, found) == ()


def test_equal_batches_are_built_alike() -> None:
    problem = draw_batch(5)
    first, second = (construct(problem, Limits(seed=3)) for _ in range(2))
    assert first == second


def test_no_time_builds_nothing_that_must_be_whole() -> None:
    problem = make_problem(make_host([9999]), make_domain([512]))
    assert construct(problem, Limits(time_limit=1e-9)) is None
    assert np.array_equal(problem.hosts[0].free_pages, [9999])
