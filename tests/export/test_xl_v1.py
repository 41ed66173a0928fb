"""The flat keys of the posting: written, read back, refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from placer.domain import Domain
from placer.errors import RefusedError
from placer.export import Rendered, render
from placer.read.xl_cfg import parse_config
from placer.read.xl_domain import domain_from_config
from placer.run import Run
from tests.builders import every_vcpu, make_domain
from tests.export.runs import DOMAIN_0, heatpipe, make_run, put, put_on_heatpipe, renamed

MIB = 256
POSTED = """\
memory = 4096
vcpus = 4
name = "rc9"
vnodes = 2
vnumamem = [2048, 2048]
vdistance = [10, 40, 40, 10]
vnuma_vcpumap ="1, 0, 1, 0"
vnuma_vnodemap = [1, 0]
"""


def export(run: Run, name: str = "vm") -> Rendered:
    return render(run, name, "xl-v1")


def read_back(text: str) -> Domain:
    return domain_from_config(parse_config(text, "vm.cfg"))[0]


def two_vnodes(**fields: Any) -> Domain:
    return make_domain([512 * MIB] * 2, 4, **{"vcpu_to_vnode": [0, 0, 1, 1], **fields})


def test_rc9_is_written_as_it_was_posted(rc9: Run) -> None:
    written = export(rc9, "rc9").text.splitlines()
    assert written[0].startswith("# Note:")
    assert written[1:] == POSTED.replace("vcpumap =", "vcpumap = ").splitlines()


@pytest.mark.parametrize("name", ["rcbig", "rc9"])
def test_the_posting_s_guests_are_read_back_as_they_were_placed(
    name: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(name)
    (domain,), (placed,) = run.problem.domains, run.placed
    assert read_back(export(run, name).text) == replace(domain, vnode_pnode=placed.home)


def test_distances_are_the_whole_table_by_rows() -> None:
    domain = two_vnodes(distances=[[10, 15], [25, 10]])
    text = export(put_on_heatpipe(domain, [0, 1], [0, 0, 1, 1])).text
    assert "vdistance = [10, 15, 25, 10]\n" in text


def test_pins_and_kept_settings_are_written_back() -> None:
    extra = (("kernel", "/boot/vmlinuz"), ("type", "pv"), ("vcpus", 2), ("maxvcpus", 4))
    domain = two_vnodes(hard_affinity=every_vcpu("0-3", 4), extra=extra)
    text = export(put_on_heatpipe(domain, [0, 0], [0, 0, 1, 1])).text
    assert text.splitlines()[1:4] == ["memory = 1024", "vcpus = 2", "maxvcpus = 4"]
    assert text.splitlines()[-2:] == ['cpus = "0-3"', 'kernel = "/boot/vmlinuz"']


def test_released_xen_s_silence_is_warned_about(rc9: Run) -> None:
    assert "ignores" in export(rc9, "rc9").warnings[0]


@pytest.mark.parametrize("domain_type", ["hvm", "pvh"])
def test_a_guest_that_is_not_pv_is_refused(domain_type: str) -> None:
    run = put_on_heatpipe(two_vnodes(type=domain_type), [0, 1], [0, 0, 1, 1])
    with pytest.raises(RefusedError, match=f"for PV guests, and type is {domain_type}; use xl"):
        export(run)


def test_every_vnode_that_the_parser_would_not_take_is_named() -> None:
    domain = make_domain([63 * MIB, 512 * MIB + 3, 64 * MIB], 2)
    pages = [[63 * MIB, 0], [3, 512 * MIB], [64 * MIB, 0]]
    placed = put(domain, [0, 1, 0], [0, 1], pages=pages)
    run = make_run(heatpipe([2752911, 2963050], (DOMAIN_0,)), [domain], [placed])
    with pytest.raises(RefusedError) as refused:
        export(run)
    for reason in (
        "vnode 0 is below 64 MB",
        "vnode 1 has 131075 pages, no whole number of MB",
        "memory of vnode 1 lies on pnode 0 and 1",
        "vnode 2 has no vcpu",
    ):
        assert reason in str(refused.value)


def test_a_vcpu_off_its_home_is_warned_about() -> None:
    domain = two_vnodes()
    placed = put(domain, [0, 0], [0, 0, 1, 1], vcpu_to_pnode=[0, 0, 1, 1])
    run = make_run(heatpipe([2752911, 2963050], (DOMAIN_0,)), [domain], [placed])
    assert any("vcpus 2-3 run off" in warning for warning in export(run).warnings)


def test_a_single_vnode_is_written() -> None:
    text = export(put_on_heatpipe(make_domain([512 * MIB], 2), [1], [0, 0])).text
    for line in ("vnodes = 1", "vnumamem = [512]", "vdistance = [10]", "vnuma_vnodemap = [1]"):
        assert line in text.splitlines()


def test_a_name_with_quotes_and_signs_of_the_grammar_is_escaped(rc9: Run) -> None:
    name = 'x"; vnodes = 9 # \\'
    text = export(renamed(rc9, name), name).text
    assert len(text.splitlines()) == len(export(rc9, "rc9").text.splitlines())
    assert read_back(text).name == name
