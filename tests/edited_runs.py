"""Runs whose files are edited after they were written, with or without the sums of the edit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUMS = "SHA256SUMS"


def edit(
    folder: Path, name: str, change: Callable[[Any], object], *, with_sums: bool = True
) -> None:
    """Change one JSON file of a run; ``with_sums`` so that no sum gives it away."""
    data = json.loads((folder / name).read_text(encoding="utf-8"))
    change(data)
    (folder / name).write_text(json.dumps(data), encoding="utf-8")
    if with_sums:
        sum_again(folder)


def sum_again(folder: Path) -> None:
    """Write SHA256SUMS anew, as `sha256sum *` would."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.name != SUMS and path.is_file()
    ]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
