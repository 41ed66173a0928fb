"""What a solver says: a status, one level for each objective, a placement or None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from placer.placement import Placement

Status = Literal["optimal", "feasible", "infeasible", "unknown"]

Certificate = Literal["", "capacity count", "matching", "cpsat"]
"""How a refusal is proven: by counting what there is, by vnodes that together have too few
pnodes (Hall 1935), by CP-SAT's search; empty where nothing is proven."""
MoveKind = Literal["live", "restart", "stop", "start", "repin"]


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

    ``certificate`` says how that is proven. ``binding`` names the requirements that stand
    against it ("memory of pnode 0"), ``short_by`` what is missing in the unit it names
    ("2.0 GiB on pnode 1"), ``nearest`` what would help, each found to help by solving
    again; each may be empty where nothing is known.
    """

    domain: str
    reason: str
    certificate: Certificate = ""
    binding: tuple[str, ...] = ()
    short_by: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step from where domains run now to where they are to be, in the order of ``step``.

    ``live``: migrated while it runs, holding both places at once. ``restart``: shut down,
    then started at its new place. ``stop`` and ``start``: shut down to make room, started
    at its new place when all that needed the room is done; a ``start`` alone is that of a
    new domain. ``repin``: its vcpus change pcpus, its memory stays.

    ``from_host`` is None for a start, ``to_host`` for a stop; the homes are those of its
    vnodes there. ``pages`` are those that ``pages_moved`` counts: over all steps they sum
    to that level.
    """

    step: int
    domain: str
    kind: MoveKind
    from_host: str | None
    to_host: str | None
    from_homes: tuple[int, ...] = ()
    to_homes: tuple[int, ...] = ()
    pages: int = 0


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
    """A rule of thumb's answer to the same question, scored by the checker."""

    name: str
    placement: Placement
    score: Score


@dataclass(frozen=True, kw_only=True)
class Result:
    """The whole answer. ``placement`` is None where there is none.

    ``moves`` lead there from what runs now, and never over-commit a pnode on the way; they
    are empty where nothing runs that may be moved. Where some of them are stops, no order
    exists without; ``fewest_stops`` is False where fewer stops may do, as far as is known.

    ``creation_order`` names the domains of those hosts on which they have to be created in
    that order, and not in the placement's, for their memory to be as planned.
    """

    status: Status
    solver: SolverInfo
    levels: tuple[Level, ...] = ()
    placement: Placement | None = None
    unplaced: tuple[Refusal, ...] = ()
    moves: tuple[Move, ...] = ()
    fewest_stops: bool = True
    creation_order: tuple[str, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    interrupted: bool = False

    @property
    def baseline(self) -> Baseline | None:
        """Libxl's own answer, where there is one."""
        return next((one for one in self.baselines if one.name == "libxl"), None)
