"""Domains that run on a host, as foreign sources name them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from placer.host import RunningDomain

DOM0_NAME = "Domain-0"


@dataclass
class GuestPart:
    """One running domain, as far as a source tells. Nodes and pcpus have the source's numbers.

    ``pages_on`` by node, where known exactly; else ``memory_pages`` in all, held on ``nodes``
    (None: any). ``vcpu_pcpus``: for each vcpu the pcpus that it may or prefers to run on, None
    for any; ``num_vcpus`` where only their number is known.
    """

    name: str | None = None
    domid: int | None = None
    pages_on: dict[int, int] | None = None
    memory_pages: int | None = None
    nodes: frozenset[int] | None = None
    num_vcpus: int | None = None
    vcpu_pcpus: list[frozenset[int] | None] = field(default_factory=list)
    vcpus_on: dict[int, int] = field(default_factory=dict)
    dedicated_pcpus: frozenset[int] = frozenset()

    def pages_in_all(self) -> int:
        """The pages that it holds, 0 where nothing is known of them."""
        if self.pages_on is not None:
            return sum(self.pages_on.values())
        return self.memory_pages or 0

    @staticmethod
    def merged(guests: Iterable[GuestPart]) -> list[GuestPart]:
        """Return the guests, those of one id or name made one that is told what each tells."""
        known: list[GuestPart] = []
        places: dict[int | str, int] = {}
        for other in guests:
            keys = [key for key in (other.domid, other.name) if key is not None]
            place = min((places[key] for key in keys if key in places), default=None)
            if place is None:
                place = len(known)
                known.append(other)
            else:
                known[place]._fill_in(other)
            for key in (known[place].domid, known[place].name):
                if key is not None:
                    places.setdefault(key, place)
        return known

    def _fill_in(self, other: GuestPart) -> None:
        self.name = self.name or other.name
        self.domid = other.domid if self.domid is None else self.domid
        self.pages_on = other.pages_on if self.pages_on is None else self.pages_on
        self.memory_pages = other.memory_pages if self.memory_pages is None else self.memory_pages
        self.nodes = other.nodes if self.nodes is None else self.nodes
        self.num_vcpus = other.num_vcpus if self.num_vcpus is None else self.num_vcpus
        self.vcpu_pcpus = self.vcpu_pcpus or other.vcpu_pcpus
        self.vcpus_on = self.vcpus_on or other.vcpus_on
        self.dedicated_pcpus = self.dedicated_pcpus or other.dedicated_pcpus


def running_of(
    guests: Sequence[GuestPart],
    pnode_of: dict[int, int],
    rooms: dict[int, int],
    node_of_pcpu: dict[int, int | None],
    warn: Callable[[str, str], None],
) -> tuple[RunningDomain, ...]:
    """Return the running domains of a host.

    ``rooms`` are the pages of each node that are not free. A vcpu counts on a pnode where all
    pcpus that it may or prefers to run on are there, else it floats. Memory whose nodes no
    source tells is spread over where the domain may have it, as far as there is room.
    """
    left = dict(rooms)
    running = []
    names: set[str] = set()
    exact_first = sorted(guests, key=lambda guest: guest.pages_on is None)
    held = {id(guest): _pages(guest, pnode_of, left) for guest in exact_first}
    guessed = []
    several = len(set(node_of_pcpu.values())) > 1

    @cache
    def only_node(pcpus: frozenset[int]) -> int | None:
        """The node that all of these pcpus are on, None where there are several or one in all."""
        nodes = {node_of_pcpu.get(pcpu) for pcpu in pcpus} - {None}
        return next(iter(nodes)) if len(nodes) == 1 and several else None

    for guest in guests:
        name = guest.name or (DOM0_NAME if guest.domid == 0 else f"domain-{guest.domid}")
        if name in names:
            name = f"{name}-{guest.domid if guest.domid is not None else len(names)}"
        names.add(name)
        vcpus_on, floating = _vcpus(guest, pnode_of, only_node)
        if guest.pages_on is None:
            guessed.append(name)
        running.append(
            RunningDomain(
                name=name,
                pages=np.array(held[id(guest)]),
                vcpus_on=np.array(vcpus_on),
                dedicated_pcpus=tuple(sorted(guest.dedicated_pcpus & node_of_pcpu.keys())),
                floating_vcpus=floating,
                domid=guest.domid,
            )
        )
    if guessed and len(pnode_of) > 1:
        shown = ", ".join(guessed[:3]) + (" and more" if len(guessed) > 3 else "")
        warn(
            "running domains",
            f"nothing about the nodes of the memory of {shown}: spread over where it may be; "
            "Xen's debug key u tells",
        )
    return tuple(running)


def _pages(guest: GuestPart, pnode_of: dict[int, int], left: dict[int, int]) -> list[int]:
    """Return the pages of a domain by pnode, and take them out of what is ``left``."""
    pages = [0] * len(pnode_of)
    if guest.pages_on is not None:
        for node, count in guest.pages_on.items():
            if node in pnode_of:
                pages[pnode_of[node]] = count
                left[node] = max(left[node] - count, 0)
        return pages
    wanted = guest.memory_pages or 0
    able = [n for n in pnode_of if (guest.nodes is None or n in guest.nodes) and left[n] > 0]
    while wanted and able:
        share, more = divmod(wanted, len(able))
        for place, node in enumerate(able):
            count = min(share + (place < more), left[node])
            pages[pnode_of[node]] += count
            left[node] -= count
            wanted -= count
        able = [node for node in able if left[node] > 0]
    return pages


def _vcpus(
    guest: GuestPart,
    pnode_of: dict[int, int],
    only_node: Callable[[frozenset[int]], int | None],
) -> tuple[list[int], int]:
    """Return the vcpus that are tied to each pnode, and how many are tied to none."""
    tied = [0] * len(pnode_of)
    for node, count in guest.vcpus_on.items():
        if node in pnode_of:
            tied[pnode_of[node]] += count
    if not guest.vcpu_pcpus:
        return tied, max((guest.num_vcpus or 0) - sum(tied), 0)
    tied = [0] * len(pnode_of)
    floating = 0
    for pcpus in guest.vcpu_pcpus:
        only = None if pcpus is None else only_node(pcpus)
        if only is not None:
            tied[pnode_of[only]] += 1
        else:
            floating += 1
    return tied, floating
