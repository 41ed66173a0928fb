"""A run written as a folder, all or nothing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from placer.aside import (
    begun_folder,
    is_empty_folder,
    locked_folder,
    parents_made,
    sync_folder,
    take_name,
    umask,
)
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

_LONGEST: Final = 255
"""Bytes of a name that Linux takes."""


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
    only if it is a run and holds nothing else, or is empty (who may read it stays); InputError
    otherwise, or where the folder cannot be written. ``log``, plain values by name, becomes
    run-log.json, the one file that may differ between equal runs, with its line of SHA256SUMS.
    """
    folder = Path(folder)
    refuse_unless_replaceable(folder)
    target = _absolute(folder)
    files = {**run_files(run), LOG_FILE: format_json(dict(log or {}))}
    files[SUMS_FILE] = format_sums(files)
    try:
        with parents_made(target.parent), begun_folder(target) as fresh:
            for name, text in files.items():
                _write_synced(fresh / name, text)
            is_empty = is_empty_folder(target)  # whoever made it said who may read it
            fresh.chmod(stat.S_IMODE(target.stat().st_mode) if is_empty else 0o777 & ~umask())
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
    """Raise InputError where ``folder`` exists and is no run, or one that holds something else.

    So also where no folder can have that name, which is better told before a solve than after.
    """
    longest = max((len(os.fsencode(part)) for part in folder.parts), default=0)
    if longest > _LONGEST:
        found, expected = f"a name of {longest} bytes", f"{_LONGEST} at most"
        raise InputError(Fault(source=str(folder), field="--out", found=found, expected=expected))
    try:
        _absolute(folder).lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(folder, error) from error
    found = ""
    if folder.is_symlink():
        found = "a symbolic link"
    elif not folder.is_dir():
        found = "something that is no folder"
    elif folder.samefile(os.curdir):
        # Another folder would take the name, and whoever works in this one would be in none.
        found = "the working folder"
    elif not is_run(folder) and not is_empty_folder(folder):
        found = "a folder that is no run"
    elif others := sorted({path.name for path in folder.iterdir()} - RUN_FILES):
        found = f"a run that holds {others[0]!r} as well"
    if found:
        raise InputError(
            Fault(
                source=str(folder),
                field="--out",
                found=found,
                expected="a new name, an empty folder or a run",
            )
        )


def _absolute(folder: Path) -> Path:
    """Return the folder's whole path; InputError where it is in a working folder that is gone."""
    try:
        return Path(os.path.abspath(folder))  # noqa: PTH100 - keeps links, unlike resolve
    except FileNotFoundError as error:
        expected = "a whole path, or a working folder that is there"
        fault = Fault(
            source=str(folder), field="--out", found="no working folder", expected=expected
        )
        raise InputError(fault) from error


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
