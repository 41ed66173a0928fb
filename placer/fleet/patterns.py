"""The ways to lay one domain on one host: a pattern is a home for each vnode, up to symmetry."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from placer.arrays import Ints
from placer.fleet.shapes import PAGES, VCPUS, DomainClass, HostType, Shapes, unreachable
from placer.quadratic.core import Mask
from placer.units import LOCAL_DISTANCE

MOST_PARTIAL = 30_000
"""Beyond so many partial assignments the dearest are dropped, and the list is not complete."""

MOST_PATTERNS = 20_000
"""How many patterns are kept, the cheapest."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Patterns:
    """The patterns of one class of domains on one type of host, the cheapest first.

    - ``cost[k]``; ``homes[k, i]``: one assignment of the pattern, vnode by vnode.
    - ``use[k, r * P + p]``: what it takes, with the overhead of the domain where vnode 0
      is, and none where another vnode elsewhere may be exchanged with it; no placement takes
      less.
    - ``tight[k, r * P + p]``: the same with the overhead wherever vnode 0 may be, so that
      what fits by these figures fits.
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


def patterns_bytes(shapes: Shapes) -> int:
    """Return about how many bytes the patterns of all classes on all types take, at the most.

    A class with V vnodes of W kinds has no more patterns on P pnodes than there are ways to
    lay the vnodes of each kind, which are alike, on them, and no more than are kept.
    """
    found = 0
    for shape in shapes.classes:
        alike = Counter(
            (tuple(shape.demand[:, vnode].tolist()), int(shape.fixed[vnode]))
            for vnode in range(shape.num_vnodes)
        )
        for host_type in shapes.types:
            if shape.may_run_on(host_type):
                pnodes = host_type.num_pnodes
                ways = math.prod(math.comb(pnodes + n - 1, n) for n in alike.values())
                row = 8 * (2 * host_type.capacity.size + shape.num_vnodes + 1)
                found += row * min(ways, MOST_PATTERNS)
    return found


def list_patterns(shape: DomainClass, host_type: HostType) -> Patterns:
    """Return the patterns of a class on an empty host of a type."""
    order = np.argsort(-shape.demand[PAGES], kind="stable")
    twins = _twins(shape, host_type)
    homes, missing_cost = _assign(shape, host_type, order, twins)
    cost = _costs(shape.flow, host_type.distances, homes)
    homes, cost = _sort(homes, cost)
    demand = scaled_demand(shape, host_type)
    first = _like_the_first(shape)
    overhead = shape.overhead_pages if len(first) == 1 else 0
    kept = _first_of_each(_uses(demand, homes, host_type, overhead))
    charged = demand.copy()
    charged[PAGES, 0] += overhead
    homes, cost, dropped = _spread_over_twins(homes[kept], cost[kept], charged, twins)
    missing_cost = _least(missing_cost, dropped)
    homes, cost = _sort(homes, cost)
    use = _uses(demand, homes, host_type, overhead)
    tight = use if overhead else _charge_everywhere(use, homes[:, first], shape.overhead_pages)
    if len(first) == shape.num_vnodes > 1:
        together = np.flatnonzero((homes == homes[:, :1]).all(axis=1))
        use[together, homes[together, 0]] += shape.overhead_pages
        fits = (use <= host_type.capacity.reshape(-1)).all(axis=1)
        homes, cost, use, tight = homes[fits], cost[fits], use[fits], tight[fits]
    return Patterns(cost=cost, homes=homes, use=use, tight=tight, missing_cost=missing_cost)


def find_patterns(known: Patterns, shape: DomainClass, host_type: HostType, homes: Ints) -> Ints:
    """Return for each row of ``homes``, shape (N, V), the pattern that takes the same; else -1.

    ``known`` are the patterns of the class on the type; of those that take the same the
    cheapest is meant, to which the vnodes can be exchanged.
    """
    overhead = shape.overhead_pages if len(_like_the_first(shape)) == 1 else 0
    demand = scaled_demand(shape, host_type)
    number_of: dict[bytes, int] = {}
    for number, use in enumerate(_uses(demand, known.homes, host_type, overhead)):
        number_of.setdefault(use.tobytes(), number)
    asked = _uses(demand, homes, host_type, overhead)
    return np.array([number_of.get(use.tobytes(), -1) for use in asked], dtype=np.int64)


def _like_the_first(shape: DomainClass) -> list[int]:
    """The vnodes that vnode 0, where the overhead is, can be exchanged with, itself among them."""
    return [i for i in range(shape.num_vnodes) if i == 0 or _can_exchange(shape, i, 0)]


def _charge_everywhere(use: Ints, homes: Ints, overhead_pages: int) -> Ints:
    """The uses with the overhead on each pnode that any of these homes is."""
    tight = use.copy()
    here = np.zeros(use.shape, dtype=np.bool_)
    for column in homes.T:  # pages are the first resource, so a pnode is its own column
        here[np.arange(len(use)), column] = True
    tight[here] += overhead_pages
    return tight


def _sort(homes: Ints, cost: Ints) -> tuple[Ints, Ints]:
    """The cheapest first, of equals the lexicographically first homes."""
    order = np.lexsort((*homes.T[::-1], cost))
    return homes[order], cost[order]


def _first_of_each(use: Ints) -> Ints:
    """The first row of each kind, in their order."""
    if not len(use):
        return np.zeros(0, dtype=np.int64)
    _, first = np.unique(use, axis=0, return_index=True)
    return np.sort(first)


def _least(one: int | None, other: int | None) -> int | None:
    found = [cost for cost in (one, other) if cost is not None]
    return min(found, default=None)


def _twins(shape: DomainClass, host_type: HostType) -> list[list[int]]:
    """Sets of pnodes of which any two can be exchanged, for a domain of this class."""
    capacity, distances = host_type.capacity, host_type.distances
    asked = set(shape.fixed[shape.fixed >= 0].tolist())
    sets: list[list[int]] = []
    for pnode in range(host_type.num_pnodes):
        for twins in sets:
            other = twins[0]
            swapped = np.arange(host_type.num_pnodes)
            swapped[[pnode, other]] = other, pnode
            if (
                pnode not in asked
                and other not in asked
                and (capacity[:, pnode] == capacity[:, other]).all()
                and (distances[np.ix_(swapped, swapped)] == distances).all()
            ):
                twins.append(pnode)
                break
        else:
            sets.append([pnode])
    return sets


def _spread_over_twins(
    homes: Ints, cost: Ints, demand: Ints, twins: list[list[int]]
) -> tuple[Ints, Ints, int | None]:
    """Every exchange of twins that takes something else, the cheapest first.

    And what the first costs that there was no more room for, if any.
    """
    found: list[Ints] = []
    costs: list[int] = []
    pairs = sum(len(twin) > 1 for twin in twins)
    if not pairs:
        kept = homes[:MOST_PATTERNS]
        return kept, cost[:MOST_PATTERNS], _first(cost[MOST_PATTERNS:])
    num_pnodes = sum(map(len, twins))
    seen = set()
    for row, price in zip(homes, cost.tolist(), strict=True):
        taken = [tuple(demand[:, row == pnode].sum(axis=1).tolist()) for pnode in range(num_pnodes)]
        orbit = tuple(tuple(sorted(taken[pnode] for pnode in twin)) for twin in twins)
        if orbit in seen:
            continue
        seen.add(orbit)
        for target in _exchanges(taken, twins):
            if len(found) == MOST_PATTERNS:
                return np.array(found), np.array(costs), price
            found.append(target[row])
            costs.append(price)
    if not found:
        return homes, cost, None
    return np.array(found), np.array(costs, dtype=np.int64), None


def _first(cost: Ints) -> int | None:
    return int(cost[0]) if len(cost) else None


def _exchanges(taken: list[tuple[int, ...]], twins: list[list[int]]) -> Iterator[Ints]:
    """Yield for each different arrangement of what twins carry where each pnode goes."""
    choices = [list(_arrangements([taken[pnode] for pnode in twin], twin)) for twin in twins]
    for chosen in product(*choices):
        target = np.empty(len(taken), dtype=np.int64)
        for twin, arrangement in zip(twins, chosen, strict=True):
            target[twin] = arrangement
        yield target


def _arrangements(loads: list[tuple[int, ...]], places: list[int]) -> Iterator[list[int]]:
    """Yield for each different order of the loads the place of each."""
    by_load: dict[tuple[int, ...], list[int]] = {}
    for position, load in enumerate(loads):
        by_load.setdefault(load, []).append(position)
    groups = list(by_load.values())

    def arrange(number: int, free: list[int], chosen: list[int]) -> Iterator[list[int]]:
        if number == len(groups):
            yield list(chosen)
            return
        for picked in combinations(free, len(groups[number])):
            for position, place in zip(groups[number], picked, strict=True):
                chosen[position] = place
            yield from arrange(number + 1, [p for p in free if p not in picked], chosen)

    yield from arrange(0, places, [0] * len(loads))


def scaled_demand(shape: DomainClass, host_type: HostType) -> Ints:
    """Return the demand of a class with vcpus in the units of the host type, shape (R, V)."""
    demand = shape.demand.copy()
    demand[VCPUS] *= host_type.over if shape.dedicated else host_type.under
    return demand


def _assign(
    shape: DomainClass, host_type: HostType, order: Ints, twins: list[list[int]]
) -> tuple[Ints, int | None]:
    """Return the assignments that an empty host can take, up to exchanges.

    Equal vnodes are in ascending order, of twin pnodes that are still empty the first is
    taken. And what those cost at least that were dropped because there were too many, if any.
    """
    num_pnodes = host_type.num_pnodes
    blocked = unreachable(host_type)
    demand = scaled_demand(shape, host_type)
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
        good &= _is_first_empty(homes[:, done], twins, num_pnodes)[rows, here]
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


def _is_first_empty(homes: Ints, twins: list[list[int]], num_pnodes: int) -> Mask:
    """Whether a pnode has a vnode, or is the first of its twins that has none; (K, P)."""
    taken = np.zeros((len(homes), num_pnodes), dtype=np.bool_)
    for column in homes.T:
        taken[np.arange(len(homes)), column] = True
    allowed = taken.copy()
    for twin in twins:
        empty = ~taken[:, twin]
        allowed[:, twin] |= empty & (np.cumsum(empty, axis=1) == 1)
    return allowed


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
