"""A run written as a folder, all or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from placer.errors import Fault, InputError
from placer.record import format_json, record_frames, record_problem, record_result
from placer.report.document import placement_document
from placer.run import (
    FRAMES_FILE,
    LOG_FILE,
    PLACEMENT_FILE,
    PROBLEM_FILE,
    RESULT_FILE,
    RUN_FILES,
    Run,
    is_run,
)
from placer.whole_file import umask


def run_files(run: Run) -> dict[str, str]:
    """Return the text of every file of a run's folder but the log, by name.

    Equal runs have equal texts: nothing here comes from the clock or the machine.
    """
    from placer.report.tables import format_csv, tables

    files = {
        PLACEMENT_FILE: format_json(placement_document(run)),
        PROBLEM_FILE: format_json(record_problem(run.problem)),
        RESULT_FILE: format_json(record_result(run.result)),
        FRAMES_FILE: format_json(record_frames(run.frames)),
    }
    files.update((f"{name}.csv", format_csv(table)) for name, table in tables(run).items())
    return files


def write_run(folder: str | Path, run: Run, *, log: Mapping[str, Any] | None = None) -> None:
    """Write ``run`` as ``folder``, which appears whole or not at all.

    The files go into a new folder beside it, which then takes its name. A folder that
    exists is replaced only if it is a run and holds nothing else; InputError otherwise, or
    where the folder cannot be written. ``log``, plain values by name, becomes run-log.json, the
    one file that may differ between equal runs.
    """
    folder = Path(folder)
    refuse_unless_replaceable(folder)
    files = {**run_files(run), LOG_FILE: format_json(dict(log or {}))}
    target = Path(os.path.abspath(folder))  # noqa: PTH100 - keeps symbolic links, unlike resolve
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        for name, text in files.items():
            _write_synced(fresh / name, text)
        fresh.chmod(0o777 & ~umask())
        _sync_folder(fresh)
        refuse_unless_replaceable(folder)
        _take_name(fresh, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def refuse_unless_replaceable(folder: Path) -> None:
    """Raise InputError where ``folder`` exists and is not a run, or holds something else too."""
    if not os.path.lexists(folder):
        return
    found = ""
    if folder.is_symlink() or not folder.is_dir():
        found = "something that is no folder"
    elif not is_run(folder):
        found = "a folder that is no run"
    elif others := sorted({path.name for path in folder.iterdir()} - RUN_FILES):
        found = f"a run that holds {others[0]!r} as well"
    if found:
        raise InputError(
            Fault(source=str(folder), field="--out", found=found, expected="a new name or a run")
        )


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_name(fresh: Path, target: Path) -> None:
    """Rename ``fresh`` to ``target``; the run that was there is put aside, then removed."""
    if not target.exists():
        fresh.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    target.rename(old)
    try:
        fresh.rename(target)
    except BaseException:  # an interrupt too must not leave the name without a run
        old.rename(target)
        raise
    shutil.rmtree(old)


def _unwritable(folder: Path, error: OSError) -> InputError:
    found = (error.strerror or str(error)).lower()
    return InputError(
        Fault(source=str(folder), field="--out", found=found, expected="a folder that can be made")
    )
