"""A core in stages: search it through if that is quick, else walk it, bound it and go on.

Branch and bound alone proves small cores within milliseconds. On larger ones it finds poor
assignments or none; tabu walks find good ones soon, and these cut the branches of the rest of
the proof. What is left unproven has the better of both answers and the best of all bounds.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from placer.answer import Limits
from placer.arrays import Ints
from placer.quadratic.bound import lower_bound
from placer.quadratic.branch import BranchAnswer, solve_core
from placer.quadratic.core import QuadraticCore
from placer.quadratic.partial import Tables, VcpuTerms
from placer.quadratic.relaxation import seat_units, whole
from placer.quadratic.tabu import improve

_FIRST_WORK: Final = 0.5
"""How much work branch and bound gets before walks begin."""

_BRANCH_WORK: Final = 10.0
"""How much it gets in all, on each host."""

_CELLS_PER_WORK: Final = 9e7
"""A partial assignment looked at is so large a part of a unit: vnodes squared by pnodes."""

_MOVES: Final = 1000
"""How many moves the walks get for each vnode."""

_WALK_SHARE: Final = 0.4
_BRANCH_SHARE: Final = 0.2
"""Of a time limit, how much goes into walks and into branches; the rest is for others."""


@dataclass
class Effort:
    """How much may be done, and how much is.

    Work is counted in units of about a second by the sizes of what is done, not by the
    clock, so that equal questions end at equal points; the clock ends them only on a machine
    that is much slower, at ``deadline`` (of ``time.monotonic``). ``max_nodes`` are the partial
    assignments that any host is worth; without ``walks`` they are all that is done.
    """

    limits: Limits
    max_nodes: int
    walks: bool = True
    deadline: float = math.inf
    num_hosts: int = 1
    work: float = 0.0

    @classmethod
    def within(
        cls, limits: Limits, max_nodes: int, *, num_hosts: int = 1, walks: bool = True
    ) -> Effort:
        """Return the effort for a question that is asked now, which so many hosts share."""
        deadline = math.inf
        if limits.time_limit is not None:
            deadline = time.monotonic() + limits.time_limit * (_WALK_SHARE + _BRANCH_SHARE)
        return cls(limits, max_nodes, walks, deadline, num_hosts)

    def share(self, share: float) -> float:
        """Return so much of the time limit for one host, infinite where there is no limit."""
        if self.limits.time_limit is None:
            return math.inf
        return share * self.limits.time_limit / max(1, self.num_hosts)


def solve_in_stages(
    core: QuadraticCore, effort: Effort, *, terms: VcpuTerms | None, upper: int | None
) -> BranchAnswer:
    """Return the best assignment of ``core`` that the effort finds, as ``solve_core`` gives it.

    ``effort.work`` grows by what was done. Raises ValueError where costs do not fit 64 bits.
    """
    branches = _Branches(core, effort, terms)
    answer = branches.run(upper, _FIRST_WORK)
    if answer.proven or answer.interrupted or not effort.walks or branches.is_over():
        return answer
    if terms is not None and terms.spill:  # penalties of vcpus off home are no core's
        return _better(answer, branches.run(_limit(answer, upper), _BRANCH_WORK))
    answer = _raise_bound(answer, core, terms)
    answer = _better(answer, _walk(core, effort, terms, upper, answer.bound))
    if answer.interrupted:
        return answer
    return _better(answer, branches.run(_limit(answer, upper), _BRANCH_WORK))


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

    def is_over(self) -> bool:
        """Whether no more is to be done."""
        return self.nodes >= self._most(_BRANCH_WORK) or time.monotonic() >= self.effort.deadline

    def _most(self, work: float) -> int:
        work = min(work, self.effort.share(_BRANCH_SHARE))
        return min(self.effort.max_nodes, max(1, int(work * self.nodes_per_work)))

    def run(self, upper: int | None, work: float) -> BranchAnswer:
        """Search until ``work`` is done, what was done before counted."""
        answer = solve_core(
            self.core,
            max_nodes=self._most(work) - self.nodes,
            upper=upper,
            terms=self.terms,
            deadline=self.effort.deadline,
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
    core: QuadraticCore, effort: Effort, terms: VcpuTerms | None, upper: int | None, bound: int
) -> BranchAnswer:
    """The best assignment of tabu walks that costs at most ``upper``, with its units."""
    nothing = BranchAnswer(locations=None, cost=None, bound=bound, proven=False)
    moves_per_work = 1e6 / (170 + core.num_facilities * core.num_locations / 8)
    most = min(_MOVES * core.num_facilities, effort.share(_WALK_SHARE) * moves_per_work)
    seconds = None if math.isinf(effort.deadline) else effort.deadline - time.monotonic()
    try:
        found = improve(
            core if terms is None else _with_spare(core, terms),
            seed=effort.limits.seed,
            iterations=max(1, int(most)),
            seconds=seconds,
            target=bound,
        )
    except KeyboardInterrupt:
        return replace(nothing, interrupted=True)
    effort.work += most / moves_per_work
    if found is None:
        return nothing
    tables = Tables(core, range(core.num_facilities), terms)
    batch = whole(tables, found.locations)
    cost = int(batch.bound[0])
    if cost >= tables.cannot or (upper is not None and cost > upper):
        return replace(nothing, interrupted=found.interrupted)
    return replace(
        nothing,
        locations=found.locations,
        cost=cost,
        units=seat_units(tables, batch, 0),
        interrupted=found.interrupted,
    )


def _with_spare(core: QuadraticCore, terms: VcpuTerms) -> QuadraticCore:
    """The core with its spare units dealt beforehand, each facility its part of them.

    Any dealing is one that the core allows, so what is feasible here is feasible there.
    """
    most = terms.most_spare
    total = max(1, int(most.sum()))
    spare = most * terms.num_spare // total
    rest = terms.num_spare - int(spare.sum())
    for i in np.argsort(-(most * terms.num_spare % total), kind="stable").tolist():
        more = min(rest, int(most[i] - spare[i]))
        spare[i] += more
        rest -= more
    demand: Ints = core.demand.copy()
    demand[terms.resource] += spare
    return replace(
        core,
        linear=core.linear + spare[:, None] * terms.linear,
        flow=core.flow + spare[:, None] * terms.flow,
        demand=demand,
    )
