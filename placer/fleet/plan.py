"""A plan of a fleet: which patterns each host carries, and what it has left."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from placer.arrays import Ints
from placer.cpsat.master import Column
from placer.fleet.patterns import Patterns, find_patterns, list_patterns
from placer.fleet.shapes import DomainClass, HostType, Shapes
from placer.placement import Placement
from placer.problem import Problem

Piece = tuple[int, int]
"""A class and the number of its pattern on the type of the host."""


@dataclass(frozen=True, eq=False)
class Fleet:
    """The classes of a problem with the patterns of each pair of them.

    ``listing_seconds`` is how long it took to list these.
    """

    shapes: Shapes
    patterns: dict[tuple[int, int], Patterns]
    num_hosts: int
    listing_seconds: float = 0.0

    @classmethod
    def of(cls, problem: Problem, shapes: Shapes) -> Fleet:
        """List the patterns of every class on every type that it may be on."""
        started = time.monotonic()
        patterns = {
            (shape.number, host_type.number): list_patterns(shape, host_type)
            for shape in shapes.classes
            for host_type in shapes.types
            if shape.may_run_on(host_type)
        }
        fits = {key: found for key, found in patterns.items() if found.count}
        return cls(shapes, fits, len(problem.hosts), time.monotonic() - started)

    @property
    def types(self) -> tuple[HostType, ...]:
        """The types of hosts."""
        return self.shapes.types

    @property
    def classes(self) -> tuple[DomainClass, ...]:
        """The classes of domains."""
        return self.shapes.classes

    @cached_property
    def counts(self) -> Ints:
        """How many domains each class has."""
        return np.array([shape.count for shape in self.classes], dtype=np.int64)

    @cached_property
    def priorities(self) -> Ints:
        """The priority of each class."""
        return np.array([shape.priority for shape in self.classes], dtype=np.int64)

    @cached_property
    def type_of(self) -> Ints:
        """The type of each host."""
        numbers = np.zeros(self.num_hosts, dtype=np.int64)
        for host_type in self.types:
            numbers[host_type.hosts] = host_type.number
        return numbers

    @cached_property
    def cost_grain(self) -> int:
        """A number that the cost of every plan is a multiple of, 1 at least."""
        if any(found.missing_cost is not None for found in self.patterns.values()):
            return 1
        grains = [int(np.gcd.reduce(found.cost)) for found in self.patterns.values()]
        return max(1, math.gcd(*grains))

    @cached_property
    def least_cost(self) -> Ints:
        """What a domain of each class costs at least, on its best host; 0 where it fits on none."""
        least = np.zeros(len(self.classes), dtype=np.int64)
        for shape in self.classes:
            found = [own for (c, _), own in self.patterns.items() if c == shape.number]
            costs = [int(own.cost[0]) for own in found]
            costs += [own.missing_cost for own in found if own.missing_cost is not None]
            least[shape.number] = min(costs, default=0)
        return least


class Plan:
    """The pieces on each host, ``left[t][m, r * P + p]`` for the m-th host of type t.

    What is left counts the overhead generously (``Patterns.tight``), so a plan is
    always a placement.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.pieces: list[list[Piece]] = [[] for _ in range(fleet.num_hosts)]
        self.left = [
            np.repeat(host_type.capacity.reshape(1, -1), host_type.count, axis=0)
            for host_type in fleet.types
        ]
        self.position = np.zeros(fleet.num_hosts, dtype=np.int64)
        for host_type in fleet.types:
            self.position[host_type.hosts] = np.arange(host_type.count)
        self.placed = np.zeros(len(fleet.classes), dtype=np.int64)
        self.cost = 0

    @classmethod
    def of(cls, fleet: Fleet, problem: Problem, placement: Placement) -> Plan:
        """Return a placement of ``problem`` as a plan.

        Domains are left out that lie as no pattern does, or where the plan, which counts the
        overhead generously, has no room for them.
        """
        plan = cls(fleet)
        homes: dict[tuple[int, int], list[tuple[int, Ints]]] = defaultdict(list)
        class_of = {n: shape.number for shape in fleet.classes for n in shape.domains}
        for placed in placement.domains:
            host = problem.host_index[placed.host]
            key = class_of[problem.domain_index[placed.domain]], int(fleet.type_of[host])
            homes[key].append((host, placed.home))
        for (shape, kind), found in homes.items():
            known = fleet.patterns.get((shape, kind))
            if known is None:
                continue
            rows = np.array([home for _, home in found])
            numbers = find_patterns(known, fleet.classes[shape], fleet.types[kind], rows)
            for (host, _), number in zip(found, numbers.tolist(), strict=True):
                if number >= 0 and (known.tight[number] <= plan.left_on(host)).all():
                    plan.add(host, (shape, number))
        return plan

    @property
    def missing(self) -> Ints:
        """How many domains of each class are left out."""
        return self.fleet.counts - self.placed

    @property
    def priority(self) -> int:
        """The sum of the priorities of the placed domains."""
        return int(self.placed @ self.fleet.priorities)

    @property
    def rank(self) -> tuple[int, int]:
        """What is to be least: first the priority left out, then the cost."""
        return int(self.missing @ self.fleet.priorities), self.cost

    def left_on(self, host: int) -> Ints:
        """What a host has left, shape (R * P,)."""
        left: Ints = self.left[self.fleet.type_of[host]][self.position[host]]
        return left

    def add(self, host: int, piece: Piece) -> None:
        """Put a piece on a host."""
        self._change(host, piece, 1)
        self.pieces[host].append(piece)

    def remove(self, host: int, piece: Piece) -> None:
        """Take a piece off a host."""
        self.pieces[host].remove(piece)
        self._change(host, piece, -1)

    def replace(self, host: int, pieces: Iterable[Piece]) -> None:
        """Put these pieces on a host in place of what it carries."""
        for piece in list(self.pieces[host]):
            self.remove(host, piece)
        for piece in pieces:
            self.add(host, piece)

    def cost_on(self, host: int) -> int:
        """The cost of what a host carries."""
        number = int(self.fleet.type_of[host])
        return sum(int(self.fleet.patterns[c, number].cost[k]) for c, k in self.pieces[host])

    def copy(self) -> Plan:
        """Return a plan of its own with the same pieces."""
        twin = Plan(self.fleet)
        twin.pieces = [list(pieces) for pieces in self.pieces]
        twin.left = [left.copy() for left in self.left]
        twin.placed = self.placed.copy()
        twin.cost = self.cost
        return twin

    def _change(self, host: int, piece: Piece, sign: int) -> None:
        number = int(self.fleet.type_of[host])
        shape, pattern = piece
        found = self.fleet.patterns[shape, number]
        self.left[number][self.position[host]] -= sign * found.tight[pattern]
        self.placed[shape] += sign
        self.cost += sign * int(found.cost[pattern])


def column_of(fleet: Fleet, host_type: int, pieces: list[tuple[int, int]]) -> Column:
    """Return the column that carries these pieces on a host of the type."""
    amounts: Ints = np.bincount([c for c, _ in pieces], minlength=len(fleet.classes))
    shapes = np.flatnonzero(amounts)
    return Column(
        host_type=host_type,
        pieces=tuple(sorted(pieces)),
        shapes=shapes,
        amounts=amounts[shapes],
        cost=sum(int(fleet.patterns[c, host_type].cost[k]) for c, k in pieces),
    )
