"""A host seen by groups of its pnodes: fewer patterns, and a bound that is soon proven.

Whatever fits on the pnodes fits on the groups, where capacities are added up and a domain costs
the least of all ways to divide it so. What adding up loses, that vnodes cannot be cut, dual
feasible functions give back in part: where ``sum x <= 1`` on a pnode, ``sum u(x) <= 1`` too, for
``u(x) = x`` where ``(k + 1) x`` is whole and else ``floor((k + 1) x) / k`` (Fekete and Schepers,
New classes of fast lower bounds for bin packing problems, Mathematical Programming 91, 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints

_FUNCTIONS = range(1, 17)
"""Which k there are: the first sees items above a half, the next those above a third."""

_MOST_GROUPS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Coarse:
    """Patterns up to what they take of groups: the cheapest of each, and rows that bind them.

    ``among`` are numbers of patterns, ``use[k, r]`` theirs and ``capacity[r]`` the rows.
    """

    among: Ints
    use: Ints
    capacity: Ints


def group_pnodes(distances: Ints) -> list[list[int]]:
    """Return two to four groups of pnodes that are near one another, as sockets are.

    Those within the largest distance that leaves more than one group; halves by number
    where there is none.
    """
    num_pnodes = len(distances)
    near = np.maximum(distances, distances.T)
    for limit in np.unique(near)[::-1].tolist():
        groups = _components(near <= limit)
        if 2 <= len(groups) <= _MOST_GROUPS and len(groups) < num_pnodes:
            return groups
    half = -(-num_pnodes // 2)
    halves = [list(range(half)), list(range(half, num_pnodes))]
    return [group for group in halves if group]


def _components(near: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> list[list[int]]:
    groups: list[list[int]] = []
    seen: set[int] = set()
    for start in range(len(near)):
        if start in seen:
            continue
        group, waiting = [], [start]
        seen.add(start)
        while waiting:
            pnode = waiting.pop()
            group.append(pnode)
            for other in np.flatnonzero(near[pnode]).tolist():
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        groups.append(sorted(group))
    return groups


def coarsen(groups: list[list[int]], use: Ints, capacity: Ints, shape: Ints, cost: Ints) -> Coarse:
    """Return the patterns up to what they take of each group of pnodes.

    ``use[k, r, p]`` and ``capacity[r, p]`` by resource and pnode. What a pattern takes of a
    pnode is one item to the dual feasible functions, however many vnodes it is.
    """
    kept = _up_to_order(groups, use, shape, cost)
    use, shape, cost = use[kept], shape[kept], cost[kept]
    rows: list[Ints] = []
    limits: list[int] = []
    for resource in range(use.shape[1]):
        for group in groups:
            rows.append(use[:, resource, group].sum(axis=1))
            limits.append(int(capacity[resource, group].sum()))
        largest = int(capacity[resource].max())
        if not largest:
            continue
        for k in _FUNCTIONS:
            seen = _dual_feasible(use[:, resource], largest, k)
            for group in groups:
                rows.append(seen[:, group].sum(axis=1))
                limits.append(len(group) * k * (k + 1) * largest)
    coarse = np.stack(rows, axis=1)
    first = _cheapest_of_each(np.concatenate([shape[:, None], coarse], axis=1), cost)
    return Coarse(among=kept[first], use=coarse[first], capacity=np.array(limits, dtype=np.int64))


def _up_to_order(groups: list[list[int]], use: Ints, shape: Ints, cost: Ints) -> Ints:
    """The cheapest of the patterns that differ in the order of the pnodes of a group alone."""
    load = np.zeros((use.shape[0], use.shape[2]), dtype=np.int64)
    for resource in range(use.shape[1]):
        values, number = np.unique(use[:, resource], return_inverse=True)
        joint = load * len(values) + number.reshape(load.shape)
        load = np.unique(joint, return_inverse=True)[1].reshape(load.shape)
    ordered = [np.sort(load[:, group], axis=1) for group in groups]
    return _cheapest_of_each(np.concatenate([shape[:, None], *ordered], axis=1), cost)


def _cheapest_of_each(key: Ints, cost: Ints) -> Ints:
    """The positions of the cheapest of equal rows, the first of equals, in ascending order."""
    order = np.argsort(cost, kind="stable")
    _, first = np.unique(key[order], axis=0, return_index=True)
    return np.sort(order[first])


def _dual_feasible(taken: Ints, capacity: int, k: int) -> Ints:
    """``k (k + 1) capacity u(taken / capacity)``, whole."""
    scaled = taken * (k + 1)
    exact = scaled % capacity == 0
    return np.where(exact, taken * k * (k + 1), scaled // capacity * (k + 1) * capacity)
