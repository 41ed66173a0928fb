"""Runs that the page is tried with."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from placer.engine import open_engine
from placer.heuristic import first_fit
from placer.problem import Problem
from placer.report.page import Shown
from placer.result import Result, SolverInfo
from placer.run import Run
from placer.scenario import Scenario, TakeHosts
from placer.whatif.draft import Base
from placer.whatif.many import number_scenarios, solve_all
from placer.whatif.questions import each_host_fails
from placer.whatif.rows import base_rows
from tests.builders import make_host
from tests.sample_runs import solved
from tests.whatif.bases import GIB, QUICK, domain_of, three_hosts

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


@cache
def with_scenarios() -> tuple[Base, Shown]:
    """A base, and answers to scenarios about it: some leave domains out, one failed."""
    base = three_hosts()
    scenarios = (
        *each_host_fails(base),
        Scenario(name="none left", changes=(TakeHosts(hosts=("*",), how="fail"),)),
        Scenario(name="bad one", changes=(TakeHosts(hosts=("no <such>",), how="fail"),)),
    )
    numbered = number_scenarios(base, scenarios, QUICK)
    outcomes = [base_rows(base, QUICK), *solve_all(base, numbered, QUICK, open_engine("serial"))]
    shown = Shown(
        scenarios=tuple(outcome.row for outcome in outcomes),
        scenario_domains=tuple(row for outcome in outcomes for row in outcome.domains),
    )
    return base, shown
