"""Published instances of the generalized quadratic assignment problem.

The format of Cordeau, Gaudioso, Laporte and Moccia, "A memetic heuristic for the generalized
quadratic assignment problem", INFORMS Journal on Computing 18 (2006): n, m and a factor, the
best known value, then flows (n x n), distances (m x m), assignment costs (n x m), demands (n)
and capacities (m), separated by white space.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.errors import Fault, InputError
from placer.text_file import read_text

_MOST = 10_000
"""More facilities or locations are a slip."""

_LARGEST = 1 << 40
_WORD: Final = re.compile(r"\S++")


@dataclass(frozen=True, eq=False, kw_only=True)
class GqapInstance:
    """One instance as the arrays of a quadratic core, and the best value that is known.

    ``linear[i, p]``, ``flow[i, j]`` times the factor of the file, ``distance[p, q]``,
    ``demand[0, i]`` and ``capacity[0, p]``.
    """

    name: str
    linear: Ints
    flow: Ints
    distance: Ints
    demand: Ints
    capacity: Ints
    best_known: int


def read_gqap(path: str | os.PathLike[str]) -> GqapInstance:
    """Return the instance that a file holds; InputError names the line of what is wrong."""
    words = _Words(str(path), read_text(path))
    num, places, factor = (
        words.take("facilities", 1, _MOST),
        words.take("locations", 1, _MOST),
        words.take("factor", 0, _LARGEST),
    )
    best_known = words.take("best known value", 0, 1 << 62)
    flow = words.matrix("flow", num, num)
    distance = words.matrix("distance", places, places)
    linear = words.matrix("assignment cost", num, places)
    demand = words.matrix("demand", 1, num)
    capacity = words.matrix("capacity", 1, places)
    words.end()
    return GqapInstance(
        name=Path(path).stem,
        linear=linear,
        flow=factor * flow,
        distance=distance,
        demand=demand,
        capacity=capacity,
        best_known=best_known,
    )


class _Words:
    """The numbers of a file one after another, each with its line."""

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.line = 1
        self.words = self._split(text)

    def _split(self, text: str) -> Iterator[str]:
        for number, line in enumerate(text.splitlines(), start=1):
            for word in _WORD.finditer(line):
                self.line = number
                yield word[0]

    def take(self, field: str, least: int, most: int) -> int:
        """Return the next number, whole and between the two."""
        word = next(self.words, None)
        if word is None:
            raise self._fault(field, "the end of the file", "a whole number")
        if not word.isascii() or not word.isdigit() or len(word) > 19:
            raise self._fault(field, repr(word[:40]), "a whole number")
        if not least <= int(word) <= most:
            raise self._fault(field, word, f"{least} to {most}")
        return int(word)

    def matrix(self, field: str, rows: int, columns: int) -> Ints:
        """Return the next numbers as a matrix."""
        values = (self.take(field, 0, _LARGEST) for _ in range(rows * columns))
        return np.fromiter(values, dtype=np.int64).reshape(rows, columns)

    def end(self) -> None:
        """Nothing may follow."""
        word = next(self.words, None)
        if word is not None:
            raise self._fault("end", repr(word[:40]), "nothing after the capacities")

    def _fault(self, field: str, found: str, expected: str) -> InputError:
        return InputError(
            Fault(source=self.source, line=self.line, field=field, found=found, expected=expected)
        )
