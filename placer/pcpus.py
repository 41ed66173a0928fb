"""Which pcpus are alike, and which vcpu gets which (MODEL "r[c,e]", C2).

A *slot* is what C2 counts: a pcpu, or a whole core where ``smt`` is ``cores``. Slots
are grouped twice: cores whose slots are equal in every mask form a *core class*,
and inside it slots with equal membership form a *cell*. The solver counts vcpus in
cells and cores in core classes; ``name_pcpus`` turns the counts into pcpu ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host

Mask = frozenset[int] | None
"""The pcpu ids that a vcpu may run on; None for any."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One unit of capacity: its pcpu ids (one, or all threads of a core) and its core."""

    pcpus: tuple[int, ...]
    core: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Slots of one core class that are in the same masks.

    ``per_core`` is how many of them each core of the class has; ``masks`` holds the
    positions of the masks that the slots are in.
    """

    pnode: int
    core_class: int
    masks: frozenset[int]
    slots: tuple[Slot, ...]
    per_core: int


@dataclass(frozen=True, slots=True)
class CoreClass:
    """Cores on one pnode whose threads are in equal masks; ``whole`` where none is taken."""

    pnode: int
    num_threads: int
    whole: bool
    cores: tuple[int, ...]
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """The free pcpus of one host, sorted into cells for a list of masks."""

    cells: tuple[Cell, ...]
    core_classes: tuple[CoreClass, ...]
    slots_on: tuple[int, ...]
    """Free slots by pnode."""

    def allowed(self, mask: int | None) -> list[int]:
        """Return the cells whose slots are in mask number ``mask`` (all where None)."""
        return [e for e, cell in enumerate(self.cells) if mask is None or mask in cell.masks]


def find_cells(host: Host, masks: Sequence[frozenset[int]]) -> Cells:
    """Sort the pcpus of ``host`` that no running domain has to itself into cells.

    Hosts whose pcpus are alike have equal cells; those asked for last are kept.
    """
    taken = {pcpu for running in host.running for pcpu in running.dedicated_pcpus}
    layout = (host.pcpu_ids.tobytes(), host.pcpu_core.tobytes(), host.pcpu_pnode.tobytes())
    by_core = host.smt == "cores"
    return _sort_pcpus(layout, host.num_pnodes, by_core, frozenset(taken), tuple(masks))


@lru_cache(maxsize=64)
def _sort_pcpus(
    layout: tuple[bytes, bytes, bytes],
    num_pnodes: int,
    by_core: bool,
    taken: frozenset[int],
    masks: tuple[frozenset[int], ...],
) -> Cells:
    threads: dict[int, list[int]] = {}
    pnode_of: dict[int, int] = {}
    ids, core_of, on_pnode = (np.frombuffer(column, dtype=np.int64) for column in layout)
    for pcpu, core, pnode in zip(ids.tolist(), core_of.tolist(), on_pnode.tolist(), strict=True):
        threads.setdefault(core, []).append(pcpu)
        pnode_of[core] = pnode
    by_class: dict[tuple[object, ...], list[tuple[int, list[tuple[frozenset[int], Slot]]]]] = {}
    slots_on = np.zeros(num_pnodes, dtype=np.int64)
    for core, pcpus in sorted(threads.items()):
        free = [pcpu for pcpu in pcpus if pcpu not in taken]
        whole = len(free) == len(pcpus)
        if not free or (by_core and not whole):
            continue
        groups = [tuple(free)] if by_core else [(pcpu,) for pcpu in free]
        members = [
            (
                frozenset(m for m, mask in enumerate(masks) if not mask.isdisjoint(group)),
                Slot(group, core),
            )
            for group in groups
        ]
        slots_on[pnode_of[core]] += len(members)
        by_thread = [
            [m for m, mask in enumerate(masks) if pcpu in mask]
            for group in groups
            for pcpu in group
        ]
        shape = tuple(sorted(tuple(member) for member in by_thread))
        key = (pnode_of[core], whole, len(pcpus), shape)
        by_class.setdefault(key, []).append((core, members))
    cells: list[Cell] = []
    classes: list[CoreClass] = []
    for (pnode, whole_key, num_threads, _), cores in by_class.items():
        by_masks: dict[frozenset[int], list[Slot]] = {}
        for _, members in cores:
            for member, slot in members:
                by_masks.setdefault(member, []).append(slot)
        first = len(cells)
        for member, slots in sorted(by_masks.items(), key=lambda item: sorted(item[0])):
            cells.append(
                Cell(int(pnode), len(classes), member, tuple(slots), len(slots) // len(cores))  # type: ignore[call-overload]
            )
        classes.append(
            CoreClass(
                int(pnode),  # type: ignore[call-overload]
                int(num_threads),  # type: ignore[call-overload]
                bool(whole_key),
                tuple(core for core, _ in cores),
                tuple(range(first, len(cells))),
            )
        )
    return Cells(tuple(cells), tuple(classes), tuple(slots_on.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class VcpuSeat:
    """One vcpu that is to get a pcpu.

    ``cell`` is the cell it was counted in; ``core_of`` says whether it takes a whole
    core (``isolate``), shares cores with its own domain (``require``) or a slot.
    """

    domain: int
    vcpu: int
    cell: int
    hard: Mask = None
    soft: Mask = None
    dedicated: bool = False
    thread_policy: str = "prefer"


def seats_of(domain: Domain, number: int, host: Host, cell_of: Mapping[int, int]) -> list[VcpuSeat]:
    """Return a seat for every vcpu of a domain, in the cell that it was counted in.

    ``number`` stands for the domain in the names that ``name_pcpus`` gives, ``cell_of[vcpu]`` is
    the cell.
    """
    resolved = {
        mask.text: mask.resolve(host.pcpu_ids, host.pcpu_pnode)
        for mask in {*domain.hard_affinity, *domain.soft_affinity}
        if mask is not None
    }
    return [
        VcpuSeat(
            domain=number,
            vcpu=vcpu,
            cell=cell_of[vcpu],
            hard=None if hard is None else resolved[hard.text],
            soft=None if soft is None else resolved[soft.text],
            dedicated=domain.dedicated,
            thread_policy=domain.thread_policy,
        )
        for vcpu, (hard, soft) in enumerate(
            zip(domain.hard_affinity, domain.soft_affinity, strict=True)
        )
    ]


@dataclass(slots=True)
class _Core:
    slots: list[tuple[Slot, int]]
    owner: tuple[int, int] | None = None


def name_pcpus(
    cells: Cells, seats: Sequence[VcpuSeat]
) -> tuple[dict[tuple[int, int], int], dict[int, tuple[int, ...]]]:
    """Give every seat a pcpu id; return them by (domain, vcpu), and empty siblings by domain.

    Cores are taken from the lowest up: first by ``isolate``, then by ``require``,
    then single slots by ``prefer``; shared vcpus go to the least loaded slot, then
    the least loaded core, then the soft mask. Within a cell the seats never
    outnumber what the solver counted, so a slot is always found.
    """
    names: dict[tuple[int, int], int] = {}
    empty: dict[int, tuple[int, ...]] = {}
    cores: dict[int, _Core] = {}
    for e, cell in enumerate(cells.cells):
        for slot in cell.slots:
            cores.setdefault(slot.core, _Core([])).slots.append((slot, e))
    rank = {"isolate": 0, "require": 1, "prefer": 2}
    dedicated = sorted(
        (seat for seat in seats if seat.dedicated),
        key=lambda seat: (
            rank[seat.thread_policy],
            seat.domain,
            _num_threads(cells, seat) if seat.thread_policy == "require" else 0,
            seat.vcpu,
        ),
    )
    used: set[int] = set()
    for seat in dedicated:
        cell = cells.cells[seat.cell]
        if seat.thread_policy == "require":
            slot, pcpu = _sibling(cells, cores, seat, set(names.values()))
            cores[slot.core].owner = (seat.domain, -1)
        else:
            free = (s for s in cell.slots if cores[s.core].owner is None)
            slot = next(s for s in free if s.pcpus[0] not in used)
            pcpu = _thread(slot, seat.hard)
            if seat.thread_policy == "isolate":
                cores[slot.core].owner = (seat.domain, seat.vcpu)
        names[seat.domain, seat.vcpu] = pcpu
        used.update(slot.pcpus)
    for core in cores.values():
        if core.owner is None:
            continue
        named = set(names.values())
        left = [p for slot, _ in core.slots for p in slot.pcpus if p not in named]
        if left:
            domain = core.owner[0]
            empty[domain] = tuple(sorted((*empty.get(domain, ()), *left)))
    _name_shared(cells, cores, seats, used, names)
    return names, empty


def _num_threads(cells: Cells, seat: VcpuSeat) -> int:
    """How many threads of a slot the seat may have; whoever has least choice is named first."""
    pcpus = cells.cells[seat.cell].slots[0].pcpus
    return len(pcpus) if seat.hard is None else len(seat.hard.intersection(pcpus))


def _sibling(
    cells: Cells, cores: dict[int, _Core], seat: VcpuSeat, named: set[int]
) -> tuple[Slot, int]:
    """A free thread of the seat's cell, on a core that its domain has begun if there is one."""
    fresh: tuple[Slot, int] | None = None
    for slot in cells.cells[seat.cell].slots:
        owner = cores[slot.core].owner
        for pcpu in slot.pcpus:
            if pcpu in named or not (seat.hard is None or pcpu in seat.hard):
                continue
            if owner == (seat.domain, -1):
                return slot, pcpu
            if owner is None and fresh is None:
                fresh = slot, pcpu
    if fresh is None:
        raise LookupError("a cell holds more vcpus than it has slots")
    return fresh


def _name_shared(
    cells: Cells,
    cores: dict[int, _Core],
    seats: Sequence[VcpuSeat],
    used: set[int],
    names: dict[tuple[int, int], int],
) -> None:
    slot_load: dict[int, int] = {}
    core_load: dict[int, int] = {}
    for seat in seats:
        if seat.dedicated:
            continue
        slots = [
            slot
            for slot in cells.cells[seat.cell].slots
            if cores[slot.core].owner is None and slot.pcpus[0] not in used
        ]

        def burden(slot: Slot, soft: Mask = seat.soft) -> tuple[int, int, bool, int]:
            outside = soft is not None and soft.isdisjoint(slot.pcpus)
            first = slot.pcpus[0]
            return (slot_load.get(first, 0), core_load.get(slot.core, 0), outside, first)

        slot = min(slots, key=burden)
        slot_load[slot.pcpus[0]] = slot_load.get(slot.pcpus[0], 0) + 1
        core_load[slot.core] = core_load.get(slot.core, 0) + 1
        names[seat.domain, seat.vcpu] = _thread(slot, seat.hard)


def _thread(slot: Slot, hard: Mask) -> int:
    """The first thread of the slot that the mask allows."""
    return next(pcpu for pcpu in slot.pcpus if hard is None or pcpu in hard)


def seating_order(cells: Cells, num_pnodes: int) -> list[Ints]:
    """Return by pnode the pcpus in the order in which vcpus without masks take them.

    One thread of every core first, then the next; as ``name_pcpus`` deals them where
    nothing is dedicated. After the last the first has its turn again.
    """
    order = []
    for pnode in range(num_pnodes):
        slots = [slot for cell in cells.cells if cell.pnode == pnode for slot in cell.slots]
        slots.sort(key=lambda slot: slot.pcpus[0])
        threads: dict[int, int] = {}
        ranked = []
        for slot in slots:
            threads[slot.core] = threads.get(slot.core, -1) + 1
            ranked.append((threads[slot.core], slot.pcpus[0]))
        order.append(np.array([pcpu for _, pcpu in sorted(ranked)], dtype=np.int64))
    return order
