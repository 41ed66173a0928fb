"""The worked studies: their inputs are read, and the short one says again what its report says."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from placer.read.scenarios import read_scenarios
from placer.read.sources import read_domains, read_hosts

STUDIES = ("seed", "fleet", "rebalance")


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_its_script_its_report_and_its_readme(project_root: Path, name: str) -> None:
    folder = project_root / "datasets" / f"study-{name}"
    report = project_root / "reports" / f"2026-11-28-study-{name}"
    script = (folder / "regenerate.sh").read_text(encoding="utf-8")
    assert script.startswith("#!/bin/sh\n")
    made = set(re.findall(r'"\$report/?([a-z0-9.-]*)"', script)) - {""}
    names = {path.name for path in report.iterdir()}
    assert made <= names | {path.stem for path in report.iterdir()}
    text = (report / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (report / target).exists(), target
    index = (project_root / "reports" / "README.md").read_text(encoding="utf-8")
    assert f"2026-11-28-study-{name}/README.md" in index


def test_the_inputs_of_the_studies_are_what_they_are_said_to_be(project_root: Path) -> None:
    fleet = project_root / "datasets" / "study-fleet"
    hosts, _ = read_hosts([str(fleet / "hosts.toml")])
    domains = read_domains([str(fleet / "domains.toml")]).domains
    assert (len(hosts), len(domains)) == (40, 384)
    vcpus = sum(domain.num_vcpus for domain in domains)
    assert round(100 * vcpus / sum(host.num_pcpus for host in hosts)) == 90
    assert len(read_scenarios(fleet / "modes.toml")) == 3
    rebalance = project_root / "datasets" / "study-rebalance"
    names = [str(rebalance / f"{wave}.toml") for wave in ("small", "pairs", "quads")]
    assert sum(len(read_domains([name]).domains) for name in names) == 42


def test_the_study_of_the_seed_comes_out_as_its_report_says(
    project_root: Path, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "placer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m placer "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    for _ in range(2):  # the second time over what the first has left
        subprocess.run(
            ["sh", "datasets/study-seed/regenerate.sh", tmp_path / "work", tmp_path / "report"],
            cwd=project_root,
            env={
                **os.environ,
                "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": path,
            },
            check=True,
            capture_output=True,
        )
    kept = project_root / "reports" / "2026-11-28-study-seed"
    for name in sorted(path.name for path in kept.glob("*.csv")):
        assert figures(tmp_path / "report" / name) == figures(kept / name)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_how_it_is_used_and_removes_no_folder_of_others(
    name: str, project_root: Path, tmp_path: Path
) -> None:
    script = f"datasets/study-{name}/regenerate.sh"
    work, report = tmp_path / "work", tmp_path / "report"
    work.mkdir()
    (work / "mine.txt").touch()
    for arguments, told in (
        ([], f"usage, from the project's folder: sh {script} WORK REPORT\n"),
        ([work], f"usage, from the project's folder: sh {script} WORK REPORT\n"),
        ([work, report], f"{script}: {work} is in use and is no earlier output of this study\n"),
        ([work / "mine.txt", report], f"{script}: {work / 'mine.txt'} is in use and is no earlier"),
    ):
        ended = subprocess.run(
            ["sh", script, *arguments],
            cwd=project_root,
            env={**os.environ, "PATH": "/bin:/usr/bin"},
            check=False,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 2
        assert ended.stderr.startswith(told)
        assert [path.name for path in tmp_path.iterdir()] == ["work"]
        assert (work / "mine.txt").is_file()


def figures(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, without what tells versions of the solver apart."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("key", None)
    return rows
