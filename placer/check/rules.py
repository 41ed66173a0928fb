"""One function for each rule about a placement: D1 to D4, C1 to C6 of models/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from placer.arrays import Ints
from placer.check.frames import merge_spans
from placer.check.violation import Triple, Violation
from placer.cost import access_fractions, granule_counts, granule_pages, vcpus_by_place
from placer.domain import Domain, VnodeMemory
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Group, Problem
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_NAMES, UNREACHABLE


def check_once(problem: Problem, placement: Placement) -> Iterator[Violation]:
    """D1: every domain is placed once, or named as left out where that is allowed."""
    times = Counter(placed.domain for placed in placement.domains)
    left_out = Counter(placement.unplaced)
    for placed in placement.domains:
        if placed.host not in problem.host_index:
            yield Violation("D1 host", placed.domain, f"there is no host {placed.host!r}")
    for name in sorted({*times, *left_out} - set(problem.domain_index)):
        yield Violation("D1 once", name, "there is no such domain")
    for name in problem.domain_index:
        if times[name] + left_out[name] != 1:
            text = f"placed {times[name]} times and left out {left_out[name]} times"
            yield Violation("D1 once", name, text)
        elif left_out[name] and not problem.allow_partial:
            yield Violation("D1 left out", name, "left out although all are to be placed")
        elif left_out[name] and name in problem.running_now:
            yield Violation("D1 left out", name, "left out although it runs now")
    order = [problem.domain_index.get(placed.domain, -1) for placed in placement.domains]
    if order != sorted(order):
        yield Violation("D1 order", "", "domains are not in the problem's order")


def check_shape(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """D1: one entry for each vnode and vcpu, and every number that of something there."""
    vnodes, vcpus, pnodes = placed.num_vnodes, domain.num_vcpus, host.num_pnodes
    wrong = []
    if vnodes == 0 or len(placed.vnode_pages) != vnodes or placed.pages.shape != (vnodes, pnodes):
        wrong.append("homes, sizes and pages are not of one number of vnodes")
    if not domain.auto_vnodes and vnodes != domain.num_vnodes:
        wrong.append(f"{vnodes} vnodes placed of {domain.num_vnodes}")
    maps = (placed.vcpu_to_vnode, placed.vcpu_to_pnode, placed.vcpu_to_pcpu)
    if any(len(numbers) != vcpus for numbers in maps):
        wrong.append(f"a vcpu map has not {vcpus} entries")
    for name, numbers, end in (
        ("home", placed.home, pnodes),
        ("vcpu_to_vnode", placed.vcpu_to_vnode, vnodes),
        ("vcpu_to_pnode", placed.vcpu_to_pnode, pnodes),
    ):
        if ((numbers < 0) | (numbers >= end)).any():
            wrong.append(f"{name} holds a number outside 0 to {end - 1}")
    named = {*placed.vcpu_to_pcpu.tolist(), *placed.empty_siblings}
    absent = sorted(named - set(host.pcpu_ids.tolist()))
    if absent:
        wrong.append(f"host {host.name} has no pcpus {absent}")
    if not wrong and ((placed.pages < 0).any() or (placed.vnode_pages < 0).any()):
        wrong.append("pages are never negative")
    if not wrong and not placed.vnode_pages.any():
        wrong.append("no vnode has memory")
    for text in wrong:
        yield Violation("D1 shape", domain.name, text)


def check_homes(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """D2: the pages of each vnode are all placed, and most of them lie at home."""
    for i in range(placed.num_vnodes):
        size, on = int(placed.vnode_pages[i]), placed.pages[i]
        if not domain.auto_vnodes and size != int(domain.vnode_pages[i]):
            text = f"vnode {i} has {size} pages, {int(domain.vnode_pages[i])} were asked for"
            yield Violation("D2 size", domain.name, text)
        if int(on.sum()) != size:
            text = f"vnode {i}: {int(on.sum())} of {size} pages placed"
            yield Violation("D2 pages", domain.name, text)
        policy = domain.memory[min(i, domain.num_vnodes - 1)].policy
        free = policy in ("strict", "ballooned")
        if size and not free and int(placed.home[i]) != int(np.argmax(on)):
            text = f"vnode {i} is at home on {int(placed.home[i])}, most pages on {np.argmax(on)}"
            yield Violation("D2 home", domain.name, text)


def check_memory_policies(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """D2: strict vnodes lie at home, others in granules, interleaved ones in equal shares.

    A vnode without pages has nothing to deal, whatever its policy.
    """
    for i in range(placed.num_vnodes):
        memory = domain.memory[min(i, domain.num_vnodes - 1)]
        on = placed.pages[i]
        if memory.policy == "strict":
            away = int(on.sum()) - int(on[placed.home[i]])
            if away:
                text = f"strict vnode {i} has {away} pages off its home"
                yield Violation("D2 strict", domain.name, text)
        if memory.policy in ("strict", "ballooned") or not on.any():
            continue
        counts = granule_counts(on)
        if counts is None:
            grain = granule_pages(int(on.sum()))
            text = f"vnode {i} is not spilled in granules of {grain} pages"
            yield Violation("D2 granules", domain.name, text)
        elif memory.policy == "interleave":
            for text in _interleave_faults(memory, counts):
                yield Violation("D2 interleave", domain.name, f"vnode {i}: {text}")


def _interleave_faults(memory: VnodeMemory, counts: list[int]) -> Iterator[str]:
    used = [p for p, count in enumerate(counts) if count]
    if memory.interleave_pnodes is not None:
        chosen = sorted(set(memory.interleave_pnodes))
        if chosen and chosen[-1] >= len(counts):
            yield f"the host has no pnode {chosen[-1]}"
            return
        if not set(used) <= set(chosen):
            yield f"pages on pnodes {used}, interleaved over {chosen}"
        width = len(chosen)
        shares = [counts[p] for p in chosen]
    else:
        width = memory.interleave_width or 0
        if not len(used) <= width <= len(counts):
            yield f"pages on {len(used)} of {len(counts)} pnodes, interleaved over {width}"
        shares = sorted(counts, reverse=True)[:width]
    least = sum(counts) // max(width, 1)
    most = least + (sum(counts) % max(width, 1) > 0)
    if any(not least <= share <= most for share in shares):
        yield f"shares of {shares} granules, expected {least} to {most} each"


def check_vcpu_map(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """D3: the vcpu map asked for; a free one keeps its bounds, in ascending blocks."""
    vcpu_to_vnode = placed.vcpu_to_vnode
    if domain.vcpu_to_vnode is not None:
        if not np.array_equal(vcpu_to_vnode, domain.vcpu_to_vnode):
            yield Violation("D3 map", domain.name, "the vcpu map is not the one asked for")
        return
    if (np.diff(vcpu_to_vnode) < 0).any():
        yield Violation("D3 blocks", domain.name, "vcpus are not in ascending blocks by vnode")
    counts = np.bincount(vcpu_to_vnode, minlength=placed.num_vnodes).tolist()
    for i, (least, most) in enumerate(least_and_most_vcpus(domain, placed)):
        if not least <= counts[i] <= most:
            text = f"vnode {i} has {counts[i]} vcpus, allowed are {least} to {most}"
            yield Violation("D3 bounds", domain.name, text)


def least_and_most_vcpus(domain: Domain, placed: PlacedDomain) -> list[tuple[int, int]]:
    """Return the bounds of ``n[i]`` for a free map, given or from the vnodes' memory."""
    if domain.vcpu_bounds is not None and len(domain.vcpu_bounds) == placed.num_vnodes:
        return [(int(least), int(most)) for least, most in domain.vcpu_bounds]
    memory = sum(int(pages) for pages in placed.vnode_pages) or 1
    bounds = []
    for pages in placed.vnode_pages:
        share = Fraction(domain.num_vcpus * int(pages), memory)
        bounds.append((share.__floor__(), share.__ceil__()))
    one_each = [(max(least, min(1, most)), most) for least, most in bounds]
    return one_each if sum(least for least, _ in one_each) <= domain.num_vcpus else bounds


def check_requests(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """C3: pnodes asked for, different pnodes, hosts allowed and forbidden."""
    for i, pnode in enumerate(domain.vnode_pnode.tolist()):
        if pnode >= 0 and i < placed.num_vnodes and int(placed.home[i]) != pnode:
            text = f"vnode {i} is at home on {int(placed.home[i])}, pnode {pnode} was asked for"
            yield Violation("C3 pnode", domain.name, text)
    if domain.distinct_pnodes and len(set(placed.home.tolist())) < placed.num_vnodes:
        text = f"vnodes share a pnode: homes {placed.home.tolist()}"
        yield Violation("C3 distinct", domain.name, text)
    if domain.hosts is not None and host.name not in domain.hosts:
        yield Violation("C3 host", domain.name, f"{host.name} is not among its hosts")
    if host.name in domain.forbidden_hosts:
        yield Violation("C3 host", domain.name, f"{host.name} is forbidden")


def check_auto_vnodes(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """C4: vnodes chosen by the solver hold the whole memory, and fit the host's pnodes.

    That no equal split fits, where sizes differ by more than 2 MiB, is for the solver
    to prove; what is seen here is that no vnode is empty.
    """
    if not domain.auto_vnodes:
        return
    sizes = placed.vnode_pages
    if int(sizes.sum()) != domain.memory_pages:
        text = f"vnodes of {int(sizes.sum())} pages in all, of {domain.memory_pages}"
        yield Violation("C4 memory", domain.name, text)
    if placed.num_vnodes > host.num_pnodes:
        text = f"{placed.num_vnodes} vnodes on {host.num_pnodes} pnodes"
        yield Violation("C4 count", domain.name, text)
    if placed.num_vnodes > 1 and int(sizes.min()) == 0:
        yield Violation("C4 empty", domain.name, "a vnode without memory")


def check_pcpu_masks(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """D4, C3: each vcpu's pcpu lies on its pnode and in its hard mask."""
    pnode_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_pnode.tolist(), strict=True))
    for vcpu in range(domain.num_vcpus):
        pcpu, pnode = int(placed.vcpu_to_pcpu[vcpu]), int(placed.vcpu_to_pnode[vcpu])
        if pnode_of[pcpu] != pnode:
            text = f"vcpu {vcpu} runs on pnode {pnode}, its pcpu {pcpu} is on {pnode_of[pcpu]}"
            yield Violation("D4 pnode", domain.name, text)
        hard = domain.hard_affinity[vcpu]
        if hard is not None and pcpu not in hard.resolve(host.pcpu_ids, host.pcpu_pnode):
            text = f"vcpu {vcpu} on pcpu {pcpu}, outside {hard.text!r}"
            yield Violation("C3 hard affinity", domain.name, text)


def check_reach(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """C5: no vcpu accesses memory that its pnode cannot reach, however rarely."""
    if not (host.distances == UNREACHABLE).any():
        return
    shares = access_fractions(domain, placed.vnode_pages)
    running = vcpus_by_place(placed, host.num_pnodes)
    for i, p in np.argwhere(running > 0).tolist():
        for j, q in np.argwhere(placed.pages > 0).tolist():
            if shares[i][j] > 0 and int(host.distances[p, q]) == UNREACHABLE:
                text = f"vcpus of vnode {i} on pnode {p} cannot reach vnode {j} on pnode {q}"
                yield Violation("C5 unreachable", domain.name, text)


def check_cpu_spill(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """C6: with ``cpu_spill = "never"`` every vcpu runs at the home of its vnode."""
    if domain.cpu_spill == "never":
        off = np.flatnonzero(placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode)
        if len(off):
            text = f"vcpus {off.tolist()} run off their home pnode"
            yield Violation("C6 cpu spill", domain.name, text)


def check_threads(domain: Domain, placed: PlacedDomain, host: Host) -> Iterator[Violation]:
    """C2: isolated vcpus have a core each, required siblings fill whole cores."""
    policy = domain.thread_policy if domain.dedicated else "prefer"
    if policy == "prefer" and not placed.empty_siblings:
        return
    core_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_core.tolist(), strict=True))
    threads: dict[int, set[int]] = {}
    for pcpu, core in core_of.items():
        threads.setdefault(core, set()).add(pcpu)
    mine, empty = set(placed.vcpu_to_pcpu.tolist()), set(placed.empty_siblings)
    cores = {core_of[pcpu] for pcpu in mine}
    if empty and (
        not domain.dedicated or not {core_of[pcpu] for pcpu in empty} <= cores or empty & mine
    ):
        yield Violation("C2 threads", domain.name, "an empty sibling is no sibling of a vcpu's")
    if policy == "prefer":
        return
    for core in sorted(cores):
        if not threads[core] <= mine | empty:
            left = sorted(threads[core] - mine - empty)
            text = f"{policy}: pcpus {left} of core {core} are not kept empty"
            yield Violation("C2 threads", domain.name, text)
        if policy == "isolate" and len(threads[core] & mine) > 1:
            yield Violation("C2 threads", domain.name, f"two vcpus on core {core}")
        if policy == "require" and len(threads[core]) < 2:
            yield Violation("C2 threads", domain.name, f"core {core} has one thread")
    if policy == "require":
        pnode_of = dict(zip(host.pcpu_core.tolist(), host.pcpu_pnode.tolist(), strict=True))
        partly = Counter(pnode_of[core] for core in cores if not threads[core] <= mine)
        for pnode, count in sorted(partly.items()):
            if count > 1:
                text = f"{count} cores of pnode {pnode} are not filled"
                yield Violation("C2 threads", domain.name, text)


def check_memory(host: Host, here: Sequence[Triple]) -> Iterator[Violation]:
    """C1: pages and overhead on a pnode never exceed what is free less the reserve.

    The overhead of a domain counts on the home of its vnode 0.
    """
    used = np.zeros(host.num_pnodes, dtype=np.int64)
    for domain, placed, _ in here:
        used += placed.pages_on
        used[placed.home[0]] += domain.overhead_pages
    for pnode in range(host.num_pnodes):
        room = max(0, int(host.free_pages[pnode]) - int(host.reserve_pages[pnode]))
        if int(used[pnode]) > room:
            text = f"{host.name}: {int(used[pnode])} pages on pnode {pnode}, {room} usable"
            yield Violation("C1 memory", "", text)


def check_page_sizes(host: Host, here: Sequence[Triple]) -> Iterator[Violation]:
    """C1: the large pages wanted on a pnode are there in free extents of that order or more."""
    if not len(host.free_spans):
        return
    for order in (ORDER_2MIB, ORDER_1GIB):
        wanted = np.zeros(host.num_pnodes, dtype=np.int64)
        for domain, placed, _ in here:
            for i in range(placed.num_vnodes):
                if int(domain.page_order[min(i, domain.num_vnodes - 1)]) >= order:
                    wanted += placed.pages[i] >> order
        if not wanted.any():
            continue
        free = free_extents(host, order)
        for pnode in np.flatnonzero(wanted > free).tolist():
            text = f"{host.name}: {int(wanted[pnode])} pages of {ORDER_NAMES[order]} wanted on "
            text += f"pnode {pnode}, {int(free[pnode])} free"
            yield Violation("C1 page size", "", text)


def free_extents(host: Host, order: int) -> Ints:
    """Return by pnode how many aligned extents of ``order`` the free spans hold.

    The same as ``sum over o >= order of count[o] * 2^(o-order)`` of a buddy heap.
    """
    found = np.zeros(host.num_pnodes, dtype=np.int64)
    for pnode in range(host.num_pnodes):
        spans = merge_spans(host.free_spans[host.free_spans[:, 0] == pnode, 1:])
        whole = (spans[:, 1] >> order) - -(-spans[:, 0] >> order)
        found[pnode] = np.maximum(whole, 0).sum()
    return found


def check_pcpus(host: Host, here: Sequence[Triple]) -> Iterator[Violation]:
    """C2: a dedicated pcpu has one vcpu, an empty one none, a shared one no crowd.

    A shared slot (a pcpu, or a core where ``smt`` counts cores) carries at most
    ``ceil(overcommit)`` shared vcpus.
    """
    core_of = dict(zip(host.pcpu_ids.tolist(), host.pcpu_core.tolist(), strict=True))

    def slot(pcpu: int) -> tuple[str, int]:
        return ("core", core_of[pcpu]) if host.smt == "cores" else ("pcpu", pcpu)

    alone: Counter[tuple[str, int]] = Counter()
    for running in host.running:
        alone.update({slot(pcpu) for pcpu in running.dedicated_pcpus})
    load: Counter[tuple[str, int]] = Counter()
    for domain, placed, _ in here:
        pcpus = placed.vcpu_to_pcpu.tolist()
        if not domain.dedicated:
            load.update(slot(pcpu) for pcpu in pcpus)
            continue
        slots = [slot(pcpu) for pcpu in pcpus]
        fills_cores = domain.thread_policy == "require" and host.smt == "cores"
        alone.update(set(slots) if fills_cores else slots)
        alone.update({slot(pcpu) for pcpu in placed.empty_siblings} - set(slots))
        for pcpu, times in Counter(pcpus).items():
            if times > 1:
                text = f"{times} dedicated vcpus on pcpu {pcpu}"
                yield Violation("C2 dedicated", domain.name, text)
    for (kind, number), times in sorted(alone.items()):
        if times > 1:
            text = f"{host.name}: {kind} {number} is given away {times} times"
            yield Violation("C2 dedicated", "", text)
    for kind, number in sorted(set(load) & set(alone)):
        text = f"{host.name}: a shared vcpu on {kind} {number}, which is dedicated or empty"
        yield Violation("C2 dedicated", "", text)
    most = host.overcommit.__ceil__()
    for (kind, number), times in sorted(load.items()):
        if times > most:
            text = f"{host.name}: {times} shared vcpus on {kind} {number}, at most {most}"
            yield Violation("C2 crowd", "", text)


def check_pnode_cpus(host: Host, here: Sequence[Triple]) -> Iterator[Violation]:
    """C2: shared vcpus on a pnode, running ones counted, keep to the pcpus left for them.

    ``floor((|C[p]| - dedicated - siblings left empty) * overcommit)``; in cores where
    ``smt`` says so, a core being taken with the first of its threads. A pnode on which
    nothing is placed now is not looked at.
    """
    taken = {pcpu for running in host.running for pcpu in running.dedicated_pcpus}
    shared = np.zeros(host.num_pnodes, dtype=np.int64)
    touched = np.zeros(host.num_pnodes, dtype=np.int64)
    for domain, placed, _ in here:
        np.add.at(touched, placed.vcpu_to_pnode, 1)
        if domain.dedicated:
            taken |= {*placed.vcpu_to_pcpu.tolist(), *placed.empty_siblings}
        else:
            np.add.at(shared, placed.vcpu_to_pnode, 1)
    for running in host.running:
        shared += running.vcpus_on
    by_core = host.smt == "cores"
    slots = (host.pcpu_core if by_core else host.pcpu_ids).tolist()
    free: list[set[int]] = [set() for _ in range(host.num_pnodes)]
    for pnode, slot in zip(host.pcpu_pnode.tolist(), slots, strict=True):
        free[pnode].add(slot)
    for pnode, slot, pcpu in zip(
        host.pcpu_pnode.tolist(), slots, host.pcpu_ids.tolist(), strict=True
    ):
        if pcpu in taken:
            free[pnode].discard(slot)
    for pnode in np.flatnonzero(touched).tolist():
        room = (len(free[pnode]) * host.overcommit).__floor__()
        if int(shared[pnode]) > room:
            text = f"{host.name}: {int(shared[pnode])} shared vcpus on pnode {pnode}, room for "
            yield Violation("C2 pnode", "", text + f"{room}")


def check_group(group: Group, sound: Sequence[Triple]) -> Iterator[Violation]:
    """C3: the placed members of a group are kept together or apart."""
    members = [triple for triple in sound if group.name in triple[0].groups]
    names = ", ".join(domain.name for domain, _, _ in members)
    if group.over == "hosts":
        places = [frozenset({(host.name, 0)}) for _, _, host in members]
    else:
        places = [
            frozenset((host.name, pnode) for pnode in placed.home.tolist())
            for _, placed, host in members
        ]
    if group.keep == "together":
        broken = len(set(places)) > 1
    else:
        broken = sum(len(place) for place in places) > len(frozenset().union(*places))
    if broken:
        text = f"{group.name}: {names} are not {group.keep} over {group.over}"
        yield Violation("C3 group", "", text)
