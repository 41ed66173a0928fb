"""The README's session is run, and what it prints is compared with what the README shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRESS = re.compile(r"^\w+: .*, \d+\.\d s\n", re.MULTILINE)


def blocks(text: str) -> list[list[tuple[str, str]]]:
    """The sessions of a document: for each console block its commands with their output."""
    sessions = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
        assert parts[0] == "", "a console block starts with a command"
        sessions.append(list(zip(parts[1::2], parts[2::2], strict=True)))
    return sessions


def run_session(commands: list[str], cwd: Path, programs: Path) -> list[str]:
    """Run commands in one shell and return what each printed to both outputs, without progress."""
    script = "".join(f"{command}\nstatus=$?; echo @@end; (exit $status)\n" for command in commands)
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=cwd,
        env={
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": path,
            "PYTHONIOENCODING": "utf-8",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )
    outputs = PROGRESS.sub("", done.stdout).split("@@end\n")
    assert outputs.pop() == ""
    return outputs


@pytest.fixture
def workplace(tmp_path: Path, project_root: Path) -> Path:
    """A folder with the datasets and with ``placer`` among the programs."""
    (tmp_path / "datasets").symlink_to(project_root / "datasets")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "placer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m placer "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


def test_the_session_of_the_readme_prints_what_it_shows(
    workplace: Path, project_root: Path
) -> None:
    sessions = blocks((project_root / "README.md").read_text(encoding="utf-8"))
    commands = [command for session in sessions for command, _ in session]
    assert sum(command.startswith("placer place ") for command in commands) == 3
    for session in sessions:
        printed = run_session([command for command, _ in session], workplace, workplace / "bin")
        assert printed == [shown for _, shown in session]


def test_the_readme_starts_with_one_sentence_and_the_two_commands(project_root: Path) -> None:
    text = (project_root / "README.md").read_text(encoding="utf-8")
    title, sentence, *_ = text.split("\n\n")
    assert title == "# placer"
    assert sentence.count(".") == 1
    assert sentence.endswith(".")
    assert text.index("make demo") < text.index("make test") < text.index("## ")
