"""Tasks that engines are tried with; workers import them by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def square(shared: int, items: list[int]) -> list[int]:
    """Return shared + item² of each."""
    return [shared + item * item for item in items]


def stumble(shared: int, items: list[int]) -> list[int]:
    """Fail on item 3, whatever comes with it."""
    if 3 in items:
        raise ArithmeticError("three\nis too many")
    return square(shared, items)


def die_once(shared: str, items: list[int]) -> list[int]:
    """Kill the worker that gets item 5 first; ``shared`` is a file that remembers."""
    if 5 in items and not Path(shared).exists():
        Path(shared).write_text(str(os.getpid()), encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)
    return items


def die_always(shared: str, items: list[int]) -> list[int]:
    """Kill every worker that gets item 5."""
    if 5 in items:
        os.kill(os.getpid(), signal.SIGKILL)
    return items


def nap(shared: float, items: list[int]) -> list[int]:
    """Sleep a while for each item."""
    time.sleep(shared * len(items))
    return items


def dawdle(shared: str, items: list[int]) -> list[int]:
    """Answer item 0 at once; any other takes a minute, and leaves the file ``shared``."""
    if items != [0]:
        for _ in range(3000):
            time.sleep(0.02)
        Path(shared).write_text("done", encoding="utf-8")
    return items
