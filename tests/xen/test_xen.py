"""The real Xen 4.17 does with the exported configurations what placer said it would.

Each machine is booted twice: once for what Xen says of it, from which placer plans, and once to
create the guests of the plan. Pages of HVM guests are not exact (docs/pages.md): video memory,
option ROMs and the low pages of vnode 0 name no pnode.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from placer.export import ExportOptions, render
from placer.run import Run, read_run
from placer.topology import topology_of
from tests.cli.program import run_placer
from tests.xen.machine import Booted, Machine, boot

pytestmark = pytest.mark.slow

Require = Callable[[str, str], str]

UNNAMED_PAGES = 2048 + 160 + 256
"""Of an HVM guest, at most: 8 MiB of video memory, the lowest 640 KiB, and option ROMs."""


@dataclass(frozen=True)
class Case:
    """A machine, the guests to be placed there, and pnodes that only this placement has."""

    machine: Machine
    domains: str
    homes: dict[str, list[int]]


def guest(name: str, vnode_mib: list[int], mapping: list[int], more: str = "") -> str:
    sizes = [f"{mib}MiB" for mib in vnode_mib]
    return (
        f'[[domain]]\nname = "{name}"\ntype = "hvm"\nvnode_memory = {sizes}\n'
        f"vcpu_to_vnode = {mapping}\n{more}\n"
    )


_RING = ((10, 16, 22, 16), (16, 10, 16, 22), (22, 16, 10, 16), (16, 22, 16, 10))
_UNEVEN = ((10, 16, 22, 28), (17, 10, 28, 22), (23, 29, 10, 16), (29, 23, 17, 10))
_THREE = ((10, 15, 30), (25, 10, 20), (35, 21, 10))

CASES = {
    "1-node": Case(
        Machine(memory=(1536,), cpus=4),
        guest("one", [256], [0, 0]) + guest("two", [128, 64], [0, 1]),
        {"one": [0], "two": [0, 0]},
    ),
    "2-nodes-reversed": Case(
        Machine(memory=(1024, 1024)),
        guest("rc9", [128, 128], [1, 0, 1, 0], "distances = [10, 40]\npnodes = [1, 0]"),
        {"rc9": [1, 0]},
    ),
    "2-uneven-nodes-4-vnodes": Case(
        Machine(memory=(768, 1792), cpus=4),
        guest("four", [192, 192, 192, 192], [0, 1, 2, 3], "distances = [10, 17]")
        + guest("beside", [96], [0]),
        {},
    ),
    "3-nodes-asymmetric": Case(
        Machine(memory=(704, 832, 896), distances=_THREE),
        guest(
            "skewed",
            [128, 160, 192],
            [0, 0, 1, 1, 2],
            f"distances = {[[*row] for row in _THREE]}\npnodes = [2, 0, 1]",
        ),
        {"skewed": [2, 0, 1]},
    ),
    "4-nodes-ring": Case(
        Machine(memory=(640,) * 4, distances=_RING),
        guest("ring", [128] * 4, [0, 1, 2, 3], 'distances = "auto"\ndistinct_pnodes = true')
        + guest("pair", [200, 200], [0, 1], "distinct_pnodes = true"),
        {},
    ),
    "4-uneven-nodes-asymmetric": Case(
        Machine(memory=(768, 512, 576, 640), cpus=1, distances=_UNEVEN),
        guest("near", [160, 160], [0, 1], 'distances = "auto"\ndistinct_pnodes = true'),
        {},
    ),
    "6-nodes-pinned": Case(
        Machine(memory=(512,) * 6),
        guest("pinned", [96, 96, 96], [0, 0, 1, 1, 2, 2], "dedicated = true\npnodes = [5, 3, 4]"),
        {"pinned": [5, 3, 4]},
    ),
    "8-nodes": Case(
        Machine(memory=(448,) * 8, cpus=1),
        guest("eight", [72] * 8, [7, 6, 5, 4, 3, 2, 1, 0], "pnodes = [3, 0, 7, 1, 6, 2, 5, 4]"),
        {"eight": [3, 0, 7, 1, 6, 2, 5, 4]},
    ),
    "over-4-gib": Case(
        Machine(memory=(3072, 3072, 1024)),
        guest("large", [2304, 2304], [0, 1], "pnodes = [1, 0]"),
        {"large": [1, 0]},
    ),
}


each_case = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in CASES]
)
"""A machine is booted by one worker."""


@dataclass(frozen=True)
class Done:
    """A plan, what Xen did, and the files of both."""

    run: Run
    booted: Booted
    folder: Path


@pytest.fixture(scope="session")
def done(
    tmp_path_factory: pytest.TempPathFactory, require_program: Require
) -> Callable[[str], Done]:
    @cache
    def plan_and_create(name: str) -> Done:
        case, folder = CASES[name], tmp_path_factory.mktemp(name)
        first, second = folder / "first", folder / "second"
        empty = boot(case.machine, [], first, require_program)
        (folder / "info.txt").write_text(empty.info, encoding="utf-8")
        (folder / "key-u.txt").write_text(empty.before, encoding="utf-8")
        (folder / "domains.toml").write_text(case.domains, encoding="utf-8")
        told = run_placer(
            "host", folder / "info.txt", folder / "key-u.txt", "-o", folder / "h.toml"
        )
        assert told.code == 0, told.err
        placed = run_placer(
            "place",
            folder / "domains.toml",
            "--host",
            folder / "h.toml",
            "--out",
            folder / "run",
        )
        assert placed.code == 0, placed.err
        written = run_placer(
            "export", folder / "run", "--format", "xl", "--all", "-o", folder / "cfg"
        )
        assert written.code == 0, written.err
        run = read_run(folder / "run")
        order = run.result.creation_order or [one.domain for one in run.placed]
        configs = [(folder / "cfg" / f"{one}.cfg").read_text(encoding="utf-8") for one in order]
        booted = boot(case.machine, configs, second, require_program)
        for created in booted.created:
            assert created.code == 0, created.said
        (folder / "after.txt").write_text(booted.after, encoding="utf-8")
        return Done(run, booted, folder)

    return plan_and_create


def ids(run: Run) -> dict[str, int]:
    """Return the id of each domain: the order of creation, from 1."""
    order = run.result.creation_order or [one.domain for one in run.placed]
    return {name: number for number, name in enumerate(order, 1)}


@each_case
def test_xen_puts_every_vnode_vcpu_and_range_where_placer_said(
    name: str, done: Callable[[str], Done]
) -> None:
    one = done(name)
    for domain, domid in ids(one.run).items():
        placed = one.run.placed_by_name[domain]
        topology = topology_of(one.run.problem, placed)
        probe = one.booted.created[domid - 1].probe
        assert probe["vcpu_to_vnode"] == topology.vcpu_to_vnode.tolist()
        assert probe["distances"] == topology.distances.ravel().tolist()
        assert probe["ranges"] == topology.ranges.tolist()
        assert placed.home.tolist() == CASES[name].homes.get(domain, placed.home.tolist())
        pages = {(vnode, pnode): count for vnode, pnode, count in probe["pages"]}
        for vnode in range(1, topology.num_vnodes):
            home = int(placed.home[vnode])
            addresses = sum(e - s for v, s, e in topology.ranges.tolist() if v == vnode) >> 12
            assert {p: n for (v, p), n in pages.items() if v == vnode} == {home: addresses}
        elsewhere = sum(n for (v, p), n in pages.items() if v < 0 or p != placed.home[v])
        assert elsewhere <= UNNAMED_PAGES


@each_case
def test_placer_verifies_what_xen_did_by_its_debug_key(
    name: str, done: Callable[[str], Done]
) -> None:
    one = done(name)
    ended = run_placer("verify", one.folder / "run", "--seen", one.folder / "after.txt")
    assert ended.code == 0, ended.out + ended.err


@each_case
def test_the_dump_that_is_exported_is_the_dump_that_xen_prints(
    name: str, done: Callable[[str], Done]
) -> None:
    one = done(name)
    for domain, domid in ids(one.run).items():
        ours = render(one.run, domain, "xen-dump", ExportOptions(domid=domid)).text
        assert vnuma_lines(ours, domid) == vnuma_lines(one.booted.after, domid)


def vnuma_lines(text: str, domid: int) -> list[str]:
    """Return what a dump says of a domain's vnodes; Xen may leave a blank after the last vcpu."""
    _, _, rest = text.partition(f"(XEN) Domain {domid} (total:")
    block, _, _ = rest.partition("(XEN) Domain ")
    _, _, vnodes = block.partition("guest physical layout:")
    assert vnodes, "the dump has the domain's vnodes"
    return [line.rstrip() for line in vnodes.splitlines()]


@pytest.mark.xdist_group("6-nodes-pinned")
def test_dedicated_vcpus_may_run_on_their_own_pcpu_alone(done: Callable[[str], Done]) -> None:
    one = done("6-nodes-pinned")
    rows = re.findall(r"^pinned +1 +(\d+) .* (\S+) / \S+ *$", one.booted.vcpus, re.MULTILINE)
    placed = one.run.placed_by_name["pinned"]
    expected = [(str(v), str(p)) for v, p in enumerate(placed.vcpu_to_pcpu.tolist())]
    assert rows == expected


@pytest.mark.xdist_group("over-4-gib")
def test_a_guest_over_4_gib_has_the_hole_in_its_addresses(done: Callable[[str], Done]) -> None:
    ranges = done("over-4-gib").booted.created[0].probe["ranges"]
    assert len(ranges) == 3
    assert ranges[-1][1] == 1 << 32


def test_released_xen_refuses_a_pv_guest_as_the_warning_says(
    tmp_path: Path, require_program: Require
) -> None:
    domains = CASES["2-nodes-reversed"].domains.replace('"hvm"', '"pv"')
    (tmp_path / "domains.toml").write_text(domains, encoding="utf-8")
    host = "pnode:2 core:2 pu:1 memory:1GiB"
    run = tmp_path / "run"
    assert run_placer("place", tmp_path / "domains.toml", "--host", host, "--out", run).code == 0
    as_pv = run_placer("export", run, "--format", "xl")
    assert "released Xen takes vnuma for HVM guests only" in as_pv.err
    as_hvm = run_placer("export", run, "--format", "xl", "--type", "hvm")
    machine = CASES["2-nodes-reversed"].machine
    # xl wants a kernel for a PV guest before it looks at the rest; any file will do.
    configs = [as_pv.out + 'kernel = "/init"\n', as_hvm.out]
    booted = boot(machine, configs, tmp_path / "boot", require_program)
    pv, hvm = booted.created
    assert pv.code != 0
    assert "PV vNUMA is not yet supported" in pv.said
    assert (hvm.code, hvm.probe["vcpu_to_vnode"]) == (0, [1, 0, 1, 0])
