"""What a shell offers as the value of an option, where placer knows more than file names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def policies(incomplete: str) -> list[str]:
    """Return the policies that placer brings, then TOML files and folders."""
    from placer.read.policies import policy_names

    return [*_beginning(policy_names(), incomplete), *_files(incomplete, ".toml")]


def export_formats(incomplete: str) -> list[str]:
    """Return the formats of ``placer export``."""
    from placer.export import FORMATS

    return _beginning(FORMATS, incomplete)


def host_formats(incomplete: str) -> list[str]:
    """Return the formats of ``placer host``."""
    from placer.read.host_formats import HOST_FORMATS, SYSFS

    return _beginning([SYSFS, *HOST_FORMATS], incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str, suffix: str) -> list[str]:
    """The files of that suffix whose paths begin so, and the folders, which end with a slash."""
    folder, _, begun = incomplete.rpartition("/")
    where = f"{folder}/" if "/" in incomplete else ""
    try:
        entries = sorted(Path(where or ".").iterdir())
    except OSError:
        return []
    return [
        f"{where}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(begun)
        and (begun.startswith(".") or not entry.name.startswith("."))
        and (entry.is_dir() or entry.suffix == suffix)
    ]
