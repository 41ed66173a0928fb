"""The engines of one machine."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import ExitStack, closing
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
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="placer")

        def submit(chunk: list[Any]) -> Future[Any]:
            return pool.submit(timed, task, shared, chunk)

        try:
            yield from _drive(Dealer(items, self.workers), [submit] * self.workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_SHARED: list[Any] = []
"""What all tasks of a worker process are about, given once when it starts."""


def _start_worker(task: Task, shared: Any) -> None:
    # Ctrl-C at a terminal reaches every process; the one that asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _SHARED[:] = [task, shared]


def _work(items: list[Any]) -> tuple[float, list[Any]]:
    task, shared = _SHARED
    return timed(task, shared, items)


class Processes:
    """Processes of this machine; one that is lost is replaced, and its chunk is done again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self, task: Task, shared: Any, items: Sequence[Any]
    ) -> Iterator[tuple[int, Any | Failure]]:
        """See `Engine.run`."""
        with ExitStack() as stack:
            workers = [
                stack.enter_context(closing(_Process(task, shared)))
                for _ in range(min(self.workers, len(items)))
            ]
            dealer = Dealer(items, self.workers)
            yield from _drive(dealer, [worker.submit for worker in workers])


class _Process:
    """A pool of one process each, so that it is known whose chunk a lost one had."""

    def __init__(self, task: Task, shared: Any) -> None:
        self._arguments = task, shared
        self._pool = self._open()

    def _open(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1,
            mp_context=get_context("spawn"),
            initializer=_start_worker,
            initargs=self._arguments,
        )

    def submit(self, items: list[Any]) -> Future[Any]:
        """Let the process, a new one where the last is lost, do a chunk."""
        try:
            return self._pool.submit(_work, items)
        except BrokenExecutor:
            self.close()
            self._pool = self._open()
            return self._pool.submit(_work, items)

    def close(self) -> None:
        """Let the process end."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _drive(
    dealer: Dealer[Any], workers: Sequence[Callable[[list[Any]], Future[Any]]]
) -> Iterator[tuple[int, Any | Failure]]:
    """Keep every worker at one chunk until all are done."""
    idle = list(workers)
    jobs: dict[Future[Any], tuple[Callable[[list[Any]], Future[Any]], list[int]]] = {}
    while True:
        while idle and (chunk := dealer.next_chunk()):
            worker = idle.pop()
            jobs[worker([dealer.items[number] for number in chunk])] = worker, chunk
        if not jobs:
            return
        done, _ = wait(jobs, return_when=FIRST_COMPLETED)
        for job in sorted(done, key=lambda job: jobs[job][1]):
            worker, chunk = jobs.pop(job)
            idle.append(worker)
            error = job.exception()
            if isinstance(error, BrokenExecutor):
                yield from dealer.fail(chunk, "the worker process was lost")
            elif error is not None:
                yield from dealer.fail(chunk, reason_of(error))
            else:
                seconds, answers = job.result()
                dealer.finish(chunk, seconds)
                yield from zip(chunk, answers, strict=True)
