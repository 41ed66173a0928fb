"""The configuration of a host that is worth most at given prices: heuristics and proof."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.cpsat.master import Column
from placer.cpsat.packing import PackSite, most_counts, pack
from placer.fleet.plan import Fleet, column_of
from placer.fleet.shapes import HostType

Floats = npt.NDArray[np.float64]

BATCH = 24
"""How many random fillings of a host are tried side by side."""

NUM_CHEAP = 60
"""How many patterns of a class the heuristic looks at."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Filling:
    """What one host carries: patterns by their number among the pricer's, and what it is worth."""

    chosen: Ints
    gain: int


class Pricer:
    """All patterns of all classes on one type of host, in one list.

    ``shape[k]``, ``number[k]``: the class and the pattern's number in it. ``use`` and
    ``capacity`` have the rows that can bind, without the overhead of domains whose
    vnode 0 may be in several places, so that no placement is ruled out; ``tight`` has it.
    With ``costless`` patterns cost nothing.
    """

    def __init__(self, fleet: Fleet, host_type: HostType, *, costless: bool = False) -> None:
        self.host_type = host_type
        self.fleet = fleet
        parts = [
            (shape.number, fleet.patterns[shape.number, host_type.number])
            for shape in fleet.classes
            if (shape.number, host_type.number) in fleet.patterns
        ]
        capacity = host_type.capacity.reshape(-1)
        width = len(capacity)
        empty = np.zeros((0, width), dtype=np.int64)
        self.shape = np.repeat(
            np.array([c for c, _ in parts], dtype=np.int64),
            np.array([found.count for _, found in parts], dtype=np.int64),
        )
        self.number = np.concatenate(
            [np.zeros(0, dtype=np.int64), *(np.arange(found.count) for _, found in parts)]
        )
        self.cost = np.concatenate(
            [np.zeros(0, dtype=np.int64), *(found.cost for _, found in parts)]
        )
        if costless:
            self.cost = np.zeros_like(self.cost)
        use = np.concatenate([empty, *(found.use for _, found in parts)])
        tight = np.concatenate([empty, *(found.tight for _, found in parts)])
        binding = tight.any(axis=0)
        self.tight, self.tight_capacity = tight[:, binding], capacity[binding]
        self.use, self.capacity = _shrink(use[:, binding], capacity[binding])
        self.most = np.minimum(
            most_counts(self.tight, self.tight_capacity), fleet.counts[self.shape]
        )
        self.most_relaxed = np.minimum(
            most_counts(self.use, self.capacity), fleet.counts[self.shape]
        )
        self.missing_cost = {
            c: found.missing_cost for c, found in parts if found.missing_cost is not None
        }

    def gains(self, worth: Ints, unit: int = 1) -> Ints:
        """Return what each pattern is worth where a domain of class c is worth ``worth[c]``.

        All in 1/``unit`` of a cost unit.
        """
        gain: Ints = worth[self.shape] - unit * self.cost
        return gain

    def guess_prices(self, worth: float) -> Floats:
        """Return what a unit of each resource is worth where the whole host is worth ``worth``.

        Half of it in memory, half in vcpus, evenly over the pnodes.
        """
        scale = self.tight_capacity.astype(np.float64)
        prices = np.where(scale > 0, worth / 2 / np.maximum(scale, 1.0), 0.0)
        return np.asarray(prices / max(1, self.host_type.num_pnodes))

    def is_tight(self, filling: Filling) -> bool:
        """Return whether a filling fits wherever the overhead of its domains is."""
        inside = np.flatnonzero(filling.chosen)
        use = filling.chosen[inside] @ self.tight[inside]
        return bool((use <= self.tight_capacity).all())

    def column(self, filling: Filling) -> Column:
        """Return a filling as a column of the master."""
        pieces = [
            (int(self.shape[k]), int(self.number[k]))
            for k in np.flatnonzero(filling.chosen).tolist()
            for _ in range(int(filling.chosen[k]))
        ]
        return column_of(self.fleet, self.host_type.number, pieces)

    def fill(
        self, gain: Ints, rng: np.random.Generator, prices: Floats, counts: Ints | None = None
    ) -> list[Filling]:
        """Return random greedy fillings, the best first, no two the same.

        ``prices[r]`` is what a unit of resource r is about worth; the fillings differ in
        how much they believe it. ``counts[c]`` domains of class c are there, by default all.
        """
        there = self.fleet.counts if counts is None else counts
        gain = np.where(there[self.shape] > 0, gain, 0)
        candidates = self.cheapest(gain, NUM_CHEAP, rng)
        if not len(candidates):
            return []
        use = self.tight[candidates].astype(np.float64)
        worth = gain[candidates].astype(np.float64)
        shape = self.shape[candidates]
        left = np.repeat(self.tight_capacity[None].astype(np.float64), BATCH, axis=0)
        belief = rng.uniform(0.0, 1.6, (BATCH, 1)) * rng.uniform(0.7, 1.3, (BATCH, len(prices)))
        score = worth[None, :] - (belief * prices[None, :]) @ use.T
        score *= 1 + 0.05 * rng.standard_normal(score.shape)
        ahead = np.repeat(there[None], BATCH, axis=0)
        chosen = np.zeros((BATCH, len(candidates)), dtype=np.int64)
        everyone = np.arange(BATCH)
        can = np.ones((BATCH, len(candidates)), dtype=np.bool_)
        while True:
            for resource in range(use.shape[1]):
                can &= use[None, :, resource] <= left[:, resource, None]
            can &= ahead[:, shape] > 0
            going = can.any(axis=1)
            if not going.any():
                break
            best = np.where(can, score, -np.inf).argmax(axis=1)[going]
            rows = everyone[going]
            chosen[rows, best] += 1
            left[rows] -= use[best]
            ahead[rows, shape[best]] -= 1
        gains = chosen @ gain[candidates]
        fillings: dict[bytes, Filling] = {}
        for row in np.argsort(-gains, kind="stable").tolist():
            full = np.zeros(len(self.cost), dtype=np.int64)
            full[candidates] = chosen[row]
            fillings.setdefault(full.tobytes(), Filling(chosen=full, gain=int(gains[row])))
        return list(fillings.values())

    def useful(self, gain: Ints) -> Ints:
        """Return the patterns that are worth something and that the proof may not rule out."""
        return np.flatnonzero((gain > 0) & (self.most_relaxed > 0))

    def cheapest(self, gain: Ints, number: int, rng: np.random.Generator | None = None) -> Ints:
        """Return the patterns that are worth something, at most ``number`` of each class.

        Of equals the first, or with ``rng`` any.
        """
        useful = np.flatnonzero((gain > 0) & (self.most > 0))
        ties = np.arange(len(useful)) if rng is None else rng.random(len(useful))
        order = useful[np.lexsort((ties, -gain[useful], self.shape[useful]))]
        shape = self.shape[order]
        first = np.searchsorted(shape, shape)
        return np.sort(order[np.arange(len(order)) - first < number])

    def solve(
        self,
        gain: Ints,
        *,
        among: Ints,
        relaxed: bool,
        work: float,
        seconds: float | None = None,
        hint: Ints | None = None,
        gap: int = 0,
        seed: int = 0,
    ) -> tuple[Filling | None, int | None]:
        """Return the filling of most gain among some patterns, and a bound, by CP-SAT."""
        site = PackSite(
            use=(self.use if relaxed else self.tight)[among],
            capacity=self.capacity if relaxed else self.tight_capacity,
            gain=gain[among],
            shape=self.shape[among],
            hint=None if hint is None else hint[among],
        )
        packing = pack([site], self.fleet.counts, work=work, seconds=seconds, gap=gap, seed=seed)
        if packing.counts is None:
            return None, packing.bound
        chosen = np.zeros(len(self.cost), dtype=np.int64)
        chosen[among] = packing.counts[0]
        return Filling(chosen=chosen, gain=packing.gain), packing.bound


def _shrink(use: Ints, capacity: Ints) -> tuple[Ints, Ints]:
    """Measure pages in the largest unit that most vnodes are whole in, rounding in favour.

    ``sum floor(use / unit) <= floor(capacity / unit)`` holds wherever ``sum use <= capacity``
    does, so nothing is ruled out.
    """
    use, capacity = use.copy(), capacity.copy()
    for resource in range(use.shape[1]):
        column = use[use[:, resource] > 0, resource]
        unit = 1
        while len(column) and np.median(column % (2 * unit)) < 1024 and 2 * unit <= column.min():
            unit *= 2
        use[:, resource] //= unit
        capacity[resource] //= unit
    return use, capacity
