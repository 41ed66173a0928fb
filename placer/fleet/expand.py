"""From a plan by classes to a placement by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

import numpy as np

from placer.arrays import Ints
from placer.fleet.plan import Fleet, Piece, Plan
from placer.host import Host
from placer.pcpus import Cells, VcpuSeat, find_cells, name_pcpus, seating_order
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem

Seated = list[tuple[int, Ints]]
"""Domains of one host with the home of each vnode."""


def expand(problem: Problem, plan: Plan) -> Placement:
    """Name hosts, domains and pcpus.

    Hosts of one type are interchangeable, and so are domains of one class: the hosts
    that carry most come first, and domains are dealt in their order.
    """
    fleet = plan.fleet
    waiting = [iter(shape.domains) for shape in fleet.classes]
    on_host: dict[int, Seated] = defaultdict(list)
    for host_number, pieces in enumerate(_in_order(plan)):
        number = int(fleet.type_of[host_number])
        for shape, pattern in pieces:
            homes = fleet.patterns[shape, number].homes[pattern]
            on_host[host_number].append((next(waiting[shape]), homes))
    counts = {
        domain: _vcpu_counts(fleet, shape.number)
        for shape in fleet.classes
        for domain in shape.domains
    }
    placed: dict[int, PlacedDomain] = {}
    orders: dict[Hashable, tuple[Cells, list[Ints]]] = {}
    for host_number, seated in on_host.items():
        host = problem.hosts[host_number]
        placed.update(_name(problem, host, sorted(seated), counts, orders))
    left_out = [n for n in range(len(problem.domains)) if n not in placed]
    return Placement(
        domains=tuple(placed[number] for number in sorted(placed)),
        unplaced=tuple(problem.domains[number].name for number in left_out),
    )


def _in_order(plan: Plan) -> list[list[Piece]]:
    """The pieces of each host, with the hosts of one type in a canonical order."""
    fleet = plan.fleet
    pieces: list[list[Piece]] = [[] for _ in range(fleet.num_hosts)]
    for host_type in fleet.types:
        loads = sorted(sorted(plan.pieces[host]) for host in host_type.hosts)
        filled = [load for load in loads if load]
        for host, load in zip(host_type.hosts, filled, strict=False):
            pieces[host] = load
    return pieces


def _vcpu_counts(fleet: Fleet, shape: int) -> Ints:
    """The vcpus of each vnode of a class."""
    counts: Ints = fleet.classes[shape].demand[1]
    return counts


def _name(
    problem: Problem,
    host: Host,
    seated: Seated,
    counts: dict[int, Ints],
    orders: dict[Hashable, tuple[Cells, list[Ints]]],
) -> dict[int, PlacedDomain]:
    """Return the domains of one host, pcpus named."""
    key = (
        host.pcpu_ids.tobytes(),
        host.pcpu_pnode.tobytes(),
        host.pcpu_core.tobytes(),
        host.smt,
        tuple(running.dedicated_pcpus for running in host.running),
    )
    if key not in orders:
        cells = find_cells(host, [])
        orders[key] = cells, seating_order(cells, host.num_pnodes)
    cells, order = orders[key]
    maps = {number: _vcpu_to_vnode(problem, number, counts[number]) for number, _ in seated}
    pnodes = {number: homes[maps[number]] for number, homes in seated}
    if any(problem.domains[number].dedicated for number, _ in seated):
        names = _name_one_by_one(problem, host, cells, pnodes)
    else:
        names = _name_in_turn(order, pnodes)
    answer = {}
    for number, homes in seated:
        domain = problem.domains[number]
        pages = np.zeros((len(homes), host.num_pnodes), dtype=np.int64)
        pages[np.arange(len(homes)), homes] = domain.vnode_pages
        answer[number] = PlacedDomain(
            domain=domain.name,
            host=host.name,
            vnode_pages=domain.vnode_pages,
            home=homes,
            pages=pages,
            vcpu_to_vnode=maps[number],
            vcpu_to_pnode=pnodes[number],
            vcpu_to_pcpu=names[number],
        )
    return answer


def _vcpu_to_vnode(problem: Problem, number: int, counts: Ints) -> Ints:
    fixed = problem.domains[number].vcpu_to_vnode
    return np.repeat(np.arange(len(counts)), counts) if fixed is None else fixed


def _name_in_turn(order: list[Ints], pnodes: dict[int, Ints]) -> dict[int, Ints]:
    """Shared vcpus without masks: each pnode's pcpus in turn."""
    names = {}
    used = np.zeros(len(order), dtype=np.int64)
    for number, on in pnodes.items():
        pcpus = np.empty_like(on)
        for pnode in np.unique(on).tolist():
            here = np.flatnonzero(on == pnode)
            turn = (used[pnode] + np.arange(len(here))) % len(order[pnode])
            pcpus[here] = order[pnode][turn]
            used[pnode] += len(here)
        names[number] = pcpus
    return names


def _name_one_by_one(
    problem: Problem, host: Host, cells: Cells, pnodes: dict[int, Ints]
) -> dict[int, Ints]:
    """Some vcpus are dedicated: each goes to the cell of its pnode that has most room (C2)."""
    slots = {e: len(cell.slots) for e, cell in enumerate(cells.cells)}
    shared = dict.fromkeys(slots, 0)
    on_pnode: dict[int, list[int]] = defaultdict(list)
    for e, cell in enumerate(cells.cells):
        on_pnode[cell.pnode].append(e)
    seats = []
    for number, on in sorted(
        pnodes.items(), key=lambda item: not problem.domains[item[0]].dedicated
    ):
        dedicated = problem.domains[number].dedicated
        for vcpu, pnode in enumerate(on.tolist()):
            roomiest = max(on_pnode[pnode], key=lambda e: slots[e] * host.overcommit - shared[e])
            (slots if dedicated else shared)[roomiest] += -1 if dedicated else 1
            seats.append(VcpuSeat(domain=number, vcpu=vcpu, cell=roomiest, dedicated=dedicated))
    named, _ = name_pcpus(cells, seats)
    return {
        number: np.array([named[number, vcpu] for vcpu in range(len(on))])
        for number, on in pnodes.items()
    }
