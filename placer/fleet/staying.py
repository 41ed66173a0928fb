"""Rules of thumb beside what runs: for them running domains stay where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from placer.fleet.residual import host_without
from placer.placement import Placement
from placer.problem import Problem


def place_beside(problem: Problem, rule: Callable[[Problem], Placement]) -> Placement:
    """Return what ``rule`` makes of the new domains, with every running domain where it is.

    The rule sees the hosts with those domains running on them and knows nothing of moves.
    """
    if not problem.current:
        return rule(problem)
    now = problem.running_now
    new = tuple(domain for domain in problem.domains if domain.name not in now)
    found = Placement(domains=())
    if new:
        hosts = tuple(
            host_without(
                host, problem, [placed for placed in now.values() if placed.host == host.name]
            )
            for host in problem.hosts
        )
        found = rule(
            replace(
                problem, hosts=hosts, domains=new, current=(), max_moves=None, max_moved_pages=None
            )
        )
    placed = {**now, **{answer.domain: answer for answer in found.domains}}
    return Placement(
        domains=tuple(placed[domain.name] for domain in problem.domains if domain.name in placed),
        unplaced=found.unplaced,
    )
