"""What ten thousand solves leave, and fleets placed with every policy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from benchmarks.fleet_instance import read_instance
from placer.check import check_placement
from placer.read.policies import policy_names, read_policy
from placer.solve import SolveOptions, solve
from tests.determinism.cases import FLEET, ROOT
from tests.soak.solves import SOLVES, WINDOWS, Sample

MOST_GROWTH = 16 << 20
"""Bytes of resident memory from the second of ten windows to the last."""


@pytest.mark.slow
def test_ten_thousand_solves_leave_neither_memory_nor_threads_nor_files(
    tried: Callable[..., None],
) -> None:
    command = [sys.executable, "-m", "tests.soak.solves", str(SOLVES)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    samples = [
        Sample(solves=int(a), resident=int(b), objects=int(c), threads=int(d), files=int(e))
        for a, b, c, d, e, *_ in lines
    ]
    assert [held.solves for held in samples] == [
        SOLVES * number // WINDOWS for number in range(1, WINDOWS + 1)
    ]
    warm, last = samples[1], samples[-1]
    assert last.resident - warm.resident < MOST_GROWTH
    assert last.objects - warm.objects < 200
    assert {held.threads for held in samples} == {1}
    assert len({held.files for held in samples}) == 1
    assert {name.partition(":")[0] for name in lines[-1][5:]} >= {"optimal", "infeasible"}
    tried("soak", last.solves)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "work", "policy"),
    [
        *product(("small",), (0.5, 2.0), policy_names()),
        *product(("1000x100-85", "1000x100-97", "1000x100-memory97"), (0.1,), policy_names()),
        *product(("10000x1000-85",), (1.0,), policy_names()),
        ("100000x10000-85", 1.0, "distance"),
    ],
)
def test_every_stored_fleet_checks_clean(
    name: str, work: float, policy: str, tried: Callable[..., None]
) -> None:
    stored = read_instance(FLEET / f"{name}-domains.toml")
    problem = replace(stored, policy=read_policy(policy))
    found = solve(problem, SolveOptions(work=work, reasons=False, baselines=False))
    placement = found.result.placement
    assert placement is not None
    assert check_placement(problem, placement, found.frames, found.result.moves) == ()
    assert len(placement.domains) + len(placement.unplaced) == len(problem.domains)
    tried("clean-fleets", len(problem.domains))
