"""Deterministic time: how much of it solves may take, whatever the clock says."""

from __future__ import annotations

from threading import Lock


class Meter:
    """The deterministic time that solves may take together, in CP-SAT's units.

    ``most`` is None for as much as they need; what is spent here is spent of ``within`` too.
    """

    def __init__(self, most: float | None = None, within: Meter | None = None) -> None:
        self.most = most
        self.within = within
        self.spent = 0.0
        self._lock = Lock()

    @property
    def left(self) -> float | None:
        """How much is left; None where there is no limit."""
        own = None if self.most is None else max(0.0, self.most - self.spent)
        return least_of(own, None if self.within is None else self.within.left)

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.left == 0

    def share(self, part: float) -> Meter:
        """Return a meter of a part of what is left."""
        left = self.left
        return Meter(None if left is None else part * left, self)

    def charge(self, work: float) -> None:
        """Note what a solve has taken, or something beside it."""
        with self._lock:
            self.spent += work
        if self.within is not None:
            self.within.charge(work)


def least_of(one: float | None, other: float | None) -> float | None:
    """Return the lesser of two limits, of which None is no limit."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
