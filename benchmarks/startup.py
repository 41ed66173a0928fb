"""Seconds that a whole process takes to import placer, and to print its help.

Prints one CSV row a command: the median and the least of several runs, and the limit that the
project sets itself on an idle machine. Nothing is asserted: a busy machine is no fault.

    python benchmarks/startup.py --runs 20
"""

import argparse
import csv
import statistics
import subprocess
import sys
import time

COMMANDS: tuple[tuple[str, list[str], float], ...] = (
    ("import placer", [sys.executable, "-c", "import placer"], 0.1),
    ("placer --help", [sys.executable, "-m", "placer", "--help"], 0.3),
)


def measure(command: list[str], runs: int) -> list[float]:
    """Run the command, once unmeasured to warm the caches, and return the seconds of each run."""
    seconds = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main() -> None:
    """Measure each command and print the table."""
    parser = argparse.ArgumentParser(description="Measure how long placer takes to start.")
    parser.add_argument("--runs", type=int, default=10, help="measured runs of each command")
    runs = parser.parse_args().runs
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["command", "runs", "median_seconds", "min_seconds", "limit_seconds"])
    for name, command, limit in COMMANDS:
        seconds = measure(command, runs)
        table.writerow(
            [name, runs, f"{statistics.median(seconds):.3f}", f"{min(seconds):.3f}", limit]
        )


if __name__ == "__main__":
    main()
