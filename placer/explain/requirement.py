"""What stands in a domain's way, in pieces that can be taken away one by one.

Taking a requirement away changes the problem into one that asks for less, or offers more,
and that is otherwise ordinary: it is solved like any other. Pnodes with equal free
memory and vnodes with equal wants are one requirement, so that few are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from placer.domain import Domain
from placer.explain.count import describe_vcpus
from placer.explain.draft import Draft
from placer.explain.room import Room
from placer.explain.text import count_of, format_size, list_names, pnodes_of, vnodes_of
from placer.host import Host
from placer.problem import Group, Problem
from placer.units import UNREACHABLE


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One thing that can be taken away.

    ``text`` says it with its figures. ``relax`` takes it away from a draft. ``kind`` is what
    it is about; ``host`` and ``members`` (pnodes or vnodes) say which, where that means
    anything.
    """

    kind: str
    text: str
    relax: Callable[[Draft], None]
    host: str = ""
    domain: str = ""
    members: tuple[int, ...] = ()


def requirements_of(problem: Problem, name: str, room: Callable[[Host], Room]) -> list[Requirement]:
    """Return everything that can stand in the way, what users look at first coming first.

    ``name`` is the domain that is explained: the others of the problem are requirements as
    a whole, and so is what each of them asks for.
    """
    found: list[Requirement] = []
    batch = len(problem.domains) > 1
    need = sum(d.memory_pages + d.overhead_pages for d in problem.domains)
    vcpus = sum(d.num_vcpus for d in problem.domains)
    for host in problem.hosts:
        found += _memory(host, need)
    for domain in problem.domains:
        found += _policies(domain, batch=batch)
    for host in problem.hosts:
        found += _pcpus(host, room(host), vcpus, None if batch else problem.domains[0])
    for domain in problem.domains:
        found += _requests(domain, batch=batch)
    for host in problem.hosts:
        found += _reserves(host)
        found += _reach(host)
    for group in problem.groups:
        found += _group(problem, group)
    if problem.current and problem.max_moves is not None:
        text = f"at most {count_of(problem.max_moves, 'running domain')} may be moved"
        found.append(Requirement(kind="moves", text=text, relax=_lift_moves))
    for domain in problem.domains:
        if domain.name != name:
            runs = ", which runs now" if domain.name in problem.running_now else ""
            found.append(
                Requirement(
                    kind="other",
                    text=f"{_describe(domain)} beside it{runs}",
                    relax=lambda draft, other=domain.name: draft.drop(other),  # type: ignore[misc]
                    domain=domain.name,
                )
            )
    return found


def _describe(domain: Domain) -> str:
    vcpus = count_of(domain.num_vcpus, "vcpu")
    return f"{domain.name} ({format_size(domain.memory_pages)}, {vcpus})"


def _lift_moves(draft: Draft) -> None:
    draft.set_problem(max_moves=None, max_moved_pages=None)


def _alike(values: list[object]) -> Iterator[tuple[int, ...]]:
    """Yield the positions of equal values, in order of the first of them."""
    by_value: dict[object, list[int]] = {}
    for position, value in enumerate(values):
        by_value.setdefault(value, []).append(position)
    yield from (tuple(positions) for positions in by_value.values())


def _memory(host: Host, need: int) -> Iterator[Requirement]:
    free, reserve = host.free_pages.tolist(), host.reserve_pages.tolist()
    for pnodes in _alike(list(zip(free, reserve, strict=True))):
        kept = min(free[pnodes[0]], reserve[pnodes[0]])
        held = f", {format_size(kept)} of it in reserve" if kept else ""
        each = " on each" if len(pnodes) > 1 else ""

        def relax(draft: Draft, mine: tuple[int, ...] = pnodes) -> None:
            for pnode in mine:
                draft.add_memory(host.name, pnode, need + int(host.reserve_pages[pnode]))

        yield Requirement(
            kind="memory",
            text=(
                f"memory of {pnodes_of(pnodes)} of {host.name}: "
                f"{format_size(free[pnodes[0]])} free{each}{held}"
            ),
            relax=relax,
            host=host.name,
            members=pnodes,
        )


def _policies(domain: Domain, *, batch: bool) -> Iterator[Requirement]:
    """Vnodes that may not lie just anywhere."""
    if domain.auto_vnodes:
        return
    sizes = domain.vnode_pages.tolist()
    wants: list[object] = list(zip(domain.memory, sizes, strict=True))
    for vnodes in _alike(wants):
        memory, pages = domain.memory[vnodes[0]], sizes[vnodes[0]]
        if memory.policy == "preferred" or pages == 0:
            continue
        if memory.policy == "strict":
            way = f"strict: {format_size(pages)} on one pnode"
        else:
            over = memory.interleave_pnodes
            width = count_of(memory.interleave_width or 0, "pnode")
            named = width if over is None else pnodes_of(over)
            way = f"interleaved: {format_size(pages)} over {named}"
        if len(vnodes) > 1:
            way += " each"

        def relax(draft: Draft, mine: tuple[int, ...] = vnodes) -> None:
            for vnode in mine:
                draft.let_spill(domain.name, vnode)

        yield Requirement(
            kind="policy",
            text=f"{_whose(domain, batch=batch)}{vnodes_of(vnodes)} {way}",
            relax=relax,
            domain=domain.name,
            members=vnodes,
        )


def _whose(domain: Domain, *, batch: bool) -> str:
    return f"{domain.name}: " if batch else ""


def most_threads(host: Host) -> int:
    """Return how many threads the widest core of ``host`` has; 1 where it has no pcpus."""
    if not host.num_pcpus:
        return 1
    return int(np.unique(host.pcpu_core, return_counts=True)[1].max())


def _pcpus(host: Host, room: Room, vcpus: int, domain: Domain | None) -> Iterator[Requirement]:
    """Pnodes with equal pcpus; ``domain`` is the only one, so that its kind of vcpus counts."""
    per_core = most_threads(host)
    pcpus = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes).tolist()
    takes, running = room.shared if domain is None else room.vcpus(domain), room.running_vcpus
    figures: list[object] = list(zip(pcpus, takes, running, strict=True))
    for pnodes in _alike(figures):
        first = pnodes[0]
        busy = f", {count_of(running[first], 'vcpu')} running there" if running[first] else ""
        each = " each" if len(pnodes) > 1 else ""

        def relax(draft: Draft, mine: tuple[int, ...] = pnodes) -> None:
            # Also enough to bring a pnode that running vcpus overfill back to what it takes.
            for pnode in mine:
                behind = running[pnode] * host.overcommit.denominator
                draft.add_cores(host.name, pnode, cores_for(host, vcpus) + behind, per_core)

        yield Requirement(
            kind="vcpus",
            text=(
                f"pcpus of {pnodes_of(pnodes)} of {host.name}: {pcpus[first]}{each}, "
                f"room for {_of_kind(domain, takes[first])}{each}{busy}"
            ),
            relax=relax,
            host=host.name,
            members=pnodes,
        )


def _of_kind(domain: Domain | None, number: int) -> str:
    if domain is None:
        return count_of(number, "shared vcpu")
    return describe_vcpus(domain, number)


def cores_for(host: Host, vcpus: int) -> int:
    """Return how many cores surely take so many vcpus more."""
    return -(-vcpus * host.overcommit.denominator // host.overcommit.numerator) + vcpus


def _requests(domain: Domain, *, batch: bool) -> Iterator[Requirement]:
    """What the user asked for beside memory and vcpus."""
    name, whose = domain.name, _whose(domain, batch=batch)

    def one(kind: str, text: str, relax: Callable[[Draft], None]) -> Requirement:
        return Requirement(kind=kind, text=f"{whose}{text}", relax=relax, domain=name)

    for vnode, order in enumerate(domain.page_order.tolist()):
        if order:
            size = "1 GiB" if order == 18 else "2 MiB"
            yield one(
                "page size",
                f"vnode {vnode} wants pages of {size}",
                lambda draft, i=vnode: draft.set_vnode(name, "page_order", i, 0),  # type: ignore[misc]
            )
    if _has_map(domain):
        most = domain.vcpu_to_vnode
        counts = [] if most is None else np.bincount(most, minlength=domain.num_vnodes).tolist()
        listed = f": {', '.join(map(str, counts))} by vnode" if counts else " bounds"
        yield one("map", f"vcpu map{listed}", lambda draft: draft.free_map(name))
    for vnode, pnode in enumerate(domain.vnode_pnode.tolist()):
        if pnode >= 0:
            yield one(
                "pnode",
                f"vnode {vnode} asks for pnode {pnode}",
                lambda draft, i=vnode: draft.set_vnode(name, "vnode_pnode", i, -1),  # type: ignore[misc]
            )
    if domain.dedicated:
        if domain.thread_policy != "prefer":
            text = f"thread policy {domain.thread_policy}"
            yield one("threads", text, lambda draft: draft.set_domain(name, thread_policy="prefer"))
        text = f"{count_of(domain.num_vcpus, 'dedicated vcpu')}"
        yield one("dedicated", text, lambda draft: draft.set_domain(name, dedicated=False))
    for text in dict.fromkeys(mask.text for mask in domain.hard_affinity if mask is not None):
        held = sum(mask is not None and mask.text == text for mask in domain.hard_affinity)
        listed = "" if held == domain.num_vcpus else f" of {count_of(held, 'vcpu')}"

        def lift(draft: Draft, mine: str = text) -> None:
            kept = tuple(
                None if mask is not None and mask.text == mine else mask
                for mask in draft.of_domain(name, "hard_affinity")
            )
            draft.set_domain(name, hard_affinity=kept)

        yield one("affinity", f'cpus = "{text}"{listed}', lift)
    if domain.distinct_pnodes:
        text = "distinct_pnodes"
        yield one("distinct", text, lambda draft: draft.set_domain(name, distinct_pnodes=False))
    if domain.hosts is not None or domain.forbidden_hosts:
        allowed = "" if domain.hosts is None else f"hosts = {list_names(domain.hosts or ('',))}"
        away = f"not on {list_names(domain.forbidden_hosts)}" if domain.forbidden_hosts else ""
        yield one(
            "hosts",
            ", ".join(filter(None, (allowed, away))),
            lambda draft: draft.set_domain(name, hosts=None, forbidden_hosts=()),
        )
    if domain.cpu_spill == "never":
        text = "cpu_spill = never"
        yield one("spill", text, lambda draft: draft.set_domain(name, cpu_spill="last"))


def _has_map(domain: Domain) -> bool:
    """Whether a map or bounds are given that can be taken away."""
    given = domain.vcpu_to_vnode is not None or domain.vcpu_bounds is not None
    rows = domain.access is None or all(domain.access)
    return given and rows and domain.num_vnodes > 1 and not domain.auto_vnodes


def _reserves(host: Host) -> Iterator[Requirement]:
    for pnode, pages in enumerate(host.reserve_pages.tolist()):
        if pages and host.free_pages[pnode]:

            def relax(draft: Draft, mine: int = pnode) -> None:
                reserve = np.array(draft.of_host(host.name, "reserve_pages"))
                reserve[mine] = 0
                draft.set_host(host.name, reserve_pages=reserve)

            yield Requirement(
                kind="reserve",
                text=f"reserve of {format_size(pages)} on pnode {pnode} of {host.name}",
                relax=relax,
                host=host.name,
                members=(pnode,),
            )


def _reach(host: Host) -> Iterator[Requirement]:
    away = np.argwhere(host.distances == UNREACHABLE).tolist()
    if not away:
        return

    def relax(draft: Draft) -> None:
        draft.set_host(host.name, distances=np.minimum(host.distances, UNREACHABLE - 1))

    pairs = list_names([f"{p} to {q}" for p, q in away])
    yield Requirement(
        kind="reach", text=f"unreachable on {host.name}: {pairs}", relax=relax, host=host.name
    )


def _group(problem: Problem, group: Group) -> Iterator[Requirement]:
    members = [d.name for d in problem.domains if group.name in d.groups]
    if len(members) < 2:
        return

    def relax(draft: Draft) -> None:
        for member in members:
            kept = tuple(g for g in draft.of_domain(member, "groups") if g != group.name)
            draft.set_domain(member, groups=kept)

    text = f"group {group.name} keeps {list_names(members)} {group.keep} over {group.over}"
    yield Requirement(kind="group", text=text, relax=relax)
