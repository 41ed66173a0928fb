"""The oracle of three over wide problems: enumeration, every engine, and MiniZinc.

Prints one CSV row a feature and one for all: how many problems have it, how many of them can be
placed, and how many MiniZinc solved too. Each is enumerated, answered by the encoding alone and as
`placer place` would, and with --minizinc solved by models/placement.mzn, every level and every
home compared. Ends with an error at the first that differs. Runs from a checkout: the problems
and the enumeration are those of tests/.

    python benchmarks/oracle.py --problems 3400 --minizinc 420 --processes 2
"""

import argparse
import csv
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from tests.test_oracle import assert_same_optimum  # noqa: E402
from tests.test_oracle_wide import (  # noqa: E402
    assert_engines_agree,
    enumerated,
    small_problems,
    solve_splits,
    stated_problems,
)
from tests.wide_problems import wide_features_of, wide_problem  # noqa: E402

ALL = "all"


def hold_engines(seed: int) -> tuple[int, bool]:
    """Hold the engines against enumeration; return the seed and whether it can be placed."""
    assert_engines_agree(seed, wide_problem(seed))
    return seed, enumerated(seed) is not None


def hold_minizinc(seed: int) -> int:
    """Hold MiniZinc against enumeration; return the seed."""
    program = shutil.which("minizinc")
    if program is None:
        raise SystemExit("minizinc is not installed")
    optimum = enumerated(seed)
    with TemporaryDirectory() as folder:
        model = ROOT / "models" / "placement.mzn"
        reached, all_homes = solve_splits(wide_problem(seed), model, program, Path(folder))
    if reached is not None and optimum is not None and not all_homes:
        reached = replace(reached, homes=optimum.homes)
    assert_same_optimum(reached, optimum, f"seed {seed}")
    return seed


def names_of(seed: int) -> Iterator[str]:
    """Yield the rows that a problem counts in."""
    yield ALL
    yield from wide_features_of(wide_problem(seed))


def main() -> None:
    """Hold the problems and print the table."""
    parser = argparse.ArgumentParser(description="Hold engines, MiniZinc and enumeration together.")
    parser.add_argument("--problems", type=int, default=3400, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--minizinc", type=int, default=0, metavar="N", help="of these, at most")
    parser.add_argument("--processes", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    seeds = [seed for seed, _ in small_problems(range(arguments.problems))]
    stated = (
        [seed for seed, _ in stated_problems(0, 1, arguments.minizinc)]
        if arguments.minizinc
        else []
    )
    held: Counter[str] = Counter()
    placed: Counter[str] = Counter()
    by_minizinc: Counter[str] = Counter()
    with ProcessPoolExecutor(arguments.processes) as pool:
        for seed, fits in pool.map(hold_engines, seeds, chunksize=8):
            held.update(names_of(seed))
            placed.update(names_of(seed) if fits else ())
        for seed in pool.map(hold_minizinc, stated, chunksize=4):
            by_minizinc.update(names_of(seed))
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["feature", "problems", "placed", "refused", "by_minizinc"])
    for name in sorted(held, key=lambda name: (name != ALL, name)):
        table.writerow(
            [name, held[name], placed[name], held[name] - placed[name], by_minizinc[name]]
        )


if __name__ == "__main__":
    main()
