"""Domains of different shapes, placed by placer, for the programs that read its exports."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from placer.domain import Domain, VnodeMemory
from placer.host import Host
from placer.run import Run
from placer.solve import solve
from tests.builders import every_vcpu, make_domain, make_host, make_problem

GIB: Final = 1 << 18
"""Pages."""
ODD_NAME: Final = "a b&<c>\"'=;é$(x)"

_RING = [[10, 16, 22, 16], [16, 10, 16, 22], [22, 16, 10, 16], [16, 22, 16, 10]]
_ASYMMETRIC = [[10, 21, 31], [25, 10, 17], [33, 19, 10]]
_EIGHT = np.where(np.eye(8, dtype=bool), 10, 12 + 2 * abs(np.subtract.outer(range(8), range(8))))


def _guest(name: str, pages: list[int], mapping: list[int], **fields: object) -> Domain:
    return make_domain(
        pages,
        len(mapping),
        **{"name": name, "type": "hvm", "vcpu_to_vnode": mapping, **fields},
    )


def _two() -> Host:
    return make_host([8 * GIB, 8 * GIB])


SHAPES: Final[dict[str, tuple[Host, Domain]]] = {
    "one-vnode": (make_host([4 * GIB]), _guest("one", [GIB // 2], [0, 0])),
    "two-reversed": (
        _two(),
        _guest(
            "reversed",
            [GIB // 2, GIB],
            [1, 0, 1, 0],
            vnode_pnode=[1, 0],
            distances=[[10, 40], [40, 10]],
        ),
    ),
    "four-on-two": (
        _two(),
        _guest("four", [GIB // 4] * 4, [0, 1, 2, 3, 0, 1, 2, 3], distances=_RING),
    ),
    "eight-vnodes": (
        make_host([GIB] * 8, cpus=2, distances=_EIGHT.tolist()),
        _guest(
            "eight",
            [GIB // 4] * 8,
            [vcpu // 2 for vcpu in range(16)],
            distances=_EIGHT,
            distinct_pnodes=True,
        ),
    ),
    "over-4gib": (_two(), _guest("large", [3 * GIB, 3 * GIB], [0, 0, 1, 1], vnode_pnode=[0, 1])),
    "asymmetric": (
        make_host([2 * GIB] * 3, distances=_ASYMMETRIC),
        _guest("skewed", [GIB // 2] * 3, [0, 1, 2], distances=_ASYMMETRIC, distinct_pnodes=True),
    ),
    "odd-name": (_two(), _guest(ODD_NAME, [GIB // 2, GIB // 2], [0, 1])),
    "without-vcpus": (_two(), _guest("idle", [GIB // 2, GIB // 2], [0, 0])),
    "pinned": (
        _two(),
        _guest("pinned", [GIB // 2, GIB // 2], [0, 0, 1, 1], dedicated=True, vnode_pnode=[1, 0]),
    ),
    "interleaved": (
        _two(),
        _guest(
            "mixed",
            [GIB, GIB],
            [0, 1],
            memory=(
                VnodeMemory(policy="interleave", interleave_pnodes=(0, 1)),
                VnodeMemory(policy="preferred"),
            ),
            hard_affinity=every_vcpu("0-5", 2),
        ),
    ),
    "large-pages": (_two(), _guest("large", [GIB, GIB], [0, 1], page_order=[9, 0])),
}
"""Each a host and the domain on it; placed by `run_of`."""

PLAIN: Final = tuple(name for name in SHAPES if name != "interleaved")
"""Those whose vnodes lie on one pnode each, which every format can say."""


@cache
def run_of(shape: str) -> Run:
    """Return the run that places the shape's domain; it is optimal and passes the checker."""
    host, domain = SHAPES[shape]
    problem = make_problem(host, domain)
    solution = solve(problem)
    if solution.result.status != "optimal":
        raise AssertionError(f"{shape} is {solution.result.status}")
    return Run(problem=problem, result=solution.result, frames=solution.frames)


def scaled(shape: str, pages: int) -> Run:
    """Return the run of the shape with every vnode that has memory of ``pages`` pages."""
    host, domain = SHAPES[shape]
    sizes = np.where(domain.vnode_pages > 0, pages, 0)
    problem = make_problem(host, replace(domain, vnode_pages=sizes))
    solution = solve(problem)
    return Run(problem=problem, result=solution.result, frames=solution.frames)
