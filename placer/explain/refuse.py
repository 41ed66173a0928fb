"""Why domains are refused: proof, conflict, what is short, and what would help."""

from __future__ import annotations

from dataclasses import replace

from placer.explain.alone import Movable, explain_alone
from placer.explain.asking import Ask, Asker
from placer.explain.beside import LeftOver, clashing_domains, explain_beside, is_small, restrict
from placer.explain.by_count import Counts
from placer.explain.text import list_names
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Refusal

MOST_ASKS = 80
"""How many problems are solved for one refusal at most."""

MOST_EXPLAINED = 8
"""So many refusals of one call are explained in full, the others by counting."""


class _Budget:
    """Askers for the refusals of one call, which share what may be asked."""

    def __init__(self, ask: Ask, most: int, *, thorough: bool) -> None:
        self.ask = ask
        self.most = most
        self.left = 2 * most
        self.thorough = thorough
        self._given = 0
        self._last: Asker | None = None

    def next_asker(self) -> Asker:
        """Return the asker of one more refusal; the one before is done."""
        if self._last is not None:
            self.left -= self._given - self._last.left
        self._given = min(self.most, self.left)
        self._last = Asker(self.ask, most=self._given, thorough=self.thorough)
        return self._last


def explain(
    problem: Problem,
    name: str,
    ask: Ask,
    *,
    most_asks: int = MOST_ASKS,
    movable: Movable | None = None,
) -> Refusal:
    """Return why the domain ``name`` of ``problem`` cannot be placed with all the others.

    Nothing is left out in the questions, whatever ``allow_partial`` says. The domain is
    looked at alone first, then with the others. Where it does fit, the reason says so and
    there is no certificate. ``ask`` is asked at most ``most_asks`` times; ``movable`` says
    what may be moved for it. Raises KeyError where there is no such domain.
    """
    domain = problem.domains[problem.domain_index[name]]
    asker = Asker(ask, most=most_asks)
    alone = explain_alone(problem, domain, asker, movable)
    if alone is not None:
        return alone
    if len(problem.domains) == 1:
        return Refusal(domain=name, reason="it can be placed")
    return explain_beside(replace(problem, allow_partial=False), domain, asker, movable)


def explain_all(
    problem: Problem,
    placement: Placement | None,
    ask: Ask,
    *,
    most_asks: int = MOST_ASKS,
    movable: Movable | None = None,
    thorough: bool = True,
    most_explained: int = MOST_EXPLAINED,
) -> tuple[Refusal, ...]:
    """Return why each domain without a place has none, in the problem's order.

    ``placement`` leaves them out, or is None where all are refused because not all fit. Then
    domains that do fit are told which others keep them out. ``ask`` is asked at most
    ``most_asks`` times for one of them, and twice as often for all. Where ``placement`` is
    given, those beyond ``most_explained`` are explained by counting alone.
    """
    budget = _Budget(ask, most_asks, thorough=thorough)
    if placement is None:
        return _explain_batch(replace(problem, allow_partial=False), budget, movable)
    left, counts, refusals = LeftOver(problem, placement), Counts(problem), []
    for position, name in enumerate(placement.unplaced):
        domain = problem.domains[problem.domain_index[name]]
        if position < most_explained:
            asker = budget.next_asker()
            refusal = explain_alone(problem, domain, asker, movable)
            refusals.append(refusal or left.explain(domain, asker, movable))
        else:
            refusals.append(counts.refusal_of(domain) or left.explain_by_room(domain))
    return tuple(refusals)


def _explain_batch(
    problem: Problem, budget: _Budget, movable: Movable | None
) -> tuple[Refusal, ...]:
    """Explain the domains that are in the way of all; to the others name those."""
    found: dict[str, Refusal] = {}
    counts, small = Counts(problem), is_small(problem)
    for domain in problem.domains:
        if len(found) >= MOST_EXPLAINED:
            break
        if small or not counts.is_open(domain):
            refusal = explain_alone(problem, domain, budget.next_asker(), movable)
            if refusal is not None:
                found[domain.name] = refusal
    if not found and not small:
        return _refuse_large_batch(problem, counts)
    if not any(refusal.certificate for refusal in found.values()) and len(problem.domains) > 1:
        clash = clashing_domains(problem, budget.next_asker())
        inside = restrict(problem, clash)
        for domain in inside.domains[:MOST_EXPLAINED]:
            asker = budget.next_asker()
            found.setdefault(domain.name, explain_beside(inside, domain, asker, movable))
    blamed = [name for name, refusal in found.items() if refusal.certificate]
    reason = "not all domains of this call can be placed together"
    if blamed:
        reason = f"part of a call of which {list_names(blamed)} cannot be placed"
        if len(blamed) > 1:
            reason += " together"
    return tuple(
        found.get(domain.name, Refusal(domain=domain.name, reason=reason))
        for domain in problem.domains
    )


def _refuse_large_batch(problem: Problem, counts: Counts) -> tuple[Refusal, ...]:
    """One reason for all, where a batch is too large to be solved again: what it lacks."""
    shortage = counts.batch_shortage(problem.domains)
    reason = "not all domains of this call can be placed together"
    if shortage is None:
        return tuple(Refusal(domain=domain.name, reason=reason) for domain in problem.domains)
    return tuple(
        Refusal(
            domain=domain.name,
            reason=f"{reason}: {shortage.reason}",
            certificate=shortage.certificate,
            binding=shortage.binding,
            short_by=shortage.short_by,
        )
        for domain in problem.domains
    )
