"""Where work that can be done side by side is done: options of several commands."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from placer.engine import Engine


class EngineChoice(StrEnum):
    """Where what can be done side by side is done."""

    SERIAL = "serial"
    THREADS = "threads"
    PROCESSES = "processes"
    DASK = "dask"


SchedulerOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask scheduler, or the file that it wrote."),
]


def engine_of(engine: EngineChoice, workers: int | None, scheduler: str | None) -> Engine:
    """Return the engine that was chosen."""
    from placer.engine import open_engine

    return open_engine(engine.value, workers=workers, scheduler=scheduler)
