"""Access shares: how much of a vnode's memory traffic goes to each vnode (MODEL "Access share")."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from placer.arrays import Ints, read_only
from placer.domain import Domain
from placer.units import SHARE_UNITS


def exact_shares(domain: Domain, vnode_pages: Ints | None = None) -> list[list[Fraction]]:
    """Return ``a[i][j]``, unrounded: measured where given, else ``(m[j]/V[i][j])`` normalised.

    ``vnode_pages`` stands in for the domain's where the solver chose the vnodes.
    """
    pages = (domain.vnode_pages if vnode_pages is None else vnode_pages).tolist()
    count = len(pages)
    if domain.access is not None:
        empty = [Fraction(0)] * count
        return [list(row) if row else empty for row in domain.access]
    if len(pages) == domain.num_vnodes:
        distances = domain.distances.tolist()
    else:
        distances = [[10 if i == j else 20 for j in range(count)] for i in range(count)]
    shares = []
    for row in distances:
        weights = [Fraction(m, v) for m, v in zip(pages, row, strict=True)]
        total = sum(weights)
        shares.append([weight / total for weight in weights])
    return shares


def integer_shares(domain: Domain, vnode_pages: Ints | None = None) -> Ints:
    """Return ``A[i, j]``, 10,000 to a row by largest remainder, ties to the lowest j.

    The row of a vnode without vcpus whose measured shares are absent is all zero.
    """
    rows = [_largest_remainder(row) for row in exact_shares(domain, vnode_pages)]
    return read_only(np.array(rows, dtype=np.int64), ndim=2)


def _largest_remainder(row: list[Fraction]) -> list[int]:
    total = sum(row)
    if not total:
        return [0] * len(row)
    scaled = [share * SHARE_UNITS / total for share in row]
    units = [int(share) for share in scaled]
    by_rest = sorted(range(len(row)), key=lambda j: (units[j] - scaled[j], j))
    for j in by_rest[: SHARE_UNITS - sum(units)]:
        units[j] += 1
    return units
