"""The configuration of a host that is worth most at given prices: heuristics and proof."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.cpsat.master import Column
from placer.cpsat.meter import Meter
from placer.cpsat.packing import PackSite, most_counts, pack, relax_packing
from placer.fleet.coarse import coarsen, group_pnodes
from placer.fleet.plan import Fleet, column_of
from placer.fleet.shapes import HostType

Floats = npt.NDArray[np.float64]

FILL_WORK = 3e-4
"""Deterministic time for one call of `Pricer.fill`."""

BATCH = 24
"""How many random fillings of a host are tried side by side."""

_CHEAP_OF_MANY = 60
"""How many patterns of a class CP-SAT sees where there are many."""

_ODD = 1024
"""Pages beyond whole units that do not count: overhead."""

_KEPT = 0.8
"""Candidates are listed anew where no more of them than this part still fits anywhere."""

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
    With ``costless`` patterns cost nothing. ``meter`` is told how long packings take.
    """

    def __init__(
        self,
        fleet: Fleet,
        host_type: HostType,
        *,
        costless: bool = False,
        meter: Meter | None = None,
    ) -> None:
        self.meter = meter
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
        units = _units(use.reshape(len(use), *host_type.capacity.shape))
        by_pnode = np.repeat(units, host_type.num_pnodes)
        binding = tight.any(axis=0)
        self.tight, self.tight_capacity = tight[:, binding], capacity[binding]
        self.use = (use // by_pnode)[:, binding]
        self.capacity = (capacity // by_pnode)[binding]
        small = max(tight.max(initial=0), capacity.max(initial=0)) < np.iinfo(np.int32).max
        self.narrow = np.int32 if small else np.int64
        self.most = np.minimum(
            most_counts(self.tight, self.tight_capacity), fleet.counts[self.shape]
        )
        self.most_relaxed = np.minimum(
            most_counts(self.use, self.capacity), fleet.counts[self.shape]
        )
        whole = (use // by_pnode).reshape(len(use), *host_type.capacity.shape)
        self.coarse = coarsen(
            group_pnodes(host_type.distances),
            whole,
            (capacity // by_pnode).reshape(host_type.capacity.shape),
            self.shape,
            self.cost,
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
        needs = np.ascontiguousarray(self.tight[candidates].T.astype(self.narrow))
        worth = gain[candidates].astype(np.float64)
        shape = self.shape[candidates]
        belief = rng.uniform(0.0, 1.6, (BATCH, 1)) * rng.uniform(0.7, 1.3, (BATCH, len(prices)))
        score = worth[None, :] - (belief * prices[None, :]) @ needs.astype(np.float64)
        score *= 1 + 0.05 * rng.standard_normal(score.shape)
        chosen = _choose_greedily(
            score, needs, self.tight_capacity.astype(self.narrow), shape, there
        )
        gains = chosen @ gain[candidates]
        fillings: dict[bytes, Filling] = {}
        for row in np.argsort(-gains, kind="stable").tolist():
            key = chosen[row].tobytes()
            if key not in fillings:
                full = np.zeros(len(self.cost), dtype=np.int64)
                full[candidates] = chosen[row]
                fillings[key] = Filling(chosen=full, gain=int(gains[row]))
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
        least: int,
        work: float,
        seconds: float,
        gap: int,
        rng: np.random.Generator,
        many: int,
    ) -> tuple[Filling | None, int | None]:
        """Return a filling of much gain, and a bound of all fillings, ``least`` or more.

        First the bound of the host by groups of its pnodes; then, where some filling may
        still be better than ``least``, CP-SAT over the patterns that the relaxation leaves
        open, or where more than ``many`` are worth something over the cheapest of each class.
        The filling need not
        be tight. The bound is None where nothing was proven.
        """
        ends = time.monotonic() + seconds
        known = next(iter(self.fill(gain, rng, self.guess_prices(float(least)))), None)
        floor = least if known is None else max(least, known.gain)
        bound = self._bound_by_groups(gain, floor, work, seconds)
        if bound is not None and bound <= floor + gap:
            return known, max(bound, floor)
        among = self.useful(gain)
        if len(among) > many:
            among = self.cheapest(gain, _CHEAP_OF_MANY, rng)
            found, _ = self._pack(gain, among, known, work, ends - time.monotonic(), gap)
            return found or known, bound
        site = PackSite(
            use=self.use[among], capacity=self.capacity, gain=gain[among], shape=self.shape[among]
        )
        most, lacks = relax_packing(site, self.most_relaxed[among])
        if most <= floor:
            return known, floor
        kept = among[most + lacks >= floor]
        found, proven = self._pack(gain, kept, known, work, ends - time.monotonic(), gap)
        bounds = [value for value in (bound, int(most) + 1) if value is not None]
        if proven is not None:
            bounds.append(max(floor, proven))
        return found or known, min(bounds)

    def _bound_by_groups(self, gain: Ints, floor: int, work: float, seconds: float) -> int | None:
        coarse = self.coarse
        inside = np.flatnonzero(gain[coarse.among] > 0)
        if not len(inside):
            return floor
        among = coarse.among[inside]
        site = PackSite(
            use=coarse.use[inside],
            capacity=coarse.capacity,
            gain=gain[among],
            shape=self.shape[among],
        )
        counts, meter = self.fleet.counts, self.meter
        return pack([site], counts, work=work, seconds=seconds, meter=meter).bound

    def _pack(
        self,
        gain: Ints,
        among: Ints,
        known: Filling | None,
        work: float,
        seconds: float,
        gap: int,
    ) -> tuple[Filling | None, int | None]:
        """The best filling with some patterns, and its bound, without the overhead's places."""
        site = PackSite(
            use=self.use[among],
            capacity=self.capacity,
            gain=gain[among],
            shape=self.shape[among],
            hint=None if known is None else known.chosen[among],
        )
        packing = pack(
            [site], self.fleet.counts, work=work, seconds=seconds, gap=gap, meter=self.meter
        )
        if packing.counts is None:
            return None, None
        chosen = np.zeros(len(self.cost), dtype=np.int64)
        chosen[among] = packing.counts[0]
        return Filling(chosen=chosen, gain=packing.gain), packing.bound


def _choose_greedily(score: Floats, needs: Ints, capacity: Ints, shape: Ints, there: Ints) -> Ints:
    """Return how often each row takes each candidate: always the best score that still fits.

    ``needs[r, k]`` is what candidate k needs of resource r, ``shape[k]`` its class, of which
    ``there[c]`` are there. What fits in no row any more is dropped on the way.
    """
    rows = np.arange(len(score))
    chosen = np.zeros(score.shape, dtype=np.int64)
    at = np.arange(score.shape[1])
    left = np.repeat(capacity[:, None], len(score), axis=1)
    ahead = np.repeat(there[None], len(score), axis=0)
    can = np.ones(score.shape, dtype=np.bool_)
    while True:
        for need, room in zip(needs, left, strict=True):
            can &= need[None, :] <= room[:, None]
        can &= (ahead > 0)[:, shape]
        some = np.flatnonzero(can.any(axis=0))
        if not len(some):
            return chosen
        if len(some) <= _KEPT * len(at):
            at, shape, needs = at[some], shape[some], needs[:, some]
            score, can = score[:, some], can[:, some]
        going = can.any(axis=1)
        best = np.where(can, score, -np.inf).argmax(axis=1)[going]
        chosen[rows[going], at[best]] += 1
        left[:, going] -= needs[:, best]
        ahead[rows[going], shape[best]] -= 1


def _units(use: Ints) -> Ints:
    """The unit to measure each resource in: the largest that most of it is whole in.

    ``sum floor(use / unit) <= floor(capacity / unit)`` holds wherever ``sum use <= capacity``
    does, so that nothing is ruled out.
    """
    units = np.ones(use.shape[1], dtype=np.int64)
    for resource in range(use.shape[1]):
        some = use[:, resource][use[:, resource] > 0]
        unit = 1
        while len(some) and np.median(some % (2 * unit)) < _ODD and 2 * unit <= some.min():
            unit *= 2
        units[resource] = unit
    return units
