"""What SECURITY.md promises of the running program: no network, no other program, no pickles."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WATCH = """
import os
import sys

_SEEN = os.open(os.environ["PLACES_SEEN"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
_TOLD = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class",
)


def _note(event, arguments):
    if event in _TOLD:
        os.write(_SEEN, (event + "\\n").encode())


sys.addaudithook(_note)
"""
DATA = "datasets/seed"
HOST = f"{DATA}/heatpipe-before-rc9.toml"
CALLS: tuple[tuple[str, ...], ...] = (
    ("place", f"{DATA}/rc9.cfg", "--host", HOST, "--out", "OUT/run"),
    ("place", f"{DATA}/rc9.cfg", "--host", HOST, "--solver", "libxl", "--json"),
    ("explain", f"{DATA}/rc9.cfg", "--host", "pnode:2 core:2 memory:1GiB"),
    ("check", "OUT/run"),
    ("export", "OUT/run", "--format", "libvirt"),
    ("export", "OUT/run", "--format", "qemu"),
    ("pages", "OUT/run"),
    ("host",),
    ("heap", HOST, "--save", "OUT/heap.npz"),
    ("balloon", "OUT/run", "--target", "3GiB"),
    ("report", "OUT/run"),
    ("report", "OUT/run", "--csv", "OUT/tables"),
    ("whatif", "headroom", "--base", "OUT/run", "--vm", "memory:1GiB vcpus:1"),
    ("whatif", "fail-each", "--base", "OUT/run", "--engine", "threads"),
    ("config", "show"),
)


@pytest.mark.slow
def test_no_command_reaches_for_the_network_another_program_or_a_pickle(
    tmp_path: Path, project_root: Path, tried: Callable[..., None]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WATCH.lstrip(), encoding="utf-8")
    seen = tmp_path / "seen"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *(p or str(Path.cwd()) for p in sys.path)]),
        "PLACES_SEEN": str(seen),
    }

    def run(*command: str) -> int:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=project_root,
            env=environment,
            capture_output=True,
            check=False,
        )
        return done.returncode

    for call in CALLS:
        seen.unlink(missing_ok=True)
        code = run("-m", "placer", *(part.replace("OUT", str(tmp_path)) for part in call))
        assert code in {0, 3, 5}, call
        assert seen.read_text(encoding="utf-8") == "", call
    assert run("-c", "import subprocess; subprocess.run(['true'])") == 0
    assert seen.read_text(encoding="utf-8").startswith("subprocess.Popen")
    tried("supply-reaches-out", len(CALLS))
