"""The domain that is exported, and what keeps a configuration file from saying its placement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from placer.domain import Domain
from placer.errors import RefusedError
from placer.export.rendered import ExportOptions
from placer.host import Host
from placer.placement import PlacedDomain
from placer.run import Run
from placer.topology import Topology, topology_of, vmemranges
from placer.units import PAGES_PER_MIB, exact_size

MOST_VNODES: Final = 32
MOST_RANGES: Final = 170
"""Limits of XEN_DOMCTL_setvnumainfo (xen/common/domctl.c, vnuma_init)."""


def find_placed(run: Run, name: str) -> tuple[Domain, PlacedDomain]:
    """Return the domain named ``name`` and where it is placed.

    Raises RefusedError, which names the placed domains, where it is not placed.
    """
    placed = run.placed_by_name
    if name in placed:
        return run.domain(name), placed[name]
    why = "is not placed" if name in run.problem.domain_index else "is not in the run"
    others = ", ".join(map(repr, placed)) or "none"
    raise RefusedError(f"domain {name!r} {why}; placed: {others}")


def topology_as(run: Run, placed: PlacedDomain, options: ExportOptions) -> tuple[Domain, Topology]:
    """Return the domain as the type that it is created as, and its topology as that type."""
    given = run.domain(placed.domain)
    if options.type is None or options.type == given.type:
        return given, topology_of(run.problem, placed)
    other = replace(given, type=options.type)
    host = run.host(placed.host)
    topology = topology_of(run.problem, placed)
    ranges = vmemranges(other, placed.vnode_pages, host.memory_map)
    return other, replace(topology, type=options.type, ranges=ranges)


def beyond_xen(topology: Topology) -> list[str]:
    """Return a reason for each limit of Xen's vNUMA interface that the topology passes."""
    reasons = []
    if topology.num_vnodes > MOST_VNODES:
        reasons.append(f"{topology.num_vnodes} vnodes, and Xen takes {MOST_VNODES} at most")
    if len(topology.ranges) > MOST_RANGES:
        reasons.append(f"{len(topology.ranges)} memory ranges, and Xen takes {MOST_RANGES} at most")
    return reasons


def node_id(host: Host, pnode: int) -> int:
    """Return the number that the host's operating system knows a pnode by."""
    return int(host.pnode_ids[pnode])


def pcpus_for(run: Run, placed: PlacedDomain) -> list[list[int]]:
    """Return the pcpus that each vcpu is to run on, as a hypervisor without pnodes is told.

    A dedicated vcpu has its own; another one has those of the pnode that it is placed on, as
    far as its hard affinity allows them.
    """
    domain, host = run.domain(placed.domain), run.host(placed.host)
    if domain.dedicated:
        return [[pcpu] for pcpu in placed.vcpu_to_pcpu.tolist()]
    on = [frozenset(host.pcpu_ids[host.pcpu_pnode == p].tolist()) for p in range(host.num_pnodes)]
    found = []
    for vcpu, pnode in enumerate(placed.vcpu_to_pnode.tolist()):
        hard = domain.hard_affinity[vcpu]
        within = on[pnode]
        if hard is not None:
            within &= hard.resolve(host.pcpu_ids, host.pcpu_pnode)
        found.append(sorted(within))
    return found


def unsaid(domain: Domain, *carried: str) -> list[str]:
    """Return a warning for each thing that was asked for and that a format does not carry.

    ``carried`` are names of `_ASKED` that the format does carry.
    """
    told = [what for name, (what, asked) in _ASKED.items() if name not in carried and asked(domain)]
    return [f"what this format cannot carry: {', '.join(told)}"] if told else []


_ASKED: Final[dict[str, tuple[str, Callable[[Domain], bool]]]] = {
    "dedicated": ("dedicated vcpus", lambda d: d.dedicated),
    "thread_policy": ("the thread policy", lambda d: d.thread_policy != "prefer"),
    "hard_affinity": ("hard affinity", lambda d: any(one is not None for one in d.hard_affinity)),
    "soft_affinity": ("soft affinity", lambda d: any(one is not None for one in d.soft_affinity)),
    "memory": ("memory policies", lambda d: any(one.policy != "strict" for one in d.memory)),
    "page_order": ("page sizes", lambda d: bool(d.page_order.any())),
    "priority": ("the priority", lambda d: d.priority != 1),
    "groups": ("groups", lambda d: bool(d.groups)),
    "hosts": ("allowed hosts", lambda d: d.hosts is not None or bool(d.forbidden_hosts)),
    "distinct_pnodes": ("distinct pnodes", lambda d: d.distinct_pnodes),
    "cpu_spill": (
        "cpu_spill",
        lambda d: d.cpu_spill != ("never" if d.dedicated else "last"),
    ),
    "access": ("measured access shares", lambda d: d.access is not None),
    "extra": ("settings kept from the configuration", lambda d: bool(d.extra)),
}


def refuse(domain: Domain, reasons: list[str]) -> None:
    """Raise RefusedError with all ``reasons`` where there are any."""
    if reasons:
        raise RefusedError(f"domain {domain.name!r}: " + "; ".join(reasons))


def odd_sizes(topology: Topology) -> list[str]:
    """Return a reason for each vnode whose size is no whole number of MB."""
    return [
        f"vnode {vnode} has {pages} pages, no whole number of MB, and sizes are given in MB"
        for vnode, pages in enumerate(topology.vnode_pages.tolist())
        if pages % PAGES_PER_MIB
    ]


def spilled_vnodes(placed: PlacedDomain) -> list[str]:
    """Return a reason for each vnode whose memory is not all on its home pnode."""
    reasons = []
    for vnode, pages in enumerate(placed.pages.tolist()):
        pnodes = [pnode for pnode, count in enumerate(pages) if count]
        if pnodes and pnodes != [placed.home[vnode]]:
            where = " and ".join(map(str, pnodes))
            reasons.append(
                f"the memory of vnode {vnode} lies on pnode {where}, and the configuration "
                f"names one pnode for a vnode, its home {placed.home[vnode]}"
            )
    return reasons


def balloon_warnings(domain: Domain) -> list[str]:
    """Return a warning where the domain has less memory now than it is created with."""
    if not domain.ballooned_pages.any():
        return []
    now = exact_size(domain.memory_pages)
    return [f"the guest is created with all its memory; its balloon leaves it {now} afterwards"]
