"""A problem in, a checked answer out: solver, allocator, checker, baseline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Literal

from placer.alarm import Alarm
from placer.answer import Answer, Keep, Limits, Progress, solver_info
from placer.check import check_placement, score
from placer.cost import level_values
from placer.engine import Engine, num_processors, open_engine
from placer.errors import AllocationError, ModelError
from placer.explain import MOST_EXPLAINED, explain_all, refused_by_count
from placer.fleet.at_once import place_at_once
from placer.fleet.staying import place_beside
from placer.frames import DomainFrames
from placer.heuristic import first_fit, libxl
from placer.heuristic.same_pcpus import keep_pcpus
from placer.lessons import bounded_by, narrowed
from placer.moves import order_moves
from placer.pages.realise import try_to_realise
from placer.pages.rearrange import realise_moves
from placer.pipeline import find_answer
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Baseline, Level, Move, Refusal, Result, Score, SolverInfo, rank

MAX_WORKERS = 256
"""The most threads that CP-SAT is asked for."""

_EXPLAIN_WORK = 1.0
"""CP-SAT's deterministic time for all reasons of one answer; `placer explain` takes more."""

_EXPLAIN_SHARE = 0.1
"""Of a limit of work, how much goes into reasons on top of it."""

_EXPLAIN_SECONDS = 10.0
"""Where there is a time limit, reasons take no longer, however slow the machine."""


_TIMES_AT_ONCE = 2
"""What follows a search takes so many times as long as what is placed and checked at once."""

_LEAST_SHARE = 0.1
"""Of the time limit, how much a search has at least where that would take all of it."""

_LEAST_SECONDS = 0.001

_MOST_LESSONS = 8
"""How often a plan that the heaps cannot give is solved again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """How to solve. ``solver``: ``cpsat`` proves its answer, ``libxl`` is Xen's own rule.

    ``seed``, 0 to 2147483647: with one of ``workers`` (1 to 256 threads) and one seed equal
    questions have equal answers. ``time_limit`` is in seconds, None for as long as it takes.

    ``work`` is the same in CP-SAT's deterministic time (units of one to four seconds), which no
    clock ends: equal questions have equal answers on every machine.

    ``memory_limit`` is what this process may hold, in bytes: a model that would take more is
    refused (TooLargeError), and a search that comes to hold more ends with its best so far.
    Without one a model is refused that would take more than the machine has available.

    ``reasons``: whether to look for what stands against domains without a place; ``brief``:
    by counting alone.
    ``baselines``: whether to ask the rules of thumb as well. Without ``in_order`` any of several
    equally good placements will do (O5), which is found sooner. From 2 ``parts`` on the problem
    is solved in so many parts at the most, side by side, and then repaired as a whole.

    Raises ValueError for a figure out of range.
    """

    solver: Literal["cpsat", "libxl"] = "cpsat"
    seed: int = 0
    workers: int = 1
    time_limit: float | None = None
    work: float | None = None
    memory_limit: int | None = None
    reasons: bool = True
    brief: bool = False
    baselines: bool = True
    in_order: bool = True
    parts: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ValueError(f"workers is {self.workers}, expected 1 to {MAX_WORKERS}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ValueError(f"the time limit is {self.time_limit}, expected above 0")
        if self.work is not None and not self.work > 0:
            raise ValueError(f"the limit of work is {self.work}, expected above 0")
        if self.memory_limit is not None and not self.memory_limit > 0:
            raise ValueError(f"the memory limit is {self.memory_limit}, expected above 0")
        if not 0 <= self.seed < 1 << 31:
            raise ValueError(f"the seed is {self.seed}, expected 0 to 2147483647")
        if self.parts < 1:
            raise ValueError(f"parts is {self.parts}, expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A result with the frames that realise it and the checker's score of it.

    ``result`` is the answer. ``frames`` follow the order of its placement and are empty where
    there is none; ``score`` is None then.
    """

    result: Result
    frames: tuple[DomainFrames, ...] = ()
    score: Score | None = None


def solve(
    problem: Problem,
    options: SolveOptions | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
    *,
    start: Placement | None = None,
    keep: Keep | None = None,
) -> Solution:
    """Place the domains of ``problem`` and realise the placement in frames.

    ``options`` are the defaults of `SolveOptions` where not given. ``progress`` is told, in a
    line of text, how far the search is. ``engine`` solves the parts of ``options``, by default
    in threads, one for each part that has a processor.

    ``start`` is a placement that keeps the rules, as ``keep`` was given one: the search goes on
    from there. ``keep`` is given the best so far, as it becomes better.

    Returns within the time limit, 1 s and 10 % over at the most, where that is not less than
    what the answer takes to be realised and checked. Raises TooLargeError where the model would
    not fit into memory.

    That no placement exists, or that none was found in time, is an answer and no error; so is
    the best one so far where Ctrl-C ends the search. Every placement passes the checker; one
    that does not is a defect and raises ModelError. An engine that loses its workers raises
    EngineError. With ``solver="libxl"`` libxl's own rule answers, and its score says which
    rules it breaks.
    """
    chosen = options or SolveOptions()
    if chosen.solver == "libxl":
        return _solve_by_libxl(problem, chosen)
    limits = Limits(
        seed=chosen.seed,
        workers=chosen.workers,
        time_limit=chosen.time_limit,
        work=chosen.work,
        memory_bytes=chosen.memory_limit,
        in_order=chosen.in_order,
    )
    clock = _Clock(limits.time_limit)
    known = None
    if limits.time_limit is not None:
        known = clock.time_checking(lambda: place_at_once(problem))
    elif limits.work is None and chosen.memory_limit is not None:
        known = place_at_once(problem)
    baselines: tuple[Baseline, ...] = ()
    if chosen.baselines and clock.has_time_for_more:
        baselines = _baselines(problem)
    find = _finder(chosen.parts, engine, start, keep)
    first = _refuse_by_count(problem)
    if first is None:
        try:
            first = find(problem, clock.limit(limits), progress)
        except KeyboardInterrupt:
            first = Answer(status="unknown", interrupted=True)
        first = _or_at_once(problem, first, known)
    answer, plan, failure = _find_plan(problem, first, find, limits, clock, progress)
    interrupted = answer.interrupted
    unplaced = _name_unplaced(problem, answer, "not explained")
    if chosen.reasons and unplaced and (failure is None or plan is not None):
        import placer.cpsat.feasible  # noqa: F401 - before the alarm is set, as in `find_answer`

        alarm = Alarm[tuple[Refusal, ...]](clock.seconds_left())
        try:
            unplaced = (
                alarm.call(lambda: _explain(problem, answer, limits, clock, brief=chosen.brief))
                or unplaced
            )
        except KeyboardInterrupt:
            interrupted = True
            unplaced = _name_unplaced(problem, answer, "not explained: interrupted")
    if failure is not None:
        unplaced = _blame_the_heap(unplaced, first, failure)
    result = Result(
        status=answer.status,
        solver=solver_info(limits),
        levels=tuple(answer.levels),
        placement=answer.placement,
        unplaced=unplaced,
        baselines=baselines,
        interrupted=interrupted,
    )
    return Solution(result=result) if plan is None else _hold_against_checker(problem, result, plan)


class _Clock:
    """The time limit of a question: how much of it the search may take.

    What has to follow the search (frames, the checker, reasons) is timed beforehand, by what
    is found and checked at once.
    """

    def __init__(self, time_limit: float | None) -> None:
        self.time_limit = time_limit
        self.after_search = 0.0
        self._started = time.monotonic()

    def seconds_left(self) -> float | None:
        """The seconds left; None where there is no limit."""
        if self.time_limit is None:
            return None
        return self.time_limit - (time.monotonic() - self._started)

    def time_checking(self, find: Callable[[], Placement | None]) -> Placement | None:
        """Return what ``find`` finds, the checker's time in which tells what is to follow."""
        started = time.monotonic()
        found = find()
        self.after_search = _TIMES_AT_ONCE * (time.monotonic() - started)
        return found

    @property
    def has_time_for_more(self) -> bool:
        """Whether there is time for the baselines, which take about as long as what follows."""
        left = self.seconds_left()
        return left is None or left > 2 * self.after_search

    def limit(self, limits: Limits) -> Limits:
        """The limits of a search that begins now; it has a part of the time in any case."""
        left = self.seconds_left()
        if left is None or self.time_limit is None:
            return limits
        least = min(_LEAST_SHARE * self.time_limit, max(left, 0.0))
        return replace(limits, time_limit=max(left - self.after_search, least, _LEAST_SECONDS))


def _or_at_once(problem: Problem, answer: Answer, known: Placement | None) -> Answer:
    """The answer, or where the time ended too soon ``known``, if that is better."""
    if known is None or answer.status not in ("unknown", "feasible"):
        return answer
    from placer.fleet.many import answer_with

    if answer.placement is not None:
        ours, other = (
            rank(level_values(problem, placement)) for placement in (answer.placement, known)
        )
        if ours <= other:
            return answer
    found = answer_with(problem, known)
    found.interrupted = answer.interrupted
    return found


Finder = Callable[[Problem, Limits, Progress | None], Answer]


def _finder(
    parts: int, engine: Engine | None, start: Placement | None, keep: Keep | None
) -> Finder:
    """What answers: the problem as a whole, or in parts."""
    if parts < 2:
        return lambda problem, limits, progress: find_answer(problem, limits, progress, start, keep)
    from placer.parts import find_answer_by_parts

    chosen = engine or open_engine("threads", workers=min(parts, num_processors()))
    return lambda problem, limits, progress: find_answer_by_parts(
        problem, limits, parts, chosen, progress, start, keep
    )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A placement with the moves that lead there, its frames, and what its heaps cannot give."""

    placement: Placement
    moves: tuple[Move, ...]
    fewest_stops: bool
    frames: tuple[DomainFrames, ...] = ()
    creation_order: tuple[str, ...] = ()
    failures: tuple[AllocationError, ...] = ()


def _find_plan(
    problem: Problem,
    answer: Answer,
    find: Finder,
    limits: Limits,
    clock: _Clock,
    progress: Progress | None,
) -> tuple[Answer, _Plan | None, AllocationError | None]:
    """Realise an answer; where a heap cannot, solve again with what that teaches, in time.

    Returns the last answer, its plan (None where there is none), and what stood against the
    plan before it, if anything did. An answer that no round brings a plan for has neither
    levels nor placement.
    """
    first, narrower = answer, problem
    failure: AllocationError | None = None
    for lessons in range(_MOST_LESSONS + 1):
        placement = answer.placement
        if placement is None:
            break
        if problem.current:
            placement = keep_pcpus(problem, placement)
        plan = _realise(problem, placement)
        if not plan.failures:
            return answer, plan, failure
        failure = plan.failures[0]
        if answer.interrupted or lessons == _MOST_LESSONS:
            break
        seconds = clock.seconds_left()
        if seconds is not None and seconds <= 0:
            break
        if progress is not None:
            progress(f"solving again: {failure}")
        narrower = narrowed(narrower, plan.failures)
        answer = find(narrower, clock.limit(limits), progress)
        answer.levels = bounded_by(first.levels, answer.levels, problem)
        if answer.status == "optimal" and any(lv.status != "optimal" for lv in answer.levels):
            answer.status = "feasible"
    if failure is None:
        return answer, None, None
    if problem.allow_partial and first.placement is not None:
        found = _leave_out(problem, first, answer.placement or first.placement)
        if found is not None:
            return *found, failure
    return Answer(status="unknown", interrupted=answer.interrupted), None, failure


def _leave_out(
    problem: Problem, first: Answer, placement: Placement
) -> tuple[Answer, _Plan] | None:
    """Leave out what a heap fails on, until the rest of a placement can be realised.

    ``first`` is the answer to the whole problem, whose bounds hold. None where that takes a
    domain that runs now.
    """
    while True:
        plan = _realise(problem, placement)
        if not plan.failures:
            break
        failing = {failure.domain for failure in plan.failures}
        if failing & problem.running_now.keys():
            return None
        left = tuple(placed for placed in placement.domains if placed.domain not in failing)
        there = {placed.domain for placed in left}
        placement = Placement(
            domains=left,
            unplaced=tuple(d.name for d in problem.domains if d.name not in there),
        )
    values = level_values(problem, placement)
    levels = [
        replace(level, value=values[level.name]) for level in first.levels if level.name in values
    ]
    answer = Answer(
        status="feasible",
        levels=bounded_by(first.levels, levels, problem),
        placement=placement,
        interrupted=first.interrupted,
    )
    return answer, plan


def _realise(problem: Problem, placement: Placement) -> _Plan:
    """Turn a placement into frames, as far as the heaps go."""
    moves, fewest_stops = order_moves(problem, placement)
    plan = _Plan(placement=placement, moves=moves, fewest_stops=fewest_stops)
    if problem.current:
        try:
            return replace(plan, frames=realise_moves(problem, placement, moves))
        except AllocationError as error:
            return replace(plan, failures=(error,))
    realised = try_to_realise(problem, placement)
    if realised.failures:
        return replace(plan, failures=realised.failures)
    frames = tuple(realised.frames[placed.domain] for placed in placement.domains)
    return replace(plan, frames=frames, creation_order=realised.creation_order)


def _hold_against_checker(problem: Problem, result: Result, plan: _Plan) -> Solution:
    result = replace(
        result,
        placement=plan.placement,
        moves=plan.moves,
        fewest_stops=plan.fewest_stops,
        creation_order=plan.creation_order,
    )
    violations = check_placement(problem, plan.placement, plan.frames, plan.moves)
    if violations:
        text = "; ".join(str(violation) for violation in violations)
        raise ModelError(f"the checker refuses the solver's placement: {text}")
    points = score(problem, plan.placement, violations)
    levels = tuple(_settle(level, problem, points.cost) for level in result.levels)
    return Solution(result=replace(result, levels=levels), frames=plan.frames, score=points)


def _blame_the_heap(
    unplaced: tuple[Refusal, ...], first: Answer, failure: AllocationError
) -> tuple[Refusal, ...]:
    """Say of each domain that the counts have room for that no heap was found to realise it."""
    counted = first.placement.domains if first.placement is not None else ()
    names = {placed.domain for placed in counted}
    return tuple(
        _refuse_for_the_heap(refusal.domain, failure) if refusal.domain in names else refusal
        for refusal in unplaced
    )


def _refuse_for_the_heap(name: str, error: AllocationError) -> Refusal:
    """Why no plan is given although the counts allow one: nothing is proven by that."""
    if name != error.domain:
        return Refusal(
            domain=name, reason=f"part of a plan that the heap cannot give {error.domain} pages for"
        )
    return Refusal(
        domain=name,
        reason=f"the heap cannot realise the plan: {error}",
        binding=(f"free extents of pnode {error.pnode} of {error.host}",),
        short_by=(f"{error.wanted - error.available} extents of order {error.order}",),
    )


def _settle(level: Level, problem: Problem, cost: int) -> Level:
    """Hold the solver's cost against the checker's.

    They are equal where the cost is proven; an unproven one may have been bettered
    in passing by a level below, and with cost slack the levels below spend some.
    """
    if level.name != "cost":
        return level
    most = level.value + int(level.value * problem.cost_slack)
    least = level.value if level.status == "optimal" else level.bound
    if not least <= cost <= most:
        raise ModelError(f"the solver counts a cost of {level.value}, the checker {cost}")
    if cost >= level.value:
        return level
    status: Literal["optimal", "feasible"] = "optimal" if cost == level.bound else "feasible"
    return replace(level, value=cost, status=status)


def _baselines(problem: Problem) -> tuple[Baseline, ...]:
    """What libxl's rule and first fit decreasing make of the same problem."""
    rules = (("libxl", libxl.place), ("first-fit-decreasing", first_fit.place))
    found = []
    for name, rule in rules:
        placement = place_beside(problem, rule)
        found.append(Baseline(name=name, placement=placement, score=score(problem, placement)))
    return tuple(found)


def _solve_by_libxl(problem: Problem, options: SolveOptions) -> Solution:
    baselines = _baselines(problem)
    baseline = baselines[0]
    placement, points = baseline.placement, baseline.score
    info = SolverInfo(
        name="libxl", version=version("placer"), seed=options.seed, workers=options.workers
    )
    refusals = tuple(
        Refusal(domain=name, reason="libxl's rule finds no host with enough free memory")
        for name in placement.unplaced
    )
    cost = Level(name="cost", value=points.cost, bound=0, status="feasible")
    plan = _realise(problem, placement)
    result = Result(
        status="feasible",
        solver=info,
        levels=(cost,),
        placement=placement,
        unplaced=refusals,
        moves=plan.moves,
        creation_order=plan.creation_order,
        baselines=baselines,
    )
    return Solution(result=result, frames=plan.frames, score=points)


def _refuse_by_count(problem: Problem) -> Answer | None:
    """Return the answer of a problem that counting alone proves impossible, else None."""
    if problem.allow_partial or not refused_by_count(problem):
        return None
    return Answer(status="infeasible")


def _name_unplaced(problem: Problem, answer: Answer, reason: str) -> tuple[Refusal, ...]:
    """A refusal with one reason for each domain that has no place."""
    if answer.placement is not None:
        return tuple(Refusal(domain=name, reason=reason) for name in answer.placement.unplaced)
    return tuple(Refusal(domain=domain.name, reason=reason) for domain in problem.domains)


def _explain(
    problem: Problem, answer: Answer, limits: Limits, clock: _Clock, *, brief: bool
) -> tuple[Refusal, ...]:
    """Say of every domain that has no place why, within a small budget.

    Raises KeyboardInterrupt where the user stops that.
    """
    if answer.interrupted:
        return _name_unplaced(problem, answer, "interrupted before a reason was found")
    if answer.status == "unknown":
        return _name_unplaced(problem, answer, "no answer within the time limit")
    seconds = clock.seconds_left()  # without a limit no clock has a say in what is found
    if seconds is not None:
        if limits.work is None:
            seconds = min(_EXPLAIN_SECONDS, seconds)
        seconds = max(seconds, _LEAST_SECONDS)
    from placer.cpsat.feasible import Questions

    work = _EXPLAIN_WORK
    if limits.work is not None:
        work = min(work, _EXPLAIN_SHARE * limits.work)
    ask = Questions(replace(limits, time_limit=seconds), work=work, thorough=False)
    most = 0 if brief else MOST_EXPLAINED
    return explain_all(problem, answer.placement, ask, thorough=False, most_explained=most)
