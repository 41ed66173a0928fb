from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.gqap import core_of, evaluate
from placer.quadratic.bound import lower_bound
from placer.quadratic.core import QuadraticCore
from placer.quadratic.tabu import improve
from placer.read.gqap import read_gqap


def draw_core(seed: int) -> QuadraticCore:
    """A tiny core with any of the rules that a core may have."""
    rng = np.random.default_rng(seed)
    num, places, resources = int(rng.integers(1, 5)), int(rng.integers(1, 5)), 2
    distance = rng.integers(0, 9, (places, places))
    return QuadraticCore(
        linear=rng.integers(0, 30, (num, places)),
        flow=rng.integers(0, 9, (num, num)) * (rng.random((num, num)) < 0.8),
        distance=distance,
        demand=rng.integers(0, 6, (resources, num)),
        capacity=rng.integers(2, 12, (resources, places)),
        allowed=rng.random((num, places)) < 0.85,
        distinct=bool(rng.random() < 0.3),
        unreachable=rng.random((places, places)) < 0.1,
    )


def enumerate_core(core: QuadraticCore) -> int | None:
    """The least cost of all assignments, None where none is feasible."""
    every = product(range(core.num_locations), repeat=core.num_facilities)
    return min((core.cost(at) for at in every if core.is_feasible(at)), default=None)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1_000_000))
def test_answers_keep_every_rule_and_no_optimum_is_below_the_bound(seed: int) -> None:
    core = draw_core(seed)
    least = enumerate_core(core)
    bound = lower_bound(core)
    found = improve(core, seed=0, iterations=200)
    if least is None:
        assert found is None
        return
    assert bound is not None
    assert bound <= least
    if found is not None:
        assert core.is_feasible(found.locations)
        assert found.cost == core.cost(found.locations)
        assert found.cost >= least


def test_most_tiny_cores_are_solved_to_the_optimum() -> None:
    solved = total = 0
    for seed in range(60):
        core = draw_core(seed)
        least = enumerate_core(core)
        if least is None:
            continue
        total += 1
        found = improve(core, seed=0, iterations=1500, target=least)
        solved += found is not None and found.cost == least
    assert solved >= 0.9 * total


def test_equal_seeds_and_iterations_give_equal_answers(project_root: Path) -> None:
    core = core_of(read_gqap(project_root / "datasets/gqap/30-10-65.txt"))
    one, other = (improve(core, seed=5, iterations=1500) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.cost == other.cost
    assert one.locations.tolist() == other.locations.tolist()


def test_a_start_is_never_made_worse(project_root: Path) -> None:
    core = core_of(read_gqap(project_root / "datasets/gqap/30-08-55.txt"))
    first = improve(core, seed=1, iterations=300)
    assert first is not None
    again = improve(core, seed=2, iterations=1, start=first.locations)
    assert again is not None
    assert again.cost <= first.cost


def test_full_locations_are_still_filled(project_root: Path) -> None:
    instance = read_gqap(project_root / "datasets/gqap/20-15-75.txt")
    core = core_of(instance)
    full = core.demand.sum() / 0.95
    tight = core.capacity * full // core.capacity.sum()
    tight = np.maximum(tight, core.demand.max())
    core = QuadraticCore(
        linear=core.linear,
        flow=core.flow,
        distance=core.distance,
        demand=core.demand,
        capacity=tight.astype(np.int64),
    )
    found = improve(core, seed=0, iterations=4000)
    assert found is not None
    assert core.is_feasible(found.locations)


def test_an_interrupted_walk_gives_the_best_so_far_where_that_is_asked_for(
    project_root: Path,
) -> None:
    core = core_of(read_gqap(project_root / "datasets/gqap/20-15-35.txt"))

    def stop(cost: int | None) -> None:
        if cost is not None:
            raise KeyboardInterrupt

    found = improve(core, seed=0, iterations=5000, catch_interrupt=True, tell=stop)
    assert found is not None
    assert found.interrupted
    assert core.is_feasible(found.locations)
    assert core.cost(found.locations) == found.cost
    with pytest.raises(KeyboardInterrupt):
        improve(core, seed=0, iterations=5000, tell=stop)


def test_a_search_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="found none"):
        improve(draw_core(1), seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_every_published_best_value_is_reached(project_root: Path, seed: int) -> None:
    files = sorted((project_root / "datasets/gqap").glob("*.txt"))
    assert len(files) == 13
    for path in files:
        instance = read_gqap(path)
        core = core_of(instance)
        found = improve(core, seed=seed, iterations=120_000, target=instance.best_known)
        assert found is not None, path.name
        assert found.cost == instance.best_known, path.name
        assert evaluate(core, found.locations.tolist()) == found.cost
        bound = lower_bound(core)
        assert bound is not None
        assert bound <= instance.best_known
