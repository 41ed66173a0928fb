"""placer: proven NUMA placement of virtual machines.

Importing the package loads no solver, no pandas and no command line: each public name
loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from placer.check import Violation, check_placement, score
    from placer.cpulist import CpuList, CpuRange
    from placer.domain import Domain, VnodeMemory
    from placer.engine import Engine, open_engine
    from placer.errors import (
        AllocationError,
        EngineError,
        Fault,
        InputError,
        ModelError,
        PlacerError,
        RefusedError,
        TooLargeError,
    )
    from placer.frames import DomainFrames
    from placer.host import Host, RunningDomain
    from placer.placement import PlacedDomain, Placement
    from placer.policy import Policy
    from placer.problem import Group, Problem, Running, as_running
    from placer.read.domains_toml import DomainSet
    from placer.read.policies import read_policy
    from placer.read.sources import read_domains, read_hosts
    from placer.read.synthetic import parse_synthetic as parse_host
    from placer.report.folder import write_run
    from placer.result import Baseline, Level, Move, Refusal, Result, Score, SolverInfo
    from placer.run import Movable, Run, allow_moves, hosts_after, movable_after, read_run
    from placer.solve import Solution, SolveOptions
    from placer.solve import solve as place

__version__ = "0.1.0"

__all__ = [
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

_HOMES = {
    "check": ("Violation", "check_placement", "score"),
    "cpulist": ("CpuList", "CpuRange"),
    "domain": ("Domain", "VnodeMemory"),
    "engine": ("Engine", "open_engine"),
    "errors": (
        "AllocationError",
        "EngineError",
        "Fault",
        "InputError",
        "ModelError",
        "PlacerError",
        "RefusedError",
        "TooLargeError",
    ),
    "frames": ("DomainFrames",),
    "host": ("Host", "RunningDomain"),
    "placement": ("PlacedDomain", "Placement"),
    "policy": ("Policy",),
    "problem": ("Group", "Problem", "Running", "as_running"),
    "read.domains_toml": ("DomainSet",),
    "read.policies": ("read_policy",),
    "read.sources": ("read_domains", "read_hosts"),
    "report.folder": ("write_run",),
    "result": ("Baseline", "Level", "Move", "Refusal", "Result", "Score", "SolverInfo"),
    "run": ("Movable", "Run", "allow_moves", "hosts_after", "movable_after", "read_run"),
    "solve": ("Solution", "SolveOptions"),
}
_MODULE_OF = {name: f"placer.{module}" for module, names in _HOMES.items() for name in names}
_RENAMED = {
    "parse_host": ("placer.read.synthetic", "parse_synthetic"),
    "place": ("placer.solve", "solve"),  # the module placer.solve keeps its own name
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name in _RENAMED:
        module, own_name = _RENAMED[name]
        value = getattr(import_module(module), own_name)
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module 'placer' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
