"""Ballooning of a placed domain, vnode by vnode: the next state, as a run like any other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version

import numpy as np

from placer.arrays import Ints
from placer.check import check_placement, score
from placer.domain import Domain, VnodeMemory
from placer.errors import ModelError, RefusedError
from placer.frames import DomainFrames
from placer.host import Host
from placer.pages.affinity import affinity_when_built
from placer.pages.balloon import give_back, missing_frames, pages_moved, take
from placer.pages.heap import Heap
from placer.pages.realise import take_domain
from placer.placement import PlacedDomain, held_pages
from placer.problem import as_running
from placer.result import Level, Result, SolverInfo
from placer.run import Run, realised_frames
from placer.topology import VGA_HOLE, video_bytes, vmemranges
from placer.units import PAGE_BYTES, UNREACHABLE, exact_size


@dataclass(frozen=True, kw_only=True)
class Ballooned:
    """The run after, and the domain's place before and after."""

    run: Run
    before: PlacedDomain
    after: PlacedDomain


def balloon(
    run: Run, name: str, target_pages: int | None, vnode_pages: Mapping[int, int]
) -> Ballooned:
    """Give back or take pages of one domain so that it has ``target_pages``.

    Vnodes in ``vnode_pages`` get the sizes named there, the others what is left of the target,
    in proportion to their sizes now; without a target they stay. A vnode gives back what lies
    off its home first, then its highest guest frames; it takes from its home as long as that
    has room within what the plan may use, then as Xen falls back: the next pnodes of the node
    affinity, then the others.

    Raises RefusedError where the domain is not placed or not realised, and where the sizes
    cannot be: above what the guest has addresses for, no whole number of the page size that a
    vnode asks for, or more than the host has room for.
    """
    old = realised_frames(run, name)
    before = next(placed for placed in run.placed if placed.domain == name)
    domain = as_running(run.domain(name), before)
    host = run.host(before.host)
    sizes = _new_sizes(domain, before, target_pages, vnode_pages)
    after, frames = _change(run, domain, host, before, sizes, old.runs)
    addresses = domain.pages_with_addresses(before.vnode_pages)
    changed = replace(
        domain,
        vnode_pages=sizes,
        ballooned_pages=addresses - sizes,
        memory=tuple(_memory(domain, after, vnode) for vnode in range(after.num_vnodes)),
    )
    return Ballooned(run=_next_run(run, changed, after, frames), before=before, after=after)


def _new_sizes(
    domain: Domain, placed: PlacedDomain, target: int | None, asked: Mapping[int, int]
) -> Ints:
    """Return the pages of each vnode after; RefusedError with what cannot be."""
    now = placed.vnode_pages.copy()
    most = domain.pages_with_addresses(now)
    least = _fewest(domain, placed)
    grain = np.int64(1) << domain.page_order
    for vnode, pages in asked.items():
        if not 0 <= vnode < len(now):
            raise RefusedError(f"vnode {vnode}: {domain.name!r} has vnodes 0 to {len(now) - 1}")
        if (pages - int(now[vnode])) % int(grain[vnode]):
            size = exact_size(int(grain[vnode]))
            raise RefusedError(
                f"vnode {vnode}: {exact_size(pages)} is not whole pages of {size} away from "
                f"{exact_size(int(now[vnode]))}, and it asks for that page size"
            )
    sizes = now.copy()
    for vnode, pages in asked.items():
        sizes[vnode] = pages
    others = [vnode for vnode in range(len(now)) if vnode not in asked]
    if target is not None:
        left = target - sum(asked.values())
        if not others and left:
            total = exact_size(sum(asked.values()))
            raise RefusedError(f"the vnodes sum to {total}, the target is {exact_size(target)}")
        if left < 0:
            raise RefusedError(f"the vnodes alone sum to more than {exact_size(target)}")
        try:
            sizes[others] = _shares(left, now[others], least[others], most[others], grain[others])
        except ValueError as err:
            whose = "the vnodes not named" if asked else "its vnodes"
            raise RefusedError(f"{exact_size(left)} for {whose}: {err}") from err
    for vnode, pages in enumerate(sizes.tolist()):
        if pages > most[vnode]:
            raise RefusedError(
                f"vnode {vnode}: {exact_size(pages)} is above the "
                f"{exact_size(int(most[vnode]))} that the guest has addresses for"
            )
        if pages < least[vnode]:
            raise RefusedError(
                f"vnode {vnode}: {exact_size(pages)} is below the "
                f"{exact_size(int(least[vnode]))} that cannot be given back"
            )
    if sizes.sum() <= 0:
        raise RefusedError(f"{domain.name!r} would have no memory left")
    return sizes


def _fewest(domain: Domain, placed: PlacedDomain) -> Ints:
    """The pages of each vnode that its balloon cannot give back: low ones, video memory."""
    least = np.zeros(placed.num_vnodes, dtype=np.int64)
    if domain.type != "hvm":
        return least
    sizes = domain.pages_with_addresses(placed.vnode_pages).copy()
    video = min(video_bytes(domain) // PAGE_BYTES, int(sizes[0]))
    sizes[0] -= video
    least = np.diff(np.minimum(np.cumsum(sizes), VGA_HOLE[1]), prepend=0)
    least[0] += video
    return np.asarray(least, dtype=np.int64)


def _shares(pages: int, now: Ints, least: Ints, most: Ints, grain: Ints) -> Ints:
    """Divide ``pages`` in proportion to ``now``, within ``least`` and ``most``.

    Each share differs from ``now`` by whole grains; ValueError where none sum to ``pages``.
    """
    ideal = _proportions(pages, now.tolist(), least.tolist(), most.tolist())
    shares = np.array(
        [
            have + math.floor((share - have) / step) * step
            for share, have, step in zip(ideal, now.tolist(), grain.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    missing = [float(share) - have for share, have in zip(ideal, shares.tolist(), strict=True)]
    for index in sorted(range(len(shares)), key=lambda k: (-missing[k], k)):
        step = int(grain[index])
        if shares[index] < least[index] or (
            pages - shares.sum() >= step and shares[index] + step <= most[index]
        ):
            shares[index] += step
    if shares.sum() != pages:
        grains = ", each in whole pages of the size that it asks for" if max(grain) > 1 else ""
        raise ValueError(
            f"they can have {exact_size(int(least.sum()))} to {exact_size(int(most.sum()))}{grains}"
        )
    return shares


def _proportions(
    pages: int, weights: list[int], least: list[int], most: list[int]
) -> list[Fraction]:
    """Divide ``pages`` in proportion to ``weights``; a share out of bounds stays at its bound."""
    found = [Fraction(0)] * len(weights)
    free = list(range(len(weights)))
    left = pages
    while free:
        total = sum(weights[k] for k in free)
        ideal = {
            k: Fraction(left * weights[k], total) if total else Fraction(left, len(free))
            for k in free
        }
        below = {k: least[k] - ideal[k] for k in free if ideal[k] < least[k]}
        above = {k: ideal[k] - most[k] for k in free if ideal[k] > most[k]}
        if not below and not above:
            return [ideal.get(k, share) for k, share in enumerate(found)]
        fix, bounds = (below, least) if sum(below.values()) > sum(above.values()) else (above, most)
        for k in fix:
            found[k] = Fraction(bounds[k])
            left -= bounds[k]
        free = [k for k in free if k not in fix]
    return found


def _change(
    run: Run, domain: Domain, host: Host, before: PlacedDomain, sizes: Ints, old: Ints
) -> tuple[PlacedDomain, DomainFrames]:
    """Return the domain's place and frames with the new sizes; ``old`` are its runs so far."""
    heap = Heap.of(host)
    for placed in run.placed_on[host.name]:
        take_domain(heap, run.frames_of(placed.domain))
    runs = old
    for vnode, pages in enumerate((before.vnode_pages - sizes).tolist()):
        if pages > 0:
            given = give_back(
                runs,
                vnode,
                pages,
                int(before.home[vnode]),
                int(domain.page_order[vnode]),
                VGA_HOLE[1] if domain.type == "hvm" else 0,
            )
            heap.free(given.spans)
            runs = given.runs
    pages_now = before.pages.copy()
    for vnode in range(len(sizes)):
        pages_now[vnode] += pages_moved(old, runs, vnode, host.num_pnodes)
    room = _room(run, host) + (before.pages - pages_now).sum(axis=0)
    ranges = vmemranges(domain, before.vnode_pages, host.memory_map)
    for vnode, pages in enumerate((sizes - before.vnode_pages).tolist()):
        if pages <= 0:
            continue
        mine = _populated(domain, ranges[ranges[:, 0] == vnode, 1:] // PAGE_BYTES)
        order = int(domain.page_order[vnode])
        sources = [(p, max(int(room[p]), 0)) for p in _sources(domain, before, host, vnode)]
        taken = take(heap, vnode, missing_frames(runs, vnode, mine), pages, order, sources)
        found = pages_moved(taken[:0], taken, vnode, host.num_pnodes)
        if found.sum() < pages:
            raise RefusedError(
                f"vnode {vnode}: {exact_size(pages)} wanted, and host {host.name} has room for "
                f"{exact_size(int(found.sum()))}"
            )
        runs = np.concatenate([runs, taken])
        pages_now[vnode] += found
        room = room - found
    after = replace(before, vnode_pages=sizes, pages=pages_now)
    by_guest = np.lexsort((runs[:, 3], runs[:, 0]))
    return after, DomainFrames(domain=domain.name, host=host.name, runs=runs[by_guest])


def _populated(domain: Domain, ranges: Ints) -> Ints:
    """Return the parts of guest ranges that have memory, in frames: not the VGA hole."""
    if domain.type != "hvm":
        return ranges
    rows = []
    for start, end in ranges.tolist():
        for low, high in ((start, min(end, VGA_HOLE[0])), (max(start, VGA_HOLE[1]), end)):
            if low < high:
                rows.append((low, high))
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _room(run: Run, host: Host) -> Ints:
    """Return the pages that the plan may still use on each pnode (C1), by what is placed now."""
    used = np.zeros(host.num_pnodes, dtype=np.int64)
    for other in run.placed_on[host.name]:
        used += held_pages(run.domain(other.domain), other)
    return np.asarray(host.usable_pages - used, dtype=np.int64)


def _sources(domain: Domain, placed: PlacedDomain, host: Host, vnode: int) -> list[int]:
    """Return the pnodes that a vnode's pages come from, in the order in which Xen asks them."""
    home = int(placed.home[vnode])
    affinity = affinity_when_built(domain, placed, host)
    later = [pnode for pnode in affinity if pnode > home]
    earlier = [pnode for pnode in affinity if pnode < home]
    others = [p for p in range(host.num_pnodes) if p not in affinity and p != home]
    running = np.unique(placed.vcpu_to_pnode)
    reached = (host.distances[running] != UNREACHABLE).all(axis=0)
    return [pnode for pnode in (home, *later, *earlier, *others) if reached[pnode]]


def _memory(domain: Domain, placed: PlacedDomain, vnode: int) -> VnodeMemory:
    """Return the policy of a vnode as it lies: strict where it is and was all at home."""
    at_home = int(placed.pages[vnode, placed.home[vnode]]) == int(placed.pages[vnode].sum())
    if at_home and domain.memory[vnode].policy == "strict":
        return domain.memory[vnode]
    return VnodeMemory(policy="ballooned")


def _next_run(run: Run, domain: Domain, after: PlacedDomain, frames: DomainFrames) -> Run:
    """Return the run with one domain changed; it passes the checker, or that is a defect."""
    placement = run.result.placement
    if placement is None:
        raise RefusedError("the run has no placement")
    problem = replace(
        run.problem,
        domains=tuple(
            domain if other.name == domain.name else other for other in run.problem.domains
        ),
        current=(),
        max_moves=None,
        max_moved_pages=None,
    )
    placement = replace(
        placement,
        domains=tuple(
            after if other.domain == domain.name else other for other in placement.domains
        ),
    )
    all_frames = tuple(frames if one.domain == domain.name else one for one in run.frames)
    violations = check_placement(problem, placement, all_frames)
    if violations:
        text = "; ".join(str(violation) for violation in violations)
        raise ModelError(f"the checker refuses the ballooned placement: {text}")
    cost = score(problem, placement, violations).cost
    result = Result(
        status="feasible",
        solver=SolverInfo(name="balloon", version=version("placer"), seed=0, workers=1),
        levels=(Level(name="cost", value=cost, bound=0, status="feasible"),),
        placement=placement,
        unplaced=run.result.unplaced,
        creation_order=run.result.creation_order,
    )
    return Run(problem=problem, result=result, frames=all_frames)
