"""Why a domain that fits by itself does not fit with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from placer.domain import Domain
from placer.explain.alone import OUT_OF_WORK, Movable, with_conflict
from placer.explain.asking import Asker
from placer.explain.by_count import Counts
from placer.explain.conflict import find_conflict
from placer.explain.count import Shortage, shortage_of
from placer.explain.offer import find_offers
from placer.explain.requirement import requirements_of
from placer.explain.room import Room
from placer.explain.text import count_of, list_names
from placer.fleet.residual import host_without
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.result import Certificate, Refusal

_MOST_TERMS = 3000
"""Batches of more vnodes times pnodes are not solved again for reasons."""

_MOST_HOSTS = 8
"""Of many hosts so many are looked at for room, those with most memory left first."""


_MOST_NAMED = 3
"""So many hosts at most are named that a group keeps a domain off."""


def is_small(problem: Problem) -> bool:
    """Return whether a batch can be solved again and again to find reasons."""
    pnodes = sum(host.num_pnodes for host in problem.hosts)
    return pnodes * sum(domain.num_vnodes for domain in problem.domains) <= _MOST_TERMS


def restrict(problem: Problem, names: Sequence[str]) -> Problem:
    """Return ``problem`` with the domains of these names alone, none of which is left out."""
    wanted = set(names)
    return replace(
        problem,
        domains=tuple(domain for domain in problem.domains if domain.name in wanted),
        current=tuple(run for run in problem.current if run.placed.domain in wanted),
        allow_partial=False,
    )


def explain_beside(
    problem: Problem, domain: Domain, asker: Asker, movable: Movable | None = None
) -> Refusal:
    """Return why ``domain``, which fits alone, does not fit with all others of ``problem``.

    The other domains that matter are named, with what they lack together.
    """
    name = domain.name
    shortage = Counts(problem, asker.room).batch_shortage(problem.domains)
    others = [d.name for d in problem.domains if d.name != name]
    fits: bool | None = False
    certificate: Certificate = "capacity count"
    if shortage is None:
        if not is_small(problem):
            return Refusal(
                domain=name, reason=f"fits alone, but not with the {len(others)} other domains"
            )
        fits, certificate = asker.prove(problem)
    if fits is not False:
        return Refusal(domain=name, reason="it can be placed" if fits else OUT_OF_WORK)
    if not is_small(problem):
        reason = "" if shortage is None else f": {shortage.reason}"
        return Refusal(
            domain=name,
            reason=f"fits alone, but not with the {len(others)} other domains{reason}",
            certificate=certificate,
            binding=() if shortage is None else shortage.binding,
            short_by=() if shortage is None else shortage.short_by,
        )
    if not others:
        return Refusal(
            domain=name,
            reason="fits, but not within the limits on what may be moved",
            certificate=certificate,
            binding=("C7: limits on moves",),
        )
    inside = restrict(problem, clashing_domains(problem, asker, keep=name))
    conflict = find_conflict(inside, requirements_of(inside, name, asker.room), asker)
    needed = [] if conflict is None else [u for u in conflict.requirements if u.kind == "other"]
    against = [unit.domain for unit in needed] or others
    inside = restrict(problem, [name, *against])
    together = Counts(inside, asker.room).batch_shortage(inside.domains)
    reason = f"fits alone, but not together with {list_names(against)}"
    refusal = Refusal(
        domain=name,
        reason=reason if together is None else f"{reason}: {together.reason}",
        certificate=certificate,
        binding=() if together is None else together.binding,
        short_by=() if together is None else together.short_by,
    )
    refusal = with_conflict(refusal, inside, conflict, asker)
    moving = movable or (_more_moves if problem.current else None)
    offers = find_offers(
        problem,
        name,
        conflict,
        asker,
        movable=None if moving is None else lambda most: moving(problem, most),
        many_hosts=len(problem.hosts) > 1,
    )
    return replace(refusal, nearest=tuple(offer.text for offer in offers))


def _more_moves(problem: Problem, number: int) -> Problem | None:
    """The problem in which so many more domains may be moved than it allows."""
    if problem.max_moves is None or problem.max_moves + number > len(problem.current):
        return None
    return replace(problem, max_moves=problem.max_moves + number, max_moved_pages=None)


def clashing_domains(problem: Problem, asker: Asker, keep: str = "") -> list[str]:
    """Return domains that cannot be placed together, as few as trying without others finds.

    The domain ``keep`` is one of them. All of them, where the batch is large.
    """
    kept = [domain.name for domain in problem.domains]
    size = len(kept) if is_small(problem) else 0
    while size >= 1:
        start = 0
        while start < len(kept):
            gone = [name for name in kept[start : start + size] if name != keep]
            fewer = [name for name in kept if name not in gone]
            if fewer and gone and asker.fits(restrict(problem, fewer)) is False:
                kept = fewer
            else:
                start += size
        size //= 2
    return kept


class LeftOver:
    """The hosts as a placement leaves them, for domains that it leaves out."""

    def __init__(self, problem: Problem, placement: Placement) -> None:
        self.problem = problem
        self.placement = placement
        self._on: dict[str, list[PlacedDomain]] = {host.name: [] for host in problem.hosts}
        for placed in placement.domains:
            self._on[placed.host].append(placed)
        left = {
            host.name: int(host.usable_pages.sum())
            - sum(int(placed.vnode_pages.sum()) for placed in self._on[host.name])
            for host in problem.hosts
        }
        self._order = sorted(left, key=lambda name: -left[name])
        self._rooms: dict[str, Room] = {}

    def room(self, name: str) -> Room:
        """Return the figures of a host with what is placed on it."""
        if name not in self._rooms:
            host = self.problem.hosts[self.problem.host_index[name]]
            self._rooms[name] = Room(host_without(host, self.problem, self._on[name]))
        return self._rooms[name]

    def explain(self, domain: Domain, asker: Asker, movable: Movable | None = None) -> Refusal:
        """Return why ``domain``, which fits alone, is left out."""
        placed = [answer.domain for answer in self.placement.domains]
        base = restrict(self.problem, [*placed, domain.name])
        if is_small(base) and asker.left > 0:
            return explain_beside(base, domain, asker, movable)
        return self.explain_by_room(domain)

    def explain_by_room(self, domain: Domain) -> Refusal:
        """Return what the host lacks that is short by least beside what is placed.

        That proves nothing.
        """
        allowed = (host for host in self._order if _is_allowed(domain, host))
        found = []
        groups: dict[str, str] = {}
        for name in islice(allowed, _MOST_HOSTS):
            shortage = shortage_of(domain, self.room(name))
            against = self._group_against(domain, name) if shortage is None else ""
            if against:
                groups[name] = against
                continue
            if shortage is None:
                return Refusal(
                    domain=domain.name,
                    reason=(
                        "fits alone; beside the placed domains counting finds room on "
                        f"{name}, the search none"
                    ),
                )
            found.append(shortage)
        if groups:
            return _refuse_for_groups(domain, groups, found)
        nearest = min(found, key=lambda shortage: shortage.share)
        return Refusal(
            domain=domain.name,
            reason=(
                f"fits alone, but not beside the {count_of(len(self.placement.domains), 'domain')} "
                f"placed: {nearest.reason}"
            ),
            binding=nearest.binding,
            short_by=nearest.short_by,
        )

    def _group_against(self, domain: Domain, host: str) -> str:
        """Which group keeps a domain off a host that has room for it, in a few words."""
        for group in self.problem.groups:
            if group.name not in domain.groups:
                continue
            there = {
                placed.domain: placed.host
                for placed in self.placement.domains
                if group.name in self._groups_of(placed.domain)
            }
            here = [name for name, where in there.items() if where == host]
            if group.keep == "apart" and group.over == "hosts" and here:
                return f"group {group.name} keeps it apart from {here[0]} on {host}"
            if group.keep == "together" and there and not here:
                name, where = next(iter(there.items()))
                return f"group {group.name} keeps it together with {name} on {where}"
        return ""

    def _groups_of(self, name: str) -> tuple[str, ...]:
        return self.problem.domains[self.problem.domain_index[name]].groups


def _refuse_for_groups(domain: Domain, groups: dict[str, str], found: list[Shortage]) -> Refusal:
    """Where a host has room a group stands against it; elsewhere something is short."""
    reasons = list(dict.fromkeys(groups.values()))
    few = "; ".join(reasons[:_MOST_NAMED])
    if len(reasons) > _MOST_NAMED:
        few += f"; and so on for {count_of(len(reasons) - _MOST_NAMED, 'host')} more"
    nearest = min(found, key=lambda shortage: shortage.share, default=None)
    more = "" if nearest is None else f"; elsewhere: {nearest.reason}"
    return Refusal(
        domain=domain.name,
        reason=f"fits alone, but where there is room {few}{more}",
        binding=(*reasons[:_MOST_NAMED], *(nearest.binding if nearest else ())),
        short_by=nearest.short_by if nearest else (),
    )


def _is_allowed(domain: Domain, host: str) -> bool:
    return (domain.hosts is None or host in domain.hosts) and host not in domain.forbidden_hosts
