"""Lines of a Proxmox VE configuration, /etc/pve/qemu-server/VMID.conf (qm.conf(5)).

Written from its documentation; no file of a real installation is at hand.
"""

from __future__ import annotations

import re
from typing import Final

from placer.cpulist import format_ranges
from placer.export.libvirt import memory_of, nodes_of
from placer.export.placed import find_placed, odd_sizes, pcpus_for, refuse, unsaid
from placer.export.qemu import POLICIES
from placer.export.rendered import ExportOptions, Rendered
from placer.export.sockets import vcpus_per_socket
from placer.run import Run
from placer.topology import Topology, topology_of
from placer.units import ORDER_2MIB, mib_from_pages

MOST_NODES: Final = 8
_NAME: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?", re.A)
_CARRIED: Final = ("memory", "page_order")


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return name, sockets, cores, memory, NUMA nodes and the affinity of the whole guest.

    Raises RefusedError for more than 8 vnodes, sizes that are no whole MiB, a vnode without
    memory or vcpus, and vnodes of several page sizes.
    """
    given, placed = find_placed(run, domain)
    topology = topology_of(run.problem, placed)
    host = run.host(placed.host)
    orders = sorted(set(given.page_order.tolist()))
    reasons = [*odd_sizes(topology), *_reasons(topology)]
    if len(orders) > 1:
        reasons.append("vnodes want several page sizes, and a guest has one")
    refuse(given, reasons)
    warnings = []
    lines = []
    if _NAME.fullmatch(given.name):
        lines.append(f"name: {given.name}")
    else:
        warnings.append(f"{given.name!r} is no DNS name, and Proxmox takes no other: left out")
    cores = vcpus_per_socket(topology.vcpu_to_vnode)
    lines += [
        f"sockets: {topology.num_vcpus // cores}",
        f"cores: {cores}",
        f"memory: {mib_from_pages(int(topology.vnode_pages.sum()))}",
        "numa: 1",
    ]
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        nodes = format_ranges(nodes_of(given, placed, host, vnode)).replace(",", ";")
        vcpus = format_ranges(topology.vcpus_of(vnode)).replace(",", ";")
        policy = POLICIES[memory_of(given, vnode).policy]
        lines.append(
            f"numa{vnode}: cpus={vcpus},hostnodes={nodes},memory={mib_from_pages(pages)},"
            f"policy={policy}"
        )
    if orders[0]:
        lines.append(f"hugepages: {2 if orders[0] == ORDER_2MIB else 1024}")
    every = sorted({pcpu for own in pcpus_for(run, placed) for pcpu in own})
    lines.append(f"affinity: {format_ranges(every)}")
    if topology.num_vnodes > 1:
        warnings.append("Proxmox knows no distances: the guest sees 10 and 20")
    warnings.append(
        "affinity is one set of cpus for the whole guest: which vcpu runs on which pnode is not "
        "said"
    )
    warnings += unsaid(given, *_CARRIED)
    return Rendered(text="".join(f"{line}\n" for line in lines), warnings=tuple(warnings))


def _reasons(topology: Topology) -> list[str]:
    reasons = []
    if topology.num_vnodes > MOST_NODES:
        reasons.append(f"{topology.num_vnodes} vnodes, and Proxmox takes {MOST_NODES} at most")
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        if not pages or not topology.vcpus_of(vnode):
            what = "vcpu" if pages else "memory"
            reasons.append(f"vnode {vnode} has no {what}, and Proxmox takes no such node")
    return reasons
