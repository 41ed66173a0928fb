"""What each domain costs at least on each host, all alone: a bound on what all cost together.

Domains only take room from one another, and the price for hyperthreads only grows where they
meet; so no domain ever costs less beside others than it does alone on an empty host.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from ortools.sat.python import cp_model

from placer.answer import Limits
from placer.arrays import Ints
from placer.cpsat.constraints import add_constraints
from placer.cpsat.objective import access_cost
from placer.cpsat.symmetry import equal_domains, equal_hosts
from placer.cpsat.timebox import SOLVED, TimeBox
from placer.cpsat.variables import Expr, Variables, total
from placer.domain import Domain
from placer.errors import InputError
from placer.host import Host
from placer.problem import Problem
from placer.quadratic.one_domain import MAX_NODES, solve_one
from placer.units import COST_UNITS, LOCAL_DISTANCE

_PAIR_WORK: Final = 2.0
"""Deterministic time for one domain on one host, where nothing limits it."""

_SHARE: Final = 0.25
"""Of the time left, how much goes into such bounds."""

Least = dict[tuple[int, int], int | None]
"""The least cost by domain and host; None where the domain cannot be there."""


def bound_by_least_costs(
    v: Variables, cost: Expr, limits: Limits, box: TimeBox, sizes: dict[str, Ints] | None
) -> int:
    """Hold ``cost`` to what its domains cost alone; return that where all are placed.

    Only domains that no pnode of a host might hold are solved; the others may be all local.
    The value is 0 where domains may be left out.
    """
    least = _least_costs(v, limits, box, sizes)
    terms: list[Expr] = []
    everywhere = 0
    for number, domain in enumerate(v.problem.domains):
        local = domain.num_vcpus * LOCAL_DISTANCE * COST_UNITS
        costs = []
        for site in v.sites:
            on = v.runs_on(number, site.number)
            if isinstance(on, int):
                continue
            alone = least.get((number, site.number), local)
            if alone is None:
                v.model.add(on == 0)
                continue
            costs.append(alone)
            terms.append(alone * on)
        everywhere += min(costs, default=0)
    v.model.add(cost >= total(terms))
    return 0 if v.problem.allow_partial else everywhere


def _least_costs(
    v: Variables, limits: Limits, box: TimeBox, sizes: dict[str, Ints] | None
) -> Least:
    """Solve each pair of unlike domains and hosts alone, as far as the time goes."""
    problem = v.problem
    work = box.meter.left
    seconds = box.seconds_left()
    inner = TimeBox(
        replace(limits, time_limit=None if seconds is None else _SHARE * seconds),
        work=None if work is None else _SHARE * work,
        within=box,
    )
    least: Least = {}
    pairs = [
        (alike, same)
        for alike in _sets(len(problem.domains), equal_domains(problem))
        for same in _sets(len(problem.hosts), equal_hosts(problem))
        if not isinstance(v.runs_on(alike[0], same[0]), int)
        and not _may_be_local(problem.domains[alike[0]], problem.hosts[same[0]])
    ]
    for done, (alike, same) in enumerate(pairs):
        if inner.is_over():
            break
        left = inner.meter.left
        pair = TimeBox(
            replace(limits, time_limit=None),
            work=_PAIR_WORK if left is None else left / (len(pairs) - done),
            within=inner,
        )
        domain, host = problem.domains[alike[0]], problem.hosts[same[0]]
        found = _least_cost(v, domain, host, limits, pair, sizes)
        least.update({(d, h): found for d in alike for h in same})
    return least


def _sets(count: int, alike: list[list[int]]) -> list[list[int]]:
    """Every number once: the sets that are alike, and the others alone."""
    listed = {number for numbers in alike for number in numbers}
    return [*alike, *([number] for number in range(count) if number not in listed)]


def _may_be_local(domain: Domain, host: Host) -> bool:
    """Whether counting does not rule out that all of the domain lies on one pnode."""
    if domain.distinct_pnodes and domain.num_vnodes > 1:
        return False
    if any(memory.policy == "interleave" for memory in domain.memory):
        return False
    pcpus = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)
    each = host.overcommit.denominator if domain.dedicated else host.overcommit.numerator
    seated = host.overcommit.denominator * domain.num_vcpus <= each * pcpus
    return bool((seated & (domain.memory_pages <= host.usable_pages)).any())


def _least_cost(
    v: Variables,
    domain: Domain,
    host: Host,
    limits: Limits,
    box: TimeBox,
    sizes: dict[str, Ints] | None,
) -> int | None:
    """A bound on the cost of one domain alone on one host; None where it cannot be there."""
    local = domain.num_vcpus * LOCAL_DISTANCE * COST_UNITS
    try:
        alone = Problem(
            hosts=(replace(host, smt_penalty=0),),
            domains=(replace(domain, groups=(), hosts=None, forbidden_hosts=()),),
        )
    except InputError:  # a pnode or pcpu is named that the host has not
        return None
    left = box.seconds_left()
    within = replace(limits, time_limit=None if left is None else max(left, 0.0))
    answer = None if v.spill else solve_one(alone, within, max_nodes=MAX_NODES).answer
    if answer is not None and answer.interrupted:
        raise KeyboardInterrupt
    if answer is not None and answer.status == "infeasible":
        return None
    if answer is not None and answer.status == "optimal":
        return next(level.value for level in answer.levels if level.name == "cost")
    single = Variables(alone, spill=v.spill, sizes=sizes)
    add_constraints(single)
    cost = access_cost(single)
    if isinstance(cost, int):
        return max(cost, local)
    single.model.minimize(cost)
    status, solver, _ = box.solve(single.model, lambda *_: "")
    if status == cp_model.INFEASIBLE:
        return None
    bound = int(-(-solver.best_objective_bound // 1)) if status in SOLVED else local
    return max(bound, local)
