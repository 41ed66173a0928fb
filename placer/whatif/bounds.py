"""What no placement betters, counted domain by domain."""

from __future__ import annotations

from dataclasses import replace

from placer.cost import domain_cost
from placer.domain import Domain
from placer.fleet.plan import Fleet
from placer.fleet.shapes import is_plain, list_shapes
from placer.placement import PlacedDomain, Placement
from placer.policy import DISTANCE
from placer.problem import Problem
from placer.units import COST_UNITS, LOCAL_DISTANCE


def least_costs(problem: Problem) -> dict[str, int]:
    """Return what each domain costs at least, wherever it is placed.

    For plain domains that is the cost on the best host, were it empty; for others the cost
    of all accesses being local.
    """
    least = {domain.name: _all_local(domain) for domain in problem.domains}
    plain = [domain for domain in problem.domains if is_plain(domain)]
    if not plain or any(host.smt == "penalty" for host in problem.hosts):
        return least
    relaxed = replace(
        problem,
        domains=tuple(replace(domain, groups=()) for domain in plain),
        groups=(),
        policy=DISTANCE,
        current=(),
        max_moves=None,
        max_moved_pages=None,
    )
    shapes = list_shapes(relaxed)
    fleet = Fleet.of(relaxed, shapes)
    for shape in shapes.classes:
        for index in shape.domains:
            name = relaxed.domains[index].name
            least[name] = max(least[name], int(fleet.least_cost[shape.number]))
    return least


def _off_home(placed: PlacedDomain) -> bool:
    return bool((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).any())


def _all_local(domain: Domain) -> int:
    return domain.num_vcpus * LOCAL_DISTANCE * COST_UNITS


def cost_bound(problem: Problem, placement: Placement, least: dict[str, int]) -> int:
    """Return a lower bound of the cost of every placement of all domains of ``problem``.

    What runs costs what it costs now, but for ``max_moves`` domains, which save the most that
    any could; all others cost the least. 0 where ``placement`` leaves a domain out: then
    another may leave out another. Vcpus that run off their home may save without a move, so
    where there are any, everything costs the least.
    """
    if placement.unplaced:
        return 0
    if any(_off_home(placed) for placed in (*placement.domains, *problem.running_now.values())):
        return sum(least[domain.name] for domain in problem.domains)
    hosts = {host.name: host for host in problem.hosts}
    domains = {domain.name: domain for domain in problem.domains}
    now = {
        name: domain_cost(domains[name], placed, hosts[placed.host])
        for name, placed in problem.running_now.items()
    }
    bound = sum(now.values())
    bound += sum(least[domain.name] for domain in problem.domains if domain.name not in now)
    savings = sorted((max(0, cost - least[name]) for name, cost in now.items()), reverse=True)
    return bound - sum(savings[: problem.max_moves])
