"""What can stay where it runs after the changes of a scenario; the rest is placed anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from placer.arrays import ABSENT
from placer.check import check_placement
from placer.domain import Domain
from placer.errors import InputError
from placer.fleet.part import may_run_on
from placer.fleet.seating import seat_shared
from placer.host import Host
from placer.placement import PlacedDomain, Placement, by_host
from placer.problem import Group, Problem, Running
from placer.scenario import Scenario, op_of
from placer.whatif.changes import apply, by_rank
from placer.whatif.draft import Base, Draft


def make_draft(base: Base, scenario: Scenario) -> Draft:
    """Return ``base`` with all changes of ``scenario``, and with only what can stay staying.

    Where a host cannot carry all that runs on it any more, domains give way one after another,
    the least priority first, then the most memory, until it can. Raises InputError where a
    change names what is not there or cannot be.
    """
    draft = Draft.of(base)
    for number, change in enumerate(scenario.changes, start=1):
        try:
            apply(change, draft)
        except InputError as error:
            where = f"change {number} ({op_of(change)})"
            raise InputError(replace(fault, source=where) for fault in error.faults) from error
    _forget_hosts(draft)
    _settle(draft)
    return draft


def _forget_hosts(draft: Draft) -> None:
    """Take the names of hosts that are gone, and of those to be empty, out of all requests."""
    for name, domain in draft.domains.items():
        hosts, forbidden = domain.hosts, domain.forbidden_hosts
        if hosts is not None:
            hosts = tuple(host for host in hosts if host in draft.hosts)
        if forbidden:
            forbidden = tuple(host for host in forbidden if host in draft.hosts)
        if draft.drained:
            forbidden = tuple(
                dict.fromkeys((*forbidden, *sorted(draft.drained & set(draft.hosts))))
            )
        if (hosts, forbidden) != (domain.hosts, domain.forbidden_hosts):
            draft.domains[name] = replace(domain, hosts=hosts, forbidden_hosts=forbidden)


def _settle(draft: Draft) -> None:
    base = draft.base.problem
    known = {host.name: host for host in base.hosts}
    changed = {
        name
        for name, domain in draft.domains.items()
        if name in draft.stays and domain is not draft.base.domains.get(name)
    }
    here = by_host(running.placed for running in draft.stays.values())
    for name, placed in here.items():
        host = draft.hosts[name]
        if host is known[name] and not changed & {one.domain for one in placed}:
            continue
        for one in placed:
            fits = one.pages.shape[1] == host.num_pnodes and _has_pcpus(draft, one.domain, host)
            if not fits or not may_run_on(draft.domains[one.domain], host):
                draft.evict(one.domain)
        _settle_host(draft, host)
    groups = [group for group in draft.groups.values() if group not in base.groups]
    groups += [g for g in draft.groups.values() if _members(draft, g) & changed]
    for group in dict.fromkeys(groups):
        _settle_group(draft, group)


def _settle_host(draft: Draft, host: Host) -> None:
    """Let domains give way until the host carries the rest; then put back what has room yet."""
    gone: list[Running] = []
    while draft.on(host.name):
        name = _broken(draft, host)
        if name is None:
            break
        gone.append(draft.stays[name])
        draft.evict(name)
    order = list(draft.base.running)
    for running in reversed(gone[:-1]):
        name = running.placed.domain
        draft.stays[name] = running
        draft.stays = {n: draft.stays[n] for n in order if n in draft.stays}
        if _broken(draft, host) is not None:
            draft.evict(name)


def _has_pcpus(draft: Draft, name: str, host: Host) -> bool:
    """Whether the pcpus that a running domain needs for itself are still there.

    Shared vcpus are named new ones of their pnode.
    """
    if not draft.domains[name].dedicated:
        return True
    placed = draft.stays[name].placed
    return {*placed.vcpu_to_pcpu.tolist(), *placed.empty_siblings} <= set(host.pcpu_ids.tolist())


def _broken(draft: Draft, host: Host) -> str | None:
    """The domain that gives way first on a host that cannot carry what runs there; else None."""
    here = draft.on(host.name)
    problem = _problem_of(draft, (host,), [one.placed.domain for one in here], ())
    placed = seat(problem, host, here)
    if placed is None:
        return by_rank(draft, here)[-1].placed.domain
    violations = check_placement(replace(problem, current=()), Placement(domains=placed))
    if not violations:
        for one, answer in zip(here, placed, strict=True):
            draft.stays[answer.domain] = replace(one, placed=answer)
        return None
    named = {violation.domain for violation in violations} - {""}
    blamed = [one for one in here if one.placed.domain in named] or here
    return by_rank(draft, blamed)[-1].placed.domain


def seat(problem: Problem, host: Host, here: list[Running]) -> tuple[PlacedDomain, ...] | None:
    """Return what runs on a host with the pcpus of shared vcpus named anew where they must be."""
    ids = set(host.pcpu_ids.tolist())
    placed = tuple(one.placed for one in here)
    if all(set(one.vcpu_to_pcpu.tolist()) <= ids for one in placed):
        return placed
    found = seat_shared(host, problem, placed)
    return None if found is None else tuple(found)


def _members(draft: Draft, group: Group) -> set[str]:
    return {name for name, domain in draft.domains.items() if group.name in domain.groups}


def _settle_group(draft: Draft, group: Group) -> None:
    """Take the members of a group off their places where these are not as it asks."""
    members = [name for name in draft.stays if name in _members(draft, group)]
    if not members:
        return
    problem = _problem_of(draft, tuple(draft.hosts.values()), members, (group,))
    placed = tuple(draft.stays[name].placed for name in members)
    violations = check_placement(problem, Placement(domains=placed))
    if any(violation.rule == "C3 group" for violation in violations):
        draft.evict(*members)


def _problem_of(
    draft: Draft, hosts: tuple[Host, ...], names: Iterable[str], groups: tuple[Group, ...]
) -> Problem:
    here = {host.name for host in hosts}
    kept = {group.name for group in groups}
    return Problem(
        hosts=hosts,
        domains=tuple(_only(draft.domains[name], here, kept) for name in names),
        groups=groups,
    )


def _only(domain: Domain, hosts: set[str], groups: set[str]) -> Domain:
    """The domain with no host or group named that is not there."""
    return replace(
        domain,
        hosts=None if domain.hosts is None else tuple(h for h in domain.hosts if h in hosts),
        forbidden_hosts=tuple(h for h in domain.forbidden_hosts if h in hosts),
        groups=tuple(g for g in domain.groups if g in groups),
    )


def without_a_host(draft: Draft) -> dict[str, str]:
    """Return why, by name, for domains that no host could ever take, by what they ask for."""
    found = {}
    for name, domain in draft.domains.items():
        if name in draft.stays:
            continue
        if not draft.hosts:
            found[name] = "there is no host"
        elif not any(may_run_on(domain, host) for host in draft.hosts.values()):
            found[name] = _why_nowhere(draft, domain)
    return found


def _why_nowhere(draft: Draft, domain: Domain) -> str:
    anywhere = replace(domain, hosts=None, forbidden_hosts=())
    if any(may_run_on(anywhere, host) for host in draft.hosts.values()):
        return "no host is left of those that it may run on"
    unpinned = replace(anywhere, vnode_pnode=ABSENT)
    if any(may_run_on(unpinned, host) for host in draft.hosts.values()):
        return "no host that it may run on has the pnodes that it asks for"
    return "no host that it may run on has the pcpus or the pnodes that it asks for"
