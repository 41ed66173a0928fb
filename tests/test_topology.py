"""Address ranges, the guest's view, and the figures of the posting's boot messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.domain import Domain
from placer.topology import (
    GuestKernel,
    GuestView,
    PerCpu,
    Topology,
    batch_pages,
    configured_view,
    distance_warnings,
    early_ranges,
    guest_view,
    initmem_ranges,
    memmap_pages,
    pci_gap,
    per_cpu,
    topology_of,
    total_pages,
    video_bytes,
    vmemranges,
    zone_ranges,
    zones,
)
from tests.builders import make_domain, make_host, make_problem
from tests.export.runs import put, rc9_run, rcbig_run

MIB = 256
BYTES = 1 << 20
KERNEL = GuestKernel()


def ranges(domain: Domain) -> list[tuple[int, ...]]:
    return [tuple(row) for row in vmemranges(domain).tolist()]


def guest(pages: list[int], vcpu_to_vnode: list[int], **fields: Any) -> Topology:
    """The topology of a domain on the first pnodes of a roomy host."""
    domain = make_domain(pages, len(vcpu_to_vnode), **fields)
    home = [vnode % 2 for vnode in range(len(pages))]
    problem = make_problem(make_host([1 << 30, 1 << 30]), domain)
    return topology_of(problem, put(domain, home, vcpu_to_vnode, host="host"))


def posted(name: str) -> Topology:
    run = {"rcbig": rcbig_run, "rc9": rc9_run}[name]()
    return topology_of(run.problem, run.placed[0])


# Ranges


def test_a_pv_guest_s_vnodes_lie_side_by_side_from_0() -> None:
    assert posted("rcbig").ranges.tolist() == [
        [0, 0, 0x100000000],
        [1, 0x100000000, 0x200000000],
        [2, 0x200000000, 0x300000000],
        [3, 0x300000000, 0x400000000],
    ]
    assert posted("rc9").ranges.tolist() == [[0, 0, 0x80000000], [1, 0x80000000, 0x100000000]]


def test_a_pv_vnode_without_memory_has_an_empty_range() -> None:
    assert ranges(make_domain([256, 0, 256])) == [
        (0, 0, BYTES), (1, BYTES, BYTES), (2, BYTES, 2 * BYTES),
    ]  # fmt: skip


def test_an_hvm_vnode_that_meets_the_hole_is_split() -> None:
    assert ranges(make_domain([3072 * MIB, 3072 * MIB], type="hvm")) == [
        (0, 0, 0xBF800000),
        (1, 0xBF800000, 0xF0000000),
        (1, 0x100000000, 0x18F800000),
    ]


def test_a_pvh_guest_has_a_smaller_hole_and_no_video_memory() -> None:
    assert ranges(make_domain([3072 * MIB, 3072 * MIB], type="pvh")) == [
        (0, 0, 0xC0000000),
        (1, 0xC0000000, 0xFC000000),
        (1, 0x100000000, 0x184000000),
    ]


def test_a_vnode_that_ends_at_the_hole_is_not_split() -> None:
    domain = make_domain([4032 * MIB, 64 * MIB], type="pvh")
    assert ranges(domain) == [(0, 0, 0xFC000000), (1, 0x100000000, 0x104000000)]


@pytest.mark.parametrize("domain_type", ["hvm", "pvh"])
def test_an_hvm_vnode_without_memory_has_no_range(domain_type: str) -> None:
    domain = make_domain([512 * MIB, 0, 512 * MIB], type=domain_type)
    assert [vnode for vnode, _, _ in ranges(domain)] == [0, 2]


@pytest.mark.parametrize(
    ("extra", "video_mib"),
    [
        ((), 8),
        ((("vga", "cirrus"),), 8),
        ((("vga", "stdvga"),), 16),
        ((("stdvga", 1),), 16),
        ((("stdvga", 0),), 8),
        ((("stdvga", "0x1"),), 16),
        ((("vga", "none"), ("stdvga", 1)), 0),
        ((("vga", "qxl"),), 128),
        ((("videoram", 32), ("vga", "stdvga")), 32),
        ((("videoram", "0x20"),), 32),
        ((("videoram", "040"),), 32),
        ((("videoram", "much"),), 8),
        ((("videoram", ["9"]),), 8),
    ],
)
def test_video_memory_is_taken_from_vnode_0_of_an_hvm_guest(
    extra: tuple[tuple[str, Any], ...], video_mib: int
) -> None:
    domain = make_domain([512 * MIB, 512 * MIB], type="hvm", extra=extra)
    assert video_bytes(domain) == video_mib * BYTES
    assert ranges(domain)[0] == (0, 0, (512 - video_mib) * BYTES)
    assert ranges(domain)[1][2] == (1024 - video_mib) * BYTES
    assert video_bytes(replace(domain, type="pvh")) == 0


@pytest.mark.parametrize(
    ("hole", "start"),
    [(1024, 0xC0000000), (256, 0xF0000000), (100, 0xF0000000), (3841, 0xF0000000)],
)
def test_mmio_hole_makes_the_hole_larger_within_xl_s_limits(hole: int, start: int) -> None:
    domain = make_domain([8192 * MIB], type="hvm", extra=(("mmio_hole", hole),))
    assert ranges(domain)[:2] == [
        (0, 0, start),
        (0, 0x100000000, 0x100000000 + (8184 << 20) - start),
    ]


def test_vnode_0_gives_no_more_than_it_has() -> None:
    assert ranges(make_domain([1 * MIB, 512 * MIB], type="hvm")) == [(1, 0, 512 * BYTES)]


def test_sizes_of_the_solver_stand_in_for_the_domain_s() -> None:
    domain = make_domain([1024 * MIB], auto_vnodes=True)
    chosen = vmemranges(domain, np.array([512 * MIB, 512 * MIB]))
    assert chosen.tolist() == [[0, 0, 512 * BYTES], [1, 512 * BYTES, 1024 * BYTES]]


@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=6).filter(lambda s: s[0] >= 8),
    domain_type=st.sampled_from(["pv", "pvh", "hvm"]),
)
def test_ranges_hold_all_memory_but_video_and_leave_the_hole(
    sizes: list[int], domain_type: str
) -> None:
    domain = make_domain([size * MIB for size in sizes], type=domain_type)
    found = vmemranges(domain)
    lengths = found[:, 2] - found[:, 1]
    assert lengths.sum() == sum(sizes) * BYTES - video_bytes(domain)
    assert (found[1:, 1] >= found[:-1, 2]).all()
    assert (np.diff(found[:, 0]) >= 0).all()
    for vnode, size in enumerate(sizes):
        video = video_bytes(domain) if vnode == 0 else 0
        assert lengths[found[:, 0] == vnode].sum() == size * BYTES - video
    if domain_type != "pv":
        hole = {"hvm": 0xF0000000, "pvh": 0xFC000000}[domain_type]
        assert ((found[:, 2] <= hole) | (found[:, 1] >= 0x100000000)).all()


# Topology


def test_distances_that_follow_the_pnodes_are_the_host_s_between_the_homes() -> None:
    host = make_host([1 << 20] * 3, distances=[[10, 21, 31], [22, 10, 32], [23, 33, 10]])
    domain = make_domain([512, 512, 512], 3, auto_distances=True)
    placed = put(domain, [2, 0, 0], [0, 1, 2], num_pnodes=3, host="host")
    assert topology_of(make_problem(host, domain), placed).distances.tolist() == [
        [10, 23, 23], [31, 10, 10], [31, 10, 10],
    ]  # fmt: skip


def test_vnodes_of_the_solver_have_default_distances() -> None:
    domain = make_domain([1024], 2, auto_vnodes=True)
    placed = put(domain, [0, 1], [0, 1], pages=[[512, 0], [0, 512]], host="host")
    topology = topology_of(make_problem(make_host([1024, 1024]), domain), placed)
    assert topology.distances.tolist() == [[10, 20], [20, 10]]
    assert topology.vnode_pages.tolist() == [512, 512]


def test_a_domain_of_another_problem_is_a_key_error() -> None:
    domain = make_domain([512])
    problem = make_problem(make_host([1024, 1024]), make_domain([512], name="other"))
    with pytest.raises(KeyError):
        topology_of(problem, put(domain, [0], [0], host="host"))


def test_arrays_handed_out_are_read_only_and_values_compare_by_content() -> None:
    topology, view = posted("rc9"), guest_view(posted("rc9"))
    for array in (topology.ranges, topology.distances, view.ranges, view.pages, view.distances):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert topology == posted("rc9")
    assert view == guest_view(posted("rc9"))
    assert topology != posted("rcbig")


# The guest's view


def test_a_pv_guest_s_nodes_are_its_vnodes() -> None:
    view = guest_view(posted("rc9"))
    assert view.vnodes == ((0,), (1,))
    assert view == configured_view(posted("rc9"))
    assert (view.vcpus_of(0), view.vcpus_of(1)) == ([1, 3], [0, 2])


@pytest.mark.parametrize("domain_type", ["hvm", "pvh"])
def test_linux_numbers_nodes_as_srat_first_names_them(domain_type: str) -> None:
    distances = [[10, 11, 12, 13], [21, 10, 22, 23], [31, 32, 10, 33], [41, 42, 43, 10]]
    topology = guest(
        [512 * MIB, 512 * MIB, 0, 512 * MIB], [3, 1, 1], type=domain_type, distances=distances
    )
    view = guest_view(topology)
    assert view.vnodes == ((3,), (1,), (0,))
    assert view.vcpu_to_node.tolist() == [0, 1, 1]
    assert view.ranges[:, 0].tolist() == [2, 1, 0]
    assert view.distances.tolist() == [[10, 42, 41], [23, 10, 21], [13, 11, 10]]
    assert view.pages.tolist() == [512 * MIB] * 3


def test_a_vnode_with_vcpus_and_no_memory_is_a_node() -> None:
    view = guest_view(guest([512 * MIB, 0], [1, 0], type="hvm"))
    assert view.vnodes == ((1,), (0,))
    assert view.pages.tolist() == [0, 512 * MIB]


def test_a_pv_guest_with_fewer_vcpus_than_vnodes_gives_up_on_vnuma() -> None:
    view = guest_view(guest([512 * MIB] * 3, [0, 2]))
    assert view.vnodes == ((0, 1, 2),)
    assert view.ranges.tolist() == [[0, 0, 1536 * BYTES]]
    assert view.vcpu_to_node.tolist() == [0, 0]
    assert not view.has_distance_table
    assert "3 vnodes and 2 vcpus" in view.warnings[-1]


@pytest.mark.parametrize(
    ("distances", "said"),
    [
        ([[11, 20], [20, 11]], "to itself is not 10"),
        ([[10, 10], [20, 10]], "is 10 or less"),
        ([[10, 266], [20, 10]], "above 254"),
    ],
)
def test_linux_drops_a_slit_that_it_does_not_trust(distances: list[list[int]], said: str) -> None:
    view = guest_view(guest([512 * MIB] * 2, [0, 1], type="hvm", distances=distances))
    assert view.distances.tolist() == [[10, 20], [20, 10]]
    assert not view.has_distance_table
    assert any(said in warning for warning in view.warnings)


def test_linux_takes_254_and_the_figure_for_unreachable() -> None:
    for far, warned in ((254, False), (255, True)):
        topology = guest([512 * MIB] * 2, [0, 1], type="hvm", distances=[[10, far], [far, 10]])
        assert guest_view(topology).distances.tolist() == [[10, far], [far, 10]]
        assert bool(distance_warnings(topology)) == warned


def test_a_pv_kernel_replaces_single_distances() -> None:
    view = guest_view(guest([512 * MIB] * 2, [0, 1], distances=[[15, 300], [5, 10]]))
    assert view.distances.tolist() == [[10, 20], [5, 10]]


def test_asymmetric_distances_of_a_pv_guest_are_warned_about() -> None:
    distances = [[10, 31], [40, 10]]
    assert "transpose" in distance_warnings(guest([512] * 2, [0, 1], distances=distances))[0]
    assert not distance_warnings(guest([512] * 2, [0, 1], type="hvm", distances=distances))


def test_a_node_that_older_kernels_leave_out_is_warned_about() -> None:
    small = guest_view(guest([512 * MIB, 31 * MIB], [0, 1]))
    assert "vnode 1 has less than 32 MiB" in small.warnings[0]
    assert not guest_view(guest([512 * MIB, 32 * MIB], [0, 1])).warnings


# The posting's figures (xen-devel, November 2013)


def test_early_node_ranges_are_the_posted_ones() -> None:
    assert early_ranges(guest_view(posted("rcbig"))).tolist() == [
        [0, 0x1000, 0xA0000],
        [0, 0x100000, 0x100000000],
        [1, 0x100000000, 0x200000000],
        [2, 0x200000000, 0x300000000],
        [3, 0x300000000, 0x400000000],
    ]
    assert early_ranges(guest_view(posted("rc9"))).tolist() == [
        [0, 0x1000, 0xA0000],
        [0, 0x100000, 0x80000000],
        [1, 0x80000000, 0x100000000],
    ]


def test_initmem_ranges_are_the_posted_ones() -> None:
    assert initmem_ranges(guest_view(posted("rc9"))).tolist() == [
        [0, 0, 0x80000000], [1, 0x80000000, 0x100000000],
    ]  # fmt: skip


def test_total_pages_are_the_posted_ones() -> None:
    assert total_pages(guest_view(posted("rcbig"))).tolist() == [1048479] + [1048576] * 3
    assert total_pages(guest_view(posted("rc9"))).tolist() == [524191, 524288]


def test_zone_ranges_are_the_posted_ones() -> None:
    dma, dma32 = [0x1000, 0x1000000], [0x1000000, 0x100000000]
    assert zone_ranges(guest_view(posted("rc9"))).tolist() == [dma, dma32, [1 << 32, 1 << 32]]
    assert zone_ranges(guest_view(posted("rcbig"))).tolist()[2] == [1 << 32, 0x400000000]


def shown(view: GuestView) -> list[tuple[int, str, int, int, int]]:
    found = zones(view, KERNEL)
    return [(z.node, z.name, z.memmap_pages, z.present_pages, z.batch) for z in found]


def test_zones_are_the_posted_ones() -> None:
    assert shown(guest_view(posted("rcbig"))) == [
        (0, "DMA", 56, 3999, 0),
        (0, "DMA32", 14280, 1044480, 31),
        (1, "Normal", 14336, 1048576, 31),
        (2, "Normal", 14336, 1048576, 31),
        (3, "Normal", 14336, 1048576, 31),
    ]
    assert shown(guest_view(posted("rc9"))) == [
        (0, "DMA", 56, 3999, 0),
        (0, "DMA32", 7112, 520192, 31),
        (1, "DMA32", 7168, 524288, 31),
    ]


def test_pci_gaps_are_the_posted_ones() -> None:
    assert pci_gap(guest_view(posted("rcbig"))) == (0x400100000, 0x400500000)
    assert pci_gap(guest_view(posted("rc9"))) == (0x100100000, 0x100500000)


def test_per_cpu_areas_are_the_posted_ones() -> None:
    assert KERNEL.percpu_pages == 28
    assert per_cpu(guest_view(posted("rcbig")), KERNEL) == PerCpu(
        unit_bytes=2097152, groups=((0,), (1,), (2,), (3,))
    )
    assert per_cpu(guest_view(posted("rc9")), KERNEL) == PerCpu(
        unit_bytes=1048576, groups=((0, 2), (1, 3))
    )


# The same figures elsewhere


def test_a_node_across_4_gib_has_two_zones() -> None:
    view = guest_view(guest([5120 * MIB, 1024 * MIB], [0, 1]))
    assert shown(view)[1:] == [
        (0, "DMA32", 14280, 1044480, 31),
        (0, "Normal", 3584, 262144, 31),
        (1, "Normal", 3584, 262144, 31),
    ]


def test_a_guest_of_16_mib_has_dma_alone() -> None:
    assert shown(guest_view(guest([16 * MIB], [0]))) == [(0, "DMA", 56, 3999, 0)]


def test_a_guest_below_the_isa_hole_has_what_it_has() -> None:
    view = guest_view(guest([100], [0]))
    assert early_ranges(view).tolist() == [[0, 0x1000, 100 * 4096]]
    assert total_pages(view).tolist() == [99]


def test_a_modern_struct_page_needs_more_memmap() -> None:
    view = guest_view(posted("rcbig"))
    assert zones(view, GuestKernel(struct_page_bytes=64))[-1].memmap_pages == 16384


def test_the_memmap_of_a_zone_full_of_holes_counts_present_pages() -> None:
    assert memmap_pages(4095, 3999, 56) == 56
    assert memmap_pages(1 << 20, 1 << 19, 56) == 7168


@pytest.mark.parametrize(
    ("managed", "batch"),
    [(0, 0), (3922, 0), (8191, 0), (8192, 1), (32768, 7), (65536, 15), (131072, 31), (1 << 30, 31)],
)
def test_batches_are_one_below_a_power_of_two_and_31_at_most(managed: int, batch: int) -> None:
    assert batch_pages(managed) == batch


@pytest.mark.parametrize(
    ("memory_mib", "gap"),
    [
        (1024, None),
        (4092, None),
        (4093, (0xFFE00000, 0x100200000)),
        (4096, (0x100100000, 0x100500000)),
    ],
)
def test_a_pci_gap_is_derived_where_no_hole_is_left_below_4_gib(
    memory_mib: int, gap: tuple[int, int] | None
) -> None:
    assert pci_gap(guest_view(guest([memory_mib * MIB], [0]))) == gap


@pytest.mark.parametrize(
    ("nodes", "unit_kib"),
    [
        ([0], 2048),
        ([0] * 2, 1024),
        ([0] * 4, 512),
        ([0] * 8, 256),
        ([0] * 16, 128),
        ([0] * 17, 512),
    ],
)
def test_a_unit_is_the_largest_share_that_wastes_little(nodes: list[int], unit_kib: int) -> None:
    assert per_cpu(guest_view(guest([512 * MIB], nodes)), KERNEL).unit_bytes == unit_kib << 10


def test_per_cpu_groups_stand_in_the_order_of_their_first_cpu() -> None:
    view = guest_view(guest([512 * MIB] * 3, [2, 0, 2, 1, 0]))
    assert per_cpu(view, KERNEL).groups == ((0, 2), (1, 4), (3,))
