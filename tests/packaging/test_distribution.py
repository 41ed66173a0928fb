"""What is installed: version, command, public names, and the data that goes with the package."""

import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from datetime import date
from pathlib import Path

import pytest

import placer

WHEEL_IS_TESTED = "PLACER_TEST_INSTALLED" in os.environ


def test_the_metadata_give_the_version_of_the_package() -> None:
    assert importlib.metadata.version("placer") == placer.__version__


def test_the_version_stands_once_and_the_changelog_tells_of_it(project_root: Path) -> None:
    with (project_root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "placer/__init__.py"
    text = (project_root / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.*?)\](?: - (\S+))?$", text, re.MULTILINE)
    assert len(headings) == len(re.findall(r"^## ", text, re.MULTILINE))
    released = [(version, day) for version, day in headings if version != "Unreleased"]
    assert headings in ([("Unreleased", ""), *released], released)
    assert released[0][0] == placer.__version__
    days = [date.fromisoformat(day) for _, day in released]
    assert days == sorted(days, reverse=True)
    sections = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_readme_and_the_changelog_name_the_wheel_of_this_version(project_root: Path) -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (project_root / name).read_text(encoding="utf-8")
        versions = re.findall(r"placer-(\d[^-\s]*)-py3-none-any\.whl|git tag -a v(\S+)`", text)
        assert versions, name
        assert {first or second for first, second in versions} == {placer.__version__}, name


def test_the_tests_run_against_what_they_are_meant_to_test(project_root: Path) -> None:
    package = Path(placer.__file__).parent
    expected = Path(sysconfig.get_path("purelib")) if WHEEL_IS_TESTED else project_root
    assert package.parent == expected


@pytest.mark.parametrize(
    "command",
    [
        [str(Path(sysconfig.get_path("scripts")) / "placer"), "--help"],
        [sys.executable, "-m", "placer", "--help"],
    ],
    ids=["placer", "python -m placer"],
)
def test_the_command_prints_its_help_outside_the_source_folder(
    command: list[str], tmp_path: Path
) -> None:
    completed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert "place" in completed.stdout


def test_the_wheel_carries_every_policy_and_machine(project_root: Path) -> None:
    with (project_root / "pyproject.toml").open("rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    installed = importlib.metadata.files("placer") or []
    names = {name.as_posix() for name in installed}
    for source, target in wheel["force-include"].items():
        path = project_root / source
        files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
        assert files, source
        for file in files:
            inside = file.relative_to(path).as_posix()
            assert (target if inside == "." else f"{target}/{inside}") in names
