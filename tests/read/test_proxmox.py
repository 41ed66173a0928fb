"""Configurations of Proxmox guests, as qm.conf(5) describes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.read.proxmox import is_proxmox, parse_proxmox
from placer.read.sources import read_domains

GUEST = """\
# a guest with two nodes
name: web-1
sockets: 2
cores: 4
memory: 8192
numa: 1
numa0: cpus=0-3,hostnodes=1,memory=6144,policy=bind
numa1: cpus=4;5-7,hostnodes=0;2-3,memory=2048,policy=interleave
affinity: 0-15
hugepages: 2
scsi0: local-lvm:vm-100-disk-0,size=32G
net0: virtio=AA:BB:CC:00:11:22,bridge=vmbr0

[before-upgrade]
memory: 512
numa: 0
"""


def parsed(text: str, **options: bool) -> Domain:
    return parse_proxmox(text, Path("etc/100.conf"), **options)


def warned(text: str) -> list[str]:
    warnings: list[Fault] = []
    parse_proxmox(text, Path("100.conf"), warnings=warnings)
    return [str(warning) for warning in warnings]


def test_a_guest_with_nodes_has_their_memory_vcpus_and_host_nodes() -> None:
    domain = parsed(GUEST)
    assert (domain.name, domain.type, domain.num_vcpus) == ("web-1", "hvm", 8)
    assert domain.vnode_pages.tolist() == [6144 << 8, 2048 << 8]
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == [0] * 4 + [1] * 4
    assert domain.vnode_pnode.tolist() == [1, -1]
    assert [memory.policy for memory in domain.memory] == ["strict", "interleave"]
    assert domain.memory[1].interleave_pnodes == (0, 2, 3)
    assert domain.page_order.tolist() == [9, 9]
    assert [mask and mask.text for mask in domain.hard_affinity] == ["0-15"] * 8


def test_what_ties_it_to_nodes_can_be_left_out() -> None:
    domain = parsed(GUEST, ignore_pnodes=True)
    assert domain.vnode_pnode.tolist() == [-1, -1]
    assert domain.memory[1].interleave_width == 3


def test_without_numa_the_guest_is_one_vnode_named_for_its_file() -> None:
    domain = parsed("cores: 2\nmemory: 1024\nnuma0: cpus=0,memory=512\n")
    assert (domain.name, domain.num_vcpus) == ("100", 2)
    assert domain.vnode_pages.tolist() == [1024 << 8]


def test_what_is_left_out_has_the_defaults_of_qm() -> None:
    domain = parsed("ostype: l26\n")
    assert (domain.num_vcpus, domain.memory_pages) == (1, 512 << 8)


def test_numa_without_nodes_makes_one_of_each_socket() -> None:
    domain = parsed("sockets: 2\ncores: 3\nmemory: 2048\nnuma: 1\n")
    assert domain.vnode_pages.tolist() == [1024 << 8] * 2
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == [0, 0, 0, 1, 1, 1]


def test_memory_may_be_written_as_its_current_value() -> None:
    assert parsed("memory: current=2048\n").memory_pages == 2048 << 8


def test_vcpus_that_are_plugged_in_later_are_placed() -> None:
    domain = parsed("cores: 8\nvcpus: 2\nmemory: 1024\n")
    assert (domain.num_vcpus, domain.extra) == (8, (("vcpus", 2),))


def test_memory_bound_to_several_nodes_is_one_of_placer_s_choice_and_that_is_said() -> None:
    text = "memory: 512\nnuma: 1\nnuma0: cpus=0,hostnodes=0-1,memory=512,policy=bind\n"
    assert parsed(text).vnode_pnode.tolist() == [-1]
    assert "100.conf:3: numa0: found 2 nodes, policy bind, expected one node" in warned(text)[0]


NODE = "numa: 1\nmemory: 512\nnuma0: "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cores 2\n", ":1: line: found 'cores 2', expected key: value"),
        ("cores: two\n", ":1: cores: found 'two', expected a whole number, 1 to"),
        ("cores: 0\n", ":1: cores: found '0'"),
        ("sockets: 4096\ncores: 4096\n", ":2: cores: found 16777216 vcpus"),
        ("memory: -5\n", ":1: memory: found '-5'"),
        ("numa: maybe\n", ":1: numa: found 'maybe', expected one of 1, on"),
        ("hugepages: 4\n", ":1: hugepages: found '4', expected one of 2, 1024, any"),
        ("affinity: 0-x\n", ":1: affinity: found '0-x' is not a number"),
        ("name:\nmemory: 512\n", ":1: name: found ''"),
        ("numa: 1\nsockets: 3\nmemory: 512\n", ":3: memory: found 512 MiB"),
        (NODE + "cpus=0,memory=256\n", ":2: memory: found 512 MiB, expected 256, the sum"),
        (NODE + "cpus=0\n", ":3: numa0: found no memory"),
        (NODE + "memory=512\n", ":3: numa0: found no cpus"),
        (NODE + "cpus=1,memory=512\n", ":3: numa0: found vcpu 1, expected vcpus 0 to 0"),
        (NODE + "cpus=0,memory=1.5\n", ":3: numa0: found memory=1.5, expected whole MiB"),
        (NODE + "cpus=0,memory=512,hostnodes=0\n", ":3: numa0: found hostnodes without policy"),
        (NODE + "cpus=0,memory=512,hugs=0\n", ":3: numa0: found 'hugs', expected one of cpus"),
        ("cores: 2\n" + NODE + "cpus=0,memory=512\n", ":4: numa0: found 1 vcpus in no node"),
        (
            "numa: 1\nmemory: 512\nnuma1: cpus=0,memory=512\n",
            ":3: numa1: found numa1, expected numa0",
        ),
    ],
)
def test_a_fault_names_file_line_and_key(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert str(caught.value).startswith("etc/100.conf" + told)


def test_a_file_is_known_by_its_keys_and_not_by_its_name(tmp_path: Path) -> None:
    assert is_proxmox(GUEST)
    assert not is_proxmox('name = "vm"\nmemory = 512\n')
    (tmp_path / "100.conf").write_text(GUEST)
    (tmp_path / "xen.conf").write_text('name = "vm"\nmemory = 512\n')
    names = [domain.name for domain in read_domains([str(tmp_path)]).domains]
    assert names == ["web-1", "vm"]
