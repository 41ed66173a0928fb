"""What a solver says: a status, one level for each objective, a placement or None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from placer.placement import Placement

Status = Literal["optimal", "feasible", "infeasible", "unknown"]

Sense = Literal["min", "max"]

MOST: Final[dict[str, Sense]] = {"placed_priority": "max", "packed_pages": "max"}
"""The levels of which more is better."""

Certificate = Literal["", "capacity count", "matching", "cpsat"]
"""How a refusal is proven: by counting what there is, by vnodes that together have too few
pnodes (Hall 1935), by CP-SAT's search; empty where nothing is proven."""
MoveKind = Literal["live", "restart", "stop", "start", "repin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One lexicographic objective, after those before it in `Result.levels`.

    - ``name``: what is counted, as models/README.md orders it: ``placed_priority``,
      ``vcpus_off_home``, ``cost``, ``pages_moved`` and so on; only those that are asked for.
    - ``value``: what the placement has, ``bound``: proven, no placement that is as good on the
      levels before has a better value. Both are whole numbers in the level's own unit; of
      ``cost``, 640,000 are a SLIT unit of one vcpu.
    - ``status``: ``optimal`` where value and bound meet, else ``feasible``. ``sense``: which way
      is better.
    - ``seconds``: wall-clock, which stands in the run log alone and is not compared.
    """

    name: str
    value: int
    bound: int
    status: Literal["optimal", "feasible"]
    sense: Sense = "min"
    seconds: float = field(default=0.0, compare=False)

    @property
    def gap(self) -> float:
        """The relative gap ``|value - bound| / max(1, |value|)``; 0.0 where proven."""
        return abs(self.value - self.bound) / max(1, abs(self.value))


def rank(values: dict[str, int]) -> list[int]:
    """Return the values of levels, in order, so that the lesser list is the better answer."""
    return [-value if MOST.get(name) == "max" else value for name, value in values.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a domain is not placed: ``reason``, in words, of the domain named ``domain``.

    ``certificate`` says how that is proven, and is empty where it is not. ``binding`` names the
    requirements that stand against it ("memory of pnode 0"), ``short_by`` what is missing in
    the unit it names ("2.0 GiB on pnode 1"), ``nearest`` what would help, each found to help by
    solving again; each may be empty where nothing is known.
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

    ``domain`` is its name. ``kind`` is ``live``: migrated while it runs, holding both places at
    once. ``restart``: shut down, then started at its new place. ``stop`` and ``start``: shut
    down to make room, started at its new place when all that needed the room is done; a
    ``start`` alone is that of a new domain. ``repin``: its vcpus change pcpus, its memory
    stays.

    ``from_host`` is None for a start, ``to_host`` for a stop; ``from_homes`` and ``to_homes`` are
    the home pnodes of its vnodes there. ``pages``, of 4 KiB, are those that ``pages_moved``
    counts: over all steps they sum to that level.
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
    """Which solver gave the answer, so that it can be asked again.

    ``name`` (``cpsat`` or ``libxl``) and ``version``, and the ``seed`` and the number of
    ``workers`` that it was given.
    """

    name: str
    version: str
    seed: int
    workers: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """A placement's figures as the checker counts them.

    - ``placed``: the number of placed domains.
    - ``cost``: the integer cost of models/README.md, 640,000 for a SLIT unit of one vcpu.
    - ``mean_access_distance``: that of a vcpu, in SLIT units: 10.0 where all is local, 0.0 where
      nothing is placed.
    - ``violations``: the rules broken, in words ("C1 memory: ...").
    """

    placed: int
    cost: int
    mean_access_distance: float
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A rule of thumb's answer to the same question, scored by the checker.

    ``name`` is ``libxl`` or ``first-fit-decreasing``; the ``placement`` may break rules, which
    its ``score`` names.
    """

    name: str
    placement: Placement
    score: Score


@dataclass(frozen=True, kw_only=True)
class Result:
    """The whole answer. ``placement`` is None where there is none.

    ``status``: ``optimal``, all ``levels`` are proven; ``feasible``, some are not; ``infeasible``,
    proven that no placement exists; ``unknown``, none was found in time. ``solver`` says what
    answered. ``unplaced`` has a reason for each domain without a place, ``baselines`` are the
    answers of rules of thumb, and ``interrupted`` says that Ctrl-C ended the search.

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
