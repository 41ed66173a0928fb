"""Leave the vcpus of domains that are not moved on the pcpus where they are.

A solver counts vcpus in cells of alike pcpus and names the pcpus afterwards, so that it may
name others than those of now without need. No level and no rule tells alike pcpus apart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from placer.check import rules
from placer.check.violation import Triple
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain, Placement, by_host
from placer.problem import Problem


def keep_pcpus(problem: Problem, placement: Placement) -> Placement:
    """Return ``placement`` with as many vcpus of unmoved domains on their pcpus as come easily.

    Every vcpu stays on its pnode, so that each level keeps its value; a host whose names
    cannot be exchanged within the rules keeps those that it has.
    """
    placed = {answer.domain: answer for answer in placement.domains}
    on = by_host(placement.domains)
    for host in problem.hosts:
        here = {answer.domain: answer for answer in on.get(host.name, [])}
        staying = {
            name: before
            for name, answer in here.items()
            if (before := problem.running_now.get(name)) is not None
            and before.host == host.name
            and np.array_equal(before.pages, answer.pages)
        }
        if staying:
            placed.update(_rename(problem, host, here, staying))
    return replace(placement, domains=tuple(placed[answer.domain] for answer in placement.domains))


def _rename(
    problem: Problem,
    host: Host,
    here: dict[str, PlacedDomain],
    staying: dict[str, PlacedDomain],
) -> dict[str, PlacedDomain]:
    """Return the domains of one host with what is possible named as it was."""
    domains = {name: problem.domains[problem.domain_index[name]] for name in here}
    named = _rename_own(host, domains, here, staying)
    shared = _rename_shared(host, domains, named, staying)
    return shared if _keeps_rules(host, domains, shared) else named


def _keeps_rules(host: Host, domains: dict[str, Domain], named: dict[str, PlacedDomain]) -> bool:
    triples: list[Triple] = [(domains[name], answer, host) for name, answer in named.items()]
    broken = any(True for _ in rules.check_pcpus(host, triples))
    return not broken and not any(
        True
        for triple in triples
        for rule in (rules.check_pcpu_masks, rules.check_threads)
        for _ in rule(*triple)
    )


def _rename_own(
    host: Host,
    domains: dict[str, Domain],
    named: dict[str, PlacedDomain],
    staying: dict[str, PlacedDomain],
) -> dict[str, PlacedDomain]:
    """Exchange pcpus, or whole cores, for dedicated vcpus that could be where they were."""
    pnode_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True))
    for name, before in staying.items():
        if not domains[name].dedicated:
            continue
        for vcpu, old in enumerate(before.vcpu_to_pcpu.tolist()):
            now = int(named[name].vcpu_to_pcpu[vcpu])
            if now == old or pnode_of[now] != pnode_of[old]:
                continue
            for pairs in ({now: old, old: now}, _cores_exchanged(host, now, old)):
                exchanged = _exchange(named, pairs)
                if pairs and _keeps_rules(host, domains, exchanged):
                    named = exchanged
                    break
    return _make_way(host, domains, named, staying)


def _make_way(
    host: Host,
    domains: dict[str, Domain],
    named: dict[str, PlacedDomain],
    staying: dict[str, PlacedDomain],
) -> dict[str, PlacedDomain]:
    """Put dedicated vcpus that come off the pcpus where shared ones stay, where others are free."""
    pnode_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True))
    wanted = {
        pcpu
        for name, before in staying.items()
        if not domains[name].dedicated
        for pcpu in before.vcpu_to_pcpu.tolist()
    }
    for name in [name for name in named if domains[name].dedicated and name not in staying]:
        for now in named[name].vcpu_to_pcpu.tolist():
            if now not in wanted:
                continue
            taken = {
                pcpu
                for other, answer in named.items()
                if domains[other].dedicated
                for pcpu in (*answer.vcpu_to_pcpu.tolist(), *answer.empty_siblings)
            }
            for free in sorted(set(pnode_of) - wanted - taken):
                exchanged = _exchange(named, {now: free, free: now})
                if pnode_of[free] == pnode_of[now] and _keeps_rules(host, domains, exchanged):
                    named = exchanged
                    break
    return named


def _cores_exchanged(host: Host, one: int, other: int) -> dict[int, int]:
    """The pcpus of two cores, each with the one that takes its place; empty where they differ."""
    core_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_core.tolist(), strict=True))
    first, second = (
        host.pcpu_ids[host.pcpu_core == core_of[pcpu]].tolist() for pcpu in (one, other)
    )
    if core_of[one] == core_of[other] or len(first) != len(second):
        return {}
    # The two pcpus themselves are a pair; the siblings follow in order.
    first = [one, *(pcpu for pcpu in first if pcpu != one)]
    second = [other, *(pcpu for pcpu in second if pcpu != other)]
    return {**dict(zip(first, second, strict=True)), **dict(zip(second, first, strict=True))}


def _exchange(named: dict[str, PlacedDomain], pairs: dict[int, int]) -> dict[str, PlacedDomain]:
    """Return the domains with pcpus exchanged everywhere."""
    exchanged = dict(named)
    for name, answer in named.items():
        pcpus = answer.vcpu_to_pcpu.tolist()
        if not pairs.keys() & {*pcpus, *answer.empty_siblings}:
            continue
        empty = sorted(pairs.get(pcpu, pcpu) for pcpu in answer.empty_siblings)
        exchanged[name] = replace(
            answer,
            vcpu_to_pcpu=np.array([pairs.get(pcpu, pcpu) for pcpu in pcpus], dtype=np.int64),
            empty_siblings=tuple(empty),
        )
    return exchanged


def _rename_shared(
    host: Host,
    domains: dict[str, Domain],
    named: dict[str, PlacedDomain],
    staying: dict[str, PlacedDomain],
) -> dict[str, PlacedDomain]:
    """Put shared vcpus back where they were, then the others on what is loaded least."""
    pnode_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True))
    core_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_core.tolist(), strict=True))
    alone = {pcpu for run in host.running for pcpu in run.dedicated_pcpus}
    for name, answer in named.items():
        if domains[name].dedicated:
            alone |= {*answer.vcpu_to_pcpu.tolist(), *answer.empty_siblings}
    if host.smt == "cores":
        taken = {core_of[pcpu] for pcpu in alone}
        alone = {pcpu for pcpu in core_of if core_of[pcpu] in taken}
    load: Counter[int] = Counter()
    core_load: Counter[int] = Counter()
    pcpus: dict[tuple[str, int], int] = {}

    def seat(name: str, vcpu: int, pcpu: int) -> None:
        pcpus[name, vcpu] = pcpu
        load[pcpu] += 1
        core_load[core_of[pcpu]] += 1

    others: list[tuple[str, int, list[int]]] = []
    for name, answer in named.items():
        if domains[name].dedicated:
            continue
        before = staying.get(name)
        for vcpu, pnode in enumerate(answer.vcpu_to_pnode.tolist()):
            old = None if before is None else int(before.vcpu_to_pcpu[vcpu])
            if old is not None and pnode_of[old] == pnode and old not in alone:
                seat(name, vcpu, old)
                continue
            hard = domains[name].hard_affinity[vcpu]
            mask = set(pnode_of) if hard is None else hard.resolve(host.pcpu_ids, host.pcpu_pnode)
            may = [pcpu for pcpu in sorted(mask) if pnode_of[pcpu] == pnode and pcpu not in alone]
            others.append((name, vcpu, may))
    for name, vcpu, may in sorted(others, key=lambda other: len(other[2])):
        if not may:
            return named
        seat(name, vcpu, min(may, key=lambda pcpu: (load[pcpu], core_load[core_of[pcpu]], pcpu)))
    renamed = dict(named)
    for name, answer in named.items():
        if not domains[name].dedicated:
            mine = [pcpus[name, vcpu] for vcpu in range(len(answer.vcpu_to_pcpu))]
            renamed[name] = replace(answer, vcpu_to_pcpu=np.array(mine, dtype=np.int64))
    return renamed
