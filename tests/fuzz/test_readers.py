"""Every reader under wrong bytes: those that broke one, spoilt samples, what atheris finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings

import placer.read
from tests.fuzz.mutations import spoilt
from tests.fuzz.readers import READERS, ROOT, corpus_of, run_reader, samples_of

EXAMPLES = 40
RUNS = 1500
HANGS = 60
"""Seconds of processor time after which a reader of a small file is said to hang."""

CORPUS = [(name, path) for name in READERS for path in corpus_of(name)]


@contextmanager
def ended_in_time() -> Iterator[None]:
    """Fail where the block hangs."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no answer after {HANGS} seconds")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def test_every_module_that_reads_is_fuzzed() -> None:
    folder = Path(placer.read.__file__).parent
    read = {path.stem for path in folder.glob("*.py")} - {"__init__", "bounds"}
    assert read <= {module for reader in READERS.values() for module in reader.modules}


@pytest.mark.parametrize("name", READERS)
def test_every_reader_takes_its_samples(name: str, tmp_path: Path) -> None:
    taken = 0
    for number, data in enumerate(samples_of(name)):
        folder = tmp_path / str(number)
        folder.mkdir()
        taken += run_reader(name, folder, data) is not None
    assert taken, "no sample of this reader is a good one"


@pytest.mark.parametrize(
    ("name", "path"), CORPUS, ids=[f"{name}-{path.name}" for name, path in CORPUS]
)
def test_what_broke_a_reader_once_is_read_or_refused(
    name: str, path: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    with ended_in_time():
        run_reader(name, tmp_path, path.read_bytes())
    tried("corpus", 1)


def test_every_kept_file_belongs_to_a_reader() -> None:
    folders = {path.name for path in (ROOT / "tests" / "corpus").iterdir() if path.is_dir()}
    assert folders <= READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_a_spoilt_sample_is_read_or_refused(
    name: str, tmp_path: Path, tried: Callable[..., None]
) -> None:
    ran = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=spoilt(samples_of(name)))
    def try_one(data: bytes) -> None:
        nonlocal ran
        with ended_in_time():
            run_reader(name, tmp_path, data)
        ran += 1

    try_one()
    assert ran >= EXAMPLES
    tried("spoilt-samples", EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_atheris_finds_no_bytes_that_break_a_reader(
    name: str, tmp_path: Path, tried: Callable[..., None]
) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris has no wheel for this platform; it has one for Linux on x86-64")
    command = [sys.executable, "-m", "tests.fuzz.coverage", name]
    options = [f"-runs={RUNS}", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    ended = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    tried("coverage-guided", RUNS)
