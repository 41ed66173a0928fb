"""The engines of one machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from multiprocessing import get_context
from typing import Any, Protocol

from placer.engine.deal import Dealer, Failure, Task, reason_of, timed


class Engine(Protocol):
    """Answers many questions about one thing."""

    def run(
        self, task: Task, shared: Any, items: Sequence[Any]
    ) -> Iterator[tuple[int, Any | Failure]]:
        """Yield the number of each item with its answer, as they are finished.

        A failing item is a `Failure`; the others go on.
        """


class Serial:
    """One item after another."""

    def run(
        self, task: Task, shared: Any, items: Sequence[Any]
    ) -> Iterator[tuple[int, Any | Failure]]:
        """See `Engine.run`."""
        with ThreadPoolExecutor(1) as pool:
            for number, item in enumerate(items):
                job = pool.submit(task, shared, [item])
                error = job.exception()
                yield number, job.result()[0] if error is None else Failure(reason_of(error))


class Threads:
    """Threads of this process, which CP-SAT lets run side by side."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self, task: Task, shared: Any, items: Sequence[Any]
    ) -> Iterator[tuple[int, Any | Failure]]:
        """See `Engine.run`."""
        dealer = Dealer(items, self.workers)
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="placer")
        try:
            yield from _drive(dealer, lambda chunk: pool.submit(timed, task, shared, chunk))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_SHARED: list[Any] = []
"""What all tasks of a worker process are about, given once when it starts."""


def _start_worker(task: Task, shared: Any) -> None:
    _SHARED[:] = [task, shared]


def _work(items: list[Any]) -> tuple[float, list[Any]]:
    task, shared = _SHARED
    return timed(task, shared, items)


class Processes:
    """Processes of this machine; one that is lost is replaced, and its items are done again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self, task: Task, shared: Any, items: Sequence[Any]
    ) -> Iterator[tuple[int, Any | Failure]]:
        """See `Engine.run`."""
        dealer = Dealer(items, self.workers)
        while (yield from self._run_pool(dealer, task, shared)):
            pass

    def _run_pool(
        self, dealer: Dealer[Any], task: Task, shared: Any
    ) -> Generator[tuple[int, Any | Failure], None, bool]:
        """Go on with a new pool; return whether it was lost before all was done."""
        pool = ProcessPoolExecutor(
            self.workers,
            mp_context=get_context("spawn"),
            initializer=_start_worker,
            initargs=(task, shared),
        )
        try:
            yield from _drive(dealer, lambda chunk: pool.submit(_work, chunk))
        except BrokenExecutor:
            return True
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return False


def _drive(
    dealer: Dealer[Any], submit: Callable[[list[Any]], Future[Any]]
) -> Iterator[tuple[int, Any | Failure]]:
    """Keep chunks under way until all are done.

    Raises BrokenExecutor where the pool is lost; the chunks that were under way are dealt again.
    """
    jobs: dict[Future[Any], list[int]] = {}
    while True:
        while len(jobs) < dealer.most_at_once and (chunk := dealer.next_chunk()):
            jobs[submit([dealer.items[number] for number in chunk])] = chunk
        if not jobs:
            return
        done, _ = wait(jobs, return_when=FIRST_COMPLETED)
        for job in sorted(done, key=lambda job: jobs[job]):
            chunk, error = jobs.pop(job), job.exception()
            if isinstance(error, BrokenExecutor):
                for lost in (chunk, *jobs.values()):
                    yield from dealer.fail(lost, "the worker process was lost")
                raise error
            if error is not None:
                yield from dealer.fail(chunk, reason_of(error))
                continue
            seconds, answers = job.result()
            dealer.finish(chunk, seconds)
            yield from zip(chunk, answers, strict=True)
