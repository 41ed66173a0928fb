"""Small hosts for the tests of memory: what is free is all that matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain


def host_of(free: Sequence[tuple[int, int, int]], *, name: str = "host") -> Host:
    """Return a host whose memory is exactly the free spans (pnode, start, num)."""
    free_spans = np.array(free, dtype=np.int64).reshape(-1, 3)
    num_pnodes = int(free_spans[:, 0].max()) + 1
    pages = np.bincount(free_spans[:, 0], weights=free_spans[:, 2], minlength=num_pnodes)
    distances = np.full((num_pnodes, num_pnodes), 20)
    np.fill_diagonal(distances, 10)
    pnodes = np.arange(num_pnodes)
    return Host(
        name=name,
        total_pages=pages.astype(np.int64),
        free_pages=pages.astype(np.int64),
        reserve_pages=np.zeros(num_pnodes, dtype=np.int64),
        spans=free_spans,
        free_spans=free_spans,
        pcpu_ids=pnodes,
        pcpu_pnode=pnodes,
        pcpu_socket=pnodes,
        pcpu_core=pnodes,
        distances=distances,
        free_from="spans",
    )


def put(
    domain: Domain, host: Host, homes: Sequence[int], vcpu_to_vnode: Ints | None = None
) -> PlacedDomain:
    """Place each vnode wholly on its home; vcpus go round the vnodes where no map is given."""
    pages = np.zeros((len(homes), host.num_pnodes), dtype=np.int64)
    pages[np.arange(len(homes)), homes] = domain.vnode_pages
    vnodes = np.arange(domain.num_vcpus) % len(homes) if vcpu_to_vnode is None else vcpu_to_vnode
    pnodes = np.array(homes)[vnodes]
    return PlacedDomain(
        domain=domain.name,
        host=host.name,
        vnode_pages=domain.vnode_pages,
        home=np.array(homes),
        pages=pages,
        vcpu_to_vnode=vnodes,
        vcpu_to_pnode=pnodes,
        vcpu_to_pcpu=pnodes,
    )
