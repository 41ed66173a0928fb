"""Guests from xl's files: both vNUMA syntaxes, every fault, every default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.cpulist import CpuList
from placer.errors import Fault, InputError
from placer.read.xl_cfg import parse_config, render_value
from placer.read.xl_domain import domain_from_config, read_xl
from placer.read.xl_seed import SEED_KEYS
from tests.builders import make_domain
from tests.read.xl_text import (
    BASIC_KEYS,
    DATA,
    HVM,
    PLAIN,
    TWO,
    domain_of,
    faults_of,
    read,
    vnuma,
    warnings_of,
)

# ---------------------------------------------------------------- the two examples


def test_example_1_is_refused_with_each_of_its_faults(project_root: Path) -> None:
    warnings: list[Fault] = []
    with pytest.raises(InputError) as caught:
        read_xl(project_root / "datasets/seed/rcbig.cfg", warnings=warnings)
    assert [(f.line, f.column, f.field, f.found, f.expected) for f in caught.value.faults] == [
        (9, 12, "vnumamem", "2 entries", "4 (one for each vnode)"),
        (9, 12, "vnumamem", "sum 20", "16384 (memory in MB)"),
        (9, 12, "vnumamem", "10 and 10, below 64 MB", "64 MB or more for each vnode"),
        (
            10,
            18,
            "vnuma_distance",
            "4 entries",
            "2 or 16 (local and remote, or one for each pair of vnodes)",
        ),
        (11, 17, "vcpu_to_vnode", "2 entries", "4 (one for each vcpu)"),
        (11, 17, "vcpu_to_vnode", "vnodes 1 and 3 without a vcpu", "a vcpu in every vnode"),
        (12, 18, "vnode_to_pnode", "2 entries", "4 (one for each vnode)"),
    ]
    assert [(w.line, w.field, w.found, w.expected) for w in warnings] == [
        (10, "vnuma_distance", "an old spelling", "vdistance"),
        (11, "vcpu_to_vnode", "an old spelling", "vnuma_vcpumap"),
        (12, "vnode_to_pnode", "an old spelling", "vnuma_vnodemap"),
    ]


def test_example_1_falls_back_to_what_the_posting_printed(project_root: Path) -> None:
    domain, warnings = read_xl(project_root / "datasets/seed/rcbig.cfg", fallback=True)
    assert domain == make_domain(
        [1048576] * 4,
        4,
        name="rcbig",
        vcpu_to_vnode=[0, 1, 2, 3],
    )
    assert domain.distances.tolist() == (20 * np.ones((4, 4)) - 10 * np.eye(4)).tolist()
    assert domain.vnode_pnode.tolist() == [-1] * 4
    assert [str(warning).split(": ", 1)[1] for warning in warnings] == [
        "vnumamem: found 2 entries, expected 4 (one for each vnode); "
        "replaced by an equal split, 4096 MB each",
        "vnumamem: found sum 20, expected 16384 (memory in MB); "
        "replaced by an equal split, 4096 MB each",
        "vnumamem: found 10 and 10, below 64 MB, expected 64 MB or more for each vnode; "
        "replaced by an equal split, 4096 MB each",
        "vnuma_distance: found an old spelling, expected vdistance",
        "vnuma_distance: found 4 entries, expected 2 or 16 (local and remote, or one for each "
        "pair of vnodes); replaced by 10 local and 20 remote",
        "vcpu_to_vnode: found an old spelling, expected vnuma_vcpumap",
        "vcpu_to_vnode: found 2 entries, expected 4 (one for each vcpu); "
        "replaced by vcpu i on vnode i mod 4",
        "vcpu_to_vnode: found vnodes 1 and 3 without a vcpu, expected a vcpu in every vnode; "
        "replaced by vcpu i on vnode i mod 4",
        "vnode_to_pnode: found an old spelling, expected vnuma_vnodemap",
        "vnode_to_pnode: found 2 entries, expected 4 (one for each vnode); "
        "replaced by automatic placement",
    ]


@pytest.mark.parametrize("fallback", [False, True])
def test_example_2_is_read_as_written(project_root: Path, fallback: bool) -> None:
    domain, warnings = read_xl(project_root / "datasets/seed/rc9.cfg", fallback=fallback)
    assert domain == make_domain(
        [524288, 524288],
        4,
        name="rc9",
        vcpu_to_vnode=[1, 0, 1, 0],
        distances=[[10, 40], [40, 10]],
        vnode_pnode=[1, 0],
    )
    assert warnings == []


def test_both_syntaxes_write_example_2_alike() -> None:
    flat = domain_of(
        'name = "rc9"\nmemory = 256\nvcpus = 4\nvnodes = 2\nvnumamem = [128, 128]\n'
        'vdistance = [10, 40, 40, 10]\nvnuma_vcpumap = "1, 0, 1, 0"\nvnuma_vnodemap = [1, 0]\n'
    )
    assert read_xl(DATA / "xen-a-seed-example2.cfg")[0] == flat


# ---------------------------------------------------------------- without vNUMA


def test_a_guest_without_vnuma_is_one_vnode_with_everything() -> None:
    domain, warnings = read_xl(DATA / "xen-c-auto.cfg")
    assert domain == make_domain([65536], 2, name="auto", vcpu_to_vnode=[0, 0])
    assert warnings == []


def test_an_empty_vnuma_list_is_no_vnuma() -> None:
    assert domain_of(PLAIN + "vnuma = []") == domain_of(PLAIN)


def test_numbers_may_be_hexadecimal_octal_or_quoted() -> None:
    assert domain_of('name="vm"\nmemory=0x400\nvcpus=04') == domain_of(PLAIN)
    assert domain_of('name="vm"\nmemory="1024"\nvcpus="4"') == domain_of(PLAIN)


def test_vcpus_are_one_where_they_are_absent() -> None:
    assert domain_of('name="vm"\nmemory=64').num_vcpus == 1


def test_the_later_assignment_wins() -> None:
    assert domain_of(PLAIN + 'name = "later"').name == "later"


def test_memory_and_not_maxmem_is_placed_without_vnuma() -> None:
    domain = domain_of(PLAIN + "maxmem = 2048")
    assert domain.memory_pages == 1024 * 256
    assert domain.extra == (("maxmem", 2048),)
    assert domain_of('name="vm"\nmaxmem=64').memory_pages == 64 * 256


def test_maxvcpus_are_placed_and_the_vcpus_at_the_start_are_kept() -> None:
    domain, warnings = read(PLAIN + "maxvcpus = 6")
    assert domain.num_vcpus == 6
    assert domain.extra == (("vcpus", 4), ("maxvcpus", 6))
    assert str(warnings[0]) == (
        "vm.cfg:3:1: vcpus: found 4, expected 6, which may run and are placed"
    )
    assert domain_of(PLAIN + "maxvcpus = 4").extra == (("maxvcpus", 4),)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("memory = 64", "vm.cfg: name: found no name, expected the name of the domain"),
        ("name = ''\nmemory=64", "vm.cfg:1:1: name: found an empty name"),
        ("name = ['vm']\nmemory=64", "vm.cfg:1:8: name: found a list, expected a single value"),
        ("name = 'vm'", "vm.cfg: memory: found no memory, expected the memory of the domain in MB"),
        (PLAIN + "memory = 0", "vm.cfg:4:10: memory: found 0, expected a number from 1 to"),
        (PLAIN + "memory = '-5'", "vm.cfg:4:10: memory: found -5, expected a number from 1 to"),
        (PLAIN + "memory = '1k'", "vm.cfg:4:10: memory: found '1k', not a number, expected a"),
        (PLAIN + "memory = 4294967297", "vm.cfg:4:10: memory: found 4294967297, expected"),
        (PLAIN + "memory = " + "9" * 9999, "vm.cfg:4:10: memory: found '9999"),
        (PLAIN + "memory = [1]", "vm.cfg:4:10: memory: found a list, expected a number"),
        (PLAIN + "memory += 1", "vm.cfg:4:1: memory: found +=, which xl rejects here, expected"),
        (PLAIN + "maxmem = 512", "vm.cfg:4:1: maxmem: found 512, expected memory, 1024, or more"),
        (PLAIN + "vcpus = 0", "vm.cfg:4:9: vcpus: found 0, expected a number from 1 to 8192"),
        (PLAIN + "vcpus = 8193", "vm.cfg:4:9: vcpus: found 8193, expected a number from 1 to"),
        (PLAIN + "maxvcpus = 3", "vm.cfg:4:1: maxvcpus: found 3, expected vcpus, 4, or more"),
        (PLAIN + "type = 'p'", "vm.cfg:4:1: type: found 'p', expected 'pv', 'pvh' or 'hvm'"),
        (PLAIN + "type = ''", "vm.cfg:4:1: type: found '', expected 'pv', 'pvh' or 'hvm'"),
        (PLAIN + "builder = 'linux'", "vm.cfg:4:1: builder: found 'linux', expected 'hvm' or"),
        (
            PLAIN + "type = 'pvh'\nbuilder = 'hvm'",
            "vm.cfg:5:1: builder: found 'hvm' beside type pvh, expected type pvh alone",
        ),
        (PLAIN + "vnuma = 'x'", "vm.cfg:4:9: vnuma: found 'x', expected a list of lists (xl would"),
    ],
)
@pytest.mark.parametrize("fallback", [False, True])
def test_a_wrong_basic_option_is_one_fault_with_or_without_fallback(
    text: str, fault: str, fallback: bool
) -> None:
    faults = faults_of(text, fallback=fallback)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_faults_of_several_keys_are_all_reported_in_file_order() -> None:
    text = "vcpus = 0\nmemory = 'x'\ntype = 'x'\nvnodes = 'x'\nvnumamem = ['x']\ncpus = 'x'"
    fields = [fault.split(": ")[1] for fault in faults_of(text)]
    assert fields == ["name", "vcpus", "memory", "type", "vnodes", "vnumamem", "cpus"]


def test_the_most_memory_that_is_taken_does_not_overflow() -> None:
    assert domain_of('name="vm"\nmemory=4294967296').memory_pages == 2**40


@pytest.mark.parametrize("domain_type", ["pv", "pvh", "hvm"])
def test_the_type_is_taken(domain_type: str) -> None:
    assert domain_of(PLAIN + f"type = '{domain_type}'").type == domain_type


@pytest.mark.parametrize(("builder", "domain_type"), [("hvm", "hvm"), ("generic", "pv")])
def test_builder_is_deprecated_and_taken(builder: str, domain_type: str) -> None:
    domain, warnings = read(PLAIN + f"builder = '{builder}'")
    assert domain.type == domain_type
    assert (warnings[0].field, warnings[0].expected) == ("builder", f'type = "{domain_type}"')


def test_more_vcpus_than_an_hvm_guest_may_have_are_warned_about() -> None:
    assert "128 at most for type hvm" in warnings_of(HVM + "vcpus = 129")[0]
    assert warnings_of(PLAIN + "vcpus = 129") == []


# ---------------------------------------------------------------- affinity


def test_a_string_of_cpus_is_for_every_vcpu() -> None:
    domain = domain_of(PLAIN + "cpus = '0-3,^1'\ncpus_soft = 'nodes:1'")
    assert domain.hard_affinity == (CpuList.parse("0-3,^1"),) * 4
    assert domain.soft_affinity == (CpuList.parse("nodes:1"),) * 4


def test_a_list_of_cpus_is_one_for_each_vcpu_and_free_beyond() -> None:
    domain = domain_of(PLAIN + "cpus = ['2', 3]\ncpus_soft = []")
    assert domain.hard_affinity == (CpuList.parse("2"), CpuList.parse("3"), None, None)
    assert domain.soft_affinity == (None,) * 4


def test_more_cpus_than_vcpus_are_ignored_with_a_warning() -> None:
    domain, warnings = read(PLAIN + "cpus = [0, 1, 2, 3, 4]")
    assert len(domain.hard_affinity) == 4
    assert "found 5 entries, expected 4 at most" in str(warnings[0])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("cpus = '3-1'", "vm.cfg:4:8: cpus: found '3-1', expected a CPU list: the range '3-1'"),
        ("cpus = ''", "vm.cfg:4:8: cpus: found ''"),
        ("cpus = '^all'", "vm.cfg:4:8: cpus: found '^all'"),
        ("cpus_soft = [0,\n 'x']", "vm.cfg:5:2: cpus_soft[1]: found 'x', expected a CPU list"),
        ("cpus = [[0]]", "vm.cfg:4:9: cpus[0]: found a list, expected a CPU list in quotes"),
    ],
)
def test_a_wrong_cpu_list_is_a_fault_at_its_place(line: str, fault: str) -> None:
    assert faults_of(PLAIN + line)[0].startswith(fault)


# ---------------------------------------------------------------- the flat keys


def test_absent_sizes_are_an_equal_split_with_the_remainder_on_the_last() -> None:
    domain = domain_of("name='vm'\nmemory=1000\nvcpus=3\nvnodes=3")
    assert (domain.vnode_pages // 256).tolist() == [333, 333, 334]


def test_absent_distances_are_10_and_20_and_absent_maps_the_solvers() -> None:
    domain, warnings = read(TWO)
    assert domain == make_domain([131072] * 2, 4)
    assert domain.vcpu_to_vnode is None
    assert warnings == []


def test_one_vnode_has_every_vcpu() -> None:
    assert domain_of(PLAIN + "vnodes = 1\nvdistance = [10]") == domain_of(PLAIN)


def test_two_distances_are_local_and_remote() -> None:
    assert domain_of(TWO + "vdistance = [11, 30]").distances.tolist() == [[11, 30], [30, 11]]


def test_a_full_table_of_distances_is_row_major() -> None:
    table = domain_of(TWO + "vdistance = [10, 30, 20, 10]").distances
    assert table.tolist() == [[10, 30], [20, 10]]


@pytest.mark.parametrize("value", ["'0, 1,1 ,0'", "[0, 1, 1, 0]", "['0', '1', '1', '0']"])
def test_the_vcpu_map_is_a_string_or_a_list(value: str) -> None:
    mapping = domain_of(TWO + f"vnuma_vcpumap = {value}").vcpu_to_vnode
    assert mapping is not None
    assert mapping.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("vnuma_nodes", "vnodes", "2"),
        ("vnuma_mem", "vnumamem", "[512, 512]"),
        ("vnuma_distance", "vdistance", "[10, 40]"),
        ("vcpu_to_vnode", "vnuma_vcpumap", "'1, 0, 1, 0'"),
        ("vnode_to_pnode", "vnuma_vnodemap", "[1, 0]"),
    ],
)
def test_other_spellings_are_read_with_a_warning_but_not_both(
    old: str, new: str, value: str
) -> None:
    rest = PLAIN if new == "vnodes" else TWO
    domain, warnings = read(rest + f"{old} = {value}\n")
    assert domain == domain_of(rest + f"{new} = {value}\n")
    assert [(w.line, w.field, w.expected) for w in warnings] == [(rest.count("\n") + 1, old, new)]
    for fallback in (False, True):
        faults = faults_of(rest + f"{old} = {value}\n{new} = {value}\n", fallback=fallback)
        assert faults == [
            f"vm.cfg:{rest.count(chr(10)) + 2}:1: {new}: found both {new} and {old}, "
            "expected one spelling of the option"
        ]


@pytest.mark.parametrize(
    ("lines", "fault", "default"),
    [
        ("vnumamem = [512]", "5:12: vnumamem: found 1 entry, expected 2", "an equal split"),
        (
            "vnumamem = [512, 513]",
            "5:12: vnumamem: found sum 1025, expected 1024",
            "an equal split, 512 MB each",
        ),
        ("vnumamem = [63, 961]", "5:12: vnumamem: found 63, below 64 MB", "an equal split"),
        ("vnumamem = ['x', 1024]", "5:13: vnumamem: found 'x', not a decimal", "an equal split"),
        ("vnumamem = [[512], 1024]", "5:13: vnumamem: found a list as entry 0", "an equal split"),
        ("vnumamem = '512,512'", "5:12: vnumamem: found '512,512', expected a list", "an equal"),
        (
            "vdistance = [10, 20, 30]",
            "5:13: vdistance: found 3 entries, expected 2 or 4",
            "10 local",
        ),
        ("vdistance = []", "5:13: vdistance: found 0 entries, expected 2 or 4", "10 local"),
        (
            "vdistance = [20, 20]",
            "5:13: vdistance: found 20 and 20, expected the local",
            "10 local",
        ),
        ("vdistance = [10, 0]", "5:18: vdistance: found 0, expected a distance above", "10 local"),
        ("vdistance = ['x', 0x20]", "5:14: vdistance: found 'x', not a decimal", "10 local"),
        ("vdistance = [10, 9, 9, 10]", "5:13: vdistance: found 9 from vnode 0 to 1", "10 local"),
        ("vdistance = '10,20'", "5:13: vdistance: found '10,20', expected a list", "10 local"),
        ("vnuma_vcpumap = '0,1'", "5:17: vnuma_vcpumap: found 2 entries, expected 4", "vcpu i"),
        ("vnuma_vcpumap = '0,1,2,0'", "5:17: vnuma_vcpumap: found vnode 2 for vcpu 2", "vcpu i"),
        ("vnuma_vcpumap = [0,0,0,0]", "5:17: vnuma_vcpumap: found vnode 1 without", "vcpu i"),
        ("vnuma_vcpumap = '0,1,x,0'", "5:17: vnuma_vcpumap: found 'x', not a dec", "vcpu i"),
        ("vnuma_vcpumap = ''", "5:17: vnuma_vcpumap: found 0 entries, expected 4", "vcpu i"),
        ("vnuma_vnodemap = [0]", "5:18: vnuma_vnodemap: found 1 entry, expected 2", "auto"),
        ("vnuma_vnodemap = [0, 255]", "5:22: vnuma_vnodemap: found 255, expected a pn", "auto"),
        ("vnuma_vnodemap = [0, '-1']", "5:22: vnuma_vnodemap: found '-1', not a dec", "auto"),
        ("vnuma_vnodemap = 0", "5:18: vnuma_vnodemap: found '0', expected a list", "auto"),
        ("vnuma_autoplacement = 'x'", "5:23: vnuma_autoplacement: found 'x', not", "0"),
    ],
)
def test_a_wrong_flat_option_is_a_fault_and_falls_back_to_its_default(
    lines: str, fault: str, default: str
) -> None:
    text = TWO + lines
    assert faults_of(text)[0].startswith(f"vm.cfg:{fault}")
    domain, warnings = read(text, fallback=True)
    assert str(warnings[0]).startswith(f"vm.cfg:{fault}")
    assert f"; replaced by {default}" in warnings[0].expected
    assert domain.vnode_pages.tolist() == [131072] * 2
    assert domain.distances.tolist() == [[10, 20], [20, 10]]
    assert domain.vnode_pnode.tolist() == [-1, -1]
    faulty_map = "vcpumap" in lines
    assert domain == make_domain(
        [131072] * 2,
        4,
        name="vm",
        vcpu_to_vnode=[0, 1, 0, 1] if faulty_map else None,
    )


def test_autoplacement_permits_a_faulty_vnode_map_without_fallback() -> None:
    wrong = "vnuma_vnodemap = [0]\n"
    assert len(faults_of(TWO + wrong + "vnuma_autoplacement = 0")) == 1
    domain, warnings = read(TWO + wrong + "vnuma_autoplacement = 1")
    assert domain == domain_of(TWO)
    assert warnings[0].expected.endswith("replaced by automatic placement")
    assert domain_of(
        TWO + "vnuma_vnodemap = [1, 0]\nvnuma_autoplacement = 1"
    ).vnode_pnode.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("vnumamem = [512, 512]\nvdistance = [10, 20]", "no vnodes beside vnumamem, vdistance"),
        ("vnodes = 0\nvnumamem = [512, 512]", "0 beside vnumamem"),
        ("vnuma_nodes = 0\nvnuma_autoplacement = 1", "0 beside vnuma_autoplacement"),
    ],
)
def test_flat_keys_without_vnodes_are_a_fault_that_says_what_the_series_did(
    lines: str, found: str
) -> None:
    faults = faults_of(PLAIN + lines)
    assert len(faults) == 1
    assert f"found {found}, expected 1 or more (the series would turn vNUMA off" in faults[0]
    domain, warnings = read(PLAIN + lines, fallback=True)
    assert domain == domain_of(PLAIN)
    assert any(w.expected.endswith("its other options are ignored") for w in warnings)


def test_vnodes_of_0_alone_are_no_vnuma_with_a_warning() -> None:
    domain, warnings = read(PLAIN + "vnodes = 0")
    assert domain == domain_of(PLAIN)
    assert "vNUMA is off" in warnings[0].expected


@pytest.mark.parametrize(
    ("value", "found"), [("5", "5, expected 4 at most"), ("1025", "1025"), ("[2]", "a list")]
)
def test_more_vnodes_than_vcpus_are_a_fault(value: str, found: str) -> None:
    assert faults_of(PLAIN + f"vnodes = {value}")[0].startswith(
        f"vm.cfg:4:{1 if value == '5' else 10}: vnodes: found {found}"
    )
    assert domain_of(PLAIN + f"vnodes = {value}", fallback=True) == domain_of(PLAIN)


@pytest.mark.parametrize("fallback", [False, True])
def test_too_little_memory_for_an_equal_split_is_a_fault(fallback: bool) -> None:
    text = "name='vm'\nmemory=127\nvcpus=2\nvnodes=2\n"
    assert faults_of(text, fallback=fallback) == [
        "vm.cfg:2:1: memory: found 127 MB for 2 vnodes, expected 128 MB or more (64 for each vnode)"
    ]
    assert domain_of(text.replace("127", "128")).memory_pages == 128 * 256


def test_the_vnodes_share_maxmem_and_the_guest_starts_with_all_of_it() -> None:
    assert faults_of(TWO + "maxmem = 2048")[0].startswith(
        "vm.cfg:2:1: memory: found 1024 below maxmem 2048, expected 2048"
    )
    assert domain_of("name='vm'\nmaxmem=1024\nvcpus=2\nvnodes=2").memory_pages == 262144


def test_the_flat_and_the_nested_syntax_do_not_mix() -> None:
    text = TWO + vnuma("size=1024 vcpus=0-3")
    assert any("beside vnodes, expected one of the two syntaxes" in f for f in faults_of(text))


def test_a_map_of_pnodes_is_dropped_on_request_with_a_warning() -> None:
    domain, warnings = read(TWO + "vnuma_vnodemap = [1, 0]", ignore_pnodes=True)
    assert domain == domain_of(TWO)
    assert str(warnings[0]).endswith("a map of pnodes, dropped as --ignore-pnodes asks")


# ---------------------------------------------------------------- other keys


def test_keys_that_are_not_used_are_kept_in_order() -> None:
    domain = domain_of(
        "kernel = '/boot/k'\n"
        + PLAIN
        + "disk = ['a,b', [1, 0x10]]\nshadow_memory = 010\non_crash='restart'"
    )
    assert domain.extra == (
        ("kernel", "/boot/k"),
        ("disk", ["a,b", [1, "0x10"]]),
        ("shadow_memory", "010"),
        ("on_crash", "restart"),
    )


def test_a_kept_key_can_be_written_back() -> None:
    extra = domain_of(PLAIN + "disk = ['a\\\\b', [1, 0x10], \"it's\"]\nx = 010").extra
    written = "".join(f"{key} = {render_value(value)}\n" for key, value in extra)
    assert domain_of(PLAIN + written).extra == extra


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("vnuma_vcpu_map", "vnuma_vcpumap, perhaps"),
        ("vnumanodes", "vnuma_nodes, perhaps"),
        ("vdistances", "vdistance, perhaps"),
        ("vcpumap", "vnuma_vcpumap, perhaps"),
        ("vnode", "vnodes, perhaps"),
        ("numa_qqqqqqqqqqqqqqqqq", ""),
    ],
)
def test_an_unknown_key_that_looks_like_vnuma_is_warned_about_and_kept(key: str, near: str) -> None:
    domain, warnings = read(PLAIN + f"{key} = 3")
    assert [(w.line, w.column, w.field, w.found) for w in warnings] == [
        (4, 1, key, "an unknown key that xl ignores")
    ]
    assert warnings[0].expected == near
    assert domain.extra == ((key, 3),)


def test_ordinary_keys_are_not_warned_about() -> None:
    keys = ["kernel", "disk", "vif", "pool", "boot", "vnc", "vfb", "videoram", "on_crash"]
    assert warnings_of(PLAIN + "".join(f"{key} = 1\n" for key in keys)) == []


def test_the_page_of_the_format_lists_every_key_that_is_read(project_root: Path) -> None:
    page = (project_root / "docs/xl-cfg.md").read_text(encoding="utf-8")
    nested = ["pnode=", "size=", "vcpus=", "vdistances="]
    keys = [*BASIC_KEYS, *SEED_KEYS, "vnuma", *nested]
    assert [key for key in keys if f"`{key}`" not in page] == []


# ---------------------------------------------------------------- whatever is written

SCALARS: st.SearchStrategy[Any] = st.integers(0, 5) | st.sampled_from(
    [
        64,
        128,
        1024,
        2**40,
        "",
        "x",
        "-1",
        "0, 1",
        "1,0,1,0",
        "0-1",
        "hvm",
        "pv",
        "size=64",
        "pnode=0",
    ]
)
OPTIONS = st.sampled_from(
    ["size=64", "size=512", "size=x", "vcpus=0", "vcpus=1-3", "vcpus=9", "pnode=1", "pnode=-1"]
    + ["vdistances=10,20", "vdistances=20,10", "vdistances=10", "vdistances=0", "vcpu=1", "x", ""]
)
VALUES: st.SearchStrategy[Any] = (
    SCALARS | st.lists(SCALARS, max_size=5) | st.lists(st.lists(OPTIONS, max_size=5), max_size=3)
)
KEYS = st.sampled_from(sorted({*SEED_KEYS, *BASIC_KEYS, "vnuma", "kernel"}))


@given(st.dictionaries(KEYS, VALUES, max_size=9), st.booleans(), st.booleans(), st.booleans())
def test_any_combination_of_options_is_read_or_refused(
    values: dict[str, Any], plain: bool, fallback: bool, ignore_pnodes: bool
) -> None:
    text = PLAIN if plain else ""
    text += "".join(f"{key} = {render_value(value)}\n" for key, value in values.items())
    warnings: list[Fault] = []
    try:
        domain, found = domain_from_config(
            parse_config(text), fallback=fallback, ignore_pnodes=ignore_pnodes, warnings=warnings
        )
    except InputError as error:
        refused = error.faults
        domain = None
    else:
        refused = ()
        assert found == warnings
    assert (domain is None) == bool(refused)
    if domain is not None and ignore_pnodes:
        assert (domain.vnode_pnode == -1).all()


@given(st.text())
def test_random_text_after_a_good_guest_never_fails_otherwise(text: str) -> None:
    try:
        domain = domain_of(PLAIN + text)
    except InputError as error:
        faults = error.faults
    else:
        faults = ()
        assert domain.num_vcpus >= 1
    assert all(fault.source == "vm.cfg" for fault in faults)
