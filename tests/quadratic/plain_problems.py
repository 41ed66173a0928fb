"""Seeded problems of one domain that the quadratic core answers alone, with every feature of it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from placer.cpulist import CpuList
from placer.domain import VnodeMemory
from placer.host import Host, RunningDomain
from placer.problem import Problem
from tests.builders import every_vcpu, make_domain, make_host, make_problem

_UNIT = 512


def draw_plain_problem(seed: int) -> Problem:
    """Return the problem number ``seed``: 1 to 3 hosts, 1 to 5 vnodes on 1 to 5 pnodes."""
    rng = np.random.default_rng(seed)
    hosts = [_draw_host(rng, f"h{n}") for n in range(int(rng.choice([1, 1, 2, 3])))]
    if len(hosts) > 1 and rng.random() < 0.3:
        hosts[1] = _renamed(hosts[0], "h1")
    fields = _draw_domain(rng, hosts)
    sizes, num_vcpus = fields.pop("sizes"), fields.pop("num_vcpus")
    return make_problem(
        hosts, make_domain(sizes, num_vcpus, **fields), allow_partial=bool(rng.random() < 0.2)
    )


def _renamed(host: Host, name: str) -> Host:
    fields = {field: getattr(host, field) for field in host.__dataclass_fields__}
    return Host(**{**fields, "name": name})


def _draw_host(rng: np.random.Generator, name: str) -> Host:
    count = int(rng.integers(1, 6))
    threads = int(rng.choice([1, 2, 2]))
    cpus = [int(n) * threads for n in rng.integers(0, 5, size=count)]
    cpus[0] = cpus[0] or 2 * threads
    free = [int(n) * _UNIT + int(rng.integers(0, _UNIT)) for n in rng.integers(0, 20, size=count)]
    distances = rng.choice([12, 16, 21, 32], size=(count, count))
    if rng.random() < 0.3:
        distances[:] = 21
    if rng.random() < 0.7:
        distances = np.maximum(distances, distances.T)
    np.fill_diagonal(distances, 10)
    if count > 1 and rng.random() < 0.2:
        distances[int(rng.integers(1, count)), 0] = 255
    running: tuple[RunningDomain, ...] = ()
    if rng.random() < 0.3:
        taken = rng.choice(sum(cpus), size=int(rng.integers(0, 2)), replace=False)
        running = (
            RunningDomain(
                name="dom0",
                pages=[0] * count,
                vcpus_on=rng.integers(0, 3, size=count),
                dedicated_pcpus=tuple(sorted(taken.tolist())),
            ),
        )
    smt: Any = str(rng.choice(["threads", "threads", "cores", "penalty"]))
    return make_host(
        free,
        cpus=cpus,
        threads=threads,
        distances=distances.tolist(),
        name=name,
        reserve_pages=[int(n) for n in rng.integers(0, 300, size=count)],
        overcommit=Fraction(int(rng.choice([2, 2, 3, 4])), 2),
        smt=smt,
        smt_penalty=int(rng.integers(0, 20)) if smt == "penalty" else 0,
        running=running,
    )


def _draw_domain(rng: np.random.Generator, hosts: list[Host]) -> dict[str, Any]:
    count = int(rng.integers(1, 6))
    num_vcpus = int(rng.integers(1, 9))
    sizes = [int(n) * 256 for n in rng.integers(0, 14, size=count)]
    sizes[0] = max(sizes[0], 256)
    if rng.random() < 0.4:
        sizes = [sizes[0]] * count
    fields: dict[str, Any] = {
        "sizes": sizes,
        "num_vcpus": num_vcpus,
        "type": str(rng.choice(["pv", "pvh", "hvm"])),
        "priority": int(rng.integers(1, 4)),
        "distinct_pnodes": bool(rng.random() < 0.2),
    }
    if rng.random() < 0.4:
        fields["cpu_spill"] = "never"
    if rng.random() < 0.5:
        fields["vcpu_to_vnode"] = rng.integers(0, count, size=num_vcpus)
    if rng.random() < 0.4:
        fields["access"] = _draw_access(rng, sizes)
    if rng.random() < 0.2:
        pnodes = [-1] * count
        pnodes[int(rng.integers(count))] = int(rng.integers(hosts[0].num_pnodes))
        fields["vnode_pnode"] = pnodes
    if rng.random() < 0.2:
        fields["page_order"] = rng.choice([0, 9], size=count)
    if rng.random() < 0.25:
        fields["dedicated"] = True
        fields["thread_policy"] = str(rng.choice(["prefer", "isolate", "require"]))
    if rng.random() < 0.2:
        fields["hard_affinity"] = every_vcpu(str(rng.choice(["nodes:0", "0-5", "all"])), num_vcpus)
    if rng.random() < 0.2:
        mask = CpuList.parse(str(rng.choice(["nodes:0", "nodes:1", "all"])))
        fields["soft_affinity"] = tuple(
            mask if "vcpu_to_vnode" not in fields or rng.random() < 0.7 else None
            for _ in range(num_vcpus)
        )
    if rng.random() < 0.1:
        fields["memory"] = (VnodeMemory(policy="preferred"),) * count
    if len(hosts) > 1 and rng.random() < 0.2:
        fields["forbidden_hosts"] = ("h0",)
    return fields


def _draw_access(rng: np.random.Generator, sizes: list[int]) -> Any:
    rows = []
    for _ in sizes:
        weights = [int(rng.integers(0, 5)) if pages else 0 for pages in sizes]
        weights[0] += 1
        rows.append(tuple(Fraction(weight, sum(weights)) for weight in weights))
    return tuple(rows)
