"""Runs that the page is tried with."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from placer.heuristic import first_fit
from placer.problem import Problem
from placer.result import Result, SolverInfo
from placer.run import Run
from tests.builders import make_host
from tests.sample_runs import solved
from tests.whatif.bases import GIB, domain_of

EVIL = "<script>alert(1)</script>&\"' =1+1 ${x} {{ 7*7 }}"
"""A name that no page may take for anything but text."""


@cache
def thousand() -> Run:
    """1,000 domains of one to eight vnodes on 100 hosts of eight pnodes, by first fit."""
    far = [[10 if p == q else 12 if p // 4 == q // 4 else 32 for q in range(8)] for p in range(8)]
    hosts = tuple(
        make_host([64 * GIB] * 8, cpus=16, distances=far, name=f"server-{n:03}") for n in range(100)
    )
    shapes = [(16,), (8, 8), (8, 8, 8, 8), (24,), (4,) * 8]
    domains = tuple(
        domain_of(f"guest-{n:04}", *shapes[n % len(shapes)], vcpus=2) for n in range(1000)
    )
    problem = Problem(hosts=hosts, domains=domains, allow_partial=True)
    info = SolverInfo(name="cpsat", version="0", seed=0, workers=1)
    result = Result(status="feasible", solver=info, placement=first_fit.place(problem))
    return Run(problem=problem, result=result)


@cache
def named_evil() -> Run:
    """A run whose host and domains have names made to break a page, one of them not placed."""
    hosts = (make_host([8 * GIB] * 2, cpus=4, name=f"host {EVIL}"),)
    domains = (domain_of(f"a {EVIL}", 2, 2, vcpus=1), domain_of(f"b {EVIL}", 90))
    run = solved(Problem(hosts=hosts, domains=domains, allow_partial=True))
    return replace(run)
