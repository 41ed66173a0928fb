"""The memory, vcpus and NUMA nodes of a guest as arguments of QEMU (qemu-system-x86_64(1))."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from placer.cpulist import format_ranges
from placer.export.libvirt import distances_of, memory_of, nodes_of
from placer.export.placed import balloon_warnings, find_placed, unsaid
from placer.export.rendered import ExportOptions, Rendered
from placer.export.sockets import vcpus_per_socket
from placer.run import Run
from placer.topology import Topology, topology_of
from placer.units import ORDER_1GIB, ORDER_2MIB, PAGE_KIB

POLICIES: Final = {
    "strict": "bind",
    "preferred": "preferred",
    "interleave": "interleave",
    "ballooned": "preferred",
}
_HUGE: Final = {ORDER_2MIB: "2M", ORDER_1GIB: "1G"}
_CARRIED: Final = ("memory", "page_order")


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return one line of arguments, quoted for a shell.

    -name, -m, -smp, a memory backend for each vnode with memory, tied to nodes of the host,
    and -numa nodes, cpus and distances. QEMU does not pin vcpus: that is said in a warning.
    """
    given, placed = find_placed(run, domain)
    topology = topology_of(run.problem, placed)
    host = run.host(placed.host)
    arguments = ["-name", "guest=" + given.name.replace(",", ",,")]
    arguments += ["-m", _size(int(topology.vnode_pages.sum()))]
    arguments += list(_smp(topology))
    backends = {}
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        if not pages:
            continue
        backends[vnode] = f"ram-node{vnode}"
        order = int(given.page_order[vnode if vnode < given.num_vnodes else 0])
        kind = (
            f"memory-backend-memfd,hugetlb=on,hugetlbsize={_HUGE[order]}"
            if order
            else ("memory-backend-ram")
        )
        nodes = format_ranges(nodes_of(given, placed, host, vnode)).replace(",", ",host-nodes=")
        policy = POLICIES[memory_of(given, vnode).policy]
        arguments += [
            "-object",
            f"{kind},id={backends[vnode]},size={_size(pages)},host-nodes={nodes},policy={policy}",
        ]
    arguments += list(_numa(topology, backends))
    warnings = list(balloon_warnings(given))
    if topology.num_vnodes > 1 and distances_of(topology) is None:
        warnings.append(
            "QEMU takes distances of 10 for a vnode to itself and 11 to 255 between two: all are "
            "left out"
        )
    warnings.append("QEMU's arguments pin no vcpu: that is for taskset(1) or libvirt")
    warnings += unsaid(given, *_CARRIED)
    line = " ".join(map(shlex.quote, arguments)) + "\n"
    return Rendered(text=line, warnings=tuple(warnings))


def _size(pages: int) -> str:
    kib = pages * PAGE_KIB
    return f"{kib}K" if kib % 1024 else f"{kib // 1024}M"


def _smp(topology: Topology) -> Iterator[str]:
    cores = vcpus_per_socket(topology.vcpu_to_vnode)
    sockets = topology.num_vcpus // cores
    yield "-smp"
    yield f"{topology.num_vcpus},sockets={sockets},cores={cores},threads=1"


def _numa(topology: Topology, backends: dict[int, str]) -> Iterator[str]:
    for vnode in range(topology.num_vnodes):
        memdev = f",memdev={backends[vnode]}" if vnode in backends else ""
        yield "-numa"
        yield f"node,nodeid={vnode}{memdev}"
    cores = vcpus_per_socket(topology.vcpu_to_vnode)
    for socket, vnode in enumerate(topology.vcpu_to_vnode.tolist()[::cores]):
        yield "-numa"
        yield f"cpu,node-id={vnode},socket-id={socket}"
    said = distances_of(topology) if topology.num_vnodes > 1 else None
    for vnode, row in enumerate(said or []):
        for other, value in enumerate(row):
            if other != vnode:
                yield "-numa"
                yield f"dist,src={vnode},dst={other},val={value}"
