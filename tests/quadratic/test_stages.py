"""Cores in stages: never worse than branches alone, never below the optimum, always the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from placer.answer import Limits
from placer.quadratic.branch import BranchAnswer, solve_core
from placer.quadratic.core import QuadraticCore
from placer.quadratic.of_domain import describe
from placer.quadratic.partial import Tables, VcpuTerms
from placer.quadratic.relaxation import whole
from placer.quadratic.stages import Effort, solve_in_stages
from tests.quadratic.large_domains import draw_large
from tests.quadratic.random_cores import draw_core, draw_core_with_spare, draw_core_with_spill

Draw = Callable[[int], tuple[QuadraticCore, VcpuTerms | None]]


def plain(seed: int) -> tuple[QuadraticCore, VcpuTerms | None]:
    """A core without terms."""
    return draw_core(seed), None


def in_stages(
    core: QuadraticCore, terms: VcpuTerms | None, max_nodes: int, *, seed: int = 0
) -> tuple[BranchAnswer, Effort]:
    """What is found with so few partial assignments, the second turn of which gets one more."""
    effort = Effort(limits=Limits(seed=seed), max_nodes=max_nodes)
    return solve_in_stages(core, effort, terms=terms, upper=None), effort


@pytest.mark.parametrize("draw", [plain, draw_core_with_spare, draw_core_with_spill])
@pytest.mark.parametrize("max_nodes", [1, 20, 10_000])
def test_answers_lie_between_their_bound_and_what_is_possible(draw: Draw, max_nodes: int) -> None:
    for seed in range(60 if max_nodes > 20 else 15):
        core, terms = draw(seed)
        best = solve_core(core, terms=terms)
        answer, _ = in_stages(core, terms, max_nodes)
        if best.cost is None:
            assert answer.locations is None, f"seed {seed}"
            continue
        assert answer.bound <= best.cost, f"seed {seed}"
        if answer.cost is not None:
            assert answer.cost >= best.cost, f"seed {seed}"
        if answer.proven:
            assert answer.locations is not None
            assert best.locations is not None
            assert answer.locations.tolist() == best.locations.tolist(), f"seed {seed}"


@pytest.mark.parametrize("draw", [plain, draw_core_with_spare])
def test_a_whole_assignment_costs_what_the_search_says(draw: Draw) -> None:
    compared = 0
    for seed in range(120):
        core, terms = draw(seed)
        best = solve_core(core, terms=terms)
        if best.locations is None:
            continue
        compared += 1
        tables = Tables(core, range(core.num_facilities), terms)
        assert int(whole(tables, best.locations).bound[0]) == best.cost, f"seed {seed}"
    assert compared > 40


def large_core(*, fixed: bool) -> tuple[QuadraticCore, VcpuTerms | None]:
    """A domain of 16 vnodes on 16 pnodes as a core."""
    problem = draw_large(0, fixed=fixed)
    found = describe(problem.domains[0], problem.hosts[0])
    assert found is not None
    return found.core, found.terms


@pytest.mark.parametrize("fixed", [True, False])
def test_walks_find_what_branches_alone_do_not(fixed: bool) -> None:
    core, terms = large_core(fixed=fixed)
    alone = solve_core(core, terms=terms, max_nodes=20_000)
    answer, _ = in_stages(core, terms, 20_000)
    assert answer.locations is not None
    assert answer.cost is not None
    assert not answer.proven
    assert alone.cost is None or answer.cost < alone.cost
    assert answer.bound <= answer.cost
    assert core.is_feasible(answer.locations)
    batch = whole(Tables(core, range(core.num_facilities), terms), answer.locations)
    assert int(batch.bound[0]) == answer.cost
    if terms is not None:
        assert answer.units is not None
        beyond = answer.units.sum(axis=1) - core.demand[terms.resource]
        assert beyond.sum() == terms.num_spare
        assert (beyond <= terms.most_spare).all()


@pytest.mark.parametrize("fixed", [True, False])
def test_equal_seeds_give_equal_answers_for_equal_work(fixed: bool) -> None:
    core, terms = large_core(fixed=fixed)
    (one, first), (other, second) = (in_stages(core, terms, 5000, seed=3) for _ in range(2))
    assert one.locations is not None
    assert other.locations is not None
    assert one.locations.tolist() == other.locations.tolist()
    assert (one.cost, one.bound, one.nodes) == (other.cost, other.bound, other.nodes)
    assert first.work == second.work > 0


def test_a_time_limit_ends_the_stages_before_it() -> None:
    core, terms = large_core(fixed=True)
    effort = Effort(limits=Limits(time_limit=0.5), max_nodes=1 << 40)
    answer = solve_in_stages(core, effort, terms=terms, upper=None)
    assert answer.locations is not None
    assert effort.work < 0.5
    hurried = Effort(limits=Limits(time_limit=1e-9), max_nodes=1 << 40)
    assert not solve_in_stages(core, hurried, terms=terms, upper=None).proven


class _Stop:
    """Ctrl-C once a search tells a cost."""

    def __call__(self, cost: int | None) -> None:
        if cost is not None:
            raise KeyboardInterrupt


def test_an_interrupted_search_through_branches_keeps_the_best_and_a_valid_bound() -> None:
    stopped = 0
    for seed in range(60):
        core = draw_core(seed)
        best = solve_core(core)
        answer = solve_core(core, catch_interrupt=True, tell=_Stop())
        if not answer.interrupted:
            continue
        stopped += 1
        assert answer.locations is not None
        assert core.cost(answer.locations) == answer.cost
        assert not answer.proven
        assert best.cost is not None
        assert answer.bound <= best.cost <= core.cost(answer.locations)
    assert stopped > 20


def test_ctrl_c_goes_on_where_nobody_asked_for_the_best_so_far() -> None:
    core, _ = large_core(fixed=True)
    with pytest.raises(KeyboardInterrupt):
        solve_core(core, tell=_Raise())


class _Raise:
    """Ctrl-C at once."""

    def __call__(self, cost: int | None) -> None:
        raise KeyboardInterrupt


def test_interrupted_walks_are_kept_with_the_bound_known_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core, terms = large_core(fixed=False)
    told: list[int] = []

    def tell(self: Effort, cost: int | None, bound: int) -> None:
        if cost is not None and bound > 0:  # the walks, or branches after them
            told.append(bound)
            raise KeyboardInterrupt

    monkeypatch.setattr(Effort, "tell", tell)
    answer, _ = in_stages(core, terms, 2000)
    assert answer.interrupted
    assert not answer.proven
    assert len(told) == 1
    assert answer.cost is not None
    assert told[0] <= answer.bound <= answer.cost
    assert answer.units is not None
    assert (answer.units.sum(axis=0) <= core.capacity[1]).all()
    assert np.count_nonzero(answer.units) >= core.num_facilities
