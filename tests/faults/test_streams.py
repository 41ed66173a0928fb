"""Standard output that cannot be written to, and disks that are really full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.program import WORDS, Fault, Program, leftovers, tree
from tests.faults.writes import HOST


def run_shell(line: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env={**os.environ, "PYTHONPATH": path, "placer": f"{sys.executable} -m placer"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("to", "number"), [(">/dev/full", errno.ENOSPC), (">&-", errno.EBADF)], ids=["full", "closed"]
)
@pytest.mark.parametrize("command", ["place --json", "export", "host", "help"])
def test_standard_output_that_takes_nothing_is_one_error(
    given: Path, tmp_path: Path, to: str, number: int, command: str, tried: Callable[..., None]
) -> None:
    out = tmp_path / "run"
    arguments = {
        "place --json": f"place {given}/a.cfg --host '{HOST}' --out {out} --json",
        "export": f"export {given}/one --format xl --quiet --type hvm",
        "host": f"host '{HOST}'",
        "help": "--help",
    }
    ended = run_shell(f"exec $placer {arguments[command]} {to}")
    assert ended.returncode == 2, ended
    errors = [line for line in ended.stderr.splitlines() if line[:5] not in ("wrote", "warni")]
    assert errors == [
        f"error: standard output: output: found {WORDS[number]}, expected that it can be written to"
    ]
    if command == "place --json":
        assert run_shell(f"exec $placer check {out}").returncode == 0
    tried("standard-output", 1)


def test_a_closed_standard_error_is_no_file_of_ours(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "vm.cfg"
    ended = run_shell(f"exec $placer export {given}/one --format xl -o {out} <&- 2>&- >/dev/null")
    assert ended.returncode == 0
    assert "warning" not in out.read_text("utf-8")


@pytest.mark.parametrize("kib", [4, 16, 32, 64])
def test_a_small_disk_that_is_full_keeps_the_earlier(
    program: Program, given: Path, tmp_path: Path, kib: int, tried: Callable[..., None]
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    mounted = _mount(room, kib)
    try:
        (room / "target").write_text("earlier", encoding="utf-8")
        fault = Fault() if mounted else Fault(bytes=1024 * kib)
        for command in (
            ["report", given / "one", "--html", room / "target"],
            ["pages", given / "one", "--p2m", room / "target"],
            ["report", given / "one", "--csv", room / "new"],
            ["place", given / "a.cfg", "--host", HOST, "--out", room / "deep" / "run"],
        ):
            before = tree(room)
            ended = program.run(command, room, fault)
            if ended.code == 0:  # there was room for it
                assert command[0] in ("place", "report")
                assert kib > 4
                continue
            assert ended.code == 2, ended
            assert ended.err.count("error:") == 1
            assert f"found {WORDS[errno.ENOSPC]}" in ended.err
            assert str(command[-1]) in ended.err
            assert leftovers(room) == []
            assert before.items() <= tree(room).items()
            assert not (room / "deep").exists() or (room / "deep" / "run").exists()
    finally:
        if mounted:
            subprocess.run(["umount", room], check=True)
    tried("full-disk", 1)


def _mount(folder: Path, kib: int) -> bool:
    """Mount a disk of that size, where we may."""
    if os.geteuid() != 0:
        return False
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    return done.returncode == 0
