"""OpenStack flavors, as the API and its command line give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.read.openstack_flavor import read_flavors_csv, read_flavors_json

PATH = Path("flavors")
SPECS = {
    "hw:numa_nodes": "2",
    "hw:numa_cpus.0": "0-2,5",
    "hw:numa_cpus.1": "3,4",
    "hw:numa_mem.0": "3072",
    "hw:numa_mem.1": "1024",
    "hw:cpu_policy": "dedicated",
    "hw:cpu_thread_policy": "isolate",
    "hw:mem_page_size": "1GB",
    "hw_rng:allowed": "True",
}
TABLE = """\
"ID","Name","RAM","Disk","Ephemeral","VCPUs","Is Public","Swap","RXTX Factor","Properties"
"1","m1.tiny",512,1,0,1,True,0,1.0,""
"2","numa.two",4096,20,0,6,True,0,1.0,"hw:numa_nodes='2', hw:cpu_policy='shared'"
"""


def flavor(**fields: Any) -> dict[str, Any]:
    return {"name": "numa.two", "ram": 4096, "vcpus": 6, "extra_specs": SPECS, **fields}


def specs(**changes: str) -> dict[str, Any]:
    return flavor(extra_specs={**SPECS, **{f"hw:{key}": value for key, value in changes.items()}})


def read(data: Any) -> list[Domain]:
    return read_flavors_json(json.dumps(data), PATH)


def assert_numa_two(domain: Domain) -> None:
    assert (domain.name, domain.num_vcpus) == ("numa.two", 6)
    assert domain.vnode_pages.tolist() == [3072 << 8, 1024 << 8]
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == [0, 0, 0, 1, 1, 0]
    assert (domain.dedicated, domain.thread_policy) == (True, "isolate")
    assert domain.page_order.tolist() == [18, 18]
    assert domain.vnode_pnode.tolist() == [-1, -1]


def test_a_flavor_s_extra_specs_make_its_vnodes() -> None:
    (domain,) = read(flavor())
    assert_numa_two(domain)


@pytest.mark.parametrize("wrap", [{"flavor": flavor()}, {"flavors": [flavor()]}, [flavor()]])
def test_every_answer_of_the_api_is_understood(wrap: Any) -> None:
    (domain,) = read(wrap)
    assert_numa_two(domain)


def test_what_the_command_line_prints_is_understood() -> None:
    told = {"ID": "1", "Name": "numa.two", "RAM": 4096, "VCPUs": 6, "Properties": SPECS}
    assert_numa_two(read([told])[0])
    told["Properties"] = ", ".join(f"{key}='{value}'" for key, value in SPECS.items())
    assert_numa_two(read([told])[0])


def test_a_table_of_flavors_is_understood() -> None:
    tiny, two = read_flavors_csv(TABLE, PATH)
    assert (tiny.name, tiny.vnode_pages.tolist(), tiny.num_vcpus) == ("m1.tiny", [512 << 8], 1)
    assert two.vnode_pages.tolist() == [2048 << 8] * 2
    assert two.vcpu_to_vnode is not None
    assert two.vcpu_to_vnode.tolist() == [0, 0, 0, 1, 1, 1]
    assert not two.dedicated


@pytest.mark.parametrize(
    ("said", "order"),
    [("small", 0), ("any", 0), ("large", 9), ("2048", 9), ("2MB", 9), ("1048576", 18), ("4KB", 0)],
)
def test_page_sizes_are_those_of_nova(said: str, order: int) -> None:
    (domain,) = read(specs(mem_page_size=said))
    assert domain.page_order.tolist() == [order, order]


def test_what_places_a_guest_and_is_not_understood_is_said() -> None:
    warnings: list[Fault] = []
    text = json.dumps(specs(numa_mempolicy="strict"))
    read_flavors_json(text, PATH, warnings=warnings)
    assert [str(one) for one in warnings] == [
        "flavors: hw:numa_mempolicy: found 'strict', expected it is passed over"
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([], "flavors: flavor: found none"),
        ({"nodes": 2}, "flavors: flavor: found neither ram nor vcpus, expected a flavor"),
        ([7], "flavors: [0].flavor: found 7, expected an object"),
        (flavor(ram="4 GB"), "flavors: ram: found '4 GB', expected a whole number"),
        (flavor(ram=None), "flavors: ram: found None"),
        (flavor(vcpus=True), "flavors: vcpus: found True"),
        ({"name": "x", "ram": 512}, "flavors: vcpus: found nothing"),
        (flavor(name=""), "flavors: name: found ''"),
        (flavor(extra_specs=[1]), "flavors: extra_specs: found [1], expected an object"),
        (flavor(extra_specs={"hw:numa_nodes": [2]}), "flavors: hw:numa_nodes: found [2]"),
        (flavor(extra_specs={"hw:numa_nodes": "4"}), "flavors: vcpus: found 6, expected as much"),
        (specs(cpu_policy="mixed"), "flavors: hw:cpu_policy: found 'mixed'"),
        (specs(cpu_policy="shared"), "flavors: hw:cpu_thread_policy: found 'isolate'"),
        (specs(mem_page_size="3MB"), "flavors: hw:mem_page_size: found '3MB'"),
        (specs(numa_nodes="3"), "flavors: hw:numa_cpus.2: found nothing"),
        (specs(**{"numa_mem.1": "512"}), "flavors: hw:numa_mem: found 3584 MiB in all"),
        (specs(**{"numa_cpus.1": "3"}), "flavors: hw:numa_cpus: found vcpu 4 in no node"),
        (specs(**{"numa_cpus.1": "3-5"}), "flavors: hw:numa_cpus: found vcpu 5 in vnode 0 and"),
        (specs(**{"numa_cpus.1": "3,9"}), "flavors: hw:numa_cpus: found vcpu 9, expected"),
        (specs(**{"numa_cpus.1": "many"}), "flavors: hw:numa_cpus.1: found 'many' is not"),
    ],
)
def test_a_fault_names_the_file_and_the_key(data: Any, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read(data)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("4096", "lots", "flavors:3: ram: found 'lots'"),
        ("'2'", "'4'", "flavors:3: vcpus: found 6, expected as much in each of 4"),
        (",20,", ",", "flavors:3: row: found 9 cells, expected 10"),
        ("hw:cpu_policy='shared'", "nonsense", "flavors:3: properties: found"),
        ('"numa.two"', '"', "flavors:3: CSV: found"),
    ],
)
def test_a_fault_in_a_table_names_the_line(old: str, new: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read_flavors_csv(TABLE.replace(old, new), PATH)
    assert str(caught.value).startswith(told)
