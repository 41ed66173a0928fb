"""A valid placement, broken in named ways: the checker names the rule that is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from placer.answer import Limits
from placer.check import check_placement, score
from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.explain.count import misfit_of
from placer.explain.room import Room
from placer.fleet.part import may_run_on
from placer.host import Host, RunningDomain
from placer.pipeline import find_answer
from placer.placement import PlacedDomain, Placement
from placer.problem import Group, Problem
from tests.brute_force import count_choices, solve_by_brute_force
from tests.builders import make_domain, make_host, make_problem
from tests.placements import place_simply, rules_broken
from tests.strategies import tiny_problem

Case = tuple[Problem, Placement]
Breaking = Iterator[tuple[str, str, Problem, Placement]]
"""The name of a mutation, the rule that it breaks, and the case that breaks it."""


@cache
def valid_case(seed: int) -> Case | None:
    """Return a tiny problem with the best of its placements, or None where there is none."""
    problem = tiny_problem(seed)
    if count_choices(problem) > 20_000:
        return None
    optimum = solve_by_brute_force(problem)
    return None if optimum is None else (problem, optimum.placement)


def with_domain(placement: Placement, number: int, **fields: Any) -> Placement:
    placed = list(placement.domains)
    placed[number] = replace(placed[number], **fields)
    return replace(placement, domains=tuple(placed))


def with_request(problem: Problem, name: str, **fields: Any) -> Problem:
    domains = list(problem.domains)
    index = problem.domain_index[name]
    domains[index] = replace(domains[index], **fields)
    return replace(problem, domains=tuple(domains))


def with_host(problem: Problem, name: str, **fields: Any) -> Problem:
    hosts = list(problem.hosts)
    index = problem.host_index[name]
    hosts[index] = replace(hosts[index], **fields)
    return replace(problem, hosts=tuple(hosts))


def changed(values: Any, index: Any, value: int) -> Any:
    """Return a copy of an array with one entry changed."""
    copy = np.array(values)
    copy[index] = value
    return copy


def all_breakings(problem: Problem, placement: Placement) -> Breaking:
    """Yield every named way to break a valid placement that has a domain placed."""
    yield from _break_whole(problem, placement)
    for number, placed in enumerate(placement.domains):
        domain = problem.domains[problem.domain_index[placed.domain]]
        host = problem.hosts[problem.host_index[placed.host]]
        case = (problem, placement, number, domain, placed, host)
        yield from _break_memory(*case)
        yield from _break_vcpus(*case)
        yield from _break_pcpus(*case)
        yield from _break_requests(*case)
        yield from _break_limits(*case)


def _break_whole(problem: Problem, placement: Placement) -> Breaking:
    placed = placement.domains
    forgotten = replace(placement, domains=placed[1:])
    yield "forget a domain", "D1 once", problem, forgotten
    twice = replace(placement, domains=(placed[0], *placed))
    yield "place a domain twice", "D1 once", problem, twice
    left_out = replace(placement, domains=placed[1:], unplaced=(placed[0].domain,))
    if not problem.allow_partial:
        yield "leave out one that must be placed", "D1 left out", problem, left_out
    stranger = replace(placed[0], domain="stranger")
    yield (
        "place a domain that nobody asked for",
        "D1 once",
        problem,
        replace(placement, domains=(*placed, stranger)),
    )
    nowhere = with_domain(placement, 0, host="nowhere")
    yield "place on a host that is not there", "D1 host", problem, nowhere
    if len(placed) > 1:
        backwards = replace(placement, domains=placed[::-1])
        yield "turn the order round", "D1 order", problem, backwards
    for keep, over in (("apart", "hosts"), ("apart", "pnodes")):
        pair = (*placed[:1], *(one for one in placed[1:] if _meets(placed[0], one, over)))
        if len(pair) > 1:
            group = Group(name="new", keep=keep, over=over)
            grouped = replace(problem, groups=(*problem.groups, group))
            for one in pair:
                index = problem.domain_index[one.domain]
                names = (*problem.domains[index].groups, "new")
                grouped = with_request(grouped, one.domain, groups=names)
            yield f"keep {keep} over {over} what is together", "C3 group", grouped, placement


def _meets(one: PlacedDomain, other: PlacedDomain, over: str) -> bool:
    same_host = one.host == other.host
    return same_host and (over == "hosts" or bool({*one.home.tolist()} & {*other.home.tolist()}))


def _break_memory(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    for vnode in range(placed.num_vnodes):
        home, on = int(placed.home[vnode]), placed.pages[vnode]
        if not on.sum():
            continue
        less = changed(placed.pages, (vnode, home), int(on[home]) - 1)
        lost = with_domain(placement, number, pages=less)
        yield "lose a page", "D2 pages", problem, lost
        grown = with_domain(
            placement,
            number,
            pages=changed(placed.pages, (vnode, home), int(on[home]) + 1),
            vnode_pages=changed(placed.vnode_pages, vnode, int(on.sum()) + 1),
        )
        yield "give a page too many", "D2 size", problem, grown
        if host.num_pnodes == 1:
            continue
        other = (home + 1) % host.num_pnodes
        moved = with_domain(placement, number, home=changed(placed.home, vnode, other))
        strict = domain.memory[vnode].policy == "strict"
        rule = "D2 strict" if strict else "D2 home"
        yield "call another pnode home", rule, problem, moved
        pages = changed(less, (vnode, other), int(on[other]) + 1)
        spilled = with_domain(placement, number, pages=pages)
        rule = "D2 strict" if strict else "D2 granules"
        yield "spill a single page", rule, problem, spilled
        if not strict and int(on[home]) == int(on.sum()) > 512:
            memory = list(domain.memory)
            memory[vnode] = VnodeMemory(policy="interleave", interleave_width=host.num_pnodes)
            asked = with_request(problem, domain.name, memory=tuple(memory))
            yield "interleave what lies on one pnode", "D2 interleave", asked, placement


def _break_vcpus(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    mapping = placed.vcpu_to_vnode
    if placed.num_vnodes > 1:
        other = (int(mapping[0]) + 1) % placed.num_vnodes
        wrong = with_domain(placement, number, vcpu_to_vnode=changed(mapping, 0, other))
        if domain.vcpu_to_vnode is not None:
            yield "give a vcpu to another vnode", "D3 map", problem, wrong
        elif mapping[0] != mapping[-1]:
            backwards = with_domain(placement, number, vcpu_to_vnode=mapping[::-1])
            yield "number the vcpus backwards", "D3 blocks", problem, backwards
        if domain.vcpu_to_vnode is None:
            most = np.bincount(mapping, minlength=placed.num_vnodes)
            bounds = [(0, max(0, int(count) - 1)) for count in most]
            bounded = with_request(problem, domain.name, vcpu_bounds=bounds)
            yield "allow fewer vcpus", "D3 bounds", bounded, placement
    if host.num_pnodes > 1:
        other = (int(placed.vcpu_to_pnode[0]) + 1) % host.num_pnodes
        pnodes = changed(placed.vcpu_to_pnode, 0, other)
        apart = with_domain(placement, number, vcpu_to_pnode=pnodes)
        yield "name a pcpu of another pnode", "D4 pnode", problem, apart
    absent = changed(placed.vcpu_to_pcpu, 0, int(host.pcpu_ids[-1]) + 1)
    yield (
        "name a pcpu that is not there",
        "D1 shape",
        problem,
        with_domain(placement, number, vcpu_to_pcpu=absent),
    )
    short = with_domain(placement, number, vcpu_to_pnode=placed.vcpu_to_pnode[1:])
    yield "forget a vcpu", "D1 shape", problem, short
    others = frozenset(host.pcpu_ids.tolist()) - {int(placed.vcpu_to_pcpu[0])}
    if others:
        masks = (CpuList.of(others), *domain.hard_affinity[1:])
        pinned = with_request(problem, domain.name, hard_affinity=masks)
        yield "pin a vcpu elsewhere", "C3 hard affinity", pinned, placement
    if (placed.home[mapping] != placed.vcpu_to_pnode).any():
        kept = with_request(problem, domain.name, cpu_spill="never")
        yield "forbid the spill there is", "C6 cpu spill", kept, placement


def _break_pcpus(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    pcpu = int(placed.vcpu_to_pcpu[0])
    guard = RunningDomain(
        name="guard",
        pages=[0] * host.num_pnodes,
        vcpus_on=[0] * host.num_pnodes,
        dedicated_pcpus=(pcpu,),
    )
    taken = with_host(problem, host.name, running=(*host.running, guard))
    yield "let a running domain hold the pcpu", "C2 dedicated", taken, placement
    if domain.num_vcpus > 1:
        crowded = with_domain(
            placement,
            number,
            vcpu_to_pcpu=[pcpu] * domain.num_vcpus,
            vcpu_to_pnode=[int(placed.vcpu_to_pnode[0])] * domain.num_vcpus,
        )
        if domain.dedicated:
            yield "give two dedicated vcpus one pcpu", "C2 dedicated", problem, crowded
        elif domain.num_vcpus > ceil(host.overcommit):
            yield "crowd one pcpu", "C2 crowd", problem, crowded
    if not domain.dedicated:
        busy = RunningDomain(
            name="busy", pages=[0] * host.num_pnodes, vcpus_on=[1000] * host.num_pnodes
        )
        full = with_host(problem, host.name, running=(*host.running, busy))
        yield "fill the pnode with running vcpus", "C2 pnode", full, placement
    if domain.dedicated and placed.empty_siblings and domain.thread_policy == "isolate":
        crossed = with_domain(placement, number, empty_siblings=())
        yield "forget the empty siblings", "C2 threads", problem, crossed
    if host.num_pcpus == len(set(host.pcpu_core.tolist())) and domain.dedicated:
        paired = with_request(problem, domain.name, thread_policy="require")
        yield "require siblings where there are none", "C2 threads", paired, placement
    idle = sorted(set(host.pcpu_ids.tolist()) - set(placed.vcpu_to_pcpu.tolist()))
    if idle and not domain.dedicated:
        hoard = with_domain(placement, number, empty_siblings=tuple(idle[:1]))
        yield "keep a pcpu empty for nothing", "C2 threads", problem, hoard


def _break_requests(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    if host.num_pnodes > 1:
        asked = changed(domain.vnode_pnode, 0, (int(placed.home[0]) + 1) % host.num_pnodes)
        yield (
            "ask for another pnode",
            "C3 pnode",
            with_request(problem, domain.name, vnode_pnode=asked),
            placement,
        )
    if len(set(placed.home.tolist())) < placed.num_vnodes:
        distinct = with_request(problem, domain.name, distinct_pnodes=True)
        yield "ask for distinct pnodes", "C3 distinct", distinct, placement
    forbidden = with_request(problem, domain.name, forbidden_hosts=(host.name,))
    yield "forbid the host", "C3 host", forbidden, placement
    none_left = with_request(problem, domain.name, hosts=())
    yield "allow no host", "C3 host", none_left, placement
    for vnode, memory in zip(placed.vcpu_to_vnode.tolist(), placed.vcpu_to_pnode, strict=True):
        far = np.flatnonzero(placed.pages[vnode])
        far = far[far != memory]
        if len(far) and domain.access is None:
            cut = changed(host.distances, (int(memory), int(far[0])), 255)
            unreachable = with_host(problem, host.name, distances=cut)
            yield "cut the way to the memory", "C5 unreachable", unreachable, placement


def _break_limits(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    most = int(placed.pages_on.argmax())
    room = int(host.free_pages[most]) - int(placed.pages_on[most])
    kept = changed(host.reserve_pages, most, room + 1)
    reserved = with_host(problem, host.name, reserve_pages=kept)
    yield "keep back what is used", "C1 memory", reserved, placement
    home = int(placed.home[0])
    exact = int(host.free_pages[home]) - sum(
        int(one.pages_on[home]) for one in placement.domains if one.host == host.name
    )
    if exact >= 0:
        overhead = with_host(
            problem, host.name, reserve_pages=changed(host.reserve_pages, home, exact)
        )
        yield "leave no room for the overhead", "C1 memory", overhead, placement
    if (placed.pages >= 512).any():
        crumbs = [(p, (p << 24) + 512 * k + 1, 500) for p in range(host.num_pnodes) for k in (0, 1)]
        fragmented = with_host(problem, host.name, free_spans=crumbs)
        orders = [9] * domain.num_vnodes
        large = with_request(fragmented, domain.name, page_order=orders)
        yield "want large pages of fragments", "C1 page size", large, placement


BREAKINGS = {
    "allow fewer vcpus",
    "allow no host",
    "ask for another pnode",
    "ask for distinct pnodes",
    "call another pnode home",
    "crowd one pcpu",
    "cut the way to the memory",
    "fill the pnode with running vcpus",
    "forbid the host",
    "forbid the spill there is",
    "forget a domain",
    "forget a vcpu",
    "forget the empty siblings",
    "give a page too many",
    "give a vcpu to another vnode",
    "give two dedicated vcpus one pcpu",
    "interleave what lies on one pnode",
    "keep a pcpu empty for nothing",
    "keep apart over hosts what is together",
    "keep apart over pnodes what is together",
    "keep back what is used",
    "leave no room for the overhead",
    "leave out one that must be placed",
    "let a running domain hold the pcpu",
    "lose a page",
    "name a pcpu of another pnode",
    "name a pcpu that is not there",
    "number the vcpus backwards",
    "pin a vcpu elsewhere",
    "place a domain that nobody asked for",
    "place a domain twice",
    "place on a host that is not there",
    "require siblings where there are none",
    "spill a single page",
    "turn the order round",
    "want large pages of fragments",
}


def test_every_named_way_to_break_a_placement_is_drawn_and_caught() -> None:
    drawn: Counter[str] = Counter()
    for seed in range(150):
        case = valid_case(seed)
        if case is None or not case[1].domains:
            continue
        assert check_placement(*case) == ()
        for name, rule, problem, placement in all_breakings(*case):
            drawn[name] += 1
            assert rule in rules_broken(problem, placement), f"seed {seed}: {name}"
    assert set(drawn) == BREAKINGS
    assert min(drawn.values()) >= 3


@settings(max_examples=60)
@given(seed=st.integers(1000, 100_000), data=st.data())
def test_whatever_is_broken_the_checker_names_the_rule(seed: int, data: st.DataObject) -> None:
    case = valid_case(seed)
    assume(case is not None and case[1].domains)
    assert case is not None
    assert check_placement(*case) == ()
    name, rule, problem, placement = data.draw(
        st.sampled_from(list(all_breakings(*case))), label="broken"
    )
    assert rule in rules_broken(problem, placement), name


# -- rules by hand -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "fits"), [(1000 + 256, True), (1000 + 255, False)], ids=["just", "one short"]
)
def test_the_overhead_of_a_domain_counts_on_the_home_of_vnode_0(free: int, fits: bool) -> None:
    problem = make_problem(make_host([free, free]), make_domain([1000]))
    broken = rules_broken(problem, place_simply(problem, 0))
    assert broken == (set() if fits else {"C1 memory"})


def test_shared_vcpus_fill_a_pnode_up_to_its_overcommit_and_no_further() -> None:
    host = make_host([4096], cpus=2, overcommit=Fraction(3, 2))
    three = make_problem(host, make_domain([1000], 3))
    assert rules_broken(three, place_simply(three, 0, 0, 1)) == set()
    four = make_problem(host, make_domain([1000], 4))
    assert rules_broken(four, place_simply(four, 0, 0, 1, 1)) == {"C2 pnode"}
    assert rules_broken(three, place_simply(three, 0, 0, 0)) == {"C2 crowd"}


def test_running_shared_vcpus_count_and_an_untouched_pnode_may_be_overfull() -> None:
    busy = RunningDomain(name="busy", pages=[0, 0], vcpus_on=[3, 9])
    problem = make_problem(make_host([4096] * 2, running=(busy,)), make_domain([1000], 2))
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 pnode"}
    one = make_problem(make_host([4096] * 2, running=(busy,)), make_domain([1000], 1))
    assert rules_broken(one, place_simply(one, 0)) == set()


def test_dedicated_vcpus_take_pcpus_from_running_shared_ones() -> None:
    busy = RunningDomain(name="busy", pages=[0], vcpus_on=[3])
    host = make_host([4096], running=(busy,))
    problem = make_problem(host, make_domain([1000], 2, dedicated=True))
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 pnode"}


def test_where_smt_counts_cores_two_shared_vcpus_need_two_cores() -> None:
    host = make_host([4096], cpus=4, threads=2, smt="cores")
    problem = make_problem(host, make_domain([1000], 2))
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 crowd"}
    assert rules_broken(problem, place_simply(problem, 0, 2)) == set()
    three = make_problem(host, make_domain([1000], 3))
    assert "C2 pnode" in rules_broken(three, place_simply(three, 0, 2, 3))
    alone = make_problem(host, make_domain([1000], 2, dedicated=True))
    assert rules_broken(alone, place_simply(alone, 0, 1)) == {"C2 dedicated"}


def test_isolated_vcpus_have_a_core_each_whose_siblings_stay_empty() -> None:
    host = make_host([4096], cpus=4, threads=2)
    domain = make_domain([1000], 2, dedicated=True, thread_policy="isolate")
    problem = make_problem(host, domain)
    apart = place_simply(problem, 0, 2, empty_siblings=(1, 3))
    assert rules_broken(problem, apart) == set()
    assert rules_broken(problem, place_simply(problem, 0, 1)) == {"C2 threads"}
    assert rules_broken(problem, place_simply(problem, 0, 2)) == {"C2 threads"}


def test_required_siblings_fill_whole_cores_and_leave_the_last_thread_empty() -> None:
    host = make_host([4096], cpus=6, threads=2)
    domain = make_domain([1000], 3, dedicated=True, thread_policy="require")
    problem = make_problem(host, domain)
    assert rules_broken(problem, place_simply(problem, 0, 1, 2, empty_siblings=(3,))) == set()
    assert rules_broken(problem, place_simply(problem, 0, 1, 2)) == {"C2 threads"}
    loose = place_simply(problem, 0, 2, 4, empty_siblings=(1, 3, 5))
    assert rules_broken(problem, loose) == {"C2 threads"}


def test_nobody_runs_on_a_sibling_that_another_domain_leaves_empty() -> None:
    host = make_host([4096], cpus=4, threads=2)
    lone = make_domain([1000], 1, name="lone", dedicated=True, thread_policy="isolate")
    problem = make_problem(host, lone, make_domain([1000], 1, name="shared"))
    first = place_simply(make_problem(host, lone), 0, empty_siblings=(1,)).domains[0]
    for pcpu, broken in ((1, {"C2 dedicated"}), (2, set())):
        other = place_simply(make_problem(host, problem.domains[1]), pcpu).domains[0]
        assert rules_broken(problem, Placement(domains=(first, other))) == broken


@pytest.mark.parametrize(
    ("sizes", "rules"),
    [
        ([1024, 1024], set()),
        ([1536, 512], set()),
        ([2048, 0], {"C4 empty"}),
        ([1024, 512], {"C4 memory"}),
        ([1024, 512, 512], {"C4 count"}),
    ],
)
def test_vnodes_chosen_by_the_solver_hold_all_memory_on_as_many_pnodes(
    sizes: list[int], rules: set[str]
) -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([2048], 4, auto_vnodes=True))
    pages = np.zeros((len(sizes), 2), dtype=np.int64)
    pages[:, 0] = sizes
    counts = np.array(sizes) * 4 // sum(sizes)
    counts[0] += 4 - counts.sum()
    placement = place_simply(
        problem,
        *range(4),
        vnode_pages=sizes,
        home=[0] * len(sizes),
        pages=pages,
        vcpu_to_vnode=np.repeat(np.arange(len(sizes)), counts),
    )
    assert {rule for rule in rules_broken(problem, placement) if rule[0] == "C"} == rules


@pytest.mark.parametrize(
    ("memory", "row", "rules"),
    [
        ({"interleave_width": 2}, [1024, 1024, 0], set()),
        ({"interleave_width": 2}, [1536, 512, 0], {"D2 interleave"}),
        ({"interleave_width": 2}, [1024, 512, 512], {"D2 interleave"}),
        ({"interleave_width": 3}, [1024, 512, 512], set()),
        ({"interleave_pnodes": (0, 2)}, [1024, 0, 1024], set()),
        ({"interleave_pnodes": (1, 2)}, [1024, 0, 1024], {"D2 interleave"}),
    ],
)
def test_interleaved_memory_has_equal_shares_on_its_set(
    memory: dict[str, Any], row: list[int], rules: set[str]
) -> None:
    interleaved = (VnodeMemory(policy="interleave", **memory),)
    problem = make_problem(make_host([4096] * 3), make_domain([2048], memory=interleaved))
    placement = place_simply(problem, 0, pages=[row])
    assert rules_broken(problem, placement) == rules


@pytest.mark.parametrize("memory", [{"interleave_width": 2}, {"interleave_pnodes": (0, 1)}])
def test_a_vnode_without_pages_interleaves_nothing(memory: dict[str, Any]) -> None:
    policies = (VnodeMemory(), VnodeMemory(policy="interleave", **memory))
    domain = make_domain([2048, 0], memory=policies)
    narrow, wide = make_host([4096], name="narrow"), make_host([64, 64], name="wide")
    problem = make_problem((narrow, wide), domain)
    assert misfit_of(domain, Room(narrow)) is None
    assert may_run_on(domain, narrow)
    answer = find_answer(problem, Limits())
    assert answer.placement is not None
    assert [placed.host for placed in answer.placement.domains] == ["narrow"]
    assert rules_broken(problem, answer.placement) == set()


def test_the_short_granule_of_spilled_memory_lies_on_the_highest_pnode() -> None:
    domain = make_domain([1200], memory=(VnodeMemory(policy="preferred"),))
    problem = make_problem(make_host([4096] * 2), domain)
    assert rules_broken(problem, place_simply(problem, 0, pages=[[1024, 176]])) == set()
    early = place_simply(problem, 4, on=1, pages=[[176, 1024]])
    assert rules_broken(problem, early) == {"D2 granules"}


def test_a_pair_out_of_reach_may_be_there_where_nobody_uses_it() -> None:
    host = make_host([4096] * 2, distances=[[10, 255], [20, 10]])
    local = ((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1)))
    fields: dict[str, Any] = {"vcpu_to_vnode": [0, 1]}
    placed = {"home": [0, 1], "pages": [[600, 0], [0, 600]], "vcpu_to_pnode": [0, 1]}
    problem = make_problem(host, make_domain([600, 600], 2, **fields))
    assert rules_broken(problem, place_simply(problem, 0, 4, **placed)) == {"C5 unreachable"}
    apart = make_problem(host, make_domain([600, 600], 2, access=local, **fields))
    assert rules_broken(apart, place_simply(apart, 0, 4, **placed)) == set()


def test_the_score_counts_cost_and_names_what_is_broken() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 2))
    good = score(problem, place_simply(problem, 0, 1))
    assert (good.placed, good.cost, good.violations) == (1, 2 * 10 * 640_000, ())
    assert good.mean_access_distance == 10.0
    away = place_simply(problem, 4, 5, on=1, pages=[[1000, 0]])
    bad = score(problem, away)
    assert bad.mean_access_distance == 20.0
    assert bad.violations == ("D2 strict: vm: strict vnode 0 has 1000 pages off its home",)
    nothing = score(problem, Placement(domains=()))
    assert (nothing.placed, nothing.cost, nothing.mean_access_distance) == (0, 0, 0.0)
    assert nothing.violations == ("D1 once: vm: placed 0 times and left out 0 times",)


def test_a_misshapen_domain_is_reported_and_scored_as_nothing() -> None:
    problem = make_problem(make_host([4096] * 2), make_domain([1000], 2))
    odd = place_simply(problem, 0, 99)
    assert rules_broken(problem, odd) == {"D1 shape"}
    assert (score(problem, odd).placed, score(problem, odd).cost) == (0, 0)
