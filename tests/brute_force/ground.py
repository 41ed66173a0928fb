"""What is given: the hosts as one row of pnodes, their free slots by cell, and one choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from placer.host import Host
from placer.problem import Problem

Slot = tuple[int, ...]
"""The pcpus of a slot."""


class Core(NamedTuple):
    """What a core is like: its pnode, whether nothing of it is taken, its free threads' masks."""

    pnode: int
    whole: bool
    threads: int
    masks: tuple[tuple[str, ...], ...]


class Cell(NamedTuple):
    """Slots in the same hard masks, on cores that are alike."""

    pnode: int
    masks: frozenset[str]
    core: Core


@dataclass(frozen=True)
class Choice:
    """One way to place one domain, or to leave it out (``host`` is then None).

    ``homes``: pnodes over all hosts, one past the last where the domain is left out.
    ``pages``: by vnode, (pnode, pages) pairs. ``cells``: the cell of each vcpu. ``wants``: its
    hard mask, where it matters beside the cell.
    """

    host: int | None
    homes: tuple[int, ...]
    sizes: tuple[int, ...] = ()
    pages: tuple[tuple[tuple[int, int], ...], ...] = ()
    vcpu_to_vnode: tuple[int, ...] = ()
    cells: tuple[Cell, ...] = ()
    wants: tuple[str, ...] = ()
    off_home: int = 0
    cost: int = 0
    off_soft: int = 0
    moved: int = 0

    def outward(self) -> tuple[object, ...]:
        """All that other domains and the levels can see of the choice."""
        on: Counter[int] = Counter()
        for row in self.pages:
            on.update(dict(row))
        large = tuple(sorted((p, n >> 9) for row in self.pages for p, n in row))
        in_cells = frozenset(Counter(zip(self.cells, self.wants, strict=True)).items())
        what = (self.host, self.homes, tuple(sorted(on.items())), large, in_cells)
        return (*what, self.off_home, self.cost, self.off_soft, self.moved)


@dataclass
class Ground:
    """The hosts of a problem as one row of pnodes."""

    problem: Problem
    first: list[int] = field(default_factory=list)
    host_of: list[int] = field(default_factory=list)
    slots: dict[Cell, list[Slot]] = field(default_factory=dict)
    cores: dict[Core, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, host in enumerate(self.problem.hosts):
            self.first.append(len(self.host_of))
            self.host_of += [number] * host.num_pnodes
        self.num_pnodes = len(self.host_of)
        for number in range(len(self.problem.hosts)):
            self._sort_slots(number)
        self.size = {cell: len(slots) for cell, slots in self.slots.items()}

    def host(self, pnode: int) -> Host:
        """The host of a pnode."""
        return self.problem.hosts[self.host_of[pnode]]

    def distance(self, p: int, q: int) -> int:
        """The distance between two pnodes of one host."""
        first = self.first[self.host_of[p]]
        return int(self.host(p).distances[p - first, q - first])

    def figure(self, name: str, pnode: int) -> int:
        """An array of the pnode's host, at the pnode."""
        return int(getattr(self.host(pnode), name)[pnode - self.first[self.host_of[pnode]]])

    def threads(self, pnode: int) -> int:
        """The threads of each core of the pnode's host, which are all alike."""
        return max(Counter(self.host(pnode).pcpu_core.tolist()).values())

    def _sort_slots(self, number: int) -> None:
        host = self.problem.hosts[number]
        masks = {
            mask.text: mask.resolve(host.pcpu_ids, host.pcpu_pnode)
            for domain in self.problem.domains
            for mask in domain.hard_affinity
            if mask is not None
        }
        for pnode, core, whole, slots in _free_cores(host):
            within = [frozenset(t for t, mask in masks.items() if mask & {*slot}) for slot in slots]
            by_thread = [[t for t, mask in masks.items() if p in mask] for s in slots for p in s]
            shape = tuple(sorted(tuple(sorted(names)) for names in by_thread))
            threads = int((host.pcpu_core == core).sum())
            alike = Core(self.first[number] + pnode, whole, threads, shape)
            self.cores.setdefault(alike, []).append(core)
            for names, slot in zip(within, slots, strict=True):
                self.slots.setdefault(Cell(alike.pnode, names, alike), []).append(slot)


def _free_cores(host: Host) -> Iterator[tuple[int, int, bool, list[Slot]]]:
    """Pnode, number, whether it is whole, and free slots of every core that has any."""
    taken = {pcpu for running in host.running for pcpu in running.dedicated_pcpus}
    for core in sorted(set(host.pcpu_core.tolist())):
        pcpus = tuple(host.pcpu_ids[host.pcpu_core == core].tolist())
        pnode = int(host.pcpu_pnode[host.pcpu_core == core][0])
        whole = not taken & {*pcpus}
        slots: list[Slot] = [(pcpu,) for pcpu in pcpus if pcpu not in taken]
        if host.smt == "cores":
            slots = [pcpus] if whole else []
        if slots:
            yield pnode, core, whole, slots
