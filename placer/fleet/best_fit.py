"""Construction: every domain on the host where it costs least, the fullest of equals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.fleet.patterns import Patterns
from placer.fleet.plan import Fleet, Plan
from placer.fleet.shapes import NUM_RESOURCES, PAGES, VCPUS, DomainClass
from placer.quadratic.core import Mask

_FIRST_CHUNK = 16
"""Patterns are tried so many at a time, then ever more: mostly a cheap one fits."""

_NONE = np.iinfo(np.int64).max


def fill_best(
    plan: Plan,
    *,
    prices: list[npt.NDArray[np.float64]] | None = None,
    order: list[int] | None = None,
    only: list[int] | None = None,
) -> None:
    """Add what the plan leaves out, as far as it fits, class by class.

    ``order`` are the classes in their order, by default the widest first. ``prices[t]``
    says by resource and pnode what a unit is worth on hosts of type t; then the
    pattern of least cost with prices is taken. ``only`` names the hosts to be used.
    """
    fleet = plan.fleet
    for number in widest_first(fleet) if order is None else order:
        if plan.missing[number]:
            _place_class(plan, fleet.classes[number], prices, only)


def widest_first(fleet: Fleet) -> list[int]:
    """Return the classes in the order of best fit: the most vnodes, then the largest."""
    whole = _whole(fleet)

    def size(shape: DomainClass) -> tuple[float, ...]:
        shares = (shape.demand / whole[:, None])[[PAGES, VCPUS]].tolist()
        largest = max(max(row) for row in shares)
        return (-shape.priority, -largest, -max(sum(row) for row in shares))

    return [shape.number for shape in sorted(fleet.classes, key=size)]


def densest_first(fleet: Fleet) -> list[int]:
    """Return the classes by priority for the share of all hosts that they take.

    This places more than the widest first where not all can be placed.
    """
    whole = _whole(fleet)

    def share(shape: DomainClass) -> float:
        return float((shape.demand.sum(axis=1) / whole).max()) / shape.priority

    return [shape.number for shape in sorted(fleet.classes, key=share)]


def _whole(fleet: Fleet) -> npt.NDArray[np.float64]:
    """What all hosts have of each resource, 1 at least."""
    whole = np.ones(NUM_RESOURCES, dtype=np.float64)
    for host_type in fleet.types:
        whole += host_type.capacity.sum(axis=1) * host_type.count
    return whole


def first_fitting(patterns: Patterns, left: Ints, by: Ints | None = None) -> Ints:
    """Return for each row of ``left`` the first pattern that fits, in the order ``by``; else -1."""
    found = np.full(len(left), -1, dtype=np.int64)
    open_rows = np.arange(len(left))
    tight = patterns.tight if by is None else patterns.tight[by]
    start, width = 0, _FIRST_CHUNK
    while start < len(tight) and len(open_rows):
        chunk = tight[start : start + width]
        fits: Mask = np.all(chunk[None, :, :] <= left[open_rows][:, None, :], axis=2)
        hit: Mask = np.any(fits, axis=1)
        found[open_rows[hit]] = start + fits[hit].argmax(axis=1)
        open_rows = open_rows[~hit]
        start += width
        width = min(4 * width, max(_FIRST_CHUNK, 4_000_000 // (left.shape[1] * max(1, len(left)))))
    if by is not None:
        found[found >= 0] = by[found[found >= 0]]
    return found


def _place_class(
    plan: Plan,
    shape: DomainClass,
    prices: list[npt.NDArray[np.float64]] | None,
    only: list[int] | None,
) -> None:
    fleet = plan.fleet
    hosts: list[int] = []
    best: list[Ints] = []
    value: list[npt.NDArray[np.float64]] = []
    orders: dict[int, Ints | None] = {}
    worth: dict[int, npt.NDArray[np.float64]] = {}
    for host_type in fleet.types:
        patterns = fleet.patterns.get((shape.number, host_type.number))
        if patterns is None:
            continue
        members = np.array(host_type.hosts, dtype=np.int64)
        if only is not None:
            members = members[np.isin(members, only)]
        if not len(members):
            continue
        cost = patterns.cost.astype(np.float64)
        if prices is not None:
            cost = cost + patterns.use @ prices[host_type.number]
        worth[host_type.number] = cost
        by = None if prices is None else np.argsort(cost, kind="stable")
        orders[host_type.number] = by
        found = first_fitting(patterns, plan.left[host_type.number][plan.position[members]], by)
        hosts.extend(members.tolist())
        best.append(found)
        value.append(np.where(found >= 0, cost[found], np.inf))
    if not hosts:
        return
    chosen = np.concatenate(best)
    price = np.concatenate(value)
    number = np.array(hosts)
    room = np.array([_room(plan, host) for host in hosts])
    for _ in range(int(plan.missing[shape.number])):
        at = int(np.lexsort((number, room, price))[0]) if len(price) < 64 else _least(price, room)
        if not np.isfinite(price[at]):
            return
        host = hosts[at]
        plan.add(host, (shape.number, int(chosen[at])))
        kind = int(fleet.type_of[host])
        patterns = fleet.patterns[shape.number, kind]
        pattern = int(first_fitting(patterns, plan.left_on(host)[None], orders[kind])[0])
        chosen[at] = pattern
        price[at] = worth[kind][pattern] if pattern >= 0 else np.inf
        room[at] = _room(plan, host)


def _least(price: npt.NDArray[np.float64], room: npt.NDArray[np.float64]) -> int:
    """The position of the least price, of equals the one with the least room."""
    equal = np.flatnonzero(price == price.min())
    return int(equal[room[equal].argmin()])


def _room(plan: Plan, host: int) -> float:
    """How much a host has left, as a share of what it had: pages and vcpus together."""
    host_type = plan.fleet.types[plan.fleet.type_of[host]]
    left = plan.left_on(host).reshape(host_type.capacity.shape)
    room = 0.0
    for resource in (PAGES, VCPUS):
        whole = int(host_type.capacity[resource].sum())
        room += float(left[resource].sum()) / whole if whole else 0.0
    return room
