"""What a solver says: a status, one level for each objective, a placement or None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from placer.placement import Placement

Status = Literal["optimal", "feasible", "infeasible", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One lexicographic objective.

    ``bound`` is proven: no placement that is as good on the levels before has a
    better value. ``sense`` says which way is better. ``seconds`` is wall-clock
    and stands in the run log alone.
    """

    name: str
    value: int
    bound: int
    status: Literal["optimal", "feasible"]
    sense: Literal["min", "max"] = "min"
    seconds: float = field(default=0.0, compare=False)

    @property
    def gap(self) -> float:
        """The relative gap ``|value - bound| / max(1, |value|)``; 0.0 where proven."""
        return abs(self.value - self.bound) / max(1, abs(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a domain is not placed.

    ``binding`` names the requirements that stand against it ("memory of pnode 0"),
    ``short_by`` what is missing in the unit it names ("12 pages"), ``nearest``
    what would help; each may be empty where nothing is known.
    """

    domain: str
    reason: str
    binding: tuple[str, ...] = ()
    short_by: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverInfo:
    """Which solver gave the answer, so that it can be asked again."""

    name: str
    version: str
    seed: int
    workers: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """A placement's figures as the checker counts them.

    ``cost`` is the integer cost of MODEL.md, ``mean_access_distance`` cost over
    vcpus and 640,000, ``violations`` the rules broken ("C1 ...").
    """

    placed: int
    cost: int
    mean_access_distance: float
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """libxl's own answer to the same question, scored by the checker."""

    name: str
    placement: Placement
    score: Score


@dataclass(frozen=True, kw_only=True)
class Result:
    """The whole answer. ``placement`` is None where there is none."""

    status: Status
    solver: SolverInfo
    levels: tuple[Level, ...] = ()
    placement: Placement | None = None
    unplaced: tuple[Refusal, ...] = ()
    baseline: Baseline | None = None
    interrupted: bool = False
