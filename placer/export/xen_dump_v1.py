"""What Xen's debug key 'u' prints, with the lines of the first vNUMA patches.

Layout: xen/arch/x86/numa.c (dump_numa) of Xen 4.4 and the vNUMA patches of November 2013.
"""

from __future__ import annotations

from collections.abc import Iterator

from placer.arrays import Ints
from placer.export.dumped import dump_host, frames_of_pnode
from placer.export.rendered import ExportOptions, Rendered
from placer.host import Host
from placer.run import Run
from placer.topology import Topology
from placer.units import PAGE_BYTES, mib_from_pages


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the dump of the whole host of the domain; `dump_host` says which ids there are."""
    return dump_host(run, domain, options, _host_lines, _vnuma_lines)


def _host_lines(host: Host, free: Ints) -> Iterator[str]:
    yield "'u' pressed -> dumping numa info (now-0x0:00000000)"
    for pnode in range(host.num_pnodes):
        start, size = frames_of_pnode(host, pnode)
        yield f"idx{pnode} -> NODE{pnode} start->{start} size->{size} free->{free[pnode]}"
        address, seen = (start + 1) * PAGE_BYTES, _pnode_of(host, start + 1, pnode)
        yield f"phys_to_nid({address:016x}) -> {seen} should be {pnode}"
    for pcpu, pnode in zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True):
        yield f"CPU{pcpu} -> NODE{pnode}"


def _pnode_of(host: Host, frame: int, pnode: int) -> int:
    """Return the pnode of ``frame``; ``pnode`` itself where no span holds it."""
    starts = host.spans[:, 1]
    inside = (starts <= frame) & (frame < starts + host.spans[:, 2])
    return int(host.spans[inside, 0][0]) if inside.any() else pnode


def _vnuma_lines(topology: Topology) -> Iterator[str]:
    yield f"    Domain has {topology.num_vnodes} vnodes"
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        pnode = topology.vnode_to_pnode[vnode]
        yield f"        vnode {vnode} - pnode {pnode} ({mib_from_pages(pages)}) MB,"
    yield "    Domain vcpu to vnode: " + " ".join(map(str, topology.vcpu_to_vnode.tolist()))
