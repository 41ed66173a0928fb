from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from placer.host import RunningDomain
from placer.report.folder import run_files
from placer.report.tables import COLUMNS, LEVEL_UNITS, format_csv, tables
from placer.run import CSV_NAMES, Run
from tests import sample_runs
from tests.builders import make_domain, make_host, make_problem

RUNS = [
    sample_runs.rcbig,
    sample_runs.rc9,
    sample_runs.impossible,
    sample_runs.partial,
    sample_runs.spilled,
    sample_runs.unrealised,
]


def rows(run: Run, name: str) -> list[dict[str, str]]:
    """The rows of one CSV file of a run, as any other program reads them."""
    return list(csv.DictReader(io.StringIO(run_files(run)[f"{name}.csv"])))


def documented_columns(text: str, name: str) -> list[str]:
    """The first cells of the table under a heading of docs/csv.md; one cell may name several."""
    section = text.split(f"## {name}.csv\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [column for cell in cells for column in re.findall(r"`(\w+)`", cell)]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", CSV_NAMES)
def test_the_header_of_each_file_is_the_documented_one(
    run: Callable[[], Run], name: str, project_root: Path
) -> None:
    text = (project_root / "docs" / "csv.md").read_text(encoding="utf-8")
    header = run_files(run())[f"{name}.csv"].split("\n", 1)[0]
    assert header.split(",") == documented_columns(text, name)


def test_there_is_a_table_for_each_csv_file() -> None:
    assert tuple(COLUMNS) == CSV_NAMES
    assert list(tables(sample_runs.rc9())) == list(CSV_NAMES)


@pytest.mark.parametrize("name", sorted(set(CSV_NAMES) - {"pnodes", "summary", "unplaced"}))
def test_a_run_without_a_placement_has_headers_alone(name: str) -> None:
    text = run_files(sample_runs.impossible())[f"{name}.csv"]
    assert text == ",".join(COLUMNS[name]) + "\n"


@pytest.mark.parametrize("run", [*RUNS, *[lambda s=s: sample_runs.tiny(s) for s in range(20)]])
def test_pages_are_counted_alike_in_every_file(run: Callable[[], Run]) -> None:
    frames = tables(run())
    by_vnode = frames["placements"].groupby(["domain", "vnode", "pnode"])["memory_pages"].sum()
    if run().frames:
        realised = frames["pages"].groupby(["domain", "vnode", "pnode"])["memory_pages"].sum()
        assert realised.to_dict() == by_vnode[by_vnode > 0].to_dict()
    by_domain = frames["placements"].groupby("domain")["memory_pages"].sum().to_dict()
    assert by_domain == frames["domains"].set_index("domain")["memory_pages"].to_dict()
    by_pnode = frames["placements"].groupby(["host", "pnode"])["memory_pages"].sum()
    placed = frames["pnodes"].set_index(["host", "pnode"])["placed_pages"]
    assert by_pnode[by_pnode > 0].to_dict() == placed[placed > 0].to_dict()


@pytest.mark.parametrize("seed", range(20))
def test_vcpus_are_counted_alike_in_every_file(seed: int) -> None:
    frames = tables(sample_runs.tiny(seed))
    vcpus = frames["vcpus"]
    assert len(vcpus) == frames["domains"]["num_vcpus"].sum()
    assert len(vcpus) == frames["placements"]["num_vcpus"].sum()
    assert len(vcpus) == frames["pnodes"]["num_placed_vcpus"].sum()
    off_home = (vcpus["pnode"] != vcpus["home_pnode"]).sum()
    assert off_home == frames["domains"]["num_vcpus_off_home"].sum()


@pytest.mark.parametrize("seed", range(20))
def test_access_shares_and_distances_explain_the_mean_of_a_strict_domain(seed: int) -> None:
    run = sample_runs.tiny(seed)
    frames = tables(run)
    pairs = frames["distances"]
    for placed in run.placed:
        domain = run.domain(placed.domain)
        if (placed.vcpu_to_pnode != placed.home[placed.vcpu_to_vnode]).any() or any(
            memory.policy != "strict" for memory in domain.memory
        ):
            continue
        mine = pairs[pairs["domain"] == domain.name]
        vcpus = np.bincount(placed.vcpu_to_vnode, minlength=placed.num_vnodes)
        weight = mine["access_share_per_10000"] * mine["physical_distance_slit"]
        cost = 64 * int((weight * vcpus[mine["from_vnode"].to_numpy(dtype=int)]).sum())
        row = frames["domains"].set_index("domain").loc[domain.name]
        assert row["cost_slit_per_640000"] == cost
        assert row["mean_access_distance_slit"] == cost / (640_000 * domain.num_vcpus)


def test_the_second_guest_leaves_free_what_the_dump_of_the_posting_shows() -> None:
    pnodes = rows(sample_runs.rc9(), "pnodes")
    assert [row["free_after_pages"] for row in pnodes] == ["131471", "341610"]
    assert [row["placed_pages"] for row in pnodes] == ["524288", "524288"]
    assert [row["overhead_pages"] for row in pnodes] == ["0", "256"]


def test_each_pnode_says_how_many_vcpus_share_its_cores_and_threads() -> None:
    running = RunningDomain(name="old", pages=[0, 0], vcpus_on=[0, 1])
    host = make_host([4096, 4096], cpus=6, threads=2, running=(running,))
    domain = make_domain([1024], 4, vnode_pnode=[0])
    pnodes = rows(sample_runs.solved(make_problem(host, domain)), "pnodes")
    assert [(row["num_pcpus"], row["num_cores"]) for row in pnodes] == [("6", "3")] * 2
    assert [float(row["vcpus_per_core"]) for row in pnodes] == [4 / 3, 1 / 3]
    assert [float(row["vcpus_per_thread"]) for row in pnodes] == [4 / 6, 1 / 6]


def test_a_pnode_without_pcpus_has_no_vcpus_per_core() -> None:
    host = make_host([8192, 8192], cpus=[1, 0])
    run = sample_runs.solved(make_problem(host, make_domain([4096], 1)))
    ratios = [(row["vcpus_per_core"], row["vcpus_per_thread"]) for row in rows(run, "pnodes")]
    assert ratios == [("1.0", "1.0"), ("", "")]


def test_vcpus_name_their_pcpus_and_the_distance_home() -> None:
    vcpus = rows(sample_runs.rc9(), "vcpus")
    assert [row["vnode"] for row in vcpus] == ["1", "0", "1", "0"]
    assert [row["pnode"] for row in vcpus] == ["0", "1", "0", "1"]
    assert {row["home_distance_slit"] for row in vcpus} == {"10"}
    assert {int(row["pcpu"]) // 4 for row in vcpus if row["pnode"] == "1"} == {1}


def test_the_summary_compares_with_libxl() -> None:
    summary = {row["metric"]: row for row in rows(sample_runs.rcbig(), "summary")}
    assert summary["mean_access_distance"] == {
        "metric": "mean_access_distance",
        "unit": "SLIT",
        "value": "14.0",
        "baseline_value": "14.0",
        "first_fit_value": "14.0",
    }
    assert summary["level_cost_value"]["value"] == "35840000"
    assert summary["level_cost_gap"]["value"] == "0.0"
    assert summary["violations"]["value"] == "0"


def test_the_summary_of_an_impossible_question_leaves_empty_what_has_no_meaning() -> None:
    summary = {row["metric"]: row for row in rows(sample_runs.impossible(), "summary")}
    assert summary["domains"]["value"] == "1"
    assert summary["domains_placed"]["value"] == "0"
    assert summary["mean_access_distance"]["value"] == ""
    assert summary["violations"]["value"] == ""
    assert int(summary["violations"]["baseline_value"]) > 0


def test_every_level_has_a_unit_and_metrics_are_unique() -> None:
    for seed in range(40):
        run = sample_runs.tiny(seed)
        assert {level.name for level in run.result.levels} <= set(LEVEL_UNITS)
        metrics = tables(run)["summary"]["metric"]
        assert metrics.is_unique


def test_facts_about_an_unplaced_domain_are_rows_of_their_own() -> None:
    unplaced = rows(sample_runs.partial(), "unplaced")
    assert {row["domain"] for row in unplaced} == {"large"}
    assert unplaced[0]["fact"] == "reason"
    (refusal,) = sample_runs.partial().result.unplaced
    assert [row["text"] for row in unplaced if row["fact"] == "binding"] == list(refusal.binding)


def test_a_name_with_a_comma_is_quoted() -> None:
    text = format_csv(pd.DataFrame({"domain": ['a,"b"'], "n": [1]}))
    assert text == 'domain,n\n"a,""b""",1\n'


def test_numbers_are_written_as_they_are() -> None:
    table = pd.DataFrame({"whole": [1 << 60, 2], "part": [14.0, 0.1], "none": [None, 1]})
    assert format_csv(table) == (f"whole,part,none\n{1 << 60},14.0,\n2,0.1,1.0\n")
