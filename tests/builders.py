"""Small hosts and domains for tests, by the figures that a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.host import Host
from placer.problem import Problem

SPAN = 1 << 24
"""Every pnode's frames start at a multiple of this."""


def make_host(
    free: Sequence[int],
    *,
    cpus: int | Sequence[int] = 4,
    threads: int = 1,
    distances: Sequence[Sequence[int]] | None = None,
    name: str = "host",
    **fields: Any,
) -> Host:
    """Return a host with ``free`` pages by pnode and ``cpus`` pcpus on each."""
    count = len(free)
    per_pnode = [cpus] * count if isinstance(cpus, int) else list(cpus)
    pnodes = np.repeat(np.arange(count), per_pnode)
    near_far = np.where(np.eye(count, dtype=bool), 10, 20)
    given = {
        "name": name,
        "total_pages": list(free),
        "free_pages": list(free),
        "reserve_pages": [0] * count,
        "spans": [(p, p * SPAN, pages + 512) for p, pages in enumerate(free)],
        "free_spans": [(p, p * SPAN + 512, pages) for p, pages in enumerate(free) if pages],
        "pcpu_ids": np.arange(len(pnodes)),
        "pcpu_pnode": pnodes,
        "pcpu_socket": pnodes,
        "pcpu_core": np.arange(len(pnodes)) // threads,
        "distances": near_far if distances is None else distances,
    }
    return Host(**{**given, **fields})


def make_domain(pages: Sequence[int], num_vcpus: int = 1, **fields: Any) -> Domain:
    """Return a domain with vnodes of ``pages``; without ``vcpu_to_vnode`` its map is free."""
    given: dict[str, Any] = {"name": "vm", "vnode_pages": list(pages), "num_vcpus": num_vcpus}
    return Domain(**{**given, **fields})


def make_problem(hosts: Host | Sequence[Host], *domains: Domain, **fields: Any) -> Problem:
    """Return the problem of placing ``domains`` on ``hosts``."""
    listed = (hosts,) if isinstance(hosts, Host) else tuple(hosts)
    return Problem(hosts=listed, domains=domains, **fields)


def every_vcpu(text: str, num_vcpus: int) -> tuple[CpuList, ...]:
    """Return the affinity that gives each vcpu the CPU list ``text``."""
    return (CpuList.parse(text),) * num_vcpus
