"""Seeded random quadratic cores, and their best assignments by full enumeration."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from placer.quadratic.core import QuadraticCore
from placer.quadratic.partial import VcpuTerms

VCPUS = 1
"""The row of demand that counts vcpus."""

SPILL_PRICE = 100_000


def draw_core(seed: int) -> QuadraticCore:
    """Return a core of up to 5 facilities and 4 locations, many of them alike."""
    rng = np.random.default_rng(seed)
    return _draw(rng, int(rng.integers(1, 6)), int(rng.integers(1, 5)))


def draw_core_with_spare(seed: int) -> tuple[QuadraticCore, VcpuTerms]:
    """Return a core with vcpus to deal and a price for those beyond the room of a location."""
    rng = np.random.default_rng(seed)
    core = _draw(rng, int(rng.integers(1, 6)), int(rng.integers(1, 5)))
    most = rng.integers(0, 3, size=core.num_facilities)
    return core, VcpuTerms(
        resource=VCPUS,
        num_spare=int(rng.integers(0, most.sum() + 1)),
        most_spare=most,
        linear=rng.integers(0, 3, size=core.linear.shape) * rng.integers(0, 2),
        flow=_draw_flow(rng, core.num_facilities),
        room=rng.integers(0, 5, size=core.num_locations),
        price=int(rng.integers(0, 40) * rng.integers(0, 2)),
    )


def draw_core_with_spill(seed: int) -> tuple[QuadraticCore, VcpuTerms]:
    """Return a core whose vcpus may run elsewhere than at home, as a last resort."""
    rng = np.random.default_rng(seed)
    num_facilities, num_locations = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    vcpus = rng.integers(0, 4, size=num_facilities)
    most = rng.integers(0, 2, size=num_facilities) * rng.integers(0, 2)
    flow = _draw_flow(rng, num_facilities)
    linear = rng.integers(0, 3, size=(num_facilities, num_locations)) * rng.integers(0, 2)
    room = rng.integers(0, 6, size=num_locations)
    if rng.random() < 0.4:
        room[:] = room[0]
    terms = VcpuTerms(
        resource=VCPUS,
        num_spare=int(rng.integers(0, most.sum() + 1)),
        most_spare=most,
        linear=linear,
        flow=flow,
        room=room,
        price=SPILL_PRICE,
        spill=True,
    )
    core = _draw(rng, num_facilities, num_locations, reachable=True)
    demand, capacity = core.demand.copy(), core.capacity.copy()
    demand[VCPUS], capacity[VCPUS] = vcpus, vcpus.sum() + most.sum()
    fields: dict[str, Any] = {"allowed": core.allowed, "distinct": core.distinct}
    spilling = QuadraticCore(
        linear=vcpus[:, None] * linear,
        flow=vcpus[:, None] * flow,
        distance=core.distance,
        demand=demand,
        capacity=capacity,
        **fields,
    )
    return spilling, terms


def _draw_flow(rng: np.random.Generator, count: int) -> Any:
    if rng.random() < 0.4:
        return np.full((count, count), 7)
    return rng.integers(0, 4, size=(count, count)) * rng.integers(0, 50, size=(count, count))


def _draw(
    rng: np.random.Generator, num_facilities: int, num_locations: int, *, reachable: bool = False
) -> QuadraticCore:
    shape = (num_facilities, num_locations)
    distance = rng.choice([10, 12, 21, 32], size=(num_locations, num_locations))
    if rng.random() < 0.7:
        distance = np.maximum(distance, distance.T)
    if rng.random() < 0.5:
        distance[:] = 21
    np.fill_diagonal(distance, 10)
    if rng.random() < 0.1:
        distance = rng.integers(0, 9, size=distance.shape)
    demand = rng.integers(0, 6, size=(2, num_facilities))
    if rng.random() < 0.4:
        demand[:] = 3
    capacity = rng.integers(0, 14, size=(2, num_locations))
    if rng.random() < 0.5:
        capacity[:] = rng.integers(3, 14)
    fields: dict[str, Any] = {}
    if rng.random() < 0.2:
        fields["allowed"] = rng.random(shape) < 0.8
    if rng.random() < 0.2:
        fields["distinct"] = True
    if not reachable and rng.random() < 0.2:
        far = rng.random(distance.shape) < 0.3
        fields["unreachable"] = far & ~np.eye(num_locations, dtype=bool)
    linear = rng.integers(0, 30, size=shape) if rng.random() < 0.3 else np.zeros(shape, dtype=int)
    return QuadraticCore(
        linear=linear,
        flow=_draw_flow(rng, num_facilities),
        distance=distance,
        demand=demand,
        capacity=capacity,
        **fields,
    )


def enumerate_best(
    core: QuadraticCore, terms: VcpuTerms | None = None
) -> tuple[int, tuple[int, ...]] | None:
    """Return the least cost and the first assignment that has it, None where there is none."""
    best: tuple[int, tuple[int, ...]] | None = None
    for locations in product(range(core.num_locations), repeat=core.num_facilities):
        if not core.is_feasible(locations):
            continue
        extra = 0 if terms is None else _cost_of_units(core, terms, locations)
        if extra is None:
            continue
        cost = extra if terms is not None and terms.spill else core.cost(locations) + extra
        if best is None or cost < best[0]:
            best = cost, locations
    return best


def _cost_of_units(core: QuadraticCore, terms: VcpuTerms, locations: tuple[int, ...]) -> int | None:
    """The least over all ways to deal the spare vcpus; with spill, over all places for all."""
    at = np.array(locations)
    costs = []
    for spare in product(*(range(most + 1) for most in terms.most_spare.tolist())):
        if sum(spare) != terms.num_spare:
            continue
        units = core.demand[terms.resource] + np.array(spare)
        if terms.spill:
            costs.append(_spilled_cost(core, terms, at, units))
            continue
        load = np.bincount(at, weights=units, minlength=core.num_locations).astype(int)
        if (load > core.capacity[terms.resource]).any():
            continue
        one = [_unit_cost(core, terms, at, i, at[i]) for i in range(len(at))]
        beyond = int(np.maximum(load - terms.room, 0).sum())
        dealt = sum(number * cost for number, cost in zip(spare, one, strict=True))
        costs.append(dealt + terms.price * beyond)
    return min((cost for cost in costs if cost is not None), default=None)


def _unit_cost(core: QuadraticCore, terms: VcpuTerms, at: Any, i: int, place: int) -> int:
    return int(terms.linear[i, place] + (terms.flow[i] * core.distance[place, at]).sum())


def _spilled_cost(core: QuadraticCore, terms: VcpuTerms, at: Any, units: Any) -> int | None:
    """Every way to run the vcpus, facility by facility, by the room that is left."""
    states = {tuple(terms.room.tolist()): 0}
    for i, number in enumerate(units.tolist()):
        price = [
            _unit_cost(core, terms, at, i, p) + terms.price * int(p != at[i])
            for p in range(core.num_locations)
        ]
        reached: dict[tuple[int, ...], int] = {}
        for parts in _splits(number, core.num_locations):
            paid = sum(part * cost for part, cost in zip(parts, price, strict=True))
            for room, before in states.items():
                left = tuple(free - part for free, part in zip(room, parts, strict=True))
                if min(left) >= 0:
                    reached[left] = min(reached.get(left, before + paid), before + paid)
        states = reached
    return min(states.values(), default=None)


def _splits(number: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (number,)
        return
    for first in range(number + 1):
        for rest in _splits(number - first, parts - 1):
            yield (first, *rest)
