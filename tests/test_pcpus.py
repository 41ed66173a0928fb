"""Cells of alike pcpus, and the naming of pcpus after the counts."""

from __future__ import annotations

import numpy as np

from placer.host import RunningDomain
from placer.pcpus import Cells, VcpuSeat, find_cells, name_pcpus
from tests.builders import make_host


def members(cells: Cells) -> list[tuple[int, list[int]]]:
    """Return each cell's pnode and pcpu ids."""
    return [(c.pnode, [p for s in c.slots for p in s.pcpus]) for c in cells.cells]


def test_without_masks_every_pnode_is_one_cell() -> None:
    cells = find_cells(make_host([1, 1], cpus=3), [])
    assert members(cells) == [(0, [0, 1, 2]), (1, [3, 4, 5])]
    assert cells.slots_on == (3, 3)


def test_a_mask_splits_a_pnode_into_the_pcpus_inside_and_outside() -> None:
    cells = find_cells(make_host([1], cpus=4), [frozenset({0, 1})])
    assert sorted(members(cells)) == [(0, [0, 1]), (0, [2, 3])]
    assert [cells.cells[e].slots[0].pcpus for e in cells.allowed(0)] == [(0,)]


def test_pcpus_that_a_running_domain_has_to_itself_are_in_no_cell() -> None:
    running = RunningDomain(name="a", pages=[0], vcpus_on=[0], dedicated_pcpus=(1,))
    cells = find_cells(make_host([1], cpus=4, threads=2, running=(running,)), [])
    assert sorted(p for _, pcpus in members(cells) for p in pcpus) == [0, 2, 3]
    assert [group.whole for group in cells.core_classes] == [False, True]


def test_smt_cores_makes_one_slot_of_the_threads_of_a_core() -> None:
    cells = find_cells(make_host([1], cpus=4, threads=2, smt="cores"), [])
    assert [slot.pcpus for slot in cells.cells[0].slots] == [(0, 1), (2, 3)]


def test_shared_vcpus_fill_cores_before_hyperthreads() -> None:
    cells = find_cells(make_host([1], cpus=4, threads=2), [])
    seats = [VcpuSeat(domain=0, vcpu=n, cell=0) for n in range(4)]
    names, _ = name_pcpus(cells, seats)
    assert [names[0, n] for n in range(4)] == [0, 2, 1, 3]


def test_isolated_vcpus_leave_their_siblings_empty() -> None:
    cells = find_cells(make_host([1], cpus=8, threads=2), [])
    seats = [
        VcpuSeat(domain=3, vcpu=n, cell=0, dedicated=True, thread_policy="isolate")
        for n in range(2)
    ]
    shared = [VcpuSeat(domain=4, vcpu=n, cell=0) for n in range(4)]
    names, empty = name_pcpus(cells, [*shared, *seats])
    assert empty == {3: (1, 3)}
    assert sorted(names[4, n] for n in range(4)) == [4, 5, 6, 7]


def test_required_siblings_fill_cores_and_leave_the_last_thread_empty() -> None:
    cells = find_cells(make_host([1], cpus=8, threads=2), [])
    seats = [
        VcpuSeat(domain=0, vcpu=n, cell=0, dedicated=True, thread_policy="require")
        for n in range(3)
    ]
    names, empty = name_pcpus(cells, seats)
    assert sorted(names.values()) == [0, 1, 2]
    assert empty == {0: (3,)}


def test_the_soft_mask_decides_between_equally_loaded_pcpus() -> None:
    cells = find_cells(make_host([1], cpus=4), [])
    seats = [VcpuSeat(domain=0, vcpu=0, cell=0, soft=frozenset({2}))]
    names, _ = name_pcpus(cells, seats)
    assert names[0, 0] == 2


def test_a_hard_mask_picks_the_thread_of_a_core_that_counts_as_one() -> None:
    masks = [frozenset({1, 3})]
    cells = find_cells(make_host([1], cpus=4, threads=2, smt="cores"), masks)
    seats = [VcpuSeat(domain=0, vcpu=n, cell=0, hard=masks[0]) for n in range(2)]
    names, _ = name_pcpus(cells, seats)
    assert sorted(names.values()) == [1, 3]


def test_slots_of_cells_partition_the_pcpus() -> None:
    rng = np.random.default_rng(1)
    host = make_host([1, 1], cpus=16, threads=2)
    masks = [frozenset(rng.choice(32, size=9, replace=False).tolist()) for _ in range(3)]
    cells = find_cells(host, masks)
    ids = [p for cell in cells.cells for slot in cell.slots for p in slot.pcpus]
    assert sorted(ids) == list(range(32))
    for cell in cells.cells:
        for slot in cell.slots:
            assert cell.masks == {m for m, mask in enumerate(masks) if slot.pcpus[0] in mask}
