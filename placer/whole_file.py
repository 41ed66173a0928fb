"""Files, and folders of files, that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

from placer.aside import (
    begun_file,
    begun_folder,
    locked_folder,
    parents_made,
    sync_folder,
    take_name,
    take_names,
    umask,
)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the name of a new file beside ``path``, which takes its place at the end.

    Where the block fails, nothing is left and ``path`` is as it was. A symbolic link stays one:
    what it points to is replaced, and keeps its mode. Raises OSError where that cannot be
    done, and where ``path`` is a folder or a device.
    """
    with whole_files([path]) as (begun,):
        yield begun


@contextmanager
def whole_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Give names of new files likewise, which take their places in this order, all or none."""
    targets = [_target_of(path) for path in paths]
    modes = [_mode_of(target) for target in targets]
    with ExitStack() as stack:
        begun = [stack.enter_context(begun_file(target)) for target in targets]
        yield begun
        for path, mode in zip(begun, modes, strict=True):
            _finish_file(path, mode)
        take_names(dict(zip(targets, begun, strict=True)))


def _mode_of(target: Path) -> int:
    """Return the mode bits of a file, or of a new one."""
    return target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~umask()


def _target_of(path: Path) -> Path:
    """Return the regular file that ``path`` is, or is a link to, or will be."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return target


def _finish_file(path: Path, mode: int) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    path.chmod(mode)


def write_whole_files(folder: Path, contents: Mapping[PurePath, bytes]) -> None:
    """Write files, by their names in ``folder``, which is made where it is missing.

    A folder that is new, or holds older files of these names alone, appears whole or stays as
    it is. In one that holds other things too, or that cannot be exchanged (where it is the
    working folder or mounted, say), all files are written beside their places before the first
    takes its place. One process at a time. Raises OSError as `whole_file` does.
    """
    target = folder.resolve()
    for _ in range(3):
        with locked_folder(target) as there:
            if there and not _may_be_exchanged(target, contents):
                _write_into(target, contents)
                return
            try:
                _write_anew(target, contents, there=there)
            except FileExistsError:  # it came in between: now it is there, and locked
                if target.is_dir():
                    continue
                raise
            except PermissionError:
                if not there:
                    raise
                _write_into(target, contents)
            return
    raise OSError(errno.EBUSY, "another process is writing there", str(folder))


def _may_be_exchanged(folder: Path, contents: Mapping[PurePath, bytes]) -> bool:
    """Return whether nothing is lost, and nobody put out, where another folder takes its name."""
    if folder.is_mount() or Path.cwd().is_relative_to(folder):
        return False
    files = {folder / name for name in contents}
    folders = {path for name in contents for path in (folder / name).parents}
    mine = os.geteuid(), os.getegid()
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        if (status.st_uid, status.st_gid) != mine or path.is_symlink():
            return False
        if not (path.is_file() and path in files) and not (path.is_dir() and path in folders):
            return False
    return True


def _write_anew(folder: Path, contents: Mapping[PurePath, bytes], *, there: bool) -> None:
    with parents_made(folder.parent), begun_folder(folder) as fresh:
        made = {fresh}
        for name, content in contents.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            made.update(path.parents[: len(PurePath(name).parents)])
            path.write_bytes(content)
            _finish_file(path, _mode_of(folder / name))
        if there:
            shutil.copystat(folder, fresh)
        else:
            fresh.chmod(0o777 & ~umask())
        for path in made:
            sync_folder(path)
        take_name(fresh, folder)


def _write_into(folder: Path, contents: Mapping[PurePath, bytes]) -> None:
    with ExitStack() as stack:
        # Also holds what the files replace, until all of them are there.
        stage = stack.enter_context(begun_folder(folder / "files"))
        begun: dict[Path, Path] = {}
        for number, (name, content) in enumerate(contents.items()):
            target = _target_of(folder / name)
            mode = _mode_of(target)
            stack.enter_context(parents_made(target.parent))
            inside = target.parent.is_relative_to(folder)
            path = stage / str(number) if inside else stack.enter_context(begun_file(target))
            path.write_bytes(content)
            _finish_file(path, mode)
            begun[target] = path
        take_names(begun)
