"""``placer explain``: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import HOST, run_placer


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    path = tmp_path / "domains.toml"
    path.write_text(
        '[[domain]]\nname = "small"\nmemory = "2GiB"\n'
        '[[domain]]\nname = "large"\nvnode_memory = ["10GiB", "18GiB"]\nvcpus = 4\n',
        encoding="utf-8",
    )
    return path


def test_what_does_not_fit_is_explained_and_ends_with_3(domains: Path) -> None:
    ended = run_placer("explain", domains, "--host", HOST)
    assert ended.code == 3
    assert "small: does not fit: part of a call of which large cannot be placed\n" in ended.out
    assert "  proven by: capacity count\n" in ended.out
    assert "  nearest:\n" in ended.out


def test_what_fits_has_one_line(domains: Path) -> None:
    ended = run_placer("explain", domains, "--host", "pnode:2 core:4 memory:24GiB")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "small: fits on host",
        "large: fits on host",
    ]


def test_json_says_the_same(domains: Path) -> None:
    ended = run_placer("explain", domains, "--host", HOST, "--allow-partial", "--json")
    assert ended.code == 5
    document = json.loads(ended.out)
    small, large = document["domains"]
    assert (small["fits"], small["host"], small["mean_access_distance"]) == (True, "host", 10.0)
    assert large["fits"] is False
    assert large["certificate"] == "capacity count"
    assert large["nearest"]


def test_moves_are_offered_where_a_run_is_the_host(tmp_path: Path) -> None:
    host, first, new = "pnode:3 core:4 memory:10GiB", tmp_path / "web.toml", tmp_path / "new.toml"
    first.write_text(
        '[[domain]]\nname = "web"\nmemory = "4GiB"\ncount = 3\n',
        encoding="utf-8",
    )
    new.write_text('[[domain]]\nname = "store"\nmemory = "9GiB"\n', encoding="utf-8")
    run = tmp_path / "run"
    placed = run_placer(
        "place", first, "--host", host, "--policy", "spread", "--out", run, "--quiet"
    )
    assert placed.code == 0
    ended = run_placer("explain", new, "--host", run)
    assert ended.code == 3
    assert "fits after moving web-" in ended.out


def test_input_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    assert run_placer("explain", tmp_path / "none.cfg", "--host", HOST).code == 2
    assert run_placer("explain", "--host", HOST).code == 2
