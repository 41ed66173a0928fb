"""The exact cost of a placement, one function for each term (models/README.md, O1 to O5).

Everything is recomputed from what is given and from the answer, in whole numbers.
Nothing here is shared with a solver: a slip in one place shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np

from placer.arrays import Ints
from placer.domain import Domain
from placer.host import Host
from placer.placement import PlacedDomain, Placement, by_host
from placer.problem import Problem
from placer.units import (
    COST_UNITS,
    LOCAL_DISTANCE,
    PAGES_2MIB,
    REMOTE_DISTANCE,
    SHARE_UNITS,
    SPILL_UNITS,
)

IntRows = tuple[tuple[int, ...], ...]
ShareRows = tuple[tuple[Fraction, ...], ...]


def access_fractions(domain: Domain, vnode_pages: Ints) -> list[list[Fraction]]:
    """Return ``a[i][j]``, exact and unrounded, for vnodes of ``vnode_pages`` pages.

    Measured shares where the user gives them, else ``m[j] / V[i][j]`` over the sum of
    the row. Where the solver chose how many vnodes there are, distances are 10 and 20.
    A row that is absent is all 0.
    """
    return _fractions(*_access_given(domain, vnode_pages))


def access_units(domain: Domain, vnode_pages: Ints) -> list[list[int]]:
    """Return ``A[i][j]``: 10,000 to a row by largest remainder, ties to the lowest j."""
    return [list(row) for row in _units(*_access_given(domain, vnode_pages))]


def _access_given(
    domain: Domain, vnode_pages: Ints
) -> tuple[tuple[int, ...], IntRows | None, ShareRows | None]:
    """Sizes, the distances given and the shares measured, as far as they are of these vnodes."""
    sizes = tuple(vnode_pages.tolist())
    distances = access = None
    if domain.num_vnodes == len(sizes):
        distances = tuple(map(tuple, domain.distances.tolist()))
    if domain.access is not None and len(domain.access) == len(sizes):
        access = domain.access
    return sizes, distances, access


def _fractions(
    sizes: tuple[int, ...], distances: IntRows | None, access: ShareRows | None
) -> list[list[Fraction]]:
    num_vnodes = len(sizes)
    if access is not None:
        return [list(row) or [Fraction(0)] * num_vnodes for row in access]
    rows: list[list[Fraction]] = []
    for i in range(num_vnodes):
        weights = []
        for j in range(num_vnodes):
            if distances is not None:
                distance = distances[i][j]
            else:
                distance = LOCAL_DISTANCE if i == j else REMOTE_DISTANCE
            weights.append(Fraction(sizes[j], distance))
        whole = sum(weights, Fraction(0))
        rows.append([weight / whole for weight in weights])
    return rows


@lru_cache(maxsize=4096)
def _units(sizes: tuple[int, ...], distances: IntRows | None, access: ShareRows | None) -> IntRows:
    """A of all domains that are alike in these, counted once."""
    rows = []
    for shares in _fractions(sizes, distances, access):
        whole = sum(shares, Fraction(0))
        if whole == 0:
            rows.append((0,) * len(shares))
            continue
        exact = [SHARE_UNITS * share / whole for share in shares]
        units = [value.numerator // value.denominator for value in exact]
        missing = SHARE_UNITS - sum(units)
        rest = [value - unit for value, unit in zip(exact, units, strict=True)]
        for j in sorted(range(len(rest)), key=lambda j: -rest[j])[:missing]:
            units[j] += 1
        rows.append(tuple(units))
    return tuple(rows)


def granule_pages(vnode_pages: int) -> int:
    """Return the pages of one granule: the larger of 2 MiB and a 64th of the vnode."""
    return max(PAGES_2MIB, (vnode_pages + SPILL_UNITS - 1) // SPILL_UNITS)


def granule_counts(pages: Ints) -> list[int] | None:
    """Return the granules of one vnode by pnode, or None where they are not whole.

    ``pages[p]`` are the vnode's pages on pnode p. The last granule may be short; it
    lies on the highest pnode that has any.
    """
    grain = granule_pages(int(pages.sum()))
    short = -int(pages.sum()) % grain
    on = [int(count) for count in pages]
    used = [p for p, count in enumerate(on) if count > 0]
    if used:
        on[used[-1]] += short
    if any(count % grain for count in on):
        return None
    return [count // grain for count in on]


def scaled_parts(pages: Ints, home: int) -> list[int]:
    """Return ``t[p]``: how much of a vnode's memory the cost sees on p, 64 in all.

    With cumulative granules ``cum[p]`` out of G, ``t[p] = floor(64 cum[p] / G) - floor(64
    cum[p-1] / G)``. A vnode that lies on one pnode has 64 there, one without memory
    has 64 at ``home``. Where pages are no whole granules, which breaks D2 but may
    still be scored, pages stand in for granules.
    """
    if pages[home] == pages.sum():
        return [SPILL_UNITS if p == home else 0 for p in range(len(pages))]
    counts = granule_counts(pages) or [int(count) for count in pages]
    whole, cumulative, before = sum(counts), 0, 0
    parts = []
    for count in counts:
        cumulative += count
        upto = SPILL_UNITS * cumulative // whole
        parts.append(upto - before)
        before = upto
    return parts


def vcpus_by_place(placed: PlacedDomain, num_pnodes: int) -> Ints:
    """Return ``r[i, p]``: the vcpus of vnode i that run on pnode p, shape (V, P)."""
    counts = np.zeros((placed.num_vnodes, num_pnodes), dtype=np.int64)
    np.add.at(counts, (placed.vcpu_to_vnode, placed.vcpu_to_pnode), 1)
    return counts


def domain_cost(domain: Domain, placed: PlacedDomain, host: Host) -> int:
    """Return O2b for one domain, in 1/640,000 of a SLIT unit per vcpu.

    ``sum over i, p of r[i,p] * sum_j A[i][j] * sum_q t[j,q] * D[p][q]``.
    """
    shares = np.array(access_units(domain, placed.vnode_pages), dtype=np.int64)
    parts = np.array(list(map(scaled_parts, placed.pages, placed.home.tolist())), dtype=np.int64)
    ways = vcpus_by_place(placed, host.num_pnodes) @ host.distances @ parts.T
    return int((shares * ways).sum())


def mean_access_distance(domain: Domain, placed: PlacedDomain, host: Host) -> Fraction:
    """Return the domain's cost over its vcpus and 640,000: 10 is all local."""
    return Fraction(domain_cost(domain, placed, host), domain.num_vcpus * COST_UNITS)


def vcpus_off_home(domain: Domain, placed: PlacedDomain) -> int:
    """Return O2a for one domain: vcpus that run off the home of their vnode.

    0 with ``cpu_spill = "free"``, which leaves them to the cost alone.
    """
    if domain.cpu_spill == "free":
        return 0
    return int((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).sum())


def pages_moved(placed: PlacedDomain, before: PlacedDomain) -> int:
    """Return O3a for one running domain: its pages that are no longer where they were.

    All of them on another host; on the same one those that its vnodes have fewer of on
    a pnode. Vcpus count for nothing.
    """
    if placed.host != before.host:
        return int(before.pages.sum())
    return int(np.maximum(before.pages - placed.pages, 0).sum())


def total_pages_moved(problem: Problem, placement: Placement) -> int:
    """Return O3a: the pages of running domains that are no longer where they were."""
    return sum(
        pages_moved(placed, problem.running_now[placed.domain])
        for placed in placement.domains
        if placed.domain in problem.running_now
    )


def vcpus_off_soft(domain: Domain, placed: PlacedDomain, host: Host) -> int:
    """Return O3b for one domain: vcpus on a pnode where their soft mask has no pcpu."""
    off = 0
    for vcpu, soft in enumerate(domain.soft_affinity):
        if soft is None:
            continue
        pcpus = soft.resolve(host.pcpu_ids, host.pcpu_pnode)
        pnodes = host.pcpu_pnode[np.isin(host.pcpu_ids, list(pcpus))]
        off += int(placed.vcpu_to_pnode[vcpu]) not in pnodes.tolist()
    return off


def smt_penalty(host: Host, placed: list[PlacedDomain]) -> int:
    """Return what ``smt = penalty=W`` adds to O2b on one host.

    W SLIT units for each vcpu placed now beyond the cores of its pnode that the shared
    vcpus of running domains leave, one core each.
    """
    if host.smt != "penalty":
        return 0
    beyond = 0
    for pnode in range(host.num_pnodes):
        cores = len(set(host.pcpu_core[host.pcpu_pnode == pnode].tolist()))
        now = sum(int((domain.vcpu_to_pnode == pnode).sum()) for domain in placed)
        before = sum(int(running.vcpus_on[pnode]) for running in host.running)
        beyond += max(0, now - max(0, cores - before))
    return beyond * host.smt_penalty * COST_UNITS


def smt_penalties(problem: Problem, placement: Placement) -> int:
    """Return what ``smt = penalty=W`` adds to O2b on all hosts."""
    here = by_host(placement.domains)
    return sum(smt_penalty(host, here.get(host.name, [])) for host in problem.hosts)


def placed_priority(problem: Problem, placement: Placement) -> int:
    """Return O1: the sum of the priorities of the placed domains."""
    return sum(domain.priority for domain, _, _ in each_placed(problem, placement))


def total_cost(problem: Problem, placement: Placement) -> int:
    """Return O2b: the cost of every placed domain and the penalties of every host."""
    cost = sum(domain_cost(*triple) for triple in each_placed(problem, placement))
    return cost + smt_penalties(problem, placement)


def load_per_mille(host: Host, placed: list[PlacedDomain]) -> list[int]:
    """Return ``ceil(1000 used / total)`` of every pnode; 0 where there is no memory.

    ``used`` counts what is not free now and the guests' pages placed, no overhead.
    """
    used = host.total_pages - host.free_pages
    for domain in placed:
        used = used + domain.pages_on
    return [
        -(-1000 * int(now) // int(total)) if total else 0
        for now, total in zip(used, host.total_pages, strict=True)
    ]


def spread_terms(problem: Problem, placement: Placement) -> tuple[int, int]:
    """Return O4 of ``spread``: the highest load of a pnode in 1/1000, and the sum of all."""
    loads: list[int] = []
    here = by_host(placement.domains)
    for host in problem.hosts:
        loads += load_per_mille(host, here.get(host.name, []))
    return max(loads), sum(loads)


def packed_pages(problem: Problem, placement: Placement) -> int:
    """Return O4 of ``pack``: the pages of pnodes where nothing lies and nothing is placed."""
    packed = 0
    here = by_host(placement.domains)
    for host in problem.hosts:
        wholly_free = host.free_pages == host.total_pages
        for running in host.running:
            wholly_free = wholly_free & (running.pages == 0)
        for placed in here.get(host.name, []):
            wholly_free = wholly_free & (placed.pages_on == 0)
        packed += int(host.total_pages[wholly_free].sum())
    return packed


def level_values(problem: Problem, placement: Placement) -> dict[str, int]:
    """Return the value of every level that the problem has, in order, by name.

    ``placed_priority`` only where domains may be left out, ``auto_vnodes`` (C4) where
    a domain leaves its vnodes to the solver, ``pages_moved`` only where domains run that
    may be moved, ``vcpus_off_soft`` only where a soft affinity is given, ``spread_max`` and
    ``spread_sum`` or ``packed_pages`` by the policy.
    """
    triples = list(each_placed(problem, placement))
    values: dict[str, int] = {}
    if problem.allow_partial:
        values["placed_priority"] = placed_priority(problem, placement)
    if any(domain.auto_vnodes for domain in problem.domains):
        values["auto_vnodes"] = sum(
            placed.num_vnodes for domain, placed, _ in triples if domain.auto_vnodes
        )
    values["vcpus_off_home"] = sum(vcpus_off_home(domain, placed) for domain, placed, _ in triples)
    values["cost"] = total_cost(problem, placement)
    if problem.current:
        values["pages_moved"] = total_pages_moved(problem, placement)
    if any(soft is not None for domain in problem.domains for soft in domain.soft_affinity):
        values["vcpus_off_soft"] = sum(vcpus_off_soft(*triple) for triple in triples)
    if problem.policy.tie_break == "spread":
        values["spread_max"], values["spread_sum"] = spread_terms(problem, placement)
    elif problem.policy.tie_break == "pack":
        values["packed_pages"] = packed_pages(problem, placement)
    return values


def each_placed(
    problem: Problem, placement: Placement
) -> Iterator[tuple[Domain, PlacedDomain, Host]]:
    """Yield every placed domain with what was asked for it and its host.

    Raises KeyError where the placement names a domain or a host that is not there.
    """
    for placed in placement.domains:
        yield (
            problem.domains[problem.domain_index[placed.domain]],
            placed,
            problem.hosts[problem.host_index[placed.host]],
        )
