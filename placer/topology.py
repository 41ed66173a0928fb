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

VGA_HOLE: Final = (0xA0, 0xC0)
"""Guest frames of an HVM guest that the builder leaves out of vnode 0's memory."""

SPECIAL_PAGES: Final = 16
"""Pages that libxc gives an HVM guest for its device model; the VGA BIOS has as many."""

LOWEST_RESERVED: Final = 1 << 20
"""Entries of a host's memory map that begin here or below do not count (libxl_x86.c)."""

RAM: Final = 1
UNUSABLE: Final = 5
"""Types of a memory map's entries (E820_RAM, E820_UNUSABLE)."""

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

    @property
    def percpu_pages(self) -> int:
        """The pages that each CPU's area fills."""
        return -(-self.percpu_bytes // PAGE_BYTES)


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
        vnode_pages=domain.pages_with_addresses(placed.vnode_pages),
        ranges=vmemranges(domain, placed.vnode_pages, host.memory_map),
        distances=distances,
        vcpu_to_vnode=placed.vcpu_to_vnode,
        vnode_to_pnode=placed.home,
    )


def near_and_far(num_nodes: int) -> Ints:
    """Return the default distances: 10 on the diagonal, 20 elsewhere."""
    distances = np.full((num_nodes, num_nodes), REMOTE_DISTANCE, dtype=np.int64)
    np.fill_diagonal(distances, LOCAL_DISTANCE)
    return read_only(distances, ndim=2)


def vmemranges(
    domain: Domain, vnode_pages: Ints | None = None, memory_map: Ints | None = None
) -> Ints:
    """Return the guest address ranges of every vnode, shape (R, 3): (vnode, start, end).

    Bytes, half open, ascending. ``vnode_pages`` stands in for the domain's where the
    solver chose the vnodes. A PV guest has one range for each vnode, contiguous from
    0, an empty one for a vnode without memory. With ``e820_host`` it has the holes of the
    host's ``memory_map`` (rows of start, end, type), where that is known. HVM and PVH guests
    leave out the hole below 4 GiB; vnode 0 of an HVM guest gives up the video memory, as
    much of it as it has (libxl refuses a smaller vnode 0 when it creates the guest). What a
    balloon has given back keeps its addresses.
    """
    pages = domain.vnode_pages if vnode_pages is None else vnode_pages
    pages = domain.pages_with_addresses(pages)
    sizes = [count * PAGE_BYTES for count in pages.tolist()]
    if domain.type == "pv":
        if memory_map is None or not len(memory_map) or not has_host_map(domain):
            ends = np.cumsum(np.array(sizes, dtype=np.int64))
            ranges = np.stack([np.arange(len(sizes)), ends - np.array(sizes), ends], axis=1)
            return read_only(ranges, ndim=2)
        return _fill_ram(sizes, _ram_as_on_host(sum(sizes), memory_map))
    sizes[0] = max(sizes[0] - video_bytes(domain), 0)
    hole_start = FOUR_GIB - hole_bytes(domain)
    total = sum(sizes)
    low = min(total, hole_start)
    return _fill_ram(sizes, [(0, low), (FOUR_GIB, FOUR_GIB + total - low)])


def _fill_ram(sizes: list[int], ram: list[tuple[int, int]]) -> Ints:
    """Give the vnodes their bytes from the ``ram`` entries (start, end), in order."""
    rows = []
    entries = iter(ram)
    cursor, end = next(entries)
    for vnode, size in enumerate(sizes):
        left = size
        while left:
            if cursor == end:
                cursor, end = next(entries)
            part = min(left, end - cursor)
            rows.append((vnode, cursor, cursor + part))
            cursor += part
            left -= part
    return read_only(np.array(rows, dtype=np.int64).reshape(-1, 3), ndim=2)


def _ram_as_on_host(size: int, memory_map: Ints) -> list[tuple[int, int]]:
    """Return the RAM entries of a PV guest of ``size`` bytes with ``e820_host``.

    One from 0 to the first entry of the host that is no RAM; the rest goes to 4 GiB
    (e820_sanitize in libxl_x86.c; it means to put it above the host's last entry too, but the
    comparison there never says so, as Xen 4.17 was seen to do).
    """
    start, _, kind = memory_map.T
    reserved = (kind != RAM) & (kind != UNUSABLE) & (start > LOWEST_RESERVED)
    limit = int(start[reserved].min()) & -PAGE_BYTES if reserved.any() else size
    low = min(size, limit)
    return [(0, low), (FOUR_GIB, FOUR_GIB + size - low)]


def has_host_map(domain: Domain) -> bool:
    """Return whether a PV guest takes the holes of its host's memory map (``e820_host``)."""
    return domain.type == "pv" and bool(_number(dict(domain.extra).get("e820_host")))


def pages_without_address(domain: Domain, vnode_pages: Ints) -> tuple[int, int]:
    """Return the pages of an HVM guest that lie in no range: the builder's, the device model's.

    The first are populated with the guest's memory, the others when its device model starts:
    the video memory, where there is any, and the VGA BIOS. Together they make up for the VGA
    hole, so that the domain has its ``maxmem``; without video memory it has 16 pages less.
    Seen with Xen 4.17; docs/pages.md. A guest that ends in the hole has less of both.
    """
    sizes = domain.pages_with_addresses(vnode_pages)
    video = min(video_bytes(domain) // PAGE_BYTES, int(sizes[0]))
    inside = int(sizes.sum()) - video
    hole = min(max(inside - VGA_HOLE[0], 0), VGA_HOLE[1] - VGA_HOLE[0])
    special = min(hole, SPECIAL_PAGES)
    return special, video + (hole - special if video else 0)


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
    if value[:2].lower() in ("0b", "0o"):  # numbers to Python, not to xl
        return None
    try:
        return int(value, 8) if value.startswith("0") and value.isdigit() else int(value, 0)
    except ValueError:
        return None


@dataclass(frozen=True, eq=False, kw_only=True)
class GuestView:
    """The NUMA nodes of a guest. Shapes: K nodes, N vcpus, R memory ranges.

    - ``vnodes[k]``: the vnodes that node k stands for.
    - ``pages[k]``: their configured pages.
    - ``ranges[r] = (node, start, end)``: bytes, half open, ascending.
    - ``distances[i, j]``, ``vcpu_to_node[v]``.
    - ``has_distance_table``: whether the guest takes the virtual distances; else it
      uses 10 and 20.
    - ``warnings``: where the guest sees other than what was configured.
    """

    vnodes: tuple[tuple[int, ...], ...]
    pages: Ints
    ranges: Ints
    distances: Ints
    vcpu_to_node: Ints
    has_distance_table: bool = True
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("pages", "vcpu_to_node"):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        ranges = np.asarray(self.ranges, dtype=np.int64).reshape(-1, 3)
        object.__setattr__(self, "ranges", read_only(ranges, ndim=2))
        object.__setattr__(self, "distances", read_only(self.distances, ndim=2))

    @property
    def num_nodes(self) -> int:
        """How many nodes the guest has."""
        return len(self.vnodes)

    def vcpus_of(self, node: int) -> list[int]:
        """Return the vcpus of ``node``, ascending."""
        return [int(vcpu) for vcpu in np.flatnonzero(self.vcpu_to_node == node)]

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


def configured_view(topology: Topology) -> GuestView:
    """Return the topology as it is configured: node k is vnode k."""
    return GuestView(
        vnodes=tuple((vnode,) for vnode in range(topology.num_vnodes)),
        pages=topology.vnode_pages,
        ranges=topology.ranges,
        distances=topology.distances,
        vcpu_to_node=topology.vcpu_to_vnode,
        warnings=distance_warnings(topology),
    )


def guest_view(topology: Topology) -> GuestView:
    """Return the nodes as Linux in the guest numbers and takes them.

    PV: vnode order, but one node for all where there are more vnodes than vcpus,
    because the kernel's hook gives up then. HVM and PVH: in the order in which SRAT
    first names the vnodes, vcpus first; a vnode without vcpus and memory is not in it,
    and a SLIT that Linux does not trust is dropped whole.
    """
    warnings = [*distance_warnings(topology), *_size_warnings(topology)]
    if topology.type == "pv":
        if topology.num_vnodes > topology.num_vcpus:
            return _one_node(topology, warnings)
        wide = topology.distances > 0xFF
        distances = np.where(wide, near_and_far(topology.num_vnodes), topology.distances)
        np.fill_diagonal(distances, LOCAL_DISTANCE)
        order, accepted = list(range(topology.num_vnodes)), True
    else:
        seen = [*topology.vcpu_to_vnode.tolist(), *topology.ranges[:, 0].tolist()]
        order = list(dict.fromkeys(seen))
        slit = topology.distances & 0xFF
        accepted = _is_trusted(slit)
        distances = slit if accepted else near_and_far(topology.num_vnodes)
    node_of = np.full(topology.num_vnodes, -1, dtype=np.int64)
    node_of[order] = np.arange(len(order))
    ranges = topology.ranges.copy()
    ranges[:, 0] = node_of[ranges[:, 0]]
    return GuestView(
        vnodes=tuple((vnode,) for vnode in order),
        pages=topology.vnode_pages[order],
        ranges=ranges,
        distances=distances[np.ix_(order, order)],
        vcpu_to_node=node_of[topology.vcpu_to_vnode],
        has_distance_table=accepted,
        warnings=tuple(warnings),
    )


def distance_warnings(topology: Topology) -> tuple[str, ...]:
    """Return what a guest does not take as it stands in the virtual distances."""
    distances = topology.distances
    outside = ~np.eye(topology.num_vnodes, dtype=bool)
    found = []
    if (np.diagonal(distances) != LOCAL_DISTANCE).any():
        found.append("a distance of a vnode to itself is not 10")
    if (distances[outside] <= LOCAL_DISTANCE).any():
        found.append("a distance between two vnodes is 10 or less")
    if (distances > 254).any():
        found.append("a distance is above 254")
    effect = (
        "Linux sets such entries to its own 10 and 20"
        if topology.type == "pv"
        else "Linux drops a SLIT that it does not trust and uses 10 and 20"
    )
    warnings = [f"{fault}; {effect}" for fault in found]
    if topology.type == "pv" and (distances != distances.T).any():
        warnings.append(
            "the distances are not symmetric; the PV kernel of November 2013 reads the table "
            "by columns and sees its transpose"
        )
    return tuple(warnings)


def _is_trusted(slit: Ints) -> bool:
    """Return whether Linux takes ``slit`` (drivers/acpi/numa.c, slit_valid)."""
    outside = ~np.eye(len(slit), dtype=bool)
    local = bool((np.diagonal(slit) == LOCAL_DISTANCE).all())
    return local and bool((slit[outside] > LOCAL_DISTANCE).all())


def _size_warnings(topology: Topology) -> list[str]:
    pages = topology.vnode_pages
    return [
        f"vnode {vnode} has less than 32 MiB; older Linux kernels leave such a node out"
        for vnode in np.flatnonzero((pages > 0) & (pages < 32 * PAGES_PER_MIB)).tolist()
    ]


def _one_node(topology: Topology, warnings: list[str]) -> GuestView:
    """Return the dummy node that a PV kernel makes where it gives up on vNUMA."""
    warnings = [
        *warnings,
        f"{topology.num_vnodes} vnodes and {topology.num_vcpus} vcpus: a PV kernel takes one node "
        "for all where there are more vnodes than vcpus",
    ]
    return GuestView(
        vnodes=(tuple(range(topology.num_vnodes)),),
        pages=np.array([topology.vnode_pages.sum()]),
        ranges=np.array([(0, 0, topology.ranges[-1, 2])]),
        distances=near_and_far(1),
        vcpu_to_node=np.zeros(topology.num_vcpus, dtype=np.int64),
        has_distance_table=False,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One memory zone of one node, in pages, and the batch of its per-CPU lists."""

    node: int
    name: str
    spanned_pages: int
    present_pages: int
    memmap_pages: int
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PerCpu:
    """The layout of the per-CPU areas: bytes of a unit, and the CPUs of each group."""

    unit_bytes: int
    groups: tuple[tuple[int, ...], ...]


def initmem_ranges(view: GuestView) -> Ints:
    """Return the span of each node with memory, shape (K', 3): (node, start, end)."""
    return _spans(view.ranges)


def early_ranges(view: GuestView) -> Ints:
    """Return a PV guest's usable RAM by node, shape (E, 3): (node, start, end), in bytes.

    Frame 0 and the ISA hole from 640 KiB to 1 MiB are left out.
    """
    rows = []
    for node, start, end in view.ranges.tolist():
        for low, high in ((PAGE_BYTES, ISA_START), (ISA_END, max(end, ISA_END))):
            if max(start, low) < min(end, high):
                rows.append((node, max(start, low), min(end, high)))
    return read_only(np.array(rows, dtype=np.int64).reshape(-1, 3), ndim=2)


def _spans(ranges: Ints) -> Ints:
    """Return (node, least start, greatest end) of each node, empty ranges left out."""
    rows = []
    for node in np.unique(ranges[:, 0]).tolist():
        mine = ranges[(ranges[:, 0] == node) & (ranges[:, 1] < ranges[:, 2])]
        if len(mine):
            rows.append((node, int(mine[:, 1].min()), int(mine[:, 2].max())))
    return read_only(np.array(rows, dtype=np.int64).reshape(-1, 3), ndim=2)


def zone_ranges(view: GuestView) -> Ints:
    """Return the (start, end) of DMA, DMA32 and Normal in a PV guest, shape (3, 2), in bytes.

    Normal is empty where no memory lies above 4 GiB.
    """
    top = max(FOUR_GIB, int(view.ranges[:, 2].max()))
    return read_only([(PAGE_BYTES, DMA_END), (DMA_END, FOUR_GIB), (FOUR_GIB, top)], ndim=2)


def total_pages(view: GuestView) -> Ints:
    """Return the usable pages of each node of a PV guest."""
    early = early_ranges(view)
    totals = np.zeros(view.num_nodes, dtype=np.int64)
    np.add.at(totals, early[:, 0], (early[:, 2] - early[:, 1]) // PAGE_BYTES)
    return totals


def zones(view: GuestView, kernel: GuestKernel) -> tuple[Zone, ...]:
    """Return the zones of every node of a PV guest, by node and address."""
    early = early_ranges(view)
    found = []
    for node, node_start, node_end in _spans(early).tolist():
        mine = early[early[:, 0] == node]
        for name, (low, high) in zip(ZONES, zone_ranges(view).tolist(), strict=True):
            spanned = (min(node_end, high) - max(node_start, low)) // PAGE_BYTES
            if spanned <= 0:
                continue
            inside = np.minimum(mine[:, 2], high) - np.maximum(mine[:, 1], low)
            present = int(np.maximum(inside, 0).sum()) // PAGE_BYTES
            memmap = memmap_pages(spanned, present, kernel.struct_page_bytes)
            found.append(
                Zone(
                    node=node,
                    name=name,
                    spanned_pages=spanned,
                    present_pages=present,
                    memmap_pages=memmap,
                    batch=batch_pages(max(present - memmap, 0)),
                )
            )
    return tuple(found)


def memmap_pages(spanned_pages: int, present_pages: int, struct_page_bytes: int) -> int:
    """Return the pages that a zone's ``struct page`` array fills (calc_memmap_size)."""
    sparse = spanned_pages > present_pages + (present_pages >> 4)
    pages = present_pages if sparse else spanned_pages
    return -(-pages * struct_page_bytes // PAGE_BYTES)


def batch_pages(managed_pages: int) -> int:
    """Return the batch of a zone's per-CPU lists (zone_batchsize of Linux 3.12)."""
    batch = max(min(managed_pages // 1024, MOST_BATCH_PAGES) // 4, 1)
    return (1 << ((batch + batch // 2).bit_length() - 1)) - 1


def pci_gap(view: GuestView) -> tuple[int, int] | None:
    """Return the (start, end) that a PV guest keeps for PCI, in bytes, half open.

    Only where its RAM leaves no hole of 4 MiB below 4 GiB; None elsewhere, because
    the hole depends on the memory map that the toolstack gives it.
    """
    top = int(view.ranges[:, 2].max())
    if top <= FOUR_GIB - PCI_GAP_BYTES:
        return None
    return top + MIB, top + MIB + PCI_GAP_BYTES


def per_cpu(view: GuestView, kernel: GuestKernel) -> PerCpu:
    """Return how Linux lays out the per-CPU areas (pcpu_build_alloc_info).

    A group is the CPUs of one node, in the order of their first CPU. A unit is the
    share of an allocation that wastes no more than a third of a unit for each CPU.
    """
    by_node: dict[int, list[int]] = {}
    for vcpu, node in enumerate(view.vcpu_to_node.tolist()):
        by_node.setdefault(node, []).append(vcpu)
    groups = tuple(tuple(vcpus) for vcpus in by_node.values())
    least = max(kernel.percpu_pages * PAGE_BYTES, 32 * 1024)
    atom = kernel.percpu_atom_bytes
    allocation = -(-least // atom) * atom
    best, fewest = 1, None
    for units in range(allocation // least, 0, -1):
        if allocation % units or allocation // units % PAGE_BYTES:
            continue
        per_group = [-(-len(group) // units) for group in groups]
        wasted = sum(per_group) * units - view.vcpu_to_node.size
        if wasted > view.vcpu_to_node.size // 3:
            continue
        if fewest is not None and sum(per_group) > fewest:
            break
        best, fewest = units, sum(per_group)
    return PerCpu(unit_bytes=allocation // best, groups=groups)
