"""Offers fit, by the solver and the checker, and the amounts in them are the least."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from placer.check import check_placement
from placer.explain.amount import with_fewer_vcpus
from placer.explain.conflict import find_conflict
from placer.explain.offer import MAX_OFFERS, Offer, find_offers
from placer.explain.requirement import requirements_of
from placer.problem import Group, Problem
from placer.solve import SolveOptions, solve
from tests.builders import every_vcpu, make_domain, make_host, make_problem
from tests.explain.ask import can_be_placed, draw_alone, new_asker

GIB = 1 << 18


def offers_of(problem: Problem) -> list[Offer]:
    asker = new_asker()
    name = problem.domains[0].name
    conflict = find_conflict(problem, requirements_of(problem, name, asker.room), asker)
    assert conflict is not None
    return find_offers(problem, name, conflict, asker)


def texts_of(problem: Problem) -> list[str]:
    return [offer.text for offer in offers_of(problem)]


@pytest.mark.parametrize("part", range(4))
def test_every_offer_is_solved_again_by_all_of_the_program(part: int) -> None:
    made = 0
    for problem in draw_alone(range(1000 + 20 * part, 1020 + 20 * part)):
        if can_be_placed(problem):
            continue
        offers = offers_of(problem)
        assert len(offers) <= MAX_OFFERS
        assert [offer.weight for offer in offers] == sorted(offer.weight for offer in offers)
        for offer in offers:
            made += 1
            assert check_placement(offer.problem, offer.placement) == ()
            answer = solve(offer.problem, SolveOptions(reasons=False, time_limit=60.0))
            assert answer.result.status == "optimal", offer.text
    assert made > 10


def test_less_memory_is_offered_by_the_least_that_fits() -> None:
    problem = make_problem(make_host([10 * GIB] * 2), make_domain([8 * GIB, 12 * GIB], 4))
    first, *_ = offers_of(problem)
    assert first.text == "fits with 2.0 GiB less in vnode 1"
    (domain,) = first.problem.domains
    assert domain.vnode_pages.tolist() == [8 * GIB, 10 * GIB]
    more = replace(domain, vnode_pages=domain.vnode_pages + [0, 1])
    assert not can_be_placed(replace(problem, domains=(more,)))


def test_memory_is_taken_from_all_vnodes_where_one_cannot_give_enough() -> None:
    problem = make_problem(make_host([4 * GIB] * 2), make_domain([9 * GIB] * 2, 2))
    texts = texts_of(problem)
    assert "fits with 10242 MiB less memory, taken from all vnodes alike" in texts


def test_policy_preferred_is_offered_at_its_least_distance() -> None:
    problem = make_problem(make_host([10 * GIB] * 2), make_domain([12 * GIB], 4))
    assert "fits with policy preferred at mean distance 11.72" in texts_of(problem)


def test_fewer_vcpus_and_more_overcommit_are_offered() -> None:
    problem = make_problem(make_host([9000] * 2, cpus=4), make_domain([1000], 10))
    assert texts_of(problem) == ["fits with 2 vcpus fewer", "fits with overcommit 1.25"]


def test_vcpus_go_from_the_vnode_that_has_most() -> None:
    domain = make_domain([500, 500], 5, vcpu_to_vnode=[0, 1, 1, 0, 1])
    fewer = with_fewer_vcpus(domain, 2)
    assert fewer is not None
    assert fewer.vcpu_to_vnode is not None
    assert fewer.vcpu_to_vnode.tolist() == [0, 1, 1]
    assert with_fewer_vcpus(domain, 4) is None


def test_spill_page_size_pnode_and_distinct_are_offered() -> None:
    host = make_host([4 * GIB, 4 * GIB], cpus=4)
    never = make_domain([GIB], 6, cpu_spill="never")
    assert "fits with cpu_spill = last, 2 vcpus off home" in texts_of(make_problem(host, never))
    broken = make_host([2400, 2400], free_spans=[(p, (p + 1 << 24) | 1, 2400) for p in (0, 1)])
    large = make_domain([2048], page_order=[9])
    assert "fits with 4 KiB pages" in texts_of(make_problem(broken, large))
    asked = make_domain([3 * GIB, 3 * GIB], 2, vnode_pnode=[0, 0])
    assert any(
        text.startswith("fits without the pnodes asked for by vnodes 0-1 at mean distance")
        for text in texts_of(make_problem(host, asked))
    )
    three = make_domain([GIB // 2] * 3, 3, distinct_pnodes=True)
    assert any(
        text.startswith("fits without distinct_pnodes at mean distance")
        for text in texts_of(make_problem(host, three))
    )


def test_a_reserve_is_offered_as_far_as_it_is_needed() -> None:
    host = make_host([10 * GIB, 2 * GIB], reserve_pages=[2 * GIB, 0])
    texts = texts_of(make_problem(host, make_domain([9 * GIB])))
    assert "fits with 1025 MiB less in reserve on pnode 0 of host" in texts
    texts = texts_of(make_problem(host, make_domain([10 * GIB - 256])))
    assert "fits without the reserve of 2.0 GiB on pnode 0 of host" in texts


def test_affinity_is_offered_as_a_wish() -> None:
    host = make_host([9000] * 2, cpus=4, overcommit=Fraction(4))
    domain = make_domain([1000], 9, hard_affinity=every_vcpu("0-1", 9))
    texts = texts_of(make_problem(host, domain))
    assert "fits with the CPU affinity soft in place of hard at mean distance 10.0" in texts


def test_other_numbers_of_vnodes_are_offered() -> None:
    host = make_host([4 * GIB] * 4)
    texts = texts_of(make_problem(host, make_domain([9 * GIB], 4)))
    assert any(text.startswith("fits with 3 vnodes of 3.0 GiB") for text in texts)


def test_another_host_is_offered_where_only_a_list_forbids_it() -> None:
    from placer.explain import explain
    from tests.explain.ask import new_ask

    hosts = [make_host([2 * GIB], name="small"), make_host([8 * GIB], name="large")]
    domain = make_domain([4 * GIB], hosts=("small",))
    refusal = explain(make_problem(hosts, domain), "vm", new_ask())
    text = "fits on host large, which it does not allow, at mean distance 10.0"
    assert text in refusal.nearest


def test_domains_and_groups_in_the_way_are_offered_by_name() -> None:
    host = make_host([6 * GIB, 6 * GIB])
    domains = [make_domain([4 * GIB], name=name) for name in ("a", "b", "c")]
    texts = texts_of(make_problem(host, *domains))
    assert "fits if b is left out" in texts
    group = Group(name="web", keep="apart", over="pnodes")
    small = [make_domain([GIB], name=name, groups=("web",)) for name in ("a", "b", "c")]
    texts = texts_of(make_problem(host, *small, groups=(group,)))
    assert "fits without b in group web" in texts
