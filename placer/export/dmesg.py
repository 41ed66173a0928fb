"""The lines of a guest's boot messages that follow from its virtual topology."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from placer.errors import RefusedError
from placer.export.placed import find_placed
from placer.export.rendered import ExportOptions, Rendered
from placer.run import Run
from placer.topology import (
    ISA_END,
    ISA_START,
    ZONES,
    GuestKernel,
    GuestView,
    Topology,
    early_ranges,
    guest_view,
    initmem_ranges,
    pci_gap,
    per_cpu,
    topology_of,
    total_pages,
    zone_ranges,
    zones,
)

PREFIX: Final = "[    0.000000] "
MOST_HVM_VCPUS: Final = 128
"""HVM_MAX_VCPUS (xen/include/public/hvm/hvm_info_table.h)."""


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the derivable boot messages of the guest, in the order in which Linux prints.

    PV: those of the kernel of November 2013 (`GuestKernel`). HVM and PVH: the SRAT and
    the counts alone, since their memory map is the firmware's. Raises RefusedError
    where there are more vcpus than the kernel or the guest's type takes.
    """
    given, placed = find_placed(run, domain)
    topology, kernel = topology_of(run.problem, placed), GuestKernel()
    most = kernel.nr_cpus if given.type == "pv" else MOST_HVM_VCPUS
    if topology.num_vcpus > most:
        raise RefusedError(
            f"domain {given.name!r} has {topology.num_vcpus} vcpus, and the kernel of these "
            f"messages takes {most} in a {given.type} guest"
        )
    view = guest_view(topology)
    lines = _pv_lines(view, kernel) if given.type == "pv" else _srat_lines(topology, view)
    text = "".join(f"{PREFIX}{line}\n" for line in lines)
    return Rendered(text=text, warnings=view.warnings)


def _pv_lines(view: GuestView, kernel: GuestKernel) -> Iterator[str]:
    yield from _distance_lines(view)
    for node, start, end in initmem_ranges(view).tolist():
        yield f"Initmem setup node {node} {_mem(start, end)}"
    yield from _zone_lines(view, kernel)
    num_vcpus = view.vcpu_to_node.size
    yield f"smpboot: Allowing {num_vcpus} CPUs, 0 hotplug CPUs"
    yield f"PM: Registered nosave memory: {_mem(ISA_START, ISA_END)}"
    gap = pci_gap(view)
    if gap is not None:
        yield "e820: cannot find a gap in the 32bit address range"
        yield "e820: PCI devices with unassigned 32bit BARs may break!"
        yield f"e820: {_mem(*gap)} available for PCI devices"
    yield (
        f"setup_percpu: NR_CPUS:{kernel.nr_cpus} nr_cpumask_bits:{kernel.nr_cpus} "
        f"nr_cpu_ids:{num_vcpus} nr_node_ids:{view.num_nodes}"
    )
    yield from _per_cpu_lines(view, kernel)


def _distance_lines(view: GuestView) -> Iterator[str]:
    """Of one node it cannot be told whether the guest has vNUMA, and so a table, at all."""
    if view.has_distance_table and view.num_nodes > 1:
        yield f"NUMA: Initialized distance table, cnt={view.num_nodes}"


def _zone_lines(view: GuestView, kernel: GuestKernel) -> Iterator[str]:
    yield "Zone ranges:"
    for name, (start, end) in zip(ZONES, zone_ranges(view).tolist(), strict=True):
        yield f"  {name:<8} {_mem(start, end) if start < end else 'empty'}"
    yield "Movable zone start for each node"
    yield "Early memory node ranges"
    for node, start, end in early_ranges(view).tolist():
        yield f"  node {node:>3}: {_mem(start, end)}"
    found = zones(view, kernel)
    for node, pages in enumerate(total_pages(view).tolist()):
        if not pages:
            continue
        yield f"On node {node} totalpages: {pages}"
        for zone in (zone for zone in found if zone.node == node):
            yield f"  {zone.name} zone: {zone.memmap_pages} pages used for memmap"
            yield f"  {zone.name} zone: {zone.present_pages} pages, LIFO batch:{zone.batch}"


def _per_cpu_lines(view: GuestView, kernel: GuestKernel) -> Iterator[str]:
    """Lay out the groups as pcpu_dump_alloc_info does, blanks at line ends included."""
    layout = per_cpu(view, kernel)
    atom, unit = kernel.percpu_atom_bytes, layout.unit_bytes
    sizes = (
        f"s{kernel.percpu_static_bytes} r{kernel.percpu_reserved_bytes} "
        f"d{kernel.percpu_dynamic_bytes} u{unit}"
    )
    allocation = -(-kernel.percpu_bytes // atom) * atom
    yield f"PERCPU: Embedded {kernel.percpu_pages} pages/cpu {sizes}"
    yield f"pcpu-alloc: {sizes} alloc={allocation // atom}*{atom}"
    units = allocation // unit
    group_width = len(str(len(layout.groups)))
    cpu_width = len(str(view.vcpu_to_node.size))
    width = units * (cpu_width + 1) + group_width + 3
    per_line = 1 << (max(60 // width, 1).bit_length() - 1)
    parts = []
    for group, vcpus in enumerate(layout.groups):
        for first in range(0, len(vcpus), units):
            names = [f"{vcpu:0{cpu_width}}" for vcpu in vcpus[first : first + units]]
            names += ["-" * min(cpu_width, 8)] * (units - len(names))
            parts.append(f"[{group:0{group_width}}] " + "".join(f"{name} " for name in names))
    for first in range(0, len(parts), per_line):
        yield "pcpu-alloc: " + "".join(parts[first : first + per_line])


def _srat_lines(topology: Topology, view: GuestView) -> Iterator[str]:
    """The SRAT in the words of Linux 6.1; the domain of an entry is the vnode."""
    for vcpu, vnode in enumerate(topology.vcpu_to_vnode.tolist()):
        yield f"SRAT: PXM {vnode} -> APIC 0x{2 * vcpu:02x} -> Node {view.vcpu_to_node[vcpu]}"
    for node, start, end in view.ranges.tolist():
        yield f"ACPI: SRAT: Node {node} PXM {view.vnodes[node][0]} {_mem(start, end)}"
    yield from _distance_lines(view)
    yield f"setup_percpu: nr_cpu_ids:{topology.num_vcpus} nr_node_ids:{view.num_nodes}"


def _mem(start: int, end: int) -> str:
    """Return a half open range of bytes as Linux prints it, end included."""
    return f"[mem {start:#010x}-{end - 1:#010x}]"
