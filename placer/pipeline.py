"""Which engine answers which question; the ones that load OR-Tools are imported where needed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from placer.alarm import Alarm
from placer.answer import Answer, Keep, Limits, Progress
from placer.check import check_placement
from placer.cost import level_values
from placer.footprint import encoding_bytes, has_room, refuse_beyond
from placer.moves import standing
from placer.placement import Placement
from placer.problem import Problem
from placer.quadratic.one_domain import OneDomain, solve_one
from placer.result import rank

if TYPE_CHECKING:
    from placer.cpsat.timebox import TimeBox

MOST_VNODES: Final = 64
"""Up to so many vnodes one encoding is proven to the last level (MODEL level 5)."""

_FEW: Final = 6
"""From so many domains on, patterns are tried before the encoding."""

_PATTERN_SECONDS: Final = 4.0
_PATTERN_SHARE: Final = 0.2
"""How long that may take, and of the time limit at most."""

_SOON_SHARE: Final = 0.25
"""Of a limit of work, how much the encoding may take before patterns are tried."""

_GRACE_SECONDS: Final = 0.1
"""How long after the time limit what does not look at the clock is ended."""


def find_answer(
    problem: Problem,
    limits: Limits,
    progress: Progress | None = None,
    start: Placement | None = None,
    keep: Keep | None = None,
) -> Answer:
    """Place the domains of ``problem``, by whatever engine answers such a question best.

    One plain domain is a quadratic core; where that is too large to be searched through, the
    encoding goes on from its best placement and bound. Up to 64 vnodes are one encoding,
    proven level by level; more are a fleet. The answer has a valid bound for each level,
    whichever it was. A ``start`` that keeps the rules is bettered; it may leave domains out.
    Where a limit ends it in the middle of something, the answer is what was found before, if
    anything was: status unknown else. ``keep`` is given the best so far. Raises
    TooLargeError where a model would not fit into the memory of ``limits``.
    """
    started = time.monotonic()
    one = solve_one(problem, limits, progress=progress)
    if one.answer is not None:
        return one.answer
    seconds = limits.time_limit
    if start is None and seconds is not None and time.monotonic() - started >= seconds:
        return one.best or Answer(status="unknown")
    # Loaded before the alarm is set: what is cut short while it loads can be loaded no more.
    import placer.cpsat.search
    import placer.cpsat.sizing
    import placer.fleet.many  # noqa: F401

    if seconds is not None:
        seconds += _GRACE_SECONDS - (time.monotonic() - started)
    alarm = Alarm[Answer](seconds, limits.memory_bytes)
    answer = alarm.call(
        lambda: _find_by_search(problem, limits, progress, start, keep, one, started)
    )
    if answer is None:
        return one.best or Answer(status="unknown")
    if alarm.has_rung:
        answer.interrupted = False
    return answer


def _find_by_search(
    problem: Problem,
    limits: Limits,
    progress: Progress | None,
    start: Placement | None,
    keep: Keep | None,
    one: OneDomain,
    started: float,
) -> Answer:
    """What one domain's quadratic core does not answer, or not so soon."""
    if one.start is None and is_large(problem):
        from placer.fleet.many import place_many

        return place_many(problem, limits, progress, start, keep)
    if one.best is not None and not has_room(limits.memory_bytes, encoding_bytes(problem)):
        return one.best
    vnodes = sum(domain.num_vnodes for domain in problem.domains)
    what = f"the model of {vnodes} vnodes on {len(problem.hosts)} hosts"
    refuse_beyond(limits.memory_bytes, encoding_bytes(problem), what)
    if one.start is not None:
        return _go_on(problem, limits, progress, one, started, keep)
    from placer.cpsat.search import search
    from placer.cpsat.timebox import TimeBox
    from placer.fleet.many import place_by_patterns

    if start is None or (start.unplaced and not problem.allow_partial):
        start = _standing_start(problem)
    known: dict[str, int] = {}
    before: list[Answer] = []
    if start is None and limits.work is not None:
        # Short questions are most often proven at once, by best fit or by the encoding.
        by_fit = place_by_patterns(problem, limits, improve=False)
        if by_fit is not None and by_fit.status == "optimal":
            return by_fit
    if start is None and len(problem.domains) >= _FEW:
        if limits.work is not None:
            few = replace(limits, work=_SOON_SHARE * limits.work)
            soon = search(problem, few, progress=progress, keep=keep)
            if soon.status == "optimal":
                return soon
            before.append(soon)
        by_patterns = place_by_patterns(problem, _share_for_patterns(limits), keep=keep)
        if by_patterns is not None and (by_patterns.status == "optimal" or by_patterns.interrupted):
            return by_patterns
        if by_patterns is not None:
            known = {level.name: level.bound for level in by_patterns.levels}
            before.append(by_patterns)
    box = TimeBox(limits, progress, started=started)
    answer = search(problem, limits, start=start, box=box, known=known, keep=keep)
    if answer.status == "infeasible" and any(domain.auto_vnodes for domain in problem.domains):
        return _split_unequally(problem, limits, answer, box)
    return _best_of(problem, [answer, *before])


def _best_of(problem: Problem, answers: list[Answer]) -> Answer:
    """The best answer, the first of equals; the first of all where it is proven, or none places."""
    last = answers[0]
    ranks = [
        (rank(level_values(problem, answer.placement)), number)
        for number, answer in enumerate(answers)
        if answer.placement is not None
    ]
    if last.status in ("optimal", "infeasible") or not ranks:
        return last
    best = answers[min(ranks)[1]]
    if best is not last:
        best.interrupted |= last.interrupted
    return best


def _go_on(
    problem: Problem,
    limits: Limits,
    progress: Progress | None,
    one: OneDomain,
    started: float,
    keep: Keep | None,
) -> Answer:
    """The encoding's answer for one domain of which a placement is known, in the time left."""
    from placer.cpsat.search import search
    from placer.cpsat.timebox import TimeBox

    work = None
    most = limits.most_work
    if most is not None and limits.workers == 1:
        # Equal runs have equally much left, though the clock never says the same.
        work = max(most - one.work, 0.0)
    box = TimeBox(limits, progress, work=work, started=started)
    if one.best is not None and box.is_over():
        return one.best
    return search(problem, limits, start=one.start, box=box, known=one.known, keep=keep)


def _share_for_patterns(limits: Limits) -> Limits:
    """How long the fleet engine may take before the encoding does; by the clock only if asked."""
    if limits.work is not None:
        return replace(limits, work=_PATTERN_SHARE * limits.work)
    if limits.time_limit is None:
        return replace(limits, work=_PATTERN_SECONDS)
    seconds = min(_PATTERN_SHARE * limits.time_limit, _PATTERN_SECONDS)
    return replace(limits, time_limit=seconds)


def is_large(problem: Problem) -> bool:
    """Return whether a problem has more vnodes than one encoding is proven for."""
    if len(problem.domains) < 2:
        return False
    return sum(domain.num_vnodes for domain in problem.domains) > MOST_VNODES


def _split_unequally(problem: Problem, limits: Limits, answer: Answer, box: TimeBox) -> Answer:
    """C4's last resort, where no equal split of vnodes can be placed, in the time left."""
    from placer.cpsat.search import search
    from placer.cpsat.sizing import find_unequal_sizes

    sizes, proven = find_unequal_sizes(problem, box)
    if sizes:
        answer = search(problem, limits, sizes=sizes, box=box)
    if not proven:
        answer.status = "unknown" if answer.placement is None else "feasible"
    return answer


def _standing_start(problem: Problem) -> Placement | None:
    """Return the placement in which nothing moves, where there is one that keeps the rules."""
    start = standing(problem) if problem.current else None
    if start is None or check_placement(problem, start):
        return None
    return start
