"""The decisions of MODEL.md as CP-SAT variables, kept where they can be asked for by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ortools.sat.python import cp_model

from placer.arrays import Ints
from placer.cpsat.items import Item, Site, list_items, list_sites
from placer.problem import Problem
from placer.splits import Granules
from placer.units import PAGES_2MIB, SPILL_UNITS

Literal = Any
"""A Boolean variable, its negation, or 0 or 1."""
Expr = Any
"""A linear expression, a variable or a whole number."""


def total(terms: Iterable[Expr]) -> Expr:
    """Return the sum of terms as a new expression, or a number where all are numbers.

    OR-Tools' ``+=`` changes the expression on its left in place, and ``0 + x`` is x
    itself; so sums are made here, and ``+=`` is never used on expressions.
    """
    listed = list(terms)
    if all(isinstance(term, int) for term in listed):
        return sum(listed)
    return cp_model.LinearExpr.sum(listed)


def new_solver(*, seed: int = 0, workers: int = 1) -> cp_model.CpSolver:
    """Return a solver that leaves SIGINT to Python, which it would not give back.

    One worker searches with the whole linear relaxation: with part of it, the default,
    a few tiny problems with spilled memory are never finished.
    """
    solver = cp_model.CpSolver()
    solver.parameters.random_seed = seed
    solver.parameters.num_workers = workers
    solver.parameters.catch_sigint_signal = False
    solver.parameters.linearization_level = 2
    return solver


@dataclass(frozen=True, slots=True)
class VcpuClass:
    """Vcpus of one item that are alike: one vnode and one pair of masks (MODEL "r[c,e]").

    ``vcpus`` are the vcpus themselves where the map is fixed or the class is of a
    single vcpu; empty where the class is the block of a vnode that the solver
    sizes. ``count`` is how many there are.
    """

    item: int
    vnode: int
    hard: int | None
    vcpus: tuple[int, ...]
    count: Expr
    most: int


class Variables:
    """All variables of one encoding, with queries in the words of the model.

    With ``spill`` False no vcpu runs off its home pnode, but for domains whose
    ``cpu_spill`` is ``free``.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        spill: bool,
        sizes: dict[str, Ints] | None = None,
        sized: bool = False,
    ) -> None:
        self.model = cp_model.CpModel()
        self.problem = problem
        self.spill = spill
        self.items = list_items(problem, sizes, sized=sized)
        self.sites, self.mask_numbers = list_sites(problem)
        self.placed: dict[int, Literal] = {}
        self._on: dict[tuple[int, int], Literal] = {}
        self._home: dict[tuple[int, int, int], list[Literal]] = {}
        self._pages: dict[tuple[int, int, int], list[Expr]] = {}
        self._parts: dict[tuple[int, int, int], list[Expr]] = {}
        self._has_memory: dict[tuple[int, int, int], list[Literal]] = {}
        self.blocks: dict[tuple[int, int], Any] = {}
        self.granules: dict[tuple[int, int, int], list[Expr]] = {}
        self.last: dict[tuple[int, int, int], list[Literal]] = {}
        self.parts_upto: dict[tuple[int, int, int], list[Expr]] = {}
        self.classes: dict[int, list[VcpuClass]] = {}
        self.count: dict[tuple[int, int], Expr] = {}
        self.in_vnode: dict[tuple[int, int, int], Literal] = {}
        self.in_cell: dict[tuple[int, int, int, int], Any] = {}
        self.whole_cores: dict[tuple[int, int, int], Any] = {}
        self.used_first: dict[tuple[int, int], Literal] = {}
        self._has_vcpus: dict[tuple[int, int, int, int], Literal] = {}
        for item in self.items:
            self._place(item)
        self.of_domain: dict[int, list[Item]] = defaultdict(list)
        for item in self.items:
            self.of_domain[item.domain_number].append(item)

    # -- queries ---------------------------------------------------------------

    def is_placed(self, domain: int) -> Expr:
        """Return 1 where the domain is placed in one of its alternatives."""
        return total(self.placed[item.number] for item in self.of_domain[domain])

    def runs_on(self, domain: int, site: int) -> Expr:
        """Return 1 where the domain is on the host."""
        return total(self.item_on(item, site) for item in self.of_domain[domain])

    def item_on(self, item: Item, site: int) -> Literal:
        """Return 1 where the item is chosen and is on the host."""
        return self._on.get((item.number, site), 0)

    def sites_of(self, item: Item) -> list[Site]:
        """Return the hosts that the item may be on."""
        return [site for site in self.sites if (item.number, site.number) in self._on]

    def home(self, item: Item, vnode: int, site: Site) -> list[Literal]:
        """Return ``x[i, p]`` by pnode of the host."""
        return self._home[item.number, vnode, site.number]

    def pages(self, item: Item, vnode: int, site: Site) -> list[Expr]:
        """Return ``s[i, p]``, real pages by pnode of the host."""
        return self._pages[item.number, vnode, site.number]

    def parts(self, item: Item, vnode: int, site: Site) -> list[Expr]:
        """Return ``t[i, p]``, the vnode's memory in 64 parts, by pnode of the host."""
        return self._parts[item.number, vnode, site.number]

    def has_memory(self, item: Item, vnode: int, site: Site) -> list[Literal]:
        """Return by pnode whether the vnode has memory there."""
        return self._has_memory[item.number, vnode, site.number]

    def cells_of(self, vcpus: VcpuClass, site: Site) -> list[tuple[int, Any]]:
        """Return the cells that the class may use, with ``r[c, e]`` of each."""
        position = self.classes[vcpus.item].index(vcpus)
        return [
            (e, self.in_cell[vcpus.item, position, site.number, e])
            for e in site.cells.allowed(vcpus.hard)
        ]

    def vcpus_on(self, item: Item, vnode: int, site: Site) -> list[Expr]:
        """Return ``r[i, p]``: the vcpus of the vnode on each pnode of the host."""
        running: list[list[Expr]] = [[] for _ in range(site.host.num_pnodes)]
        for vcpus in self.classes[item.number]:
            if vcpus.vnode == vnode:
                for e, number in self.cells_of(vcpus, site):
                    running[site.cells.cells[e].pnode].append(number)
        return [total(numbers) for numbers in running]

    def has_vcpus(self, item: Item, vnode: int, site: Site, pnode: int) -> Literal:
        """Return whether a vcpu of the vnode runs on the pnode."""
        key = (item.number, vnode, site.number, pnode)
        if key not in self._has_vcpus:
            most = item.counts[vnode][1]
            running = self.vcpus_on(item, vnode, site)[pnode]
            if most == 0 or isinstance(running, int):
                self._has_vcpus[key] = 0
            elif self.stays_home(item) and item.counts[vnode][0] > 0:
                self._has_vcpus[key] = self.home(item, vnode, site)[pnode]
            else:
                has = self.model.new_bool_var("")
                self.model.add(running <= most * has)
                self._has_vcpus[key] = has
        return self._has_vcpus[key]

    def may_spill(self, item: Item) -> bool:
        """Return whether vcpus of the item may run off their home pnode in this encoding."""
        spill = item.domain.cpu_spill
        return spill == "free" or (self.spill and spill == "last")

    def stays_home(self, item: Item) -> bool:
        """Return whether every vcpu of the item runs on its home pnode."""
        return not self.may_spill(item)

    # -- construction ----------------------------------------------------------

    def _place(self, item: Item) -> None:
        model, key = self.model, item.number
        if item.sized:
            self._size_vnodes(item)
        placed = model.new_bool_var(f"placed_{key}")
        self.placed[key] = placed
        for site in self.sites:
            if item.may_run_on(site.host):
                self._on[key, site.number] = model.new_bool_var(f"on_{key}_{site.number}")
        model.add(sum(self.item_on(item, site.number) for site in self.sites) == placed)
        for vnode in range(item.num_vnodes):
            for site in self.sites_of(item):
                self._place_vnode(item, vnode, site)
        self._class_vcpus(item)
        self._seat_vcpus(item)

    def _place_vnode(self, item: Item, vnode: int, site: Site) -> None:
        model = self.model
        key = (item.number, vnode, site.number)
        home = [model.new_bool_var("") for _ in range(site.host.num_pnodes)]
        model.add(sum(home) == self.item_on(item, site.number))
        self._home[key] = home
        memory, size = item.domain.memory[vnode], item.sizes[vnode]
        if item.sized:
            self._place_blocks(item, vnode, key)
            return
        if memory.policy == "strict" or size == 0:
            self._pages[key] = [size * here for here in home]
            self._parts[key] = [SPILL_UNITS * here for here in home]
            self._has_memory[key] = home if size else [0] * len(home)
            return
        granules = Granules.of(size)
        self._deal_granules(key, granules, self.item_on(item, site.number))

    def _size_vnodes(self, item: Item) -> None:
        """C4: vnodes of whole 2 MiB blocks; pages that fill no block go to the last."""
        blocks = item.domain.memory_pages // PAGES_2MIB
        sizes = [self.model.new_int_var(1, blocks, "") for _ in range(item.num_vnodes)]
        self.model.add(sum(sizes) == blocks)
        for vnode, size in enumerate(sizes):
            self.blocks[item.number, vnode] = size

    def sized_pages(self, item: Item, vnode: int) -> Expr:
        """Return the pages of a vnode that the solver sizes."""
        tail = item.domain.memory_pages % PAGES_2MIB
        return PAGES_2MIB * self.blocks[item.number, vnode] + (
            tail if vnode == item.num_vnodes - 1 else 0
        )

    def _place_blocks(self, item: Item, vnode: int, key: tuple[int, int, int]) -> None:
        model, home = self.model, self._home[key]
        most = item.domain.memory_pages // PAGES_2MIB
        tail = item.domain.memory_pages % PAGES_2MIB if vnode == item.num_vnodes - 1 else 0
        here = [model.new_int_var(0, most, "") for _ in home]
        for number, literal in zip(here, home, strict=True):
            model.add(number <= most * literal)
            model.add(number == self.blocks[item.number, vnode]).only_enforce_if(literal)
        self._pages[key] = [
            PAGES_2MIB * number + tail * literal for number, literal in zip(here, home, strict=True)
        ]
        self._parts[key] = [SPILL_UNITS * literal for literal in home]
        self._has_memory[key] = home

    def _deal_granules(self, key: tuple[int, int, int], granules: Granules, on: Literal) -> None:
        """Spilled memory: granules by pnode, pages with the short one last, parts of 64."""
        model, count = self.model, granules.count
        num_pnodes = len(self._home[key])
        dealt = [model.new_int_var(0, count, "") for _ in range(num_pnodes)]
        has = [model.new_bool_var("") for _ in range(num_pnodes)]
        last = [model.new_bool_var("") for _ in range(num_pnodes)]
        model.add(sum(dealt) == count * on)
        model.add(sum(last) == on)
        for pnode in range(num_pnodes):
            model.add(dealt[pnode] <= count * has[pnode])
            model.add(dealt[pnode] >= has[pnode])
            model.add_implication(last[pnode], has[pnode])
            for higher in range(pnode + 1, num_pnodes):
                model.add_implication(last[pnode], ~has[higher])
        self.granules[key] = list(dealt)
        self.last[key] = list(last)
        self._has_memory[key] = list(has)
        self._pages[key] = [
            granules.pages * number - granules.short * final
            for number, final in zip(dealt, last, strict=True)
        ]
        if count == SPILL_UNITS:
            self._parts[key] = list(dealt)
            return
        parts: list[Expr] = []
        before: Expr = 0
        self.parts_upto[key] = []
        for pnode in range(num_pnodes):
            upto = model.new_int_var(0, SPILL_UNITS, "")
            self.parts_upto[key].append(upto)
            model.add_division_equality(upto, SPILL_UNITS * sum(dealt[: pnode + 1]), count)
            parts.append(upto - before)
            before = upto
        self._parts[key] = parts

    def _class_vcpus(self, item: Item) -> None:
        """Sort the item's vcpus into classes; make ``n[i]`` where the map is free."""
        model, domain, key = self.model, item.domain, item.number
        masks = [None if m is None else self.mask_numbers[m.text] for m in domain.hard_affinity]
        softs = [None if m is None else m.text for m in domain.soft_affinity]
        classes: list[VcpuClass] = []
        if domain.vcpu_to_vnode is not None:
            alike: dict[tuple[int, int | None, str | None], list[int]] = defaultdict(list)
            for vcpu, vnode in enumerate(domain.vcpu_to_vnode.tolist()):
                alike[vnode, masks[vcpu], softs[vcpu]].append(vcpu)
            for (vnode, hard, _), vcpus in alike.items():
                number = len(vcpus)
                classes.append(VcpuClass(key, vnode, hard, tuple(vcpus), number, number))
            for vnode, (number, _) in enumerate(item.counts):
                self.count[key, vnode] = number
            self.classes[key] = classes
            return
        numbers: list[Expr] = [
            low if low == high else model.new_int_var(low, high, f"n_{key}_{vnode}")
            for vnode, (low, high) in enumerate(item.counts)
        ]
        model.add(sum(numbers) == domain.num_vcpus).only_enforce_if(self.placed[key])
        if item.sized:
            self._bound_by_size(item, numbers)
        for vnode, number in enumerate(numbers):
            self.count[key, vnode] = number
        if len(set(zip(masks, softs, strict=True))) == 1:
            self.classes[key] = [
                VcpuClass(key, vnode, masks[0], (), numbers[vnode], item.counts[vnode][1])
                for vnode in range(item.num_vnodes)
            ]
            return
        self.classes[key] = self._class_single_vcpus(item, masks, numbers)

    def _bound_by_size(self, item: Item, numbers: list[Expr]) -> None:
        """``floor(N*m/M) <= n <= ceil(N*m/M)`` where m is a variable."""
        total = item.domain.memory_pages
        for vnode, number in enumerate(numbers):
            share = item.domain.num_vcpus * self.sized_pages(item, vnode)
            self.model.add(total * number >= share - total + 1)
            self.model.add(total * number <= share + total - 1)

    def _class_single_vcpus(
        self, item: Item, masks: list[int | None], numbers: list[Expr]
    ) -> list[VcpuClass]:
        """A free map with masks that differ: which vcpu falls into which block matters."""
        model, key = self.model, item.number
        classes = []
        for vcpu, hard in enumerate(masks):
            inside = [model.new_bool_var("") for _ in numbers]
            model.add(sum(inside) == 1).only_enforce_if(self.placed[key])
            for vnode, here in enumerate(inside):
                self.in_vnode[key, vcpu, vnode] = here
                classes.append(VcpuClass(key, vnode, hard, (vcpu,), here, 1))
            if vcpu:
                for vnode, here in enumerate(inside):
                    earlier = [self.in_vnode[key, vcpu - 1, v] for v in range(vnode + 1)]
                    model.add_bool_or([*earlier, ~here])
        for vnode, number in enumerate(numbers):
            members = [self.in_vnode[key, vcpu, vnode] for vcpu in range(len(masks))]
            model.add(sum(members) == number).only_enforce_if(self.placed[key])
        return classes

    def _seat_vcpus(self, item: Item) -> None:
        """``r[c, e]``: every vcpu of a placed item is in one cell of its host."""
        model = self.model
        for position, vcpus in enumerate(self.classes[item.number]):
            seated: list[Any] = []
            for site in self.sites_of(item):
                on = self.item_on(item, site.number)
                for e in site.cells.allowed(vcpus.hard):
                    number = model.new_int_var(0, vcpus.most, "")
                    model.add(number <= vcpus.most * on)
                    self.in_cell[item.number, position, site.number, e] = number
                    seated.append(number)
            placed = self.placed[item.number]
            if isinstance(vcpus.count, int):
                model.add(sum(seated) == vcpus.count * placed)
            else:
                model.add(sum(seated) == vcpus.count).only_enforce_if(placed)
