"""Hosts, domains and policy, cross-checked once: what a solver is given."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal

import numpy as np

from placer.arrays import ABSENT, exact
from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.frames import DomainFrames
from placer.host import Host
from placer.placement import PlacedDomain
from placer.policy import DISTANCE, Policy

DOM0_NAMES: Final = frozenset({"Domain-0", "dom0"})

Era = Literal["upstream", "seed"]
"""How PV guests are built: as released Xen does, or the vNUMA patches of November 2013."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Domains kept together or apart, over hosts or over pnodes (C3).

    ``name`` is what `Domain.groups` refers to; ``keep`` and ``over`` say which. Over pnodes,
    ``together`` means that all members have the same set of home pnodes (on one host),
    ``apart`` that no pnode is home to two members.

    Raises ValueError for another word.
    """

    name: str
    keep: Literal["together", "apart"]
    over: Literal["hosts", "pnodes"] = "hosts"

    def __post_init__(self) -> None:
        if self.keep not in {"together", "apart"} or self.over not in {"hosts", "pnodes"}:
            found = f"keep {self.keep!r} over {self.over!r}"
            raise ValueError(f"{found}, expected together or apart over hosts or pnodes")


def join_groups(some: tuple[Group, ...], others: tuple[Group, ...]) -> tuple[Group, ...]:
    """Return both, a group once; InputError where two of one name are not the same."""
    joined = {group.name: group for group in some}
    faults = []
    for group in others:
        if joined.setdefault(group.name, group) != group:
            found = f"{group.name!r}, otherwise among what runs"
            expected = "one group of that meaning"
            faults.append(Fault(source="problem", field="group", found=found, expected=expected))
    if faults:
        raise InputError(faults)
    return tuple(joined.values())


@dataclass(frozen=True, kw_only=True)
class Running:
    """Where a domain runs now that may be moved, and the machine frames that it holds.

    ``placed`` names the domain and says where it is; ``frames`` is None where they are not known.
    """

    placed: PlacedDomain
    frames: DomainFrames | None = None


@dataclass(frozen=True, kw_only=True)
class Problem:
    """All that is given: ``hosts`` and ``domains``, each of one name and at least one.

    ``groups`` are those that domains name. ``policy`` breaks ties of least cost, by default not
    at all. With ``allow_partial`` domains may be left out, those of the least sum of priorities.
    ``cost_slack`` is a fraction (0.05 for 5 %): how much of the least cost the
    levels below may give up.

    ``current`` says where those of ``domains`` are that run now and may be moved. They keep
    their vnodes and their vcpu map (`as_running` fixes both) and are never left out. What
    they hold counts as free: their pages are in the hosts' ``free_pages`` and they are in
    no host's ``running``. ``max_moves`` is the most of them that may be moved and
    ``max_moved_pages`` the most of their 4 KiB pages; None for any number (C7).

    ``era`` says how the page allocator builds PV guests: as released Xen does, or the vNUMA
    patches of November 2013.

    Raises InputError with every fault at once where these do not fit together.
    """

    hosts: tuple[Host, ...]
    domains: tuple[Domain, ...]
    groups: tuple[Group, ...] = ()
    policy: Policy = DISTANCE
    allow_partial: bool = False
    cost_slack: Fraction = Fraction(0)
    current: tuple[Running, ...] = ()
    max_moves: int | None = None
    max_moved_pages: int | None = None
    era: Era = "upstream"

    def __post_init__(self) -> None:
        for name in ("hosts", "domains", "groups", "current"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "cost_slack", exact(self.cost_slack, "cost_slack"))
        faults = list(_faults(self))
        if faults:
            raise InputError(faults)

    @cached_property
    def host_index(self) -> dict[str, int]:
        """Position of every host by its name."""
        return {host.name: index for index, host in enumerate(self.hosts)}

    @cached_property
    def domain_index(self) -> dict[str, int]:
        """Position of every domain by its name."""
        return {domain.name: index for index, domain in enumerate(self.domains)}

    @cached_property
    def running_now(self) -> dict[str, PlacedDomain]:
        """Where each domain of ``current`` is, by its name."""
        return {running.placed.domain: running.placed for running in self.current}

    def with_only(self, domains: tuple[Domain, ...]) -> Problem:
        """Return the problem of ``domains``, which take the place of those of their names.

        Of ``current`` what is about them is kept, unless their vnodes or vcpus are others
        now, with which they would be started anew; other domains do not run at all.
        """
        by_name = {domain.name: domain for domain in domains}
        hosts = {host.name: host for host in self.hosts}
        current = tuple(
            running
            for running in self.current
            if (domain := by_name.get(running.placed.domain)) is not None
            and not _misfits(domain, running.placed, hosts[running.placed.host])
        )
        return replace(self, domains=domains, current=current)

    def beside_what_runs(self, domain: Domain) -> Problem:
        """Return the problem of what runs and ``domain``, or that in place of its name."""
        running = tuple(
            domain if other.name == domain.name else other
            for other in self.domains
            if other.name in self.running_now
        )
        new = () if domain.name in self.running_now else (domain,)
        return self.with_only((*running, *new))


def as_running(domain: Domain, placed: PlacedDomain) -> Domain:
    """Return ``domain`` as it runs in ``placed``: its vnodes and its vcpu map are given.

    With ``vnodes = "auto"`` the vnodes that were chosen take the place of the one; nothing
    changes them while it runs, nor when it is started again as it was.
    """
    if domain.auto_vnodes:
        count = placed.num_vnodes
        domain = replace(
            domain,
            auto_vnodes=False,
            vnode_pages=placed.vnode_pages,
            distances=ABSENT,
            vnode_pnode=ABSENT,
            memory=domain.memory * count,
            page_order=np.full(count, domain.page_order[0]),
            access=None,
        )
    return replace(domain, vcpu_to_vnode=placed.vcpu_to_vnode, vcpu_bounds=None)


def _faults(problem: Problem) -> list[Fault]:
    found: list[Fault] = []

    def fault(source: str, name: str, what: str, expected: str) -> None:
        found.append(Fault(source=source or "problem", field=name, found=what, expected=expected))

    if problem.cost_slack < 0:
        fault("", "cost_slack", str(problem.cost_slack), "0 or more")
    if not problem.hosts:
        fault("", "host", "no host", "at least one")
    if not problem.domains:
        fault("", "domain", "no domain", "at least one")
    for name, count in Counter(host.name for host in problem.hosts).items():
        if count > 1:
            fault("", "host", f"{count} hosts named {name!r}", "unique names")
    for name, count in Counter(domain.name for domain in problem.domains).items():
        if count > 1:
            runs = name in problem.running_now
            what = f"{name!r}, which runs already" if runs else f"{count} domains named {name!r}"
            fault("", "domain", what, "unique names")
    running = {run.name for host in problem.hosts for run in host.running}
    groups = {group.name for group in problem.groups}
    hosts = {host.name for host in problem.hosts}
    most_pnodes = max((host.num_pnodes for host in problem.hosts), default=0)
    for domain in problem.domains:
        where = domain.source or domain.name
        if domain.name in running:
            fault(where, domain.name, "a domain of that name runs already", "a new name")
        for group in domain.groups:
            if group not in groups:
                fault(where, f"{domain.name}.groups", repr(group), "the name of a [[group]]")
        for name in (*(domain.hosts or ()), *domain.forbidden_hosts):
            if name not in hosts:
                fault(where, f"{domain.name}.hosts", repr(name), "the name of a host")
        if int(domain.vnode_pnode.max()) >= most_pnodes:
            fault(
                where,
                f"{domain.name}.pnode",
                f"pnode {int(domain.vnode_pnode.max())}",
                f"0 to {most_pnodes - 1}",
            )
        if domain.name in DOM0_NAMES:
            expected = "another name: dom0 boots with its host ([host.dom0]), and has no vNUMA"
            fault(where, "name", f"{domain.name!r}", expected)
        if problem.era == "seed" and domain.type != "pv":
            fault(where, f"{domain.name}.type", domain.type, "pv, all that the seed era has")
        if problem.era == "seed" and domain.page_order.any():
            fault(where, f"{domain.name}.page_size", "large pages", "4KiB, all that it has")
        found.extend(_interleave_faults(domain, where, most_pnodes))
        found.extend(_access_faults(domain, where))
        found.extend(_affinity_faults(problem, domain, where))
    found.extend(_running_faults(problem))
    return found


def _running_faults(problem: Problem) -> list[Fault]:
    """What is wrong with the domains that run now, and with the limits on their moves."""
    found = []

    def fault(name: str, what: str, expected: str) -> None:
        found.append(Fault(source="problem", field=name, found=what, expected=expected))

    domains = {domain.name: domain for domain in problem.domains}
    hosts = {host.name: host for host in problem.hosts}
    for name, count in Counter(running.placed.domain for running in problem.current).items():
        if count > 1:
            fault("current", f"{count} places of {name!r}", "one for each domain that runs")
    for running in problem.current:
        placed, frames = running.placed, running.frames
        where = f"current {placed.domain}"
        domain, host = domains.get(placed.domain), hosts.get(placed.host)
        if domain is None:
            fault(where, "no domain of that name", "a domain of the problem")
            continue
        if host is None:
            fault(where, f"host {placed.host!r}", "the name of a host")
            continue
        for what, expected in _misfits(domain, placed, host):
            fault(where, what, expected)
        if frames is not None and (frames.domain, frames.host) != (placed.domain, placed.host):
            fault(where, f"frames of {frames.domain} on {frames.host}", "the domain's own frames")
    for field, limit in (
        ("max_moves", problem.max_moves),
        ("max_moved_pages", problem.max_moved_pages),
    ):
        if limit is not None and limit < 0:
            fault(field, str(limit), "0 or more")
    return found


def _misfits(domain: Domain, placed: PlacedDomain, host: Host) -> list[tuple[str, str]]:
    """(found, expected) for each figure of a running domain that is not that of its domain."""
    if domain.auto_vnodes:
        return [("vnodes = 'auto'", "the vnodes that it runs with")]
    found = []
    vnodes, pnodes = domain.num_vnodes, host.num_pnodes
    if not np.array_equal(placed.vnode_pages, domain.vnode_pages):
        found.append((f"vnodes of {placed.vnode_pages.tolist()} pages", "those of the domain"))
    if domain.vcpu_to_vnode is None or not np.array_equal(
        placed.vcpu_to_vnode, domain.vcpu_to_vnode
    ):
        found.append(("another vcpu map", "the map of the domain, given"))
    if placed.pages.shape != (vnodes, pnodes) or len(placed.home) != vnodes:
        found.append((f"pages of shape {placed.pages.shape}", f"{(vnodes, pnodes)}"))
    elif (placed.pages < 0).any() or (placed.pages.sum(axis=1) != domain.vnode_pages).any():
        found.append(("pages that are not those of its vnodes", "each page once"))
    for name, numbers, most in (
        ("home", placed.home, pnodes),
        ("vcpu_to_pnode", placed.vcpu_to_pnode, pnodes),
    ):
        if ((numbers < 0) | (numbers >= most)).any():
            found.append((f"{name} out of range", f"0 to {most - 1}"))
    for name in ("vcpu_to_pnode", "vcpu_to_pcpu"):
        if len(getattr(placed, name)) != domain.num_vcpus:
            found.append((f"{name} with another length", f"{domain.num_vcpus}"))
    if not set(placed.vcpu_to_pcpu.tolist()) <= set(host.pcpu_ids.tolist()):
        found.append(("a pcpu that is not there", f"pcpus of {host.name}"))
    return found


def _interleave_faults(domain: Domain, where: str, most_pnodes: int) -> list[Fault]:
    """An interleave set or width that no host is wide enough for."""
    found = []
    for vnode, memory in enumerate(domain.memory):
        if memory.interleave_pnodes is not None:
            last = max(memory.interleave_pnodes, default=-1)
            if not 0 <= last < most_pnodes or min(memory.interleave_pnodes) < 0:
                what, expected = f"pnodes {memory.interleave_pnodes}", f"0 to {most_pnodes - 1}"
            else:
                continue
        elif memory.interleave_width is not None:
            if 1 <= memory.interleave_width <= most_pnodes:
                continue
            what, expected = f"width {memory.interleave_width}", f"1 to {most_pnodes}"
        else:
            continue
        name = f"{domain.name}.memory_policy of vnode {vnode}"
        found.append(Fault(source=where, field=name, found=what, expected=expected))
    return found


def _access_faults(domain: Domain, where: str) -> list[Fault]:
    """A measured matrix: square, rows sum to 1 within 1e-6, nothing on empty vnodes."""
    if domain.access is None or domain.auto_vnodes:
        return []
    mapping = domain.vcpu_to_vnode
    populated = set(range(domain.num_vnodes)) if mapping is None else set(mapping.tolist())
    found = []
    for vnode, row in enumerate(domain.access):
        name = f"{domain.name}.access row {vnode}"
        if not row and vnode not in populated:
            continue
        if len(row) != domain.num_vnodes or any(share < 0 for share in row):
            what, expected = f"{len(row)} entries", f"{domain.num_vnodes} shares of 0 or more"
        elif abs(sum(row, Fraction(0)) - 1) > Fraction(1, 1_000_000):
            what, expected = f"sum {float(sum(row, Fraction(0))):.7g}", "sum 1 within 1e-6"
        elif any(s > 0 and not m for s, m in zip(row, domain.vnode_pages.tolist(), strict=True)):
            what, expected = "a share on a vnode without memory", "0 there"
        else:
            continue
        found.append(Fault(source=where, field=name, found=what, expected=expected))
    return found


def _affinity_faults(problem: Problem, domain: Domain, where: str) -> list[Fault]:
    """A hard affinity that names no pcpu of any host can never be kept."""
    found = []
    for text, affinity in {a.text: a for a in domain.hard_affinity if a is not None}.items():
        if not any(affinity.resolve(h.pcpu_ids, h.pcpu_pnode) for h in problem.hosts):
            found.append(
                Fault(
                    source=where,
                    field=f"{domain.name}.cpus",
                    found=repr(text),
                    expected="at least one pcpu of a host",
                )
            )
    return found
