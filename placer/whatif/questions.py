"""Scenarios that are asked of every base: N-1, grids."""

from __future__ import annotations

from collections.abc import Iterator

from placer.scenario import FailPnodes, Scenario, TakeHosts
from placer.whatif.draft import Base


def each_host_fails(base: Base) -> tuple[Scenario, ...]:
    """Return a scenario for each host, in which it fails."""
    return tuple(
        Scenario(name=f"fail {host.name}", changes=(TakeHosts(hosts=(host.name,), how="fail"),))
        for host in base.problem.hosts
    )


def each_pnode_fails(base: Base) -> tuple[Scenario, ...]:
    """Return a scenario for each pnode that has memory or pcpus, in which it fails."""
    return tuple(_pnode_fails(base))


def _pnode_fails(base: Base) -> Iterator[Scenario]:
    for host in base.problem.hosts:
        for pnode in range(host.num_pnodes):
            if host.total_pages[pnode] or (host.pcpu_pnode == pnode).any():
                change = FailPnodes(hosts=(host.name,), pnodes=(pnode,))
                yield Scenario(name=f"fail pnode {pnode} of {host.name}", changes=(change,))
