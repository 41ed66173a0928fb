from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.arrays import Ints
from placer.pages.heap import Heap, free_extents
from tests.pages.machines import host_of
from tests.pages.plain_buddy import PlainBuddy

GIB = 1 << 18


def spans(*rows: tuple[int, int, int]) -> Ints:
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def extents_of(rows: Ints, order: int) -> list[int]:
    """Return the first frame of every extent of ``rows``, in the order handed out."""
    return [
        frame + (index << order)
        for frame, count in rows.tolist()
        for index in reversed(range(count))
    ]


@st.composite
def free_memory(draw: st.DrawFn, most: int = 8) -> list[tuple[int, int]]:
    """Free spans of one pnode, ragged and large ones, some from frame 0, some that touch."""
    found = []
    start = 0
    for _ in range(draw(st.integers(0, most))):
        start += draw(st.sampled_from([0, 0, 1, 2, 3, 5, 511, 512, GIB]))
        num = draw(
            st.one_of(
                st.integers(1, 20),
                st.integers(1, 5000),
                st.sampled_from([512, 1024, 1536, GIB - 1, GIB, GIB + 1, 3 * GIB + 77]),
            )
        )
        found.append((start, num))
        start += num
    return found


def both(free: list[tuple[int, int]]) -> tuple[Heap, PlainBuddy]:
    plain = PlainBuddy()
    for start, num in free:
        plain.free_range(start, num)
    return Heap(1, spans(*((0, *span) for span in free))), plain


def same(heap: Heap, plain: PlainBuddy) -> bool:
    return (
        heap.extents()[0].tolist() == plain.extents()
        and [(start, num) for _, start, num in heap.spans().tolist()] == plain.spans()
    )


@given(free_memory())
def test_a_heap_holds_the_extents_that_the_plain_allocator_merges(
    free: list[tuple[int, int]],
) -> None:
    heap, plain = both(free)
    assert same(heap, plain)
    assert heap.free_pages.tolist() == [sum(num for _, num in free)]


@settings(max_examples=400)
@given(
    free_memory(),
    st.lists(
        st.tuples(
            st.sampled_from(["allocate", "allocate", "free"]),
            st.sampled_from([0, 0, 1, 2, 5, 9, 9, 10, 17, 18]),
            st.integers(0, 60),
        ),
        max_size=12,
    ),
)
def test_any_sequence_gives_the_frames_that_the_plain_allocator_gives(
    free: list[tuple[int, int]], steps: list[tuple[str, int, int]]
) -> None:
    heap, plain = both(free)
    held: list[tuple[int, Ints]] = []
    for what, order, number in steps:
        if what == "allocate":
            rows = heap.allocate(0, order, number)
            expected = [plain.allocate(order) for _ in range(number)]
            assert extents_of(rows, order) == [start for start in expected if start is not None]
            held.append((order, rows))
        elif held:
            size, rows = held.pop(number % len(held))
            heap.free(spans(*((0, frame, count << size) for frame, count in rows.tolist())))
            for start in extents_of(rows, size):
                plain.free(start, size)
        assert same(heap, plain)


@given(free_memory(), st.lists(st.tuples(st.sampled_from([0, 1, 9, 18]), st.integers(0, 3000))))
def test_no_frame_is_given_twice_none_lies_outside_and_all_come_back(
    free: list[tuple[int, int]], wishes: list[tuple[int, int]]
) -> None:
    heap, _ = both(free)
    before = heap.spans(), heap.extents()
    taken: list[tuple[int, int, int]] = []
    for order, number in wishes:
        can = int(heap.available(order)[0])
        rows = heap.allocate(0, order, number)
        assert rows[:, 1].sum() == min(number, can)
        taken += [(0, frame, count << order) for frame, count in rows.tolist()]
    pieces = sorted((start, start + num) for _, start, num in taken)
    assert all(first[1] <= second[0] for first, second in pairwise(pieces))
    assert all(
        any(start >= low and end <= low + num for _, low, num in before[0].tolist())
        for start, end in pieces
    )
    other = Heap(1, before[0])
    other.remove(spans(*taken))
    assert np.array_equal(other.spans(), heap.spans())
    assert np.array_equal(other.extents(), heap.extents())
    heap.free(spans(*taken))
    assert np.array_equal(heap.spans(), before[0])
    assert np.array_equal(heap.extents(), before[1])


def test_high_zones_go_first_even_where_a_low_one_has_the_better_fit() -> None:
    heap = Heap(1, spans((0, 1, 1), (0, 1 << 10, 1 << 10)))
    assert heap.allocate(0, 0, 1).tolist() == [[(1 << 11) - 1, 1]]


def test_in_a_zone_the_smallest_extent_that_serves_goes_first() -> None:
    heap = Heap(1, spans((0, 1024, 1), (0, 1536, 512)))
    assert heap.allocate(0, 0, 2).tolist() == [[1024, 1], [2047, 1]]


def test_a_split_gives_the_upper_half_and_keeps_the_lower_ones() -> None:
    heap = Heap(1, spans((0, 1024, 512)))
    assert heap.allocate(0, 0, 1).tolist() == [[1535, 1]]
    assert heap.extents()[0].tolist() == [1] * 9 + [0] * 10


def test_a_short_heap_gives_what_it_has_and_nothing_else() -> None:
    heap = Heap(2, spans((0, 512, 1024), (1, 4096, 511)))
    assert heap.allocate(0, 9, 10).tolist() == [[512, 2]]
    assert heap.allocate(1, 9, 1).tolist() == []
    assert heap.free_pages.tolist() == [0, 511]


def test_frame_0_stands_alone_and_goes_last() -> None:
    heap = Heap(1, spans((0, 0, 1024)))
    assert heap.extents()[0, :10].tolist() == [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert heap.allocate(0, 0, 1024).tolist() == [[0, 1024]]


def test_a_terabyte_is_a_handful_of_rows() -> None:
    heap = Heap(1, spans((0, GIB, 1 << 28)))
    assert heap.allocate(0, 18, 1 << 10).tolist() == [[GIB, 1 << 10]]
    heap.free(spans((0, GIB, 1 << 28)))
    assert sum(len(rows) for rows in heap._lists.values()) < 32


def test_a_copy_keeps_its_memory_when_the_first_gives_some_away() -> None:
    heap = Heap(1, spans((0, 3, 5 * GIB)))
    twin = heap.copy()
    before = twin.spans(), twin.extents()
    heap.allocate(0, 9, 700)
    assert np.array_equal(twin.spans(), before[0])
    assert np.array_equal(twin.extents(), before[1])
    assert twin.allocate(0, 9, 700).tolist() == Heap(1, before[0]).allocate(0, 9, 700).tolist()


def test_spans_ascend_by_frame_also_where_pnodes_do_not() -> None:
    heap = Heap(2, spans((1, 10, 5), (0, 100, 5), (0, 105, 5)))
    assert heap.spans().tolist() == [[1, 10, 5], [0, 100, 10]]


def test_extents_of_every_pnode_are_counted_by_order() -> None:
    host = host_of([(0, 1, 2 * GIB), (1, 4 * GIB, 1536)])
    counts = free_extents(host)
    assert counts.shape == (2, 19)
    assert counts[0].tolist() == [2] + [1] * 17 + [1]
    assert counts[1].nonzero()[0].tolist() == [9, 10]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(0, 0, 5), (0, 4, 2)], "frame 4 is free twice"),
        ([(0, 0, 5), (1, 4, 2)], "frame 4 is free twice"),
        ([(2, 0, 5)], "pnodes are 0 to 1"),
        ([(-1, 0, 5)], "pnodes are 0 to 1"),
        ([(0, -1, 5)], "frame numbers"),
        ([(0, 1, -5)], "frame numbers"),
        ([(0, 1 << 40, 1)], "frame numbers"),
    ],
)
def test_spans_that_cannot_be_are_refused(rows: list[tuple[int, int, int]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Heap(2, spans(*rows))


def test_a_frame_cannot_be_freed_twice_and_the_heap_stays_as_it_was() -> None:
    heap = Heap(2, spans((0, 100, 10), (1, 1000, 10)))
    before = heap.spans()
    with pytest.raises(ValueError, match="frame 1005 is free twice"):
        heap.free(spans((0, 50, 10), (1, 1005, 20)))
    assert np.array_equal(heap.spans(), before)


@pytest.mark.parametrize(
    "rows", [[(0, 95, 10)], [(0, 105, 10)], [(0, 50, 1)], [(0, 200, 1)], [(1, 100, 1)]]
)
def test_what_is_not_free_cannot_be_removed(rows: list[tuple[int, int, int]]) -> None:
    heap = Heap(2, spans((0, 100, 10)))
    with pytest.raises(ValueError, match="free"):
        heap.remove(spans(*rows))
    assert heap.spans().tolist() == [[0, 100, 10]]


def test_a_frame_cannot_be_removed_twice() -> None:
    with pytest.raises(ValueError, match="free twice"):
        Heap(1, spans((0, 100, 10))).remove(spans((0, 102, 2), (0, 103, 1)))
