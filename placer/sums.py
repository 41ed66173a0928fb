"""SHA-256 sums of the files of a folder, in the form that ``sha256sum`` writes and checks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from placer.errors import Fault, InputError

_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\0\r\\]+)")


def sum_of(data: bytes) -> str:
    """Return the SHA-256 of ``data``, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def format_sums(files: Mapping[str, str]) -> str:
    """Return the sums of ``files``, text by name, a line each by name (UTF-8)."""
    lines = [f"{sum_of(files[name].encode())}  {name}\n" for name in sorted(files)]
    return "".join(lines)


def parse_sums(text: str, source: str) -> dict[str, str]:
    """Return the sum of each file by its name; InputError where a line says something else."""
    sums: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[2] in sums:
            short = repr(line) if len(line) <= 60 else f"{line[:57]!r}..."
            raise InputError(
                Fault(
                    source=source,
                    field="sum",
                    found=short if match is None else f"{match[2]} a second time",
                    expected="64 hexadecimal digits, two spaces, and a file's name, once",
                    line=number,
                )
            )
        sums[match[2]] = match[1]
    return sums
