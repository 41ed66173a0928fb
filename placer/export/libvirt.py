"""A libvirt domain for QEMU and KVM (libvirt's formatdomain)."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from placer.cpulist import format_ranges
from placer.domain import Domain, VnodeMemory
from placer.errors import RefusedError
from placer.export.placed import (
    balloon_warnings,
    find_placed,
    node_id,
    pcpus_for,
    unsaid,
)
from placer.export.rendered import ExportOptions, Rendered
from placer.export.sockets import vcpus_per_socket
from placer.export.xml_text import add, format_xml
from placer.host import Host
from placer.placement import PlacedDomain
from placer.run import Run
from placer.topology import Topology, topology_of
from placer.units import LOCAL_DISTANCE, PAGE_KIB, UNREACHABLE

MODES: Final = {
    "strict": "strict",
    "preferred": "preferred",
    "interleave": "interleave",
    "ballooned": "preferred",
}
_CARRIED: Final = ("dedicated", "hard_affinity", "memory", "page_order")


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the domain's XML: cells, distances, memory tied to nodes, vcpus tied to cpus.

    It has no devices: they are for the operator to add. Raises RefusedError for a name that
    XML or libvirt cannot say.
    """
    given, placed = find_placed(run, domain)
    topology = topology_of(run.problem, placed)
    host = run.host(placed.host)
    if "/" in given.name or "\n" in given.name or not given.name.strip():
        raise RefusedError(f"domain {given.name!r}: libvirt takes no such name")
    root = Element("domain", {"type": "kvm"})
    add(root, "name", given.name)
    total_kib = int(topology.vnode_pages.sum()) * PAGE_KIB
    add(root, "memory", total_kib, unit="KiB")
    add(root, "currentMemory", given.memory_pages * PAGE_KIB, unit="KiB")
    _add_backing(root, given, topology)
    add(root, "vcpu", given.num_vcpus, placement="static")
    _add_pins(root, run, placed)
    _add_numatune(root, given, placed, host)
    os = add(root, "os")
    add(os, "type", "hvm", arch="x86_64", machine="q35")
    features = add(root, "features")
    add(features, "acpi")
    add(features, "apic")
    warnings = [*_add_cpu(root, topology), *_spilled(given, placed), *balloon_warnings(given)]
    if not topology.vnode_pages.all():
        warnings.append(
            "a vnode without memory: libvirt defines the domain, but QEMU does not take the memory "
            "of size 0 that libvirt gives it"
        )
    if given.type != "hvm":
        warnings.append(f"planned as a {given.type} guest of Xen, written as one of QEMU")
    warnings += unsaid(given, *_CARRIED)
    return Rendered(text=format_xml(root), warnings=tuple(warnings))


def _add_backing(root: Element, domain: Domain, topology: Topology) -> None:
    """Add the huge pages that vnodes want; one that wants none has ordinary pages."""
    orders = dict(enumerate(_orders(domain, topology)))
    if not any(orders.values()):
        return
    pages = add(add(root, "memoryBacking"), "hugepages")
    for order in sorted({order for order in orders.values() if order}):
        vnodes = [vnode for vnode, own in orders.items() if own == order]
        add(pages, "page", size=PAGE_KIB << order, unit="KiB", nodeset=format_ranges(vnodes))


def _orders(domain: Domain, topology: Topology) -> list[int]:
    orders: list[int] = domain.page_order.tolist()
    return orders if len(orders) == topology.num_vnodes else orders[:1] * topology.num_vnodes


def memory_of(domain: Domain, vnode: int) -> VnodeMemory:
    """Return how the memory of a vnode may lie, also where the solver chose the vnodes."""
    return domain.memory[vnode] if vnode < len(domain.memory) else domain.memory[0]


def _add_pins(root: Element, run: Run, placed: PlacedDomain) -> None:
    tune = add(root, "cputune")
    pcpus = pcpus_for(run, placed)
    for vcpu, own in enumerate(pcpus):
        add(tune, "vcpupin", vcpu=vcpu, cpuset=format_ranges(own))
    every = sorted({pcpu for own in pcpus for pcpu in own})
    add(tune, "emulatorpin", cpuset=format_ranges(every))


def nodes_of(domain: Domain, placed: PlacedDomain, host: Host, vnode: int) -> list[int]:
    """Return the host's nodes that a vnode's memory is tied to, by their own numbers."""
    home = int(placed.home[vnode])
    if memory_of(domain, vnode).policy != "interleave":
        return [node_id(host, home)]
    used = [pnode for pnode, pages in enumerate(placed.pages[vnode].tolist()) if pages]
    return [node_id(host, pnode) for pnode in used or [home]]


def _add_numatune(root: Element, domain: Domain, placed: PlacedDomain, host: Host) -> None:
    tune = add(root, "numatune")
    tied = [nodes_of(domain, placed, host, vnode) for vnode in range(placed.num_vnodes)]
    every = sorted({node for nodes in tied for node in nodes})
    modes = [MODES[memory_of(domain, vnode).policy] for vnode in range(placed.num_vnodes)]
    # libvirt takes one node for the mode preferred.
    overall = "strict" if "preferred" not in modes else "preferred"
    add(
        tune,
        "memory",
        mode=overall,
        nodeset=format_ranges(every if overall == "strict" else tied[0]),
    )
    for vnode, (mode, nodes) in enumerate(zip(modes, tied, strict=True)):
        add(tune, "memnode", cellid=vnode, mode=mode, nodeset=format_ranges(nodes))


def _add_cpu(root: Element, topology: Topology) -> list[str]:
    """Add the cpu with its sockets and cells; return warnings of what cannot be said there."""
    cores = vcpus_per_socket(topology.vcpu_to_vnode)
    cpu = add(root, "cpu", mode="host-passthrough")
    sockets = topology.num_vcpus // cores
    add(cpu, "topology", sockets=sockets, dies=1, cores=cores, threads=1)
    numa = add(cpu, "numa")
    said = distances_of(topology) if topology.num_vnodes > 1 else None
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        vcpus = topology.vcpus_of(vnode)
        cell = add(numa, "cell", id=vnode)
        if vcpus:
            cell.set("cpus", format_ranges(vcpus))
        cell.set("memory", str(pages * PAGE_KIB))
        cell.set("unit", "KiB")
        if said is not None:
            distances = add(cell, "distances")
            for other, value in enumerate(said[vnode]):
                add(distances, "sibling", id=other, value=value)
    if said is not None or topology.num_vnodes == 1:
        return []
    return [
        "libvirt and QEMU take distances of 10 for a vnode to itself and 11 to 255 between two: "
        "all are left out"
    ]


def distances_of(topology: Topology) -> list[list[int]] | None:
    """Return the distances where libvirt and QEMU take them, else None."""
    rows: list[list[int]] = topology.distances.tolist()
    for vnode, row in enumerate(rows):
        for other, value in enumerate(row):
            least = LOCAL_DISTANCE if vnode == other else LOCAL_DISTANCE + 1
            if not least <= value <= (least if vnode == other else UNREACHABLE):
                return None
    return rows


def _spilled(domain: Domain, placed: PlacedDomain) -> list[str]:
    """Warn of vnodes whose pages lie where the kernel alone will decide."""
    spilled = [
        vnode
        for vnode, pages in enumerate(placed.pages.tolist())
        if sum(1 for count in pages if count) > 1
        and memory_of(domain, vnode).policy in ("preferred", "ballooned")
    ]
    if not spilled:
        return []
    return [
        f"the memory of vnodes {format_ranges(spilled)} is planned on several pnodes; here the "
        "first is preferred, and the host's kernel takes the others as it likes"
    ]
