"""Refusals that counting proves: memory, vcpus, page sizes and pnodes against what a host has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from placer.domain import Domain
from placer.explain.room import Room
from placer.explain.text import (
    count_of,
    format_exactly,
    format_need,
    format_size,
    pnodes_of,
    vnodes_of,
)
from placer.quadratic.matching import match
from placer.result import Certificate
from placer.splits import Granules, vcpu_bounds
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_NAMES

Fact = Literal["memory", "vcpus", "page sizes", "requests"]
"""What a host lacks, in a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Why one domain cannot be on one host by itself.

    ``share`` is how much of the need is missing, 0 to 1, so that hosts can be compared.
    """

    fact: Fact
    reason: str
    binding: tuple[str, ...]
    short_by: tuple[str, ...] = ()
    share: float = 1.0
    certificate: Certificate = "capacity count"


class View:
    """One domain held against one host: who may have its home where."""

    def __init__(self, domain: Domain, room: Room) -> None:
        self.domain = domain
        self.room = room
        self.name = room.host.name
        self.num_pnodes = room.host.num_pnodes

    @cached_property
    def strict(self) -> list[int]:
        """The vnodes whose memory lies on one pnode."""
        memory = self.domain.memory
        if self.domain.auto_vnodes:
            return []
        return [i for i, vnode in enumerate(memory) if vnode.policy == "strict"]

    @cached_property
    def needs(self) -> list[int]:
        """Pages that each vnode takes at home at least, overhead of vnode 0 included."""
        sizes = self.domain.vnode_pages.tolist()
        needs = [size if i in self.strict else 0 for i, size in enumerate(sizes)]
        if not self.domain.auto_vnodes:
            needs[0] += self.domain.overhead_pages
        return needs

    @cached_property
    def least_vcpus(self) -> list[int]:
        """Vcpus that each vnode has at least."""
        domain = self.domain
        if domain.vcpu_to_vnode is not None:
            return list(np.bincount(domain.vcpu_to_vnode, minlength=domain.num_vnodes).tolist())
        return [low for low, _ in vcpu_bounds(domain, domain.vnode_pages)]

    def asked(self, vnode: int) -> range | list[int]:
        """The pnodes that the user leaves for the home of ``vnode``."""
        pnode = int(self.domain.vnode_pnode[vnode])
        return range(self.num_pnodes) if pnode < 0 else [pnode]

    @cached_property
    def by_memory(self) -> list[list[int]]:
        """For each vnode the pnodes asked for that have the memory."""
        usable = self.room.usable
        return [
            [p for p in self.asked(i) if usable[p] >= self.needs[i]]
            for i in range(self.domain.num_vnodes)
        ]

    @cached_property
    def homes(self) -> list[list[int]]:
        """For each vnode the pnodes where memory, page sizes and vcpus would do."""
        domain, vcpus = self.domain, self.room.vcpus(self.domain)
        never = domain.cpu_spill == "never"
        allowed = []
        for i, pnodes in enumerate(self.by_memory):
            kept = list(pnodes)
            if never:
                kept = [p for p in kept if vcpus[p] >= self.least_vcpus[i]]
            if i in self.strict:
                for order in (ORDER_2MIB, ORDER_1GIB):
                    wanted = int(domain.vnode_pages[i]) >> order
                    if order <= int(domain.page_order[i]) and wanted:
                        extents = self.room.extents(order)
                        kept = [p for p in kept if extents[p] >= wanted]
            allowed.append(kept)
        return allowed


def shortage_of(domain: Domain, room: Room) -> Shortage | None:
    """Return the first thing that counting finds missing on a host, or None where it is silent."""
    view = View(domain, room)
    for count in _COUNTS:
        for shortage in count(view):
            return shortage
    return None


def misfit_of(domain: Domain, room: Room) -> Shortage | None:
    """Return a request of the domain that means nothing on this host, if there is one."""
    return next(_count_requests(View(domain, room)), None)


def _count_requests(view: View) -> Iterator[Shortage]:
    """Pnodes and pcpus that the host does not have."""
    domain, host = view.domain, view.room.host
    for vnode, pnode in enumerate(domain.vnode_pnode.tolist()):
        if pnode >= view.num_pnodes:
            text = f"vnode {vnode} asks for pnode {pnode}"
            yield _request(f"{text}, {host.name} has {pnodes_of(range(view.num_pnodes))}", text)
    for text in dict.fromkeys(mask.text for mask in domain.hard_affinity if mask is not None):
        mask = next(m for m in domain.hard_affinity if m is not None and m.text == text)
        if not mask.resolve(host.pcpu_ids, host.pcpu_pnode):
            cpus = f'cpus = "{text}"'
            yield _request(f"{cpus} names no pcpu of {host.name}", cpus)
    for vnode, memory in enumerate(domain.memory):
        if not domain.vnode_pages[vnode]:
            continue
        given, width = memory.interleave_pnodes, memory.interleave_width
        if given is not None and max(given, default=0) >= view.num_pnodes:
            text = f"vnode {vnode} is interleaved over {pnodes_of(given)}"
            yield _request(f"{text}, {host.name} has {pnodes_of(range(view.num_pnodes))}", text)
        if width is not None and width > view.num_pnodes:
            text = f"vnode {vnode} is interleaved over {count_of(width, 'pnode')}"
            yield _request(f"{text}, {host.name} has {view.num_pnodes}", text)


def _request(reason: str, text: str) -> Shortage:
    return Shortage(fact="requests", reason=reason, binding=(text,))


def _count_memory(view: View) -> Iterator[Shortage]:
    """All memory, with overhead, against all that is free."""
    domain, usable = view.domain, view.room.usable
    need, have = domain.memory_pages + domain.overhead_pages, sum(usable)
    if need > have:
        wants, has = format_need(need, have)
        yield Shortage(
            fact="memory",
            reason=f"needs {wants} with overhead, {view.name} has {has} free",
            binding=(f"memory of {view.name}",),
            short_by=(f"{format_exactly(need - have)} on {view.name}",),
            share=(need - have) / need,
        )


def _count_vnodes(view: View) -> Iterator[Shortage]:
    """Each strict vnode on the pnode asked for, or the one with most room."""
    usable = view.room.usable
    for vnode in range(view.domain.num_vnodes):
        need = view.needs[vnode]
        if need == 0 or view.by_memory[vnode]:
            continue
        options = view.asked(vnode)
        best = max(options, key=lambda p: (usable[p], -p))
        asked = len(options) == 1 and view.num_pnodes > 1
        over = f" with {format_size(view.domain.overhead_pages)} overhead" if vnode == 0 else ""
        wants, has = format_need(need, usable[best])
        where = f"pnode {best}, which it asks for," if asked else f"the freest, pnode {best},"
        binding = [f"memory of {pnodes_of(options)} of {view.name}"]
        if vnode in view.strict:
            binding.append(f"vnode {vnode} is strict")
        if asked:
            binding.append(f"vnode {vnode} asks for pnode {best}")
        yield Shortage(
            fact="memory",
            reason=(
                f"vnode {vnode} needs {wants}{over} on one pnode, {where} "
                f"of {view.name} has {has} free"
            ),
            binding=tuple(binding),
            short_by=(f"{format_exactly(need - usable[best])} on pnode {best} of {view.name}",),
            share=(need - usable[best]) / need,
        )


def _count_vcpus(view: View) -> Iterator[Shortage]:
    """All vcpus against the pcpus or cores that they may take."""
    domain = view.domain
    have = sum(view.room.vcpus(domain))
    if domain.num_vcpus > have:
        yield Shortage(
            fact="vcpus",
            reason=(
                f"has {describe_vcpus(domain, domain.num_vcpus)}, {view.name} has room for {have}"
            ),
            binding=(f"pcpus of {view.name}", *_ways(domain)),
            short_by=(f"{count_of(domain.num_vcpus - have, 'vcpu')} on {view.name}",),
            share=(domain.num_vcpus - have) / domain.num_vcpus,
        )


def _count_affinity(view: View) -> Iterator[Shortage]:
    """The vcpus that a mask holds against the pcpus in it."""
    domain, host = view.domain, view.room.host
    by_text: dict[str, frozenset[int]] = {}
    for mask in domain.hard_affinity:
        if mask is not None and mask.text not in by_text:
            by_text[mask.text] = mask.resolve(host.pcpu_ids, host.pcpu_pnode)
    for text, pcpus in by_text.items():
        inside = sum(
            mask is not None and by_text[mask.text] <= pcpus for mask in domain.hard_affinity
        )
        by_pnode = view.room.vcpus_in(domain, pcpus)
        if inside > sum(by_pnode):
            where = [p for p, number in enumerate(by_pnode) if number]
            listed = f" ({pnodes_of(where)})" if where else ""
            yield Shortage(
                fact="vcpus",
                reason=(
                    f'{describe_vcpus(domain, inside)} with cpus = "{text}", where {view.name} '
                    f"has room for {sum(by_pnode)}{listed}"
                ),
                binding=(f'cpus = "{text}"', f"pcpus of {view.name}", *_ways(domain)),
                short_by=(f'{count_of(inside - sum(by_pnode), "vcpu")} in "{text}"',),
                share=(inside - sum(by_pnode)) / inside,
            )


def describe_vcpus(domain: Domain, number: int) -> str:
    """Return ``"3 shared vcpus"``, ``"1 dedicated vcpu on a core of its own"``."""
    if not domain.dedicated:
        return count_of(number, "shared vcpu")
    alone = "on a core of its own" if number == 1 else "on cores of their own"
    way = {"prefer": "", "isolate": f" {alone}", "require": " on whole cores"}
    return count_of(number, "dedicated vcpu") + way[domain.thread_policy]


def _ways(domain: Domain) -> tuple[str, ...]:
    if not domain.dedicated:
        return ()
    way = "" if domain.thread_policy == "prefer" else f", thread policy {domain.thread_policy}"
    return (f"vcpus are dedicated{way}",)


def _count_home_vcpus(view: View) -> Iterator[Shortage]:
    """With ``cpu_spill = never`` the vcpus of a vnode against the pcpus of one pnode."""
    domain = view.domain
    if domain.cpu_spill != "never" or domain.auto_vnodes:
        return
    room = view.room.vcpus(domain)
    for vnode, number in enumerate(view.least_vcpus):
        options = view.asked(vnode)
        best = max(options, key=lambda p: (room[p], -p))
        if number > room[best]:
            yield Shortage(
                fact="vcpus",
                reason=(
                    f"vnode {vnode} has {count_of(number, 'vcpu')} that may not leave its home, "
                    f"pnode {best} of {view.name} has room for {room[best]}"
                ),
                binding=(
                    "cpu_spill = never",
                    f"pcpus of {pnodes_of(options)} of {view.name}",
                    *_ways(domain),
                ),
                short_by=(
                    f"{count_of(number - room[best], 'vcpu')} on pnode {best} of {view.name}",
                ),
                share=(number - room[best]) / number,
            )


def _count_page_sizes(view: View) -> Iterator[Shortage]:
    """The large pages wanted by strict vnodes against the free extents."""
    domain = view.domain
    for order in (ORDER_1GIB, ORDER_2MIB):
        wants = {i: int(domain.vnode_pages[i]) >> order for i in view.strict}
        wants = {i: n for i, n in wants.items() if n and int(domain.page_order[i]) >= order}
        if not wants:
            continue
        extents, size = view.room.extents(order), _page_name(order)
        whole = sum(wants.values())
        for vnodes, need, have, where in [
            *(
                ([i], n, max(extents[p] for p in view.asked(i)), "one pnode")
                for i, n in wants.items()
            ),
            (list(wants), whole, sum(extents), "all pnodes"),
        ]:
            if need > have:
                yield Shortage(
                    fact="page sizes",
                    reason=(
                        f"{vnodes_of(vnodes)} want{'s' if len(vnodes) == 1 else ''} {need} pages "
                        f"of {size}, {view.name} has {have} free in whole on {where}"
                    ),
                    binding=(
                        f"page size {size} of {vnodes_of(vnodes)}",
                        f"free extents of {view.name}",
                    ),
                    short_by=(f"{need - have} pages of {size} on {where} of {view.name}",),
                    share=(need - have) / need,
                )


def _page_name(order: int) -> str:
    return {ORDER_1GIB: "1 GiB", ORDER_2MIB: "2 MiB"}.get(order, ORDER_NAMES.get(order, ""))


def _count_interleave(view: View) -> Iterator[Shortage]:
    """The least share of an interleaved vnode on each pnode of its set."""
    domain, usable = view.domain, view.room.usable
    for vnode, memory in enumerate(domain.memory):
        if memory.policy != "interleave" or domain.auto_vnodes or not domain.vnode_pages[vnode]:
            continue
        given = sorted(set(memory.interleave_pnodes or ()))
        width = len(given) or int(memory.interleave_width or 1)
        grain = Granules.of(int(domain.vnode_pages[vnode]))
        share = max(0, grain.count // width * grain.pages - grain.short)
        poor = [p for p in given or range(view.num_pnodes) if usable[p] < share]
        if poor if given else view.num_pnodes - len(poor) < width:
            least = min(poor, key=lambda p: (share - usable[p], p))
            named = pnodes_of(given) if given else count_of(width, "pnode")
            yield Shortage(
                fact="memory",
                reason=(
                    f"vnode {vnode} is interleaved over {named}, {format_size(share)} on each, "
                    f"pnode {least} of {view.name} has {format_size(usable[least])} free"
                ),
                binding=(
                    f"vnode {vnode} is interleaved over {named}",
                    f"memory of {pnodes_of(poor)} of {view.name}",
                ),
                short_by=(
                    f"{format_exactly(share - usable[least])} on pnode {least} of {view.name}",
                ),
                share=(share - usable[least]) / share,
            )


def _count_homes(view: View) -> Iterator[Shortage]:
    """A vnode for which each pnode lacks something, though no one thing is lacking on all."""
    if view.domain.auto_vnodes:
        return
    for vnode, homes in enumerate(view.homes):
        if not homes:
            usable = view.room.usable
            rich = [p for p in view.asked(vnode) if usable[p] >= view.needs[vnode]]
            listed = f"{pnodes_of(rich)} of {view.name} {'has' if len(rich) == 1 else 'have'}"
            yield Shortage(
                fact="requests",
                reason=(
                    f"vnode {vnode}: only {listed} the memory, and no pnode has memory, vcpus "
                    "and page size together"
                ),
                binding=(f"memory, vcpus and page size of vnode {vnode} on one pnode",),
                short_by=(),
                share=0.5,
            )


def _count_distinct(view: View) -> Iterator[Shortage]:
    """With ``distinct_pnodes`` a matching, or the vnodes that share too few pnodes."""
    domain = view.domain
    if not domain.distinct_pnodes or domain.auto_vnodes:
        return
    fits = np.zeros((domain.num_vnodes, view.num_pnodes), dtype=np.bool_)
    for vnode, homes in enumerate(view.homes):
        fits[vnode, homes] = True
    matching = match(fits)
    if matching.is_complete:
        return
    vnodes, pnodes = list(matching.crowded), list(matching.places)
    only = count_of(len(pnodes), "pnode") + (f" ({_numbers(pnodes)})" if pnodes else "")
    least = min(view.needs[i] for i in vnodes)
    outside = [p for p in range(view.num_pnodes) if p not in pnodes]
    closest = max(outside, key=lambda p: (view.room.usable[p], -p), default=None)
    short = [f"{count_of(len(vnodes) - len(pnodes), 'pnode')} for {vnodes_of(vnodes)}"]
    if closest is not None and 0 <= view.room.usable[closest] < least:
        missing = format_exactly(least - view.room.usable[closest])
        short.append(f"{missing} on pnode {closest} of {view.name}")
    yield Shortage(
        fact="memory",
        reason=(
            f"{vnodes_of(vnodes)} need {count_of(len(vnodes), 'pnode')} of their own, "
            f"together they fit only {only} of {view.name}"
        ),
        binding=(
            "distinct_pnodes",
            f"{vnodes_of(vnodes)} of {format_size(least)} or more",
            f"memory of the other pnodes of {view.name}",
        ),
        short_by=tuple(short),
        share=(len(vnodes) - len(pnodes)) / len(vnodes),
        certificate="matching",
    )


def _numbers(pnodes: list[int]) -> str:
    return pnodes_of(pnodes).split(" ", 1)[1]


def _count_forced(view: View) -> Iterator[Shortage]:
    """Vnodes that have only some pnodes between them against the memory of those."""
    if view.domain.auto_vnodes:
        return
    usable = view.room.usable
    sets = sorted({frozenset(homes) for homes in view.homes}, key=lambda s: (len(s), sorted(s)))
    unions = set(sets)
    for one in sets:
        unions |= {one | other for other in list(unions)[:256]}
    for pnodes in sorted(unions, key=lambda s: (len(s), sorted(s))):
        vnodes = [i for i, homes in enumerate(view.homes) if pnodes.issuperset(homes)]
        need, have = sum(view.needs[i] for i in vnodes), sum(usable[p] for p in pnodes)
        if need > have:
            listed = sorted(pnodes)
            wants, has = format_need(need, have)
            yield Shortage(
                fact="memory",
                reason=(
                    f"{vnodes_of(vnodes)} need {wants} together and fit only "
                    f"{pnodes_of(listed)} of {view.name}, with {has} free"
                ),
                binding=(
                    f"{vnodes_of(vnodes)} fit no other pnode",
                    f"memory of {pnodes_of(listed)} of {view.name}",
                ),
                short_by=(f"{format_exactly(need - have)} on {pnodes_of(listed)} of {view.name}",),
                share=(need - have) / need,
            )


def _count_bins(view: View) -> Iterator[Shortage]:
    """How many vnodes of a size and above the pnodes hold, each by itself."""
    usable = view.room.usable
    for size in sorted({view.needs[i] for i in view.strict if view.needs[i]}):
        vnodes = [i for i in view.strict if view.needs[i] >= size]
        places = sum(have // size for have in usable)
        if places < len(vnodes):
            nearest = min(range(view.num_pnodes), key=lambda p: (-usable[p] % size, p))
            yield Shortage(
                fact="memory",
                reason=(
                    f"{vnodes_of(vnodes)} of {format_size(size)} or more are "
                    f"{len(vnodes)}, the pnodes of {view.name} hold {places} of that size"
                ),
                binding=(
                    f"{vnodes_of(vnodes)} strict, {format_size(size)} or more each",
                    f"memory of {pnodes_of(range(view.num_pnodes))} of {view.name}",
                ),
                short_by=(
                    f"{format_exactly(-usable[nearest] % size)} on pnode {nearest} of {view.name}",
                ),
                share=(len(vnodes) - places) / len(vnodes),
            )


_COUNTS: tuple[Callable[[View], Iterator[Shortage]], ...] = (
    _count_requests,
    _count_memory,
    _count_vnodes,
    _count_vcpus,
    _count_affinity,
    _count_home_vcpus,
    _count_interleave,
    _count_page_sizes,
    _count_homes,
    _count_distinct,
    _count_forced,
    _count_bins,
)
