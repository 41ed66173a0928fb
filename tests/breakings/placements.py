"""Valid placements broken in named ways, each with the rule that it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.host import Host, RunningDomain
from placer.placement import PlacedDomain, Placement
from placer.problem import Group, Problem
from tests.builders import make_domain, make_host, make_problem

Breaking = Iterator[tuple[str, str, Problem, Placement]]
"""The name of a mutation, the rule that it breaks, and the case that breaks it."""


def auto_problem(seed: int) -> Problem:
    """The problem of a domain that leaves its vnodes to the solver, beside one that does not."""
    rng = np.random.default_rng(seed)
    host = make_host((rng.integers(4, 12, 2) * 512).tolist(), cpus=4)
    wide = make_domain([int(rng.integers(2, 7)) * 512], 4, name="wide", auto_vnodes=True)
    return make_problem(host, wide, make_domain([256], name="small"))


def with_domain(placement: Placement, number: int, **fields: Any) -> Placement:
    placed = list(placement.domains)
    placed[number] = replace(placed[number], **fields)
    return replace(placement, domains=tuple(placed))


def with_request(problem: Problem, name: str, **fields: Any) -> Problem:
    domains = list(problem.domains)
    index = problem.domain_index[name]
    domains[index] = replace(domains[index], **fields)
    return replace(problem, domains=tuple(domains))


def with_host(problem: Problem, name: str, **fields: Any) -> Problem:
    hosts = list(problem.hosts)
    index = problem.host_index[name]
    hosts[index] = replace(hosts[index], **fields)
    return replace(problem, hosts=tuple(hosts))


def changed(values: Any, index: Any, value: int) -> Any:
    """Return a copy of an array with one entry changed."""
    copy = np.array(values)
    copy[index] = value
    return copy


def break_placement(problem: Problem, placement: Placement) -> Breaking:
    """Yield every named way to break a valid placement that has a domain placed."""
    yield from _break_whole(problem, placement)
    for number, placed in enumerate(placement.domains):
        domain = problem.domains[problem.domain_index[placed.domain]]
        host = problem.hosts[problem.host_index[placed.host]]
        case = (problem, placement, number, domain, placed, host)
        yield from _break_memory(*case)
        yield from _break_vcpus(*case)
        yield from _break_pcpus(*case)
        yield from _break_requests(*case)
        yield from _break_limits(*case)
        yield from _break_auto(*case)


def _break_whole(problem: Problem, placement: Placement) -> Breaking:
    placed = placement.domains
    forgotten = replace(placement, domains=placed[1:])
    yield "forget a domain", "D1 once", problem, forgotten
    twice = replace(placement, domains=(placed[0], *placed))
    yield "place a domain twice", "D1 once", problem, twice
    left_out = replace(placement, domains=placed[1:], unplaced=(placed[0].domain,))
    if not problem.allow_partial:
        yield "leave out one that must be placed", "D1 left out", problem, left_out
    stranger = replace(placed[0], domain="stranger")
    yield (
        "place a domain that nobody asked for",
        "D1 once",
        problem,
        replace(placement, domains=(*placed, stranger)),
    )
    nowhere = with_domain(placement, 0, host="nowhere")
    yield "place on a host that is not there", "D1 host", problem, nowhere
    if len(placed) > 1:
        backwards = replace(placement, domains=placed[::-1])
        yield "turn the order round", "D1 order", problem, backwards
    for keep, over in (("apart", "hosts"), ("apart", "pnodes")):
        pair = (*placed[:1], *(one for one in placed[1:] if _meets(placed[0], one, over)))
        if len(pair) > 1:
            group = Group(name="new", keep=keep, over=over)
            grouped = replace(problem, groups=(*problem.groups, group))
            for one in pair:
                index = problem.domain_index[one.domain]
                names = (*problem.domains[index].groups, "new")
                grouped = with_request(grouped, one.domain, groups=names)
            yield f"keep {keep} over {over} what is together", "C3 group", grouped, placement

    strangers = [placed[0], *(one for one in placed[1:] if one.host != placed[0].host)][:2]
    if len(strangers) == 2:
        grouped = replace(
            problem, groups=(*problem.groups, Group(name="new", keep="together", over="hosts"))
        )
        for one in strangers:
            names = (*problem.domains[problem.domain_index[one.domain]].groups, "new")
            grouped = with_request(grouped, one.domain, groups=names)
        yield "keep together what is on two hosts", "C3 group", grouped, placement


def _meets(one: PlacedDomain, other: PlacedDomain, over: str) -> bool:
    same_host = one.host == other.host
    return same_host and (over == "hosts" or bool({*one.home.tolist()} & {*other.home.tolist()}))


def _break_memory(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    for vnode in range(placed.num_vnodes):
        home, on = int(placed.home[vnode]), placed.pages[vnode]
        if not on.sum():
            continue
        less = changed(placed.pages, (vnode, home), int(on[home]) - 1)
        lost = with_domain(placement, number, pages=less)
        yield "lose a page", "D2 pages", problem, lost
        grown = with_domain(
            placement,
            number,
            pages=changed(placed.pages, (vnode, home), int(on[home]) + 1),
            vnode_pages=changed(placed.vnode_pages, vnode, int(on.sum()) + 1),
        )
        rule = "C4 memory" if domain.auto_vnodes else "D2 size"
        yield "give a page too many", rule, problem, grown
        if host.num_pnodes == 1:
            continue
        other = (home + 1) % host.num_pnodes
        moved = with_domain(placement, number, home=changed(placed.home, vnode, other))
        strict = domain.memory[min(vnode, domain.num_vnodes - 1)].policy == "strict"
        rule = "D2 strict" if strict else "D2 home"
        yield "call another pnode home", rule, problem, moved
        pages = changed(less, (vnode, other), int(on[other]) + 1)
        spilled = with_domain(placement, number, pages=pages)
        rule = "D2 strict" if strict else "D2 granules"
        yield "spill a single page", rule, problem, spilled
        if not strict and not domain.auto_vnodes and int(on[home]) == int(on.sum()) > 512:
            memory = list(domain.memory)
            memory[vnode] = VnodeMemory(policy="interleave", interleave_width=host.num_pnodes)
            asked = with_request(problem, domain.name, memory=tuple(memory))
            yield "interleave what lies on one pnode", "D2 interleave", asked, placement


def _break_vcpus(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    mapping = placed.vcpu_to_vnode
    if placed.num_vnodes > 1:
        other = (int(mapping[0]) + 1) % placed.num_vnodes
        wrong = with_domain(placement, number, vcpu_to_vnode=changed(mapping, 0, other))
        if domain.vcpu_to_vnode is not None:
            yield "give a vcpu to another vnode", "D3 map", problem, wrong
        elif mapping[0] != mapping[-1]:
            backwards = with_domain(placement, number, vcpu_to_vnode=mapping[::-1])
            yield "number the vcpus backwards", "D3 blocks", problem, backwards
        if domain.vcpu_to_vnode is None and not domain.auto_vnodes:
            most = np.bincount(mapping, minlength=placed.num_vnodes)
            bounds = [(0, max(0, int(count) - 1)) for count in most]
            bounded = with_request(problem, domain.name, vcpu_bounds=bounds)
            yield "allow fewer vcpus", "D3 bounds", bounded, placement
    if host.num_pnodes > 1:
        other = (int(placed.vcpu_to_pnode[0]) + 1) % host.num_pnodes
        pnodes = changed(placed.vcpu_to_pnode, 0, other)
        apart = with_domain(placement, number, vcpu_to_pnode=pnodes)
        yield "name a pcpu of another pnode", "D4 pnode", problem, apart
    absent = changed(placed.vcpu_to_pcpu, 0, int(host.pcpu_ids[-1]) + 1)
    yield (
        "name a pcpu that is not there",
        "D1 shape",
        problem,
        with_domain(placement, number, vcpu_to_pcpu=absent),
    )
    short = with_domain(placement, number, vcpu_to_pnode=placed.vcpu_to_pnode[1:])
    yield "forget a vcpu", "D1 shape", problem, short
    others = frozenset(host.pcpu_ids.tolist()) - {int(placed.vcpu_to_pcpu[0])}
    if others:
        masks = (CpuList.of(others), *domain.hard_affinity[1:])
        pinned = with_request(problem, domain.name, hard_affinity=masks)
        yield "pin a vcpu elsewhere", "C3 hard affinity", pinned, placement
    if (placed.home[mapping] != placed.vcpu_to_pnode).any():
        kept = with_request(problem, domain.name, cpu_spill="never")
        yield "forbid the spill there is", "C6 cpu spill", kept, placement


def _break_pcpus(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    pcpu = int(placed.vcpu_to_pcpu[0])
    guard = RunningDomain(
        name="guard",
        pages=[0] * host.num_pnodes,
        vcpus_on=[0] * host.num_pnodes,
        dedicated_pcpus=(pcpu,),
    )
    taken = with_host(problem, host.name, running=(*host.running, guard))
    yield "let a running domain hold the pcpu", "C2 dedicated", taken, placement
    if domain.num_vcpus > 1:
        crowded = with_domain(
            placement,
            number,
            vcpu_to_pcpu=[pcpu] * domain.num_vcpus,
            vcpu_to_pnode=[int(placed.vcpu_to_pnode[0])] * domain.num_vcpus,
        )
        if domain.dedicated:
            yield "give two dedicated vcpus one pcpu", "C2 dedicated", problem, crowded
        elif domain.num_vcpus > ceil(host.overcommit):
            yield "crowd one pcpu", "C2 crowd", problem, crowded
    if not domain.dedicated:
        busy = RunningDomain(
            name="busy", pages=[0] * host.num_pnodes, vcpus_on=[1000] * host.num_pnodes
        )
        full = with_host(problem, host.name, running=(*host.running, busy))
        yield "fill the pnode with running vcpus", "C2 pnode", full, placement
    if domain.dedicated and placed.empty_siblings and domain.thread_policy == "isolate":
        crossed = with_domain(placement, number, empty_siblings=())
        yield "forget the empty siblings", "C2 threads", problem, crossed
    if host.num_pcpus == len(set(host.pcpu_core.tolist())) and domain.dedicated:
        paired = with_request(problem, domain.name, thread_policy="require")
        yield "require siblings where there are none", "C2 threads", paired, placement
    idle = sorted(set(host.pcpu_ids.tolist()) - set(placed.vcpu_to_pcpu.tolist()))
    if idle and not domain.dedicated:
        hoard = with_domain(placement, number, empty_siblings=tuple(idle[:1]))
        yield "keep a pcpu empty for nothing", "C2 threads", problem, hoard


def _break_requests(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    if host.num_pnodes > 1:
        asked = changed(domain.vnode_pnode, 0, (int(placed.home[0]) + 1) % host.num_pnodes)
        yield (
            "ask for another pnode",
            "C3 pnode",
            with_request(problem, domain.name, vnode_pnode=asked),
            placement,
        )
    if len(set(placed.home.tolist())) < placed.num_vnodes:
        distinct = with_request(problem, domain.name, distinct_pnodes=True)
        yield "ask for distinct pnodes", "C3 distinct", distinct, placement
    forbidden = with_request(problem, domain.name, forbidden_hosts=(host.name,))
    yield "forbid the host", "C3 host", forbidden, placement
    none_left = with_request(problem, domain.name, hosts=())
    yield "allow no host", "C3 host", none_left, placement
    for vnode, memory in zip(placed.vcpu_to_vnode.tolist(), placed.vcpu_to_pnode, strict=True):
        far = np.flatnonzero(placed.pages[vnode])
        far = far[far != memory]
        if len(far) and domain.access is None:
            cut = changed(host.distances, (int(memory), int(far[0])), 255)
            unreachable = with_host(problem, host.name, distances=cut)
            yield "cut the way to the memory", "C5 unreachable", unreachable, placement


def _break_limits(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    most = int(placed.pages_on.argmax())
    room = int(host.free_pages[most]) - int(placed.pages_on[most])
    kept = changed(host.reserve_pages, most, room + 1)
    reserved = with_host(problem, host.name, reserve_pages=kept)
    yield "keep back what is used", "C1 memory", reserved, placement
    home = int(placed.home[0])
    exact = int(host.free_pages[home]) - sum(
        int(one.pages_on[home]) for one in placement.domains if one.host == host.name
    )
    if exact >= 0:
        overhead = with_host(
            problem, host.name, reserve_pages=changed(host.reserve_pages, home, exact)
        )
        yield "leave no room for the overhead", "C1 memory", overhead, placement
    if (placed.pages >= 512).any():
        crumbs = [(p, (p << 24) + 512 * k + 1, 500) for p in range(host.num_pnodes) for k in (0, 1)]
        fragmented = with_host(problem, host.name, free_spans=crumbs)
        orders = [9] * domain.num_vnodes
        large = with_request(fragmented, domain.name, page_order=orders)
        yield "want large pages of fragments", "C1 page size", large, placement


def _break_auto(
    problem: Problem,
    placement: Placement,
    number: int,
    domain: Domain,
    placed: PlacedDomain,
    host: Host,
) -> Breaking:
    if not domain.auto_vnodes:
        return
    size, home = int(placed.vnode_pages[0]), int(placed.home[0])
    smaller = with_domain(
        placement,
        number,
        vnode_pages=changed(placed.vnode_pages, 0, size - 1),
        pages=changed(placed.pages, (0, home), int(placed.pages[0, home]) - 1),
    )
    yield "hand out less than the whole memory", "C4 memory", problem, smaller
    more = host.num_pnodes + 1 - placed.num_vnodes
    rows = np.zeros((more, host.num_pnodes), dtype=np.int64)
    crowd = with_domain(
        placement,
        number,
        vnode_pages=[*placed.vnode_pages.tolist(), *[0] * more],
        home=[*placed.home.tolist(), *[home] * more],
        pages=np.vstack((placed.pages, rows)),
    )
    yield "make more vnodes than there are pnodes", "C4 count", problem, crowd
    yield "make a vnode without memory", "C4 empty", problem, crowd
