"""A batch that patterns do not know, whole and in parts: how soon and how good.

Prints a row for each number of parts. Asserts that every answer keeps the rules; never the
seconds. `gap %` is that of the cost to the bound of the answer's own whole problem.

    python benchmarks/parts.py --domains 300 --hosts 30 --parts 1,2,4 --seconds 60
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from benchmarks.generate_fleet import make_fleet  # noqa: E402
from placer.domain import VnodeMemory  # noqa: E402
from placer.engine import ENGINES, open_engine  # noqa: E402
from placer.problem import Group, Problem  # noqa: E402
from placer.solve import SolveOptions, solve  # noqa: E402


def make_batch(domains: int, hosts: int, fill: float, seed: int) -> Problem:
    """Return a drawn fleet in which every fourth domain is of a pair kept apart, or may spill."""
    fleet = make_fleet(domains, hosts, fill, seed)
    found, groups = [], []
    for number, domain in enumerate(fleet.domains):
        if number % 8 in (0, 1):
            name = f"pair-{number // 8}"
            groups.append(name)
            found.append(replace(domain, groups=(name,)))
        elif number % 8 == 4:
            spilled = VnodeMemory(policy="preferred")
            found.append(replace(domain, memory=(spilled,) * domain.num_vnodes))
        else:
            found.append(domain)
    kept = tuple(Group(name=name, keep="apart") for name in dict.fromkeys(groups))
    return replace(fleet, domains=tuple(found), groups=kept, allow_partial=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, default=300)
    parser.add_argument("--hosts", type=int, default=30)
    parser.add_argument("--fill", type=float, default=0.85)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parts", default="1,2,4")
    parser.add_argument("--engine", choices=ENGINES, default="processes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    problem = make_batch(chosen.domains, chosen.hosts, chosen.fill, chosen.seed)
    rows = []
    for parts in map(int, chosen.parts.split(",")):
        options = SolveOptions(
            time_limit=chosen.seconds,
            parts=parts,
            workers=chosen.workers,
            reasons=False,
            baselines=False,
        )
        engine = open_engine(chosen.engine, workers=chosen.workers)
        started = time.monotonic()
        solution = solve(problem, options, engine=engine)
        seconds = time.monotonic() - started
        assert solution.score is not None
        assert not solution.score.violations
        levels = {level.name: level for level in solution.result.levels}
        cost, priority = levels["cost"], levels["placed_priority"]
        rows.append((parts, seconds, priority.value, priority.bound, cost.value, cost.bound))
    print(f"{'parts':>6} {'seconds':>8} {'priority':>8} {'at most':>8} {'cost':>16} {'gap %':>7}")
    for parts, seconds, placed, at_most, cost_value, bound in rows:
        gap = f"{100 * (cost_value - bound) / cost_value:.2f}"
        print(f"{parts:>6} {seconds:>8.1f} {placed:>8} {at_most:>8} {cost_value:>16} {gap:>7}")


if __name__ == "__main__":
    main()
