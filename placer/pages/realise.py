"""Turn a placement into machine frames, each domain on the heap that those before left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.errors import AllocationError
from placer.frames import MACHINE_FRAME, PNODE, DomainFrames
from placer.pages.build import build_domain
from placer.pages.heap import Heap
from placer.placement import PlacedDomain, Placement, by_host
from placer.problem import Problem

_MOST_ORDERS: Final = 16
"""So many orders of creation are tried on a host."""


@dataclass(frozen=True, kw_only=True)
class Realised:
    """The frames of the placed domains by name, and the first failure of each host that has one.

    A host with a failure has frames for none of its domains. ``creation_order`` names the
    domains of the hosts on which the placement's order would have failed, in one that did not.
    """

    frames: dict[str, DomainFrames]
    failures: tuple[AllocationError, ...]
    creation_order: tuple[str, ...] = ()


def realise(problem: Problem, placement: Placement) -> tuple[DomainFrames, ...]:
    """Return the frames of every placed domain, built in the placement's order and returned so.

    Raises AllocationError, naming domain, vnode and pnode, where a heap cannot give
    the pages or the page size wanted. The pages that the toolstack needs beside
    the guest's own are in no domain's frames.
    """
    frames: dict[str, DomainFrames] = {}
    for name, placed in by_host(placement.domains).items():
        frames.update(_realise_host(problem, name, placed))
    return tuple(frames[placed.domain] for placed in placement.domains)


def try_to_realise(problem: Problem, placement: Placement) -> Realised:
    """Build all domains in the placement's order, or in another one where that fails on a host.

    Then those that ask for larger pages are created before those that do not, so that no
    other breaks up the extents that they need; and what fails all the same is created first.
    """
    frames: dict[str, DomainFrames] = {}
    failures: list[AllocationError] = []
    creation_order: list[str] = []
    for name, placed in by_host(placement.domains).items():
        try:
            frames.update(_realise_host(problem, name, placed))
        except AllocationError as error:
            ordered = _realise_in_some_order(problem, name, placed, error)
            if ordered:
                frames.update(ordered)
                creation_order += ordered
            else:
                failures.append(error)
    return Realised(frames=frames, failures=tuple(failures), creation_order=tuple(creation_order))


def _realise_in_some_order(
    problem: Problem, name: str, placed: list[PlacedDomain], error: AllocationError
) -> dict[str, DomainFrames]:
    """Return the frames of a host's domains in the order of their creation; empty if none works."""
    ordered = by_page_size(problem, placed)
    if not error.order or [one.domain for one in ordered] == [one.domain for one in placed]:
        ordered = _first(placed, error.domain)
    for _ in range(min(len(placed), _MOST_ORDERS)):
        try:
            return _realise_host(problem, name, ordered)
        except AllocationError as again:
            if ordered[0].domain == again.domain:
                break
            ordered = _first(ordered, again.domain)
    return {}


def _first(placed: list[PlacedDomain], name: str) -> list[PlacedDomain]:
    """Return domains with the one of that name before the others."""
    return sorted(placed, key=lambda answer: answer.domain != name)


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
