"""Progress of long commands: a bar or a line that moves, where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from placer.report.printable import printable


class Telling(Protocol):
    """Hears how far a command is."""

    def __call__(self, text: str, *, done: int | None = None) -> None:
        """Say what is being done; ``done`` of the total are finished."""


@contextmanager
def progress(total: int | None = None, *, quiet: bool = False) -> Iterator[Telling]:
    """Show how far a command is on standard error, redrawn several times a second.

    Nothing where that is no terminal, or with ``quiet``. Without ``total`` a line with the
    time, else a bar.
    """
    if quiet or not sys.stderr.isatty():
        yield _say_nothing
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()]
    if total is not None:
        columns[1:2] = [
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
        ]
        columns.append(TimeRemainingColumn())
    console = Console(file=sys.stderr, highlight=False)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)

        def tell(text: str, *, done: int | None = None) -> None:
            bar.update(task, description=printable(text), completed=done)

        yield tell


def _say_nothing(text: str, *, done: int | None = None) -> None:
    del text, done
