"""The lexicographic search: solve a level, freeze it, hint the next (MODEL "Levels")."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib.metadata import version
from typing import Any, Literal

from ortools.sat.python import cp_model

from placer.answer import Answer, Limits, Progress
from placer.arrays import Ints
from placer.cost import level_values
from placer.cpsat.constraints import add_constraints
from placer.cpsat.extract import extract_placement
from placer.cpsat.objective import (
    access_cost,
    chosen_vnodes,
    homes_in_order,
    packed_pages,
    placed_priority,
    spread_levels,
    vcpus_off_home,
    vcpus_off_soft,
)
from placer.cpsat.variables import Expr, Variables, new_solver
from placer.errors import ModelError
from placer.problem import Problem
from placer.result import Level, SolverInfo
from placer.units import COST_UNITS, LOCAL_DISTANCE

MAX_ORDERED_VNODES = 64
"""Beyond so many vnodes the lexicographically first placement is not searched for."""

_ORDER_RANGE = 1 << 40
"""Homes are put in order several vnodes at a time, as digits of a number below this."""

_HOME_SHARE = 0.5
"""Of the time left, how much goes into placing without spill before spill is tried."""

_QUIET_SECONDS = 1.0
"""Progress is told only of searches that take longer."""

Sense = Literal["min", "max"]


def solver_info(limits: Limits) -> SolverInfo:
    """Return the name and version of the solver with what it was given."""
    return SolverInfo(
        name="cpsat", version=version("ortools"), seed=limits.seed, workers=limits.workers
    )


def search(
    problem: Problem,
    limits: Limits,
    *,
    sizes: dict[str, Ints] | None = None,
    progress: Progress | None = None,
) -> Answer:
    """Place the domains of ``problem`` level after level.

    First without any vcpu off its home pnode, which is level 2a at its bound of 0;
    only where that is impossible with the spill that ``cpu_spill = last`` allows.
    ``sizes`` fixes the vnodes of domains that are split unequally (C4).
    """
    return _Search(problem, limits, sizes, progress).run()


class _Search:
    def __init__(
        self,
        problem: Problem,
        limits: Limits,
        sizes: dict[str, Ints] | None,
        progress: Progress | None,
    ) -> None:
        self.problem = problem
        self.limits = limits
        self.sizes = sizes
        self.progress = progress
        self.started = time.monotonic()
        self.work = 0.0
        self.frozen: list[tuple[Callable[[Variables], Expr], int, int]] = []
        self.answer = Answer(status="unknown")
        self.v = self._encode(spill=False)
        self.hint: dict[int, int] = {}

    def run(self) -> Answer:
        """Go through the levels; whatever stops that, give the best so far with its bounds."""
        try:
            self._climb()
        except KeyboardInterrupt:
            self.answer.interrupted = True
        self._finish()
        return self.answer

    def _climb(self) -> None:
        """Solve level after level; stop where one has no answer."""
        may_spill = any(domain.cpu_spill == "last" for domain in self.problem.domains)
        auto = any(domain.auto_vnodes for domain in self.problem.domains)
        if self.problem.allow_partial or auto:
            self.v = self._encode(spill=may_spill)
            partial = self.problem.allow_partial
            if partial and not self._level("placed_priority", placed_priority, "max"):
                return
            if auto and not self._level("auto_vnodes", chosen_vnodes, "min"):
                return
            if may_spill:
                self.v = self._encode(spill=False)
        if not self._keep_vcpus_home(may_spill=may_spill):
            return
        if not self._level("cost", access_cost, "min", slack=True, least=self._all_local()):
            return
        if all(self._level(*level) for level in self._levels_below_cost()):
            self._order_homes()

    def _levels_below_cost(self) -> Iterator[tuple[str, Callable[[Variables], Expr], Sense]]:
        """Levels 3b and 4, as far as the problem has them."""
        if any(mask is not None for d in self.problem.domains for mask in d.soft_affinity):
            yield "vcpus_off_soft", vcpus_off_soft, "min"
        if self.problem.policy.tie_break == "spread":
            fullest, fullness = spread_levels(self.v)
            yield "spread_max", lambda _: fullest, "min"
            yield "spread_sum", lambda _: fullness, "min"
        elif self.problem.policy.tie_break == "pack":
            yield "packed_pages", packed_pages, "max"

    def _finish(self) -> None:
        """Set the status; a level that was not reached has a bound that needs no search."""
        placement = self.answer.placement
        if placement is None:
            return
        reached = {level.name for level in self.answer.levels}
        for name, value in level_values(self.problem, placement).items():
            if name not in reached:
                self.answer.levels.append(self._unproven(name, value))
        proven = all(level.status == "optimal" for level in self.answer.levels)
        self.answer.status = "optimal" if proven else "feasible"

    def _unproven(self, name: str, value: int) -> Level:
        trivial = {
            "placed_priority": sum(domain.priority for domain in self.problem.domains),
            "packed_pages": sum(int(host.total_pages.sum()) for host in self.problem.hosts),
            "cost": self._all_local(),
        }
        bound = trivial.get(name, 0)
        return Level(
            name=name,
            value=value,
            bound=bound,
            status="optimal" if value == bound else "feasible",
            sense="max" if name in ("placed_priority", "packed_pages") else "min",
        )

    # -- levels ----------------------------------------------------------------

    def _keep_vcpus_home(self, *, may_spill: bool) -> bool:
        """Level 2a: 0 where a placement without spill exists, else the least spill."""
        started = time.monotonic()
        status, solver = self._solve(None, share=_HOME_SHARE if may_spill else 1.0)
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            self._take(solver)
            self._report_proven("vcpus_off_home", 0, "min", started)
            return True
        if not may_spill:
            self._fail(status)
            return False
        self.v = self._encode(spill=True)
        bound = 1 if status == cp_model.INFEASIBLE else 0
        return self._level("vcpus_off_home", vcpus_off_home, "min", least=bound)

    def _all_local(self) -> int:
        """The cost where every access is local: a bound that needs no search.

        0 where domains are left out, since others might be left out at equal priority.
        """
        placement = self.answer.placement
        if placement is None or placement.unplaced:
            return 0
        vcpus = sum(domain.num_vcpus for domain in self.problem.domains)
        return vcpus * LOCAL_DISTANCE * COST_UNITS

    def _level(
        self,
        name: str,
        count: Callable[[Variables], Expr],
        sense: Sense,
        *,
        slack: bool = False,
        least: int = 0,
    ) -> bool:
        """Solve one level and freeze it; False where there is no answer at all."""
        started = time.monotonic()
        expression = count(self.v)
        if isinstance(expression, int):
            self._report_proven(name, expression, sense, started)
            return True
        model = self.v.model
        if sense == "min":
            model.minimize(expression)
        else:
            model.maximize(expression)
        status, solver = self._solve(expression)
        model.clear_objective()  # type: ignore[no-untyped-call]
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            if status == cp_model.INFEASIBLE and self.hint:
                raise ModelError(f"level {name} lost the placement of the level before")
            self._fail(status)
            return False
        self._take(solver)
        value = int(solver.value(expression))
        bound = value
        if status == cp_model.FEASIBLE:
            found = solver.best_objective_bound
            up, down = int(-(-found // 1)), int(found // 1)
            bound = max(least, up) if sense == "min" else down
        if (bound > value) if sense == "min" else (bound < value):
            raise ModelError(f"level {name}: the bound {bound} contradicts the value {value}")
        self._report(
            Level(
                name=name,
                value=value,
                bound=bound,
                status="optimal" if bound == value else "feasible",
                sense=sense,
                seconds=time.monotonic() - started,
            )
        )
        given_up = int(value * self.problem.cost_slack) if slack else 0
        if sense == "min":
            model.add(expression <= value + given_up)
        else:
            model.add(expression >= value)
        self.frozen.append((count, value, 1 if sense == "max" else -1))
        return True

    def _order_homes(self) -> None:
        """Level 5: the lexicographically first homes, several vnodes a solve."""
        proven = all(level.status == "optimal" for level in self.answer.levels)
        homes = [
            expression
            for domain in range(len(self.problem.domains))
            for expression in homes_in_order(self.v, domain)
        ]
        if not proven or not homes or len(homes) > MAX_ORDERED_VNODES:
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
                status, solver = self._solve(number)
                self.v.model.clear_objective()  # type: ignore[no-untyped-call]
                if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
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

    def _encode(self, *, spill: bool) -> Variables:
        variables = Variables(self.problem, spill=spill, sizes=self.sizes)
        add_constraints(variables)
        for count, value, sign in self.frozen:
            expression = count(variables)
            if not isinstance(expression, int):
                variables.model.add(sign * expression >= sign * value)
        self.hint = {}
        return variables

    def _solve(
        self, objective: Expr | None, *, share: float = 1.0
    ) -> tuple[Any, cp_model.CpSolver]:
        """Run CP-SAT on the model as it stands, for at most ``share`` of the time left.

        MODEL_INVALID is a defect and raises ModelError with its text.
        """
        model = self.v.model
        solver = new_solver(seed=self.limits.seed, workers=self.limits.workers)
        parameters = solver.parameters
        if objective is None:
            parameters.stop_after_first_solution = True
        if self.limits.time_limit is not None:
            left = self.limits.time_limit - (time.monotonic() - self.started)
            parameters.max_time_in_seconds = max(share * left, 0.0)
            if self.limits.workers == 1:
                budget = self.limits.time_limit - self.work
                parameters.max_deterministic_time = max(share * budget, 0.0)
            if left <= 0 or self.answer.interrupted:
                return cp_model.UNKNOWN, solver
        if self.answer.interrupted:
            return cp_model.UNKNOWN, solver
        model.clear_hints()  # type: ignore[no-untyped-call]
        for index, value in self.hint.items():
            model.add_hint(model.get_int_var_from_proto_index(index), value)
        status = self._solve_interruptibly(solver)
        self.work += solver.response_proto.deterministic_time
        if status == cp_model.MODEL_INVALID:
            raise ModelError(f"CP-SAT rejects the model: {model.validate()}")
        return status, solver

    def _solve_interruptibly(self, solver: cp_model.CpSolver) -> Any:
        """Solve beside the main thread, so that Ctrl-C can stop it and keep the best so far."""
        outcome: Future[Any] = Future()

        def run() -> None:
            try:
                outcome.set_result(solver.solve(self.v.model))
            except (RuntimeError, ValueError, TypeError) as error:
                outcome.set_exception(error)

        threading.Thread(target=run, name="cp-sat", daemon=True).start()
        while True:
            try:
                return outcome.result()
            except KeyboardInterrupt:
                self.answer.interrupted = True
                solver.stop_search()

    def _take(self, solver: cp_model.CpSolver) -> None:
        """Keep the solution: the placement so far, and the hint of the next level."""
        self.hint = dict(enumerate(solver.response_proto.solution))
        self.answer.placement = extract_placement(self.v, solver)

    def _report_proven(self, name: str, value: int, sense: Sense, started: float) -> None:
        seconds = time.monotonic() - started
        self._report(
            Level(
                name=name, value=value, bound=value, status="optimal", sense=sense, seconds=seconds
            )
        )

    def _report(self, level: Level) -> None:
        self.answer.levels.append(level)
        elapsed = time.monotonic() - self.started
        if self.progress is not None and elapsed >= _QUIET_SECONDS:
            self.progress(
                f"{level.name}: {level.value} (bound {level.bound}, {level.status}), "
                f"{elapsed:.1f} s"
            )

    def _fail(self, status: Any) -> None:
        self.answer.status = "infeasible" if status == cp_model.INFEASIBLE else "unknown"
