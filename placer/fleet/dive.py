"""Diving: columns are fixed whole one after another, with new columns for what remains."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from placer.cpsat.master import Column, RelaxedMaster
from placer.cpsat.meter import Meter
from placer.fleet.best_fit import fill_best
from placer.fleet.columns import ColumnPool, lack_penalties
from placer.fleet.plan import Fleet, Plan, column_of
from placer.fleet.pricing import FILL_WORK, Floats, Pricer

_ROUNDS = 8
"""How many rounds of new columns there are between two that are fixed."""

_WHOLE = 1e-6

_LIKELY = 0.8
"""Columns used as often as this are fixed together."""

_JUMP = 3e-3
"""By how much of its value the relaxation may rise at a step that is not taken back."""

_TRIES = 4
"""How many steps from one place are tried before the least bad of them is taken."""

MOST_BACK = 25
"""How many steps one dive takes back at most, where nothing else is said."""

_TRIM_WORK = 5e-6
"""Deterministic time for each column that is held against what remains."""

_Step = list[tuple[Column, int]]


@dataclass
class _Place:
    """Where a dive was before its last step: the columns, how often each is used, the value.

    ``chosen`` counts what was fixed by then.
    """

    chosen: int
    columns: list[Column]
    used: Floats
    value: float
    tried: list[tuple[float, _Step]] = field(default_factory=list)
    is_settled: bool = False


class Dive:
    """One dive from the columns of a pool to a plan whose priority is ``keep`` or near it.

    What is left out, where ``keep`` leaves a choice, the relaxation of what remains says each
    time anew. A step after which that relaxation is much dearer is taken back.
    """

    def __init__(
        self,
        fleet: Fleet,
        pricers: list[Pricer],
        pool: ColumnPool,
        keep: int,
        rng: np.random.Generator,
        most_back: int = MOST_BACK,
        meter: Meter | None = None,
    ) -> None:
        self.fleet = fleet
        self.meter = meter or Meter()
        self.pricers = pricers
        self.keep = keep
        self.rng = rng
        self.hosts = [host_type.count for host_type in fleet.types]
        self.wanted = fleet.counts.copy()
        self.columns = [
            column for column, tight in zip(pool.columns, pool.tight, strict=True) if tight
        ]
        self.penalties = lack_penalties(fleet)
        self.chosen: _Step = []
        self.cost = 0
        self.last: _Place | None = None
        self.most_back = most_back
        self.steps_back = 0

    def run(self, deadline: float) -> Plan:
        """Fix columns until enough is carried, every host is taken, or time or work is over."""
        while time.monotonic() < deadline and self.keep > 0 and not self.meter.is_spent:
            used, value = self._relax(deadline)
            if self._step_back(value):
                continue
            self.last = _Place(len(self.chosen), self.columns, used, value)
            step = self._next_step(used)
            if not step:
                break
            self._take(step)
        plan = Plan(self.fleet)
        free = {host_type.number: list(host_type.hosts) for host_type in self.fleet.types}
        for column, times in self.chosen:
            for _ in range(times):
                plan.replace(free[column.host_type].pop(0), column.pieces)
        fill_best(plan)
        return plan

    def _relax(self, deadline: float) -> tuple[Floats, float]:
        """Solve the relaxation of what remains, with a few rounds of new columns.

        How often each column is used, and the value with all that is fixed.
        """
        self.columns = [column for column in map(self._trim, self.columns) if column is not None]
        there = int(self.wanted @ self.fleet.priorities)
        keep = min(self.keep, there)
        self.meter.charge(_TRIM_WORK * len(self.columns))
        master = RelaxedMaster(self.wanted, self.fleet.priorities, self.hosts, keep, self.meter)
        master.allow_lack(self.penalties)
        for column in self.columns:
            master.add(column.host_type, column.shapes, column.amounts, column.cost)
        for _ in range(_ROUNDS):
            _, duals = master.solve()
            added = 0
            worth = np.floor(duals.cover).astype(np.int64)
            for pricer in self.pricers:
                number = pricer.host_type.number
                if not self.hosts[number] or time.monotonic() > deadline or self.meter.is_spent:
                    continue
                limit = float(duals.hosts[number])
                prices = pricer.guess_prices(limit)
                self.meter.charge(FILL_WORK)
                for filling in pricer.fill(pricer.gains(worth), self.rng, prices, self.wanted)[:3]:
                    if filling.gain > limit + 1e-6 * max(limit, 1e6):
                        column = pricer.column(filling)
                        self.columns.append(column)
                        master.add(number, column.shapes, column.amounts, column.cost)
                        added += 1
            if not added:
                break
        value, _ = master.solve()
        return master.amounts(), self.cost + value

    def _next_step(self, used: Floats) -> _Step:
        """The whole parts, or the columns nearest to whole; nothing where none is used."""
        whole = np.floor(used + _WHOLE).astype(np.int64)
        if not whole.any():
            part = used + 1e-3 * self.rng.random(len(used)) * (used > _WHOLE)
            if part.max(initial=0.0) <= _WHOLE:
                return []
            likely = np.flatnonzero(part >= min(_LIKELY, part.max()))
            whole[likely] = 1
        hosts, wanted = list(self.hosts), self.wanted.copy()
        step: _Step = []
        for number in np.lexsort((-used, -whole)).tolist():
            if not whole[number]:
                break
            column = self.columns[number]
            most = int((wanted[column.shapes] // column.amounts).min())
            times = min(int(whole[number]), most, hosts[column.host_type])
            if times > 0:
                step.append((column, times))
                wanted[column.shapes] -= times * column.amounts
                hosts[column.host_type] -= times
        return step

    def _take(self, step: _Step) -> None:
        self.chosen += step
        self._count(step, 1)

    def _take_back(self, chosen: int) -> _Step:
        """Free all that was fixed after the first ``chosen``, and return it."""
        step = self.chosen[chosen:]
        del self.chosen[chosen:]
        self._count(step, -1)
        return step

    def _count(self, step: _Step, sign: int) -> None:
        for column, times in step:
            self.wanted[column.shapes] -= sign * times * column.amounts
            priority = int(column.amounts @ self.fleet.priorities[column.shapes])
            self.keep -= sign * times * priority
            self.hosts[column.host_type] -= sign * times
            self.cost += sign * times * column.cost

    def _step_back(self, value: float) -> bool:
        """Take back a last step that made the relaxation much dearer, and take another."""
        last = self.last
        if last is None or last.is_settled or value <= (1 + _JUMP) * last.value:
            return False
        if self.steps_back == self.most_back:
            return False
        self.steps_back += 1
        last.tried.append((value, self._take_back(last.chosen)))
        self.columns = last.columns
        other = self._other_step(last)
        if other is None:
            last.is_settled = True
            other = min(last.tried, key=lambda tried: tried[0])[1]
        self._take(other)
        return True

    def _other_step(self, last: _Place) -> _Step | None:
        """The column used most of those that were not tried alone; None after a few of them."""
        if len(last.tried) == _TRIES:
            return None
        alone = {id(step[0][0]) for _, step in last.tried if step[0][1] == len(step) == 1}
        for number in np.argsort(-last.used, kind="stable").tolist():
            column = last.columns[number]
            if last.used[number] > _WHOLE and id(column) not in alone:
                return [(column, 1)]
        return None

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
