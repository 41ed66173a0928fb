"""Engines by their names."""

from __future__ import annotations

import os
from typing import Final, Literal

from placer.engine.local import Engine, Processes, Serial, Threads
from placer.errors import Fault, InputError

EngineName = Literal["serial", "threads", "processes", "dask"]
ENGINES: Final[tuple[EngineName, ...]] = ("serial", "threads", "processes", "dask")


def num_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def open_engine(
    name: EngineName = "threads", *, workers: int | None = None, scheduler: str | None = None
) -> Engine:
    """Return the engine of ``name``; ``workers`` are the processors at hand where not given.

    ``scheduler`` is the address of a Dask scheduler ("tcp://10.0.0.1:8786"), or a file that it
    wrote (``--scheduler-file``); without one, "dask" starts a cluster of worker processes on
    this machine. Raises InputError where Dask is not installed or the scheduler does not answer.
    """
    if scheduler is not None and name != "dask":
        raise InputError(Fault(source="--scheduler", field="engine", found=name, expected="dask"))
    number = workers or num_processors()
    if name == "serial":
        return Serial()
    if name == "threads":
        return Threads(number)
    if name == "processes":
        return Processes(number)
    from placer.engine.cluster import Cluster

    return Cluster(number, scheduler)
