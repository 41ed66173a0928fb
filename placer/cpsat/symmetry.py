"""What is interchangeable, and the one order of it that is searched (MODEL level 5).

Swapping equal vnodes, equal domains or equal hosts changes no level. So of all placements
that differ by such swaps alone the one whose homes come first in order is enough, and
that is the one that O5 asks for. Every rule here holds in it: were one broken, the
swap that mends it would put a lower home at an earlier place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from placer.cpsat.items import Item, with_vnodes
from placer.cpsat.objective import homes_in_order
from placer.cpsat.variables import Expr, Variables
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem

_NAMES = {"name", "source", "extra", "domid"}
"""Fields that no rule and no level looks at."""

T = TypeVar("T")


def break_symmetry(v: Variables) -> None:
    """Leave one order of equal vnodes, equal domains and equal hosts to the search."""
    moving = v.problem.running_now
    for item in v.items:
        if item.domain.name not in moving and not item.sized:
            _order_vnodes(v, item)
    for alike in equal_domains(v.problem):
        first = [home for number in alike for home in homes_in_order(v, number)[:1]]
        for earlier, later in pairwise(first):
            v.model.add(earlier <= later)
    for alike in equal_hosts(v.problem):
        for fuller, emptier in pairwise(alike):
            _use_first(v, fuller, emptier)


def _order_vnodes(v: Variables, item: Item) -> None:
    for alike in equal_vnodes(item):
        for i, j in pairwise(alike):
            for site in v.sites_of(item):
                ahead, behind = (_number_home(v.home(item, vnode, site)) for vnode in (i, j))
                v.model.add(ahead <= behind)


def _number_home(literals: list[Any]) -> Expr:
    return sum(pnode * here for pnode, here in enumerate(literals))


def _use_first(v: Variables, fuller: int, emptier: int) -> None:
    """A domain is on the later host only if one before it is on the earlier."""
    used: Any = 0
    for number in range(len(v.problem.domains)):
        v.model.add(v.runs_on(number, emptier) <= used)
        before, used = used, v.model.new_bool_var("")
        v.model.add(used <= before + v.runs_on(number, fuller))
        v.used_first[number, fuller] = used


def equal_vnodes(item: Item) -> list[list[int]]:
    """Return the sets of vnodes of an item that can be exchanged, each ascending.

    Vnode 0 is in none: its home bears the overhead. With a free map whose vcpus
    have different masks it matters which block comes first, so there are none.
    """
    domain = item.domain
    masks = [
        tuple(None if mask is None else mask.text for mask in pair)
        for pair in zip(domain.hard_affinity, domain.soft_affinity, strict=True)
    ]
    fixed = domain.vcpu_to_vnode
    if fixed is None and len(set(masks)) > 1:
        return []

    def key(vnode: int) -> Hashable:
        mine = None
        if fixed is not None:
            mine = frozenset(
                Counter(m for m, i in zip(masks, fixed, strict=True) if i == vnode).items()
            )
        kept = (domain.memory[vnode], int(domain.page_order[vnode]), int(domain.vnode_pnode[vnode]))
        return (item.sizes[vnode], item.counts[vnode], kept, mine)

    def alike(i: int, j: int) -> bool:
        order = list(range(item.num_vnodes))
        order[i], order[j] = j, i
        return all(
            [[rows[a][b] for b in order] for a in order] == rows
            for rows in (item.shares, item.exact)
        )

    return _classes(range(1, item.num_vnodes), key, alike)


def equal_domains(problem: Problem) -> list[list[int]]:
    """Return the sets of domains, by number, that differ in name alone."""
    moving = problem.running_now
    domains = problem.domains
    return _classes(
        [number for number, domain in enumerate(domains) if domain.name not in moving],
        lambda number: (
            domains[number].num_vcpus,
            tuple(domains[number].vnode_pages.tolist()),
            domains[number].groups,
        ),
        lambda one, other: _alike(domains[one], domains[other]),
    )


def equal_hosts(problem: Problem) -> list[list[int]]:
    """Return the sets of hosts, by number, that differ in name alone and for no domain."""
    moving = {placed.host for placed in problem.running_now.values()}
    named = [
        frozenset(names)
        for domain in problem.domains
        for names in (domain.hosts, domain.forbidden_hosts)
        if names
    ]
    hosts = problem.hosts
    return _classes(
        [number for number, host in enumerate(hosts) if host.name not in moving],
        lambda number: (
            tuple(hosts[number].free_pages.tolist()),
            frozenset(n for n, names in enumerate(named) if hosts[number].name in names),
        ),
        lambda one, other: _alike(hosts[one], hosts[other]),
    )


def _classes(
    members: Sequence[T], key: Callable[[T], Hashable], alike: Callable[[T, T], bool]
) -> list[list[T]]:
    """Sort members into sets that are alike, of two or more."""
    by_key: dict[Hashable, list[list[T]]] = {}
    for member in members:
        sets = by_key.setdefault(key(member), [])
        for listed in sets:
            if alike(listed[0], member):
                listed.append(member)
                break
        else:
            sets.append([member])
    return [listed for sets in by_key.values() for listed in sets if len(listed) > 1]


def _alike(one: Any, other: Any) -> bool:
    """Whether two domains, hosts or running domains differ in names alone."""
    for field in fields(one):
        if field.name in _NAMES:
            continue
        left, right = getattr(one, field.name), getattr(other, field.name)
        if field.name == "running":
            if len(left) != len(right) or not all(map(_alike, left, right)):
                return False
        elif isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            if not np.array_equal(left, right):
                return False
        elif left != right:
            return False
    return True


# -- the same for a placement ------------------------------------------------------------


def put_in_order(problem: Problem, placement: Placement) -> Placement:
    """Return the placement with equal vnodes, domains and hosts exchanged into order.

    It keeps the rules of ``break_symmetry``, and has the levels that it had. Each exchange
    puts a lower home at an earlier place, so that this ends.
    """
    domains, hosts = equal_domains(problem), equal_hosts(problem)
    moving = problem.running_now
    placed = {answer.domain: answer for answer in placement.domains}
    for name, answer in placed.items():
        if name not in moving:
            placed[name] = _with_vnodes_in_order(
                problem.domains[problem.domain_index[name]], answer
            )
    while True:
        before = dict(placed)
        for alike in hosts:
            _exchange_hosts(problem, [problem.hosts[number] for number in alike], placed)
        for alike in domains:
            _exchange_domains(problem, [problem.domains[number].name for number in alike], placed)
        if all(placed.get(name) is before.get(name) for name in {*placed, *before}):
            break
    return Placement(
        domains=tuple(placed[d.name] for d in problem.domains if d.name in placed),
        unplaced=tuple(d.name for d in problem.domains if d.name not in placed),
    )


def _exchange_hosts(problem: Problem, alike: list[Host], placed: dict[str, PlacedDomain]) -> None:
    """Let hosts be used in the order in which the domains come to them."""
    used: list[str] = []
    names = [host.name for host in alike]
    for domain in problem.domains:
        answer = placed.get(domain.name)
        if answer is not None and answer.host in names and answer.host not in used:
            used.append(answer.host)
    instead = dict(zip(used, names, strict=False))
    for name, answer in placed.items():
        host = instead.get(answer.host, answer.host)
        if host != answer.host:
            placed[name] = replace(answer, host=host)


def _exchange_domains(problem: Problem, alike: list[str], placed: dict[str, PlacedDomain]) -> None:
    """Give the first of equal domains the first homes; those left out are the last."""
    answers = [placed.pop(name) for name in alike if name in placed]
    ordered = sorted(
        answers, key=lambda answer: (problem.host_index[answer.host], answer.home.tolist())
    )
    for name, answer in zip(alike, ordered, strict=False):
        placed[name] = answer if answer.domain == name else replace(answer, domain=name)


def _with_vnodes_in_order(domain: Domain, answer: PlacedDomain) -> PlacedDomain:
    """Give the first of equal vnodes the lowest home."""
    sizes = answer.vnode_pages
    item = Item(0, 0, with_vnodes(domain, sizes) if domain.auto_vnodes else domain)
    source = list(range(item.num_vnodes))
    for alike in equal_vnodes(item):
        by_home = sorted(alike, key=lambda vnode: int(answer.home[vnode]))
        for vnode, taken in zip(alike, by_home, strict=True):
            source[vnode] = taken
    if source == sorted(source):
        return answer
    vnode_of = answer.vcpu_to_vnode
    seats = [np.flatnonzero(vnode_of == source[vnode]).tolist() for vnode in range(item.num_vnodes)]
    blocks = np.repeat(np.arange(item.num_vnodes), [len(taken) for taken in seats])
    if domain.vcpu_to_vnode is None:
        vcpus, new_map = [n for taken in seats for n in taken], blocks
    else:
        vcpus, new_map = _match_vcpus(domain, seats), vnode_of
    return replace(
        answer,
        home=answer.home[source],
        pages=answer.pages[source],
        vcpu_to_vnode=new_map,
        vcpu_to_pnode=answer.vcpu_to_pnode[vcpus],
        vcpu_to_pcpu=answer.vcpu_to_pcpu[vcpus],
    )


def _match_vcpus(domain: Domain, seats: list[list[int]]) -> list[int]:
    """For each vcpu of a fixed map the one, of equal masks, whose pcpu it takes over."""

    def masks(vcpu: int) -> tuple[str | None, ...]:
        pair = (domain.hard_affinity[vcpu], domain.soft_affinity[vcpu])
        return tuple(None if mask is None else mask.text for mask in pair)

    vnode_of = domain.vcpu_to_vnode
    left = [list(taken) for taken in seats]
    chosen = []
    for vcpu in range(domain.num_vcpus):
        vnode = 0 if vnode_of is None else int(vnode_of[vcpu])
        taken = next(n for n in left[vnode] if masks(n) == masks(vcpu))
        left[vnode].remove(taken)
        chosen.append(taken)
    return chosen
