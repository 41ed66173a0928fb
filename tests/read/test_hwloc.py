from __future__ import annotations

from pathlib import Path

import pytest

from placer.errors import InputError
from placer.read.host_parts import HostParts
from placer.read.hwloc import parse_hwloc
from tests.read.captures import CAPTURES, host_of, pcpus_of, view_of

XML = sorted((CAPTURES / "hwloc").glob("*.xml"))
XML_3 = sorted((CAPTURES / "hwloc-v3").glob("*.xml"))


def _parts(path: Path) -> HostParts:
    return parse_hwloc(path.read_text(), path.name)


@pytest.mark.parametrize("path", XML, ids=lambda path: path.stem)
def test_nodes_memory_and_pcpus_are_those_that_hwloc_reads(path: Path) -> None:
    view, parts = view_of(path), _parts(path)
    assert sorted(parts.nodes) == [node["node"] for node in view["nodes"]]
    for node in view["nodes"]:
        assert parts.nodes[node["node"]].total_bytes == node["mem_bytes"]
    # A pcpu may be local to several nodes for hwloc; here it is one of those.
    local: dict[int, set[int]] = {cpu: set() for cpu in view["pus"]}
    for node in view["nodes"]:
        for cpu in node["cpus"]:
            local[cpu].add(node["node"])
    assert {cpu for cpu, nodes in local.items() if nodes} == set(parts.pcpus)
    for cpu, pcpu in parts.pcpus.items():
        assert pcpu.node == min(local[cpu])


@pytest.mark.parametrize("path", XML, ids=lambda path: path.stem)
def test_distances_are_those_that_hwloc_reads(path: Path) -> None:
    view, parts = view_of(path), _parts(path)
    among = view.get("distances_among") or []
    read = [[parts.distances[a, b] for b in among] for a in among]
    assert read == (view["distances"] or [])


@pytest.mark.parametrize("path", [*XML, *XML_3], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_captured_machine_becomes_a_host(path: Path) -> None:
    host = host_of(path)
    assert host.num_pcpus > 0
    assert host.total_pages.sum() > 0


def test_format_3_says_what_format_2_says_of_the_same_machine() -> None:
    for name in ("16amd64-4distances", "192em64t-24n8c2t", "power8gpudistances"):
        assert host_of(CAPTURES / "hwloc" / f"{name}.xml") == host_of(
            CAPTURES / "hwloc-v3" / f"{name}.xml"
        )


def test_format_1_says_what_format_2_says_of_the_same_machine() -> None:
    stem = "28intel64-2p2g7c-CoDgroups"
    old, new = (host_of(CAPTURES / "hwloc" / f"{stem}.{kind}.xml") for kind in ("v1", "v1tov2"))
    assert old == new


def test_the_siblings_of_a_core_are_found() -> None:
    host = host_of(CAPTURES / "hwloc" / "192em64t-24n8c2t.xml")
    first = host.pcpu_core[host.pcpu_ids == 0]
    assert host.pcpu_ids[host.pcpu_core == first].tolist() == [0, 192]
    assert pcpus_of(host, 1) == [*range(8, 16), *range(200, 208)]


def test_high_bandwidth_memory_is_a_pnode_without_pcpus() -> None:
    host = host_of(CAPTURES / "hwloc" / "64intel64-fakeKNL-SNC4-hybrid.xml")
    assert [len(pcpus_of(host, pnode)) for pnode in range(8)] == [16] * 4 + [0] * 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('os_index="1" cpuset="0x0000000c"', 'os_index="one" cpuset="0x0000000c"', "os_index"),
        ('local_memory="8589934592"', 'local_memory="234MB"', "local_memory"),
        ('cpuset="0x0000000c"', 'cpuset="12;13"', "cpuset"),
        ("</topology>", "", "XML"),
        ("<u64values length", "<u64values>7</u64values><u64values length", "values"),
    ],
)
def test_damage_is_refused_in_one_line_with_its_place(old: str, new: str, said: str) -> None:
    text = (CAPTURES / "hwloc" / "16amd64-8n2c-cpusets.xml").read_text()
    assert old in text
    with pytest.raises(InputError) as caught:
        parse_hwloc(text.replace(old, new), "it.xml")
    (fault,) = caught.value.faults
    assert said in fault.field
    assert fault.line is not None or said == "XML"
