from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from placer.arrays import Ints
from placer.domain import Domain
from placer.errors import AllocationError, InputError
from placer.frames import (
    GUEST_FRAME,
    MACHINE_FRAME,
    NUM_EXTENTS,
    ORDER,
    OUTSIDE,
    PNODE,
    VNODE,
    DomainFrames,
)
from placer.host import Host
from placer.pages.heap import Heap
from placer.pages.realise import free_domain, heaps_after, realise
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.topology import vmemranges
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_4KIB
from tests.pages.machines import host_of

GIB = 1 << 18
MIB = 1 << 8


def domain_of(name: str, pages: list[int], **more: Any) -> Domain:
    return Domain(name=name, vnode_pages=np.array(pages), num_vcpus=len(pages), **more)


def placed_of(domain: Domain, pages: Ints | list[list[int]], host: Host) -> PlacedDomain:
    """Place ``pages[i][p]``; the vcpus matter to nobody here."""
    table = np.array(pages)
    zeros = np.zeros(domain.num_vcpus, dtype=np.int64)
    return PlacedDomain(
        domain=domain.name,
        host=host.name,
        vnode_pages=table.sum(axis=1),
        home=table.argmax(axis=1),
        pages=table,
        vcpu_to_vnode=zeros,
        vcpu_to_pnode=zeros,
        vcpu_to_pcpu=zeros,
    )


def realise_all(
    host: Host, *given_domains: tuple[Domain, Ints | list[list[int]]]
) -> tuple[DomainFrames, ...]:
    problem = Problem(hosts=(host,), domains=tuple(domain for domain, _ in given_domains))
    placed = tuple(placed_of(domain, pages, host) for domain, pages in given_domains)
    return realise(problem, Placement(domains=placed))


# The host of the vNUMA posting of November 2013 before each of its two guests.
HEATPIPE_BEFORE_RCBIG = [(0, 1, 2752911), (1, 4521984, 2963050)]
HEATPIPE_BEFORE_RC9 = [(0, 1, 655759), (1, 4521984, 865898)]


def test_the_first_example_of_the_posting_gets_half_its_pages_on_each_pnode() -> None:
    vnode = 4096 * MIB
    domain = domain_of("rcbig", [vnode] * 4)
    pages = [[vnode, 0], [vnode, 0], [0, vnode], [0, vnode]]
    (frames,) = realise_all(host_of(HEATPIPE_BEFORE_RCBIG), (domain, pages))
    assert frames.pages_on(4, 2).sum(axis=0).tolist() == [2097152, 2097152]
    assert [frames.extents_of(i) for i in range(4)] == [{ORDER_2MIB: 2048}] * 4


def test_the_second_example_leaves_the_free_pages_of_its_dump() -> None:
    host = host_of(HEATPIPE_BEFORE_RC9)
    domain = domain_of("rc9", [2048 * MIB, 2048 * MIB])
    problem = Problem(hosts=(host,), domains=(domain,))
    placed = placed_of(domain, [[0, 524288], [524288, 0]], host)
    frames = realise(problem, Placement(domains=(placed,)))
    assert frames[0].pages_on(2, 2).tolist() == [[0, 524288], [524288, 0]]
    assert heaps_after(problem, frames)[host.name].free_pages.tolist() == [131471, 341610]


def test_the_highest_addresses_go_first_and_to_the_lowest_guest_frames() -> None:
    (frames,) = realise_all(host_of([(0, 1 << 20, 2048)]), (domain_of("d", [1536]), [[1536]]))
    assert frames.runs.tolist() == [[0, 0, ORDER_2MIB, 0, (1 << 20) + 512, 3, 1]]


def test_a_tail_below_2_mib_is_4_kib_pages_of_the_same_pnode() -> None:
    host = host_of([(0, 512, 512), (1, 4096, 1024)])
    (frames,) = realise_all(host, (domain_of("d", [700]), [[0, 700]]))
    assert frames.extents_of(0) == {ORDER_2MIB: 1, ORDER_4KIB: 188}
    assert frames.pages_on(1, 2).tolist() == [[0, 700]]


def test_what_2_mib_extents_cannot_give_comes_in_4_kib_pages() -> None:
    host = host_of([(0, 513, 2047)])
    (frames,) = realise_all(host, (domain_of("d", [2047]), [[2047]]))
    assert frames.extents_of(0) == {ORDER_2MIB: 3, ORDER_4KIB: 511}


def test_a_1_gib_extent_is_used_only_where_it_is_asked_for() -> None:
    host = host_of([(0, GIB, 4 * GIB)])
    want = domain_of("want", [GIB + 600], page_order=np.array([ORDER_1GIB]))
    plain = domain_of("plain", [GIB])
    frames = realise_all(host, (want, [[GIB + 600]]), (plain, [[GIB]]))
    assert frames[0].extents_of(0) == {ORDER_1GIB: 1, ORDER_2MIB: 1, ORDER_4KIB: 88}
    assert frames[1].extents_of(0) == {ORDER_2MIB: 512}


def test_memory_on_several_pnodes_fills_the_guest_from_the_lowest_pnode_up() -> None:
    host = host_of([(0, 1024, 2048), (1, 8192, 2048)])
    domain = domain_of("d", [1536, 1024])
    (frames,) = realise_all(host, (domain, [[512, 1024], [1024, 0]]))
    assert frames.runs[:, [VNODE, PNODE, GUEST_FRAME]].tolist() == [
        [0, 0, 0],
        [0, 1, 512],
        [1, 0, 1536],
    ]


def test_no_extent_of_an_hvm_guest_lies_across_its_hole() -> None:
    pages = 5 * GIB
    domain = domain_of("h", [pages], type="hvm")
    (frames,) = realise_all(host_of([(0, GIB, 8 * GIB)]), (domain, [[pages]]))
    low = frames.runs[:, GUEST_FRAME]
    high = low + frames.run_pages
    inside = low != OUTSIDE
    ranges = vmemranges(domain)[:, 1:] // 4096
    assert len(ranges) == 2
    for start, end in zip(low[inside].tolist(), high[inside].tolist(), strict=True):
        assert any(first <= start and end <= last for first, last in ranges.tolist())
    assert int(frames.run_pages[inside].sum()) == int((ranges[:, 1] - ranges[:, 0]).sum()) - 32
    assert int(frames.run_pages.sum()) == pages


def test_an_hvm_guest_has_large_pages_where_guest_memory_is_aligned_to_them() -> None:
    domain = domain_of("h", [3 * GIB], type="hvm")
    (frames,) = realise_all(host_of([(0, GIB, 8 * GIB)]), (domain, [[3 * GIB]]))
    inside = frames.runs[frames.runs[:, GUEST_FRAME] != OUTSIDE]
    assert inside[:, [ORDER, GUEST_FRAME, NUM_EXTENTS]].tolist() == [
        [ORDER_4KIB, 0, 160],
        [ORDER_4KIB, 192, 320],
        [ORDER_2MIB, 512, 511],
        [ORDER_1GIB, GIB, 1],
        [ORDER_2MIB, 2 * GIB, 508],
    ]


def test_the_video_memory_of_an_hvm_guest_lies_in_no_range_and_goes_round_its_pnodes() -> None:
    domain = domain_of("h", [GIB, GIB], type="hvm", vcpu_to_vnode=[0, 1])
    host = host_of([(0, GIB, 2 * GIB), (1, 8 * GIB, 2 * GIB), (2, 16 * GIB, GIB)])
    placed = replace(
        placed_of(domain, [[GIB, 0, 0], [0, GIB, 0]], host),
        vcpu_to_vnode=np.array([0, 1]),
        vcpu_to_pnode=np.array([0, 1]),
    )
    problem = Problem(hosts=(host,), domains=(domain,))
    (frames,) = realise(problem, Placement(domains=(placed,)))
    outside = frames.runs[:, GUEST_FRAME] == OUTSIDE
    assert set(frames.runs[outside, VNODE].tolist()) == {0}
    assert int(frames.run_pages[outside].sum()) == 8 * MIB + 32
    low = (frames.runs[:, GUEST_FRAME] >= 0) & (frames.runs[:, GUEST_FRAME] < 160)
    assert np.bincount(frames.runs[low, PNODE], frames.run_pages[low]).tolist() == [54, 53, 53]
    # While it is built its affinity is all pnodes, then those of its vnodes.
    rest = np.bincount(frames.runs[outside, PNODE], frames.run_pages[outside])
    assert rest.tolist() == [5 + 1032, 6 + 1032, 5]
    assert frames.pages_on(2, 3)[1].tolist() == [0, GIB, 0]


def test_an_hvm_guest_without_a_graphics_card_has_16_pages_less() -> None:
    domain = domain_of("h", [GIB], type="hvm", extra=(("vga", "none"),))
    (frames,) = realise_all(host_of([(0, GIB, 2 * GIB)]), (domain, [[GIB]]))
    assert int(frames.run_pages.sum()) == GIB - 16


def test_the_seeds_era_builds_pv_guests_of_4_kib_pages_alone() -> None:
    host = host_of([(0, GIB, GIB)])
    domain = domain_of("old", [GIB])
    problem = Problem(hosts=(host,), domains=(domain,), era="seed")
    placement = Placement(domains=(placed_of(domain, [[GIB]], host),))
    assert realise(problem, placement)[0].extents_of(0) == {ORDER_4KIB: GIB}


@pytest.mark.parametrize(
    ("more", "said"), [({"type": "hvm"}, "pv"), ({"page_order": [ORDER_2MIB]}, "4KiB")]
)
def test_the_seeds_era_has_no_other_guests_and_no_large_pages(
    more: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        Problem(
            hosts=(host_of([(0, GIB, GIB)]),), domains=(domain_of("d", [5], **more),), era="seed"
        )


def test_vnodes_chosen_by_the_solver_take_the_domains_page_size() -> None:
    domain = Domain(
        name="auto",
        vnode_pages=np.array([2 * GIB]),
        num_vcpus=2,
        auto_vnodes=True,
        page_order=np.array([ORDER_1GIB]),
    )
    host = host_of([(0, GIB, GIB), (1, 8 * GIB, GIB)])
    (frames,) = realise_all(host, (domain, [[GIB, 0], [0, GIB]]))
    assert [frames.extents_of(i) for i in range(2)] == [{ORDER_1GIB: 1}] * 2


def test_a_domain_meets_the_heap_that_those_before_it_left() -> None:
    host = host_of([(0, 512, 1024)])
    first, second = domain_of("first", [512]), domain_of("second", [512])
    frames = realise_all(host, (first, [[512]]), (second, [[512]]))
    assert [part.runs[0, MACHINE_FRAME] for part in frames] == [1024, 512]


def test_too_few_pages_are_refused_with_what_was_wanted_and_what_is_left() -> None:
    host = host_of([(0, 512, 1024), (1, 8192, 600)], name="alpha")
    domain = domain_of("d", [512, 700])
    with pytest.raises(AllocationError) as caught:
        realise_all(host, (domain, [[512, 0], [0, 700]]))
    assert str(caught.value) == (
        "domain d, vnode 1: 188 extents of 4KiB wanted on pnode 1 of host alpha, 88 left"
    )
    learnt = caught.value
    assert (learnt.domain, learnt.host, learnt.vnode, learnt.pnode) == ("d", "alpha", 1, 1)
    assert (learnt.order, learnt.wanted, learnt.available) == (ORDER_4KIB, 188, 88)


@pytest.mark.parametrize("order", [ORDER_2MIB, ORDER_1GIB])
def test_a_page_size_wanted_that_is_not_there_is_refused(order: int) -> None:
    size = 1 << order
    host = host_of([(0, size + 1, 3 * size)])
    domain = domain_of("d", [3 * size], page_order=np.array([order]))
    with pytest.raises(AllocationError, match=r"vnode 0: 3 extents of .* wanted .*, 2 left"):
        realise_all(host, (domain, [[3 * size]]))
    realise_all(host, (domain_of("d", [3 * size]), [[3 * size]]))


def test_frames_given_twice_are_refused_when_counted_again() -> None:
    host = host_of([(0, 512, 1024)])
    domain = domain_of("d", [512])
    problem = Problem(hosts=(host,), domains=(domain,))
    frames = realise(problem, Placement(domains=(placed_of(domain, [[512]], host),)))
    with pytest.raises(ValueError, match=r"not all free|not free"):
        heaps_after(problem, frames * 2)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Host, list[tuple[Domain, Ints]]]:
    """A host of two or three pnodes in pieces, and domains that its memory holds."""
    num_pnodes = draw(st.integers(2, 3))
    free = []
    for pnode in range(num_pnodes):
        start = pnode << 22
        for _ in range(draw(st.integers(1, 4))):
            start += draw(st.integers(1, 700))
            num = draw(st.sampled_from([1, 300, 512, 1024, 5000, GIB + 5]))
            free.append((pnode, start, num))
            start += num
    host = host_of(free)
    left = host.free_pages.copy()
    found = []
    for number in range(draw(st.integers(1, 4))):
        num_vnodes = draw(st.integers(1, 3))
        table = np.zeros((num_vnodes, num_pnodes), dtype=np.int64)
        for cell in np.ndindex(table.shape):
            most = int(left[cell[1]])
            table[cell] = draw(st.sampled_from([0, 0, most, most // 2, min(most, 513)]))
            left[cell[1]] -= table[cell]
        if table.sum():
            kind = draw(st.sampled_from(["pv", "pvh"]))
            found.append((domain_of(f"d{number}", table.sum(axis=1).tolist(), type=kind), table))
    return host, found


@settings(max_examples=200)
@given(batches())
def test_a_batch_gets_its_pages_on_its_pnodes_from_free_memory_and_gives_all_back(
    batch: tuple[Host, list[tuple[Domain, Ints]]],
) -> None:
    host, domains = batch
    assume(domains)
    problem = Problem(hosts=(host,), domains=tuple(domain for domain, _ in domains))
    frames = realise_all(host, *domains)
    whole = Heap.of(host)
    taken: list[tuple[int, int]] = []
    for (domain, table), part in zip(domains, frames, strict=True):
        assert np.array_equal(part.pages_on(*table.shape), table)
        runs = part.runs
        assert (runs[:, MACHINE_FRAME] % (1 << runs[:, ORDER]) == 0).all()
        assert (runs[:, NUM_EXTENTS] > 0).all()
        inside = runs[:, GUEST_FRAME] != OUTSIDE
        covered = sorted(
            (int(start), int(start + size), int(vnode))
            for vnode, start, size in zip(
                runs[inside, VNODE],
                runs[inside, GUEST_FRAME],
                part.run_pages[inside],
                strict=True,
            )
        )
        assert joined(covered) == joined(
            [(s // 4096, e // 4096, v) for v, s, e in vmemranges(domain).tolist() if s < e]
        )
        taken += zip(runs[:, MACHINE_FRAME].tolist(), part.run_pages.tolist(), strict=True)
    taken.sort()
    assert all(start + size <= following for (start, size), (following, _) in pairwise(taken))
    after = heaps_after(problem, frames)[host.name]
    assert after.free_pages.sum() + sum(size for _, size in taken) == whole.free_pages.sum()
    for part in frames:
        free_domain(after, part)
    assert np.array_equal(after.spans(), whole.spans())
    assert np.array_equal(after.extents(), whole.extents())


def joined(ranges: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Join ranges of one vnode that touch."""
    found: list[tuple[int, int, int]] = []
    for start, end, vnode in ranges:
        if found and found[-1][1:] == (start, vnode):
            found[-1] = (found[-1][0], end, vnode)
        else:
            found.append((start, end, vnode))
    return found
