"""Why a domain fits nowhere, where counting alone proves it."""

from __future__ import annotations

from placer.domain import Domain
from placer.host import Host
from placer.problem import Problem
from placer.result import Refusal
from placer.units import format_pages


def explain_by_count(problem: Problem, domain: Domain) -> Refusal | None:
    """Return why ``domain`` cannot be on any host by itself, or None where counting is silent.

    Three counts are made on every host: the whole memory, each strict vnode on
    the pnode with most room, and the vcpus against the shared capacity. What is
    reported is the host that is short by least.
    """
    hosts = [
        host
        for host in problem.hosts
        if (domain.hosts is None or host.name in domain.hosts)
        and host.name not in domain.forbidden_hosts
    ]
    if not hosts:
        return Refusal(domain=domain.name, reason="no host is allowed", binding=("hosts",))
    shortages = [_shortage(host, domain) for host in hosts]
    found = [shortage for shortage in shortages if shortage is not None]
    if len(found) < len(hosts):
        return None
    _, refusal = min(found, key=lambda item: item[0])
    return refusal


def _shortage(host: Host, domain: Domain) -> tuple[int, Refusal] | None:
    usable = host.usable_pages
    need = domain.memory_pages + domain.overhead_pages
    if need > int(usable.sum()):
        short = need - int(usable.sum())
        return short, Refusal(
            domain=domain.name,
            reason=(
                f"needs {format_pages(need)} with overhead, "
                f"{host.name} has {format_pages(int(usable.sum()))} free"
            ),
            binding=(f"C1: memory of {host.name}",),
            short_by=(f"{short} pages on {host.name}",),
        )
    for vnode, pages in enumerate(domain.vnode_pages.tolist()):
        if domain.memory[vnode].policy != "strict" or domain.auto_vnodes:
            continue
        asked = int(domain.vnode_pnode[vnode])
        if asked >= host.num_pnodes:
            continue
        room = int(usable[asked] if asked >= 0 else usable.max())
        if pages > room:
            where = f"pnode {asked}" if asked >= 0 else "the freest pnode"
            return pages - room, Refusal(
                domain=domain.name,
                reason=(
                    f"vnode {vnode} needs {format_pages(pages)} on one pnode, "
                    f"{where} of {host.name} has {format_pages(room)} free"
                ),
                binding=(f"C1: memory of {where} of {host.name}", f"vnode {vnode} is strict"),
                short_by=(f"{pages - room} pages for vnode {vnode} on {host.name}",),
            )
    room = _vcpu_room(host, domain)
    if domain.num_vcpus > room:
        kind = "dedicated" if domain.dedicated else "shared"
        return domain.num_vcpus - room, Refusal(
            domain=domain.name,
            reason=(f"has {domain.num_vcpus} {kind} vcpus, {host.name} has room for {room}"),
            binding=(f"C2: pcpus of {host.name}",),
            short_by=(f"{domain.num_vcpus - room} vcpus on {host.name}",),
        )
    return None


def _vcpu_room(host: Host, domain: Domain) -> int:
    """How many vcpus of the domain's kind the host can take at most, pnode by pnode.

    A pnode that running vcpus overfill takes none; it lends nothing from the others.
    Vcpus that fill the threads of their cores are counted in threads everywhere.
    """
    taken = {pcpu for running in host.running for pcpu in running.dedicated_pcpus}
    fill_threads = domain.dedicated and domain.thread_policy == "require"
    by_core = host.smt == "cores" and not fill_threads
    units = host.pcpu_core if by_core else host.pcpu_ids
    free: list[set[int]] = [set() for _ in range(host.num_pnodes)]
    for pcpu, unit, pnode in zip(host.pcpu_ids, units, host.pcpu_pnode, strict=True):
        if int(pcpu) not in taken:
            free[pnode].add(int(unit))
    if domain.dedicated:
        return sum(map(len, free))
    running = [sum(int(d.vcpus_on[pnode]) for d in host.running) for pnode in range(len(free))]
    return sum(
        max(0, int(len(mine) * host.overcommit) - busy)
        for mine, busy in zip(free, running, strict=True)
    )
