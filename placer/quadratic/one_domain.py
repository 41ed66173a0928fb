"""One domain on one or a few hosts, answered exactly in milliseconds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from placer.answer import Answer, Limits, Progress
from placer.arrays import Ints, same_fields
from placer.cost import domain_cost, level_values, vcpus_off_home
from placer.domain import Domain
from placer.host import Host
from placer.pcpus import name_pcpus, seats_of
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.quadratic.branch import BranchAnswer, solve_core
from placer.quadratic.core import QuadraticCore
from placer.quadratic.of_domain import MEMORY, DomainCore, describe
from placer.quadratic.partial import VcpuTerms
from placer.quadratic.spilled import find_spreads
from placer.quadratic.stages import Effort, solve_in_stages
from placer.result import Level
from placer.units import COST_UNITS, LOCAL_DISTANCE

MAX_NODES: Final = 200_000
"""How many partial assignments are looked at on a host before the encoding takes over."""

_MAX_ANY_NODES: Final = 20_000
"""The same where any placement will do."""

_MAX_SOON_NODES: Final = 4_000
"""The same where a good placement is wanted soon."""

MAX_VNODES: Final = 64
"""Beyond so many vnodes the lexicographically first placement is not what is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneDomain:
    """What was found: the last word on the problem, or what others may begin with.

    - ``answer``: proven, or all there is after Ctrl-C.
    - ``start``: a placement to start from, where there is no answer.
    - ``best``: the same as an answer, ``feasible``, with a bound for each level. None where
      a better placement may be of a kind that was not looked at.
    - ``known``: bounds of levels of placements with every vcpu at home, by name.
    - ``work``: what it took, in units of about a second that the clock does not count.
    """

    answer: Answer | None = None
    start: Placement | None = None
    best: Answer | None = None
    known: Mapping[str, int] = field(default_factory=dict)
    work: float = 0.0


def place_one(problem: Problem, limits: Limits) -> Answer | None:
    """Return the answer of a problem of one domain, as ``cpsat.search`` would give it, or None.

    It is proven, or with a time limit the best so far at a part of it, ``feasible``; Ctrl-C
    ends it with the best so far, ``interrupted``. None where the problem is of another kind,
    where nothing was found, and where without a time limit nothing was proven.
    """
    one = solve_one(problem, limits)
    return one.best if one.answer is None and limits.time_limit is not None else one.answer


def place_any(problem: Problem) -> Answer | None:
    """Return whether the only domain of ``problem`` can be placed, and where, at any cost.

    The status is ``feasible`` or ``infeasible``, the latter proven; None where that stays
    open, or the problem is of another kind. Which of several placements it is means nothing.
    """
    if not _is_of_this_kind(problem):
        return None
    domain = problem.domains[0]
    effort = Effort(max_nodes=_MAX_ANY_NODES, walks=False, in_order=False)
    tried = _Trials(domain, effort, any_will_do=True)
    tried.try_hosts([host for host in problem.hosts if _may_run_on(domain, host)])
    if tried.interrupted:
        raise KeyboardInterrupt
    placement = tried.placement() or _least_spread(domain, tried.seen, first_will_do=True)
    if placement is not None:
        return Answer(status="feasible", placement=placement)
    return Answer(status="infeasible") if tried.complete else None


def place_soon(problem: Problem, limits: Limits) -> Answer | None:
    """Return a good placement of the only domain of ``problem`` within little work.

    The status is ``optimal`` where the answer is that of ``place_one``, else ``feasible``, and
    there are no levels then. None where nothing was found or the problem is of another kind.
    """
    one = solve_one(problem, limits, max_nodes=_MAX_SOON_NODES)
    if one.answer is not None or not _is_of_this_kind(problem):
        return one.answer
    domain = problem.domains[0]
    hosts = [host for host in problem.hosts if _may_run_on(domain, host)]
    described = [(host, describe(domain, host)) for host in hosts]
    seen = [(host, found) for host, found in described if found is not None]
    placement = _least_spread(domain, seen, one.start)
    return None if placement is None else Answer(status="feasible", placement=placement)


def _least_spread(
    domain: Domain,
    seen: list[tuple[Host, DomainCore]],
    start: Placement | None = None,
    *,
    first_will_do: bool = False,
) -> Placement | None:
    """The best placement of memory that may be spilled, and ``start`` if nothing is better."""
    by_name = {host.name: host for host, _ in seen}

    def worth(placement: Placement) -> tuple[int, int]:
        placed = placement.domains[0]
        host = by_name[placed.host]
        return vcpus_off_home(domain, placed), domain_cost(domain, placed, host)

    best = start
    for host, found in seen:
        if not found.spilled:
            continue
        for spread in find_spreads(domain, host, found):
            placed = _place(domain, host, found, spread.home, spread.units, spread.pages)
            placement = Placement(domains=(placed,))
            if first_will_do:
                return placement
            if best is None or worth(placement) < worth(best):
                best = placement
    return best


def solve_one(
    problem: Problem,
    limits: Limits,
    *,
    max_nodes: int | None = None,
    progress: Progress | None = None,
) -> OneDomain:
    """Place the only domain of ``problem`` and prove it, as far as a quadratic core can.

    Every allowed host is tried, alike ones once; of equal costs the first host has it. There
    is no answer where the domain is not plain on some host (``of_domain.describe``), a
    tie-break or cost slack asks for more than the least cost, what runs may be moved, or
    the proof takes too long: ``stages.Effort`` says how long that is, at most a part of the
    time limit. With ``max_nodes`` so many partial assignments are looked at on each host and
    no walks are made.
    """
    started = time.monotonic()
    if not _is_of_this_kind(problem):
        return OneDomain()
    domain = problem.domains[0]
    hosts = [host for host in problem.hosts if _may_run_on(domain, host)]
    effort = Effort(
        limits=limits,
        max_nodes=MAX_NODES if max_nodes is None else max_nodes,
        num_hosts=len(hosts),
        walks=max_nodes is None,
        progress=progress,
    )
    tried = _Trials(domain, effort)
    try:
        tried.try_hosts(hosts)
    except KeyboardInterrupt:
        tried.interrupted, tried.complete = True, False
    placement = tried.placement()
    if not tried.is_proven():
        return _unproven(problem, tried, placement, started)
    if placement is None and not problem.allow_partial:
        return OneDomain(answer=Answer(status="infeasible"))
    if placement is None:
        placement = Placement(domains=(), unplaced=(domain.name,))
    levels = list(_levels(problem, placement, tried.values(), started))
    if not hosts:  # there are no homes to put in order
        levels.pop()
    return OneDomain(answer=Answer(status="optimal", levels=levels, placement=placement))


def _unproven(
    problem: Problem, tried: _Trials, placement: Placement | None, started: float
) -> OneDomain:
    """What is known where the proof is missing."""
    work = tried.effort.work
    if placement is None:
        answer = Answer(status="unknown", interrupted=True) if tried.interrupted else None
        return OneDomain(answer=answer, work=work)
    bounds = tried.bounds()
    levels = list(_open_levels(problem, placement, bounds, started))
    best = Answer(
        status="feasible", levels=levels, placement=placement, interrupted=tried.interrupted
    )
    if tried.interrupted:
        return OneDomain(answer=best, work=work)
    exhausted = tried.finished and not tried.spills_memory()
    known = {} if tried.spilled else {"cost": bounds["cost"]}
    return OneDomain(start=placement, best=best if exhausted else None, known=known, work=work)


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
    """The best of the hosts so far, and what is known of those that hold nothing.

    ``seen`` are the hosts tried without spill, each kind once. Whatever runs off home comes
    after all that does not, so it is tried only where every host refuses that. Where any
    placement will do costs are left out, and the first is the last. No assignment of the
    hosts tried costs less than ``bound``; None is no assignment at all. ``finished`` says
    whether all hosts were tried, ``complete`` whether each had the last word.
    """

    def __init__(self, domain: Domain, effort: Effort, *, any_will_do: bool = False) -> None:
        self.domain = domain
        self.effort = effort
        self.any_will_do = any_will_do
        self.seen: list[tuple[Host, DomainCore]] = []
        self.best: tuple[Host, DomainCore, BranchAnswer] | None = None
        self.bound: int | None = None
        self.complete = True
        self.finished = False
        self.interrupted = False
        self.spilled = False

    def try_hosts(self, hosts: list[Host]) -> None:
        """Try every host, with spill where there is nothing without."""
        for number, host in enumerate(hosts):
            found = describe(self.domain, host)
            if found is None:
                self.complete = False
                return
            if self.any_will_do:
                found = found.without_costs()
            if any(_is_alike(found, other) for _, other in self.seen):
                continue
            self.seen.append((host, found))
            self._take(host, found, found.core, found.terms)
            if self._is_over():
                self.finished = number + 1 == len(hosts)
                return
        self.finished = True
        if self.best is None and self.complete:
            self.spilled = True
            for host, found in self.seen:
                self._try_with_spill(host, found)
                if self._is_over():
                    return

    def _is_over(self) -> bool:
        return self.interrupted or (self.any_will_do and self.best is not None)

    def _try_with_spill(self, host: Host, found: DomainCore) -> None:
        stays = self.domain.cpu_spill == "never"
        if (stays and not found.spilled) or _is_refused(found, self.domain):
            return
        spilled = None if stays else found.with_spill(self.domain.num_vcpus)
        if spilled is None:
            self.complete = False
        else:
            self._take(host, found, *spilled)

    def _take(
        self, host: Host, found: DomainCore, core: QuadraticCore, terms: VcpuTerms | None
    ) -> None:
        upper = None if self.best is None else (self.best[2].cost or 0) - 1
        self.effort.scale = found.scale
        try:
            answer = solve_in_stages(core, self.effort, upper=upper, terms=terms)
        except ValueError:  # costs beyond 64 bits
            self.complete, self.bound = False, 0
            return
        self.complete = self.complete and answer.proven
        self.interrupted = answer.interrupted
        if not answer.proven or answer.locations is not None:
            bound = answer.bound if answer.cost is None else min(answer.bound, answer.cost)
            self.bound = bound if self.bound is None else min(self.bound, bound)
        if answer.locations is not None:
            self.best = (host, found, answer)

    def values(self) -> tuple[int, int, int]:
        """Vcpus off home, cost, and vcpus outside their soft mask; 0 where nothing is placed."""
        if self.best is None:
            return 0, 0, 0
        _, found, answer = self.best
        off_home, rest = 0, answer.cost or 0
        if self.spilled:
            off_home, rest = divmod(rest, found.spill_price)
        return off_home, *divmod(rest, found.scale)

    def bounds(self) -> dict[str, int]:
        """What vcpus off home and cost cannot be below, as far as the hosts tried say it."""
        local = self.domain.num_vcpus * LOCAL_DISTANCE * COST_UNITS
        if self.spilled or self.best is None:
            return {"vcpus_off_home": int(not self.spills_memory()), "cost": local}
        if self.finished and self.bound is not None and not self.spills_memory():
            local = max(local, self.bound // self.best[1].scale)
        return {"vcpus_off_home": 0, "cost": local}

    def spills_memory(self) -> bool:
        """Whether memory need not be at home, so that assignments are not all there is."""
        return any(found.spilled for _, found in self.seen)

    def is_proven(self) -> bool:
        """Whether no placement of any kind is better, or none is possible."""
        if not self.complete or self.best is None:
            return self.complete
        found = self.best[1]
        return not found.spilled or (found.seen and self.values()[1] == found.local_cost)

    def placement(self) -> Placement | None:
        """The best placement so far, its pcpus named."""
        if self.best is None:
            return None
        host, found, answer = self.best
        if answer.locations is None:
            return None
        units = answer.units
        if units is None:
            units = np.zeros((len(answer.locations), host.num_pnodes), dtype=np.int64)
            units[np.arange(len(units)), answer.locations] = found.least
        placed = _place(self.domain, host, found, answer.locations, units)
        return Placement(domains=(placed,))


def _is_refused(found: DomainCore, domain: Domain) -> bool:
    """Whether a host is ruled out wherever vcpus run and memory is spilled."""
    need = domain.memory_pages + domain.overhead_pages
    if (
        int(found.rooms.most.sum()) < domain.num_vcpus
        or int(found.core.capacity[MEMORY].sum()) < need
    ):
        return True
    core = found.refusing(vcpus_stay=domain.cpu_spill == "never")
    answer = solve_core(core, max_nodes=MAX_NODES, in_order=False)
    return answer.proven and answer.locations is None


def _is_alike(one: DomainCore, other: DomainCore) -> bool:
    """Whether two hosts are the same to the domain: what is first on one is on the other."""
    if (one.terms is None) != (other.terms is None) or not same_fields(one.core, other.core):
        return False
    return one.terms is None or same_fields(one.terms, other.terms)


def _place(
    domain: Domain,
    host: Host,
    found: DomainCore,
    locations: Ints,
    units: Ints,
    pages: Ints | None = None,
) -> PlacedDomain:
    """Name the pcpus of an assignment; ``units[i, p]`` vcpus of vnode i run on pnode p.

    All memory is at home where ``pages[i, p]`` do not say otherwise.
    """
    fixed = domain.vcpu_to_vnode
    vnode_of = np.repeat(np.arange(len(units)), units.sum(axis=1)) if fixed is None else fixed
    pnode_of = np.empty(domain.num_vcpus, dtype=np.int64)
    pnodes = np.arange(host.num_pnodes)
    for vnode, (home, numbers) in enumerate(zip(locations, units, strict=True)):
        home_first = np.argsort(pnodes != home, kind="stable")
        pnode_of[vnode_of == vnode] = np.repeat(home_first, numbers[home_first])
    cell_of: dict[int, int] = {}
    for pnode in np.unique(pnode_of).tolist():
        vcpus = np.flatnonzero(pnode_of == pnode).tolist()
        cell_of.update(zip(vcpus, found.rooms.deal(pnode, len(vcpus)), strict=True))
    names, empty = name_pcpus(found.rooms.cells, seats_of(domain, 0, host, cell_of))
    if pages is None:
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
    problem: Problem, placement: Placement, values: tuple[int, int, int], started: float
) -> Iterator[Level]:
    """The levels of ``cpsat.search``, in its order, all proven."""
    domain = problem.domains[0]
    seconds = time.monotonic() - started
    if problem.allow_partial:
        priority = domain.priority if placement.domains else 0
        yield Level(
            name="placed_priority", value=priority, bound=priority, status="optimal", sense="max"
        )
    off_home, cost, off_soft = values
    yield Level(name="vcpus_off_home", value=off_home, bound=off_home, status="optimal")
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


def _open_levels(
    problem: Problem, placement: Placement, bounds: Mapping[str, int], started: float
) -> Iterator[Level]:
    """The levels of a placement that is not proven, without the order of homes."""
    for name, value in level_values(problem, placement).items():
        is_most = name == "placed_priority"
        bound = value if is_most else bounds.get(name, 0)
        yield Level(
            name=name,
            value=value,
            bound=bound,
            status="optimal" if bound == value else "feasible",
            sense="max" if is_most else "min",
            seconds=time.monotonic() - started if name == "cost" else 0.0,
        )
