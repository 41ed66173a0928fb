"""What a valid run says of its answer, broken in named ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from placer.cost import level_values
from placer.result import Level, Refusal, Result
from placer.run import Run

Broken = Iterator[tuple[str, str, Run]]


def break_answer(run: Run) -> Broken:
    """Yield every named way to break what a valid run says beside its placement."""
    result = run.result
    if result.placement is None:
        yield "call no answer optimal", "without a placement", _with(run, status="optimal")
        return
    yield "call an answer impossible", "with a placement", _with(run, status="infeasible")
    if result.status == "optimal":
        feasible = _with(run, status="feasible")
        yield "say another status than the files", "placement.json: status", feasible
    known = level_values(run.problem, result.placement)
    for number, level in enumerate(result.levels):
        if level.name in known:
            yield from _break_level(run, number, level)
    if result.unplaced:
        forgotten = _with(run, unplaced=result.unplaced[1:])
        yield "forget to list what is left out", "neither placed nor listed as unplaced", forgotten
    if run.placed:
        listed = Refusal(domain=run.placed[0].domain, reason="")
        both = _with(run, unplaced=(*result.unplaced, listed))
        yield "list what is placed as unplaced", "placed, and listed as unplaced", both
    if result.baselines:
        first = result.baselines[0]
        score = replace(first.score, cost=first.score.cost + 1)
        other = (replace(first, score=score), *result.baselines[1:])
        yield (
            "say another score of a rule of thumb",
            "placement.json: ",
            _with(run, baselines=other),
        )


def _with(run: Run, **fields: object) -> Run:
    result: Result = replace(run.result, **fields)
    return replace(run, result=result)


def _break_level(run: Run, number: int, level: Level) -> Broken:
    def with_level(**fields: object) -> Run:
        levels = list(run.result.levels)
        levels[number] = replace(level, **fields)
        return _with(run, levels=tuple(levels))

    better = -1 if level.sense == "min" else 1
    if run.problem.cost_slack == 0:
        said = with_level(value=level.value + better, bound=level.bound + better)
        yield "say a better value of a level", "recomputed", said
        yield (
            "say a bound that the value betters",
            "recomputed value",
            with_level(bound=level.value - better, status="feasible"),
        )
    if level.status == "optimal":
        gap = with_level(bound=level.bound + 2 * better)
        yield "call a level that has a gap optimal", "optimal, but value", gap
