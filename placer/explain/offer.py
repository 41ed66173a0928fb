"""The nearest changes with which a refused domain fits, each found by placing it so.

Every offer is an ordinary problem that was solved, and the checker accepted the placement.
Amounts are the least that fit, found by halving. Offers are put in order by how little they
change, as a share of 1: a quantity by its share of the whole, a change of kind by what
`_WEIGHTS` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from placer.arrays import ABSENT
from placer.cost import mean_access_distance
from placer.domain import Domain, VnodeMemory
from placer.explain.asking import Asker, find_least, hosts_for
from placer.explain.conflict import Conflict
from placer.explain.draft import Draft
from placer.explain.shortage import find_in_grains, grain_of, sums_of_vnodes
from placer.explain.text import count_of, format_exactly, format_size, vnodes_of
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.units import LOCAL_DISTANCE, PAGES_PER_MIB

MAX_OFFERS = 5
"""How many offers are made at most."""

_WEIGHTS = {
    "page size": 0.1,
    "pnode": 0.15,
    "reserve": 0.15,
    "move": 0.2,
    "host": 0.25,
    "spill": 0.25,
    "threads": 0.25,
    "policy": 0.3,
    "vnodes": 0.35,
    "affinity": 0.35,
    "map": 0.35,
    "distinct": 0.4,
    "group": 0.45,
    "dedicated": 0.5,
    "other": 0.8,
}
"""How much each change of kind counts; a mean access distance above 10 adds to it."""

_OVERCOMMIT_STEPS = 20
_MOST_OVERCOMMIT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A change with which the domain fits: in words, its weight, the problem and its answer."""

    text: str
    weight: float
    problem: Problem
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class _Idea:
    """A change to be tried; ``finish`` adds to the text what the placement shows."""

    text: str
    weight: float
    problem: Problem
    finish: Callable[[Problem, Placement], str] | None = None


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
        placement = asker.place(idea.problem, best=idea.finish is not None)
        if placement is None:
            continue
        more = idea.finish(idea.problem, placement) if idea.finish is not None else ""
        text = f"fits {idea.text}{more}"
        if len(idea.problem.hosts) > 1 or many_hosts:
            text += f" on {placement.of(name).host}"
        weight = idea.weight
        if idea.finish is not None:
            weight += (_distance(idea.problem, placement, name) - LOCAL_DISTANCE) / 100
        offers.append(Offer(text=text, weight=weight, problem=idea.problem, placement=placement))
    offers.sort(key=lambda offer: (offer.weight, offer.text))
    return offers[:MAX_OFFERS]


def _distance(problem: Problem, placement: Placement, name: str) -> float:
    placed = placement.of(name)
    domain = problem.domains[problem.domain_index[name]]
    host = problem.hosts[problem.host_index[placed.host]]
    return float(mean_access_distance(domain, placed, host))


def _ideas(
    problem: Problem,
    name: str,
    conflict: Conflict | None,
    asker: Asker,
    wider: Problem | None,
    movable: Callable[[int], Problem | None] | None,
) -> Iterator[_Idea]:
    kinds = None if conflict is None else {unit.kind for unit in conflict.requirements}
    domain = problem.domains[problem.domain_index[name]]

    def touches(*wanted: str) -> bool:
        return kinds is None or not kinds.isdisjoint(wanted)

    if touches("memory", "page size", "policy"):
        yield from _less_memory(problem, domain, asker)
    if touches("vcpus", "affinity", "dedicated", "threads", "spill", "map"):
        yield from _fewer_vcpus(problem, domain, asker)
    if touches("vcpus", "affinity") and not domain.dedicated:
        yield from _more_overcommit(problem, domain, asker)
    if touches("memory", "reserve"):
        yield from _less_reserve(problem, domain, asker)
    yield from _other_wants(problem, domain, touches)
    if touches("policy", "memory", "map", "spill", "pnode", "distinct", "page size"):
        yield from _other_vnodes(problem, domain)
    if wider is not None:
        yield _Idea(
            text="where its `hosts` does not allow it,", weight=_WEIGHTS["host"], problem=wider
        )
    if movable is not None:
        yield from _moves(movable, name)
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
            yield _Idea(
                text=f"if {unit.domain} is left out",
                weight=_WEIGHTS["other"] + share,
                problem=draft.build(),
            )


def _changed(problem: Problem, domain: Domain) -> Problem:
    domains = tuple(domain if d.name == domain.name else d for d in problem.domains)
    return replace(problem, domains=domains, allow_partial=False)


def _with_distance(name: str) -> Callable[[Problem, Placement], str]:
    def finish(problem: Problem, placement: Placement) -> str:
        return f" at mean distance {round(_distance(problem, placement, name), 2)}"

    return finish


# -- quantities ----------------------------------------------------------------


def _less_memory(problem: Problem, domain: Domain, asker: Asker) -> Iterator[_Idea]:
    grain, sizes = grain_of(domain), domain.vnode_pages.tolist()
    rooms = {
        int(pages) for host in hosts_for(problem, domain) for pages in host.usable_pages.tolist()
    }
    sums = sums_of_vnodes(domain)
    guesses = sorted({s - room for s in sums for room in rooms if s > room})
    total, have = domain.memory_pages, sum(rooms)
    found = False
    for vnode, size in enumerate(sizes):
        if size <= grain:
            continue
        twin = next((j for j in range(vnode) if _same_wants(domain, j, vnode)), None)

        def smaller(pages: int, mine: int = vnode) -> Problem:
            changed = domain.vnode_pages.copy()
            changed[mine] -= pages
            return _changed(problem, replace(domain, vnode_pages=changed))

        if twin is not None:
            continue
        least = find_in_grains(
            lambda n: asker.fits(smaller(n)),
            grain,
            (size - 1) // grain * grain,
            iter(guesses),
        )
        if least is not None:
            found = True
            where = "" if domain.num_vnodes == 1 else f" in vnode {vnode}"
            text = f"with {format_exactly(least)} less{where or ' memory'}"
            yield _Idea(text=text, weight=least / total, problem=smaller(least))
    if found or domain.num_vnodes == 1:
        return

    def shrunk(pages: int) -> Problem:
        cut = [-(-pages * size // total // grain) * grain for size in sizes]
        left = [max(size - c, min(size, grain)) for size, c in zip(sizes, cut, strict=True)]
        return _changed(problem, replace(domain, vnode_pages=np.array(left)))

    most = (total - grain) // grain * grain
    least = find_in_grains(lambda n: asker.fits(shrunk(n)), grain, most, iter([total - have]))
    if least is not None:
        changed = shrunk(least)
        after = changed.domains[changed.domain_index[domain.name]].memory_pages
        text = f"with {format_exactly(total - after)} less memory, taken from all vnodes alike"
        yield _Idea(text=text, weight=(total - after) / total, problem=changed)


def _same_wants(domain: Domain, one: int, other: int) -> bool:
    """Whether two vnodes can stand in for each other in a question of sizes."""
    if 0 in (one, other) or domain.access is not None:
        return False
    mapping = domain.vcpu_to_vnode
    counts = None if mapping is None else np.bincount(mapping, minlength=domain.num_vnodes)
    return bool(
        domain.vnode_pages[one] == domain.vnode_pages[other]
        and domain.memory[one] == domain.memory[other]
        and domain.page_order[one] == domain.page_order[other]
        and domain.vnode_pnode[one] == domain.vnode_pnode[other]
        and (counts is None or counts[one] == counts[other])
        and all(mask is None for mask in domain.hard_affinity)
        and domain.vcpu_bounds is None
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


def _fewer_vcpus(problem: Problem, domain: Domain, asker: Asker) -> Iterator[_Idea]:
    most = 0
    while with_fewer_vcpus(domain, most + 1) is not None:
        most += 1

    def fewer(number: int) -> Problem:
        changed = with_fewer_vcpus(domain, number)
        return _changed(problem, domain if changed is None else changed)

    rooms = [sum(asker.room(host).vcpus(domain)) for host in hosts_for(problem, domain)]
    guesses = [domain.num_vcpus - room for room in rooms]
    least = find_least(lambda n: asker.fits(fewer(n)), 0, most, guesses)
    if least is not None:
        yield _Idea(
            text=f"with {count_of(least, 'vcpu')} fewer",
            weight=least / domain.num_vcpus,
            problem=fewer(least),
        )


def _more_overcommit(problem: Problem, domain: Domain, asker: Asker) -> Iterator[_Idea]:
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
        yield _Idea(text=text, weight=float(value / now) - 1, problem=raised(steps))


def _less_reserve(problem: Problem, domain: Domain, asker: Asker) -> Iterator[_Idea]:
    for host in hosts_for(problem, domain):
        for pnode, pages in enumerate(host.reserve_pages.tolist()):
            if not pages or not host.free_pages[pnode]:
                continue
            draft = Draft(problem)
            reserve = host.reserve_pages.copy()
            reserve[pnode] = 0
            draft.set_host(host.name, reserve_pages=reserve)
            yield _Idea(
                text=f"without the reserve of {format_size(pages)} on pnode {pnode}",
                weight=_WEIGHTS["reserve"],
                problem=draft.build(),
            )


# -- changes of kind -----------------------------------------------------------


def _other_wants(problem: Problem, domain: Domain, touches: Callable[..., bool]) -> Iterator[_Idea]:
    """The domain's own requests taken away, or softened, one at a time."""
    name = domain.name

    def idea(kind: str, text: str, *, distance: bool = True, **fields: object) -> _Idea:
        finish = _with_distance(name) if distance else None
        changed = _changed(problem, replace(domain, **fields))  # type: ignore[arg-type]
        return _Idea(text=text, weight=_WEIGHTS[kind], problem=changed, finish=finish)

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
        spilled = _changed(problem, replace(domain, cpu_spill="last"))

        def off_home(_: Problem, placement: Placement) -> str:
            placed = placement.of(name)
            number = int((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).sum())
            return f", {count_of(number, 'vcpu')} off home"

        yield _Idea(
            text="with cpu_spill = last",
            weight=_WEIGHTS["spill"],
            problem=spilled,
            finish=off_home,
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


def _other_vnodes(problem: Problem, domain: Domain) -> Iterator[_Idea]:
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
        text = f" with {count_of(placed.num_vnodes, 'vnode')}"
        text += f" of {each[0]}" if len(set(each)) == 1 else f" of {', '.join(each)}"
        return text + _with_distance(domain.name)(chosen, placement)

    yield _Idea(
        text="", weight=_WEIGHTS["vnodes"], problem=_changed(problem, changed), finish=sizes
    )


def _without_group(problem: Problem, name: str) -> Iterator[_Idea]:
    for group in problem.groups:
        members = [d for d in problem.domains if group.name in d.groups]
        if len(members) < 2:
            continue
        for member in members:
            kept = tuple(g for g in member.groups if g != group.name)
            share = 0.0 if member.name == name else 0.05
            yield _Idea(
                text=f"without {member.name} in group {group.name}",
                weight=_WEIGHTS["group"] + share,
                problem=_changed(problem, replace(member, groups=kept)),
            )


# -- what runs now ---------------------------------------------------------------


def _moves(movable: Callable[[int], Problem | None], name: str) -> Iterator[_Idea]:
    """One or two running domains moved."""
    for most in (1, 2):
        problem = movable(most)
        if problem is None:
            return
        yield _Idea(
            text="after moving",
            weight=_WEIGHTS["move"] * most,
            problem=problem,
            finish=lambda p, answer: f" {describe_moves(p, answer)}",
        )


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
