"""Runs models/placement.mzn on a tiny problem, level after level, with MiniZinc and Gecode."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from placer.domain import Domain
from placer.problem import Problem
from tests.brute_force import Ground, round_shares, shares_of

LEVELS = (
    "placed_priority",
    "vcpus_off_home",
    "cost",
    "pages_moved",
    "vcpus_off_soft",
    "spread_max",
    "spread_sum",
    "packed_pages",
    "homes",
)
LARGEST = (1 << 31) - 2
"""Gecode's integers end here."""


@dataclass(frozen=True)
class Reached:
    """The value of each level that the problem has, and the homes over all hosts."""

    levels: dict[str, int]
    homes: tuple[tuple[int, ...], ...]


class Token(str):
    """A name that stands in the data as it is: a case of an enumeration."""


def solve_by_minizinc(problem: Problem, model: Path, program: str, folder: Path) -> Reached | None:
    """Return the optimum of every level, or None where there is no placement.

    Adjacent levels are solved at once, as digits of one number, where it stays within
    Gecode's integers; the ranges of the digits are bounds that no placement exceeds.
    """
    ground = Ground(problem)
    data = model_data(ground)
    ranges = level_ranges(ground, data)
    at_most = list(ranges)
    goals: list[int] = []
    homes: list[int] = []
    for run in join_levels(problem, ranges):
        weight = [0] * len(LEVELS)
        factor = 1
        for level in reversed(run):
            weight[level] = factor
            factor *= ranges[level] + 1
        assert factor <= LARGEST, "the levels of one run fit Gecode's integers"
        answer = _run({**data, "at_most": at_most, "weight": weight}, model, program, folder)
        if answer is None:
            assert not goals, "a level keeps the placements of the level before"
            return None
        goals, homes = answer["goal"], answer["home"]
        for level in run:
            slack = math.floor(goals[level] * problem.cost_slack) if level == 2 else 0
            at_most[level] = goals[level] + slack
            reached = goals[level]
            ranges[level] = reached
    return Reached(_levels(ground, data, ranges), _homes_by_domain(problem, homes))


def join_levels(problem: Problem, ranges: Sequence[int]) -> list[list[int]]:
    """Return the levels that the problem has, in runs that one objective can hold."""
    policy = problem.policy.tie_break
    there = [
        problem.allow_partial,
        True,
        True,
        bool(problem.current),
        any(mask is not None for domain in problem.domains for mask in domain.soft_affinity),
        policy == "spread",
        policy == "spread",
        policy == "pack",
        True,
    ]
    runs: list[list[int]] = [[]]
    for level in (number for number, is_there in enumerate(there) if is_there):
        size = math.prod(ranges[other] + 1 for other in (*runs[-1], level))
        after_slack = 2 in runs[-1] and problem.cost_slack > 0
        if runs[-1] and (size > LARGEST or after_slack):
            runs.append([])
        runs[-1].append(level)
    return runs


def level_ranges(ground: Ground, data: dict[str, Any]) -> list[int]:
    """Return the most that each goal of the model can be, the least being 0."""
    num_vcpus = sum(data["num_vcpus"])
    near = [d for row in data["distance"] for d in row if d != 255]
    dearest = max(near) + max(data["penalty"])
    base = ground.num_pnodes + 2
    used = sum(data["total"])
    return [
        sum(data["priority"]),
        num_vcpus,
        num_vcpus * 640_000 * dearest,
        sum(data["size"]),
        num_vcpus,
        1000,
        1000 * ground.num_pnodes,
        used,
        base ** data["num_vnodes"],
    ]


def _levels(ground: Ground, data: dict[str, Any], reached: Sequence[int]) -> dict[str, int]:
    runs = join_levels(ground.problem, [LARGEST] * len(LEVELS))
    values = {LEVELS[level]: reached[level] for run in runs for level in run}
    del values["homes"]
    if "placed_priority" in values:
        values["placed_priority"] = sum(data["priority"]) - values["placed_priority"]
    if "packed_pages" in values:
        values["packed_pages"] = sum(data["total"]) - values["packed_pages"]
    return values


def _homes_by_domain(problem: Problem, homes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    left = [home - 1 for home in homes]
    return tuple(tuple(left.pop(0) for _ in domain.vnode_pages) for domain in problem.domains)


def _run(data: dict[str, Any], model: Path, program: str, folder: Path) -> dict[str, Any] | None:
    path = folder / "instance.dzn"
    path.write_text("".join(f"{name} = {_dzn(value)};\n" for name, value in data.items()))
    command = [program, "--solver", "gecode", str(model), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    lines = done.stdout.splitlines()
    if "=====UNSATISFIABLE=====" in lines:
        return None
    assert done.returncode == 0 and "==========" in lines, done.stdout + done.stderr
    answers = [line for line in lines if line.startswith("{")]
    answer: dict[str, Any] = json.loads(answers[-1])
    return answer


def _dzn(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Token | int):
        return str(value)
    if value and isinstance(value[0], list):
        rows, columns = len(value), len(value[0])
        return f"array2d(1..{rows}, 1..{columns}, {_dzn([x for row in value for x in row])})"
    return "[" + ", ".join(_dzn(one) for one in value) + "]"


# -- the data of the model -----------------------------------------------------------


def model_data(ground: Ground) -> dict[str, Any]:
    """Return the parameters of models/placement.mzn by name, but for levels and weights."""
    return {
        **_host_data(ground),
        **_domain_data(ground),
        **_vnode_data(ground),
        **_class_data(ground),
    }


def _host_data(ground: Ground) -> dict[str, Any]:
    pnodes = range(ground.num_pnodes)
    hosts = ground.problem.hosts
    local = [p - ground.first[ground.host_of[p]] for p in pnodes]
    running = [ground.host(p).running for p in pnodes]
    cells = list(ground.slots)
    free = [ground.figure("free_pages", p) for p in pnodes]
    total = [ground.figure("total_pages", p) for p in pnodes]
    return {
        "num_hosts": len(hosts),
        "num_pnodes": len(pnodes),
        "num_cells": len(cells),
        "host_of": [number + 1 for number in ground.host_of],
        "total": total,
        "free": free,
        "reserve": [ground.figure("reserve_pages", p) for p in pnodes],
        "large_free": [_large_free(ground, p) for p in pnodes],
        "wholly_free": [now == all_ for now, all_ in zip(free, total, strict=True)],
        "distance": [
            [ground.distance(p, q) if ground.host_of[p] == ground.host_of[q] else 0 for q in pnodes]
            for p in pnodes
        ],
        "over": [ground.host(p).overcommit.numerator for p in pnodes],
        "under": [ground.host(p).overcommit.denominator for p in pnodes],
        "running_vcpus": [sum(int(run.vcpus_on[local[p]]) for run in running[p]) for p in pnodes],
        "cores": [len({core for core, q in _cores(ground, p) if q == local[p]}) for p in pnodes],
        "penalty": [
            ground.host(p).smt_penalty if ground.host(p).smt == "penalty" else 0 for p in pnodes
        ],
        "threads": [_threads(ground, p) for p in pnodes],
        "slots_per_core": [
            1 if ground.host(p).smt == "cores" else _threads(ground, p) for p in pnodes
        ],
        "cell_pnode": [cell.pnode + 1 for cell in cells],
        "cell_slots": [ground.size[cell] for cell in cells],
    }


def _cores(ground: Ground, pnode: int) -> Iterable[tuple[int, int]]:
    host = ground.host(pnode)
    return zip(host.pcpu_core.tolist(), host.pcpu_pnode.tolist(), strict=True)


def _threads(ground: Ground, pnode: int) -> int:
    return ground.threads(pnode) if ground.host(pnode).num_pcpus else 1


def _large_free(ground: Ground, pnode: int) -> int:
    local = pnode - ground.first[ground.host_of[pnode]]
    spans = [span[1:] for span in ground.host(pnode).free_spans.tolist() if span[0] == local]
    return sum(max(0, (start + count) // 512 - math.ceil(start / 512)) for start, count in spans)


def _domain_data(ground: Ground) -> dict[str, Any]:
    problem = ground.problem
    domains = problem.domains
    starts = [sum(d.num_vnodes for d in domains[:number]) for number in range(len(domains))]
    return {
        "num_domains": len(domains),
        "num_groups": len(problem.groups),
        "priority": [domain.priority for domain in domains],
        "num_vcpus": [domain.num_vcpus for domain in domains],
        "overhead": [{"pv": 256, "pvh": 512, "hvm": 512}[domain.type] for domain in domains],
        "first_vnode": [start + 1 for start in starts],
        "seating": [
            Token(domain.thread_policy.upper() if domain.dedicated else "SHARED")
            for domain in domains
        ],
        "spill": [Token(str(domain.cpu_spill).upper()) for domain in domains],
        "distinct": [domain.distinct_pnodes for domain in domains],
        "may_run": [
            [_may_run(domain, host.name, host.num_pnodes) for host in problem.hosts]
            for domain in domains
        ],
        "member": [[group.name in d.groups for d in domains] for group in problem.groups],
        "together": [group.keep == "together" for group in problem.groups],
        "over_pnodes": [group.over == "pnodes" for group in problem.groups],
        "allow_partial": problem.allow_partial,
        **_running_data(ground),
    }


def _running_data(ground: Ground) -> dict[str, Any]:
    """Where running domains are, by vnode over all domains and pnode over all hosts."""
    problem = ground.problem
    now = {running.placed.domain: running.placed for running in problem.current}
    pages_now = []
    for domain in problem.domains:
        rows = [[0] * ground.num_pnodes for _ in domain.vnode_pages]
        if domain.name in now:
            placed = now[domain.name]
            first = ground.first[[host.name for host in problem.hosts].index(placed.host)]
            for row, pages in zip(rows, placed.pages.tolist(), strict=True):
                row[first : first + len(pages)] = pages
        pages_now += rows
    every = sum(domain.memory_pages for domain in problem.domains)
    return {
        "runs_now": [domain.name in now for domain in problem.domains],
        "pages_now": pages_now,
        "max_moves": len(now) if problem.max_moves is None else problem.max_moves,
        "max_moved_pages": every if problem.max_moved_pages is None else problem.max_moved_pages,
    }


def _may_run(domain: Domain, host: str, num_pnodes: int) -> bool:
    named = domain.hosts is None or host in domain.hosts
    given = [max(memory.interleave_pnodes or (0,)) for memory in domain.memory]
    return named and host not in domain.forbidden_hosts and max(given) < num_pnodes


def _vnode_data(ground: Ground) -> dict[str, Any]:
    data: dict[str, list[Any]] = {name: [] for name in _VNODE_NAMES}
    pnodes = range(ground.num_pnodes)
    num_vnodes = sum(domain.num_vnodes for domain in ground.problem.domains)
    for number, domain in enumerate(ground.problem.domains):
        sizes = tuple(domain.vnode_pages.tolist())
        shares = shares_of(domain, sizes)
        start = len(data["size"])
        bounds = _vcpu_bounds(domain, sizes)
        for i, (size, memory) in enumerate(zip(sizes, domain.memory, strict=True)):
            spilled = memory.policy != "strict" and size > 0
            grain = max(512, math.ceil(size / 64)) if spilled else size
            over = memory.interleave_pnodes
            asked = int(domain.vnode_pnode[i])
            local = [p - ground.first[ground.host_of[p]] for p in pnodes]
            around = [0] * start, [0] * (num_vnodes - start - len(sizes))
            data["domain_of"].append(number + 1)
            data["size"].append(size)
            data["grain"].append(grain)
            data["granules"].append(math.ceil(size / grain) if spilled else 1)
            data["memory"].append(Token(memory.policy.upper() if spilled else "STRICT"))
            data["width"].append(memory.interleave_width or len(over or (0,)))
            data["may_interleave"].append([over is None or local[p] in over for p in pnodes])
            data["may_be_home"].append([asked < 0 or local[p] == asked for p in pnodes])
            data["wants_large"].append(int(domain.page_order[i]) == 9)
            data["least_vcpus"].append(bounds[i][0])
            data["most_vcpus"].append(bounds[i][1])
            data["share"].append([*around[0], *round_shares(shares[i]), *around[1]])
            used = [share > 0 for share in shares[i]]
            data["accesses"].append([*map(bool, around[0]), *used, *map(bool, around[1])])
    return {"num_vnodes": num_vnodes, **data}


_VNODE_NAMES = (
    "domain_of",
    "size",
    "grain",
    "granules",
    "memory",
    "width",
    "may_interleave",
    "may_be_home",
    "wants_large",
    "least_vcpus",
    "most_vcpus",
    "share",
    "accesses",
)


def _vcpu_bounds(domain: Domain, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the least and most vcpus of each vnode; equal where the map is given."""
    if domain.vcpu_to_vnode is not None:
        mapping = domain.vcpu_to_vnode.tolist()
        return [(mapping.count(vnode), mapping.count(vnode)) for vnode in range(len(sizes))]
    if domain.vcpu_bounds is not None:
        return [(low, high) for low, high in domain.vcpu_bounds.tolist()]
    num_vcpus, whole = domain.num_vcpus, sum(sizes)
    least = [num_vcpus * size // whole for size in sizes]
    most = [-(-num_vcpus * size // whole) for size in sizes]
    at_least_one = [max(low, 1) if size else 0 for low, size in zip(least, sizes, strict=True)]
    if sum(at_least_one) <= num_vcpus:
        least = at_least_one
    return list(zip(least, most, strict=True))


def _class_data(ground: Ground) -> dict[str, Any]:
    classes: dict[tuple[int, int, str | None, str | None], int] = {}
    start = 0
    for number, domain in enumerate(ground.problem.domains):
        hard = [None if mask is None else mask.text for mask in domain.hard_affinity]
        soft = [None if mask is None else mask.text for mask in domain.soft_affinity]
        if domain.vcpu_to_vnode is None:
            assert len(set(zip(hard, soft, strict=True))) == 1, "a free map has one mask"
            for vnode in range(domain.num_vnodes):
                classes[number, start + vnode, hard[0], soft[0]] = -1
        else:
            for vcpu, vnode in enumerate(domain.vcpu_to_vnode.tolist()):
                key = (number, start + vnode, hard[vcpu], soft[vcpu])
                classes[key] = classes.get(key, 0) + 1
        start += domain.num_vnodes
    pnodes = range(ground.num_pnodes)
    return {
        "num_classes": len(classes),
        "class_vnode": [vnode + 1 for _, vnode, _, _ in classes],
        "class_size": list(classes.values()),
        "hard_mask": [
            [hard is None or hard in cell.masks for cell in ground.slots]
            for _, _, hard, _ in classes
        ],
        "soft_mask": [
            [_has_soft(ground, number, soft, p) for p in pnodes] for number, _, _, soft in classes
        ],
    }


def _has_soft(ground: Ground, domain: int, text: str | None, pnode: int) -> bool:
    """Whether the pnode has a pcpu of a soft mask of the domain."""
    if text is None:
        return True
    host = ground.host(pnode)
    local = pnode - ground.first[ground.host_of[pnode]]
    for mask in ground.problem.domains[domain].soft_affinity:
        if mask is not None and mask.text == text:
            pcpus = mask.resolve(host.pcpu_ids, host.pcpu_pnode)
            return any(
                pcpu in pcpus and on == local
                for pcpu, on in zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True)
            )
    raise KeyError(text)
