"""Coverage-guided fuzzing of one reader with atheris, which is libFuzzer for Python.

    python -m tests.fuzz.coverage READER [-runs=N] [-seed=N] [other options of libFuzzer]

It ends with 0 where every input gave a value or one of placer's errors. Else what was raised is
shown, and the input that did it is kept in the folder at hand (crash-..., timeout-..., oom-...).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final

from tests.fuzz.nasty import BYTES, NUMBERS
from tests.fuzz.readers import READERS, corpus_of, run_reader, samples_of

MOST_BYTES: Final = 16 << 10
OPTIONS: Final = (f"-max_len={MOST_BYTES}", "-timeout=10", "-rss_limit_mb=1024", "-verbosity=0")


def fuzz(name: str, folder: Path, options: list[str]) -> None:
    """Fuzz a reader in this process, which ends with it; ``folder`` is for its files."""
    import atheris

    at, seeds, words = (folder / part for part in ("at", "seeds", "words"))
    at.mkdir()
    seeds.mkdir()
    for module in READERS[name].modules:
        _instrument(import_module(module if "." in module else f"placer.read.{module}"))
    found = samples_of(name) + [path.read_bytes() for path in corpus_of(name)]
    for number, data in enumerate(found):
        (seeds / str(number)).write_bytes(data[:MOST_BYTES])
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in _words()))

    def try_one(data: bytes) -> None:
        run_reader(name, at, data)

    atheris.Setup([sys.argv[0], *OPTIONS, f"-dict={words}", *options, str(seeds)], try_one)
    atheris.Fuzz()


def _instrument(module: ModuleType) -> None:
    """Let libFuzzer see the branches of a module's functions and methods.

    Done when all is imported: instrumented while it is imported, every module that it needs
    would be instrumented too, which takes ten seconds.
    """
    import atheris

    owned = [*vars(module).values()]
    owned += [value for kind in owned if isinstance(kind, type) for value in vars(kind).values()]
    for value in owned:
        function = getattr(value, "__func__", getattr(value, "func", value))
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            atheris.instrument_func(function)


def _words() -> list[bytes]:
    """What libFuzzer puts in; it takes words of 64 bytes at most."""
    return [word for word in (*BYTES, *(n.encode() for n in NUMBERS)) if len(word) <= 64]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main() -> int:
    """Fuzz the reader that is named, in a process of its own: libFuzzer ends without a clean-up."""
    if sys.argv[1] == "--in":
        fuzz(sys.argv[3], Path(sys.argv[2]), sys.argv[4:])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.coverage", "--in", folder, *sys.argv[1:]]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
