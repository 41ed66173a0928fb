"""Domains and runs as files, for the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from placer.report.folder import write_run
from tests import sample_runs


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A guest of 1 GiB."""
    return write_cfg(tmp_path / "small.cfg", memory=1024)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A guest of 64 GiB, more than the host of these tests has."""
    return write_cfg(tmp_path / "large.cfg", memory=65536)


def write_cfg(path: Path, *, memory: int, vcpus: int = 2) -> Path:
    """Write the configuration of a guest that is named as its file."""
    text = f'name = "{path.stem}"\nmemory = {memory}\nvcpus = {vcpus}\n'
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def rc9(tmp_path: Path) -> Path:
    """The run of the posting's second guest."""
    write_run(tmp_path / "rc9", sample_runs.rc9(), log={})
    return tmp_path / "rc9"


@pytest.fixture(scope="session")
def seed(project_root: Path) -> Path:
    """The folder of the posting's two guests and their host."""
    return project_root / "datasets" / "seed"
