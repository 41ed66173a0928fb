"""Vcpus to pnodes at least cost, once homes are settled: a small transportation problem."""

from __future__ import annotations

import numpy as np

from placer.arrays import Ints


def transport(cost: Ints, least: Ints, most: Ints, room: Ints, num_units: int) -> Ints | None:
    """Return how many units of each kind go where, at least cost, or None where they cannot.

    ``cost[i, p]`` is the cost of one unit of kind i at p; of kind i there are ``least[i]``
    to ``most[i]``, ``num_units`` in all; p takes ``room[p]``. The answer has shape (V, P).
    Shortest augmenting paths, each as wide as it can be.
    """
    num_kinds, num_places = cost.shape
    dealt = np.zeros_like(cost)
    # The first units of a kind go before any that need not be: they save more than all costs.
    urgent = (int(np.abs(cost).max(initial=0)) + 1) * 2 * (num_kinds + num_places)
    left = room.copy()
    never = urgent * 4
    while int(dealt.sum()) < num_units:
        of_kind = dealt.sum(axis=1)
        reach = np.where(of_kind < least, -urgent, np.where(of_kind < most, 0, never))
        through = np.full(num_places, never)
        came_from, gave_up = np.full(num_places, -1), np.full(num_kinds, -1)
        for _ in range(num_kinds + num_places):
            ways = reach[:, None] + cost
            by = ways.argmin(axis=0)
            better = ways[by, np.arange(num_places)] < through
            through = np.where(better, ways[by, np.arange(num_places)], through)
            came_from = np.where(better, by, came_from)
            back = np.where(dealt > 0, through - cost, never * 2)
            at = back.argmin(axis=1)
            nearer = back[np.arange(num_kinds), at] < reach
            if not nearer.any():
                break
            reach = np.where(nearer, back[np.arange(num_kinds), at], reach)
            gave_up = np.where(nearer, at, gave_up)
        ends = np.where(left > 0, through, never)
        place = int(ends.argmin())
        if ends[place] >= never // 2:
            return None
        _push(dealt, left, place, (came_from, gave_up), least, most, num_units)
    return dealt if (dealt.sum(axis=1) >= least).all() else None


def _push(
    dealt: Ints,
    left: Ints,
    place: int,
    path: tuple[Ints, Ints],
    least: Ints,
    most: Ints,
    num_units: int,
) -> None:
    """Send as many units along the path that ends at ``place`` as it takes."""
    came_from, gave_up = path
    steps: list[tuple[int, int, int]] = []
    width, end = min(int(left[place]), num_units - int(dealt.sum())), place
    while True:
        kind = int(came_from[place])
        source = int(gave_up[kind])
        steps.append((kind, place, source))
        if source < 0:
            break
        width = min(width, int(dealt[kind, source]))
        place = source
    held = int(dealt[kind].sum())
    width = min(width, int(least[kind] if held < least[kind] else most[kind]) - held)
    for kind, place, source in steps:
        dealt[kind, place] += width
        if source >= 0:
            dealt[kind, source] -= width
    left[end] -= width
