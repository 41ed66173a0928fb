"""One domain on one or a few hosts, answered exactly in milliseconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from placer.answer import Answer, Limits
from placer.arrays import Ints, same_fields
from placer.domain import Domain
from placer.host import Host
from placer.pcpus import name_pcpus, seats_of
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.quadratic.branch import BranchAnswer, solve_core
from placer.quadratic.of_domain import DomainCore, describe
from placer.result import Level

MAX_NODES: Final = 200_000
"""How many partial assignments are looked at on a host before the encoding takes over."""

MAX_VNODES: Final = 64
"""Beyond so many vnodes the lexicographically first placement is not what is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneDomain:
    """What was found: the proven answer, and where there is none a placement to start from."""

    answer: Answer | None = None
    start: Placement | None = None


def place_one(problem: Problem, limits: Limits) -> Answer | None:
    """Return the answer of a problem of one domain, as ``cpsat.search`` would give it, or None.

    None where the problem is of another kind, or was not proven.
    """
    return solve_one(problem, limits).answer


def solve_one(problem: Problem, limits: Limits) -> OneDomain:
    """Place the only domain of ``problem`` and prove it, as far as a quadratic core can.

    Every allowed host is tried, alike ones once; of equal costs the first host has it. There
    is no answer where the domain is not plain on some host (``of_domain.describe``), a
    tie-break or cost slack asks for more than the least cost, what runs may be moved, or
    the proof takes too long. ``limits`` are not reached: the search is bounded by nodes.
    """
    started = time.monotonic()
    if not _is_of_this_kind(problem):
        return OneDomain()
    domain = problem.domains[0]
    hosts = [host for host in problem.hosts if _may_run_on(domain, host)]
    tried = _Trials(domain)
    for host in hosts:
        if not tried.take(host):
            return OneDomain(start=tried.placement())
    placement = tried.placement()
    if not tried.is_proven():
        return OneDomain(start=placement)
    if placement is None and not problem.allow_partial:
        return OneDomain(answer=Answer(status="infeasible"))
    if placement is None:
        placement = Placement(domains=(), unplaced=(domain.name,))
    levels = list(_levels(problem, placement, tried.cost, tried.off_soft, started))
    if not hosts:  # there are no homes to put in order
        levels.pop()
    return OneDomain(answer=Answer(status="optimal", levels=levels, placement=placement))


def _is_of_this_kind(problem: Problem) -> bool:
    return (
        len(problem.domains) == 1
        and problem.policy.tie_break == "none"
        and not problem.cost_slack
        and not problem.current
        and problem.domains[0].num_vnodes <= MAX_VNODES
        and not problem.domains[0].auto_vnodes
    )


def _may_run_on(domain: Domain, host: Host) -> bool:
    if domain.hosts is not None and host.name not in domain.hosts:
        return False
    if host.name in domain.forbidden_hosts:
        return False
    return int(domain.vnode_pnode.max()) < host.num_pnodes


class _Trials:
    """The best of the hosts so far, and what is known of those that hold nothing."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.seen: list[DomainCore] = []
        self.best: tuple[Host, DomainCore, BranchAnswer] | None = None
        self.refused: list[DomainCore] = []
        self.complete = True

    def take(self, host: Host) -> bool:
        """Try one more host; False where the domain is not plain there."""
        found = describe(self.domain, host)
        if found is None:
            self.complete = False
            return False
        if any(_is_alike(found, other) for other in self.seen):
            return True
        self.seen.append(found)
        upper = None if self.best is None else (self.best[2].cost or 0) - 1
        try:
            answer = solve_core(found.core, max_nodes=MAX_NODES, upper=upper, terms=found.terms)
        except ValueError:  # costs beyond 64 bits
            self.complete = False
            return False
        self.complete = self.complete and answer.proven
        if answer.locations is not None:
            self.best = (host, found, answer)
        elif upper is None:
            self.refused.append(found)
        return True

    @property
    def cost(self) -> int:
        """The cost of the best placement, 0 where there is none."""
        return 0 if self.best is None else (self.best[2].cost or 0) // self.best[1].scale

    @property
    def off_soft(self) -> int:
        """Its vcpus outside their soft mask."""
        return 0 if self.best is None else (self.best[2].cost or 0) % self.best[1].scale

    def is_proven(self) -> bool:
        """Whether no placement of any kind is better, or none is possible.

        Where vcpus may leave home as a last resort, nothing but memory and homes can
        refuse a host; where memory may spill, nothing here can.
        """
        if not self.complete:
            return False
        if self.best is not None:
            _, found, _ = self.best
            return not found.must_be_local or self.cost == found.local_cost
        if any(found.must_be_local for found in self.refused):
            return False
        return self.domain.cpu_spill == "never" or all(
            _is_refused(found, self.domain) for found in self.refused
        )

    def placement(self) -> Placement | None:
        """The best placement so far, its pcpus named."""
        if self.best is None:
            return None
        host, found, answer = self.best
        if answer.locations is None or answer.spare is None:
            return None
        placed = _place(self.domain, host, found, answer.locations, answer.spare)
        return Placement(domains=(placed,))


def _is_refused(found: DomainCore, domain: Domain) -> bool:
    """Whether a host is ruled out wherever the vcpus run: by memory and homes, or by count."""
    if int(found.rooms.most.sum()) < domain.num_vcpus:
        return True
    answer = solve_core(found.memory_alone, max_nodes=MAX_NODES)
    return answer.proven and answer.locations is None


def _is_alike(one: DomainCore, other: DomainCore) -> bool:
    """Whether two hosts are the same to the domain: what is first on one is on the other."""
    if (one.terms is None) != (other.terms is None) or not same_fields(one.core, other.core):
        return False
    return one.terms is None or same_fields(one.terms, other.terms)


def _place(
    domain: Domain, host: Host, found: DomainCore, locations: Ints, spare: Ints
) -> PlacedDomain:
    """Name the pcpus of an assignment."""
    counts = found.least + spare
    fixed = domain.vcpu_to_vnode
    vnode_of = np.repeat(np.arange(domain.num_vnodes), counts) if fixed is None else fixed
    pnode_of = locations[vnode_of]
    cell_of: dict[int, int] = {}
    for pnode in np.unique(pnode_of).tolist():
        vcpus = np.flatnonzero(pnode_of == pnode).tolist()
        cell_of.update(zip(vcpus, found.rooms.deal(pnode, len(vcpus)), strict=True))
    names, empty = name_pcpus(found.rooms.cells, seats_of(domain, 0, host, cell_of))
    pages = np.zeros((domain.num_vnodes, host.num_pnodes), dtype=np.int64)
    pages[np.arange(domain.num_vnodes), locations] = domain.vnode_pages
    return PlacedDomain(
        domain=domain.name,
        host=host.name,
        vnode_pages=domain.vnode_pages,
        home=locations,
        pages=pages,
        vcpu_to_vnode=vnode_of,
        vcpu_to_pnode=pnode_of,
        vcpu_to_pcpu=np.array([names[0, vcpu] for vcpu in range(domain.num_vcpus)]),
        empty_siblings=empty.get(0, ()),
    )


def _levels(
    problem: Problem, placement: Placement, cost: int, off_soft: int, started: float
) -> Iterator[Level]:
    """The levels of ``cpsat.search``, in its order, all proven."""
    domain = problem.domains[0]
    seconds = time.monotonic() - started
    if problem.allow_partial:
        priority = domain.priority if placement.domains else 0
        yield Level(
            name="placed_priority", value=priority, bound=priority, status="optimal", sense="max"
        )
    yield Level(name="vcpus_off_home", value=0, bound=0, status="optimal")
    yield Level(name="cost", value=cost, bound=cost, status="optimal", seconds=seconds)
    if any(mask is not None for mask in domain.soft_affinity):
        yield Level(name="vcpus_off_soft", value=off_soft, bound=off_soft, status="optimal")
    yield Level(
        name="homes_in_order",
        value=domain.num_vnodes,
        bound=domain.num_vnodes,
        status="optimal",
        sense="max",
    )
