"""Domains of many vnodes on hosts of many pnodes, which no search goes through whole."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from placer.problem import Problem
from tests.builders import make_domain, make_host, make_problem


def draw_large(
    seed: int, *, num_vnodes: int = 16, num_pnodes: int = 16, fixed: bool = True
) -> Problem:
    """Return one domain on a ring of pnodes, of which few hold two of its vnodes.

    Its vnodes access a quarter of each other. ``fixed`` says whether the vcpu map is given.
    """
    rng = np.random.default_rng(seed)
    apart = np.abs(np.arange(num_pnodes)[:, None] - np.arange(num_pnodes))
    distances = 10 + 6 * np.minimum(apart, num_pnodes - apart)
    free, sizes = rng.integers(3000, 6000, num_pnodes), rng.integers(1500, 2900, num_vnodes)
    vcpus = rng.integers(2, 5, num_vnodes)
    accessed = rng.random((num_vnodes, num_vnodes)) < 0.25
    weights = rng.integers(0, 10, accessed.shape) * accessed + 10 * np.eye(num_vnodes, dtype=int)
    fields: dict[str, Any] = {
        "access": tuple(
            tuple(Fraction(int(weight), int(row.sum())) for weight in row) for row in weights
        )
    }
    if fixed:
        fields["vcpu_to_vnode"] = np.repeat(np.arange(num_vnodes), vcpus)
    host = make_host(free.tolist(), cpus=6, distances=distances.tolist())
    return make_problem(host, make_domain(sizes.tolist(), int(vcpus.sum()), **fields))
