"""One deadline for all that a question solves, a way to stop it, and word of how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from typing import Any, Final

from ortools.sat.python import cp_model

from placer.answer import Limits, Progress
from placer.cpsat.meter import Meter, least_of
from placer.cpsat.variables import new_solver
from placer.errors import ModelError
from placer.placement import Placement

QUIET_SECONDS: Final = 1.0
"""Progress is told of what takes longer, and at most once in so many seconds."""

_WAKE_SECONDS: Final = 0.2
"""How often the waiting thread looks up to tell progress or to stop the solver."""

SOLVED: Final = (cp_model.OPTIMAL, cp_model.FEASIBLE)


class Watch(cp_model.CpSolverSolutionCallback):
    """What a running solve has reached: written by the solver's threads, read by ours.

    ``read`` makes of a solution what ``found`` shall be.
    """

    def __init__(self, read: Callable[[Watch], Placement] | None = None) -> None:
        super().__init__()
        self.best: int | None = None
        self.bound: float | None = None
        self.found: Placement | None = None
        self._read = read

    def on_solution_callback(self) -> None:
        """Keep the value of a new solution, and what is read in it."""
        self.best = round(self.objective_value)
        if self._read is not None:
            self.found = self._read(self)

    def raise_bound(self, bound: float) -> None:
        """Keep a new bound."""
        self.bound = bound


class TimeBox:
    """The time that one question may take, over all its encodings and solves.

    Wall-clock runs from the start of the box, or ``started`` (of ``time.monotonic``). With
    one worker, and always where ``work`` is given, CP-SAT's deterministic time is limited too
    (``work`` units, else as many as there are seconds; ``meter`` counts it), so that equal runs
    stop at the same point unless the clock strikes first. A box ``within`` another never
    outlasts it, and its work counts there.
    """

    def __init__(
        self,
        limits: Limits,
        progress: Progress | None = None,
        *,
        work: float | None = None,
        within: TimeBox | None = None,
        started: float | None = None,
    ) -> None:
        self.limits = limits
        self.progress = progress
        self.within = within
        self.interrupted = False
        self._started = time.monotonic() if started is None else started
        self._told = self._started
        most_work = limits.work if work is None else work
        if most_work is None and limits.workers == 1:
            most_work = limits.time_limit
        self.meter: Meter = Meter(most_work, None if within is None else within.meter)

    @property
    def elapsed(self) -> float:
        """Seconds since the box was opened."""
        return time.monotonic() - self._started

    def seconds_left(self) -> float | None:
        """Return the wall-clock seconds left; None where there is no limit."""
        most = self.limits.time_limit
        own = None if most is None else most - self.elapsed
        return least_of(own, None if self.within is None else self.within.seconds_left())

    def is_over(self) -> bool:
        """Return whether the time is up or the user has stopped it."""
        return self.meter.is_spent or self.is_late()

    def is_late(self) -> bool:
        """Return whether the clock has struck or the user has stopped it, whatever work is left."""
        seconds = self.seconds_left()
        return (seconds is not None and seconds <= 0) or self.stopped()

    def stopped(self) -> bool:
        """Return whether the user has stopped it."""
        return self.interrupted or (self.within is not None and self.within.stopped())

    def stop(self) -> None:
        """Note that the user wants no more."""
        self.interrupted = True
        if self.within is not None:
            self.within.stop()

    def tell(self, text: str) -> None:
        """Say how far it is, with the time; nothing in the first second or twice in one."""
        now = time.monotonic()
        if self.progress is not None and now - self._told >= QUIET_SECONDS:
            self._told = now
            self.progress(f"{text}, {self.elapsed:.1f} s")

    def solve(
        self,
        model: cp_model.CpModel,
        describe: Any,
        *,
        share: float = 1.0,
        work: float | None = None,
        first_will_do: bool = False,
        fix_hints: bool = False,
        read: Callable[[Watch], Placement] | None = None,
        take: Callable[[Placement | None], None] | None = None,
    ) -> tuple[Any, cp_model.CpSolver, Watch]:
        """Run CP-SAT on ``model`` for at most ``share`` of the time left, and ``work`` of it.

        ``describe(value, bound)`` gives the text of progress; ``take`` is given, now and then,
        what ``read`` made of the best solution so far, None without one. UNKNOWN comes back
        where no time is left. MODEL_INVALID is a defect and raises ModelError with its text.
        """
        solver = new_solver(seed=self.limits.seed, workers=self.limits.workers)
        watch = Watch(read)
        if self.is_over():
            return cp_model.UNKNOWN, solver, watch
        parameters = solver.parameters
        parameters.stop_after_first_solution = first_will_do
        parameters.fix_variables_to_their_hinted_value = fix_hints
        seconds, work_left = self.seconds_left(), self.meter.left
        if seconds is not None:
            parameters.max_time_in_seconds = max(share * seconds, 0.0)
        most = least_of(work, None if work_left is None else share * work_left)
        if most is not None:
            parameters.max_deterministic_time = max(most, 0.0)
        status = self._solve_interruptibly(solver, model, watch, describe, take)
        self.meter.charge(float(solver.response_proto.deterministic_time))
        if status == cp_model.MODEL_INVALID:
            raise ModelError(f"CP-SAT rejects the model: {model.validate()}")
        return status, solver, watch

    def _solve_interruptibly(
        self,
        solver: cp_model.CpSolver,
        model: cp_model.CpModel,
        watch: Watch,
        describe: Any,
        take: Callable[[Placement | None], None] | None,
    ) -> Any:
        """Solve beside this thread, so that Ctrl-C can stop it and keep the best so far.

        This thread alone tells progress.
        """
        outcome: Future[Any] = Future()
        if model.has_objective():
            solver.best_bound_callback = watch.raise_bound

        def run() -> None:
            try:
                outcome.set_result(solver.solve(model, watch))
            except (RuntimeError, ValueError, TypeError) as error:
                outcome.set_exception(error)

        threading.Thread(target=run, name="cp-sat", daemon=True).start()
        while True:
            try:
                return outcome.result(timeout=_WAKE_SECONDS)
            except StillRunning:
                self.tell(describe(watch.best, watch.bound))
                if take is not None:
                    take(watch.found)
            except KeyboardInterrupt:
                self.stop()
            if self.stopped():
                solver.stop_search()
