"""Two runs side by side, domain by domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from placer.cost import domain_cost, mean_access_distance, pages_moved
from placer.placement import PlacedDomain
from placer.run import Run

Difference = Literal[
    "same", "moved", "repinned", "changed", "placed", "unplaced", "added", "removed"
]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One domain in two runs, A and B.

    ``same``; ``moved``: its memory is elsewhere; ``repinned``: its vcpus are; ``changed``: all is
    where it was, but what it costs is not; ``placed`` and ``unplaced``: in one of the two only;
    ``added`` and ``removed``: one of the two does not know it.
    """

    domain: str
    difference: Difference
    placed_a: PlacedDomain | None
    placed_b: PlacedDomain | None
    moved_pages: int = 0
    cost_a: int | None = None
    cost_b: int | None = None
    mean_a: float | None = None
    mean_b: float | None = None
    reason_b: str = ""


def compare_runs(run_a: Run, run_b: Run) -> Iterator[Compared]:
    """Yield the domains of both runs: those of A in its order, then those that only B has."""
    reasons = {refusal.domain: refusal.reason for refusal in run_b.result.unplaced}
    names = dict.fromkeys([*run_a.problem.domain_index, *run_b.problem.domain_index])
    for name in names:
        a, b = run_a.placed_by_name.get(name), run_b.placed_by_name.get(name)
        pages = 0
        if name not in run_b.problem.domain_index:
            difference: Difference = "removed"
        elif name not in run_a.problem.domain_index:
            difference = "added"
        elif a is None or b is None:
            difference = "same" if a is b else "placed" if a is None else "unplaced"
        else:
            pages = _moved(a, b)
            difference = "moved" if pages else _unmoved(run_a, run_b, a, b)
        yield Compared(
            domain=name,
            difference=difference,
            placed_a=a,
            placed_b=b,
            moved_pages=pages,
            cost_a=None if a is None else _cost(run_a, a),
            cost_b=None if b is None else _cost(run_b, b),
            mean_a=None if a is None else _mean(run_a, a),
            mean_b=None if b is None else _mean(run_b, b),
            reason_b=reasons.get(name, ""),
        )


def _moved(a: PlacedDomain, b: PlacedDomain) -> int:
    if a.host != b.host or a.pages.shape == b.pages.shape:
        return pages_moved(b, a)
    num = max(len(a.pages_on), len(b.pages_on))
    before, after = (np.pad(one.pages_on, (0, num - len(one.pages_on))) for one in (a, b))
    return int(np.maximum(before - after, 0).sum())


def _unmoved(run_a: Run, run_b: Run, a: PlacedDomain, b: PlacedDomain) -> Difference:
    if not np.array_equal(a.vcpu_to_pnode, b.vcpu_to_pnode):
        return "repinned"
    return "same" if _cost(run_a, a) == _cost(run_b, b) else "changed"


def _cost(run: Run, placed: PlacedDomain) -> int:
    return domain_cost(run.domain(placed.domain), placed, run.host(placed.host))


def _mean(run: Run, placed: PlacedDomain) -> float:
    domain, host = run.domain(placed.domain), run.host(placed.host)
    return float(mean_access_distance(domain, placed, host))
