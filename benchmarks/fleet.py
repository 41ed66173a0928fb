"""How well and how fast a fleet is placed: one row for placer, one for each baseline below it.

Prints CSV on stdout. On stderr: which row is which, the value and bound of every level, how many
rules a baseline breaks, and the search's own progress. `bound` and `gap_percent` are of the cost; a
baseline is held against the same bound where it places the same domains and breaks no rule.
`peak_mib` is the peak of the whole process. Exits 5 where the independent checker finds a violation
in placer's row, 2 where the fleet cannot be made or read, 3 where nothing can be placed as asked, 4
where no placement was found in time.

    python benchmarks/fleet.py --domains 1000 --hosts 100 --fill 0.85 --seconds 60 --seed 1
    python benchmarks/fleet.py --instance datasets/fleet/1000x100-85-domains.toml --seconds 60
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from benchmarks.fleet_instance import read_instance  # noqa: E402
from benchmarks.generate_fleet import make_fleet  # noqa: E402
from placer.errors import InputError, ModelError  # noqa: E402
from placer.problem import Problem  # noqa: E402
from placer.result import Baseline, Level, Result  # noqa: E402
from placer.solve import SolveOptions, solve  # noqa: E402

COLUMNS: Final = (
    "domains",
    "hosts",
    "placed",
    "unplaced",
    "cost",
    "bound",
    "gap_percent",
    "seconds",
    "peak_mib",
)
INVALID: Final = 2
IMPOSSIBLE: Final = 3
NO_ANSWER: Final = 4
GATE_MISSED: Final = 5


def main(args: Sequence[str] | None = None) -> int:
    """Place one fleet, print the table, and return the exit code."""
    options = _parse(args)
    started = time.perf_counter()
    try:
        problem = _problem(options)
    except (InputError, ValueError) as error:
        _say(str(error))
        return INVALID
    _say(f"made or read in {time.perf_counter() - started:.1f} s")
    chosen = SolveOptions(seed=options.seed, workers=options.workers, time_limit=options.seconds)
    started = time.perf_counter()
    try:
        solution = solve(problem, chosen, progress=_say)
    except ModelError as error:
        _say(f"refused: {error}")
        return GATE_MISSED
    seconds = time.perf_counter() - started
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in _rows(problem, solution.result, seconds):
        table.writerow(row)
    _explain(solution.result)
    if solution.result.placement is None:
        return IMPOSSIBLE if solution.result.status == "infeasible" else NO_ANSWER
    if solution.score is None or solution.score.violations:
        _say(f"violations: {solution.score.violations if solution.score else 'not scored'}")
        return GATE_MISSED
    return 0


def _parse(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the placement of a fleet.")
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--fill", type=float, default=0.85)
    parser.add_argument("--memory-fill", type=float, help="by default less than --fill")
    parser.add_argument("--seconds", type=float, default=60.0, help="the time limit of the search")
    parser.add_argument("--seed", type=int, default=1, help="of the fleet and of the search")
    parser.add_argument("--instance", type=Path, help="a stored fleet, *-domains.toml, instead")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(args)


def _problem(options: argparse.Namespace) -> Problem:
    if options.instance is not None:
        return read_instance(options.instance)
    size = options.domains, options.hosts
    return make_fleet(*size, options.fill, options.seed, options.memory_fill)


def _rows(problem: Problem, result: Result, seconds: float) -> Iterator[list[str]]:
    """Yield placer's row, then those of the baselines."""
    sizes = [str(len(problem.domains)), str(len(problem.hosts))]
    cost = _cost_level(result)
    placed = 0 if result.placement is None else len(result.placement.domains)
    counts = [str(placed), str(len(problem.domains) - placed)]
    figures = ["", "", ""]
    if cost is not None:
        figures = [str(cost.value), str(cost.bound), f"{100 * cost.gap:.4f}"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield [*sizes, *counts, *figures, f"{seconds:.1f}", f"{peak:.0f}"]
    ours = set() if result.placement is None else {d.domain for d in result.placement.domains}
    for baseline in _baselines(result):
        own = {domain.domain for domain in baseline.placement.domains}
        counts = [str(len(own)), str(len(problem.domains) - len(own))]
        bound, gap = "", ""
        if cost is not None and own == ours and not baseline.score.violations:
            bound = str(cost.bound)
            gap = f"{100 * (baseline.score.cost - cost.bound) / baseline.score.cost:.4f}"
        yield [*sizes, *counts, str(baseline.score.cost), bound, gap, "", ""]


def _baselines(result: Result) -> tuple[Baseline, ...]:
    found: tuple[Baseline | None, ...] = getattr(result, "baselines", (result.baseline,))
    return tuple(baseline for baseline in found if baseline is not None)


def _cost_level(result: Result) -> Level | None:
    return next((level for level in result.levels if level.name == "cost"), None)


def _explain(result: Result) -> None:
    """Say on stderr which row is which and what stands behind it."""
    _say(f"row 1: {result.solver.name}, {result.status}")
    for level in result.levels:
        _say(
            f"  {level.name}: {level.value}, bound {level.bound}, "
            f"gap {100 * level.gap:.4f} %, {level.status}"
        )
    for number, baseline in enumerate(_baselines(result), start=2):
        broken = len(baseline.score.violations)
        _say(f"row {number}: {baseline.name}, breaks {broken} rules")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
