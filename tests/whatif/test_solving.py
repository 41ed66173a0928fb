"""Scenarios solved: what stays is kept, bounds hold, and the checker agrees."""

from __future__ import annotations

import pytest

from placer.check import check_placement
from placer.errors import InputError
from placer.problem import Problem
from placer.result import Result
from placer.scenario import AddDomains, Scenario, TakeHosts
from placer.solve import SolveOptions, solve
from placer.whatif.bounds import cost_bound, least_costs
from placer.whatif.draft import Base
from placer.whatif.rows import rows_of
from placer.whatif.solving import Solved, solve_scenario
from tests.sample_runs import solved
from tests.whatif.bases import (
    QUICK,
    ask,
    domain_of,
    drawn_base,
    drawn_changes,
    hosts_of,
    three_hosts,
)


def values(found: Solved) -> dict[str, int]:
    return {level.name: level.value for level in found.levels}


def test_nothing_changed_is_the_base_again() -> None:
    base = three_hosts()
    found = ask(base)
    assert found.status == "optimal"
    assert [p.host for p in found.placement.domains] == [p.host for p in base.run.placed]
    assert values(found)["cost"] == sum(base.cost_of.values())


def is_repinned(base: Base, result: Result) -> bool:
    """Whether vcpus of a domain that stays run on other pnodes: for C7 that is no move."""
    placed = () if result.placement is None else result.placement.domains
    return any(
        one.domain in base.running
        and base.running[one.domain].placed.vcpu_to_pnode.tolist() != one.vcpu_to_pnode.tolist()
        for one in placed
    )


@pytest.mark.parametrize("seed", range(24))
def test_what_stays_need_not_be_encoded(seed: int) -> None:
    """Placing beside what stays is as good as the whole problem in which nothing may move."""
    base = drawn_base(seed)
    if base is None:
        return
    scenario = Scenario(name=str(seed), changes=drawn_changes(seed, base))
    try:
        found = solve_scenario(base, scenario, QUICK)
    except InputError:
        return
    rows_of(base, found, 0, "")
    if found.problem is None:
        return
    assert not check_placement(found.problem, found.placement, found.frames or None)
    whole = solve(found.problem, SolveOptions(work=1.0, reasons=False, baselines=False)).result
    if found.status == whole.status == "optimal" and not is_repinned(base, whole):
        theirs = {level.name: level.value for level in whole.levels}
        for name in ("placed_priority", "vcpus_off_home", "cost"):
            assert values(found)[name] == theirs[name]


@pytest.mark.parametrize("seed", range(100, 112))
@pytest.mark.parametrize("how", ["fresh", "moves"])
def test_every_answer_keeps_every_rule(seed: int, how: str) -> None:
    base = drawn_base(seed)
    if base is None:
        return
    scenario = Scenario(
        name=str(seed),
        changes=drawn_changes(seed, base),
        solve="fresh" if how == "fresh" else "moves",
        max_moves=None if how == "fresh" else 1,
    )
    try:
        found = solve_scenario(base, scenario, QUICK)
    except InputError:
        return
    if found.problem is not None:
        assert not check_placement(found.problem, found.placement, found.frames or None)
        for level in found.levels:
            worse = level.value < level.bound if level.sense == "min" else level.value > level.bound
            assert not worse


def test_moves_make_room_that_keeping_does_not_have() -> None:
    base = Base(
        run=solved(
            Problem(
                hosts=hosts_of(2, gib=8),
                domains=(domain_of("one", 5), domain_of("two", 5)),
                allow_partial=True,
            )
        )
    )
    new = AddDomains(domains=(domain_of("wide", 7, 7),))
    kept = ask(base, new)
    moved = ask(base, new, solve="moves", max_moves=2)
    assert len(moved.placement.domains) == 3
    together = len({p.host for p in base.run.placed}) == 1
    assert len(kept.placement.domains) == (3 if together else 2)
    assert kept.placement.unplaced == (() if together else ("wide",))


def test_limits_of_moves_hold_for_what_could_stay_alone() -> None:
    base = three_hosts()
    host = base.run.placed_by_name["wide"].host
    found = ask(base, TakeHosts(hosts=(host,), how="fail"), solve="moves", max_moves=0)
    stayed = [p for p in base.run.placed if p.host != host]
    now = {p.domain: p.host for p in found.placement.domains}
    assert all(now[p.domain] == p.host for p in stayed)


def test_fresh_forgets_where_things_were() -> None:
    base = three_hosts()
    found = ask(base, solve="fresh")
    assert found.problem is not None
    assert found.problem.current == ()
    assert values(found)["cost"] <= sum(base.cost_of.values())


def test_the_bound_by_counting_never_exceeds_the_optimum() -> None:
    for seed in range(200, 216):
        base = drawn_base(seed)
        if base is None:
            continue
        problem = base.as_problem
        found = solve(problem, SolveOptions(work=1.0, reasons=False, baselines=False)).result
        if found.status != "optimal" or found.placement is None:
            continue
        cost = next(level.value for level in found.levels if level.name == "cost")
        assert cost_bound(problem, found.placement, least_costs(problem)) <= cost


def test_equal_questions_have_equal_answers_whatever_was_asked_before() -> None:
    base = three_hosts()
    change = AddDomains(domains=(domain_of("n", 3, 3),))
    first = rows_of(base, ask(base, change), 0, "")
    ask(base, TakeHosts(hosts=("h0",), how="fail"), name="another")
    assert rows_of(base, ask(base, change), 0, "") == first
