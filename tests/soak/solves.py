"""Thousands of solves in one process, and what they leave in its memory.

    python -m tests.soak.solves [NUMBER]

prints a line for every thousandth part of ten: solves done, resident memory, objects that
Python holds, threads and open files.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from placer.problem import Problem
from placer.report.folder import run_files
from placer.run import Run
from placer.solve import Solution, SolveOptions, solve
from tests.breakings.moves import moving
from tests.breakings.placements import auto_problem
from tests.builders import make_domain, make_host
from tests.fleet.tiny_fleets import draw_fleet
from tests.random_problems import draw_problem
from tests.strategies import tiny_problem

SOLVES = 10_000
WINDOWS = 10

DRAWN: dict[Callable[[int], Problem], tuple[int, ...]] = {
    tiny_problem: (31, 36, 43, 0, 2, 25, 37, 4, 6),
    draw_problem: (3, 0, 29, 2),
    draw_fleet: (11, 16, 6, 14, 9, 25, 20, 3),
    auto_problem: (0,),
    lambda seed: moving(seed).problem: (0,),
}
"""Problems of every kind that take some 20 ms: placed, in part, refused by count and by search."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the process holds after so many solves."""

    solves: int
    resident: int
    """Bytes."""
    objects: int
    threads: int
    files: int


def sample(solves: int) -> Sample:
    """Measure this process, what is no longer used being collected first."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return Sample(
        solves=solves,
        resident=pages * os.sysconf("SC_PAGE_SIZE"),
        objects=len(gc.get_objects()),
        threads=threading.active_count(),
        files=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - one of them is this folder
    )


def questions() -> list[tuple[Problem, SolveOptions]]:
    """Each kind of problem with the options that lead to each engine."""
    asked = [(draw(seed), SolveOptions()) for draw, seeds in DRAWN.items() for seed in seeds]
    fleet = [(draw_fleet(seed), SolveOptions(work=0.5)) for seed in (16, 6, 14, 9)]
    libxl = [(tiny_problem(seed), SolveOptions(solver="libxl")) for seed in (0, 37)]
    return [*asked, *fleet, *libxl, (large_fleet(), SolveOptions(work=0.1, reasons=False))]


def large_fleet() -> Problem:
    """More domains than one encoding is proven for."""
    hosts = tuple(make_host([16 * 2048] * 2, cpus=32, name=f"h{n}") for n in range(2))
    domains = tuple(make_domain([1024 + 512 * (n % 3)], name=f"d{n}") for n in range(66))
    return Problem(hosts=hosts, domains=domains)


def soak(solves: int) -> Iterator[tuple[Sample, Counter[str]]]:
    """Solve, yielding ten times what the process holds and how often which status came."""
    statuses: Counter[str] = Counter()
    asked = questions()
    for number, (problem, options) in enumerate(islice(cycle(asked), solves), start=1):
        solution: Solution = solve(problem, options)
        statuses[solution.result.status] += 1
        if number % len(asked) == 1:
            run_files(Run(problem=problem, result=solution.result, frames=solution.frames))
        if number % (solves // WINDOWS) == 0:
            yield sample(number), statuses


def main() -> None:
    """Solve as often as is asked, and show what that leaves."""
    solves = int(sys.argv[1]) if len(sys.argv) > 1 else SOLVES
    for held, statuses in soak(solves):
        sys.stdout.write(
            f"{held.solves} {held.resident} {held.objects} {held.threads} {held.files} "
            f"{' '.join(f'{name}:{count}' for name, count in sorted(statuses.items()))}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
