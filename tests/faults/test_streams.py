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
@pytest.mark.parametrize("command", ["place --json", "export", "host", "help", "version"])
def test_standard_output_that_takes_nothing_is_one_error(
    given: Path, tmp_path: Path, to: str, number: int, command: str, tried: Callable[..., None]
) -> None:
    out = tmp_path / "run"
    arguments = {
        "place --json": f"place {given}/a.cfg --host '{HOST}' --out {out} --json",
        "export": f"export {given}/one --format xl --quiet --type hvm",
        "host": f"host '{HOST}'",
        "help": "--help",
        "version": "--version",
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


@pytest.mark.parametrize("arguments", ["--help", "--version", "place --help", "whatif --help"])
@pytest.mark.parametrize("reader", ["true", "head -n 0"])
def test_what_is_read_no_further_has_ended_well(arguments: str, reader: str) -> None:
    ended = run_shell(f"{{ sleep 0.2; $placer {arguments}; echo $? >&2; }} | {reader}")
    assert ended.stderr == "0\n"


def test_a_working_folder_that_is_gone_is_one_error(given: Path, tmp_path: Path) -> None:
    gone = f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone"
    for arguments in (
        f"place {given}/a.cfg --host '{HOST}' --out new",
        f"report {given}/one --html new",
        f"report {given}/one --csv new",
        f"whatif fail-each --base {given}/one --out new",
    ):
        ended = run_shell(f"{gone} && exec $placer {arguments}")
        assert ended.returncode == 2, ended
        assert ended.stderr.startswith("error: new: --")
        assert ended.stderr.count("\n") == 1


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
