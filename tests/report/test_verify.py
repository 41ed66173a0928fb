from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placer.report.folder import write_run
from placer.report.verify import _where_they_differ, verify_run
from placer.run import CSV_NAMES, Run
from tests import sample_runs
from tests.edited_runs import edit, sum_again


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the posting's second guest."""
    write_run(tmp_path / "rc9", sample_runs.rc9(), log={})
    return tmp_path / "rc9"


@pytest.mark.parametrize(
    "run",
    [
        sample_runs.rcbig,
        sample_runs.rc9,
        sample_runs.impossible,
        sample_runs.partial,
        sample_runs.spilled,
        *[lambda s=s: sample_runs.tiny(s) for s in range(30)],
    ],
)
def test_a_run_that_was_not_touched_agrees(run: Callable[[], Run], tmp_path: Path) -> None:
    write_run(tmp_path / "run", run(), log={})
    assert verify_run(tmp_path / "run").faults == ()


def test_what_was_recomputed_is_listed(folder: Path) -> None:
    assert verify_run(folder).checked == (
        "sums: 14 files against SHA256SUMS",
        "placement: 1 of 1 domains, all rules",
        f"frames: 1048576 pages in {len(sample_runs.rc9().frames[0].runs)} runs of extents",
        "levels: vcpus_off_home, cost",
        "levels not recomputed: homes_in_order",
        "files: placement.json and 9 CSV files",
    )


def level(data: Any, name: str) -> Any:
    return next(level for level in data["levels"] if level["name"] == name)


def placed(data: Any) -> Any:
    return data["placement"]["domains"][0]


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        ("placement.json", lambda d: d["domains"][0].update(cost=1), "domains[0].cost is 1"),
        ("placement.json", lambda d: d.update(status="feasible"), "status is 'feasible'"),
        ("placement.json", lambda d: d.pop("moves"), "moves is missing"),
        ("placement.json", lambda d: d.update(more=1), "more is too much"),
        ("placement.json", lambda d: d["domains"].append({}), "domains is"),
        ("placement.json", lambda d: d["domains"][0]["vnodes"][0].update(home=0), "home is 0"),
        (
            "placement.json",
            lambda d: d["domains"][0]["vnodes"][0]["pnodes"].update({"1": 1}),
            "pnodes.1 is 1",
        ),
        ("placement.json", lambda d: d["baseline"].update(cost=0), "baseline.cost is 0"),
        ("result.json", lambda d: level(d, "cost").update(value=1), "level cost: value 1"),
        (
            "result.json",
            lambda d: level(d, "cost").update(bound=99999999),
            "level cost: bound 99999999",
        ),
        (
            "result.json",
            lambda d: level(d, "cost").update(bound=1),
            "level cost: optimal, but value 30720000 and bound 1",
        ),
        ("result.json", lambda d: d.update(status="infeasible"), "infeasible with a placement"),
        ("result.json", lambda d: d.update(placement=None), ""),
        ("result.json", lambda d: placed(d).update(vcpu_to_pcpu=[0, 0, 1, 5]), "rc9"),
        ("result.json", lambda d: placed(d).update(vcpu_to_vnode=[0, 0, 1, 1]), "rc9"),
        ("result.json", lambda d: placed(d).update(home=[0, 0]), "rc9"),
        ("result.json", lambda d: placed(d).update(pages=[[0, 524287], [524288, 0]]), "rc9"),
        ("problem.json", lambda d: d["hosts"][0].update(free_pages=[655759, 500000]), "C1"),
        ("frames.json", lambda d: d["domains"][0]["runs"][0].__setitem__(4, 0), "rc9"),
        ("frames.json", lambda d: d["domains"][0]["runs"][0].__setitem__(5, 1), "rc9"),
    ],
)
def test_each_figure_that_was_changed_is_found(
    folder: Path, name: str, change: Callable[[Any], object], fault: str
) -> None:
    edit(folder, name, change)
    if fault:
        assert [text for text in verify_run(folder).faults if fault in text]
    else:
        edit(folder, "frames.json", lambda d: d.update(domains=[]))
        assert verify_run(folder).faults[0] == "result.json: status optimal without a placement"


@pytest.mark.parametrize("name", [*CSV_NAMES, "placement"])
def test_each_file_that_is_missing_or_changed_is_found(folder: Path, name: str) -> None:
    path = folder / (f"{name}.csv" if name in CSV_NAMES else f"{name}.json")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("o", "0", 1), encoding="utf-8")
    assert [fault for fault in verify_run(folder).faults if path.name in fault]
    path.write_bytes(b"\xff")
    assert [fault for fault in verify_run(folder).faults if path.name in fault]
    if name != "placement":
        path.unlink()
        assert [fault for fault in verify_run(folder).faults if path.name in fault]


def test_a_file_with_many_differences_is_cut_short(folder: Path) -> None:
    path = folder / "distances.csv"
    path.write_text("\n" * 40, encoding="utf-8")
    sum_again(folder)
    faults = [fault for fault in verify_run(folder).faults if "distances.csv" in fault]
    assert len(faults) == 11
    assert faults[-1].startswith("distances.csv: and ")


def test_of_long_values_what_differs_is_shown(folder: Path) -> None:
    path = folder / "placements.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[1] = "x" * 90 + "A" + "y" * 90
    longest = max(lines, key=len)
    at = lines.index(longest)
    lines[at] = f"{longest[:-1]}#"
    path.write_text("\n".join(lines), encoding="utf-8")
    sum_again(folder)
    for fault in verify_run(folder).faults:
        found, recomputed = fault.partition(" is ")[2].split(", recomputed ")
        assert found != recomputed
        assert max(len(found), len(recomputed)) <= 60


def test_two_long_lines_are_shown_from_where_they_part() -> None:
    one, other = "x" * 90 + "A" + "y" * 90, "x" * 90 + "B" + "y" * 90
    cut = "..." + "x" * 20
    assert _where_they_differ(one, other) == (
        f"{cut}A{'y' * 33}..., recomputed {cut}B{'y' * 33}..."
    )
    assert _where_they_differ("a" * 50, "b" * 50) == f"'{'a' * 50}', recomputed '{'b' * 50}'"
    assert _where_they_differ("x" * 70, "x" * 70 + "y").endswith(f"...{'x' * 20}y'")
    assert _where_they_differ("x" * 70, None) == f"'{'x' * 56}..., recomputed None"


def test_a_domain_that_vanished_is_found(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.partial(), log={})
    edit(tmp_path / "run", "result.json", lambda d: d.update(unplaced=[]))
    assert "large: neither placed nor listed as unplaced" in verify_run(tmp_path / "run").faults
    refusal: dict[str, object] = {"domain": "small", "reason": "", "certificate": ""}
    refusal |= {"binding": [], "short_by": [], "nearest": []}
    edit(tmp_path / "run", "result.json", lambda d: d.update(unplaced=[refusal]))
    assert "small: placed, and listed as unplaced" in verify_run(tmp_path / "run").faults


def test_the_cost_may_exceed_its_level_by_the_slack_and_no_more(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.rc9(), log={})
    cost = 30720000
    edit(tmp_path / "run", "problem.json", lambda d: d.update(cost_slack="1/10"))
    edit(
        tmp_path / "run",
        "result.json",
        lambda d: level(d, "cost").update(value=cost * 10 // 11 + 1, bound=cost * 10 // 11 + 1),
    )
    assert not [fault for fault in verify_run(tmp_path / "run").faults if "level cost" in fault]
    edit(
        tmp_path / "run",
        "result.json",
        lambda d: level(d, "cost").update(value=cost * 9 // 10, bound=cost * 9 // 10),
    )
    assert [fault for fault in verify_run(tmp_path / "run").faults if "level cost" in fault]
