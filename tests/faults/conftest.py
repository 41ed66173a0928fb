"""The program to be tried, and what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.program import Program
from tests.faults.writes import write_inputs


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of configurations, runs and scenarios."""
    folder = tmp_path_factory.mktemp("given")
    write_inputs(folder)
    return folder
