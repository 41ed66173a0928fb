"""The checker stands alone: what it knows, as source and while the program runs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import grimp
import pytest

from placer.check.frames import video_pages
from placer.report.folder import write_run
from placer.run import Run
from placer.topology import video_bytes
from placer.units import PAGE_BYTES
from tests import sample_runs
from tests.breakings.moves import swapping
from tests.builders import make_domain

VALUES = {
    f"placer.{name}"
    for name in (
        *(
            "arrays",
            "cpulist",
            "domain",
            "errors",
            "frames",
            "host",
            "layout",
            "placement",
            "policy",
        ),
        *("policy", "problem", "result", "units", "check", "cost"),
    )
}
"""What is given and what is answered, and the two that judge it."""


@cache
def imports() -> Any:
    return grimp.build_graph("placer", cache_dir=None)


@pytest.mark.parametrize("name", ["placer.check", "placer.cost"])
def test_the_checker_imports_values_and_nothing_else_by_whatever_way(name: str) -> None:
    graph = imports()
    modules = {name, *graph.find_descendants(name)}
    known = {other for module in modules for other in graph.find_upstream_modules(module)}
    packages = {".".join(other.split(".")[:2]) for other in known}
    assert packages <= VALUES


def forbidden(root: Path) -> set[str]:
    """What the contract of the command forbids it to import."""
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in config["tool"]["importlinter"]["contracts"]
        if "placer.cli.check" in contract.get("source_modules", ())
    )
    return set(contract["forbidden_modules"])


@pytest.mark.parametrize(
    "run", [sample_runs.rc9, sample_runs.partial, sample_runs.spilled, lambda: swapping(0)]
)
def test_checking_a_run_loads_nothing_of_what_found_it(
    run: Any, tmp_path: Path, project_root: Path
) -> None:
    found: Run = run()
    write_run(tmp_path / "run", found, log={})
    program = (
        "import sys\n"
        f"sys.argv = ['placer', 'check', {str(tmp_path / 'run')!r}]\n"
        "from placer.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    loaded = set(ended.stderr.split())
    assert {"placer.check.rules", "placer.cost", "placer.report.verify"} <= loaded
    banned = {*forbidden(project_root), "ortools"} - {"placer.read"}  # defaults are TOML
    assert len(banned) > 20
    assert not {
        name for name in loaded if any(f"{name}.".startswith(f"{other}.") for other in banned)
    }


def test_checker_and_allocator_read_the_same_video_memory_each_by_itself() -> None:
    for kind, videoram, vga, stdvga in product(
        ("hvm", "pvh", "pv"),
        (None, 0, 16, -1, "24", "0x20", "020", "0b1", "", "08", "9q"),
        (None, "none", "stdvga", "qxl", "cirrus", "other", 3),
        (None, 0, 1, "1"),
    ):
        given = {"videoram": videoram, "vga": vga, "stdvga": stdvga}
        extra = tuple((name, value) for name, value in given.items() if value is not None)
        domain = make_domain([1 << 18], type=kind, extra=extra)
        assert video_pages(domain) * PAGE_BYTES == video_bytes(domain), (kind, given)
