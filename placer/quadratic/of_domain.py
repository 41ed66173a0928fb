"""One domain on one host as a quadratic core: where that says it all (MODEL "The quadratic core").

A domain is *plain* for a host where every vnode lies on one pnode with its vcpus, so that
an assignment of vnodes to pnodes is the whole decision and its cost is quadratic:

    sum over vnodes i, j of n[i] * A[i][j] * 64 * D[p[i]][p[j]]

in the units of the model. A free vcpu map is plain as well: the vcpus beyond the least
number of each vnode are dealt afterwards, at least cost. So are a price for hyperthreads
and soft affinities, of which the cost counts for more than all vcpus together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from placer.access import exact_shares, integer_shares
from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host
from placer.pages.heap import free_extents
from placer.quadratic.core import Mask, QuadraticCore
from placer.quadratic.partial import VcpuTerms
from placer.quadratic.rooms import Rooms, find_rooms
from placer.splits import vcpu_bounds
from placer.units import (
    COST_UNITS,
    LOCAL_DISTANCE,
    MAX_ORDER,
    ORDER_1GIB,
    ORDER_2MIB,
    SPILL_UNITS,
    UNREACHABLE,
)

MEMORY, VCPUS = 0, 1
"""Rows of the core's resources; 2 MiB and 1 GiB extents follow where they are wanted."""


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What one vcpu of a vnode costs: ``linear[i, p]`` at p, ``flow[i, j]`` for each access."""

    linear: Ints
    flow: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCore:
    """A domain on a host as a core, and how to read an answer.

    ``terms`` are what the core itself does not say of vcpus. A cost of the core is ``scale``
    times the model's cost plus the vcpus outside their soft mask. ``least[i]`` vcpus of
    vnode i are in the core's demand. ``rooms`` seats the vcpus, ``asked`` is where homes
    may be as far as pnodes asked for say.

    ``unit`` is what one vcpu costs where it runs, None where vcpus of a vnode differ in that
    or in where they may run; ``spill_price`` is above the cost of all.

    ``spilled`` are vnodes of ``pages[i]`` pages that are *preferred* and need not be at home.
    With any, the best assignment is proven best only at ``local_cost``, where every access is
    local, and only where all that is ``seen``: memory away from home costs more than local.
    """

    core: QuadraticCore
    terms: VcpuTerms | None
    scale: int
    least: Ints
    rooms: Rooms
    asked: Mask
    spilled: tuple[int, ...]
    seen: bool
    pages: Ints
    local_cost: int
    unit: UnitCost | None
    spill_price: int

    def without_costs(self) -> DomainCore:
        """Return the same where every assignment costs nothing: any that is allowed will do."""
        core, terms = self.core, self.terms
        linear, flow = np.zeros_like(core.linear), np.zeros_like(core.flow)
        if terms is not None:
            terms = replace(terms, linear=linear, flow=flow, price=0)
        return replace(
            self,
            core=replace(core, linear=linear, flow=flow),
            terms=terms,
            unit=None if self.unit is None else UnitCost(linear, flow),
            spill_price=0,
        )

    def refusing(self, *, vcpus_stay: bool) -> QuadraticCore:
        """Return a core without costs that has an assignment wherever the domain can be placed.

        Memory that may be spilled counts at home with its part if all pnodes had equally
        much: home is where most is. Where vcpus may leave home they do not count.
        """
        core = self.core
        demand = core.demand.copy()
        for vnode in self.spilled:
            pages = int(self.pages[vnode])
            demand[MEMORY, vnode] -= pages - -(-pages // core.num_locations)
            demand[VCPUS + 1 :, vnode] = 0
        rows = [row for row in range(len(demand)) if vcpus_stay or row != VCPUS]
        return replace(
            core,
            linear=np.zeros_like(core.linear),
            flow=np.zeros_like(core.flow),
            demand=demand[rows],
            capacity=core.capacity[rows],
            allowed=core.allowed if vcpus_stay else self.asked,
            needs=np.zeros_like(core.needs),
        )

    def with_spill(self, num_vcpus: int) -> tuple[QuadraticCore, VcpuTerms] | None:
        """Return the core and terms of the same where vcpus may run off home as a last resort.

        Each vcpu off home costs ``spill_price`` more. None where that is not all there is to it:
        unreachable pairs, a price for hyperthreads, memory that may be spilled too.
        """
        core, terms = self.core, self.terms
        if self.unit is None or core.unreachable.any() or self.spilled:
            return None
        if terms is not None and terms.price:
            return None
        capacity = core.capacity.copy()
        capacity[VCPUS] = num_vcpus
        nothing = np.zeros(core.num_facilities, dtype=np.int64)
        return replace(core, capacity=capacity), VcpuTerms(
            resource=VCPUS,
            num_spare=0 if terms is None else terms.num_spare,
            most_spare=nothing if terms is None else terms.most_spare,
            linear=self.unit.linear,
            flow=self.unit.flow,
            room=self.rooms.most,
            price=self.spill_price,
            spill=True,
        )


def describe(domain: Domain, host: Host) -> DomainCore | None:
    """Return ``domain`` on ``host`` as a core with its terms, or None where it is not plain."""
    if domain.auto_vnodes or domain.cpu_spill == "free":
        return None
    if int(domain.vnode_pnode.max()) >= host.num_pnodes:
        return None
    least, most = _vcpu_numbers(domain)
    if int(least.sum()) > domain.num_vcpus:
        return None
    if (host.distances == UNREACHABLE).any() and ((least == 0) & (most > 0)).any():
        return None
    spilled = tuple(
        vnode
        for vnode, pages in enumerate(domain.vnode_pages.tolist())
        if pages and domain.memory[vnode].policy != "strict"
    )
    if any(domain.memory[vnode].policy == "interleave" for vnode in spilled):
        return None
    seats = _find_seats(domain, host, least, most)
    if seats is None:
        return None
    rooms, allowed, alike = seats
    off_soft = _off_soft(domain, host)
    if off_soft is None:
        return None
    shares = integer_shares(domain)
    has_soft = any(mask is not None for mask in domain.soft_affinity)
    scale = domain.num_vcpus + 1 if has_soft else 1
    fixed = domain.vcpu_to_vnode is not None
    unit_flow = shares * (SPILL_UNITS * scale)
    unit_soft = off_soft // np.maximum(least, 1)[:, None] if fixed else off_soft
    linear = off_soft if fixed else least[:, None] * off_soft
    alike = alike and bool((least[:, None] * unit_soft == linear).all())
    unit = UnitCost(unit_soft, unit_flow)
    exact = np.array([[share > 0 for share in row] for row in exact_shares(domain)])
    core = QuadraticCore(
        linear=linear,
        flow=least[:, None] * unit_flow,
        distance=host.distances,
        demand=_demand(domain, least),
        capacity=_capacity(domain, host, rooms),
        allowed=allowed,
        distinct=domain.distinct_pnodes,
        unreachable=host.distances == UNREACHABLE,
        needs=exact & (least > 0)[:, None],
        name=domain.name,
    )
    return DomainCore(
        core=core,
        terms=_terms(domain, host, least, most, unit, scale),
        scale=scale,
        least=least,
        rooms=rooms,
        asked=_asked_for(domain, host),
        spilled=spilled,
        seen=_is_seen_from_home(domain, host, least, shares),
        pages=domain.vnode_pages,
        local_cost=domain.num_vcpus * LOCAL_DISTANCE * COST_UNITS,
        unit=unit if alike else None,
        spill_price=(domain.num_vcpus * UNREACHABLE * COST_UNITS + 1) * scale,
    )


def _vcpu_numbers(domain: Domain) -> tuple[Ints, Ints]:
    """The least and most vcpus of each vnode."""
    if domain.vcpu_to_vnode is not None:
        counts = np.bincount(domain.vcpu_to_vnode, minlength=domain.num_vnodes).astype(np.int64)
        return counts, counts
    bounds = np.array(vcpu_bounds(domain, domain.vnode_pages), dtype=np.int64)
    return bounds[:, 0], bounds[:, 1]


def _asked_for(domain: Domain, host: Host) -> Mask:
    """Where each vnode may have its home, as far as pnodes asked for say."""
    asked = domain.vnode_pnode[:, None]
    return np.asarray((asked < 0) | (asked == np.arange(host.num_pnodes)))


def _find_seats(
    domain: Domain, host: Host, least: Ints, most: Ints
) -> tuple[Rooms, Mask, bool] | None:
    """The seats of the host, which vnode may have its home where, and whether vcpus are alike.

    One mask for all vcpus says how many seats there are. Masks that differ say where
    vnodes may be, if they hold each pnode wholly or not at all; others are left to the
    encoding.
    """
    allowed = _asked_for(domain, host)
    masks = {
        None if mask is None else mask.text: (
            None if mask is None else mask.resolve(host.pcpu_ids, host.pcpu_pnode)
        )
        for mask in domain.hard_affinity
    }
    if len(masks) == 1:
        rooms = find_rooms(domain, host, next(iter(masks.values())))
        if rooms is not None:
            return rooms, allowed, True
    rooms = find_rooms(domain, host, None)
    if rooms is None:
        return None
    held: dict[str, Mask] = {}
    for text, mask in masks.items():
        if text is None or mask is None:
            continue
        inside = _pnodes_held(rooms, host, mask)
        if inside is None:
            return None
        held[text] = inside
    if domain.vcpu_to_vnode is None and (len(masks) > 1 or ((least == 0) & (most > 0)).any()):
        return None
    for vcpu, affinity in enumerate(domain.hard_affinity):
        if affinity is None:
            continue
        if domain.vcpu_to_vnode is not None:
            allowed[domain.vcpu_to_vnode[vcpu]] &= held[affinity.text]
        else:
            allowed[least > 0] &= held[affinity.text]
    return rooms, allowed, False


def _pnodes_held(rooms: Rooms, host: Host, mask: frozenset[int]) -> Mask | None:
    """By pnode whether all its slots are in the mask; None where only some are."""
    inside = np.zeros(host.num_pnodes, dtype=np.int64)
    for cell in rooms.cells.cells:
        inside[cell.pnode] += sum(not mask.isdisjoint(slot.pcpus) for slot in cell.slots)
    slots = np.array(rooms.cells.slots_on)
    if ((inside > 0) & (inside < slots)).any():
        return None
    return np.asarray(inside > 0)


def _off_soft(domain: Domain, host: Host) -> Ints | None:
    """By vnode and pnode the vcpus outside their soft mask; of one vcpu where the map is free.

    None where the map is free and the masks differ.
    """
    off = np.zeros((domain.num_vnodes, host.num_pnodes), dtype=np.int64)
    texts = {None if mask is None else mask.text for mask in domain.soft_affinity}
    if texts == {None}:
        return off
    if domain.vcpu_to_vnode is None and len(texts) > 1:
        return None
    outside: dict[str, Ints] = {}
    for vcpu, mask in enumerate(domain.soft_affinity):
        if mask is None:
            continue
        if mask.text not in outside:
            pcpus = mask.resolve(host.pcpu_ids, host.pcpu_pnode)
            pnodes = host.pcpu_pnode[np.isin(host.pcpu_ids, sorted(pcpus))]
            outside[mask.text] = (~np.isin(np.arange(host.num_pnodes), pnodes)).astype(np.int64)
        if domain.vcpu_to_vnode is None:
            off[:] = outside[mask.text]
        else:
            off[domain.vcpu_to_vnode[vcpu]] += outside[mask.text]
    return off


def _is_seen_from_home(domain: Domain, host: Host, least: Ints, shares: Ints) -> bool:
    """Whether a vnode with a part away from some vcpu's pnode costs more than a local one."""
    away = host.distances[~np.eye(host.num_pnodes, dtype=bool)]
    if (away <= LOCAL_DISTANCE).any():
        return False
    seen = np.asarray((shares[least > 0] > 0).any(axis=0))
    return bool(seen[domain.vnode_pages > 0].all())


def _demand(domain: Domain, least: Ints) -> Ints:
    pages = domain.vnode_pages.copy()
    pages[0] += domain.overhead_pages
    rows = [pages, least]
    for order in (ORDER_2MIB, ORDER_1GIB):
        wants = domain.page_order >= order
        if wants.any():
            rows.append(np.where(wants, domain.vnode_pages >> order, 0))
    return np.stack(rows)


def _capacity(domain: Domain, host: Host, rooms: Rooms) -> Ints:
    rows = [host.usable_pages, rooms.most]
    orders = [order for order in (ORDER_2MIB, ORDER_1GIB) if (domain.page_order >= order).any()]
    if orders:
        free = free_extents(host)
        for order in orders:
            sizes = np.int64(1) << np.arange(MAX_ORDER + 1 - order, dtype=np.int64)
            rows.append((free[:, order:] * sizes).sum(axis=1))
    return np.stack(rows)


def _terms(
    domain: Domain,
    host: Host,
    least: Ints,
    most: Ints,
    unit: UnitCost,
    scale: int,
) -> VcpuTerms | None:
    num_spare = domain.num_vcpus - int(least.sum())
    priced = host.smt == "penalty" and host.smt_penalty > 0
    if not num_spare and not priced:
        return None
    cores = np.zeros(host.num_pnodes, dtype=np.int64)
    for pnode in range(host.num_pnodes):
        cores[pnode] = len(np.unique(host.pcpu_core[host.pcpu_pnode == pnode]))
        cores[pnode] -= sum(int(running.vcpus_on[pnode]) for running in host.running)
    return VcpuTerms(
        resource=VCPUS,
        num_spare=num_spare,
        most_spare=most - least,
        linear=unit.linear,
        flow=unit.flow,
        room=np.maximum(cores, 0),
        price=host.smt_penalty * COST_UNITS * scale if priced else 0,
    )
