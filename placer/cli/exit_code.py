"""The exit codes (docs/commands.md)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placer.result import Result, Score


class ExitCode(IntEnum):
    """What the program ends with."""

    PLACED = 0
    UNEXPECTED = 1
    INVALID = 2
    IMPOSSIBLE = 3
    NO_ANSWER = 4
    GATE_MISSED = 5
    INTERRUPTED = 130


def exit_code_of(result: Result, score: Score | None) -> ExitCode:
    """Return the exit code of an answer; ``score`` is the checker's of its placement.

    A placement that leaves domains out, or breaks a rule as libxl's own may, misses the
    gate.
    """
    if result.interrupted:
        return ExitCode.INTERRUPTED
    if result.placement is None:
        impossible = result.status == "infeasible"
        return ExitCode.IMPOSSIBLE if impossible else ExitCode.NO_ANSWER
    broken = score is not None and bool(score.violations)
    if result.placement.unplaced or result.unplaced or broken:
        return ExitCode.GATE_MISSED
    return ExitCode.PLACED
