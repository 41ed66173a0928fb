"""``placer balloon``: a placed domain with less memory, or with more again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from placer.run import read_run
from tests.cli.program import HOST, run_placer

GIB = 1 << 18


def place(folder: Path, *lines: str, host: str = HOST, kind: str = "pv") -> Path:
    """A guest of two vnodes of 4 GiB, one on each pnode."""
    cfg = folder / "vm.cfg"
    cfg.write_text(
        "\n".join(
            [
                'name = "vm"',
                f'type = "{kind}"',
                'vnuma = [["pnode=0", "size=4096", "vcpus=0", "vdistances=10,20"],',
                '         ["pnode=1", "size=4096", "vcpus=1", "vdistances=20,10"]]',
                *lines,
                "",
            ]
        )
    )
    run = folder / "run"
    ended = run_placer("place", cfg, "--host", host, "--out", run)
    assert ended.code == 0, ended.err
    return run


def sizes(run: Path) -> list[int]:
    return list(read_run(run).placed[0].vnode_pages.tolist())


@pytest.mark.parametrize("kind", ["pv", "pvh", "hvm"])
def test_a_target_is_shared_by_the_vnodes_and_each_stays_on_its_pnode(
    kind: str, tmp_path: Path
) -> None:
    run, out = place(tmp_path, kind=kind), tmp_path / "out"
    ended = run_placer("balloon", run, "--domain", "vm", "--target", "3GiB", "--out", out)
    assert ended.code == 0, ended.err
    assert ended.err == f"wrote {out}\n"
    assert "vm on host: 8 GiB before, 3 GiB after" in ended.out
    assert sizes(out) == [3 * GIB // 2] * 2
    after = read_run(out)
    assert run_placer("check", out).code == 0
    for name in ("home", "vcpu_to_pnode"):
        before = getattr(read_run(run).placed[0], name)
        assert np.array_equal(getattr(after.placed[0], name), before)
    held = after.frames[0].pages_on(2, 2)
    assert int(held.sum()) == 3 * GIB
    assert held[1].tolist() == [0, 3 * GIB // 2]
    topology = json.loads((out / "placement.json").read_text())["domains"][0]
    ranges = json.loads((run / "placement.json").read_text())["domains"][0]
    assert [v["vmemranges"] for v in topology["vnodes"]] == [
        v["vmemranges"] for v in ranges["vnodes"]
    ]


def test_down_and_up_again_is_the_whole_guest(tmp_path: Path) -> None:
    run, small, large = place(tmp_path), tmp_path / "small", tmp_path / "large"
    assert run_placer("balloon", run, "--target", "3GiB", "--out", small).code == 0
    ended = run_placer("balloon", small, "--target", "8GiB", "--out", large)
    assert ended.code == 0, ended.err
    assert sizes(large) == [4 * GIB] * 2
    assert run_placer("check", large).code == 0
    pages = json.loads(run_placer("pages", large, "--json").out)
    # What came back is what a balloon driver asks for: single pages.
    assert pages["pages_by_size"]["4KiB"] == 5 * GIB
    held = read_run(large).frames[0].pages_on(2, 2)
    assert held.tolist() == [[4 * GIB, 0], [0, 4 * GIB]]


def test_a_vnode_may_be_named_and_the_others_have_the_rest(tmp_path: Path) -> None:
    run, out = place(tmp_path), tmp_path / "out"
    args = ("balloon", run, "--target", "5GiB", "--vnode", "1=1GiB", "--out", out)
    assert run_placer(*args).code == 0
    assert sizes(out) == [4 * GIB, GIB]
    assert run_placer("balloon", run, "--vnode", "0=2GiB", "--out", tmp_path / "other").code == 0
    assert sizes(tmp_path / "other") == [2 * GIB, 4 * GIB]
    shown = run_placer("balloon", run, "--vnode", "0=2GiB")
    assert shown.code == 0
    assert "100.0%" in shown.out


def test_where_the_home_is_full_the_pages_come_from_elsewhere_and_locality_falls(
    tmp_path: Path,
) -> None:
    host = "pnode:2 core:4 memory:6GiB distance:10,30"
    run, small = place(tmp_path, host=host), tmp_path / "small"
    assert run_placer("balloon", run, "--vnode", "0=1GiB", "--out", small).code == 0
    other = tmp_path / "other.cfg"
    other.write_text('name = "other"\nmemory = 4600\nvcpus = 1\ncpus = "nodes:0"\n')
    both = tmp_path / "both"
    placed = run_placer(
        "place", other, "--host", small, "--rebalance", "--max-moves", "0", "--out", both
    )
    assert placed.code == 0, placed.err
    out = tmp_path / "out"
    ended = run_placer("balloon", both, "--domain", "vm", "--vnode", "0=2GiB", "--out", out)
    assert ended.code == 0, ended.err
    assert run_placer("check", out).code == 0
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[2][-2] == "100.0%"
    assert float(lines[2][-1].rstrip("%")) < 100
    before, after = (float(lines[-1][k]) for k in (3, 5))
    assert after > before
    again = run_placer("place", "--host", out, "--rebalance", "--out", tmp_path / "again")
    assert again.code == 0, again.err
    assert run_placer("check", tmp_path / "again").code == 0


def test_a_ballooned_run_is_a_start_like_any_other(tmp_path: Path) -> None:
    run, small = place(tmp_path), tmp_path / "small"
    assert run_placer("balloon", run, "--target", "2GiB", "--out", small).code == 0
    (free,) = json.loads(run_placer("heap", small, "--json").out)
    assert sum(row["free_pages"] for row in free["pnodes"]) == 32 * GIB - 2 * GIB - 256
    cfg = tmp_path / "next.cfg"
    cfg.write_text('name = "next"\nmemory = 14000\nvcpus = 1\n')
    for option in ("--keep", "--rebalance"):
        out = tmp_path / option
        assert run_placer("place", cfg, "--host", small, option, "--out", out).code == 0
        assert run_placer("check", out).code == 0
    exported = run_placer("export", small, "--format", "xl")
    assert "memory = 8192" in exported.out
    assert "its balloon leaves it 2 GiB afterwards" in exported.err


def test_large_pages_that_are_asked_for_go_and_come_whole(tmp_path: Path) -> None:
    domains = tmp_path / "domains.toml"
    domains.write_text('[[domain]]\nname = "vm"\nmemory = "4GiB"\nvcpus = 2\npage_size = "2MiB"\n')
    run, small, large = (tmp_path / name for name in ("run", "small", "large"))
    assert run_placer("place", domains, "--host", HOST, "--out", run).code == 0
    assert run_placer("balloon", run, "--target", "1GiB", "--out", small).code == 0
    assert run_placer("balloon", small, "--target", "3GiB", "--out", large).code == 0
    pages = json.loads(run_placer("pages", large, "--json").out)
    assert pages["share_in_2mib_or_larger"] == 1.0
    assert run_placer("check", large).code == 0
    ended = run_placer("balloon", run, "--vnode", "0=1025MiB")
    assert ended.code == 2
    assert "is not whole pages of 2 MiB away from 4 GiB" in ended.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "expected --target SIZE, --vnode N=SIZE or both"),
        (("--target", "9GiB"), "they can have 0 KiB to 8 GiB"),
        (("--target", "0"), "would have no memory left"),
        (("--target", "x"), "'x' is not a size"),
        (("--target", "1000B"), "1000 bytes is not a whole number of 4 KiB pages"),
        (("--vnode", "0"), "'0', expected N=SIZE"),
        (("--vnode", "7=1GiB"), "vnode 7: 'vm' has vnodes 0 to 1"),
        (("--vnode", "0=5GiB"), "is above the 4 GiB that the guest has addresses for"),
        (("--vnode", "0=1GiB", "--vnode", "0=2GiB"), "vnode 0 twice"),
        (("--target", "3GiB", "--vnode", "0=1GiB", "--vnode", "1=1GiB"), "the vnodes sum to 2 GiB"),
        (("--target", "1GiB", "--vnode", "0=2GiB"), "alone sum to more than 1 GiB"),
        (("--domain", "other", "--target", "3GiB"), "domain 'other' is not placed"),
    ],
)
def test_sizes_that_cannot_be_are_refused(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    ended = run_placer("balloon", place(tmp_path), *options, "--out", tmp_path / "out")
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert not (tmp_path / "out").exists()


def test_what_an_hvm_guest_cannot_give_back_stays(tmp_path: Path) -> None:
    ended = run_placer("balloon", place(tmp_path, kind="hvm"), "--vnode", "0=4MiB")
    assert ended.code == 2
    assert "is below the 8960 KiB that cannot be given back" in ended.err


def test_a_host_without_room_is_named(tmp_path: Path) -> None:
    host = "pnode:2 core:4 memory:6GiB distance:10,30"
    run, small = place(tmp_path, host=host), tmp_path / "small"
    assert run_placer("balloon", run, "--target", "2GiB", "--out", small).code == 0
    others = tmp_path / "others.toml"
    others.write_text(
        "".join(f'[[domain]]\nname = "d{n}"\nmemory = "4900MiB"\nvcpus = 1\n' for n in range(2))
    )
    full = tmp_path / "full"
    placed = run_placer(
        "place", others, "--host", small, "--rebalance", "--max-moves", "0", "--out", full
    )
    assert placed.code == 0, placed.err
    ended = run_placer("balloon", full, "--domain", "vm", "--target", "8GiB")
    assert ended.code == 2
    assert "wanted, and host host has room for" in ended.err
