"""Vnodes with pnodes of their own: a largest matching, or the vnodes that share too few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints
from placer.quadratic.core import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """The answer of ``match``.

    ``partner[i]`` is the location of facility i, -1 where it has none. ``crowded`` are
    facilities that have only ``places`` between them, fewer than they are: the proof
    (Hall 1935) that not all can be matched; both are empty where all are.
    """

    partner: Ints
    crowded: tuple[int, ...] = ()
    places: tuple[int, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every facility has a location of its own."""
        return not self.crowded


def match(fits: Mask) -> Matching:
    """Return a matching of all facilities, or the first crowd that prevents it.

    ``fits[i, p]`` says whether facility i may have location p. Augmenting paths: a search that
    fails has seen exactly a set of facilities and all the locations that they fit.
    """
    options = [np.flatnonzero(row).tolist() for row in fits]
    owner = [-1] * fits.shape[1]
    for facility in range(len(options)):
        reached_from: dict[int, int] = {}
        seen, queue = [facility], [facility]
        end = -1
        while queue and end < 0:
            here = queue.pop(0)
            for place in options[here]:
                if place in reached_from:
                    continue
                reached_from[place] = here
                if owner[place] < 0:
                    end = place
                    break
                seen.append(owner[place])
                queue.append(owner[place])
        if end < 0:
            return Matching(
                partner=_partners(owner, len(options)),
                crowded=tuple(sorted(seen)),
                places=tuple(sorted(reached_from)),
            )
        _augment(owner, reached_from, end, facility)
    return Matching(partner=_partners(owner, len(options)))


def _augment(owner: list[int], reached_from: dict[int, int], end: int, start: int) -> None:
    """Give each facility on the path to ``end`` the place through which the next was reached."""
    place = end
    while True:
        facility = reached_from[place]
        before = -1 if facility == start else owner.index(facility)
        owner[place] = facility
        if before < 0:
            return
        place = before


def _partners(owner: list[int], num_facilities: int) -> Ints:
    partner = np.full(num_facilities, -1, dtype=np.int64)
    for place, facility in enumerate(owner):
        if facility >= 0:
            partner[facility] = place
    return partner
