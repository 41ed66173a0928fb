"""Packing patterns onto hosts, and the relaxed master: held against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ortools.linear_solver import pywraplp

from placer.arrays import Ints
from placer.cpsat.master import NoRelaxationError, RelaxedMaster
from placer.cpsat.packing import PackSite, most_counts, pack, relax_packing
from placer.units import COST_UNITS


def draw_site(rng: np.random.Generator) -> PackSite:
    """Return a site of two resources with up to five patterns of three classes."""
    count = int(rng.integers(1, 6))
    return PackSite(
        use=rng.integers(0, 5, (count, 2)) + np.array([1, 0]),
        capacity=rng.integers(2, 9, 2),
        gain=rng.integers(1, 50, count),
        shape=rng.integers(0, 3, count),
    )


def best_by_enumeration(sites: list[PackSite], limits: Ints) -> int:
    """Return the most gain of all counts that fit."""
    most = [int(m) for site in sites for m in most_counts(site.use, site.capacity)]
    best = 0
    for counts in product(*[range(m + 1) for m in most]):
        left, carried, gain, at = True, np.zeros(3, dtype=np.int64), 0, 0
        for site in sites:
            mine = np.array(counts[at : at + len(site.gain)], dtype=np.int64)
            at += len(mine)
            left = left and bool((mine @ site.use <= site.capacity).all())
            np.add.at(carried, site.shape, mine)
            gain += int(mine @ site.gain)
        if left and (carried <= limits).all():
            best = max(best, gain)
    return best


@pytest.mark.parametrize("seed", range(40))
def test_the_best_packing_is_found_and_proven(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sites = [draw_site(rng) for _ in range(int(rng.integers(1, 3)))]
    limits = rng.integers(0, 4, 3)
    packing = pack(sites, limits)
    best = best_by_enumeration(sites, limits)
    assert packing.counts is not None
    assert packing.gain == packing.bound == best
    assert sum(int(c @ s.gain) for c, s in zip(packing.counts, sites, strict=True)) == best


@pytest.mark.parametrize("seed", range(40))
def test_the_relaxation_is_above_every_packing_by_what_its_patterns_lack(seed: int) -> None:
    rng = np.random.default_rng(seed)
    site, limits = draw_site(rng), np.full(3, 9)
    most = most_counts(site.use, site.capacity)
    value, lacks = relax_packing(site, most)
    assert best_by_enumeration([site], limits) <= value
    assert (lacks <= 0).all()
    for counts in product(*[range(int(m) + 1) for m in most]):
        chosen = np.array(counts, dtype=np.int64)
        if (chosen @ site.use <= site.capacity).all():
            assert int(chosen @ site.gain) <= value + float(chosen @ lacks) + 1e-6


def test_the_relaxed_master_covers_at_least_cost_and_prices_what_is_scarce() -> None:
    master = RelaxedMaster(np.array([4]), np.array([1]), [3], keep=4)
    shapes, unit = np.array([0]), COST_UNITS
    master.add(0, shapes, np.array([1]), 10 * unit)
    master.add(0, shapes, np.array([2]), 30 * unit)
    value, duals = master.solve()
    # three hosts for four domains: two carry one each, the third two
    assert value == pytest.approx(50 * unit)
    assert master.amounts() == pytest.approx([2.0, 1.0])
    assert duals.hosts[0] == pytest.approx(10 * unit)
    assert duals.cover[0] == pytest.approx(20 * unit)
    # the bound that column generation takes from these prices
    assert duals.cover[0] * 4 - duals.hosts[0] * 3 == pytest.approx(value)


def test_what_may_lack_does_so_where_it_is_cheaper() -> None:
    master = RelaxedMaster(np.array([2]), np.array([1]), [2], keep=2)
    master.allow_lack(np.array([5.0 * COST_UNITS]))
    master.add(0, np.array([0]), np.array([1]), 10 * COST_UNITS)
    value, _ = master.solve()
    assert value == pytest.approx(10 * COST_UNITS)
    assert master.lack == pytest.approx([2.0])
    master.change_penalties(np.array([20.0 * COST_UNITS]))
    value, _ = master.solve()
    assert value == pytest.approx(20 * COST_UNITS)
    assert master.lack == pytest.approx([0.0])


class Moody:
    """A solver of linear programs that gives up the first so many times."""

    def __init__(self, solver: pywraplp.Solver, gives_up: int) -> None:
        self.solver = solver
        self.gives_up = gives_up

    def Solve(self, *parameters: pywraplp.MPSolverParameters) -> int:  # noqa: N802
        if self.gives_up:
            self.gives_up -= 1
            return int(pywraplp.Solver.ABNORMAL)
        return int(self.solver.Solve(*parameters))


@pytest.mark.parametrize("gives_up", [1, 2])
def test_a_relaxed_master_that_is_given_up_is_solved_anew(gives_up: int) -> None:
    master = RelaxedMaster(np.array([2]), np.array([1]), [2], keep=2)
    master.add(0, np.array([0]), np.array([1]), 10 * COST_UNITS)
    master.solver = Moody(master.solver, gives_up)
    value, duals = master.solve()
    assert value == pytest.approx(20 * COST_UNITS)
    assert duals.cover[0] - duals.hosts[0] == pytest.approx(10 * COST_UNITS)
    assert master.amounts() == pytest.approx([2.0])


def test_a_relaxed_master_that_is_always_given_up_has_no_answer() -> None:
    master = RelaxedMaster(np.array([2]), np.array([1]), [2], keep=2)
    master.solver = Moody(master.solver, 3)
    with pytest.raises(NoRelaxationError, match="no answer, status 4"):
        master.solve()
