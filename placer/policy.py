"""Placement policies: how ties of least cost are broken (MODEL level 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

TieBreak = Literal["none", "spread", "pack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A named tie-break among placements of least cost."""

    name: str
    tie_break: TieBreak
    description: str = ""


DISTANCE: Final = Policy(name="distance", tie_break="none")
