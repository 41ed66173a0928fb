"""The program run for a test: in this process, or in one of its own."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from placer.cli.main import main

HOST = "pnode:2 core:4 pu:1 memory:16GiB distance:10,20"


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended, and what it wrote."""

    code: int
    out: str
    err: str
    data: bytes = b""
    """Standard output as it was, where it is no text."""


def run_placer(*arguments: object) -> Ended:
    """Run ``placer`` with the arguments in this process."""
    out, err = io.BytesIO(), io.BytesIO()
    streams: dict[str, Any] = {
        "argv": ["placer", *map(str, arguments)],
        "stdout": io.TextIOWrapper(out, encoding="utf-8", write_through=True),
        "stderr": io.TextIOWrapper(err, encoding="utf-8", write_through=True),
        "excepthook": sys.excepthook,
    }
    code: Any = 0
    with mock.patch.multiple(sys, **streams):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        sys.stderr.flush()
        written = out.getvalue()
    return Ended(
        int(code or 0), written.decode(errors="replace"), err.getvalue().decode(), data=written
    )


def start_placer(
    arguments: Sequence[object],
    cwd: Path | None = None,
    *,
    own_group: bool = False,
    **environment: str,
) -> subprocess.Popen[str]:
    """Start ``placer`` in a process of its own, with both outputs to be read.

    With ``own_group`` it leads a group of processes, as at a terminal.
    """
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-m", "placer", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **environment},
        start_new_session=own_group,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def spawn_placer(*arguments: object, cwd: Path | None = None, **environment: str) -> Ended:
    """Run ``placer`` in a process of its own."""
    with start_placer(arguments, cwd, **environment) as process:
        out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err)


def watch_placer(
    *arguments: object,
    cwd: Path | None = None,
    react: Callable[[bytes], None] | None = None,
    **environment: str,
) -> Ended:
    """Run ``placer`` with a terminal as its standard error: ``err`` is what a person sees there.

    ``react`` is called with what was seen so far whenever there is more.
    """
    terminal, side = pty.openpty()
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    seen = bytearray()
    with subprocess.Popen(
        [sys.executable, "-m", "placer", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "TERM": "xterm-256color", **environment},
        stdout=subprocess.PIPE,
        stderr=side,
        text=True,
        encoding="utf-8",
    ) as process:
        os.close(side)
        while True:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # Linux says so where the other side is closed
                break
            if not data:
                break
            seen += data
            if react is not None:
                react(bytes(seen))
        os.close(terminal)
        out, _ = process.communicate(timeout=120)
    return Ended(process.returncode, out, seen.decode(errors="replace"))
