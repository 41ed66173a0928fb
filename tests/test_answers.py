"""Whatever problem is drawn: an answer keeps the rules, and says of its levels what is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.pipeline import find_answer
from placer.placement import PlacedDomain
from placer.problem import Problem
from tests.random_problems import draw_batch, draw_problem
from tests.strategies import tiny_problems
from tests.wide_problems import wide_problem

SEEDS = st.integers(0, 2**32 - 1)


def assert_sound(problem: Problem, answer: Answer) -> None:
    """The rules are kept, levels are the placement's, and a bound is never past its value."""
    if answer.placement is None:
        assert answer.status in {"infeasible", "unknown"}
        return
    assert answer.status in {"optimal", "feasible"}
    assert check_placement(problem, answer.placement) == ()
    values = level_values(problem, answer.placement)
    levels = {level.name: level for level in answer.levels}
    assert set(levels) >= set(values)
    for name, value in values.items():
        level = levels[name]
        slack = int(level.value * problem.cost_slack) if name == "cost" else 0
        assert level.value <= value <= level.value + slack
    for level in answer.levels:
        ahead = level.value - level.bound if level.sense == "min" else level.bound - level.value
        assert ahead >= 0
        assert (level.status == "optimal") == (ahead == 0)
    proven = all(level.status == "optimal" for level in answer.levels)
    assert (answer.status == "optimal") == proven


@settings(max_examples=80)
@given(problem=st.one_of(tiny_problems(), SEEDS.map(wide_problem)))
def test_answers_of_tiny_problems_are_sound_and_proven(problem: Problem) -> None:
    answer = find_answer(problem, Limits())
    assert answer.status in {"optimal", "infeasible"}
    assert_sound(problem, answer)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_answers_of_small_problems_are_sound(seed: int) -> None:
    problem = draw_problem(seed)
    assert_sound(problem, find_answer(problem, Limits(time_limit=5)))


@pytest.mark.slow
@settings(max_examples=400)
@given(seed=SEEDS)
def test_answers_of_many_small_problems_are_sound(seed: int) -> None:
    problem = draw_problem(seed)
    assert_sound(problem, find_answer(problem, Limits(time_limit=5)))


@pytest.mark.slow
@settings(max_examples=10)
@given(seed=SEEDS)
@example(seed=655360)  # an interleaved vnode without pages, on a host of one pnode
def test_answers_of_batches_are_sound(seed: int) -> None:
    problem = draw_batch(seed)
    assert_sound(problem, find_answer(problem, Limits(time_limit=5)))


def moved_vcpu(placed: PlacedDomain, vcpu: int, pcpu: int, pnode: int) -> PlacedDomain:
    """Return the same with one vcpu on another pcpu."""
    pcpus, pnodes = np.array(placed.vcpu_to_pcpu), np.array(placed.vcpu_to_pnode)
    pcpus[vcpu], pnodes[vcpu] = pcpu, pnode
    return replace(placed, vcpu_to_pcpu=pcpus, vcpu_to_pnode=pnodes)


@settings(max_examples=60)
@given(seed=SEEDS, data=st.data())
def test_no_vcpu_elsewhere_keeps_the_rules_and_is_better(seed: int, data: st.DataObject) -> None:
    problem = wide_problem(seed)
    answer = find_answer(problem, Limits())
    if answer.placement is None or not answer.placement.domains:
        return
    number = data.draw(st.integers(0, len(answer.placement.domains) - 1))
    placed = answer.placement.domains[number]
    host = problem.hosts[problem.host_index[placed.host]]
    vcpu = data.draw(st.integers(0, len(placed.vcpu_to_pcpu) - 1))
    pcpu = data.draw(st.sampled_from(host.pcpu_ids.tolist()))
    moved = moved_vcpu(placed, vcpu, pcpu, int(host.pcpu_pnode[host.pcpu_ids == pcpu][0]))
    domains = (*answer.placement.domains[:number], moved, *answer.placement.domains[number + 1 :])
    changed = replace(answer.placement, domains=domains)
    if check_placement(problem, changed):
        return
    best = {level.name: level for level in answer.levels}
    for name, value in level_values(problem, changed).items():
        level = best[name]
        worse = value - level.value if level.sense == "min" else level.value - value
        assert worse >= 0, name
        if worse:
            return
