"""What a placement leaves of each pnode."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from placer.arrays import Ints
from placer.domain import OVERHEAD_PAGES, Domain
from placer.explain.room import Room
from placer.fleet.residual import as_running
from placer.host import Host
from placer.placement import PlacedDomain, by_host, held_pages


@dataclass(frozen=True, kw_only=True)
class Loads:
    """One host, by pnode: what is free, what of that domains may have, and its vcpus.

    ``here`` is what is placed there, ``free`` is as in pnodes.csv, ``usable`` without reserve
    and the toolstack's overhead, and nothing on a host that is to be empty; ``vcpus`` are the
    shared ones of running domains and all of placed ones; ``room`` is how many shared vcpus
    more there may be.
    """

    host: Host
    here: tuple[PlacedDomain, ...]
    closed: bool
    free: Ints
    usable: Ints
    vcpus: Ints
    room: int

    @classmethod
    def of(
        cls,
        host: Host,
        domains: Mapping[str, Domain],
        here: Sequence[PlacedDomain],
        *,
        closed: bool = False,
    ) -> Loads:
        """Count what is placed ``here``; ``domains`` are by name. ``closed``: nothing may run."""
        placed = np.zeros(host.num_pnodes, dtype=np.int64)
        held, vcpus = placed.copy(), placed.copy()
        for run in host.running:
            vcpus += run.vcpus_on
        for answer in here:
            placed += answer.pages_on
            held += held_pages(domains[answer.domain], answer)
            vcpus += np.bincount(answer.vcpu_to_pnode, minlength=host.num_pnodes)
        usable = np.maximum(host.free_pages - held - host.reserve_pages, 0)
        running = [as_running(domains[answer.domain], answer, host) for answer in here]
        full = replace(host, running=(*host.running, *running)) if running else host
        return cls(
            host=host,
            here=tuple(here),
            closed=closed,
            free=host.free_pages - placed,
            usable=np.zeros_like(usable) if closed else usable,
            vcpus=vcpus,
            room=0 if closed else sum(Room(full).shared),
        )

    def is_of(self, host: Host, here: Sequence[PlacedDomain], *, closed: bool) -> bool:
        """Return whether they are of the very same host and placed domains."""
        return (
            self.host is host
            and self.closed == closed
            and len(self.here) == len(here)
            and all(one is other for one, other in zip(self.here, here, strict=True))
        )

    def is_like(self, other: Loads | None) -> bool:
        """Return whether all figures are those of ``other``."""
        return self is other or (
            other is not None
            and self.host.num_pnodes == other.host.num_pnodes
            and bool((self.free == other.free).all())
            and bool((self.usable == other.usable).all())
            and bool((self.vcpus == other.vcpus).all())
            and bool((self.host.total_pages == other.host.total_pages).all())
            and self.host.num_pcpus == other.host.num_pcpus
        )


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The loads of all hosts, in their order."""

    loads: tuple[Loads, ...]

    @classmethod
    def of(
        cls,
        hosts: Iterable[Host],
        domains: Mapping[str, Domain],
        placed: Sequence[PlacedDomain],
        closed: Collection[str] = (),
        known: Figures | None = None,
    ) -> Figures:
        """Count what is placed on the hosts; ``closed`` are those that are to be empty.

        Loads of hosts that are as they were in ``known`` are taken from there.
        """
        on = by_host(placed)
        before = {} if known is None else {load.host.name: load for load in known.loads}

        def load_of(host: Host) -> Loads:
            here, is_closed = on.get(host.name, []), host.name in closed
            was = before.get(host.name)
            if was is not None and was.is_of(host, here, closed=is_closed):
                return was
            return Loads.of(host, domains, here, closed=is_closed)

        return cls(loads=tuple(map(load_of, hosts)))

    @property
    def usable(self) -> int:
        """Pages that domains may have, on all hosts."""
        return sum(int(load.usable.sum()) for load in self.loads)

    @property
    def largest_vnode(self) -> int:
        """Pages of the largest PV domain of one vnode and one vcpu that has room."""
        return self._largest(lambda load: int(load.usable.max(initial=0)))

    @property
    def largest_domain(self) -> int:
        """Pages of the largest PV domain of one vcpu on one host, a vnode on each pnode."""
        return self._largest(lambda load: int(load.usable.sum()))

    def _largest(self, pages_of: Callable[[Loads], int]) -> int:
        pages = max((pages_of(load) for load in self.loads if load.room), default=0)
        return max(0, pages - OVERHEAD_PAGES["pv"])
