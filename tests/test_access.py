"""Access shares: exact, in integers, and the same as the scorer counts on its own."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.access import exact_shares, integer_shares
from placer.cost import access_fractions, access_units
from placer.domain import Domain
from placer.problem import Problem
from tests.builders import make_domain
from tests.strategies import tiny_problems


def test_shares_follow_size_over_distance_where_nothing_is_measured() -> None:
    domain = make_domain([300, 100], 2, distances=[[10, 20], [20, 10]])
    assert exact_shares(domain) == [
        [Fraction(6, 7), Fraction(1, 7)],
        [Fraction(3, 5), Fraction(2, 5)],
    ]


def test_a_farther_vnode_is_accessed_less() -> None:
    near = make_domain([512, 512], distances=[[10, 20], [20, 10]])
    far = make_domain([512, 512], distances=[[10, 40], [40, 10]])
    assert integer_shares(near).tolist() == [[6667, 3333], [3333, 6667]]
    assert integer_shares(far).tolist() == [[8000, 2000], [2000, 8000]]


def test_ties_of_the_largest_remainder_go_to_the_lowest_vnode() -> None:
    domain = make_domain([512] * 3, distances=[[10] * 3] * 3)
    assert integer_shares(domain).tolist() == [[3334, 3333, 3333]] * 3


def test_a_vnode_without_memory_is_accessed_by_nobody() -> None:
    domain = make_domain([512, 0], 2)
    assert integer_shares(domain).tolist() == [[10_000, 0], [10_000, 0]]


def test_measured_shares_stand_as_they_are_and_an_absent_row_is_all_0() -> None:
    shares = ((Fraction(1, 4), Fraction(3, 4)), ())
    domain = make_domain([512, 512], 2, vcpu_to_vnode=[0, 0], access=shares)
    assert exact_shares(domain)[0] == [Fraction(1, 4), Fraction(3, 4)]
    assert integer_shares(domain).tolist() == [[2500, 7500], [0, 0]]


def test_measured_shares_that_miss_1_by_little_are_divided_by_their_sum() -> None:
    share = Fraction(499_999_9, 10_000_000)
    domain = make_domain([512, 512], access=((share, share), (share, share)))
    assert integer_shares(domain).tolist() == [[5000, 5000], [5000, 5000]]


def test_vnodes_that_the_solver_chooses_are_10_and_20_apart() -> None:
    domain = make_domain([4096], 4, auto_vnodes=True)
    sizes = make_domain([2048, 2048]).vnode_pages
    assert integer_shares(domain, sizes).tolist() == [[6667, 3333], [3333, 6667]]


def test_integer_shares_are_read_only() -> None:
    shares = integer_shares(make_domain([512, 512]))
    with pytest.raises(ValueError, match="read-only"):
        shares[0, 0] = 1


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    """Return a domain of 1 to 8 vnodes, some empty, any distances."""
    count = draw(st.integers(1, 8))
    sizes = draw(st.lists(st.integers(0, 1 << 34), min_size=count, max_size=count).filter(any))
    row = st.lists(st.integers(1, 255), min_size=count, max_size=count)
    return make_domain(sizes, distances=[draw(row) for _ in range(count)])


@given(domains())
def test_every_row_sums_to_10000_and_is_within_one_unit_of_the_exact_share(domain: Domain) -> None:
    exact, units = exact_shares(domain), integer_shares(domain)
    for shares, row in zip(exact, units.tolist(), strict=True):
        assert sum(shares) == 1
        assert sum(row) == 10_000
        assert all(abs(unit - 10_000 * share) < 1 for unit, share in zip(row, shares, strict=True))


@given(domains())
def test_the_scorer_finds_the_same_shares_by_its_own_means(domain: Domain) -> None:
    assert access_fractions(domain, domain.vnode_pages) == exact_shares(domain)
    assert access_units(domain, domain.vnode_pages) == integer_shares(domain).tolist()


@given(tiny_problems())
def test_the_scorer_finds_the_same_measured_shares(problem: Problem) -> None:
    for domain in problem.domains:
        assert access_units(domain, domain.vnode_pages) == integer_shares(domain).tolist()
