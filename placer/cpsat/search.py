"""The lexicographic search: solve a level, freeze it, hint the next (MODEL "Levels")."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ortools.sat.python import cp_model

from placer.answer import Answer, Keep, Limits, Progress
from placer.arrays import Ints
from placer.cost import level_values
from placer.cpsat.alone import bound_by_least_costs
from placer.cpsat.constraints import add_constraints
from placer.cpsat.extract import extract_placement
from placer.cpsat.hint import hint_of
from placer.cpsat.objective import (
    access_cost,
    chosen_vnodes,
    homes_in_order,
    packed_pages,
    pages_moved,
    placed_priority,
    spread_levels,
    vcpus_off_home,
    vcpus_off_soft,
)
from placer.cpsat.symmetry import break_symmetry, put_in_order
from placer.cpsat.timebox import SOLVED, TimeBox
from placer.cpsat.variables import Expr, Variables
from placer.errors import ModelError
from placer.placement import Placement
from placer.problem import Problem
from placer.result import MOST, Level, Sense
from placer.units import COST_UNITS, LOCAL_DISTANCE

MAX_ORDERED_VNODES = 64
"""Beyond so many vnodes the lexicographically first placement is not searched for."""

_ORDER_RANGE = 1 << 40
"""Homes are put in order several vnodes at a time, as digits of a number below this."""

_FIRST_WORK = 0.5
"""Deterministic time for the cost of many domains before each of them is bounded alone."""

_HOME_SHARE = 0.5
"""Of the time left, how much goes into placing without spill before spill is tried."""


def search(
    problem: Problem,
    limits: Limits,
    *,
    sizes: dict[str, Ints] | None = None,
    progress: Progress | None = None,
    start: Placement | None = None,
    box: TimeBox | None = None,
    in_order: bool = True,
    known: Mapping[str, int] | None = None,
    keep: Keep | None = None,
) -> Answer:
    """Place the domains of ``problem`` level after level.

    First without any vcpu off its home pnode, which is level 2a at its bound of 0;
    only where that is impossible with the spill that ``cpu_spill = last`` allows.
    ``sizes`` fixes the vnodes of domains that are split unequally (C4).

    ``start`` is a valid placement: the solver begins with it, and no answer is worse. Where
    the time ends before the solver finds any, ``start`` is the answer. ``box`` is the
    time that this search may take, where it is one of several; ``in_order`` says whether
    the lexicographically first placement is looked for (O5). ``known`` has bounds that
    were proven otherwise, by level, that of the cost for placements with every vcpu at home.
    ``keep`` is given what is found on the way.
    """
    box = TimeBox(limits, progress) if box is None else box
    in_order = in_order and limits.in_order
    return _Search(problem, limits, sizes, start, box, known or {}, keep, in_order=in_order).run()


class _Search:
    def __init__(
        self,
        problem: Problem,
        limits: Limits,
        sizes: dict[str, Ints] | None,
        start: Placement | None,
        box: TimeBox,
        known: Mapping[str, int],
        keep: Keep | None,
        *,
        in_order: bool,
    ) -> None:
        self.keep = keep
        self.kept: Placement | None = None
        self.problem = problem
        self.known = known
        self.limits = limits
        self.sizes = sizes
        self.box = box
        self.in_order = in_order
        self.frozen: list[tuple[Callable[[Variables], Expr], int, int]] = []
        self.answer = Answer(status="unknown")
        self.start = None if start is None else put_in_order(problem, start)
        self.answer.placement = self.start
        # The values of the start, for as long as none of the levels so far is better.
        self.offer = {} if self.start is None else level_values(problem, self.start)
        self.spill = False
        self.encoding: Variables | None = None
        self.hint: dict[int, int] = {}

    def run(self) -> Answer:
        """Go through the levels; whatever stops that, give the best so far with its bounds."""
        try:
            self._climb()
        except KeyboardInterrupt:
            self.box.stop()
        self._finish()
        self.answer.interrupted = self.box.stopped()
        return self.answer

    def _climb(self) -> None:
        """Solve level after level; stop where one has no answer."""
        may_spill = any(domain.cpu_spill == "last" for domain in self.problem.domains)
        auto = any(domain.auto_vnodes for domain in self.problem.domains)
        if self.problem.allow_partial or auto:
            self._allow_spill(may_spill)
            leaves_out = self.problem.allow_partial
            if leaves_out and not self._level("placed_priority", placed_priority):
                return
            if auto and not self._level("auto_vnodes", chosen_vnodes):
                return
            self._allow_spill(False)
        if not self._keep_vcpus_home(may_spill=may_spill):
            return
        if not self._level("cost", access_cost):
            return
        if all(self._level(*level) for level in self._levels_below_cost()):
            self._order_homes()

    def _levels_below_cost(self) -> Iterator[tuple[str, Callable[[Variables], Expr]]]:
        """Levels 3 and 4, as far as the problem has them."""
        if self.problem.current:
            yield "pages_moved", pages_moved
        if any(mask is not None for d in self.problem.domains for mask in d.soft_affinity):
            yield "vcpus_off_soft", vcpus_off_soft
        if self.problem.policy.tie_break == "spread":
            fullest, fullness = spread_levels(self.v)
            yield "spread_max", lambda _: fullest
            yield "spread_sum", lambda _: fullness
        elif self.problem.policy.tie_break == "pack":
            yield "packed_pages", packed_pages

    def _finish(self) -> None:
        """Set the status; a level that was not reached has a bound that needs no search."""
        placement = self.answer.placement
        if placement is None:
            return
        values = level_values(self.problem, placement)
        # a level that stayed open may have become better while others below it were solved
        self.answer.levels = [
            _at_least(level, values.get(level.name, level.value)) for level in self.answer.levels
        ]
        reached = {level.name for level in self.answer.levels}
        for name, value in values.items():
            if name not in reached:
                self.answer.levels.append(_level_of(name, value, self._ideal(name)))
        proven = all(level.status == "optimal" for level in self.answer.levels)
        self.answer.status = "optimal" if proven else "feasible"

    def _ideal(self, name: str) -> int:
        """A bound of a level that needs no search.

        For the cost, where every access is local; 0 where domains are left out, since
        others might be left out at equal priority.
        """
        if name == "placed_priority":
            total = sum(domain.priority for domain in self.problem.domains)
            return min(total, self.known.get(name, total))
        if name == "packed_pages":
            return sum(int(host.total_pages.sum()) for host in self.problem.hosts)
        if name != "cost":
            return 0
        placement = self.answer.placement
        at_home = any(
            level.name == "vcpus_off_home" and not level.value for level in self.answer.levels
        )
        known = self.known.get(name, 0) if at_home else 0
        if placement is None or placement.unplaced:
            return known
        vcpus = sum(domain.num_vcpus for domain in self.problem.domains)
        return max(known, vcpus * LOCAL_DISTANCE * COST_UNITS)

    # -- levels ----------------------------------------------------------------

    def _keep_vcpus_home(self, *, may_spill: bool) -> bool:
        """Level 2a: 0 where a placement without spill exists, else the least spill."""
        name, started = "vcpus_off_home", time.monotonic()
        if self.offer.get(name) == 0:
            self._report(_level_of(name, 0, 0, started))
            return True
        share = _HOME_SHARE if may_spill else 1.0
        status, solver, _ = self._solve(name, None, share=share)
        if status in SOLVED:
            self._take(solver)
            self.offer = {}
            self._report(_level_of(name, 0, 0, started))
            return True
        if not may_spill:
            self._fail(status)
            return False
        self._allow_spill(True)
        return self._level(name, vcpus_off_home, least=int(status == cp_model.INFEASIBLE))

    def _level(self, name: str, count: Callable[[Variables], Expr], *, least: int = 0) -> bool:
        """Solve one level and freeze it; False where there is no answer at all."""
        started, sense = time.monotonic(), MOST.get(name, "min")
        ideal = max(least, self._ideal(name))
        offered = self.offer.get(name)
        joint = name == "cost" and len(self.problem.domains) + len(self.problem.hosts) > 2
        if offered is not None and offered == ideal:
            self._report(_level_of(name, offered, ideal, started))
            self._freeze(name, count, offered)
            return True
        expression = count(self.v)
        if isinstance(expression, int):
            self._report(_level_of(name, expression, expression, started))
            return True
        if sense == "min":
            self.v.model.minimize(expression)
        else:
            self.v.model.maximize(expression)
        if name == "cost" and self.offer:
            self._complete_hint(expression)
        status, solver, seen = self._solve(name, expression, work=_FIRST_WORK if joint else None)
        solved = status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
        if joint and not solved and not self.box.is_over():
            ideal, status, solver, seen = self._solve_bounded(name, expression, ideal, solver)
        self.v.model.clear_objective()  # type: ignore[no-untyped-call]
        if status not in SOLVED:
            if status == cp_model.INFEASIBLE and self.hint and not self.offer:
                raise ModelError(f"level {name} lost the placement of the level before")
            if offered is not None:
                bound = _nearest(sense, ideal, seen if status == cp_model.UNKNOWN else None)
                # A start may be outside the encoding, which holds cells to a stricter count.
                if _is_better(sense, offered, bound):
                    bound = ideal
                self._report(_level_of(name, offered, bound, started))
            self._fail(status)
            return False
        value = int(solver.value(expression))
        bound = value
        if status == cp_model.FEASIBLE:
            bound = _nearest(sense, ideal, solver.best_objective_bound)
        if offered is not None and not _is_better(sense, value, offered):
            value = offered  # the start is as good, or the solver did not come so far
        else:
            self._take(solver)
            self.offer = {}
        if _is_better(sense, value, bound):
            raise ModelError(f"level {name}: the bound {bound} contradicts the value {value}")
        self._report(_level_of(name, value, bound, started))
        self._freeze(name, count, value, expression)
        return True

    def _solve_bounded(
        self, name: str, cost: Expr, ideal: int, before: cp_model.CpSolver
    ) -> tuple[int, Any, cp_model.CpSolver, float | None]:
        """Go on with a hard cost level, held to what its domains cost alone."""
        found = before.response_proto.solution
        if found:
            self.hint = dict(enumerate(found))
        alone = bound_by_least_costs(self.v, cost, self.limits, self.box, self.sizes)
        status, solver, seen = self._solve(name, cost)
        if found and status not in SOLVED and status != cp_model.INFEASIBLE:
            status, solver = cp_model.FEASIBLE, before
        return max(ideal, alone), status, solver, seen

    def _freeze(
        self,
        name: str,
        count: Callable[[Variables], Expr],
        value: int,
        expression: Expr | None = None,
    ) -> None:
        """Hold a level at its value, the cost within its slack, in this encoding and the next."""
        sign = 1 if MOST.get(name) == "max" else -1
        given_up = int(value * self.problem.cost_slack) if name == "cost" else 0
        least = sign * value - given_up
        self.frozen.append((count, sign, least))
        if expression is not None:
            self.v.model.add(sign * expression >= least)
        elif self.encoding is not None:
            self._hold(self.encoding, count, sign, least)

    @staticmethod
    def _hold(v: Variables, count: Callable[[Variables], Expr], sign: int, least: int) -> None:
        expression = count(v)
        if not isinstance(expression, int):
            v.model.add(sign * expression >= least)

    def _order_homes(self) -> None:
        """Level 5: the lexicographically first homes, several vnodes a solve."""
        proven = all(level.status == "optimal" for level in self.answer.levels)
        if not proven or not self.in_order:
            return
        homes = [
            expression
            for domain in range(len(self.problem.domains))
            for expression in homes_in_order(self.v, domain)
        ]
        if not homes or len(homes) > MAX_ORDERED_VNODES:
            return
        started = time.monotonic()
        base = sum(host.num_pnodes for host in self.problem.hosts)
        base += self.problem.allow_partial
        width = 1
        while base > 1 and width < len(homes) and base ** (width + 1) <= _ORDER_RANGE:
            width += 1
        ordered = 0
        for start in range(0, len(homes), width):
            digits = homes[start : start + width]
            number: Expr = 0
            for digit in digits:
                number = base * number + digit
            if not isinstance(number, int):
                self.v.model.minimize(number)
                status, solver, _ = self._solve("homes_in_order", number)
                self.v.model.clear_objective()  # type: ignore[no-untyped-call]
                if status in SOLVED:
                    self._take(solver)
                if status != cp_model.OPTIMAL:
                    break
                for digit in digits:
                    if not isinstance(digit, int):
                        self.v.model.add(digit == int(solver.value(digit)))
            ordered += len(digits)
        self._report(
            Level(
                name="homes_in_order",
                value=ordered,
                bound=len(homes),
                status="optimal" if ordered == len(homes) else "feasible",
                sense="max",
                seconds=time.monotonic() - started,
            )
        )

    # -- solving ---------------------------------------------------------------

    @property
    def v(self) -> Variables:
        """The encoding, made when it is first needed, with the best so far for a hint."""
        if self.encoding is None:
            v = Variables(self.problem, spill=self.spill, sizes=self.sizes)
            add_constraints(v)
            break_symmetry(v)
            for level in self.frozen:
                self._hold(v, *level)
            placement = self.answer.placement
            self.hint = {} if placement is None else hint_of(v, placement)
            self.encoding = v
        return self.encoding

    def _allow_spill(self, spill: bool) -> None:
        if spill != self.spill:
            self.spill, self.encoding = spill, None

    def _complete_hint(self, cost: Expr) -> None:
        """Hint what follows from the decisions of the start too, where they keep the rules.

        Decisions alone are often lost on the way through a large encoding.
        """
        status, solver, _ = self._solve("cost", cost, work=_FIRST_WORK, fix_hints=True)
        if status in SOLVED:
            self.hint = dict(enumerate(solver.response_proto.solution))

    def _solve(
        self,
        name: str,
        objective: Expr | None,
        *,
        share: float = 1.0,
        work: float | None = None,
        fix_hints: bool = False,
    ) -> tuple[Any, cp_model.CpSolver, float | None]:
        """Run CP-SAT on the encoding as it stands; return what it says and the bound it saw."""
        model = self.v.model
        if self.box.is_over():
            return cp_model.UNKNOWN, cp_model.CpSolver(), None
        model.clear_hints()  # type: ignore[no-untyped-call]
        for index, value in self.hint.items():
            model.add_hint(model.get_int_var_from_proto_index(index), value)

        def describe(value: int | None, bound: float | None) -> str:
            return self._describe(name, value, bound)

        status, solver, watch = self.box.solve(
            model,
            describe,
            share=share,
            work=work,
            first_will_do=objective is None,
            fix_hints=fix_hints,
            read=None if self.keep is None else partial(extract_placement, self.v),
            take=None if self.keep is None else self._offer,
        )
        return status, solver, watch.bound

    def _describe(self, name: str, value: int | None, bound: float | None) -> str:
        """How far a level is, in a line."""
        sense, offered = MOST.get(name, "min"), self.offer.get(name)
        best = offered if value is None else value
        if best is not None and offered is not None and _is_better(sense, offered, best):
            best = offered
        low = _nearest(sense, self._ideal(name), bound)
        if self.answer.placement is None and value is None:
            return f"{name}: no placement yet (bound {low})"
        placement = self.answer.placement
        placed = "" if placement is None else f", {len(placement.domains)} placed"
        if best is None:
            return f"{name}: bound {low}{placed}"
        gap = 100 * abs(best - low) / max(1, abs(best))
        return f"{name}: {best} (bound {low}, gap {gap:.2f} %){placed}"

    def _take(self, solver: cp_model.CpSolver) -> None:
        """Keep the solution: the placement so far, and the hint of the next level."""
        self.hint = dict(enumerate(solver.response_proto.solution))
        self.answer.placement = extract_placement(self.v, solver)
        self._offer()

    def _offer(self, found: Placement | None = None) -> None:
        """Offer what is found, else the placement so far, to be kept."""
        best = self.answer.placement if found is None else found
        if self.keep is None or best is None or best is self.kept:
            return
        if self.keep(lambda: best):
            self.kept = best

    def _report(self, level: Level) -> None:
        self.answer.levels.append(level)
        self.box.tell(self._describe(level.name, level.value, level.bound))

    def _fail(self, status: Any) -> None:
        self.answer.status = "infeasible" if status == cp_model.INFEASIBLE else "unknown"


def _level_of(name: str, value: int, bound: int, started: float | None = None) -> Level:
    """A level with its status."""
    sense = MOST.get(name, "min")
    return Level(
        name=name,
        value=value,
        bound=bound,
        status="optimal" if bound == value else "feasible",
        sense=sense,
        seconds=0.0 if started is None else time.monotonic() - started,
    )


def _at_least(level: Level, value: int) -> Level:
    """The level at ``value``, where that is better."""
    if not _is_better(level.sense, value, level.value):
        return level
    return replace(level, value=value, status="optimal" if value == level.bound else "feasible")


def _nearest(sense: Sense, ideal: int, found: float | None) -> int:
    """The stronger of a bound that needs no search and one that the solver found."""
    if found is None:
        return ideal
    return max(ideal, int(-(-found // 1))) if sense == "min" else min(ideal, int(found // 1))


def _is_better(sense: Sense, one: int, other: int) -> bool:
    return one < other if sense == "min" else one > other
