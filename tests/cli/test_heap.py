"""``placer heap``: what is free on a host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import HOST, run_placer

DATA = Path(__file__).parents[1]
KEYS = DATA / "pages" / "data" / "2p-hvm-over-4g"


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """A host whose memory Xen's debug keys tell of."""
    keys = "".join((KEYS / f"before-{key}.txt").read_text() for key in ("u", "H"))
    (tmp_path / "keys.txt").write_text(keys)
    path = tmp_path / "seen.toml"
    path.write_text(
        '[[host]]\ndistances = [10, 20]\nheap = "keys.txt"\n'
        '[[host.pnode]]\npcpus = "0-1"\n[[host.pnode]]\npcpus = "2-3"\n'
    )
    return path


def test_free_extents_and_what_they_can_back_are_shown(seen: Path) -> None:
    ended = run_placer("heap", seen)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "seen"
    assert lines[1].split()[:3] == ["pnode", "total", "free"]
    assert lines[3].split()[:5] == ["0", "5.5", "GiB", "4.4", "GiB"]
    assert lines[-2].endswith("at the low end of each zone")
    assert lines[-1] == "memory below 2 GiB is kept for devices where others have some"


def test_json_has_every_order_and_zone(seen: Path) -> None:
    (found,) = json.loads(run_placer("heap", seen, "--json").out)
    first = found["pnodes"][0]
    assert found["free_from"] == "xen keys"
    assert found["dma_width_bits"] == 31
    assert len(first["extents_by_order"]) == 19
    assert first["free_pages_by_zone"]["19"] == 262144
    assert sum(first["free_pages_by_zone"].values()) == first["free_pages"]


def test_a_saved_heap_shows_the_same(seen: Path, tmp_path: Path) -> None:
    ended = run_placer("heap", seen, "--save", tmp_path / "seen.npz")
    assert ended.err == f"wrote {tmp_path / 'seen.npz'}\n"
    again = tmp_path / "again.toml"
    again.write_text(seen.read_text().replace("keys.txt", "seen.npz"))
    other = run_placer("heap", again)
    assert other.out.splitlines()[1:] == ended.out.splitlines()[1:]


def test_a_run_shows_what_it_leaves(tmp_path: Path) -> None:
    cfg = tmp_path / "vm.cfg"
    cfg.write_text('name = "vm"\nmemory = 4096\nvcpus = 2\n')
    run = tmp_path / "run"
    assert run_placer("place", cfg, "--host", HOST, "--out", run).code == 0
    (before,) = json.loads(run_placer("heap", HOST, "--json").out)
    (after,) = json.loads(run_placer("heap", run, "--json").out)
    free = [sum(row["free_pages"] for row in found["pnodes"]) for found in (before, after)]
    assert free[0] - free[1] == 4096 * 256 + 256
    assert before["pnodes"][0]["num_1gib"] == 16


def test_a_fragmented_host_says_how_much_it_is(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    path.write_text(
        "[[host]]\nfragmentation = 0.25\nfragmentation_seed = 7\n"
        '[[host.pnode]]\ntotal = "16GiB"\nfree = "8GiB"\npcpus = "0-3"\n'
    )
    (found,) = json.loads(run_placer("heap", path, "--json").out)
    assert found["pnodes"][0]["fragmentation"] == pytest.approx(0.25, abs=1e-4)
    assert run_placer("heap", path).out == run_placer("heap", path).out


def test_1_gib_counts_from_linux_are_marked_as_at_least(tmp_path: Path) -> None:
    (tmp_path / "buddyinfo").write_text((DATA / "read/data/linux-buddyinfo.txt").read_text())
    path = tmp_path / "host.toml"
    path.write_text('[[host]]\nheap = "buddyinfo"\n[[host.pnode]]\ntotal = "24GiB"\npcpus = "0"\n')
    shown = run_placer("heap", path).out
    assert ">= 0" in shown
    assert "1 GiB is a lower bound" in shown


def test_one_of_several_hosts_is_chosen_by_name(tmp_path: Path) -> None:
    two = ("heap", HOST, HOST)
    assert run_placer(*two, "--name", "host1").out.startswith("host1\n")
    assert len(json.loads(run_placer(*two, "--json").out)) == 2
    ended = run_placer(*two, "--save", tmp_path / "x.npz")
    assert (ended.code, ended.err) == (
        2,
        "error: --name is needed with --save: there are 2 hosts\n",
    )
    ended = run_placer(*two, "--name", "other")
    assert (ended.code, ended.err) == (2, "error: no host 'other'; there are: 'host0', 'host1'\n")
    ended = run_placer("heap", HOST, "--save", tmp_path / "no" / "x.npz")
    assert ended.code == 2
    assert "--save: found no such file or directory" in ended.err


def test_a_guest_of_the_seeds_era_has_small_pages_alone(tmp_path: Path) -> None:
    cfg = tmp_path / "vm.cfg"
    cfg.write_text('name = "vm"\nmemory = 512\nvcpus = 2\n')
    run = tmp_path / "run"
    assert run_placer("place", cfg, "--host", HOST, "--out", run, "--era", "seed").code == 0
    found = json.loads(run_placer("pages", run, "--json").out)
    assert found["pages_by_size"] == {"1GiB": 0, "2MiB": 0, "4KiB": 512 * 256}
    assert run_placer("check", run).code == 0
    cfg.write_text('name = "vm"\ntype = "hvm"\nmemory = 512\nvcpus = 2\n')
    ended = run_placer("place", cfg, "--host", HOST, "--era", "seed")
    assert ended.code == 2
    assert "vm.type: found hvm, expected pv, all that the seed era has" in ended.err


def test_dom0_is_not_placed(tmp_path: Path) -> None:
    cfg = tmp_path / "dom0.cfg"
    cfg.write_text('name = "Domain-0"\nmemory = 512\nvcpus = 2\n')
    ended = run_placer("place", cfg, "--host", HOST)
    assert ended.code == 2
    assert "dom0 boots with its host ([host.dom0]), and has no vNUMA" in ended.err


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("../nothing", "../nothing: no such file or directory, expected a file saved by placer"),
        ("host.toml", "host.toml: none of these, expected a file saved by placer heap"),
    ],
)
def test_a_heap_file_that_is_none_is_told_where_it_is_named(
    named: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "host.toml"
    path.write_text(
        f'[[host]]\nname = "h"\nheap = "{named}"\n[[host.pnode]]\nmemory = "1GiB"\npcpus = "0"\n',
        encoding="utf-8",
    )
    ended = run_placer("heap", path)
    assert ended.code == 2
    assert f"error: {path}:3: host[0].heap: found {tmp_path / told}" in ended.err
