"""The dump of debug key u, held against what Xen 4.17 printed: all of it but its clock."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from placer.export import ExportOptions, render
from placer.frames import DomainFrames
from placer.run import Run
from placer.units import ORDER_4KIB
from tests.builders import make_domain
from tests.export.runs import make_run, put
from tests.read.captures import CAPTURES, host_of

XEN = CAPTURES / "xen"
MIB = 256
CLOCK = re.compile(r"now = \d+")

CASES = {
    "2nodes/001-a-seed-example2-hvm": ([128, 128], [1, 0], [1, 0, 1, 0]),
    "4nodes-uneven/000-d-four-nodes-as-is": ([128, 128, 64, 128], [3, 2, 0, 0], [0, 1, 2, 3]),
}
"""Sizes in MiB, pnodes and the vcpu map of the guest, as its configuration gave them."""


def captured_run(dump: Path, sizes: list[int], home: list[int], mapping: list[int]) -> Run:
    """Return the run that leaves the host as the dump shows it, domain 1 being placed by it."""
    after = host_of(dump)
    (guest,) = (one for one in after.running if one.domid == 1)
    before = replace(
        after,
        free_pages=after.free_pages + guest.pages,
        free_spans=after.spans,
        running=tuple(one for one in after.running if one.domid != 1),
    )
    domain = make_domain(
        [size * MIB for size in sizes],
        len(mapping),
        name="guest",
        type="hvm",
        vcpu_to_vnode=mapping,
        vnode_pnode=home,
    )
    placed = put(
        domain,
        home,
        mapping,
        num_pnodes=after.num_pnodes,
        host=after.name,
        vcpu_to_pcpu=[0] * len(mapping),
    )
    # Xen gave some pages from other nodes: which is for the reader of frames, not of this test.
    rows = [
        (0, pnode, ORDER_4KIB, pnode << 24, pnode << 24, count)
        for pnode, count in enumerate(guest.pages.tolist())
        if count
    ]
    frames = DomainFrames(domain="guest", host=after.name, runs=rows)
    return make_run(before, [domain], [placed], [frames])


@pytest.mark.parametrize("case", CASES)
def test_the_dump_is_what_xen_prints_to_the_byte(case: str) -> None:
    dump = XEN / case / "debug-u.txt"
    run = captured_run(dump, *CASES[case])
    ours = render(run, None, "xen-dump", ExportOptions(domid=1)).text
    theirs = dump.read_text(encoding="utf-8")
    assert CLOCK.sub("now = 0", ours) == CLOCK.sub("now = 0", theirs)
