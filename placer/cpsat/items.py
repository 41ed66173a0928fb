"""What is placed: every domain, or each of its alternatives where vnodes are chosen (C4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from placer.access import exact_shares, integer_shares
from placer.arrays import ABSENT, Ints
from placer.domain import Domain
from placer.host import Host
from placer.pcpus import Cells, find_cells
from placer.problem import Problem
from placer.splits import split_equally, vcpu_bounds


@dataclass(frozen=True)
class Item:
    """One way to lay out one domain: its own vnodes, or a split into some.

    With ``sized`` the solver sizes the vnodes too, and the domain's are a start. ``auto``:
    how many vnodes there are is the solver's choice, at most one for each pnode (C4).
    """

    number: int
    domain_number: int
    domain: Domain
    sized: bool = False
    auto: bool = False

    @property
    def sizes(self) -> list[int]:
        """Pages of each vnode."""
        sizes: list[int] = self.domain.vnode_pages.tolist()
        return sizes

    @property
    def num_vnodes(self) -> int:
        """How many vnodes the item has."""
        return self.domain.num_vnodes

    @cached_property
    def shares(self) -> list[list[int]]:
        """Integer access shares, 10,000 to a row."""
        shares: list[list[int]] = integer_shares(self.domain).tolist()
        return shares

    @cached_property
    def exact(self) -> list[list[Fraction]]:
        """Unrounded access shares."""
        return exact_shares(self.domain)

    @cached_property
    def counts(self) -> list[tuple[int, int]]:
        """Least and most vcpus of each vnode; equal where the map is fixed."""
        if self.sized:
            return [(1, self.domain.num_vcpus)] * self.num_vnodes
        mapping = self.domain.vcpu_to_vnode
        if mapping is not None:
            numbers = np.bincount(mapping, minlength=self.num_vnodes).tolist()
            return [(number, number) for number in numbers]
        return vcpu_bounds(self.domain, self.domain.vnode_pages)

    def may_run_on(self, host: Host) -> bool:
        """Return whether hosts allowed and forbidden, and pnodes asked for, leave ``host``."""
        domain = self.domain
        if self.auto and self.num_vnodes > host.num_pnodes:
            return False
        if domain.hosts is not None and host.name not in domain.hosts:
            return False
        if host.name in domain.forbidden_hosts:
            return False
        return int(domain.vnode_pnode.max()) < host.num_pnodes


def list_items(
    problem: Problem, sizes: dict[str, Ints] | None = None, *, sized: bool = False
) -> tuple[Item, ...]:
    """Return one item a domain; for ``vnodes = "auto"`` one for each possible number.

    ``sizes`` gives the vnodes of domains whose unequal split was found already;
    ``sized`` adds, for each number, the item whose vnodes the solver sizes.
    """
    items: list[Item] = []
    most = max(host.num_pnodes for host in problem.hosts)
    for number, domain in enumerate(problem.domains):
        variants = _variants(domain, most, (sizes or {}).get(domain.name))
        for variant in variants:
            items.append(Item(len(items), number, variant, auto=domain.auto_vnodes))
        if sized and domain.auto_vnodes:
            for variant in variants[1:]:
                if variant.num_vnodes <= domain.num_vcpus:
                    items.append(Item(len(items), number, variant, sized=True, auto=True))
    return tuple(items)


def _variants(domain: Domain, most: int, sizes: Ints | None) -> list[Domain]:
    if not domain.auto_vnodes:
        return [domain]
    if sizes is not None:
        return [with_vnodes(domain, sizes)]
    splits = (split_equally(domain.memory_pages, count) for count in range(1, most + 1))
    return [with_vnodes(domain, split) for split in splits if split.min() > 0]


def with_vnodes(domain: Domain, sizes: Ints) -> Domain:
    """Return ``domain`` with vnodes of ``sizes`` pages in place of ``vnodes = "auto"``."""
    count = len(sizes)
    return replace(
        domain,
        auto_vnodes=False,
        vnode_pages=sizes,
        distances=ABSENT,
        vnode_pnode=ABSENT,
        memory=domain.memory * count,
        page_order=np.full(count, domain.page_order[0]),
    )


@dataclass(frozen=True, slots=True)
class Site:
    """A host as the encoding sees it: its cells for the masks that the problem uses."""

    number: int
    host: Host
    cells: Cells
    masks: tuple[frozenset[int], ...]


def list_sites(problem: Problem) -> tuple[tuple[Site, ...], dict[str, int]]:
    """Return the sites, and the number of every hard mask by its text."""
    texts = _mask_texts(problem.domains)
    sites = []
    for number, host in enumerate(problem.hosts):
        by_text: dict[str, frozenset[int]] = {}
        for domain in problem.domains:
            for mask in domain.hard_affinity:
                if mask is not None and mask.text not in by_text:
                    by_text[mask.text] = mask.resolve(host.pcpu_ids, host.pcpu_pnode)
        masks = tuple(by_text[text] for text in texts)
        sites.append(Site(number, host, find_cells(host, masks), masks))
    return tuple(sites), texts


def _mask_texts(domains: Sequence[Domain]) -> dict[str, int]:
    texts: dict[str, int] = {}
    for domain in domains:
        for mask in domain.hard_affinity:
            if mask is not None:
                texts.setdefault(mask.text, len(texts))
    return texts
