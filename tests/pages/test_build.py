"""Guests built in bulk, held against guests built an extent at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.cpulist import CpuList
from placer.errors import AllocationError
from placer.frames import OUTSIDE, DomainFrames
from placer.host import Host
from placer.pages.affinity import affinity_at_build, affinity_when_built
from placer.pages.build import build_domain
from placer.pages.heap import Heap, dma_zone_of
from placer.pages.striped import Round
from placer.topology import vmemranges
from tests.builders import make_domain, make_host, make_problem
from tests.pages.machines import host_of, put
from tests.pages.plain_xen import Extent, PlainGuest, PlainXen, build_hvm
from tests.placements import place_simply

GIB = 1 << 18


@st.composite
def free_memory(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Two to four pnodes in pieces, the first ones in zones that devices may need."""
    found = []
    start = draw(st.integers(1, 5000))
    for pnode in range(draw(st.integers(2, 4))):
        for _ in range(draw(st.integers(1, 4))):
            num = draw(st.sampled_from([1, 37, 600, 5000, 20000, GIB + 300, 2 * GIB]))
            found.append((pnode, start, num))
            start += num + draw(st.sampled_from([0, 1, 511, 3000]))
    return found


def plain_of(host: Host) -> PlainXen:
    spans = [(pnode, start, num) for pnode, start, num in host.free_spans.tolist()]
    return PlainXen(host.num_pnodes, spans, dma_zone_of(host))


def extents_of(frames: DomainFrames) -> set[tuple[int, int, int, int, int]]:
    """Every extent of bulk frames, one by one: the lowest guest extent is the highest."""
    found = set()
    for vnode, pnode, order, guest, machine, count, step in frames.runs.tolist():
        for k in range(count):
            at = OUTSIDE if guest == OUTSIDE else guest + (k * step << order)
            found.add((vnode, pnode, order, at, machine + (count - 1 - k << order)))
    return found


def plain_extents(extents: list[Extent]) -> set[tuple[int, int, int, int, int]]:
    return {(e.vnode, e.pnode, e.order, e.guest, e.machine) for e in extents}


SIZES = st.sampled_from([2048 + 700, 5000, 3 * 512 + 2048, 12000, GIB + 5000, 2 * GIB])


@settings(max_examples=300, deadline=None)
@given(free_memory(), st.lists(st.tuples(SIZES, st.integers(0, 3)), min_size=1, max_size=3))
def test_an_hvm_guest_gets_the_very_frames_that_the_plain_builder_gives(
    free: list[tuple[int, int, int]], vnodes: list[tuple[int, int]]
) -> None:
    host = host_of(free)
    homes = [pnode % host.num_pnodes for _, pnode in vnodes]
    domain = make_domain([pages for pages, _ in vnodes], len(vnodes), type="hvm")
    placed = put(domain, host, homes)
    ranges = [(v, s >> 12, e >> 12) for v, s, e in vmemranges(domain).tolist()]
    at_build = list(range(host.num_pnodes))
    plain = build_hvm(plain_of(host), ranges, homes, at_build, sorted(set(homes)))
    try:
        frames = build_domain(Heap.of(host), domain, placed, host)
    except AllocationError:
        assert not plain.ok
        return
    assert plain.ok
    assert extents_of(frames) == plain_extents(plain.extents)


@settings(max_examples=300, deadline=None)
@given(free_memory(), st.lists(st.tuples(SIZES, st.integers(0, 3)), min_size=1, max_size=3))
def test_a_pv_guest_gets_the_very_frames_that_the_plain_builder_gives(
    free: list[tuple[int, int, int]], vnodes: list[tuple[int, int]]
) -> None:
    host = host_of(free)
    homes = [pnode % host.num_pnodes for _, pnode in vnodes]
    domain = make_domain([pages for pages, _ in vnodes], len(vnodes))
    plain = PlainGuest(plain_of(host))
    for vnode, start, end in vmemranges(domain).tolist():
        plain.pv(vnode, homes[vnode], start >> 12, end - start >> 12)
    try:
        frames = build_domain(Heap.of(host), domain, put(domain, host, homes), host)
    except AllocationError:
        assert not plain.ok
        return
    assert plain.ok
    assert extents_of(frames) == plain_extents(plain.extents)


@settings(max_examples=500, deadline=None)
@given(
    free_memory(),
    st.lists(
        st.tuples(
            st.sampled_from([0, 0, 3, 9]),
            st.integers(0, 3000),
            st.sets(st.integers(0, 3), min_size=1),
        ),
        max_size=4,
    ),
)
def test_going_round_in_bulk_is_going_round_one_allocation_at_a_time(
    free: list[tuple[int, int, int]], wishes: list[tuple[int, int, set[int]]]
) -> None:
    host = host_of(free)
    heap, plain = Heap.of(host), plain_of(host)
    around, last = Round([]), -1
    for order, number, pnodes in wishes:
        affinity = sorted({pnode % host.num_pnodes for pnode in pnodes})
        around.narrow(affinity)
        expected = []
        for _ in range(number):
            found = plain.anywhere(order, affinity, last)
            if found is None:
                break
            last = found[0]
            expected.append(found)
        given_out: list[tuple[int, int] | None] = [None] * len(expected)
        for stripe in around.allocate(heap, order, number):
            frames = [
                start + (k << order)
                for start, count in stripe.rows.tolist()
                for k in reversed(range(count))
            ]
            for k, frame in enumerate(frames):
                given_out[stripe.first + k * stripe.step] = (stripe.pnode, frame)
        assert given_out == expected


def test_devices_keep_their_low_memory_while_any_pnode_has_other() -> None:
    host = host_of([(0, 1, 4095), (1, 4096, 4096)])
    assert dma_zone_of(host) == 10
    stripes = Round([0]).allocate(Heap.of(host), 0, 4096 + 3072 + 1)
    assert [(stripe.pnode, int(stripe.rows[:, 1].sum())) for stripe in stripes] == [
        (0, 3072),
        (1, 4096),
        (0, 1),
    ]


def test_a_host_of_one_pnode_keeps_no_memory_for_devices() -> None:
    assert dma_zone_of(host_of([(0, 1, 1 << 20)])) == 0


@pytest.mark.parametrize(
    ("fields", "at_build", "when_built"),
    [
        ({}, [0, 1, 2], [0, 1]),
        ({"hard_affinity": [CpuList.parse("nodes:1")] * 2}, [1], [1]),
        ({"hard_affinity": [CpuList.parse("nodes:2")] * 2}, [2], [2]),
        ({"hard_affinity": [CpuList.parse("nodes:2"), None]}, [0, 1, 2], [0, 1]),
        ({"soft_affinity": [CpuList.parse("nodes:2")] * 2}, [2], [2]),
        ({"dedicated": True}, [0, 1], [0, 1]),
    ],
)
def test_the_node_affinity_follows_the_vcpus(
    fields: dict[str, Any], at_build: list[int], when_built: list[int]
) -> None:
    host = make_host([4096] * 3, cpus=[4, 4, 4])
    domain = make_domain([700, 700], 2, vcpu_to_vnode=[0, 1], **fields)
    problem = make_problem(host, domain)
    placement = place_simply(
        problem, 0, 4, home=[0, 1], pages=[[700, 0, 0], [0, 700, 0]], vcpu_to_pnode=[0, 1]
    )
    placed = placement.domains[0]
    assert affinity_at_build(domain, placed, host) == at_build
    assert affinity_when_built(domain, placed, host) == when_built
