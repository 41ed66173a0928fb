"""Hosts, domains and policy, cross-checked once: what a solver is given."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.host import Host
from placer.policy import DISTANCE, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Domains kept together or apart, over hosts or over pnodes (C3).

    Over pnodes, ``together`` means that all members have the same set of home
    pnodes (on one host), ``apart`` that no pnode is home to two members.
    """

    name: str
    keep: Literal["together", "apart"]
    over: Literal["hosts", "pnodes"] = "hosts"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """All that is given. Domains are named, and the answer refers to them by name.

    ``cost_slack`` is a fraction (0.05 for 5 %): how much of the least cost the
    levels below may give up. Raises InputError with every fault at once.
    """

    hosts: tuple[Host, ...]
    domains: tuple[Domain, ...]
    groups: tuple[Group, ...] = ()
    policy: Policy = DISTANCE
    allow_partial: bool = False
    cost_slack: Fraction = Fraction(0)

    def __post_init__(self) -> None:
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


def _faults(problem: Problem) -> list[Fault]:
    found: list[Fault] = []

    def fault(source: str, name: str, what: str, expected: str) -> None:
        found.append(Fault(source=source or "problem", field=name, found=what, expected=expected))

    if not problem.hosts:
        fault("", "host", "no host", "at least one")
    if not problem.domains:
        fault("", "domain", "no domain", "at least one")
    for name, count in Counter(host.name for host in problem.hosts).items():
        if count > 1:
            fault("", "host", f"{count} hosts named {name!r}", "unique names")
    for name, count in Counter(domain.name for domain in problem.domains).items():
        if count > 1:
            fault("", "domain", f"{count} domains named {name!r}", "unique names")
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
        found.extend(_interleave_faults(domain, where, most_pnodes))
        found.extend(_access_faults(domain, where))
        found.extend(_affinity_faults(problem, domain, where))
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
