"""Placement policies: how ties of least cost are broken (MODEL level 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

TieBreak = Literal["none", "spread", "pack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A named tie-break among placements of least cost.

    ``name`` and ``description`` are for people; ``tie_break`` is ``none``, ``spread`` (the
    fullest pnode as empty as can be) or ``pack`` (as much memory as can be on pnodes that stay
    empty).

    Raises ValueError for another tie-break.
    """

    name: str
    tie_break: TieBreak
    description: str = ""

    def __post_init__(self) -> None:
        if self.tie_break not in get_args(TieBreak):
            choices = ", ".join(get_args(TieBreak))
            raise ValueError(f"tie_break is {self.tie_break!r}, expected one of {choices}")


DISTANCE: Final = Policy(name="distance", tie_break="none")
