"""What a domain takes of a host while it runs somewhere, and what a host has left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain, held_pages


@dataclass(frozen=True, slots=True)
class Seat:
    """What one domain holds where it runs, by pnode of its host.

    ``pages`` with the toolstack's overhead at the home of vnode 0; ``shared`` vcpus;
    ``own`` the slots that are its alone (pcpus, or cores where ``smt`` is ``cores``), each
    with its pnode; ``pnodes`` those that it takes any of.
    """

    host: str
    pages: tuple[int, ...]
    shared: tuple[int, ...]
    own: dict[int, int]
    pnodes: tuple[int, ...]

    @classmethod
    def of(
        cls, domain: Domain, placed: PlacedDomain, host: Host, *, with_memory: bool = True
    ) -> Seat:
        """Return what ``domain`` takes of ``host`` as ``placed`` says, vcpus alone if so asked."""
        pages = held_pages(domain, placed)
        if not with_memory:
            pages[:] = 0
        vcpus = np.bincount(placed.vcpu_to_pnode, minlength=host.num_pnodes)
        own: dict[int, int] = {}
        if domain.dedicated:
            own = slots_of(host, [*placed.vcpu_to_pcpu.tolist(), *placed.empty_siblings])
            vcpus[:] = 0
        touched = {*np.flatnonzero((pages > 0) | (vcpus > 0)).tolist(), *own.values()}
        return cls(
            host.name, tuple(pages.tolist()), tuple(vcpus.tolist()), own, tuple(sorted(touched))
        )

    def beside(self, other: Seat) -> Seat:
        """Return both seats of one domain on one host, as a live migration holds them.

        Pages are held twice. Vcpus run in one of the places at a time, but may in either.
        """
        return Seat(
            self.host,
            tuple(map(sum, zip(self.pages, other.pages, strict=True))),
            tuple(map(max, zip(self.shared, other.shared, strict=True))),
            {**self.own, **other.own},
            tuple(sorted({*self.pnodes, *other.pnodes})),
        )


def slots_of(host: Host, pcpus: list[int]) -> dict[int, int]:
    """Return the slots that these pcpus belong to, each with its pnode (C2)."""
    names = host.pcpu_core if host.smt == "cores" else host.pcpu_ids
    inside = np.isin(host.pcpu_ids, pcpus)
    return dict(zip(names[inside].tolist(), host.pcpu_pnode[inside].tolist(), strict=True))


class Room:
    """One host as the domains on it leave it: pages, shared vcpus, slots by name."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.usable: list[int] = host.usable_pages.tolist()
        self.pages = [0] * host.num_pnodes
        running = sum((r.vcpus_on for r in host.running), np.zeros(host.num_pnodes, dtype=np.int64))
        self.shared: list[int] = running.tolist()
        self.slots_left = [0] * host.num_pnodes
        for pnode in slots_of(host, host.pcpu_ids.tolist()).values():
            self.slots_left[pnode] += 1
        self.owners: Counter[int] = Counter()
        for domain in host.running:
            self._take(slots_of(host, list(domain.dedicated_pcpus)))

    def copy(self) -> Room:
        """Return the same state, to be changed apart from this one."""
        other = object.__new__(Room)
        other.host, other.usable = self.host, self.usable
        other.pages, other.shared = list(self.pages), list(self.shared)
        other.slots_left, other.owners = list(self.slots_left), self.owners.copy()
        return other

    def add(self, seat: Seat) -> None:
        """Let a domain take its seat, whether there is room or not."""
        for pnode in seat.pnodes:
            self.pages[pnode] += seat.pages[pnode]
            self.shared[pnode] += seat.shared[pnode]
        self._take(seat.own)

    def remove(self, seat: Seat) -> None:
        """Let a domain leave its seat."""
        for pnode in seat.pnodes:
            self.pages[pnode] -= seat.pages[pnode]
            self.shared[pnode] -= seat.shared[pnode]
        for slot, pnode in seat.own.items():
            self.owners[slot] -= 1
            self.slots_left[pnode] += not self.owners[slot]

    def _take(self, own: dict[int, int]) -> None:
        for slot, pnode in own.items():
            self.slots_left[pnode] -= not self.owners[slot]
            self.owners[slot] += 1

    def fits(self, seat: Seat) -> bool:
        """Return whether a domain can take ``seat`` now.

        Looked at are the pnodes that it takes something of, and of these what it takes:
        one that is over-committed already is nobody's fault who takes nothing there.
        """
        if any(self.owners[slot] for slot in seat.own):
            return False
        return all(self.has_room(pnode, *seat_on(seat, pnode)) for pnode in seat.pnodes)

    def has_room(self, pnode: int, pages: int, shared: int, own: int) -> bool:
        """Return whether so many pages, shared vcpus and own slots more go on a pnode."""
        if pages and self.pages[pnode] + pages > self.usable[pnode]:
            return False
        if not shared and not own:
            return True
        room = ((self.slots_left[pnode] - own) * self.host.overcommit).__floor__()
        return self.shared[pnode] + shared <= room


def seat_on(seat: Seat, pnode: int) -> tuple[int, int, int]:
    """Return the pages, shared vcpus and own slots of a seat on one pnode."""
    own = sum(where == pnode for where in seat.own.values())
    return seat.pages[pnode], seat.shared[pnode], own
