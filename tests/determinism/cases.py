"""Questions whose answers have to be the same bytes each time, and the sum of each answer.

    python -m tests.determinism.cases [--all] [NAME...]

prints a line for each case, ``sha256  name``: the sum of all that was said and of all files
that were written, but for run-log.json and the line about it in SHA256SUMS. Where the lines of
two runs are equal, so are the answers, byte by byte. ``--all`` also answers those that take
longer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.fleet_instance import read_instance
from benchmarks.generate_single import make_problem
from placer.cli.exit_code import ExitCode
from placer.problem import Problem
from placer.read.policies import read_policy
from placer.report.folder import run_files
from placer.run import LOG_FILE, SUMS_FILE, Run
from placer.solve import SolveOptions, solve
from tests.breakings.moves import moving, swapping
from tests.breakings.placements import auto_problem
from tests.cli.program import run_placer
from tests.fleet.tiny_fleets import draw_fleet
from tests.random_problems import draw_batch, draw_problem
from tests.strategies import tiny_problem

ROOT = Path(__file__).resolve().parent.parent.parent
SEED, FLEET = ROOT / "datasets" / "seed", ROOT / "datasets" / "fleet"

Files = dict[str, bytes]
"""What an answer consists of, by names."""


def solved(problem: Problem, options: SolveOptions) -> Files:
    """The files of the run that solves a problem, one worker, seed 0."""
    solution = solve(problem, options)
    return files_of(Run(problem=problem, result=solution.result, frames=solution.frames))


def solve_drawn(draw: Callable[[int], Problem], number: int, work: float | None = None) -> Files:
    """The files of the run that solves the problem that a number draws."""
    return solved(draw(number), SolveOptions(work=work))


def files_of(run: Run) -> Files:
    """The files of a run."""
    return {name: text.encode() for name, text in run_files(run).items()}


def moved(make: Callable[[int], Run], number: int) -> Files:
    """The files of a run with moves."""
    return files_of(make(number))


def single(number: int) -> Files:
    """The stored instance of that number of one domain on one host."""
    lines = (ROOT / "datasets" / "single" / "instances.jsonl").read_text("utf-8").splitlines()
    return solved(make_problem(json.loads(lines[number])), SolveOptions())


def fleet(name: str, work: float, policy: str = "distance") -> Files:
    """A stored fleet, cut off by a limit of work, without reasons and comparisons."""
    stored = read_instance(FLEET / f"{name}-domains.toml")
    problem = replace(stored, policy=read_policy(policy))
    return solved(problem, SolveOptions(work=work, reasons=False, baselines=False))


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A new folder as the working one, so that what is said names no other place."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def commands(*lines: tuple[object, ...]) -> Files:
    """What the commands say, one after another, and every file that they leave."""
    found: Files = {}
    with empty_folder() as folder:
        for number, arguments in enumerate(lines):
            ended = run_placer(*arguments)
            if ended.code in (ExitCode.UNEXPECTED, ExitCode.INVALID):
                raise RuntimeError(f"{arguments}: {ended.err}")
            found[f"said {number}"] = f"{ended.code}\n{ended.out}{ended.err}".encode()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            if path.name == LOG_FILE:
                continue
            data = path.read_bytes()
            if path.name == SUMS_FILE:
                kept = (line for line in data.splitlines(True) if LOG_FILE.encode() not in line)
                data = b"".join(kept)
            found[name] = data
    return {name: data.replace(str(ROOT).encode(), b"ROOT") for name, data in found.items()}


def place_seed(name: str) -> tuple[object, ...]:
    host = SEED / f"heatpipe-before-{name}.toml"
    return ("place", SEED / f"{name}.cfg", "--host", host, "--fallback", "--out", name)


def what_if() -> Files:
    """Every question that is asked of a finished run, in one process."""
    quick = ("--engine", "serial", "--work", "0.5", "--quiet")
    vm = ("--vm", "memory:1GiB vcpus:1")
    study = ROOT / "datasets" / "study-seed"
    return commands(
        place_seed("rc9"),
        ("whatif", "run", study / "after-rc9.toml", "--base", "rc9", "--out", "a", *quick),
        ("whatif", "fail-each", "--base", "rc9", "--out", "b", *quick),
        ("whatif", "sweep", "--base", "rc9", "--set", "overcommit=1,2", "--out", "c", *quick),
        ("whatif", "headroom", "--base", "rc9", *vm, "--csv", "d.csv", "--quiet"),
        ("whatif", "frontier", "--base", "rc9", "--out", "e", *quick),
        ("report", "rc9", "--whatif", "a", "--html", "page.html", "--quiet"),
    )


def reasons() -> Files:
    """Why guests do not fit after one another, and what would help."""
    inventory = SEED / "heatpipe-before-rcbig.toml"
    guests = (SEED / "rc9.cfg", SEED / "rcbig.cfg")
    return commands(
        ("explain", *guests, "--host", inventory, "--fallback", "--quiet"),
        ("place", *guests, "--host", inventory, "--fallback", "--allow-partial", "--out", "some"),
        ("place", *guests, "--host", inventory, "--fallback", "--out", "all"),
    )


QUICK: dict[str, Callable[[], Files]] = {
    "seed rcbig": lambda: commands(place_seed("rcbig"), ("check", "rcbig")),
    "seed rc9, exported": lambda: commands(
        place_seed("rc9"),
        ("export", "rc9", "--all", "--format", "xl", "-o", "exported"),
        ("pages", "rc9"),
    ),
    "reasons": reasons,
    **{f"single {n}": partial(single, n) for n in (0, 2, 3)},
    **{f"tiny {n}": partial(solve_drawn, tiny_problem, n) for n in range(20)},
    **{f"features {n}": partial(solve_drawn, draw_problem, n) for n in range(12)},
    **{f"tiny fleet {n}": partial(solve_drawn, draw_fleet, n) for n in range(6)},
    **{f"auto {n}": partial(solve_drawn, auto_problem, n) for n in range(2)},
    **{f"moves {n}": partial(moved, swapping, n) for n in range(2)},
    "live or not": partial(moved, moving, 0),
    "what-if": what_if,
    "fleet small": lambda: fleet("small", 2.0),
}
SLOW: dict[str, Callable[[], Files]] = {
    **{f"batch {n}": partial(solve_drawn, draw_batch, n, work=1.0) for n in range(1, 4)},
    "fleet small, spread": lambda: fleet("small", 1.0, "spread"),
    "fleet small, pack": lambda: fleet("small", 1.0, "pack"),
    "fleet 1000x100-85": lambda: fleet("1000x100-85", 3.0),
}
CASES = QUICK | SLOW


def sum_of(files: Files) -> str:
    """One sum over all files and their names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{len(name)} {name} {len(files[name])} ".encode())
        digest.update(files[name])
    return digest.hexdigest()


def main() -> None:
    """Answer the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="these cases alone")
    parser.add_argument("--all", action="store_true", help="also those that take longer")
    parser.add_argument("--keep", type=Path, help="write the answers here, to compare them")
    arguments = parser.parse_args()
    for name in arguments.names or (CASES if arguments.all else QUICK):
        files = CASES[name]()
        for file, data in files.items() if arguments.keep else ():
            path = arguments.keep / name.replace(" ", "_") / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        sys.stdout.write(f"{sum_of(files)}  {name}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
