"""Seconds that the page allocator and its maps take, beside a reference timed in the same run.

Prints one CSV row a case: the median of several runs of the case and of its reference, how many
times as fast as the reference it is (``ratio``), and the peak of numpy's and Python's own
allocations in one more run. References: for maps one plain sequential fill of the same array; for
allocations the same requests served by a plain buddy allocator, an extent at a time, or, where that
would take minutes, one sequential fill of an array with an entry an extent. Nothing is asserted
but that each case hands out, or maps, what it should.

    python benchmarks/pages.py --runs 5
"""

import argparse
import csv
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.frames import DomainFrames
from placer.host import Host
from placer.pages.build import build_domain
from placer.pages.heap import Heap
from placer.pages.p2m import PhysicalMap, write_p2m
from placer.placement import PlacedDomain
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_4KIB

TIB = 1 << 28
GIB = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured: each call works on what is made fresh for it, outside the clock."""

    name: str
    fresh: Callable[[], object]
    run: Callable[[object], int]
    expected: int
    reference: Callable[[object], object]
    fresh_reference: Callable[[], object] = lambda: None


def serve(heap: Heap, wishes: list[tuple[int, int, int]]) -> int:
    """Hand out every wish (pnode, order, number of extents); return how many extents."""
    return sum(int(heap.allocate(*wish)[:, 1].sum()) for wish in wishes)


class PlainBuddy:
    """Free extents in Python lists by order, handed out one at a time; one pnode, one zone."""

    def __init__(self, extents: list[tuple[int, int]]) -> None:
        self.free: list[list[int]] = [[] for _ in range(ORDER_1GIB + 1)]
        for start, order in extents:
            self.free[order].append(start)

    def serve(self, wishes: list[tuple[int, int, int]]) -> int:
        """Hand out every wish, an extent at a time."""
        done = 0
        for _, order, number in wishes:
            for _ in range(number):
                larger = next((o for o in range(order, ORDER_1GIB + 1) if self.free[o]), None)
                if larger is None:
                    break
                start = self.free[larger].pop()
                for half in reversed(range(order, larger)):
                    self.free[half].append(start)
                    start += 1 << half
                done += 1
        return done


def guest_of_16_gib() -> Case:
    """8192 extents of 2 MiB out of one pnode of 1 TiB."""
    wishes = [(0, ORDER_2MIB, 8192)]
    heap = Heap(1, np.array([[0, GIB, TIB]]))
    starts = [(GIB + k * GIB, ORDER_1GIB) for k in range(1024)]
    return Case(
        name="guest_16gib_in_2mib",
        fresh=heap.copy,
        run=lambda fresh: serve(_heap(fresh), wishes),
        expected=8192,
        fresh_reference=lambda: PlainBuddy(starts),
        reference=lambda fresh: _plain(fresh).serve(wishes),
    )


def one_terabyte_in_4_kib() -> Case:
    """268 million single pages out of one span."""
    heap = Heap(1, np.array([[0, GIB, TIB]]))
    entries = np.empty(TIB, dtype=np.int64)
    return Case(
        name="heap_1tib_in_4kib",
        fresh=heap.copy,
        run=lambda fresh: serve(_heap(fresh), [(0, ORDER_4KIB, TIB)]),
        expected=TIB,
        reference=lambda _: entries.fill(1),
    )


def host_of_24_tib() -> Case:
    """64 HVM guests of 8 vnodes fill a host of 24 TiB on 8 pnodes."""
    spans = np.array([(pnode, GIB + 4 * pnode * TIB, 3 * TIB) for pnode in range(8)])
    pnodes = np.arange(8)
    host = Host(
        name="host",
        total_pages=np.full(8, 3 * TIB),
        free_pages=np.full(8, 3 * TIB),
        reserve_pages=np.zeros(8, dtype=np.int64),
        spans=spans,
        free_spans=spans,
        pcpu_ids=pnodes,
        pcpu_pnode=pnodes,
        pcpu_socket=pnodes,
        pcpu_core=pnodes,
        distances=np.where(np.eye(8, dtype=bool), np.int64(10), np.int64(20)),
        free_from="spans",
    )
    size = 3 * TIB // 64 - 512
    guests = [
        Domain(name=f"vm{n}", type="hvm", vnode_pages=np.full(8, size), num_vcpus=8)
        for n in range(64)
    ]
    placed = [
        PlacedDomain(
            domain=guest.name,
            host="host",
            vnode_pages=guest.vnode_pages,
            home=pnodes,
            pages=np.diag(guest.vnode_pages),
            vcpu_to_vnode=pnodes,
            vcpu_to_pnode=pnodes,
            vcpu_to_pcpu=pnodes,
        )
        for guest in guests
    ]

    def build(_: object) -> int:
        heap = Heap.of(host)
        frames = [
            build_domain(heap, guest, answer, host)
            for guest, answer in zip(guests, placed, strict=True)
        ]
        return sum(int(one.run_pages.sum()) for one in frames)

    entries = np.empty(24 * TIB >> ORDER_2MIB, dtype=np.int64)
    return Case(
        name="host_24tib_64_hvm_guests",
        fresh=lambda: None,
        run=build,
        expected=64 * 8 * size,
        reference=lambda _: entries.fill(1),
    )


def million_extents() -> Case:
    """10,000 requests of 1 to 64 extents on a million free extents of orders 0 to 9."""
    draw = np.random.default_rng(0)
    orders = draw.integers(0, 10, 1_000_000)
    starts = GIB + np.arange(1_000_000, dtype=np.int64) * 1024
    spans = np.stack([np.zeros_like(starts), starts, np.int64(1) << orders], axis=1)
    wished = draw.integers(0, 6, 10_000).tolist()
    numbers = draw.integers(1, 65, 10_000).tolist()
    wishes = [(0, *wish) for wish in zip(wished, numbers, strict=True)]
    heap = Heap(1, spans)
    extents = list(zip(starts.tolist(), orders.tolist(), strict=True))
    return Case(
        name="heap_1m_extents_10k_requests",
        fresh=heap.copy,
        run=lambda fresh: serve(_heap(fresh), wishes),
        expected=sum(numbers),
        fresh_reference=lambda: PlainBuddy(extents),
        reference=lambda fresh: _plain(fresh).serve(wishes),
    )


def maps() -> Iterator[Case]:
    """1 TiB of guest memory in extents of each size, side by side and scattered."""
    out = np.empty(TIB, dtype=np.int64)
    out.fill(0)
    rows = {
        "p2m_1tib_in_1gib": [[0, 0, 18, 0, TIB, TIB >> ORDER_1GIB]],
        "p2m_1tib_in_2mib": [[0, 0, 9, 0, TIB, TIB >> ORDER_2MIB]],
        "p2m_1tib_in_4kib": [[0, 0, 0, 0, TIB, TIB]],
    }
    for name, runs in rows.items():
        yield _map_case(name, np.array(runs), out)
    index = np.arange(TIB >> ORDER_2MIB)
    frames = TIB + ((index * 7919) % len(index) << ORDER_2MIB)
    yield _map_case("p2m_1tib_in_scattered_2mib", _singles(ORDER_2MIB, index, frames), out)
    index = np.arange(16 * GIB)
    frames = TIB + (index * 7919) % len(index) * 2
    yield _map_case("p2m_16gib_in_scattered_4kib", _singles(ORDER_4KIB, index, frames), out)


def _singles(order: int, index: Ints, frames: Ints) -> Ints:
    """Runs of one extent each."""
    zero, one = np.zeros_like(index), np.ones_like(index)
    return np.stack([zero, zero, zero + order, index << order, frames, one], axis=1)


def _map_case(name: str, runs: Ints, out: Ints) -> Case:
    whole = PhysicalMap(DomainFrames(domain="vm", host="host", runs=runs))
    part = out[: whole.num_frames]

    def fill(_: object) -> int:
        whole.fill(part)
        return len(part)

    return Case(
        name=name,
        fresh=lambda: None,
        run=fill,
        expected=whole.num_frames,
        reference=lambda _: part.fill(7),
    )


def file_of_2_gib(folder: Path) -> Case:
    """The map of 1 TiB written as a file, beside a file of as many zeros written in one go."""
    runs = np.array([[0, 0, 9, 0, TIB, TIB >> ORDER_2MIB]])
    frames = DomainFrames(domain="vm", host="host", runs=runs)
    block = bytes(32 << 20)

    def plain(_: object) -> None:
        with (folder / "plain").open("wb") as file:
            for _ in range(8 * TIB // len(block)):
                file.write(block)

    return Case(
        name="p2m_file_1tib_in_2mib",
        fresh=lambda: None,
        run=lambda _: write_p2m(folder / "p2m.npy", frames),
        expected=TIB,
        reference=plain,
    )


def _heap(fresh: object) -> Heap:
    if not isinstance(fresh, Heap):
        raise TypeError("a case on a heap gets a heap")
    return fresh


def _plain(fresh: object) -> PlainBuddy:
    if not isinstance(fresh, PlainBuddy):
        raise TypeError("a plain case gets a plain buddy allocator")
    return fresh


def median(runs: int, fresh: Callable[[], object], once: Callable[[object], object]) -> float:
    """Return the median seconds of several calls, each on what is made for it before."""
    seconds = []
    for _ in range(runs):
        made = fresh()
        start = time.perf_counter()
        once(made)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure(case: Case, runs: int) -> tuple[float, float, float]:
    """Return seconds, the reference's seconds, and the peak in MiB."""

    def run(fresh: object) -> None:
        done = case.run(fresh)
        if done != case.expected:
            raise SystemExit(f"{case.name}: {done}, expected {case.expected}")

    seconds = median(runs, case.fresh, run)
    reference = median(runs, case.fresh_reference, case.reference)
    fresh = case.fresh()
    tracemalloc.start()
    run(fresh)
    peak = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    return seconds, reference, peak


def main() -> None:
    """Measure each case and print the table."""
    parser = argparse.ArgumentParser(description="Measure the page allocator and its maps.")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each case")
    parser.add_argument("--case", help="only the cases whose name contains this")
    options = parser.parse_args()
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["case", "seconds", "reference_seconds", "ratio", "peak_mib"])
    with tempfile.TemporaryDirectory() as folder:
        makers: tuple[Callable[[], Iterator[Case]], ...] = (
            lambda: iter([guest_of_16_gib()]),
            lambda: iter([one_terabyte_in_4_kib()]),
            lambda: iter([host_of_24_tib()]),
            lambda: iter([million_extents()]),
            maps,
            lambda: iter([file_of_2_gib(Path(folder))]),
        )
        for maker in makers:
            for case in maker():
                if options.case is None or options.case in case.name:
                    seconds, reference, peak = measure(case, options.runs)
                    ratio = f"{reference / seconds:.3g}"
                    row = [case.name, f"{seconds:.6f}", f"{reference:.6f}", ratio, f"{peak:.2f}"]
                    table.writerow(row)
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
