"""Classes of equal domains and equal hosts: what a fleet consists of, with counts.

Nothing that the fleet engine computes depends on how many members a class has, but for
rounding and for writing the answer.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from placer.access import exact_shares, integer_shares
from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host
from placer.pages.heap import free_extents
from placer.pcpus import find_cells
from placer.problem import Problem
from placer.quadratic.core import Mask
from placer.splits import vcpu_bounds
from placer.units import MAX_ORDER, ORDER_1GIB, ORDER_2MIB, SPILL_UNITS, UNREACHABLE

PAGES, VCPUS, EXTENTS_2MIB, EXTENTS_1GIB = range(4)
NUM_RESOURCES = 4
"""Resources of a pnode: pages, vcpus (scaled by overcommit), free extents of two sizes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HostType:
    """Hosts that no domain can tell apart.

    ``capacity[r, p]`` by resource and pnode; vcpus are counted in 1/``under`` of a slot,
    so that a shared one takes ``under`` and a dedicated one ``over`` (C2).
    """

    number: int
    hosts: list[int]
    capacity: Ints
    distances: Ints
    over: int
    under: int
    roles: tuple[bool, ...]

    @property
    def num_pnodes(self) -> int:
        """How many pnodes each of the hosts has."""
        return len(self.distances)

    @property
    def count(self) -> int:
        """How many hosts there are."""
        return len(self.hosts)


@dataclass(frozen=True, eq=False, kw_only=True)
class DomainClass:
    """Domains that no host can tell apart.

    ``demand[r, i]`` by resource and vnode (vcpus unscaled), ``overhead_pages`` at the home
    of vnode 0, ``flow[i, j]`` the vcpus of i times A[i][j] times 64, so that the cost is
    ``sum flow[i, j] * D[home i, home j]``. ``needs[i, j]`` where i must reach j.
    ``fixed[i]`` is the pnode asked for or -1. ``spills`` says whether vcpus may run off home
    where nothing else helps; a pattern never has any that do.
    """

    number: int
    domains: list[int]
    demand: Ints
    overhead_pages: int
    flow: Ints
    needs: Mask
    fixed: Ints
    distinct: bool
    dedicated: bool
    priority: int
    num_vcpus: int
    required: int | None
    forbidden: tuple[int, ...]
    spills: bool

    @property
    def num_vnodes(self) -> int:
        """How many vnodes each of the domains has."""
        return len(self.fixed)

    @property
    def count(self) -> int:
        """How many domains there are."""
        return len(self.domains)

    def may_run_on(self, host_type: HostType) -> bool:
        """Return whether hosts allowed and forbidden leave the type."""
        if self.required is not None and not host_type.roles[self.required]:
            return False
        if any(host_type.roles[role] for role in self.forbidden):
            return False
        return int(self.fixed.max()) < host_type.num_pnodes


@dataclass(frozen=True, eq=False, kw_only=True)
class Shapes:
    """A whole problem as classes. ``odd`` are the domains that are not plain."""

    types: tuple[HostType, ...]
    classes: tuple[DomainClass, ...]
    odd: tuple[int, ...] = ()

    @property
    def spill(self) -> bool:
        """Whether a domain may have vcpus off home, which patterns do not show."""
        return any(shape.spills for shape in self.classes)

    def without_vcpus_that_spill(self) -> Shapes:
        """Return the same with no vcpus in classes that may spill them.

        Whatever can be placed can be placed so, also where vcpus run off home.
        """
        relaxed = []
        for shape in self.classes:
            if not shape.spills:
                relaxed.append(shape)
                continue
            demand = shape.demand.copy()
            demand[VCPUS] = 0
            relaxed.append(replace(shape, demand=demand, needs=np.zeros_like(shape.needs)))
        return replace(self, classes=tuple(relaxed))


def is_plain(domain: Domain) -> bool:
    """Return whether a domain's place is told by the homes of its vnodes alone.

    Strict memory, a number of vcpus in each vnode that leaves no choice, no masks, and
    no whole cores to itself.
    """
    if domain.auto_vnodes or domain.cpu_spill == "free":
        return False
    if domain.dedicated and domain.thread_policy != "prefer":
        return False
    if any(mask is not None for mask in domain.hard_affinity):
        return False
    if any(mask is not None for mask in domain.soft_affinity):
        return False
    for memory, pages in zip(domain.memory, domain.vnode_pages.tolist(), strict=True):
        if memory.policy != "strict" and pages:
            return False
    if domain.vcpu_to_vnode is not None:
        return True
    return all(low == high for low, high in vcpu_bounds(domain, domain.vnode_pages))


def list_shapes(problem: Problem) -> Shapes:
    """Sort the hosts and the plain domains of a problem into classes, in their order."""
    roles = _Roles()
    classes, odd = _domain_classes(problem, roles)
    return Shapes(types=_host_types(problem, roles), classes=classes, odd=odd)


@dataclass
class _Roles:
    """The lists of hosts that domains name: a role is to be in one of them."""

    lists: dict[frozenset[str], int] = field(default_factory=dict)

    def number(self, names: tuple[str, ...]) -> int:
        return self.lists.setdefault(frozenset(names), len(self.lists))


def _host_types(problem: Problem, roles: _Roles) -> tuple[HostType, ...]:
    found: dict[Hashable, HostType] = {}
    by_figures: dict[Hashable, tuple[Ints, int, int]] = {}
    sized = any((domain.page_order > 0).any() for domain in problem.domains)
    for number, host in enumerate(problem.hosts):
        in_lists = tuple(host.name in names for names in roles.lists)
        figures = _figures(host, sized=sized)
        if figures not in by_figures:
            by_figures[figures] = _capacity(host, sized=sized)
        capacity, over, under = by_figures[figures]
        key = (capacity.tobytes(), host.distances.tobytes(), over, under, in_lists)
        if key not in found:
            found[key] = HostType(
                number=len(found),
                hosts=[],
                capacity=capacity,
                distances=host.distances,
                over=over,
                under=under,
                roles=in_lists,
            )
        found[key].hosts.append(number)
    return tuple(found.values())


def _figures(host: Host, *, sized: bool) -> Hashable:
    """What the capacity of a host follows from, as something to look it up by."""
    return (
        host.free_pages.tobytes(),
        host.reserve_pages.tobytes(),
        host.pcpu_ids.tobytes(),
        host.pcpu_pnode.tobytes(),
        host.pcpu_core.tobytes(),
        host.overcommit,
        host.smt,
        host.free_spans.tobytes() if sized else b"",
        tuple((running.vcpus_on.tobytes(), running.dedicated_pcpus) for running in host.running),
    )


def _capacity(host: Host, *, sized: bool) -> tuple[Ints, int, int]:
    over, under = host.overcommit.numerator, host.overcommit.denominator
    capacity = np.zeros((NUM_RESOURCES, host.num_pnodes), dtype=np.int64)
    capacity[PAGES] = host.usable_pages
    slots = np.array(find_cells(host, []).slots_on, dtype=np.int64)
    running = sum((domain.vcpus_on for domain in host.running), np.zeros_like(slots))
    capacity[VCPUS] = np.maximum(over * slots - under * running, 0)
    if sized:
        counts = free_extents(host)
        for row, order in ((EXTENTS_2MIB, ORDER_2MIB), (EXTENTS_1GIB, ORDER_1GIB)):
            for o in range(order, MAX_ORDER + 1):
                capacity[row] += counts[:, o] << (o - order)
    return capacity, over, under


def _domain_classes(
    problem: Problem, roles: _Roles
) -> tuple[tuple[DomainClass, ...], tuple[int, ...]]:
    found: dict[Hashable, DomainClass | None] = {}
    measured: dict[int, Hashable] = {}
    odd: list[int] = []
    for number, domain in enumerate(problem.domains):
        if domain.access is not None and id(domain.access) not in measured:
            measured[id(domain.access)] = domain.access
        key = (
            domain.vnode_pages.tobytes(),
            domain.num_vcpus,
            None if domain.vcpu_to_vnode is None else domain.vcpu_to_vnode.tobytes(),
            None if domain.vcpu_bounds is None else domain.vcpu_bounds.tobytes(),
            domain.distances.tobytes(),
            domain.auto_vnodes,
            domain.vnode_pnode.tobytes(),
            domain.hard_affinity if domain.hard_affinity.count(None) < domain.num_vcpus else None,
            domain.soft_affinity if domain.soft_affinity.count(None) < domain.num_vcpus else None,
            domain.memory,
            domain.page_order.tobytes(),
            domain.dedicated,
            domain.thread_policy,
            domain.priority,
            domain.hosts,
            domain.forbidden_hosts,
            domain.distinct_pnodes,
            domain.cpu_spill,
            domain.overhead_pages,
            None if domain.access is None else id(domain.access),
        )
        if key not in found:
            found[key] = _domain_class(domain, roles) if is_plain(domain) else None
        shape = found[key]
        if shape is None:
            odd.append(number)
        else:
            shape.domains.append(number)
    return _merge([shape for shape in found.values() if shape is not None]), tuple(odd)


def _domain_class(domain: Domain, roles: _Roles) -> DomainClass:
    if domain.vcpu_to_vnode is not None:
        counts = np.bincount(domain.vcpu_to_vnode, minlength=domain.num_vnodes)
    else:
        counts = np.array([low for low, _ in vcpu_bounds(domain, domain.vnode_pages)])
    demand = np.zeros((NUM_RESOURCES, domain.num_vnodes), dtype=np.int64)
    demand[PAGES] = domain.vnode_pages
    demand[VCPUS] = counts
    for row, order in ((EXTENTS_2MIB, ORDER_2MIB), (EXTENTS_1GIB, ORDER_1GIB)):
        demand[row] = np.where(domain.page_order >= order, domain.vnode_pages >> order, 0)
    shares = integer_shares(domain)
    exact = np.array([[share > 0 for share in row] for row in exact_shares(domain)])
    return DomainClass(
        number=-1,
        domains=[],
        demand=demand,
        overhead_pages=domain.overhead_pages,
        flow=counts[:, None] * shares * SPILL_UNITS,
        needs=exact & (counts[:, None] > 0),
        fixed=domain.vnode_pnode,
        distinct=domain.distinct_pnodes,
        dedicated=domain.dedicated,
        priority=domain.priority,
        num_vcpus=domain.num_vcpus,
        required=None if domain.hosts is None else roles.number(domain.hosts),
        forbidden=(roles.number(domain.forbidden_hosts),) if domain.forbidden_hosts else (),
        spills=domain.cpu_spill == "last",
    )


def _merge(shapes: list[DomainClass]) -> tuple[DomainClass, ...]:
    """Join classes whose figures are the same although they were written differently."""
    merged: dict[Hashable, list[DomainClass]] = {}
    for shape in shapes:
        key = (
            shape.demand.tobytes(),
            shape.overhead_pages,
            shape.flow.tobytes(),
            shape.needs.tobytes(),
            shape.fixed.tobytes(),
            shape.distinct,
            shape.dedicated,
            shape.priority,
            shape.required,
            shape.forbidden,
            shape.spills,
        )
        merged.setdefault(key, []).append(shape)
    joined = []
    for number, alike in enumerate(merged.values()):
        first = alike[0]
        members = sorted(member for shape in alike for member in shape.domains)
        joined.append(replace(first, number=number, domains=members))
    return tuple(joined)


def unreachable(host_type: HostType) -> Mask:
    """Return which pairs of pnodes cannot reach each other, shape (P, P)."""
    return np.asarray(host_type.distances == UNREACHABLE)
