"""Runs for tests: solved ones of the posting's guests, and one that uses every field."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.frames import DomainFrames
from placer.host import RunningDomain
from placer.placement import PlacedDomain
from placer.policy import Policy
from placer.problem import Group, Problem, Running
from placer.run import Run
from placer.solve import SolveOptions, solve
from tests.builders import make_domain, make_host, make_problem
from tests.export.runs import rc9_run, rcbig_run
from tests.strategies import tiny_problem


def solved(problem: Problem, **options: Any) -> Run:
    """Return the run that solves ``problem``."""
    solution = solve(problem, SolveOptions(**options))
    return Run(problem=problem, result=solution.result, frames=solution.frames)


@cache
def rcbig() -> Run:
    """The posting's first guest, solved."""
    return solved(rcbig_run().problem)


@cache
def rc9() -> Run:
    """The posting's second guest, solved."""
    return solved(rc9_run().problem)


@cache
def impossible() -> Run:
    """A domain of more memory than its host has."""
    return solved(make_problem(make_host([1024, 1024]), make_domain([4096])))


@cache
def partial() -> Run:
    """One domain that fits, one that does not."""
    small, large = make_domain([1024], name="small"), make_domain([1 << 20], name="large")
    return solved(make_problem(make_host([8192, 8192]), large, small, allow_partial=True))


@cache
def spilled() -> Run:
    """A vnode whose memory must lie on both pnodes, its vcpus on one."""
    memory = (VnodeMemory(policy="preferred"),)
    return solved(make_problem(make_host([8192, 8192]), make_domain([10240], memory=memory)))


@cache
def unrealised() -> Run:
    """A placement of libxl's rule that the heap cannot give: 2 MiB pages from single frames."""
    single = [(0, 2 * frame, 1) for frame in range(4096)]
    host = make_host([4096], total_pages=[8192], spans=[(0, 0, 8192)], free_spans=single)
    domain = make_domain([1024], page_order=[9])
    return solved(make_problem(host, domain), solver="libxl")


@cache
def tiny(seed: int) -> Run:
    """The tiny random problem of ``seed``, solved."""
    return solved(tiny_problem(seed))


def full_problem() -> Problem:
    """A problem that uses every field that a problem has."""
    host = make_host(
        [1 << 20, 1 << 20],
        cpus=4,
        threads=2,
        distances=[[10, 21], [20, 10]],
        overcommit=Fraction(3, 2),
        smt="penalty",
        smt_penalty=3,
        reserve_pages=[256, 0],
        free_from="spans",
        running=(
            RunningDomain(
                name="Domain-0",
                pages=[100, 0],
                vcpus_on=[1, 0],
                dedicated_pcpus=(3,),
                floating_vcpus=2,
                domid=0,
            ),
        ),
        source="hosts.toml",
    )
    other = make_host([4096], name="other")
    first = Domain(
        name="first",
        type="hvm",
        vnode_pages=[4096, 8192],
        num_vcpus=3,
        vcpu_bounds=np.array([[1, 2], [1, 2]]),
        distances=[[10, 40], [41, 10]],
        vnode_pnode=[1, -1],
        hard_affinity=(CpuList.parse("0-7,^1"), None, CpuList.parse("nodes:1")),
        soft_affinity=(None, CpuList.parse("all"), None),
        memory=(VnodeMemory(policy="interleave", interleave_pnodes=(0, 1)), VnodeMemory()),
        page_order=[9, 0],
        priority=7,
        groups=("pair",),
        hosts=("host",),
        forbidden_hosts=("other",),
        distinct_pnodes=True,
        cpu_spill="free",
        access=((Fraction(1, 3), Fraction(2, 3)), (Fraction(1, 7), Fraction(6, 7))),
        extra=(("kernel", "/boot/vmlinuz"), ("vif", ["mac=00", ["nested", 3]]), ("tsc", 1)),
        source="first.cfg",
    )
    second = Domain(
        name="zweite-Ä",
        vnode_pages=[4096],
        num_vcpus=2,
        auto_vnodes=True,
        auto_distances=True,
        dedicated=True,
        thread_policy="isolate",
        groups=("pair",),
    )
    third = make_domain([1024], 2, name="third", vcpu_to_vnode=[0, 0])
    placed = PlacedDomain(
        domain="third",
        host="other",
        vnode_pages=[1024],
        home=[0],
        pages=[[1024]],
        vcpu_to_vnode=[0, 0],
        vcpu_to_pnode=[0, 0],
        vcpu_to_pcpu=[1, 2],
        empty_siblings=(3,),
    )
    frames = DomainFrames(domain="third", host="other", runs=[[0, 0, 0, 0, 512, 1024]])
    return Problem(
        hosts=(host, other),
        domains=(first, second, third),
        current=(Running(placed=placed, frames=frames),),
        max_moves=2,
        max_moved_pages=5000,
        groups=(Group(name="pair", keep="together", over="pnodes"),),
        policy=Policy(name="mine", tie_break="pack", description="as full as can be"),
        allow_partial=True,
        cost_slack=Fraction(1, 20),
    )


@cache
def named_vm(gib: int) -> Run:
    """One domain, `vm`, of so many GiB and two vnodes on a host of two pnodes."""
    host = make_host([4 << 18] * 2, cpus=4)
    return solved(make_problem(host, make_domain([gib << 17] * 2, 4, name="vm")))


@cache
def two_hosts() -> Run:
    """Three domains of 2 GiB and one of 6 GiB on two hosts of two pnodes."""
    hosts = [make_host([4 << 18] * 2, cpus=4, name=name) for name in ("left", "right")]
    small = [make_domain([2 << 18], 2, name=f"web-{number}") for number in range(3)]
    return solved(make_problem(hosts, *small, make_domain([3 << 18] * 2, 4, name="db")))
