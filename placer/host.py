"""A physical machine: pnodes, their memory, pcpus, distances, and what runs there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from placer.arrays import ABSENT, Ints, exact, read_only, rows_of_three, same_fields
from placer.layout import as_rows, lay_out_free, lay_out_spans, near_far
from placer.units import LOCAL_DISTANCE, REMOTE_DISTANCE, UNREACHABLE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SmtMode = Literal["threads", "cores", "penalty"]

FreeFrom = Literal["spans", "counts", "fragmentation", "buddyinfo", "xen keys"]
"""What places of free memory come from: said by a source, or made up from what it says."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunningDomain:
    """A domain that holds memory and pcpus of a host already, dom0 among them.

    Shapes: P pnodes of the host. All arrays are int64 and read-only; lists are copied. ``name``
    is unique on its host.

    - ``pages[p]``: its 4 KiB pages on pnode p; they are not in the host's free pages.
    - ``vcpus_on[p]``: its shared vcpus that run on pnode p and count against C2.
    - ``dedicated_pcpus``: ids of the pcpus that are its alone, siblings left empty included.
    - ``floating_vcpus``: vcpus that no source ties to a pnode: they count for libxl's load
      figure on every pnode, not for C2.
    - ``domid``: the hypervisor's number of it, None where it is not known.

    Raises ValueError where an array is no list of whole numbers; what does not fit its host
    the host refuses.
    """

    name: str
    pages: Ints
    vcpus_on: Ints
    dedicated_pcpus: tuple[int, ...] = ()
    floating_vcpus: int = 0
    domid: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "pages", read_only(self.pages, name="pages"))
        object.__setattr__(self, "vcpus_on", read_only(self.vcpus_on, name="vcpus_on"))

    if TYPE_CHECKING:  # what is given may be lists, what is read are arrays

        def __init__(
            self,
            *,
            name: str,
            pages: ArrayLike,
            vcpus_on: ArrayLike,
            dedicated_pcpus: tuple[int, ...] = (),
            floating_vcpus: int = 0,
            domid: int | None = None,
        ) -> None: ...

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False, kw_only=True)
class Host:
    """One server. Pnodes are numbered 0..P-1, as Xen numbers them.

    Shapes: P pnodes, C pcpus, S spans, E entries. All arrays are int64 and read-only; lists
    are copied. Memory is in pages of 4 KiB. ``name``, ``total_pages`` and ``pcpu_pnode`` are
    needed; the others have defaults.

    - ``total_pages[p]``, ``free_pages[p]``, ``reserve_pages[p]``: RAM, free now (by default
      all of it), and kept back (0).
    - ``spans[s] = (pnode, start_frame, num_frames)``: the frame numbers of each pnode, holes
      included, in ascending order of start; by default made up, each from a whole GiB up.
    - ``free_spans[s] = (pnode, start_frame, num_frames)``: which frames are free, by default
      the lowest of the spans, and ``free_from`` where they come from: ``spans`` where they were
      given, else they are made up from counts, a fragmentation figure, Linux's buddyinfo or
      Xen's debug keys.
    - ``pcpu_ids[c]`` ascending (0..C-1), ``pcpu_pnode[c]``, ``pcpu_socket[c]`` (a socket for each
      pnode), ``pcpu_core[c]`` (a core for each pcpu): pcpus with equal core numbers are siblings
      (core numbers are unique on the host).
    - ``distances[p, q]``: SLIT figure from the pcpus of p to the memory of q, 10 for a pnode to
      itself, to 254, or 255 for unreachable; by default 20 between pnodes.
    - ``pnode_ids[p]``: the number that the operating system knows pnode p by, ascending; p
      itself but on machines whose nodes have gaps in their numbers.
    - ``memory_map[e] = (start, end, type)``: the host's e820 in bytes, half open, ascending;
      types as there, 1 for RAM; empty where it is not known.
    - ``overcommit``: shared vcpus per pcpu, exact. ``smt`` and ``smt_penalty`` (whole
      SLIT units, used with ``penalty``): what siblings count for (models/README.md).
    - ``running``: what holds memory and pcpus already. ``source``: where it was read.

    Raises ValueError where a shape is another or the figures contradict one another; readers
    turn that into a fault with its place.
    """

    name: str
    total_pages: Ints
    free_pages: Ints = field(default_factory=lambda: ABSENT)
    reserve_pages: Ints = field(default_factory=lambda: ABSENT)
    spans: Ints = field(default_factory=lambda: ABSENT)
    free_spans: Ints = field(default_factory=lambda: ABSENT)
    pcpu_ids: Ints = field(default_factory=lambda: ABSENT)
    pcpu_pnode: Ints
    pcpu_socket: Ints = field(default_factory=lambda: ABSENT)
    pcpu_core: Ints = field(default_factory=lambda: ABSENT)
    distances: Ints = field(default_factory=lambda: ABSENT)
    overcommit: Fraction = Fraction(1)
    smt: SmtMode = "threads"
    smt_penalty: int = 0
    pnode_ids: Ints = field(default_factory=lambda: ABSENT)
    memory_map: Ints = field(default_factory=lambda: ABSENT)
    free_from: FreeFrom = "counts"
    running: tuple[RunningDomain, ...] = ()
    source: str = field(default="", compare=False)

    if TYPE_CHECKING:  # what is given may be lists, what is read are arrays

        def __init__(
            self,
            *,
            name: str,
            total_pages: ArrayLike,
            free_pages: ArrayLike = ...,
            reserve_pages: ArrayLike = ...,
            spans: ArrayLike = ...,
            free_spans: ArrayLike = ...,
            pcpu_ids: ArrayLike = ...,
            pcpu_pnode: ArrayLike,
            pcpu_socket: ArrayLike = ...,
            pcpu_core: ArrayLike = ...,
            distances: ArrayLike = ...,
            overcommit: Fraction | float = ...,
            smt: SmtMode = "threads",
            smt_penalty: int = 0,
            pnode_ids: ArrayLike = ...,
            memory_map: ArrayLike = ...,
            free_from: FreeFrom = "counts",
            running: tuple[RunningDomain, ...] = (),
            source: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("total_pages", "pcpu_pnode"):
            _keep(self, name, read_only(getattr(self, name), name=name))
        for name, make in _DEFAULTS.items():
            value = getattr(self, name)
            _keep(self, name, read_only(make(self) if value is ABSENT else value, name=name))
        if self.distances is ABSENT:
            _keep(self, "distances", near_far(self.num_pnodes, LOCAL_DISTANCE, REMOTE_DISTANCE))
        _keep(self, "distances", read_only(self.distances, ndim=2, name="distances"))
        _keep(self, "overcommit", exact(self.overcommit, "overcommit"))
        for problem in _misshapen(self):
            raise ValueError(problem)
        if self.spans is ABSENT:
            _keep(self, "spans", _lay_out_spans(self))
        _keep(self, "spans", rows_of_three(self.spans, "spans"))
        if self.free_spans is ABSENT:
            _keep(self, "free_spans", _lay_out_free(self))
        for name in ("free_spans", "memory_map"):
            _keep(self, name, rows_of_three(getattr(self, name), name))
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


_keep = object.__setattr__
"""Sets a field of a frozen value, which only its own construction may."""

_DEFAULTS: Final[dict[str, Callable[[Host], ArrayLike]]] = {
    "pnode_ids": lambda host: np.arange(host.num_pnodes),
    "free_pages": lambda host: host.total_pages,
    "reserve_pages": lambda host: [0] * host.num_pnodes,
    "pcpu_ids": lambda host: np.arange(len(host.pcpu_pnode)),
    "pcpu_socket": lambda host: host.pcpu_pnode,
    "pcpu_core": lambda host: np.arange(len(host.pcpu_pnode)),
}
"""What stands for lists of figures that were not given."""


def _lay_out_spans(host: Host) -> list[tuple[int, int, int]]:
    """Return the spans of a host of which only amounts are given."""
    totals = host.total_pages.tolist()
    return as_rows(lay_out_spans(totals, [[] for _ in totals]))


def _lay_out_free(host: Host) -> list[tuple[int, int, int]]:
    """Return the free spans of a host of which only amounts are given."""
    own = [host.spans[host.spans[:, 0] == pnode, 1:].tolist() for pnode in range(host.num_pnodes)]
    free = host.free_pages.tolist()
    return as_rows([lay_out_free(spans, pages) for spans, pages in zip(own, free, strict=True)])


def _misshapen(host: Host) -> list[str]:
    """Return which arrays do not have an entry for each pnode or pcpu."""
    num_pnodes, num_pcpus = host.num_pnodes, len(host.pcpu_pnode)
    if num_pnodes == 0:
        return ["a host has at least one pnode"]
    found = [
        f"{name} with {len(getattr(host, name))} entries, expected {count}, one for each {what}"
        for what, count, names in (
            ("pnode", num_pnodes, ("free_pages", "reserve_pages", "pnode_ids")),
            ("pcpu", num_pcpus, ("pcpu_ids", "pcpu_socket", "pcpu_core")),
        )
        for name in names
        if len(getattr(host, name)) != count
    ]
    if host.distances.shape != (num_pnodes, num_pnodes):
        shape = (num_pnodes, num_pnodes)
        found.append(f"distances of shape {host.distances.shape}, expected {shape}")
    if (host.total_pages < 0).any() or (host.reserve_pages < 0).any():
        found.append("memory is never negative")
    elif not found and ((host.free_pages < 0) | (host.free_pages > host.total_pages)).any():
        found.append("free memory lies between 0 and the total of its pnode")
    return found


def _contradictions(host: Host) -> list[str]:
    """Return what is wrong with the figures of ``host``, most basic first."""
    num_pnodes = len(host.total_pages)
    found = []
    ids = host.pnode_ids
    if ids[0] < 0 or (np.diff(ids) <= 0).any():
        found.append("pnode ids ascend from 0 or more, one for each pnode")
    if (np.diagonal(host.distances) != LOCAL_DISTANCE).any():
        found.append("the distance of a pnode to itself is 10")
    if ((host.distances < LOCAL_DISTANCE) | (host.distances > UNREACHABLE)).any():
        found.append("distances are 10 to 254, or 255 for unreachable")
    for name in ("spans", "free_spans"):
        pnode, first, num = getattr(host, name).T
        if ((pnode < 0) | (pnode >= num_pnodes) | (first < 0) | (num < 0)).any():
            found.append(f"{name}: a pnode of 0 to {num_pnodes - 1}, a start and a number each")
    if len(host.pcpu_ids):
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
    if host.smt not in get_args(SmtMode):
        found.append(f"smt is {host.smt!r}, expected one of {', '.join(get_args(SmtMode))}")
    if host.overcommit <= 0:
        found.append("overcommit is above 0")
    if host.smt_penalty < 0:
        found.append("the smt penalty is 0 or more")
    return found
