"""Scenarios solved: what stays is kept, bounds hold, and the checker agrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placer.check import check_placement
from placer.errors import InputError
from placer.fleet.bounds import cost_bound, least_costs
from placer.problem import Group, Problem, Running, as_running
from placer.result import Result
from placer.scenario import AddDomains, GroupDomains, RemoveDomains, Scenario, TakeHosts
from placer.solve import SolveOptions, solve
from placer.whatif.draft import Base
from placer.whatif.keys import seed_of
from placer.whatif.rows import SCENARIO_COLUMNS, base_rows, proof_of, rows_of
from placer.whatif.solving import Solved, solve_scenario
from tests.builders import make_domain, make_host
from tests.sample_runs import solved
from tests.whatif.bases import (
    GIB,
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


def test_the_bound_by_counting_holds_too_where_not_all_are_placed() -> None:
    hosts = hosts_of(2)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        domains = tuple(
            domain_of(f"d{n}", *rng.integers(1, 9, rng.integers(1, 3)).tolist(), priority=p)
            for n, p in enumerate(rng.integers(1, 4, 9).tolist())
        )
        problem = Problem(hosts=hosts, domains=domains, allow_partial=True)
        found = solve(problem, SolveOptions(work=5.0, reasons=False, baselines=False)).result
        assert found.placement is not None
        cost = next(level.value for level in found.levels if level.name == "cost")
        bound = cost_bound(problem, found.placement, least_costs(problem))
        assert 0 < bound <= cost


def test_without_moves_vcpus_may_still_come_home() -> None:
    host = make_host([8 * GIB] * 2, cpus=2, name="h0", distances=[[10, 20], [20, 10]])
    pinned = domain_of("b", 1, vcpus=2, vnode_pnode=[1], dedicated=True)
    away = domain_of("x", 1, vcpus=1, vnode_pnode=[1], cpu_spill="last")
    base = Base(run=solved(Problem(hosts=(host,), domains=(pinned, away), allow_partial=True)))
    gone = RemoveDomains(domains=("b",))
    kept, moved = ask(base, gone), ask(base, gone, solve="moves", max_moves=0)
    assert (values(kept)["vcpus_off_home"], values(moved)["vcpus_off_home"]) == (1, 0)
    assert values(moved)["cost"] < values(kept)["cost"]
    assert moved.status == "optimal"


def test_a_vnode_without_pages_may_have_another_home_without_a_move() -> None:
    host = make_host([8 * GIB] * 2, cpus=4, name="h0", distances=[[10, 20], [20, 10]])
    domain = make_domain([0, 512], 1, name="d", vcpu_to_vnode=[0], vnode_pnode=[0, 1])
    run = solved(Problem(hosts=(host,), domains=(domain,), allow_partial=True))
    free = as_running(replace(domain, vnode_pnode=[-1, -1]), run.placed[0])
    problem = Problem(
        hosts=(host,),
        domains=(free,),
        allow_partial=True,
        current=(Running(placed=run.placed[0]),),
        max_moves=0,
    )
    found = solve(problem, SolveOptions(work=5.0, baselines=False)).result
    assert found.placement is not None
    cost = next(level.value for level in found.levels if level.name == "cost")
    assert cost < sum(Base(run=run).cost_of.values())
    assert cost_bound(problem, found.placement, least_costs(problem)) <= cost


def test_a_scenario_is_solved_alike_whatever_it_is_called() -> None:
    base = three_hosts()
    change = AddDomains(domains=tuple(domain_of(f"n{n}", 3, 3) for n in range(4)))
    seeds = {
        seed_of(Scenario(name=name, changes=(change,), solve="fresh"), 0) for name in ("a", "b")
    }
    assert len(seeds) == 1
    assert seed_of(Scenario(name="a", changes=(change,), solve="keep"), 0) not in seeds
    first, second = (rows_of(base, ask(base, change, name=name), 0, "") for name in ("a", "b"))
    assert first.row[1:] == second.row[1:]


def test_the_largest_domain_that_is_said_to_fit_does() -> None:
    base = three_hosts()
    rows = dict(zip(SCENARIO_COLUMNS, base_rows(base, QUICK).row, strict=True))
    for column, num_vnodes in (("largest_vnode_pages", 1), ("largest_domain_pages", 2)):
        most = int(rows[column])
        sizes = [most] if num_vnodes == 1 else largest_vnodes(base, most)
        for more, fits in ((0, True), (1, False)):
            pages = [sizes[0] + more, *sizes[1:]]
            new = make_domain(pages, 1, name="new", cpu_spill="last", page_order=[0] * num_vnodes)
            found = ask(base, AddDomains(domains=(new,)))
            assert ("new" in {placed.domain for placed in found.placement.domains}) is fits


def largest_vnodes(base: Base, pages: int) -> list[int]:
    """The sizes of vnodes that fill the host with most memory left, ``pages`` in all."""
    load = max(base.figures.loads, key=lambda load: int(load.usable.sum()))
    sizes = load.usable.tolist()
    return [sizes[0] - (sum(sizes) - pages), *sizes[1:]]


def test_nothing_more_fits_without_vcpus_or_on_a_host_to_be_empty() -> None:
    base = three_hosts()
    taken = sum(domain.num_vcpus for domain in base.domains.values())
    more = tuple(make_domain([512], 1, name=f"n{n}") for n in range(3 * 16 - taken))
    full = ask(base, AddDomains(domains=more))
    assert not full.unplaced
    drained = ask(base, TakeHosts(hosts=("*",), how="drain"))
    one_left = ask(base, TakeHosts(hosts=("h0", "h1"), how="drain"))
    rows = [
        dict(zip(SCENARIO_COLUMNS, rows_of(base, found, 0, "").row, strict=True))
        for found in (full, drained, one_left)
    ]
    assert rows[0]["largest_vnode_pages"] == rows[0]["largest_domain_pages"] == "0"
    assert int(rows[0]["usable_pages"]) > 0
    assert rows[1]["largest_vnode_pages"] == rows[1]["largest_domain_pages"] == "0"
    assert rows[1]["usable_pages"] == "0"
    left = base.run.host("h2")
    here = sum(int(p.pages.sum()) for p in one_left.placement.domains if p.host == "h2")
    assert 0 < int(rows[2]["usable_pages"]) <= int(left.free_pages.sum()) - here


def test_an_answer_is_called_proven_where_every_level_is() -> None:
    base = three_hosts()
    cells = dict(zip(SCENARIO_COLUMNS, rows_of(base, ask(base), 0, "").row, strict=True))
    assert proof_of(tuple(cells.values())) == "proven"
    cells.update(status="feasible", placed_priority="81", placed_priority_bound="86")
    assert proof_of(tuple(cells.values())) == "81 of 86 placed"
    cells.update(placed_priority_bound="81", cost_gap="0.0123")
    assert proof_of(tuple(cells.values())) == "1.23 %"
    cells.update(cost_gap="0.0")
    assert proof_of(tuple(cells.values())) == "not proven"


def test_a_group_that_keeps_a_domain_out_is_named() -> None:
    base = three_hosts()
    new = tuple(domain_of(f"n{n}", 1, vcpus=1) for n in range(4))
    apart = Group(name="far", keep="apart")
    found = ask(base, AddDomains(domains=new), GroupDomains(domains=("n?",), group=apart))
    (refusal,) = found.unplaced
    assert "group far keeps it apart from n" in refusal.reason


def test_equal_questions_have_equal_answers_whatever_was_asked_before() -> None:
    base = three_hosts()
    change = AddDomains(domains=(domain_of("n", 3, 3),))
    first = rows_of(base, ask(base, change), 0, "")
    ask(base, TakeHosts(hosts=("h0",), how="fail"), name="another")
    assert rows_of(base, ask(base, change), 0, "") == first
