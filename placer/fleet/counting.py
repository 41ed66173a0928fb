"""Bounds by counting: what all hosts together can hold, and what that costs at least."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from placer.fleet.plan import Fleet
from placer.fleet.shapes import NUM_RESOURCES, PAGES, VCPUS, DomainClass, Shapes


def most_priority(shapes: Shapes) -> int:
    """Return a priority that no choice of domains that fit together can exceed.

    Each resource of all hosts is one knapsack, of which domains may lie in parts: the
    densest go first (Dantzig 1957). Vcpus that may run off home count as the others do,
    for wherever they run they take a slot (C2).
    """
    return min(_most(shapes, resource) for resource in range(NUM_RESOURCES))


def cost_of_cheapest(fleet: Fleet, priority: int) -> int:
    """Return what domains of so much priority cost at least, each on its best host alone.

    The cheapest for their priority go first, the last one in part.
    """
    each = zip(fleet.least_cost.tolist(), fleet.classes, strict=True)
    return cheapest(((least, shape.priority, shape.count) for least, shape in each), priority)


def cheapest(items: Iterable[tuple[int, int, int]], priority: int) -> int:
    """Return what so much priority costs at least, the last of it in part.

    ``items`` are the least cost, the priority and the number of domains that are alike.
    """
    cost, left = Fraction(0), priority
    for least, each, count in sorted(items, key=lambda item: Fraction(item[0], item[1])):
        taken = min(left, count * each)
        cost += Fraction(taken * least, each)
        left -= taken
    return math.ceil(cost)


def _most(shapes: Shapes, resource: int) -> int:
    room = Fraction(0)
    for host_type in shapes.types:
        scale = host_type.under if resource == VCPUS else 1
        room += Fraction(int(host_type.capacity[resource].sum()) * host_type.count, scale)
    overcommits = [Fraction(kind.over, kind.under) for kind in shapes.types]
    items = [(_amount(shape, resource, overcommits), shape) for shape in shapes.classes]
    priority = Fraction(0)
    for amount, shape in sorted(items, key=lambda item: item[0] / item[1].priority):
        times = Fraction(shape.count) if not amount else min(room / amount, Fraction(shape.count))
        priority += times * shape.priority
        room -= times * amount
    return int(priority)


def _amount(shape: DomainClass, resource: int, overcommits: Sequence[Fraction]) -> Fraction:
    """What a domain takes of a resource wherever it lies, at least."""
    amount = Fraction(int(shape.demand[resource].sum()))
    if resource == PAGES:
        return amount + shape.overhead_pages
    if resource == VCPUS and shape.dedicated:
        return amount * min(overcommits)
    return amount
