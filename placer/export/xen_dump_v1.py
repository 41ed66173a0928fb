"""What Xen's debug key 'u' prints, with the lines of the first vNUMA patches.

Layout: xen/arch/x86/numa.c (dump_numa) of Xen 4.4 and the vNUMA patches of November 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.errors import RefusedError
from placer.export.placed import find_placed, spilled_vnodes
from placer.export.rendered import ExportOptions, Rendered
from placer.host import Host
from placer.placement import PlacedDomain
from placer.run import Run
from placer.topology import Topology, topology_of
from placer.units import PAGE_BYTES, mib_from_pages

PREFIX: Final = "(XEN) "
MOST_DOMID: Final = 0x7FEF
"""The highest domain id (DOMID_FIRST_RESERVED - 1, xen/include/public/xen.h)."""


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the dump of the whole host of the domain, after all of the run is placed.

    The exported domain has the id ``options.domid`` and the others placed on the host
    the following ones; without it they count up, in the run's order, from one above
    the highest id known. Raises RefusedError for an id that is taken or no domain's.
    """
    _, chosen = find_placed(run, domain)
    host = run.host(chosen.host)
    placed = [answer for answer in run.placed if answer.host == host.name]
    pages = {answer.domain: _pages_on(run, answer, host) for answer in placed}
    free = host.free_pages - sum(pages.values(), np.zeros(host.num_pnodes, dtype=np.int64))
    warnings = []
    for answer in placed:
        if spilled_vnodes(answer):
            warnings.append(
                f"domain {answer.domain!r} has vnodes on several pnodes; the dump names their homes"
            )
    unknown = [running.name for running in host.running if running.domid is None]
    if unknown:
        names = ", ".join(map(repr, unknown))
        warnings.append(f"running domains without a known id are left out: {names}")
    blocks: list[tuple[int, list[str]]] = [
        (running.domid, _domain_lines(running.domid, running.pages))
        for running in host.running
        if running.domid is not None
    ]
    for answer, domid in _domids(host, placed, chosen, options.domid):
        lines = _domain_lines(domid, pages[answer.domain])
        lines += _vnuma_lines(topology_of(run.problem, answer))
        blocks.append((domid, lines))
    lines = [*_host_lines(host, free), "Memory location of each domain:"]
    for _, block in sorted(blocks, key=lambda block: block[0]):
        lines += block
    text = "".join(f"{PREFIX}{line}\n" for line in lines)
    return Rendered(text=text, warnings=tuple(warnings))


def _pages_on(run: Run, answer: PlacedDomain, host: Host) -> Ints:
    """Return the pages of a placed domain by pnode, as its frames count them."""
    try:
        frames = run.frames_of(answer.domain)
    except KeyError as error:
        raise RefusedError(f"the run holds no frames of domain {answer.domain!r}") from error
    return np.asarray(
        frames.pages_on(answer.num_vnodes, host.num_pnodes).sum(axis=0), dtype=np.int64
    )


def _domids(
    host: Host, placed: list[PlacedDomain], chosen: PlacedDomain, wanted: int | None
) -> Iterator[tuple[PlacedDomain, int]]:
    """Yield every placed domain with its id; no id is given twice."""
    taken = {running.domid: running.name for running in host.running if running.domid is not None}
    order, domid = placed, max(taken, default=0) + 1
    if wanted is not None:
        if not 1 <= wanted <= MOST_DOMID:
            raise RefusedError(f"domid {wanted} is not 1 to {MOST_DOMID}")
        if wanted in taken:
            raise RefusedError(f"domid {wanted} is that of running domain {taken[wanted]!r}")
        order = [chosen, *(answer for answer in placed if answer is not chosen)]
        domid = wanted
    for answer in order:
        while domid in taken:
            domid += 1
        if domid > MOST_DOMID:
            raise RefusedError(f"there is no domid left up to {MOST_DOMID}")
        yield answer, domid
        domid += 1


def _host_lines(host: Host, free: Ints) -> Iterator[str]:
    yield "'u' pressed -> dumping numa info (now-0x0:00000000)"
    for pnode in range(host.num_pnodes):
        spans = host.spans[host.spans[:, 0] == pnode]
        start = int(spans[:, 1].min()) if len(spans) else 0
        size = int((spans[:, 1] + spans[:, 2]).max()) - start if len(spans) else 0
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


def _domain_lines(domid: int, pages: Ints) -> list[str]:
    lines = [f"Domain {domid} (total: {pages.sum()}):"]
    return lines + [f"    Node {pnode}: {count}" for pnode, count in enumerate(pages.tolist())]


def _vnuma_lines(topology: Topology) -> Iterator[str]:
    yield f"    Domain has {topology.num_vnodes} vnodes"
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        pnode = topology.vnode_to_pnode[vnode]
        yield f"        vnode {vnode} - pnode {pnode} ({mib_from_pages(pages)}) MB,"
    yield "    Domain vcpu to vnode: " + " ".join(map(str, topology.vcpu_to_vnode.tolist()))
