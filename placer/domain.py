"""A virtual machine to be placed: vnodes, vcpus, and what it asks for."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from placer.arrays import ABSENT, Ints, read_only, same_fields
from placer.cpulist import CpuList
from placer.units import LOCAL_DISTANCE, ORDER_1GIB, ORDER_2MIB, ORDER_4KIB, REMOTE_DISTANCE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

DomainType = Literal["pv", "pvh", "hvm"]
MemoryPolicy = Literal["strict", "preferred", "interleave", "ballooned"]
"""``ballooned``: wherever a balloon found room, without a grain; nobody asks for that."""

ThreadPolicy = Literal["prefer", "isolate", "require"]
CpuSpill = Literal["last", "never", "free"]

OVERHEAD_PAGES: dict[str, int] = {"pv": 256, "pvh": 512, "hvm": 512}
"""Pages that the toolstack needs beside the guest's own (libxl_dom.c: 1 or 2 MiB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VnodeMemory:
    """How the memory of one vnode may lie.

    - ``policy``: ``strict``, all of it on the home pnode; ``preferred``, on any pnodes, the home
      being that with most of it; ``interleave``, over a set of pnodes in equal parts. What
      ``ballooned`` memory is follows from what ran; nobody asks for it.
    - ``interleave_pnodes``: the given set, and ``interleave_width``: the size of a set
      that the solver chooses; exactly one of the two is set with ``interleave``.

    The domain that it is given to raises ValueError where that is not so.
    """

    policy: MemoryPolicy = "strict"
    interleave_pnodes: tuple[int, ...] | None = None
    interleave_width: int | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Domain:
    """One virtual machine.

    Shapes: V vnodes, N vcpus. All arrays are int64 and read-only; lists are copied. Memory is in
    pages of 4 KiB. ``name``, ``vnode_pages`` and ``num_vcpus`` (N) are needed.

    - ``type``: how it is virtualised; what the toolstack needs beside its memory depends on it.
    - ``vnode_pages[i]``: its memory; with ``auto_vnodes`` one entry, the whole memory, and the
      solver chooses how many vnodes there are (C4).
    - ``ballooned_pages[i]``: pages that vnode i has addresses for and that its balloon has given
      back; they are not in ``vnode_pages``.
    - ``vcpu_to_vnode[v]``: the vnode of vcpu v, or None where the solver chooses; then
      ``vcpu_bounds[i] = (least, most)`` where the user gives bounds.
    - ``distances[i, j]``: the SLIT figure that the guest sees, 10 and 20 by default; with
      ``auto_distances`` they follow the pnodes chosen and this holds 10 and 20.
    - ``vnode_pnode[i]``: the pnode asked for, -1 where the solver chooses.
    - ``hard_affinity[v]``, ``soft_affinity[v]``: a CPU list or None for any pcpu.
    - ``memory[i]``: the memory policy of vnode i, strict by default. ``page_order[i]``: 0, 9 or
      18, the page size wanted: 4 KiB, 2 MiB or 1 GiB.
    - ``dedicated``: every vcpu has a pcpu of its own, by ``thread_policy``: ``prefer`` siblings,
      ``isolate`` from them, or ``require`` them.
    - ``cpu_spill``: whether vcpus may run off home: as few as possible where nothing else helps
      (``last``, the default), ``never`` (where dedicated), or for its distance alone (``free``).
    - ``priority``: its weight where not all domains fit, 1 or more.
    - ``distinct_pnodes``: no two vnodes have one home.
    - ``access[i][j]``: measured access shares, exact; None where they follow from
      sizes and distances. A row of a vnode without vcpus may be empty.
    - ``groups``: names of groups of the problem; ``hosts``: the only hosts allowed,
      or None; ``forbidden_hosts``.
    - ``extra``: configuration that placer does not use, kept for export, in order:
      (key, value) with str, int or (nested) list values. ``source``: where it was read.

    Raises ValueError where a shape is another or the fields contradict one another.
    """

    name: str
    type: DomainType = "pv"
    vnode_pages: Ints
    ballooned_pages: Ints = field(default_factory=lambda: ABSENT)
    num_vcpus: int
    vcpu_to_vnode: Ints | None = None
    vcpu_bounds: Ints | None = None
    distances: Ints = field(default_factory=lambda: ABSENT)
    auto_vnodes: bool = False
    auto_distances: bool = False
    vnode_pnode: Ints = field(default_factory=lambda: ABSENT)
    hard_affinity: tuple[CpuList | None, ...] = ()
    soft_affinity: tuple[CpuList | None, ...] = ()
    memory: tuple[VnodeMemory, ...] = ()
    page_order: Ints = field(default_factory=lambda: ABSENT)
    dedicated: bool = False
    thread_policy: ThreadPolicy = "prefer"
    priority: int = 1
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None
    forbidden_hosts: tuple[str, ...] = ()
    distinct_pnodes: bool = False
    cpu_spill: CpuSpill | None = None
    access: tuple[tuple[Fraction, ...], ...] | None = None
    extra: tuple[tuple[str, Any], ...] = ()
    source: str = field(default="", compare=False)

    if TYPE_CHECKING:  # what is given may be lists, what is read are arrays

        def __init__(
            self,
            *,
            name: str,
            type: DomainType = "pv",  # noqa: A002 - the field's own name
            vnode_pages: ArrayLike,
            ballooned_pages: ArrayLike = ...,
            num_vcpus: int,
            vcpu_to_vnode: ArrayLike | None = None,
            vcpu_bounds: ArrayLike | None = None,
            distances: ArrayLike = ...,
            auto_vnodes: bool = False,
            auto_distances: bool = False,
            vnode_pnode: ArrayLike = ...,
            hard_affinity: tuple[CpuList | None, ...] = (),
            soft_affinity: tuple[CpuList | None, ...] = (),
            memory: tuple[VnodeMemory, ...] = (),
            page_order: ArrayLike = ...,
            dedicated: bool = False,
            thread_policy: ThreadPolicy = "prefer",
            priority: int = 1,
            groups: tuple[str, ...] = (),
            hosts: tuple[str, ...] | None = None,
            forbidden_hosts: tuple[str, ...] = (),
            distinct_pnodes: bool = False,
            cpu_spill: CpuSpill | None = None,
            access: tuple[tuple[Fraction, ...], ...] | None = None,
            extra: tuple[tuple[str, Any], ...] = (),
            source: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "vnode_pages", read_only(self.vnode_pages, name="vnode_pages"))
        num_vnodes = len(self.vnode_pages)
        if self.distances is ABSENT:
            near_far = np.full((num_vnodes, num_vnodes), REMOTE_DISTANCE)
            np.fill_diagonal(near_far, LOCAL_DISTANCE)
            put(self, "distances", near_far)
        put(self, "distances", read_only(self.distances, ndim=2, name="distances"))
        if not np.any(self.ballooned_pages):
            put(self, "ballooned_pages", np.zeros(num_vnodes, dtype=np.int64))
        put(self, "ballooned_pages", read_only(self.ballooned_pages, name="ballooned_pages"))
        if self.vnode_pnode is ABSENT:
            put(self, "vnode_pnode", np.full(num_vnodes, -1))
        put(self, "vnode_pnode", read_only(self.vnode_pnode, name="vnode_pnode"))
        if self.page_order is ABSENT:
            put(self, "page_order", np.zeros(num_vnodes, dtype=np.int64))
        put(self, "page_order", read_only(self.page_order, name="page_order"))
        if self.vcpu_to_vnode is not None:
            put(self, "vcpu_to_vnode", read_only(self.vcpu_to_vnode, name="vcpu_to_vnode"))
        if self.vcpu_bounds is not None:
            put(self, "vcpu_bounds", read_only(self.vcpu_bounds, ndim=2, name="vcpu_bounds"))
        if not self.memory:
            put(self, "memory", (VnodeMemory(),) * num_vnodes)
        if not self.hard_affinity:
            put(self, "hard_affinity", (None,) * self.num_vcpus)
        if not self.soft_affinity:
            put(self, "soft_affinity", (None,) * self.num_vcpus)
        if self.cpu_spill is None:
            put(self, "cpu_spill", "never" if self.dedicated else "last")
        for problem in _contradictions(self):
            raise ValueError(problem)

    def named(self, name: str) -> Domain:
        """Return this domain as ``name``; what was checked of it is not checked again."""
        other = copy(self)
        object.__setattr__(other, "name", name)
        return other

    @property
    def num_vnodes(self) -> int:
        """How many vnodes are given (1 with ``auto_vnodes``)."""
        return len(self.vnode_pages)

    @property
    def memory_pages(self) -> int:
        """The guest's own pages, over all vnodes."""
        return int(self.vnode_pages.sum())

    def pages_with_addresses(self, vnode_pages: Ints) -> Ints:
        """Return the pages by vnode that the guest has addresses for.

        ``vnode_pages`` are those that it has, its own or as the solver chose its vnodes.
        """
        if self.auto_vnodes or not self.ballooned_pages.any():
            return vnode_pages
        return np.asarray(vnode_pages + self.ballooned_pages, dtype=np.int64)

    @property
    def overhead_pages(self) -> int:
        """Pages that the toolstack needs beside the guest's own, by type."""
        return OVERHEAD_PAGES[self.type]

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


_CHOICES: Final[dict[str, Any]] = {
    "type": DomainType,
    "thread_policy": ThreadPolicy,
    "cpu_spill": CpuSpill,
}


def _contradictions(domain: Domain) -> list[str]:
    """Return what is wrong with the fields of ``domain``, most basic first."""
    num_vnodes, num_vcpus = len(domain.vnode_pages), domain.num_vcpus
    if num_vnodes == 0 or num_vcpus < 1:
        return ["a domain has at least one vnode and one vcpu"]
    found = [
        f"{name} is {getattr(domain, name)!r}, expected one of {', '.join(get_args(choice))}"
        for name, choice in _CHOICES.items()
        if getattr(domain, name) not in get_args(choice)
    ]
    if (domain.vnode_pages < 0).any() or domain.vnode_pages.sum() <= 0:
        found.append("a domain has memory, and no vnode has less than none")
    if domain.distances.shape != (num_vnodes, num_vnodes):
        found.append(f"distances need {num_vnodes * num_vnodes} entries")
    elif (domain.distances <= 0).any():
        found.append("distances are above 0")
    if len(domain.ballooned_pages) != num_vnodes or (domain.ballooned_pages < 0).any():
        found.append("a balloon gives back no less than nothing, of each vnode")
    if len(domain.vnode_pnode) != num_vnodes or (domain.vnode_pnode < -1).any():
        found.append("one pnode for each vnode")
    if len(domain.memory) != num_vnodes or len(domain.page_order) != num_vnodes:
        found.append("one memory policy and page size for each vnode")
    if not set(domain.page_order.tolist()) <= {ORDER_4KIB, ORDER_2MIB, ORDER_1GIB}:
        found.append("page sizes are 4 KiB, 2 MiB or 1 GiB")
    if len(domain.hard_affinity) != num_vcpus or len(domain.soft_affinity) != num_vcpus:
        found.append("one affinity for each vcpu")
    mapping = domain.vcpu_to_vnode
    if mapping is not None and (
        len(mapping) != num_vcpus or mapping.min() < 0 or mapping.max() >= num_vnodes
    ):
        found.append(f"one vnode, 0 to {num_vnodes - 1}, for each of {num_vcpus} vcpus")
    if domain.vcpu_bounds is not None and domain.vcpu_bounds.shape != (num_vnodes, 2):
        found.append("one pair of vcpu bounds for each vnode")
    if domain.auto_vnodes and (num_vnodes != 1 or mapping is not None):
        found.append("vnodes = 'auto' takes no vnode sizes and no vcpu map")
    if domain.access is not None and len(domain.access) != num_vnodes:
        found.append("one row of access shares for each vnode")
    if domain.priority < 1:
        found.append("priority is 1 or more")
    for vnode in domain.memory:
        if vnode.policy not in get_args(MemoryPolicy):
            found.append(f"memory policy {vnode.policy!r}")
        given = (vnode.interleave_pnodes is not None) + (vnode.interleave_width is not None)
        if given != (1 if vnode.policy == "interleave" else 0):
            found.append("interleave takes a set of pnodes or a width, nothing else does")
    return found
