"""Files made to fill the memory or to hang: within 1 GiB and two minutes of processor time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.fuzz.hostile import CASES
from tests.fuzz.readers import READERS, ROOT

MOST_KIB = 1 << 20
ARGUMENTS = {"synthetic", "shape", "cpulist", "pcpus", "size"}
"""What comes from the command line, where an argument has 128 KiB at most."""


def test_every_reader_of_files_has_a_hostile_one() -> None:
    assert CASES.keys() == READERS.keys() - ARGUMENTS


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_no_file_takes_more_than_a_gib_or_two_minutes(
    name: str, tried: Callable[..., None]
) -> None:
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.measured", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    found = json.loads(ended.stdout)
    for one in found:
        assert one["ended"] == 0, f"{name}: {one}\n{ended.stderr[-4000:]}"
        assert one["peak_kib"] <= MOST_KIB, f"{name}: {one}"
    tried("hostile-10mb", len(found))
