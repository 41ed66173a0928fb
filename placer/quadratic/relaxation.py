"""What a partial assignment costs at least, and what a whole one costs exactly.

Two bounds on the accesses of a facility that is not placed yet, of which the larger counts:
each other facility as near as it may be by itself; and all others together filling
the locations nearest first, fractionally (Gilmore 1962, Lawler 1963).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.quadratic.partial import Batch, Tables
from placer.quadratic.transport import transport

Floats = npt.NDArray[np.float64]

_ROUNDING: Final = 1e-12
"""Relative error allowed for in sums of doubles; a bound is lowered by it."""


def set_bounds(tables: Tables, batch: Batch, limit: int | None) -> Batch:
    """Return the assignments of ``batch`` that may be completed at a cost of ``limit`` or less.

    Their bounds are set; with every facility placed the bound is the cost. Where ``limit``
    is None all that may be completed at all are kept.
    """
    depth = batch.depth
    most = tables.cannot - 1 if limit is None else min(limit, tables.cannot - 1)
    batch = batch.select(_has_room(tables, batch))
    if depth == tables.num_facilities:
        batch.bound = batch.fixed + _settle(tables, batch)
        return batch.select(batch.bound <= most)
    own = _own_cost(tables, batch)
    rows = own + _alone_rows(tables, batch)
    spare = _spare_bound(tables, batch, own)
    spare += _leaving_bound(tables, batch)
    batch.bound = np.maximum(batch.bound, _sum_up(tables, batch, rows) + spare)
    keep = batch.bound <= most
    batch = batch.select(keep)
    if limit is not None and len(batch) and tables.can_rank and depth + 2 <= tables.num_facilities:
        own = own[keep]
        rows = np.maximum(rows[keep], own + _filled_rows(tables, batch))
        batch.bound = np.maximum(batch.bound, _sum_up(tables, batch, rows) + spare[keep])
        batch = batch.select(batch.bound <= most)
    return batch


def whole(tables: Tables, locations: Ints) -> Batch:
    """Return the batch of one whole assignment, ``locations[k]`` for the k-th facility placed.

    Its bound is its cost, units dealt; where they may leave home, the least it may be. Rules
    of who may be where are taken to be kept.
    """
    core, at = tables.core, np.asarray(locations, dtype=np.int64)
    rows = np.arange(len(at))
    places = tables.num_locations
    load = np.stack([np.bincount(at, weights=need, minlength=places) for need in tables.demand])
    load = load.astype(np.int64)
    fixed = int(tables.alone[rows, at].sum())
    fixed += int((tables.row_flow * tables.distance[np.ix_(at, at)]).sum())
    terms = tables.terms
    unit = np.zeros((0, places), dtype=np.int64)
    if terms is not None:
        fixed += terms.price * int(np.maximum(load[terms.resource] - terms.room, 0).sum())
        if terms.num_spare or terms.spill:
            unit = tables.unit_linear + tables.unit_flow @ tables.distance[:, at].T
    batch = Batch(
        at=at[None],
        fixed=np.array([fixed]),
        free=(core.capacity - load)[None],
        touched=np.isin(np.arange(places), at)[None],
        known=np.zeros((1, 0, places), dtype=np.int64),
        unit=unit[None],
        bound=np.zeros(1, dtype=np.int64),
    )
    batch.bound = batch.fixed + _settle(tables, batch)
    return batch


def exact_cost(tables: Tables, batch: Batch, row: int) -> int:
    """Return the cost of one whole assignment; ``cannot`` where its units find no room."""
    terms = tables.terms
    if terms is None or not terms.spill:
        return int(batch.bound[row])
    units = seat_units(tables, batch, row)
    if units is None:
        return tables.cannot
    at, load = batch.at[row], tables.demand[terms.resource]
    away = units.copy()
    away[np.arange(len(at)), at] = 0
    cost = int((units * batch.unit[row]).sum()) + terms.price * int(away.sum())
    # what is fixed counts the units of the core's demand at home, and its surcharge
    at_home = int((load * batch.unit[row][np.arange(len(at)), at]).sum())
    beyond = np.bincount(at, weights=load, minlength=tables.num_locations) - terms.room
    surcharge = terms.price * int(np.maximum(beyond, 0).sum())
    return int(batch.fixed[row]) - at_home - surcharge + cost


def seat_units(tables: Tables, batch: Batch, row: int) -> Ints | None:
    """Return how many units of each facility run where in one whole assignment, shape (V, P).

    None where they find no room.
    """
    terms, at = tables.terms, batch.at[row]
    if terms is None:
        return None
    facilities = np.arange(tables.num_facilities)
    least = tables.demand[terms.resource]
    if terms.spill:
        price = np.full(batch.unit[row].shape, terms.price, dtype=np.int64)
        price[facilities, at] = 0
        total = int(least.sum()) + terms.num_spare
        return transport(
            batch.unit[row] + price, least, least + tables.most_spare, terms.room, total
        )
    units = np.zeros((tables.num_facilities, tables.num_locations), dtype=np.int64)
    cost, number = _deal_spare(tables, batch.select(slice(row, row + 1)))
    units[facilities, at] = least + number[0]
    return units if int(cost[0]) < tables.cannot else None


def _settle(tables: Tables, batch: Batch) -> Ints:
    """What whole assignments cost beyond what is fixed; where units may leave, at least."""
    if tables.terms is None or not tables.terms.spill:
        return _deal_spare(tables, batch)[0]
    own = np.zeros((len(batch), 0, tables.num_locations), dtype=np.int64)
    return _spare_bound(tables, batch, own) + _leaving_bound(tables, batch)


def _deal_spare(tables: Tables, batch: Batch) -> tuple[Ints, Ints]:
    """Deal the spare units of whole assignments at least cost: cost[n] and number[n, i].

    One unit at a time where it is cheapest; with limits for each facility and each
    location alone and prices that only rise, that is the least there is. Where not all
    units find room the cost is ``cannot``.
    """
    number = np.zeros((len(batch), tables.num_facilities), dtype=np.int64)
    cost = np.zeros(len(batch), dtype=np.int64)
    terms = tables.terms
    if terms is None or not terms.num_spare or terms.spill or not len(batch):
        return cost, number
    rows, at = np.arange(len(batch)), batch.at
    facilities = np.arange(tables.num_facilities)
    unit = batch.unit[rows[:, None], facilities, at]
    free = batch.free[:, terms.resource].copy()
    capacity = tables.core.capacity[terms.resource]
    for _ in range(terms.num_spare):
        room = free[rows[:, None], at]
        price = terms.price * (capacity[at] - room >= terms.room[at])
        may = (number < tables.most_spare) & (room > 0)
        offers = np.where(may, unit + price, tables.cannot)
        chosen = offers.argmin(axis=1)
        cost = np.minimum(cost + offers[rows, chosen], tables.cannot)
        number[rows, chosen] += 1
        free[rows, at[rows, chosen]] -= 1
    return cost, number


def _has_room(tables: Tables, batch: Batch) -> npt.NDArray[np.bool_]:
    """Whether all that is not placed fits into all that is free."""
    need = tables.demand[:, batch.depth :].sum(axis=1)
    if tables.terms is not None:
        need[tables.terms.resource] += tables.terms.num_spare
    return np.asarray((batch.free.sum(axis=2) >= need).all(axis=1))


def _own_cost(tables: Tables, batch: Batch) -> Ints:
    """By (n, k, p): the facility with those placed, its surcharge too; ``cannot`` where no room."""
    demand = tables.demand[:, batch.depth :]
    fits = (demand[:, :, None] <= batch.free[:, :, None, :]).all(axis=1)
    own = np.where(fits, batch.known, tables.cannot)
    terms = tables.terms
    if terms is not None and terms.price:
        used = tables.core.capacity[terms.resource] - batch.free[:, terms.resource] - terms.room
        now = np.maximum(used, 0)[:, None, :]
        then = np.maximum(used[:, None, :] + demand[terms.resource][:, None], 0)
        price = np.asarray(terms.price)
        if terms.spill:  # a unit that runs elsewhere saves at most so much
            price = terms.price - np.minimum(tables.most_saved, terms.price)
        own = own + price * (then - now)
    return np.minimum(own, tables.cannot)


def _alone_rows(tables: Tables, batch: Batch) -> Ints:
    """By (n, k, p): the least for the accesses of k at p to those not placed, one by one."""
    rest = slice(batch.depth, None)
    rows = tables.far_rows[rest, rest].sum(axis=1)
    saved = tables.saved[rest, rest]
    if not saved.any():
        return np.broadcast_to(rows, batch.known.shape)
    demand = tables.demand[:, rest]
    both = demand[:, :, None] + demand[:, None, :]
    together = np.broadcast_to(tables.allowed[rest], (len(batch), *saved.shape))
    for need, free in zip(both, batch.free.transpose(1, 0, 2), strict=True):
        together = together & (need[:, :, None] <= free[:, None, None, :])
    return np.asarray(rows - (together * saved).sum(axis=2))


def _filled_rows(tables: Tables, batch: Batch) -> Ints:
    """By (n, k, p): the same with all others together filling locations nearest first.

    Of each distance the part of the accesses that finds no room nearer pays the step to
    it. The facility itself takes its room at p first; the others fill the rest by
    accesses per demand, for each resource by itself.
    """
    depth, count = batch.depth, tables.num_facilities
    places = np.arange(tables.num_locations)
    best: list[Floats] = []
    steps = tables.ranked_step.astype(np.float64)
    for k in range(depth, count):
        others = [j for j in range(depth, count) if j != k and tables.row_flow[k, j]]
        flow = tables.row_flow[k, others].astype(np.float64)
        least = np.broadcast_to(
            flow.sum() * tables.ranked_first.astype(np.float64), (len(batch), len(places))
        )
        worst = least
        for resource, free in enumerate(batch.free.transpose(1, 0, 2)):
            demand = tables.demand[resource, others].astype(np.float64)
            if not flow.size or not demand.any():
                continue
            ranked = free[:, tables.nearest].cumsum(axis=2)[:, :, :-1]
            room = np.maximum(ranked - tables.demand[resource, k], 0)
            density = np.divide(flow, demand, out=np.full_like(flow, np.inf), where=demand > 0)
            order = np.argsort(-density, kind="stable")
            taken = np.concatenate([[0.0], demand[order].cumsum()])
            served = np.concatenate([[0.0], flow[order].cumsum()])
            if not taken[1]:  # those that need nothing are served wherever the facility is
                first = int(np.searchsorted(taken, 0.0, side="right")) - 1
                taken, served = taken[first:], served[first:]
            left = served[-1] - np.interp(room, taken, served)
            worst = np.maximum(worst, least + (left * steps).sum(axis=2))
        best.append(worst)
    rows = np.stack(best, axis=1)
    return np.asarray(np.floor(rows * (1 - _ROUNDING)), dtype=np.int64)


def _sum_up(tables: Tables, batch: Batch, rows: Ints) -> Ints:
    """What is fixed and the least of every row; ``cannot`` where a row has no place."""
    least = rows.min(axis=2)
    total = batch.fixed + least.sum(axis=1)
    return np.where((least >= tables.cannot).any(axis=1), tables.cannot, total)


def _spare_bound(tables: Tables, batch: Batch, own: Ints) -> Ints:
    """The least that the spare units cost, to the cheapest facilities first."""
    terms = tables.terms
    if terms is None or not terms.num_spare:
        return np.zeros(len(batch), dtype=np.int64)
    depth = batch.depth
    off = np.where(np.eye(tables.num_facilities, dtype=bool), 0, tables.unit_flow)
    unknown = off[:, depth:].sum(axis=1)[:, None] * tables.distance.min(axis=1)
    unit = batch.unit + unknown
    rows = np.arange(len(batch))[:, None]
    placed = unit[rows, np.arange(depth), batch.at]
    here = np.diagonal(tables.unit_flow)[depth:, None] * np.diagonal(tables.distance)
    later = np.where(own < tables.cannot, unit[:, depth:] + here, tables.cannot).min(axis=2)
    price = np.concatenate([placed, later], axis=1)
    order = np.argsort(price, axis=1)
    most = tables.most_spare[order]
    before = most.cumsum(axis=1) - most
    taken = np.clip(terms.num_spare - before, 0, most)
    return np.asarray(
        np.minimum((taken * np.take_along_axis(price, order, 1)).sum(axis=1), tables.cannot)
    )


def _leaving_bound(tables: Tables, batch: Batch) -> Ints:
    """The least that it adds when the units beyond the room of each location run elsewhere.

    It may be negative: memory that is used most need not be at home. Units that come to a
    location later are counted with what they add there.
    """
    terms, depth = tables.terms, batch.depth
    if terms is None or not terms.spill or not depth:
        return np.zeros(len(batch), dtype=np.int64)
    load = tables.core.capacity[terms.resource] - batch.free[:, terms.resource]
    beyond = np.maximum(load - terms.room, 0)
    rows = np.arange(len(batch))
    least = np.full(load.shape, tables.cannot)
    unknown = tables.unit_flow[:, depth:].sum(axis=1)
    for i in range(depth):
        if not tables.demand[terms.resource, i]:
            continue
        home = batch.at[:, i]
        added = batch.unit[:, i] - batch.unit[rows, i, home][:, None]
        added = added - unknown[i] * tables.less[home]
        closed = load >= terms.room
        closed[rows, home] = True
        here = np.where(closed, tables.cannot, added).min(axis=1)
        least[rows, home] = np.minimum(least[rows, home], here)
    found = np.where(beyond > 0, beyond * least, 0).sum(axis=1)
    return np.asarray(
        np.where(((beyond > 0) & (least >= tables.cannot)).any(axis=1), tables.cannot, found)
    )
