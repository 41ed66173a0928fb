"""The pnodes that a domain's allocations without a pnode go round (domain_update_node_aff)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain


def affinity_at_build(domain: Domain, placed: PlacedDomain, host: Host) -> list[int]:
    """Return the node affinity while libxc builds the domain.

    That of the vcpu affinities in its configuration as placer writes it: ``cpus`` where it is
    given or vcpus are dedicated, ``cpus_soft`` where it is given or vcpus run off their home.
    """
    return _of_masks(host, _hard(domain, placed, host), _soft(domain, placed, host))


def affinity_when_built(domain: Domain, placed: PlacedDomain, host: Host) -> list[int]:
    """Return the node affinity after libxl's last step, when the device model starts.

    Where no ``cpus_soft`` is given, libxl gives each vcpu one for the pnode of its vnode
    (libxl__build_post, set_vnuma_affinity).
    """
    soft = _soft(domain, placed, host)
    if not soft:
        soft = _pcpus_on(host, np.unique(placed.home[placed.vcpu_to_vnode]).tolist())
    return _of_masks(host, _hard(domain, placed, host), soft)


def _of_masks(host: Host, hard: set[int], soft: set[int]) -> list[int]:
    """The pnodes of the pcpus in both, or of ``hard`` where no pcpu is in both."""
    pcpus = (hard & soft) or hard
    chosen = np.isin(host.pcpu_ids, sorted(pcpus))
    return [int(pnode) for pnode in np.unique(host.pcpu_pnode[chosen])]


def _hard(domain: Domain, placed: PlacedDomain, host: Host) -> set[int]:
    if domain.dedicated:
        return set(placed.vcpu_to_pcpu.tolist())
    return _union(domain.hard_affinity, host)


def _soft(domain: Domain, placed: PlacedDomain, host: Host) -> set[int]:
    """The pcpus of all ``cpus_soft``; empty where there will be none."""
    if any(mask is not None for mask in domain.soft_affinity):
        return _union(domain.soft_affinity, host)
    away = placed.vcpu_to_pnode != placed.home[placed.vcpu_to_vnode]
    if away.any() and not domain.dedicated:
        return _pcpus_on(host, np.unique(placed.vcpu_to_pnode).tolist())
    return set()


def _union(masks: Iterable[CpuList | None], host: Host) -> set[int]:
    """The pcpus that any vcpu may use; a vcpu without a mask may use all."""
    found: set[int] = set()
    for mask in set(masks):
        if mask is None:
            return set(host.pcpu_ids.tolist())
        found |= mask.resolve(host.pcpu_ids, host.pcpu_pnode)
    return found


def _pcpus_on(host: Host, pnodes: list[int]) -> set[int]:
    return set(host.pcpu_ids[np.isin(host.pcpu_pnode, pnodes)].tolist())
