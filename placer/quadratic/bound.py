"""A lower bound of the quadratic core: Gilmore and Lawler's, with capacities in both steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placer.quadratic.core import QuadraticCore

Floats = npt.NDArray[np.float64]

_ROUNDS = 300
"""How often the prices of capacities are changed."""


def lower_bound(core: QuadraticCore) -> int | None:
    """Return a whole number that no feasible assignment costs less than.

    First what each facility pays at each location at least, if all the others lay as near
    as capacities let them in parts (P. Gilmore, Optimal and suboptimal algorithms for the
    quadratic assignment problem, 1962); then the least sum of one location each, with prices
    on capacities (Lagrange). None where a facility has no location, so that nothing is
    feasible.
    """
    num, places = core.linear.shape
    if num == 0:
        return 0
    least = np.full((num, places), np.inf)
    for i in range(num):
        for p in range(places):
            if core.allowed[i, p] and (core.demand[:, i] <= core.capacity[:, p]).all():
                least[i, p] = float(core.linear[i, p]) + _pays(core, i, p)
    if np.isinf(least).all(axis=1).any():
        return None
    return int(np.ceil(_assign(core, least) * (1 - 1e-9) - 1e-6))


def _pays(core: QuadraticCore, i: int, p: int) -> float:
    """What i at p pays at least for its accesses, by the resource that says most."""
    own = float(core.flow[i, i] * core.distance[p, p])
    others = np.arange(core.num_facilities) != i
    flow = core.flow[i, others].astype(np.float64)
    wanted = flow > 0
    near = np.argsort(core.distance[p], kind="stable")
    distance = core.distance[p, near].astype(np.float64)
    most = 0.0
    for demand, capacity in zip(core.demand, core.capacity, strict=True):
        size = demand[others].astype(np.float64)
        room = capacity[near].astype(np.float64)
        room[near == p] -= float(demand[i])
        free = wanted & (size == 0)
        value = float(flow[free].sum() * distance[0])
        flows, sizes = flow[wanted & ~free], size[wanted & ~free]
        # The densest accesses nearest: the least scalar product of two sorted measures.
        by_density = np.argsort(-flows / sizes, kind="stable")
        ends = np.cumsum(sizes[by_density])
        places = np.cumsum(np.maximum(room, 0.0))
        cuts = np.unique(np.concatenate([[0.0], ends, places]))
        cuts = cuts[cuts <= (ends[-1] if len(ends) else 0.0)]
        if len(cuts) > 1:
            middle = (cuts[1:] + cuts[:-1]) / 2
            whose = np.searchsorted(ends, middle)
            where = np.minimum(np.searchsorted(places, middle), len(distance) - 1)
            density = (flows / sizes)[by_density]
            value += float((density[whose] * distance[where] * np.diff(cuts)).sum())
        most = max(most, value)
    return own + most


def _assign(core: QuadraticCore, least: Floats) -> float:
    """The most that prices of capacities make of one location for each facility."""
    demand = core.demand.astype(np.float64)
    capacity = core.capacity.astype(np.float64)
    prices = np.zeros_like(capacity)
    best = float(least.min(axis=1).sum())
    step = max(1.0, abs(best)) / max(1.0, float(capacity.sum()))
    for _ in range(_ROUNDS):
        priced = least + demand.T @ prices
        at = priced.argmin(axis=1)
        value = float(priced.min(axis=1).sum() - (prices * capacity).sum())
        best = max(best, value)
        used = np.zeros_like(capacity)
        for resource in range(len(capacity)):
            used[resource] = np.bincount(at, demand[resource], len(capacity[resource]))
        slope = used - capacity
        if not (slope > 0).any() and value >= best:
            break
        scale = np.maximum(np.abs(slope).max(), 1.0)
        prices = np.maximum(prices + step * slope / scale, 0.0)
        step *= 0.98
    return best
