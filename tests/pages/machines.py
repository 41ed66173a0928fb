"""Small hosts for the tests of memory: what is free is all that matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placer.host import Host


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
