"""C1 to C7, one function a rule; ``add_constraints`` is the contents page."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from placer.cpsat.items import Item, Site
from placer.cpsat.objective import moved_by_domain
from placer.cpsat.variables import Expr, Variables, VcpuClass, total
from placer.pages.heap import free_extents
from placer.splits import Granules
from placer.units import MAX_ORDER, ORDER_1GIB, ORDER_2MIB, UNREACHABLE


def add_constraints(v: Variables) -> None:
    """Add every rule to the model of ``v``."""
    place_every_domain(v)
    keep_memory_within_free(v)
    keep_page_sizes_within_extents(v)
    keep_vcpus_within_pcpus(v)
    keep_vcpus_at_home(v)
    keep_homes_asked_for(v)
    keep_homes_where_memory_is(v)
    interleave_evenly(v)
    keep_pnodes_distinct(v)
    keep_groups(v)
    avoid_unreachable_pairs(v)
    keep_moves_within_limits(v)


def place_every_domain(v: Variables) -> None:
    """All of a domain on one host, in one of its alternatives; left out only if allowed.

    What runs now is never left out.
    """
    for number, domain in enumerate(v.problem.domains):
        if v.problem.allow_partial and domain.name not in v.problem.running_now:
            v.model.add(v.is_placed(number) <= 1)
        else:
            v.model.add(v.is_placed(number) == 1)


def keep_memory_within_free(v: Variables) -> None:
    """C1: pages and overhead on a pnode stay within its free pages less the reserve.

    The overhead is counted where vnode 0 has its home.
    """
    used: dict[tuple[int, int], list[Expr]] = defaultdict(list)
    for item in v.items:
        for site in v.sites_of(item):
            for pnode, here in enumerate(v.home(item, 0, site)):
                used[site.number, pnode].append(item.domain.overhead_pages * here)
            for vnode in range(item.num_vnodes):
                for pnode, pages in enumerate(v.pages(item, vnode, site)):
                    used[site.number, pnode].append(pages)
    for (site_number, pnode), terms in used.items():
        usable = v.sites[site_number].host.usable_pages
        v.model.add(sum(terms) <= int(usable[pnode]))


def keep_page_sizes_within_extents(v: Variables) -> None:
    """C1: the whole 2 MiB and 1 GiB pages wanted exist as free extents."""
    wants: dict[tuple[int, int, int], list[Expr]] = defaultdict(list)
    for item in v.items:
        for vnode in range(item.num_vnodes):
            wanted = int(item.domain.page_order[vnode])
            for order in (ORDER_2MIB, ORDER_1GIB):
                if order > wanted:
                    continue
                for site in v.sites_of(item):
                    for pnode, extents in enumerate(_whole_extents(v, item, vnode, site, order)):
                        wants[site.number, pnode, order].append(extents)
    counts = {site: free_extents(v.sites[site].host) for site in {key[0] for key in wants}}
    for (site_number, pnode, order), terms in wants.items():
        free = counts[site_number][pnode]
        capacity = sum(int(free[o]) << (o - order) for o in range(order, MAX_ORDER + 1))
        v.model.add(sum(terms) <= capacity)


def _whole_extents(v: Variables, item: Item, vnode: int, site: Site, order: int) -> list[Expr]:
    size = item.sizes[vnode]
    fixed = item.domain.memory[vnode].policy == "strict" and not item.sized
    if fixed or size == 0:
        return [(size >> order) * here for here in v.home(item, vnode, site)]
    extents = []
    for pages in v.pages(item, vnode, site):
        number = v.model.new_int_var(0, item.domain.memory_pages >> order, "")
        v.model.add_division_equality(number, pages, 1 << order)
        extents.append(number)
    return extents


def keep_vcpus_within_pcpus(v: Variables) -> None:
    """C2: dedicated vcpus have pcpus or cores of their own, shared ones what overcommit leaves.

    A pnode whose running vcpus are past that already takes no more.
    """
    for site in v.sites:
        _keep_site_cpu(v, site)


def _keep_site_cpu(v: Variables, site: Site) -> None:
    cells, host = site.cells, site.host
    single: dict[int, list[Expr]] = defaultdict(list)
    shared: dict[int, list[Expr]] = defaultdict(list)
    cores: dict[int, list[Expr]] = defaultdict(list)
    for item in v.items:
        if site not in v.sites_of(item):
            continue
        if item.domain.dedicated and item.domain.thread_policy == "require":
            _fill_cores(v, item, site, cores)
            continue
        for vcpus in v.classes[item.number]:
            for e, number in v.cells_of(vcpus, site):
                if not item.domain.dedicated:
                    shared[e].append(number)
                elif item.domain.thread_policy == "isolate":
                    cores[cells.cells[e].core_class].append(number)
                else:
                    single[e].append(number)
    for g, core_class in enumerate(cells.core_classes):
        if cores[g]:
            v.model.add(sum(cores[g]) <= (len(core_class.cores) if core_class.whole else 0))
    over, under = host.overcommit.numerator, host.overcommit.denominator
    left_on: list[list[Expr]] = [[] for _ in range(host.num_pnodes)]
    shared_on: list[list[Expr]] = [[] for _ in range(host.num_pnodes)]
    seated_on = _seated_by_pnode(v, site)
    for e, cell in enumerate(cells.cells):
        left = len(cell.slots) - sum(single[e]) - cell.per_core * sum(cores[cell.core_class])
        if single[e] or cores[cell.core_class]:
            v.model.add(left >= 0)
        left_on[cell.pnode].append(left)
        shared_on[cell.pnode].extend(shared[e])
        if shared[e]:
            v.model.add(under * sum(shared[e]) <= over * left + under - 1)
    for pnode in range(host.num_pnodes):
        running = sum(int(domain.vcpus_on[pnode]) for domain in host.running)
        if under * running > over * site.cells.slots_on[pnode]:
            v.model.add(total(seated_on[pnode]) == 0)
        elif seated_on[pnode]:
            shared_vcpus = total([*shared_on[pnode], running])
            v.model.add(under * shared_vcpus <= over * total(left_on[pnode]))


def _seated_by_pnode(v: Variables, site: Site) -> list[list[Expr]]:
    """Every count of vcpus on each pnode of the host."""
    seated: list[list[Expr]] = [[] for _ in range(site.host.num_pnodes)]
    for item in v.items:
        if site not in v.sites_of(item):
            continue
        for vcpus in v.classes[item.number]:
            for e, number in v.cells_of(vcpus, site):
                seated[site.cells.cells[e].pnode].append(number)
    return seated


def _fill_cores(v: Variables, item: Item, site: Site, cores: dict[int, list[Expr]]) -> None:
    """Thread policy ``require``: whole cores of two threads or more, only the last not full."""
    cells = site.cells
    in_cell: dict[int, list[Expr]] = defaultdict(list)
    for vcpus in v.classes[item.number]:
        for e, number in v.cells_of(vcpus, site):
            in_cell[e].append(number)
    threads_on: dict[int, list[Expr]] = defaultdict(list)
    most_threads: dict[int, int] = defaultdict(int)
    for g, core_class in enumerate(cells.core_classes):
        usable = core_class.whole and core_class.num_threads > 1
        taken = v.model.new_int_var(0, len(core_class.cores) if usable else 0, "")
        v.whole_cores[item.number, site.number, g] = taken
        cores[g].append(taken)
        for e in core_class.cells:
            cell = cells.cells[e]
            threads = cell.per_core * len(cell.slots[0].pcpus)
            v.model.add(sum(in_cell[e]) <= threads * taken)
            threads_on[core_class.pnode].append(-sum(in_cell[e]))
            _keep_threads_apart(v, item, site, e, taken)
        threads_on[core_class.pnode].append(core_class.num_threads * taken)
        most = max(most_threads[core_class.pnode], core_class.num_threads)
        most_threads[core_class.pnode] = most
    for pnode, left_empty in threads_on.items():
        v.model.add(total(left_empty) <= most_threads[pnode] - 1)


def _keep_threads_apart(v: Variables, item: Item, site: Site, e: int, taken: Any) -> None:
    """Where slots are cores, vcpus whose masks name some threads only have those (Hall)."""
    pcpus = site.cells.cells[e].slots[0].pcpus
    within: dict[frozenset[int], list[Expr]] = defaultdict(list)
    for vcpus in v.classes[item.number]:
        mask = frozenset(pcpus) if vcpus.hard is None else site.masks[vcpus.hard]
        for cell, number in v.cells_of(vcpus, site):
            if cell == e:
                within[mask.intersection(pcpus)].append(number)
    unions: set[frozenset[int]] = set()
    for threads in within:
        unions |= {threads, *(threads | union for union in unions)}
    for union in sorted(unions, key=sorted):
        if len(union) < len(pcpus):
            inside = [
                number for threads, many in within.items() if threads <= union for number in many
            ]
            v.model.add(total(inside) <= len(union) * taken)


def keep_vcpus_at_home(v: Variables) -> None:
    """A domain that may not spill runs every vcpu on the home pnode of its vnode."""
    for item in v.items:
        if v.may_spill(item):
            continue
        for site in v.sites_of(item):
            for vcpus in v.classes[item.number]:
                home = v.home(item, vcpus.vnode, site)
                on: dict[int, list[Expr]] = defaultdict(list)
                for e, number in v.cells_of(vcpus, site):
                    on[site.cells.cells[e].pnode].append(number)
                for pnode, here in enumerate(home):
                    _run_where_home(v, vcpus, total(on[pnode]), here)


def _run_where_home(v: Variables, vcpus: VcpuClass, running: Expr, here: Any) -> None:
    """All of the class on the pnode exactly where it is home."""
    if isinstance(vcpus.count, int):
        if isinstance(running, int) and vcpus.count:
            v.model.add(here == 0)
        else:
            v.model.add(running == vcpus.count * here)
        return
    v.model.add(running <= vcpus.most * here)


def keep_homes_asked_for(v: Variables) -> None:
    """C3: a vnode whose pnode is given has its home there."""
    for item in v.items:
        for vnode, pnode in enumerate(item.domain.vnode_pnode.tolist()):
            if pnode < 0:
                continue
            for site in v.sites_of(item):
                v.model.add(v.home(item, vnode, site)[pnode] == v.item_on(item, site.number))


def keep_homes_where_memory_is(v: Variables) -> None:
    """A spilled vnode's home is the pnode with most of its pages, the lowest of equals."""
    for item in v.items:
        for vnode, memory in enumerate(item.domain.memory):
            if item.sized or memory.policy == "strict" or item.sizes[vnode] == 0:
                continue
            for site in v.sites_of(item):
                pages = v.pages(item, vnode, site)
                for pnode, here in enumerate(v.home(item, vnode, site)):
                    for other in range(len(pages)):
                        if other != pnode:
                            more = 1 if other < pnode else 0
                            v.model.add(pages[pnode] >= pages[other] + more).only_enforce_if(here)


def interleave_evenly(v: Variables) -> None:
    """An interleaved vnode has equal shares, within one granule, on its set of pnodes."""
    for item in v.items:
        for vnode, memory in enumerate(item.domain.memory):
            if item.sized or memory.policy != "interleave" or item.sizes[vnode] == 0:
                continue
            given = memory.interleave_pnodes
            width = len(set(given)) if given is not None else int(memory.interleave_width or 0)
            count = Granules.of(item.sizes[vnode]).count
            low, high = count // width, -(-count // width)
            for site in v.sites_of(item):
                on = v.item_on(item, site.number)
                dealt = v.granules[item.number, vnode, site.number]
                inside = [v.model.new_bool_var("") for _ in dealt]
                v.model.add(sum(inside) == width * on)
                for pnode, number in enumerate(dealt):
                    v.model.add(number <= high * inside[pnode])
                    v.model.add(number >= low * inside[pnode])
                    if given is not None:
                        v.model.add(inside[pnode] == (on if pnode in given else 0))
                if given is not None and max(given) >= len(dealt):
                    v.model.add(on == 0)


def keep_pnodes_distinct(v: Variables) -> None:
    """C3 ``distinct_pnodes``: the vnodes of the domain have homes that differ."""
    for item in v.items:
        if not item.domain.distinct_pnodes:
            continue
        for site in v.sites_of(item):
            homes = [v.home(item, vnode, site) for vnode in range(item.num_vnodes)]
            for on_pnode in zip(*homes, strict=True):
                v.model.add_at_most_one(on_pnode)


def keep_groups(v: Variables) -> None:
    """C3: groups of domains together or apart, over hosts or over pnodes."""
    for group in v.problem.groups:
        members = [d for d, domain in enumerate(v.problem.domains) if group.name in domain.groups]
        if group.keep == "apart" and group.over == "hosts":
            for site in v.sites:
                v.model.add(sum(v.runs_on(d, site.number) for d in members) <= 1)
            continue
        if group.keep == "together":
            _keep_on_one_host(v, members)
        if group.over == "pnodes":
            _keep_homes(v, members, together=group.keep == "together")


def _keep_on_one_host(v: Variables, members: list[int]) -> None:
    for one in members:
        for other in members:
            if one != other:
                for site in v.sites:
                    v.model.add(
                        v.runs_on(one, site.number) + v.is_placed(other)
                        <= 1 + v.runs_on(other, site.number)
                    )


def _keep_homes(v: Variables, members: list[int], *, together: bool) -> None:
    for site in v.sites:
        for pnode in range(site.host.num_pnodes):
            has = {d: _domain_has_home(v, d, site, pnode) for d in members}
            if not together:
                v.model.add(sum(has.values()) <= 1)
                continue
            for one in members:
                for other in members:
                    if one != other:
                        v.model.add(has[one] + v.is_placed(other) <= 1 + has[other])


def _domain_has_home(v: Variables, domain: int, site: Site, pnode: int) -> Any:
    homes = [
        v.home(item, vnode, site)[pnode]
        for item in v.of_domain[domain]
        if site in v.sites_of(item)
        for vnode in range(item.num_vnodes)
    ]
    if not homes:
        return 0
    has = v.model.new_bool_var("")
    v.model.add_max_equality(has, homes)
    return has


def avoid_unreachable_pairs(v: Variables) -> None:
    """No vcpu runs where memory that it accesses cannot be reached."""
    for item in v.items:
        for site in v.sites_of(item):
            distances = site.host.distances.tolist()
            pairs = [
                (p, q)
                for p, row in enumerate(distances)
                for q, distance in enumerate(row)
                if distance == UNREACHABLE
            ]
            for i in range(item.num_vnodes):
                if item.counts[i][1] == 0:
                    continue
                for j in range(item.num_vnodes):
                    if item.exact[i][j] == 0:
                        continue
                    memory = v.has_memory(item, j, site)
                    for p, q in pairs:
                        runs = v.has_vcpus(item, i, site, p)
                        if not isinstance(runs, int) and not isinstance(memory[q], int):
                            v.model.add_bool_or([~runs, ~memory[q]])


def keep_moves_within_limits(v: Variables) -> None:
    """C7: no more running domains and no more of their pages are moved than may be."""
    most, most_pages = v.problem.max_moves, v.problem.max_moved_pages
    if most is None and most_pages is None:
        return
    moved = moved_by_domain(v)
    if most_pages is not None:
        v.model.add(total(pages for _, pages in moved) <= most_pages)
    if most is None:
        return
    is_moved = []
    for item, pages in moved:
        yes = v.model.new_bool_var("")
        v.model.add(pages <= item.domain.memory_pages * yes)
        is_moved.append(yes)
    v.model.add(total(is_moved) <= most)
