"""Less of a quantity, or more of another, by the least amount with which a domain fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from placer.domain import Domain
from placer.explain.asking import Asker, find_least, hosts_for
from placer.explain.draft import Draft
from placer.explain.idea import WEIGHTS, Idea, with_domain
from placer.explain.shortage import find_in_grains, grain_of, sums_of_vnodes
from placer.explain.text import count_of, format_exactly, format_size
from placer.problem import Problem

_OVERCOMMIT_STEPS = 20
_MOST_OVERCOMMIT = 4

# -- quantities ----------------------------------------------------------------


def less_memory(problem: Problem, domain: Domain, asker: Asker) -> Iterator[Idea]:
    """Less memory in one vnode; where that is of no use, less in all of them alike."""
    best: dict[tuple[object, ...], tuple[int, int]] = {}
    for vnode in range(domain.num_vnodes):
        wants = _wants(domain, vnode)
        least = None
        if vnode < 2 or wants not in best:  # vnode 0 bears the overhead, vnode 1 may not
            least = _least_less(problem, domain, vnode, asker)
        if least is not None:
            best[wants] = min(best.get(wants, (least, vnode)), (least, vnode))
    for least, vnode in best.values():
        where = f" in vnode {vnode}" if domain.num_vnodes > 1 else " memory"
        yield Idea(
            text=f"with {format_exactly(least)} less{where}",
            weight=least / domain.memory_pages,
            problem=_smaller(problem, domain, vnode, least),
        )
    if not best and domain.num_vnodes > 1:
        yield from _less_everywhere(problem, domain, asker)


def _smaller(problem: Problem, domain: Domain, vnode: int, pages: int) -> Problem:
    sizes = domain.vnode_pages.copy()
    sizes[vnode] -= pages
    return with_domain(problem, replace(domain, vnode_pages=sizes))


def _least_less(problem: Problem, domain: Domain, vnode: int, asker: Asker) -> int | None:
    """The least that a vnode has to lose, None where it cannot lose enough."""
    grain = grain_of(domain)
    size = int(domain.vnode_pages[vnode])
    hosts = hosts_for(problem, domain)
    rooms = {int(pages) for host in hosts for pages in host.usable_pages.tolist()}
    rooms |= {int(host.usable_pages.sum()) for host in hosts}
    guesses = {s - room for s in sums_of_vnodes(*problem.domains) for room in rooms if s > room}
    return find_in_grains(
        lambda pages: asker.fits(_smaller(problem, domain, vnode, pages)),
        grain,
        (size - 1) // grain * grain,
        guesses,
    )


def _wants(domain: Domain, vnode: int) -> tuple[object, ...]:
    """What tells two vnodes apart in a question of sizes, but for the overhead."""
    own = domain.access is not None or any(mask is not None for mask in domain.hard_affinity)
    mapping, bounds = domain.vcpu_to_vnode, domain.vcpu_bounds
    return (
        int(domain.vnode_pages[vnode]),
        domain.memory[vnode],
        int(domain.page_order[vnode]),
        int(domain.vnode_pnode[vnode]),
        None if mapping is None else int((mapping == vnode).sum()),
        None if bounds is None else tuple(bounds[vnode].tolist()),
        vnode if own else None,
    )


def _less_everywhere(problem: Problem, domain: Domain, asker: Asker) -> Iterator[Idea]:
    grain, total = grain_of(domain), domain.memory_pages
    sizes = domain.vnode_pages.tolist()

    def shrunk(pages: int) -> Domain:
        cut = [-(-pages * size // total // grain) * grain for size in sizes]
        left = [max(size - c, min(size, grain)) for size, c in zip(sizes, cut, strict=True)]
        return replace(domain, vnode_pages=np.array(left))

    least = find_in_grains(
        lambda pages: asker.fits(with_domain(problem, shrunk(pages))),
        grain,
        (total - grain) // grain * grain,
        {total - int(host.usable_pages.sum()) for host in hosts_for(problem, domain)},
    )
    if least is not None:
        changed = shrunk(least)
        less = total - changed.memory_pages
        yield Idea(
            text=f"with {format_exactly(less)} less memory, taken from all vnodes alike",
            weight=less / total,
            problem=with_domain(problem, changed),
        )


def with_fewer_vcpus(domain: Domain, number: int) -> Domain | None:
    """Return ``domain`` without ``number`` of its vcpus, or None where that cannot be.

    With a map the vnode with most vcpus gives its last one, again and again; else the last
    vcpus go.
    """
    left = domain.num_vcpus - number
    if left < 1:
        return None
    kept = list(range(left))
    mapping = domain.vcpu_to_vnode
    if mapping is not None:
        owners = mapping.tolist()
        members = [
            [v for v, owner in enumerate(owners) if owner == i] for i in range(domain.num_vnodes)
        ]
        for _ in range(number):
            richest = max(members, key=len)
            if len(richest) < 2:
                return None
            richest.pop()
        kept = sorted(v for vcpus in members for v in vcpus)
    bounds = domain.vcpu_bounds
    if bounds is not None and left < int(bounds[:, 0].sum()):
        return None
    return replace(
        domain,
        num_vcpus=left,
        vcpu_to_vnode=None if mapping is None else mapping[kept],
        hard_affinity=tuple(domain.hard_affinity[v] for v in kept),
        soft_affinity=tuple(domain.soft_affinity[v] for v in kept),
    )


def fewer_vcpus(problem: Problem, domain: Domain, asker: Asker) -> Iterator[Idea]:
    """The domain with as many of its vcpus as will do."""
    most = 0
    while with_fewer_vcpus(domain, most + 1) is not None:
        most += 1

    def fewer(number: int) -> Problem:
        changed = with_fewer_vcpus(domain, number)
        return with_domain(problem, domain if changed is None else changed)

    rooms = [sum(asker.room(host).vcpus(domain)) for host in hosts_for(problem, domain)]
    guesses = [domain.num_vcpus - room for room in rooms]
    least = find_least(lambda n: asker.fits(fewer(n)), 0, most, guesses)
    if least is not None:
        yield Idea(
            text=f"with {count_of(least, 'vcpu')} fewer",
            weight=least / domain.num_vcpus,
            problem=fewer(least),
        )


def more_overcommit(problem: Problem, domain: Domain, asker: Asker) -> Iterator[Idea]:
    """A higher overcommit on all hosts, in steps of a twentieth."""
    now = min((host.overcommit for host in hosts_for(problem, domain)), default=Fraction(1))

    def raised(steps: int) -> Problem:
        value = Fraction(steps, _OVERCOMMIT_STEPS)
        hosts = tuple(replace(h, overcommit=max(h.overcommit, value)) for h in problem.hosts)
        return replace(problem, hosts=hosts, allow_partial=False)

    low = int(now * _OVERCOMMIT_STEPS)
    steps = find_least(lambda n: asker.fits(raised(n)), low, _MOST_OVERCOMMIT * _OVERCOMMIT_STEPS)
    if steps is not None:
        value = Fraction(steps, _OVERCOMMIT_STEPS)
        text = f"with overcommit {round(float(value), 2)}"
        yield Idea(text=text, weight=float(value / now) - 1, problem=raised(steps))


def less_reserve(problem: Problem, domain: Domain, asker: Asker) -> Iterator[Idea]:
    """The reserve of one pnode, as little of it as will do."""
    grain = grain_of(domain)
    for host in hosts_for(problem, domain):
        for pnode, pages in enumerate(host.reserve_pages.tolist()):

            def lowered(less: int, at: int = pnode, on: str = host.name) -> Problem:
                draft = Draft(problem)
                reserve = np.array(draft.of_host(on, "reserve_pages"))
                reserve[at] -= min(less, int(reserve[at]))
                draft.set_host(on, reserve_pages=reserve)
                return draft.build()

            if not pages or not host.free_pages[pnode] or asker.fits(lowered(pages)) is not True:
                continue
            guesses = [s - int(host.usable_pages[pnode]) for s in sums_of_vnodes(*problem.domains)]
            least = find_in_grains(
                lambda less, p=lowered: asker.fits(p(less)),  # type: ignore[misc]
                grain,
                pages,
                guesses,
            )
            where = f"on pnode {pnode} of {host.name}"
            text = f"without the reserve of {format_size(pages)} {where}"
            if least is not None and least < pages:
                text = f"with {format_exactly(least)} less in reserve {where}"
            yield Idea(
                text=text,
                weight=WEIGHTS["reserve"],
                problem=lowered(pages if least is None else least),
            )
