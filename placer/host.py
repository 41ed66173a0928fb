"""A physical machine: pnodes, their memory, pcpus, distances, and what runs there."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np

from placer.arrays import ABSENT, Ints, read_only, same_fields
from placer.units import LOCAL_DISTANCE, UNREACHABLE

SmtMode = Literal["threads", "cores", "penalty"]

FreeFrom = Literal["spans", "counts", "fragmentation", "buddyinfo", "xen keys"]
"""What places of free memory come from: said by a source, or made up from what it says."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunningDomain:
    """A domain that holds memory and pcpus of a host already, dom0 among them.

    ``pages[p]`` are its pages on pnode p (they are not in the host's free pages),
    ``vcpus_on[p]`` its shared vcpus that run on pnode p and count against C2,
    ``dedicated_pcpus`` the pcpus that are its alone (siblings left empty
    included), ``floating_vcpus`` vcpus that no source ties to a pnode: they
    count for libxl's load figure on every pnode, not for C2.
    """

    name: str
    pages: Ints
    vcpus_on: Ints
    dedicated_pcpus: tuple[int, ...] = ()
    floating_vcpus: int = 0
    domid: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "pages", read_only(self.pages))
        object.__setattr__(self, "vcpus_on", read_only(self.vcpus_on))

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False, kw_only=True)
class Host:
    """One server. Pnodes are numbered 0..P-1, as Xen numbers them.

    Shapes: P pnodes, C pcpus. All arrays are int64 and read-only.

    - ``total_pages[p]``, ``free_pages[p]``, ``reserve_pages[p]``: RAM, free now,
      and kept back.
    - ``spans[s] = (pnode, start_frame, num_frames)``: the frame numbers of each
      pnode, holes included, in ascending order of start.
    - ``free_spans[s] = (pnode, start_frame, num_frames)``: which frames are free, and
      ``free_from`` where they come from: ``spans`` where they were given, else they are
      made up from counts, a fragmentation figure, Linux's buddyinfo or Xen's debug keys.
    - ``pcpu_ids[c]`` ascending, ``pcpu_pnode[c]``, ``pcpu_socket[c]``, ``pcpu_core[c]``:
      pcpus with equal core numbers are siblings (core numbers are unique on the
      host).
    - ``distances[p, q]``: SLIT figure from the pcpus of p to the memory of q.
    - ``pnode_ids[p]``: the number that the operating system knows pnode p by, ascending; p
      itself but on machines whose nodes have gaps in their numbers.
    - ``memory_map[e] = (start, end, type)``: the host's e820 in bytes, half open, ascending;
      types as there, 1 for RAM; empty where it is not known.
    - ``overcommit``: shared vcpus per pcpu, exact. ``smt`` and ``smt_penalty`` (whole
      SLIT units, used with ``penalty``): MODEL "smt".

    Raises ValueError where the figures contradict one another; readers turn
    that into a fault with its place.
    """

    name: str
    total_pages: Ints
    free_pages: Ints
    reserve_pages: Ints
    spans: Ints
    free_spans: Ints
    pcpu_ids: Ints
    pcpu_pnode: Ints
    pcpu_socket: Ints
    pcpu_core: Ints
    distances: Ints
    overcommit: Fraction = Fraction(1)
    smt: SmtMode = "threads"
    smt_penalty: int = 0
    pnode_ids: Ints = field(default_factory=lambda: ABSENT)
    memory_map: Ints = field(default_factory=lambda: ABSENT)
    free_from: FreeFrom = "counts"
    running: tuple[RunningDomain, ...] = ()
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.pnode_ids is ABSENT:
            object.__setattr__(self, "pnode_ids", np.arange(len(self.total_pages)))
        for name in (
            "pnode_ids",
            "total_pages",
            "free_pages",
            "reserve_pages",
            "pcpu_ids",
            "pcpu_pnode",
            "pcpu_socket",
            "pcpu_core",
        ):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        for name in ("spans", "free_spans", "memory_map"):
            value = np.asarray(getattr(self, name), dtype=np.int64).reshape(-1, 3)
            object.__setattr__(self, name, read_only(value, ndim=2))
        object.__setattr__(self, "distances", read_only(self.distances, ndim=2))
        for problem in _contradictions(self):
            raise ValueError(problem)

    @property
    def num_pnodes(self) -> int:
        """How many pnodes there are."""
        return len(self.total_pages)

    @property
    def num_pcpus(self) -> int:
        """How many pcpus there are, siblings counted."""
        return len(self.pcpu_ids)

    @property
    def free_spans_known(self) -> bool:
        """Whether the places of free memory were given, not made up."""
        return self.free_from == "spans"

    @property
    def usable_pages(self) -> Ints:
        """Free pages less the reserve, by pnode, never below 0."""
        return read_only(np.maximum(self.free_pages - self.reserve_pages, 0))

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


def _contradictions(host: Host) -> list[str]:
    """Return what is wrong with the figures of ``host``, most basic first."""
    num_pnodes = len(host.total_pages)
    if num_pnodes == 0:
        return ["a host has at least one pnode"]
    if len(host.free_pages) != num_pnodes or len(host.reserve_pages) != num_pnodes:
        return ["free and reserve need one entry for each pnode"]
    if host.distances.shape != (num_pnodes, num_pnodes):
        return [f"distances are {host.distances.shape}, expected {(num_pnodes, num_pnodes)}"]
    found = []
    ids = host.pnode_ids
    if len(ids) != num_pnodes or ids[0] < 0 or (np.diff(ids) <= 0).any():
        found.append("pnode ids ascend from 0 or more, one for each pnode")
    if (np.diagonal(host.distances) != LOCAL_DISTANCE).any():
        found.append("the distance of a pnode to itself is 10")
    if ((host.distances < LOCAL_DISTANCE) | (host.distances > UNREACHABLE)).any():
        found.append("distances are 10 to 254, or 255 for unreachable")
    if (host.total_pages < 0).any() or (host.reserve_pages < 0).any():
        found.append("memory is never negative")
    if ((host.free_pages < 0) | (host.free_pages > host.total_pages)).any():
        found.append("free memory lies between 0 and the total of its pnode")
    shape = host.pcpu_ids.shape
    if any(a.shape != shape for a in (host.pcpu_pnode, host.pcpu_socket, host.pcpu_core)):
        found.append("every pcpu has one pnode, socket and core")
    elif shape[0]:
        if (np.diff(host.pcpu_ids) <= 0).any() or host.pcpu_ids[0] < 0:
            found.append("pcpu ids ascend from 0 or more")
        if host.pcpu_pnode.min() < 0 or host.pcpu_pnode.max() >= num_pnodes:
            found.append(f"the pnode of a pcpu is 0 to {num_pnodes - 1}")
        order = np.lexsort((host.pcpu_pnode, host.pcpu_core))
        same_core = np.diff(host.pcpu_core[order]) == 0
        if (same_core & (np.diff(host.pcpu_pnode[order]) != 0)).any():
            found.append("the threads of a core lie on one pnode")
    for running in host.running:
        if len(running.pages) != num_pnodes or len(running.vcpus_on) != num_pnodes:
            found.append(f"running domain {running.name}: one entry for each pnode")
        elif min(running.pages.min(), running.vcpus_on.min(), running.floating_vcpus) < 0:
            found.append(f"running domain {running.name}: pages and vcpus are 0 or more")
        if not set(running.dedicated_pcpus) <= set(host.pcpu_ids.tolist()):
            found.append(f"running domain {running.name}: dedicated pcpus are pcpus of the host")
    start, end, _ = host.memory_map.T
    if (start >= end).any() or (start[1:] < end[:-1]).any():
        found.append("entries of a memory map ascend and do not overlap")
    if host.overcommit <= 0:
        found.append("overcommit is above 0")
    if host.smt_penalty < 0:
        found.append("the smt penalty is 0 or more")
    return found
