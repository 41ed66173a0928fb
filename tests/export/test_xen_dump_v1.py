"""Debug key 'u': the posting's dump line by line, ids, and hosts of other shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from placer.errors import RefusedError
from placer.export import ExportOptions, Rendered, render
from placer.host import RunningDomain
from placer.run import Run
from tests.builders import make_domain, make_host
from tests.export.runs import DOMAIN_0, DOMAIN_5, heatpipe, make_run, put

RC9_POSTED = """\
(XEN) idx0 -> NODE0 start->0 size->4521984 free->131471
(XEN) phys_to_nid(0000000000001000) -> 0 should be 0
(XEN) idx1 -> NODE1 start->4521984 size->4194304 free->341610
(XEN) phys_to_nid(0000000450001000) -> 1 should be 1
(XEN) CPU0 -> NODE0
(XEN) CPU1 -> NODE0
(XEN) CPU2 -> NODE0
(XEN) CPU3 -> NODE0
(XEN) CPU4 -> NODE1
(XEN) CPU5 -> NODE1
(XEN) CPU6 -> NODE1
(XEN) CPU7 -> NODE1
(XEN) Memory location of each domain:
(XEN) Domain 0 (total: 2569511):
(XEN) Node 0: 1416166
(XEN) Node 1: 1153345
(XEN) Domain 6 (total: 1048576):
(XEN) Node 0: 524288
(XEN) Node 1: 524288
(XEN) Domain has 2 vnodes
(XEN) vnode 0 - pnode 1 (2048) MB,
(XEN) vnode 1 - pnode 0 (2048) MB,
(XEN) Domain vcpu to vnode: 1 0 1 0
"""
RCBIG_POSTED = """\
(XEN) Memory location of each domain:
(XEN) Domain 0 (total: 2569511):
(XEN) Node 0: 1416166
(XEN) Node 1: 1153345
(XEN) Domain 5 (total: 4194304):
(XEN) Node 0: 2097152
(XEN) Node 1: 2097152
(XEN) Domain has 4 vnodes
(XEN) vnode 0 - pnode 0 (4096) MB,
(XEN) vnode 1 - pnode 0 (4096) MB,
(XEN) vnode 2 - pnode 1 (4096) MB,
(XEN) vnode 3 - pnode 1 (4096) MB,
(XEN) Domain vcpu to vnode: 0 1 2 3
"""


def export(run: Run, name: str = "vm", domid: int | None = None) -> Rendered:
    return render(run, name, "xen-dump-v1", ExportOptions(domid=domid))


def single_spaced(text: str) -> list[str]:
    """The lines without the leading blanks, which mail took from the posting."""
    return [" ".join(line.split()) for line in text.splitlines()]


def without_domain(lines: list[str], domid: int) -> list[str]:
    start = lines.index(f"(XEN) Domain {domid} (total: 4194304):")
    return lines[:start] + lines[start + 3 :]


def ids(rendered: Rendered) -> list[str]:
    return [line for line in single_spaced(rendered.text) if "(total:" in line]


def test_rc9_s_dump_is_the_posted_one_but_for_the_time_and_the_lines_it_cut(rc9: Run) -> None:
    lines = single_spaced(export(rc9, "rc9").text)
    assert lines[0] == "(XEN) 'u' pressed -> dumping numa info (now-0x0:00000000)"
    assert without_domain(lines[1:], 5) == RC9_POSTED.splitlines()


def test_rcbig_s_domains_are_the_posted_ones(rcbig: Run) -> None:
    lines = single_spaced(export(rcbig, "rcbig", domid=5).text)
    assert lines[13:] == RCBIG_POSTED.splitlines()


def test_indents_are_those_of_xen(rc9: Run) -> None:
    lines = export(rc9, "rc9").text.splitlines()
    assert lines[-6:-3] == [
        "(XEN)     Node 0: 524288",
        "(XEN)     Node 1: 524288",
        "(XEN)     Domain has 2 vnodes",
    ]
    assert lines[-2] == "(XEN)         vnode 1 - pnode 0 (2048) MB,"


def test_the_id_is_one_above_the_highest_known(rc9: Run, rcbig: Run) -> None:
    assert ids(export(rc9, "rc9"))[-1] == "(XEN) Domain 6 (total: 1048576):"
    assert ids(export(rcbig, "rcbig"))[-1] == "(XEN) Domain 1 (total: 4194304):"


def test_the_first_domain_of_an_empty_host_has_id_1() -> None:
    domain = make_domain([512])
    run = make_run(heatpipe([1024, 1024], ()), [domain], [put(domain, [0], [0])])
    assert ids(export(run)) == ["(XEN) Domain 1 (total: 512):"]


def three_domains() -> Run:
    domains = [make_domain([pages], name=f"vm{pages}") for pages in (100, 200, 300)]
    host = heatpipe([1000, 1000], (DOMAIN_0, DOMAIN_5))
    other = replace(host, name="other", running=())
    placed = [
        put(domains[0], [0], [0]),
        put(domains[1], [1], [0]),
        put(domains[2], [0], [0], host="other"),
    ]
    return make_run([host, other], domains, placed)


def test_all_domains_placed_on_the_host_are_shown_and_counted_off_its_free_memory() -> None:
    rendered = export(three_domains(), "vm200")
    shown = ids(rendered)
    assert shown[2:] == ["(XEN) Domain 6 (total: 100):", "(XEN) Domain 7 (total: 200):"]
    assert "free->900\n" in rendered.text
    assert "free->800\n" in rendered.text


def test_the_host_shown_is_the_one_that_holds_the_domain() -> None:
    rendered = export(three_domains(), "vm300")
    assert ids(rendered) == ["(XEN) Domain 1 (total: 300):"]
    assert "free->700\n" in rendered.text


def test_an_id_that_is_asked_for_is_that_of_the_exported_domain() -> None:
    shown = ids(export(three_domains(), "vm200", domid=4))
    assert shown[1] == "(XEN) Domain 4 (total: 200):"
    assert shown[3] == "(XEN) Domain 6 (total: 100):"


@pytest.mark.parametrize(
    ("domid", "said"),
    [
        (5, "domid 5 is that of running domain 'rcbig'"),
        (0, "domid 0 is not 1 to 32751"),
        (-1, "not 1 to"),
        (32752, "domid 32752 is not 1 to 32751"),
    ],
)
def test_an_id_that_is_taken_or_no_domain_s_is_refused(domid: int, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        export(three_domains(), "vm200", domid=domid)


def test_ids_end_where_xen_s_do() -> None:
    with pytest.raises(RefusedError, match="no domid left up to 32751"):
        export(three_domains(), "vm200", domid=32751)


def test_a_running_domain_without_a_known_id_is_left_out_with_a_warning() -> None:
    nameless = RunningDomain(name="old", pages=[10, 0], vcpus_on=[0, 0])
    domain = make_domain([512])
    run = make_run(heatpipe([1024, 1024], (nameless,)), [domain], [put(domain, [0], [0])])
    rendered = export(run)
    assert len(ids(rendered)) == 1
    assert rendered.warnings == ("running domains without a known id are left out: 'old'",)


def test_a_vnode_on_several_pnodes_is_shown_at_home_with_a_warning() -> None:
    domain = make_domain([512])
    run = make_run(
        heatpipe([1024, 1024], ()), [domain], [put(domain, [1], [0], pages=[[100, 412]])]
    )
    rendered = export(run)
    assert "vnode 0 - pnode 1 (2) MB," in rendered.text
    assert "Node 0: 100\n" in rendered.text
    assert "names their homes" in rendered.warnings[0]


def test_a_host_with_one_pnode_and_a_guest_with_one_vnode_are_shown() -> None:
    domain = make_domain([512], 2)
    host = make_host([1024], cpus=2, name="uma", spans=[(0, 0, 2048)])
    placed = put(domain, [0], [0, 0], num_pnodes=1, host="uma")
    assert export(make_run(host, [domain], [placed])).text.splitlines()[1:] == [
        "(XEN) idx0 -> NODE0 start->0 size->2048 free->512",
        "(XEN) phys_to_nid(0000000000001000) -> 0 should be 0",
        "(XEN) CPU0 -> NODE0",
        "(XEN) CPU1 -> NODE0",
        "(XEN) Memory location of each domain:",
        "(XEN) Domain 1 (total: 512):",
        "(XEN)     Node 0: 512",
        "(XEN)     Domain has 1 vnodes",
        "(XEN)         vnode 0 - pnode 0 (2) MB,",
        "(XEN)     Domain vcpu to vnode: 0 0",
    ]


def test_a_pnode_without_memory_spans_nothing() -> None:
    domain = make_domain([512])
    host = make_host([1024, 0], cpus=[1, 1], spans=[(0, 0, 2048)])
    placed = put(domain, [0], [0], host="host", vcpu_to_pcpu=[0])
    text = export(make_run(host, [domain], [placed])).text
    assert "idx1 -> NODE1 start->0 size->0 free->0\n" in text
    assert "phys_to_nid(0000000000001000) -> 0 should be 1\n" in text


def test_a_run_without_frames_is_refused(rc9: Run) -> None:
    with pytest.raises(RefusedError, match="no frames of domain 'rc9'"):
        export(replace(rc9, frames=()), "rc9")
