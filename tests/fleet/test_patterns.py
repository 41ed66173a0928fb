"""Patterns and their groups: nothing that a host can take is lost, nothing else is there."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from placer.arrays import Ints
from placer.fleet.coarse import coarsen, group_pnodes
from placer.fleet.patterns import list_patterns, scaled_demand
from placer.fleet.shapes import PAGES, DomainClass, HostType, list_shapes, unreachable
from tests.fleet.tiny_fleets import draw_fleet


def every_assignment(shape: DomainClass, host_type: HostType) -> list[tuple[Ints, int, Ints]]:
    """Return homes, cost and use, without overhead, of all that an empty host can take."""
    demand, blocked = scaled_demand(shape, host_type), unreachable(host_type)
    found = []
    for places in product(range(host_type.num_pnodes), repeat=shape.num_vnodes):
        homes = np.array(places)
        if shape.distinct and len(set(places)) < len(places):
            continue
        if ((shape.fixed >= 0) & (shape.fixed != homes)).any():
            continue
        if (shape.needs & blocked[np.ix_(homes, homes)]).any():
            continue
        use = np.zeros_like(host_type.capacity)
        for vnode, home in enumerate(places):
            use[:, home] += demand[:, vnode]
        if (use > host_type.capacity).any():
            continue
        cost = int((shape.flow * host_type.distances[np.ix_(homes, homes)]).sum())
        found.append((homes, cost, use))
    return found


@pytest.mark.parametrize("seed", range(40))
def test_patterns_stand_for_every_assignment_and_for_nothing_else(seed: int) -> None:
    shapes = list_shapes(draw_fleet(seed))
    for shape, host_type in product(shapes.classes, shapes.types):
        if not shape.may_run_on(host_type):
            continue
        patterns = list_patterns(shape, host_type)
        assert patterns.missing_cost is None
        everything = {
            homes.tobytes(): (cost, use) for homes, cost, use in every_assignment(shape, host_type)
        }
        listed: dict[bytes, int] = {}
        for k, homes in enumerate(patterns.homes):
            cost, use = everything[homes.tobytes()]
            taken = patterns.use[k].reshape(use.shape)
            beyond = taken - use
            assert patterns.cost[k] == cost
            assert 0 <= int(beyond.sum()) <= shape.overhead_pages
            assert not beyond[PAGES + 1 :].any()
            assert (patterns.tight[k] >= patterns.use[k]).all()
            listed.setdefault(use.tobytes(), cost)
        assert (np.diff(patterns.cost) >= 0).all()
        for cost, use in everything.values():
            if use.tobytes() not in listed:  # no room for the overhead, wherever it may be
                assert (use[PAGES] + shape.overhead_pages > host_type.capacity[PAGES])[
                    use[PAGES] > 0
                ].all()
                continue
            assert listed[use.tobytes()] <= cost


@pytest.mark.parametrize("seed", range(40))
def test_what_fits_on_pnodes_fits_on_groups_of_them(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    for host_type in list_shapes(draw_fleet(seed)).types:
        groups = group_pnodes(host_type.distances)
        assert sorted(pnode for group in groups for pnode in group) == list(
            range(host_type.num_pnodes)
        )
        capacity = host_type.capacity
        use = rng.integers(0, capacity + 1, (30, *capacity.shape)) // rng.integers(1, 5, (30, 1, 1))
        shape, cost = rng.integers(0, 4, 30), rng.integers(1, 9, 30)
        coarse = coarsen(groups, use, capacity, shape, cost)
        # each pattern is among them, or one of its class is that is no dearer and takes the same
        row = {
            (int(shape[k]), u.tobytes()): k for k, u in zip(coarse.among, coarse.use, strict=True)
        }
        alone = [
            coarsen(groups, use[k : k + 1], capacity, shape[k : k + 1], cost[k : k + 1])
            for k in range(30)
        ]
        for k in range(30):
            stand_in = row[int(shape[k]), alone[k].use[0].tobytes()]
            assert cost[stand_in] <= cost[k]
        for _ in range(30):
            chosen = rng.permutation(30)[: rng.integers(1, 5)]
            if (use[chosen].sum(axis=0) <= capacity).all():
                together = sum(alone[k].use[0] for k in chosen)
                assert (together <= coarse.capacity).all()
