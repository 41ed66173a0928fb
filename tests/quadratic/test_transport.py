"""Vcpus to pnodes at least cost, against every way there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from placer.arrays import Ints
from placer.quadratic.transport import transport


def least_by_enumeration(
    cost: Ints, least: Ints, most: Ints, room: Ints, number: int
) -> int | None:
    ways = []
    for units in product(range(number + 1), repeat=cost.size):
        dealt = np.array(units).reshape(cost.shape)
        of_kind = dealt.sum(axis=1)
        kept = (least <= of_kind).all() and (of_kind <= most).all()
        if kept and dealt.sum() == number and (dealt.sum(axis=0) <= room).all():
            ways.append(int((dealt * cost).sum()))
    return min(ways, default=None)


@pytest.mark.parametrize("seed", range(120))
def test_transport_is_as_cheap_as_the_cheapest_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, 3) if seed % 2 else (3, 2)
    cost = rng.integers(0, 20, size=shape)
    least = rng.integers(0, 2, size=shape[0])
    most = least + rng.integers(0, 3, size=shape[0])
    number = int(min(4, rng.integers(least.sum(), most.sum() + 1)))
    room = rng.integers(0, 4, size=shape[1])
    found = transport(cost, least, most, room, number)
    expected = least_by_enumeration(cost, least, most, room, number)
    if found is None or expected is None:
        assert found is None
        assert expected is None
        return
    assert int((found * cost).sum()) == expected
    assert found.sum() == number
    assert (found.sum(axis=0) <= room).all()
    assert (found.sum(axis=1) >= least).all()
    assert (found.sum(axis=1) <= most).all()
