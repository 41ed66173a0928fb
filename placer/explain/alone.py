"""Why one domain fits no host even by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from placer.domain import Domain
from placer.errors import InputError
from placer.explain.asking import Asker, hosts_for
from placer.explain.by_count import (
    Counts,
    HostVerdict,
    describe_others,
    nearest_first,
    refuse_all_hosts,
)
from placer.explain.conflict import Conflict, find_conflict
from placer.explain.count import misfit_of
from placer.explain.offer import find_offers, hosts_not_allowed
from placer.explain.requirement import requirements_of
from placer.explain.shortage import find_shortages
from placer.host import Host
from placer.problem import Problem
from placer.result import Certificate, Refusal

Movable = Callable[[Problem, int], Problem | None]
"""Gives a problem in which so many of the domains that run now may be moved, or None."""

OUT_OF_WORK = "not explained within the work allowed for it"

_PARTLY = "(some of these may not be needed: the work allowed for explaining ran out)"


def explain_alone(
    problem: Problem, domain: Domain, asker: Asker, movable: Movable | None = None
) -> Refusal | None:
    """Return why ``domain`` fits no host even with nothing else placed, or None where it fits.

    The conflict, what is short and what would help are those of the nearest host: one
    that counting is silent about, else the one that is short by least. Where nothing
    could be proven, the refusal has no certificate. ``movable`` is asked for the same problem
    with what runs there to be moved.
    """
    wider = _wider(problem, domain)
    hosts = hosts_for(problem, domain)
    if not hosts:
        refusal = refuse_all_hosts(domain)
        return replace(refusal, nearest=_fits_elsewhere(domain, wider, asker))
    counts = Counts(problem, asker.room)
    if counts.is_open(domain):
        fits = asker.fits(place_alone(problem, domain, hosts))
        if fits is not False:
            return None if fits else Refusal(domain=domain.name, reason=OUT_OF_WORK)
    verdicts = nearest_first(counts.verdicts(domain))
    mine = replace(problem, domains=(domain,), current=(), allow_partial=False)
    certificate = _prove(problem, domain, verdicts, asker)
    if not certificate:
        return Refusal(domain=domain.name, reason=OUT_OF_WORK)
    here, shortage = verdicts[0].host, verdicts[0].shortage
    reason = f"no placement on {here.name} keeps all that is asked for"
    refusal = Refusal(
        domain=domain.name,
        reason=(shortage.reason if shortage else reason) + describe_others(verdicts[1:]),
        certificate=certificate,
        binding=shortage.binding if shortage else (),
        short_by=shortage.short_by if shortage else (),
    )
    if misfit_of(domain, asker.room(here)) is not None:
        return replace(refusal, nearest=_fits_elsewhere(domain, wider, asker))
    focus = place_alone(problem, domain, [here])
    conflict = find_conflict(focus, requirements_of(focus, domain.name, asker.room), asker)
    offers = find_offers(
        focus,
        domain.name,
        conflict,
        asker,
        wider=wider,
        movable=None if movable is None else lambda most: movable(mine, most),
        many_hosts=len(problem.hosts) > 1,
    )
    refusal = with_conflict(refusal, focus, conflict, asker)
    return replace(refusal, nearest=tuple(offer.text for offer in offers))


def with_conflict(
    refusal: Refusal, problem: Problem, conflict: Conflict | None, asker: Asker
) -> Refusal:
    """Return ``refusal`` with the requirements in conflict and what would end it, if known."""
    if conflict is None or not conflict.requirements:
        return refusal
    binding = tuple(unit.text for unit in conflict.requirements)
    short = list(refusal.short_by)
    short += [
        text
        for text in find_shortages(problem, refusal.domain, conflict, asker)
        if text not in short
    ]
    return replace(
        refusal,
        binding=binding if conflict.irreducible else (*binding, _PARTLY),
        short_by=tuple(short),
    )


def place_alone(problem: Problem, domain: Domain, hosts: Sequence[Host]) -> Problem:
    """Return the problem of placing ``domain`` and nothing else, on ``hosts`` and no other.

    Raises InputError where something that it asks for means nothing on any of them.
    """
    return replace(
        problem,
        hosts=tuple(hosts),
        domains=(replace(domain, hosts=None, forbidden_hosts=(), groups=()),),
        groups=(),
        allow_partial=False,
        current=(),
        max_moves=None,
        max_moved_pages=None,
    )


def _wider(problem: Problem, domain: Domain) -> Problem | None:
    """The domain alone on the hosts that only its own lists keep it from."""
    others = hosts_not_allowed(problem, domain)
    try:
        return place_alone(problem, domain, others) if others else None
    except InputError:
        return None


def _fits_elsewhere(domain: Domain, wider: Problem | None, asker: Asker) -> tuple[str, ...]:
    found = None if wider is None else asker.place(wider)
    if found is None:
        return ()
    return (f"fits on host {found[0].of(domain.name).host}, which it does not allow",)


def _prove(
    problem: Problem, domain: Domain, verdicts: Sequence[HostVerdict], asker: Asker
) -> Certificate:
    """Return how it is proven that ``domain`` fits none of the hosts, "" where that is not."""
    found: set[Certificate] = set()
    for verdict in verdicts:
        if verdict.shortage is not None:
            found.add(verdict.shortage.certificate)
            continue
        fits, proof = asker.prove(place_alone(problem, domain, [verdict.host]))
        if fits is not False:
            return ""
        found.add(proof)
    strongest: tuple[Certificate, ...] = ("cpsat", "matching", "capacity count")
    return next((proof for proof in strongest if proof in found), "")
