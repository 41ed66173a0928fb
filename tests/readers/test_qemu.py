"""QEMU takes the arguments that are exported, and its machine has the nodes that they say.

The nodes of the host are rewritten to the one of this machine, and huge pages left out, as it
may have none.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable

import pytest

from placer.export import render
from placer.run import Run
from placer.topology import topology_of
from placer.units import PAGES_PER_MIB
from tests.export.shapes import SHAPES, run_of


def arguments(run: Run) -> list[str]:
    """Return the arguments as a shell takes the line, for a machine with one node."""
    words = []
    for word in shlex.split(render(run, None, "qemu").text):
        plain = re.sub(r",hugetlb=on,hugetlbsize=\w+", "", word)
        nodes = re.sub(r"(,host-nodes=[\d-]+)+", ",host-nodes=0", plain)
        words.append(nodes)
    return words


@pytest.mark.parametrize("shape", SHAPES)
def test_qemu_s_machine_has_the_nodes_of_the_domain(
    shape: str, require_program: Callable[[str, str], str]
) -> None:
    program = require_program("qemu-system-x86_64", "qemu-system-x86")
    run = run_of(shape)
    given = ["-S", "-display", "none", "-nodefaults", "-monitor", "stdio", "-accel", "tcg"]
    done = subprocess.run(
        [program, *given, *arguments(run)],
        input="info numa\nquit\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    topology = topology_of(run.problem, run.placed[0])
    vcpus = re.findall(r"node (\d+) cpus:([ \d]*)", done.stdout)
    assert [[int(vcpu) for vcpu in text.split()] for _, text in vcpus] == [
        topology.vcpus_of(vnode) for vnode in range(topology.num_vnodes)
    ]
    sizes = [int(size) for size in re.findall(r"node \d+ size: (\d+) MB", done.stdout)]
    assert sizes == [pages // PAGES_PER_MIB for pages in topology.vnode_pages.tolist()]


def test_the_line_ties_each_node_s_memory_to_where_it_is_placed() -> None:
    line = render(run_of("two-reversed"), None, "qemu").text
    assert re.findall(r"id=ram-node(\d),size=\w+,host-nodes=(\d)", line) == [("0", "1"), ("1", "0")]
