"""The run's problem as data of models/placement.mzn, for MiniZinc to solve again.

``models/README.md`` states the problem; the names here are the model's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from placer.access import exact_shares, integer_shares
from placer.cpulist import CpuList
from placer.domain import Domain
from placer.errors import RefusedError
from placer.export.rendered import ExportOptions, Rendered
from placer.host import Host
from placer.pages.heap import free_extents
from placer.pcpus import Cell, find_cells
from placer.problem import Problem
from placer.run import Run
from placer.splits import Granules, vcpu_bounds
from placer.units import (
    COST_UNITS,
    ORDER_1GIB,
    ORDER_2MIB,
    UNREACHABLE,
)

LARGEST_OF_GECODE: Final = (1 << 31) - 2
"""The integers of Gecode, MiniZinc's usual solver, end here."""

_NOT_THERE: Final = -1
"""Of a level that is not asked for."""

Value = int | str | bool | Sequence["Value"]
"""A parameter: a number, a case of an enumeration, a truth, or rows of them."""


def render(run: Run, domain: str | None, options: ExportOptions) -> Rendered:
    """Return the instance; it asks for the least cost that the levels before it leave.

    The run's levels are the most that each goal may be, so that MiniZinc's optimum is the
    run's cost where that is proven. Raises RefusedError where the model cannot say the
    problem; the reasons are all told.
    """
    del domain, options
    problem = run.problem
    reasons = [*_domain_reasons(problem), *_host_reasons(problem)]
    if reasons:
        raise RefusedError("\n".join(reasons))
    ground = _Ground(problem)
    data: dict[str, Value] = {
        **_host_data(ground),
        **_domain_data(ground),
        **_vnode_data(ground),
        **_class_data(ground),
    }
    at_most = _most_goals(run)
    data |= {"at_most": at_most, "weight": [0, 0, 1, 0, 0, 0, 0, 0, 0]}
    names = [f"% host {n}: {json.dumps(host.name)}" for n, host in enumerate(problem.hosts, 1)]
    names += [f"% domain {n}: {json.dumps(d.name)}" for n, d in enumerate(problem.domains, 1)]
    head = "% An instance of models/placement.mzn: minizinc placement.mzn THIS_FILE\n"
    lines = "".join(f"{name} = {_said(value)};\n" for name, value in data.items())
    return Rendered(
        text=head + "".join(f"{line}\n" for line in names) + lines,
        warnings=tuple(_warnings(run, at_most)),
    )


def _warnings(run: Run, at_most: list[int]) -> Iterator[str]:
    if run.result.status != "optimal":
        yield f"the run is {run.result.status}, not optimal: MiniZinc may find another cost"
    if max(at_most) > LARGEST_OF_GECODE:
        yield f"goals may pass {LARGEST_OF_GECODE}, where Gecode's integers end; use another solver"


# -- what the model cannot say ---------------------------------------------------------------


def _domain_reasons(problem: Problem) -> Iterator[str]:
    for domain in problem.domains:
        where = f"domain {domain.name!r}"
        masks = set(zip(domain.hard_affinity, domain.soft_affinity, strict=True))
        if domain.auto_vnodes:
            yield f"{where}: the model takes vnodes as given, and here placer chooses them"
        elif domain.vcpu_to_vnode is None and len(masks) > 1:
            yield f"{where}: the model has one mask for all vcpus where their vnodes are chosen"
        if domain.dedicated and domain.thread_policy in ("isolate", "require"):
            if any(mask is not None for mask in domain.hard_affinity):
                yield f"{where}: the model has no masks with thread policy {domain.thread_policy}"
            if any(run.dedicated_pcpus for host in problem.hosts for run in host.running):
                yield (
                    f"{where}: the model has no pcpus that are taken already beside thread "
                    f"policy {domain.thread_policy}"
                )
        if (domain.page_order >= ORDER_1GIB).any():
            yield f"{where}: the model has no pages of 1 GiB"


def _host_reasons(problem: Problem) -> Iterator[str]:
    for host in problem.hosts:
        if len(set(Counter(host.pcpu_core.tolist()).values())) > 1:
            yield f"host {host.name!r}: the model has equally many threads in each core"


# -- hosts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _CellHere:
    """A cell of a host, its pnode counted over all hosts."""

    pnode: int
    cell: Cell


class _Ground:
    """The hosts as one row of pnodes, and their free pcpus as one row of cells."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.pnodes: list[tuple[int, Host, int]] = [
            (number, host, pnode)
            for number, host in enumerate(problem.hosts)
            for pnode in range(host.num_pnodes)
        ]
        self.first = np.cumsum([0, *(host.num_pnodes for host in problem.hosts)]).tolist()
        hard = {m.text: m for d in problem.domains for m in d.hard_affinity if m is not None}
        self.mask_numbers = {text: number for number, text in enumerate(hard)}
        self.cells: list[_CellHere] = []
        for first, host in zip(self.first[:-1], problem.hosts, strict=True):
            masks = [mask.resolve(host.pcpu_ids, host.pcpu_pnode) for mask in hard.values()]
            found = find_cells(host, masks).cells
            self.cells += [_CellHere(first + cell.pnode, cell) for cell in found]

    def column(self, name: str) -> list[int]:
        """An array of the hosts with a figure for each pnode, over all pnodes."""
        return [figure for host in self.problem.hosts for figure in getattr(host, name).tolist()]


def _host_data(ground: _Ground) -> dict[str, Value]:
    hosts, pnodes, cells = ground.problem.hosts, ground.pnodes, ground.cells
    distance = np.zeros((len(pnodes), len(pnodes)), dtype=np.int64)
    large: list[int] = []
    for first, host in zip(ground.first[:-1], hosts, strict=True):
        here = slice(first, first + host.num_pnodes)
        distance[here, here] = host.distances
        extents = free_extents(host)[:, ORDER_2MIB:]
        large += (extents << np.arange(extents.shape[1])).sum(axis=1).tolist()
    free_pages, total = ground.column("free_pages"), ground.column("total_pages")
    threads = [_threads(host) for _, host, _ in pnodes]
    return {
        "num_hosts": len(hosts),
        "num_pnodes": len(pnodes),
        "num_cells": len(cells),
        "host_of": [number + 1 for number, _, _ in pnodes],
        "total": total,
        "free": free_pages,
        "reserve": ground.column("reserve_pages"),
        "large_free": large,
        "wholly_free": [now == all_ for now, all_ in zip(free_pages, total, strict=True)],
        "distance": distance.tolist(),
        "over": [host.overcommit.numerator for _, host, _ in pnodes],
        "under": [host.overcommit.denominator for _, host, _ in pnodes],
        "running_vcpus": [
            sum(int(running.vcpus_on[pnode]) for running in host.running)
            for _, host, pnode in pnodes
        ],
        "cores": [len(set(host.pcpu_core[host.pcpu_pnode == p].tolist())) for _, host, p in pnodes],
        "penalty": [host.smt_penalty if host.smt == "penalty" else 0 for _, host, _ in pnodes],
        "threads": threads,
        "slots_per_core": [
            1 if host.smt == "cores" else count
            for count, (_, host, _) in zip(threads, pnodes, strict=True)
        ],
        "cell_pnode": [one.pnode + 1 for one in cells],
        "cell_slots": [len(one.cell.slots) for one in cells],
    }


def _threads(host: Host) -> int:
    """Return the threads of each core, which are equally many (`_host_reasons`)."""
    return max(Counter(host.pcpu_core.tolist()).values(), default=1)


# -- domains and their vnodes ----------------------------------------------------------------


def _domain_data(ground: _Ground) -> dict[str, Value]:
    problem, domains = ground.problem, ground.problem.domains
    first = np.cumsum([1, *(domain.num_vnodes for domain in domains)]).tolist()
    now = problem.running_now
    pages_now = np.zeros((first[-1] - 1, len(ground.pnodes)), dtype=np.int64)
    for domain, start in zip(domains, first, strict=False):
        if domain.name in now:
            placed = now[domain.name]
            at = ground.first[problem.host_index[placed.host]]
            rows = slice(start - 1, start - 1 + domain.num_vnodes)
            pages_now[rows, at : at + placed.pages.shape[1]] = placed.pages
    every = sum(domain.memory_pages for domain in domains)
    return {
        "num_domains": len(domains),
        "num_vnodes": first[-1] - 1,
        "num_groups": len(problem.groups),
        "priority": [domain.priority for domain in domains],
        "num_vcpus": [domain.num_vcpus for domain in domains],
        "overhead": [domain.overhead_pages for domain in domains],
        "first_vnode": first[:-1],
        "seating": [
            domain.thread_policy.upper() if domain.dedicated else "SHARED" for domain in domains
        ],
        "spill": [str(domain.cpu_spill).upper() for domain in domains],
        "distinct": [domain.distinct_pnodes for domain in domains],
        "may_run": [[_may_run(domain, host) for host in problem.hosts] for domain in domains],
        "member": [[group.name in domain.groups for domain in domains] for group in problem.groups],
        "together": [group.keep == "together" for group in problem.groups],
        "over_pnodes": [group.over == "pnodes" for group in problem.groups],
        "allow_partial": problem.allow_partial,
        "runs_now": [domain.name in now for domain in domains],
        "pages_now": pages_now.tolist(),
        "max_moves": len(now) if problem.max_moves is None else problem.max_moves,
        "max_moved_pages": every if problem.max_moved_pages is None else problem.max_moved_pages,
    }


def _may_run(domain: Domain, host: Host) -> bool:
    named = domain.hosts is None or host.name in domain.hosts
    given = [max(memory.interleave_pnodes or (0,)) for memory in domain.memory]
    return named and host.name not in domain.forbidden_hosts and max(given) < host.num_pnodes


def _vnode_data(ground: _Ground) -> dict[str, Value]:
    domains = ground.problem.domains
    count = sum(domain.num_vnodes for domain in domains)
    local = [pnode for _, _, pnode in ground.pnodes]
    share = np.zeros((count, count), dtype=np.int64)
    accesses = np.zeros((count, count), dtype=bool)
    bounds: list[tuple[int, int]] = []
    rows: dict[str, list[Value]] = {name: [] for name in _BY_VNODE}
    start = 0
    for number, domain in enumerate(domains, 1):
        here = slice(start, start + domain.num_vnodes)
        share[here, here] = integer_shares(domain)
        accesses[here, here] = [[one > 0 for one in row] for row in exact_shares(domain)]
        bounds += _bounds(domain)
        for vnode, memory in enumerate(domain.memory):
            size, asked = int(domain.vnode_pages[vnode]), int(domain.vnode_pnode[vnode])
            spilled = memory.policy != "strict" and size > 0
            grain = Granules.of(size) if spilled else Granules(size, 1, 0)
            over = memory.interleave_pnodes
            rows["domain_of"].append(number)
            rows["size"].append(size)
            rows["grain"].append(grain.pages)
            rows["granules"].append(grain.count)
            rows["memory"].append(memory.policy.upper() if spilled else "STRICT")
            rows["width"].append(memory.interleave_width or len(set(over or (0,))))
            rows["may_interleave"].append([over is None or pnode in over for pnode in local])
            rows["may_be_home"].append([asked in (-1, pnode) for pnode in local])
            rows["wants_large"].append(int(domain.page_order[vnode]) == ORDER_2MIB)
        start = here.stop
    return {
        **rows,
        "least_vcpus": [least for least, _ in bounds],
        "most_vcpus": [most for _, most in bounds],
        "share": share.tolist(),
        "accesses": accesses.tolist(),
    }


_BY_VNODE: Final = (
    "domain_of",
    "size",
    "grain",
    "granules",
    "memory",
    "width",
    "may_interleave",
    "may_be_home",
    "wants_large",
)


def _bounds(domain: Domain) -> list[tuple[int, int]]:
    """Return the least and most vcpus of each vnode, equal where the map is given."""
    if domain.vcpu_to_vnode is None:
        return vcpu_bounds(domain, domain.vnode_pages)
    counts = np.bincount(domain.vcpu_to_vnode, minlength=domain.num_vnodes).tolist()
    return list(zip(counts, counts, strict=True))


def _class_data(ground: _Ground) -> dict[str, Value]:
    """Vcpus of one vnode with equal masks, counted where the map is given."""
    sizes: Counter[tuple[int, int, str | None, str | None]] = Counter()
    start = 0
    for number, domain in enumerate(ground.problem.domains):
        pairs = zip(domain.hard_affinity, domain.soft_affinity, strict=True)
        masks = [(_text_of(hard), _text_of(soft)) for hard, soft in pairs]
        if domain.vcpu_to_vnode is None:
            for vnode in range(domain.num_vnodes):
                sizes[number, start + vnode, *masks[0]] = -1
        else:
            for vnode, pair in zip(domain.vcpu_to_vnode.tolist(), masks, strict=True):
                sizes[number, start + vnode, *pair] += 1
        start += domain.num_vnodes
    soft_on = _soft_pnodes(ground)
    hard = [None if text is None else ground.mask_numbers[text] for _, _, text, _ in sizes]
    return {
        "num_classes": len(sizes),
        "class_vnode": [vnode + 1 for _, vnode, _, _ in sizes],
        "class_size": list(sizes.values()),
        "hard_mask": [
            [mask is None or mask in one.cell.masks for one in ground.cells] for mask in hard
        ],
        "soft_mask": [soft_on[text] for _, _, _, text in sizes],
    }


def _text_of(mask: CpuList | None) -> str | None:
    return None if mask is None else mask.text


def _soft_pnodes(ground: _Ground) -> dict[str | None, list[bool]]:
    """Whether each pnode has a pcpu of a soft mask, by the mask's text."""
    found: dict[str | None, list[bool]] = {None: [True] * len(ground.pnodes)}
    for mask in (m for d in ground.problem.domains for m in d.soft_affinity if m is not None):
        if mask.text in found:
            continue
        row: list[bool] = []
        for host in ground.problem.hosts:
            pcpus = mask.resolve(host.pcpu_ids, host.pcpu_pnode)
            inside = np.isin(host.pcpu_ids, list(pcpus))
            row += [bool(inside[host.pcpu_pnode == p].any()) for p in range(host.num_pnodes)]
        found[mask.text] = row
    return found


# -- levels ----------------------------------------------------------------------------------


def _most_goals(run: Run) -> list[int]:
    """Return the most that each goal of the model may be: what the run reached, up to the cost."""
    problem = run.problem
    reached = {level.name: level.value for level in run.result.levels}
    vcpus = sum(domain.num_vcpus for domain in problem.domains)
    priority = sum(domain.priority for domain in problem.domains)
    least = 0 if problem.allow_partial else priority
    dearest = max(
        host.distances[host.distances != UNREACHABLE].max().item()
        + (host.smt_penalty if host.smt == "penalty" else 0)
        for host in problem.hosts
    )
    return [
        priority - reached.get("placed_priority", least),
        reached.get("vcpus_off_home", vcpus),
        reached.get("cost", vcpus * COST_UNITS * dearest),
        sum(domain.memory_pages for domain in problem.domains),
        vcpus,
        *[_NOT_THERE] * 4,
    ]


def _said(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    if value and isinstance(value[0], list):
        cells = [cell for row in value if isinstance(row, list) for cell in row]
        return f"array2d(1..{len(value)}, 1..{len(value[0])}, {_said(cells)})"
    return "[" + ", ".join(map(_said, value)) + "]"
