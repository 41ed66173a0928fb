"""The nearest changes with which a refused domain fits, each found by placing it so.

Every offer is an ordinary problem that was solved, and the checker accepted the placement.
Amounts are the least that fit, found by halving. Offers are put in order by how little they
change, as a share of 1: a quantity by its share of the whole, a change of kind by what
`WEIGHTS` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from placer.arrays import ABSENT
from placer.domain import Domain, VnodeMemory
from placer.explain.amount import fewer_vcpus, less_memory, less_reserve, more_overcommit
from placer.explain.asking import Asker, hosts_for
from placer.explain.conflict import Conflict
from placer.explain.draft import Draft
from placer.explain.idea import WEIGHTS, Idea, distance_of, with_distance, with_domain
from placer.explain.text import count_of, format_size, vnodes_of
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.units import LOCAL_DISTANCE, PAGES_PER_MIB

MAX_OFFERS = 5
"""How many offers are made at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A change with which the domain fits: in words, its weight, the problem and its answer."""

    text: str
    weight: float
    problem: Problem
    placement: Placement


def find_offers(
    problem: Problem,
    name: str,
    conflict: Conflict | None,
    asker: Asker,
    *,
    wider: Problem | None = None,
    movable: Callable[[int], Problem | None] | None = None,
    many_hosts: bool = False,
) -> list[Offer]:
    """Return the nearest changes with which all domains of ``problem`` can be placed.

    Only changes to what ``conflict`` names can help, so others are not tried. ``wider`` is
    the problem with hosts that the domain is not allowed on. ``movable(n)`` is the problem in
    which up to n domains that run now may be moved, or None. With ``many_hosts`` each offer
    says which host it is on.
    """
    offers: list[Offer] = []
    for idea in _ideas(problem, name, conflict, asker, wider, movable):
        found = asker.place(idea.problem, best=idea.finish is not None)
        if found is None:
            continue
        placement, proven = found
        more = ""
        if idea.finish is not None:
            more = idea.finish(idea.problem, placement) + ("" if proven else idea.unproven)
        text = f"fits {idea.text}{more}"
        if many_hosts and idea.problem is not wider:
            text += f" on {placement.of(name).host}"
        weight = idea.weight
        if idea.finish is not None:
            weight += (distance_of(idea.problem, placement, name) - LOCAL_DISTANCE) / 100
        offers.append(Offer(text=text, weight=weight, problem=idea.problem, placement=placement))
    offers.sort(key=lambda offer: (offer.weight, offer.text))
    return offers[:MAX_OFFERS]


def _ideas(
    problem: Problem,
    name: str,
    conflict: Conflict | None,
    asker: Asker,
    wider: Problem | None,
    movable: Callable[[int], Problem | None] | None,
) -> Iterator[Idea]:
    kinds = None if conflict is None else {unit.kind for unit in conflict.requirements}
    domain = problem.domains[problem.domain_index[name]]

    def touches(*wanted: str) -> bool:
        return kinds is None or not kinds.isdisjoint(wanted)

    def elsewhere(changed: Problem, placement: Placement) -> str:
        host = f"{placement.of(name).host}, which it does not allow,"
        return host + with_distance(name)(changed, placement)

    if touches("memory", "page size", "policy"):
        yield from less_memory(problem, domain, asker)
    if touches("vcpus", "affinity", "dedicated", "threads", "spill", "map"):
        yield from fewer_vcpus(problem, domain, asker)
    if touches("vcpus", "affinity") and not domain.dedicated:
        yield from more_overcommit(problem, domain, asker)
    if touches("memory", "reserve"):
        yield from less_reserve(problem, domain, asker)
    yield from _other_wants(problem, domain, touches)
    split = touches("policy", "memory", "map", "spill", "pnode", "distinct", "page size")
    if split and asker.thorough:
        yield from _other_vnodes(problem, domain)
    if wider is not None:
        yield Idea(text="on host ", weight=WEIGHTS["host"], problem=wider, finish=elsewhere)
    if movable is not None:
        yield from _moves(movable, asker)
    if touches("group"):
        yield from _without_group(problem, name)
    if touches("other"):
        others = [] if conflict is None else [u for u in conflict.requirements if u.kind == "other"]
        for unit in others:
            draft = Draft(problem)
            draft.drop(unit.domain)
            other = problem.domains[problem.domain_index[unit.domain]]
            if unit.domain in problem.running_now:
                continue
            share = other.memory_pages / sum(d.memory_pages for d in problem.domains)
            yield Idea(
                text=f"if {unit.domain} is left out",
                weight=WEIGHTS["other"] + share,
                problem=draft.build(),
            )


# -- changes of kind -----------------------------------------------------------


def _other_wants(problem: Problem, domain: Domain, touches: Callable[..., bool]) -> Iterator[Idea]:
    """The domain's own requests taken away, or softened, one at a time."""
    name = domain.name

    def idea(kind: str, text: str, *, distance: bool = True, **fields: object) -> Idea:
        finish = with_distance(name) if distance else None
        changed = with_domain(problem, replace(domain, **fields))  # type: ignore[arg-type]
        return Idea(text=text, weight=WEIGHTS[kind], problem=changed, finish=finish)

    bound = not domain.auto_vnodes and any(m.policy != "preferred" for m in domain.memory)
    if bound and touches("policy"):
        memory = tuple(VnodeMemory(policy="preferred") for _ in domain.memory)
        yield idea("policy", "with policy preferred", memory=memory)
    asked = [i for i, pnode in enumerate(domain.vnode_pnode.tolist()) if pnode >= 0]
    if asked and touches("pnode"):
        free = np.full(domain.num_vnodes, -1)
        text = f"without the pnode asked for by {vnodes_of(asked)}"
        if len(asked) > 1:
            text = f"without the pnodes asked for by {vnodes_of(asked)}"
        yield idea("pnode", text, vnode_pnode=free)
    if domain.page_order.any() and touches("page size"):
        small = np.zeros(domain.num_vnodes, dtype=np.int64)
        if (domain.page_order > 9).any():
            order = np.minimum(domain.page_order, 9)
            yield idea("page size", "with 2 MiB pages", distance=False, page_order=order)
        yield idea("page size", "with 4 KiB pages", distance=False, page_order=small)
    if domain.distinct_pnodes and touches("distinct"):
        yield idea("distinct", "without distinct_pnodes", distinct_pnodes=False)
    if domain.cpu_spill == "never" and touches("spill"):
        spilled = with_domain(problem, replace(domain, cpu_spill="last"))

        def off_home(_: Problem, placement: Placement) -> str:
            placed = placement.of(name)
            number = int((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).sum())
            return f", {count_of(number, 'vcpu')} off home"

        yield Idea(
            text="with cpu_spill = last",
            weight=WEIGHTS["spill"],
            problem=spilled,
            finish=off_home,
            unproven=" or fewer",
        )
    if any(mask is not None for mask in domain.hard_affinity) and touches("affinity"):
        soft = tuple(
            hard if hard is not None else old
            for hard, old in zip(domain.hard_affinity, domain.soft_affinity, strict=True)
        )
        nothing = (None,) * domain.num_vcpus
        text = "with the CPU affinity soft in place of hard"
        yield idea("affinity", text, hard_affinity=nothing, soft_affinity=soft)
    if domain.dedicated and domain.thread_policy != "prefer" and touches("threads"):
        yield idea("threads", "with thread policy prefer", thread_policy="prefer")
    if domain.dedicated and touches("dedicated", "vcpus", "threads"):
        yield idea("dedicated", "with shared vcpus", dedicated=False)
    mapped = domain.vcpu_to_vnode is not None and domain.num_vnodes > 1
    if mapped and touches("map") and (domain.access is None or all(domain.access)):
        yield idea("map", "with vcpus shared out by memory", vcpu_to_vnode=None)


def _other_vnodes(problem: Problem, domain: Domain) -> Iterator[Idea]:
    """The same memory in another number of equal vnodes, strict, which the solver chooses."""
    if domain.auto_vnodes or domain.access is not None or domain.vcpu_bounds is not None:
        return
    if domain.memory_pages < 2 * PAGES_PER_MIB:
        return
    changed = replace(
        domain,
        auto_vnodes=True,
        vnode_pages=np.array([domain.memory_pages]),
        vcpu_to_vnode=None,
        distances=ABSENT,
        vnode_pnode=ABSENT,
        memory=(VnodeMemory(),),
        page_order=domain.page_order[:1] * 0 + domain.page_order.max(),
    )

    def sizes(chosen: Problem, placement: Placement) -> str:
        placed = placement.of(domain.name)
        each = [format_size(int(pages)) for pages in placed.vnode_pages]
        text = count_of(placed.num_vnodes, "vnode")
        text += f" of {each[0]}" if len(set(each)) == 1 else f" of {', '.join(each)}"
        return text + with_distance(domain.name)(chosen, placement)

    yield Idea(
        text="with ", weight=WEIGHTS["vnodes"], problem=with_domain(problem, changed), finish=sizes
    )


def _without_group(problem: Problem, name: str) -> Iterator[Idea]:
    for group in problem.groups:
        members = [d for d in problem.domains if group.name in d.groups]
        if len(members) < 2:
            continue
        for member in members:
            kept = tuple(g for g in member.groups if g != group.name)
            share = 0.0 if member.name == name else 0.05
            yield Idea(
                text=f"without {member.name} in group {group.name}",
                weight=WEIGHTS["group"] + share,
                problem=with_domain(problem, replace(member, groups=kept)),
            )


# -- what runs now ---------------------------------------------------------------


def _moves(movable: Callable[[int], Problem | None], asker: Asker) -> Iterator[Idea]:
    """One running domain moved; two where one is not enough."""
    for most in (1, 2):
        problem = movable(most)
        if problem is None:
            return
        if asker.fits(problem):
            yield Idea(
                text="after moving",
                weight=WEIGHTS["move"] * most,
                problem=problem,
                finish=lambda p, answer: f" {describe_moves(p, answer)}",
                unproven="",
            )
            return


def describe_moves(problem: Problem, placement: Placement) -> str:
    """Return ``"web3 to pnode 2"`` for each running domain whose homes change."""
    parts = []
    for before in problem.current:
        after = placement.of(before.placed.domain)
        if _stays(before.placed, after):
            continue
        homes = sorted(set(after.home.tolist()))
        host = f" of {after.host}" if after.host != before.placed.host else ""
        noun = "pnode" if len(homes) == 1 else "pnodes"
        parts.append(f"{after.domain} to {noun} {', '.join(map(str, homes))}{host}")
    return " and ".join(parts)


def _stays(before: PlacedDomain, after: PlacedDomain) -> bool:
    same = before.host == after.host and np.array_equal(before.home, after.home)
    return same and np.array_equal(before.pages, after.pages)


def hosts_not_allowed(problem: Problem, domain: Domain) -> list[Host]:
    """Return the hosts that only the domain's own list keeps it from."""
    allowed = {host.name for host in hosts_for(problem, domain)}
    return [host for host in problem.hosts if host.name not in allowed]
