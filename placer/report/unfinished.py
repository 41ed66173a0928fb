"""What a solve has placed so far, beside the folder that its run is to be: lost by no kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from placer.aside import cut_name
from placer.check import Violation, check_placement
from placer.cost import level_values
from placer.errors import Fault, InputError
from placer.moves import order_moves
from placer.placement import Placement
from placer.problem import Problem
from placer.record import (
    format_json,
    parse_json,
    record_placement,
    record_problem,
    restore_placement,
)
from placer.result import rank
from placer.text_file import read_text
from placer.whole_file import whole_file

EVERY_SECONDS: Final = 5.0
"""How long after one state the next is written at the soonest."""

_SHARE: Final = 0.02
"""Of the time, how much may go into writing states."""

_KIND: Final = "placer unfinished run"

_END: Final = ".unfinished.json"
_LONGEST: Final = 255 - len(_END)
"""Bytes of a run's name that stand in that of its state; file systems take 255 in all."""


class Unfinished:
    """The state of a solve whose run will be ``folder``, in a file beside it.

    It is of one question: that of `problem`. A state of another one is not gone on from.
    """

    def __init__(
        self,
        folder: Path,
        problem: Problem,
        *,
        every_seconds: float = EVERY_SECONDS,
        warn: Callable[[Fault], None] | None = None,
    ) -> None:
        self.path = folder.with_name(cut_name(folder.name, _LONGEST) + _END)
        self.problem = problem
        self.has_failed = False
        self._loose = replace(problem, allow_partial=True)
        self._every = every_seconds
        self._next = time.monotonic() + every_seconds
        self._key = ""
        self._best: list[int] | None = None
        self._warn = warn

    def read(self) -> tuple[Placement | None, Fault | None]:
        """Return the placement that an earlier solve left, None where there is none to go on from.

        The second value is a warning that says why, where there is a file all the same. Raises
        InputError where the file is none of ours: it would be overwritten.
        """
        if not self.path.exists():
            return None, None
        table = self._table()
        if table.get("question") != self._question():
            return None, self._fault("placed", "the state of another question", "")
        found = restore_placement(table.get("placement"), str(self.path))
        violations = self._violations(found)
        if violations:
            return None, self._fault("placed", str(violations[0]), "a state that keeps the rules")
        self._best = self._rank(found)
        return found, None

    def keep(self, placement: Callable[[], Placement]) -> bool:
        """Write what there is now; return False, with nothing done, where that is too soon.

        What is worse than the state that is there does not take its place, and what breaks a
        rule neither. Where a state
        cannot be written, ``warn`` is told, once, and it is tried again.
        """
        started = time.monotonic()
        if started < self._next:
            return False
        found = placement()
        found_rank = self._rank(found)
        is_better = self._best is None or found_rank < self._best
        if is_better and self._violations(found):
            is_better = False  # rules between domains, which the step that found it leaves away
        if is_better and self._write(found):
            self._best = found_rank
        now = time.monotonic()
        self._next = now + max(self._every, (now - started) / _SHARE)
        return not is_better or self._best == found_rank

    def _violations(self, found: Placement) -> tuple[Violation, ...]:
        violations = check_placement(self._loose, found)
        if not violations and self.problem.current:
            moves = order_moves(self.problem, found)[0]
            violations = check_placement(self._loose, found, moves=moves)
        return violations

    def _rank(self, placement: Placement) -> list[int]:
        return rank(level_values(self._loose, placement))

    def _write(self, placement: Placement) -> bool:
        table = {
            "kind": _KIND,
            "question": self._question(),
            "placement": record_placement(placement),
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path) as begun:
                begun.write_text(format_json(table), encoding="utf-8", newline="\n")
        except OSError as error:
            if self._warn is not None and not self.has_failed:
                found = (error.strerror or str(error)).lower()
                expected = "a file for what is placed so far: a kill would lose it"
                self._warn(self._fault("--out", found, expected))
            self.has_failed = True
            return False
        return True

    def remove(self) -> Fault | None:
        """Let the state go, the run being there; return a warning where that cannot be done."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            found = (error.strerror or str(error)).lower()
            return self._fault("--out", found, "to remove it: it is of no more use")
        return None

    def _table(self) -> dict[str, Any]:
        table = parse_json(read_text(self.path), str(self.path))
        if not isinstance(table, dict) or table.get("kind") != _KIND:
            expected = "the state of an unfinished run, or no such file"
            raise InputError(self._fault("kind", "something else", expected))
        return table

    def _question(self) -> str:
        """What names the question: a hash of its record."""
        if not self._key:
            self._key = sha256(format_json(record_problem(self.problem)).encode()).hexdigest()
        return self._key

    def _fault(self, field: str, found: str, expected: str) -> Fault:
        return Fault(source=str(self.path), field=field, found=found, expected=expected)
