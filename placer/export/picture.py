"""What a picture of a placed domain shows: its host, pnode by pnode."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from placer.arrays import Ints
from placer.domain import Domain
from placer.export.placed import find_placed
from placer.host import Host
from placer.placement import PlacedDomain
from placer.run import Run
from placer.topology import Topology, topology_of


@dataclass(frozen=True, slots=True)
class PnodePicture:
    """One pnode after the whole run is placed; pages of 4 KiB.

    ``vnodes`` are (vnode, pages) of the domain that lie here, ``before`` what was in use
    before the run, ``others`` what other domains of the run take, ``overhead`` what the
    toolstack needs beside the guests, and ``free`` the rest of ``total``. ``pcpus`` are
    rows of pcpu ids, one a core; ``vcpus`` the domain's vcpus on each and ``guests`` how
    many vcpus of others.
    """

    pnode: int
    total: int
    free: int
    before: int
    others: int
    overhead: int
    vnodes: tuple[tuple[int, int], ...]
    homes: tuple[int, ...]
    pcpus: tuple[tuple[int, ...], ...]
    vcpus: dict[int, tuple[int, ...]]
    guests: dict[int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """A placed domain on its host."""

    domain: Domain
    placed: PlacedDomain
    host: Host
    topology: Topology
    pnodes: tuple[PnodePicture, ...]

    def distance(self, one: int, other: int) -> int:
        """The host's distance from the home of one vnode to that of another."""
        home = self.placed.home
        return int(self.host.distances[home[one], home[other]])


def picture_of(run: Run, name: str) -> Picture:
    """Return what there is to see of the domain named ``name``; RefusedError as find_placed."""
    domain, placed = find_placed(run, name)
    host = run.host(placed.host)
    others = [one for one in run.placed_on[host.name] if one is not placed]
    pnodes = tuple(_pnode(run, host, placed, others, pnode) for pnode in range(host.num_pnodes))
    return Picture(domain, placed, host, topology_of(run.problem, placed), pnodes)


def _pnode(
    run: Run, host: Host, placed: PlacedDomain, others: list[PlacedDomain], pnode: int
) -> PnodePicture:
    vnodes = [(vnode, pages) for vnode, pages in enumerate(placed.pages[:, pnode].tolist())]
    taken = sum(int(one.pages_on[pnode]) for one in others)
    overhead = sum(
        run.domain(one.domain).overhead_pages
        for one in (placed, *others)
        if int(one.home[0]) == pnode
    )
    total, free = int(host.total_pages[pnode]), int(host.free_pages[pnode])
    here = sum(pages for _, pages in vnodes)
    return PnodePicture(
        pnode=pnode,
        total=total,
        free=max(0, free - here - taken - overhead),
        before=total - free,
        others=taken,
        overhead=overhead,
        vnodes=tuple((vnode, pages) for vnode, pages in vnodes if pages),
        homes=tuple(v for v, home in enumerate(placed.home.tolist()) if home == pnode),
        pcpus=_cores(host, pnode),
        vcpus=_by_pcpu(placed.vcpu_to_pcpu),
        guests=Counter(pcpu for one in others for pcpu in one.vcpu_to_pcpu.tolist()),
    )


def _cores(host: Host, pnode: int) -> tuple[tuple[int, ...], ...]:
    cores: dict[int, list[int]] = {}
    here = host.pcpu_pnode == pnode
    for pcpu, core in zip(host.pcpu_ids[here].tolist(), host.pcpu_core[here].tolist(), strict=True):
        cores.setdefault(core, []).append(pcpu)
    return tuple(map(tuple, cores.values()))


def _by_pcpu(vcpu_to_pcpu: Ints) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for vcpu, pcpu in enumerate(vcpu_to_pcpu.tolist()):
        found[pcpu] = (*found.get(pcpu, ()), vcpu)
    return found
