"""A run folder held against its own inputs: everything is recomputed, nothing is solved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from placer.check import Violation, check_placement
from placer.cost import level_values
from placer.errors import InputError
from placer.placement import Placement
from placer.record import parse_json
from placer.report.folder import run_files
from placer.result import Level
from placer.run import (
    CSV_NAMES,
    PLACEMENT_FILE,
    RUN_FILES,
    SUMS_FILE,
    Run,
    contradictions,
    is_run,
    read_records,
    read_sums,
)
from placer.sums import sum_of
from placer.text_file import is_file, read_bytes, read_text

_MAX_DIFFERENCES = 10
"""Differences of one file that are listed; the rest is counted."""

_WIDTH = 60
_BEFORE = 20
"""Signs of a value that are shown, and of them how many before what differs in it."""

_SUMS_CHECKED = f"sums: {len(RUN_FILES) - 1} files against {SUMS_FILE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was recomputed, a line each, and what was found wrong."""

    checked: tuple[str, ...]
    faults: tuple[str, ...]


def verify_run(folder: Path, tell: Callable[[str], None] | None = None) -> Verification:
    """Recompute the run in ``folder`` from its inputs and compare.

    The sums of all files; the rules of the placement and its frames, the baseline's score,
    the value of each level that the checker knows, and placement.json and the CSV files
    against what the run's records say. Raises InputError where the folder is no run, and
    where its records are damaged although the sums are theirs.
    """
    checked: list[str] = []
    faults: list[str] = []
    try:
        run = read_records(folder, sums=False)
    except InputError as error:
        faults += check_sums(folder) if _was_run(folder) else ()
        checked.append(_SUMS_CHECKED)
        if not faults:
            raise
        faults += [str(fault) for fault in error.faults]
        return Verification(checked=tuple(checked), faults=tuple(faults))
    if tell is not None:
        tell("recomputing")
    faults += check_sums(folder)
    checked.append(_SUMS_CHECKED)
    unfit = [str(fault) for fault in contradictions(folder, run)]
    violations = _violations(run)
    faults += [*unfit, *map(str, violations)]
    if unfit or any(violation.rule == "D1 shape" for violation in violations):
        checked.append("levels and files: not recomputed, the records contradict one another")
    else:
        _check_answer(run, checked, faults)
        _check_files(folder, run, checked, faults)
    return Verification(checked=tuple(checked), faults=tuple(faults))


def _was_run(folder: Path) -> bool:
    """Whether a run was written there, even if it has lost a record since."""
    return is_run(folder) or is_file(folder / SUMS_FILE)


def _violations(run: Run) -> tuple[Violation, ...]:
    placement = run.result.placement
    if placement is None:
        return ()
    return check_placement(run.problem, placement, run.frames or None, run.result.moves)


def check_sums(folder: Path) -> Iterator[str]:
    """Yield what is not as SHA256SUMS of a run's folder says: files changed, missing, too many."""
    there = {path.name for path in folder.iterdir()}
    for name in sorted(there - RUN_FILES):
        yield f"{name}: is no file of a run"
    try:
        sums = read_sums(folder)
        if sums is None:
            yield f"{SUMS_FILE}: not there; which files were edited cannot be told"
            return
        written = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        if read_bytes(folder / SUMS_FILE) != written.encode():
            yield f"{SUMS_FILE}: was edited, its lines are not as they were written"
    except InputError as error:
        yield from map(str, error.faults)
        return
    for name in sorted({*sums, *RUN_FILES} - {SUMS_FILE}):
        if name not in sums:
            yield f"{SUMS_FILE}: no line for {name}"
        elif name not in there:
            yield f"{name}: is missing"
        elif name in RUN_FILES:
            yield from _sum_faults(folder / name, sums[name])


def _sum_faults(path: Path, expected: str) -> Iterator[str]:
    try:
        found = sum_of(read_bytes(path))
    except InputError as error:
        yield from map(str, error.faults)
        return
    if found != expected:
        yield f"{path.name}: was changed after the run was written, its SHA-256 is another"


def _check_answer(run: Run, checked: list[str], faults: list[str]) -> None:
    placement = run.result.placement
    if placement is None:
        checked.append("placement: none to check")
        if run.result.status in ("optimal", "feasible"):
            faults.append(f"result.json: status {run.result.status} without a placement")
        return
    if run.result.status not in ("optimal", "feasible"):
        faults.append(f"result.json: status {run.result.status} with a placement")
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
        yield f"{path.lstrip('.')} is {_where_they_differ(found, expected)}"


def _where_they_differ(found: Any, recomputed: Any) -> str:
    """Return both values, cut so that the first sign in which they differ is seen."""
    texts = repr(found), repr(recomputed)
    pairs = enumerate(zip(*texts, strict=False))
    alike = next((at for at, (one, other) in pairs if one != other), min(map(len, texts)))
    start = alike - _BEFORE if max(map(len, texts)) > _WIDTH and alike > 2 * _BEFORE else 0
    return ", recomputed ".join(_cut(text, start) for text in texts)


def _cut(text: str, start: int) -> str:
    rest = f"...{text[start:]}" if start else text
    return rest if len(rest) <= _WIDTH else f"{rest[: _WIDTH - 3]}..."


def _line_differences(text: str, expected: str) -> Iterator[str]:
    rows = zip_longest(text.split("\n"), expected.split("\n"))
    for number, (found, recomputed) in enumerate(rows, start=1):
        if found != recomputed:
            yield f"line {number} is {_where_they_differ(found, recomputed)}"
