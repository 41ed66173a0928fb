"""The guest's numactl: the posting's figures, both numberings, column widths."""

from __future__ import annotations

import numpy as np
import pytest

from placer.export import ExportOptions, Numbering, render
from placer.run import Run
from tests.builders import make_domain, make_host
from tests.export.runs import make_run, put, put_on_heatpipe

CROSSED = {"type": "hvm", "distances": [[10, 40], [31, 10]], "vcpu_to_vnode": [1, 0, 1, 0]}


def lines(run: Run, numbering: Numbering | None = None, name: str = "vm") -> list[str]:
    return render(run, name, "numactl", ExportOptions(numbering=numbering)).text.splitlines()


def crossed_run() -> Run:
    """A guest whose vcpu 0 is in vnode 1, as one was booted with Linux 6.1."""
    domain = make_domain([131072, 131072], 4, **CROSSED)
    return put_on_heatpipe(domain, [1, 0], [1, 0, 1, 0])


def test_the_posting_s_guests_show_their_cpus_and_distances(rcbig: Run, rc9: Run) -> None:
    shown = lines(rcbig, name="rcbig")
    assert shown[0] == "available: 4 nodes (0-3)"
    assert [line for line in shown if "cpus" in line] == [f"node {i} cpus: {i}" for i in range(4)]
    shown = lines(rc9, name="rc9")
    assert [line for line in shown if "cpus" in line] == ["node 0 cpus: 1 3", "node 1 cpus: 0 2"]
    assert shown[-3:] == ["node   0   1 ", "  0:  10  40 ", "  1:  40  10 "]


def test_a_pv_guest_numbers_its_nodes_as_vnodes_in_either_numbering(rc9: Run) -> None:
    assert lines(rc9, "guest", "rc9") == lines(rc9, "vnode", "rc9") == lines(rc9, None, "rc9")


def test_an_hvm_guest_numbers_the_node_of_vcpu_0_first() -> None:
    shown = lines(crossed_run(), "guest")
    assert shown[1:5:3] == ["node 0 cpus: 0 2", "node 1 cpus: 1 3"]
    assert shown[-2:] == ["  0:  10  31 ", "  1:  40  10 "]
    assert lines(crossed_run()) == shown


def test_the_configuration_s_numbering_can_be_asked_for() -> None:
    shown = lines(crossed_run(), "vnode")
    assert shown[1:5:3] == ["node 0 cpus: 1 3", "node 1 cpus: 0 2"]
    assert shown[-2:] == ["  0:  10  40 ", "  1:  31  10 "]


def test_another_numbering_than_the_configuration_s_is_warned_about() -> None:
    (warning,) = render(crossed_run(), "vm", "numactl").warnings
    assert "node 0 is vnode 1, node 1 is vnode 0" in warning
    assert not render(crossed_run(), "vm", "numactl", ExportOptions(numbering="vnode")).warnings


def test_size_and_free_are_the_configured_memory(rc9: Run) -> None:
    shown = lines(rc9, name="rc9")
    assert shown[2:4] == ["node 0 size: 2048 MB", "node 0 free: 2048 MB"]


def test_one_vnode_is_one_node() -> None:
    domain = make_domain([131072], 2)
    run = make_run(
        make_host([1 << 20], name="uma"),
        [domain],
        [put(domain, [0], [0, 0], num_pnodes=1, host="uma")],
    )
    assert lines(run) == [
        "available: 1 nodes (0)",
        "node 0 cpus: 0 1",
        "node 0 size: 512 MB",
        "node 0 free: 512 MB",
        "node distances:",
        "node   0 ",
        "  0:  10 ",
    ]  # fmt: skip


def test_a_vnode_without_vcpus_has_an_empty_list_and_one_without_memory_no_size() -> None:
    domain = make_domain([131072, 0], 2, type="hvm")
    run = put_on_heatpipe(domain, [0, 1], [1, 1])
    assert lines(run)[1:7] == [
        "node 0 cpus: 0 1",
        "node 0 size: 0 MB",
        "node 0 free: 0 MB",
        "node 1 cpus:",
        "node 1 size: 512 MB",
        "node 1 free: 512 MB",
    ]


def test_columns_are_three_wide_and_give_way_to_more_digits() -> None:
    num_vnodes = 101
    distances = np.full((num_vnodes, num_vnodes), 120)
    np.fill_diagonal(distances, 10)
    domain = make_domain([16384] * num_vnodes, num_vnodes, distances=distances)
    run = put_on_heatpipe(domain, [0] * num_vnodes, list(range(num_vnodes)))
    shown = lines(run)
    assert shown[-102].startswith("node   0   1   2 ")
    assert shown[-102].endswith("  98  99  100 ")
    assert shown[-101].startswith("  0:  10  120  120 ")
    assert shown[-1].startswith(" 100:  120 ")


@pytest.mark.parametrize("numbering", ["vnode", "guest"])
def test_distances_that_linux_drops_are_warned_about(numbering: Numbering) -> None:
    domain = make_domain([131072, 131072], 2, type="hvm", distances=[[10, 10], [10, 10]])
    run = put_on_heatpipe(domain, [0, 0], [0, 1])
    rendered = render(run, "vm", "numactl", ExportOptions(numbering=numbering))
    assert any("drops a SLIT" in warning for warning in rendered.warnings)
    shown = rendered.text.splitlines()[-2:]
    near_far = ["  0:  10  20 ", "  1:  20  10 "]
    assert (shown == near_far) == (numbering == "guest")
