"""From the values of the variables to a placement by name."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from ortools.sat.python import cp_model

from placer.cpsat.items import Item, Site
from placer.cpsat.variables import Expr, Variables
from placer.pcpus import VcpuSeat, name_pcpus, seats_of
from placer.placement import PlacedDomain, Placement


class Solution(Protocol):
    """A solver that has solved, or the callback that it gives a solution to."""

    def value(self, expression: cp_model.LinearExprT) -> int:
        """Return the value of an expression."""

    def boolean_value(self, literal: cp_model.LiteralT) -> bool:
        """Return the value of a literal."""


def extract_placement(v: Variables, solver: Solution) -> Placement:
    """Return the placement that a solution of ``v`` says, pcpus named."""
    chosen = {
        item.domain_number: item for item in v.items if solver.boolean_value(v.placed[item.number])
    }
    seats: dict[int, list[VcpuSeat]] = {site.number: [] for site in v.sites}
    where: dict[int, Site] = {}
    vnode_of: dict[int, list[int]] = {}
    for number, item in sorted(chosen.items()):
        site = next(s for s in v.sites_of(item) if solver.boolean_value(v.item_on(item, s.number)))
        where[number] = site
        vnode_of[number], item_seats = _seat(v, solver, item, site)
        seats[site.number].extend(item_seats)
    names: dict[tuple[int, int], int] = {}
    empty: dict[int, tuple[int, ...]] = {}
    for site in v.sites:
        named, left = name_pcpus(site.cells, seats[site.number])
        names.update(named)
        empty.update(left)
    placed = []
    for number, item in sorted(chosen.items()):
        site = where[number]
        host = site.host
        pcpus = [names[number, vcpu] for vcpu in range(item.domain.num_vcpus)]
        pnode_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True))
        vnodes = range(item.num_vnodes)
        placed.append(
            PlacedDomain(
                domain=item.domain.name,
                host=host.name,
                vnode_pages=item.domain.vnode_pages,
                home=np.array([_first(solver, v.home(item, i, site)) for i in vnodes]),
                pages=np.array([_values(solver, v.pages(item, i, site)) for i in vnodes]),
                vcpu_to_vnode=np.array(vnode_of[number]),
                vcpu_to_pnode=np.array([pnode_of[pcpu] for pcpu in pcpus]),
                vcpu_to_pcpu=np.array(pcpus),
                empty_siblings=empty.get(number, ()),
            )
        )
    left_out = tuple(
        domain.name for number, domain in enumerate(v.problem.domains) if number not in chosen
    )
    return Placement(domains=tuple(placed), unplaced=left_out)


def _seat(
    v: Variables, solver: Solution, item: Item, site: Site
) -> tuple[list[int], list[VcpuSeat]]:
    """Name the vcpus of an item: their vnodes, and the cell of each."""
    domain = item.domain
    counts = [_value(solver, v.count[item.number, i]) for i in range(item.num_vnodes)]
    blocks = np.repeat(np.arange(item.num_vnodes), counts).tolist()
    fixed = domain.vcpu_to_vnode
    vnode_of: list[int] = blocks if fixed is None else fixed.tolist()
    cell_of: dict[int, int] = {}
    for vcpus in v.classes[item.number]:
        members = list(vcpus.vcpus) or [n for n, i in enumerate(vnode_of) if i == vcpus.vnode]
        members = [vcpu for vcpu in members if vnode_of[vcpu] == vcpus.vnode]
        for e, number in v.cells_of(vcpus, site):
            for _ in range(_value(solver, number)):
                cell_of[members.pop(0)] = e
    return vnode_of, seats_of(domain, item.domain_number, site.host, cell_of)


def _value(solver: Solution, expression: Expr) -> int:
    return expression if isinstance(expression, int) else int(solver.value(expression))


def _values(solver: Solution, expressions: list[Expr]) -> list[int]:
    return [_value(solver, expression) for expression in expressions]


def _first(solver: Solution, literals: list[Expr]) -> int:
    return next(p for p, literal in enumerate(literals) if solver.boolean_value(literal))
