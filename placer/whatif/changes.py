"""One function for each change: what it makes of a draft."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, singledispatch

import numpy as np

from placer.arrays import ABSENT, Ints
from placer.errors import Fault, InputError
from placer.frames import PNODE
from placer.host import Host, RunningDomain
from placer.problem import Running
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
    SetHosts,
    SetPolicy,
    SplitPnodes,
    TakeHosts,
    Ungroup,
)
from placer.whatif.draft import Draft, is_dom0
from placer.whatif.machines import (
    held_frames,
    merge_pnodes,
    set_figures,
    split_pnodes,
    unheld_pages,
    without_memory,
    without_pcpus,
    without_pnodes,
)
from placer.whatif.patterns import matching
from placer.whatif.sizes import resized


@singledispatch
def apply(change: Change, draft: Draft) -> None:
    """Make ``change`` on ``draft``; InputError where it names what is not there or cannot be."""
    raise TypeError(f"no change: {type(change).__name__}")


def _fault(kind: str, found: str, expected: str = "") -> InputError:
    return InputError(Fault(source="scenario", field=kind, found=found, expected=expected))


def _mend(draft: Draft, name: str, mended: Callable[[Host], Host]) -> None:
    """Replace a host; what cannot be is told with the host's name."""
    try:
        draft.hosts[name] = mended(draft.hosts[name])
    except ValueError as error:
        raise _fault(f"host {name}", str(error)) from error


@apply.register
def _(change: AddHosts, draft: Draft) -> None:
    for host in change.hosts:
        if host.name in draft.hosts:
            raise _fault("host", f"{host.name!r}, which is there already", "a new name")
        draft.hosts[host.name] = host


@apply.register
def _(change: TakeHosts, draft: Draft) -> None:
    for name in draft.hosts_like(change.hosts):
        if change.how != "drain":
            draft.take_host(name)
            continue
        draft.evict(*(running.placed.domain for running in draft.on(name)))
        draft.drained.add(name)


@apply.register
def _(change: FailPnodes, draft: Draft) -> None:
    gone = list(change.pnodes)
    for name in draft.hosts_like(change.hosts):
        there = [run.name for run in draft.hosts[name].running if _needs(draft, name, run, gone)]
        _mend(draft, name, lambda host: without_pnodes(host, gone))
        draft.lose(name, there)
        for running in draft.on(name):
            if any(_is_on(running, pnode) for pnode in gone):
                draft.evict(running.placed.domain)


def _needs(draft: Draft, host: str, run: RunningDomain, pnodes: list[int]) -> bool:
    """Whether a domain of the inventory has memory or pcpus of its own on one of these pnodes.

    Dom0 goes on with what is left. Shared vcpus run elsewhere.
    """
    here = draft.hosts[host]
    own = here.pcpu_pnode[np.isin(here.pcpu_ids, run.dedicated_pcpus)]
    there = [pnode for pnode in pnodes if pnode < here.num_pnodes]
    return not is_dom0(run) and bool(run.pages[there].any() or np.isin(own, there).any())


def _is_on(running: Running, pnode: int) -> bool:
    """Whether a domain has a home, pages, frames or vcpus on a pnode.

    HVM guests have a few frames that name no pnode and may be anywhere.
    """
    placed = running.placed
    return (
        pnode in placed.home
        or pnode in placed.vcpu_to_pnode
        or bool(placed.pages_on[pnode])
        or (running.frames is not None and pnode in running.frames.runs[:, PNODE])
    )


@apply.register
def _(change: FailPcpus, draft: Draft) -> None:
    for name in draft.hosts_like(change.hosts):
        host = draft.hosts[name]
        gone = change.pcpus.resolve(host.pcpu_ids, host.pcpu_pnode)
        _mend(draft, name, partial(without_pcpus, pcpus=gone))


@apply.register
def _(change: FailMemory, draft: Draft) -> None:
    for name in draft.hosts_like(change.hosts):
        host, pnode = draft.hosts[name], change.pnode
        if pnode >= host.num_pnodes:
            raise _fault(f"host {name}", f"pnode {pnode}", f"0 to {host.num_pnodes - 1}")
        here = by_rank(draft, [one for one in draft.on(name) if _is_on(one, pnode)])
        while unheld_pages(host, pnode, _held(here, pnode)) < change.pages and here:
            draft.evict(here.pop().placed.domain)
        held = _held(here, pnode)
        _mend(draft, name, partial(without_memory, pnode=pnode, pages=change.pages, held=held))


def _held(running: list[Running], pnode: int) -> Ints:
    return held_frames([one.frames for one in running if one.frames is not None], pnode)


def by_rank(draft: Draft, running: list[Running]) -> list[Running]:
    """Return what runs in the order in which it is kept: the first to give way is last.

    Least priority gives way first, then most memory.
    """

    def rank(one: Running) -> tuple[int, int]:
        domain = draft.domains[one.placed.domain]
        return -domain.priority, domain.memory_pages

    return sorted(running, key=rank)


@apply.register
def _(change: ReplaceHosts, draft: Draft) -> None:
    for name in draft.hosts_like(change.hosts):
        old = draft.hosts[name]
        draft.evict(*(running.placed.domain for running in draft.on(name)))
        draft.lost.update((run.name, name) for run in old.running if not is_dom0(run))
        draft.hosts[name] = replace(change.by, name=name)
        draft.rebuilt.add(name)


@apply.register
def _(change: SplitPnodes, draft: Draft) -> None:
    for name in draft.hosts_like(change.hosts):
        _mend(draft, name, lambda host: split_pnodes(host, change.into, change.distance))
        draft.rebuilt.add(name)
        draft.evict(*(running.placed.domain for running in draft.on(name)))


@apply.register
def _(change: MergePnodes, draft: Draft) -> None:
    for name in draft.hosts_like(change.hosts):
        _mend(draft, name, merge_pnodes)
        draft.rebuilt.add(name)
        draft.evict(*(running.placed.domain for running in draft.on(name)))


@apply.register
def _(change: SetHosts, draft: Draft) -> None:
    for name in draft.hosts_like(change.hosts):
        _mend(draft, name, lambda host: set_figures(host, change))


@apply.register
def _(change: CountHosts, draft: Draft) -> None:
    names = list(draft.hosts)
    for name in names[change.number :]:
        draft.take_host(name)
    last = draft.hosts[names[min(change.number, len(names)) - 1]] if change.number else None
    for number in range(len(names), change.number):
        if last is not None:
            copy = replace(last, name=f"{last.name}-{number}")
            draft.hosts[copy.name] = copy


@apply.register
def _(change: AddDomains, draft: Draft) -> None:
    for domain in change.domains:
        if domain.name in draft.domains:
            raise _fault("domain", f"{domain.name!r}, which is there already", "a new name")
        draft.domains[domain.name] = domain


@apply.register
def _(change: RemoveDomains, draft: Draft) -> None:
    for name in draft.domains_like(change.domains):
        draft.evict(name)
        del draft.domains[name]
        draft.removed.add(name)


@apply.register
def _(change: ResizeDomains, draft: Draft) -> None:
    for name in draft.domains_like(change.domains):
        try:
            domain = resized(draft.domains[name], change)
        except ValueError as error:
            raise _fault(f"domain {name}", str(error)) from error
        if domain != draft.domains[name]:
            draft.resize(name, domain)


@apply.register
def _(change: PinDomains, draft: Draft) -> None:
    for name in draft.domains_like(change.domains):
        domain = draft.domains[name]
        if change.pnodes is None and change.pcpus is None:
            draft.domains[name] = replace(
                domain, vnode_pnode=ABSENT, hard_affinity=(), distinct_pnodes=False
            )
            continue
        if change.pnodes is not None:
            if len(change.pnodes) not in (1, domain.num_vnodes):
                found = f"{len(change.pnodes)} pnodes for {domain.num_vnodes} vnodes"
                raise _fault(f"domain {name}", found, "one for each vnode, or one for all")
            pnodes = np.resize(np.array(change.pnodes), domain.num_vnodes)
            domain = replace(domain, vnode_pnode=pnodes)
        if change.pcpus is not None:
            domain = replace(domain, hard_affinity=(change.pcpus,) * domain.num_vcpus)
        draft.domains[name] = domain


@apply.register
def _(change: LimitHosts, draft: Draft) -> None:
    allowed = None if change.allowed is None else tuple(draft.hosts_like(change.allowed))
    forbidden = tuple(draft.hosts_like(change.forbidden)) if change.forbidden else ()
    for name in draft.domains_like(change.domains):
        domain = draft.domains[name]
        if change.lift:
            draft.domains[name] = replace(domain, hosts=None, forbidden_hosts=())
            continue
        both = tuple(dict.fromkeys((*domain.forbidden_hosts, *forbidden)))
        draft.domains[name] = replace(
            domain, hosts=domain.hosts if allowed is None else allowed, forbidden_hosts=both
        )


@apply.register
def _(change: GroupDomains, draft: Draft) -> None:
    group = change.group
    if draft.groups.setdefault(group.name, group) != group:
        raise _fault("group", f"{group.name!r}, which means something else", "another name")
    for name in draft.domains_like(change.domains):
        domain = draft.domains[name]
        if group.name not in domain.groups:
            draft.domains[name] = replace(domain, groups=(*domain.groups, group.name))


@apply.register
def _(change: Ungroup, draft: Draft) -> None:
    (group,) = matching((change.group,), draft.groups, "group")[:1]
    del draft.groups[group]
    for name, domain in draft.domains.items():
        if group in domain.groups:
            left = tuple(other for other in domain.groups if other != group)
            draft.domains[name] = replace(domain, groups=left)


@apply.register
def _(change: SetPolicy, draft: Draft) -> None:
    draft.policy = change.policy
