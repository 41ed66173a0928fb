"""Every way to place one domain of a tiny problem by itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from placer.domain import Domain
from tests.brute_force.ground import Cell, Choice, Ground


def shares_of(domain: Domain, sizes: tuple[int, ...]) -> list[list[Fraction]]:
    """The access shares of a domain, exact."""
    shares = []
    for i in range(len(sizes)):
        if domain.access is not None:
            shares.append(list(domain.access[i]) or [Fraction(0)] * len(sizes))
            continue
        weights = [Fraction(m, int(domain.distances[i, j])) for j, m in enumerate(sizes)]
        shares.append([weight / sum(weights) for weight in weights])
    return shares


def round_shares(shares: list[Fraction]) -> list[int]:
    """10,000 units by largest remainder, the lowest first of equals."""
    if not any(shares):
        return [0] * len(shares)
    exact = [10_000 * share / sum(shares) for share in shares]
    units = [math.floor(value) for value in exact]
    while sum(units) < 10_000:
        rests = [value - unit for value, unit in zip(exact, units, strict=True)]
        units[rests.index(max(rests))] += 1
    return units


def vcpu_maps(domain: Domain, sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The vcpu maps that a domain may have."""
    if domain.vcpu_to_vnode is not None:
        yield tuple(domain.vcpu_to_vnode.tolist())
        return
    num_vcpus = domain.num_vcpus
    if domain.vcpu_bounds is not None:
        bounds = [tuple(pair) for pair in domain.vcpu_bounds.tolist()]
    else:
        part = [Fraction(num_vcpus * size, sum(sizes)) for size in sizes]
        bounds = [(math.floor(share), math.ceil(share)) for share in part]
        one_each = [
            (max(low, 1 if size else 0), high)
            for (low, high), size in zip(bounds, sizes, strict=True)
        ]
        if sum(low for low, _ in one_each) <= num_vcpus:
            bounds = one_each
    for counts in itertools.product(*(range(low, high + 1) for low, high in bounds)):
        if sum(counts) == num_vcpus:
            yield tuple(vnode for vnode, count in enumerate(counts) for _ in range(count))


def page_rows(
    domain: Domain, vnode: int, size: int, pnodes: range, first: int
) -> Iterator[tuple[int, tuple[tuple[int, int], ...], dict[int, int]]]:
    """Every (home, pages by pnode, parts of 64 by pnode) that a vnode may have."""
    memory = domain.memory[vnode]
    if memory.policy == "strict" or size == 0:
        for home in pnodes:
            yield home, ((home, size),) if size else (), {home: 64}
        return
    grain = max(512, math.ceil(size / 64))
    count = math.ceil(size / grain)
    for dealt in itertools.product(range(count + 1), repeat=len(pnodes)):
        if sum(dealt) != count:
            continue
        if memory.policy == "interleave" and not _is_interleaved(domain, vnode, dealt):
            continue
        used = [p for p, number in zip(pnodes, dealt, strict=True) if number]
        pages = {p: grain * number for p, number in zip(pnodes, dealt, strict=True) if number}
        pages[used[-1]] -= grain * count - size
        parts, cumulative = {}, 0
        for p, number in zip(pnodes, dealt, strict=True):
            parts[p] = 64 * (cumulative + number) // count - 64 * cumulative // count
            cumulative += number
        home = min(used, key=lambda p: (-pages[p], p))
        yield home, tuple(sorted(pages.items())), parts


def _is_interleaved(domain: Domain, vnode: int, dealt: tuple[int, ...]) -> bool:
    """Whether some allowed set of pnodes has floor or ceil of an equal share each."""
    memory = domain.memory[vnode]
    if memory.interleave_pnodes is not None:
        if max(memory.interleave_pnodes) >= len(dealt):
            return False
        sets = [tuple(memory.interleave_pnodes)]
    else:
        sets = list(itertools.combinations(range(len(dealt)), memory.interleave_width or 0))
    for chosen in sets:
        shares = [dealt[p] for p in chosen]
        even = max(shares) - min(shares) <= 1
        if even and sum(shares) == sum(dealt):
            return True
    return False


def split_domain(domain: Domain, sizes: tuple[int, ...]) -> Domain:
    """Return a domain of ``vnodes = "auto"`` with vnodes of so many pages."""
    count = len(sizes)
    return replace(
        domain,
        auto_vnodes=False,
        vnode_pages=sizes,
        distances=[[10 if i == j else 20 for j in range(count)] for i in range(count)],
        vnode_pnode=[-1] * count,
        memory=domain.memory * count,
        page_order=[int(domain.page_order[0])] * count,
    )


def equal_sizes(pages: int, count: int) -> tuple[int, ...]:
    """Return vnodes of 2 MiB blocks, the first ones a block larger, the rest on the last."""
    blocks, tail = divmod(pages, 512)
    sizes = [512 * (blocks // count + (vnode < blocks % count)) for vnode in range(count)]
    sizes[-1] += tail
    return tuple(sizes)


def choices_of(ground: Ground, domain: Domain) -> list[Choice]:
    """Every way to place one domain on its own; equal ones, seen from outside, once."""
    found: dict[tuple[object, ...], Choice] = {}
    for number, host in enumerate(ground.problem.hosts):
        if host.name in domain.forbidden_hosts:
            continue
        if domain.hosts is not None and host.name not in domain.hosts:
            continue
        for variant in _variants(domain, host.num_pnodes):
            for choice in _choices_on(ground, variant, number):
                found.setdefault(choice.outward(), choice)
    choices = list(found.values())
    runs = {running.placed.domain for running in ground.problem.current}
    if ground.problem.allow_partial and domain.name not in runs:
        choices.append(Choice(None, (ground.num_pnodes,) * domain.num_vnodes))
    return choices


def _variants(domain: Domain, most: int) -> list[Domain]:
    """The domain itself, or what it may be with 1 vnode to ``most``."""
    if not domain.auto_vnodes:
        return [domain]
    splits = [equal_sizes(domain.memory_pages, count) for count in range(1, most + 1)]
    return [split_domain(domain, sizes) for sizes in splits if min(sizes)]


def _choices_on(ground: Ground, domain: Domain, number: int) -> Iterator[Choice]:
    sizes = tuple(domain.vnode_pages.tolist())
    shares = shares_of(domain, sizes)
    units = [round_shares(row) for row in shares]
    first = ground.first[number]
    pnodes = range(first, first + ground.problem.hosts[number].num_pnodes)
    options = [list(page_rows(domain, i, size, pnodes, first)) for i, size in enumerate(sizes)]
    asked = domain.vnode_pnode.tolist()
    for rows in itertools.product(*options):
        homes = tuple(home for home, _, _ in rows)
        if any(want >= 0 and home != first + want for home, want in zip(homes, asked, strict=True)):
            continue
        if domain.distinct_pnodes and len(set(homes)) < len(homes):
            continue
        for mapping in vcpu_maps(domain, sizes):
            for cells in itertools.product(*_cells(ground, domain, pnodes)):
                choice = _judge(ground, domain, number, (rows, mapping, cells), shares, units)
                if choice is not None:
                    yield choice


def _cells(ground: Ground, domain: Domain, pnodes: range) -> list[list[Cell]]:
    """The cells that each vcpu may run in, on one host."""
    here = [cell for cell in ground.slots if cell.pnode in pnodes]
    return [
        [cell for cell in here if mask is None or mask.text in cell.masks]
        for mask in domain.hard_affinity
    ]


def _judge(
    ground: Ground,
    domain: Domain,
    host: int,
    given: tuple[
        tuple[tuple[int, tuple[tuple[int, int], ...], dict[int, int]], ...],
        tuple[int, ...],
        tuple[Cell, ...],
    ],
    shares: list[list[Fraction]],
    units: list[list[int]],
) -> Choice | None:
    rows, mapping, cells = given
    homes = tuple(home for home, _, _ in rows)
    off_home = sum(cell.pnode != homes[i] for i, cell in zip(mapping, cells, strict=True))
    if domain.cpu_spill == "never" and off_home:
        return None
    cost = 0
    for i, (p, _, _) in zip(mapping, cells, strict=True):
        for j, (_, pages, parts) in enumerate(rows):
            if any(shares[i][j] > 0 and ground.distance(p, q) == 255 for q, _ in pages):
                return None
            if units[i][j]:
                cost += units[i][j] * sum(n * ground.distance(p, q) for q, n in parts.items())
    off_soft = 0
    given_host = ground.problem.hosts[host]
    for mask, (p, _, _) in zip(domain.soft_affinity, cells, strict=True):
        if mask is not None:
            inside = mask.resolve(given_host.pcpu_ids, given_host.pcpu_pnode)
            on = given_host.pcpu_ids[given_host.pcpu_pnode == p - ground.first[host]]
            off_soft += not inside & set(on.tolist())
    return Choice(
        host=host,
        homes=homes,
        sizes=tuple(domain.vnode_pages.tolist()),
        pages=tuple(pages for _, pages, _ in rows),
        vcpu_to_vnode=mapping,
        cells=cells,
        wants=tuple(
            mask.text if mask is not None and domain.thread_policy == "require" else ""
            for mask in domain.hard_affinity
        ),
        off_home=0 if domain.cpu_spill == "free" else off_home,
        cost=cost,
        off_soft=off_soft,
        moved=_pages_moved(ground, domain, tuple(pages for _, pages, _ in rows)),
    )


def _pages_moved(
    ground: Ground, domain: Domain, rows: tuple[tuple[tuple[int, int], ...], ...]
) -> int:
    """The pages that a running domain no longer has where they are, vnode by vnode."""
    moved = 0
    names = [host.name for host in ground.problem.hosts]
    for running in (r for r in ground.problem.current if r.placed.domain == domain.name):
        first = ground.first[names.index(running.placed.host)]
        for now, row in zip(running.placed.pages.tolist(), rows, strict=True):
            after = dict(row)
            for p, pages in enumerate(now, start=first):
                moved += max(0, pages - after.get(p, 0))
    return moved
