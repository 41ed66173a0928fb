"""Vcpus to pnodes at least cost, once homes are settled: a small transportation problem."""

from __future__ import annotations

import numpy as np

from placer.arrays import Ints


def transport(cost: Ints, least: Ints, most: Ints, room: Ints, num_units: int) -> Ints | None:
    """Return how many units of each kind go where, at least cost, or None where they cannot.

    ``cost[i, p]``, 0 or more, is the cost of one unit of kind i at p; of kind i there are
    ``least[i]`` to ``most[i]``, ``num_units`` in all; p takes ``room[p]``. The answer has
    shape (V, P). Shortest augmenting paths, each as wide as it can be.
    """
    # The first units of a kind go before any that need not be: they save more than all costs.
    urgent = (int(cost.max(initial=0)) + 1) * 2 * (len(least) + len(room))
    flow = _Flow(cost.tolist(), least.tolist(), most.tolist(), room.tolist(), num_units, urgent)
    while flow.missing:
        if not flow.widen():
            return None
    dealt = np.array(flow.dealt, dtype=np.int64).reshape(cost.shape)
    return dealt if (dealt.sum(axis=1) >= least).all() else None


class _Flow:
    """Units dealt so far, in plain lists: at these sizes they are faster than arrays."""

    def __init__(
        self,
        cost: list[list[int]],
        least: list[int],
        most: list[int],
        room: list[int],
        num_units: int,
        urgent: int,
    ) -> None:
        self.cost, self.least, self.most, self.room = cost, least, most, room
        self.missing = num_units
        self.urgent = urgent
        self.dealt = [[0] * len(room) for _ in least]
        self.held = [0] * len(least)

    def widen(self) -> bool:
        """Send units along the cheapest path that has room; False where there is none."""
        never = 4 * self.urgent
        reach, gave_up = [], [-1] * len(self.least)
        for held, least, most in zip(self.held, self.least, self.most, strict=True):
            reach.append(-self.urgent if held < least else 0 if held < most else never)
        through, came_from = [never] * len(self.room), [-1] * len(self.room)
        changed = {i for i, distance in enumerate(reach) if distance < never}
        while changed:
            nearer: set[int] = set()
            for i in changed:
                for p, price in enumerate(self.cost[i]):
                    if reach[i] + price < through[p]:
                        through[p], came_from[p] = reach[i] + price, i
                        nearer.add(p)
            changed = set()
            for p in nearer:
                for i, row in enumerate(self.dealt):
                    if row[p] and through[p] - self.cost[i][p] < reach[i]:
                        reach[i], gave_up[i] = through[p] - self.cost[i][p], p
                        changed.add(i)
        ends = [(through[p], p) for p, room in enumerate(self.room) if room and came_from[p] >= 0]
        if not ends:
            return False
        self._push(min(ends)[1], came_from, gave_up)
        return True

    def _push(self, end: int, came_from: list[int], gave_up: list[int]) -> None:
        """Send as many units as the path that ends at ``end`` takes."""
        steps: list[tuple[int, int, int]] = []
        width, place = min(self.room[end], self.missing), end
        while True:
            kind = came_from[place]
            source = gave_up[kind]
            steps.append((kind, place, source))
            if source < 0:
                break
            width = min(width, self.dealt[kind][source])
            place = source
        held, least = self.held[kind], self.least[kind]
        width = min(width, (least if held < least else self.most[kind]) - held)
        for kind, place, source in steps:
            self.dealt[kind][place] += width
            if source >= 0:
                self.dealt[kind][source] -= width
        self.held[steps[-1][0]] += width
        self.room[end] -= width
        self.missing -= width
