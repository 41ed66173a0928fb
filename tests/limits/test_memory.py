"""A model too large for memory is refused beforehand; what grows too large ends with its best."""

import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placer.answer import Limits
from placer.check import check_placement
from placer.domain import VnodeMemory
from placer.errors import TooLargeError
from placer.fleet.patterns import patterns_bytes
from placer.fleet.plan import Fleet
from placer.fleet.shapes import list_shapes
from placer.footprint import encoding_bytes
from placer.pipeline import find_answer
from placer.problem import Problem
from placer.read.synthetic import parse_synthetic
from placer.solve import SolveOptions, solve
from tests.builders import make_domain, make_problem
from tests.cli.program import run_placer, spawn_placer
from tests.fleet.tiny_fleets import draw_fleet

GIB = 1 << 30


def _wide(vnodes: int, pnodes: int, hosts: int, policy: str = "preferred") -> Problem:
    host = parse_synthetic(f"pnode:{pnodes} core:8 memory:{64 * pnodes}GiB distance:10,21", "host")
    numbers = np.arange(pnodes)
    far = np.abs(numbers[:, None] - numbers)
    distances = np.select([far == 0, far == 1, far < 4], [10, 16, 21], 32)
    found = tuple(
        replace(host, name=f"host{number}", distances=distances) for number in range(hosts)
    )
    memory = (VnodeMemory(policy=policy),) * vnodes
    domain = make_domain([1 << 19] * vnodes, 2 * vnodes, memory=memory, cpu_spill="free")
    return make_problem(found, domain)


def test_a_model_too_large_is_refused_with_its_size_before_it_is_made(
    tried: Callable[..., None],
) -> None:
    problem = _wide(48, 16, 2000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        TooLargeError,
        match=r"the model of 48 vnodes on 2000 hosts would take about .* (TiB|GiB) of memory",
    ):
        solve(problem, SolveOptions(memory_limit=2 * GIB, baselines=False))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 512 << 10
    assert TooLargeError.exit_code == 4
    tried("memory-refused", 1)


def test_without_a_limit_what_the_machine_has_counts(
    monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    problem = _wide(24, 8, 40)
    monkeypatch.setattr("placer.footprint.available_bytes", lambda: 64 << 20)
    with pytest.raises(TooLargeError, match="64 MiB may be taken"):
        find_answer(problem, Limits())
    monkeypatch.setattr("placer.footprint.available_bytes", lambda: None)
    assert find_answer(_wide(2, 2, 1), Limits()).status == "optimal"
    tried("memory-refused", 1)


_MEASURE = """
import re, sys
sys.path.insert(0, {root!r})
from tests.limits.test_memory import _wide
from placer.answer import Limits
from placer.alarm import resident_bytes
from placer.cpsat.search import search
from placer.footprint import encoding_bytes
problem = _wide({vnodes}, {pnodes}, {hosts}, {policy!r})
before = resident_bytes()
search(problem, Limits(work=1.0))
peak = 1024 * int(re.search("VmHWM:\\s*([0-9]+)", open("/proc/self/status").read())[1])
print(peak - before, encoding_bytes(problem))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vnodes", "pnodes", "hosts", "policy"),
    [(16, 8, 50, "strict"), (32, 16, 4, "strict"), (16, 8, 10, "preferred"), (2, 4, 400, "strict")],
)
def test_the_estimate_is_within_a_factor_of_four(
    vnodes: int, pnodes: int, hosts: int, policy: str, project_root: object
) -> None:
    program = _MEASURE.format(
        root=str(project_root), vnodes=vnodes, pnodes=pnodes, hosts=hosts, policy=policy
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    taken, estimated = map(int, done.stdout.split())
    assert taken / 4 < estimated < taken * 4


@pytest.mark.parametrize("seed", range(12))
def test_the_estimate_of_patterns_is_never_below_what_they_take(seed: int) -> None:
    shapes = list_shapes(draw_fleet(seed))
    fleet = Fleet.of(draw_fleet(seed), shapes)
    taken = sum(
        found.cost.nbytes + found.homes.nbytes + found.use.nbytes + found.tight.nbytes
        for found in fleet.patterns.values()
    )
    assert taken <= patterns_bytes(shapes)


def test_a_fleet_whose_patterns_are_too_large_is_placed_without_them(
    monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    problem = replace(draw_fleet(3), allow_partial=True)
    monkeypatch.setattr("placer.fleet.engine.patterns_bytes", lambda _: 1 << 60)
    monkeypatch.setattr("placer.fleet.many.patterns_bytes", lambda _: 1 << 60)
    solution = solve(problem, SolveOptions(work=2.0))
    assert solution.result.placement is not None
    assert not check_placement(problem, solution.result.placement, solution.frames)
    tried("memory-refused", 1)


def test_a_search_that_comes_to_hold_too_much_ends_with_what_it_has(
    monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    problem = replace(draw_fleet(3), allow_partial=True)
    held = []

    def grow(*_: object, **__: object) -> None:
        while True:
            held.append(bytearray(1 << 20))
            held[-1][::4096] = b"x" * 256

    from placer.alarm import resident_bytes

    monkeypatch.setattr("placer.fleet.many.place_fleet", grow)
    monkeypatch.setattr("placer.pipeline.is_large", lambda _: True)
    most = resident_bytes() + (96 << 20)
    solution = solve(problem, SolveOptions(memory_limit=most, baselines=False))
    assert solution.result.placement is not None
    assert not solution.result.interrupted
    assert len(held) < 1024
    held.clear()
    tried("memory-reached", 1)


@pytest.mark.parametrize(
    "wrong", ["0MiB", "1B", "60MiB", "262143KiB", "much", "-1GiB", "", "1e999GiB"]
)
def test_a_memory_limit_that_is_no_size_or_less_than_the_program_takes_is_refused(
    wrong: str, tmp_path: object
) -> None:
    host = "pnode:1 core:1 memory:1GiB"
    ended = run_placer("place", "nothing.cfg", "--host", host, "--memory-limit", wrong)
    assert ended.code == 2
    assert "--memory-limit" in ended.err


def test_the_least_memory_limit_is_enough_for_a_small_question(tmp_path: Path) -> None:
    """That with OR-Tools loaded, hence in a process of its own."""
    domains = tmp_path / "domains.toml"
    domains.write_text(
        "".join(f'[[domain]]\nname = "{n}"\nmemory = "1GiB"\nvcpus = 1\n' for n in "abc"),
        encoding="utf-8",
    )
    host = "pnode:2 core:4 memory:16GiB"
    ended = spawn_placer("place", domains, "--host", host, "--memory-limit", "256MiB")
    assert ended.code == 0, ended.err
    refused = spawn_placer("place", domains, "--host", host, "--memory-limit", "255MiB")
    assert refused.code == 2
    assert "found 255MiB, expected 256MiB or more" in refused.err


def test_more_memory_is_told_for_more_vnodes_hosts_and_distances() -> None:
    small = encoding_bytes(_wide(4, 4, 2))
    assert small < encoding_bytes(_wide(8, 4, 2)) < encoding_bytes(_wide(8, 4, 20))
    assert encoding_bytes(_wide(8, 4, 2)) < encoding_bytes(_wide(8, 8, 2))
