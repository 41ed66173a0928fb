from __future__ import annotations

import json
from pathlib import Path

import pytest

from placer.errors import Fault
from placer.export.inventory import format_inventory
from placer.host import Host
from placer.read.inventory import read_inventory
from placer.read.sources import read_hosts
from tests.cli.program import run_placer, start_placer
from tests.read.captures import CAPTURES, host_of

SEED = Path(__file__).parents[2] / "datasets/seed/heatpipe-before-rc9.toml"
XEN = CAPTURES / "xen/2nodes/001-a-seed-example2-hvm"


def test_sources_of_one_host_are_joined_and_shown() -> None:
    names = ["info-n-after.txt", "debug-u.txt", "list-n.txt", "vcpu-list.txt"]
    done = run_placer("host", *(str(XEN / name) for name in names))
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0].endswith("2 pnodes, 2 sockets, 4 cores, 4 pcpus, 2 GiB, 1.2 GiB free")
    assert any(line.split() == ["from", "0", "10", "20"] for line in lines)
    assert any(line.startswith("rc9") and line.endswith("2 on 0, 2 on 1") for line in lines)


def test_cpus_and_memory_are_two_sources() -> None:
    guest = CAPTURES / "guest/4node"
    done = run_placer(
        "host", "--cpus", str(guest / "lscpu.json"), "--memory", str(guest / "numactl-hardware.txt")
    )
    assert done.code == 0
    assert done.err == ""
    assert "4 pnodes, 4 sockets, 8 cores, 8 pcpus" in done.out


def test_this_machine_is_shown_without_a_source() -> None:
    done = run_placer("host", "--json")
    assert done.code == 0
    (host,) = json.loads(done.out)
    assert sum(len(core) for pnode in host["pnodes"] for core in pnode["cores"]) >= 1


def test_a_host_is_converted_and_placed_on(tmp_path: Path) -> None:
    made = tmp_path / "host.toml"
    done = run_placer("host", str(CAPTURES / "hwloc/power8gpudistances.xml"), "-o", str(made))
    assert done.code == 0
    assert done.err.endswith(f"wrote {made}\n")
    guest = tmp_path / "guest.cfg"
    guest.write_text('name = "g"\ntype = "hvm"\nmemory = 4096\nvcpus = 2\n')
    placed = run_placer("place", str(guest), "--host", str(made))
    assert placed.code == 0
    straight = run_placer(
        "place", str(guest), "--host", str(CAPTURES / "hwloc/power8gpudistances.xml")
    )
    assert straight.out == placed.out


def test_a_format_that_is_said_is_not_sniffed() -> None:
    numactl = str(CAPTURES / "guest/2node/numactl-hardware.txt")
    assert run_placer("host", "--from", "numactl", numactl).code == 0
    wrong = run_placer("host", "--from", "hwloc", numactl)
    assert wrong.code == 2
    assert wrong.err.count("\n") == 1
    unknown = run_placer("host", "--from", "numctl", numactl)
    assert unknown.code == 2
    assert "numactl?" in unknown.err


def test_own_and_foreign_sources_are_not_joined() -> None:
    done = run_placer("host", "pnode:2 core:2 memory:1GiB", str(XEN / "debug-u.txt"))
    assert done.code == 2
    assert done.err.count("\n") == 1


def test_text_of_no_known_format_is_refused_with_the_formats() -> None:
    done = run_placer("host", str(CAPTURES / "guest/2node/dmesg-numa.txt"))
    assert done.code == 2
    assert "error: " in done.err


def test_bars_are_drawn_in_ascii_where_the_terminal_has_no_other() -> None:
    running = start_placer(["host", XEN / "debug-u.txt"], PYTHONIOENCODING="ascii")
    out, _ = running.communicate()
    assert running.returncode == 0
    assert "####................" in out


HOSTS = [
    *read_hosts(["pnode:2 core:4 pu:2 memory:16GiB free:12GiB reserve:1GiB distance:10,21"])[0],
    *read_hosts(["pnode:3 core:2 memory:0,4GiB,8GiB overcommit:1.25 smt:penalty=3 name:odd"])[0],
    *read_hosts([str(SEED)])[0],
    *(host_of(path) for path in sorted((CAPTURES / "hwloc").glob("*.xml"))),
    host_of(CAPTURES / "guest/memless/numactl-hardware.txt"),
    host_of(XEN / "debug-u.txt", XEN / "info-n-after.txt", XEN / "vcpu-list.txt"),
]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_an_inventory_gives_the_host_again(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    path.write_text(format_inventory([host]))
    warnings: list[Fault] = []
    (again,) = read_inventory(path, warnings=warnings)
    assert warnings == []
    if host.free_from == "xen keys":
        # The frames that were made up are given ones now.
        assert again.free_spans.tolist() == host.free_spans.tolist()
        assert again.running == host.running
        assert again.pcpu_core.tolist() == host.pcpu_core.tolist()
    else:
        assert again == host


def test_several_hosts_are_one_inventory(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(format_inventory(HOSTS[:3]))
    assert read_inventory(path) == tuple(HOSTS[:3])
