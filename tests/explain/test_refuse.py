"""Whole refusals: how they are proven, what they say, of one domain and of a batch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.answer import Answer
from placer.domain import Domain
from placer.explain import explain, explain_all
from placer.problem import Problem, Running, as_running
from placer.solve import SolveOptions, solve
from tests.builders import make_domain, make_host, make_problem
from tests.explain.ask import can_be_placed, new_ask
from tests.random_problems import draw_problem

GIB = 1 << 18


def test_a_count_is_a_certificate() -> None:
    problem = make_problem(make_host([10 * GIB] * 4), make_domain([8 * GIB, 12 * GIB], 8))
    refusal = explain(problem, "vm", new_ask())
    assert refusal.certificate == "capacity count"
    assert refusal.reason == (
        "vnode 1 needs 12.0 GiB on one pnode, the freest, pnode 0, of host has 10.0 GiB free"
    )
    assert refusal.binding == (
        "memory of pnodes 0-3 of host: 10.0 GiB free on each",
        "vnode 1 strict: 12.0 GiB on one pnode",
    )
    assert refusal.short_by == ("2.0 GiB on pnode 0 of host",)
    assert refusal.nearest == (
        "fits with 2.0 GiB less in vnode 1",
        "fits with policy preferred at mean distance 13.7",
        "fits with 3 vnodes of 6.7 GiB at mean distance 15.0",
    )


def test_vnodes_that_share_too_few_pnodes_are_refused_by_a_matching() -> None:
    """A search over permutations needs minutes for this one."""
    host = make_host([10 * GIB] * 7 + [4 * GIB] * 9)
    domain = make_domain([9 * GIB] + [8 * GIB] * 7, 8, distinct_pnodes=True)
    refusal = explain(make_problem(host, domain), "vm", new_ask())
    assert refusal.certificate == "matching"
    assert "together they fit only 7 pnodes (0-6)" in refusal.reason
    assert "4.0 GiB on pnode 7 of host" in refusal.short_by
    assert "fits with 4.0 GiB less in vnode 1" in refusal.nearest


def test_what_no_count_sees_is_refused_by_the_solver() -> None:
    host = make_host([3000, 3000], distances=[[10, 255], [255, 10]])
    refusal = explain(make_problem(host, make_domain([2000, 2000], 2)), "vm", new_ask())
    assert refusal.certificate == "cpsat"
    assert "unreachable on host: 0 to 1 and 1 to 0" in refusal.binding
    assert refusal.nearest


def test_three_sizes_that_no_pair_of_pnodes_holds_need_the_solver() -> None:
    host = make_host([1000, 1000])
    domain = make_domain([650, 350, 350, 350], 4, type="pv")
    refusal = explain(make_problem(host, domain), "vm", new_ask())
    assert refusal.certificate == "cpsat"
    assert refusal.reason == "no placement on host keeps all that is asked for"
    assert refusal.short_by


def test_nothing_is_proven_without_work() -> None:
    def tired(problem: Problem, *, best: bool = False) -> Answer:
        return Answer(status="unknown")

    host = make_host([3000, 3000], distances=[[10, 255], [255, 10]])
    refusal = explain(make_problem(host, make_domain([2000, 2000], 2)), "vm", tired)
    assert refusal.certificate == ""
    assert refusal.reason == "not explained within the work allowed for it"


def test_a_domain_that_fits_is_said_to_fit() -> None:
    problem = make_problem(make_host([3000]), make_domain([1000]))
    assert explain(problem, "vm", new_ask()).reason == "it can be placed"


def test_of_many_hosts_the_nearest_is_explained_and_the_others_are_counted() -> None:
    hosts = [make_host([n * GIB], name=f"h{n}") for n in (1, 3, 2)]
    hosts.append(make_host([9 * GIB], cpus=1, name="few"))
    refusal = explain(make_problem(hosts, make_domain([4 * GIB], 4)), "vm", new_ask())
    assert refusal.reason == (
        "needs 4.0 GiB with overhead, h3 has 3.0 GiB free; "
        "the 3 other hosts fail too: 2 by memory, 1 by vcpus"
    )
    assert refusal.nearest[0] == "fits with 1025 MiB less memory on h3"


def test_a_request_that_means_nothing_on_any_host_is_said() -> None:
    hosts = [make_host([GIB, GIB], name="wide"), make_host([GIB], name="narrow")]
    domain = make_domain([1000], vnode_pnode=[1], forbidden_hosts=("wide",))
    refusal = explain(make_problem(hosts, domain), "vm", new_ask())
    assert refusal.reason == "vnode 0 asks for pnode 1, narrow has pnode 0"
    assert refusal.nearest == ("fits on host wide, which it does not allow",)


def test_no_host_allowed_names_one_that_would_do() -> None:
    domain = make_domain([1000], forbidden_hosts=("host",))
    refusal = explain(make_problem(make_host([3000]), domain), "vm", new_ask())
    assert refusal.reason == "no host is allowed"
    assert refusal.nearest == ("fits on host host, which it does not allow",)


def three_on_two() -> tuple[Domain, ...]:
    return tuple(
        make_domain([size * GIB], 2, name=name) for name, size in (("a", 6), ("b", 5), ("c", 6))
    )


def test_only_the_others_that_matter_are_named() -> None:
    host = make_host([10 * GIB] * 2)
    small = make_domain([GIB], 1, name="small")
    problem = make_problem(host, small, *three_on_two())
    by_name = {refusal.domain: refusal for refusal in explain_all(problem, None, new_ask())}
    assert by_name["small"].reason == (
        "part of a call of which a, b and c cannot be placed together"
    )
    refusal = by_name["c"]
    assert refusal.reason == "fits alone, but not together with a and b"
    assert refusal.certificate == "cpsat"
    assert "b (5.0 GiB, 2 vcpus) beside it" in refusal.binding
    assert "fits if b is left out" in refusal.nearest


def test_one_domain_that_fits_nowhere_is_blamed_to_the_others() -> None:
    small, large = make_domain([GIB], name="small"), make_domain([30 * GIB], name="large")
    problem = make_problem(make_host([10 * GIB] * 2), small, large)
    first, second = explain_all(problem, None, new_ask())
    assert first.reason == "part of a call of which large cannot be placed"
    assert second.certificate == "capacity count"


def test_what_is_left_out_is_explained_beside_what_is_placed() -> None:
    problem = make_problem(make_host([10 * GIB] * 2), *three_on_two(), allow_partial=True)
    result = solve(problem).result
    (refusal,) = result.unplaced
    assert result.placement is not None
    assert refusal.domain == "c"
    assert refusal.reason == "fits alone, but not together with a and b"
    assert any(text.startswith("fits if") for text in refusal.nearest)


def test_a_batch_is_counted_over_all_hosts() -> None:
    domains = [make_domain([3 * GIB], 1, name=f"vm{n}") for n in range(4)]
    hosts = [make_host([5 * GIB], name=name) for name in ("h0", "h1")]
    refusal = explain(make_problem(hosts, *domains), "vm0", new_ask())
    assert refusal.certificate == "capacity count"
    assert "2 hosts have 10.0 GiB free" in refusal.reason or "not together" in refusal.reason


def test_moving_what_runs_is_offered() -> None:
    """Two that run share nothing; one of them has to make room, and may not yet."""
    host = make_host([10 * GIB] * 3, cpus=4)
    running = [make_domain([4 * GIB], 1, name=f"web{n}") for n in range(3)]
    start = solve(make_problem(host, *(replace(d, vnode_pnode=[n]) for n, d in enumerate(running))))
    assert start.result.placement is not None
    now = tuple(Running(placed=placed) for placed in start.result.placement.domains)
    fixed = [as_running(domain, run.placed) for domain, run in zip(running, now, strict=True)]
    new = make_domain([9 * GIB], 1, name="store")
    held = make_problem(host, *fixed, new, current=now, max_moves=0)
    refusal = explain(held, "store", new_ask())
    assert "at most 0 running domains may be moved" in refusal.binding
    moves = [text for text in refusal.nearest if text.startswith("fits after moving web")]
    assert moves
    assert can_be_placed(replace(held, max_moves=1))


@pytest.mark.parametrize("part", range(3))
def test_every_domain_without_a_place_has_a_reason_and_a_proof(part: int) -> None:
    refused = 0
    for seed in range(1200 + 20 * part, 1220 + 20 * part):
        problem = draw_problem(seed)
        result = solve(problem, SolveOptions(time_limit=60.0)).result
        proofs = [refusal for refusal in result.unplaced if refusal.certificate]
        assert all(refusal.reason for refusal in result.unplaced)
        assert bool(proofs) == bool(result.unplaced), f"seed {seed}"
        refused += len(proofs)
    assert refused > 5


def test_equal_questions_have_equal_reasons() -> None:
    problem = make_problem(make_host([10 * GIB] * 2), *three_on_two())
    assert solve(problem).result.unplaced == solve(problem).result.unplaced


def test_a_large_batch_has_one_reason_by_count() -> None:
    hosts = [make_host([10 * GIB] * 4, name=f"h{n}") for n in range(50)]
    domains = [make_domain([7 * GIB] * 3, 2, name=f"vm{n}") for n in range(100)]
    refusals = explain_all(make_problem(hosts, *domains), None, new_ask())
    assert len(refusals) == 100
    assert {refusal.certificate for refusal in refusals} == {"capacity count"}
    assert "50 hosts have 2000.0 GiB free" in refusals[-1].reason


def test_many_that_are_left_out_are_counted_beside_what_is_placed() -> None:
    host = make_host([10 * GIB] * 2, cpus=40)
    domains = [make_domain([6 * GIB], 1, name=f"vm{n}") for n in range(12)]
    result = solve(make_problem(host, *domains, allow_partial=True)).result
    assert len(result.unplaced) == 10
    assert result.unplaced[-1].reason == (
        "fits alone, but not beside the 2 domains placed: vnode 0 needs 6.0 GiB with 1.0 MiB "
        "overhead on one pnode, the freest, pnode 0, of host has 4.0 GiB free"
    )
