"""How many vcpus of one domain each pnode of a host takes, and in which cells (MODEL C2)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from placer.arrays import Ints, read_only
from placer.domain import Domain
from placer.host import Host
from placer.pcpus import Cells, find_cells


@dataclass(frozen=True, slots=True)
class Rooms:
    """Seats for the vcpus of one domain that is alone on its host beside what runs there.

    ``cells`` are the host's; ``on[p]`` lists, for pnode p, (cell, most vcpus) in the order
    in which they are filled; ``most[p]`` is what the pnode takes in all, which may be less.
    """

    cells: Cells
    on: tuple[tuple[tuple[int, int], ...], ...]
    most: Ints
    in_turn: bool

    def deal(self, pnode: int, num_vcpus: int) -> list[int]:
        """Return the cell of each of ``num_vcpus`` vcpus on a pnode.

        Shared vcpus go where the load of a slot is least, dedicated ones fill cell by
        cell. Raises ValueError where the pnode does not take so many.
        """
        if num_vcpus > int(self.most[pnode]):
            raise ValueError(f"pnode {pnode} takes {int(self.most[pnode])} vcpus, not {num_vcpus}")
        dealt: list[int] = []
        taken = {cell: 0 for cell, _ in self.on[pnode]}
        for _ in range(num_vcpus):
            open_cells = [cell for cell, most in self.on[pnode] if taken[cell] < most]
            cell = open_cells[0]
            if self.in_turn:
                cell = min(
                    open_cells, key=lambda e: Fraction(taken[e], len(self.cells.cells[e].slots))
                )
            taken[cell] += 1
            dealt.append(cell)
        return dealt


def find_rooms(domain: Domain, host: Host, mask: frozenset[int] | None) -> Rooms | None:
    """Return the seats of ``host`` for a domain whose vcpus all have the hard mask ``mask``.

    None where a count by pnode does not say it all: thread policy ``require`` with a mask, or
    with cores of several sizes on one pnode.
    """
    cells = find_cells(host, () if mask is None else (mask,))
    usable = set(cells.allowed(None if mask is None else 0))
    on: list[tuple[tuple[int, int], ...]] = []
    most = []
    for pnode in range(host.num_pnodes):
        running = sum(int(other.vcpus_on[pnode]) for other in host.running)
        slots = cells.slots_on[pnode]
        here = [e for e, cell in enumerate(cells.cells) if cell.pnode == pnode]
        left = slots - ceil(running / host.overcommit)
        if left < 0:  # what runs is past the capacity: nobody else
            on.append(())
            most.append(0)
            continue
        mine = [e for e in here if e in usable]
        if not domain.dedicated:
            limits = [(e, ceil(len(cells.cells[e].slots) * host.overcommit)) for e in mine]
            room = floor(slots * host.overcommit) - running
        elif domain.thread_policy == "prefer":
            limits, room = [(e, len(cells.cells[e].slots)) for e in mine], left
        elif domain.thread_policy == "isolate":
            limits, room = _isolated(cells, mine, left)
        else:
            if mask is not None:
                return None
            filled = _filled(cells, here, left)
            if filled is None:
                return None
            limits, room = filled
        on.append(tuple(limits))
        most.append(max(0, min(room, sum(limit for _, limit in limits))))
    return Rooms(cells, tuple(on), read_only(most), not domain.dedicated)


def _isolated(cells: Cells, mine: list[int], left: int) -> tuple[list[tuple[int, int]], int]:
    """Whole cores, one for each vcpu, those with fewest threads first."""
    first_cell: dict[int, int] = {}
    for e in mine:
        first_cell.setdefault(cells.cells[e].core_class, e)
    by_size = sorted(
        (sum(cells.cells[e].per_core for e in cells.core_classes[g].cells), g)
        for g in first_cell
        if cells.core_classes[g].whole
    )
    limits, room = [], 0
    for size, g in by_size:
        count = min(len(cells.core_classes[g].cores), left // size)
        limits.append((first_cell[g], count))
        left -= count * size
        room += count
    return limits, room


def _filled(cells: Cells, here: list[int], left: int) -> tuple[list[tuple[int, int]], int] | None:
    """Whole cores of two threads or more, filled thread by thread; None where sizes differ."""
    limits, room, sizes = [], 0, set()
    for e in here:
        core_class = cells.core_classes[cells.cells[e].core_class]
        if not core_class.whole or core_class.num_threads == 1:
            continue
        sizes.add(core_class.num_threads)
        count = min(len(core_class.cores), left // cells.cells[e].per_core)
        left -= count * cells.cells[e].per_core
        limits.append((e, count * core_class.num_threads))
        room += count * core_class.num_threads
    return None if len(sizes) > 1 else (limits, room)
