"""Guests from xl's files in the upstream syntax: the nested vnuma list."""

from __future__ import annotations

import pytest

from placer.errors import InputError
from placer.read.xl_domain import read_xl
from tests.read.xl_text import (
    DATA,
    HVM,
    PLAIN,
    domain_of,
    faults_of,
    read,
    vnuma,
    warnings_of,
)


@pytest.mark.parametrize(
    ("name", "sizes", "vcpus", "first_row", "pnodes"),
    [
        ("libvirt-fullvirt-vnuma", 4, [0, 0, 1, 1, 2, 2, 3, 3], [10, 21, 31, 41], range(4)),
        (
            "libvirt-fullvirt-vnuma-nodistances",
            4,
            [0, 0, 1, 1, 2, 2, 3, 3],
            [10, 20, 20, 20],
            range(4),
        ),
        (
            "libvirt-fullvirt-vnuma-partialdist",
            4,
            [0, 0, 1, 1, 2, 2, 3, 3],
            [10, 21, 31, 41],
            range(4),
        ),
    ],
)
def test_what_libvirt_writes_is_read(
    name: str, sizes: int, vcpus: list[int], first_row: list[int], pnodes: range
) -> None:
    domain, warnings = read_xl(DATA / f"{name}.cfg")
    assert (domain.name, domain.type, domain.num_vcpus) == ("XenGuest2", "hvm", 8)
    assert domain.vnode_pages.tolist() == [524288] * sizes
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == vcpus
    assert domain.distances[0].tolist() == first_row
    assert domain.vnode_pnode.tolist() == list(pnodes)
    assert [warning.field for warning in warnings] == ["builder"]


def test_libvirts_six_vnodes_exceed_the_maxmem_beside_them() -> None:
    with pytest.raises(InputError) as caught:
        read_xl(DATA / "libvirt-fullvirt-vnuma-autocomplete.cfg")
    assert [(f.found, f.expected) for f in caught.value.faults] == [
        ("sum 12288", "8192, which is maxmem")
    ]


def test_uneven_vnodes_and_two_on_one_pnode_are_read() -> None:
    domain, warnings = read_xl(DATA / "xen-d-four-nodes.cfg")
    assert (domain.vnode_pages // 256).tolist() == [128, 128, 64, 128]
    assert domain.vnode_pnode.tolist() == [3, 2, 0, 0]
    assert domain.distances.tolist()[0] == [10, 20, 30, 40]
    assert warnings == []


XL_4_17: dict[str, str | None] = {
    "b1-sum-mismatch": "memory: found 256, expected 224",  # built as HVM with 224 MB
    "b2-vdistance-count": "vnuma[0] vdistances: found 3 entries, expected 2",
    "b3-vdistance-below-10": "vnuma vdistances: found 5 from vnode 0 to itself",
    "b4-no-such-pnode": None,  # xl: invalid pnode number: 9; here the host decides
    "b5-vcpu-in-two-vnodes": "vnuma[1] vcpus: found vcpu 2 in vnode 0 too",
    "b6-vcpu-missing": "vnuma vcpus: found vcpu 3 in no vnode",
    "b7-node-too-small": None,  # libxl: Out of memory; here the host decides
    "b8-asymmetric-vdistance": None,
    "b9-maxmem-mismatch": "vnuma size: found sum 224, expected 256, which is maxmem",
    "b10-pod": "memory: found 128 below maxmem 256, expected 256",
    "b11-affinity-mismatch": None,
    "b12-seed-rfc-syntax": None,  # xl ignores these keys in silence
    "b13-missing-fields": "vnuma[0] vdistances: found no distances, expected them",
    "b14-size-unset": "vnuma[0] size: found no size",
    "b15-bad-option": "vnuma vcpus: found vcpu 0 in no vnode",
    "b16-fewer-vdistances": "vnuma[0] vdistances: found 1 entry, expected 2",
}
REFUSED = {"b2", "b5", "b6", "b9", "b10", "b14", "b15", "b16"}


@pytest.mark.parametrize("name", XL_4_17)
def test_what_xl_refused_or_swallowed_is_a_fault_or_a_warning(name: str) -> None:
    """The guests were built as HVM; each comment says what xl of Xen 4.17 did with one."""
    text = (DATA / f"xen-{name}.cfg").read_text().replace('type = "pv"', 'type = "hvm"')
    expected = XL_4_17[name]
    if name.split("-", maxsplit=1)[0] in REFUSED:
        findings = faults_of(text)
        if name == "b10-pod":
            assert faults_of(text, fallback=True) == findings
        else:
            assert domain_of(text, fallback=True).num_vnodes == 2
    else:
        findings = warnings_of(text)
    if expected is None:
        assert findings == []
    else:
        assert expected in findings[0]


def test_the_misspelt_option_is_named_with_the_right_one() -> None:
    faults = faults_of((DATA / "xen-b15-bad-option.cfg").read_text())
    assert faults[1] == "vm.cfg:5:36: vnuma[0]: found the unknown option 'vcpu', expected vcpus="


def test_options_may_have_blanks_and_stand_in_any_order() -> None:
    text = HVM + "vnuma = [[' vcpus = 3, 0 - 1 ', 'size= 512'], ['size=512', 'vcpus=2',]]"
    mapping = domain_of(text).vcpu_to_vnode
    assert mapping is not None
    assert mapping.tolist() == [0, 0, 1, 0]


def test_an_absent_pnode_is_the_solvers_and_xls_choice_is_named() -> None:
    text = HVM + vnuma(
        "size=512 vcpus=0-1 vdistances=10,20", "size=512 pnode=1 vcpus=2-3 vdistances=20,10"
    )
    domain, warnings = read(text)
    assert domain.vnode_pnode.tolist() == [-1, 1]
    assert [str(warning) for warning in warnings] == [
        "vm.cfg:5:10: vnuma[0] pnode: found no pnode, expected one "
        "(placer chooses; xl itself would take pnode 0)"
    ]


def test_pnodes_are_dropped_on_request_with_a_warning_for_each() -> None:
    text = HVM + vnuma(
        "size=512 pnode=0 vcpus=0-1 vdistances=10,20", "size=512 pnode=x vcpus=2-3 vdistances=20,10"
    )
    domain, warnings = read(text, ignore_pnodes=True)
    assert domain.vnode_pnode.tolist() == [-1, -1]
    assert [(warning.field, warning.found) for warning in warnings] == [
        ("vnuma[0] pnode", "'0', dropped as --ignore-pnodes asks"),
        ("vnuma[1] pnode", "'x', dropped as --ignore-pnodes asks"),
    ]


def test_a_vnode_without_vcpus_is_legal() -> None:
    text = HVM + vnuma("size=512 vcpus=0-3", "size=512")
    mapping = domain_of(text).vcpu_to_vnode
    assert mapping is not None
    assert mapping.tolist() == [0] * 4


def test_where_no_vnode_has_vcpus_the_solver_chooses() -> None:
    domain, warnings = read(HVM + vnuma("size=512", "size=512"))
    assert domain.vcpu_to_vnode is None
    assert domain.num_vcpus == 4
    assert any("xl itself would refuse" in warning.expected for warning in warnings)


def test_the_listed_vcpus_are_the_most_and_a_smaller_number_at_the_start_is_kept() -> None:
    domain, warnings = read(HVM.replace("4", "2", 2) + vnuma("size=1022 vcpus=0-5"))
    assert domain.num_vcpus == 6
    assert ("vcpus", 2) in domain.extra
    assert any(str(w).startswith("vm.cfg:4:1: vcpus: found 2, expected 6") for w in warnings)


def test_the_sizes_are_the_memory_where_no_other_is_given() -> None:
    assert domain_of("name='vm'\ntype='hvm'\n" + vnuma("size=64 vcpus=0")).memory_pages == 16384


def test_a_vnode_without_memory_is_warned_about() -> None:
    domain, warnings = read(HVM + vnuma("size=1024 vcpus=0-3", "size=0"))
    assert domain.vnode_pages.tolist() == [262144, 0]
    assert any(w.field == "vnuma[1] size" and w.found == "0" for w in warnings)


def test_a_guest_that_released_xen_does_not_build_with_vnuma_is_warned_about() -> None:
    vnode = vnuma("size=1024 vcpus=0-3")
    assert any("vnuma for type pv, expected type hvm" in w for w in warnings_of(PLAIN + vnode))
    assert not any("expected type hvm" in w for w in warnings_of(HVM + vnode))


def test_more_vnodes_than_xen_takes_are_warned_about() -> None:
    text = "name='vm'\ntype='hvm'\nvcpus=33\n" + vnuma(*(f"size=64 vcpus={i}" for i in range(33)))
    assert any("33 vnodes, expected 32 at most" in warning for warning in warnings_of(text))


ROW0, ROW1 = "vdistances=10,20", "vdistances=20,10"


@pytest.mark.parametrize(
    ("vnodes", "fault"),
    [
        (("size=512 vcpus=0-3 size=512", "size=512"), "5:36: vnuma[0] size: found a second one"),
        (("size=x vcpus=0-3", "size=512"), "5:11: vnuma[0] size: found 'x', not a decimal"),
        (("size=512M vcpus=0-3", "size=512"), "5:11: vnuma[0] size: found '512M', not a"),
        (("size=512 vcpus=0-3", "size=4294967297"), "5:38: vnuma[1] size: found 4294967297 MB"),
        (("size=512 vcpus=0-3", "size=513"), "5:10: vnuma size: found sum 1025, expected 1024"),
        (("size=0 vcpus=0-3", "size=0"), "5:10: vnuma size: found sum 0, expected 1 to"),
        (("size=512 vcpus=0-3,3", "size=512"), "5:23: vnuma[0] vcpus: found vcpu 3 twice"),
        (("size=512 vcpus=0-3,", "size=512"), "5:23: vnuma[0] vcpus: found '', expected numbers"),
        (("size=512 vcpus=3-0", "size=512"), "5:1: vnuma vcpus: found vcpu 0, 1, 2 and 3 in no"),
        (("size=512 vcpus=0-2,5", "size=512"), "5:1: vnuma vcpus: found vcpu 3 in no vnode"),
        (("size=512 vcpus=0-9999999999999", "size=512"), "5:1: vnuma vcpus: found vcpu 0"),
        (("size=512 vcpus=0-3 pnode=255", "size=512"), "5:36: vnuma[0] pnode: found 255"),
        (("size=512 vcpus=0-3 pnode=a", "size=512"), "5:36: vnuma[0] pnode: found 'a', not a"),
        (("size=512 vcpus=0-3 vdistances=10,0", "size=512"), "5:36: vnuma[0] vdistances: found 0,"),
        (("size=512 vcpus=0-3 vdistances=10,x", "size=512"), "5:36: vnuma[0] vdistances: found 'x"),
        (("size=512 vcpus=0-3 vdistances=20,10", "size=512"), "5:10: vnuma vdistances: found 10 f"),
        (("size=512 vcpus=0-3 vdistances=10", "size=512"), "5:36: vnuma[0] vdistances: found 1 e"),
        (("size=512 vcpus=0-3 pnode=", "size=512"), "5:36: vnuma[0]: found 'pnode=', expected a"),
        (("size=512 vcpus=0-3 =3", "size=512"), "5:36: vnuma[0]: found the unknown option ''"),
        (("size=512 vcpus=0-3 mem=3", "size=512"), "5:36: vnuma[0]: found the unknown option 'm"),
    ],
)
def test_a_wrong_vnode_option_is_a_fault_and_falls_back_to_its_default(
    vnodes: tuple[str, str], fault: str
) -> None:
    assert faults_of(HVM + vnuma(*vnodes))[0].startswith(f"vm.cfg:{fault}")
    domain, warnings = read(HVM + vnuma(*vnodes), fallback=True)
    assert any(str(warning).startswith(f"vm.cfg:{fault}") for warning in warnings)
    mapping = domain.vcpu_to_vnode
    assert mapping is not None
    faulty_map = "vcpus" in fault.split(": found", maxsplit=1)[0]
    assert mapping.tolist() == ([0, 1, 0, 1] if faulty_map else [0] * 4)
    assert domain.vnode_pages.tolist() == [131072] * 2
    assert domain.distances.tolist() == [[10, 20], [20, 10]]
    assert domain.vnode_pnode.tolist() == [-1, -1]


@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize("value", ["['size=1024']", "[1]", "[['size=1024'], 'x']"])
def test_a_vnode_that_is_no_list_is_a_fault(value: str, fallback: bool) -> None:
    assert "expected a list such as" in faults_of(HVM + f"vnuma = {value}", fallback=fallback)[0]


def test_an_inner_list_that_xl_skips_is_a_fault() -> None:
    assert (
        "vnuma[0]: found a list" in faults_of(HVM + "vnuma = [['size=1024', [], 'vcpus=0-3']]")[0]
    )


def test_vcpus_beyond_maxvcpus_are_a_fault() -> None:
    faults = faults_of(HVM + "maxvcpus = 4\n" + vnuma("size=1024 vcpus=0-6,9"))
    assert faults == ["vm.cfg:6:24: vnuma[0] vcpus: found vcpu 4, 5, 6 and 9, expected 0 to 3"]


def test_a_pv_guests_sizes_must_be_its_memory_and_an_hvm_guests_may_be_less() -> None:
    vnode = vnuma("size=512 vcpus=0-3")
    assert "sum 512, expected 1024, which is memory" in faults_of(PLAIN + vnode)[0]
    domain, warnings = read(HVM + vnode)
    assert domain.memory_pages == 512 * 256
    assert "xl ignores memory beside vnuma" in warnings[0].expected


@pytest.mark.parametrize(
    ("distances", "warning"),
    [
        ("9,20", "9 from vnode 0 to itself, expected 10, or Linux drops"),
        ("10,10", "10 from vnode 0 to 1, expected 11 to 254, or Linux drops"),
        ("10,255", "255 from vnode 0 to 1, expected 11 to 254, or Linux drops"),
    ],
)
def test_distances_that_linux_drops_are_warned_about(distances: str, warning: str) -> None:
    first = f"size=512 pnode=0 vcpus=0-3 vdistances={distances}"
    text = HVM + vnuma(first, f"size=512 pnode=1 {ROW1}")
    assert [w.split(": found ")[1] for w in warnings_of(text)] == [f"{warning} the whole table"]
    assert domain_of(text).distances[0].tolist() == [int(d) for d in distances.split(",")]


def test_an_absent_row_of_distances_is_10_and_20_with_a_warning() -> None:
    text = HVM + vnuma(f"size=512 pnode=0 vcpus=0-3 {ROW0}", "size=512 pnode=1")
    domain, warnings = read(text)
    assert domain.distances.tolist() == [[10, 20], [20, 10]]
    assert [str(warning) for warning in warnings] == [
        "vm.cfg:5:68: vnuma[1] vdistances: found no distances, "
        "expected them; 10 and 20 are used (xl takes 0)"
    ]
