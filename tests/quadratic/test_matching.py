"""Matchings, and the crowd that proves that there is none."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from placer.quadratic.matching import match


def test_a_complete_matching_gives_each_a_fitting_place_of_its_own() -> None:
    fits = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], dtype=bool)
    found = match(fits)
    assert found.is_complete
    assert found.partner.tolist() == [1, 0, 2]


@pytest.mark.parametrize("same", [True, False])
def test_eight_that_fit_seven_places_between_them_are_named_with_the_places(same: bool) -> None:
    fits = np.zeros((8, 16), dtype=bool)
    fits[:, 4:11] = True
    if not same:  # one more that fits elsewhere is no part of the crowd
        fits = np.concatenate([np.ones((1, 16), dtype=bool), fits])
    found = match(fits)
    crowd = range(8) if same else range(1, 9)
    assert found.crowded == tuple(crowd)
    assert found.places == tuple(range(4, 11))


@pytest.mark.parametrize("seed", range(150))
def test_matching_agrees_with_all_permutations_and_the_crowd_is_a_proof(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    fits = rng.random(shape) < rng.uniform(0.2, 0.8)
    found = match(fits)
    places = range(shape[1])
    possible = any(
        all(fits[i, p] for i, p in enumerate(order)) for order in permutations(places, shape[0])
    )
    assert found.is_complete == possible
    if possible:
        assert sorted(set(found.partner.tolist())) == sorted(found.partner.tolist())
        assert all(fits[i, p] for i, p in enumerate(found.partner.tolist()))
    else:
        reached = {p for i in found.crowded for p in np.flatnonzero(fits[i]).tolist()}
        assert reached == set(found.places)
        assert len(found.places) < len(found.crowded)
