"""Tabu search over shifts and swaps of the quadratic core (MODEL "The quadratic core").

Move values are kept, not recomputed: a shift of one facility changes the value of every other
shift by an outer product, and a swap is two shifts and a correction. Capacities are penalties
whose weights rise while the search is outside them and fall while it is inside (strategic
oscillation), so that tight instances are walked through rather than around.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.quadratic.core import QuadraticCore

Floats = npt.NDArray[np.float64]

_IDLE = (300, 600, 1200)
"""After so many moves without a better one the search starts from elsewhere."""

_ADAPT = ((3, 1.2), (10, 1.5))
"""Penalty weights change after so many moves on one side of the capacities, by a factor."""

_LEAST = (0.02, 0.1)
"""No weight falls below such a part of the first: where capacities are wide they still hold."""

_ELITE = 6
"""How many of the best ends of a walk are kept to start from again."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TabuAnswer:
    """A feasible assignment, its cost, when it was found, and whether Ctrl-C ended the search."""

    locations: Ints
    cost: int
    seconds: float
    iterations: int
    interrupted: bool = False


def improve(
    core: QuadraticCore,
    *,
    seed: int,
    seconds: float | None = None,
    iterations: int | None = None,
    start: npt.ArrayLike | None = None,
    target: int | None = None,
    catch_interrupt: bool = False,
    tell: Callable[[int | None], None] | None = None,
) -> TabuAnswer | None:
    """Return the best feasible assignment found, or None where none was.

    The search ends after ``seconds`` or ``iterations`` (moves), whichever comes first, or at
    a cost of ``target``; one of the three must be given. Equal seeds and iterations give
    equal answers. ``start`` is an assignment to begin with. With ``catch_interrupt`` Ctrl-C
    ends the search with the best so far; where there is none KeyboardInterrupt goes on.
    ``tell`` hears the least cost so far, often.
    """
    if seconds is None and iterations is None and target is None:
        raise ValueError("expected seconds, iterations or a target, found none")
    if core.num_facilities == 0 or not core.allowed.any(axis=1).all():
        return None
    search = _Search(core, np.random.default_rng(seed), start)
    interrupted = False
    try:
        search.run(seconds, iterations, target, tell)
    except KeyboardInterrupt:
        if search.best is None or not catch_interrupt:
            raise
        interrupted = True
    if search.best is None:
        return None
    return TabuAnswer(
        locations=search.best,
        cost=core.cost(search.best),
        seconds=search.found_after,
        iterations=search.found_at,
        interrupted=interrupted,
    )


class _Search:
    """The state of one search: an assignment, the values of its moves, tabus and penalties."""

    def __init__(
        self, core: QuadraticCore, rng: np.random.Generator, start: npt.ArrayLike | None
    ) -> None:
        self.core = core
        self.rng = rng
        self.num, self.places = core.linear.shape
        self.everyone = np.arange(self.num)
        self.distance = core.distance.astype(np.float64)
        self.linear = np.where(core.allowed, core.linear.astype(np.float64), np.inf)
        self.own = np.diagonal(core.flow).astype(np.float64)
        self.flow = core.flow.astype(np.float64)
        np.fill_diagonal(self.flow, 0.0)
        self.needs = core.needs.astype(np.float64)
        np.fill_diagonal(self.needs, 0.0)
        self.cut = core.unreachable.astype(np.float64)
        self.has_cuts = bool((core.unreachable.any()) and core.needs.any())
        # Every resource is measured in its capacity, so that one weight is like another.
        scale = np.maximum(core.capacity.max(axis=1, initial=1), 1).astype(np.float64)
        self.demand = core.demand / scale[:, None]
        self.capacity = core.capacity / scale[:, None]
        if core.distinct:
            self.demand = np.concatenate([self.demand, np.ones((1, self.num))])
            self.capacity = np.concatenate([self.capacity, np.ones((1, self.places))])
        self.best: Ints | None = None
        self.best_cost = 0
        self.found_at = 0
        self.found_after = 0.0
        self.first_weight = self._first_weight()
        self.weight = np.full(len(self.demand), self.first_weight)
        self.cut_weight = self.first_weight
        self.elite: list[tuple[int, Ints]] = []
        self._change_manner()
        begin = self._construct() if start is None else np.array(start, dtype=np.int64)
        self._stand_at(begin)
        self.until = np.zeros((self.num, self.places), dtype=np.int64)
        self.last_better = 0
        self.walk_best: tuple[int, Ints] | None = None
        self.side = 0
        self._note(0)

    def _change_manner(self) -> None:
        """How the next walk goes: patience, length of tabus, penalties; by chance.

        No one manner suits all instances: long tabus leave deep basins, short ones search
        them through.
        """
        self.idle = int(self.rng.choice(_IDLE))
        self.adapt, self.factor = _ADAPT[int(self.rng.integers(len(_ADAPT)))]
        self.least_weight = float(self.rng.choice(_LEAST)) * self.first_weight
        self.tabu_base = 0 if self.rng.random() < 0.5 else self.num // 3
        self.tabu_range = 8 if self.tabu_base == 0 else 5 + self.num // 4

    def _first_weight(self) -> float:
        """About what one facility costs."""
        cost = float(self.flow.sum() * self.distance.mean())
        finite = self.linear[np.isfinite(self.linear)]
        cost += float(finite.mean()) * self.num if len(finite) else 0.0
        return float(max(1.0, cost / max(1, self.num)))

    # -- where it stands -----------------------------------------------------------------

    def _construct(self) -> Ints:
        """The largest first, each where it costs least among the places with most room."""
        left = self.capacity.copy()
        at = np.full(self.num, -1, dtype=np.int64)
        for i in np.argsort(-self.demand.max(axis=0), kind="stable").tolist():
            done = np.flatnonzero(at >= 0)
            value = self.linear[i].copy()
            value += self.flow[i, done] @ self.distance[:, at[done]].T
            value += self.flow[done, i] @ self.distance[at[done], :]
            short = np.maximum(self.demand[:, [i]] - left, 0.0).sum(axis=0)
            noise = 1 + 0.1 * self.rng.random(self.places)
            at[i] = int(np.lexsort((value * noise, short + ~np.isfinite(value) * 1e9))[0])
            left[:, at[i]] -= self.demand[:, i]
        return at

    def _stand_at(self, at: Ints) -> None:
        """Take an assignment and compute all that is kept about it."""
        self.at = at.copy()
        self.load = np.zeros_like(self.capacity)
        for i, place in enumerate(self.at.tolist()):
            self.load[:, place] += self.demand[:, i]
        there = self.distance[:, self.at]
        back = self.distance[self.at, :]
        self.value = self.linear + self.flow @ there.T + self.flow.T @ back
        self.value += self.own[:, None] * np.diagonal(self.distance)[None, :]
        self.cuts = self.needs @ self.cut[:, self.at].T + self.needs.T @ self.cut[self.at, :]
        self.cost = self.core.cost(self.at)

    def _excess(self) -> Floats:
        return np.asarray(np.maximum(self.load - self.capacity - 1e-9, 0.0))

    def _is_feasible(self) -> bool:
        if (self.load > self.capacity + 1e-9).any():
            return False
        return not self.has_cuts or not self.cuts[self.everyone, self.at].any()

    def _note(self, moves: int) -> bool:
        """Keep the assignment where it is feasible and better than before, here or at all."""
        if not self._is_feasible():
            return False
        if self.walk_best is not None and self.cost >= self.walk_best[0]:
            return False
        if not self.core.is_feasible(self.at):
            return False
        self.walk_best = self.cost, self.at.copy()
        self.last_better = moves
        if self.best is not None and self.cost >= self.best_cost:
            return False
        self.best, self.best_cost, self.found_at = self.at.copy(), self.cost, moves
        return True

    # -- moving --------------------------------------------------------------------------

    def run(
        self,
        seconds: float | None,
        iterations: int | None,
        target: int | None,
        tell: Callable[[int | None], None] | None,
    ) -> None:
        """Move until one of the limits is reached."""
        began = time.monotonic()
        moves = 0
        while iterations is None or moves < iterations:
            if seconds is not None and moves % 64 == 0 and time.monotonic() - began >= seconds:
                break
            if tell is not None and moves % 64 == 0:
                tell(None if self.best is None else self.best_cost)
            if self.step(moves):
                self.found_after = time.monotonic() - began
                if target is not None and self.best_cost <= target:
                    break
            moves += 1

    def step(self, moves: int) -> bool:
        """Make one move; return whether a better feasible assignment was found."""
        if moves - self.last_better >= self.idle:
            self._start_elsewhere(moves)
        shift = self._shift_values()
        swap = self._swap_values()
        shift_free = self.until <= moves
        allowed = shift_free[self.everyone[:, None], self.at[None, :]]
        swap_free = allowed & allowed.T
        aspired = self.best_cost if self.best is not None else np.inf
        cost = float(self.cost)
        penalty = self._penalty()
        shift_value = np.where(shift_free | (cost + penalty + shift < aspired - 0.5), shift, np.inf)
        swap_value = np.where(swap_free | (cost + penalty + swap < aspired - 0.5), swap, np.inf)
        i, place = divmod(int(shift_value.argmin()), self.places)
        first, second = divmod(int(swap_value.argmin()), self.num)
        best_shift, best_swap = shift_value[i, place], swap_value[first, second]
        if not np.isfinite(min(best_shift, best_swap)):
            i = int(self.rng.integers(self.num))
            place = int(self.rng.choice(np.flatnonzero(self.core.allowed[i])))
            self._move(i, place, moves)
        elif best_shift <= best_swap:
            self._move(i, place, moves)
        else:
            one, other = int(self.at[first]), int(self.at[second])
            self._move(first, other, moves)
            self._move(second, one, moves)
        self._adapt()
        return self._note(moves + 1)

    def _penalty(self) -> float:
        total = float(self.weight @ self._excess().sum(axis=1))
        if self.has_cuts:
            total += self.cut_weight * float(self.cuts[self.everyone, self.at].sum()) / 2
        return total

    def _shift_values(self) -> Floats:
        """By how much cost and penalties change with each shift, infinite where it is none."""
        here = self.at
        change = self.value - self.value[self.everyone, here][:, None]
        over = self._excess()
        for resource, weight in enumerate(self.weight):
            demand = self.demand[resource]
            load, capacity = self.load[resource], self.capacity[resource]
            more = np.maximum(load[None, :] + demand[:, None] - capacity[None, :] - 1e-9, 0.0)
            less = np.maximum(load[here] - demand - capacity[here] - 1e-9, 0.0)
            change += weight * (more - over[resource][None, :])
            change += weight * (less - over[resource][here])[:, None]
        if self.has_cuts:
            now = self.cuts[self.everyone, here][:, None]
            change += self.cut_weight * (self.cuts - now)
        change[self.everyone, here] = np.inf
        return np.asarray(change)

    def _swap_values(self) -> Floats:
        """By how much cost and penalties change where i and j change places; shape (V, V)."""
        at = self.at
        there = self.value[:, at]
        now = np.diagonal(there)
        change = there + there.T - now[:, None] - now[None, :]
        # Both moved at once: what the single shifts counted between the two is put right.
        between = self.distance[np.ix_(at, at)]
        own = np.diagonal(between)
        change += self.flow * (between.T - own[None, :] - own[:, None] + between)
        change += self.flow.T * (between - own[None, :] - own[:, None] + between.T)
        over = self._excess()
        for resource, weight in enumerate(self.weight):
            demand = self.demand[resource]
            room = self.load[resource][at] - self.capacity[resource][at] - 1e-9
            moved = demand[None, :] - demand[:, None]
            after = np.maximum(room[:, None] + moved, 0.0)
            lost = after - over[resource][at][:, None]
            change += weight * (lost + lost.T)
        if self.has_cuts:
            cuts = self.cuts[:, at]
            held = np.diagonal(cuts)
            apart = self.cut[np.ix_(at, at)]
            same = np.diagonal(apart)
            fix = cuts + cuts.T - held[:, None] - held[None, :]
            fix += self.needs * (apart.T - same[None, :] - same[:, None] + apart)
            fix += self.needs.T * (apart - same[None, :] - same[:, None] + apart.T)
            change += self.cut_weight * fix
        change[at[:, None] == at[None, :]] = np.inf
        change[np.tril_indices(self.num)] = np.inf
        return np.asarray(change)

    def _move(self, i: int, place: int, moves: int) -> None:
        """Shift one facility and bring all that is kept up to date."""
        before = int(self.at[i])
        if before == place:
            return
        self.cost += round(self.value[i, place] - self.value[i, before])
        self.value += np.outer(self.flow[:, i], self.distance[:, place] - self.distance[:, before])
        self.value += np.outer(self.flow[i, :], self.distance[place, :] - self.distance[before, :])
        if self.has_cuts:
            self.cuts += np.outer(self.needs[:, i], self.cut[:, place] - self.cut[:, before])
            self.cuts += np.outer(self.needs[i, :], self.cut[place, :] - self.cut[before, :])
        self.load[:, before] -= self.demand[:, i]
        self.load[:, place] += self.demand[:, i]
        self.at[i] = place
        tenure = self.tabu_base + int(self.rng.integers(3, 3 + self.tabu_range))
        self.until[i, before] = moves + tenure

    def _adapt(self) -> None:
        """Raise the weights of what is exceeded for long, lower them where all fits for long."""
        feasible = self._is_feasible()
        self.side = max(1, self.side + 1) if feasible else min(-1, self.side - 1)
        if self.side >= self.adapt:
            self.weight = np.maximum(self.weight / self.factor, self.least_weight)
            self.cut_weight = max(self.cut_weight / self.factor, self.least_weight)
            self.side = 0
        elif self.side <= -self.adapt:
            over = self._excess().sum(axis=1) > 0
            self.weight[over] *= self.factor
            if self.has_cuts:
                self.cut_weight *= self.factor
            self.side = 0

    def _start_elsewhere(self, moves: int) -> None:
        """Begin another walk: from a good end with a part moved by chance, or from anywhere."""
        if self.walk_best is not None:
            self._remember(*self.walk_best)
        self.walk_best = None
        self.last_better = moves
        self.until[:] = 0
        self.side = 0
        self._change_manner()
        self.weight[:] = self.first_weight
        self.cut_weight = self.first_weight
        if not self.elite or self.rng.random() < 0.4:
            self._stand_at(self._scatter())
            return
        _, end = self.elite[int(self.rng.integers(len(self.elite)) * self.rng.random())]
        at = end.copy()
        part = max(2, int(self.num * self.rng.uniform(0.1, 0.6)))
        chosen = self.rng.choice(self.num, min(part, self.num), replace=False)
        if self.rng.random() < 0.5:
            at[chosen] = at[self.rng.permutation(chosen)]
            wrong = ~self.core.allowed[self.everyone, at]
            at[wrong] = end[wrong]
        else:
            for i in chosen.tolist():
                at[i] = int(self.rng.choice(np.flatnonzero(self.core.allowed[i])))
        self._stand_at(at)

    def _remember(self, cost: int, at: Ints) -> None:
        """Keep the end of a walk among the best few, each cost once."""
        if all(cost != other for other, _ in self.elite):
            self.elite.append((cost, at))
            self.elite.sort(key=lambda end: end[0])
            del self.elite[_ELITE:]

    def _scatter(self) -> Ints:
        """An assignment by chance that mostly fits: the largest first, where there is room."""
        left = self.capacity.copy()
        at = np.full(self.num, -1, dtype=np.int64)
        size = self.demand.max(axis=0) * self.rng.uniform(0.5, 1.5, self.num)
        for i in np.argsort(-size, kind="stable").tolist():
            fits = self.core.allowed[i] & (self.demand[:, [i]] <= left + 1e-9).all(axis=0)
            open_places = np.flatnonzero(fits if fits.any() else self.core.allowed[i])
            at[i] = int(self.rng.choice(open_places))
            left[:, at[i]] -= self.demand[:, i]
        return at
