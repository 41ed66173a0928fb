"""Upstream's vnuma: what is written, what is read back, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.errors import RefusedError
from placer.export import Rendered, render
from placer.read.xl_cfg import parse_config
from placer.read.xl_domain import domain_from_config
from placer.run import Run
from tests.builders import every_vcpu, make_domain
from tests.export.runs import (
    DOMAIN_0,
    heatpipe,
    make_run,
    put,
    put_on_heatpipe,
    rc9_run,
    renamed,
)

MIB = 256


def export(run: Run, name: str = "vm") -> Rendered:
    return render(run, name, "xl")


def read_back(text: str) -> Domain:
    return domain_from_config(parse_config(text, "vm.cfg"))[0]


def two_vnodes(**fields: Any) -> Domain:
    given = {"type": "hvm", "vcpu_to_vnode": [0, 0, 1, 1], **fields}
    return make_domain([512 * MIB, 512 * MIB], 4, **given)


def pinned_as_placed(run: Run) -> Domain:
    """The run's one domain with its pnodes and vcpu map given, as the file gives them."""
    (domain,), (placed,) = run.problem.domains, run.placed
    return replace(domain, vnode_pnode=placed.home, vcpu_to_vnode=placed.vcpu_to_vnode)


@pytest.mark.parametrize("name", ["rcbig", "rc9"])
def test_the_posting_s_guests_are_read_back_as_they_were_placed(
    name: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(name)
    back = read_back(export(run, name).text)
    assert replace(back, extra=()) == pinned_as_placed(run)


def test_every_kept_setting_is_written_back_in_order() -> None:
    extra = (
        ("kernel", "/boot/vmlinuz"),
        ("disk", ["phy:/dev/vg/a,xvda,w", "file:/b.iso,hdc,r"]),
        ("on_crash", "destroy"),
        ("nested", [["a", 1], []]),
        ("acpi", 1),
    )
    run = put_on_heatpipe(two_vnodes(extra=extra), [0, 1], [0, 0, 1, 1])
    text = export(run).text
    kept = ("kernel", "disk", "on_crash", "nested", "acpi")
    keys = [line.split(" = ")[0] for line in text.splitlines()]
    assert [key for key in keys if key in kept] == list(kept)
    own = {"maxmem", "maxvcpus"}
    assert tuple(pair for pair in read_back(text).extra if pair[0] not in own) == extra


def test_amounts_that_were_given_are_written_once_and_as_placed() -> None:
    extra = (("builder", "hvm"), ("maxmem", 2048), ("maxvcpus", 4), ("vcpus", 2))
    run = put_on_heatpipe(two_vnodes(extra=extra), [0, 1], [0, 0, 1, 1])
    rendered = export(run)
    lines = rendered.text.splitlines()
    assert lines[1:6] == [
        'type = "hvm"', "memory = 1024", "maxmem = 1024", "vcpus = 2", "maxvcpus = 4",
    ]  # fmt: skip
    keys = [line.split(" = ")[0] for line in lines if " = " in line]
    assert len(keys) == len(set(keys))
    assert "builder" not in keys
    assert any("maxmem was 2048" in warning for warning in rendered.warnings)


@pytest.mark.parametrize(
    ("domain_type", "said"), [("pv", "HVM guests only"), ("pvh", "Xen 4.17"), ("hvm", None)]
)
def test_types_that_released_xen_refuses_are_marked_in_the_file(
    domain_type: str, said: str | None
) -> None:
    run = put_on_heatpipe(two_vnodes(type=domain_type), [0, 1], [0, 0, 1, 1])
    rendered = export(run)
    comments = [line for line in rendered.text.splitlines() if line.startswith("#")]
    if said is None:
        assert not comments
        assert not rendered.warnings
    else:
        assert said in comments[0]
        assert said in rendered.warnings[0]


def test_a_single_vnode_is_written_so_that_its_memory_is_pinned() -> None:
    run = put_on_heatpipe(make_domain([512 * MIB], 2, type="hvm"), [1], [0, 0])
    assert '    ["pnode=1", "size=512", "vcpus=0-1", "vdistances=10"],\n' in export(run).text
    assert read_back(export(run).text).vnode_pnode.tolist() == [1]


def test_a_vnode_without_vcpus_names_none() -> None:
    domain = two_vnodes(vcpu_to_vnode=[0, 0, 0, 0])
    text = export(put_on_heatpipe(domain, [0, 1], [0, 0, 0, 0])).text
    assert '    ["pnode=1", "size=512", "vdistances=20,10"],\n' in text
    assert read_back(text).vcpu_to_vnode is not None


def test_distances_that_follow_the_pnodes_are_those_of_the_host() -> None:
    host = replace(heatpipe([2752911, 2963050], (DOMAIN_0,)), distances=[[10, 21], [31, 10]])
    domain = two_vnodes(auto_distances=True)
    run = make_run(host, [domain], [put(domain, [1, 0], [0, 0, 1, 1])])
    assert '"vdistances=10,31"' in export(run).text
    assert '"vdistances=21,10"' in export(run).text


def test_an_affinity_for_all_vcpus_is_one_string() -> None:
    domain = two_vnodes(hard_affinity=every_vcpu("0-3,^1", 4))
    run = put_on_heatpipe(domain, [0, 1], [0, 0, 1, 1])
    assert 'cpus = "0-3,^1"\n' in export(run).text
    assert "cpus_soft" not in export(run).text


def test_an_affinity_by_vcpu_is_a_list_with_all_where_none_was_given() -> None:
    domain = two_vnodes(
        hard_affinity=(CpuList.parse("1"), None, None, CpuList.parse("nodes:1")),
        soft_affinity=(None, CpuList.parse("2"), None, None),
    )
    text = export(put_on_heatpipe(domain, [0, 1], [0, 0, 1, 1])).text
    assert 'cpus = ["1", "all", "all", "nodes:1"]\n' in text
    assert 'cpus_soft = ["all", "2", "all", "all"]\n' in text


def test_dedicated_vcpus_are_pinned_to_their_own_pcpus() -> None:
    domain = two_vnodes(dedicated=True)
    placed = put(domain, [0, 1], [0, 0, 1, 1], vcpu_to_pcpu=[2, 3, 7, 4])
    run = make_run(heatpipe([2752911, 2963050], (DOMAIN_0,)), [domain], [placed])
    assert 'cpus = ["2", "3", "7", "4"]\n' in export(run).text


def test_vcpus_that_run_off_their_home_get_a_soft_affinity_for_where_they_run() -> None:
    domain = two_vnodes()
    placed = put(domain, [0, 0], [0, 0, 1, 1], vcpu_to_pnode=[0, 0, 0, 1])
    run = make_run(heatpipe([2752911, 2963050], (DOMAIN_0,)), [domain], [placed])
    assert 'cpus_soft = ["nodes:0", "nodes:0", "nodes:0", "nodes:1"]\n' in export(run).text


def test_a_soft_affinity_that_was_given_is_kept_and_a_spilled_vcpu_warned_about() -> None:
    domain = two_vnodes(soft_affinity=every_vcpu("all", 4))
    placed = put(domain, [0, 0], [0, 0, 1, 1], vcpu_to_pnode=[0, 0, 0, 1])
    run = make_run(heatpipe([2752911, 2963050], (DOMAIN_0,)), [domain], [placed])
    rendered = export(run)
    assert 'cpus_soft = "all"\n' in rendered.text
    assert any("vcpus 3 run off the pnode" in warning for warning in rendered.warnings)


def test_spilled_memory_is_refused_with_the_vnode_and_its_pnodes() -> None:
    domain = two_vnodes()
    pages = [[512 * MIB, 0], [128 * MIB, 384 * MIB]]
    placed = put(domain, [0, 1], [0, 0, 1, 1], pages=pages)
    run = make_run(heatpipe([2752911, 2963050], (DOMAIN_0,)), [domain], [placed])
    with pytest.raises(RefusedError, match="memory of vnode 1 lies on pnode 0 and 1"):
        export(run)


def test_every_reason_of_a_refusal_is_named() -> None:
    domain = make_domain([512 * MIB + 1, 512 * MIB], 2, type="hvm", distances=[[10, 9], [20, 10]])
    with pytest.raises(RefusedError) as refused:
        export(put_on_heatpipe(domain, [0, 1], [0, 1]))
    assert "vnode 0 has 131073 pages, no whole number of MB" in str(refused.value)
    assert "a distance is below the local one" in str(refused.value)


def test_more_vnodes_than_xen_takes_are_refused() -> None:
    domain = make_domain([64 * MIB] * 33, 33, type="hvm")
    with pytest.raises(RefusedError, match="33 vnodes, and Xen takes 32 at most"):
        export(put_on_heatpipe(domain, [0] * 33, list(range(33))))
    fewer = make_domain([64 * MIB] * 32, 32, type="hvm")
    assert "vnuma" in export(put_on_heatpipe(fewer, [0] * 32, list(range(32)))).text


def test_a_vnode_0_that_cannot_hold_the_video_memory_is_refused() -> None:
    domain = make_domain([15 * MIB, 512 * MIB], 2, type="hvm", extra=(("stdvga", 1),))
    with pytest.raises(RefusedError, match="vnode 0 is smaller than the 16 MiB of video memory"):
        export(put_on_heatpipe(domain, [0, 1], [0, 1]))


def test_distances_that_linux_drops_are_warned_about() -> None:
    domain = two_vnodes(distances=np.full((2, 2), 10))
    rendered = export(put_on_heatpipe(domain, [0, 1], [0, 0, 1, 1]))
    assert any("drops a SLIT" in warning for warning in rendered.warnings)


@given(name=st.text(min_size=1).filter(lambda name: name.isprintable() and name == name.strip()))
def test_no_name_breaks_the_file(name: str) -> None:
    text = export(renamed(rc9_run(), name), name).text
    assert read_back(text).name == name
    assert len(text.split("\n")) == len(export(rc9_run(), "rc9").text.split("\n"))


def test_a_name_with_quotes_and_signs_of_the_grammar_is_escaped() -> None:
    name = 'a"b\\c]#'
    text = export(renamed(rc9_run(), name), name).text
    assert 'name = "a\\"b\\\\c]#"\n' in text
    assert read_back(text).name == name


@pytest.mark.parametrize(
    ("setting", "said"),
    [(("Upper", 1), "no key"), (("a b", 1), "no key"), (("kernel", "a\0b"), "no NUL")],
)
def test_a_setting_that_the_grammar_cannot_say_is_refused(
    setting: tuple[str, Any], said: str
) -> None:
    run = put_on_heatpipe(two_vnodes(extra=(setting,)), [0, 1], [0, 0, 1, 1])
    with pytest.raises(RefusedError, match=said):
        export(run)
