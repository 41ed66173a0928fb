"""The same question gives the same bytes: again in one process, in another one, under load."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.determinism.cases import CASES, QUICK, ROOT, sum_of

SOME = (
    "seed rcbig",
    "reasons",
    "single 0",
    *(f"tiny {n}" for n in range(6)),
    *(f"features {n}" for n in range(4)),
    "tiny fleet 0",
    "auto 0",
    "moves 0",
)
"""Cases of every kind that take little time together."""

ELSEWHERE = {
    "PYTHONHASHSEED": "12345",
    "LC_ALL": "C",
    "LANG": "tr_TR.UTF-8",
    "TZ": "Pacific/Kiritimati",
    "COLUMNS": "41",
    "OMP_NUM_THREADS": "1",
    "XDG_CONFIG_HOME": "/nonexistent",
}


def start_elsewhere(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Answer the cases in a process that has all else than this one that could matter."""
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.determinism.cases", *arguments],
        cwd=folder,
        env={**os.environ, **ELSEWHERE, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        umask=0o077,
    )


def sums_said(process: subprocess.Popen[str]) -> dict[str, str]:
    """What a process that answers cases prints, by the cases' names."""
    out, _ = process.communicate()
    assert process.returncode == 0
    return {name: digest for digest, name in (line.split("  ", 1) for line in out.splitlines())}


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Processes that do nothing but use the processors."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_equal_questions_give_equal_bytes_in_one_process_and_in_another(
    tmp_path: Path, tried: Callable[..., None]
) -> None:
    with start_elsewhere(tmp_path, *SOME) as process:
        first = {name: sum_of(CASES[name]()) for name in SOME}
        again = {name: sum_of(CASES[name]()) for name in reversed(SOME)}
        there = sums_said(process)
    assert again == first
    assert there == first
    assert len(set(first.values())) == len(SOME)
    tried("same-bytes", 2 * len(SOME))


@pytest.mark.slow
def test_all_cases_give_the_same_bytes_alone_and_beside_others_that_use_the_processors(
    tmp_path: Path, tried: Callable[..., None]
) -> None:
    with load(2), start_elsewhere(tmp_path, *CASES) as process:
        here = {name: sum_of(answer()) for name, answer in CASES.items()}
        there = sums_said(process)
    assert there == here
    assert len(QUICK) < len(CASES) == 57
    tried("same-bytes", len(CASES))
