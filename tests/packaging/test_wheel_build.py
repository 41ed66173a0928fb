"""The sdist holds all that the wheel is made of, and the wheel holds the package alone."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def built(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one sdist, and the wheel that was built from it."""
    if not (project_root / "placer").is_dir():
        pytest.fail("the slow suite builds the package: run it in a checkout")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), "."],
        cwd=project_root,
        check=True,
        capture_output=True,
    )
    return folder


def sdist_names(folder: Path) -> set[str]:
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def wheel_names(folder: Path) -> set[str]:
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.mark.slow
def test_the_wheel_holds_every_module_of_the_package(built: Path, project_root: Path) -> None:
    modules = {
        path.relative_to(project_root).as_posix()
        for path in (project_root / "placer").rglob("*.py")
    }
    assert modules
    assert modules <= wheel_names(built)


@pytest.mark.slow
def test_the_wheel_puts_nothing_beside_the_package(built: Path) -> None:
    tops = {name.partition("/")[0] for name in wheel_names(built)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"placer"}


@pytest.mark.slow
def test_the_wheel_carries_its_licence(built: Path) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_names(built))


@pytest.mark.slow
def test_the_sdist_holds_what_its_own_tests_read(built: Path) -> None:
    names = sdist_names(built)
    wanted = {"pyproject.toml", "constraints.txt", "Makefile", "LICENSE", "tests/conftest.py"}
    assert wanted <= names
    for folder in ("placer/", "tests/", "models/", "datasets/"):
        assert any(name.startswith(folder) for name in names), folder


@pytest.mark.slow
def test_the_sdist_holds_no_result_of_a_run(built: Path) -> None:
    assert not {
        name for name in sdist_names(built) if name.startswith(("runs/", "build/", ".venv"))
    }
