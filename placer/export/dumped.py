"""The dump of Xen's debug key u, as far as all of its eras agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

PREFIX: Final = "(XEN) "
MOST_DOMID: Final = 0x7FEF
"""The highest domain id (DOMID_FIRST_RESERVED - 1, xen/include/public/xen.h)."""


def dump_host(
    run: Run,
    domain: str,
    options: ExportOptions,
    host_lines: Callable[[Host, Ints], Iterable[str]],
    vnuma_lines: Callable[[Topology], Iterable[str]],
) -> Rendered:
    """Return the dump of the whole host of the domain, after all of the run is placed.

    ``host_lines`` writes pnodes and pcpus, from the host and what is free by pnode, and
    ``vnuma_lines`` the vnodes of a domain. The exported domain has the id ``options.domid``
    and the others placed on the host the following ones; without it they count up, in the
    run's order, from one above the highest id known. Raises RefusedError for an id that is
    taken or no domain's.
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
        (running.domid, domain_lines(running.domid, running.pages))
        for running in host.running
        if running.domid is not None
    ]
    for answer, domid in _domids(host, placed, chosen, options.domid):
        lines = domain_lines(domid, pages[answer.domain])
        lines += vnuma_lines(topology_of(run.problem, answer))
        blocks.append((domid, lines))
    lines = [*host_lines(host, free), "Memory location of each domain:"]
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


def frames_of_pnode(host: Host, pnode: int) -> tuple[int, int]:
    """Return the first frame of a pnode and how many it spans, holes included."""
    spans = host.spans[host.spans[:, 0] == pnode]
    start = int(spans[:, 1].min()) if len(spans) else 0
    return start, int((spans[:, 1] + spans[:, 2]).max()) - start if len(spans) else 0


def domain_lines(domid: int, pages: Ints) -> list[str]:
    """Return a domain's pages by pnode."""
    lines = [f"Domain {domid} (total: {pages.sum()}):"]
    return lines + [f"    Node {pnode}: {count}" for pnode, count in enumerate(pages.tolist())]
