"""The README's session is what the program prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


def session(text: str) -> list[tuple[str, str]]:
    """Return the commands of the README's console block with the output below each."""
    match = re.search(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert match is not None
    parts = re.split(r"^\$ (.*)\n", match[1], flags=re.MULTILINE)
    assert parts[0] == ""
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_the_session_prints_what_the_readme_shows(project_root: Path, tmp_path: Path) -> None:
    steps = session((project_root / "README.md").read_text(encoding="utf-8"))
    assert [step[0].split()[1] for step in steps] == ["place", "export", "export", "check"]
    (tmp_path / "datasets").symlink_to(project_root / "datasets")
    for command, shown in steps:
        words = shlex.split(command)
        assert words[0] == "placer"
        done = subprocess.run(
            [sys.executable, "-m", "placer", *words[1:]],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": _path_of_the_package()},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == shown, command


def _path_of_the_package() -> str:
    import placer

    return str(Path(placer.__file__).parents[1])


@pytest.mark.parametrize("link", ["docs", "models", "datasets"])
def test_links_of_the_readme_lead_somewhere(project_root: Path, link: str) -> None:
    text = (project_root / "README.md").read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if t.startswith(link)]
    assert targets
    assert [t for t in targets if not (project_root / t).exists()] == []
