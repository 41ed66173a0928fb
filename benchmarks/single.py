"""Milliseconds that one domain on one host takes, over the stored set of datasets/single/.

Prints one CSV row a class and one for all: how many instances, how many were proved, how many of
these were refused, and the median, 95th percentile and maximum of the whole ``placer.solve.solve``
in process, warm: placement, frames, checks, baselines and the explanation of refusals. Every
answer is held against the stored one; exits 1 where one differs.

    python benchmarks/single.py
    python benchmarks/single.py --instances datasets/single/crowd.jsonl
    python benchmarks/single.py --engine core      # the quadratic core alone, nothing around it
    python benchmarks/single.py --engine cpsat --seconds 10  # the encoding in its place
"""

import argparse
import csv
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from benchmarks.generate_single import make_problem  # noqa: E402
from placer.answer import Limits  # noqa: E402
from placer.problem import Problem  # noqa: E402

STORED = ROOT / "datasets" / "single" / "instances.jsonl"

Said = tuple[str, dict[str, int]]
"""The status of an answer and the values of its levels."""


def ask_solve(seconds: float | None) -> Callable[[Problem], Said]:
    """The whole of ``placer.solve.solve``."""
    from placer.solve import SolveOptions, solve

    def ask(problem: Problem) -> Said:
        result = solve(problem, SolveOptions(time_limit=seconds)).result
        return result.status, {level.name: level.value for level in result.levels}

    return ask


def ask_core(seconds: float | None) -> Callable[[Problem], Said]:
    """The quadratic core alone; "unknown" where it leaves the question to the encoding."""
    from placer.quadratic.one_domain import place_one

    def ask(problem: Problem) -> Said:
        answer = place_one(problem, Limits(time_limit=seconds))
        if answer is None:
            return "unknown", {}
        return answer.status, {level.name: level.value for level in answer.levels}

    return ask


def ask_cpsat(seconds: float | None) -> Callable[[Problem], Said]:
    """The encoding alone, without the quadratic core."""
    from placer.cpsat.search import search

    def ask(problem: Problem) -> Said:
        answer = search(problem, Limits(time_limit=seconds))
        return answer.status, {level.name: level.value for level in answer.levels}

    return ask


ENGINES = {"solve": ask_solve, "core": ask_core, "cpsat": ask_cpsat}


def classes_of(record: dict[str, Any]) -> list[str]:
    """Return the rows that an instance counts in."""
    domain, host, answer = record["domain"], record["host"], record["answer"]
    classes = ["all", "placed" if answer else "refused"]
    if answer:
        classes.append("vcpus off home" if answer["vcpus_off_home"] else "vcpus at home")
    classes.append("fixed map" if "vcpu_to_vnode" in domain else "free map")
    classes.append("measured access" if "access" in domain else "access by size")
    if "memory" in domain:
        classes.append("preferred memory")
    if "hard_affinity" in domain or "soft_affinity" in domain:
        classes.append("affinity")
    if "dedicated" in domain:
        classes.append("dedicated vcpus")
    wide = len(domain["vnode_mib"]) >= 6 and len(host["pcpus"]) >= 6
    classes.append("6+ vnodes, 6+ pnodes" if wide else "smaller")
    return classes


def agrees(record: dict[str, Any], said: Said) -> bool:
    """Whether a proven answer is the stored one."""
    status, values = said
    if status == "infeasible":
        return record["answer"] is None
    if status != "optimal":
        return True
    known = record["answer"]
    return known is not None and all(values[name] == value for name, value in known.items())


def measure(
    records: list[dict[str, Any]], ask: Callable[[Problem], Said]
) -> tuple[list[tuple[list[str], str, float]], list[int]]:
    """Return (classes, status, milliseconds) of every instance, and which answers are wrong."""
    ask(make_problem(records[0]))  # what is imported or built once is not measured
    measured, wrong = [], []
    for record in records:
        problem = make_problem(record)
        start = time.perf_counter()
        said = ask(problem)
        milliseconds = 1000 * (time.perf_counter() - start)
        measured.append((classes_of(record), said[0], milliseconds))
        if not agrees(record, said):
            wrong.append(record["number"])
    return measured, wrong


def main() -> None:
    """Time the set and print the table."""
    parser = argparse.ArgumentParser(description="Time single placements.")
    parser.add_argument("--engine", choices=ENGINES, default="solve")
    parser.add_argument("--instances", type=Path, default=STORED, metavar="FILE")
    parser.add_argument("--count", type=int, help="only the first so many instances")
    parser.add_argument("--seconds", type=float, help="time limit of one instance")
    arguments = parser.parse_args()
    lines = arguments.instances.read_text().splitlines()[: arguments.count]
    ask = ENGINES[arguments.engine](arguments.seconds)
    measured, wrong = measure([json.loads(line) for line in lines], ask)
    rows: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for classes, status, milliseconds in measured:
        for name in classes:
            rows[name].append((status, milliseconds))
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["class", "count", "proved", "refused", "median_ms", "p95_ms", "max_ms"])
    for name in sorted(rows, key=lambda name: (-len(rows[name]), name)):
        statuses = [status for status, _ in rows[name]]
        taken = [milliseconds for _, milliseconds in rows[name]]
        refused = statuses.count("infeasible")
        percentiles = np.percentile(taken, [50, 95, 100])
        table.writerow(
            [name, len(taken), refused + statuses.count("optimal"), refused]
            + [f"{value:.1f}" for value in percentiles]
        )
    if wrong:
        raise SystemExit(f"answers that differ from the stored ones: {wrong}")


if __name__ == "__main__":
    main()
