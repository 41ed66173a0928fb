"""``placer whatif`` as users run it."""

from __future__ import annotations

import csv
import os
import signal
import time
from pathlib import Path

import pytest

from tests.cli.program import run_placer, spawn_placer, start_placer

HOSTS = [
    "--host",
    "name:left pnode:2 core:4 memory:8GiB distance:10,21",
    "--host",
    "name:right pnode:2 core:4 memory:8GiB distance:10,21",
]
DOMAINS = """
[[domain]]
name = "web"
memory = "2GiB"
vcpus = 2
count = 3

[[domain]]
name = "db"
memory = "6GiB"
vcpus = 4
vnodes = 2
vcpu_to_vnode = [0, 0, 1, 1]
"""
QUESTIONS = """
[[shape]]
name = "cache"
memory = "1GiB"
vcpus = 1

[[scenario]]
name = "left fails"
changes = [{ op = "fail-host", host = "left" }]

[[scenario]]
name = "no such host"
changes = [{ op = "fail-host", host = "middle" }]

[[scenario]]
name = "four caches"
changes = [{ op = "add", shape = "cache", count = 4 }]

[[scenario]]
name = "all anew"
solve = "fresh"
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whatif")
    (folder / "domains.toml").write_text(DOMAINS, encoding="utf-8")
    (folder / "questions.toml").write_text(QUESTIONS, encoding="utf-8")
    ended = run_placer("place", folder / "domains.toml", *HOSTS, "--out", folder / "run")
    assert ended.code == 0, ended.err
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_of_scenarios_is_answered_and_written(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers"
    ended = run_placer(
        "whatif", "run", base / "questions.toml", "--base", base / "run", "--out", out
    )
    assert ended.code == 5  # one of the scenarios failed
    assert "no such host: failed: change 1 (fail-host): host: found 'middle'" in ended.out
    assert "left fails: " in ended.out
    assert ": not placed: fits alone, but not beside" in ended.out
    found = {row["scenario"]: row for row in rows(out / "whatif.csv")}
    assert list(found) == ["base", "left fails", "no such host", "four caches", "all anew"]
    assert found["base"]["num_placed"] == "4"
    assert found["left fails"]["num_hosts"] == "1"
    assert found["no such host"]["status"] == "failed"
    assert found["four caches"]["num_placed"] == "8"
    states = {
        (row["scenario"], row["domain"]): row["state"] for row in rows(out / "whatif_domains.csv")
    }
    assert states["four caches", "cache-0"] == "added"
    assert states["base", "db"] == "placed"
    free = [row for row in rows(out / "whatif_pnodes.csv") if row["scenario"] == "base"]
    assert [row["host"] for row in free] == ["left", "left", "right", "right"]
    assert all(int(row["usable_pages"]) <= int(row["free_after_pages"]) for row in free)


def test_domains_and_hosts_do_instead_of_a_run(base: Path) -> None:
    ended = run_placer(
        "whatif", "run", base / "questions.toml", base / "domains.toml", *HOSTS, "--quiet"
    )
    assert ended.code == 5
    assert "four caches" in ended.out


@pytest.mark.parametrize("engine", ["threads", "processes", "dask"])
def test_files_are_the_same_bytes_from_every_engine(
    base: Path, tmp_path: Path, engine: str
) -> None:
    for name in ("serial", engine):
        ended = run_placer(
            "whatif", "run", base / "questions.toml", "--base", base / "run",
            "--out", tmp_path / name, "--engine", name, "--workers", "2",
        )  # fmt: skip
        assert ended.code == 5
    for path in (tmp_path / "serial").iterdir():
        assert (tmp_path / engine / path.name).read_bytes() == path.read_bytes()


def test_each_host_fails_in_turn(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "n-1"
    ended = run_placer("whatif", "fail-each", "--base", base / "run", "--out", out)
    found = rows(out / "whatif.csv")
    assert [row["scenario"] for row in found] == ["base", "fail left", "fail right"]
    lost = [row for row in found if int(row["num_placed_change"] or 0) < 0]
    assert ended.code == (5 if lost else 0)
    again = run_placer("whatif", "fail-each", "--pnodes", "--base", base / "run")
    assert "fail pnode 1 of right" in again.out


def test_headroom_is_told_by_host_and_in_all(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "room.csv"
    ended = run_placer(
        "whatif", "headroom", "--base", base / "run", "--vm", "memory:1GiB vcpus:1", "--csv", file
    )
    assert ended.code == 0
    table = rows(file)
    assert [row["host"] for row in table] == ["left", "right"]
    total = sum(int(row["num_more"]) for row in table)
    assert f"{total} more fit, proven" in ended.out


def test_a_sweep_answers_each_cell(base: Path) -> None:
    ended = run_placer(
        "whatif", "sweep", "--base", base / "run",
        "--set", "overcommit=1.0,2.0", "--set", "hosts=1,2",
    )  # fmt: skip
    assert ended.code == 0
    assert "overcommit=2.0 hosts=2" in ended.out


def test_the_frontier_is_written_beside_its_scenarios(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "curve"
    arguments = ("whatif", "frontier", "--base", base / "run", "--max-moves", "2", "--out", out)
    assert run_placer(*arguments).code == 0
    points = rows(out / "frontier.csv")
    assert [row["max_moves"] for row in points] == ["0", "1", "2"]
    before = (out / "frontier.csv").read_bytes()
    assert run_placer(*arguments).code == 0
    assert (out / "frontier.csv").read_bytes() == before


def test_a_run_is_the_same_as_itself(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    ended = run_placer("whatif", "compare", base / "run", base / "run", "--csv", file)
    assert ended.code == 0
    assert "4 domains: 4 same" in ended.out
    assert {row["difference"] for row in rows(file)} == {"same"}


def test_what_was_solved_before_a_kill_is_not_solved_again(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    many = tmp_path / "many.toml"
    many.write_text(
        "".join(
            f'[[scenario]]\nname = "s{n}"\nsolve = "fresh"\n'
            f'changes = [{{ op = "set-host", host = "*", overcommit = {1 + n / 100} }}]\n'
            for n in range(60)
        ),
        encoding="utf-8",
    )
    arguments = ["whatif", "run", many, "--base", base / "run", "--out", out]
    with start_placer(arguments) as process:
        while process.poll() is None and len(_lines(out)) < 5:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    kept = _lines(out)
    ended = run_placer(*arguments)
    assert ended.code == 0
    assert set(kept[:-1]) <= set(_lines(out))
    whole = tmp_path / "whole"
    assert run_placer(*arguments[:-1], whole).code == 0
    for path in whole.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("engine", ["serial", "threads", "processes", "dask"])
def test_ctrl_c_keeps_what_was_solved_and_leaves_no_trace(
    base: Path, tmp_path: Path, engine: str
) -> None:
    out, many = tmp_path / "out", tmp_path / "many.toml"
    many.write_text(
        "".join(f'[[scenario]]\nname = "s{n}"\nsolve = "fresh"\n' for n in range(2000)),
        encoding="utf-8",
    )
    arguments = ["whatif", "run", many, "--base", base / "run", "--out", out]
    with start_placer([*arguments, "--engine", engine, "--workers", 2], own_group=True) as process:
        while process.poll() is None and len(_lines(out)) < 4:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=100)
    assert (process.returncode, told) == (130, "")
    assert 4 <= len(_lines(out)) < 2000


def _lines(out: Path) -> list[str]:
    file = out / "whatif.csv"
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "questions.toml"], "--base RUN, or DOMAIN and --host"),
        (["run", "questions.toml", "x.cfg", "--base", "run"], "expected without --base"),
        (["run", "missing.toml", "--base", "run"], "missing.toml"),
        (["run", "questions.toml", "--base", "nowhere"], "no such folder"),
        (["run", "questions.toml", "--base", "run", "--work", "0"], "found 0, expected above 0"),
        (["sweep", "--base", "run"], "expected at least one axis"),
        (["sweep", "--base", "run", "--set", "x=1"], "expected NAME=VALUES"),
        (["headroom", "--base", "run"], "expected at least one shape"),
        (["headroom", "--base", "run", "--vm", "memory:much"], "--vm: memory: found 'much'"),
        (["run", "questions.toml", "--base", "run", "--scheduler", "x"], "expected dask"),
    ],
)
def test_wrong_usage_is_told_and_nothing_written(
    base: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(base)
    before = sorted(path.name for path in base.iterdir())
    ended = run_placer("whatif", *arguments)
    assert ended.code == 2
    assert told in ended.err
    assert sorted(path.name for path in base.iterdir()) == before


def test_progress_is_for_terminals_alone(base: Path) -> None:
    ended = spawn_placer("whatif", "fail-each", "--base", base / "run")
    assert ended.err == ""
