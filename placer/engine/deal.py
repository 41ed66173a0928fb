"""Items dealt in chunks of about a second, and dealt again where a worker is lost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Answer = TypeVar("Answer")

Task = Callable[[Any, list[Any]], list[Any]]
"""``task(shared, items)`` returns an answer for each item, in their order."""

_CHUNK_SECONDS: Final = 1.0
"""About how long a chunk is to take: then what a chunk costs beside its work is nothing."""

_MOST_ITEMS: Final = 256
_MOST_TRIES: Final = 3
"""So often an item is tried whose worker is lost, or that fails in company."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that no answer was found for, and why."""

    reason: str


Answers = Generator[tuple[int, Any | Failure], None, None]
"""The number of each item with its answer; closed, it ends what is under way."""


def timed(task: Task, shared: Any, items: list[Any]) -> tuple[float, list[Any]]:
    """Run a task, and return how many seconds it took with its answers."""
    started = time.monotonic()
    answers = task(shared, items)
    return time.monotonic() - started, answers


class Dealer(Generic[Item]):
    """What is still to be done, in chunks whose size follows from how long items took."""

    def __init__(self, items: Sequence[Item], width: int) -> None:
        self.items = items
        self.width = width
        self._suspects: deque[int] = deque()
        self._next = 0
        self._tries = [0] * len(items)
        self._seconds = 0.0
        self._done = 0

    def next_chunk(self) -> list[int]:
        """Return the numbers of the items that are to be done next; none where all are dealt."""
        if self._suspects:
            return [self._suspects.popleft()]
        size = 1
        if self._done:
            size = int(_CHUNK_SECONDS * self._done / max(self._seconds, 1e-9))
        left = len(self.items) - self._next
        # Towards the end smaller ones, so that no worker waits long for the last.
        size = max(1, min(size, _MOST_ITEMS, left // (2 * self.width)))
        chunk = list(range(self._next, min(self._next + size, len(self.items))))
        self._next += len(chunk)
        return chunk

    @property
    def most_at_once(self) -> int:
        """How many chunks may be under way: one alone where any of them may lose a worker."""
        return 1 if self._suspects else 2 * self.width

    def finish(self, chunk: list[int], seconds: float) -> None:
        """Note how long a chunk took."""
        self._seconds += seconds
        self._done += len(chunk)

    def fail(self, chunk: list[int], reason: str) -> Iterator[tuple[int, Failure]]:
        """Deal the items of a chunk again, one by one; yield those that have failed too often."""
        for number in chunk:
            self._tries[number] += 1
            if len(chunk) == 1 and self._tries[number] >= _MOST_TRIES:
                yield number, Failure(reason)
            else:
                self._suspects.append(number)


def reason_of(error: BaseException) -> str:
    """Return one line that says what an item failed of."""
    text = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}: {text}" if text else type(error).__name__
