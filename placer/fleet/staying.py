"""Rules of thumb beside what runs: for them running domains stay where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from placer.fleet.residual import host_without
from placer.fleet.seating import seat_shared
from placer.host import Host
from placer.placement import PlacedDomain, Placement, by_host, held_pages
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
        running = by_host(now.values())
        hosts = tuple(
            _host_beside(problem, host, running.get(host.name, [])) for host in problem.hosts
        )
        found = rule(
            replace(
                problem, hosts=hosts, domains=new, current=(), max_moves=None, max_moved_pages=None
            )
        )
    placed = {**now, **{answer.domain: answer for answer in found.domains}}
    on = by_host(placed.values())
    for host in problem.hosts:
        here = on.get(host.name)
        # The rule knew on which pnodes shared vcpus run, but not on which pcpus.
        seated = seat_shared(host, problem, here) if here else None
        placed.update((answer.domain, answer) for answer in seated or ())
    return Placement(
        domains=tuple(placed[domain.name] for domain in problem.domains if domain.name in placed),
        unplaced=found.unplaced,
    )


def _host_beside(problem: Problem, host: Host, here: list[PlacedDomain]) -> Host:
    """Return the host with its running domains on it; one that is over-committed has none free."""
    taken = np.zeros(host.num_pnodes, dtype=np.int64)
    for placed in here:
        taken += held_pages(problem.domains[problem.domain_index[placed.domain]], placed)
    short = np.maximum(taken - host.free_pages, 0)
    lent = replace(host, total_pages=host.total_pages + short, free_pages=host.free_pages + short)
    return replace(host_without(lent, problem, here), total_pages=host.total_pages)
