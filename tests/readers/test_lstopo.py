"""hwloc reads the topologies that are exported (package hwloc)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import defusedxml.ElementTree
import pytest

from placer.export import ExportOptions, render
from placer.topology import configured_view, guest_view, topology_of
from placer.units import PAGE_BYTES
from tests.export.shapes import SHAPES, run_of

Lstopo = Callable[..., str]
"""From a document and options to what lstopo prints."""


@pytest.fixture
def lstopo(tmp_path: Path, require_program: Callable[[str, str], str]) -> Lstopo:
    program = require_program("lstopo-no-graphics", "hwloc")

    def run(text: str, *options: str) -> str:
        path = tmp_path / "topology.xml"
        path.write_text(text, encoding="utf-8")
        command = [program, "-i", path, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        printed: str = done.stdout
        return printed

    return run


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("numbering", ["guest", "vnode"])
def test_hwloc_sees_the_nodes_with_their_memory_and_pus(
    shape: str, numbering: str, lstopo: Lstopo
) -> None:
    run = run_of(shape)
    topology = topology_of(run.problem, run.placed[0])
    view = guest_view(topology) if numbering == "guest" else configured_view(topology)
    options = ExportOptions(numbering="guest" if numbering == "guest" else "vnode")
    text = render(run, None, "hwloc", options).text
    root = defusedxml.ElementTree.fromstring(lstopo(text, "--of", "xml"))
    nodes = {
        int(one.attrib["os_index"]): one
        for one in root.iter("object")
        if one.attrib["type"] == "NUMANode"
    }
    assert sorted(nodes) == list(range(view.num_nodes))
    for number, node in nodes.items():
        assert int(node.attrib["local_memory"]) == view.pages[number] * PAGE_BYTES
        if view.vcpus_of(number):
            assert bits(node.attrib["cpuset"]) == view.vcpus_of(number)
    pus = [int(o.attrib["os_index"]) for o in root.iter("object") if o.attrib["type"] == "PU"]
    assert sorted(pus) == list(range(topology.num_vcpus))


def bits(text: str) -> list[int]:
    value = 0
    for word in text.split(","):
        value = value << 32 | int(word, 16)
    return [bit for bit in range(value.bit_length()) if value >> bit & 1]


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "one-vnode"])
def test_hwloc_sees_the_distances(shape: str, lstopo: Lstopo) -> None:
    run = run_of(shape)
    view = guest_view(topology_of(run.problem, run.placed[0]))
    # In hwloc's logical order, which is that of the nodes' first PUs; their numbers follow.
    text = lstopo(render(run, None, "hwloc").text, "--distances", "--physical")
    assert "NUMALatency" in text
    head, *rows = [line.split() for line in text.splitlines() if re.match(r" +(index|\d)", line)]
    order = [int(number) for number in head[1:]]
    assert sorted(order) == list(range(view.num_nodes))
    seen = {
        (int(row[0]), other): int(v)
        for row in rows
        for other, v in zip(order, row[1:], strict=True)
    }
    assert seen == {
        (i, j): value
        for i, row in enumerate(view.distances.tolist())
        for j, value in enumerate(row)
    }
