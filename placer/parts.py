"""A fleet solved in parts, side by side on an engine, and then as a whole from what they found."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from placer.alarm import Alarm
from placer.answer import Answer, Keep, Limits, Progress
from placer.check import check_placement
from placer.engine import Engine, Failure
from placer.errors import EngineError
from placer.fleet.divide import Share, divide, problem_of
from placer.fleet.part import better_of, placement_of
from placer.pipeline import find_answer
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem

_PARTS_SHARE: Final = 0.6
"""Of the time, how much the parts may take; the rest is for the whole."""

_LATE_SHARE: Final = 0.85
"""Of the time, after how much of it parts that are not solved yet are given up."""

_LAST_SECONDS: Final = 2.0
"""What is left for the whole after Ctrl-C: as far as that goes, what parts left out is placed."""

_LEAST_SECONDS: Final = 0.01
"""What is left for it at least, where the parts have taken all there was."""


def find_answer_by_parts(
    problem: Problem,
    limits: Limits,
    most_parts: int,
    engine: Engine,
    progress: Progress | None = None,
    start: Placement | None = None,
    keep: Keep | None = None,
) -> Answer:
    """Place the domains of ``problem`` in ``most_parts`` parts at the most, then repair the whole.

    The parts (`placer.fleet.divide`) are solved by ``engine``, each with one thread and the seed
    of ``limits``, in their share of the time. The repair begins with all that they placed, or
    with ``start`` where that is better, places what is left, and improves across parts in the
    time that is left. ``keep`` is given what the parts have placed and what is better. Levels
    and bounds are those of the whole problem. Raises EngineError where a part could not be solved.
    """
    shares = divide(problem, most_parts)
    if len(shares) < 2:
        return find_answer(problem, limits, progress, start, keep)
    started = time.monotonic()
    each = _for_each_part(limits, len(shares), engine.workers)
    found: list[PlacedDomain] = []
    noted: list[PlacedDomain] = []

    def solve_all() -> None:
        jobs = engine.run(solve_parts, (problem, each, noted), shares)
        for number, (_, answer) in enumerate(jobs, start=1):
            if isinstance(answer, Failure):
                raise EngineError(f"a part of the fleet could not be solved: {answer.reason}")
            found.extend(answer)
            if keep is not None:
                keep(lambda: placement_of(problem, found))
            if progress is not None:
                progress(f"{number} of {len(shares)} parts solved, {len(found)} domains placed")

    # Workers may be slow to start, or lost with what they had.
    seconds = limits.time_limit
    alarm = Alarm[None](None if seconds is None else _LATE_SHARE * seconds)
    interrupted = False
    try:
        alarm.call(solve_all)
    except KeyboardInterrupt:
        interrupted = True
    if interrupted or alarm.has_rung:
        there = {placed.domain for placed in found}
        found.extend(placed for placed in noted if placed.domain not in there)
    rest = _rest_of(limits, started, interrupted=interrupted)
    begin = better_of(problem, _start_of(problem, found), start)
    answer = find_answer(problem, rest, progress, begin, keep)
    answer.interrupted |= interrupted
    return answer


def solve_parts(
    shared: tuple[Problem, Limits, list[PlacedDomain]], shares: Sequence[Share]
) -> list[list[PlacedDomain]]:
    """Return what is placed of each part; what workers run.

    It is noted in the list of ``shared`` too, where a thread that is interrupted leaves what it
    has; a worker elsewhere has a list of its own.
    """
    problem, limits, noted = shared
    placed: list[list[PlacedDomain]] = []
    for share in shares:
        answer = find_answer(problem_of(problem, share), limits)
        placed.append([] if answer.placement is None else list(answer.placement.domains))
        noted.extend(placed[-1])
        if answer.interrupted:
            break
    return placed


def _for_each_part(limits: Limits, num_parts: int, workers: int) -> Limits:
    """The limits of one part, where ``workers`` of them are solved side by side."""
    rounds = math.ceil(num_parts / workers)
    seconds, work = limits.time_limit, limits.work
    return replace(
        limits,
        workers=1,
        time_limit=None if seconds is None else _PARTS_SHARE * seconds / rounds,
        work=None if work is None else _PARTS_SHARE * work,
        in_order=False,
    )


def _rest_of(limits: Limits, started: float, *, interrupted: bool) -> Limits:
    """The limits of the whole, after the parts."""
    if interrupted:
        return replace(limits, time_limit=_LAST_SECONDS, work=None)
    seconds, work = limits.time_limit, limits.work
    if seconds is not None:
        seconds = max(_LEAST_SECONDS, seconds - (time.monotonic() - started))
    if work is not None:
        work -= _PARTS_SHARE * work
    return replace(limits, time_limit=seconds, work=work)


def _start_of(problem: Problem, found: Sequence[PlacedDomain]) -> Placement | None:
    """All that the parts have placed as a start, None where the checker refuses it.

    Each part keeps the rules by itself; groups that no part could hold are between parts.
    """
    start = placement_of(problem, found)
    if not found or check_placement(replace(problem, allow_partial=True), start):
        return None
    return start
