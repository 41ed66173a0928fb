"""Seconds that the page allocator takes, and the memory that it needs to do so.

Prints one CSV row a case: how many extents were handed out, in how many rows of the heap, the
best of several runs, and the peak of numpy's and Python's own allocations in one more run.
Nothing is asserted but that each case hands out what it should.

    python benchmarks/pages.py --runs 5
"""

import argparse
import csv
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from placer.arrays import Ints
from placer.pages.heap import Heap
from placer.units import ORDER_2MIB, ORDER_4KIB

TIB = 1 << 28
GIB = 1 << 18


def two_mib_of_a_guest() -> tuple[Heap, list[tuple[int, int, int]]]:
    """One guest of 16 GiB in 2 MiB extents on one pnode of 1 TiB."""
    return Heap(1, np.array([[0, GIB, TIB]])), [(0, ORDER_2MIB, 8192)]


def one_terabyte_in_4_kib() -> tuple[Heap, list[tuple[int, int, int]]]:
    """268 million single pages out of one span."""
    return Heap(1, np.array([[0, GIB, TIB]])), [(0, ORDER_4KIB, TIB)]


def host_of_24_tib() -> tuple[Heap, list[tuple[int, int, int]]]:
    """64 guests of 8 vnodes fill a host of 24 TiB on 8 pnodes, 2 MiB at a time."""
    spans = [(pnode, GIB + 4 * pnode * TIB, 3 * TIB) for pnode in range(8)]
    wishes = [(pnode, ORDER_2MIB, 3 * TIB // 64 >> ORDER_2MIB) for pnode in range(8)] * 64
    return Heap(8, np.array(spans)), wishes


def shattered_heap() -> tuple[Heap, list[tuple[int, int, int]]]:
    """10,000 requests of 1 to 64 extents on a million free extents of orders 0 to 9."""
    draw = np.random.default_rng(0)
    sizes = np.int64(1) << draw.integers(0, 10, 1_000_000)
    starts = GIB + np.arange(1_000_000, dtype=np.int64) * 1024
    spans = np.stack([np.zeros_like(starts), starts, sizes], axis=1)
    orders = draw.integers(0, 6, 10_000).tolist()
    numbers = draw.integers(1, 65, 10_000).tolist()
    return Heap(1, spans), [(0, *wish) for wish in zip(orders, numbers, strict=True)]


CASES: tuple[Callable[[], tuple[Heap, list[tuple[int, int, int]]]], ...] = (
    two_mib_of_a_guest,
    one_terabyte_in_4_kib,
    host_of_24_tib,
    shattered_heap,
)


def serve(heap: Heap, wishes: list[tuple[int, int, int]]) -> list[Ints]:
    """Hand out every wish (pnode, order, number of extents)."""
    return [heap.allocate(*wish) for wish in wishes]


def main() -> None:
    """Measure each case and print the table."""
    parser = argparse.ArgumentParser(description="Measure the page allocator.")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each case")
    runs = parser.parse_args().runs
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["case", "extents", "rows", "seconds", "peak_mib"])
    for case in CASES:
        heap, wishes = case()
        seconds = []
        for _ in range(runs):
            fresh = heap.copy()
            start = time.perf_counter()
            given = serve(fresh, wishes)
            seconds.append(time.perf_counter() - start)
        extents = sum(int(rows[:, 1].sum()) for rows in given)
        if extents != sum(number for _, _, number in wishes):
            raise SystemExit(f"{case.__name__}: {extents} extents handed out")
        fresh = heap.copy()
        tracemalloc.start()
        serve(fresh, wishes)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        num_rows = sum(map(len, given))
        table.writerow(
            [case.__name__, extents, num_rows, f"{min(seconds):.6f}", f"{peak / (1 << 20):.2f}"]
        )


if __name__ == "__main__":
    main()
