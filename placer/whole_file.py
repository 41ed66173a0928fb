"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the name of a new file beside ``path``, which takes its place at the end.

    Where the block fails, nothing is left and ``path`` is as it was. A symbolic link stays one:
    what it points to is replaced, and keeps its mode. Raises OSError where that cannot be done,
    and where ``path`` is a folder or a device.
    """
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~umask()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(descriptor)
    begun = Path(name)
    try:
        yield begun
        with begun.open("rb+") as file:
            os.fsync(file.fileno())
        begun.chmod(mode)
        begun.replace(target)
    except BaseException:
        begun.unlink(missing_ok=True)
        raise


def write_whole_files(contents: Mapping[Path, bytes]) -> None:
    """Write every file, in folders that are made where they are missing.

    All are written beside their places before the first takes its place, so that where one
    cannot be written none has changed. Raises OSError as `whole_file` does.
    """
    with ExitStack() as files:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            files.enter_context(whole_file(path)).write_bytes(content)


def umask() -> int:
    """Return the mode bits that new files do not have."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
