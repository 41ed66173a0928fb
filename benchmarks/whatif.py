"""1,000 scenarios on a base of 10 hosts: how long, in how much memory, by each engine.

Nine in ten keep what runs, one in twenty may move two domains, one in twenty places all anew.
Prints a table. Asserts that every scenario is answered and that all engines give the same rows;
never the seconds.

    python benchmarks/whatif.py --engines threads,processes --workers 2
    python benchmarks/whatif.py --scenarios 200 --engines dask --workers 1,2 --repeats 5
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from placer.engine import ENGINES, EngineName, open_engine  # noqa: E402
from placer.problem import Problem  # noqa: E402
from placer.read.synthetic import parse_synthetic  # noqa: E402
from placer.run import Run  # noqa: E402
from placer.scenario import (  # noqa: E402
    AddDomains,
    Change,
    FailMemory,
    FailPnodes,
    RemoveDomains,
    ResizeDomains,
    Scenario,
    SetHosts,
    TakeHosts,
)
from placer.solve import SolveOptions, solve  # noqa: E402
from placer.whatif.draft import Base  # noqa: E402
from placer.whatif.many import number_scenarios, solve_all  # noqa: E402
from placer.whatif.solving import WhatIfOptions  # noqa: E402
from tests.whatif.bases import GIB, domain_of  # noqa: E402

NUM_HOSTS = 10


def make_base() -> Base:
    """Ten hosts of four pnodes, with 38 domains of one, two and four vnodes."""
    hosts = tuple(
        parse_synthetic("socket:2 pnode:2 core:8 pu:2 memory:64GiB distance:10,21", f"h{n}")
        for n in range(NUM_HOSTS)
    )
    domains = (
        *(domain_of(f"web-{n}", 16, vcpus=4) for n in range(20)),
        *(domain_of(f"db-{n}", 32, 32, vcpus=8) for n in range(12)),
        *(domain_of(f"big-{n}", 24, 24, 24, 24, vcpus=4) for n in range(6)),
    )
    problem = Problem(hosts=hosts, domains=domains, allow_partial=True)
    solution = solve(problem, SolveOptions(work=10.0, baselines=False))
    return Base(run=Run(problem=problem, result=solution.result, frames=solution.frames))


def make_scenarios(number: int) -> list[Scenario]:
    """Failures, growth, shrinking and other figures, drawn from a seed."""
    rng = np.random.default_rng(1)
    return [
        Scenario(
            name=f"s{n}",
            changes=_draw(rng, n),
            solve="moves" if n % 20 == 0 else "fresh" if n % 20 == 10 else "keep",
            max_moves=2 if n % 20 == 0 else None,
        )
        for n in range(number)
    ]


def _draw(rng: np.random.Generator, number: int) -> tuple[Change, ...]:
    host = (f"h{rng.integers(NUM_HOSTS)}",)
    other = (f"h{rng.integers(NUM_HOSTS)}",)
    pnode = int(rng.integers(4))
    count = int(rng.integers(1, 6))
    web = tuple(domain_of(f"new-{number}-{n}", 16, vcpus=4) for n in range(count))
    wide = tuple(domain_of(f"new-{number}-{n}", 24, 24, vcpus=8) for n in range(count))
    kinds: list[tuple[Change, ...]] = [
        (TakeHosts(hosts=host, how="fail"),),
        (TakeHosts(hosts=tuple({*host, *other}), how="fail"),),
        (TakeHosts(hosts=host, how="drain"), AddDomains(domains=web)),
        (FailPnodes(hosts=host, pnodes=(pnode,)),),
        (FailMemory(hosts=host, pnode=pnode, pages=int(rng.integers(1, 48)) * GIB),),
        (AddDomains(domains=web),),
        (AddDomains(domains=wide),),
        (RemoveDomains(domains=(f"db-{rng.integers(10)}",)), AddDomains(domains=wide)),
        (ResizeDomains(domains=(f"web-{rng.integers(20)}",), memory_pages=32 * GIB, num_vcpus=8),),
        (SetHosts(hosts=host, overcommit=Fraction(int(rng.integers(2, 9)), 4)),),
    ]
    return kinds[int(rng.integers(len(kinds)))]


def measure(
    base: Base, scenarios: Sequence[Scenario], name: EngineName, workers: int
) -> tuple[float, list[int], dict[int, str], int]:
    """Return seconds, MiB in memory after a tenth, half and all, digests and failures."""
    options = WhatIfOptions()
    numbered = number_scenarios(base, scenarios, options)
    started = time.monotonic()
    found: dict[int, str] = {}
    memory: list[int] = []
    failed = 0
    marks = {max(1, len(numbered) // 10), len(numbered) // 2, len(numbered)}
    for outcome in solve_all(base, numbered, options, open_engine(name, workers=workers)):
        found[outcome.number] = hashlib.sha256(repr(outcome).encode()).hexdigest()
        failed += outcome.failed
        if len(found) in marks:
            memory.append(resident_mib())
    return time.monotonic() - started, memory, found, failed


def resident_mib() -> int:
    """Return how much memory this process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 >> 20


def main() -> None:
    """Print a row for each engine and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenarios", type=int, default=1000)
    parser.add_argument("--engines", default="threads")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    base, scenarios = make_base(), make_scenarios(arguments.scenarios)
    first: dict[int, str] | None = None
    print(
        f"{'engine':>10} {'workers':>7} {'median s':>9} {'least':>7} {'most':>7} {'per s':>7} "
        f"{'failed':>6}  MiB after a tenth, half, all"
    )
    for name in arguments.engines.split(","):
        assert name in ENGINES, name
        for workers in map(int, arguments.workers.split(",")):
            times: list[float] = []
            memory: list[int] = []
            for _ in range(arguments.repeats):
                seconds, memory, found, failed = measure(base, scenarios, name, workers)
                times.append(seconds)
                first = first or found
                assert found == first
                assert len(found) == len(scenarios)
            median = statistics.median(times)
            print(
                f"{name:>10} {workers:>7} {median:>9.1f} {min(times):>7.1f} {max(times):>7.1f} "
                f"{len(scenarios) / median:>7.1f} {failed:>6}  {' '.join(map(str, memory))}",
                flush=True,
            )


if __name__ == "__main__":
    main()
