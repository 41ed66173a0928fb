"""All placements of a tiny problem, and the best of them, level after level."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from tests.brute_force.choices import choices_of
from tests.brute_force.ground import Choice, Ground
from tests.brute_force.seats import Naming, seat_vcpus


@dataclass(frozen=True)
class Optimum:
    """The best placement, its levels by name in order, and the first homes."""

    levels: dict[str, int]
    placement: Placement
    homes: tuple[tuple[int, ...], ...]


def limits_hold(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    """C7: no more moves and no more pages moved than may be."""
    problem = ground.problem
    moved = [choice.moved for choice in chosen if choice.moved]
    limits = ((problem.max_moves, len(moved)), (problem.max_moved_pages, sum(moved)))
    return all(most is None or number <= most for most, number in limits)


# -- all domains -----------------------------------------------------------------


def fits(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    """Whether domains placed so leave every pnode within its memory and pcpus."""
    return _memory_fits(ground, chosen) and seat_vcpus(ground, chosen) is not None


def _memory_fits(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    used: Counter[int] = Counter()
    large: dict[int, Counter[int]] = {9: Counter(), 18: Counter()}
    for domain, choice in zip(ground.problem.domains, chosen, strict=False):
        if choice.host is None:
            continue
        used[choice.homes[0]] += 256 if domain.type == "pv" else 512
        for i, row in enumerate(choice.pages):
            wanted = int(domain.page_order[0 if domain.auto_vnodes else i])
            for p, pages in row:
                used[p] += pages
                for order, extents in large.items():
                    extents[p] += pages >> order if wanted >= order else 0
    for p, pages in used.items():
        if pages > max(0, ground.figure("free_pages", p) - ground.figure("reserve_pages", p)):
            return False
    return all(
        number <= _free_large(ground, p, 1 << order)
        for order, extents in large.items()
        for p, number in extents.items()
        if number
    )


def _free_large(ground: Ground, pnode: int, size: int) -> int:
    """The aligned blocks of ``size`` frames that are wholly free."""
    first = ground.first[ground.host_of[pnode]]
    return sum(
        start <= frame and frame + size <= start + count
        for p, start, count in ground.host(pnode).free_spans.tolist()
        if p == pnode - first
        for frame in range(start - start % size, start + count, size)
    )


def groups_hold(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    """C3: the placed members of every group are kept together or apart."""
    for group in ground.problem.groups:
        members = [
            choice
            for domain, choice in zip(ground.problem.domains, chosen, strict=True)
            if group.name in domain.groups and choice.host is not None
        ]
        places = [
            {choice.host} if group.over == "hosts" else set(choice.homes) for choice in members
        ]
        for one, other in itertools.combinations(places, 2):
            if group.keep == "together" and one != other:
                return False
            if group.keep == "apart" and one & other:
                return False
    return True


def level_values(ground: Ground, chosen: tuple[Choice, ...]) -> dict[str, int]:
    """The value of each level, by name and in order."""
    problem = ground.problem
    placed = [(d, c) for d, c in zip(problem.domains, chosen, strict=True) if c.host is not None]
    values = {}
    if problem.allow_partial:
        values["placed_priority"] = sum(domain.priority for domain, _ in placed)
    if any(domain.auto_vnodes for domain in problem.domains):
        values["auto_vnodes"] = sum(len(c.homes) for d, c in placed if d.auto_vnodes)
    values["vcpus_off_home"] = sum(choice.off_home for _, choice in placed)
    values["cost"] = sum(choice.cost for _, choice in placed) + _penalties(ground, chosen)
    if problem.current:
        values["pages_moved"] = sum(choice.moved for _, choice in placed)
    if any(mask is not None for domain in problem.domains for mask in domain.soft_affinity):
        values["vcpus_off_soft"] = sum(choice.off_soft for _, choice in placed)
    on: Counter[int] = Counter()
    for _, choice in placed:
        for row in choice.pages:
            on.update(dict(row))
    if problem.policy.tie_break == "spread":
        loads = []
        for p in range(ground.num_pnodes):
            total, free = ground.figure("total_pages", p), ground.figure("free_pages", p)
            loads.append(math.ceil(Fraction(1000 * (total - free + on[p]), total)) if total else 0)
        values["spread_max"], values["spread_sum"] = max(loads), sum(loads)
    elif problem.policy.tie_break == "pack":
        values["packed_pages"] = sum(
            ground.figure("total_pages", p)
            for p in range(ground.num_pnodes)
            if ground.figure("free_pages", p) == ground.figure("total_pages", p) and not on[p]
        )
    return values


def _penalties(ground: Ground, chosen: tuple[Choice, ...]) -> int:
    cost = 0
    running: Counter[int] = Counter(cell.pnode for choice in chosen for cell in choice.cells)
    for p, number in running.items():
        host, first = ground.host(p), ground.first[ground.host_of[p]]
        if host.smt == "penalty":
            cores = len(set(host.pcpu_core[host.pcpu_pnode == p - first].tolist()))
            cores -= sum(int(domain.vcpus_on[p - first]) for domain in host.running)
            cost += 640_000 * host.smt_penalty * max(0, number - max(0, cores))
    return cost


MAXIMISED = ("placed_priority", "packed_pages")


def count_choices(problem: Problem) -> int:
    """How many combinations an enumeration may have to look at."""
    ground = Ground(problem)
    return math.prod(max(1, len(choices_of(ground, domain))) for domain in problem.domains)


def solve_by_brute_force(problem: Problem) -> Optimum | None:
    """Return the best of all placements, or None where there is none."""
    ground = Ground(problem)
    options = [choices_of(ground, domain) for domain in problem.domains]
    reached: list[tuple[Choice, ...]] = [()]
    for choices in options:
        reached = [
            (*before, choice)
            for before in reached
            for choice in choices
            if fits(ground, (*before, choice))
        ]
    alive = [
        (level_values(ground, chosen), chosen)
        for chosen in reached
        if groups_hold(ground, chosen) and limits_hold(ground, chosen)
    ]
    if not alive:
        return None
    levels: dict[str, int] = {}
    for name in alive[0][0]:
        values = [found[name] for found, _ in alive]
        best = max(values) if name in MAXIMISED else min(values)
        worst = best + math.floor(best * problem.cost_slack) if name == "cost" else best
        alive = [
            (found, chosen)
            for found, chosen in alive
            if (found[name] >= best if name in MAXIMISED else found[name] <= worst)
        ]
        levels[name] = best
    _, chosen = min(alive, key=lambda pair: tuple(choice.homes for choice in pair[1]))
    homes = tuple(choice.homes for choice in chosen)
    return Optimum(levels, name_placement(ground, chosen), homes)


def name_placement(ground: Ground, chosen: tuple[Choice, ...]) -> Placement:
    """Write choices as a placement, with a pcpu for every vcpu."""
    naming = Naming(ground, chosen)
    placed, unplaced = [], []
    for number, (domain, choice) in enumerate(zip(ground.problem.domains, chosen, strict=True)):
        if choice.host is None:
            unplaced.append(domain.name)
            continue
        host, first = ground.problem.hosts[choice.host], ground.first[choice.host]
        pages = np.zeros((len(choice.homes), host.num_pnodes), dtype=np.int64)
        for i, row in enumerate(choice.pages):
            for p, count in row:
                pages[i, p - first] = count
        placed.append(
            PlacedDomain(
                domain=domain.name,
                host=host.name,
                vnode_pages=choice.sizes,
                home=[home - first for home in choice.homes],
                pages=pages,
                vcpu_to_vnode=choice.vcpu_to_vnode,
                vcpu_to_pnode=[p - first for p, _, _ in choice.cells],
                vcpu_to_pcpu=[naming.names[number, vcpu] for vcpu in range(domain.num_vcpus)],
                empty_siblings=tuple(sorted(naming.empty.get(number, ()))),
            )
        )
    return Placement(domains=tuple(placed), unplaced=tuple(unplaced))
