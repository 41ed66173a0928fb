"""The quadratic core as plain arrays (MODEL "The quadratic core")."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints, read_only

Mask = npt.NDArray[np.bool_]

_ABSENT = np.zeros((0, 0), dtype=np.bool_)
"""Stands for a mask that was not given."""


@dataclass(frozen=True, eq=False, kw_only=True)
class QuadraticCore:
    """A generalized quadratic assignment problem of V facilities on P locations.

    In the words of the project: vnodes on pnodes. With ``x[i]`` the location of i,

        cost(x) = sum_i linear[i, x[i]] + sum_ij flow[i, j] * distance[x[i], x[j]]

    over all ordered pairs, the diagonal included. All arrays are read-only.

    - ``linear[i, p]``, ``flow[i, j]``, ``distance[p, q]``: int64, 0 or more.
    - ``demand[r, i]``, ``capacity[r, p]``: what i takes of resource r (memory, vcpus),
      and what p has of it.
    - ``allowed[i, p]``: where i may be. ``distinct``: no two share a location.
    - ``unreachable[p, q]``: i on p and j on q exclude each other where ``needs[i, j]``.

    Raises ValueError where shapes differ or a figure is negative.
    """

    linear: Ints
    flow: Ints
    distance: Ints
    demand: Ints
    capacity: Ints
    allowed: Mask = field(default_factory=lambda: _ABSENT)
    distinct: bool = False
    unreachable: Mask = field(default_factory=lambda: _ABSENT)
    needs: Mask = field(default_factory=lambda: _ABSENT)
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name in ("linear", "flow", "distance", "demand", "capacity"):
            object.__setattr__(self, name, read_only(getattr(self, name), ndim=2))
        num_facilities, num_locations = self.linear.shape
        default = {
            "allowed": np.ones((num_facilities, num_locations), dtype=np.bool_),
            "unreachable": np.zeros((num_locations, num_locations), dtype=np.bool_),
            "needs": self.flow > 0,
        }
        for name, absent in default.items():
            value = getattr(self, name)
            mask = np.array(absent if value is _ABSENT else value, dtype=np.bool_)
            mask.setflags(write=False)
            object.__setattr__(self, name, mask)
        expected = {
            "flow": (num_facilities, num_facilities),
            "distance": (num_locations, num_locations),
            "demand": (len(self.demand), num_facilities),
            "capacity": (len(self.demand), num_locations),
            "allowed": (num_facilities, num_locations),
            "unreachable": (num_locations, num_locations),
            "needs": (num_facilities, num_facilities),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} is {getattr(self, name).shape}, expected {shape}")
        for name in ("linear", "flow", "distance", "demand", "capacity"):
            if (getattr(self, name) < 0).any():
                raise ValueError(f"{name} is negative somewhere, expected 0 or more")

    @property
    def num_facilities(self) -> int:
        """V, how many are to be placed."""
        return len(self.linear)

    @property
    def num_locations(self) -> int:
        """P, how many places there are."""
        return len(self.distance)

    def cost(self, locations: npt.ArrayLike) -> int:
        """Return the cost of an assignment, ``locations[i]`` for each i."""
        at = np.asarray(locations, dtype=np.int64)
        linear = self.linear[np.arange(len(at)), at].sum()
        return int(linear) + int((self.flow * self.distance[np.ix_(at, at)]).sum())

    def is_feasible(self, locations: npt.ArrayLike) -> bool:
        """Return whether an assignment keeps every rule of the core."""
        at = np.asarray(locations, dtype=np.int64)
        if not self.allowed[np.arange(len(at)), at].all():
            return False
        for demand, capacity in zip(self.demand, self.capacity, strict=True):
            if (np.bincount(at, weights=demand, minlength=self.num_locations) > capacity).any():
                return False
        if self.distinct and len(set(at.tolist())) < len(at):
            return False
        return not (self.needs & self.unreachable[np.ix_(at, at)]).any()
