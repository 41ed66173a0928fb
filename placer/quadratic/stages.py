"""A core in stages: search it through if that is quick, else walk it, bound it and go on.

Branch and bound alone proves small cores within milliseconds. On larger ones it finds poor
assignments or none; tabu walks find good ones soon, and these cut the branches of the rest of
the proof. What is left unproven has the better of both answers and the best of all bounds.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from placer.answer import Limits, Progress
from placer.arrays import Ints
from placer.quadratic.bound import lower_bound
from placer.quadratic.branch import BranchAnswer, solve_core
from placer.quadratic.core import QuadraticCore
from placer.quadratic.partial import Tables, VcpuTerms
from placer.quadratic.relaxation import seat_units, whole
from placer.quadratic.tabu import improve

_FIRST_WORK: Final = 0.5
"""How much work branch and bound gets before walks begin, of its share of time at most half."""

_BRANCH_WORK: Final = 10.0
"""How much it gets in all, on each host."""

_CELLS_PER_WORK: Final = 9e7
"""A partial assignment looked at is so large a part of a unit: vnodes squared by pnodes."""

_MOVES: Final = 1000
"""How many moves the walks get for each vnode."""

_DEALINGS: Final = 4
"""How often units that may be here or there are dealt anew between walks."""

_WALK_SHARE: Final = 0.6
_BRANCH_SHARE: Final = 0.1
"""Of a time limit, how much goes into walks and into branches; the rest is for others."""

_QUIET_SECONDS: Final = 1.0
"""Progress is told of what takes longer, and at most once in so many seconds."""


@dataclass(kw_only=True)
class Effort:
    """How much may be done for one question that ``num_hosts`` hosts share, and how much is.

    Work is counted in units of about a second by the sizes of what is done, not by the
    clock, so that equal questions end at equal points; the clock ends them only on a machine
    that is much slower, at ``deadline`` (of ``time.monotonic``). ``max_nodes`` are the partial
    assignments that any host is worth; without ``walks`` they are all that is done.
    Without ``in_order`` any of several best assignments will do.
    Costs of cores are told ``scale`` times too large.
    """

    limits: Limits = field(default_factory=Limits)
    max_nodes: int
    num_hosts: int = 1
    walks: bool = True
    in_order: bool = True
    progress: Progress | None = None
    scale: int = 1
    work: float = 0.0

    def __post_init__(self) -> None:
        self.started = self._told = time.monotonic()
        self.deadline = math.inf
        if self.limits.time_limit is not None:
            share = _WALK_SHARE + _BRANCH_SHARE if self.walks else 1.0
            self.deadline = self.started + share * self.limits.time_limit

    @property
    def elapsed(self) -> float:
        """Seconds since the question was asked."""
        return time.monotonic() - self.started

    def share(self, share: float) -> float:
        """Return so much of the time limit for one host, infinite where there is no limit."""
        most = self.limits.most_work
        if most is None:
            return math.inf
        return share * most / max(1, self.num_hosts)

    def tell(self, cost: int | None, bound: int) -> None:
        """Say how far a search is; nothing in the first second or twice in one."""
        now = time.monotonic()
        if self.progress is None or now - self._told < _QUIET_SECONDS:
            return
        self._told = now
        least = bound // self.scale
        if cost is None:
            self.progress(f"cost: no placement yet (bound {least}), {self.elapsed:.1f} s")
            return
        value = cost // self.scale
        gap = 100 * (value - least) / max(1, value)
        text = f"cost: {value} (bound {least}, gap {gap:.2f} %), 1 placed"
        self.progress(f"{text}, {self.elapsed:.1f} s")


def solve_in_stages(
    core: QuadraticCore, effort: Effort, *, terms: VcpuTerms | None, upper: int | None
) -> BranchAnswer:
    """Return the best assignment of ``core`` that the effort finds, as ``solve_core`` gives it.

    ``effort.work`` grows by what was done. Ctrl-C ends it with the best so far; where it comes
    too soon for that KeyboardInterrupt goes on. Raises ValueError where costs do not fit 64
    bits.
    """
    branches = _Branches(core, effort, terms)
    if not effort.walks:
        return branches.run(upper, _BRANCH_WORK)
    answer = branches.run(upper, _FIRST_WORK)
    if answer.proven or answer.interrupted or time.monotonic() >= effort.deadline:
        return answer
    if terms is None or not terms.spill:  # prices of vcpus off home are none of a core's
        answer = _raise_bound(answer, core, terms)
        answer = _better(answer, _walk(core, effort, terms, upper, answer))
        if answer.interrupted:
            return answer
    return _better(answer, branches.run(_limit(answer, upper), _BRANCH_WORK, answer))


def _limit(answer: BranchAnswer, upper: int | None) -> int | None:
    """The cost up to which an assignment is worth finding: that of the answer, to prove it."""
    return upper if answer.cost is None else answer.cost


def _better(one: BranchAnswer, other: BranchAnswer) -> BranchAnswer:
    """The proven one of two answers, else the cheaper assignment with the better bound."""
    if other.proven:
        return other
    best = one
    if other.cost is not None and (one.cost is None or other.cost < one.cost):
        best = other
    return replace(
        best,
        bound=max(one.bound, other.bound),
        nodes=one.nodes + other.nodes,
        interrupted=one.interrupted or other.interrupted,
    )


class _Branches:
    """Branch and bound in several turns, of which each has the upper limit of those before."""

    def __init__(self, core: QuadraticCore, effort: Effort, terms: VcpuTerms | None) -> None:
        self.core = core
        self.effort = effort
        self.terms = terms
        cells = core.num_facilities**2 * core.num_locations
        self.nodes_per_work = _CELLS_PER_WORK / max(1, cells)
        self.nodes = 0

    def _most(self, work: float) -> int:
        """So many partial assignments are that much work, of the time limit at most a share."""
        share = self.effort.share(_BRANCH_SHARE if self.effort.walks else 1.0)
        if work < _BRANCH_WORK:
            share /= 2
        nodes = max(1, int(min(work, share) * self.nodes_per_work))
        return min(self.effort.max_nodes, nodes)

    def run(
        self, upper: int | None, work: float, before: BranchAnswer | None = None
    ) -> BranchAnswer:
        """Search until ``work`` is done, what was done before counted."""

        def tell(cost: int | None) -> None:
            known = before.cost if cost is None and before is not None else cost
            self.effort.tell(known, 0 if before is None else before.bound)

        answer = solve_core(
            self.core,
            max_nodes=max(0, self._most(work) - self.nodes),
            upper=upper,
            terms=self.terms,
            deadline=self.effort.deadline,
            catch_interrupt=True,
            tell=tell,
            in_order=self.effort.in_order,
        )
        self.nodes += answer.nodes
        self.effort.work += answer.nodes / self.nodes_per_work
        return answer


def _raise_bound(
    answer: BranchAnswer, core: QuadraticCore, terms: VcpuTerms | None
) -> BranchAnswer:
    """Hold an answer against Gilmore and Lawler's bound; spare units cost something anywhere."""
    bound = lower_bound(core)
    if bound is None:
        return answer
    if terms is not None:
        nearest = int(core.distance.min()) * terms.flow.sum(axis=1) + terms.linear.min(axis=1)
        bound += terms.num_spare * int(nearest.min())
    return replace(answer, bound=max(answer.bound, bound))


def _walk(
    core: QuadraticCore,
    effort: Effort,
    terms: VcpuTerms | None,
    upper: int | None,
    before: BranchAnswer,
) -> BranchAnswer:
    """The best assignment of tabu walks that costs at most ``upper``, with its units.

    Walks know of no units to be dealt. They begin with an even dealing; what they find is
    dealt again at least cost, and walked on from with that.
    """
    best = BranchAnswer(locations=None, cost=None, bound=before.bound, proven=False)
    moves_per_work = 1e6 / (170 + core.num_facilities * core.num_locations / 8)
    most = min(_MOVES * core.num_facilities, effort.share(_WALK_SHARE) * moves_per_work)
    rounds = 1 if terms is None or not terms.num_spare else _DEALINGS
    tables = Tables(core, range(core.num_facilities), terms)
    spare = None if terms is None else _deal_evenly(terms)
    start: Ints | None = None

    def tell(cost: int | None) -> None:
        least = [value for value in (cost, before.cost, best.cost) if value is not None]
        effort.tell(min(least, default=None), before.bound)

    for number in range(rounds):
        left = effort.deadline - time.monotonic()
        if left <= 0:
            break
        try:
            found = improve(
                core if terms is None or spare is None else _with_spare(core, terms, spare),
                seed=effort.limits.seed + number,
                iterations=max(1, int(most / rounds)),
                seconds=left if math.isfinite(left) else None,
                start=start,
                target=before.bound,
                catch_interrupt=True,
                tell=tell,
            )
        except KeyboardInterrupt:
            return replace(best, interrupted=True)
        effort.work += most / rounds / moves_per_work
        if found is None:
            break
        batch = whole(tables, found.locations)
        cost, units = int(batch.bound[0]), seat_units(tables, batch, 0)
        is_good = cost < tables.cannot and (upper is None or cost <= upper)
        if is_good and (best.cost is None or cost < best.cost):
            best = replace(best, locations=found.locations, cost=cost, units=units)
        if found.interrupted:
            return replace(best, interrupted=True)
        if terms is None or units is None:
            break
        start, spare = found.locations, units.sum(axis=1) - core.demand[terms.resource]
    return best


def _deal_evenly(terms: VcpuTerms) -> Ints:
    """So many spare units for each facility that each has an equal part of what it may have."""
    most = terms.most_spare
    total = max(1, int(most.sum()))
    spare = most * terms.num_spare // total
    rest = terms.num_spare - int(spare.sum())
    for i in np.argsort(-(most * terms.num_spare % total), kind="stable").tolist():
        more = min(rest, int(most[i] - spare[i]))
        spare[i] += more
        rest -= more
    return np.asarray(spare)


def _with_spare(core: QuadraticCore, terms: VcpuTerms, spare: Ints) -> QuadraticCore:
    """The core with ``spare`` units more; what is feasible here is feasible there."""
    demand = core.demand.copy()
    demand[terms.resource] += spare
    return replace(
        core,
        linear=core.linear + spare[:, None] * terms.linear,
        flow=core.flow + spare[:, None] * terms.flow,
        demand=demand,
    )
