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
    report = project_root / "reports" / f"2026-11-24-study-{name}"
    script = (folder / "regenerate.sh").read_text(encoding="utf-8")
    assert script.startswith("#!/bin/sh\n")
    made = set(re.findall(r'"\$report/?([a-z.-]*)"', script)) - {""}
    assert made <= {path.name for path in report.iterdir()}
    text = (report / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (report / target).exists(), target
    index = (project_root / "reports" / "README.md").read_text(encoding="utf-8")
    assert f"2026-11-24-study-{name}/README.md" in index


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
    kept = project_root / "reports" / "2026-11-24-study-seed"
    for name in ("whatif.csv", "headroom.csv"):
        assert figures(tmp_path / "report" / name) == figures(kept / name)


def figures(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, without what tells versions of the solver apart."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("key", None)
    return rows
