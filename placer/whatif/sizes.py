"""Domains of another size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placer.arrays import ABSENT, Ints
from placer.cpulist import CpuList
from placer.domain import Domain
from placer.explain.amount import with_fewer_vcpus
from placer.scenario import ResizeDomains
from placer.units import PAGES_PER_MIB


def resized(domain: Domain, change: ResizeDomains) -> Domain:
    """Return ``domain`` with other vnodes, memory or vcpus; what it asks for stays, where it can.

    Other vnodes: memory in equal parts, distances 10 and 20, the vcpus of each left to the
    solver. Other memory: in proportion, in whole MiB or pages of the size asked for, the rest
    on the last vnode. Other vcpus: the fullest vnodes give theirs first, the emptiest get
    more; new ones have the affinity that all others share, or none. Raises ValueError where
    that leaves a vnode without memory, or not as few vcpus as asked for.
    """
    found = domain
    if change.num_vnodes is not None and change.num_vnodes != domain.num_vnodes:
        found = _with_vnodes(found, change.num_vnodes)
    memory = change.memory_pages
    if memory is not None and memory != found.memory_pages:
        found = replace(
            found,
            vnode_pages=_scaled(found, memory),
            ballooned_pages=np.zeros(found.num_vnodes, dtype=np.int64),
        )
    if change.num_vcpus is not None and change.num_vcpus != found.num_vcpus:
        found = _with_vcpus(found, change.num_vcpus)
    return found


def _scaled(domain: Domain, memory: int) -> Ints:
    unit = max(PAGES_PER_MIB, 1 << int(domain.page_order.max()))
    old = domain.vnode_pages
    sizes = memory * old // max(1, int(old.sum())) // unit * unit
    sizes[-1] += memory - int(sizes.sum())
    if (sizes[old > 0] <= 0).any():
        raise ValueError(f"{memory} pages for {len(old)} vnodes, expected 1 MiB or more for each")
    return sizes


def _with_vnodes(domain: Domain, number: int) -> Domain:
    share = domain.memory_pages // number // PAGES_PER_MIB * PAGES_PER_MIB
    if not share:
        raise ValueError(
            f"{domain.memory_pages} pages for {number} vnodes, expected 1 MiB or more for each"
        )
    sizes = np.full(number, share)
    sizes[-1] += domain.memory_pages - share * number
    mapping = np.zeros(domain.num_vcpus, dtype=np.int64) if number == 1 else None
    return replace(
        domain,
        vnode_pages=sizes,
        ballooned_pages=ABSENT,
        vcpu_to_vnode=mapping,
        vcpu_bounds=None,
        distances=ABSENT,
        auto_vnodes=False,
        vnode_pnode=ABSENT,
        memory=(domain.memory[0],) * number,
        page_order=np.full(number, int(domain.page_order.min())),
        access=None,
    )


def _with_vcpus(domain: Domain, number: int) -> Domain:
    if number < domain.num_vcpus:
        fewer = with_fewer_vcpus(domain, domain.num_vcpus - number)
        if fewer is None:
            raise ValueError(f"{number} vcpus, expected one or more for each vnode that has some")
        return fewer
    more = number - domain.num_vcpus
    mapping = domain.vcpu_to_vnode
    if mapping is not None:
        counts = np.bincount(mapping, minlength=domain.num_vnodes)
        takes = np.flatnonzero(counts) if counts.any() else np.arange(domain.num_vnodes)
        added = []
        for _ in range(more):
            vnode = int(takes[np.argmin(counts[takes])])
            counts[vnode] += 1
            added.append(vnode)
        mapping = np.concatenate([mapping, np.array(added, dtype=np.int64)])

    def longer(each: tuple[CpuList | None, ...]) -> tuple[CpuList | None, ...]:
        return each + ((each[0],) if len(set(each)) == 1 else (None,)) * more

    return replace(
        domain,
        num_vcpus=number,
        vcpu_to_vnode=mapping,
        vcpu_bounds=None,
        hard_affinity=longer(domain.hard_affinity),
        soft_affinity=longer(domain.soft_affinity),
    )
