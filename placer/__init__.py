"""placer: proven NUMA placement of virtual machines.

Importing the package loads no solver, no pandas and no command line: each public name
loads what it needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from placer.check import Violation, check_placement, score
    from placer.domain import Domain, VnodeMemory
    from placer.errors import Fault, InputError, PlacerError
    from placer.frames import DomainFrames
    from placer.host import Host, RunningDomain
    from placer.placement import PlacedDomain, Placement
    from placer.policy import Policy
    from placer.problem import Group, Problem, Running, as_running
    from placer.read.policies import read_policy
    from placer.read.sources import read_domains, read_hosts
    from placer.report.folder import write_run
    from placer.result import Baseline, Level, Move, Refusal, Result, Score
    from placer.run import Movable, Run, allow_moves, hosts_after, movable_after, read_run
    from placer.solve import Solution, SolveOptions
    from placer.solve import solve as place

__version__ = "0.1.0.dev0"

__all__ = [
    "Baseline",
    "Domain",
    "DomainFrames",
    "Fault",
    "Group",
    "Host",
    "InputError",
    "Level",
    "Movable",
    "Move",
    "PlacedDomain",
    "Placement",
    "PlacerError",
    "Policy",
    "Problem",
    "Refusal",
    "Result",
    "Run",
    "Running",
    "RunningDomain",
    "Score",
    "Solution",
    "SolveOptions",
    "Violation",
    "VnodeMemory",
    "__version__",
    "allow_moves",
    "as_running",
    "check_placement",
    "hosts_after",
    "movable_after",
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
    "domain": ("Domain", "VnodeMemory"),
    "errors": ("Fault", "InputError", "PlacerError"),
    "frames": ("DomainFrames",),
    "host": ("Host", "RunningDomain"),
    "placement": ("PlacedDomain", "Placement"),
    "policy": ("Policy",),
    "problem": ("Group", "Problem", "Running", "as_running"),
    "read.policies": ("read_policy",),
    "read.sources": ("read_domains", "read_hosts"),
    "report.folder": ("write_run",),
    "result": ("Baseline", "Level", "Move", "Refusal", "Result", "Score"),
    "run": ("Movable", "Run", "allow_moves", "hosts_after", "movable_after", "read_run"),
    "solve": ("Solution", "SolveOptions"),
}
_MODULE_OF = {name: f"placer.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name == "place":  # the module placer.solve keeps its own name
        value = import_module("placer.solve").solve
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module 'placer' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
