"""O1 to O5: what each level of MODEL.md counts, one function a level."""

from __future__ import annotations

from collections import defaultdict

from placer.cpsat.items import Item, Site
from placer.cpsat.variables import Expr, Literal, Variables, total
from placer.units import COST_UNITS, LOCAL_DISTANCE, SPILL_UNITS, UNREACHABLE


def placed_priority(v: Variables) -> Expr:
    """O1: the sum of the priorities of placed domains."""
    return total(
        domain.priority * v.is_placed(number) for number, domain in enumerate(v.problem.domains)
    )


def chosen_vnodes(v: Variables) -> Expr:
    """C4: how many vnodes the domains with ``vnodes = "auto"`` are split into."""
    return total(
        item.num_vnodes * v.placed[item.number]
        for item in v.items
        if v.problem.domains[item.domain_number].auto_vnodes
    )


def vcpus_off_home(v: Variables) -> Expr:
    """O2a: vcpus of domains with ``cpu_spill = last`` that run off their home pnode."""
    off: list[Expr] = []
    for item in v.items:
        if item.domain.cpu_spill != "last" or not v.may_spill(item):
            continue
        off.append(item.domain.num_vcpus * v.placed[item.number])
        for vnode in range(item.num_vnodes):
            most = item.counts[vnode][1]
            for site in v.sites_of(item):
                homes = v.home(item, vnode, site)
                running = v.vcpus_on(item, vnode, site)
                for here, number in zip(homes, running, strict=True):
                    if isinstance(number, int):
                        continue
                    local = v.model.new_int_var(0, most, "")
                    v.model.add(local <= number)
                    v.model.add(local <= most * here)
                    off.append(-local)
    return total(off)


def access_cost(v: Variables) -> Expr:
    """O2b: the distance-weighted cost, with the penalty for packed hyperthreads."""
    cost: list[Expr] = []
    for item in v.items:
        strict = all(
            memory.policy == "strict" or size == 0
            for memory, size in zip(item.domain.memory, item.sizes, strict=True)
        )
        if strict and v.stays_home(item):
            cost.append(_cost_by_distance(v, item))
        elif v.stays_home(item):
            cost.append(_cost_by_far_parts(v, item))
        elif strict:
            cost.append(_cost_by_far_vcpus(v, item))
        else:
            cost.append(_cost_by_rows(v, item))
    return total([*cost, _smt_penalty(v)])


def _cost_by_distance(v: Variables, item: Item) -> Expr:
    """All memory and vcpus at home: the distance between two homes, level by level.

    For each pair of vnodes and each distance above the least, one Boolean says
    that the pair is at least so far apart; a clause for each pnode of the first
    raises it unless the second is nearer.
    """
    placed = v.placed[item.number]
    near = SPILL_UNITS * LOCAL_DISTANCE
    cost: list[Expr] = []
    weights: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    symmetric = all((s.host.distances == s.host.distances.T).all() for s in v.sites_of(item))
    for i in range(item.num_vnodes):
        high = item.counts[i][1]
        whole = sum(item.shares[i]) * near
        cost.append(_times_count(v, item, i, placed, whole))
        for j in range(item.num_vnodes):
            share = item.shares[i][j]
            if i != j and share and high:
                pair = (min(i, j), max(i, j)) if symmetric else (i, j)
                weights[pair].append((i, share * SPILL_UNITS))
    for (i, j), terms in weights.items():
        before = LOCAL_DISTANCE
        for distance, far in _distance_steps(v, item, i, j):
            for vnode, weight in terms:
                cost.append(_times_count(v, item, vnode, far, weight * (distance - before)))
            before = distance
    return total(cost)


def _distance_steps(v: Variables, item: Item, i: int, j: int) -> list[tuple[int, Literal]]:
    """For each distance above 10, ascending, whether the homes of i and j are as far apart."""
    model = v.model
    sites = v.sites_of(item)
    values = sorted({d for site in sites for d in site.host.distances.ravel().tolist()})
    steps: list[tuple[int, Literal]] = []
    for distance in values:
        if distance in (LOCAL_DISTANCE, UNREACHABLE):
            continue
        far = model.new_bool_var("")
        if steps:
            model.add_implication(far, steps[-1][1])
        for site in sites:
            first, second = v.home(item, i, site), v.home(item, j, site)
            for p, row in enumerate(site.host.distances.tolist()):
                nearer = [second[q] for q, d in enumerate(row) if d < distance]
                if len(nearer) < len(row):
                    model.add_bool_or([far, ~first[p], *nearer])
        steps.append((distance, far))
    return steps


def _times_count(v: Variables, item: Item, vnode: int, yes: Literal, weight: int) -> Expr:
    """``weight * n[vnode] * yes``, exact at the optimum (weight is 0 or more)."""
    low, high = item.counts[vnode]
    if low == high:
        return weight * low * yes
    if weight == 0:
        return 0
    more = v.model.new_int_var(0, high - low, "")
    v.model.add(more >= v.count[item.number, vnode] - low).only_enforce_if(yes)
    return weight * low * yes + weight * more


def _cost_by_far_parts(v: Variables, item: Item) -> Expr:
    """Vcpus at home, memory spilled: how much of j is at least so far from the home of i.

    With ``t[j, q]`` in 64 parts and ``near`` the pnodes nearer than d to pnode p,
    ``far >= 64 x[i, p] - sum of t[j, q] over near``: exact where p is the home, idle else.
    Pnodes with the same near ones share one such row, which bounds the relaxation.
    """
    cost = [_near_cost(v, item, i) for i in range(item.num_vnodes)]
    for i in range(item.num_vnodes):
        for j in range(item.num_vnodes):
            share = item.shares[i][j]
            if not share or item.counts[i][1] == 0:
                continue
            before = LOCAL_DISTANCE
            for distance in _distances(v, item):
                far = v.model.new_int_var(0, SPILL_UNITS, "")
                for site in v.sites_of(item):
                    homes, parts = v.home(item, i, site), v.parts(item, j, site)
                    for pnodes, near in _near_sets(site, distance, from_vcpus=True):
                        home = total(homes[p] for p in pnodes)
                        inside = total(parts[q] for q in near)
                        v.model.add(far >= SPILL_UNITS * home - inside)
                cost.append(_times_far(v, item, i, far, share * (distance - before)))
                before = distance
    return total(cost)


def _cost_by_far_vcpus(v: Variables, item: Item) -> Expr:
    """Memory at home, vcpus spilled: how many vcpus of i are at least so far from j's memory."""
    cost = [_near_cost(v, item, i) for i in range(item.num_vnodes)]
    for i in range(item.num_vnodes):
        low, high = item.counts[i]
        for j in range(item.num_vnodes):
            share = item.shares[i][j]
            if not share or high == 0:
                continue
            before = LOCAL_DISTANCE
            for distance in _distances(v, item):
                far = v.model.new_int_var(0, high, "")
                for site in v.sites_of(item):
                    homes, running = v.home(item, j, site), v.vcpus_on(item, i, site)
                    for pnodes, near in _near_sets(site, distance, from_vcpus=False):
                        home = total(homes[q] for q in pnodes)
                        inside = total(running[p] for p in near)
                        if low == high:
                            v.model.add(far >= high * home - inside)
                        else:
                            every = v.count[item.number, i]
                            v.model.add(far >= every - high + high * home - inside)
                cost.append(share * SPILL_UNITS * (distance - before) * far)
                before = distance
    return total(cost)


def _near_cost(v: Variables, item: Item, vnode: int) -> Expr:
    """What the vcpus of a vnode cost if all that they access is local."""
    whole = sum(item.shares[vnode]) * SPILL_UNITS * LOCAL_DISTANCE
    return _times_count(v, item, vnode, v.placed[item.number], whole)


def _distances(v: Variables, item: Item) -> list[int]:
    """The distances above 10 of all hosts that the item may be on, ascending."""
    found = {d for site in v.sites_of(item) for d in site.host.distances.ravel().tolist()}
    return sorted(found - {LOCAL_DISTANCE, UNREACHABLE})


def _near_sets(
    site: Site, distance: int, *, from_vcpus: bool
) -> list[tuple[list[int], tuple[int, ...]]]:
    """Pnodes with the same pnodes nearer than ``distance``, seen from vcpus or from memory."""
    rows = site.host.distances if from_vcpus else site.host.distances.T
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for pnode, row in enumerate(rows.tolist()):
        alike[tuple(other for other, d in enumerate(row) if d < distance)].append(pnode)
    return [(pnodes, near) for near, pnodes in alike.items() if len(near) < len(rows)]


def _times_far(v: Variables, item: Item, vnode: int, far: Expr, weight: int) -> Expr:
    """``weight * n[vnode] * far`` for far up to 64, exact at the optimum."""
    low, high = item.counts[vnode]
    terms: list[Expr] = [weight * low * far]
    if low < high:
        more = v.count[item.number, vnode] - low
        bits = [(1 << n, v.model.new_bool_var("")) for n in range((high - low).bit_length())]
        v.model.add(total(size * bit for size, bit in bits) >= more)
        for size, bit in bits:
            paid = v.model.new_int_var(0, SPILL_UNITS, "")
            v.model.add(paid >= far - SPILL_UNITS + SPILL_UNITS * bit)
            terms.append(weight * size * paid)
    return total(terms)


def _cost_by_rows(v: Variables, item: Item) -> Expr:
    """Spilled memory or vcpus: the cost of one vcpu on a pnode is a linear row.

    The vcpus there are written in bits, and each bit that is set pays the row.
    """
    cost: list[Expr] = []
    for i in range(item.num_vnodes):
        if item.counts[i][1] == 0:
            continue
        for site in v.sites_of(item):
            parts = [v.parts(item, j, site) for j in range(item.num_vnodes)]
            for p, atoms in enumerate(_vcpu_atoms(v, item, i, site)):
                row = site.host.distances[p].tolist()
                price: Expr = sum(
                    share * distance * part
                    for share, by_pnode in zip(item.shares[i], parts, strict=True)
                    if share
                    for distance, part in zip(row, by_pnode, strict=True)
                )
                least = sum(item.shares[i]) * SPILL_UNITS * min(row)
                most = sum(item.shares[i]) * SPILL_UNITS * max(row)
                for weight, atom in atoms:
                    paid = v.model.new_int_var(0, most, "")
                    v.model.add(paid >= price).only_enforce_if(atom)
                    v.model.add(paid >= least * atom)
                    cost.append(weight * paid)
    return total(cost)


def _vcpu_atoms(
    v: Variables, item: Item, vnode: int, site: Site
) -> list[list[tuple[int, Literal]]]:
    """The vcpus of a vnode on each pnode, as weighted Booleans that sum to them."""
    low, high = item.counts[vnode]
    if v.stays_home(item) and low == high:
        return [[(low, here)] for here in v.home(item, vnode, site)]
    atoms: list[list[tuple[int, Literal]]] = []
    for running in v.vcpus_on(item, vnode, site):
        if isinstance(running, int):
            atoms.append([])
            continue
        bits = [(1 << bit, v.model.new_bool_var("")) for bit in range(high.bit_length())]
        v.model.add(sum(weight * bit for weight, bit in bits) == running)
        atoms.append(bits)
    return atoms


def _smt_penalty(v: Variables) -> Expr:
    """W SLIT units per vcpu beyond the cores of its pnode, where ``smt`` is a penalty."""
    cost: list[Expr] = []
    for site in v.sites:
        host = site.host
        if host.smt != "penalty" or host.smt_penalty == 0:
            continue
        most = sum(domain.num_vcpus for domain in v.problem.domains)
        for pnode in range(host.num_pnodes):
            running = sum(
                v.vcpus_on(item, vnode, site)[pnode]
                for item in v.items
                if site in v.sites_of(item)
                for vnode in range(item.num_vnodes)
            )
            cores = len(set(host.pcpu_core[host.pcpu_pnode == pnode].tolist()))
            taken = sum(int(domain.vcpus_on[pnode]) for domain in host.running)
            beyond = v.model.new_int_var(0, most, "")
            v.model.add(beyond >= running - max(0, cores - taken))
            cost.append(host.smt_penalty * COST_UNITS * beyond)
    return total(cost)


def pages_moved(v: Variables) -> Expr:
    """O3a: the pages of running domains that are no longer where they were."""
    return total(pages for _, pages in moved_by_domain(v))


def moved_by_domain(v: Variables) -> list[tuple[Item, Expr]]:
    """Each running domain with the pages that it moves, counted as O3a counts them.

    An upper bound of them, which is exact where it is held down.
    """
    found = []
    for item in v.items:
        before = v.problem.running_now.get(item.domain.name)
        if before is None:
            continue
        lost: list[Expr] = [item.domain.memory_pages]
        for site in v.sites_of(item):
            if site.host.name != before.host:
                continue
            lost.append(-item.domain.memory_pages * v.item_on(item, site.number))
            for vnode in range(item.num_vnodes):
                lost.append(_pages_gone(v, item, vnode, site, before.pages[vnode].tolist()))
        found.append((item, total(lost)))
    return found


def _pages_gone(v: Variables, item: Item, vnode: int, site: Site, before: list[int]) -> Expr:
    """What a vnode no longer has, pnode by pnode of the host where it was, if it is there."""
    here = v.item_on(item, site.number)
    pages = v.pages(item, vnode, site)
    if item.domain.memory[vnode].policy == "strict":
        homes = v.home(item, vnode, site)
        stayed = total(-pages * home for pages, home in zip(before, homes, strict=True))
        return total([sum(before) * here, stayed])
    gone: list[Expr] = []
    for now, number in zip(pages, before, strict=True):
        if number and not isinstance(now, int):
            less = v.model.new_int_var(0, number, "")
            v.model.add(less >= number * here - now)
            gone.append(less)
        elif number:
            gone.append(max(0, number - now) * here)
    return total(gone)


def vcpus_off_soft(v: Variables) -> Expr:
    """O3b: vcpus on a pnode that has no pcpu of their soft mask."""
    off: list[Expr] = []
    for item in v.items:
        softs = item.domain.soft_affinity
        for site in v.sites_of(item):
            host = site.host
            pnode_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True))
            for vcpus in v.classes[item.number]:
                soft = softs[vcpus.vcpus[0] if vcpus.vcpus else 0]
                if soft is None:
                    continue
                inside = {pnode_of[c] for c in soft.resolve(host.pcpu_ids, host.pcpu_pnode)}
                for e, number in v.cells_of(vcpus, site):
                    if site.cells.cells[e].pnode not in inside:
                        off.append(number)
    return total(off)


def spread_levels(v: Variables) -> tuple[Expr, Expr]:
    """O4 ``spread``: the fullest pnode in thousandths, and the sum over pnodes."""
    fullness: list[Expr] = []
    for site in v.sites:
        whole, free = site.host.total_pages.tolist(), site.host.free_pages.tolist()
        for pnode, pages in enumerate(_pages_placed(v, site)):
            if whole[pnode] == 0:
                continue
            full = v.model.new_int_var(0, 1000, "")
            v.model.add(whole[pnode] * full >= 1000 * (whole[pnode] - free[pnode] + pages))
            fullness.append(full)
    fullest = v.model.new_int_var(0, 1000, "")
    for full in fullness:
        v.model.add(fullest >= full)
    return fullest, total(fullness)


def packed_pages(v: Variables) -> Expr:
    """O4 ``pack``: the pages of pnodes that are left wholly free."""
    free_pages: list[Expr] = []
    for site in v.sites:
        host = site.host
        for pnode, placed in enumerate(_pages_placed(v, site)):
            pages = int(host.total_pages[pnode])
            if pages == 0 or int(host.free_pages[pnode]) < pages:
                continue
            empty = v.model.new_bool_var("")
            v.model.add(placed <= 0).only_enforce_if(empty)
            free_pages.append(pages * empty)
    return total(free_pages)


def _pages_placed(v: Variables, site: Site) -> list[Expr]:
    placed: list[list[Expr]] = [[] for _ in range(site.host.num_pnodes)]
    for item in v.items:
        if site not in v.sites_of(item):
            continue
        for vnode in range(item.num_vnodes):
            for pnode, pages in enumerate(v.pages(item, vnode, site)):
                placed[pnode].append(pages)
    return [total(pages) for pages in placed]


def homes_in_order(v: Variables, domain: int) -> list[Expr]:
    """O5: the home of each vnode of a domain as one number over all hosts.

    A domain that is left out comes after every home.
    """
    first: dict[int, int] = {}
    number = 0
    for site in v.sites:
        first[site.number] = number
        number += site.host.num_pnodes
    homes: dict[int, list[Expr]] = defaultdict(list)
    for item in v.of_domain[domain]:
        for site in v.sites_of(item):
            for vnode in range(item.num_vnodes):
                for pnode, here in enumerate(v.home(item, vnode, site)):
                    homes[vnode].append((first[site.number] + pnode) * here)
    if v.problem.allow_partial:
        for terms in homes.values():
            terms.append(number - number * v.is_placed(domain))
    return [total(homes[vnode]) for vnode in sorted(homes)]
