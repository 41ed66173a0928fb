from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import placer

PUBLIC = [
    "AllocationError",
    "Baseline",
    "CpuList",
    "CpuRange",
    "Domain",
    "DomainFrames",
    "DomainSet",
    "Engine",
    "EngineError",
    "Fault",
    "Group",
    "Host",
    "InputError",
    "Level",
    "ModelError",
    "Movable",
    "Move",
    "PlacedDomain",
    "Placement",
    "PlacerError",
    "Policy",
    "Problem",
    "Refusal",
    "RefusedError",
    "Result",
    "Run",
    "Running",
    "RunningDomain",
    "Score",
    "Solution",
    "SolveOptions",
    "SolverInfo",
    "TooLargeError",
    "Violation",
    "VnodeMemory",
    "__version__",
    "allow_moves",
    "as_running",
    "check_placement",
    "hosts_after",
    "movable_after",
    "open_engine",
    "parse_host",
    "place",
    "read_domains",
    "read_hosts",
    "read_policy",
    "read_run",
    "score",
    "write_run",
]


def test_the_public_names_are_these() -> None:
    assert placer.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(placer))


def test_each_public_name_is_what_type_checkers_take_it_for() -> None:
    source = Path(str(placer.__file__)).read_text(encoding="utf-8")
    (guarded,) = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    told = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(told) == sorted(set(PUBLIC) - {"__version__"})
    for name, (module, original) in told.items():
        assert getattr(placer, name) is getattr(import_module(str(module)), original)


def test_each_public_name_is_documented() -> None:
    for name in set(PUBLIC) - {"__version__"}:
        assert getattr(placer, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = placer.absent


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(str(placer.__file__)).with_name("py.typed").is_file()


@pytest.mark.parametrize("name", ["place", "Host", "read_run"])
def test_a_name_can_be_imported_first_of_all(name: str) -> None:
    program = f"from placer import {name}; assert callable({name})"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_places_and_checks_by_public_names_alone() -> None:
    hosts, _ = placer.read_hosts(["pnode:2 core:2 pu:1 memory:1GiB distance:10,20"])
    domain = placer.Domain(name="vm", vnode_pages=[512, 512], num_vcpus=2)
    problem = placer.Problem(hosts=hosts, domains=(domain,))
    solution = placer.place(problem, placer.SolveOptions(seed=1))
    assert solution.result.placement is not None
    assert placer.check_placement(problem, solution.result.placement, solution.frames) == ()
    assert placer.score(problem, solution.result.placement).mean_access_distance == 10.0
