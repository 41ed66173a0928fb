"""Every feature beside every other: all engines agree with enumeration, and with MiniZinc.

The normal suite holds some of the problems and those that engines once differed on; the slow
tests hold thousands by enumeration and hundreds by MiniZinc.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.problem import Problem
from tests.brute_force import (
    MAXIMISED,
    Optimum,
    count_choices,
    equal_sizes,
    find_unequal_splits,
    solve_by_brute_force,
    split_domain,
    with_split,
)
from tests.minizinc import Reached, solve_by_minizinc
from tests.test_oracle import assert_agreement, assert_same_optimum
from tests.wide_problems import (
    masks_differ_in_free_maps,
    threads_meet_masks,
    wide_features_of,
    wide_problem,
)

NUM_WIDE = 3400
"""The slow tests enumerate the first so many, but for the few that are too large."""
MOST_CHOICES = 20_000
PARTS = 17
ONCE_WRONG = (2246, 2595, 4136, 4479, 5212, 5483, 5891)
"""Threads that masks name on cores that are slots; more vnodes than the host has pnodes."""
NUM_BY_MINIZINC = 420
NUM_AS_FLEETS = 100

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
    "hard affinities that differ",
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
    "soft affinities that differ",
    "soft affinity",
    "strict",
    "tie break pack",
    "tie break spread",
    "unreachable",
    "vcpu bounds",
    "vdistances auto",
    "vnode without memory",
    "vnodes auto",
}


@cache
def enumerated(seed: int) -> Optimum | None:
    """Return the best placement of a wide problem by enumeration."""
    return solve_by_brute_force(wide_problem(seed))


def small_problems(seeds: range) -> Iterator[tuple[int, Problem]]:
    """Yield those that are small enough to enumerate, with their seeds."""
    for seed in seeds:
        problem = wide_problem(seed)
        if count_choices(problem) <= MOST_CHOICES:
            yield seed, problem


def test_every_feature_meets_every_other_in_the_wide_problems() -> None:
    alone: Counter[str] = Counter()
    pairs: Counter[tuple[str, ...]] = Counter()
    for seed in range(NUM_WIDE):
        found = wide_features_of(wide_problem(seed))
        alone.update(found)
        pairs.update(combinations(sorted(found), 2))
    assert set(alone) == FEATURES
    assert min(alone.values()) >= 200
    apart = {pair for pair in combinations(sorted(FEATURES), 2) if pairs[pair] < 10}
    assert apart == {("tie break pack", "tie break spread")}


@pytest.mark.slow
def test_every_feature_is_in_problems_that_can_be_placed() -> None:
    placed: Counter[str] = Counter()
    for seed, problem in small_problems(range(NUM_WIDE)):
        if enumerated(seed) is not None:
            placed.update(wide_features_of(problem))
    assert not {name: placed[name] for name in FEATURES if placed[name] < 15}


def assert_engines_agree(seed: int, problem: Problem) -> None:
    """Hold what answers, and the encoding by itself, against the enumeration."""
    from placer.cpsat.search import search
    from placer.pipeline import find_answer

    optimum = enumerated(seed)
    answer = find_answer(problem, Limits())
    encoded = search(problem, Limits())
    assert_agreement(problem, optimum, encoded, f"seed {seed}, encoding")
    if optimum is None and any(domain.auto_vnodes for domain in problem.domains):
        assert_unequal_splits_agree(problem, answer, f"seed {seed}")
    else:
        assert_agreement(problem, optimum, answer, f"seed {seed}")


def assert_unequal_splits_agree(problem: Problem, answer: Answer, told: str) -> None:
    """C4's last resort: the least unequal sizes, and the best of them."""
    auto = next(domain.name for domain in problem.domains if domain.auto_vnodes)
    found = find_unequal_splits(problem, auto)
    if found is None or answer.placement is None:
        assert found is None, told
        assert answer.status == "infeasible", told
        return
    sizes = tuple(answer.placement.of(auto).vnode_pages.tolist())
    assert max(sizes) - min(sizes) == found[0], told
    assert sizes in found[1], told
    assert check_placement(problem, answer.placement) == (), told
    best = solve_by_brute_force(with_split(problem, auto, sizes))
    assert best is not None, told
    levels = {level.name: level.value for level in answer.levels if level.name in best.levels}
    assert levels == best.levels, told


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_what_engines_once_differed_on_is_answered_alike(seed: int) -> None:
    assert_engines_agree(seed, wide_problem(seed))


@pytest.mark.parametrize("first", [0, 1])
def test_engines_agree_with_enumeration_on_some_wide_problems(first: int) -> None:
    for seed, problem in small_problems(range(first, 400, 4)):
        assert_engines_agree(seed, problem)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_engines_agree_with_enumeration_on_every_wide_problem(part: int) -> None:
    held = 0
    for seed, problem in small_problems(range(part, NUM_WIDE, PARTS)):
        assert_engines_agree(seed, problem)
        held += 1
    assert held * PARTS >= 3000


def test_every_third_problem_of_one_domain_is_answered_by_the_quadratic_core() -> None:
    from placer.quadratic.one_domain import place_one

    alone = [problem for _, problem in small_problems(range(0, 400, 4))]
    answered = [place_one(problem, Limits()) is not None for problem in alone]
    assert sum(answered) * 3 >= len(alone)


# -- MiniZinc ----------------------------------------------------------------------


def stated_problems(first: int, step: int, last: int) -> Iterator[tuple[int, Problem]]:
    """Yield every ``step``-th of the small problems that models/placement.mzn states."""
    number = 0
    for seed, problem in small_problems(range(NUM_WIDE)):
        if threads_meet_masks(problem) or masks_differ_in_free_maps(problem):
            continue
        if number % step == first:
            yield seed, problem
        number += 1
        if number == last:
            return


def solve_splits(
    problem: Problem, model: Path, program: str, folder: Path
) -> tuple[Reached | None, bool]:
    """Return MiniZinc's optimum, over every number of vnodes where that is to be chosen.

    The second value says whether the homes are those of all domains: not where the domain
    whose vnodes are chosen is left out.
    """
    auto = [number for number, domain in enumerate(problem.domains) if domain.auto_vnodes]
    if not auto:
        return solve_by_minizinc(problem, model, program, folder), True
    number = auto[0]
    domain = problem.domains[number]
    outside = sum(host.num_pnodes for host in problem.hosts)
    ranked: list[tuple[int, int, Reached]] = []
    for count in range(1, max(host.num_pnodes for host in problem.hosts) + 1):
        sizes = equal_sizes(domain.memory_pages, count)
        narrow = tuple(host.name for host in problem.hosts if host.num_pnodes < count)
        split = split_domain(domain, sizes)
        split = replace(split, forbidden_hosts=(*domain.forbidden_hosts, *narrow))
        domains = (*problem.domains[:number], split, *problem.domains[number + 1 :])
        if not min(sizes):
            break
        reached = solve_by_minizinc(replace(problem, domains=domains), model, program, folder)
        if reached is not None:
            chosen = 0 if reached.homes[number][0] == outside else count
            ranked.append((-reached.levels.get("placed_priority", 0), chosen, reached))
    if not ranked:
        return None, True
    _, chosen, best = min(ranked, key=lambda one: one[:2])
    return replace(best, levels={**best.levels, "auto_vnodes": chosen}), chosen > 0


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_minizinc_agrees_with_enumeration_on_wide_problems(
    part: int,
    tmp_path: Path,
    project_root: Path,
    require_program: Callable[[str, str], str],
) -> None:
    program = require_program("minizinc", "minizinc")
    model = project_root / "models" / "placement.mzn"
    for seed, problem in stated_problems(part, PARTS, NUM_BY_MINIZINC):
        reached, all_homes = solve_splits(problem, model, program, tmp_path)
        optimum = enumerated(seed)
        if reached is not None and optimum is not None and not all_homes:
            reached = replace(reached, homes=optimum.homes)
        assert_same_optimum(reached, optimum, f"seed {seed}")


# -- fleets ------------------------------------------------------------------------


def assert_bounds_hold(problem: Problem, optimum: Optimum, answer: Answer, told: str) -> None:
    """Levels are those of the placement, and no bound is past what enumeration reaches."""
    assert answer.placement is not None, told
    assert check_placement(problem, answer.placement) == (), told
    values = level_values(problem, answer.placement)
    for level in answer.levels:
        if level.name not in optimum.levels:
            continue
        best = optimum.levels[level.name]
        assert level.value == values[level.name], told
        reaches = level.bound >= best if level.name in MAXIMISED else level.bound <= best
        assert reaches, f"{told}, {level.name}"
        if level.value != best:
            return


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_fleet_engines_give_valid_placements_and_bounds_of_tiny_batches(part: int) -> None:
    from placer.fleet.many import place_many

    batches = [
        (seed, problem)
        for seed, problem in small_problems(range(2 * NUM_AS_FLEETS))
        if len(problem.domains) > 1 and not any(domain.auto_vnodes for domain in problem.domains)
    ]
    for seed, problem in batches[:NUM_AS_FLEETS][part::4]:
        optimum = enumerated(seed)
        answer = place_many(problem, Limits(time_limit=5))
        if optimum is None:
            assert answer.status == "infeasible", f"seed {seed}"
        else:
            assert_bounds_hold(problem, optimum, answer, f"seed {seed}")
