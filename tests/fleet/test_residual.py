"""A host with domains placed on it is the host that `hosts_after` would find."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from placer.answer import Limits
from placer.check import check_placement
from placer.cpsat.search import search
from placer.errors import InputError
from placer.fleet.part import part_of
from placer.fleet.residual import host_without
from placer.fleet.seating import seat_shared
from placer.pages.heap import free_extents
from placer.placement import PlacedDomain, Placement
from tests.builders import SPAN, every_vcpu, make_domain, make_host, make_problem
from tests.placements import place_simply
from tests.strategies import tiny_problem


def test_pages_and_overhead_are_gone_and_shared_vcpus_count() -> None:
    host = make_host([4096, 4096])
    problem = make_problem(host, make_domain([1000], 2))
    (placed,) = place_simply(problem, 4, 5, on=1).domains
    left = host_without(host, problem, [placed])
    assert left.free_pages.tolist() == [4096, 4096 - 1000 - 256]
    assert left.running[-1].vcpus_on.tolist() == [0, 2]
    assert left.running[-1].dedicated_pcpus == ()
    sizes = np.bincount(left.free_spans[:, 0], weights=left.free_spans[:, 2])
    assert sizes.tolist() == left.free_pages.tolist()


def test_dedicated_pcpus_and_siblings_left_empty_are_gone_by_name() -> None:
    host = make_host([4096], threads=2)
    problem = make_problem(host, make_domain([1000], 1, dedicated=True, thread_policy="isolate"))
    (placed,) = place_simply(problem, 2, empty_siblings=(3,)).domains
    left = host_without(host, problem, [placed])
    assert left.running[-1].dedicated_pcpus == (2, 3)
    assert left.running[-1].vcpus_on.tolist() == [0]


def test_a_host_with_nothing_placed_is_itself() -> None:
    host = make_host([4096])
    assert host_without(host, make_problem(host, make_domain([512])), []) is host


def test_small_pages_break_up_no_large_one_that_need_not_be() -> None:
    spans = [(0, SPAN + 12, 500), (0, SPAN + 1024, 2048), (0, SPAN + 4096, 300)]
    host = make_host([2848], free_spans=spans)
    domains = [make_domain([512], page_order=[9]), make_domain([200], name="small")]
    problem = make_problem(host, *domains)
    (small,) = place_simply(make_problem(host, domains[1]), 0).domains
    left = host_without(host, problem, [small])
    assert int(left.free_pages[0]) == 2848 - 456 == int(left.free_spans[:, 2].sum())
    extents = free_extents(left)[0]
    assert sum(int(count) << (order - 9) for order, count in enumerate(extents) if order >= 9) == 4


def test_large_pages_take_aligned_extents() -> None:
    host = make_host([4096])
    problem = make_problem(host, make_domain([1100], page_order=[9]))
    (placed,) = place_simply(problem, 0).domains
    left = host_without(host, problem, [placed])
    extents = free_extents(left)[0]
    assert sum(int(count) << (order - 9) for order, count in enumerate(extents) if order >= 9) == 5


def test_what_is_placed_on_what_is_left_fits_together() -> None:
    """One domain after another on residual hosts is a placement of all of them."""
    held = 0
    for seed in range(600):
        problem = tiny_problem(seed)
        if len(problem.domains) == 1 or problem.groups or problem.current:
            continue
        host = problem.hosts[0]
        answers: list[PlacedDomain] = []
        for domain in problem.domains:
            left = host_without(host, problem, answers)
            try:
                part = part_of(problem, [left], {domain.name}, allow_partial=True)
            except InputError:
                continue
            found = search(part, Limits(), in_order=False).placement
            assert found is not None
            here = seat_shared(host, problem, [*answers, *found.domains])
            if here is not None:
                answers = here
        held += len(answers) > 1
        names = {answer.domain for answer in answers}
        if names:
            whole = part_of(problem, [host], names, allow_partial=False)
            violations = check_placement(whole, Placement(domains=tuple(answers)))
            assert violations == (), f"seed {seed}: {[str(v) for v in violations]}"
    assert held >= 20


def test_shared_vcpus_move_on_where_a_mask_needs_their_pcpus() -> None:
    host = make_host([9999], cpus=4)
    anywhere = make_domain([512], 2, name="anywhere")
    pinned = make_domain([512], 2, name="pinned", hard_affinity=every_vcpu("0-1", 2))
    problem = make_problem(host, anywhere, pinned)
    (first,) = place_simply(make_problem(host, anywhere), 0, 1).domains
    (second,) = place_simply(make_problem(host, pinned), 0, 1).domains
    seated = seat_shared(host, problem, [first, second])
    assert seated is not None
    assert [answer.vcpu_to_pcpu.tolist() for answer in seated] == [[2, 3], [0, 1]]


def test_a_crowd_that_no_naming_avoids_is_seen() -> None:
    host = make_host([9999], cpus=4, overcommit=Fraction(1))
    domains = [
        make_domain([512], 2, name=f"vm{n}", hard_affinity=every_vcpu("0-1", 2)) for n in range(2)
    ]
    placed = [
        answer
        for domain in domains
        for answer in place_simply(make_problem(host, domain), 0, 1).domains
    ]
    assert seat_shared(host, make_problem(host, *domains), placed) is None
