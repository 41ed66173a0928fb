"""A guest's boot messages: the posting's own lines, and guests of other shapes."""

from __future__ import annotations

import pytest

from placer.errors import RefusedError
from placer.export import Rendered, render
from placer.run import Run
from tests.builders import make_domain, make_host
from tests.export.runs import make_run, put, put_on_heatpipe

MIB = 256

# The lines of the posting's two extracts that follow from the topology, in its order.
RCBIG_POSTED = """\
Movable zone start for each node
Early memory node ranges
node 0: [mem 0x00001000-0x0009ffff]
node 0: [mem 0x00100000-0xffffffff]
node 1: [mem 0x100000000-0x1ffffffff]
node 2: [mem 0x200000000-0x2ffffffff]
node 3: [mem 0x300000000-0x3ffffffff]
On node 0 totalpages: 1048479
DMA zone: 56 pages used for memmap
DMA zone: 3999 pages, LIFO batch:0
DMA32 zone: 14280 pages used for memmap
DMA32 zone: 1044480 pages, LIFO batch:31
On node 1 totalpages: 1048576
Normal zone: 14336 pages used for memmap
Normal zone: 1048576 pages, LIFO batch:31
On node 2 totalpages: 1048576
Normal zone: 14336 pages used for memmap
Normal zone: 1048576 pages, LIFO batch:31
On node 3 totalpages: 1048576
Normal zone: 14336 pages used for memmap
Normal zone: 1048576 pages, LIFO batch:31
smpboot: Allowing 4 CPUs, 0 hotplug CPUs
PM: Registered nosave memory: [mem 0x000a0000-0x000fffff]
e820: cannot find a gap in the 32bit address range
e820: PCI devices with unassigned 32bit BARs may break!
e820: [mem 0x400100000-0x4004fffff] available for PCI devices
setup_percpu: NR_CPUS:512 nr_cpumask_bits:512 nr_cpu_ids:4 nr_node_ids:4
PERCPU: Embedded 28 pages/cpu s85376 r8192 d21120 u2097152
pcpu-alloc: s85376 r8192 d21120 u2097152 alloc=1*2097152
pcpu-alloc: [0] 0 [1] 1 [2] 2 [3] 3
"""
RC9_POSTED = """\
NUMA: Initialized distance table, cnt=2
Initmem setup node 0 [mem 0x00000000-0x7fffffff]
Initmem setup node 1 [mem 0x80000000-0xffffffff]
Zone ranges:
DMA [mem 0x00001000-0x00ffffff]
DMA32 [mem 0x01000000-0xffffffff]
Normal empty
Movable zone start for each node
Early memory node ranges
node 0: [mem 0x00001000-0x0009ffff]
node 0: [mem 0x00100000-0x7fffffff]
node 1: [mem 0x80000000-0xffffffff]
On node 0 totalpages: 524191
DMA zone: 56 pages used for memmap
DMA zone: 3999 pages, LIFO batch:0
DMA32 zone: 7112 pages used for memmap
DMA32 zone: 520192 pages, LIFO batch:31
On node 1 totalpages: 524288
DMA32 zone: 7168 pages used for memmap
DMA32 zone: 524288 pages, LIFO batch:31
smpboot: Allowing 4 CPUs, 0 hotplug CPUs
PM: Registered nosave memory: [mem 0x000a0000-0x000fffff]
e820: cannot find a gap in the 32bit address range
e820: PCI devices with unassigned 32bit BARs may break!
e820: [mem 0x100100000-0x1004fffff] available for PCI devices
setup_percpu: NR_CPUS:512 nr_cpumask_bits:512 nr_cpu_ids:4 nr_node_ids:2
PERCPU: Embedded 28 pages/cpu s85376 r8192 d21120 u1048576
pcpu-alloc: s85376 r8192 d21120 u1048576 alloc=1*2097152
pcpu-alloc: [0] 0 2 [1] 1 3
"""


def export(run: Run, name: str = "vm") -> Rendered:
    return render(run, name, "dmesg")


def messages(run: Run, name: str = "vm") -> list[str]:
    """The lines without Linux's time and leading blanks, which mail took from the posting."""
    lines = export(run, name).text.splitlines()
    assert all(line.startswith("[    0.000000] ") for line in lines)
    return [" ".join(line.removeprefix("[    0.000000] ").split()) for line in lines]


def test_rcbig_s_messages_end_with_the_posted_ones(rcbig: Run) -> None:
    posted = RCBIG_POSTED.splitlines()
    assert messages(rcbig, "rcbig")[-len(posted) :] == posted


def test_rc9_s_messages_are_the_posted_ones(rc9: Run) -> None:
    assert messages(rc9, "rc9") == RC9_POSTED.splitlines()


def test_lines_are_laid_out_as_linux_prints_them(rc9: Run) -> None:
    lines = export(rc9, "rc9").text.splitlines()
    for line in (
        "[    0.000000]   DMA      [mem 0x00001000-0x00ffffff]",
        "[    0.000000]   Normal   empty",
        "[    0.000000]   node   1: [mem 0x80000000-0xffffffff]",
        "[    0.000000]   DMA zone: 3999 pages, LIFO batch:0",
        "[    0.000000] pcpu-alloc: [0] 0 2 [1] 1 3 ",
    ):
        assert line in lines


def test_a_small_pv_guest_says_nothing_of_a_pci_gap() -> None:
    run = put_on_heatpipe(make_domain([512 * MIB] * 2, 2), [0, 1], [0, 1])
    assert not [line for line in messages(run) if line.startswith("e820")]


def test_one_vnode_says_nothing_of_a_distance_table() -> None:
    domain = make_domain([512 * MIB], 4)
    placed = put(domain, [0], [0, 0, 0, 0], num_pnodes=1, host="uma")
    lines = messages(make_run(make_host([1 << 20], name="uma"), [domain], [placed]))
    assert lines[0] == "Initmem setup node 0 [mem 0x00000000-0x1fffffff]"
    assert lines[-4].endswith("nr_cpu_ids:4 nr_node_ids:1")
    assert lines[-1] == "pcpu-alloc: [0] 0 1 2 3"


def test_a_vnode_without_memory_has_no_pages() -> None:
    run = put_on_heatpipe(make_domain([512 * MIB, 0, 512 * MIB], 3), [0, 0, 1], [0, 1, 2])
    lines = messages(run)
    assert not [line for line in lines if "node 1" in line]
    assert lines[0] == "NUMA: Initialized distance table, cnt=3"


def test_a_pv_guest_with_more_vnodes_than_vcpus_sees_one_node() -> None:
    rendered = export(put_on_heatpipe(make_domain([512 * MIB] * 2, 1), [0, 1], [0]))
    assert "Initmem setup node 0 [mem 0x00000000-0x3fffffff]" in rendered.text
    assert "node 1" not in rendered.text
    assert "distance table" not in rendered.text
    assert "one node for all" in rendered.warnings[-1]


def test_units_without_a_cpu_are_dashes_and_long_maps_are_broken() -> None:
    num_vcpus = 22
    vcpu_to_vnode = [v % 2 for v in range(num_vcpus)]
    run = put_on_heatpipe(make_domain([512 * MIB] * 2, num_vcpus), [0, 1], vcpu_to_vnode)
    lines = [line for line in messages(run) if line.startswith("pcpu-alloc: [")]
    assert lines == [
        "pcpu-alloc: [0] 00 02 04 06 [0] 08 10 12 14",
        "pcpu-alloc: [0] 16 18 20 -- [1] 01 03 05 07",
        "pcpu-alloc: [1] 09 11 13 15 [1] 17 19 21 --",
    ]


def crossed(domain_type: str) -> Run:
    """A guest as one was booted with Linux 6.1: vcpus 0 and 2 in vnode 1."""
    domain = make_domain(
        [512 * MIB, 512 * MIB], 4, type=domain_type, distances=[[10, 40], [31, 10]]
    )
    return put_on_heatpipe(domain, [0, 1], [1, 0, 1, 0])


def test_a_pvh_guest_s_srat_names_nodes_in_linux_s_order() -> None:
    assert messages(crossed("pvh")) == [
        "SRAT: PXM 1 -> APIC 0x00 -> Node 0",
        "SRAT: PXM 0 -> APIC 0x02 -> Node 1",
        "SRAT: PXM 1 -> APIC 0x04 -> Node 0",
        "SRAT: PXM 0 -> APIC 0x06 -> Node 1",
        "ACPI: SRAT: Node 1 PXM 0 [mem 0x00000000-0x1fffffff]",
        "ACPI: SRAT: Node 0 PXM 1 [mem 0x20000000-0x3fffffff]",
        "NUMA: Initialized distance table, cnt=2",
        "setup_percpu: nr_cpu_ids:4 nr_node_ids:2",
    ]


def test_an_hvm_guest_s_srat_leaves_out_the_video_memory() -> None:
    assert "ACPI: SRAT: Node 1 PXM 0 [mem 0x00000000-0x1f7fffff]" in messages(crossed("hvm"))


def test_a_slit_that_linux_drops_makes_no_distance_table() -> None:
    domain = make_domain([512 * MIB] * 2, 2, type="hvm", distances=[[10, 10], [10, 10]])
    rendered = export(put_on_heatpipe(domain, [0, 0], [0, 1]))
    assert "distance table" not in rendered.text
    assert any("drops a SLIT" in warning for warning in rendered.warnings)


@pytest.mark.parametrize(("domain_type", "most"), [("pv", 512), ("hvm", 128), ("pvh", 128)])
def test_more_vcpus_than_the_guest_takes_are_refused(domain_type: str, most: int) -> None:
    domain = make_domain([512 * MIB], most + 1, type=domain_type)
    with pytest.raises(RefusedError, match=f"takes {most} in a {domain_type} guest"):
        export(put_on_heatpipe(domain, [0], [0] * (most + 1)))
    fewer = make_domain([512 * MIB], most, type=domain_type)
    assert f"nr_cpu_ids:{most}" in export(put_on_heatpipe(fewer, [0], [0] * most)).text
