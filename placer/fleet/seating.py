"""Pcpus for the shared vcpus of one host, where they were placed one domain at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placer.cpulist import CpuList
from placer.fleet.residual import as_running
from placer.host import Host
from placer.pcpus import Cells, Mask, VcpuSeat, find_cells, name_pcpus
from placer.placement import PlacedDomain
from placer.problem import Problem

_Kind = tuple[int, Mask]
"""Shared vcpus that are alike: their pnode, and the pcpus of their hard mask."""


def seat_shared(
    host: Host, problem: Problem, placed: Sequence[PlacedDomain]
) -> list[PlacedDomain] | None:
    """Name the pcpus of all shared vcpus on ``host`` again, each on its pnode and in its mask.

    ``placed`` are all the domains placed on the host. Dedicated vcpus keep their pcpus.
    None where the masks leave no way without a crowd on some pcpu (C2).
    """
    domains = [problem.domains[problem.domain_index[answer.domain]] for answer in placed]
    shared = [n for n, domain in enumerate(domains) if not domain.dedicated]
    own = tuple(
        as_running(domain, answer, host)
        for domain, answer in zip(domains, placed, strict=True)
        if domain.dedicated
    )
    masks = {
        (n, vcpu): _resolve(host, domains[n].hard_affinity[vcpu])
        for n in shared
        for vcpu in range(domains[n].num_vcpus)
    }
    listed = sorted({mask for mask in masks.values() if mask is not None}, key=sorted)
    cells = find_cells(replace(host, running=(*host.running, *own)), listed)
    vcpus: dict[_Kind, list[tuple[int, int]]] = defaultdict(list)
    for n in shared:
        for vcpu, pnode in enumerate(placed[n].vcpu_to_pnode.tolist()):
            vcpus[pnode, masks[n, vcpu]].append((n, vcpu))
    cell_of = _deal(host, cells, listed, vcpus)
    if cell_of is None:
        return None
    seats = [
        VcpuSeat(
            domain=n,
            vcpu=vcpu,
            cell=cell_of[n, vcpu],
            hard=masks[n, vcpu],
            soft=_resolve(host, domains[n].soft_affinity[vcpu]),
        )
        for n in shared
        for vcpu in range(domains[n].num_vcpus)
    ]
    names, _ = name_pcpus(cells, seats)
    answers = list(placed)
    for n in shared:
        pcpus = [names[n, vcpu] for vcpu in range(domains[n].num_vcpus)]
        answers[n] = replace(placed[n], vcpu_to_pcpu=np.array(pcpus))
    return answers


def _resolve(host: Host, mask: CpuList | None) -> Mask:
    return None if mask is None else mask.resolve(host.pcpu_ids, host.pcpu_pnode)


def _deal(
    host: Host,
    cells: Cells,
    listed: list[frozenset[int]],
    vcpus: dict[_Kind, list[tuple[int, int]]],
) -> dict[tuple[int, int], int] | None:
    """Deal the vcpus to cells of which none is crowded, by augmenting paths; None if none is."""
    over, under = host.overcommit.numerator, host.overcommit.denominator
    room = [-(-len(cell.slots) * over // under) for cell in cells.cells]
    kinds = sorted(vcpus, key=lambda kind: (kind[1] is None, kind[0], sorted(kind[1] or ())))
    usable = {
        kind: [
            e
            for e in cells.allowed(None if kind[1] is None else listed.index(kind[1]))
            if cells.cells[e].pnode == kind[0]
        ]
        for kind in kinds
    }
    flow: dict[_Kind, dict[int, int]] = {kind: defaultdict(int) for kind in kinds}
    for kind in kinds:
        for _ in range(len(vcpus[kind])):
            if not _augment(kind, usable, flow, room):
                return None
    cell_of = {}
    for kind in kinds:
        left = list(vcpus[kind])
        for e, number in sorted(flow[kind].items()):
            for _ in range(number):
                cell_of[left.pop(0)] = e
    return cell_of


def _augment(
    kind: _Kind,
    usable: dict[_Kind, list[int]],
    flow: dict[_Kind, dict[int, int]],
    room: list[int],
) -> bool:
    """Seat one more vcpu of a kind, moving others on where cells are full."""
    came: dict[int, tuple[_Kind, int]] = {}
    queue = [(kind, -1)]
    for mover, at in queue:
        for e in usable[mover]:
            if e in came:
                continue
            came[e] = (mover, at)
            if room[e]:
                room[e] -= 1
                free = e
                while free >= 0:
                    moved, left = came[free]
                    flow[moved][free] += 1
                    if left >= 0:
                        flow[moved][left] -= 1
                    free = left
                return True
            queue.extend((other, e) for other in flow if flow[other][e] > 0)
    return False
