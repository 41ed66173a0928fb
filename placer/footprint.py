"""How much memory a model would take, told before it is made."""

from __future__ import annotations

from typing import Final

import numpy as np

from placer.alarm import available_bytes, resident_bytes
from placer.domain import Domain
from placer.errors import TooLargeError
from placer.problem import Problem
from placer.units import LOCAL_DISTANCE, PAGE_BYTES, UNREACHABLE, format_pages

_BASE_BYTES: Final = 24 << 20
_TERM_BYTES: Final = 100
_SPILLED_TERM_BYTES: Final = 180
"""Measured: Python's, the model's and the solver's own copies (docs/reliability.md, Limits)."""


def encoding_bytes(problem: Problem) -> int:
    """Return about how many bytes CP-SAT's encoding of a problem takes, within a factor of two.

    Most of it are the rows that say how far two vnodes are apart: for each pair of vnodes of a
    domain, each distance and each pnode, one with the pnodes that are nearer.
    """
    pnodes = np.array([host.num_pnodes for host in problem.hosts], dtype=np.int64)
    distances = {d for host in problem.hosts for d in np.unique(host.distances).tolist()}
    num_distances = max(1, len(distances - {LOCAL_DISTANCE, UNREACHABLE}))
    rows = int((pnodes * (pnodes / 2 + 2)).sum())
    number = 0
    for domain in problem.domains:
        widths = range(1, int(pnodes.max()) + 1) if domain.auto_vnodes else (domain.num_vnodes,)
        pairs = sum(width * width for width in widths)
        weight = _SPILLED_TERM_BYTES if _spills(domain) else _TERM_BYTES
        number += weight * pairs * num_distances * rows
    return _BASE_BYTES + number


def _spills(domain: Domain) -> bool:
    return domain.cpu_spill == "free" or any(vnode.policy != "strict" for vnode in domain.memory)


def has_room(memory_bytes: int | None, needed: int) -> bool:
    """Return whether the process may take ``needed`` more bytes.

    It may hold ``memory_bytes``; where that is None, take what the machine has available.
    """
    left = _bytes_left(memory_bytes)
    return left is None or needed <= left


def _bytes_left(memory_bytes: int | None) -> int | None:
    if memory_bytes is None:
        return available_bytes()
    return max(0, memory_bytes - resident_bytes())


def refuse_beyond(memory_bytes: int | None, needed: int, what: str) -> None:
    """Raise TooLargeError where ``needed`` more bytes, for ``what``, may not be taken."""
    left = _bytes_left(memory_bytes)
    if left is not None and needed > left:
        raise TooLargeError(
            f"{what} would take about {format_pages(needed // PAGE_BYTES)} of memory, "
            f"{format_pages(left // PAGE_BYTES)} may be taken: place fewer domains at once or on "
            "fewer hosts, or allow more (--memory-limit)"
        )
