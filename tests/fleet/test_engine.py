from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from benchmarks.generate_fleet import make_fleet
from placer.answer import Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat.search import search
from placer.fleet.engine import place_fleet
from placer.problem import Problem
from tests.builders import make_domain, make_host


def draw_fleet(seed: int) -> Problem:
    """Return a tiny fleet of plain domains, some of a kind, on hosts of one or two types."""
    rng = np.random.default_rng(seed)
    types = [_draw_type(rng) for _ in range(rng.integers(1, 3))]
    hosts = tuple(
        make_host(**types[rng.integers(len(types))], name=f"h{n}")
        for n in range(rng.integers(1, 4))
    )
    kinds = [_draw_kind(rng) for _ in range(rng.integers(1, 4))]
    domains = tuple(
        make_domain(**kinds[rng.integers(len(kinds))], name=f"d{n}")
        for n in range(rng.integers(1, 6))
    )
    return Problem(hosts=hosts, domains=domains, allow_partial=bool(rng.random() < 0.5))


def _draw_type(rng: np.random.Generator) -> dict[str, Any]:
    count = int(rng.integers(1, 5))
    distances = rng.choice([12, 16, 21, 32], size=(count, count))
    np.fill_diagonal(distances, 10)
    return {
        "free": (rng.integers(2, 9, count) * 512).tolist(),
        "cpus": (2 * rng.integers(1, 4, count)).tolist(),
        "threads": int(rng.choice([1, 2])),
        "distances": distances.tolist(),
        "overcommit": Fraction(int(rng.choice([2, 2, 3])), 2),
    }


def _draw_kind(rng: np.random.Generator) -> dict[str, Any]:
    count, vcpus = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    size = int(rng.integers(1, 5)) * 512
    return {
        "pages": [size] * count
        if rng.random() < 0.6
        else (rng.integers(1, 6, count) * 512).tolist(),
        "num_vcpus": vcpus,
        "vcpu_to_vnode": rng.integers(0, count, vcpus),
        "cpu_spill": str(rng.choice(["never", "last"])),
        "distinct_pnodes": bool(rng.random() < 0.2),
        "priority": int(rng.choice([1, 1, 2, 3])),
    }


@pytest.mark.parametrize("seed", range(25))
def test_no_answer_of_the_fleet_engine_contradicts_the_encoding(seed: int) -> None:
    problem = draw_fleet(seed)
    ours = place_fleet(problem, Limits())
    theirs = search(problem, Limits(), in_order=False)
    assert ours is not None
    if ours.status == "infeasible":
        assert theirs.status == "infeasible"
    if ours.placement is None:
        return
    assert theirs.placement is not None
    assert check_placement(problem, ours.placement) == ()
    values = level_values(problem, ours.placement)
    best = {level.name: level.value for level in theirs.levels}
    for level in ours.levels:
        sign = -1 if level.sense == "max" else 1
        assert level.value == values[level.name]
        assert sign * level.bound <= sign * best[level.name] <= sign * level.value
        if level.value != best[level.name]:
            break


def test_a_fleet_is_proven_optimal() -> None:
    problem = make_fleet(200, 20, 0.8, 1)
    answer = place_fleet(problem, Limits(time_limit=60.0))
    assert answer is not None
    assert answer.placement is not None
    assert check_placement(problem, answer.placement) == ()
    cost = next(level for level in answer.levels if level.name == "cost")
    assert cost.gap < 0.01


def test_equal_seeds_place_a_fleet_alike() -> None:
    problem = replace(draw_fleet(3), allow_partial=True)
    one, other = (place_fleet(problem, Limits(seed=4)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.placement == other.placement
