"""Tiny fleets of plain domains, drawn, that other engines and enumeration can answer too."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from placer.fleet.plan import Fleet
from placer.fleet.shapes import list_shapes
from placer.problem import Problem
from tests.builders import make_domain, make_host


def draw_fleet(seed: int) -> Problem:
    """Return a tiny fleet of plain domains, some of a kind, on hosts of one or two types."""
    rng = np.random.default_rng(seed)
    types = [_draw_type(rng) for _ in range(rng.integers(1, 3))]
    hosts = tuple(
        make_host(**types[rng.integers(len(types))], name=f"h{n}")
        for n in range(rng.integers(1, 4))
    )
    kinds = [_draw_kind(rng) for _ in range(rng.integers(1, 4))]
    domains = tuple(
        make_domain(**kinds[rng.integers(len(kinds))], name=f"d{n}")
        for n in range(rng.integers(1, 6))
    )
    return Problem(hosts=hosts, domains=domains, allow_partial=bool(rng.random() < 0.5))


def _draw_type(rng: np.random.Generator) -> dict[str, Any]:
    count = int(rng.integers(1, 5))
    distances = rng.choice([12, 16, 21, 32], size=(count, count))
    np.fill_diagonal(distances, 10)
    return {
        "free": (rng.integers(2, 9, count) * 512).tolist(),
        "cpus": (2 * rng.integers(1, 4, count)).tolist(),
        "threads": int(rng.choice([1, 2])),
        "distances": distances.tolist(),
        "overcommit": Fraction(int(rng.choice([2, 2, 3])), 2),
    }


def _draw_kind(rng: np.random.Generator) -> dict[str, Any]:
    count, vcpus = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    size = int(rng.integers(1, 5)) * 512
    return {
        "pages": [size] * count
        if rng.random() < 0.6
        else (rng.integers(1, 6, count) * 512).tolist(),
        "num_vcpus": vcpus,
        "vcpu_to_vnode": rng.integers(0, count, vcpus),
        "cpu_spill": str(rng.choice(["never", "last"])),
        "distinct_pnodes": bool(rng.random() < 0.2),
        "priority": int(rng.choice([1, 1, 2, 3])),
    }


def fleet_of(problem: Problem) -> Fleet:
    """Return a problem as classes, types and patterns."""
    return Fleet.of(problem, list_shapes(problem))
