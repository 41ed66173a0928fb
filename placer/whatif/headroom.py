"""How many more domains of a shape fit beside what runs, host by host, and what stops the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count as count_up

import numpy as np

from placer.answer import Limits
from placer.arrays import Ints
from placer.check import check_placement
from placer.cpsat.feasible import Questions
from placer.cpsat.packing import PackSite, pack
from placer.domain import Domain
from placer.explain import explain
from placer.explain.room import Room
from placer.fleet.expand import expand
from placer.fleet.part import may_run_on
from placer.fleet.plan import Fleet, Plan
from placer.fleet.residual import host_without
from placer.fleet.shapes import is_plain, list_shapes
from placer.host import Host
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Refusal
from placer.solve import SolveOptions, solve
from placer.whatif.draft import Base

_MOST_COPIES = 20_000
"""No more than so many are counted on one host."""

_ENCODED_COPIES = 64
"""Where patterns leave a doubt, so many copies at most are looked for by solving."""

_REASON_WORK = 2.0


@dataclass(frozen=True, kw_only=True)
class HostRoom:
    """How many of a shape fit on one host: ``number`` do, and no more than ``bound`` can.

    ``next_one`` says why one more does not.
    """

    host: str
    number: int
    bound: int
    next_one: Refusal

    @property
    def is_proven(self) -> bool:
        """Whether no more can fit."""
        return self.number == self.bound


def headroom(base: Base, shape: Domain, *, seed: int = 0, work: float = 2.0) -> Iterator[HostRoom]:
    """Yield how many domains like ``shape`` fit on each host, in order, beside what runs.

    What runs stays. Hosts do not compete, so the sum over the hosts is the most that fits on
    all of them; ``shape`` is in no group. Hosts that no plain domain can tell apart are
    counted once.
    """
    shape = replace(shape, name=_new_name(base, shape.name), groups=())
    hosts = [base.after[host.name] for host in base.problem.hosts]
    alike = _alike(hosts, shape)
    known: dict[int, _Most] = {}
    for number, host in enumerate(hosts):
        kind = alike[number]
        if kind not in known:
            known[kind] = _most_on(host, shape, seed, work)
        most = known[kind]
        yield HostRoom(
            host=host.name,
            number=most.number,
            bound=most.bound,
            next_one=_why_no_more(replace(most.left, name=host.name), shape, seed),
        )


@dataclass(frozen=True, kw_only=True)
class _Most:
    """How many fit on a host, and the host with so many on it."""

    number: int
    bound: int
    left: Host


def _why_no_more(left: Host, shape: Domain, seed: int) -> Refusal:
    if not may_run_on(shape, left):
        reason = f"{left.name} is not a host that it may run on, or lacks the pnodes or pcpus"
        return Refusal(domain=shape.name, reason=reason)
    questions = Questions(Limits(seed=seed, work=_REASON_WORK), work=_REASON_WORK, thorough=False)
    free = replace(shape, hosts=None, forbidden_hosts=())
    return explain(Problem(hosts=(left,), domains=(free,)), shape.name, questions)


def _new_name(base: Base, name: str) -> str:
    taken = set(base.domains) | {run.name for host in base.problem.hosts for run in host.running}
    names = (name if not number else f"{name}+{number}" for number in count_up())
    return next(
        each for each in names if not any(t == each or t.startswith(f"{each}-") for t in taken)
    )


def _alike(hosts: list[Host], shape: Domain) -> list[int]:
    """The number of each host's kind."""
    if not is_plain(shape) or any(host.smt == "penalty" for host in hosts):
        return list(range(len(hosts)))
    asked = replace(
        shape,
        hosts=_present(shape.hosts, hosts),
        forbidden_hosts=_present(shape.forbidden_hosts, hosts) or (),
    )
    if int(shape.vnode_pnode.max()) >= max(host.num_pnodes for host in hosts):
        return [0] * len(hosts)
    problem = Problem(hosts=tuple(hosts), domains=(asked,), allow_partial=True)
    kinds = [0] * len(hosts)
    for host_type in list_shapes(problem).types:
        for index in host_type.hosts:
            kinds[index] = host_type.number
    return kinds


def _present(names: tuple[str, ...] | None, hosts: list[Host]) -> tuple[str, ...] | None:
    here = {host.name for host in hosts}
    return None if names is None else tuple(name for name in names if name in here)


def _most_on(host: Host, shape: Domain, seed: int, work: float) -> _Most:
    most = _most_by_count(host, shape) if may_run_on(shape, host) else 0
    if not most:
        return _Most(number=0, bound=0, left=host)
    shape = replace(shape, hosts=None, forbidden_hosts=())
    problem = _copies(host, shape, most)
    placement, bound = _by_patterns(problem, most, seed, work)
    number = len(placement.domains)
    if number < bound and number < _ENCODED_COPIES:
        found, least = _by_solving(host, shape, number + 1, seed, work)
        bound = min(bound, least)
        if len(found.domains) > number:
            placement, number = found, len(found.domains)
    return _Most(number=number, bound=bound, left=host_without(host, problem, placement.domains))


def _copies(host: Host, shape: Domain, number: int) -> Problem:
    copies = tuple(replace(shape, name=f"{shape.name}-{n}") for n in range(number))
    return Problem(hosts=(host,), domains=copies, allow_partial=True)


def _most_by_count(host: Host, shape: Domain) -> int:
    """What memory and vcpus of the whole host allow."""
    by_memory = int(host.usable_pages.sum()) // (shape.memory_pages + shape.overhead_pages)
    by_vcpus = sum(Room(host).vcpus(shape)) // shape.num_vcpus
    return min(by_memory, by_vcpus, _MOST_COPIES)


def _by_patterns(problem: Problem, most: int, seed: int, work: float) -> tuple[Placement, int]:
    """The most copies with every vcpu at home, and a bound of all; none where not plain."""
    nothing = Placement(domains=())
    host = problem.hosts[0]
    if not is_plain(problem.domains[0]) or (host.smt == "penalty" and host.smt_penalty):
        return nothing, most
    shapes = list_shapes(problem)
    fleet = Fleet.of(problem, shapes)
    found = fleet.patterns.get((0, 0))
    bound = most
    relaxed = Fleet.of(problem, shapes.without_vcpus_that_spill()) if shapes.spill else fleet
    loose = relaxed.patterns.get((0, 0))
    limits = np.array([most])
    capacity = fleet.types[0].capacity.reshape(-1)
    if loose is None:
        bound = 0
    elif loose.missing_cost is None:
        room = relaxed.types[0].capacity.reshape(-1)
        packing = pack([_site(loose.use, room)], limits, seed=seed, work=work)
        if packing.bound is not None:
            bound = min(most, packing.bound)
    if found is None:
        return nothing, bound
    packing = pack([_site(found.tight, capacity)], limits, seed=seed, work=work)
    plan = Plan(fleet)
    for pattern, times in enumerate([] if packing.counts is None else packing.counts[0].tolist()):
        for _ in range(times):
            plan.add(0, (0, pattern))
    placement = expand(problem, plan)
    if check_placement(problem, placement):
        return nothing, bound
    return placement, bound


def _site(use: Ints, capacity: Ints) -> PackSite:
    num = len(use)
    return PackSite(
        use=use,
        capacity=capacity,
        gain=np.ones(num, dtype=np.int64),
        shape=np.zeros(num, dtype=np.int64),
    )


def _by_solving(
    host: Host, shape: Domain, first: int, seed: int, work: float
) -> tuple[Placement, int]:
    """Place as many as can be by solving, one more each time, and say what is proven."""
    best = Placement(domains=())
    for number in range(first, _ENCODED_COPIES + 1):
        if number > _most_by_count(host, shape):
            return best, number - 1
        options = SolveOptions(seed=seed, work=work, reasons=False, baselines=False)
        problem = replace(_copies(host, shape, number), allow_partial=False)
        result = solve(problem, options).result
        if result.placement is None:
            return best, number - 1 if result.status == "infeasible" else _MOST_COPIES
        best = result.placement
    return best, _MOST_COPIES
