"""How many vcpus the pcpus and the cores of each pnode carry once a run is in place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placer.arrays import Ints
from placer.host import Host
from placer.placement import PlacedDomain
from placer.run import Run


@dataclass(frozen=True, eq=False, kw_only=True)
class HostLoad:
    """The vcpus of one host by pnode, and what they run on; each of shape (P,).

    ``running`` are shared vcpus of domains that ran before, and the pcpus that are theirs
    alone; ``placed`` the vcpus of this run. Vcpus that no source ties to a pnode are in
    neither. ``pcpus`` count sibling threads, ``cores`` do not.
    """

    host: Host
    running: Ints
    placed: Ints
    pcpus: Ints
    cores: Ints

    @property
    def vcpus(self) -> Ints:
        """All vcpus that run there afterwards."""
        return np.asarray(self.running + self.placed)

    def per_core(self, pnode: int) -> Fraction | None:
        """Return the vcpus per core of a pnode; None where it has no pcpus."""
        return _ratio(self.vcpus[pnode], self.cores[pnode])

    def per_thread(self, pnode: int) -> Fraction | None:
        """Return the vcpus per pcpu of a pnode; None where it has none."""
        return _ratio(self.vcpus[pnode], self.pcpus[pnode])


def _ratio(number: np.int64, by: np.int64) -> Fraction | None:
    return Fraction(int(number), int(by)) if by else None


def load_of(host: Host, placed: list[PlacedDomain]) -> HostLoad:
    """Return the load of ``host`` with the domains ``placed`` there beside what runs."""
    num_pnodes = host.num_pnodes
    running = np.zeros(num_pnodes, dtype=np.int64)
    for domain in host.running:
        running += domain.vcpus_on
        if domain.dedicated_pcpus:
            theirs = np.isin(host.pcpu_ids, domain.dedicated_pcpus)
            running += np.bincount(host.pcpu_pnode[theirs], minlength=num_pnodes)
    vcpus = np.zeros(num_pnodes, dtype=np.int64)
    for answer in placed:
        vcpus += np.bincount(answer.vcpu_to_pnode, minlength=num_pnodes)
    _, first = np.unique(host.pcpu_core, return_index=True)
    return HostLoad(
        host=host,
        running=running,
        placed=vcpus,
        pcpus=np.bincount(host.pcpu_pnode, minlength=num_pnodes),
        cores=np.bincount(host.pcpu_pnode[first], minlength=num_pnodes),
    )


def loads_of(run: Run) -> Iterator[HostLoad]:
    """Yield the load of each host of ``run``, used or not."""
    for host in run.problem.hosts:
        yield load_of(host, run.placed_on.get(host.name, []))
