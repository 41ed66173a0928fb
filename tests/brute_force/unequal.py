"""C4's last resort by enumeration: splits of unequal sizes, the least unequal first."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

from placer.domain import Domain
from placer.problem import Problem
from tests.brute_force.choices import split_domain
from tests.brute_force.search import solve_by_brute_force

BLOCK = 512


def find_unequal_splits(problem: Problem, name: str) -> tuple[int, set[tuple[int, ...]]] | None:
    """Return the splits of the one auto domain that can be placed with the least difference.

    The difference between the largest and smallest vnode in pages, and every split of it with
    the fewest vnodes; None where no split can be placed.
    """
    domain = problem.domains[problem.domain_index[name]]
    splits = _splits(domain, max(host.num_pnodes for host in problem.hosts))
    ranked = sorted(splits, key=lambda sizes: (max(sizes) - min(sizes), len(sizes)))
    for (difference, _), group in itertools.groupby(
        ranked, key=lambda sizes: (max(sizes) - min(sizes), len(sizes))
    ):
        placed = {
            sizes for sizes in group if solve_by_brute_force(with_split(problem, name, sizes))
        }
        if placed:
            return difference, placed
    return None


def with_split(problem: Problem, name: str, sizes: tuple[int, ...]) -> Problem:
    """Return the problem with vnodes of these sizes, of which each has a vcpu at least."""
    domains = list(problem.domains)
    index = problem.domain_index[name]
    split = split_domain(domains[index], sizes)
    part = [Fraction(split.num_vcpus * size, sum(sizes)) for size in sizes]
    bounds = [(max(1, math.floor(share)), math.ceil(share)) for share in part]
    domains[index] = replace(split, vcpu_bounds=bounds)
    return replace(problem, domains=tuple(domains))


def _splits(domain: Domain, most: int) -> list[tuple[int, ...]]:
    blocks, tail = divmod(domain.memory_pages, BLOCK)
    return [
        (*(BLOCK * size for size in sizes[:-1]), BLOCK * sizes[-1] + tail)
        for count in range(2, min(most, domain.num_vcpus) + 1)
        for sizes in itertools.product(range(1, blocks + 1), repeat=count)
        if sum(sizes) == blocks
    ]
