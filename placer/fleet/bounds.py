"""What no placement betters, counted domain by domain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placer.cost import domain_cost
from placer.domain import Domain
from placer.fleet.counting import cheapest
from placer.fleet.plan import Fleet
from placer.fleet.shapes import is_plain, list_shapes
from placer.placement import PlacedDomain, Placement
from placer.policy import DISTANCE
from placer.problem import Problem
from placer.units import COST_UNITS, LOCAL_DISTANCE


def plain_part(problem: Problem) -> Problem | None:
    """Return the plain domains by themselves, with all that others, groups and policies ask away.

    None where there are none, or where the price of sibling threads has a say.
    """
    plain = [domain for domain in problem.domains if is_plain(domain)]
    if not plain or any(host.smt == "penalty" for host in problem.hosts):
        return None
    return replace(
        problem,
        domains=tuple(replace(domain, groups=()) for domain in plain),
        groups=(),
        policy=DISTANCE,
        current=(),
        max_moves=None,
        max_moved_pages=None,
    )


def least_costs(problem: Problem, plain: tuple[Problem, Fleet] | None = None) -> dict[str, int]:
    """Return what each domain costs at least, wherever it is placed.

    For plain domains that is the cost on the best host, were it empty; for others the cost
    of all accesses being local. ``plain`` is the `plain_part` with its patterns, where these
    are listed already.
    """
    least = {domain.name: all_local(domain) for domain in problem.domains}
    if plain is None:
        part = plain_part(problem)
        if part is None:
            return least
        plain = part, Fleet.of(part, list_shapes(part))
    part, fleet = plain
    for shape in fleet.classes:
        for index in shape.domains:
            name = part.domains[index].name
            least[name] = max(least[name], int(fleet.least_cost[shape.number]))
    return least


def _off_home(placed: PlacedDomain) -> bool:
    return bool((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).any())


def all_local(domain: Domain) -> int:
    """Return what a domain costs with all accesses local, which nothing betters."""
    return domain.num_vcpus * LOCAL_DISTANCE * COST_UNITS


def cost_bound(problem: Problem, placement: Placement, least: dict[str, int]) -> int:
    """Return a lower bound of the cost of every placement of as much priority as ``placement``.

    What runs is in all of them. It costs what it costs now, but for ``max_moves`` domains, which
    save the most that any could, and for those that may save without a move, which all
    do; of the others the cheapest for their priority make up the rest. Where a placement has
    vcpus off their home, which may cost less than with all at home, all is taken for local.
    """
    hosts = {host.name: host for host in problem.hosts}
    domains = {domain.name: domain for domain in problem.domains}
    running = problem.running_now
    if any(_off_home(placed) for placed in (*placement.domains, *running.values())):
        least = {name: all_local(domain) for name, domain in domains.items()}
        bound = sum(least[name] for name in running)
    else:
        now = {
            name: domain_cost(domains[name], placed, hosts[placed.host])
            for name, placed in running.items()
        }
        bound = sum(now.values())
        savings = []
        for name, cost in now.items():
            saving = max(0, cost - least[name])
            if _may_save_unmoved(domains[name], running[name]):
                bound -= saving
            else:
                savings.append(saving)
        bound -= sum(sorted(savings, reverse=True)[: problem.max_moves])
    wanted = sum(domains[placed.domain].priority for placed in placement.domains)
    wanted -= sum(domains[name].priority for name in running)
    others = ((least[d.name], d.priority, 1) for d in problem.domains if d.name not in running)
    return bound + cheapest(others, wanted)


def _may_save_unmoved(domain: Domain, placed: PlacedDomain) -> bool:
    """Whether a domain may come to cost less with all of its pages where they are.

    A vnode without pages, or with pages elsewhere than at home, may have another home; vcpus
    may leave theirs where that is free.
    """
    at_home = placed.pages[np.arange(placed.num_vnodes), placed.home]
    tied = (at_home == placed.vnode_pages) & (placed.vnode_pages > 0)
    return domain.cpu_spill == "free" or not tied.all()
