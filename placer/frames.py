"""Which machine frames back a domain: runs of equal extents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from placer.arrays import Ints, read_only, same_fields

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

VNODE: Final = 0
PNODE: Final = 1
ORDER: Final = 2
GUEST_FRAME: Final = 3
MACHINE_FRAME: Final = 4
NUM_EXTENTS: Final = 5
GUEST_STEP: Final = 6
NUM_COLUMNS: Final = 7

OUTSIDE: Final = -1
"""The guest frame of pages that lie in no range of a vnode (an HVM guest's video memory)."""


MAX_FRAME: Final = (1 << 40) - 1
"""The last frame number that 52 bits of physical address reach (x86)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DomainFrames:
    """The extents of one domain, as runs: which machine frames of a host back it.

    ``domain`` and ``host`` are names. ``runs`` has shape (K, 7), is int64 and read-only; a list is
    copied. Frames and guest frames are numbers of
    4 KiB pages.

    ``runs[k] = (vnode, pnode, order, guest_frame, machine_frame, num_extents, guest_step)``:
    ``num_extents`` extents of ``2**order`` pages on one pnode, side by side in the machine
    from ``machine_frame`` up. In the guest they begin at ``guest_frame``, each ``guest_step``
    extents above the one before: 1 where they lie side by side, more where the hypervisor
    went round several pnodes. It hands out high addresses first, so the lowest guest extent
    of a run has its highest machine extent. ``guest_frame`` is -1 for pages that lie in no range
    of a vnode. Rows may be given without the last column, which is then 1.

    Raises ValueError where the rows hold no whole numbers or are of another length.
    """

    domain: str
    host: str
    runs: Ints

    if TYPE_CHECKING:  # what is given may be lists, what is read is an array

        def __init__(self, *, domain: str, host: str, runs: ArrayLike) -> None: ...

    def __post_init__(self) -> None:
        empty = np.empty((0, NUM_COLUMNS), dtype=np.int64)
        runs = read_only(self.runs if np.size(self.runs) else empty, ndim=2, name="runs")
        if runs.shape[1] == GUEST_STEP:
            runs = read_only(np.insert(runs, GUEST_STEP, 1, axis=1), ndim=2)
        if runs.shape[1] != NUM_COLUMNS:
            raise ValueError(f"runs: rows of {runs.shape[1]} figures, expected {NUM_COLUMNS}")
        object.__setattr__(self, "runs", runs)

    @property
    def run_pages(self) -> Ints:
        """The pages of each run, shape (K,)."""
        return np.asarray(self.runs[:, NUM_EXTENTS] << self.runs[:, ORDER], dtype=np.int64)

    def pages_on(self, num_vnodes: int, num_pnodes: int) -> Ints:
        """Return the pages of each vnode on each pnode, shape (``num_vnodes``, ``num_pnodes``)."""
        counts = np.zeros((num_vnodes, num_pnodes), dtype=np.int64)
        np.add.at(counts, (self.runs[:, VNODE], self.runs[:, PNODE]), self.run_pages)
        return counts

    def extents_of(self, vnode: int) -> dict[int, int]:
        """Return how many extents of each order (0, 9, 18: 4 KiB, 2 MiB, 1 GiB) back ``vnode``."""
        mine = self.runs[self.runs[:, VNODE] == vnode]
        return {
            int(order): int(mine[mine[:, ORDER] == order, NUM_EXTENTS].sum())
            for order in np.unique(mine[:, ORDER])
        }

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]
