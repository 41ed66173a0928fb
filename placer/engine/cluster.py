"""The engine of several machines: Dask distributed, the extra ``placer[cluster]``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from placer.engine.deal import Answers, Dealer, Task, reason_of, timed
from placer.errors import Fault, InputError

if TYPE_CHECKING:
    from distributed import Client

_PATIENCE: Final = "10s"

_IGNORE_INTERRUPTS: Final = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""Run by the workers of a cluster of our own: Ctrl-C reaches every process of a terminal."""


class Cluster:
    """Workers of a Dask cluster: what all items are about is sent once, and fetched by each."""

    def __init__(self, workers: int, scheduler: str | None = None) -> None:
        self.workers = workers
        self.scheduler = scheduler
        try:
            import distributed  # noqa: F401
        except ImportError as error:
            raise InputError(
                Fault(
                    source="--engine",
                    field="dask",
                    found=f"{error}",
                    expected="pip install 'placer[cluster]'",
                )
            ) from error

    def run(self, task: Task, shared: Any, items: Sequence[Any]) -> Answers:
        """See `placer.engine.Engine.run`."""
        with self._connect() as client:
            yield from _drive(client, task, shared, items, self.workers)

    @contextmanager
    def _connect(self) -> Iterator[Client]:
        from distributed import Client, LocalCluster

        if self.scheduler is None:
            with (
                LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=":0",
                    silence_logs="CRITICAL",
                    preload=[_IGNORE_INTERRUPTS],
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            if os.path.isfile(self.scheduler):  # noqa: PTH113 (no name is too long for it)
                client = Client(scheduler_file=self.scheduler, timeout=_PATIENCE)
            else:
                client = Client(self.scheduler, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            text = " ".join(str(error).split())
            raise InputError(
                Fault(
                    source=self.scheduler,
                    field="--scheduler",
                    found=text,
                    expected="the address of a Dask scheduler, or the file that it wrote",
                )
            ) from error
        with client:
            yield client


def _give(shared: Any) -> Any:
    return shared


def _drive(client: Client, task: Task, shared: Any, items: Sequence[Any], workers: int) -> Answers:
    from distributed import as_completed

    dealer = Dealer(items, max(workers, len(client.scheduler_info()["workers"])))
    chunks: dict[Any, list[int]] = {}
    under_way = as_completed()
    # Given by a task and not scattered: when the last worker that has it is lost, the scheduler
    # has another give it again. Workers fetch it once each.
    sent = client.submit(_give, shared, pure=False)

    def submit() -> bool:
        chunk = dealer.next_chunk()
        if not chunk:
            return False
        job = client.submit(
            timed, task, sent, [items[number] for number in chunk], pure=False, retries=0
        )
        chunks[job.key] = chunk
        under_way.add(job)
        return True

    while len(chunks) < dealer.most_at_once and submit():
        pass
    for job in under_way:
        chunk = chunks.pop(job.key)
        try:
            error = job.exception()
            seconds, answers = (0.0, []) if error is not None else job.result()
        except CancelledError as lost:
            error = lost
        if error is None:
            dealer.finish(chunk, seconds)
            yield from zip(chunk, answers, strict=True)
        else:
            yield from dealer.fail(chunk, reason_of(error))
        while len(chunks) < dealer.most_at_once and submit():
            pass
