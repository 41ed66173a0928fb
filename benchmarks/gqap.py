"""The quadratic core on published instances: best known value, ours, and how soon.

Prints one CSV row an instance, as soon as it is done. Two searches with seeds of their own run
side by side for --seconds; the best known value of the file is no target: they use all their time
unless the bound is met, and seconds_to_best says when the value was found. Values are computed
again from the file's own figures. Ends with 5 where a best known value is missed.

    python benchmarks/gqap.py datasets/gqap/*.txt --seconds 10 --seed 0
"""

import argparse
import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from placer.errors import InputError
from placer.quadratic.bound import lower_bound
from placer.quadratic.core import QuadraticCore
from placer.quadratic.tabu import TabuAnswer, improve
from placer.read.gqap import GqapInstance, read_gqap

COLUMNS = ("instance", "best_known", "value", "gap_percent", "seconds_to_best", "bound")


def core_of(instance: GqapInstance) -> QuadraticCore:
    """Return the core of an instance."""
    return QuadraticCore(
        linear=instance.linear,
        flow=instance.flow,
        distance=instance.distance,
        demand=instance.demand,
        capacity=instance.capacity,
        name=instance.name,
    )


def evaluate(core: QuadraticCore, locations: list[int]) -> int:
    """Return what an assignment costs, term by term; ValueError where it is not feasible."""
    load = [0] * core.num_locations
    for facility, place in enumerate(locations):
        load[place] += int(core.demand[0, facility])
    if any(used > room for used, room in zip(load, core.capacity[0].tolist(), strict=True)):
        raise ValueError("a location holds more than its capacity")
    cost = sum(int(core.linear[i, place]) for i, place in enumerate(locations))
    for i, here in enumerate(locations):
        for j, there in enumerate(locations):
            cost += int(core.flow[i, j]) * int(core.distance[here, there])
    return cost


def search(seconds: float, target: int | None, core: QuadraticCore, seed: int) -> TabuAnswer | None:
    """One search, in a process of its own."""
    return improve(core, seed=seed, seconds=seconds, target=target)


def solve(
    pool: ProcessPoolExecutor, instance: GqapInstance, seconds: float, seed: int, jobs: int
) -> tuple[tuple[object, ...], bool]:
    """Return the row of an instance, and whether its best known value was reached."""
    core = core_of(instance)
    bound = lower_bound(core)
    seeds = np.random.SeedSequence(seed).generate_state(jobs).tolist()
    found = list(pool.map(partial(search, seconds, bound, core), seeds))
    answers = [answer for answer in found if answer is not None]
    if not answers:
        return (instance.name, instance.best_known, "", "", "", bound), False
    best = min(answers, key=lambda answer: (answer.cost, answer.seconds))
    value = evaluate(core, best.locations.tolist())
    if value != best.cost:
        raise ValueError(f"{instance.name}: counted {best.cost}, recomputed {value}")
    gap = 100 * (value - instance.best_known) / max(1, instance.best_known)
    row = (instance.name, instance.best_known, value, f"{gap:.4f}", f"{best.seconds:.2f}", bound)
    return row, value <= instance.best_known


def main() -> int:
    """Solve each instance and print its row."""
    parser = argparse.ArgumentParser(description="Solve published instances of the core.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each instance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="searches side by side")
    given = parser.parse_args()
    try:
        instances = [read_gqap(path) for path in given.files]
    except InputError as error:
        for fault in error.faults:
            print(f"error: {fault}", file=sys.stderr)
        return 2
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    reached = True
    with ProcessPoolExecutor(given.jobs) as pool:
        for instance in instances:
            row, is_best = solve(pool, instance, given.seconds, given.seed, given.jobs)
            table.writerow(row)
            sys.stdout.flush()
            reached = reached and is_best
    return 0 if reached else 5


if __name__ == "__main__":
    sys.exit(main())
