"""Progress of long commands: a line or a bar that moves, where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Protocol

import typer

from placer.cli.streams import lines_above
from placer.report.printable import printable

QuietOption = Annotated[
    bool,
    typer.Option("--quiet/--no-quiet", help="Show no progress, do not say what was written."),
]


class Telling(Protocol):
    """Hears how far a command is."""

    def __call__(self, text: str, *, done: int | None = None, total: int | None = None) -> None:
        """Say what is being done; ``done`` of ``total`` are finished, where that is known."""


@contextmanager
def progress(text: str, *, quiet: bool) -> Iterator[Telling]:
    """Show on standard error what is being done, at first ``text``, and for how long already.

    Nothing where that is no terminal, or with ``quiet``. It is redrawn several times a second
    by a thread of its own, and gone at the end, so that it may enclose all that takes time: from
    the reading to the writing. Once a total is told it is a bar. Lines that are said meanwhile
    stand above it.
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
    from rich.text import Text

    console = Console(file=sys.stderr, highlight=False)
    if not console.is_interactive:  # TERM=dumb: nothing could be drawn over
        yield _say_nothing
        return
    words = TextColumn("{task.description}", markup=False)
    line = (SpinnerColumn(), words, TimeElapsedColumn())
    drawn = Progress(*line, console=console, transient=True, redirect_stdout=False)
    task = drawn.add_task(printable(text), total=None)

    def tell(text: str, *, done: int | None = None, total: int | None = None) -> None:
        if total is not None:
            counted = (BarColumn(), MofNCompleteColumn(), words, TimeElapsedColumn())
            drawn.columns = (SpinnerColumn(), *counted, TimeRemainingColumn())
        drawn.update(task, description=printable(text), completed=done, total=total)

    def write(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    with drawn, lines_above(write):
        yield tell


def _say_nothing(text: str, *, done: int | None = None, total: int | None = None) -> None:
    del text, done, total
