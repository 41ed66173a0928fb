"""Granules, bounds on vcpus, equal splits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from placer.splits import Granules, split_equally, vcpu_bounds
from tests.builders import make_domain


@given(st.integers(1, 1 << 36))
def test_granules_cover_a_vnode_in_at_most_64_of_2_mib_or_more(pages: int) -> None:
    granules = Granules.of(pages)
    assert granules.pages >= 512
    assert 1 <= granules.count <= 64
    assert 0 <= granules.short < granules.pages
    assert granules.pages * granules.count - granules.short == pages


@given(st.integers(1, 16), st.integers(1 << 14, 1 << 30))
def test_an_equal_split_keeps_all_pages_and_differs_by_less_than_2_mib(k: int, pages: int) -> None:
    sizes = split_equally(pages, k)
    assert sizes.sum() == pages
    assert sizes.max() - sizes.min() <= 512
    assert (sizes[:-1] % 512 == 0).all()


def test_vcpus_follow_memory_rounded_down_and_up() -> None:
    domain = make_domain([3000, 1000], 6)
    assert vcpu_bounds(domain, domain.vnode_pages) == [(4, 5), (1, 2)]


def test_every_vnode_with_memory_gets_a_vcpu_where_the_lower_bounds_allow_it() -> None:
    roomy = make_domain([7000, 500, 500], 8)
    assert vcpu_bounds(roomy, roomy.vnode_pages) == [(7, 7), (0, 1), (0, 1)]
    small = make_domain([900, 50, 50], 4)
    assert [low for low, _ in vcpu_bounds(small, small.vnode_pages)] == [3, 0, 0]
    even = make_domain([600, 200, 200], 5)
    assert [low for low, _ in vcpu_bounds(even, even.vnode_pages)] == [3, 1, 1]


def test_a_vnode_without_memory_gets_no_vcpu() -> None:
    domain = make_domain([1000, 0], 2)
    assert vcpu_bounds(domain, domain.vnode_pages) == [(2, 2), (0, 0)]


def test_bounds_that_the_user_gives_stand() -> None:
    domain = make_domain([1000, 1000], 4, vcpu_bounds=[[0, 1], [3, 4]])
    assert vcpu_bounds(domain, domain.vnode_pages) == [(0, 1), (3, 4)]
