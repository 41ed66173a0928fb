"""Going on from a finished run: what it placed stays, or may be moved."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from placer.run import Run, read_run
from tests.cli.program import run_placer

HOST = "pnode:2 core:4 memory:8GiB"


def guest(folder: Path, name: str, mib: int, *lines: str) -> Path:
    """Write the configuration of an HVM guest of 2 vcpus."""
    path = folder / f"{name}.cfg"
    text = [f'name = "{name}"', 'type = "hvm"', f"memory = {mib}", "vcpus = 2", *lines]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def two_vnodes(folder: Path, name: str, mib: int) -> Path:
    """Write the configuration of a guest of 2 vnodes and 2 vcpus."""
    half = mib // 2
    rows = ",".join(
        f'["pnode=#","size={half}","vcpus={n}","vdistances={d}"]'
        for n, d in ((0, "10,20"), (1, "20,10"))
    )
    return guest(folder, name, mib, f"vnuma = [{rows.replace('pnode=#', 'pnode=0')}]")


@pytest.fixture
def spread(tmp_path: Path) -> Path:
    """A run that leaves guests of 3 GB on both pnodes of the host."""
    guests = [guest(tmp_path, name, 3000) for name in ("first", "second")]
    folder = tmp_path / "spread"
    ended = run_placer("place", *guests, "--host", HOST, "--policy", "spread", "--out", folder)
    assert ended.code == 0
    assert sorted(placed.home[0] for placed in read_run(folder).placed) == [0, 1]
    return folder


def moves_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "moves.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def frames_of(run: Run) -> dict[str, list[list[int]]]:
    return {frames.domain: frames.runs.tolist() for frames in run.frames}


def test_what_runs_stays_unless_it_may_be_moved(spread: Path, tmp_path: Path) -> None:
    large = guest(tmp_path, "large", 7000)
    for options in ((), ("--keep",), ("--rebalance", "--max-moves", "0")):
        ended = run_placer("place", large, "--host", spread, *options)
        assert ended.code == 3, options
        assert "error: no placement exists" in ended.err


def test_one_move_makes_room_and_what_stays_keeps_its_frames(spread: Path, tmp_path: Path) -> None:
    large, out = guest(tmp_path, "large", 7000), tmp_path / "out"
    ended = run_placer(
        "place", large, "--host", spread, "--rebalance", "--max-moves", "1", "--out", out
    )
    assert ended.code == 0, ended.err
    assert "1 of 2 running domains moved (1 live), 2.9 GiB in all" in ended.out
    run, before = read_run(out), read_run(spread)
    kinds = [(move.kind, move.domain) for move in run.result.moves]
    moved = run.result.moves[0].domain
    assert kinds == [("live", moved), ("start", "large")]
    assert {level.name: level.value for level in run.result.levels}["pages_moved"] == 768_000
    kept = {"first", "second"} - {moved}
    assert {name: frames_of(run)[name] for name in kept} == {
        name: frames_of(before)[name] for name in kept
    }
    assert [
        (row["step"], row["domain"], row["kind"], row["moved_pages"]) for row in moves_csv(out)
    ] == [
        ("1", moved, "live", "768000"),
        ("2", "large", "start", "0"),
    ]
    document = json.loads((out / "placement.json").read_text(encoding="utf-8"))
    assert document["moves"][0] == {
        "step": 1,
        "domain": moved,
        "kind": "live",
        "from_host": "host",
        "to_host": "host",
        "from_homes": [1] if moved == "second" else [0],
        "to_homes": [0] if moved == "second" else [1],
        "pages": 768_000,
    }
    assert document["fewest_stops"] is True
    assert run_placer("check", out).code == 0


def test_a_limit_on_memory_counts_gib(spread: Path, tmp_path: Path) -> None:
    large = guest(tmp_path, "large", 7000)
    few = run_placer("place", large, "--host", spread, "--rebalance", "--max-moved-gib", "2.9")
    assert few.code == 3
    enough = run_placer("place", large, "--host", spread, "--rebalance", "--max-moved-gib", "3")
    assert enough.code == 0


def test_moves_that_gain_nothing_are_not_made(spread: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run_placer("place", "--host", spread, "--rebalance", "--out", out)
    assert ended.code == 0
    assert "none of 2 running domains moved" in ended.out
    assert moves_csv(out) == []
    assert read_run(out).placed == read_run(spread).placed
    assert read_run(out).frames == read_run(spread).frames


def test_a_rebalanced_run_is_a_start_again_both_ways(spread: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    large, small = guest(tmp_path, "large", 7000), guest(tmp_path, "small", 500)
    assert run_placer("place", large, "--host", spread, "--rebalance", "--out", first).code == 0
    kept = run_placer("place", small, "--host", first, "--out", second)
    assert kept.code == 0
    running = {run.name: run for run in read_run(second).problem.hosts[0].running}
    assert set(running) == {"first", "second", "large"}
    assert all(
        running[frames.domain].pages.tolist() == frames.pages_on(1, 2).sum(axis=0).tolist()
        for frames in read_run(first).frames
    )
    again = run_placer("place", small, "--host", first, "--rebalance", "--max-moves", "0")
    assert again.code == 0
    assert "none of 3 running domains moved" in again.out


def test_a_guest_of_several_vnodes_is_restarted(tmp_path: Path) -> None:
    """Both vnodes on one pnode leave no room for two more guests; one on each does."""
    run, out = tmp_path / "run", tmp_path / "out"
    wide = two_vnodes(tmp_path, "wide", 6000)
    started = run_placer(
        "place", wide, "--host", HOST, "--ignore-pnodes", "--policy", "pack", "--out", run
    )
    assert started.code == 0
    assert read_run(run).placed[0].home.tolist() == [0, 0]
    others = [guest(tmp_path, f"other{n}", 4500) for n in range(2)]
    ended = run_placer("place", *others, "--host", run, "--rebalance", "--out", out)
    assert ended.code == 0, ended.err
    kinds = {(move.kind, move.domain) for move in read_run(out).result.moves}
    assert ("restart", "wide") in kinds
    assert "1 of 1 running domains moved (1 restarted), 2.9 GiB in all" in ended.out


def test_domains_of_an_inventory_stay_and_a_warning_says_so(tmp_path: Path, spread: Path) -> None:
    kept, small = tmp_path / "kept", guest(tmp_path, "small", 500)
    assert run_placer("place", small, "--host", spread, "--out", kept).code == 0
    ended = run_placer("place", "--host", kept, "--rebalance")
    assert ended.code == 0
    assert "found first, second, of which no vnodes are known: they stay" in ended.err
    assert "none of 1 running domains moved" in ended.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "expected a domain, or --rebalance"),
        (("--max-moves", "1"), "--max-moves: expected together with --rebalance"),
        (("--max-moved-gib", "1"), "--max-moved-gib: expected together with --rebalance"),
        (("--rebalance", "--max-moved-gib", "nan"), "--max-moved-gib"),
        (("--rebalance", "--max-moves", "-1"), "--max-moves"),
        (("--rebalance",), "no domain that may be moved"),
    ],
)
def test_options_that_say_nothing_are_refused(options: tuple[str, ...], words: str) -> None:
    ended = run_placer("place", "--host", HOST, *options)
    assert ended.code == 2
    assert words in ended.err


def test_a_new_domain_of_a_running_ones_name_is_refused(spread: Path, tmp_path: Path) -> None:
    again = guest(tmp_path, "first", 100)
    ended = run_placer("place", again, "--host", spread, "--rebalance")
    assert ended.code == 2
    assert "'first', which runs already" in ended.err
