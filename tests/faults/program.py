"""``placer`` run with faults: killed, refused or signalled at a chosen call of the system."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from placer.aside import is_ours

COUNT, KILL, FAIL, FAIL_ON, SIGNAL = range(5)
"""As in faults.c: nothing, kill -9, an error once, an error from then on, a signal."""

WORDS: Final = {number: os.strerror(number).lower() for number in errno.errorcode}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What befalls a run: ``action`` with ``number`` at call ``when`` of those named ``calls``.

    ``kill_after`` are seconds; ``bytes`` and ``file_limit`` are what may be written, in all
    and of one file; with ``no_exchange`` the file system cannot exchange two names.
    """

    action: int = COUNT
    number: int = 0
    when: int = 0
    calls: str = ""
    bytes: int = -1
    file_limit: int | None = None
    no_exchange: bool = False
    kill_after: float | None = None


NONE: Final = Fault()


@dataclass(frozen=True)
class Ended:
    """How a run ended (below 0: by that signal), what it said, and the calls that it made."""

    code: int
    out: str
    err: str
    calls: tuple[str, ...]


@dataclass
class Program:
    """The server that forks runs; ``work`` is a folder of its own."""

    work: Path
    process: subprocess.Popen[str] = field(init=False)
    runs: int = 0

    def __post_init__(self) -> None:
        library = self.work / "faults.so"
        source = Path(__file__).parent / "faults.c"
        compiler = shutil.which("gcc") or "cc"
        options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        subprocess.run([compiler, *options, "-o", library, source, "-ldl"], check=True)
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", Path(__file__).parent / "server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "LD_PRELOAD": str(library)},
        )

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()

    def run(self, arguments: Sequence[object], below: Path, fault: Fault = NONE) -> Ended:
        """Run ``placer``; calls below that folder count."""
        return self.run_together([arguments], below, fault)[0]

    def run_together(
        self, commands: Sequence[Sequence[object]], below: Path, fault: Fault = NONE
    ) -> list[Ended]:
        """Run several at once."""
        asked: list[dict[str, Any]] = []
        for arguments in commands:
            self.runs += 1
            files = {name: str(self.work / f"{self.runs}.{name}") for name in ("out", "err", "log")}
            asked.append(
                {
                    **{name: getattr(fault, name) for name in fault.__dataclass_fields__},
                    **files,
                    "arguments": [str(argument) for argument in arguments],
                    "below": str(below),
                }
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        codes = json.loads(self.process.stdout.readline())
        return [_ended(code, each) for code, each in zip(codes, asked, strict=True)]


def _ended(code: int, files: Mapping[str, str]) -> Ended:
    texts = {}
    for name in ("out", "err", "log"):
        path = Path(files[name])
        texts[name] = path.read_text("utf-8", errors="replace") if path.exists() else ""
        path.unlink(missing_ok=True)
    return Ended(code, texts["out"], texts["err"], tuple(texts["log"].splitlines()))


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return what is below a folder, or a file: bytes by name, None for folders."""
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def leftovers(folder: Path) -> list[str]:
    """Return what killed runs have left in a folder or below it."""
    return sorted(str(path) for path in folder.rglob("*") if is_ours(path.name))
