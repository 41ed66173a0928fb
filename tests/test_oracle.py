"""CP-SAT, MiniZinc with Gecode and full enumeration agree on tiny problems (models/README.md).

The three share the contracts and nothing else: placer/cpsat, models/placement.mzn and
tests/brute_force/ each state the rules in their own way. The checker and the scorer are
held against all of them. tests/test_oracle_wide.py does the same for problems with every
feature beside every other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import floor
from pathlib import Path

import pytest

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.domain import Domain
from placer.placement import Placement
from placer.problem import Problem
from tests.brute_force import (
    MAXIMISED,
    Optimum,
    count_choices,
    equal_sizes,
    solve_by_brute_force,
    split_domain,
)
from tests.minizinc import Reached, solve_by_minizinc
from tests.strategies import features_of, tiny_problem

NUM_PROBLEMS = 300
PARTS = 10
NUM_IN_FRAMES = 60
"""So many of them are realised in frames as well."""
NUM_BY_MINIZINC = 80
MOST_CHOICES = 60_000
"""Problems with more combinations than this are passed over."""

FEATURES = {
    "allow partial",
    "asymmetric distances",
    "broken overcommit",
    "cost slack",
    "cpu spill free",
    "cpu spill last",
    "cpu spill never",
    "dedicated isolate",
    "dedicated prefer",
    "dedicated require",
    "distinct pnodes",
    "fixed map",
    "free map",
    "group apart over hosts",
    "group apart over pnodes",
    "group together over hosts",
    "group together over pnodes",
    "hard affinity",
    "host forbidden or named",
    "interleave over a width",
    "interleave over given pnodes",
    "large pages",
    "limit on moves",
    "limit on pages moved",
    "measured access",
    "overcommit",
    "pnode asked for",
    "pnode without memory",
    "pnode without pcpus",
    "preferred",
    "priorities",
    "reserve",
    "running and movable",
    "running dedicated pcpus",
    "running domain",
    "several domains",
    "several hosts",
    "smt cores",
    "smt penalty",
    "smt threads",
    "soft affinity",
    "tie break none",
    "tie break pack",
    "tie break spread",
    "unreachable",
    "vcpu bounds",
    "vnode without memory",
}


@cache
def oracle_seeds() -> tuple[int, ...]:
    """Return the first seeds whose problems are small enough to enumerate."""
    seeds: list[int] = []
    seed = 0
    while len(seeds) < NUM_PROBLEMS:
        if count_choices(tiny_problem(seed)) <= MOST_CHOICES:
            seeds.append(seed)
        seed += 1
    return tuple(seeds)


@cache
def enumerated(seed: int) -> Optimum | None:
    """Return the best placement of a tiny problem by enumeration."""
    return solve_by_brute_force(tiny_problem(seed))


def homes_over_all_hosts(problem: Problem, placement: Placement) -> tuple[tuple[int, ...], ...]:
    """Return the homes by domain, pnodes counted host after host, one past the last if left out."""
    first = {}
    num_pnodes = 0
    for host in problem.hosts:
        first[host.name] = num_pnodes
        num_pnodes += host.num_pnodes
    homes = {
        placed.domain: tuple(first[placed.host] + home for home in placed.home.tolist())
        for placed in placement.domains
    }
    return tuple(
        homes.get(domain.name, (num_pnodes,) * domain.num_vnodes) for domain in problem.domains
    )


def keeps_levels(problem: Problem, placement: Placement, levels: dict[str, int]) -> bool:
    """Return whether a placement has every level at its value, but for the cost's slack."""
    for name, value in level_values(problem, placement).items():
        best = levels[name]
        if name == "cost":
            if not best <= value <= best + floor(best * problem.cost_slack):
                return False
        elif value != best:
            return False
    return True


def test_the_tiny_problems_have_every_feature_and_enough_of_them_cannot_be_placed() -> None:
    drawn: Counter[str] = Counter()
    infeasible = 0
    for seed in oracle_seeds():
        drawn.update(features_of(tiny_problem(seed)))
        infeasible += enumerated(seed) is None
    assert set(drawn) == FEATURES
    rare = {name: drawn[name] for name in FEATURES if drawn[name] < 10}
    assert not rare
    assert 0.25 <= infeasible / NUM_PROBLEMS <= 0.6


def test_every_tie_break_and_level_decides_somewhere() -> None:
    """A level that is 0 everywhere would agree by chance."""
    above_zero: Counter[str] = Counter()
    for seed in oracle_seeds():
        optimum = enumerated(seed)
        if optimum is not None:
            above_zero.update(name for name, value in optimum.levels.items() if value)
    assert min(above_zero.values()) >= 10
    assert set(above_zero) == {
        "placed_priority",
        "vcpus_off_home",
        "cost",
        "pages_moved",
        "vcpus_off_soft",
        "spread_max",
        "spread_sum",
        *MAXIMISED,
    }


def assert_agreement(problem: Problem, optimum: Optimum | None, answer: Answer, told: str) -> None:
    """Compare an answer with the enumeration: feasibility, every level, first homes, rules."""
    if optimum is None:
        assert (answer.status, answer.placement) == ("infeasible", None), told
        return
    assert answer.status == "optimal", told
    assert answer.placement is not None, told
    found = {level.name: level for level in answer.levels if level.name in optimum.levels}
    levels = {name: level.value for name, level in found.items()}
    assert levels == optimum.levels, told
    assert list(levels) == list(optimum.levels), told
    assert all(level.bound == level.value for level in found.values()), told
    assert homes_over_all_hosts(problem, answer.placement) == optimum.homes, told
    assert check_placement(problem, answer.placement) == (), told
    assert keeps_levels(problem, answer.placement, levels), told


@pytest.mark.parametrize("part", range(PARTS))
def test_answers_agree_with_enumeration_on_feasibility_levels_and_homes(part: int) -> None:
    from placer.pipeline import find_answer

    for seed in oracle_seeds()[part::PARTS]:
        problem = tiny_problem(seed)
        assert_agreement(problem, enumerated(seed), find_answer(problem, Limits()), f"seed {seed}")


def test_what_is_realised_in_frames_agrees_with_enumeration() -> None:
    from placer.solve import solve

    for seed in oracle_seeds()[:NUM_IN_FRAMES]:
        problem, optimum = tiny_problem(seed), enumerated(seed)
        solution = solve(problem)
        result = solution.result
        answer = Answer(
            status=result.status, levels=list(result.levels), placement=result.placement
        )
        assert_agreement(problem, optimum, answer, f"seed {seed}")
        if result.placement is not None:
            assert check_placement(problem, result.placement, solution.frames) == (), f"seed {seed}"


@pytest.mark.parametrize("part", range(PARTS))
def test_minizinc_agrees_with_enumeration_on_feasibility_levels_and_homes(
    part: int,
    tmp_path: Path,
    project_root: Path,
    require_program: Callable[[str, str], str],
) -> None:
    program = require_program("minizinc", "minizinc")
    model = project_root / "models" / "placement.mzn"
    for seed in oracle_seeds()[:NUM_BY_MINIZINC][part::PARTS]:
        reached = solve_by_minizinc(tiny_problem(seed), model, program, tmp_path)
        assert_same_optimum(reached, enumerated(seed), f"seed {seed}")


def assert_same_optimum(reached: Reached | None, optimum: Optimum | None, told: str) -> None:
    """Compare what MiniZinc found with the enumeration."""
    if optimum is None or reached is None:
        assert optimum is None, told
        assert reached is None, told
        return
    assert reached.levels == optimum.levels, told
    assert reached.homes == optimum.homes, told


@pytest.mark.parametrize("part", range(PARTS))
def test_the_checker_accepts_and_scores_the_best_placement_of_the_enumeration(part: int) -> None:
    for seed in oracle_seeds()[part::PARTS]:
        problem, optimum = tiny_problem(seed), enumerated(seed)
        if optimum is not None:
            assert check_placement(problem, optimum.placement) == (), f"seed {seed}"
            assert keeps_levels(problem, optimum.placement, optimum.levels), f"seed {seed}"


def test_vnodes_chosen_by_the_solver_are_the_fewest_that_enumeration_can_place() -> None:
    from placer.pipeline import find_answer

    counts: Counter[int] = Counter()
    for seed in range(100):
        drawn = tiny_problem(seed)
        domain = Domain(
            name="auto",
            vnode_pages=[max(4000, drawn.domains[0].memory_pages)],
            num_vcpus=3,
            auto_vnodes=True,
        )
        hosts = tuple(host for host in drawn.hosts if host.num_pnodes > 1)
        if not hosts:
            continue
        problem = Problem(hosts=hosts, domains=(domain,), policy=drawn.policy)
        best = None
        most = max(host.num_pnodes for host in hosts)
        for num_vnodes in range(1, most + 1):
            sizes = equal_sizes(domain.memory_pages, num_vnodes)
            narrow = tuple(host.name for host in hosts if host.num_pnodes < num_vnodes)
            vnodes = replace(split_domain(domain, sizes), forbidden_hosts=narrow)
            split = replace(problem, domains=(vnodes,))
            best = solve_by_brute_force(split)
            if best is not None:
                break
        answer = find_answer(problem, Limits())
        if best is None:
            # Only unequal sizes can help then, and enumeration does not know them.
            if answer.placement is not None:
                given = answer.placement.of("auto").vnode_pages
                assert given.max() - given.min() > 512, f"seed {seed}"
            continue
        counts[num_vnodes] += 1
        assert answer.placement is not None, f"seed {seed}"
        placed = answer.placement.of("auto")
        assert placed.num_vnodes == num_vnodes, f"seed {seed}"
        assert placed.home.tolist() == best.placement.of("auto").home.tolist(), f"seed {seed}"
        levels = {level.name: level.value for level in answer.levels}
        assert levels["auto_vnodes"] == num_vnodes, f"seed {seed}"
        assert all(levels[name] == value for name, value in best.levels.items()), f"seed {seed}"
    assert counts[2] >= 3
    assert counts[3] >= 1
