"""``placer pages``: what memory a placed domain has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from placer.report.folder import write_run
from placer.run import read_run
from tests import sample_runs
from tests.cli.program import HOST, run_placer


@pytest.fixture
def rc9(tmp_path: Path) -> Path:
    write_run(tmp_path / "rc9", sample_runs.rc9(), log={})
    return tmp_path / "rc9"


def test_the_extents_of_each_vnode_are_shown_with_their_contiguity(rc9: Path) -> None:
    ended = run_placer("pages", rc9)
    assert (ended.code, ended.err) == (0, "")
    rows = [line.split() for line in ended.out.splitlines()]
    assert rows[0] == ["vnode", "pnode", "1GiB", "2MiB", "4KiB", "memory", "blocks", "largest"]
    assert rows[2][:7] == ["0", "1", "0", "1024", "0", "2", "GiB"]
    assert "rc9 on heatpipe: 1048576 pages, 4 GiB" in ended.out
    assert "0.0% in 1 GiB pages, 100.0% in pages of 2 MiB or larger" in ended.out


def test_json_says_the_same(rc9: Path) -> None:
    found = json.loads(run_placer("pages", rc9, "--domain", "rc9", "--json").out)
    assert found["pages_by_size"] == {"1GiB": 0, "2MiB": 1048576, "4KiB": 0}
    assert [row["extents"]["2MiB"] for row in found["vnodes"]] == [1024, 1024]
    assert found["share_in_2mib_or_larger"] == 1.0


def test_the_map_goes_into_a_file_of_machine_frames(rc9: Path, tmp_path: Path) -> None:
    p2m, orders = tmp_path / "p2m.npy", tmp_path / "orders.npy"
    ended = run_placer("pages", rc9, "--p2m", p2m, "--orders", orders)
    assert ended.err == f"wrote {p2m}: 1048576 guest frames\nwrote {orders}: 1048576 guest frames\n"
    written = np.load(p2m)
    (frames,) = read_run(rc9).frames
    spans = [(m, m + (n << o)) for _, _, o, _, m, n, _ in frames.runs.tolist()]
    held = np.concatenate([np.arange(start, end) for start, end in spans])
    assert np.array_equal(np.sort(written), np.sort(held))
    assert set(np.load(orders).tolist()) == {9}


def test_a_domain_that_is_not_placed_is_refused(rc9: Path) -> None:
    ended = run_placer("pages", rc9, "--domain", "other")
    assert ended.code == 2
    assert ended.err == "error: domain 'other' is not placed in this run; placed are: 'rc9'\n"


def test_a_file_that_cannot_be_written_is_named(rc9: Path, tmp_path: Path) -> None:
    ended = run_placer("pages", rc9, "--p2m", tmp_path / "no" / "p2m.npy")
    assert ended.code == 2
    assert "p2m.npy: --p2m: found no such file or directory" in ended.err


def test_a_device_is_not_replaced(rc9: Path) -> None:
    ended = run_placer("pages", rc9, "--p2m", "/dev/null")
    assert ended.code == 2
    assert "/dev/null: --p2m: found not a regular file" in ended.err
    assert Path("/dev/null").is_char_device()


def test_a_run_that_was_not_realised_has_no_pages_to_show(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.unrealised(), log={})
    ended = run_placer("pages", tmp_path / "run")
    assert ended.code == 2
    assert "the run has no frames" in ended.err


def test_an_hvm_guest_shows_the_large_pages_that_it_gets_unasked(tmp_path: Path) -> None:
    cfg = tmp_path / "vm.cfg"
    cfg.write_text('name = "vm"\ntype = "hvm"\nmemory = 4096\nvcpus = 2\n')
    run = tmp_path / "run"
    assert run_placer("place", cfg, "--host", HOST, "--out", run).code == 0
    found = json.loads(run_placer("pages", run, "--json").out)
    assert found["pages_by_size"]["1GiB"] == 2 << 18
    assert run_placer("check", run).code == 0
