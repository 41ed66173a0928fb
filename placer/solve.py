"""A problem in, a checked answer out: solver, allocator, checker, baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Literal

from placer.answer import Answer, Limits, solver_info
from placer.check import check_placement, score
from placer.errors import AllocationError, ModelError
from placer.explain import explain_all, refused_by_count
from placer.fleet.staying import place_beside
from placer.frames import DomainFrames
from placer.heuristic import first_fit, libxl
from placer.heuristic.same_pcpus import keep_pcpus
from placer.moves import order_moves
from placer.pages.realise import realise
from placer.pages.rearrange import realise_moves
from placer.pipeline import find_answer
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Baseline, Level, Move, Refusal, Result, Score, SolverInfo

MAX_WORKERS = 256
"""The most threads that CP-SAT is asked for."""

_EXPLAIN_WORK = 1.0
"""CP-SAT's deterministic time for all reasons of one answer; `placer explain` takes more."""

_EXPLAIN_SECONDS = 10.0
"""However slow the machine, reasons take no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """How to solve. ``time_limit`` is in seconds, None for as long as it takes.

    ``reasons``: whether to look for what stands against domains without a place.
    """

    solver: Literal["cpsat", "libxl"] = "cpsat"
    seed: int = 0
    workers: int = 1
    time_limit: float | None = None
    reasons: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ValueError(f"workers is {self.workers}, expected 1 to {MAX_WORKERS}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ValueError(f"the time limit is {self.time_limit}, expected above 0")
        if not 0 <= self.seed < 1 << 31:
            raise ValueError(f"the seed is {self.seed}, expected 0 to 2147483647")


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A result with the frames that realise it and the checker's score of it."""

    result: Result
    frames: tuple[DomainFrames, ...] = ()
    score: Score | None = None


def solve(
    problem: Problem,
    options: SolveOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> Solution:
    """Place the domains of ``problem`` and realise the placement in frames.

    Every placement passes the checker; one that does not is a defect and raises
    ModelError. With ``solver="libxl"`` libxl's own rule answers, and its score
    says which rules it breaks.
    """
    chosen = options or SolveOptions()
    if chosen.solver == "libxl":
        return _solve_by_libxl(problem, chosen)
    limits = Limits(seed=chosen.seed, workers=chosen.workers, time_limit=chosen.time_limit)
    answer = _refuse_by_count(problem) or find_answer(problem, limits, progress)
    interrupted = answer.interrupted
    try:
        unplaced = (
            _explain(problem, answer, limits)
            if chosen.reasons
            else _name_unplaced(problem, answer, "not explained")
        )
    except KeyboardInterrupt:
        interrupted, unplaced = True, _name_unplaced(problem, answer, "not explained: interrupted")
    result = Result(
        status=answer.status,
        solver=solver_info(limits),
        levels=tuple(answer.levels),
        placement=answer.placement,
        unplaced=unplaced,
        baselines=_baselines(problem),
        interrupted=interrupted,
    )
    if answer.placement is None:
        return Solution(result=result)
    return _realise(problem, result, answer.placement)


def _realise(problem: Problem, result: Result, placement: Placement) -> Solution:
    """Turn a placement into frames and hold both against the checker."""
    if problem.current:
        placement = keep_pcpus(problem, placement)
    moves, fewest_stops = order_moves(problem, placement)
    try:
        frames = _take_frames(problem, placement, moves)
    except AllocationError as error:
        refusals = tuple(_refuse_for_the_heap(domain.name, error) for domain in problem.domains)
        return Solution(
            result=replace(result, status="unknown", placement=None, levels=(), unplaced=refusals)
        )
    result = replace(result, placement=placement, moves=moves, fewest_stops=fewest_stops)
    violations = check_placement(problem, placement, frames, moves)
    if violations:
        text = "; ".join(str(violation) for violation in violations)
        raise ModelError(f"the checker refuses the solver's placement: {text}")
    points = score(problem, placement, violations)
    levels = tuple(_settle(level, problem, points.cost) for level in result.levels)
    return Solution(result=replace(result, levels=levels), frames=frames, score=points)


def _take_frames(
    problem: Problem, placement: Placement, moves: tuple[Move, ...]
) -> tuple[DomainFrames, ...]:
    if problem.current:
        return realise_moves(problem, placement, moves)
    return realise(problem, placement)


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
    moves, _ = order_moves(problem, placement)
    result = Result(
        status="feasible",
        solver=info,
        levels=(cost,),
        placement=placement,
        unplaced=refusals,
        moves=moves,
        baselines=baselines,
    )
    try:
        frames = _take_frames(problem, placement, moves)
    except AllocationError:
        frames = ()
    return Solution(result=result, frames=frames, score=points)


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


def _explain(problem: Problem, answer: Answer, limits: Limits) -> tuple[Refusal, ...]:
    """Say of every domain that has no place why, within a small budget.

    Raises KeyboardInterrupt where the user stops that.
    """
    if answer.interrupted:
        return _name_unplaced(problem, answer, "interrupted before a reason was found")
    if answer.status == "unknown":
        return _name_unplaced(problem, answer, "no answer within the time limit")
    seconds = _EXPLAIN_SECONDS
    if limits.time_limit is not None:
        seconds = min(seconds, limits.time_limit)
    from placer.cpsat.feasible import Questions

    ask = Questions(replace(limits, time_limit=seconds), work=_EXPLAIN_WORK, thorough=False)
    return explain_all(problem, answer.placement, ask, thorough=False)
