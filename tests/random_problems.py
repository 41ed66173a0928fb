"""Seeded random problems that use every feature of the model at once."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.host import Host, RunningDomain
from placer.policy import Policy
from placer.problem import Group, Problem
from placer.run import Run, movable_after
from tests.builders import make_domain, make_host
from tests.strategies import with_running

POLICIES = tuple(Policy(name=n, tie_break=n) for n in ("none", "spread", "pack"))


def draw_problem(seed: int) -> Problem:
    """Return the problem number ``seed``: 1 or 2 hosts, 1 to 3 domains, any features.

    In a fifth of them some domains run already, anywhere, whatever it breaks.
    """
    rng = np.random.default_rng(seed)
    hosts = tuple(_draw_host(rng, f"h{n}") for n in range(rng.integers(1, 3)))
    groups = _draw_groups(rng)
    domains = tuple(_draw_domain(rng, f"vm{n}", groups, hosts) for n in range(rng.integers(1, 4)))
    problem = Problem(
        hosts=hosts,
        domains=domains,
        groups=groups,
        policy=POLICIES[rng.integers(3)],
        allow_partial=bool(rng.random() < 0.3),
        cost_slack=Fraction(int(rng.integers(0, 3)), 20),
    )
    return with_running(problem, random.Random(f"{seed} runs"), share=0.2)


def draw_rebalance(seed: int, run: Run) -> Problem:
    """Return a problem number ``seed`` of going on from ``run``, its domains movable.

    Distances are others now, so that moves may pay; there are limits on them in some.
    """
    rng = np.random.default_rng((seed, 2))
    found = movable_after(run)
    hosts = tuple(
        replace(
            host,
            distances=np.where(np.eye(host.num_pnodes, dtype=bool), 10, host.distances.T % 13 + 20),
        )
        for host in found.hosts
    )
    return Problem(
        hosts=hosts,
        domains=found.domains,
        groups=found.groups,
        current=found.current,
        policy=POLICIES[rng.integers(3)],
        max_moves=int(rng.integers(0, 3)) if _chance(rng, 0.4) else None,
        max_moved_pages=int(rng.integers(0, 4000)) if _chance(rng, 0.3) else None,
    )


def draw_batch(seed: int) -> Problem:
    """Return the batch number ``seed``: 3 to 10 hosts, 10 to 40 domains, any features.

    Hosts have room for most of it; some batches may leave domains out.
    """
    rng = np.random.default_rng((seed, 1))
    num_hosts = int(rng.integers(3, 11))
    hosts = tuple(_draw_host(rng, f"h{n}", scale=4) for n in range(num_hosts))
    if num_hosts > 4:
        hosts = (*hosts[:-1], replace(hosts[0], name=hosts[-1].name))
    groups = tuple(
        Group(name=f"g{n}", keep=keep, over=over)
        for n, (keep, over) in enumerate(
            (keep, over) for keep in ("together", "apart") for over in ("hosts", "pnodes")
        )
    )
    domains: list[Domain] = []
    num_domains = int(rng.integers(10, min(40, 5 * num_hosts) + 1))
    while len(domains) < num_domains:
        name = f"vm{len(domains)}"
        group = groups[rng.integers(4)]
        mine = (group,) if _chance(rng, 0.2) else ()
        domain = _draw_domain(rng, name, mine, hosts)
        if mine:
            domain = replace(domain, groups=(group.name,))
        domains.append(domain)
        if _chance(rng, 0.2):
            domains.append(replace(domain, name=f"vm{len(domains)}"))
    used = {name for domain in domains for name in domain.groups}
    return Problem(
        hosts=hosts,
        domains=tuple(domains),
        groups=tuple(group for group in groups if group.name in used),
        policy=POLICIES[rng.integers(3)],
        allow_partial=bool(rng.random() < 0.6),
    )


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _draw_groups(rng: np.random.Generator) -> tuple[Group, ...]:
    if not _chance(rng, 0.3):
        return ()
    keep: Any = rng.choice(["together", "apart"])
    over: Any = rng.choice(["hosts", "pnodes"])
    return (Group(name="g", keep=str(keep), over=str(over)),)


def _draw_host(rng: np.random.Generator, name: str, *, scale: int = 1) -> Host:
    count = int(rng.integers(1, 5))
    threads = int(rng.choice([1, 1, 2]))
    cpus = [int(n) * threads * scale for n in rng.integers(0, 5, size=count)]
    if sum(cpus) == 0:
        cpus[0] = 4
    free = [
        scale * int(n) * 512 + int(rng.integers(0, 512)) for n in rng.integers(0, 24, size=count)
    ]
    distances = rng.choice([12, 16, 21, 32], size=(count, count))
    if not _chance(rng, 0.4):
        distances = np.maximum(distances, distances.T)
    np.fill_diagonal(distances, 10)
    if count > 1 and _chance(rng, 0.15):
        distances[0, 1] = 255
    running: tuple[RunningDomain, ...] = ()
    pcpus = sum(cpus)
    if _chance(rng, 0.3):
        first = int(rng.integers(0, pcpus))
        on = [0] * count
        on[0] = 1
        running = (
            RunningDomain(
                name="dom0", pages=[0] * count, vcpus_on=on, dedicated_pcpus=(first,), domid=0
            ),
        )
    smt: Any = str(rng.choice(["threads", "cores", "penalty"]))
    return make_host(
        free,
        cpus=cpus,
        threads=threads,
        distances=distances.tolist(),
        name=name,
        reserve_pages=[int(n) for n in rng.integers(0, 300, size=count)],
        overcommit=Fraction(int(rng.choice([2, 2, 3, 4, 5])), 2),
        smt=smt,
        smt_penalty=int(rng.integers(1, 20)) if smt == "penalty" else 0,
        running=running,
    )


def _draw_memory(rng: np.random.Generator, most_pnodes: int) -> VnodeMemory:
    policy = str(rng.choice(["strict", "strict", "preferred", "interleave"]))
    if policy == "interleave":
        if _chance(rng, 0.5):
            width = min(int(rng.integers(1, 4)), most_pnodes)
            return VnodeMemory(policy="interleave", interleave_width=width)
        return VnodeMemory(policy="interleave", interleave_pnodes=(0,))
    return VnodeMemory(policy=policy)


def _draw_affinity(rng: np.random.Generator, num_vcpus: int) -> tuple[CpuList | None, ...]:
    if not _chance(rng, 0.3):
        return ()
    texts = ["0-3", "nodes:0", "all,^0", "2-9", "1"]
    if _chance(rng, 0.5):
        return (CpuList.parse(str(rng.choice(texts[:4]))),) * num_vcpus
    return tuple(
        CpuList.parse(str(rng.choice(texts))) if _chance(rng, 0.7) else None
        for _ in range(num_vcpus)
    )


def _draw_access(rng: np.random.Generator, sizes: list[int]) -> Any:
    rows = []
    for _ in sizes:
        weights = [int(rng.integers(0, 5)) if pages else 0 for pages in sizes]
        weights[next(n for n, pages in enumerate(sizes) if pages)] += 1
        rows.append(tuple(Fraction(weight, sum(weights)) for weight in weights))
    return tuple(rows)


def _draw_domain(
    rng: np.random.Generator, name: str, groups: tuple[Group, ...], hosts: tuple[Host, ...]
) -> Domain:
    count = int(rng.integers(1, 4))
    num_vcpus = int(rng.integers(1, 7))
    sizes = [int(n) * 256 for n in rng.integers(0, 12, size=count)]
    sizes[0] = max(sizes[0], 256)
    dedicated = _chance(rng, 0.3)
    hard = _draw_affinity(rng, num_vcpus)
    if not any(a is None or any(a.resolve(h.pcpu_ids, h.pcpu_pnode) for h in hosts) for a in hard):
        hard = ()
    hard = tuple(
        a if a is None or any(a.resolve(h.pcpu_ids, h.pcpu_pnode) for h in hosts) else None
        for a in hard
    )
    fields: dict[str, Any] = {
        "name": name,
        "type": str(rng.choice(["pv", "pvh", "hvm"])),
        "hard_affinity": hard,
        "soft_affinity": _draw_affinity(rng, num_vcpus),
        "dedicated": dedicated,
        "thread_policy": str(rng.choice(["prefer", "isolate", "require"])),
        "priority": int(rng.integers(1, 4)),
        "groups": ("g",) if groups and _chance(rng, 0.7) else (),
        "cpu_spill": None if _chance(rng, 0.5) else str(rng.choice(["last", "never", "free"])),
        "forbidden_hosts": ("h0",) if _chance(rng, 0.1) else (),
    }
    if _chance(rng, 0.1):
        return make_domain([sum(sizes)], num_vcpus, auto_vnodes=True, **fields)
    if _chance(rng, 0.5):
        fields["vcpu_to_vnode"] = rng.integers(0, count, size=num_vcpus)
    if _chance(rng, 0.3):
        fields["access"] = _draw_access(rng, sizes)
    if _chance(rng, 0.2):
        fields["vnode_pnode"] = [0] + [-1] * (count - 1)
    most_pnodes = max(host.num_pnodes for host in hosts)
    fields["memory"] = tuple(_draw_memory(rng, most_pnodes) for _ in range(count))
    fields["distinct_pnodes"] = _chance(rng, 0.15)
    return make_domain(sizes, num_vcpus, **fields)
