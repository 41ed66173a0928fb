"""The whole way: a problem in, a checked and realised answer out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placer.check import check_placement, score
from placer.errors import AllocationError
from placer.pages.realise import realise
from placer.problem import Problem
from placer.read.inventory import read_inventory
from placer.read.xl_domain import read_xl
from placer.solve import SolveOptions, solve
from tests.builders import every_vcpu, make_domain, make_host, make_problem
from tests.random_problems import draw_problem

SEED = Path(__file__).parents[1] / "datasets" / "seed"


def seed_problem(config: str, host: str, *, fallback: bool) -> Problem:
    """Return one of the two worked examples of the vNUMA posting of 2013."""
    domain, _ = read_xl(SEED / f"{config}.cfg", fallback=fallback)
    return Problem(hosts=read_inventory(SEED / f"{host}.toml"), domains=(domain,))


def test_rcbig_comes_out_as_the_posting_printed_it() -> None:
    solution = solve(seed_problem("rcbig", "heatpipe-before-rcbig", fallback=True))
    assert solution.result.placement is not None
    placed = solution.result.placement.of("rcbig")
    assert solution.result.status == "optimal"
    assert placed.home.tolist() == [0, 0, 1, 1]
    assert placed.vcpu_to_vnode.tolist() == [0, 1, 2, 3]
    assert placed.pages_on.tolist() == [2097152, 2097152]
    assert solution.frames[0].pages_on(4, 2).sum(axis=0).tolist() == [2097152, 2097152]
    assert solution.score is not None
    assert solution.score.mean_access_distance == 14.0


def test_rc9_comes_out_as_the_posting_printed_it() -> None:
    problem = seed_problem("rc9", "heatpipe-before-rc9", fallback=False)
    solution = solve(problem)
    assert solution.result.placement is not None
    placed = solution.result.placement.of("rc9")
    assert placed.home.tolist() == [1, 0]
    assert placed.vcpu_to_vnode.tolist() == [1, 0, 1, 0]
    assert solution.score is not None
    assert solution.score.mean_access_distance == 12.0
    left = problem.hosts[0].free_pages - solution.frames[0].pages_on(2, 2).sum(axis=0)
    assert left.tolist() == [131471, 341610]


@pytest.mark.parametrize("part", range(6))
def test_every_answer_passes_the_checker_and_costs_what_the_solver_says(part: int) -> None:
    """The checker shares no code with the solver; solve() holds every answer against it."""
    answered = 0
    for seed in range(25 * part, 25 * part + 25):
        problem = draw_problem(seed)
        solution = solve(problem, SolveOptions(time_limit=60.0))
        placement = solution.result.placement
        if placement is None:
            assert solution.result.status == "infeasible"
            assert len(solution.result.unplaced) == len(problem.domains)
            continue
        answered += 1
        frames = solution.frames
        assert check_placement(problem, placement, frames) == ()
        for placed, backing in zip(placement.domains, frames, strict=True):
            if problem.domains[problem.domain_index[placed.domain]].type != "hvm":
                shape = placed.pages.shape
                assert np.array_equal(backing.pages_on(*shape), placed.pages)
        cost = next(level for level in solution.result.levels if level.name == "cost")
        points = score(problem, placement)
        assert cost.bound <= cost.value <= points.cost
        assert points.cost <= cost.value * (1 + problem.cost_slack)
    assert answered > 5


def test_a_domain_alone_too_large_is_refused_with_what_is_short_and_what_would_fit() -> None:
    problem = make_problem(make_host([1500, 1500]), make_domain([2000]))
    solution = solve(problem)
    assert solution.result.status == "infeasible"
    assert solution.result.placement is None
    (refusal,) = solution.result.unplaced
    assert "vnode 0" in refusal.reason
    assert refusal.certificate == "capacity count"
    # Vnode 0 has the overhead of 256 pages beside its own 2000.
    assert refusal.short_by == ("3024 KiB on pnode 0 of host",)
    assert "fits with policy preferred at mean distance 15.0 or less" in refusal.nearest
    relaxed = replace(
        problem.domains[0], memory=(replace(problem.domains[0].memory[0], policy="preferred"),)
    )
    assert solve(replace(problem, domains=(relaxed,))).result.status == "optimal"


def test_domains_that_only_fit_one_at_a_time_say_so() -> None:
    domains = [make_domain([1000], name=f"vm{n}") for n in range(2)]
    solution = solve(make_problem(make_host([1500]), *domains, allow_partial=True))
    assert solution.result.status == "optimal"
    assert solution.result.placement is not None
    assert len(solution.result.placement.domains) == 1
    (refusal,) = solution.result.unplaced
    assert refusal.reason.startswith("fits alone")


def test_several_domains_are_placed_jointly_where_one_after_the_other_fails() -> None:
    host = make_host([3000, 2000], cpus=8)
    small, large = make_domain([1000], name="small"), make_domain([2700], name="large")
    solution = solve(make_problem(host, small, large))
    assert solution.result.placement is not None
    assert solution.result.placement.of("large").home.tolist() == [0]
    assert solution.result.placement.of("small").home.tolist() == [1]


def test_a_host_with_one_pnode_and_a_domain_with_one_vnode_need_no_numa() -> None:
    solution = solve(make_problem(make_host([4096]), make_domain([1024], 2)))
    assert solution.score is not None
    assert solution.score.mean_access_distance == 10.0


def test_libxls_answer_is_scored_with_the_rules_that_it_breaks() -> None:
    host = make_host([3000, 3000], cpus=[4, 4])
    domain = make_domain([1000, 1000], 2, hard_affinity=every_vcpu("4", 2))
    problem = make_problem(host, domain)
    solution = solve(problem, SolveOptions(solver="libxl"))
    assert solution.result.solver.name == "libxl"
    assert solution.score is not None
    placement = solution.result.placement
    assert placement is not None
    assert len(solution.score.violations) == len(check_placement(problem, placement))
    assert solution.score.violations


def test_every_answer_stands_beside_libxls() -> None:
    problem = make_problem(make_host([3000, 3000]), make_domain([2000, 2000], 2))
    solution = solve(problem)
    assert solution.result.baseline is not None
    assert solution.result.baseline.name == "libxl"
    assert solution.score is not None
    assert solution.result.baseline.score.cost >= solution.score.cost


def test_a_heap_too_fragmented_for_the_pages_wanted_is_refused() -> None:
    spans = [(0, 1 << 10 | 1, 400), (0, 1 << 14 | 1, 400)]
    host = make_host([800], free_spans=spans)
    domain = make_domain([512], page_order=[9])
    problem = make_problem(host, domain)
    assert solve(problem).result.status == "infeasible"
    relaxed = make_problem(host, make_domain([512]))
    solution = solve(relaxed)
    assert solution.result.status == "optimal"
    assert solution.frames[0].extents_of(0) == {0: 512}
    assert solution.result.placement is not None
    with pytest.raises(AllocationError):
        realise(problem, solution.result.placement)


@pytest.mark.parametrize(
    "options", [{"workers": 0}, {"time_limit": 0.0}, {"seed": -1}, {"time_limit": float("nan")}]
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        SolveOptions(**options)


def test_the_domain_that_wants_large_pages_gets_them_before_others_break_them_up() -> None:
    loose = [(0, 2 * n + 1, 1) for n in range(1600)]
    host = make_host([1600 + 512], free_spans=[*loose, (0, 1 << 14, 512)])
    plain = make_domain([1024], name="plain")
    large = make_domain([512], name="large", page_order=[9])
    solution = solve(make_problem(host, plain, large))
    assert solution.result.status == "optimal"
    assert [frames.domain for frames in solution.frames] == ["plain", "large"]
    assert solution.frames[1].extents_of(0) == {9: 1}


def fill_two_pnodes() -> Problem:
    """A guest that the counts have room for: but half of its low pages are in vnode 1's way."""
    domain = make_domain([8192, 8192], 2, name="a", type="hvm", vcpu_to_vnode=[0, 1])
    return make_problem(make_host([8192 + 512, 8192]), domain)


def test_a_plan_that_the_heap_cannot_give_is_not_called_impossible() -> None:
    result = solve(fill_two_pnodes()).result
    assert result.status == "unknown"
    assert result.placement is None
    (refusal,) = result.unplaced
    assert refusal.reason.startswith("the heap cannot realise the plan: domain a, vnode")
    assert refusal.short_by == ("80 extents of order 0",)


def test_a_plan_that_the_heap_cannot_give_is_solved_again_with_what_was_learnt() -> None:
    alone = fill_two_pnodes()
    far = make_host([1 << 15, 0], cpus=[0, 2], name="far")
    problem = replace(alone, hosts=(*alone.hosts, far))
    told: list[str] = []
    solution = solve(problem, progress=told.append)
    placement = solution.result.placement
    assert placement is not None
    assert placement.domains[0].host == "far"
    assert not check_placement(problem, placement, solution.frames)
    assert any("solving again: domain a" in line for line in told)
    # What the first plan would have cost is the bound: nothing says that it cannot be had.
    off_home, cost = solution.result.levels[:2]
    assert (off_home.name, off_home.value, off_home.bound) == ("vcpus_off_home", 2, 0)
    assert (cost.name, cost.bound) == ("cost", 0)
    assert {off_home.status, cost.status, solution.result.status} == {"feasible"}


def test_only_part_is_placed_where_the_heap_cannot_give_all() -> None:
    alone = fill_two_pnodes()
    other = make_host([1024], name="other")
    small = make_domain([512], name="b", hosts=("other",))
    problem = replace(
        alone, hosts=(*alone.hosts, other), domains=(*alone.domains, small), allow_partial=True
    )
    solution = solve(problem)
    assert solution.result.placement is not None
    assert [placed.domain for placed in solution.result.placement.domains] == ["b"]
    (refusal,) = solution.result.unplaced
    assert refusal.reason.startswith("the heap cannot realise the plan: domain a")
    level = solution.result.levels[0]
    assert (level.name, level.value, level.bound, level.status) == (
        "placed_priority",
        1,
        2,
        "feasible",
    )


def test_what_no_heap_gives_is_left_out_where_there_is_no_time_to_solve_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = fill_two_pnodes()
    other = make_host([1024], name="other")
    small = make_domain([512], name="b", hosts=("other",))
    problem = replace(
        alone, hosts=(*alone.hosts, other), domains=(*alone.domains, small), allow_partial=True
    )
    monkeypatch.setattr("placer.solve._MOST_LESSONS", 0)
    solution = solve(problem)
    assert solution.result.status == "feasible"
    assert solution.result.placement is not None
    assert [placed.domain for placed in solution.result.placement.domains] == ["b"]
    assert [refusal.domain for refusal in solution.result.unplaced] == ["a"]
    first = solution.result.levels[0]
    assert (first.name, first.value, first.bound) == ("placed_priority", 1, 2)


def test_what_fails_in_the_placements_order_is_created_first_where_that_helps() -> None:
    """Half of the first guest's video memory would lie where the second one has to."""
    first = make_domain([8192, 8192], 2, name="a", type="hvm", vcpu_to_vnode=[0, 1])
    second = make_domain([4096], name="b")
    problem = make_problem(make_host([8192 + 512, 8192 + 4096 + 256]), first, second)
    solution = solve(problem)
    assert solution.result.status == "optimal"
    assert solution.result.creation_order == ("b", "a")
    assert [frames.domain for frames in solution.frames] == ["a", "b"]


def test_domains_that_ask_for_large_pages_are_created_first_where_they_have_to_be() -> None:
    # Room for 2 MiB pages once: the first domain, which does not ask, would get them.
    host = make_host([2048], free_spans=[(0, 512, 512), (0, 1025, 511), (0, 2049, 511)])
    asking = make_domain([512], name="asking", page_order=[9])
    other = make_domain([512], name="other")
    solution = solve(make_problem(host, other, asking))
    assert solution.result.creation_order == ("asking", "other")
    assert solution.frames[1].extents_of(0) == {9: 1}
    alone = solve(make_problem(host, asking, other))
    assert alone.result.creation_order == ()
