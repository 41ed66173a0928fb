"""From a placement to values of the variables: a start for the solver (MODEL "Decided")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from placer.cpsat.items import Item, Site
from placer.cpsat.variables import Expr, Variables
from placer.placement import PlacedDomain, Placement
from placer.splits import Granules
from placer.units import SPILL_UNITS


def hint_of(v: Variables, placement: Placement) -> dict[int, int]:
    """Return the value of every decision of ``v`` in ``placement``, by the variable's index.

    All that ``Variables`` decides is there, for the domains left out too; what the rules
    and levels derive from it is not. A domain whose vnodes none of its alternatives has
    gets no value at all, nor does anything where a variable is no variable but a number.
    """
    hint = _Hint(v)
    placed = {answer.domain: answer for answer in placement.domains}
    for number, domain in enumerate(v.problem.domains):
        answer = placed.get(domain.name)
        chosen = None if answer is None else _chosen_item(v.of_domain[number], answer)
        if answer is not None and chosen is None:
            continue
        for item in v.of_domain[number]:
            if answer is not None and chosen is item:
                hint.place(item, answer)
            else:
                hint.leave_out(item)
    for (number, site), used in v.used_first.items():
        before = v.problem.domains[: number + 1]
        answers = (placed.get(domain.name) for domain in before)
        name = v.sites[site].host.name
        hint.put(used, int(any(a is not None and a.host == name for a in answers)))
    return hint.values


def _chosen_item(items: Iterable[Item], answer: PlacedDomain) -> Item | None:
    sizes = answer.vnode_pages.tolist()
    return next((item for item in items if not item.sized and item.sizes == sizes), None)


class _Hint:
    def __init__(self, v: Variables) -> None:
        self.v = v
        self.values: dict[int, int] = {}
        self.cell_of = [
            {
                pcpu: e
                for e, cell in enumerate(site.cells.cells)
                for slot in cell.slots
                for pcpu in slot.pcpus
            }
            for site in v.sites
        ]

    def put(self, variable: Expr, value: int) -> None:
        """Note the value of a variable, unless it is a plain number or an expression."""
        index = getattr(variable, "index", None)
        if index is not None and index >= 0:
            self.values[index] = value

    def place(self, item: Item, answer: PlacedDomain) -> None:
        """Put the item where ``answer`` has its domain."""
        v = self.v
        self.put(v.placed[item.number], 1)
        counts = np.bincount(answer.vcpu_to_vnode, minlength=item.num_vnodes).tolist()
        for vnode, number in enumerate(counts):
            self.put(v.count[item.number, vnode], number)
        for (number, vcpu, vnode), inside in v.in_vnode.items():
            if number == item.number:
                self.put(inside, int(answer.vcpu_to_vnode[vcpu] == vnode))
        for site in v.sites_of(item):
            here = site.host.name == answer.host
            self.put(v.item_on(item, site.number), int(here))
            if here:
                self._place_on(item, site, answer)
            else:
                self._stay_away(item, site)

    def leave_out(self, item: Item) -> None:
        """Give every decision about an item that is not chosen."""
        v = self.v
        self.put(v.placed[item.number], 0)
        for vnode, (low, _) in enumerate(item.counts):
            self.put(v.count[item.number, vnode], low)
        for (number, _, vnode), inside in v.in_vnode.items():
            if number == item.number:
                self.put(inside, int(vnode == 0))
        for site in v.sites_of(item):
            self.put(v.item_on(item, site.number), 0)
            self._stay_away(item, site)

    def _place_on(self, item: Item, site: Site, answer: PlacedDomain) -> None:
        v = self.v
        for vnode in range(item.num_vnodes):
            home = int(answer.home[vnode])
            for pnode, literal in enumerate(v.home(item, vnode, site)):
                self.put(literal, int(pnode == home))
            self._deal(item, vnode, site, answer.pages[vnode].tolist())
        self._seat(item, site, answer)

    def _deal(self, item: Item, vnode: int, site: Site, pages: list[int]) -> None:
        """Granules by pnode, the last and short one, and the parts of 64 up to each pnode."""
        key = (item.number, vnode, site.number)
        dealt = self.v.granules.get(key)
        if dealt is None:
            return
        grain = Granules.of(item.sizes[vnode])
        used = [pnode for pnode, number in enumerate(pages) if number]
        counts = [-(-number // grain.pages) for number in pages]
        for pnode, number in enumerate(counts):
            self.put(dealt[pnode], number)
            self.put(self.v.has_memory(item, vnode, site)[pnode], int(number > 0))
            self.put(self.v.last[key][pnode], int(bool(used) and pnode == used[-1]))
        for pnode, upto in enumerate(self.v.parts_upto.get(key, ())):
            self.put(upto, SPILL_UNITS * sum(counts[: pnode + 1]) // grain.count)

    def _seat(self, item: Item, site: Site, answer: PlacedDomain) -> None:
        """How many vcpus of each class are in each cell, and the cores taken whole."""
        v, cell_of = self.v, self.cell_of[site.number]
        cells = [cell_of.get(pcpu, -1) for pcpu in answer.vcpu_to_pcpu.tolist()]
        vnode_of = answer.vcpu_to_vnode.tolist()
        for vcpus in v.classes[item.number]:
            members = [
                vcpu
                for vcpu in vcpus.vcpus or range(item.domain.num_vcpus)
                if vnode_of[vcpu] == vcpus.vnode
            ]
            seated = Counter(cells[vcpu] for vcpu in members)
            for e, number in v.cells_of(vcpus, site):
                self.put(number, seated[e])
        core_of = dict(zip(site.host.pcpu_ids.tolist(), site.host.pcpu_core.tolist(), strict=True))
        cores = {core_of[pcpu] for pcpu in answer.vcpu_to_pcpu.tolist()}
        for g, core_class in enumerate(site.cells.core_classes):
            taken = v.whole_cores.get((item.number, site.number, g))
            self.put(taken, len(cores.intersection(core_class.cores)))

    def _stay_away(self, item: Item, site: Site) -> None:
        v = self.v
        for vnode in range(item.num_vnodes):
            self._put_all(v.home(item, vnode, site), 0)
            key = (item.number, vnode, site.number)
            if key in v.granules:
                self._put_all(v.granules[key], 0)
                self._put_all(v.has_memory(item, vnode, site), 0)
                self._put_all(v.last[key], 0)
                self._put_all(v.parts_upto.get(key, ()), 0)
        for vcpus in v.classes[item.number]:
            self._put_all((number for _, number in v.cells_of(vcpus, site)), 0)
        for g in range(len(site.cells.core_classes)):
            self.put(v.whole_cores.get((item.number, site.number, g)), 0)

    def _put_all(self, variables: Iterable[Any], value: int) -> None:
        for variable in variables:
            self.put(variable, value)
