"""A run written as a folder, all or nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from placer.aside import begun_folder, locked_folder, parents_made, sync_folder, take_name, umask
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
    SUMS_FILE,
    Run,
    is_run,
)
from placer.sums import format_sums

_TRIES: Final = 100


def run_files(run: Run) -> dict[str, str]:
    """Return the text of every file of a run's folder but the log and the sums, by name.

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

    The files go into a new folder beside it, which then takes its name: at every moment the
    name is that of one whole run, the earlier or the new. A folder that exists is replaced
    only if it is a run and holds nothing else; InputError otherwise, or where the folder
    cannot be written. ``log``, plain values by name, becomes run-log.json, the one file that
    may differ between equal runs, with its line of SHA256SUMS.
    """
    folder = Path(folder)
    refuse_unless_replaceable(folder)
    files = {**run_files(run), LOG_FILE: format_json(dict(log or {}))}
    files[SUMS_FILE] = format_sums(files)
    target = Path(os.path.abspath(folder))  # noqa: PTH100 - keeps symbolic links, unlike resolve
    try:
        with parents_made(target.parent), begun_folder(target) as fresh:
            for name, text in files.items():
                _write_synced(fresh / name, text)
            fresh.chmod(0o777 & ~umask())
            sync_folder(fresh)
            _take_name(fresh, target, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _take_name(fresh: Path, target: Path, folder: Path) -> None:
    """Give the run its name; what other processes do in between is looked at anew."""
    for _ in range(_TRIES):
        refuse_unless_replaceable(folder)
        try:
            with locked_folder(target):
                refuse_unless_replaceable(folder)
                take_name(fresh, target)
        except (FileExistsError, FileNotFoundError):
            if not fresh.is_dir():
                raise
        else:
            return
    raise OSError(errno.EBUSY, "other processes are writing there", str(folder))


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
    with path.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _unwritable(folder: Path, error: OSError) -> InputError:
    found = (error.strerror or str(error)).lower()
    return InputError(
        Fault(source=str(folder), field="--out", found=found, expected="a folder that can be made")
    )
