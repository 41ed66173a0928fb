"""Scenario files: every operation is read, and every fault has its place."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from placer.errors import InputError
from placer.read.scenarios import KINDS, read_scenarios
from placer.scenario import (
    AddDomains,
    AddHosts,
    FailMemory,
    FailPnodes,
    GroupDomains,
    LimitHosts,
    PinDomains,
    ReplaceHosts,
    ResizeDomains,
    Scenario,
    SetHosts,
    SplitPnodes,
    TakeHosts,
)

EVERY = """
[[shape]]
name = "db"
memory = "8GiB"
vcpus = 4
vnodes = 2

[[scenario]]
name = "every operation"
solve = "moves"
max_moves = 3
max_moved_gib = 1.5
changes = [
  { op = "add-host", from = "pnode:2 core:4 memory:16GiB", name = "spare", count = 2 },
  { op = "remove-host", host = "h1" },
  { op = "fail-host", hosts = ["h2", "rack7-*"] },
  { op = "drain-host", host = "h3" },
  { op = "fail-pnode", host = "h4", pnode = 1 },
  { op = "fail-pcpus", host = "h4", pcpus = "0-3,^1" },
  { op = "fail-memory", host = "h4", pnode = 0, memory = "2GiB" },
  { op = "replace-host", host = "h5", from = "pnode:8 core:8 memory:64GiB" },
  { op = "split-pnodes", host = "h6", into = 4 },
  { op = "merge-pnodes", host = "h7" },
  { op = "set-host", host = "*", overcommit = 1.5, reserve = "1GiB" },
  { op = "set-host", host = "*", distances = [10, 32], smt = "penalty=3" },
  { op = "count-hosts", count = 12 },
  { op = "add", shape = "db", count = 3 },
  { op = "remove", domain = "old-*" },
  { op = "resize", domain = "web", memory = "4GiB", vcpus = 8, vnodes = 2 },
  { op = "pin", domain = "web", pnodes = [0, 1], pcpus = "nodes:0-1" },
  { op = "unpin", domain = "db*" },
  { op = "allow-hosts", domain = "web", hosts = ["h1", "h2"] },
  { op = "forbid-hosts", domain = "web", host = "h3" },
  { op = "allow-any-host", domain = "*" },
  { op = "group", domains = ["web", "db"], name = "pair", keep = "apart", over = "pnodes" },
  { op = "ungroup", name = "pair" },
  { op = "set-policy", policy = "spread" },
]

[[scenario]]
name = "nothing changed"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "questions.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_scenarios(written(folder, text))
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


def test_every_operation_is_read(tmp_path: Path) -> None:
    first, second = read_scenarios(written(tmp_path, EVERY))
    assert second == Scenario(name="nothing changed")
    assert first.solve == "moves"
    assert first.max_moves == 3
    assert first.max_moved_pages == 3 << 17
    assert len(first.changes) == len(KINDS) + 1 == 24
    found = {type(change).__name__: change for change in first.changes}
    spare = first.changes[0]
    assert isinstance(spare, AddHosts)
    assert [host.name for host in spare.hosts] == ["spare-0", "spare-1"]
    assert first.changes[2] == TakeHosts(hosts=("h2", "rack7-*"), how="fail")
    assert found["FailPnodes"] == FailPnodes(hosts=("h4",), pnodes=(1,))
    assert found["FailMemory"] == FailMemory(hosts=("h4",), pnode=0, pages=2 << 18)
    assert isinstance(found["ReplaceHosts"], ReplaceHosts)
    assert found["ReplaceHosts"].by.num_pnodes == 8
    assert found["SplitPnodes"] == SplitPnodes(hosts=("h6",), into=4, distance=12)
    figures, settings = (c for c in first.changes if isinstance(c, SetHosts))
    assert (figures.overcommit, figures.reserve_pages) == (Fraction(3, 2), 1 << 18)
    assert settings.distances is not None
    assert settings.distances.tolist() == [10, 32]
    assert (settings.smt, settings.smt_penalty) == ("penalty", 3)
    added = found["AddDomains"]
    assert isinstance(added, AddDomains)
    assert [domain.name for domain in added.domains] == ["db-0", "db-1", "db-2"]
    assert found["ResizeDomains"] == ResizeDomains(
        domains=("web",), memory_pages=4 << 18, num_vcpus=8, num_vnodes=2
    )
    pins = [change for change in first.changes if isinstance(change, PinDomains)]
    assert pins[0].pnodes == (0, 1)
    assert pins[1] == PinDomains(domains=("db*",))
    limits = [change for change in first.changes if isinstance(change, LimitHosts)]
    assert [limit.allowed for limit in limits] == [("h1", "h2"), None, None]
    assert [limit.lift for limit in limits] == [False, False, True]
    grouped = found["GroupDomains"]
    assert isinstance(grouped, GroupDomains)
    assert (grouped.group.keep, grouped.group.over) == ("apart", "pnodes")


def test_an_inventory_is_named_from_the_files_own_folder(tmp_path: Path) -> None:
    (tmp_path / "spare.toml").write_text(
        '[[host]]\n[[host.pnode]]\ntotal = "1GiB"\npcpus = "0-3"\n', encoding="utf-8"
    )
    text = '[[scenario]]\nname = "s"\nchanges = [{ op = "add-host", from = "spare.toml" }]\n'
    (scenario,) = read_scenarios(written(tmp_path, text))
    (change,) = scenario.changes
    assert isinstance(change, AddHosts)
    assert change.hosts[0].name == "spare"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('host = "h"', "changes[0].op: found no op"),
        ('op = "explode", host = "h"', "changes[0].op: found 'explode'"),
        ('op = "fail-host"', "changes[0].host: found absent, expected what fail-host needs"),
        ('op = "fail-host", host = 3', "changes[0].host: found 3"),
        ('op = "fail-host", host = "a", hosts = ["b"]', "found hosts as well"),
        ('op = "fail-host", host = "a", pnode = 1', 'found op = "fail-host", expected one of'),
        ('op = "fail-host", hsot = "a"', "changes[0].hsot: found an unknown key, expected host"),
        ('op = "fail-pnode", host = "a", pnode = -1', "changes[0].pnode: found -1"),
        ('op = "fail-pcpus", host = "a", pcpus = "x"', "changes[0].pcpus: found 'x' is not"),
        ('op = "add", shape = "db"', "changes[0].shape: found 'db', expected the name of a"),
        ('op = "set-host", host = "*", overcommit = 0', "changes[0].overcommit: found 0"),
        ('op = "set-host", host = "*", smt = "most"', "changes[0].smt: found 'most'"),
        ('op = "set-host", host = "*", distances = 3', "changes[0].distances: found 3"),
        ('op = "split-pnodes", host = "*", into = 1', "changes[0].into: found 1"),
        ('op = "resize", domain = "a", memory = "0"', "changes[0].memory: found no memory"),
        (
            'op = "add-host", from = "nothing.toml"',
            "changes[0].from: found 'nothing.toml': no such",
        ),
        ('op = "set-policy", policy = "wise"', "changes[0].policy: found 'wise': "),
        ('op = "set-host", host = "a"', "found set-host with nothing to change, expected one of"),
        ('op = "resize", domain = "a"', "found resize with nothing to change"),
        ('op = "pin", domain = "a"', "found pin with nothing to change, expected one of pnode"),
        ('op = "group", domain = "a", name = "g", keep = "near"', "changes[0].keep: found 'near'"),
    ],
)
def test_a_faulty_change_is_told_with_its_place(tmp_path: Path, change: str, told: str) -> None:
    text = f'[[scenario]]\nname = "s"\nchanges = [{{ {change} }}]\n'
    assert any(told in fault for fault in faults(tmp_path, text))


def test_faults_of_scenarios_are_all_told(tmp_path: Path) -> None:
    text = """
[[scenario]]
name = "s"
max_moves = 2

[[scenario]]
name = "s"
solve = "best"

[[scenario]]
solve = "moves"
max_moved_gib = -1
"""
    assert faults(tmp_path, text) == [
        'questions.toml:4: scenario[0].max_moves: found solve = "keep", '
        'expected together with solve = "moves"',
        "questions.toml:8: scenario[1].solve: found 'best', "
        'expected "fresh" or "keep" or "moves"',
        "questions.toml:10: scenario[2].name: found no name, expected a name",
        "questions.toml:12: scenario[2].max_moved_gib: found -1, expected GiB, 0 or more",
        "questions.toml:7: scenario[1].name: found 's' again, expected unique names of scenarios",
    ]


def test_scenarios_have_names_of_their_own(tmp_path: Path) -> None:
    text = '[[scenario]]\nname = "s"\n[[scenario]]\nname = "s"\n'
    assert faults(tmp_path, text) == [
        "questions.toml:4: scenario[1].name: found 's' again, expected unique names of scenarios"
    ]
    assert "no [[scenario]]" in faults(tmp_path, "")[0]


def test_every_operation_is_documented(project_root: Path) -> None:
    text = (project_root / "docs" / "whatif.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z-]+)`", text))
    assert KINDS.keys() <= told
    for kind in KINDS.values():
        assert kind.keys - {"hosts", "domains", "pnodes", "memory_pages", "reserve_pages"} <= told
