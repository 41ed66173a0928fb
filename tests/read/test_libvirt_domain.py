"""Domain XML of libvirt, held against what libvirt itself made of the same files."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.read.libvirt_domain import parse_libvirt_domain
from placer.read.sources import read_domains
from placer.read.xl_cfg import parse_config
from placer.read.xl_domain import domain_from_config
from placer.units import PAGE_BYTES
from tests.read.captures import CAPTURES

DOMAIN = CAPTURES / "libvirt" / "domain"
XL = CAPTURES / "libvirt" / "xl"
ARGUMENTS = sorted(DOMAIN.glob("*.args"))


def read(path: Path) -> tuple[Domain, list[Fault]]:
    found = read_domains([str(path)])
    (domain,) = found.domains
    return domain, found.warnings


def written(
    *, vcpu: str = "<vcpu>4</vcpu>", cells: str = "", more: str = "", head: str = "type='kvm'"
) -> str:
    cpu = f"<cpu><numa>{cells}</numa></cpu>" if cells else ""
    return (
        f"<domain {head}>\n<name>vm</name>\n<memory unit='GiB'>4</memory>\n{vcpu}\n"
        f"<os><type>hvm</type></os>\n{cpu}\n{more}\n</domain>\n"
    )


TWO = (
    "<cell id='0' cpus='0-1' memory='2' unit='GiB'/>\n"
    "<cell id='1' cpus='2-3' memory='2' unit='GiB'/>"
)


def parsed(text: str, **options: Any) -> Domain:
    return parse_libvirt_domain(text, "vm.xml", **options)


def warned(text: str) -> list[str]:
    warnings: list[Fault] = []
    parse_libvirt_domain(text, "vm.xml", warnings=warnings)
    return [str(warning) for warning in warnings]


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parsed(text)
    return str(caught.value)


# -- what libvirt hands to QEMU for these files ----------------------------------------------


def options_of(text: str) -> list[tuple[str, str]]:
    """Return (key, value) of ``a=1,b=2``; what has no sign is the value of an empty key."""
    return [
        (k, v) if sign else ("", k) for k, sign, v in (o.partition("=") for o in text.split(","))
    ]


def expand(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


class Told:
    """The NUMA topology of QEMU's arguments."""

    def __init__(self, path: Path) -> None:
        words = shlex.split(path.read_text(encoding="utf-8").replace("\\\n", " "))
        pairs = list(pairwise(words))
        self.memory_mib = next(int(value) for key, value in pairs if key == "-m")
        backends = {}
        for key, value in pairs:
            if key == "-object" and value.startswith("{"):
                one = {"size": 0, **json.loads(value)}
                backends[one["id"]] = (one["size"], one.get("policy"), one.get("host-nodes"))
            elif key == "-object" and value.startswith("memory-backend"):
                given = dict(options_of(value))
                nodes = [n for k, v in options_of(value) if k == "host-nodes" for n in expand(v)]
                backends[given["id"]] = (int(given["size"]), given.get("policy"), nodes or None)
        self.size: dict[int, int] = {}
        self.vcpus: dict[int, list[int]] = {}
        self.tied: dict[int, tuple[Any, Any]] = {}
        self.distances: dict[tuple[int, int], int] = {}
        for value in (value for key, value in pairs if key == "-numa"):
            given = dict(options_of(value))
            if value.startswith("node,"):
                node = int(given["nodeid"])
                self.vcpus[node] = [
                    vcpu
                    for key, text in options_of(value)
                    if key == "cpus"
                    for vcpu in expand(text)
                ]
                size, *tied = backends.get(given.get("memdev", ""), (0, None, None))
                self.tied[node] = (tied[0], tied[1])
                self.size[node] = size or int(given["mem"]) << 20
            elif value.startswith("dist,"):
                self.distances[int(given["src"]), int(given["dst"])] = int(given["val"])


def source_of(arguments: Path) -> Path:
    name = arguments.name.partition(".")[0]
    return arguments.with_name(f"{name}.xml")


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda path: path.stem)
def test_a_guest_has_the_nodes_that_libvirt_gives_it_under_qemu(arguments: Path) -> None:
    domain, _ = read(source_of(arguments))
    told = Told(arguments)
    assert domain.memory_pages * PAGE_BYTES == told.memory_mib << 20
    assert domain.vcpu_to_vnode is not None
    if not told.size:
        assert domain.num_vnodes == 1
        return
    assert (domain.vnode_pages * PAGE_BYTES).tolist() == [told.size[n] for n in sorted(told.size)]
    for node, vcpus in told.vcpus.items():
        assert [v for v, on in enumerate(domain.vcpu_to_vnode.tolist()) if on == node] == vcpus
    for (src, dst), value in told.distances.items():
        assert domain.distances[src, dst] == value
    for node, (policy, nodes) in told.tied.items():
        one = nodes[0] if nodes is not None and len(nodes) == 1 else -1
        assert domain.vnode_pnode[node] == one
        assert (domain.memory[node].policy == "preferred") == (policy == "preferred")


def test_there_are_arguments_to_compare_with() -> None:
    assert len(ARGUMENTS) >= 7


@pytest.mark.parametrize("config", sorted(XL.glob("*.cfg")), ids=lambda path: path.stem)
def test_a_guest_of_xen_is_the_one_of_the_configuration_that_libvirt_made_it_from(
    config: Path,
) -> None:
    ours, _ = read(config.with_suffix(".xml"))
    # One of them says less memory than its vnodes have, which xl refuses and libvirt overrides.
    text = config.read_text().replace("= 8192", f"= {ours.memory_pages >> 8}")
    xl, _ = domain_from_config(parse_config(text), ignore_pnodes=True)
    for name in ("name", "type", "num_vcpus"):
        assert getattr(ours, name) == getattr(xl, name)
    for name in ("vnode_pages", "vcpu_to_vnode", "distances"):
        assert getattr(ours, name).tolist() == getattr(xl, name).tolist()


def test_a_guest_of_xen_has_the_vnodes_that_libvirt_gives_libxl() -> None:
    domain, _ = read(XL / "vnuma-hvm.xml")
    told = json.loads((XL / "vnuma-hvm.json").read_text())["b_info"]["vnuma_nodes"]
    assert (domain.vnode_pages * (PAGE_BYTES >> 10)).tolist() == [one["memkb"] for one in told]
    assert domain.distances.tolist() == [one["distances"] for one in told]
    assert domain.vcpu_to_vnode is not None
    vcpus = [[v for v, on in enumerate(domain.vcpu_to_vnode) if on == n] for n in range(len(told))]
    assert vcpus == [one["vcpus"] for one in told]


def test_what_libvirt_refuses_is_refused_with_line_and_element() -> None:
    for name in ("cpu-numa3", "numatune-memnode-nocpu"):
        assert (DOMAIN / f"{name}.err").read_text().startswith("XML error")
    with pytest.raises(InputError, match=r"cpu-numa3\.xml:15: <cell> id: found 2, .*0 to 1 once"):
        read(DOMAIN / "cpu-numa3.xml")
    with pytest.raises(InputError, match=r"nocpu\.xml:9: <memnode> cellid: found 0, .*cells in"):
        read(DOMAIN / "numatune-memnode-nocpu.xml")


# -- one rule at a time ----------------------------------------------------------------------


def test_without_cells_the_guest_is_one_vnode() -> None:
    domain = parsed(written())
    assert domain.vnode_pages.tolist() == [1 << 20]
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == [0] * 4
    assert (domain.name, domain.type) == ("vm", "hvm")


@pytest.mark.parametrize(("text", "kind"), [("xen", "pv"), ("linux", "pv"), ("xenpvh", "pvh")])
def test_the_type_of_guest_is_xen_s(text: str, kind: str) -> None:
    assert parsed(written().replace(">hvm<", f">{text}<")).type == kind


def test_a_container_is_refused() -> None:
    assert "vm.xml:5: <type>: found 'exe'" in refused(written().replace(">hvm<", ">exe<"))


def test_vcpus_are_pinned_by_themselves_or_all_at_once() -> None:
    pins = "<cputune><vcpupin vcpu='1' cpuset='4-7,^5'/><vcpupin vcpu='9' cpuset='0'/></cputune>"
    vcpu = "<vcpu cpuset='0-3'>4</vcpu>"
    domain = parsed(written(vcpu=vcpu, more=pins))
    assert [mask and mask.text for mask in domain.hard_affinity] == ["0-3", "4-7,^5", "0-3", "0-3"]
    assert warned(written(vcpu=vcpu, more=pins)) == [
        "vm.xml:7: <vcpupin> vcpu: found 9, expected 0 to 3: libvirt drops this pin"
    ]


def test_vcpus_that_start_later_are_placed_and_kept() -> None:
    text = written(vcpu="<vcpu current='2'>4</vcpu>")
    assert parsed(text).num_vcpus == 4
    assert parsed(text).extra == (("vcpus", 2),)
    assert "expected 4, which may run and are placed" in warned(text)[0]


def test_memory_is_tied_as_numatune_says() -> None:
    more = (
        "<numatune><memory mode='strict' nodeset='1'/>"
        "<memnode cellid='1' mode='interleave' nodeset='0,2-3'/></numatune>"
    )
    domain = parsed(written(cells=TWO, more=more))
    assert domain.vnode_pnode.tolist() == [1, -1]
    assert [memory.policy for memory in domain.memory] == ["strict", "interleave"]
    assert domain.memory[1].interleave_pnodes == (0, 2, 3)
    loose = parsed(written(cells=TWO, more=more), ignore_pnodes=True)
    assert loose.vnode_pnode.tolist() == [-1, -1]
    assert loose.memory[1].interleave_width == 3


def test_strict_memory_over_several_nodes_is_one_of_placer_s_choice_and_that_is_said() -> None:
    more = "<numatune><memory mode='strict' nodeset='0-1'/></numatune>"
    domain = parsed(written(cells=TWO, more=more))
    assert domain.vnode_pnode.tolist() == [-1, -1]
    assert (
        "found 0-1, for vnodes 0-1, expected one node" in warned(written(cells=TWO, more=more))[0]
    )


def test_memory_that_libvirt_places_itself_is_not_tied() -> None:
    more = "<numatune><memory mode='strict' placement='auto'/></numatune>"
    assert parsed(written(cells=TWO, more=more)).vnode_pnode.tolist() == [-1, -1]


def test_huge_pages_are_those_of_each_vnode() -> None:
    def orders(pages: str) -> list[int]:
        more = f"<memoryBacking><hugepages>{pages}</hugepages></memoryBacking>"
        found: list[int] = parsed(written(cells=TWO, more=more)).page_order.tolist()
        return found

    one = "<page size='1' unit='GiB' nodeset='1'/>"
    assert orders(one) == [0, 18]
    assert orders(f"{one}<page size='2048'/>") == [9, 18]
    assert orders("") == [9, 9]


def test_vcpus_that_no_cell_names_are_in_the_first() -> None:
    cells = TWO.replace("'0-1'", "'0'")
    domain = parsed(written(cells=cells))
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == [0, 0, 1, 1]
    assert "1 vcpus in no cell" in warned(written(cells=cells))[0]


def test_a_distance_in_one_direction_holds_in_both() -> None:
    near = "<distances><sibling id='1' value='31'/></distances>"
    cells = TWO.replace("unit='GiB'/>", f"unit='GiB'>{near}</cell>", 1)
    assert parsed(written(cells=cells)).distances.tolist() == [[10, 31], [31, 10]]


def test_a_balloon_is_left_out_of_account_and_that_is_said() -> None:
    text = written(more="<currentMemory unit='GiB'>1</currentMemory>")
    assert parsed(text).memory_pages == 1 << 20
    assert "what a balloon leaves, expected room for all of its 4194304 KiB" in warned(text)[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<network/>", "vm.xml:1: <network>: found another document, expected <domain>"),
        ("<domain><name>vm</name></domain>", "vm.xml:1: <domain>: found no <memory>"),
        ("<domain", "vm.xml:1: XML"),
        (written(vcpu="<vcpu>0</vcpu>"), "vm.xml:4: <vcpu>: found 0"),
        (written(vcpu="<vcpu>99999</vcpu>"), "vm.xml:4: <vcpu>: found '99999'"),
        (written(cells=TWO.replace("2-3", "1-3")), "cpus: found vcpu 1 in vnode 0 and in 1"),
        (written(cells=TWO.replace("2-3", "2-4")), "cpus: found vcpu 4, expected vcpus 0 to 3"),
        (written(cells=TWO.replace("2-3", "x")), "cpus: found 'x' is not a number"),
        (written(cells=TWO.replace("memory='2'", "", 1)), "<cell> memory: found nothing"),
        (written(cells=TWO.replace("GiB", "flops")), "<cell> unit: found 'flops'"),
        (written(cells=TWO.replace("id='1'", "id='0'")), "<cell> id: found 0"),
        (
            written(more="<memoryBacking><hugepages><page size='7'/></hugepages></memoryBacking>"),
            "<page> size: found 7168 bytes",
        ),
        (
            written(more="<numatune><memory mode='odd' nodeset='0'/></numatune>"),
            "mode: found 'odd', expected one of strict",
        ),
        (
            written(more="<cputune><vcpupin vcpu='0' cpuset='0-99999'/></cputune>"),
            "cpuset: found 99999 is above",
        ),
        (written().replace(">vm<", "> <"), "vm.xml:2: name: found ''"),
        (
            '<!DOCTYPE domain [<!ENTITY a "b">]><domain><name>&a;</name></domain>',
            "entities or references",
        ),
    ],
)
def test_a_fault_names_file_line_and_field(text: str, told: str) -> None:
    message = refused(text)
    assert told in message
    assert message.startswith("vm.xml:")
