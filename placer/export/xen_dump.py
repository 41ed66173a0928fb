"""What debug key 'u' of released Xen prints (dump_numa of xen/arch/x86/numa.c, Xen 4.17).

Later versions say ``d1`` where this says ``Domain 1``; reading takes both.
"""

from __future__ import annotations

from collections.abc import Iterator

from placer.arrays import Ints
from placer.export.dumped import dump_host, frames_of_pnode
from placer.export.rendered import ExportOptions, Rendered
from placer.host import Host
from placer.run import Run
from placer.topology import Topology


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the dump of the whole host of the domain; `dump_host` says which ids there are."""
    return dump_host(run, domain, options, _host_lines, _vnuma_lines)


def _host_lines(host: Host, free: Ints) -> Iterator[str]:
    yield "'u' pressed -> dumping numa info (now = 0)"
    for pnode in range(host.num_pnodes):
        start, size = frames_of_pnode(host, pnode)
        yield f"NODE{pnode} start->{start} size->{size} free->{free[pnode]}"
    for first, last, pnode in _runs(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist()):
        yield f"CPU{first}{f'...{last}' if last > first else ''} -> NODE{pnode}"


def _runs(numbers: list[int], owners: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (first, last, owner) for each run of consecutive numbers of one owner."""
    start = 0
    for index in range(1, len(numbers) + 1):
        if (
            index == len(numbers)
            or numbers[index] != numbers[index - 1] + 1
            or owners[index] != owners[start]
        ):
            yield numbers[start], numbers[index - 1], owners[start]
            start = index


def _vnuma_lines(topology: Topology) -> Iterator[str]:
    yield (f"     {topology.num_vnodes} vnodes, {topology.num_vcpus} vcpus, guest physical layout:")
    for vnode in range(topology.num_vnodes):
        vcpus = topology.vcpus_of(vnode)
        text = ""
        for first, last, _ in _runs(vcpus, [vnode] * len(vcpus)):
            # Each run is followed by a blank but that which ends with the last vcpu of all.
            text += f"{first}-{last}" if last > first else str(first)
            text += "" if last == topology.num_vcpus - 1 else " "
        yield f"       {vnode:3}: pnode {topology.vnode_to_pnode[vnode]:3}, vcpus {text}"
        for owner, start, end in topology.ranges.tolist():
            if owner == vnode:
                yield f"           {start:016x} - {end:016x}"
