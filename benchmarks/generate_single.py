"""Draw the stored set of single placements: one domain on one host, in many shapes.

    python benchmarks/generate_single.py --count 500 --seed 1 > datasets/single/instances.jsonl

One JSON object a line, see datasets/single/README.md. Three in four can be placed, the rest cannot;
which is which is decided by solving, never by the draw.
"""

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from placer.answer import Limits  # noqa: E402
from placer.cpulist import CpuList  # noqa: E402
from placer.domain import Domain, VnodeMemory  # noqa: E402
from placer.host import Host  # noqa: E402
from placer.pipeline import find_answer  # noqa: E402
from placer.problem import Problem  # noqa: E402
from placer.units import PAGES_PER_MIB  # noqa: E402

Record = dict[str, Any]

SPAN_FRAMES = 1 << 28
"""Every pnode's frames start at a multiple of this: 1 TiB."""

GIB = 1024

FITTING = ("plain", "plain", "plain", "plain", "plain", "plain", "special")
UNFIT = ("memory", "memory", "vcpus", "distinct", "mixed")


def sockets(num_sockets: int, dies: int, near: int, far: int) -> list[list[int]]:
    """Return the SLIT of sockets with equal dies: ``near`` inside a socket, ``far`` beyond."""
    at = [pnode // dies for pnode in range(num_sockets * dies)]
    return [
        [10 if p == q else near if at[p] == at[q] else far for q in range(len(at))]
        for p in range(len(at))
    ]


def ring(count: int, steps: tuple[int, ...]) -> list[list[int]]:
    """Return the SLIT of a ring where a neighbour is ``steps[0]`` away, the next ``steps[1]``."""
    hops = [[min((p - q) % count, (q - p) % count) for q in range(count)] for p in range(count)]
    return [[10 if hop == 0 else steps[min(hop, len(steps)) - 1] for hop in row] for row in hops]


SHAPES: dict[str, tuple[list[list[int]], int, int]] = {
    # name: SLIT, pcpus a pnode (two threads a core), GiB a pnode
    "2p-21": (sockets(2, 1, 10, 21), 48, 256),
    "2p-32": (sockets(2, 1, 10, 32), 64, 384),
    "3p-cxl": ([[10, 21, 14], [21, 10, 24], [14, 24, 10]], 32, 256),
    "4p-12-32": (sockets(2, 2, 12, 32), 32, 192),
    "4p-21": (sockets(4, 1, 10, 21), 24, 192),
    "4p-ring": (ring(4, (16, 22)), 24, 192),
    "6p-12-21": (sockets(2, 3, 12, 21), 28, 128),
    "8p-12-32": (sockets(2, 4, 12, 32), 16, 96),
    "8p-21": (sockets(8, 1, 10, 21), 24, 128),
    "8p-ring": (ring(8, (16, 22, 28)), 24, 128),
}


def draw_host(draw: np.random.Generator) -> Record:
    """Draw a host: a shape, free memory uneven in 70 %, distances asymmetric in 20 %."""
    name = str(draw.choice(list(SHAPES)))
    slit, pcpus, gib = SHAPES[name]
    count = len(slit)
    distances = np.array(slit)
    if draw.random() < 0.2:
        distances = distances + np.triu(draw.integers(0, 5, size=(count, count)), 1)
    total = np.full(count, gib * GIB)
    free = total - draw.integers(1, 4, size=count) * GIB
    if draw.random() < 0.7:
        free = (free * draw.uniform(0.3, 1.0, size=count)).astype(int) // 2 * 2
    cpus = np.full(count, pcpus)
    if name == "3p-cxl":
        cpus[2] = 0
    return {
        "shape": name,
        "total_mib": total.tolist(),
        "free_mib": free.tolist(),
        "pcpus": cpus.tolist(),
        "threads": 2,
        "distances": distances.tolist(),
    }


def draw_domain(draw: np.random.Generator, host: Record, kind: str) -> Record:
    """Draw a domain for the host; ``kind`` says what is to stand against it, or nothing."""
    count = int(draw.integers(1, 9))
    free, pcpus = sum(host["free_mib"]), sum(host["pcpus"])
    fill = draw.uniform(0.6, 1.05) if kind == "memory" else draw.uniform(0.08, 0.7)
    load = draw.uniform(0.9, 1.3) if kind == "vcpus" else draw.uniform(0.05, 0.7)
    if kind == "mixed":
        fill, load = draw.uniform(0.5, 0.95), draw.uniform(0.6, 1.0)
    even = draw.random() < 0.5
    shares = np.full(count, 1 / count) if even else draw.dirichlet(np.full(count, 4.0))
    num_vcpus = max(count, int(load * pcpus))
    vnode_mib = np.maximum((shares * fill * free).astype(int) // 2 * 2, 64)
    record: Record = {
        "type": str(draw.choice(["pv", "pvh", "hvm"])),
        "vnode_mib": vnode_mib.tolist(),
        "vcpus": num_vcpus,
    }
    if draw.random() < 0.5:
        spread = draw.dirichlet(shares * 30)
        fixed = draw.choice(count, size=num_vcpus - count, p=spread)
        record["vcpu_to_vnode"] = sorted([*range(count), *fixed.tolist()])
    if draw.random() < 0.5:
        weights = draw.integers(0, 20, size=(count, count)) + 60 * np.eye(count, dtype=int)
        record["access"] = weights.tolist()
    if kind == "distinct" or (kind == "plain" and draw.random() < 0.1):
        record["distinct_pnodes"] = True
    if kind in ("vcpus", "mixed"):
        record["cpu_spill"] = "never"
    if kind == "special":
        add_special(draw, host, record)
    return record


def add_special(draw: np.random.Generator, host: Record, record: Record) -> None:
    """Add one thing beyond homes: spilled memory, an affinity, or pcpus of its own."""
    count, num_pnodes = len(record["vnode_mib"]), len(host["pcpus"])
    what = str(draw.choice(["preferred", "hard", "soft", "dedicated"]))
    if what == "preferred":
        record["memory"] = ["preferred" if draw.random() < 0.5 else "strict" for _ in range(count)]
        record["memory"][int(draw.integers(count))] = "preferred"
    elif what in ("hard", "soft"):
        size = int(draw.integers(1, num_pnodes + 1))
        chosen = sorted(draw.choice(num_pnodes, size=size, replace=False).tolist())
        record[f"{what}_affinity"] = ",".join(f"node:{pnode}" for pnode in chosen)
    else:
        record["dedicated"] = True
        record.pop("vcpu_to_vnode", None)
        record["vcpus"] = max(count, record["vcpus"] // 3)
        record["thread_policy"] = str(draw.choice(["prefer", "isolate", "require"]))


def make_host(record: Record) -> Host:
    """Return the host of a record: frames of each pnode in one piece."""
    pnode = np.repeat(np.arange(len(record["pcpus"])), record["pcpus"])
    total = np.array(record["total_mib"]) * PAGES_PER_MIB
    free = np.array(record["free_mib"]) * PAGES_PER_MIB
    starts = np.arange(len(total)) * SPAN_FRAMES
    return Host(
        name=record["shape"],
        total_pages=total,
        free_pages=free,
        reserve_pages=np.zeros(len(total), dtype=np.int64),
        spans=np.stack([np.arange(len(total)), starts, total], axis=1),
        free_spans=np.stack([np.arange(len(total)), starts + total - free, free], axis=1),
        pcpu_ids=np.arange(len(pnode)),
        pcpu_pnode=pnode,
        pcpu_socket=pnode,
        pcpu_core=np.arange(len(pnode)) // record["threads"],
        distances=record["distances"],
    )


def make_domain(record: Record) -> Domain:
    """Return the domain of a record."""
    num_vcpus = record["vcpus"]
    fields: dict[str, Any] = {
        name: record[name]
        for name in ("vcpu_to_vnode", "distinct_pnodes", "cpu_spill", "dedicated", "thread_policy")
        if name in record
    }
    if "access" in record:
        fields["access"] = tuple(
            tuple(Fraction(weight, sum(row)) for weight in row) for row in record["access"]
        )
    if "memory" in record:
        fields["memory"] = tuple(VnodeMemory(policy=policy) for policy in record["memory"])
    for name in ("hard_affinity", "soft_affinity"):
        if name in record:
            fields[name] = (CpuList.parse(record[name]),) * num_vcpus
    return Domain(
        name="vm",
        type=record["type"],
        vnode_pages=np.array(record["vnode_mib"]) * PAGES_PER_MIB,
        num_vcpus=num_vcpus,
        **fields,
    )


def make_problem(record: Record) -> Problem:
    """Return the problem of one line of the stored set."""
    return Problem(hosts=(make_host(record["host"]),), domains=(make_domain(record["domain"]),))


def draw_instance(seed: int, number: int) -> Record:
    """Draw until what is drawn can be placed, or cannot, as the number wants; store the answer."""
    fits = number % 4 != 3
    draw = np.random.default_rng([seed, number])
    while True:
        kind = str(draw.choice(FITTING if fits else UNFIT))
        host = draw_host(draw)
        record = {"kind": kind, "host": host, "domain": draw_domain(draw, host, kind)}
        answer = find_answer(make_problem(record), Limits(time_limit=60.0))
        if answer.status == ("optimal" if fits else "infeasible"):
            values = {level.name: level.value for level in answer.levels}
            known = {name: values[name] for name in ("vcpus_off_home", "cost") if name in values}
            return {"number": number, **record, "answer": known or None}


def draw_crowd(seed: int, number: int) -> Record:
    """Draw 8 vnodes with homes of their own that each fit the same 7 of 16 pnodes."""
    draw = np.random.default_rng([seed, number, 16])
    slit, pcpus, gib = sockets(4, 4, 12, 32), 16, 96
    roomy = draw.permutation(16) < 7
    even, fixed, measured = number % 2 == 0, number // 2 % 2 == 0, number // 4 % 2 == 0
    vnode_mib = np.full(8, 24 * GIB) if even else draw.integers(20 * GIB, 28 * GIB, 8) // 2 * 2
    free = np.where(roomy, draw.integers(40, 93, 16), draw.integers(4, 19, 16)) * GIB
    domain: Record = {"type": "pv", "vnode_mib": vnode_mib.tolist(), "vcpus": 32}
    if fixed:
        domain["vcpu_to_vnode"] = np.repeat(np.arange(8), 4).tolist()
    if measured:
        domain["access"] = (draw.integers(0, 20, (8, 8)) + 60 * np.eye(8, dtype=int)).tolist()
    domain["distinct_pnodes"] = True
    host = {
        "shape": "16p-12-32",
        "total_mib": [gib * GIB] * 16,
        "free_mib": free.tolist(),
        "pcpus": [pcpus] * 16,
        "threads": 2,
        "distances": slit,
    }
    record = {"number": number, "kind": "crowd", "host": host, "domain": domain, "answer": None}
    if find_answer(make_problem(record), Limits(time_limit=60.0)).status != "infeasible":
        raise ValueError(f"crowd {number} of seed {seed} can be placed")
    return record


def main() -> None:
    """Print the set."""
    parser = argparse.ArgumentParser(description="Draw single placements.")
    parser.add_argument("--crowd", action="store_true", help="8 vnodes for 7 of 16 pnodes")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for number in range(arguments.count):
        draw = draw_crowd if arguments.crowd else draw_instance
        record = draw(arguments.seed, number)
        sys.stdout.write(json.dumps(record, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
