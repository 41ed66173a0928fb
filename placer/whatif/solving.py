"""One scenario solved: what stays, what is placed anew, and the whole that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from placer.check import check_placement
from placer.cost import level_values
from placer.domain import Domain
from placer.fleet.bounds import cost_bound, least_costs
from placer.fleet.seating import seat_shared
from placer.frames import DomainFrames
from placer.host import Host
from placer.placement import PlacedDomain, Placement, by_host
from placer.problem import Problem
from placer.result import Level, Move, Refusal, Status
from placer.run import hosts_after
from placer.scenario import Scenario
from placer.solve import SolveOptions, solve
from placer.whatif.draft import Base, Draft, placed_run
from placer.whatif.keys import seed_of
from placer.whatif.settle import make_draft, without_a_host

_SUMS: Final = ("placed_priority", "auto_vnodes", "vcpus_off_home", "cost", "vcpus_off_soft")
"""Levels that are sums over domains: what stays adds the same to value and bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfOptions:
    """How each scenario is solved: ``work`` as in `SolveOptions`; the clock has no say.

    ``reasons``: whether to say why domains are left without a place, as counting finds.
    """

    work: float = 2.0
    seed: int = 0
    reasons: bool = True


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A scenario's answer.

    ``problem`` has the domains that some host could take; None where there is none.
    ``displaced`` had to leave the place where they ran; ``moves`` lead from there.
    """

    scenario: Scenario
    draft: Draft
    problem: Problem | None
    status: Status
    placement: Placement
    displaced: frozenset[str] = frozenset()
    levels: tuple[Level, ...] = ()
    unplaced: tuple[Refusal, ...] = ()
    frames: tuple[DomainFrames, ...] = ()
    moves: tuple[Move, ...] = ()


def solve_scenario(base: Base, scenario: Scenario, options: WhatIfOptions) -> Solved:
    """Return the best answer that the work of ``options`` finds, checked.

    Domains may be left out, but for those that run and stay. The seed is made of what the
    scenario asks and the seed of ``options``: the answer does not depend on what is solved before
    it, nor on what the scenario is called.
    Raises InputError for a change that cannot be made.
    """
    draft = make_draft(base, scenario)
    homeless = without_a_host(draft)
    refusals = tuple(Refusal(domain=name, reason=reason) for name, reason in homeless.items())
    displaced = frozenset(
        name for name in base.running if name in draft.domains and name not in draft.stays
    )
    solver = SolveOptions(
        seed=seed_of(scenario, options.seed),
        work=options.work,
        reasons=options.reasons,
        brief=True,
        baselines=False,
        in_order=False,
    )
    problem = _whole(draft, scenario, homeless)
    if problem is None:
        found = Solved(
            scenario=scenario,
            draft=draft,
            problem=None,
            status="optimal",
            placement=Placement(domains=()),
        )
    elif scenario.solve == "fresh":
        found = _whole_solved(draft, scenario, problem, solver)
    else:
        found = _moving_at_most(draft, scenario, problem, solver)
    return replace(found, displaced=displaced, unplaced=(*found.unplaced, *refusals))


def _whole(draft: Draft, scenario: Scenario, homeless: dict[str, str]) -> Problem | None:
    """The problem of all domains that some host could take; None where there is no such."""
    domains = [domain for name, domain in draft.domains.items() if name not in homeless]
    if not domains or not draft.hosts:
        return None
    most_moves, most_pages = scenario.max_moves, scenario.max_moved_pages
    if scenario.solve == "keep":
        most_moves, most_pages = 0, None
    elif scenario.solve == "fresh":
        most_moves = most_pages = None
        domains = [_as_asked(draft.base, domain) for domain in domains]
    return replace(
        draft.base.problem,
        hosts=tuple(draft.hosts.values()),
        domains=tuple(domains),
        groups=tuple(draft.groups.values()),
        policy=draft.policy,
        allow_partial=True,
        current=() if scenario.solve == "fresh" else tuple(draft.stays.values()),
        max_moves=most_moves,
        max_moved_pages=most_pages,
    )


def _as_asked(base: Base, domain: Domain) -> Domain:
    """A domain of the base as it was asked for, unless a change has touched it."""
    if domain is not base.domains.get(domain.name):
        return domain
    return base.problem.domains[base.problem.domain_index[domain.name]]


# -- the whole at once -----------------------------------------------------------


def _moving_at_most(
    draft: Draft, scenario: Scenario, problem: Problem, solver: SolveOptions
) -> Solved:
    """The best answer in which no more is moved than is allowed.

    What needs no move is found first: it is soon known, and where its cost meets the bound
    there is nothing to gain by moving.
    """
    stays_all = scenario.solve == "keep" or not draft.stays
    kept = None
    if _is_separable(draft, problem):
        first = replace(solver, reasons=solver.reasons and stays_all)
        kept = _beside_what_stays(draft, scenario, problem, first)
    if kept is not None and stays_all:
        return kept
    least = least_costs(problem)
    if kept is not None:
        kept = _bounded(_open(kept), least)
        if kept.status == "optimal":
            return kept
    whole = _bounded(_whole_solved(draft, scenario, problem, solver), least)
    if kept is None or _rank(whole) <= _rank(kept):
        return whole
    return _as_good_as(kept, whole)


def _open(solved: Solved) -> Solved:
    """An answer without moves as one of many: all might be placed, at no cost."""
    problem = solved.problem
    if problem is None:
        return solved
    best = {"placed_priority": sum(domain.priority for domain in problem.domains)}
    levels = [
        _with_bound(level, best.get(level.name, 0))
        for level in solved.levels
        if level.name in ("placed_priority", "vcpus_off_home", "cost")
    ]
    return replace(solved, levels=tuple(levels), status="feasible")


def _with_bound(level: Level, bound: int) -> Level:
    status: Literal["optimal", "feasible"] = "optimal" if bound == level.value else "feasible"
    return replace(level, bound=bound, status=status)


def _bounded(solved: Solved, least: dict[str, int]) -> Solved:
    """The answer with the bound of its cost that counting gives, where that is better."""
    if solved.problem is None:
        return solved
    bound = cost_bound(solved.problem, solved.placement, least)
    levels = [
        _with_bound(level, bound)
        if level.name == "cost" and level.bound < bound <= level.value
        else level
        for level in solved.levels
    ]
    proven = bool(levels) and all(level.status == "optimal" for level in levels)
    return replace(solved, levels=tuple(levels), status="optimal" if proven else solved.status)


def _rank(solved: Solved) -> tuple[int, int, int]:
    """What is to be least, as far as placements that move more or less are compared."""
    values = {level.name: level.value for level in solved.levels}
    if not values:
        return (0, 0, 1)
    return -values["placed_priority"], values["vcpus_off_home"], values["cost"]


def _as_good_as(kept: Solved, whole: Solved) -> Solved:
    """The answer in which nothing is moved, with what is proven of all others."""
    proven = {level.name: level.bound for level in whole.levels}
    levels = tuple(
        level
        if level.bound == level.value or level.name not in proven
        else replace(level, bound=min(level.value, max(level.bound, proven[level.name])))
        for level in kept.levels
    )
    reasons = {refusal.domain: refusal for refusal in whole.unplaced}
    unknown = "no place was found within the moves and the work that are allowed"
    return replace(
        kept,
        levels=levels,
        status="feasible",
        unplaced=tuple(
            reasons.get(name, Refusal(domain=name, reason=unknown))
            for name in kept.placement.unplaced
        ),
    )


def _whole_solved(
    draft: Draft, scenario: Scenario, problem: Problem, solver: SolveOptions
) -> Solved:
    solution = solve(problem, solver)
    result = solution.result
    placement = result.placement
    return Solved(
        scenario=scenario,
        draft=draft,
        problem=problem,
        status=result.status,
        placement=placement or _nothing(problem),
        levels=result.levels,
        unplaced=result.unplaced,
        frames=solution.frames,
        moves=result.moves,
    )


def _nothing(problem: Problem) -> Placement:
    return Placement(domains=(), unplaced=tuple(domain.name for domain in problem.domains))


# -- beside what stays -------------------------------------------------------------


def _is_separable(draft: Draft, problem: Problem) -> bool:
    """Whether what stays only takes room from the others, so that it need not be encoded.

    Not where the penalty of a core's second thread, a hard affinity or a group over pnodes
    makes what is best for the one depend on the other.
    """
    if any(host.smt == "penalty" and host.smt_penalty for host in problem.hosts):
        return False
    if any(mask is not None for domain in problem.domains for mask in domain.hard_affinity):
        return False
    staying = {g for name in draft.stays for g in draft.domains[name].groups}
    return not any(group.over == "pnodes" and group.name in staying for group in problem.groups)


def _beside_what_stays(
    draft: Draft, scenario: Scenario, problem: Problem, solver: SolveOptions
) -> Solved | None:
    """Place the others on what the staying domains leave; None where that does not fit together."""
    others = [domain for domain in problem.domains if domain.name not in draft.stays]
    solved = None
    if others:
        part = _part(draft, problem, others)
        solved = solve(part, solver)
    placed = (
        ()
        if solved is None or solved.result.placement is None
        else (solved.result.placement.domains)
    )
    frames = {one.placed.domain: one.frames for one in draft.stays.values()}
    if solved is not None:
        frames.update((one.domain, one) for one in solved.frames)
    placement = _together(draft, problem, placed)
    if placement is None:
        return None
    known = tuple(f for one in placement.domains if (f := frames[one.domain]) is not None)
    # Frames of hosts that are as they were lie where they lay, or where solving has put them
    # beside those.
    same = {id(host) for host in draft.base.problem.hosts}
    changed = any(id(host) not in same for host in problem.hosts)
    if check_placement(problem, placement, known if changed else None):
        return None
    levels: tuple[Level, ...] = ()
    if solved is None:
        levels = tuple(
            Level(
                name=name,
                value=value,
                bound=value,
                status="optimal",
                sense="max" if name == "placed_priority" else "min",
            )
            for name, value in level_values(problem, placement).items()
            if name in _SUMS
        )
    else:
        levels = _shifted(solved.result.levels, level_values(problem, placement))
    return Solved(
        scenario=scenario,
        draft=draft,
        problem=problem,
        status="optimal" if solved is None else solved.result.status,
        placement=placement,
        levels=levels,
        unplaced=() if solved is None else solved.result.unplaced,
        frames=known,
    )


def _part(draft: Draft, problem: Problem, others: list[Domain]) -> Problem:
    """The problem of the other domains on the hosts as the staying ones leave them."""
    hosts_of: dict[str, set[str]] = {}
    for name, running in draft.stays.items():
        for group in draft.domains[name].groups:
            hosts_of.setdefault(group, set()).add(running.placed.host)
    keep = {group.name: group.keep for group in problem.groups}
    domains = []
    for domain in others:
        allowed, forbidden = domain.hosts, set(domain.forbidden_hosts)
        for group in domain.groups:
            taken = hosts_of.get(group, set())
            if keep[group] == "apart":
                forbidden |= taken
            elif taken:
                allowed = tuple(h for h in draft.hosts if h in taken and h in (allowed or taken))
        domains.append(
            replace(
                domain,
                hosts=allowed,
                forbidden_hosts=tuple(h for h in draft.hosts if h in forbidden),
            )
        )
    return replace(
        problem,
        hosts=_left_by(draft, problem),
        domains=tuple(domains),
        current=(),
        max_moves=None,
        max_moved_pages=None,
    )


def _left_by(draft: Draft, problem: Problem) -> tuple[Host, ...]:
    """The hosts as the staying domains leave them; those of the base are known."""
    base = draft.base
    before = by_host(base.run.placed)
    now = by_host(one.placed for one in draft.stays.values())
    found = []
    for host in problem.hosts:
        here = now.get(host.name, [])
        same = (
            host.name in base.after
            and host is base.problem.hosts[base.problem.host_index[host.name]]
        )
        if same and [one.domain for one in here] == [
            one.domain for one in before.get(host.name, [])
        ]:
            found.append(base.after[host.name])
        elif not here:
            found.append(host)
        else:
            found.append(_left_on(draft, host, here))
    return tuple(found)


def _left_on(draft: Draft, host: Host, here: list[PlacedDomain]) -> Host:
    names = [one.domain for one in here]
    domains = tuple(
        replace(draft.domains[name], groups=(), hosts=None, forbidden_hosts=()) for name in names
    )
    frames = tuple(f for name in names if (f := draft.stays[name].frames) is not None)
    problem = Problem(hosts=(host,), domains=domains, allow_partial=True)
    (left,) = hosts_after(placed_run(problem, tuple(here), frames))
    return left


def _together(draft: Draft, problem: Problem, placed: tuple[PlacedDomain, ...]) -> Placement | None:
    """What stays and what was placed beside it, with the pcpus of shared vcpus named together."""
    answers = {one.placed.domain: one.placed for one in draft.stays.values()}
    answers.update((one.domain, one) for one in placed)
    touched = {one.host for one in placed}
    for name, here in by_host(answers.values()).items():
        if name in touched:
            seated = seat_shared(draft.hosts[name], problem, here)
            if seated is None:
                return None
            answers.update((one.domain, one) for one in seated)
    return Placement(
        domains=tuple(answers[d.name] for d in problem.domains if d.name in answers),
        unplaced=tuple(d.name for d in problem.domains if d.name not in answers),
    )


def _shifted(levels: tuple[Level, ...], values: dict[str, int]) -> tuple[Level, ...]:
    """The levels of a part as those of the whole: what stays adds the same to value and bound."""
    found = []
    for level in levels:
        if level.name not in _SUMS or level.name not in values:
            continue
        more = values[level.name] - level.value
        found.append(replace(level, value=values[level.name], bound=level.bound + more))
    return tuple(found)
