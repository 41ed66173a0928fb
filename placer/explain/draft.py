"""A problem with some of what it asks for changed; every change gives an ordinary problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from placer.domain import Domain, VnodeMemory
from placer.host import Host
from placer.problem import Problem

_Value = TypeVar("_Value", Domain, Host)

_FIRST_NEW_PCPU = 1 << 30
"""Pcpus that are thought of have numbers from here on, which no CPU list writes."""


class Draft:
    """Changes to the domains and hosts of a problem, collected and then made at once."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._domains: dict[str, dict[str, Any]] = {}
        self._hosts: dict[str, dict[str, Any]] = {}
        self._dropped: set[str] = set()
        self._fields: dict[str, Any] = {}

    def of_domain(self, name: str, field: str) -> Any:
        """Return a field of a domain as it stands now."""
        domain = self.problem.domains[self.problem.domain_index[name]]
        return self._domains.get(name, {}).get(field, getattr(domain, field))

    def set_domain(self, name: str, **fields: Any) -> None:
        """Change fields of a domain."""
        self._domains.setdefault(name, {}).update(fields)

    def of_host(self, name: str, field: str) -> Any:
        """Return a field of a host as it stands now."""
        host = self.problem.hosts[self.problem.host_index[name]]
        return self._hosts.get(name, {}).get(field, getattr(host, field))

    def set_host(self, name: str, **fields: Any) -> None:
        """Change fields of a host."""
        self._hosts.setdefault(name, {}).update(fields)

    def set_problem(self, **fields: Any) -> None:
        """Change fields of the problem itself."""
        self._fields.update(fields)

    def drop(self, name: str) -> None:
        """Leave a domain out."""
        self._dropped.add(name)

    def set_vnode(self, name: str, field: str, vnode: int, value: int) -> None:
        """Change one entry of an array by vnode."""
        array = np.array(self.of_domain(name, field))
        array[vnode] = value
        self.set_domain(name, **{field: array})

    def let_spill(self, name: str, vnode: int) -> None:
        """Let the memory of a vnode lie anywhere (policy ``preferred``)."""
        memory = list(self.of_domain(name, "memory"))
        memory[vnode] = VnodeMemory(policy="preferred")
        self.set_domain(name, memory=tuple(memory))

    def free_map(self, name: str) -> None:
        """Let every vnode have any number of the vcpus."""
        count, vcpus = self.of_domain(name, "vnode_pages"), self.of_domain(name, "num_vcpus")
        self.set_domain(name, vcpu_to_vnode=None, vcpu_bounds=[(0, vcpus)] * len(count))

    def add_memory(self, name: str, pnode: int, pages: int) -> None:
        """Give a pnode of a host more free pages; its free extents stay."""
        for field in ("total_pages", "free_pages"):
            array = np.array(self.of_host(name, field))
            array[pnode] += pages
            self.set_host(name, **{field: array})

    def add_cores(self, name: str, pnode: int, number: int, threads: int) -> None:
        """Give a pnode of a host more cores, in no CPU list but those by pnode or of all."""
        ids, cores = self.of_host(name, "pcpu_ids"), self.of_host(name, "pcpu_core")
        first = max(int(ids.max(initial=0)) + 1, _FIRST_NEW_PCPU)
        core = max(int(cores.max(initial=0)) + 1, _FIRST_NEW_PCPU)
        added = {
            "pcpu_ids": np.arange(first, first + number * threads),
            "pcpu_core": core + np.arange(number * threads) // threads,
            "pcpu_pnode": np.full(number * threads, pnode),
            "pcpu_socket": np.zeros(number * threads, dtype=np.int64),
        }
        for field, more in added.items():
            self.set_host(name, **{field: np.concatenate([self.of_host(name, field), more])})

    def build(self) -> Problem:
        """Return the changed problem; hosts and domains that did not change are the same ones."""
        problem = self.problem
        domains = tuple(
            _changed(domain, self._domains.get(domain.name))
            for domain in problem.domains
            if domain.name not in self._dropped
        )
        hosts = tuple(_changed(host, self._hosts.get(host.name)) for host in problem.hosts)
        fields = {"hosts": hosts, "allow_partial": False, **self._fields}
        return replace(problem.with_only(domains), **fields)


def _changed(value: _Value, fields: dict[str, Any] | None) -> _Value:
    return replace(value, **fields) if fields else value
