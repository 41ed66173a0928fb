"""numactl, lscpu, xl, libvirt, Nova and Kubernetes on one host, alone and joined."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placer.errors import InputError
from placer.read.host_formats import HOST_FORMATS, read_parts, sniff_host
from placer.read.host_parts import build_host, join_parts
from placer.read.lscpu import parse_lscpu_json, parse_lscpu_table
from placer.read.node_resource_topology import parse_node_resource_topology
from placer.read.nova import parse_nova
from tests.read.captures import CAPTURES, host_and_warnings, host_of, pcpus_of

GUESTS = sorted(path.name for path in (CAPTURES / "guest").iterdir())
XEN = sorted(path.parent for path in (CAPTURES / "xen").rglob("debug-u.txt"))


def _expected(guest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CAPTURES / "guest" / guest / "expect.json").read_text())
    return found


@pytest.mark.parametrize("guest", GUESTS)
def test_numactl_says_what_the_guest_was_given(guest: str) -> None:
    host = host_of(CAPTURES / "guest" / guest / "numactl-hardware.txt")
    expected = _expected(guest)
    # The kernel numbers its nodes by their first vcpu, so node 0 of the second is nodeid 1.
    order = sorted(
        range(len(expected["nodes"])),
        key=lambda k: (min(expected["nodes"][k]["cpus"], default=99), k),
    )
    for pnode, nodeid in enumerate(order):
        node = expected["nodes"][nodeid]
        assert pcpus_of(host, pnode) == node["cpus"]
        megabytes = int(host.total_pages[pnode]) // 256
        assert node["mem_mb"] * 0.8 <= megabytes <= node["mem_mb"]
    distances = np.array(expected["distances"])[np.ix_(order, order)]
    assert host.distances.tolist() == distances.tolist()


@pytest.mark.parametrize("guest", GUESTS)
def test_lscpu_and_numactl_agree_and_are_joined(guest: str) -> None:
    folder = CAPTURES / "guest" / guest
    cpus, memory = folder / "lscpu.json", folder / "numactl-hardware.txt"
    host, warnings = host_and_warnings(cpus, memory)
    assert warnings == []
    assert host.num_pcpus == host.pcpu_core.max() + 1
    alone = host_of(memory)
    for name in ("total_pages", "free_pages", "distances", "pcpu_ids", "pcpu_pnode"):
        assert getattr(host, name).tolist() == getattr(alone, name).tolist()


def test_lscpu_alone_asks_for_memory() -> None:
    with pytest.raises(InputError, match=r"no memory of nodes.*--memory FILE"):
        host_of(CAPTURES / "guest/4node/lscpu.json")


TABLE = """\
# The following is the parsable format, which can be fed to other
# programs. Each different item in every column has an unique ID
# starting usually from zero.
# CPU,Core,Socket,Node,,L1d,L1i,L2,L3
0,0,0,0,,0,0,0,0
1,1,1,1,,1,1,1,1
2,0,0,0,,0,0,0,0
3,1,1,1,,1,1,1,1
"""


def test_the_table_of_lscpu_tells_siblings() -> None:
    parts = parse_lscpu_table(TABLE, "lscpu.txt")
    assert parts.pcpus[0].core == parts.pcpus[2].core != parts.pcpus[1].core
    assert [parts.pcpus[n].node for n in range(4)] == [0, 1, 0, 1]


def test_the_rows_of_lscpu_are_read_from_json_too() -> None:
    rows: list[dict[str, object]] = [
        {"cpu": n, "node": n % 2, "socket": n % 2, "core": n % 2} for n in range(4)
    ]
    rows.append({"cpu": 4, "node": None, "socket": None, "core": None, "online": False})
    assert parse_lscpu_json({"cpus": rows}, "x").pcpus == parse_lscpu_table(TABLE, "x").pcpus


def test_nodes_without_memory_or_pcpus_are_kept() -> None:
    host = host_of(CAPTURES / "guest/memless/numactl-hardware.txt")
    assert host.total_pages.tolist()[1] == 0
    assert pcpus_of(host, 1) == [2]


@pytest.mark.parametrize("folder", XEN, ids=lambda path: "-".join(path.parts[-2:]))
def test_what_xl_says_agrees_with_the_debug_key(folder: Path) -> None:
    info = folder / ("info-n.txt" if (folder / "info-n.txt").exists() else "info-n-after.txt")
    sources = [info, folder / "debug-u.txt", folder / "list-n.txt", folder / "vcpu-list.txt"]
    host, warnings = host_and_warnings(*sources)
    keys = host_of(folder / "debug-u.txt")
    assert host.free_pages.tolist() == keys.free_pages.tolist()
    assert host.pcpu_pnode.tolist() == keys.pcpu_pnode.tolist()
    listed = re.findall(r"^(\S+) +(\d+) +(\d+) +(\d+) ", sources[2].read_text(), re.M)
    named = [(run.name, run.domid) for run in host.running]
    assert sorted(named) == sorted((name, int(domid)) for name, domid, _, _ in listed)
    by_vcpu = [line.split()[0] for line in sources[3].read_text().splitlines()]
    for name, _, mib, _ in listed:
        (run,) = (run for run in host.running if run.name == name)
        # Those that are offline count too; `xl list` leaves them out.
        assert by_vcpu.count(name) == run.vcpus_on.sum() + run.floating_vcpus
        # xl rounds, and counts what the toolstack holds for the domain.
        assert abs(int(run.pages.sum()) - int(mib) * 256) <= 2200
    assert not any("sibling" in str(warning) for warning in warnings)


def test_a_vcpu_of_a_vnode_is_tied_to_its_pnode() -> None:
    folder = CAPTURES / "xen/2nodes/001-a-seed-example2-hvm"
    for sources in (["debug-u.txt"], ["debug-u.txt", "vcpu-list.txt"]):
        host = host_of(*(folder / name for name in sources))
        (guest,) = (run for run in host.running if run.domid != 0)
        assert guest.vcpus_on.tolist() == [2, 2]
        assert guest.floating_vcpus == 0


def test_a_host_with_one_core_a_socket_needs_the_debug_key() -> None:
    folder = CAPTURES / "xen/4nodes-uneven"
    with pytest.raises(InputError, match="pcpus 0-3 on no node"):
        host_of(folder / "info-n.txt")
    host = host_of(folder / "info-n.txt", folder / "debug-u.txt")
    assert host.pcpu_pnode.tolist() == [0, 1, 2, 3]
    assert host.distances[0].tolist() == [10, 16, 22, 28]


def test_the_hole_below_4_gib_is_no_memory(tmp_path: Path) -> None:
    text = (CAPTURES / "xen/2nodes/info-n.txt").read_text()
    text = re.sub(r"total_memory .*", "total_memory           : 8191", text)
    text = re.sub(r"   0: +1024", "   0:      4096", text)
    text = re.sub(r"   1: +1023", "   1:      5119", text)
    path = tmp_path / "info.txt"
    path.write_text(text)
    host, warnings = host_and_warnings(path)
    assert host.total_pages.tolist() == [4096 * 256, 5119 * 256]
    assert warnings == []
    path.write_text(text.replace("   0:      4096", "   0:      5120"))
    host, warnings = host_and_warnings(path)
    assert int(host.total_pages.sum()) == 8191 * 256
    assert ["hole" in str(warning) for warning in warnings] == [True]


def test_xl_info_without_n_is_refused() -> None:
    with pytest.raises(InputError, match="xl info -n"):
        read_parts(CAPTURES / "xen/2nodes/info.txt")


def test_sources_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    lscpu = (CAPTURES / "guest/4node/lscpu.json").read_text()
    other = tmp_path / "lscpu.json"
    other.write_text(lscpu.replace("NUMA node0", "NUMA node9").replace("NUMA node1", "NUMA node0"))
    assert other.read_text() != lscpu
    with pytest.raises(InputError, match="pcpu"):
        host_of(other, CAPTURES / "guest/4node/numactl-hardware.txt")


def test_cpus_and_memory_go_before_other_sources() -> None:
    guest = CAPTURES / "guest/4node"
    xml = read_parts(guest / "hwloc-v2.xml")[0]
    numactl = read_parts(guest / "numactl-hardware.txt")[0]
    host, _ = build_host(join_parts([xml], memory=numactl), "h")
    assert host.total_pages.tolist() == [218 * 256, 377 * 256, 251 * 256, 485 * 256]
    finest, _ = build_host(join_parts([numactl, xml]), "h")
    assert finest.total_pages.tolist() == [n.total_bytes // 4096 for n in xml.nodes.values()]  # type: ignore[operator]


CAPABILITIES = sorted((CAPTURES / "libvirt/capabilities").glob("*.xml"))


@pytest.mark.parametrize("path", CAPABILITIES, ids=lambda path: path.stem)
def test_capabilities_are_read_or_refused_with_the_reason(path: Path) -> None:
    text = path.read_text()
    if "<cells" not in text:
        with pytest.raises(InputError, match="no NUMA cells"):
            read_parts(path)
        return
    parts = read_parts(path)[0]
    assert len(parts.nodes) == text.count("<cell ")
    assert len(parts.pcpus) == len(re.findall(r"<cpu id=", text))
    sizes = [int(kib) << 10 for kib in re.findall(r"<memory unit='KiB'>(\d+)", text)]
    if not sizes:
        with pytest.raises(InputError, match="no memory of nodes"):
            build_host(parts, "h")
        return
    assert [node.total_bytes for node in parts.nodes.values()] == sizes
    host, _ = build_host(parts, "h")
    assert host.num_pcpus == len(parts.pcpus)


def test_freecell_says_what_is_free_of_capabilities() -> None:
    libvirt = CAPTURES / "libvirt"
    free = libvirt / "virsh-test-freecell-all.txt"
    host = host_of(libvirt / "capabilities/virsh-test-default.xml", free)
    assert host.free_pages.tolist() == [512, 1024]
    with pytest.raises(InputError, match="no memory of nodes"):
        host_of(free)


def _nova() -> dict[str, Any]:
    cells = [
        {
            "nova_object.name": "NUMACell",
            "nova_object.namespace": "nova",
            "nova_object.version": "1.5",
            "nova_object.data": {
                "id": cell,
                "socket": cell,
                "cpuset": [4 * cell, 4 * cell + 1],
                "pcpuset": [4 * cell + 2, 4 * cell + 3],
                "memory": 4096,
                "memory_usage": 1024 * cell,
                "cpu_usage": 3 * cell,
                "pinned_cpus": [4 * cell + 2] if cell else [],
                "siblings": [[4 * cell, 4 * cell + 1], [4 * cell + 2, 4 * cell + 3]],
                "mempages": [],
            },
        }
        for cell in range(2)
    ]
    return {
        "nova_object.name": "NUMATopology",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.2",
        "nova_object.data": {"cells": cells},
    }


def test_nova_s_cells_become_pnodes() -> None:
    host, _ = build_host(parse_nova(json.dumps(_nova()), "topology.json"), "h")
    assert host.total_pages.tolist() == [1 << 20, 1 << 20]
    assert host.free_pages.tolist() == [1 << 20, 3 << 18]
    assert pcpus_of(host, 1) == [4, 5, 6, 7]
    assert len(set(host.pcpu_core.tolist())) == 4
    (used,) = host.running
    assert used.vcpus_on.tolist() == [0, 2]
    assert used.dedicated_pcpus == (6,)


RESOURCE = """\
apiVersion: topology.node.k8s.io/v1alpha2
kind: NodeResourceTopology
metadata:
  name: worker-1
zones:
- name: node-1
  type: Node
  costs:
  - {name: node-0, value: 21}
  - {name: node-1, value: 10}
  resources:
  - {name: cpu, capacity: "4", allocatable: "4", available: "4"}
  - {name: memory, capacity: 8Gi, allocatable: 8Gi, available: 8Gi}
- name: node-0
  type: Node
  costs:
  - {name: node-0, value: 10}
  - {name: node-1, value: 20}
  resources:
  - {name: cpu, capacity: "4", allocatable: 3500m, available: "1"}
  - {name: memory, capacity: 8Gi, allocatable: "8000000Ki", available: 4Gi}
  - {name: hugepages-2Mi, capacity: "0", allocatable: "0", available: "0"}
"""


def test_zones_become_pnodes() -> None:
    (parts,) = parse_node_resource_topology(RESOURCE, "nrt.yaml")
    host, warnings = build_host(parts, "h")
    assert host.name == "worker-1"
    assert host.total_pages.tolist() == [2000000, 1 << 21]
    assert host.free_pages.tolist() == [1 << 20, 1 << 21]
    assert host.distances.tolist() == [[10, 20], [21, 10]]
    assert [len(pcpus_of(host, pnode)) for pnode in range(2)] == [3, 4]
    assert host.running[0].vcpus_on.tolist() == [2, 0]
    assert any("how many cpus" in str(warning) for warning in warnings)


def test_a_list_of_resources_is_several_hosts() -> None:
    indented = "".join(f"  {line}\n" for line in RESOURCE.splitlines())
    item = "- " + indented[2:]
    text = f"apiVersion: v1\nkind: List\nitems:\n{item}{item.replace('worker-1', 'worker-2')}"
    assert sniff_host(text) == "node-resource-topology"
    hosts = parse_node_resource_topology(text, "nrt.yaml")
    assert [parts.name for parts in hosts] == ["worker-1", "worker-2"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("value: 21", "value: many", "nrt.yaml:9: zones[0].costs[0].value"),
        ("8000000Ki", "8 GB", "nrt.yaml:21: zones[1].resources[1].allocatable"),
        ("name: node-1\n", "name: somewhere\n", "nrt.yaml:6: zones[0].name"),
        ("kind: Node", "kind: &a Node", "nrt.yaml:2: kind"),
        ("- name: node-0", "- name: *a", "nrt.yaml:14: YAML: found an alias"),
        ("name: worker-1", "name: !!python/object:os.system x", "nrt.yaml:4: YAML"),
    ],
)
def test_faults_of_yaml_name_line_and_field(old: str, new: str, place: str) -> None:
    text = RESOURCE.replace(old, new, 1)
    assert text != RESOURCE
    if "&a" in new:
        assert parse_node_resource_topology(text, "nrt.yaml")
        return
    with pytest.raises(InputError) as caught:
        parse_node_resource_topology(text, "nrt.yaml")
    assert str(caught.value).startswith(place)


def test_every_capture_is_of_the_format_that_it_looks_like() -> None:
    kinds = {
        "numactl-hardware.txt": "numactl",
        "lscpu.json": "lscpu-json",
        "debug-u.txt": "xen-keys",
        "info-n.txt": "xl-info",
        "info-n-after.txt": "xl-info",
        "list-n.txt": "xl-list",
        "vcpu-list.txt": "xl-vcpu-list",
        "virsh-test-freecell-all.txt": "freecell",
    }
    seen = set()
    for path in sorted(CAPTURES.rglob("*.*")):
        if path.suffix in (".txt", ".xml", ".json", ".cfg"):
            kind = sniff_host(path.read_text())
            seen.add(kind)
            if path.name in kinds:
                assert kind == kinds[path.name], path
            if path.parent.name == "capabilities":
                assert kind == "libvirt"
            if path.parent.name in ("domain", "xl"):
                assert kind is None, path
    assert seen >= set(kinds.values()) | {"hwloc", "libvirt"}
    assert set(HOST_FORMATS) >= seen - {None}
