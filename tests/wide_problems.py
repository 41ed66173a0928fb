"""Tiny problems with every feature beside every other, and one domain alone in every fourth.

``tests/strategies.py`` draws what is placed by all of its engines and realised in frames; here
features meet that are kept apart there: thread policies beside masks and taken pcpus, vcpus
whose masks differ, large pages wanted on torn heaps, two groups at once, vnodes to be chosen.
"""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from placer.arrays import ABSENT
from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.host import Host, RunningDomain
from placer.policy import Policy
from placer.problem import Group, Problem
from placer.units import PAGES_2MIB
from tests.strategies import features_of, tiny_problem

MASKS = ("0", "1", "0,2", "1-3", "0-1", "nodes:0", "nodes:1", "all,^0", "all,^nodes:0")
KINDS = tuple((keep, over) for keep in ("together", "apart") for over in ("hosts", "pnodes"))


def wide_problem(seed: int) -> Problem:
    """Return the wide problem of ``seed``; up to 3 domains, one alone where 4 divides it."""
    rng = random.Random(f"{seed} wide")
    drawn = tiny_problem(seed)
    hosts = tuple(_with_taken_pcpus(host, rng) for host in drawn.hosts)
    groups, members = _more_groups(drawn, rng)
    domains = tuple(
        _widen(domain, drawn, hosts, rng, groups=members.get(domain.name, domain.groups))
        for domain in drawn.domains
    )
    running = set(drawn.running_now)
    new = [number for number, domain in enumerate(domains) if domain.name not in running]
    if new and rng.random() < 0.14:
        domains = _with_auto_vnodes(domains, rng.choice(new), rng)
    if running:
        beside = random.Random(f"{seed} beside what runs")
        domains = tuple(_widen_running(domain, running, beside) for domain in domains)
    problem = replace(drawn, hosts=hosts, domains=domains, groups=groups)
    return _alone(problem, rng) if seed % 4 == 0 else problem


def _alone(problem: Problem, rng: random.Random) -> Problem:
    """One domain without what only the encoding answers: for the quadratic core."""
    domain = problem.domains[0]
    if rng.random() < 0.7:
        memory = (VnodeMemory(),) * domain.num_vnodes
        if rng.random() < 0.2:
            memory = (VnodeMemory(policy="preferred"), *memory[1:])
        domain = replace(domain, memory=memory)
    return replace(
        problem,
        domains=(domain,),
        policy=Policy(name="none", tie_break="none"),
        cost_slack=Fraction(0),
        current=(),
        max_moves=None,
        max_moved_pages=None,
    )


def _with_taken_pcpus(host: Host, rng: random.Random) -> Host:
    """A running domain with a pcpu of its own, in some of the hosts that have none."""
    if host.running or host.num_pcpus < 3 or rng.random() < 0.75:
        return host
    none = [0] * host.num_pnodes
    taken = (int(rng.choice(host.pcpu_ids.tolist())),)
    busy = RunningDomain(name=f"{host.name}-busy", pages=none, vcpus_on=none, dedicated_pcpus=taken)
    return replace(host, running=(busy,))


def _more_groups(
    drawn: Problem, rng: random.Random
) -> tuple[tuple[Group, ...], dict[str, tuple[str, ...]]]:
    """A group more, of any kind, in some of the problems of several domains."""
    if len(drawn.domains) < 2 or rng.random() < 0.7:
        return drawn.groups, {}
    keep, over = rng.choice(KINDS)
    other: Any = Group(name="other", keep=keep, over=over)
    names = [domain.name for domain in drawn.domains]
    inside = set(rng.sample(names, rng.randint(2, len(names))))
    members = {
        domain.name: (*domain.groups, "other") for domain in drawn.domains if domain.name in inside
    }
    return (*drawn.groups, other), members


def _widen(
    domain: Domain, drawn: Problem, hosts: tuple[Host, ...], rng: random.Random, **fields: Any
) -> Domain:
    if any(len(set(host.pcpu_core.tolist())) < host.num_pcpus for host in hosts):
        fields["thread_policy"] = rng.choice(("prefer", "isolate", "require"))
        if rng.random() < 0.15:
            fields["dedicated"] = True
            fields["cpu_spill"] = rng.choice(("never", "never", "last", "free"))
    for name, chance in (("hard_affinity", 0.3), ("soft_affinity", 0.2)):
        if rng.random() < chance:
            fields[name] = _masks(hosts, domain.num_vcpus, rng)
    if rng.random() < 0.15:
        fields["page_order"] = [rng.choice((0, 9, 9, 18)) for _ in domain.vnode_pages]
    if domain.name not in drawn.running_now and rng.random() < 0.15:
        fields["distances"] = ABSENT
        fields["auto_distances"] = True
    if rng.random() < 0.1:
        fields["type"] = "hvm"
    if rng.random() < 0.1 and domain.num_vnodes > 1:
        fields["distinct_pnodes"] = True
    if rng.random() < 0.1:
        fields["access"] = _shares(domain.vnode_pages.tolist(), rng)
    return replace(domain, **fields)


def _widen_running(domain: Domain, running: set[str], rng: random.Random) -> Domain:
    """What else there may be where domains run: distances that follow, bounds of a free map."""
    free = domain.vcpu_to_vnode is None and domain.num_vnodes > 1
    if domain.name in running and rng.random() < 0.3:
        return replace(domain, distances=ABSENT, auto_distances=True)
    if free and domain.vcpu_bounds is None and rng.random() < 0.7:
        least = [rng.choice((0, 0, 1)) for _ in domain.vnode_pages]
        bounds = [(low, rng.randint(low, max(low, domain.num_vcpus))) for low in least]
        return replace(domain, vcpu_bounds=bounds)
    return domain


def _masks(
    hosts: tuple[Host, ...], num_vcpus: int, rng: random.Random
) -> tuple[CpuList | None, ...]:
    """A mask for all vcpus, or masks that differ; each names a pcpu of some host."""
    lists = [CpuList.parse(text) for text in MASKS]
    named = [
        mask
        for mask in lists
        if any(mask.resolve(host.pcpu_ids, host.pcpu_pnode) for host in hosts)
    ]
    if rng.random() < 0.4:
        return (rng.choice(named),) * num_vcpus
    few = rng.sample(named, min(2, len(named)))
    return tuple(rng.choice([*few, None]) for _ in range(num_vcpus))


def _shares(pages: list[int], rng: random.Random) -> tuple[tuple[Fraction, ...], ...]:
    rows = []
    for _ in pages:
        weights = [rng.choice((0, 1, 3)) if size else 0 for size in pages]
        if not sum(weights):
            weights = [int(size > 0) for size in pages]
        rows.append(tuple(Fraction(weight, sum(weights)) for weight in weights))
    return tuple(rows)


def _with_auto_vnodes(
    domains: tuple[Domain, ...], number: int, rng: random.Random
) -> tuple[Domain, ...]:
    """One domain with its vnodes to be chosen, of a size that often needs more than one."""
    domain = domains[number]
    pages = domain.memory_pages + rng.choice((0, 3, 5)) * PAGES_2MIB
    auto = replace(
        domain,
        vnode_pages=[pages],
        auto_vnodes=True,
        auto_distances=False,
        vcpu_to_vnode=None,
        vcpu_bounds=None,
        distances=ABSENT,
        vnode_pnode=ABSENT,
        memory=(VnodeMemory(),),
        page_order=[int(domain.page_order[0])],
        access=None,
    )
    return (*domains[:number], auto, *domains[number + 1 :])


def wide_features_of(problem: Problem) -> set[str]:
    """Return the names of what is in a problem, as the oracle counts them over wide ones."""
    found = features_of(problem) - {"tie break none"}
    for domain in problem.domains:
        hard, soft = set(domain.hard_affinity), set(domain.soft_affinity)
        has = {
            "vnodes auto": domain.auto_vnodes,
            "vdistances auto": domain.auto_distances,
            "hard affinities that differ": len(hard) > 1,
            "soft affinities that differ": len(soft) > 1,
            "strict": any(
                memory.policy == "strict" and pages and not domain.auto_vnodes
                for memory, pages in zip(domain.memory, domain.vnode_pages, strict=True)
            ),
        }
        found |= {name for name, there in has.items() if there}
    return found


def threads_meet_masks(problem: Problem) -> bool:
    """Return whether a cell of the problem's enumeration is not all slots of a pnode in its masks.

    models/placement.mzn does not state thread policies there.
    """
    torn = any(mask is not None for d in problem.domains for mask in d.hard_affinity)
    torn |= any(run.dedicated_pcpus for host in problem.hosts for run in host.running)
    policies = {d.thread_policy for d in problem.domains if d.dedicated}
    return torn and bool(policies & {"isolate", "require"})


def masks_differ_in_free_maps(problem: Problem) -> bool:
    """Return whether it matters which vcpu of a free map is in which vnode."""
    return any(
        domain.vcpu_to_vnode is None
        and len(set(zip(domain.hard_affinity, domain.soft_affinity, strict=True))) > 1
        for domain in problem.domains
    )


def count_rows(problem: Problem) -> int:
    """Return, roughly, how many rows the enumeration of one domain looks at, the most of all."""
    most = 0
    for domain in problem.domains:
        rows = 0
        for host in problem.hosts:
            count = domain.num_vnodes if not domain.auto_vnodes else host.num_pnodes
            pages = 1
            for memory, size in zip(domain.memory, domain.vnode_pages.tolist(), strict=True):
                grains = -(-size // PAGES_2MIB) if memory.policy != "strict" else 1
                pages *= int(np.prod([grains + n for n in range(1, host.num_pnodes)]) or 1)
            pages *= host.num_pnodes ** (count - 1)
            cells = max(1, host.num_pnodes * 2)
            rows += pages * cells**domain.num_vcpus
        most = max(most, rows)
    return most
