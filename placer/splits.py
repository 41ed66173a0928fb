"""How memory and vcpus may be split over vnodes and pnodes: granules, bounds, equal parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.units import PAGES_2MIB, SPILL_UNITS


@dataclass(frozen=True, slots=True)
class Granules:
    """The grain in which the memory of one vnode is spilled (MODEL "s[i,p]").

    ``count`` granules of ``pages`` pages, the last one ``short`` pages short.
    """

    pages: int
    count: int
    short: int

    @classmethod
    def of(cls, vnode_pages: int) -> Granules:
        """Return the grain of a vnode: the larger of 2 MiB and a 64th of it."""
        pages = max(PAGES_2MIB, -(-vnode_pages // SPILL_UNITS))
        count = -(-vnode_pages // pages)
        return cls(pages, count, pages * count - vnode_pages)


def vcpu_bounds(domain: Domain, vnode_pages: Ints) -> list[tuple[int, int]]:
    """Return the least and most vcpus of each vnode where the map is free (MODEL "n[i]").

    The user's bounds, or floor and ceil of the vnode's share of the memory; and
    at least 1 for a vnode with memory where all these lower bounds together
    still fit the domain's vcpus.
    """
    if domain.vcpu_bounds is not None:
        return [(int(low), int(high)) for low, high in domain.vcpu_bounds]
    total = int(vnode_pages.sum())
    products = [domain.num_vcpus * pages for pages in vnode_pages.tolist()]
    low = [product // total for product in products]
    high = [-(-product // total) for product in products]
    raised = [max(least, 1) if product else 0 for least, product in zip(low, products, strict=True)]
    if sum(raised) <= domain.num_vcpus:
        low = raised
    return list(zip(low, high, strict=True))


def split_equally(memory_pages: int, num_vnodes: int) -> Ints:
    """Return vnode sizes that are equal within 2 MiB (C4).

    Whole 2 MiB blocks are dealt evenly, the first vnodes take one more; pages that
    fill no block go to the last vnode.
    """
    blocks, tail = divmod(memory_pages, PAGES_2MIB)
    base, more = divmod(blocks, num_vnodes)
    sizes = np.full(num_vnodes, base * PAGES_2MIB, dtype=np.int64)
    sizes[:more] += PAGES_2MIB
    sizes[-1] += tail
    return sizes
