"""Placed fleets that tests ask questions of."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.host import Host
from placer.policy import Policy
from placer.problem import Group, Problem
from placer.scenario import (
    AddDomains,
    AddHosts,
    Change,
    CountHosts,
    FailMemory,
    FailPcpus,
    FailPnodes,
    GroupDomains,
    LimitHosts,
    MergePnodes,
    PinDomains,
    RemoveDomains,
    ReplaceHosts,
    ResizeDomains,
    Scenario,
    SetHosts,
    SetPolicy,
    SplitPnodes,
    TakeHosts,
)
from placer.whatif.draft import Base
from placer.whatif.solving import Solved, WhatIfOptions, solve_scenario
from tests.builders import make_domain, make_host
from tests.random_problems import draw_problem
from tests.sample_runs import solved

GIB = 1 << 18
QUICK = WhatIfOptions(work=1.0)


def hosts_of(number: int, *, gib: int = 9, cpus: int = 8, **fields: Any) -> tuple[Host, ...]:
    """Return equal hosts of two pnodes, h0, h1 and so on."""
    return tuple(
        make_host(
            [gib * GIB] * 2,
            cpus=cpus,
            distances=[[10, 21], [21, 10]],
            name=f"h{n}",
            **fields,
        )
        for n in range(number)
    )


def domain_of(name: str, *gib: int, vcpus: int = 2, **fields: Any) -> Domain:
    """Return a domain with a vnode for each size and ``vcpus`` in each of them."""
    mapping = np.repeat(np.arange(len(gib)), vcpus)
    return make_domain(
        [g * GIB for g in gib], len(mapping), name=name, vcpu_to_vnode=mapping, **fields
    )


@cache
def three_hosts() -> Base:
    """Three hosts of 2 x 9 GiB, carrying a, b (4 GiB each), wide (2 x 5 GiB) and big (7 GiB)."""
    problem = Problem(
        hosts=hosts_of(3),
        domains=(
            domain_of("a", 4),
            domain_of("b", 4),
            domain_of("wide", 5, 5),
            domain_of("big", 7),
        ),
        allow_partial=True,
    )
    return Base(run=solved(problem))


def ask(base: Base, *changes: Change, name: str = "question", **fields: Any) -> Solved:
    """Return the answer to a scenario of these changes."""
    return solve_scenario(base, Scenario(name=name, changes=changes, **fields), QUICK)


def drawn_base(seed: int) -> Base | None:
    """Return a random placed problem with any features, None where nothing is placed."""
    problem = replace(draw_problem(seed), allow_partial=True, current=(), cost_slack=Fraction(0))
    run = solved(problem, work=1.0, reasons=False, baselines=False)
    return Base(run=run) if run.placed and run.frames else None


def drawn_changes(seed: int, base: Base) -> tuple[Change, ...]:
    """Return one to three random changes that may be made of a base."""
    rng = np.random.default_rng((seed, 7))
    return tuple(_draw(rng, base, number) for number in range(int(rng.integers(1, 4))))


def _draw(rng: np.random.Generator, base: Base, number: int) -> Change:
    hosts = [host.name for host in base.problem.hosts]
    host = (str(rng.choice(hosts)),)
    pnodes = base.run.host(host[0]).num_pnodes
    pnode = int(rng.integers(pnodes))
    domain = (str(rng.choice(list(base.domains))),)
    other = base.domains[domain[0]]
    choices: list[Change] = [
        TakeHosts(hosts=host, how="drain"),
        TakeHosts(hosts=host if len(hosts) > 1 else ("h*",), how="fail"),
        FailPnodes(hosts=host, pnodes=(pnode,)),
        FailPcpus(hosts=host, pcpus=CpuList.parse("0-1")),
        FailMemory(hosts=host, pnode=pnode, pages=int(rng.integers(1, 3000))),
        SetHosts(hosts=("*",), overcommit=Fraction(int(rng.integers(1, 9)), 4)),
        SetHosts(hosts=host, reserve_pages=int(rng.integers(0, 4000))),
        SetHosts(hosts=host, distances=np.array([10, 30])),
        AddDomains(domains=(replace(other, name=f"more{number}"),)),
        AddDomains(domains=(make_domain([1024, 1024], 2, name=f"new{number}"),)),
        AddHosts(hosts=(replace(base.run.host(host[0]), name=f"spare{number}", running=()),)),
        CountHosts(number=int(rng.integers(1, 4))),
        RemoveDomains(domains=domain),
        ResizeDomains(domains=domain, memory_pages=int(rng.integers(8, 20)) * 512),
        ResizeDomains(domains=domain, num_vcpus=int(rng.integers(3, 7))),
        ResizeDomains(domains=domain, memory_pages=3 * 2048, num_vnodes=2),
        PinDomains(domains=domain, pnodes=(0,)),
        PinDomains(domains=domain),
        LimitHosts(domains=("*",), forbidden=host),
        LimitHosts(domains=domain, allowed=host),
        GroupDomains(domains=("*",), group=Group(name="new", keep="apart")),
        GroupDomains(domains=("*",), group=Group(name="new", keep="together")),
        GroupDomains(domains=("*",), group=Group(name="p", keep="apart", over="pnodes")),
        ReplaceHosts(hosts=host, by=make_host([9000, 9000], name="other")),
        SplitPnodes(hosts=host, into=2, distance=12),
        MergePnodes(hosts=host),
        SetPolicy(policy=Policy(name="spread", tie_break="spread")),
    ]
    return choices[int(rng.integers(len(choices)))]
