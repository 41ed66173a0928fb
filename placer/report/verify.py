"""A run folder held against its own inputs: everything is recomputed, nothing is solved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from placer.check import check_placement
from placer.cost import level_values
from placer.errors import InputError
from placer.placement import Placement
from placer.record import parse_json
from placer.report.folder import run_files
from placer.result import Level
from placer.run import CSV_NAMES, PLACEMENT_FILE, Run
from placer.text_file import read_text

_MAX_DIFFERENCES = 10
"""Differences of one file that are listed; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was recomputed, a line each, and what was found wrong."""

    checked: tuple[str, ...]
    faults: tuple[str, ...]


def verify_run(folder: Path, run: Run) -> Verification:
    """Recompute the run in ``folder`` from its inputs and compare.

    The rules of the placement and its frames, the baseline's score, the value of each
    level that the checker knows, and placement.json and the CSV files against what the
    run's records say.
    """
    checked: list[str] = []
    faults: list[str] = []
    _check_answer(run, checked, faults)
    _check_files(folder, run, checked, faults)
    return Verification(checked=tuple(checked), faults=tuple(faults))


def _check_answer(run: Run, checked: list[str], faults: list[str]) -> None:
    placement = run.result.placement
    if placement is None:
        checked.append("placement: none to check")
        if run.result.status in ("optimal", "feasible"):
            faults.append(f"result.json: status {run.result.status} without a placement")
        return
    if run.result.status not in ("optimal", "feasible"):
        faults.append(f"result.json: status {run.result.status} with a placement")
    violations = check_placement(run.problem, placement, run.frames or None, run.result.moves)
    faults += [str(violation) for violation in violations]
    checked.append(f"placement: {len(run.placed)} of {len(run.problem.domains)} domains, all rules")
    if run.frames:
        pages = sum(int(frames.run_pages.sum()) for frames in run.frames)
        runs = sum(len(frames.runs) for frames in run.frames)
        checked.append(f"frames: {pages} pages in {runs} runs of extents")
    elif run.placed:
        checked.append("frames: none, the placement was not realised")
    if run.problem.current:
        checked.append(f"moves: {len(run.result.moves)} steps, replayed")
    faults += _unexplained(run, placement)
    values = level_values(run.problem, placement)
    for level in run.result.levels:
        if level.name in values:
            faults += _level_faults(run, level, values[level.name])
    known = [level.name for level in run.result.levels if level.name in values]
    other = [level.name for level in run.result.levels if level.name not in values]
    if known:
        checked.append(f"levels: {', '.join(known)}")
    if other:
        checked.append(f"levels not recomputed: {', '.join(other)}")


def _unexplained(run: Run, placement: Placement) -> Iterator[str]:
    """Yield each domain that is left out without being listed as unplaced."""
    placed = {domain.domain for domain in placement.domains}
    refused = {refusal.domain for refusal in run.result.unplaced}
    for domain in run.problem.domains:
        if domain.name not in placed | refused:
            yield f"{domain.name}: neither placed nor listed as unplaced"
        elif domain.name in placed & refused:
            yield f"{domain.name}: placed, and listed as unplaced"


def _level_faults(run: Run, level: Level, value: int) -> Iterator[str]:
    """Yield what is wrong with a level whose value was recomputed.

    A later level may better a value that was not proven, and worsen the cost by the slack.
    """
    slack = int(level.value * run.problem.cost_slack) if level.name == "cost" else 0
    sign = 1 if level.sense == "min" else -1
    if sign * value > sign * (level.value + slack):
        yield f"level {level.name}: value {level.value}, recomputed {value}"
    if sign * value < sign * level.bound:
        yield f"level {level.name}: bound {level.bound}, recomputed value {value}"
    if level.status == "optimal" and level.value != level.bound:
        yield f"level {level.name}: optimal, but value {level.value} and bound {level.bound}"


def _check_files(folder: Path, run: Run, checked: list[str], faults: list[str]) -> None:
    expected = run_files(run)
    csv_files = [f"{name}.csv" for name in CSV_NAMES]
    for name in (PLACEMENT_FILE, *csv_files):
        try:
            text = read_text(folder / name)
            if name == PLACEMENT_FILE:
                document = parse_json(text, str(folder / name))
                recomputed = parse_json(expected[name], name)
                differences = _differences(document, recomputed, "")
            else:
                differences = _line_differences(text, expected[name])
        except InputError as error:
            faults += [str(fault) for fault in error.faults]
            continue
        faults += [f"{name}: {found}" for found in islice(differences, _MAX_DIFFERENCES)]
        if more := sum(1 for _ in differences):
            faults.append(f"{name}: and {more} more differences")
    checked.append(f"files: {PLACEMENT_FILE} and {len(csv_files)} CSV files")


def _differences(found: Any, expected: Any, path: str) -> Iterator[str]:
    """Yield each place where two JSON values differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in {**expected, **found}:
            if key not in found or key not in expected:
                yield f"{path}.{key} is {'missing' if key in expected else 'too much'}".lstrip(".")
            else:
                yield from _differences(found[key], expected[key], f"{path}.{key}")
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif type(found) is not type(expected) or found != expected:
        yield f"{path.lstrip('.')} is {_short(found)}, recomputed {_short(expected)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line_differences(text: str, expected: str) -> Iterator[str]:
    rows = zip_longest(text.split("\n"), expected.split("\n"))
    for number, (found, recomputed) in enumerate(rows, start=1):
        if found != recomputed:
            yield f"line {number} is {_short(found)}, recomputed {_short(recomputed)}"
