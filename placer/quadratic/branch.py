"""Exact search over a small quadratic core: depth-first branch and bound on whole batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.quadratic.core import QuadraticCore
from placer.quadratic.matching import match
from placer.quadratic.partial import Batch, Tables, VcpuTerms
from placer.quadratic.relaxation import exact_cost, seat_units, set_bounds

MAX_NODES: Final = 2_000_000
"""How many partial assignments are looked at before the search gives up."""

_FIRST_CHUNK: Final = 32
"""Assignments expanded at once until one is whole: few, so that this is soon."""

_CHUNK: Final = 512

_CHUNK_CELLS: Final = 1 << 20
"""A chunk's children have about so many (i, k, p) at most, so that caches hold them."""

_MOST_CELLS: Final = 1 << 22
"""Larger tables of (i, k, p, q) than this are not built: the core is left to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchAnswer:
    """The answer of ``solve_core``.

    ``locations[i]`` and ``cost`` are the best found, None where there is none; no assignment
    costs less than ``bound``. ``units[i, p]`` are the vcpus of i that run at p, where terms say
    more of them than the core does. Where ``proven``, ``locations`` is the
    lexicographically first of the assignments of least cost, or None is possible.
    ``nodes`` counts the partial assignments looked at; ``interrupted`` says that Ctrl-C ended
    the search.
    """

    locations: Ints | None
    cost: int | None
    bound: int
    proven: bool
    units: Ints | None = None
    nodes: int = 0
    interrupted: bool = False


def solve_core(
    core: QuadraticCore,
    *,
    max_nodes: int = MAX_NODES,
    upper: int | None = None,
    terms: VcpuTerms | None = None,
    deadline: float = math.inf,
    catch_interrupt: bool = False,
    tell: Callable[[int | None], None] | None = None,
    in_order: bool = True,
) -> BranchAnswer:
    """Return the best assignment of ``core``, the lexicographically first of several.

    First the least cost is found, heaviest facilities first; then, with that as a limit,
    the first assignment that reaches it. Assignments that cost more than ``upper`` are
    not looked for: with ``proven`` and no locations there is none up to there. The search
    ends without proof after ``max_nodes`` partial assignments, at ``deadline`` (of
    ``time.monotonic``) and, with ``catch_interrupt``, by Ctrl-C. ``tell`` hears the least cost
    so far, often. Without ``in_order`` any assignment of the least cost will do. Raises
    ValueError where costs do not fit 64 bits.
    """
    nothing = BranchAnswer(
        locations=None, cost=None, bound=0 if upper is None else upper + 1, proven=True
    )
    if core.distinct and not match(_fits(core)).is_complete:
        return nothing
    if (core.num_facilities * core.num_locations) ** 2 > _MOST_CELLS:
        return BranchAnswer(locations=None, cost=None, bound=0, proven=False)
    search = _Search(Tables(core, _heaviest_first(core), terms), max_nodes, deadline, tell)
    search.catches = catch_interrupt
    found, bound = search.find_best(upper)
    if found is None:
        if bound is None:
            return nothing
        return BranchAnswer(
            locations=None,
            cost=None,
            bound=bound,
            proven=False,
            nodes=search.nodes,
            interrupted=search.interrupted,
        )
    cost = int(found.bound[0])
    if bound is not None and bound < cost:
        return search.answer(found, bound, proven=False)
    if not in_order:
        return search.answer(found, cost, proven=True)
    ordered = Tables(core, range(core.num_facilities), terms)
    again = _Search(ordered, max_nodes, deadline, tell)
    again.nodes, again.best, again.catches = search.nodes, found, catch_interrupt
    first = again.find_first(cost)
    if first is None:
        search.nodes, search.interrupted = again.nodes, again.interrupted
        return search.answer(found, cost, proven=False)
    return again.answer(first, cost, proven=True)


def _fits(core: QuadraticCore) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    alone = core.demand[:, :, None] <= core.capacity[:, None, :]
    return np.asarray(core.allowed & alone.all(axis=0))


def _heaviest_first(core: QuadraticCore) -> list[int]:
    """Facilities by their traffic with others, those that are hard to fit before equals."""
    both = core.flow + core.flow.T
    traffic = both.sum(axis=1) - np.diagonal(both)
    capacity = np.maximum(core.capacity.max(axis=1, initial=1), 1)
    bulk = (core.demand / capacity[:, None]).max(axis=0, initial=0.0)
    weight = traffic / max(1, int(traffic.max(initial=1))) + bulk
    order: list[int] = np.argsort(-weight, kind="stable").tolist()
    return order


class _Search:
    """One depth-first search.

    Where it ``catches`` Ctrl-C ``interrupted`` becomes true by it and what is found is kept.
    """

    def __init__(
        self,
        tables: Tables,
        max_nodes: int,
        deadline: float,
        tell: Callable[[int | None], None] | None,
    ) -> None:
        self.tables = tables
        self.max_nodes = max_nodes
        self.deadline = deadline
        self.tell = tell
        self.nodes = 0
        self.catches = False
        self.interrupted = False
        cells = (tables.num_facilities * tables.num_locations) ** 2
        self.chunk = max(1, min(_CHUNK, _CHUNK_CELLS // max(1, cells)))
        self.best: Batch | None = None

    def _is_over(self) -> bool:
        if self.tell is not None:
            self.tell(None if self.best is None else int(self.best.bound[0]))
        return self.nodes >= self.max_nodes or time.monotonic() >= self.deadline

    def find_best(self, upper: int | None) -> tuple[Batch | None, int | None]:
        """Return one assignment of least cost, and a bound where the search was cut short.

        None and None mean that there is no assignment of a cost up to ``upper``.
        """
        root = set_bounds(self.tables, self.tables.root(), upper)
        stack = [root]
        try:
            self._descend(stack, upper)
        except KeyboardInterrupt:  # what was being looked at is lost: the root's bound holds
            if not self.catches:
                raise
            self.interrupted, stack = True, [root]
        if not stack or not len(stack[0]):
            return self.best, None
        return self.best, min(int(batch.bound.min()) for batch in stack)

    def _descend(self, stack: list[Batch], limit: int | None) -> None:
        """Search the assignments on ``stack``, of at most ``limit``, and leave what is not done."""
        tables = self.tables
        while stack:
            batch = stack.pop()
            if limit is not None:
                batch = batch.select(batch.bound <= limit)
            if not len(batch):
                continue
            if self._is_over():
                stack.append(batch)
                return
            size = min(self.chunk, _FIRST_CHUNK) if self.best is None else self.chunk
            if len(batch) > size:
                stack.append(batch.select(slice(size, None)))
                batch = batch.select(slice(0, size))
            children = tables.expand(batch)
            self.nodes += len(children)
            children = set_bounds(tables, children, limit)
            if not len(children):
                continue
            children = children.select(np.argsort(children.bound, kind="stable"))
            if children.depth < tables.num_facilities:
                stack.append(children)
                continue
            for row, bound in enumerate(children.bound.tolist()):
                if limit is not None and bound > limit:
                    break
                cost = exact_cost(tables, children, row)
                if cost < tables.cannot and (limit is None or cost <= limit):
                    found = children.select(slice(row, row + 1))
                    found.bound[0] = cost
                    self.best, limit = found, cost - 1

    def find_first(self, cost: int) -> Batch | None:
        """Return the lexicographically first assignment of at most ``cost``, None if cut short."""
        try:
            return self._walk_in_order(cost)
        except KeyboardInterrupt:
            if not self.catches:
                raise
            self.interrupted = True
            return None

    def _walk_in_order(self, cost: int) -> Batch | None:
        tables = self.tables
        size = min(self.chunk, _FIRST_CHUNK)
        stack = [tables.root()]
        while stack and not self._is_over():
            batch = stack.pop()
            if len(batch) > size:
                stack.append(batch.select(slice(size, None)))
                batch = batch.select(slice(0, size))
            children = tables.expand(batch)
            self.nodes += len(children)
            children = set_bounds(tables, children, cost)
            if not len(children):
                continue
            if children.depth < tables.num_facilities:
                stack.append(children)
                continue
            for row in range(len(children)):
                if exact_cost(tables, children, row) <= cost:
                    children.bound[row] = cost
                    return children.select(slice(row, row + 1))
        return None

    def answer(self, found: Batch, bound: int, *, proven: bool) -> BranchAnswer:
        """Put one whole assignment into the order of the core."""
        order = np.asarray(self.tables.order)
        locations = np.empty_like(found.at[0])
        locations[order] = found.at[0]
        seated, units = seat_units(self.tables, found, 0), None
        if seated is not None:
            units = np.empty_like(seated)
            units[order] = seated
        return BranchAnswer(
            locations=locations,
            cost=int(found.bound[0]),
            bound=bound,
            proven=proven,
            units=units,
            nodes=self.nodes,
            interrupted=self.interrupted,
        )
