"""Finished runs that commands read, with what is to be said of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from placer.cli.streams import say_warnings

if TYPE_CHECKING:
    from placer.errors import Fault
    from placer.run import Run


def read_finished(folder: Path) -> Run:
    """Return the run of a folder, and say what is worth a warning: that its sums are missing."""
    from placer.run import read_run

    warnings: list[Fault] = []
    run = read_run(folder, warnings=warnings)
    say_warnings(warnings)
    return run
