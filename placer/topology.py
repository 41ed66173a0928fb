"""A placed domain as Xen describes it, and as Linux in the guest sees it.

Sources of the rules: Xen's tools/libs/light (libxl_vnuma.c, libxl_x86.c, libxl_dom.c,
libxl_create.c) for memory ranges, tools/libacpi/build.c for SRAT and SLIT, and Linux
3.12 for what a guest derives from them (arch/x86/mm/numa.c, arch/x86/kernel/e820.c,
mm/page_alloc.c, mm/percpu.c). docs/formats.md says what cannot be derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from placer.arrays import Ints, read_only, same_fields
from placer.domain import Domain, DomainType
from placer.placement import PlacedDomain
from placer.problem import Problem
from placer.units import LOCAL_DISTANCE, PAGE_BYTES, PAGES_PER_MIB, REMOTE_DISTANCE

MIB: Final = PAGES_PER_MIB * PAGE_BYTES
FOUR_GIB: Final = 1 << 32
HVM_HOLE_BYTES: Final = 256 * MIB
"""HVM_BELOW_4G_MMIO_LENGTH (xen/include/public/hvm/e820.h): the least MMIO hole of an HVM guest."""

HVM_HOLE_MOST_MIB: Final = 3840
PVH_HOLE_BYTES: Final = 64 * MIB
VIDEO_MIB: Final[dict[str, int]] = {"cirrus": 8, "stdvga": 16, "qxl": 128, "none": 0}
"""Video memory by ``vga``, with upstream QEMU (libxl_create.c)."""

ISA_START: Final = 0xA0000
ISA_END: Final = 0x100000
DMA_END: Final = 16 * MIB
PCI_GAP_BYTES: Final = 4 * MIB
ZONES: Final = ("DMA", "DMA32", "Normal")
MOST_BATCH_PAGES: Final = 512 * 1024 // PAGE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestKernel:
    """What the derived figures take from the guest's kernel, in bytes.

    The defaults are those of the kernel whose boot messages the vNUMA posting of
    November 2013 shows; a Linux of today has a ``struct page`` of 64 bytes.
    """

    struct_page_bytes: int = 56
    nr_cpus: int = 512
    percpu_static_bytes: int = 85376
    percpu_reserved_bytes: int = 8192
    percpu_dynamic_bytes: int = 21120
    percpu_atom_bytes: int = 2 * MIB

    @property
    def percpu_bytes(self) -> int:
        """The bytes that each CPU's area needs."""
        return self.percpu_static_bytes + self.percpu_reserved_bytes + self.percpu_dynamic_bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class Topology:
    """The virtual topology of one placed domain.

    Shapes: V vnodes, N vcpus, R memory ranges. All arrays are int64 and read-only.

    - ``vnode_pages[i]``: the configured pages of vnode i.
    - ``ranges[r] = (vnode, start, end)``: guest addresses in bytes, half open, ascending.
    - ``distances[i, j]``: the virtual SLIT figure from vnode i to vnode j.
    - ``vcpu_to_vnode[v]``; ``vnode_to_pnode[i]``: the home pnode.
    """

    domain: str
    type: DomainType
    vnode_pages: Ints
    ranges: Ints
    distances: Ints
    vcpu_to_vnode: Ints
    vnode_to_pnode: Ints

    def __post_init__(self) -> None:
        for name in ("vnode_pages", "vcpu_to_vnode", "vnode_to_pnode"):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        ranges = np.asarray(self.ranges, dtype=np.int64).reshape(-1, 3)
        object.__setattr__(self, "ranges", read_only(ranges, ndim=2))
        object.__setattr__(self, "distances", read_only(self.distances, ndim=2))

    @property
    def num_vnodes(self) -> int:
        """How many vnodes there are."""
        return len(self.vnode_pages)

    @property
    def num_vcpus(self) -> int:
        """How many vcpus there are."""
        return len(self.vcpu_to_vnode)

    def vcpus_of(self, vnode: int) -> list[int]:
        """Return the vcpus of ``vnode``, ascending."""
        return [int(vcpu) for vcpu in np.flatnonzero(self.vcpu_to_vnode == vnode)]

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


def topology_of(problem: Problem, placed: PlacedDomain) -> Topology:
    """Return the virtual topology that ``placed`` gives its domain.

    Distances that follow the pnodes are those between the home pnodes chosen. Raises
    KeyError where the domain or its host is not the problem's.
    """
    domain = problem.domains[problem.domain_index[placed.domain]]
    host = problem.hosts[problem.host_index[placed.host]]
    if domain.auto_distances:
        distances = host.distances[np.ix_(placed.home, placed.home)]
    elif domain.num_vnodes == placed.num_vnodes:
        distances = domain.distances
    else:
        distances = near_and_far(placed.num_vnodes)
    return Topology(
        domain=domain.name,
        type=domain.type,
        vnode_pages=placed.vnode_pages,
        ranges=vmemranges(domain, placed.vnode_pages),
        distances=distances,
        vcpu_to_vnode=placed.vcpu_to_vnode,
        vnode_to_pnode=placed.home,
    )


def near_and_far(num_nodes: int) -> Ints:
    """Return the default distances: 10 on the diagonal, 20 elsewhere."""
    distances = np.full((num_nodes, num_nodes), REMOTE_DISTANCE, dtype=np.int64)
    np.fill_diagonal(distances, LOCAL_DISTANCE)
    return read_only(distances, ndim=2)


def vmemranges(domain: Domain, vnode_pages: Ints | None = None) -> Ints:
    """Return the guest address ranges of every vnode, shape (R, 3): (vnode, start, end).

    Bytes, half open, ascending. ``vnode_pages`` stands in for the domain's where the
    solver chose the vnodes. A PV guest has one range for each vnode, contiguous from
    0, an empty one for a vnode without memory (``e820_host`` is not followed: it
    depends on the host's memory map). HVM and PVH guests leave out the hole below
    4 GiB; vnode 0 of an HVM guest gives up the video memory, as much of it as it
    has (libxl refuses a smaller vnode 0 when it creates the guest).
    """
    pages = domain.vnode_pages if vnode_pages is None else vnode_pages
    sizes = [count * PAGE_BYTES for count in pages.tolist()]
    if domain.type == "pv":
        ends = np.cumsum(np.array(sizes, dtype=np.int64))
        ranges = np.stack([np.arange(len(sizes)), ends - np.array(sizes), ends], axis=1)
        return read_only(ranges, ndim=2)
    sizes[0] = max(sizes[0] - video_bytes(domain), 0)
    hole_start = FOUR_GIB - hole_bytes(domain)
    rows, cursor = [], 0
    for vnode, size in enumerate(sizes):
        left = size
        while left:
            if cursor == hole_start:
                cursor = FOUR_GIB
            part = min(left, hole_start - cursor) if cursor < hole_start else left
            rows.append((vnode, cursor, cursor + part))
            cursor += part
            left -= part
    return read_only(np.array(rows, dtype=np.int64).reshape(-1, 3), ndim=2)


def video_bytes(domain: Domain) -> int:
    """Return the video memory that is taken out of vnode 0; 0 for PV and PVH."""
    if domain.type != "hvm":
        return 0
    given = dict(domain.extra)
    video_mib = _number(given.get("videoram"))
    if video_mib is not None:
        return video_mib * MIB
    kind = given.get("vga")
    if kind is None and _number(given.get("stdvga")):
        kind = "stdvga"
    known = kind if isinstance(kind, str) and kind in VIDEO_MIB else "cirrus"
    return VIDEO_MIB[known] * MIB


def hole_bytes(domain: Domain) -> int:
    """Return the size of the hole that ends at 4 GiB in an HVM or PVH guest.

    ``mmio_hole`` (MB) counts where it is larger than the least hole and xl takes it.
    """
    if domain.type == "pvh":
        return PVH_HOLE_BYTES
    wanted = _number(dict(domain.extra).get("mmio_hole"))
    if wanted is None or wanted > HVM_HOLE_MOST_MIB:
        return HVM_HOLE_BYTES
    return max(HVM_HOLE_BYTES, wanted * MIB)


def _number(value: Any) -> int | None:
    """Return a number of xl.cfg (decimal, hexadecimal or octal), None for anything else."""
    if isinstance(value, int):
        return int(value) if value >= 0 else None
    if not isinstance(value, str) or not value.isascii() or not value.isalnum():
        return None
    try:
        return int(value, 8) if value.startswith("0") and value.isdigit() else int(value, 0)
    except ValueError:
        return None
