"""Random runs, gone on from with everything movable: `solve` holds each against the checker."""

from __future__ import annotations

from collections import Counter

import pytest

from placer.run import Run
from placer.solve import solve
from tests.random_problems import draw_problem, draw_rebalance


@pytest.mark.parametrize("part", range(4))
def test_every_rebalanced_run_passes_the_checker_and_counts_its_pages(part: int) -> None:
    moved: Counter[str] = Counter()
    for seed in range(part, 120, 4):
        problem = draw_problem(seed)
        solution = solve(problem)
        if solution.result.placement is None or not solution.result.placement.domains:
            continue
        run = Run(problem=problem, result=solution.result, frames=solution.frames)
        again = solve(draw_rebalance(seed, run))
        assert again.result.placement is not None, f"seed {seed}"
        levels = {level.name: level.value for level in again.result.levels}
        moves = again.result.moves
        assert sum(move.pages for move in moves) == levels["pages_moved"], f"seed {seed}"
        moved.update(move.kind for move in moves)
    assert moved.total() >= 1
