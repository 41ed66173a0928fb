"""New files and folders begun beside what they replace, and the one rename that puts them there."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

_NEW: Final = ".placer-new"
"""Ends the names of what is being written, and of what it replaced until that is removed."""

_OLD: Final = ".placer-old"
"""Ends the name of a folder that was put aside where two names cannot be exchanged at once."""

_RANDOM: Final = r"[a-z0-9_]{8}"
_LONGEST: Final = 217
"""Bytes of a target's name that stand in ours; file systems take 255."""

_DIGEST: Final = 16
"""Digits that tell long names apart which begin alike."""

_NOREPLACE: Final = 1
_EXCHANGE: Final = 2
_AT_FDCWD: Final = -100
_UNKNOWN: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})
"""What a kernel, a file system or a sandbox says that has no renameat2 with these flags."""

_TRIES: Final = 100
_WAITS: Final = 600
_WAIT_SECONDS: Final = 0.05


@contextmanager
def begun_file(target: Path) -> Iterator[Path]:
    """Give the name of a new, empty file beside ``target``, gone at the end if still there.

    What a killed process had begun for the same target is removed first. Raises OSError where
    no file can be made there.
    """
    _clear_leftovers(target)
    number, path = _begin(target, folder=False)
    try:
        yield path
    finally:
        with suppress(OSError):  # what it replaced, if anything: the next write removes it
            path.unlink()
        os.close(number)


@contextmanager
def begun_folder(target: Path) -> Iterator[Path]:
    """Give the name of a new folder beside ``target`` likewise."""
    restore_folder(target)
    _clear_leftovers(target)
    number, path = _begin(target, folder=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(number)


def _begin(target: Path, *, folder: bool) -> tuple[int, Path]:
    """Make the file or folder, and hold a lock on it that ends with this process."""
    beside = target.parent
    for _ in range(_TRIES):
        if folder:
            path = Path(tempfile.mkdtemp(_NEW, f".{cut_name(target.name, _LONGEST)}.", beside))
            try:
                number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # taken for a leftover too
                continue
        else:
            number, name = tempfile.mkstemp(_NEW, f".{cut_name(target.name, _LONGEST)}.", beside)
            path = Path(name)
        # Another process may have taken it for a leftover before it was locked.
        if _try_lock(number) is not False and _is_still(number, path):
            return number, path
        os.close(number)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(target))


def is_ours(name: str) -> bool:
    """Return whether a file or folder of that name is begun, or left over, by this module."""
    return name.startswith(".") and name.endswith((_NEW, _OLD))


def _clear_leftovers(target: Path) -> None:
    """Remove what killed processes had begun for ``target``.

    What a living process holds its lock on stays, and so does what cannot be locked.
    """
    folder = target.parent
    ours = _names_of(target, _NEW, _OLD)
    try:
        found = [entry for entry in os.listdir(folder) if ours.fullmatch(entry)]  # noqa: PTH208
    except OSError:
        return
    for name in found:
        with suppress(OSError), _opened(folder / name) as number:
            if _try_lock(number) and _is_still(number, folder / name):
                _remove(folder / name)


def cut_name(name: str, longest: int) -> str:
    """Return the name, or where it has more bytes than ``longest``, its beginning and a digest."""
    if len(os.fsencode(name)) <= longest:
        return name
    stem = name
    while len(os.fsencode(stem)) > longest - _DIGEST - 1:
        stem = stem[:-1]
    return f"{stem}~{sha256(os.fsencode(name)).hexdigest()[:_DIGEST]}"


def _names_of(target: Path, *ends: str) -> re.Pattern[str]:
    """Return what the names of files and folders begun for ``target``, with these ends, match."""
    end = "|".join(map(re.escape, ends))
    return re.compile(
        rf"\.{re.escape(cut_name(target.name, _LONGEST))}\.{_RANDOM}(?:{end})", re.DOTALL
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield number
    finally:
        os.close(number)


def _try_lock(number: int) -> bool | None:
    """Lock an open file or folder: False where another has it, None where none can be had."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_still(number: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(number), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def locked_folder(folder: Path) -> Iterator[bool]:
    """Have an existing folder to ourselves, after whoever has it now; False where there is none.

    Where the file system has no locks there is none to wait for. Raises OSError where another
    has it for half a minute.
    """
    for _ in range(_WAITS):
        try:
            number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            yield False
            return
        try:
            if _try_lock(number) is not False and _is_still(number, folder):
                yield True
                return
        finally:
            os.close(number)
        time.sleep(_WAIT_SECONDS)
    raise OSError(errno.EBUSY, "another process is writing there", str(folder))


# -- taking the name -------------------------------------------------------------------------


def take_name(fresh: Path, target: Path) -> None:
    """Give ``fresh`` the name ``target``; what was there has that of ``fresh`` then, if it is left.

    A folder is to be locked (`locked_folder`) before another takes its name.
    At every moment the one or the other has the name, whole, and it is on the disk when this
    returns. Raises FileExistsError where ``target`` is a folder that came in between,
    FileNotFoundError where one went, and OSError where it cannot be done: then all is as it was.
    """
    take_names({target: fresh})


def take_names(begun: Mapping[Path, Path]) -> None:
    """Give each target, in turn, the file or folder begun for it; as `take_name`, all or none."""
    undo: list[Callable[[], None]] = []
    try:
        for target, fresh in begun.items():
            if is_empty_folder(target):
                mode = target.stat().st_mode
                _rename_unless_full(fresh, target)
                undo.append(partial(_leave_empty, target, fresh, mode))
            elif os.path.lexists(target):
                _exchange(fresh, target)
                undo.append(partial(_exchange, fresh, target))
            else:
                _rename_new(fresh, target)
                undo.append(partial(_rename_new, target, fresh))
        for folder in {target.parent for target in begun}:
            sync_folder(folder)
    except BaseException:
        for back in reversed(undo):
            with suppress(OSError):
                back()
        raise


def is_empty_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder, no link to one, that is seen to hold nothing."""
    if path.is_symlink() or not path.is_dir():
        return False
    try:
        return not os.listdir(path)  # noqa: PTH208
    except OSError:
        return False


def _rename_unless_full(fresh: Path, target: Path) -> None:
    """Rename a folder, to the place of an empty one too; FileExistsError where it holds anything.

    Not by an exchange: the kernel refuses where something was put into it meanwhile.
    """
    try:
        fresh.rename(target)
    except OSError as refused:
        if refused.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(errno.EEXIST, refused.strerror, str(target)) from refused
        raise


def _leave_empty(target: Path, fresh: Path, mode: int) -> None:
    target.rename(fresh)
    target.mkdir()
    target.chmod(stat.S_IMODE(mode))


def _exchange(fresh: Path, target: Path) -> None:
    try:
        _renameat2(fresh, target, _EXCHANGE)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        if target.is_dir():
            _put_aside(fresh, target)
        else:
            fresh.replace(target)


def _rename_new(fresh: Path, target: Path) -> None:
    try:
        _renameat2(fresh, target, _NOREPLACE)
    except OSError as error:
        if error.errno == errno.EEXIST and not target.is_dir():
            fresh.replace(target)  # another's file of this moment: the later one stays
            return
        if error.errno not in _UNKNOWN:
            raise
        _rename_unless_full(fresh, target)


def _renameat2(old: Path, new: Path, flags: int) -> None:
    """Rename as the system call does; OSError with ENOSYS where the C library has it not."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    number = errno.ENOSYS
    if function is not None:
        if function(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), flags) == 0:
            return
        number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), str(old), None, str(new))


def _put_aside(fresh: Path, target: Path) -> None:
    """Exchange two folders by renames; what is killed between them `restore_folder` puts right."""
    aside = fresh.with_name(fresh.name.removesuffix(_NEW) + _OLD)
    target.rename(aside)
    try:
        fresh.rename(target)
    except BaseException:  # an interrupt too must not leave the name without a folder
        aside.rename(target)
        raise
    aside.rename(fresh)


def restore_folder(target: Path) -> None:
    """Give a folder its name again where a process was killed that had put it aside.

    Nothing is done where ``target`` is there, or no folder of it is aside. Raises OSError,
    with the name that the folder has, where it cannot be renamed.
    """
    ours = _names_of(target, _OLD)
    try:
        names = sorted(filter(ours.fullmatch, os.listdir(target.parent)))  # noqa: PTH208
    except OSError:
        return
    for name in names:
        aside = target.parent / name
        with locked_folder(aside) as there:  # waits for one that is between its renames
            if there and not os.path.lexists(target):
                aside.rename(target)


def sync_folder(folder: Path) -> None:
    """Have the names in ``folder`` on the disk; file systems that cannot be asked are believed."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(number)


@contextmanager
def parents_made(folder: Path) -> Iterator[None]:
    """Make ``folder`` with its parents; those that are new go again where the block fails."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = folder.parent
    made: list[Path] = []
    try:
        for path in reversed(missing):
            with suppress(FileExistsError):
                path.mkdir()
                made.append(path)
        yield
        for path in made:
            sync_folder(path.parent)
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir()
        raise


def umask() -> int:
    """Return the mode bits that new files do not have."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
