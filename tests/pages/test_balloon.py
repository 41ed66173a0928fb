"""Pages given back and taken by a balloon, held against the page-by-page map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.arrays import Ints
from placer.frames import DomainFrames
from placer.pages.balloon import give_back, missing_frames, take
from placer.pages.build import build_domain
from placer.pages.heap import Heap
from placer.pages.p2m import NO_FRAME, PhysicalMap
from placer.pages.realise import take_domain
from tests.builders import make_domain
from tests.pages.machines import host_of, put

GIB = 1 << 18


def frames_of(runs: Ints) -> DomainFrames:
    return DomainFrames(domain="vm", host="host", runs=runs)


def frames_in(spans: Ints) -> set[int]:
    return {start + i for _, start, num in spans.tolist() for i in range(num)}


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["pv", "pvh", "hvm"]),
    st.sampled_from([5000, 12000, GIB + 3000]),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_what_is_given_back_is_free_and_what_is_taken_fills_the_gaps(
    kind: str, size: int, first: float, second: float
) -> None:
    host = host_of([(0, 700, 2 * GIB), (1, 4 * GIB + 5, 2 * GIB)])
    domain = make_domain([size, 3000], 2, type=kind)
    heap = Heap.of(host)
    frames = build_domain(heap, domain, put(domain, host, [0, 1]), host)
    whole = PhysicalMap(frames).to_array()
    lowest = 192 if kind == "hvm" else 0
    able = int((whole[lowest:] != NO_FRAME).sum()) - 3000
    pages = int(first * able)
    given_out = give_back(frames.runs, 0, pages, 0, 0, lowest)
    heap.free(given_out.spans)
    left = PhysicalMap(frames_of(given_out.runs)).to_array()
    left = np.concatenate([left, np.full(len(whole) - len(left), NO_FRAME)])
    kept = left != NO_FRAME
    assert np.array_equal(left[kept], whole[kept])
    gone = whole[(whole != NO_FRAME) & ~kept]
    assert len(gone) == pages
    assert set(gone.tolist()) == frames_in(given_out.spans)
    assert int(given_out.spans[:, 2].sum()) == pages
    # The highest guest frames of the vnode went.
    own = size - (2048 if kind == "hvm" else 0)
    absent = np.flatnonzero((whole != NO_FRAME) & ~kept)
    assert absent.tolist() == list(range(own - pages, own))
    back = int(second * pages)
    ranges = np.array([[lowest, own]])
    missing = missing_frames(given_out.runs, 0, ranges)
    assert missing.tolist() == ([[own - pages, pages]] if pages else [])
    taken = take(heap, 0, missing, back, 0, [(0, 1 << 30), (1, 1 << 30)])
    again = PhysicalMap(frames_of(np.concatenate([given_out.runs, taken]))).to_array()
    assert np.flatnonzero(again[: own - pages + back] == NO_FRAME).tolist() == (
        list(range(160, 192)) if kind == "hvm" else []
    )
    check = Heap.of(host)
    take_domain(check, frames_of(np.concatenate([given_out.runs, taken])))
    assert np.array_equal(check.spans(), heap.spans())


def test_pages_off_the_home_are_given_back_first() -> None:
    runs = np.array([[0, 1, 0, 0, 500, 10, 1], [0, 0, 0, 10, 100, 20, 1]])
    found = give_back(runs, 0, 12, 0, 0, 0)
    assert found.spans.tolist() == [[1, 500, 10], [0, 100, 2]]
    assert found.runs.tolist() == [[0, 0, 0, 10, 102, 18, 1]]


def test_an_extent_given_back_in_part_is_left_as_smaller_ones() -> None:
    runs = np.array([[0, 0, 18, 0, GIB, 2, 1]])
    found = give_back(runs, 0, GIB - 513, 0, 0, 0)
    assert found.spans.tolist() == [[0, GIB + 513, GIB - 513]]
    by_order = dict(zip(*np.unique(found.runs[:, 2], return_counts=True), strict=True))
    assert by_order == {0: 1, 9: 1, 18: 1}


def test_large_pages_alone_are_given_back_where_they_are_asked_for() -> None:
    runs = np.array([[0, 0, 9, 0, 512, 3, 1], [0, 0, 0, 1536, 7, 5, 1]])
    found = give_back(runs, 0, 1024, 0, 9, 0)
    assert found.spans.tolist() == [[0, 512, 1024]]
    with pytest.raises(ValueError, match="vnode 0 has 1536 pages to give back"):
        give_back(runs, 0, 2048, 0, 9, 0)


def test_each_source_gives_no_more_than_it_may() -> None:
    heap = Heap(2, np.array([[0, 1000, 100], [1, 5000, 100]]))
    rows = take(heap, 0, np.array([[0, 30]]), 30, 0, [(0, 10), (1, 15)])
    assert [int(rows[rows[:, 1] == pnode, 5].sum()) for pnode in (0, 1)] == [10, 15]
    assert PhysicalMap(frames_of(rows)).num_frames == 25
