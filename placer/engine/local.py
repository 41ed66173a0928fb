"""The engines of one machine."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context, parent_process
from typing import Any, Final, Protocol

from placer.engine.deal import Answers, Dealer, Failure, Task, reason_of, timed


class Engine(Protocol):
    """Answers many questions about one thing; ``workers`` of them side by side.

    `open_engine` returns one; `place` asks it for the parts of a fleet.
    """

    workers: int

    def run(self, task: Task, shared: Any, items: Sequence[Any]) -> Answers:
        """Yield the number of each item with its answer, as they are finished.

        A failing item is a `Failure`; the others go on. Where the caller wants no more
        (Ctrl-C, say), what is under way is ended.
        """


class Serial:
    """One item after another."""

    workers = 1

    def run(self, task: Task, shared: Any, items: Sequence[Any]) -> Answers:
        """See `Engine.run`."""
        with _threads(1) as submit:
            for number, item in enumerate(items):
                job = submit(task, shared, [item])
                error = job.exception()
                yield number, job.result()[0] if error is None else Failure(reason_of(error))


class Threads:
    """Threads of this process, which CP-SAT lets run side by side."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, task: Task, shared: Any, items: Sequence[Any]) -> Answers:
        """See `Engine.run`."""
        with _threads(self.workers) as submit:

            def give(chunk: list[Any]) -> Future[Any]:
                return submit(timed, task, shared, chunk)

            yield from _drive(Dealer(items, self.workers), [give] * self.workers)


@contextmanager
def _threads(number: int) -> Iterator[Callable[..., Future[Any]]]:
    """Threads, and how they are given work; what is under way when that is left is interrupted.

    Ctrl-C is for the main thread alone, so the others are told by an exception of their own:
    searches take it as they take Ctrl-C, and end.
    """
    pool = ThreadPoolExecutor(number, thread_name_prefix="placer")
    busy: set[int] = set()
    lock = threading.Lock()

    def work(function: Callable[..., Any], *arguments: Any) -> Any:
        me = threading.get_ident()
        busy.add(me)
        try:
            return function(*arguments)
        finally:
            with lock:
                busy.discard(me)

    try:
        yield lambda function, *arguments: pool.submit(work, function, *arguments)
    finally:
        with lock:
            for thread in busy:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
                )
        pool.shutdown(wait=True, cancel_futures=True)


_NO_MORE: Final = -1
"""In the place of its number: a process that has not begun yet is not to begin."""

_SHARED: list[Any] = []
"""What all tasks of a worker process are about, given once when it starts."""


def _start_worker(pid: Any, task: Task, shared: Any) -> None:
    if pid.value:  # _NO_MORE, by now
        os._exit(1)
    pid.value = os.getpid()
    # Ctrl-C at a terminal reaches every process; the one that asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _SHARED[:] = [task, shared]


def _end_with_parent() -> None:
    """End this process when the one that asks is gone: after kill -9 nobody else does."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(items: list[Any]) -> tuple[float, list[Any]]:
    task, shared = _SHARED
    return timed(task, shared, items)


class Processes:
    """Processes of this machine; one that is lost is replaced, and its chunk is done again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, task: Task, shared: Any, items: Sequence[Any]) -> Answers:
        """See `Engine.run`."""
        with ExitStack() as stack:
            workers = [_Process(task, shared) for _ in range(min(self.workers, len(items)))]
            for worker in workers:
                stack.callback(worker.end)
            dealer = Dealer(items, self.workers)
            yield from _drive(dealer, [worker.submit for worker in workers])


class _Process:
    """A pool of one process each, so that it is known whose chunk a lost one had."""

    def __init__(self, task: Task, shared: Any) -> None:
        self._arguments = task, shared
        self._job: Future[Any] | None = None
        self._open()

    def _open(self) -> None:
        context = get_context("spawn")
        self._pid = context.RawValue("i", 0)
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self._pid, *self._arguments),
        )

    def submit(self, items: list[Any]) -> Future[Any]:
        """Let the process, a new one where the last is lost, do a chunk."""
        try:
            job = self._pool.submit(_work, items)
        except BrokenExecutor:
            self.end()
            self._open()
            job = self._pool.submit(_work, items)
        self._job = job
        return job

    def end(self) -> None:
        """End the process, with what it is doing, if anything."""
        if self._job is not None and not self._job.done():
            pid, self._pid.value = self._pid.value, _NO_MORE
            if pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _drive(dealer: Dealer[Any], workers: Sequence[Callable[[list[Any]], Future[Any]]]) -> Answers:
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
