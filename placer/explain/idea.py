"""A change that may let a refused domain fit, before it is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from placer.cost import mean_access_distance
from placer.domain import Domain
from placer.placement import Placement
from placer.problem import Problem

WEIGHTS = {
    "page size": 0.1,
    "pnode": 0.15,
    "reserve": 0.15,
    "move": 0.2,
    "host": 0.25,
    "spill": 0.25,
    "threads": 0.25,
    "policy": 0.3,
    "vnodes": 0.35,
    "affinity": 0.35,
    "map": 0.35,
    "distinct": 0.4,
    "group": 0.45,
    "dedicated": 0.5,
    "other": 0.8,
}
"""How much each change of kind counts; a mean access distance above 10 adds to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """A change to be tried.

    ``finish`` adds to the text what the placement shows, and ``unproven`` what is to be said
    where there may be a better one.
    """

    text: str
    weight: float
    problem: Problem
    finish: Callable[[Problem, Placement], str] | None = None
    unproven: str = " or less"


def distance_of(problem: Problem, placement: Placement, name: str) -> float:
    """Return the mean access distance of the domain ``name``."""
    placed = placement.of(name)
    domain = problem.domains[problem.domain_index[name]]
    host = problem.hosts[problem.host_index[placed.host]]
    return float(mean_access_distance(domain, placed, host))


def with_domain(problem: Problem, domain: Domain) -> Problem:
    """Return ``problem`` with ``domain`` in place of the one of its name; none is left out."""
    domains = tuple(domain if d.name == domain.name else d for d in problem.domains)
    return replace(problem.with_only(domains), allow_partial=False)


def with_distance(name: str) -> Callable[[Problem, Placement], str]:
    """Return what adds the mean access distance of the domain ``name`` to a text."""

    def finish(problem: Problem, placement: Placement) -> str:
        return f" at mean distance {round(distance_of(problem, placement, name), 2)}"

    return finish
