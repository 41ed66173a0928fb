"""Plain questions are answered without a solver, and answered right."""

from __future__ import annotations

import numpy as np
import pytest

from placer.domain import VnodeMemory
from placer.explain.quick import fits
from placer.explain.room import Room
from placer.problem import Problem
from tests.builders import make_domain, make_host, make_problem
from tests.explain.ask import can_be_placed, draw_alone


@pytest.mark.parametrize("part", range(4))
def test_what_is_told_by_hand_the_solver_tells_too(part: int) -> None:
    told = 0
    for problem in draw_alone(range(500 + 40 * part, 540 + 40 * part)):
        answer = fits(problem.domains[0], Room(problem.hosts[0]))
        if answer is not None:
            told += 1
            assert answer == can_be_placed(problem)
    assert told > 20


def draw_plain(seed: int) -> Problem:
    """Several vnodes that nearly fill a host, with nothing else asked for."""
    rng = np.random.default_rng(seed)
    free = [int(n) for n in rng.integers(2000, 9000, size=rng.integers(2, 5))]
    sizes = [int(n) for n in rng.integers(500, 6000, size=rng.integers(2, 6))]
    never = bool(rng.random() < 0.4)
    domain = make_domain(
        sizes,
        int(rng.integers(len(sizes), 14)),
        distinct_pnodes=bool(rng.random() < 0.2),
        cpu_spill="never" if never else "last",
        memory=tuple(
            VnodeMemory(policy="preferred" if not never and rng.random() < 0.2 else "strict")
            for _ in sizes
        ),
    )
    return make_problem(make_host(free, cpus=4), domain)


def test_tight_hosts_are_told_right_both_ways() -> None:
    told = {True: 0, False: 0}
    for seed in range(150):
        problem = draw_plain(seed)
        answer = fits(problem.domains[0], Room(problem.hosts[0]))
        if answer is not None:
            told[answer] += 1
            assert answer == can_be_placed(problem), f"seed {seed}"
    assert min(told.values()) > 20


def test_what_has_masks_or_unreachable_pairs_is_left_to_a_solver() -> None:
    far = make_host([5000, 5000], distances=[[10, 255], [255, 10]])
    assert fits(make_domain([1000], 2), Room(far)) is None
    assert fits(make_domain([5000], auto_vnodes=True), Room(make_host([3000, 3000]))) is None
