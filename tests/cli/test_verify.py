"""``placer verify``: a plan against what a real Xen did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import Ended, run_placer

DATA = Path(__file__).parents[1] / "pages" / "data"
CASES = sorted(
    path.name for path in DATA.iterdir() if path.is_dir() and not path.name.endswith("auto")
)


def plan(case: str, folder: Path, *options: object) -> Path:
    """Place a captured configuration on the host as it was just before."""
    keys = "".join((DATA / case / f"before-{key}.txt").read_text() for key in ("u", "H"))
    (folder / "keys.txt").write_text(keys)
    memory_map = ""
    if case == "2p-pv-e820-host":
        rows = '[[0, 0x9fc00, "ram"], [0x100000, 0xbffe0000, "ram"], [0xbffe0000, 0xc0000000, '
        memory_map = f'memory_map = {rows}"reserved"]]\n'
    cpus = 1 if case.startswith("4p") else 2
    pnodes = "".join(
        f'[[host.pnode]]\npcpus = "{cpus * p}-{cpus * p + cpus - 1}"\n' for p in range(int(case[0]))
    )
    host = folder / "host.toml"
    host.write_text(
        f'[[host]]\novercommit = 2\ndistances = [10, 20]\nheap = "keys.txt"\n{memory_map}{pnodes}'
    )
    kind = case.split("-")[1]
    config = (DATA / case / "input.cfg").read_text()
    cfg = folder / "vm.cfg"
    cfg.write_text("\n".join(x for x in config.splitlines() if "type =" not in x))
    cfg.write_text(cfg.read_text() + f'\ntype = "{kind}"\n')
    ended = run_placer("place", cfg, "--host", host, "--out", folder / "run", *options)
    assert ended.code == 0, ended.err
    assert run_placer("check", folder / "run").code == 0
    return folder / "run"


@pytest.mark.parametrize("case", CASES)
def test_a_plan_is_what_xen_did(case: str, tmp_path: Path) -> None:
    ended = run_placer("verify", plan(case, tmp_path), "--seen", DATA / case / "debug-u.txt")
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert ended.out.splitlines()[-1].startswith("as planned")


def test_json_tells_the_pages_of_each_vnode(tmp_path: Path) -> None:
    run = plan("2p-hvm-over-4g", tmp_path)
    ended = run_placer("verify", run, "--seen", DATA / "2p-hvm-over-4g" / "seen.json")
    assert ended.code == 0, ended.out
    assert "vnode 0 on pnode 1: pages" in ended.out
    assert ended.out.splitlines()[-1] == "as planned"


def changed(tmp_path: Path, case: str, old: str, new: str) -> Ended:
    text = (DATA / case / "debug-u.txt").read_text()
    assert old in text
    (tmp_path / "seen.txt").write_text(text.replace(old, new))
    return run_placer("verify", plan(case, tmp_path), "--seen", tmp_path / "seen.txt")


def test_pages_that_name_no_pnode_may_lie_elsewhere(tmp_path: Path) -> None:
    ended = changed(tmp_path, "2p-hvm-seed-example-2", "Node 0: 33888", "Node 0: 33900")
    assert ended.code == 5
    both = (tmp_path / "seen.txt").read_text().replace("Node 1: 31648", "Node 1: 31636")
    (tmp_path / "seen.txt").write_text(both)
    ended = run_placer("verify", tmp_path / "run", "--seen", tmp_path / "seen.txt")
    assert ended.code == 0
    assert "+12: pages that name no pnode: low ones, video memory, ROMs" in " ".join(
        ended.out.split()
    )
    assert ended.out.splitlines()[-1] == "as planned, 2 explained differences"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("0: pnode   1", "0: pnode   0", "vnode 0: pnode"),
        ("0: pnode   1", "0: pnode ???", "vnode 0: pnode"),
        ("vcpus 1 3", "vcpus 1 2", "vnode 0: vcpus"),
        ("0000000008000000", "0000000009000000", "vnode 0: ranges"),
        ("Node 0: 32768", "Node 0: 32767", "pnode 0: pages"),
        ("(total: 65536)", "(total: 65535)", "all pages"),
    ],
)
def test_what_nothing_explains_ends_with_5(old: str, new: str, what: str, tmp_path: Path) -> None:
    ended = changed(tmp_path, "2p-pv-seed-example-2", old, new)
    assert ended.code == 5
    (row,) = [line for line in ended.out.splitlines() if line.startswith(what)]
    assert row.endswith("differs, and nothing explains it")
    assert "unexplained" in ended.out.splitlines()[-1]


def test_a_domain_without_vnuma_is_not_one_of_two_vnodes(tmp_path: Path) -> None:
    text = (DATA / "2p-pv-seed-example-2" / "debug-u.txt").read_text()
    (tmp_path / "seen.txt").write_text(text.split("(XEN)      2 vnodes")[0])
    run = plan("2p-pv-seed-example-2", tmp_path)
    ended = run_placer("verify", run, "--seen", tmp_path / "seen.txt")
    assert ended.code == 5
    assert "vnodes" in ended.out


def test_the_dump_of_2013_is_read_too(tmp_path: Path) -> None:
    run = tmp_path / "rc9"
    write_run(run, sample_runs.rc9(), log={})
    dump = tmp_path / "dump.txt"
    export = ("export", run, "--format", "xen-dump-v1", "--domid", 6, "-o", dump)
    assert run_placer(*export).code == 0
    ended = run_placer("verify", run, "--seen", dump, "--domid", 6)
    assert ended.code == 0, ended.out
    assert "vnode 0: MiB" in ended.out


def test_which_domain_is_meant_has_to_be_clear(tmp_path: Path) -> None:
    run = plan("2p-pv-seed-example-2", tmp_path)
    seen = DATA / "2p-pv-seed-example-2" / "debug-u.txt"
    ended = run_placer("verify", run, "--seen", seen, "--domid", 77)
    assert (ended.code, ended.err) == (2, "error: no domain 77 was seen\n")
    ended = run_placer("verify", run, "--seen", seen, "--domain", "other")
    assert (ended.code, ended.err) == (2, "error: no domain 'other' is placed in this run\n")
    (tmp_path / "two.txt").write_text(
        seen.read_text() + "(XEN) Domain 9 (total: 5):\n(XEN)     Node 0: 5\n"
    )
    ended = run_placer("verify", run, "--seen", tmp_path / "two.txt")
    assert ended.code == 2
    assert "1 placed and 2 seen" in ended.err
    other = DATA / "4p-hvm-four-vnodes" / "debug-u.txt"
    ended = run_placer("verify", run, "--seen", other)
    assert ended.code == 2
    assert "pnode 2 was seen, and host has 2" in ended.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--seen: found neither"),
        ("{", "JSON"),
        ("{}", "results: found nothing, expected a list"),
        ('{"results": [5]}', "results[0]: found no object"),
        ('{"results": [{"guest_type": "pv", "placement": {"domid": "x"}}]}', "placement"),
    ],
)
def test_what_was_not_seen_by_xen_is_refused(text: str, said: str, tmp_path: Path) -> None:
    run = plan("2p-pv-seed-example-2", tmp_path)
    (tmp_path / "seen").write_text(text)
    ended = run_placer("verify", run, "--seen", tmp_path / "seen")
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize("key", ["domid", "total_pages", "node_pages"])
def test_json_that_lacks_a_figure_is_refused(key: str, tmp_path: Path) -> None:
    data = json.loads((DATA / "2p-hvm-over-4g" / "seen.json").read_text())
    del data["results"][0]["placement"][key]
    (tmp_path / "seen").write_text(json.dumps(data))
    run = plan("2p-hvm-over-4g", tmp_path)
    ended = run_placer("verify", run, "--seen", tmp_path / "seen")
    assert ended.code == 2
    assert f"results[0].placement.{key}: found nothing" in ended.err
