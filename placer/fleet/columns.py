"""Column generation: the linear relaxation over host configurations, and what it proves.

A column is what one host of a type carries. At any prices ``w`` of the classes and ``r`` of
priority, ``r * keep + sum n_c * min(0, w_c - r * priority_c) - sum H_t * u_t(w)`` is a bound of
the cost of every placement whose priority is at least ``keep``, where ``u_t(w)`` is the most
that a host of type t can carry worth of, less its cost (Lagrange).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.cpsat.master import Column, Duals, RelaxedMaster
from placer.cpsat.meter import Meter
from placer.fleet.plan import Fleet, Plan, column_of
from placer.fleet.pricing import FILL_WORK, Filling, Pricer

Floats = npt.NDArray[np.float64]

_SMOOTHING = 0.5
"""How far the prices used stay at those of the best bound."""

_FINEST = 1 << 20
"""Proofs count in so small a part of a cost unit at best, so that rounding loses little."""

_LARGEST = 1 << 61
"""Nothing that a proof adds up is larger."""

_FIRST_PENALTY = 1.1
"""What leaving out a domain costs at first, as a multiple of its least cost."""

_MOST_PENALTY = 100.0
"""As a multiple of the largest least cost: what is left out at this price has no room."""

_FRUITLESS = 3
"""After so many proofs in a row that bring nothing column generation ends."""

_RAISE = 1.5
"""By how much that price is raised where the relaxation leaves some out."""

_NONE = 1e-7

_LITTLE = 0.004
"""What is left out is little where its penalties are so small a part of the value."""

_MUCH = 0.0005
"""A bound that is nearer to the relaxation than this is not worth a finer proof."""

_FINE_WORK = 6.0
"""The deterministic time of that for one type of host."""

_MANY = 6_000
"""Of more patterns that are worth something CP-SAT sees the cheapest alone."""

_MANY_FINE = 25_000

_TAIL = 5
"""How many proofs in a row that move little are a tail."""

_STILL = 3e-4
"""How little that is, as a part of the value of the relaxation."""

_FIRST_WORK = 1.0
"""The deterministic time of the first proofs of one type of host."""

_NEW_COLUMNS = 6
"""How many columns of a type a round adds at most."""


@dataclass
class ColumnPool:
    """The columns so far, the bound, and the prices that gave it."""

    columns: list[Column] = field(default_factory=list)
    tight: list[bool] = field(default_factory=list)
    bound: int = 0
    relaxed_value: float = float("inf")
    amounts: Floats = field(default_factory=lambda: np.zeros(0))
    duals: Duals | None = None
    rounds: int = 0
    seen: set[tuple[int, bytes]] = field(default_factory=set)


class Generator:
    """Column generation for one fleet, for placements whose priority is ``keep`` at least.

    One of class c may be left out at a price that starts near its cost and is raised for
    as long as the relaxation leaves any out: so the prices of classes stay sensible on the
    way, and the bound is valid throughout, since it is one of something easier.

    With ``penalties`` these prices stay, and the bound is that of cost and penalties
    together. ``costless`` leaves the cost away, so that it is one of what must be left out.
    It ends where ``meter`` is spent.
    """

    def __init__(
        self,
        fleet: Fleet,
        keep: int,
        *,
        seed: int,
        workers: int,
        bound: int = 0,
        penalties: Floats | None = None,
        costless: bool = False,
        meter: Meter | None = None,
    ) -> None:
        self.fleet = fleet
        self.keep = keep
        self.workers = workers
        self.meter = meter or Meter()
        self.pricers = [
            Pricer(fleet, host_type, costless=costless, meter=self.meter)
            for host_type in fleet.types
        ]
        self.costless = costless
        self.seed = seed
        self.raises = penalties is None
        self.most_penalty = _MOST_PENALTY * float(fleet.least_cost.max(initial=1))
        self.penalties: Floats = np.asarray(
            _FIRST_PENALTY * fleet.least_cost if penalties is None else penalties
        )
        self.hosts = [host_type.count for host_type in fleet.types]
        self.rng = np.random.default_rng(seed)
        self.master = RelaxedMaster(fleet.counts, fleet.priorities, self.hosts, keep, self.meter)
        self.master.allow_lack(self.penalties)
        self.pool = ColumnPool(bound=bound)
        self.is_over = False
        """Whether it ended by itself: more time would bring nothing."""
        self._best: Floats | None = None

    @property
    def lack(self) -> float:
        """How much priority the last relaxation leaves out of what it is to keep."""
        lack = self.master.lack
        return float(lack @ self.fleet.priorities) if len(lack) else 0.0

    def add_plan(self, plan: Plan) -> None:
        """Add what the hosts of a plan carry as columns."""
        for host, pieces in enumerate(plan.pieces):
            if pieces:
                column = column_of(self.fleet, int(self.fleet.type_of[host]), pieces)
                self._add(column, is_tight=True)

    def add_pool(self, pool: ColumnPool) -> None:
        """Add the columns of another generator of the same fleet."""
        for column, is_tight in zip(pool.columns, pool.tight, strict=True):
            self._add(column, is_tight=is_tight)

    def run(
        self,
        deadline: float,
        *,
        gap: float = 1e-5,
        tell: Callable[[], None] | None = None,
        tail: bool = True,
    ) -> ColumnPool:
        """Add columns until the bound meets the relaxation or time is over.

        Without ``tail`` it ends too where relaxation and bound have both come to move little.
        """
        stalled, fruitless = False, 0
        work = _FIRST_WORK
        moves: list[tuple[float, int]] = []
        while time.monotonic() < deadline and not self.meter.is_spent:
            self.pool.relaxed_value, duals = self.master.solve()
            self.pool.duals = duals
            self.pool.rounds += 1
            if self._is_proven(gap) and not self._raise_penalties():
                self.is_over = True
                if not self._is_proven(0.0):  # prices are often whole but for what floats lose
                    self._price_exactly(duals, np.round(duals.cover), work, deadline)
                break
            if not stalled and self._price_quickly(duals, duals.cover):
                continue
            prices = self._smooth(duals) if stalled else duals.cover
            added, proven = self._price_exactly(duals, prices, work, deadline)
            if tell is not None:
                tell()
            moves.append((self.pool.relaxed_value, self.pool.bound))
            if not tail and self._is_still(moves[-_TAIL:]):
                break
            if not added and self._is_worth_proving():
                self._price_exactly(duals, duals.cover, _FINE_WORK, deadline, fine=True)
            if added or self._raise_penalties():
                stalled, fruitless = False, 0
                continue
            fruitless += stalled
            if fruitless == _FRUITLESS:
                self.is_over = True
                break
            if stalled and not proven:
                work *= 2
            stalled = True
        self.pool.relaxed_value, self.pool.duals = self.master.solve()
        self.pool.amounts = self.master.amounts()
        return self.pool

    def run_without_lack(self, deadline: float) -> ColumnPool:
        """Add columns at penalties under which the relaxation leaves out as little as it can.

        Such columns make better plans; the bound is better served by lower penalties, which
        are those of the next ``run`` again. Nothing is done where none is left out now.
        """
        if not self.raises or not (self.master.lack > _NONE).any():
            return self.pool
        lower = self.penalties
        self._change_penalties(np.maximum(lower, lack_penalties(self.fleet)))
        self.run(deadline, tail=False)
        self.is_over = False
        self._change_penalties(lower)
        return self.pool

    def _is_proven(self, gap: float) -> bool:
        return self.pool.relaxed_value - self.pool.bound <= gap * self.pool.relaxed_value

    def _raise_penalties(self) -> bool:
        """Raise the price of what the relaxation leaves out; False where nothing was raised."""
        lacking = self.master.lack > _NONE
        if not self.raises or not lacking.any():
            return False
        raised = np.minimum(self.penalties * _RAISE, self.most_penalty)
        if not (raised > self.penalties)[lacking].any():
            return False
        self._change_penalties(np.where(lacking, raised, self.penalties))
        return True

    def _change_penalties(self, penalties: Floats) -> None:
        self.penalties = penalties
        self.master.change_penalties(penalties)

    def _is_worth_proving(self) -> bool:
        """Whether little is left out, and a finer proof may raise the bound by much."""
        value = self.pool.relaxed_value
        return self._lacks_little() and value - self.pool.bound > _MUCH * value

    def _lacks_little(self) -> bool:
        paid = float(self.penalties @ self.master.lack)
        return paid <= _LITTLE * self.pool.relaxed_value

    def _is_still(self, moves: list[tuple[float, int]]) -> bool:
        """Whether the last relaxations and bounds are nearly the same."""
        if len(moves) < _TAIL or not self._lacks_little():
            return False
        little = _STILL * self.pool.relaxed_value
        return all(max(values) - min(values) <= little for values in zip(*moves, strict=True))

    def _smooth(self, duals: Duals) -> Floats:
        if self._best is None:
            return duals.cover
        return _SMOOTHING * self._best + (1 - _SMOOTHING) * duals.cover

    def _price_quickly(self, duals: Duals, cover: Floats) -> int:
        worth = np.floor(cover).astype(np.int64)
        added = 0
        for pricer in self.pricers:
            number = pricer.host_type.number
            limit = duals.hosts[number]
            prices = pricer.guess_prices(float(limit))
            fillings = pricer.fill(pricer.gains(worth), self.rng, prices)
            self.meter.charge(FILL_WORK)
            good = [f for f in fillings if f.gain > limit + 1e-6 * max(limit, 1e6)]
            for filling in good[:_NEW_COLUMNS]:
                added += self._add_filling(pricer, filling)
        return added

    def _price_exactly(
        self, duals: Duals, cover: Floats, work: float, deadline: float, *, fine: bool = False
    ) -> tuple[int, bool]:
        """Price every type by CP-SAT; return how many columns came, and whether all is proven.

        With ``fine`` over more patterns than columns need.
        """
        cover = np.minimum(cover, self.penalties)
        unit = self._unit(duals, cover)
        worth = np.floor(unit * cover).astype(np.int64)

        def solve(pricer: Pricer) -> tuple[Filling | None, int | None]:
            number = pricer.host_type.number
            return pricer.solve(
                pricer.gains(worth, unit),
                least=int(unit * duals.hosts[number]),
                work=work,
                seconds=max(0.0, deadline - time.monotonic()),
                gap=int(1e-8 * unit * self.pool.relaxed_value / sum(self.hosts)),
                rng=np.random.default_rng([self.seed, self.pool.rounds, number]),
                many=_MANY_FINE if fine else _MANY,
            )

        with ThreadPoolExecutor(self.workers) as threads:
            found = list(threads.map(solve, self.pricers))
        added = 0
        proven = True
        slack = 0
        for pricer, (filling, bound_of_type) in zip(self.pricers, found, strict=True):
            number = pricer.host_type.number
            proven = proven and bound_of_type is not None
            if bound_of_type is None:
                most = _fractional(pricer, pricer.gains(worth, unit))
            else:
                most = max(0, bound_of_type, self._beyond(pricer, worth, unit))
            slack += self.hosts[number] * most
            if filling is not None:
                real = float(pricer.gains(np.floor(duals.cover).astype(np.int64)) @ filling.chosen)
                if real > duals.hosts[number] + 1e-6 * max(duals.hosts[number], 1e6):
                    added += self._add_filling(pricer, filling)
        of_priority = int(unit * duals.priority)
        bound = of_priority * self.keep - slack
        beyond = np.minimum(0, worth - of_priority * self.fleet.priorities)
        bound += int((self.fleet.counts * beyond).sum())
        if self.keep >= int(self.fleet.counts @ self.fleet.priorities):
            bound = max(bound, int(self.fleet.counts @ worth) - slack)
        bound = -(-bound // unit)
        if bound > self.pool.bound:
            self.pool.bound = bound
            self._best = cover.copy()
        return added, proven

    def _unit(self, duals: Duals, cover: Floats) -> int:
        """The parts of a cost unit to count in: as fine as whole numbers of 64 bits allow."""
        most = float(self.fleet.counts @ cover) + float(self.hosts @ np.maximum(duals.hosts, 0.0))
        most += abs(float(duals.priority)) * float(self.fleet.counts @ self.fleet.priorities)
        for pricer in self.pricers:
            gain = np.maximum(cover[pricer.shape] - pricer.cost, 0.0)
            most = max(most, float(gain @ pricer.most_relaxed))
        return max(1, min(_FINEST, 1 << int(math.log2(_LARGEST / max(most, 1.0)))))

    def _beyond(self, pricer: Pricer, worth: Ints, unit: int) -> int:
        """A bound that patterns which were not listed may force; 0 where they are worth nothing."""
        if any(worth[c] > unit * cost for c, cost in pricer.missing_cost.items()):
            return _fractional(pricer, pricer.gains(worth, unit))
        return 0

    def _add_filling(self, pricer: Pricer, filling: Filling) -> bool:
        column = pricer.column(filling)
        return self._add(column, is_tight=pricer.is_tight(filling))

    def _add(self, column: Column, *, is_tight: bool) -> bool:
        amounts = np.zeros(len(self.fleet.classes), dtype=np.int64)
        amounts[column.shapes] = column.amounts
        key = (column.host_type, amounts.tobytes() + f"{column.cost} {is_tight}".encode())
        if key in self.pool.seen:
            return False
        self.pool.seen.add(key)
        self.pool.columns.append(column)
        self.pool.tight.append(is_tight)
        cost = 0 if self.costless else column.cost
        self.master.add(column.host_type, column.shapes, column.amounts, cost)
        return True


def lack_penalties(fleet: Fleet) -> Floats:
    """Return what leaving out a domain of each class costs: more than any place, by priority."""
    return np.asarray(fleet.priorities * (20.0 * float(fleet.least_cost.max()) + 1.0))


def _fractional(pricer: Pricer, gain: Ints) -> int:
    """A weak bound of what a host can carry: all of the scarcest resource at the best rate."""
    useful = np.flatnonzero(gain > 0)
    if not len(useful):
        return 0
    least: int | None = None
    num_pnodes = pricer.host_type.num_pnodes
    for rows in (range(num_pnodes), range(num_pnodes, pricer.use.shape[1])):
        columns = list(rows)
        use = pricer.use[useful][:, columns].sum(axis=1)
        if (use <= 0).any():
            continue
        rate = (gain[useful] / use).max()
        value = int(np.ceil(rate * int(pricer.capacity[columns].sum()))) + 1
        least = value if least is None else min(least, value)
    if least is None:
        return int((gain[useful] * pricer.most_relaxed[useful]).sum())
    return least
