"""A fleet in parts that can be placed side by side: no host, group or running domain is cut."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from placer.domain import Domain
from placer.fleet.part import may_run_on, part_of, tied_together
from placer.host import Host
from placer.problem import Problem

Shares = npt.NDArray[np.float64]
"""Memory and CPU as shares of all that the hosts have, shape (2,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One part: numbers of hosts and of domains of the problem, ascending."""

    hosts: tuple[int, ...]
    domains: tuple[int, ...]


def divide(problem: Problem, most: int) -> tuple[Share, ...]:
    """Divide a problem in ``most`` parts at the most, that are as alike as can be.

    A domain that runs goes with its host, the members of a group go together, so a part may
    hold all of what groups and running domains tie together. Equal hosts are dealt in turn; of
    the domains the largest first, each to the part that has most room left. Domains that no
    part has a host for are in none of them.
    """
    bundles = _bundles(problem)
    whole = _Whole(problem)
    parts = [_Part() for _ in range(max(1, most))]
    tied = [bundle for bundle in bundles if bundle.hosts]
    for bundle in sorted(tied, key=whole.order_of_hosts):
        # What runs goes with its hosts, so the part with the least of both is the next.
        part = min(parts, key=lambda part: float(part.room.sum()))
        part.hosts.extend(bundle.hosts)
        part.room += whole.room(bundle.hosts)
    _deal_domains(problem, bundles, whole, [part for part in parts if part.hosts])
    return tuple(
        Share(hosts=tuple(sorted(part.hosts)), domains=tuple(sorted(part.domains)))
        for part in parts
        if part.domains
    )


def problem_of(problem: Problem, share: Share) -> Problem:
    """Return the problem of placing a part, as much of it as can be placed.

    Of the moves that are allowed in all it may make as large a share as it has of what runs.
    """
    hosts = [problem.hosts[number] for number in share.hosts]
    names = {problem.domains[number].name for number in share.domains}
    part = part_of(problem, hosts, names, allow_partial=True)

    def portion(most: int | None) -> int | None:
        return None if most is None else most * len(part.current) // max(1, len(problem.current))

    return replace(
        part,
        max_moves=portion(problem.max_moves),
        max_moved_pages=portion(problem.max_moved_pages),
    )


@dataclass(slots=True)
class _Part:
    """A part as it is filled: ``room`` is what its hosts have less what its domains take."""

    hosts: list[int] = field(default_factory=list)
    domains: list[int] = field(default_factory=list)
    room: Shares = field(default_factory=lambda: np.zeros(2))

    def give(self, domains: list[int], whole: _Whole) -> None:
        """Add domains."""
        self.domains.extend(domains)
        self.room -= whole.need(domains)


@dataclass(slots=True)
class _Bundle:
    """Hosts and domains that are not to be parted."""

    hosts: list[int] = field(default_factory=list)
    domains: list[int] = field(default_factory=list)


def _bundles(problem: Problem) -> list[_Bundle]:
    """All hosts and domains, those that groups and running domains tie together as one."""
    num_hosts = len(problem.hosts)
    return [
        _Bundle(
            hosts=[number for number in numbers if number < num_hosts],
            domains=[number - num_hosts for number in numbers if number >= num_hosts],
        )
        for numbers in tied_together(num_hosts + len(problem.domains), _ties(problem))
    ]


def _ties(problem: Problem) -> Iterator[tuple[int, int]]:
    """Pairs that belong together: hosts by their numbers, domains numbered after them."""
    first_of: dict[str, int] = {}
    for number, domain in enumerate(problem.domains, start=len(problem.hosts)):
        running = problem.running_now.get(domain.name)
        if running is not None:
            yield number, problem.host_index[running.host]
        for group in domain.groups:
            yield number, first_of.setdefault(group, number)


class _Whole:
    """The room of every host and the size of every domain, as shares of all hosts together."""

    def __init__(self, problem: Problem) -> None:
        pages = [int(host.usable_pages.sum()) for host in problem.hosts]
        vcpus = [float(host.num_pcpus * host.overcommit) for host in problem.hosts]
        have = np.array([pages, vcpus], dtype=np.float64).T
        need = np.array(
            [[d.memory_pages + d.overhead_pages, d.num_vcpus] for d in problem.domains],
            dtype=np.float64,
        )
        all_of_it = np.maximum(have.sum(axis=0), 1.0)
        self.of_host = have / all_of_it
        self.of_domain = need.reshape(-1, 2) / all_of_it
        self.num_pnodes = [host.num_pnodes for host in problem.hosts]

    def room(self, hosts: Sequence[int]) -> Shares:
        """What hosts have."""
        return np.asarray(self.of_host[hosts].sum(axis=0), dtype=np.float64)

    def need(self, domains: Sequence[int]) -> Shares:
        """What domains take."""
        return np.asarray(self.of_domain[domains].sum(axis=0), dtype=np.float64)

    def order_of_hosts(self, bundle: _Bundle) -> tuple[float, ...]:
        """The largest bundles first, hosts that are alike side by side."""
        first = bundle.hosts[0]
        memory, cpu = self.room(bundle.hosts).tolist()
        return -len(bundle.hosts), -memory, -cpu, -self.num_pnodes[first], first


def _deal_domains(
    problem: Problem, bundles: list[_Bundle], whole: _Whole, parts: list[_Part]
) -> None:
    """Give each part the domains of its hosts, then deal the others, the largest first."""
    part_of_host = {host: part for part in parts for host in part.hosts}
    hosts = {id(part): _Hosts(problem.hosts[number] for number in part.hosts) for part in parts}

    def fits(part: _Part, bundle: _Bundle) -> bool:
        return all(hosts[id(part)].may_take(problem.domains[number]) for number in bundle.domains)

    for bundle in bundles:
        if bundle.hosts:
            part = part_of_host[bundle.hosts[0]]
            here = [n for n in bundle.domains if hosts[id(part)].may_take(problem.domains[n])]
            part.give(here, whole)
    free = [bundle for bundle in bundles if not bundle.hosts]
    for bundle in sorted(free, key=lambda one: (-whole.need(one.domains).max(), one.domains)):
        able = [part for part in parts if fits(part, bundle)]
        if able:
            need = whole.need(bundle.domains)
            roomiest = max(able, key=lambda part: float((part.room - need).min()))
            roomiest.give(bundle.domains, whole)


class _Hosts:
    """The hosts of a part, asked whether any of them may take a domain."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.hosts = list(hosts)
        kinds: dict[Hashable, Host] = {}
        for host in self.hosts:
            key = host.num_pnodes, host.pcpu_ids.tobytes(), host.pcpu_pnode.tobytes()
            kinds.setdefault(key, host)
        self.kinds = list(kinds.values())

    def may_take(self, domain: Domain) -> bool:
        """Return whether one of them is allowed and has the pnodes and pcpus that are named."""
        names_hosts = domain.hosts is not None or domain.forbidden_hosts
        listed = self.hosts if names_hosts else self.kinds
        return any(may_run_on(domain, host) for host in listed)
