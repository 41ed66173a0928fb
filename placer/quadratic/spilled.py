"""One domain with memory that may be spilled: a good placement by hand, without a proof.

Homes come from the quadratic core in which only a part of each such memory is at home;
then what is left over is dealt in granules, to the home first and else to the pnodes from
which it is seen nearest. Several parts are tried, from all of it down to an equal share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from placer.access import integer_shares
from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host
from placer.quadratic.branch import BranchAnswer, solve_core
from placer.quadratic.of_domain import MEMORY, DomainCore
from placer.splits import Granules
from placer.units import SPILL_UNITS

_PARTS: Final = (64, 48, 32, 16, 0)
"""How much of a memory is to be at home, in 64ths; at least an equal share of it is."""

_MAX_NODES: Final = 3000
"""How many partial assignments each part is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Homes, vcpus of vnode i on pnode p, and pages of vnode i on pnode p."""

    home: Ints
    units: Ints
    pages: Ints


def find_spreads(domain: Domain, host: Host, found: DomainCore) -> Iterator[Spread]:
    """Yield placements of a domain of which ``found.spilled`` vnodes may be spilled.

    ``found`` is what ``describe`` says of the domain on the host. None are yielded where large
    pages are wanted for such memory or some pnode cannot reach another, and perhaps where
    memory is very tight; vcpus run off home only where none fits otherwise.
    """
    if found.core.unreachable.any() or any(domain.page_order[i] for i in found.spilled):
        return
    tried: set[bytes] = set()
    for part in _PARTS:
        grains = {i: Granules.of(int(domain.vnode_pages[i])) for i in found.spilled}
        equal = {i: -(-g.count // host.num_pnodes) for i, g in grains.items()}
        at_home = {i: max(equal[i], -(-part * g.count // SPILL_UNITS)) for i, g in grains.items()}
        demand = found.core.demand.copy()
        for i, grain in grains.items():
            demand[MEMORY, i] += at_home[i] * grain.pages - int(domain.vnode_pages[i])
        answer = _find_homes(domain, replace(found, core=replace(found.core, demand=demand)))
        if answer is None or answer.locations is None:
            continue
        home, units = answer.locations, answer.units
        if home.tobytes() in tried:
            continue
        if units is None:
            units = np.zeros((len(home), host.num_pnodes), dtype=np.int64)
            units[np.arange(len(home)), home] = found.least
        pages = _Dealing(domain, host, home, units, grains).deal()
        if pages is not None:
            tried.add(home.tobytes())
            yield Spread(home=home, units=units, pages=pages)


def _find_homes(domain: Domain, found: DomainCore) -> BranchAnswer | None:
    try:
        answer = solve_core(found.core, max_nodes=_MAX_NODES, terms=found.terms, in_order=False)
        if answer.locations is not None or domain.cpu_spill == "never":
            return answer
        if int(found.rooms.most.sum()) < domain.num_vcpus:
            return None
        leaving = replace(found, spilled=()).with_spill(domain.num_vcpus)
        if leaving is None:
            return None
        core, terms = leaving
        return solve_core(core, max_nodes=_MAX_NODES, terms=terms, in_order=False)
    except ValueError:  # costs beyond 64 bits
        return None


class _Dealing:
    """Granules dealt until none is left: all homes first, then the nearest pnodes."""

    def __init__(
        self, domain: Domain, host: Host, home: Ints, units: Ints, grains: dict[int, Granules]
    ) -> None:
        self.domain = domain
        self.home = home.tolist()
        self.grains = grains
        pages, pnodes = domain.vnode_pages.tolist(), range(host.num_pnodes)
        self.pages = np.zeros((domain.num_vnodes, host.num_pnodes), dtype=np.int64)
        self.left: list[int] = host.usable_pages.tolist()
        self.left[self.home[0]] -= domain.overhead_pages
        for i, at in enumerate(self.home):
            if i not in grains:
                self.pages[i, at] = pages[i]
                self.left[at] -= pages[i]
        self.counts = {i: [0] * host.num_pnodes for i in grains}
        # what a page of vnode i costs on q, and how much it is seen at all
        seen = units.T @ integer_shares(domain)
        away = (seen.T @ host.distances).tolist()
        self.nearest = {i: sorted(pnodes, key=lambda q: (away[i][q], q)) for i in grains}
        weight = seen.sum(axis=0)
        self.order = sorted(grains, key=lambda i: (-int(weight[i]) / pages[i], i))

    def deal(self) -> Ints | None:
        """Return the pages of vnode i on pnode p, or None where granules are left over."""
        num_pnodes = len(self.left)
        for i in self.order:
            self._take(i, self.home[i], -(-self.grains[i].count // num_pnodes))
        for i in self.order:
            self._take(i, self.home[i], self.grains[i].count)
        for i in self.order:
            at = self.home[i]
            for q in self.nearest[i]:
                if q != at:
                    most = self.counts[i][at] - (q < at)  # home has most, the lowest of equals
                    self._take(i, q, most)
            if self._missing(i):
                return None
        for i, counts in self.counts.items():
            self.pages[i] = np.array(counts) * self.grains[i].pages
            last = max(q for q, count in enumerate(counts) if count)
            self.pages[i, last] -= self.grains[i].short
        return None if min(self.left) < 0 else self.pages

    def _missing(self, vnode: int) -> int:
        return self.grains[vnode].count - sum(self.counts[vnode])

    def _take(self, vnode: int, pnode: int, most: int) -> None:
        """Raise the granules of a vnode on a pnode to ``most``, or as far as there is room."""
        grain = self.grains[vnode].pages
        more = min(
            most - self.counts[vnode][pnode], self._missing(vnode), self.left[pnode] // grain
        )
        if more > 0:
            self.counts[vnode][pnode] += more
            self.left[pnode] -= more * grain
