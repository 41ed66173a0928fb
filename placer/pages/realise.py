"""Turn a placement into machine frames, each domain on the heap that those before left."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints
from placer.errors import AllocationError
from placer.frames import MACHINE_FRAME, PNODE, DomainFrames
from placer.pages.build import build_domain
from placer.pages.heap import Heap
from placer.placement import PlacedDomain, Placement, by_host
from placer.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Realised:
    """The frames of the placed domains by name, and the first failure of each host that has one.

    A host with a failure has frames for none of its domains.
    """

    frames: dict[str, DomainFrames]
    failures: tuple[AllocationError, ...]


def realise(problem: Problem, placement: Placement) -> tuple[DomainFrames, ...]:
    """Return the frames of every placed domain, in the placement's order.

    Raises AllocationError, naming domain, vnode and pnode, where a heap cannot give
    the pages or the page size wanted. The pages that the toolstack needs beside
    the guest's own are in no domain's frames.
    """
    realised = try_to_realise(problem, placement)
    for failure in realised.failures:
        raise failure
    return tuple(realised.frames[placed.domain] for placed in placement.domains)


def try_to_realise(
    problem: Problem, placement: Placement, large_first: Collection[str] = ()
) -> Realised:
    """Build all domains in the placement's order, as far as each host's heap goes.

    On the hosts ``large_first`` names, domains that ask for larger pages are built before
    those that do not, so that no other breaks up the extents that they need.
    """
    frames: dict[str, DomainFrames] = {}
    failures = []
    for name, placed in by_host(placement.domains).items():
        ordered = by_page_size(problem, placed) if name in large_first else placed
        try:
            frames.update(_realise_host(problem, name, ordered))
        except AllocationError as error:
            failures.append(error)
    return Realised(frames=frames, failures=tuple(failures))


def by_page_size(problem: Problem, placed: Iterable[PlacedDomain]) -> list[PlacedDomain]:
    """Return domains with those that ask for the largest pages first, else in their order."""

    def order(answer: PlacedDomain) -> int:
        return int(problem.domains[problem.domain_index[answer.domain]].page_order.max())

    return sorted(placed, key=lambda answer: -order(answer))


def _realise_host(
    problem: Problem, name: str, ordered: Iterable[PlacedDomain]
) -> dict[str, DomainFrames]:
    host = problem.hosts[problem.host_index[name]]
    heap = Heap.of(host)
    found = {}
    for placed in ordered:
        domain = problem.domains[problem.domain_index[placed.domain]]
        found[placed.domain] = build_domain(heap, domain, placed, host, problem.era)
    return found


def heaps_after(problem: Problem, frames: Iterable[DomainFrames]) -> dict[str, Heap]:
    """Return the heap of every host, by name, without the frames of ``frames``.

    Raises ValueError where a frame is not free, or given twice.
    """
    heaps = {host.name: Heap.of(host) for host in problem.hosts}
    for domain in frames:
        take_domain(heaps[domain.host], domain)
    return heaps


def take_domain(heap: Heap, frames: DomainFrames) -> None:
    """Take the frames that a domain holds; ValueError where one is not free."""
    heap.remove(_spans(frames))


def free_domain(heap: Heap, frames: DomainFrames) -> None:
    """Give the frames of a domain back; ValueError where one is free already."""
    heap.free(_spans(frames))


def _spans(frames: DomainFrames) -> Ints:
    """Return the machine frames of a domain as (pnode, start_frame, num_frames)."""
    runs = frames.runs
    return np.stack([runs[:, PNODE], runs[:, MACHINE_FRAME], frames.run_pages], axis=1)
