"""Runs written down by hand: the posting's two guests, and small ones, without any solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placer.domain import Domain
from placer.frames import DomainFrames
from placer.host import Host, RunningDomain
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.result import Result, SolverInfo
from placer.run import Run
from placer.units import ORDER_2MIB, ORDER_4KIB

NODE1_START = 4521984
NODE1_END = NODE1_START + 4194304
DOMAIN_0 = RunningDomain(name="Domain-0", domid=0, pages=[1416166, 1153345], vcpus_on=[0, 0])
DOMAIN_5 = RunningDomain(name="rcbig", domid=5, pages=[2097152, 2097152], vcpus_on=[2, 2])


def heatpipe(free: Sequence[int], running: tuple[RunningDomain, ...]) -> Host:
    """The host of the posting (xen-devel, November 2013), as its dump describes it."""
    return Host(
        name="heatpipe",
        total_pages=[4194304, 4194304],
        free_pages=free,
        reserve_pages=[0, 0],
        spans=[(0, 0, 0xB0000), (0, 0x100000, 0x350000), (1, NODE1_START, 4194304)],
        free_spans=[(0, NODE1_START - free[0], free[0]), (1, NODE1_END - free[1], free[1])],
        pcpu_ids=range(8),
        pcpu_pnode=[0, 0, 0, 0, 1, 1, 1, 1],
        pcpu_socket=[0, 0, 0, 0, 1, 1, 1, 1],
        pcpu_core=range(8),
        distances=[[10, 20], [20, 10]],
        running=running,
    )


def make_run(
    hosts: Host | Sequence[Host],
    domains: Sequence[Domain],
    placed: Sequence[PlacedDomain],
    frames: Sequence[DomainFrames] | None = None,
) -> Run:
    """Return the run with that answer; frames that are not given are made up of single pages."""
    listed = (hosts,) if isinstance(hosts, Host) else tuple(hosts)
    unplaced = tuple(d.name for d in domains if d.name not in {p.domain for p in placed})
    result = Result(
        status="optimal",
        solver=SolverInfo(name="by hand", version="0", seed=0, workers=1),
        placement=Placement(domains=tuple(placed), unplaced=unplaced),
    )
    return Run(
        problem=Problem(hosts=listed, domains=tuple(domains), allow_partial=bool(unplaced)),
        result=result,
        frames=tuple(map(single_pages, placed)) if frames is None else tuple(frames),
    )


def single_pages(placed: PlacedDomain) -> DomainFrames:
    """Return frames with the placement's page counts, in runs of 4 KiB pages."""
    runs, guest = [], 0
    for vnode, row in enumerate(placed.pages.tolist()):
        for pnode, count in enumerate(row):
            if count:
                runs.append((vnode, pnode, ORDER_4KIB, guest, (pnode << 24) + guest, count))
                guest += count
    return DomainFrames(domain=placed.domain, host=placed.host, runs=runs)


def put(
    domain: Domain,
    home: Sequence[int],
    vcpu_to_vnode: Sequence[int],
    *,
    vcpu_to_pnode: Sequence[int] | None = None,
    vcpu_to_pcpu: Sequence[int] | None = None,
    pages: Sequence[Sequence[int]] | None = None,
    num_pnodes: int = 2,
    host: str = "heatpipe",
) -> PlacedDomain:
    """Return ``domain`` with each vnode at its home and each vcpu at its vnode's, unless told."""
    at_home = np.zeros((len(home), num_pnodes), dtype=np.int64)
    sizes = domain.vnode_pages if pages is None else np.asarray(pages).sum(axis=1)
    at_home[np.arange(len(home)), home] = sizes
    runs_on = [home[v] for v in vcpu_to_vnode] if vcpu_to_pnode is None else vcpu_to_pnode
    return PlacedDomain(
        domain=domain.name,
        host=host,
        vnode_pages=sizes,
        home=home,
        pages=at_home if pages is None else pages,
        vcpu_to_vnode=vcpu_to_vnode,
        vcpu_to_pnode=runs_on,
        vcpu_to_pcpu=[4 * p for p in runs_on] if vcpu_to_pcpu is None else vcpu_to_pcpu,
    )


def put_on_heatpipe(domain: Domain, home: Sequence[int], vcpu_to_vnode: Sequence[int]) -> Run:
    """Return the run that places ``domain`` alone on the host before its first guest."""
    host = heatpipe([2752911, 2963050], (DOMAIN_0,))
    return make_run(host, [domain], [put(domain, home, vcpu_to_vnode)])


def rcbig_run() -> Run:
    """Example 1: every option at its default, four vnodes of 4 GiB, two on each pnode."""
    domain = Domain(
        name="rcbig",
        type="pv",
        vnode_pages=[1048576] * 4,
        num_vcpus=4,
        vcpu_to_vnode=[0, 1, 2, 3],
    )
    placed = put(domain, [0, 0, 1, 1], [0, 1, 2, 3], vcpu_to_pcpu=[0, 1, 4, 5])
    tops = [NODE1_START, NODE1_START - 1048576, NODE1_END, NODE1_END - 1048576]
    runs = [
        (vnode, int(placed.home[vnode]), ORDER_2MIB, vnode * 1048576, top - 1048576, 2048)
        for vnode, top in enumerate(tops)
    ]
    frames = DomainFrames(domain="rcbig", host="heatpipe", runs=runs)
    host = heatpipe([2752911, 2963050], (DOMAIN_0,))
    return make_run(host, [domain], [placed], [frames])


def rc9_run() -> Run:
    """Example 2: every option right, two vnodes of 2 GiB, crossed over the pnodes."""
    domain = Domain(
        name="rc9",
        type="pv",
        vnode_pages=[524288, 524288],
        num_vcpus=4,
        vcpu_to_vnode=[1, 0, 1, 0],
        distances=[[10, 40], [40, 10]],
        vnode_pnode=[1, 0],
    )
    placed = put(domain, [1, 0], [1, 0, 1, 0], vcpu_to_pcpu=[0, 4, 1, 5])
    runs = [
        (0, 1, ORDER_2MIB, 0, NODE1_END - 524288, 1024),
        (1, 0, ORDER_2MIB, 524288, NODE1_START - 524288, 1024),
    ]
    frames = DomainFrames(domain="rc9", host="heatpipe", runs=runs)
    host = heatpipe([655759, 865898], (DOMAIN_0, DOMAIN_5))
    return make_run(host, [domain], [placed], [frames])


def renamed(run: Run, name: str) -> Run:
    """Return ``run``, whose one domain is named ``name`` instead."""
    (domain,), (placed,), (frames,) = run.problem.domains, run.placed, run.frames
    return make_run(
        run.problem.hosts,
        [replace(domain, name=name)],
        [replace(placed, domain=name)],
        [replace(frames, domain=name)],
    )
