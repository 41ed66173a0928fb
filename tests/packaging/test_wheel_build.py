"""Sdist and wheel: complete, nothing astray, the same bytes each time, at work by themselves."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import placer
from tests.packaging.requirements import runtime_requirements

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


def build(source: Path, out: Path, umask: int = 0o022, epoch: str = "1577836800") -> Path:
    """Build the sdist of a folder and from that the wheel, and return where they are."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), "."],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
        umask=umask,
        check=True,
        capture_output=True,
    )
    return out


@pytest.fixture(scope="module")
def built(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one sdist, and the wheel that was built from it."""
    if not (project_root / "placer").is_dir():
        pytest.fail("the slow suite builds the package: run it in a checkout")
    return build(project_root, tmp_path_factory.mktemp("dist"))


def sdist_of(folder: Path) -> Path:
    (path,) = folder.glob("*.tar.gz")
    return path


def wheel_of(folder: Path) -> Path:
    (path,) = folder.glob("*.whl")
    return path


def sdist_names(folder: Path) -> set[str]:
    with tarfile.open(sdist_of(folder)) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def wheel_names(folder: Path) -> set[str]:
    with zipfile.ZipFile(wheel_of(folder)) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_its_data_and_nothing_else(
    built: Path, project_root: Path
) -> None:
    package = project_root / "placer"
    own = {
        path.relative_to(project_root).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    policies = {
        f"placer/data/policies/{p.name}" for p in (project_root / "models/policies").iterdir()
    }
    data = {"placer/data/placement.schema.json", *policies}
    info = f"placer-{placer.__version__}.dist-info"
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert len(policies) == 3
    assert wheel_names(built) == own | data | {f"{info}/{name}" for name in about}


def test_the_record_of_the_wheel_has_the_hash_and_size_of_every_file(built: Path) -> None:
    with zipfile.ZipFile(wheel_of(built)) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
        assert {row[0] for row in rows} == set(archive.namelist())
        for name, digest, size in rows:
            if name == record:
                assert (digest, size) == ("", "")
                continue
            content = archive.read(name)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            assert (digest, size) == (f"sha256={hashed.decode()}", str(len(content)))


def test_the_metadata_say_what_the_project_says(built: Path, project_root: Path) -> None:
    with zipfile.ZipFile(wheel_of(built)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(name).decode()
        wheel = archive.read(name.replace("METADATA", "WHEEL")).decode()
    head, _, description = text.partition("\n\n")
    assert f"\nVersion: {placer.__version__}\n" in head
    assert "\nLicense-Expression: Apache-2.0\n" in head
    assert "\nDescription-Content-Type: text/markdown" in head
    assert description == (project_root / "README.md").read_text(encoding="utf-8")
    assert "Root-Is-Purelib: true\nTag: py3-none-any\n" in wheel


def test_the_sdist_holds_every_file_of_the_repository_and_nothing_else(
    built: Path, project_root: Path, require_program: Callable[[str, str], str]
) -> None:
    listed = subprocess.run(
        [require_program("git", "git"), "ls-files", "-z", "--cached", "--others"]
        + ["--exclude-standard"],
        cwd=project_root,
        check=True,
        capture_output=True,
        text=True,
    )
    tracked = {
        name for name in listed.stdout.split("\0") if name and (project_root / name).exists()
    }
    assert len(tracked) > 500
    assert sdist_names(built) == tracked | {"PKG-INFO"}


def test_the_same_source_gives_the_same_bytes(
    built: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    """Built again from what the sdist holds, elsewhere, with other times and modes of files."""
    times = 0
    for umask, stamp in ((0o022, 1), (0o077, 1 << 30)):
        with tarfile.open(sdist_of(built)) as archive:
            archive.extractall(tmp_path / str(umask), filter="data")
        (source,) = (tmp_path / str(umask)).iterdir()
        for path in source.rglob("*"):
            os.utime(path, (stamp, stamp))
        again = build(source, tmp_path / f"dist-{umask}", umask)
        assert sdist_of(again).read_bytes() == sdist_of(built).read_bytes()
        assert wheel_of(again).read_bytes() == wheel_of(built).read_bytes()
        times += 2
    tried("supply-same-bytes", times)


def install(target: Path, requirements: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        + ["--no-index", "--no-deps", "--no-cache-dir", "--require-hashes", *options]
        + ["--target", str(target), "--requirement", str(requirements)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_whose_hash_is_another_is_not_installed(
    built: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    wheel = wheel_of(built)
    content = wheel.read_bytes()
    requirements = tmp_path / "requirements.txt"
    line = f"placer=={placer.__version__} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
    requirements.write_text(line, encoding="utf-8")
    (tmp_path / "fine").mkdir()
    shutil.copy(wheel, tmp_path / "fine")
    done = install(tmp_path / "there", requirements, "--find-links", str(tmp_path / "fine"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / "placer" / "__init__.py").is_file()
    places = range(0, len(content), -(-len(content) // 10))
    for place in places:
        folder = tmp_path / f"changed-{place}"
        folder.mkdir()
        changed = bytearray(content)
        changed[place] ^= 1
        (folder / wheel.name).write_bytes(changed)
        done = install(folder / "there", requirements, "--find-links", str(folder))
        assert done.returncode == 1
        assert "DO NOT MATCH THE HASHES" in done.stderr
        assert not (folder / "there").exists()
    assert len(places) == 10
    tried("supply-changed-file", len(places))


CALLS = (
    ("--version",),
    ("--help",),
    ("place", "vm.toml", "--host", "pnode:2 core:2 memory:4GiB", "--out", "run"),
    ("check", "run"),
    ("export", "run", "--format", "xl"),
    ("pages", "run"),
    ("report", "run", "--html", "run.html"),
    ("report", "run", "--csv", "tables"),
    ("whatif", "headroom", "--base", "run", "--vm", "memory:1GiB vcpus:1"),
    ("config", "show"),
)
DOMAIN = '[[domain]]\nname = "vm"\nvcpus = 2\nmemory = "1GiB"\n'


def test_the_wheel_works_with_what_it_needs_and_nothing_else(
    built: Path, tmp_path: Path, tried: Callable[..., None]
) -> None:
    """An empty environment, the requirements that are handed out, the wheel; no source folder."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    (tmp_path / "requirements.txt").write_text(runtime_requirements(), encoding="utf-8")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    hashed = ["--require-hashes", "--only-binary", ":all:", "-r", "requirements.txt"]
    for what in (hashed, ["--no-deps", str(wheel_of(built))]):
        subprocess.run([*pip, "install", "--quiet", *what], cwd=tmp_path, check=True)
    subprocess.run([*pip, "check"], check=True, capture_output=True)

    (tmp_path / "vm.toml").write_text(DOMAIN, encoding="utf-8")
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    program = str(python.with_name("placer"))
    as_module = [str(python), "-W", "error", "-m", "placer"]
    for start, calls in (([program], CALLS), (as_module, CALLS[:4])):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        for arguments in calls:
            done = subprocess.run(
                [*start, *arguments],
                cwd=tmp_path,
                env=clean,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (arguments, done.stderr)
            if arguments[0] == "--version":
                assert done.stdout == f"placer {placer.__version__}\n"
    completed = subprocess.run(
        [program],
        env={
            **clean,
            "_PLACER_COMPLETE": "complete_bash",
            "COMP_WORDS": "placer wh",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout.split() == ["whatif"]
    dask = subprocess.run(
        [program, "whatif", "fail-each", "--base", "run", "--engine", "dask"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert dask.returncode == 2
    assert "placer[cluster]" in dask.stderr
    tried("supply-empty-environment", len(CALLS) + 4 + 2)
