"""What every engine is given beside a problem, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version

from placer.placement import Placement
from placer.result import Level, SolverInfo, Status

Progress = Callable[[str], None]
"""Takes one line of text about how far a search is."""

Keep = Callable[[Callable[[], Placement]], bool]
"""Takes the best placement so far, as a call that makes it; it keeps the rules and may leave
domains out. Returns whether it took it: what it did not take is offered again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and with what an engine may search.

    ``time_limit`` is in seconds; with one worker it is counted in CP-SAT's
    deterministic time as well, so that equal runs stop at the same point. ``work`` limits
    that time alone, in its units of one to four seconds: then no clock has a say at all.
    ``memory_bytes`` is what the process may hold: a model that would take more is not begun
    (without a limit, one that would take more than the machine has available), and what comes
    to hold more ends with its best so far. Without ``in_order`` any of several
    equally good placements will do (O5).
    """

    seed: int = 0
    workers: int = 1
    time_limit: float | None = None
    work: float | None = None
    memory_bytes: int | None = None
    in_order: bool = True

    @property
    def most_work(self) -> float | None:
        """The deterministic time that there is: ``work``, else as much as the time limit."""
        return self.time_limit if self.work is None else self.work


@dataclass(kw_only=True)
class Answer:
    """What an engine found: ``placement`` is None unless the status has one."""

    status: Status
    levels: list[Level] = field(default_factory=list)
    placement: Placement | None = None
    interrupted: bool = False


def solver_info(limits: Limits) -> SolverInfo:
    """Return the name and version of the solver with what it was given; does not load it."""
    return SolverInfo(
        name="cpsat", version=version("ortools"), seed=limits.seed, workers=limits.workers
    )
