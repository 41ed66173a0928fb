from __future__ import annotations

from pathlib import Path

import pytest

from placer.errors import InputError
from placer.read.host_formats import read_parts
from placer.read.host_parts import build_host
from placer.read.sysfs import read_sysfs
from tests.read.captures import CAPTURES, host_and_warnings, host_of, pcpus_of, unpack, view_of

TREES = sorted((CAPTURES / "sysfs").glob("*.tar.bz2"))
AS_HWLOC = [tree for tree in TREES if "buggy" not in tree.name and "cgroup" not in tree.name]


@pytest.mark.parametrize("tree", AS_HWLOC, ids=lambda path: path.name.split(".")[0])
def test_a_tree_is_read_as_hwloc_reads_it(tree: Path, tmp_path: Path) -> None:
    view, parts = view_of(tree), read_sysfs(unpack(tree, tmp_path))
    # Nodes without memory are none for hwloc.
    nodes = {n for n, part in parts.nodes.items() if part.total_bytes}
    assert nodes == {node["node"] for node in view["nodes"]}
    for node in view["nodes"]:
        assert parts.nodes[node["node"]].total_bytes == node["mem_bytes"]
    assert sorted(parts.pcpus) == view["pus"]
    if "initiators" in tree.name:
        # Its pcpus are on nodes without memory; hwloc shows them beside the memory they reach.
        assert {part.node for part in parts.pcpus.values()} == {0, 1, 2, 3}
        return
    for pcpu, part in parts.pcpus.items():
        local = {node["node"] for node in view["nodes"] if pcpu in node["cpus"]}
        assert part.node in local
    among = view["distances_among"]
    assert [[parts.distances[a, b] for b in among] for a in among] == view["distances"]


@pytest.mark.parametrize("tree", TREES, ids=lambda path: path.name.split(".")[0])
def test_every_tree_becomes_a_host(tree: Path, tmp_path: Path) -> None:
    host, _ = host_and_warnings(unpack(tree, tmp_path))
    assert host.num_pcpus == sum(len(pcpus_of(host, p)) for p in range(host.num_pnodes))


def test_sparse_nodes_keep_the_numbers_that_linux_gives_them(tmp_path: Path) -> None:
    host = host_of(unpack(CAPTURES / "sysfs" / "48amd64-4d2n6c-sparse.tar.bz2", tmp_path))
    assert host.pnode_ids.tolist() == [0, 1, 2, 33, 34, 45, 72, 73]
    assert pcpus_of(host, 3) == [18, 19, 20, 21, 22, 23]


def test_the_memory_of_gpus_is_no_pnode(tmp_path: Path) -> None:
    root = unpack(CAPTURES / "sysfs" / "nvidiagpunumanodes.tar.bz2", tmp_path)
    host, warnings = host_and_warnings(root)
    assert host.pnode_ids.tolist() == [0, 8]
    assert "GPUs as nodes 250-255" in " ".join(map(str, warnings))


def test_siblings_are_one_core(tmp_path: Path) -> None:
    host = host_of(unpack(CAPTURES / "sysfs" / "nvidiagpunumanodes.tar.bz2", tmp_path))
    first = host.pcpu_core[host.pcpu_ids == 0]
    assert host.pcpu_ids[host.pcpu_core == first].tolist() == [0, 1, 2, 3]


def test_offline_pcpus_are_left_out(tmp_path: Path) -> None:
    root = unpack(CAPTURES / "sysfs" / "16amd64-8n2c.tar.bz2", tmp_path)
    (root / "sys/devices/system/cpu/online").write_text("1-15\n")
    assert 0 not in read_sysfs(root).pcpus


def test_pools_of_huge_pages_are_free_memory_with_a_warning(tmp_path: Path) -> None:
    root = unpack(CAPTURES / "guest/4node/fsroot.tar.gz", tmp_path)
    node = root / "sys/devices/system/node/node1"
    before = read_sysfs(root).nodes[1].free_bytes
    pool = node / "hugepages/hugepages-2048kB"
    pool.mkdir(parents=True, exist_ok=True)
    (pool / "free_hugepages").write_text("2\n")
    found = read_sysfs(root)
    assert before is not None
    assert found.nodes[1].free_bytes == before + (4 << 20)
    assert [warning.field for warning in found.warnings] == ["node 1"]


def test_a_guest_without_numa_is_one_node(tmp_path: Path) -> None:
    root = unpack(CAPTURES / "guest/1node/fsroot.tar.gz", tmp_path)
    nodes = root / "sys/devices/system/node"
    for path in sorted(nodes.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    host = host_of(root)
    assert host.num_pnodes == 1
    assert pcpus_of(host, 0) == [0, 1]


def test_this_machine_is_read() -> None:
    parts = read_parts(Path("/"))[0]
    host, _ = build_host(parts, "here")
    assert host.num_pcpus >= 1
    assert (host.free_pages <= host.total_pages).all()


def test_a_folder_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no devices/system"):
        read_sysfs(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sys/devices/system/node/node1/cpulist", "2-3-4"),
        ("sys/devices/system/node/node1/distance", "17 x 23 22"),
        ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3-99999999999"),
        ("sys/devices/system/cpu/cpu3/topology/physical_package_id", "one"),
        ("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 99999999999999999999 kB"),
    ],
)
def test_a_damaged_file_is_named(name: str, text: str, tmp_path: Path) -> None:
    root = unpack(CAPTURES / "guest/4node/fsroot.tar.gz", tmp_path)
    path = root / name
    path.write_text(text)
    if "siblings" in name:
        core = path.parent / "core_cpus_list"
        core.unlink(missing_ok=True)
    with pytest.raises(InputError) as caught:
        read_sysfs(root)
    (fault,) = caught.value.faults
    assert fault.source == str(path)
