"""What is installed is what constraints.txt pins: versions, hashes, licences; nothing else."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.licences_page import Pin, known, licence_of, needed_for, parts_of, read_pins
from tests.packaging.requirements import runtime_requirements

TOOLS = {"pip", "setuptools", "wheel"}
"""What a new environment has by itself."""


@pytest.fixture(scope="module")
def pins(project_root: Path) -> dict[str, Pin]:
    return read_pins(project_root)


def test_every_line_pins_one_version_with_the_hashes_of_its_files(
    pins: dict[str, Pin], project_root: Path
) -> None:
    assert len(pins) > 60
    for pin in pins.values():
        assert pin.hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in pin.hashes), pin.name
        assert len(set(pin.hashes)) == len(pin.hashes), pin.name
    text = (project_root / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text


@pytest.mark.parametrize(
    "line", ["numpy>=2", "numpy", "numpy==2.4.6\nnumpy==2.4.5", "numpy[all]==2.4.6", "-e ."]
)
def test_a_line_that_pins_nothing_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"numpy|-e|unpack|parse|Expected"):
        read_pins(tmp_path)


def test_every_dependency_of_the_project_is_pinned_within_its_bounds(
    pins: dict[str, Pin], project_root: Path
) -> None:
    with (project_root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(text for extra in extras for text in extra)]
    assert len(asked) > 20
    for text in asked:
        requirement = Requirement(text)
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin.version), text


def test_what_is_pinned_is_what_the_dependencies_lead_to_and_nothing_else(
    pins: dict[str, Pin], project_root: Path
) -> None:
    needed = set(needed_for(project_root))
    here = {name for name, pin in pins.items() if pin.holds()}
    assert needed <= set(pins)
    assert here <= needed


def test_what_is_installed_is_what_is_pinned(pins: dict[str, Pin]) -> None:
    installed = {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in importlib.metadata.distributions()
    }
    mine = {name: version for name, version in installed.items() if name not in {*TOOLS, "placer"}}
    assert mine == {name: pin.version for name, pin in pins.items() if pin.holds()}


def test_what_is_installed_fits_together() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "No broken requirements found.\n")


def test_every_licence_of_a_dependency_is_one_that_is_explained(pins: dict[str, Pin]) -> None:
    for name, pin in pins.items():
        if pin.holds():
            licence = licence_of(importlib.metadata.distribution(name))
            unknown = [part for part in parts_of(licence) if not known(part)]
            assert unknown == [], f"{name}: {licence}"


def test_nothing_that_placer_needs_to_run_is_under_a_licence_for_tests_alone(
    pins: dict[str, Pin], project_root: Path
) -> None:
    for name, purpose in needed_for(project_root).items():
        if purpose != "tests" and pins[name].holds():
            assert "MPL" not in licence_of(importlib.metadata.distribution(name)), name


def test_what_is_needed_to_run_is_handed_out_with_its_hashes_and_without_the_tests(
    pins: dict[str, Pin], project_root: Path
) -> None:
    text = runtime_requirements(project_root)
    names = set(re.findall(r"^(\S+)==", text, re.MULTILINE))
    assert {"numpy", "ortools", "pandas", "typer", "matplotlib"} <= names
    assert not names & {"pytest", "mypy", "selenium", "distributed", "hatchling"}
    for name in names:
        assert all(value in text for value in pins[name].hashes)
