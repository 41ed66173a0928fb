"""Whether one domain fits at all, and a good placement soon, both without an encoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat.search import search
from placer.domain import VnodeMemory
from placer.problem import Problem
from placer.quadratic.one_domain import place_any, place_one, place_soon
from tests.builders import make_domain, make_host, make_problem
from tests.quadratic.plain_problems import draw_plain_problem

LIMITS = Limits()
PREFERRED = VnodeMemory(policy="preferred")


def draw_preferred(seed: int) -> Problem:
    """A domain whose memory may mostly be spilled, on one host that is rather full."""
    rng = np.random.default_rng([13, seed])
    num_vnodes, num_pnodes = int(rng.integers(1, 5)), int(rng.integers(2, 5))
    sizes = (rng.integers(1, 12, num_vnodes) * 1024).tolist()
    free = rng.integers(1, 10, num_pnodes) * 1024 + 512
    domain = make_domain(
        sizes,
        int(rng.integers(num_vnodes, 2 * num_vnodes + 1)),
        memory=tuple(PREFERRED if rng.random() < 0.7 else VnodeMemory() for _ in sizes),
        distinct_pnodes=bool(rng.random() < 0.3),
    )
    return make_problem(make_host(free.tolist()), domain)


def test_any_placement_is_found_where_there_is_one_and_refused_where_there_is_none() -> None:
    counts: Counter[str] = Counter()
    for seed in range(150):
        problem = replace(draw_plain_problem(seed), allow_partial=False)
        answer = place_any(problem)
        if answer is None:
            counts["open"] += 1
            continue
        counts[answer.status] += 1
        known = search(problem, LIMITS)
        assert (answer.placement is None) == (known.placement is None), f"seed {seed}"
        if answer.placement is not None:
            assert check_placement(problem, answer.placement) == (), f"seed {seed}"
    assert counts["feasible"] >= 40
    assert counts["infeasible"] >= 20


def test_memory_that_may_be_spilled_is_spread_by_the_rules_and_mostly_well() -> None:
    counts: Counter[str] = Counter()
    ours, best = 0, 0
    for seed in range(120):
        problem = draw_preferred(seed)
        known = search(problem, LIMITS)
        for answer in (place_any(problem), place_soon(problem, LIMITS)):
            if answer is None:
                counts["open"] += 1
                continue
            counts[answer.status] += 1
            assert (answer.placement is None) == (known.placement is None), f"seed {seed}"
            if answer.placement is not None:
                assert check_placement(problem, answer.placement) == (), f"seed {seed}"
        if answer is not None and answer.placement is not None and known.placement is not None:
            found = level_values(problem, answer.placement)
            least = level_values(problem, known.placement)
            assert (found["vcpus_off_home"], found["cost"]) >= (
                least["vcpus_off_home"],
                least["cost"],
            )
            ours, best = ours + found["cost"], best + least["cost"]
    assert counts["feasible"] + counts["optimal"] >= 60
    assert best <= ours <= 1.2 * best


def test_what_is_soon_proven_is_the_proven_answer() -> None:
    problem = make_problem(make_host([5000, 5000, 5000]), make_domain([1000, 2000], 4))
    soon, best = place_soon(problem, LIMITS), place_one(problem, LIMITS)
    assert soon is not None
    assert best is not None
    assert (soon.status, soon.placement) == ("optimal", best.placement)


@pytest.mark.parametrize("place", [place_any, lambda problem: place_soon(problem, LIMITS)])
def test_two_domains_are_left_to_others(place: Callable[[Problem], Answer | None]) -> None:
    host = make_host([5000, 5000])
    one = make_problem(host, make_domain([1000], 1))
    two = replace(one, domains=(one.domains[0], replace(one.domains[0], name="other")))
    assert place(two) is None
