"""C2: whether vcpus in cells have slots of their own, and which pcpus they are then."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.host import Host
from tests.brute_force.ground import Cell, Choice, Core, Ground, Slot

Taken = list[Counter[Core]]
"""For each domain, the whole cores that it has to itself."""


def seat_vcpus(ground: Ground, chosen: tuple[Choice, ...]) -> Taken | None:
    """Return whole cores for all that ask for them so that the rest fits too; None if none do."""
    options: list[Taken] = [
        list(_whole_cores(ground, domain, choice)) if choice.host is not None else [Counter()]
        for domain, choice in zip(ground.problem.domains, chosen, strict=False)
    ]
    for taken in itertools.product(*options):
        if _rest_fits(ground, chosen, list(taken)):
            return list(taken)
    return None


def _whole_cores(ground: Ground, domain: Domain, choice: Choice) -> Iterator[Counter[Core]]:
    """Every set of whole cores that the domain's thread policy may have it take."""
    policy = domain.thread_policy if domain.dedicated else "prefer"
    inside = Counter(choice.cells)
    if policy == "prefer":
        yield Counter()
    elif policy == "isolate":
        if all(cell.core.whole for cell in inside):
            yield Counter(cell.core for cell in choice.cells)
    elif all(cell.core.whole and cell.core.threads > 1 for cell in inside):
        by_pnode = [
            list(_filled_cores(ground, domain, choice, pnode))
            for pnode in {cell.pnode for cell in inside}
        ]
        for parts in itertools.product(*by_pnode):
            yield sum(parts, Counter())


def _filled_cores(
    ground: Ground, domain: Domain, choice: Choice, pnode: int
) -> Iterator[Counter[Core]]:
    """Cores of a pnode of which all but the last are filled by the vcpus in its cells."""
    vcpus = [vcpu for vcpu, cell in enumerate(choice.cells) if cell.pnode == pnode]
    cores = [core for core in ground.cores if core.pnode == pnode and core.whole]
    need = math.ceil(len(vcpus) / ground.threads(pnode))
    for numbers in itertools.product(*(range(len(ground.cores[core]) + 1) for core in cores)):
        taken = Counter(dict(zip(cores, numbers, strict=True)))
        mine = {core: ground.cores[core][:number] for core, number in taken.items()}
        if sum(numbers) == need and _threads_for(ground, domain, choice, vcpus, mine) is not None:
            yield +taken


def _threads_for(
    ground: Ground, domain: Domain, choice: Choice, vcpus: list[int], mine: dict[Core, list[int]]
) -> dict[int, int] | None:
    """A thread of these cores for every vcpu, in its cell and its mask."""
    named: dict[int, int] = {}

    def name_from(position: int) -> bool:
        if position == len(vcpus):
            return True
        vcpu = vcpus[position]
        cell = choice.cells[vcpu]
        host = ground.host(cell.pnode)
        mask = domain.hard_affinity[vcpu]
        cores = mine.get(cell.core, [])
        for slot in ground.slots[cell]:
            for pcpu in slot:
                core = int(host.pcpu_core[host.pcpu_ids == pcpu][0])
                free = core in cores and pcpu not in named.values()
                if free and _allows(host, mask, pcpu):
                    named[vcpu] = pcpu
                    if name_from(position + 1):
                        return True
                    del named[vcpu]
        return False

    return named if name_from(0) else None


def _rest_fits(ground: Ground, chosen: tuple[Choice, ...], taken: Taken) -> bool:
    whole = sum(taken, Counter())
    if any(number > len(ground.cores[core]) for core, number in whole.items()):
        return False
    shared: Counter[Cell] = Counter()
    single: Counter[Cell] = Counter()
    for domain, choice in zip(ground.problem.domains, chosen, strict=False):
        if not domain.dedicated:
            shared.update(choice.cells)
        elif domain.thread_policy == "prefer":
            single.update(choice.cells)
    left = {
        cell: size - single[cell] - whole[cell.core] * size // len(ground.cores[cell.core])
        for cell, size in ground.size.items()
    }
    for cell, slots in left.items():
        if slots < 0 or shared[cell] > math.ceil(slots * ground.host(cell.pnode).overcommit):
            return False
    for p in {cell.pnode for choice in chosen for cell in choice.cells}:
        slots = sum(number for cell, number in left.items() if cell.pnode == p)
        here = sum(number for cell, number in shared.items() if cell.pnode == p)
        first = ground.first[ground.host_of[p]]
        here += sum(int(running.vcpus_on[p - first]) for running in ground.host(p).running)
        if here > math.floor(slots * ground.host(p).overcommit):
            return False
    return True


class Naming:
    """Pcpus for vcpus: isolated ones first, then siblings, single slots, and shared ones evenly."""

    def __init__(self, ground: Ground, chosen: tuple[Choice, ...]) -> None:
        taken = seat_vcpus(ground, chosen)
        assert taken is not None, "only what fits is named"
        self.ground = ground
        self.left = {cell: list(slots) for cell, slots in ground.slots.items()}
        self.free = {core: list(numbers) for core, numbers in ground.cores.items()}
        self.names: dict[tuple[int, int], int] = {}
        self.empty: dict[int, set[int]] = {}
        domains = ground.problem.domains
        for number, choice in enumerate(chosen):
            if domains[number].dedicated and domains[number].thread_policy != "prefer":
                self._name_whole_cores(number, choice, taken[number])
        for number, choice in enumerate(chosen):
            if domains[number].dedicated and domains[number].thread_policy == "prefer":
                for vcpu, cell in enumerate(choice.cells):
                    slot = self.left[cell].pop(0)
                    self.names[number, vcpu] = self._allowed(number, vcpu, cell, slot)[0]
        load: Counter[Slot] = Counter()
        for number, choice in enumerate(chosen):
            if not domains[number].dedicated:
                for vcpu, cell in enumerate(choice.cells):
                    slot = min(self.left[cell], key=lambda s, p=cell.pnode: (load[p, *s], s))  # type: ignore[misc]
                    load[cell.pnode, *slot] += 1
                    self.names[number, vcpu] = self._allowed(number, vcpu, cell, slot)[0]

    def _name_whole_cores(self, number: int, choice: Choice, taken: Counter[Core]) -> None:
        domain = self.ground.problem.domains[number]
        mine: dict[Core, list[int]] = {}
        for core, count in taken.items():
            mine[core], self.free[core] = self.free[core][:count], self.free[core][count:]
        whole: set[int] = set()
        for core, numbers in mine.items():
            host = self.ground.host(core.pnode)
            whole |= set(host.pcpu_ids[np.isin(host.pcpu_core, numbers)].tolist())
            for cell in self.left:
                if cell.core == core:
                    self.left[cell] = [slot for slot in self.left[cell] if not whole & {*slot}]
        if domain.thread_policy == "isolate":
            named = self._isolate(number, choice, mine)
        else:
            everyone = list(range(len(choice.cells)))
            found = _threads_for(self.ground, domain, choice, everyone, mine)
            assert found is not None, "cores of a kind are alike"
            named = found
        self.names |= {(number, vcpu): pcpu for vcpu, pcpu in named.items()}
        self.empty[number] = whole - {*named.values()}

    def _isolate(self, number: int, choice: Choice, mine: dict[Core, list[int]]) -> dict[int, int]:
        named = {}
        for vcpu, cell in enumerate(choice.cells):
            host = self.ground.host(cell.pnode)
            core = mine[cell.core].pop(0)
            threads = set(host.pcpu_ids[host.pcpu_core == core].tolist())
            slot = next(slot for slot in self.ground.slots[cell] if threads & {*slot})
            named[vcpu] = self._allowed(number, vcpu, cell, slot)[0]
        return named

    def _allowed(self, number: int, vcpu: int, cell: Cell, slot: Slot) -> list[int]:
        mask = self.ground.problem.domains[number].hard_affinity[vcpu]
        return [p for p in slot if _allows(self.ground.host(cell.pnode), mask, p)]


def _allows(host: Host, mask: CpuList | None, pcpu: int) -> bool:
    return mask is None or pcpu in mask.resolve(host.pcpu_ids, host.pcpu_pnode)
