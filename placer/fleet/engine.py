"""The fleet engine: best fit, column generation, rounding, large neighbourhoods, with a bound."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placer.answer import Answer, Keep, Limits, Progress
from placer.cpsat.master import Duals, NoRelaxationError
from placer.cpsat.meter import Meter
from placer.fleet.best_fit import densest_first, fill_best
from placer.fleet.columns import ColumnPool, Generator
from placer.fleet.counting import cost_of_cheapest, most_priority
from placer.fleet.dive import MOST_BACK, Dive
from placer.fleet.expand import expand
from placer.fleet.patterns import patterns_bytes
from placer.fleet.plan import Fleet, Plan
from placer.fleet.repack import Repacker
from placer.fleet.shapes import list_shapes
from placer.footprint import has_room
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Level
from placer.units import COST_UNITS

_NOTHING = 1e-9
"""A gap of the cost that nothing is spent on."""

_NOISE = 1e-6
"""What the relaxation may be wrong by."""

_HALF = 0.5
"""Less priority than this may lack for want of a column, more is taken for want of room."""

_RELAXED_GAP = 1e-7
"""Column generation ends where relaxation and bound are as near as this."""

_FIRST_SHARE = 0.15
"""Of the time, how much column generation may take before the first dive."""

_COLUMN_SHARE = 0.5
"""Of the time left, how much column generation may take."""

_HARD_SHARE = 0.1
"""Of the time left, how much it may take more where it leaves domains out."""

_REPACK_SHARE = 0.4
"""Of the time left, how much neighbourhoods may take before more columns."""

_DIVE_SHARE = 0.5
"""Of the time left, how much one dive may take."""

_DIVES = 4
"""How many dives are tried before neighbourhoods."""

_COSTLESS_DIVES = 2
"""How many of those that place as much priority as can be; the first finds nearly all."""

_PACKING_SHARE = 0.1
"""Of the time left, how much each step takes that looks at priority alone."""

_LISTING_SHARE = 0.4
"""Of the time left, how much that may take that begins with a list of other patterns."""

_DEAR = 4.0
"""How many times as dear as the rest is what hardly has room."""

_FEW = 0.005
"""Of all priority, how much a dive may leave out and still be mended."""

_MEND_SHARE = 0.05
"""Of the time left, how much that may take."""

_MEND_IDLE = 20
"""How many neighbourhoods in a row may bring nothing there."""

_IDLE = 400
"""Without a time limit, how many neighbourhoods in a row may bring nothing."""

_IDLE_OF_WORK = 20
"""With a limit of work, how many for each unit of it."""

_QUIET_SECONDS = 1.0


def place_fleet(
    problem: Problem,
    limits: Limits,
    progress: Progress | None = None,
    *,
    improve_it: bool = True,
    start: Placement | None = None,
    fleet: Fleet | None = None,
    keep: Keep | None = None,
) -> Answer | None:
    """Place a fleet of plain domains; None where the problem asks for more than that.

    Without ``allow_partial`` an answer that leaves a domain out is none: status unknown.
    Without ``improve_it`` the answer is that of best fit. A ``start`` is bettered; it may
    leave domains out. ``fleet`` has the patterns of the problem, where they are listed already;
    ``keep`` is given what is better. None too where the patterns would not fit into the memory
    of ``limits``.
    """
    started = time.monotonic()
    if not is_fleet(problem):
        return None
    if fleet is None:
        shapes = list_shapes(problem)
        if shapes.odd or not has_room(limits.memory_bytes, patterns_bytes(shapes)):
            return None
        fleet = Fleet.of(problem, shapes)
    clock = _Clock(started, limits.time_limit, fleet.listing_seconds)
    engine = _Engine(problem, fleet, limits, progress, clock, keep)
    return engine.run(start, improve_it=improve_it)


def is_fleet(problem: Problem) -> bool:
    """Return whether the levels of a problem are those that the fleet engine knows."""
    if problem.policy.tie_break != "none":
        return False
    if any(host.smt == "penalty" and host.smt_penalty for host in problem.hosts):
        return False
    return not problem.groups and not problem.current


@dataclass
class _Clock:
    started: float
    limit: float | None
    listing: float = 0.0
    """How many seconds it took to list the patterns."""

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def is_early(self) -> bool:
        """Whether less than half of the time is over."""
        return self.limit is None or self.elapsed < self.limit / 2

    def deadline(self, share: float = 1.0) -> float:
        """When ``share`` of the time left is over; far away where there is no limit."""
        if self.limit is None:
            return self.started + 1e9
        left = max(0.0, self.limit - self.elapsed)
        return time.monotonic() + share * left


class _Engine:
    def __init__(
        self,
        problem: Problem,
        fleet: Fleet,
        limits: Limits,
        progress: Progress | None,
        clock: _Clock,
        keep: Keep | None = None,
    ) -> None:
        self.problem = problem
        self.keep = keep
        self.kept: tuple[int, int] | None = None
        self.fleet = fleet
        self.limits = limits
        self.progress = progress
        self.clock = clock
        self.told = 0.0
        self.plan = Plan(fleet)
        self.pool = ColumnPool()
        self.meter = Meter(limits.work)
        self.interrupted = False
        self.total = int(fleet.counts @ fleet.priorities)
        self.least_lack = self.total - min(self.total, most_priority(fleet.shapes))
        self.cheapest = (0, 0)
        self.dives = 0

    def run(self, start: Placement | None = None, *, improve_it: bool) -> Answer:
        """Give the best plan that the time allows, also where Ctrl-C ends it.

        Where the relaxation cannot be solved the rest of the time goes to neighbourhoods.
        """
        if self.least_lack and not self.problem.allow_partial:
            return Answer(status="infeasible")
        self._construct(start)
        if not improve_it:
            return self._answer(self._local_bound())
        self.generator = self._new_generator(self.total - self.least_lack)
        self.pricers = self.generator.pricers
        self._tell()
        try:
            try:
                self._improve()
            except NoRelaxationError:
                self._repack(self.plan, None, 1.0, self._is_proven)
        except KeyboardInterrupt:
            self.interrupted = True
        return self._answer(self._bound())

    def _construct(self, start: Placement | None) -> None:
        """Best fit; where it leaves domains out, the densest first if that places more.

        What a start leaves out is fitted in beside it.
        """
        fill_best(self.plan)
        if self.plan.missing.any():
            self._take_better(Plan(self.fleet), densest_first(self.fleet))
        if start is not None:
            self._take_better(Plan.of(self.fleet, self.problem, start))

    def _take_better(self, plan: Plan, order: list[int] | None = None) -> None:
        fill_best(plan, order=order)
        if plan.rank < self.plan.rank:
            self.plan = plan

    def _improve(self) -> None:
        self._relax(_FIRST_SHARE)
        self._dive(1, self._is_packed, most_back=0)
        too_much, little = self._asks_too_much(), self._lacks_little(self.plan)
        if too_much and little:
            self._keep_what_has_room()
        if little or not too_much:
            self._relax_and_dive()
        if self.generator.keep > self.plan.priority:
            self._place_more()
            self._relax_and_dive()
        self._repack(self.plan, self.pool.duals, _REPACK_SHARE, self._is_enough)
        if self.plan.priority > self.generator.keep:
            self.generator = self._new_generator(self.plan.priority)
        self._relax_and_dive(tail=True)
        if not self._is_packed(self.plan) and (self.clock.is_early or self._is_enough(self.plan)):
            self._place_more()
            self._relax_and_dive()
        self._repack(self.plan, self.pool.duals, 1.0, self._is_proven)

    def _relax_and_dive(self, *, tail: bool = False) -> None:
        self._relax_hard(tail=tail)
        lack = self.generator.lack
        if lack >= _HALF and not self._is_enough(self.plan):
            keep = max(self.plan.priority, self.generator.keep - math.ceil(lack - _NOISE))
            self.generator = self._new_generator(keep, self.generator.pool)
            self._relax_hard()
        self._dive(_DIVES, self._is_enough)

    def _relax_hard(self, *, tail: bool = False) -> None:
        """Bound the cost, then seek the columns for dives; what still lacks has no room."""
        self._relax(_COLUMN_SHARE, tail=tail)
        if not self._is_enough(self.plan):
            self.pool = self.generator.run_without_lack(self.clock.deadline(_HARD_SHARE))

    def _keep_what_has_room(self) -> None:
        """Go on at the priority of the plan, where the relaxation too cannot have it all."""
        self.pool = self.generator.run_without_lack(self.clock.deadline(_HARD_SHARE / 2))
        if self.generator.lack >= _HALF:
            self.generator = self._new_generator(self.plan.priority, self.generator.pool)

    def _asks_too_much(self) -> bool:
        """Whether what the plan lacks would cost so much that it hardly has room at all."""
        lacking = (self.generator.keep - self.plan.priority) / max(1, self.plan.priority)
        bound = self.generator.pool.bound
        return lacking > 0 and bound > self.plan.cost * (1 + _DEAR * lacking)

    def _new_generator(self, keep: int, pool: ColumnPool | None = None) -> Generator:
        """Column generation for ``keep``, from what the plan carries and the columns of a pool."""
        generator = Generator(
            self.fleet,
            keep,
            seed=self.limits.seed,
            workers=self.limits.workers,
            bound=self._local_bound(),
            meter=self.meter.share(_COLUMN_SHARE),
        )
        generator.add_plan(self.plan)
        if pool is not None:
            generator.add_pool(pool)
        return generator

    def _relax(self, share: float, *, tail: bool = False) -> None:
        """Bound the cost of all that is as good in priority, for a share of the time left."""
        if self._is_enough(self.plan) or self.generator.is_over:
            return
        self.pool = self.generator.run(
            self.clock.deadline(share), gap=_RELAXED_GAP, tell=self._tell, tail=tail
        )
        self._tell()

    def _place_more(self) -> None:
        """Where not all are placed: first as much priority as can be, whatever it costs."""
        of_all = self.generator
        try:
            self._dive_for_priority()
        finally:  # it is the one whose bound is that of the cost
            self.generator = of_all
        if not self._is_packed(self.plan):
            bound = -(-self._lack_bound() // COST_UNITS)
            self.least_lack = max(self.least_lack, bound)
        if not self._is_packed(self.plan):
            self._repack(self.plan, None, _PACKING_SHARE, self._is_packed)
        if of_all.keep != self.plan.priority:
            self.generator = self._new_generator(self.plan.priority, of_all.pool)

    def _dive_for_priority(self) -> None:
        """Dive from a relaxation that leaves out as little as it can, whatever the rest costs."""
        self.generator = self._costless_generator(self.fleet)
        self.generator.add_plan(self.plan)
        self.pool = self.generator.run(self.clock.deadline(_PACKING_SHARE), tell=self._tell)
        self.generator.keep -= math.ceil(self.pool.relaxed_value / COST_UNITS - _NOISE)
        self._dive(_COSTLESS_DIVES, self._is_packed)

    def _lack_bound(self) -> int:
        """What must be left out at least; where vcpus may spill, for want of memory alone.

        Then other patterns are to be listed, for which there may be no time.
        """
        if not self.fleet.shapes.spill:
            return self.pool.bound
        if self.clock.deadline(_LISTING_SHARE) < time.monotonic() + self.clock.listing:
            return 0
        relaxed = Fleet.of(self.problem, self.fleet.shapes.without_vcpus_that_spill())
        generator = self._costless_generator(relaxed)
        return generator.run(self.clock.deadline(_PACKING_SHARE), tell=self._tell).bound

    def _costless_generator(self, fleet: Fleet) -> Generator:
        """Column generation for the least priority that must be left out, in COST_UNITS."""
        return Generator(
            fleet,
            self.total,
            seed=self.limits.seed,
            workers=self.limits.workers,
            penalties=np.asarray(self.fleet.priorities * float(COST_UNITS)),
            costless=True,
            meter=self.meter.share(_PACKING_SHARE),
        )

    def _lacks_little(self, plan: Plan) -> bool:
        """Whether a few more, or one, would be all that can be placed."""
        few = max(_FEW * self.total, float(self.fleet.priorities.max(initial=0)))
        return self.total - self.least_lack - plan.priority <= few

    def _is_packed(self, plan: Plan) -> bool:
        """Whether no more can be placed."""
        return self.total - plan.priority <= self.least_lack

    def _local_bound(self) -> int:
        """What as much priority costs at least, every domain on its best host alone."""
        if self.cheapest[0] != self.plan.priority:
            priority = self.plan.priority
            self.cheapest = priority, cost_of_cheapest(self.fleet, priority)
        return self.cheapest[1]

    def _dive(
        self, most: int, is_enough: Callable[[Plan], bool], most_back: int = MOST_BACK
    ) -> None:
        """Dive from the relaxation, each time a little differently, until one is good enough."""
        for _ in range(most):
            if time.monotonic() >= self.clock.deadline() or self.meter.is_spent:
                return
            if is_enough(self.plan):
                return
            rng = np.random.default_rng([self.limits.seed, self.dives])
            self.dives += 1
            dive = Dive(
                self.fleet,
                self.pricers,
                self.pool,
                self.generator.keep,
                rng,
                most_back,
                self.meter.share(_DIVE_SHARE),
            )
            plan = dive.run(self.clock.deadline(_DIVE_SHARE))
            self._mend(plan)
            if plan.rank < self.plan.rank:
                self.plan = plan
            self._tell()

    def _mend(self, plan: Plan) -> None:
        """Find places for the few domains that a dive left out, where that is soon done."""
        keep = self.generator.keep
        if plan.priority < keep and self._lacks_little(plan):
            self._repack(
                plan, self.pool.duals, _MEND_SHARE, lambda it: it.priority >= keep, idle=_MEND_IDLE
            )

    def _is_enough(self, plan: Plan) -> bool:
        """Whether nothing worth any time is left to gain at the priority that is kept."""
        at_bound = plan.cost - self._bound() <= _NOTHING * plan.cost
        return plan.priority >= self.generator.keep and at_bound

    def _is_proven(self, plan: Plan) -> bool:
        return self._is_packed(plan) and self._is_enough(plan)

    def _repack(
        self,
        plan: Plan,
        duals: Duals | None,
        share: float,
        is_enough: Callable[[Plan], bool],
        idle: int | None = None,
    ) -> None:
        """Improve a plan by neighbourhoods, for a share of the time left and of the work."""
        packer = Repacker(
            plan,
            self.pricers,
            duals,
            seed=self.limits.seed,
            workers=self.limits.workers,
            meter=self.meter.share(share),
        )
        if self.limits.work is not None:
            idle = min(idle or _IDLE, math.ceil(_IDLE_OF_WORK * self.limits.work))
        elif idle is None and self.limits.time_limit is None:
            idle = _IDLE
        packer.run(self.clock.deadline(share), is_enough, self._tell, idle=idle)

    def _answer(self, bound: int) -> Answer:
        answer = Answer(status="feasible", interrupted=self.interrupted)
        missing = int(self.plan.missing.sum())
        if missing and not self.problem.allow_partial:
            answer.status = "infeasible" if self.least_lack else "unknown"
            return answer
        answer.placement = expand(self.problem, self.plan)
        if self.problem.allow_partial:
            most = self.total - self.least_lack
            answer.levels.append(_level("placed_priority", self.plan.priority, most, "max"))
        answer.levels.append(_level("vcpus_off_home", 0, 0))
        answer.levels.append(_level("cost", self.plan.cost, self._whole(bound)))
        if all(level.status == "optimal" for level in answer.levels):
            answer.status = "optimal"
        return answer

    def _bound(self) -> int:
        """The best bound of the cost; that of column generation where it is for this priority."""
        bound = self._local_bound()
        if not self.generator.costless and self.generator.keep <= self.plan.priority:
            bound = max(bound, self.generator.pool.bound)
        return self._whole(bound)

    def _whole(self, bound: int) -> int:
        """The least cost that a plan may have from ``bound`` on."""
        grain = self.fleet.cost_grain
        return -(-bound // grain) * grain

    def _tell(self) -> None:
        if self.keep is not None and (self.kept is None or self.plan.rank < self.kept):
            best = self.plan.rank
            if self.keep(lambda: expand(self.problem, self.plan)):
                self.kept = best
        elapsed = self.clock.elapsed
        if self.progress is None or elapsed < _QUIET_SECONDS or elapsed - self.told < 1.0:
            return
        self.told = elapsed
        bound = self._bound()
        gap = 100 * (self.plan.cost - bound) / max(1, self.plan.cost)
        self.progress(
            f"placed {int(self.plan.placed.sum())} of {int(self.fleet.counts.sum())}, "
            f"cost {self.plan.cost}, bound {bound}, gap {gap:.3f} %, {elapsed:.1f} s"
        )


def _level(name: str, value: int, bound: int, sense: str = "min") -> Level:
    return Level(
        name=name,
        value=value,
        bound=bound,
        status="optimal" if value == bound else "feasible",
        sense="max" if sense == "max" else "min",
    )
