from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placer.errors import InputError
from placer.frames import DomainFrames
from placer.host import Host
from placer.report.folder import write_run
from placer.run import SUMS_FILE, Run, hosts_after, is_run, read_run
from tests import sample_runs
from tests.builders import make_domain, make_host, make_problem
from tests.edited_runs import edit as edit_run
from tests.edited_runs import sum_again


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
        sample_runs.unrealised,
    ],
)
def test_a_run_is_read_back_as_it_was_written(run: Callable[[], Run], tmp_path: Path) -> None:
    write_run(tmp_path / "run", run(), log={})
    assert is_run(tmp_path / "run")
    assert read_run(tmp_path / "run") == run()


@pytest.mark.parametrize("seed", range(20))
def test_random_runs_are_read_back_as_they_were_written(seed: int, tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.tiny(seed), log={})
    assert read_run(tmp_path / "run") == sample_runs.tiny(seed)


def test_names_lead_to_the_parts_of_a_run() -> None:
    run = sample_runs.rc9()
    assert run.domain("rc9").num_vcpus == 4
    assert run.host("heatpipe").num_pnodes == 2
    assert run.frames_of("rc9") is run.frames[0]
    assert [placed.domain for placed in run.placed] == ["rc9"]
    with pytest.raises(KeyError):
        run.frames_of("absent")


def test_a_folder_without_the_records_is_no_run(folder: Path, tmp_path: Path) -> None:
    assert not is_run(tmp_path)
    assert not is_run(tmp_path / "absent")
    (folder / "frames.json").unlink()
    assert not is_run(folder)
    for path in (tmp_path, tmp_path / "absent", folder):
        with pytest.raises(InputError, match="run: found"):
            read_run(path)


def test_every_damaged_file_of_a_run_is_named_at_once(folder: Path) -> None:
    (folder / "problem.json").write_text("{", encoding="utf-8")
    (folder / "result.json").write_bytes(b"\xff\xfe")
    (folder / "frames.json").write_text('{"schema_version": 9, "domains": []}', encoding="utf-8")
    sum_again(folder)
    with pytest.raises(InputError) as caught:
        read_run(folder)
    assert [Path(fault.source).name for fault in caught.value.faults] == [
        "problem.json",
        "result.json",
        "frames.json",
    ]


@pytest.mark.parametrize("name", ["problem.json", "result.json", "frames.json"])
def test_a_record_that_was_edited_is_refused_and_named(name: str, folder: Path) -> None:
    edit_run(folder, name, lambda data: None, with_sums=False)
    with pytest.raises(InputError) as caught:
        read_run(folder)
    (fault,) = caught.value.faults
    assert (fault.source, fault.field) == (str(folder / name), "SHA-256")
    sum_again(folder)
    assert read_run(folder) == sample_runs.rc9()


def test_a_record_without_a_sum_is_refused_and_a_run_without_sums_is_read(folder: Path) -> None:
    sums = folder / SUMS_FILE
    lines = sums.read_text(encoding="utf-8").splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if "frames" not in line), encoding="utf-8")
    with pytest.raises(InputError, match=r"frames\.json: SHA-256"):
        read_run(folder)
    sums.unlink()
    assert read_run(folder) == sample_runs.rc9()


def test_files_that_only_people_read_are_not_held_against_their_sums(folder: Path) -> None:
    (folder / "vcpus.csv").unlink()
    (folder / "placement.json").write_text("{}", encoding="utf-8")
    assert read_run(folder) == sample_runs.rc9()


def placed_of(data: Any) -> Any:
    return data["placement"]["domains"][0]


@pytest.mark.parametrize(
    ("name", "edit", "field"),
    [
        ("result.json", lambda d: placed_of(d).update(domain="absent"), "placement.domains[0]"),
        ("result.json", lambda d: placed_of(d).update(host="absent"), "placement.domains[0]"),
        ("result.json", lambda d: placed_of(d).update(home=[1, 2]), "placement.domains[0]"),
        ("result.json", lambda d: placed_of(d).update(home=[-1, 0]), "placement.domains[0]"),
        ("result.json", lambda d: placed_of(d).update(pages=[[1, 2, 3]]), "placement.domains[0]"),
        (
            "result.json",
            lambda d: placed_of(d).update(vcpu_to_pnode=[0, 0, 0]),
            "placement.domains[0]",
        ),
        (
            "result.json",
            lambda d: d["baselines"][0]["placement"]["domains"][0].update(
                vcpu_to_vnode=[0, 0, 0, 2]
            ),
            "baselines[0].placement.domains[0]",
        ),
        ("frames.json", lambda d: d["domains"][0].update(domain="other"), "domains"),
        ("frames.json", lambda d: d["domains"][0].update(host="other"), "domains[0].host"),
        (
            "frames.json",
            lambda d: d["domains"][0].update(runs=[[0, 2, 0, 0, 0, 1]]),
            "domains[0].runs",
        ),
    ],
)
def test_files_that_contradict_one_another_are_refused(
    folder: Path, name: str, edit: Callable[[Any], object], field: str
) -> None:
    edit_run(folder, name, edit)
    with pytest.raises(InputError) as caught:
        read_run(folder)
    assert {(Path(fault.source).name, fault.field) for fault in caught.value.faults} >= {
        (name, field)
    }


def test_the_host_after_the_first_guest_takes_the_second_as_the_dump_has_it() -> None:
    (after,) = hosts_after(sample_runs.rcbig())
    assert after.free_pages.tolist() == [655759 - 256, 865898]
    assert [running.name for running in after.running] == ["Domain-0", "rcbig"]
    rcbig = after.running[1]
    assert rcbig.pages.tolist() == [2097152, 2097152]
    assert rcbig.vcpus_on.tolist() == [2, 2]
    (rc9,) = sample_runs.rc9().problem.domains
    run = sample_runs.solved(make_problem(after, rc9))
    assert run.placed[0].home.tolist() == [1, 0]


def free_frames(host: Host) -> set[tuple[int, int]]:
    """Every free frame with its pnode."""
    return {
        (pnode, frame)
        for pnode, start, count in host.free_spans.tolist()
        for frame in range(start, start + count)
    }


def taken_frames(frames: tuple[DomainFrames, ...], host: str) -> list[tuple[int, int]]:
    return [
        (pnode, frame)
        for domain in frames
        if domain.host == host
        for _, pnode, order, _, machine, count, _ in domain.runs.tolist()
        for frame in range(machine, machine + (count << order))
    ]


@pytest.mark.parametrize("seed", range(40))
def test_what_a_run_leaves_free_is_what_was_free_less_its_frames_and_overhead(seed: int) -> None:
    run = sample_runs.tiny(seed)
    for before, after in zip(run.problem.hosts, hosts_after(run), strict=True):
        taken = taken_frames(run.frames, before.name)
        overhead = np.zeros(before.num_pnodes, dtype=np.int64)
        for placed in run.placed:
            if placed.host == before.name:
                overhead[placed.home[0]] += run.domain(placed.domain).overhead_pages
        left = free_frames(before) - set(taken)
        assert free_frames(after) <= left
        gone = [pnode for pnode, _ in left - free_frames(after)]
        assert np.bincount(gone, minlength=before.num_pnodes).tolist() == overhead.tolist()
        counts = np.bincount([p for p, _ in free_frames(after)], minlength=before.num_pnodes)
        assert counts.tolist() == after.free_pages.tolist()
        assert after.free_spans[:, 1].tolist() == sorted(after.free_spans[:, 1].tolist())


def test_a_host_without_new_domains_stays_as_it_was() -> None:
    hosts = (make_host([8192], name="a"), make_host([8192], name="b"))
    run = sample_runs.solved(make_problem(hosts, make_domain([512], hosts=("a",))))
    first, second = hosts_after(run)
    assert first.free_pages.tolist() == [8192 - 512 - 256]
    assert second is hosts[1]


def test_dedicated_pcpus_and_their_empty_siblings_stay_taken() -> None:
    host = make_host([8192], cpus=4, threads=2)
    domain = make_domain([512], 2, dedicated=True, thread_policy="isolate")
    (after,) = hosts_after(sample_runs.solved(make_problem(host, domain)))
    (running,) = after.running
    assert running.dedicated_pcpus == (0, 1, 2, 3)
    assert running.vcpus_on.tolist() == [0]


def test_no_state_follows_from_a_run_without_frames() -> None:
    run = sample_runs.unrealised()
    assert run.placed
    assert run.frames == ()
    with pytest.raises(InputError, match="no frames"):
        hosts_after(run)


def test_frames_outside_of_free_memory_give_no_state() -> None:
    run = sample_runs.rc9()
    (frames,) = run.frames
    moved = frames.runs.copy()
    moved[0, 4] += 512
    with pytest.raises(InputError, match="not in its free memory"):
        hosts_after(replace(run, frames=(replace(frames, runs=moved),)))
