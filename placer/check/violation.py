"""What the checker reports."""

from __future__ import annotations

from dataclasses import dataclass

from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain

Triple = tuple[Domain, PlacedDomain, Host]
"""A placed domain between what was asked for it and where it lies."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken: ``rule`` by its label in models/README.md, ``text`` how.

    ``domain`` is a name, empty where the rule is about a host or a group.
    """

    rule: str
    domain: str
    text: str

    def __str__(self) -> str:
        return (
            f"{self.rule}: {self.domain}: {self.text}"
            if self.domain
            else (f"{self.rule}: {self.text}")
        )
