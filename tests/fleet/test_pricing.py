"""Fillings of one host: what the heuristic finds fits, what the proof says holds."""

from __future__ import annotations

import numpy as np
import pytest

from placer.arrays import Ints
from placer.fleet.pricing import Filling, Pricer
from tests.fleet.tiny_fleets import draw_fleet, fleet_of


def pricers(seed: int) -> list[tuple[Pricer, Ints]]:
    """Return the pricers of a tiny fleet, each with what its patterns are worth."""
    fleet = fleet_of(draw_fleet(seed))
    rng = np.random.default_rng([seed, 3])
    worth = (fleet.least_cost * rng.uniform(0.8, 1.6, len(fleet.classes))).astype(np.int64)
    made = [Pricer(fleet, host_type) for host_type in fleet.types]
    return [(pricer, pricer.gains(worth)) for pricer in made if len(pricer.cost)]


def most_by_enumeration(pricer: Pricer, gain: Ints, use: Ints, capacity: Ints) -> int:
    """Return the most that a host can carry worth of, each class no oftener than it is there."""
    best = 0
    stack = [(0, capacity.copy(), pricer.fleet.counts.copy(), 0)]
    while stack:
        at, left, ahead, value = stack.pop()
        best = max(best, value)
        for k in range(at, len(gain)):
            if gain[k] > 0 and ahead[pricer.shape[k]] > 0 and (use[k] <= left).all():
                fewer = ahead.copy()
                fewer[pricer.shape[k]] -= 1
                stack.append((k, left - use[k], fewer, value + int(gain[k])))
    return best


def assert_sound(pricer: Pricer, filling: Filling, gain: Ints, *, tight: bool) -> None:
    """The host has room, no class is there oftener than it has members, the gain is right."""
    use, capacity = (
        (pricer.tight, pricer.tight_capacity) if tight else (pricer.use, pricer.capacity)
    )
    assert (filling.chosen @ use <= capacity).all()
    carried = np.bincount(pricer.shape, filling.chosen, len(pricer.fleet.counts))
    assert (carried <= pricer.fleet.counts).all()
    assert filling.gain == int(filling.chosen @ gain)


@pytest.mark.parametrize("seed", range(40))
def test_greedy_fillings_fit_and_differ(seed: int) -> None:
    for pricer, gain in pricers(seed):
        rng = np.random.default_rng(seed)
        fillings = pricer.fill(gain, rng, pricer.guess_prices(float(gain.max())))
        for filling in fillings:
            assert_sound(pricer, filling, gain, tight=True)
            assert pricer.is_tight(filling)
        assert len({filling.chosen.tobytes() for filling in fillings}) == len(fillings)
        assert [f.gain for f in fillings] == sorted((f.gain for f in fillings), reverse=True)


@pytest.mark.parametrize("seed", range(40))
def test_no_filling_is_worth_more_than_the_proof_says(seed: int) -> None:
    for pricer, gain in pricers(seed):
        most = most_by_enumeration(pricer, gain, pricer.use, pricer.capacity)
        filling, bound = pricer.solve(
            gain, least=0, work=5.0, seconds=60.0, gap=0, rng=np.random.default_rng(seed), many=6000
        )
        assert bound is not None
        assert most <= bound
        if filling is not None:
            assert_sound(pricer, filling, gain, tight=False)
            assert filling.gain <= most
        assert (0 if filling is None else filling.gain) == most


def test_the_column_of_a_filling_has_its_pieces_and_its_cost() -> None:
    for pricer, gain in pricers(5):
        filling = pricer.fill(gain, np.random.default_rng(0), pricer.guess_prices(1.0))[0]
        column = pricer.column(filling)
        assert column.cost == int(filling.chosen @ pricer.cost)
        assert len(column.pieces) == int(filling.chosen.sum()) == int(column.amounts.sum())
