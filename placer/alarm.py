"""An end for code that looks at neither clock nor memory: what Ctrl-C does, at a set limit."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar

Value = TypeVar("Value")
Reason = Literal["", "time", "memory"]

_POLL_SECONDS: Final = 0.05
"""How often the memory is looked at."""

_MOMENT: Final = 1000
"""Turns of a loop in which an exception that is on its way to a thread arrives there."""


class OverLimit(KeyboardInterrupt):
    """A limit is reached. Whoever takes Ctrl-C takes it: a search gives the best that it has."""


class Alarm(Generic[Value]):
    """Ends a call by an exception in the thread that makes it.

    That is ``seconds`` from now, or when the process holds more than ``memory_bytes``; None is
    no limit. ``reason`` says which it was, empty where it has not rung. It rings once, between
    two steps of Python: a long step of native code is not cut short.
    """

    def __init__(self, seconds: float | None = None, memory_bytes: int | None = None) -> None:
        self.reason: Reason = ""
        self._rings_at = None if seconds is None else time.monotonic() + max(seconds, 0.0)
        self._memory_bytes = memory_bytes
        self._is_over = threading.Event()
        self._lock = threading.Lock()

    @property
    def has_rung(self) -> bool:
        """Whether a limit was reached."""
        return bool(self.reason)

    def call(self, function: Callable[[], Value]) -> Value | None:
        """Return what ``function`` returns; None where it was ended without an answer.

        Ctrl-C goes through, unless the alarm has rung.
        """
        if self._rings_at is None and self._memory_bytes is None:
            return function()
        watch = threading.Thread(target=self._watch, args=(threading.get_ident(),), daemon=True)
        found: list[Value] = []
        try:
            watch.start()
            try:
                found.append(function())
            finally:
                self._close()
        except KeyboardInterrupt:
            if not self.has_rung:
                raise
            self._close()
        return found[0] if found else None

    def _watch(self, thread: int) -> None:
        """Wait for the end or a limit, whichever comes first."""
        while not self._is_over.is_set():
            left = None if self._rings_at is None else self._rings_at - time.monotonic()
            if left is not None and left <= 0:
                self._ring(thread, "time")
                return
            if self._memory_bytes is not None:
                if resident_bytes() > self._memory_bytes:
                    self._ring(thread, "memory")
                    return
                left = _POLL_SECONDS if left is None else min(_POLL_SECONDS, left)
            self._is_over.wait(left)

    def _ring(self, thread: int, reason: Reason) -> None:
        with self._lock:
            if not self._is_over.is_set():
                self.reason = reason
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(OverLimit)
                )

    def _close(self) -> None:
        """See to it that nothing arrives after this."""
        with self._lock:
            self._is_over.set()
        if self.has_rung:
            for _ in range(_MOMENT):
                pass


def resident_bytes() -> int:
    """Return how much memory this process holds now (proc(5), statm); 0 where that is not told."""
    try:
        text = Path("/proc/self/statm").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def available_bytes() -> int | None:
    """Return the memory that this process may still take, None where that is not told.

    The lesser of what the machine has available (proc(5), meminfo) and what its control group
    is allowed (cgroup v2, memory.max and memory.current, of the group as this process sees it).
    """
    found = []
    for path, name in (("/proc/meminfo", "MemAvailable:"),):
        try:
            lines = Path(path).read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith(name)]
    try:
        most, now = (
            Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii").strip()
            for name in ("max", "current")
        )
    except OSError:
        return min(found, default=None)
    if most.isdecimal() and now.isdecimal():
        found.append(max(0, int(most) - int(now)))
    return min(found, default=None)
