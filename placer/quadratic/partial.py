"""Batches of partial assignments: what they may become, and what they cost at least.

A batch holds partial assignments of equal depth in arrays, so that one numpy call works on all.
Facilities are placed in a fixed order, which ``Tables`` renumbers to 0, 1, 2 and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.quadratic.core import Mask, QuadraticCore

_SAFE = 1 << 61
"""Sums of costs stay below this."""


@dataclass(frozen=True, kw_only=True)
class VcpuTerms:
    """What a core does not say of a domain's vcpus; all of it is about one resource of the core.

    - ``resource``: the row of ``demand`` that counts vcpus.
    - ``num_spare`` more units are dealt once all facilities are placed, to i up to
      ``most_spare[i]``; each takes 1 of the resource at i's location and costs
      ``linear[i, x[i]] + sum_j flow[i, j] * distance[x[i], x[j]]``, the figures of *one* unit.
    - Each unit at p beyond ``room[p]`` costs ``price`` more.
    - With ``spill`` units beyond the room run at other locations instead, at the figures above
      for the location where they run; ``price`` is then above all other costs together.
    """

    resource: int
    num_spare: int
    most_spare: Ints
    linear: Ints
    flow: Ints
    room: Ints
    price: int = 0
    spill: bool = False


@dataclass
class Batch:
    """Partial assignments of one depth d, n of them; V facilities, P locations, R resources.

    - ``at[n, d]``: locations of the facilities placed. ``fixed[n]``: what these cost.
    - ``free[n, r, p]``: what is left. ``touched[n, p]``: whether anything is there.
    - ``known[n, k, p]``: what facility d + k would cost at p, with those placed and by itself.
    - ``unit[n, i, p]``: what one unit of any facility i would cost at p, accesses to those placed.
    - ``bound[n]``: no completion costs less.
    """

    at: Ints
    fixed: Ints
    free: Ints
    touched: Mask
    known: Ints
    unit: Ints
    bound: Ints

    def __len__(self) -> int:
        return int(self.at.shape[0])

    @property
    def depth(self) -> int:
        """How many facilities are placed."""
        return int(self.at.shape[1])

    def select(self, chosen: npt.NDArray[np.intp] | Mask | slice) -> Batch:
        """Return the batch of the chosen rows, in their order."""
        return Batch(
            self.at[chosen],
            self.fixed[chosen],
            self.free[chosen],
            self.touched[chosen],
            self.known[chosen],
            self.unit[chosen],
            self.bound[chosen],
        )


@dataclass
class Tables:
    """A core with its facilities in branching order, and what follows from it alone.

    ``cannot`` is a cost above that of any assignment: it stands for what may not be.
    ``order[k]`` is the facility that is placed k-th.
    """

    core: QuadraticCore
    order: Sequence[int]
    terms: VcpuTerms | None = None
    cannot: int = field(init=False)

    def __post_init__(self) -> None:
        core, order = self.core, np.asarray(self.order, dtype=np.int64)
        if core.distinct:  # one more resource says it, and every bound sees it
            ones = np.ones((1, self.num_facilities), int), np.ones((1, self.num_locations), int)
            both = [
                np.concatenate(pair)
                for pair in zip((core.demand, core.capacity), ones, strict=True)
            ]
            core = self.core = replace(core, demand=both[0], capacity=both[1], distinct=False)
        self.flow = core.flow[np.ix_(order, order)]
        self.demand = core.demand[:, order]
        self.distance = core.distance
        self.needs = core.needs[np.ix_(order, order)]
        diagonal = np.diagonal(self.distance)
        alone = core.linear[order] + np.diagonal(self.flow)[:, None] * diagonal
        self.cannot = self._ceiling(alone)
        allowed = core.allowed[order] & (core.demand[:, order, None] <= core.capacity[:, None]).all(
            axis=0
        )
        allowed &= ~(np.diagonal(self.needs)[:, None] & np.diagonal(core.unreachable))
        self.alone = np.where(allowed, alone, self.cannot)
        self.allowed = allowed
        self._rank_nearest()
        self._find_symmetry(order)
        if self.terms is not None:
            self.unit_flow = self.terms.flow[np.ix_(order, order)]
            self.unit_linear = self.terms.linear[order]
            self.most_spare = self.terms.most_spare[order]
            if self.terms.spill:
                self._rank_leaving()

    @property
    def num_facilities(self) -> int:
        """V."""
        return len(self.order)

    @property
    def num_locations(self) -> int:
        """P."""
        return len(self.core.distance)

    def _ceiling(self, alone: Ints) -> int:
        most = int(alone.max(axis=1).sum()) + int(self.flow.sum()) * int(self.distance.max())
        if self.terms is not None:
            unit = self.terms.flow.sum(axis=1).max() * self.distance.max() + self.terms.linear.max()
            most += self.terms.num_spare * (int(unit) + self.terms.price)
            most += int(self.demand[self.terms.resource].sum()) * self.terms.price
        ceiling = most + 1
        summed = (self.num_facilities + 2) ** 2
        if self.terms is not None:
            units = int(self.demand[self.terms.resource].sum()) + self.terms.num_spare
            summed = max(summed, units)
        if ceiling * summed >= _SAFE:
            raise ValueError(f"the cost may reach {most}, too much for 64 bits")
        return ceiling

    # -- what is static --------------------------------------------------------

    def _rank_nearest(self) -> None:
        """Distances to the nearest other location, and locations by distance from each."""
        core, count = self.core, self.num_locations
        far = int(self.distance.max()) + 1
        other = np.where(np.eye(count, dtype=bool), far, self.distance)
        # by (i, k, p): where k may be when i is at p and k is elsewhere
        blocked = self.needs[:, :, None, None] & core.unreachable
        blocked = blocked | (self.needs.T[:, :, None, None] & core.unreachable.T)
        reach = np.where(blocked | ~self.allowed[None, :, None, :], far, other).min(axis=3)
        here = np.diagonal(self.distance)
        reach = np.where(reach == far, here, reach)
        row_flow = self.flow * ~np.eye(self.num_facilities, dtype=bool)
        self.row_flow = row_flow
        self.far_rows = row_flow[:, :, None] * reach
        self.saved = row_flow[:, :, None] * np.maximum(reach - here, 0)
        # by (p, t): the t-th location from p, p itself first
        keys = np.where(np.eye(count, dtype=bool), -1, self.distance)
        self.nearest = np.argsort(keys, axis=1, kind="stable")
        ranked = np.take_along_axis(self.distance, self.nearest, axis=1)
        self.ranked_first = ranked[:, 0]
        self.ranked_step = np.maximum(np.diff(ranked, axis=1), 0)
        self.can_rank = bool((np.diff(ranked, axis=1) >= 0).all())

    def _rank_leaving(self) -> None:
        """``less[p, q]``: how much nearer q may be than p to any memory; ``most_saved[p]``.

        The second is the most that a unit saves by running elsewhere than at its home p.
        """
        gain = self.distance[:, None, :] - self.distance[None, :, :]
        self.less = gain.max(axis=2)
        own = np.diagonal(self.distance)[:, None] - self.distance.T
        rest = self.unit_flow.sum(axis=1) - np.diagonal(self.unit_flow)
        saved = rest[:, None, None] * self.less
        saved += np.diagonal(self.unit_flow)[:, None, None] * own
        saved += self.unit_linear[:, :, None] - self.unit_linear[:, None, :]
        saved[:, np.arange(self.num_locations), np.arange(self.num_locations)] = -self.cannot
        self.most_saved = saved.max(axis=(0, 2))

    def _find_symmetry(self, order: Ints) -> None:
        """``same_before[k]``: an equal facility placed before the k-th; ``twin_before[p]``."""
        core = self.core
        self.twin_before = _chain(
            [
                _signature(core.capacity[:, p], core.linear[:, p], core.allowed[:, p])
                for p in range(self.num_locations)
            ],
            lambda p, q: (
                _swaps(core.distance, p, q)
                and _swaps(core.unreachable, p, q)
                and (
                    self.terms is None
                    or bool(
                        self.terms.room[p] == self.terms.room[q]
                        and (self.terms.linear[:, p] == self.terms.linear[:, q]).all()
                    )
                )
            ),
        )
        terms = self.terms
        first = _chain(
            [_signature(core.demand[:, i], core.linear[i], core.allowed[i]) for i in order],
            lambda a, b: (
                _swaps(core.flow, order[a], order[b])
                and _swaps(core.needs, order[a], order[b])
                and (
                    terms is None
                    or bool(
                        terms.most_spare[order[a]] == terms.most_spare[order[b]]
                        and _swaps(terms.flow, order[a], order[b])
                        and (terms.linear[order[a]] == terms.linear[order[b]]).all()
                    )
                )
            ),
        )
        self.same_before = first

    # -- building --------------------------------------------------------------

    def root(self) -> Batch:
        """Return the batch of the one assignment where nothing is placed."""
        shape = (1, self.num_facilities, self.num_locations)
        unit = np.zeros((1, 0, self.num_locations), dtype=np.int64)
        if self.terms is not None and (self.terms.num_spare or self.terms.spill):
            unit = np.broadcast_to(self.unit_linear, shape).astype(np.int64)
        return Batch(
            at=np.zeros((1, 0), dtype=np.int64),
            fixed=np.zeros(1, dtype=np.int64),
            free=self.core.capacity[None].copy(),
            touched=np.zeros((1, self.num_locations), dtype=np.bool_),
            known=self.alone[None].copy(),
            unit=unit,
            bound=np.zeros(1, dtype=np.int64),
        )

    def expand(self, batch: Batch) -> Batch:
        """Return every child of every assignment, in lexicographic order; bounds are the parents'.

        Of twin locations where nothing is, only the first is taken, and equal facilities
        ascend; both hold in the lexicographically first of the best assignments.
        """
        i = batch.depth
        known = batch.known[:, 0]
        may = known < self.cannot
        may &= (self.demand[:, i, None] <= batch.free).all(axis=1)
        for p, twin in enumerate(self.twin_before):
            if twin >= 0:
                may[:, p] &= batch.touched[:, p] | batch.touched[:, twin]
        if self.same_before[i] >= 0:
            before = batch.at[:, self.same_before[i], None]
            may &= np.arange(self.num_locations) >= before
        parent, place = np.nonzero(may)
        rows = np.arange(len(parent))
        free = batch.free[parent]
        step = known[parent, place] + self._surcharge(i, free[rows, :, place].T, place)
        free[rows, :, place] -= self.demand[:, i]
        touched = batch.touched[parent]
        touched[rows, place] = True
        unit = batch.unit[parent]
        if unit.shape[1]:
            unit += self.unit_flow[:, i, None] * self.distance[:, place].T[:, None, :]
        return Batch(
            at=np.concatenate([batch.at[parent], place[:, None]], axis=1),
            fixed=batch.fixed[parent] + step,
            free=free,
            touched=touched,
            known=batch.known[parent, 1:] + self._pair_cost(i)[place],
            unit=unit,
            bound=batch.bound[parent],
        )

    def _pair_cost(self, i: int) -> Ints:
        """By (p, k, q): the traffic both ways between i at p and the later i + 1 + k at q."""
        later = slice(i + 1, None)
        out, back = self.flow[i, later], self.flow[later, i]
        cost = (
            out[:, None] * self.distance[:, None, :] + back[:, None] * self.distance.T[:, None, :]
        )
        unreachable = self.core.unreachable
        blocked = self.needs[i, later, None] & unreachable[:, None, :]
        blocked |= self.needs[later, i, None] & unreachable.T[:, None, :]
        return np.where(blocked, self.cannot, cost)

    def _surcharge(self, i: int, free: Ints, place: npt.NDArray[np.intp]) -> Ints:
        """What the units of facility i beyond the room of its location cost; ``free[r, n]``."""
        terms = self.terms
        if terms is None or not terms.price:
            return np.zeros(len(place), dtype=np.int64)
        used = self.core.capacity[terms.resource, place] - free[terms.resource]
        beyond = np.maximum(used + self.demand[terms.resource, i] - terms.room[place], 0)
        return np.asarray(terms.price * (beyond - np.maximum(used - terms.room[place], 0)))


def _chain(keys: Sequence[Hashable], alike: Callable[[int, int], bool]) -> list[int]:
    """Return for each number the one before it that is equal to it, -1 where there is none."""
    before = [-1] * len(keys)
    last: list[int] = []
    for number, key in enumerate(keys):
        for position, other in enumerate(last):
            if keys[other] == key and alike(other, number):
                before[number] = other
                last[position] = number
                break
        else:
            last.append(number)
    return before


def _signature(*arrays: npt.NDArray[np.generic]) -> bytes:
    return b"|".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def _swaps(matrix: npt.NDArray[np.generic], p: int, q: int) -> bool:
    """Whether exchanging p and q leaves a square matrix as it is."""
    order = np.arange(len(matrix))
    order[p], order[q] = q, p
    return bool((matrix[np.ix_(order, order)] == matrix).all())
