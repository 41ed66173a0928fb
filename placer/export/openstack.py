"""An OpenStack flavor with the extra specs of the vnodes, and the instance's NUMA topology.

Nova's documentation: admin/cpu-topologies, configuration/extra-specs; objects/instance_numa.py.
No output of a real deployment is at hand.
"""

from __future__ import annotations

from typing import Any

from placer.cpulist import format_ranges
from placer.domain import Domain
from placer.export.placed import (
    find_placed,
    node_id,
    odd_sizes,
    refuse,
    spilled_vnodes,
    unsaid,
)
from placer.export.rendered import ExportOptions, Rendered
from placer.placement import PlacedDomain
from placer.record import format_json
from placer.run import Run
from placer.topology import Topology, topology_of
from placer.units import ORDER_1GIB, ORDER_2MIB, PAGE_KIB, mib_from_pages

_PAGE_SIZES = {ORDER_2MIB: "2MB", ORDER_1GIB: "1GB"}
_CARRIED = ("dedicated", "thread_policy", "page_order")


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the flavor's ``ram``, ``vcpus`` and ``extra_specs``, and what Nova would store.

    Raises RefusedError for sizes that are no whole MiB, vnodes of several page sizes, spilled
    memory, and a vnode without memory or vcpus, which Nova takes not.
    """
    given, placed = find_placed(run, domain)
    topology = topology_of(run.problem, placed)
    reasons = [*odd_sizes(topology), *spilled_vnodes(placed)]
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        if not pages or not topology.vcpus_of(vnode):
            what = "vcpu" if pages else "memory"
            reasons.append(f"vnode {vnode} has no {what}, and Nova takes no such node")
    orders = sorted(set(given.page_order.tolist()))
    if len(orders) > 1:
        reasons.append("vnodes want several page sizes, and a flavor has one")
    refuse(given, reasons)
    document = {
        "name": given.name,
        "ram": mib_from_pages(int(topology.vnode_pages.sum())),
        "vcpus": given.num_vcpus,
        "extra_specs": _extra_specs(given, topology),
        "instance_numa_topology": _instance(run, given, placed, topology),
    }
    warnings = []
    if topology.num_vnodes > 1:
        warnings.append("Nova knows no distances: the guest sees 10 and 20")
    homes = placed.home.tolist()
    if len(set(homes)) < len(homes):
        warnings.append(
            "several vnodes are placed on one pnode; Nova puts each on a node of its own"
        )
    warnings.append(
        "a flavor names no nodes of the host: Nova chooses them anew; instance_numa_topology is "
        "this placement"
    )
    warnings += unsaid(given, *_CARRIED)
    return Rendered(text=format_json(document), warnings=tuple(warnings))


def _extra_specs(domain: Domain, topology: Topology) -> dict[str, str]:
    specs = {"hw:numa_nodes": str(topology.num_vnodes)}
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        specs[f"hw:numa_cpus.{vnode}"] = format_ranges(topology.vcpus_of(vnode))
        specs[f"hw:numa_mem.{vnode}"] = str(mib_from_pages(pages))
    specs["hw:cpu_policy"] = "dedicated" if domain.dedicated else "shared"
    if domain.dedicated:
        specs["hw:cpu_thread_policy"] = domain.thread_policy
    order = int(domain.page_order[0])
    if order:
        specs["hw:mem_page_size"] = _PAGE_SIZES[order]
    return specs


def _instance(run: Run, domain: Domain, placed: PlacedDomain, topology: Topology) -> dict[str, Any]:
    """Return an InstanceNUMATopology: a cell for each vnode, by the number of its host cell."""
    host = run.host(placed.host)
    cells = []
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        vcpus = topology.vcpus_of(vnode)
        pins = {str(vcpu): int(placed.vcpu_to_pcpu[vcpu]) for vcpu in vcpus}
        cells.append(
            {
                "nova_object.name": "InstanceNUMACell",
                "nova_object.namespace": "nova",
                "nova_object.version": "1.6",
                "nova_object.data": {
                    "id": node_id(host, int(placed.home[vnode])),
                    "cpuset": [] if domain.dedicated else vcpus,
                    "pcpuset": vcpus if domain.dedicated else [],
                    "memory": mib_from_pages(pages),
                    "pagesize": PAGE_KIB << int(domain.page_order[0]),
                    "cpu_pinning_raw": pins if domain.dedicated else None,
                    "cpu_policy": "dedicated" if domain.dedicated else "shared",
                    "cpu_thread_policy": domain.thread_policy if domain.dedicated else None,
                },
            }
        )
    return {
        "nova_object.name": "InstanceNUMATopology",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.3",
        "nova_object.data": {"cells": cells},
    }
