"""Random problems: tiny ones that can be enumerated, and a hypothesis strategy over them.

A tiny problem is a function of its seed alone, so that a failure can be asked for again
by its number. ``features_of`` names what is in it; ``tests/test_oracle.py`` counts them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.host import Host, RunningDomain
from placer.placement import PlacedDomain
from placer.policy import Policy
from placer.problem import Group, Problem, Running, as_running
from placer.units import PAGES_2MIB, UNREACHABLE

DISTANCES = (10, 11, 12, 15, 20, 21, 30, 32, 40)
SPAN = 1 << 24
"""The frames of every pnode start at a multiple of this."""


@dataclass
class TinyShape:
    """What a seed decides first, so that the parts of a problem suit one another."""

    rng: random.Random
    num_hosts: int
    num_domains: int
    whole_blocks: bool
    """All memory in 2 MiB blocks, so that large pages never run out by fragments."""
    threads: int
    thread_policies: bool
    masks: bool
    spilled: bool
    names: list[str] = field(default_factory=list)

    def often(self, chance: float) -> bool:
        """Return True with the chance given."""
        return self.rng.random() < chance


def tiny_problem(seed: int) -> Problem:
    """Return the tiny problem of ``seed``.

    At most 3 domains, 2 hosts, 3 pnodes a host, 3 vnodes and 4 vcpus a domain; spilled
    memory has at most 4 granules. About a third of them cannot be placed.
    """
    rng = random.Random(seed)
    threads = rng.choice((1, 1, 2))
    shape = TinyShape(
        rng=rng,
        num_hosts=rng.choice((1, 1, 2)),
        num_domains=rng.choice((1, 1, 2, 2, 3)),
        whole_blocks=rng.random() < 0.3,
        threads=threads,
        thread_policies=threads == 2 and rng.random() < 0.7,
        masks=rng.random() < 0.4,
        spilled=rng.random() < 0.35,
    )
    if shape.thread_policies:
        shape.masks = False
    hosts = tuple(_host(shape, f"host{number}") for number in range(shape.num_hosts))
    group = _group(shape)
    domains = tuple(
        _domain(shape, f"vm{number}", hosts, group) for number in range(shape.num_domains)
    )
    tie_break = rng.choice(("none", "none", "spread", "pack"))
    problem = Problem(
        hosts=hosts,
        domains=domains,
        groups=() if group is None else (group,),
        policy=Policy(name=tie_break, tie_break=tie_break),
        allow_partial=shape.often(0.35),
        cost_slack=rng.choice((Fraction(0),) * 4 + (Fraction(1, 20), Fraction(1, 3))),
    )
    soft = any(mask is not None for domain in domains for mask in domain.soft_affinity)
    return with_running(problem, random.Random(f"{seed} moves"), share=0.2 if soft else 0.4)


def with_running(problem: Problem, rng: random.Random, *, share: float) -> Problem:
    """Let some domains run already in a share of problems, anywhere, whatever it breaks."""
    if rng.random() >= share:
        return problem
    current: list[Running] = []
    domains: list[Domain] = []
    for domain in problem.domains:
        domains.append(domain)
        if rng.random() < 0.7:
            placed = _anywhere(domain, rng.choice(problem.hosts), rng)
            domains[-1] = as_running(domain, placed)
            current.append(Running(placed=placed))
    max_moves = rng.choice((None, None, None, 0, 1, 1, 2))
    most_pages = rng.choice((None, None, None, None, 0, 600, 1500))
    return replace(
        problem,
        domains=tuple(domains),
        current=tuple(current),
        max_moves=max_moves if current else None,
        max_moved_pages=most_pages if current else None,
    )


def _anywhere(domain: Domain, host: Host, rng: random.Random) -> PlacedDomain:
    """A place of a domain on a host; spilled memory is dealt in granules, as D2 wants it."""
    count = domain.num_vnodes
    pages = np.zeros((count, host.num_pnodes), dtype=np.int64)
    for vnode, size in enumerate(domain.vnode_pages.tolist()):
        step = size if domain.memory[vnode].policy == "strict" else PAGES_2MIB
        dealt = sorted(rng.randrange(host.num_pnodes) for _ in range(-(-size // max(1, step))))
        for number, pnode in enumerate(dealt):
            pages[vnode, pnode] += min(step, size - number * step)
    mapping = domain.vcpu_to_vnode
    if mapping is None:
        mapping = np.sort([rng.randrange(count) for _ in range(domain.num_vcpus)])
    pcpus = np.array([rng.choice(host.pcpu_ids.tolist()) for _ in range(domain.num_vcpus)])
    return PlacedDomain(
        domain=domain.name,
        host=host.name,
        vnode_pages=domain.vnode_pages,
        home=pages.argmax(axis=1),
        pages=pages,
        vcpu_to_vnode=mapping,
        vcpu_to_pnode=host.pcpu_pnode[pcpus],
        vcpu_to_pcpu=pcpus,
    )


def tiny_problems() -> st.SearchStrategy[Problem]:
    """Return the hypothesis strategy over tiny problems."""
    return st.integers(0, 2**32 - 1).map(tiny_problem)


def _host(shape: TinyShape, name: str) -> Host:
    rng = shape.rng
    num_pnodes = rng.choice((1, 2, 2, 3, 3))
    free = [_pages(shape, 500, 4200) for _ in range(num_pnodes)]
    cores = [rng.choice((1, 1, 2, 2, 3)) for _ in range(num_pnodes)]
    if num_pnodes > 1 and shape.often(0.12):
        free[rng.randrange(num_pnodes)] = 0
    if num_pnodes > 1 and shape.often(0.15):
        cores[rng.randrange(num_pnodes)] = 0
    used = [_pages(shape, 0, 1500) if shape.often(0.4) else 0 for _ in range(num_pnodes)]
    total = [now + before if now else 0 for now, before in zip(free, used, strict=True)]
    core_pnode = np.repeat(np.arange(num_pnodes), cores)
    pcpu_pnode = np.repeat(core_pnode, shape.threads)
    whole = shape.threads == 2 and shape.masks
    overcommit = rng.choice((Fraction(1), Fraction(1), Fraction(2)))
    if not whole and shape.often(0.25):
        overcommit = rng.choice((Fraction(3, 2), Fraction(1, 2), Fraction(5, 2)))
    smt: Any = rng.choice(("threads", "cores", "penalty")) if shape.threads == 2 else "threads"
    if shape.threads == 1 and shape.often(0.1):
        smt = "penalty"
    reserve = [rng.choice((0, 128, 512)) for _ in range(num_pnodes)] if shape.often(0.3) else None
    return Host(
        name=name,
        total_pages=total,
        free_pages=free,
        reserve_pages=reserve or [0] * num_pnodes,
        spans=[(p, p * SPAN, pages + PAGES_2MIB) for p, pages in enumerate(total)],
        free_spans=_free_spans(shape, free),
        pcpu_ids=np.arange(len(pcpu_pnode)),
        pcpu_pnode=pcpu_pnode,
        pcpu_socket=pcpu_pnode,
        pcpu_core=np.arange(len(pcpu_pnode)) // shape.threads,
        distances=_distances(shape, num_pnodes),
        overcommit=overcommit,
        smt=smt,
        smt_penalty=rng.choice((1, 3, 20)) if smt == "penalty" else 0,
        running=_running(shape, f"{name}-dom0", pcpu_pnode, used),
    )


def _pages(shape: TinyShape, least: int, most: int) -> int:
    pages = shape.rng.randint(least, most)
    return pages - pages % PAGES_2MIB if shape.whole_blocks else pages


def _free_spans(shape: TinyShape, free: list[int]) -> list[tuple[int, int, int]]:
    """One span a pnode, or two where frames are lost between them for 2 MiB pages."""
    spans = []
    for pnode, pages in enumerate(free):
        start = pnode * SPAN + PAGES_2MIB
        if shape.whole_blocks and shape.num_domains == 1 and pages and shape.often(0.4):
            spans.append((pnode, start, pages - 200))
            spans.append((pnode, start + pages, 200))
        elif pages:
            spans.append((pnode, start, pages))
    return spans


def _distances(shape: TinyShape, num_pnodes: int) -> list[list[int]]:
    rng = shape.rng
    rows = [
        [10 if p == q else rng.choice(DISTANCES) for q in range(num_pnodes)]
        for p in range(num_pnodes)
    ]
    if not shape.often(0.4):
        rows = [[rows[min(p, q)][max(p, q)] for q in range(num_pnodes)] for p in range(num_pnodes)]
    if num_pnodes > 1 and shape.often(0.25):
        p, q = rng.sample(range(num_pnodes), 2)
        rows[p][q] = UNREACHABLE
        if shape.often(0.5):
            rows[q][p] = UNREACHABLE
    return rows


def _running(
    shape: TinyShape, name: str, pcpu_pnode: np.ndarray[Any, Any], used: list[int]
) -> tuple[RunningDomain, ...]:
    if not shape.often(0.3):
        return ()
    vcpus_on = [shape.rng.choice((0, 0, 1)) for _ in used]
    dedicated: tuple[int, ...] = ()
    if len(pcpu_pnode) > 2 and not shape.thread_policies and shape.often(0.4):
        dedicated = (shape.rng.randrange(len(pcpu_pnode)),)
    return (RunningDomain(name=name, pages=used, vcpus_on=vcpus_on, dedicated_pcpus=dedicated),)


def _group(shape: TinyShape) -> Group | None:
    if shape.num_domains == 1 or not shape.often(0.7):
        return None
    keep: Any = shape.rng.choice(("together", "apart"))
    over: Any = shape.rng.choice(("hosts", "pnodes"))
    return Group(name="pair", keep=keep, over=over)


def _domain(shape: TinyShape, name: str, hosts: tuple[Host, ...], group: Group | None) -> Domain:
    rng = shape.rng
    few = shape.num_domains > 1
    num_vnodes = rng.choice((1, 1, 2, 2) if few else (1, 2, 2, 3, 3))
    num_vcpus = rng.choice((1, 2, 2, 3) if few else (1, 2, 3, 4))
    memory = _memory(shape, hosts, num_vnodes, few=few)
    pages = [_vnode_pages(shape, vnode) for vnode in memory]
    if num_vnodes > 1 and memory[-1].policy == "strict" and shape.often(0.12):
        pages[-1] = 0
    if not sum(pages):
        pages[0] = PAGES_2MIB
    mapping = None
    if shape.often(0.55):
        mapping = [rng.randrange(num_vnodes) for _ in range(num_vcpus)]
    most = max(host.num_pnodes for host in hosts)
    asked = [rng.randrange(most) if shape.often(0.5) else -1 for _ in pages]
    fields: dict[str, Any] = {}
    if mapping is None and num_vnodes > 1 and shape.often(0.3):
        fields["vcpu_bounds"] = [
            (low, rng.randint(low, num_vcpus)) for low in (rng.choice((0, 0, 1)) for _ in pages)
        ]
    if shape.often(0.2):
        fields["access"] = _access(shape, pages)
    if shape.often(0.3 if shape.threads == 1 else 0.5):
        fields["dedicated"] = True
        if shape.thread_policies:
            fields["thread_policy"] = rng.choice(
                ("prefer", "isolate", "isolate", "require", "require")
            )
        if shape.often(0.3):
            fields["cpu_spill"] = rng.choice(("last", "free"))
    elif shape.often(0.4):
        fields["cpu_spill"] = rng.choice(("never", "free"))
    if len(hosts) > 1 and shape.often(0.3):
        fields[rng.choice(("forbidden_hosts", "hosts"))] = (rng.choice(hosts).name,)
    if shape.whole_blocks and shape.num_domains == 1 and shape.often(0.7):
        fields["page_order"] = [9] * num_vnodes
    return Domain(
        name=name,
        type=rng.choice(("pv", "pvh")),
        vnode_pages=pages,
        num_vcpus=num_vcpus,
        vcpu_to_vnode=mapping,
        distances=_virtual_distances(shape, num_vnodes),
        vnode_pnode=asked if shape.often(0.2) else [-1] * num_vnodes,
        hard_affinity=_affinity(shape, hosts, num_vcpus, alike=mapping is None, hard=True),
        soft_affinity=_affinity(shape, hosts, num_vcpus, alike=mapping is None, hard=False),
        memory=memory,
        priority=rng.choice((1, 1, 2, 3)),
        groups=() if group is None else (group.name,),
        distinct_pnodes=num_vnodes > 1 and shape.often(0.25),
        **fields,
    )


def _memory(
    shape: TinyShape, hosts: tuple[Host, ...], num_vnodes: int, *, few: bool
) -> tuple[VnodeMemory, ...]:
    memory = []
    most = max(host.num_pnodes for host in hosts)
    for number in range(num_vnodes):
        if not shape.spilled or (few and number) or shape.often(0.4):
            memory.append(VnodeMemory())
        elif shape.often(0.5):
            memory.append(VnodeMemory(policy="preferred"))
        elif shape.often(0.5):
            width = min(most, shape.rng.choice((1, 2, 2, 3)))
            memory.append(VnodeMemory(policy="interleave", interleave_width=width))
        else:
            width = min(most, shape.rng.choice((1, 2, 2)))
            pnodes = tuple(sorted(shape.rng.sample(range(most), width)))
            memory.append(VnodeMemory(policy="interleave", interleave_pnodes=pnodes))
    return tuple(memory)


def _vnode_pages(shape: TinyShape, memory: VnodeMemory) -> int:
    if memory.policy != "strict":
        blocks = shape.rng.choice((1, 2, 3, 4))
        short = 0 if shape.whole_blocks else shape.rng.choice((0, 100, 300))
        return blocks * PAGES_2MIB - short
    return max(PAGES_2MIB, _pages(shape, 300, 2000))


def _virtual_distances(shape: TinyShape, num_vnodes: int) -> list[list[int]]:
    far = shape.rng.choice((20, 20, 30, 40))
    return [[10 if i == j else far for j in range(num_vnodes)] for i in range(num_vnodes)]


def _access(shape: TinyShape, pages: list[int]) -> tuple[tuple[Fraction, ...], ...]:
    rows = []
    for _ in pages:
        weights = [shape.rng.choice((0, 1, 1, 2, 5)) if size else 0 for size in pages]
        if not sum(weights):
            weights = [int(size > 0) for size in pages]
        rows.append(tuple(Fraction(weight, sum(weights)) for weight in weights))
    return tuple(rows)


def _affinity(
    shape: TinyShape, hosts: tuple[Host, ...], num_vcpus: int, *, alike: bool, hard: bool
) -> tuple[CpuList | None, ...]:
    """No mask, or CPU lists that name a pcpu of some host, alike for all vcpus or not."""
    if (hard and not shape.masks) or not shape.often(0.35):
        return ()
    most = max(host.num_pcpus for host in hosts)
    texts = [f"0-{max(0, most - 2)}", f"{most // 2}-{most}", "nodes:0", "0,2", "all,^nodes:1"]
    lists = [CpuList.parse(text) for text in texts]
    named = [
        mask
        for mask in lists
        if any(mask.resolve(host.pcpu_ids, host.pcpu_pnode) for host in hosts)
    ]
    if not named:
        return ()
    if alike or shape.often(0.5):
        return (shape.rng.choice(named),) * num_vcpus
    return tuple(shape.rng.choice([*named, None]) for _ in range(num_vcpus))


def features_of(problem: Problem) -> set[str]:
    """Return the names of what is in a problem, as the oracle counts them."""
    found = {f"tie break {problem.policy.tie_break}"}
    found |= {"several hosts"} if len(problem.hosts) > 1 else set()
    found |= {"several domains"} if len(problem.domains) > 1 else set()
    found |= {"allow partial"} if problem.allow_partial else set()
    found |= {"cost slack"} if problem.cost_slack else set()
    found |= {f"group {group.keep} over {group.over}" for group in problem.groups}
    found |= {"running and movable"} if problem.current else set()
    found |= {"limit on moves"} if problem.max_moves is not None else set()
    found |= {"limit on pages moved"} if problem.max_moved_pages is not None else set()
    for host in problem.hosts:
        found |= _host_features(host)
    for domain in problem.domains:
        found |= _domain_features(domain)
    if problem.allow_partial and len({domain.priority for domain in problem.domains}) > 1:
        found.add("priorities")
    return found


def _host_features(host: Host) -> set[str]:
    distances = host.distances
    has = {
        "asymmetric distances": (distances != distances.T).any(),
        "unreachable": (distances == UNREACHABLE).any(),
        "reserve": host.reserve_pages.any(),
        "overcommit": host.overcommit > 1,
        "broken overcommit": host.overcommit.denominator > 1,
        "pnode without pcpus": len(set(host.pcpu_pnode.tolist())) < host.num_pnodes,
        "pnode without memory": (host.total_pages == 0).any(),
        "running domain": bool(host.running),
        "running dedicated pcpus": any(running.dedicated_pcpus for running in host.running),
        f"smt {host.smt}": host.num_pcpus > len(set(host.pcpu_core.tolist())),
        "smt penalty": host.smt == "penalty",
    }
    return {name for name, there in has.items() if there}


def _domain_features(domain: Domain) -> set[str]:
    policies = {memory.policy for memory in domain.memory}
    has = {
        "fixed map": domain.vcpu_to_vnode is not None,
        "free map": domain.vcpu_to_vnode is None and domain.num_vnodes > 1,
        "vcpu bounds": domain.vcpu_bounds is not None,
        f"cpu spill {domain.cpu_spill}": True,
        "pnode asked for": (domain.vnode_pnode >= 0).any(),
        "measured access": domain.access is not None,
        "distinct pnodes": domain.distinct_pnodes,
        "hard affinity": any(mask is not None for mask in domain.hard_affinity),
        "soft affinity": any(mask is not None for mask in domain.soft_affinity),
        "preferred": "preferred" in policies,
        "interleave over given pnodes": any(m.interleave_pnodes for m in domain.memory),
        "interleave over a width": any(m.interleave_width for m in domain.memory),
        "vnode without memory": (domain.vnode_pages == 0).any(),
        "large pages": domain.page_order.any(),
        "host forbidden or named": domain.hosts is not None or bool(domain.forbidden_hosts),
        f"dedicated {domain.thread_policy}": domain.dedicated,
    }
    return {name for name, there in has.items() if there}
