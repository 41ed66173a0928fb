"""Text of a file that a user named, or a fault that says why there is none."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from placer.errors import Fault, InputError

MOST_BYTES: Final = 256 << 20
"""A larger file is no configuration; it is refused before it fills the memory."""

_CHUNK: Final = 1 << 16


def read_text(
    path: str | os.PathLike[str], expected: str = "a readable file", most: int = MOST_BYTES
) -> str:
    """Return the text of a regular file, UTF-8 with or without a byte order mark.

    Pipes and devices are refused, since reading them may never end, and what has more than
    ``most`` bytes. Raises InputError with one fault.
    """
    return decode_text(read_bytes(path, expected, most), path)


def decode_text(data: bytes, path: str | os.PathLike[str]) -> str:
    """Return the text of a file that was read, as `read_text` does."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{error.object[error.start]:02x}"
        raise InputError(
            Fault(source=str(path), field="file", found=found, expected="UTF-8 text", line=line)
        ) from None


def read_bytes(
    path: str | os.PathLike[str], expected: str = "a readable file", most: int = MOST_BYTES
) -> bytes:
    """Return the content of a regular file, as `read_text` does."""

    def refuse(found: str) -> InputError:
        return InputError(Fault(source=str(path), field="file", found=found, expected=expected))

    try:
        # O_NONBLOCK: opening a pipe that nobody writes to must not wait.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise refuse("a pipe, socket or device")
            # What a file of /proc or one that grows holds, its size does not say.
            data = bytearray()
            while max(status.st_size, len(data)) <= most and (more := file.read(_CHUNK)):
                data += more
            if (size := max(status.st_size, len(data))) > most:
                found, expected = f"{size} bytes", f"{most} at most"
                raise InputError(
                    Fault(source=str(path), field="file", found=found, expected=expected)
                )
            return bytes(data)
    except IsADirectoryError:
        raise refuse("a directory") from None
    except OSError as error:
        raise refuse((error.strerror or "an error").lower()) from None
    except ValueError:
        raise refuse("no file name") from None


def is_file(path: Path) -> bool:
    """Return whether ``path`` is a regular file; False for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder; False for a name that no folder can have."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file_name(text: str) -> bool:
    """Return whether ``text`` names something that exists, of whatever kind."""
    try:
        return Path(text).exists() or Path(text).is_symlink()
    except (OSError, ValueError):
        return False
