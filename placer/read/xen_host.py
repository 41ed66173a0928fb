"""The host that Xen's debug keys u, m and H describe, with the domains that run there."""

from __future__ import annotations

from placer.read.host_guests import GuestPart
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.xen_keys import SeenDomain, free_spans_of, parse_xen_keys
from placer.units import PAGE_BYTES


def parse_xen_host(text: str, source: str) -> HostParts:
    """Return what the dumps of a host say. Raises InputError as `parse_xen_keys` does.

    The size of a node counts holes; distances and sibling threads are not in the dumps. A
    vcpu of a vnode is taken to prefer the vnode's pnode, as libxl has it.
    """
    keys = parse_xen_keys(text, source)
    parts = HostParts(source=source)
    for number, (start, size, free) in sorted(keys.nodes.items()):
        parts.nodes[number] = NodePart(
            total_bytes=size * PAGE_BYTES, free_bytes=free * PAGE_BYTES, span=(start, size)
        )
    parts.pcpus = {pcpu: PcpuPart(node=node) for pcpu, node in keys.pcpu_pnode.items()}
    parts.free_spans, parts.free_from = free_spans_of(keys), "xen keys"
    parts.guests = [_guest(domid, domain) for domid, domain in sorted(keys.domains.items())]
    return parts


def _guest(domid: int, domain: SeenDomain) -> GuestPart:
    vcpus_on: dict[int, int] = {}
    for vnode in domain.vnodes.values():
        if vnode.pnode is not None:
            vcpus_on[vnode.pnode] = vcpus_on.get(vnode.pnode, 0) + len(vnode.vcpus)
    return GuestPart(domid=domid, pages_on=dict(domain.pages_on), vcpus_on=vcpus_on)
