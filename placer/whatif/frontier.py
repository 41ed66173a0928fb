"""Cost against number of moves: the curve of what rebalancing is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate

from placer.scenario import Scenario
from placer.whatif.draft import Base
from placer.whatif.rows import SCENARIO_COLUMNS, Cells

_EACH = 16
"""So many numbers of moves are asked one by one, more in growing steps."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The best answer known with at most ``max_moves`` moves, and what is proven of all others.

    ``is_pareto``: no point with fewer moves is as good. ``is_proven``: with so many moves no
    more can be placed, and as much not at less cost.
    """

    max_moves: int
    num_moved: int
    moved_pages: int
    num_placed: int
    cost: int
    bound: int
    mean_access_distance: float
    is_pareto: bool
    is_proven: bool

    @property
    def gap(self) -> float:
        """The relative gap of the cost; 0.0 where it is proven."""
        return float(Fraction(max(0, self.cost - self.bound), max(1, self.cost)))


def frontier_scenarios(base: Base, most: int | None = None) -> tuple[Scenario, ...]:
    """Return a scenario for each number of moves, 0 to ``most`` or all that runs.

    Every number up to 16, then in steps of about a quarter.
    """
    last = len(base.running) if most is None else min(most, len(base.running))
    numbers = list(range(min(last, _EACH) + 1))
    while numbers[-1] < last:
        numbers.append(min(last, numbers[-1] + max(1, numbers[-1] // 4)))
    return tuple(
        Scenario(
            name=f"{number} moves" if number != 1 else "1 move", solve="moves", max_moves=number
        )
        for number in numbers
    )


def frontier_of(scenarios: Sequence[Scenario], rows: Sequence[Cells]) -> tuple[Point, ...]:
    """Return the curve that the rows of ``frontier_scenarios`` make.

    What is placed with few moves is allowed with more, and what is proven of many moves holds for
    fewer: so each point has the best answer of those before it and the best bound of those
    after it, among answers that place as much. Rows of scenarios that failed are passed over.
    """
    raw = [
        point
        for scenario, row in zip(scenarios, rows, strict=True)
        if (point := _point(scenario, row)) is not None
    ]
    best = list(accumulate(raw, _better))
    bounds = list(accumulate(reversed(raw), _better_bound))[::-1]
    points: list[Point] = []
    for own, found, proven in zip(raw, best, bounds, strict=True):
        same = proven.num_placed == found.num_placed
        bound = min(found.cost, max(own.bound, proven.bound if same else 0))
        points.append(
            Point(
                max_moves=own.max_moves,
                num_moved=found.num_moved,
                moved_pages=found.moved_pages,
                num_placed=found.num_placed,
                cost=found.cost,
                bound=bound if own.num_placed == found.num_placed else 0,
                mean_access_distance=found.mean_access_distance,
                is_pareto=not points or _rank(found)[:2] < _rank(points[-1])[:2],
                is_proven=own.is_proven and own.num_placed == found.num_placed,
            )
        )
    return tuple(
        replace(point, is_proven=point.is_proven and point.cost == point.bound) for point in points
    )


def _point(scenario: Scenario, row: Cells) -> Point | None:
    cell = dict(zip(SCENARIO_COLUMNS, row, strict=True))
    if cell["status"] == "failed" or not cell["mean_access_distance_slit"]:
        return None
    return Point(
        max_moves=scenario.max_moves or 0,
        num_moved=int(cell["num_moved"]),
        moved_pages=int(cell["moved_pages"]),
        num_placed=int(cell["num_placed"]),
        cost=int(cell["cost_slit_per_640000"]),
        bound=int(cell["cost_bound"] or 0),
        mean_access_distance=float(cell["mean_access_distance_slit"]),
        is_pareto=False,
        # Of the priority alone, until the curve knows the best cost.
        is_proven=cell["placed_priority"] == cell["placed_priority_bound"],
    )


def _rank(point: Point) -> tuple[int, int, int]:
    return -point.num_placed, point.cost, point.num_moved


def _better(one: Point, other: Point) -> Point:
    return min(one, other, key=_rank)


def _better_bound(one: Point, other: Point) -> Point:
    """The one with the better bound, of those that place as much as the one with more moves."""
    if one.num_placed != other.num_placed:
        return other
    return max(one, other, key=lambda point: point.bound)
