"""Which machine frames back a domain: runs of equal extents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from placer.arrays import Ints, read_only, same_fields

VNODE: Final = 0
PNODE: Final = 1
ORDER: Final = 2
GUEST_FRAME: Final = 3
MACHINE_FRAME: Final = 4
NUM_EXTENTS: Final = 5

OUTSIDE: Final = -1
"""The guest frame of pages that lie in no range of a vnode (an HVM guest's video memory)."""


MAX_FRAME: Final = (1 << 40) - 1
"""The last frame number that 52 bits of physical address reach (x86)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DomainFrames:
    """The extents of one domain, as runs.

    ``runs[k] = (vnode, pnode, order, guest_frame, machine_frame, num_extents)``:
    ``num_extents`` extents of ``2**order`` pages on one pnode that lie side by side
    in the guest from ``guest_frame`` up, and side by side in the machine from
    ``machine_frame`` up. The hypervisor hands out high addresses first, so the
    lowest guest extent of a run has its highest machine extent.
    """

    domain: str
    host: str
    runs: Ints

    def __post_init__(self) -> None:
        runs = np.asarray(self.runs, dtype=np.int64).reshape(-1, 6)
        object.__setattr__(self, "runs", read_only(runs, ndim=2))

    @property
    def run_pages(self) -> Ints:
        """The pages of each run."""
        return np.asarray(self.runs[:, NUM_EXTENTS] << self.runs[:, ORDER], dtype=np.int64)

    def pages_on(self, num_vnodes: int, num_pnodes: int) -> Ints:
        """Return the pages of each vnode on each pnode, shape (V, P)."""
        counts = np.zeros((num_vnodes, num_pnodes), dtype=np.int64)
        np.add.at(counts, (self.runs[:, VNODE], self.runs[:, PNODE]), self.run_pages)
        return counts

    def extents_of(self, vnode: int) -> dict[int, int]:
        """Return how many extents of each order back ``vnode``."""
        mine = self.runs[self.runs[:, VNODE] == vnode]
        return {
            int(order): int(mine[mine[:, ORDER] == order, NUM_EXTENTS].sum())
            for order in np.unique(mine[:, ORDER])
        }

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]
