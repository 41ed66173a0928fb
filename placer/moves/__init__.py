"""From where domains run now to a placement: which moves, and in which order.

Xen migrates no domain that has vNUMA (libxl_dom_save.c: saving is refused where
``xc_domain_getvnuma`` finds one), so a domain of several vnodes is shut down and started
again; one of a single vnode can be migrated while it runs, on one host too, and then holds
both places at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placer.domain import Domain
from placer.host import Host
from placer.moves.order import Change, Step, order_changes
from placer.moves.room import Room, Seat
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.result import Move, MoveKind

__all__ = ["is_live", "num_moved", "order_moves", "standing"]


def is_live(domain: Domain) -> bool:
    """Return whether a domain can be migrated while it runs: it has one vnode, no topology."""
    return domain.num_vnodes == 1


def standing(problem: Problem) -> Placement | None:
    """Return the placement in which nothing moves, or None where it would leave out a new domain.

    New domains are left out where that is allowed. Whether it keeps the rules is for the
    checker to say: what runs may break some.
    """
    now = problem.running_now
    placed = tuple(now[domain.name] for domain in problem.domains if domain.name in now)
    unplaced = tuple(domain.name for domain in problem.domains if domain.name not in now)
    if unplaced and not problem.allow_partial:
        return None
    return Placement(domains=placed, unplaced=unplaced)


def num_moved(moves: Sequence[Move]) -> int:
    """Return how many running domains are moved: those with pages that go elsewhere."""
    return len({move.domain for move in moves if move.pages})


def order_moves(problem: Problem, placement: Placement) -> tuple[tuple[Move, ...], bool]:
    """Return the moves from ``problem.current`` to ``placement`` in order.

    No pnode is over-committed on the way: pages with overhead, shared vcpus, and dedicated
    pcpus by name, on every pnode that a move takes some of. New domains start as soon as
    all that follows leaves them room. Where no order exists, a smallest set of domains is
    stopped first and started at its new place afterwards; the second value is False where
    a smaller set may do. Empty where nothing runs. ``placement`` is one that keeps the
    rules, with every running domain.
    """
    if not problem.current:
        return (), True
    rooms = {host.name: Room(host) for host in problem.hosts}
    changes, news = [], []
    for placed in placement.domains:
        domain = problem.domains[problem.domain_index[placed.domain]]
        before = problem.running_now.get(placed.domain)
        host = problem.hosts[problem.host_index[placed.host]]
        if before is None:
            news.append((domain, placed, host))
            continue
        change = change_of(problem, domain, before, placed)
        held = Seat.of(domain, before, problem.hosts[problem.host_index[before.host]])
        rooms[before.host].add(held)
        if change is not None:
            changes.append(change)
    at_first = {name: room.copy() for name, room in rooms.items()}
    steps, fewest = order_changes(changes, rooms)
    after = _place_starts(at_first, steps, news)
    return tuple(_number(problem, placement, steps, after)), fewest


def change_of(
    problem: Problem, domain: Domain, before: PlacedDomain, placed: PlacedDomain
) -> Change | None:
    """Return how a running domain goes from one place to another; None where it stays as it is.

    A domain whose pages all stay but whose vcpus change pnodes, or pcpus that are its
    own, is pinned anew. Shared vcpus are tied to pnodes alone.
    """
    is_moved = before.host != placed.host or not np.array_equal(before.pages, placed.pages)
    if not is_moved and _same_pcpus(domain, before, placed):
        return None
    hosts = [problem.hosts[problem.host_index[p.host]] for p in (before, placed)]
    source, target = (
        Seat.of(domain, where, host, with_memory=is_moved)
        for where, host in zip((before, placed), hosts, strict=True)
    )
    if not is_moved:
        return Change(domain.name, "repin", source, target)
    return Change(domain.name, "live" if is_live(domain) else "restart", source, target)


def _same_pcpus(domain: Domain, before: PlacedDomain, placed: PlacedDomain) -> bool:
    """Whether a domain that stays on its host has the vcpus where they were."""
    if not np.array_equal(before.vcpu_to_pnode, placed.vcpu_to_pnode):
        return False
    return not domain.dedicated or (
        np.array_equal(before.vcpu_to_pcpu, placed.vcpu_to_pcpu)
        and set(before.empty_siblings) == set(placed.empty_siblings)
    )


def _place_starts(
    rooms: dict[str, Room], steps: list[Step], news: list[tuple[Domain, PlacedDomain, Host]]
) -> dict[int, list[str]]:
    """Return the new domains by the number of steps after which each is started.

    The earliest from which on there is room for it, at every step. Those that ask for
    large pages are started first of those that are started together.
    """
    after: dict[int, list[tuple[int, str]]] = {}
    for name in sorted({host.name for _, _, host in news}):
        states = _states_of(rooms[name], steps)
        for domain, placed, host in news:
            if host.name != name:
                continue
            seat = Seat.of(domain, placed, host)
            earliest = len(states) - 1
            while earliest and all(room.fits(seat) for room in states[earliest - 1][1]):
                earliest -= 1
            for _, held in states[earliest:]:
                for room in held:
                    room.add(seat)
            order = int(domain.page_order.max())
            after.setdefault(states[earliest][0], []).append((-order, domain.name))
    return {
        number: [name for _, name in sorted(found, key=lambda pair: pair[0])]
        for number, found in after.items()
    }


def _states_of(room: Room, steps: list[Step]) -> list[tuple[int, list[Room]]]:
    """Return the states of one host, each with the number of steps before it.

    With a state goes the one in the middle of the next live migration within the host.
    """
    name, room = room.host.name, room.copy()
    states = [(0, [room.copy()])]
    for number, step in enumerate(steps, start=1):
        source, target = step.change.source, step.change.target
        leaves = source.host == name and step.kind != "start"
        comes = target.host == name and step.kind != "stop"
        if not (leaves or comes):
            continue
        if leaves and comes and step.kind == "live":
            room.remove(source)
            during = room.copy()
            during.add(source.beside(target))
            states[-1][1].append(during)
            room.add(source)
        if leaves:
            room.remove(source)
        if comes:
            room.add(target)
        states.append((number, [room.copy()]))
    return states


def _number(
    problem: Problem, placement: Placement, steps: list[Step], after: dict[int, list[str]]
) -> list[Move]:
    """Return the steps as moves, the starts of new domains between them."""
    placed = {answer.domain: answer for answer in placement.domains}
    order: list[tuple[str, MoveKind]] = []
    for number in range(len(steps) + 1):
        if number:
            order.append((steps[number - 1].change.domain, steps[number - 1].kind))
        order += [(name, "start") for name in after.get(number, ())]
    return [
        _move(step, name, kind, problem.running_now.get(name), placed[name])
        for step, (name, kind) in enumerate(order, start=1)
    ]


def _move(
    step: int, name: str, kind: MoveKind, before: PlacedDomain | None, placed: PlacedDomain
) -> Move:
    """One step of the domain ``name``, which runs at ``before`` unless it is new."""
    pages = 0
    if before is not None and kind != "stop":
        gone = before.pages - placed.pages if before.host == placed.host else before.pages
        pages = int(np.maximum(gone, 0).sum())
    source = None if kind == "start" else before
    target = None if kind == "stop" else placed
    return Move(
        step=step,
        domain=name,
        kind=kind,
        from_host=None if source is None else source.host,
        to_host=None if target is None else target.host,
        from_homes=() if source is None else tuple(source.home.tolist()),
        to_homes=() if target is None else tuple(target.home.tolist()),
        pages=pages,
    )
