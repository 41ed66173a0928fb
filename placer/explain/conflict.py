"""An irreducible set of requirements in conflict, found by asking again with fewer of them.

QuickXplain (Junker 2004) on requirements ordered by preference, then a pass that tries each
one that is left once more: some changes do not strictly widen what is allowed (dedicated
vcpus made shared under an overcommit below 1), and what is returned is to hold anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from placer.explain.asking import Asker
from placer.explain.draft import Draft
from placer.explain.requirement import Requirement
from placer.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Requirements that cannot be kept together.

    ``irreducible``: without any one of them, and without all that are not named, the problem
    can be placed. False where the budget did not last to see that.
    """

    requirements: tuple[Requirement, ...]
    irreducible: bool


def relax_all(problem: Problem, requirements: Sequence[Requirement]) -> Problem:
    """Return ``problem`` without any of ``requirements``."""
    draft = Draft(problem)
    for requirement in requirements:
        requirement.relax(draft)
    return draft.build()


def find_conflict(problem: Problem, units: Sequence[Requirement], asker: Asker) -> Conflict | None:
    """Return an irreducible conflict among ``units``, of an impossible ``problem``.

    Units that come first are kept rather than others. None where the problem stays
    impossible, or unknown, without all of them.
    """
    return _Search(problem, list(units), asker).run()


class _Search:
    def __init__(self, problem: Problem, units: list[Requirement], asker: Asker) -> None:
        self.problem = problem
        self.units = units
        self.asker = asker
        self.known: dict[frozenset[int], bool | None] = {frozenset(range(len(units))): False}
        self.sure = True

    def run(self) -> Conflict | None:
        if self._can_keep(set()) is not True:
            return None
        kept = self._drop_kinds()
        kept = self._narrow([], False, kept)
        kept = self._try_each(kept)
        return Conflict(
            requirements=tuple(self.units[n] for n in sorted(kept)), irreducible=self.sure
        )

    def _can_keep(self, kept: set[int]) -> bool | None:
        """Whether there is a placement that keeps these, and these alone."""
        key = frozenset(kept)
        if key not in self.known:
            gone = [unit for n, unit in enumerate(self.units) if n not in key]
            self.known[key] = self.asker.fits(relax_all(self.problem, gone))
        return self.known[key]

    def _clashes(self, kept: list[int]) -> bool:
        """Whether these clash for certain; what is not known counts as no clash."""
        answer = self._can_keep(set(kept))
        if answer is None:
            self.sure = False
        return answer is False

    def _drop_kinds(self) -> list[int]:
        """Leave out all requirements of one kind at once, the least preferred kinds first."""
        kept = list(range(len(self.units)))
        runs = [list(run) for _, run in groupby(kept, key=lambda n: self.units[n].kind)]
        for run in reversed(runs):
            fewer = [n for n in kept if n not in run]
            if len(fewer) < len(kept) and self._clashes(fewer):
                kept = fewer
        return kept

    def _narrow(self, given: list[int], added: bool, units: list[int]) -> list[int]:
        """Return the units that clash with ``given``, irreducible: QuickXplain."""
        if added and self._clashes(given):
            return []
        if len(units) <= 1:
            return units
        middle = len(units) // 2
        first, second = units[:middle], units[middle:]
        late = self._narrow(given + first, bool(first), second)
        early = self._narrow(given + late, bool(late), first)
        return early + late

    def _try_each(self, kept: list[int]) -> list[int]:
        """Leave out each one in turn until nothing more can go."""
        self.sure = True
        before = None
        while before != kept:
            before = list(kept)
            for n in reversed(before):
                fewer = [m for m in kept if m != n]
                if self._clashes(fewer):
                    kept = fewer
        return kept
