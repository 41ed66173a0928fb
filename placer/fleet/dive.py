"""Diving: columns are fixed whole one after another, with new columns for what remains."""

from __future__ import annotations

import time

import numpy as np

from placer.cpsat.master import Column, RelaxedMaster
from placer.fleet.best_fit import fill_best
from placer.fleet.columns import ColumnPool
from placer.fleet.plan import Fleet, Plan, column_of
from placer.fleet.pricing import Floats, Pricer

_ROUNDS = 4
"""How many rounds of new columns there are between two that are fixed."""

_WHOLE = 1e-6

_LIKELY = 0.8
"""Columns used as often as this are fixed together."""


class Dive:
    """One dive from the columns of a pool to a plan."""

    def __init__(
        self, fleet: Fleet, pricers: list[Pricer], pool: ColumnPool, rng: np.random.Generator
    ) -> None:
        self.fleet = fleet
        self.pricers = pricers
        self.pool = pool
        self.rng = rng
        self.hosts = [host_type.count for host_type in fleet.types]
        self.wanted = fleet.counts.copy()
        self.columns = [
            column for column, tight in zip(pool.columns, pool.tight, strict=True) if tight
        ]
        self.penalties = lack_penalties(fleet)
        self.chosen: list[tuple[Column, int]] = []

    def run(self, deadline: float) -> Plan:
        """Fix columns until every domain is carried or every host is taken."""
        while time.monotonic() < deadline and self.wanted.any() and any(self.hosts):
            used = self._relax(deadline)
            if not self._fix(used):
                break
        plan = Plan(self.fleet)
        free = {host_type.number: list(host_type.hosts) for host_type in self.fleet.types}
        for column, times in self.chosen:
            for _ in range(times):
                plan.replace(free[column.host_type].pop(0), column.pieces)
        fill_best(plan)
        return plan

    def _relax(self, deadline: float) -> Floats:
        """Solve the relaxation of what remains, with a few rounds of new columns."""
        self.columns = [column for column in map(self._trim, self.columns) if column is not None]
        master = RelaxedMaster(
            self.wanted, np.ones_like(self.wanted), self.hosts, int(self.wanted.sum())
        )
        master.allow_lack(self.penalties)
        for column in self.columns:
            master.add(column.host_type, column.shapes, column.amounts, column.cost)
        for _ in range(_ROUNDS):
            _, duals = master.solve()
            added = 0
            worth = np.floor(duals.cover).astype(np.int64)
            for pricer in self.pricers:
                number = pricer.host_type.number
                if not self.hosts[number] or time.monotonic() > deadline:
                    continue
                limit = float(duals.hosts[number])
                prices = pricer.guess_prices(limit)
                for filling in pricer.fill(pricer.gains(worth), self.rng, prices, self.wanted)[:3]:
                    if filling.gain > limit + 1e-6 * max(limit, 1e6):
                        column = pricer.column(filling)
                        self.columns.append(column)
                        master.add(number, column.shapes, column.amounts, column.cost)
                        added += 1
            if not added:
                break
        master.solve()
        return master.amounts()

    def _fix(self, used: Floats) -> bool:
        """Fix the whole parts, or the columns nearest to whole; False where none is used."""
        whole = np.floor(used + _WHOLE).astype(np.int64)
        if not whole.any():
            part = used + 1e-3 * self.rng.random(len(used)) * (used > _WHOLE)
            if part.max(initial=0.0) <= _WHOLE:
                return False
            likely = np.flatnonzero(part >= min(_LIKELY, part.max()))
            whole[likely] = 1
        fixed = False
        for number in np.lexsort((-used, -whole)).tolist():
            if not whole[number]:
                break
            column = self.columns[number]
            most = int((self.wanted[column.shapes] // column.amounts).min())
            times = min(int(whole[number]), most, self.hosts[column.host_type])
            if times > 0:
                self.chosen.append((column, times))
                self.wanted[column.shapes] -= times * column.amounts
                self.hosts[column.host_type] -= times
                fixed = True
        return fixed

    def _trim(self, column: Column) -> Column | None:
        """The column without what is no longer wanted; None where nothing is left."""
        if not self.hosts[column.host_type]:
            return None
        room = self.wanted[column.shapes]
        if (column.amounts <= room).all():
            return column
        left = dict(zip(column.shapes.tolist(), room.tolist(), strict=True))
        pieces = []
        for shape, pattern in column.pieces:
            if left[shape] > 0:
                left[shape] -= 1
                pieces.append((shape, pattern))
        return column_of(self.fleet, column.host_type, pieces) if pieces else None


def lack_penalties(fleet: Fleet) -> Floats:
    """Return what leaving out a domain of each class costs: more than any place, by priority."""
    return np.asarray(fleet.priorities * (20.0 * float(fleet.least_cost.max()) + 1.0))
