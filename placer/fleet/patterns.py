"""The ways to lay one domain on one host: a pattern is a home for each vnode, up to symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints
from placer.fleet.shapes import PAGES, VCPUS, DomainClass, HostType, unreachable
from placer.units import LOCAL_DISTANCE

MOST_PARTIAL = 200_000
"""Beyond so many partial assignments the dearest are dropped, and the list is not complete."""

MOST_PATTERNS = 20_000
"""How many patterns are kept, the cheapest."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Patterns:
    """The patterns of one class of domains on one type of host, the cheapest first.

    - ``cost[k]``; ``homes[k, i]``: one assignment of the pattern, vnode by vnode.
    - ``use[k, r * P + p]``: what it takes, with the overhead of the domain counted where
      no choice of homes can avoid it; no placement takes less.
    - ``tight[k, r * P + p]``: the same with the overhead at every vnode, so that what fits
      by these figures fits wherever vnode 0 is.
    - ``missing_cost``: what every assignment costs at least that is neither one of these
      nor takes as much as one of them; None where there is no such assignment.
    """

    cost: Ints
    homes: Ints
    use: Ints
    tight: Ints
    missing_cost: int | None

    @property
    def count(self) -> int:
        """How many there are; 0 where the domain fits on no such host."""
        return len(self.cost)


def list_patterns(shape: DomainClass, host_type: HostType) -> Patterns:
    """Return the patterns of a class on an empty host of a type."""
    order = np.argsort(-shape.demand[PAGES], kind="stable")
    homes, missing_cost = _assign(shape, host_type, order)
    cost = _costs(shape.flow, host_type.distances, homes)
    by_cost = np.lexsort((*homes.T[::-1], cost))
    homes, cost = homes[by_cost], cost[by_cost]
    single = shape.num_vnodes == 1
    demand = _scaled(shape, host_type)
    use = _uses(demand, homes, host_type, shape.overhead_pages if single else 0)
    if len(use):
        _, first = np.unique(use, axis=0, return_index=True)
        kept = np.sort(first)
        homes, cost, use = homes[kept], cost[kept], use[kept]
    if len(cost) > MOST_PATTERNS:
        missing_cost = min(int(cost[MOST_PATTERNS]), missing_cost or int(cost[MOST_PATTERNS]))
        homes, cost, use = homes[:MOST_PATTERNS], cost[:MOST_PATTERNS], use[:MOST_PATTERNS]
    generous = demand.copy()
    generous[PAGES] += shape.overhead_pages
    tight = _uses(generous, homes, host_type, 0)
    return Patterns(cost=cost, homes=homes, use=use, tight=tight, missing_cost=missing_cost)


def _scaled(shape: DomainClass, host_type: HostType) -> Ints:
    """The demand with vcpus in the units of the host type."""
    demand = shape.demand.copy()
    demand[VCPUS] *= host_type.over if shape.dedicated else host_type.under
    return demand


def _assign(shape: DomainClass, host_type: HostType, order: Ints) -> tuple[Ints, int | None]:
    """Return the assignments that an empty host can take, equal vnodes in ascending order.

    And what those cost at least that were dropped because there were too many, if any.
    """
    num_pnodes = host_type.num_pnodes
    blocked = unreachable(host_type)
    demand = _scaled(shape, host_type)
    capacity = host_type.capacity
    homes = np.zeros((1, shape.num_vnodes), dtype=np.int64)
    left = np.repeat(capacity[None], 1, axis=0)
    missing_cost: int | None = None
    previous = _previous_equal(shape, order)
    for position, vnode in enumerate(order.tolist()):
        done = order[:position]
        rows = np.repeat(np.arange(len(homes)), num_pnodes)
        here = np.tile(np.arange(num_pnodes), len(homes))
        good = np.ones(len(rows), dtype=np.bool_)
        if shape.fixed[vnode] >= 0:
            good &= here == shape.fixed[vnode]
        if previous[vnode] >= 0:
            good &= here >= homes[rows, previous[vnode]]
        good &= (left[rows, :, here] >= demand[:, vnode]).all(axis=1)
        for other in done.tolist():
            there = homes[rows, other]
            if shape.distinct:
                good &= there != here
            if shape.needs[vnode, other]:
                good &= ~blocked[here, there]
            if shape.needs[other, vnode]:
                good &= ~blocked[there, here]
        rows, here = rows[good], here[good]
        homes, left = homes[rows], left[rows]
        homes[:, vnode] = here
        left[np.arange(len(here)), :, here] -= demand[:, vnode]
        if len(homes) > MOST_PARTIAL:
            placed = order[: position + 1]
            flow = shape.flow[np.ix_(placed, placed)]
            rest = LOCAL_DISTANCE * int(shape.flow.sum() - flow.sum())
            partial = _costs(flow, host_type.distances, homes[:, placed])
            by_cost = np.argsort(partial, kind="stable")
            dropped = int(partial[by_cost[MOST_PARTIAL]]) + rest
            missing_cost = dropped if missing_cost is None else min(missing_cost, dropped)
            homes, left = homes[by_cost[:MOST_PARTIAL]], left[by_cost[:MOST_PARTIAL]]
    return homes, missing_cost


def _previous_equal(shape: DomainClass, order: Ints) -> Ints:
    """For each vnode the one before it, in the order, that it can be exchanged with; else -1."""
    previous = np.full(shape.num_vnodes, -1, dtype=np.int64)
    for position, vnode in enumerate(order.tolist()):
        for other in order[:position][::-1].tolist():
            if _can_exchange(shape, vnode, other):
                previous[vnode] = other
                break
    return previous


def _can_exchange(shape: DomainClass, i: int, j: int) -> bool:
    """Whether vnodes i and j are alike in demand, request and access."""
    if (shape.demand[:, i] != shape.demand[:, j]).any() or shape.fixed[i] != shape.fixed[j]:
        return False
    swapped = np.arange(shape.num_vnodes)
    swapped[[i, j]] = j, i
    for matrix in (shape.flow, shape.needs):
        if (matrix[np.ix_(swapped, swapped)] != matrix).any():
            return False
    return True


def _costs(flow: Ints, distances: Ints, homes: Ints) -> Ints:
    """The cost of each assignment, shape (K,)."""
    cost = np.zeros(len(homes), dtype=np.int64)
    for i in range(homes.shape[1]):
        for j in range(homes.shape[1]):
            if flow[i, j]:
                cost += flow[i, j] * distances[homes[:, i], homes[:, j]]
    return cost


def _uses(demand: Ints, homes: Ints, host_type: HostType, overhead_pages: int) -> Ints:
    """What each assignment takes, shape (K, R * P); the overhead at vnode 0's home."""
    num_resources, num_pnodes = host_type.capacity.shape
    use = np.zeros((len(homes), num_resources, num_pnodes), dtype=np.int64)
    rows = np.arange(len(homes))
    for vnode in range(homes.shape[1]):
        use[rows, :, homes[:, vnode]] += demand[:, vnode]
    if overhead_pages:
        use[rows, PAGES, homes[:, 0]] += overhead_pages
    return use.reshape(len(homes), num_resources * num_pnodes)
