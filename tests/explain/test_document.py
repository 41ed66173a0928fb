"""The sessions of docs/explain.md are run, and what they print is what the document shows."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.test_readme import blocks, run_session


def test_the_sessions_of_the_document_print_what_it_shows(
    tmp_path: Path, project_root: Path
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "placer"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m placer "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    sessions = blocks((project_root / "docs" / "explain.md").read_text(encoding="utf-8"))
    assert len(sessions) == 3
    for session in sessions:
        commands = [join_lines(command, shown) for command, shown in session]
        printed = run_session([command for command, _ in commands], tmp_path, tmp_path / "bin")
        assert printed == [shown for _, shown in commands]


def join_lines(command: str, shown: str) -> tuple[str, str]:
    """Return a command with the lines that the shell asked for, and what is left to be shown."""
    lines = shown.splitlines(keepends=True)
    more = [line.removeprefix("> ") for line in lines if line.startswith("> ")]
    if not more:
        return command, shown
    return f"{command}\n{''.join(more)}".rstrip("\n"), "".join(lines[len(more) :])
