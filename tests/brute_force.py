"""Every placement of a tiny problem, one after another, from the rules of models/README.md alone.

Nothing of the package's solver, checker or cost is used. Pnodes are numbered over all hosts,
in the order of the problem; slots are what C2 counts, pcpus or cores.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem

Cell = tuple[int, frozenset[str]]
"""A pnode and the hard masks that its slots belong to."""


@dataclass(frozen=True)
class Choice:
    """One way to place one domain, or to leave it out (``host`` is then None).

    ``homes``: pnodes over all hosts, one past the last where the domain is left out.
    ``pages``: by vnode, (pnode, pages) pairs. ``cells``: the cell of each vcpu.
    """

    host: int | None
    homes: tuple[int, ...]
    sizes: tuple[int, ...] = ()
    pages: tuple[tuple[tuple[int, int], ...], ...] = ()
    vcpu_to_vnode: tuple[int, ...] = ()
    cells: tuple[Cell, ...] = ()
    off_home: int = 0
    cost: int = 0
    off_soft: int = 0
    moved: int = 0

    def outward(self) -> tuple[object, ...]:
        """All that other domains and the levels can see of the choice."""
        on: Counter[int] = Counter()
        for row in self.pages:
            on.update(dict(row))
        large = tuple(sorted((p, n >> 9) for row in self.pages for p, n in row))
        in_cells = frozenset(Counter(self.cells).items())
        what = (self.host, self.homes, tuple(sorted(on.items())), large, in_cells)
        return (*what, self.off_home, self.cost, self.off_soft, self.moved)


@dataclass(frozen=True)
class Optimum:
    """The best placement, its levels by name in order, and the first homes."""

    levels: dict[str, int]
    placement: Placement
    homes: tuple[tuple[int, ...], ...]


class Ground:
    """The hosts of a problem as one row of pnodes."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.first: list[int] = []
        self.host_of: list[int] = []
        for number, host in enumerate(problem.hosts):
            self.first.append(len(self.host_of))
            self.host_of += [number] * host.num_pnodes
        self.num_pnodes = len(self.host_of)
        self.texts = {m.text for d in problem.domains for m in d.hard_affinity if m is not None}
        self.slots: dict[Cell, list[tuple[int, ...]]] = {}
        for number, host in enumerate(problem.hosts):
            for pnode, pcpus in self._free_slots(host):
                masks = frozenset(t for t in self.texts if self._mask(number, t) & set(pcpus))
                self.slots.setdefault((self.first[number] + pnode, masks), []).append(pcpus)
        self.size = {cell: len(slots) for cell, slots in self.slots.items()}

    def host(self, pnode: int) -> Host:
        """The host of a pnode."""
        return self.problem.hosts[self.host_of[pnode]]

    def distance(self, p: int, q: int) -> int:
        """The distance between two pnodes of one host."""
        first = self.first[self.host_of[p]]
        return int(self.host(p).distances[p - first, q - first])

    def figure(self, name: str, pnode: int) -> int:
        """An array of the pnode's host, at the pnode."""
        return int(getattr(self.host(pnode), name)[pnode - self.first[self.host_of[pnode]]])

    def threads(self, pnode: int) -> int:
        """The threads of each core of the pnode's host, which are all alike."""
        return max(Counter(self.host(pnode).pcpu_core.tolist()).values())

    def _mask(self, host: int, text: str) -> frozenset[int]:
        given = self.problem.hosts[host]
        for domain in self.problem.domains:
            for mask in domain.hard_affinity:
                if mask is not None and mask.text == text:
                    return mask.resolve(given.pcpu_ids, given.pcpu_pnode)
        raise KeyError(text)

    @staticmethod
    def _free_slots(host: Host) -> Iterator[tuple[int, tuple[int, ...]]]:
        taken = {pcpu for running in host.running for pcpu in running.dedicated_pcpus}
        for core in sorted(set(host.pcpu_core.tolist())):
            pcpus = tuple(host.pcpu_ids[host.pcpu_core == core].tolist())
            pnode = int(host.pcpu_pnode[host.pcpu_core == core][0])
            if host.smt == "cores":
                if not taken & set(pcpus):
                    yield pnode, pcpus
            else:
                yield from ((pnode, (pcpu,)) for pcpu in pcpus if pcpu not in taken)


# -- one domain ------------------------------------------------------------------


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


def choices_of(ground: Ground, domain: Domain) -> list[Choice]:
    """Every way to place one domain on its own; equal ones, seen from outside, once."""
    found: dict[tuple[object, ...], Choice] = {}
    sizes = tuple(domain.vnode_pages.tolist())
    shares = shares_of(domain, sizes)
    units = [round_shares(row) for row in shares]
    for number, host in enumerate(ground.problem.hosts):
        if host.name in domain.forbidden_hosts:
            continue
        if domain.hosts is not None and host.name not in domain.hosts:
            continue
        first = ground.first[number]
        pnodes = range(first, first + host.num_pnodes)
        options = [list(page_rows(domain, i, size, pnodes, first)) for i, size in enumerate(sizes)]
        for rows in itertools.product(*options):
            homes = tuple(home for home, _, _ in rows)
            asked = domain.vnode_pnode.tolist()
            if any(
                want >= 0 and home != first + want for home, want in zip(homes, asked, strict=True)
            ):
                continue
            if domain.distinct_pnodes and len(set(homes)) < len(homes):
                continue
            for mapping in vcpu_maps(domain, sizes):
                for cells in itertools.product(*_cells(ground, domain, pnodes)):
                    choice = _judge(ground, domain, number, (rows, mapping, cells), shares, units)
                    if choice is not None:
                        found.setdefault(choice.outward(), choice)
    choices = list(found.values())
    runs = {running.placed.domain for running in ground.problem.current}
    if ground.problem.allow_partial and domain.name not in runs:
        choices.append(Choice(None, (ground.num_pnodes,) * len(sizes)))
    return choices


def _cells(ground: Ground, domain: Domain, pnodes: range) -> list[list[Cell]]:
    """The cells that each vcpu may run in, on one host."""
    here = [cell for cell in ground.slots if cell[0] in pnodes]
    return [
        [cell for cell in here if mask is None or mask.text in cell[1]]
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
    off_home = sum(cell[0] != homes[i] for i, cell in zip(mapping, cells, strict=True))
    if domain.cpu_spill == "never" and off_home:
        return None
    cost = 0
    for i, (p, _) in zip(mapping, cells, strict=True):
        for j, (_, pages, parts) in enumerate(rows):
            if any(shares[i][j] > 0 and ground.distance(p, q) == 255 for q, _ in pages):
                return None
            if units[i][j]:
                cost += units[i][j] * sum(n * ground.distance(p, q) for q, n in parts.items())
    off_soft = 0
    given_host = ground.problem.hosts[host]
    for mask, (p, _) in zip(domain.soft_affinity, cells, strict=True):
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


def limits_hold(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    """C7: no more moves and no more pages moved than may be."""
    problem = ground.problem
    moved = [choice.moved for choice in chosen if choice.moved]
    limits = ((problem.max_moves, len(moved)), (problem.max_moved_pages, sum(moved)))
    return all(most is None or number <= most for most, number in limits)


# -- all domains -----------------------------------------------------------------


def fits(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    """Whether domains placed so leave every pnode within its memory and pcpus."""
    return _memory_fits(ground, chosen) and _cpu_fits(ground, chosen)


def _memory_fits(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    used: Counter[int] = Counter()
    large: Counter[int] = Counter()
    for domain, choice in zip(ground.problem.domains, chosen, strict=False):
        if choice.host is None:
            continue
        used[choice.homes[0]] += 256 if domain.type == "pv" else 512
        for i, row in enumerate(choice.pages):
            for p, pages in row:
                used[p] += pages
                large[p] += pages // 512 if domain.page_order[i] == 9 else 0
    for p, pages in used.items():
        if pages > ground.figure("free_pages", p) - ground.figure("reserve_pages", p):
            return False
    return all(extents <= _free_large(ground, p) for p, extents in large.items() if extents)


def _free_large(ground: Ground, pnode: int) -> int:
    """The aligned blocks of 512 frames that are wholly free."""
    first = ground.first[ground.host_of[pnode]]
    return sum(
        frame % 512 == 0 and frame + 512 <= start + count
        for p, start, count in ground.host(pnode).free_spans.tolist()
        if p == pnode - first
        for frame in range(start, start + count)
    )


def _cpu_fits(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    shared: Counter[Cell] = Counter()
    taken: Counter[Cell] = Counter()
    for domain, choice in zip(ground.problem.domains, chosen, strict=False):
        for cell, number in Counter(choice.cells).items():
            if domain.dedicated:
                slots = slots_taken(ground, domain, cell[0], number)
                if slots is None:
                    return False
                taken[cell] += slots
            else:
                shared[cell] += number
    for cell in {*shared, *taken}:
        left = ground.size[cell] - taken[cell]
        if left < 0 or shared[cell] > math.ceil(left * ground.host(cell[0]).overcommit):
            return False
    for p in {cell[0] for cell in {*shared, *taken}}:
        left = sum(size - taken[cell] for cell, size in ground.size.items() if cell[0] == p)
        here = sum(number for cell, number in shared.items() if cell[0] == p)
        first = ground.first[ground.host_of[p]]
        here += sum(int(running.vcpus_on[p - first]) for running in ground.host(p).running)
        if here > math.floor(left * ground.host(p).overcommit):
            return False
    return True


def slots_taken(ground: Ground, domain: Domain, pnode: int, number: int) -> int | None:
    """The slots that dedicated vcpus take in a cell, empty siblings counted; None if impossible.

    ``isolate`` and ``require`` come without masks and without pcpus that are taken already,
    so that a cell is a pnode of whole cores.
    """
    threads = ground.threads(pnode)
    per_core = 1 if ground.host(pnode).smt == "cores" else threads
    if domain.thread_policy == "isolate":
        return number * per_core
    if domain.thread_policy == "require":
        return math.ceil(number / threads) * per_core if threads > 1 else None
    return number


def groups_hold(ground: Ground, chosen: tuple[Choice, ...]) -> bool:
    """C3: the placed members of every group are kept together or apart."""
    for group in ground.problem.groups:
        members = [
            choice
            for domain, choice in zip(ground.problem.domains, chosen, strict=True)
            if group.name in domain.groups and choice.host is not None
        ]
        places = [
            {choice.host} if group.over == "hosts" else set(choice.homes) for choice in members
        ]
        for one, other in itertools.combinations(places, 2):
            if group.keep == "together" and one != other:
                return False
            if group.keep == "apart" and one & other:
                return False
    return True


def level_values(ground: Ground, chosen: tuple[Choice, ...]) -> dict[str, int]:
    """The value of each level, by name and in order."""
    problem = ground.problem
    placed = [(d, c) for d, c in zip(problem.domains, chosen, strict=True) if c.host is not None]
    values = {}
    if problem.allow_partial:
        values["placed_priority"] = sum(domain.priority for domain, _ in placed)
    values["vcpus_off_home"] = sum(choice.off_home for _, choice in placed)
    values["cost"] = sum(choice.cost for _, choice in placed) + _penalties(ground, chosen)
    if problem.current:
        values["pages_moved"] = sum(choice.moved for _, choice in placed)
    if any(mask is not None for domain in problem.domains for mask in domain.soft_affinity):
        values["vcpus_off_soft"] = sum(choice.off_soft for _, choice in placed)
    on: Counter[int] = Counter()
    for _, choice in placed:
        for row in choice.pages:
            on.update(dict(row))
    if problem.policy.tie_break == "spread":
        loads = []
        for p in range(ground.num_pnodes):
            total, free = ground.figure("total_pages", p), ground.figure("free_pages", p)
            loads.append(math.ceil(Fraction(1000 * (total - free + on[p]), total)) if total else 0)
        values["spread_max"], values["spread_sum"] = max(loads), sum(loads)
    elif problem.policy.tie_break == "pack":
        values["packed_pages"] = sum(
            ground.figure("total_pages", p)
            for p in range(ground.num_pnodes)
            if ground.figure("free_pages", p) == ground.figure("total_pages", p) and not on[p]
        )
    return values


def _penalties(ground: Ground, chosen: tuple[Choice, ...]) -> int:
    cost = 0
    running: Counter[int] = Counter(cell[0] for choice in chosen for cell in choice.cells)
    for p, number in running.items():
        host, first = ground.host(p), ground.first[ground.host_of[p]]
        if host.smt == "penalty":
            cores = len(set(host.pcpu_core[host.pcpu_pnode == p - first].tolist()))
            cores -= sum(int(domain.vcpus_on[p - first]) for domain in host.running)
            cost += 640_000 * host.smt_penalty * max(0, number - max(0, cores))
    return cost


MAXIMISED = ("placed_priority", "packed_pages")


def count_choices(problem: Problem) -> int:
    """How many combinations an enumeration may have to look at."""
    ground = Ground(problem)
    return math.prod(max(1, len(choices_of(ground, domain))) for domain in problem.domains)


def solve_by_brute_force(problem: Problem) -> Optimum | None:
    """Return the best of all placements, or None where there is none."""
    ground = Ground(problem)
    options = [choices_of(ground, domain) for domain in problem.domains]
    reached: list[tuple[Choice, ...]] = [()]
    for choices in options:
        reached = [
            (*before, choice)
            for before in reached
            for choice in choices
            if fits(ground, (*before, choice))
        ]
    alive = [
        (level_values(ground, chosen), chosen)
        for chosen in reached
        if groups_hold(ground, chosen) and limits_hold(ground, chosen)
    ]
    if not alive:
        return None
    levels: dict[str, int] = {}
    for name in alive[0][0]:
        values = [found[name] for found, _ in alive]
        best = max(values) if name in MAXIMISED else min(values)
        worst = best + math.floor(best * problem.cost_slack) if name == "cost" else best
        alive = [
            (found, chosen)
            for found, chosen in alive
            if (found[name] >= best if name in MAXIMISED else found[name] <= worst)
        ]
        levels[name] = best
    _, chosen = min(alive, key=lambda pair: tuple(choice.homes for choice in pair[1]))
    homes = tuple(choice.homes for choice in chosen)
    return Optimum(levels, name_placement(ground, chosen), homes)


# -- the answer ------------------------------------------------------------------


def name_placement(ground: Ground, chosen: tuple[Choice, ...]) -> Placement:
    """Write choices as a placement, with a pcpu for every vcpu."""
    names, empty = _name_pcpus(ground, chosen)
    placed, unplaced = [], []
    for number, (domain, choice) in enumerate(zip(ground.problem.domains, chosen, strict=True)):
        if choice.host is None:
            unplaced.append(domain.name)
            continue
        host, first = ground.problem.hosts[choice.host], ground.first[choice.host]
        pages = np.zeros((len(choice.homes), host.num_pnodes), dtype=np.int64)
        for i, row in enumerate(choice.pages):
            for p, count in row:
                pages[i, p - first] = count
        placed.append(
            PlacedDomain(
                domain=domain.name,
                host=host.name,
                vnode_pages=choice.sizes,
                home=[home - first for home in choice.homes],
                pages=pages,
                vcpu_to_vnode=choice.vcpu_to_vnode,
                vcpu_to_pnode=[p - first for p, _ in choice.cells],
                vcpu_to_pcpu=[names[number, vcpu] for vcpu in range(domain.num_vcpus)],
                empty_siblings=tuple(sorted(empty.get(number, ()))),
            )
        )
    return Placement(domains=tuple(placed), unplaced=tuple(unplaced))


def _name_pcpus(
    ground: Ground, chosen: tuple[Choice, ...]
) -> tuple[dict[tuple[int, int], int], dict[int, set[int]]]:
    """Isolated vcpus first, then siblings, then single slots, then shared vcpus evenly."""
    left = {cell: list(slots) for cell, slots in ground.slots.items()}
    names: dict[tuple[int, int], int] = {}
    empty: dict[int, set[int]] = {}
    seats = [
        (number, vcpu, cell)
        for number, choice in enumerate(chosen)
        for vcpu, cell in enumerate(choice.cells)
    ]
    domains = ground.problem.domains
    for policy in ("isolate", "require", "prefer"):
        for number, vcpu, cell in seats:
            domain = domains[number]
            if not domain.dedicated or domain.thread_policy != policy:
                continue
            if policy == "require" and empty.get(number):
                started = [c for c in empty[number] if _is_on(ground, cell[0], c)]
                if started:
                    names[number, vcpu] = min(started)
                    empty[number].discard(min(started))
                    continue
            slot = left[cell].pop(0)
            mask = domain.hard_affinity[vcpu]
            pcpus = [c for c in slot if _allows(ground, cell[0], mask, c)]
            names[number, vcpu] = pcpus[0]
            if policy != "prefer":
                siblings = set(_siblings(ground, cell[0], slot[0])) - {pcpus[0]}
                empty.setdefault(number, set()).update(siblings)
                left[cell] = [other for other in left[cell] if not siblings & set(other)]
    load: Counter[tuple[int, ...]] = Counter()
    for number, vcpu, cell in seats:
        if not domains[number].dedicated:
            slot = min(left[cell], key=lambda slot, cell=cell: (load[cell[0], *slot], slot))  # type: ignore[misc]
            load[cell[0], *slot] += 1
            mask = domains[number].hard_affinity[vcpu]
            names[number, vcpu] = next(c for c in slot if _allows(ground, cell[0], mask, c))
    return names, empty


def _allows(ground: Ground, pnode: int, mask: object, pcpu: int) -> bool:
    host = ground.host(pnode)
    return mask is None or pcpu in mask.resolve(host.pcpu_ids, host.pcpu_pnode)  # type: ignore[attr-defined]


def _is_on(ground: Ground, pnode: int, pcpu: int) -> bool:
    host, first = ground.host(pnode), ground.first[ground.host_of[pnode]]
    return int(host.pcpu_pnode[host.pcpu_ids == pcpu][0]) == pnode - first


def _siblings(ground: Ground, pnode: int, pcpu: int) -> list[int]:
    host = ground.host(pnode)
    core = int(host.pcpu_core[host.pcpu_ids == pcpu][0])
    siblings: list[int] = host.pcpu_ids[host.pcpu_core == core].tolist()
    return siblings
