"""Linux, booted in QEMU with the arguments that are exported, has the topology that they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from placer.export import render
from placer.topology import guest_view, topology_of
from placer.units import PAGE_KIB
from tests.export.shapes import SHAPES, run_of
from tests.readers.linux_guest import boot
from tests.readers.test_qemu import arguments

pytestmark = pytest.mark.slow

KERNELS_OWN_KIB = 200 << 10
"""What the kernel keeps of a node at most, beside 7 % of it."""


@pytest.mark.parametrize("shape", SHAPES)
def test_linux_sees_the_nodes_that_placer_says_it_sees(
    shape: str, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    run = run_of(shape)
    view = guest_view(topology_of(run.problem, run.placed[0]))
    said = boot(arguments(run), require_program, tmp_path)
    assert said.vcpus == [view.vcpus_of(node) for node in range(view.num_nodes)]
    assert said.distances == view.distances.tolist()
    for seen, pages in zip(said.memory_kib, view.pages.tolist(), strict=True):
        configured = pages * PAGE_KIB
        assert configured * 0.93 - KERNELS_OWN_KIB <= seen <= configured
    ours = render(run, None, "numactl").text.splitlines()
    assert without_memory(said.numactl) == without_memory(ours)


def without_memory(lines: list[str]) -> list[str]:
    """Leave out sizes, of which the kernel keeps some, and blanks at the end."""
    return [line.rstrip() for line in lines if not re.search(r"size:|free:", line)]


def test_the_kernel_names_the_vnodes_by_their_proximity_domains(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    """With vcpu 0 in vnode 1, that vnode is node 0 of the guest."""
    run = run_of("two-reversed")
    said = boot(arguments(run), require_program, tmp_path)
    named = re.findall(r"SRAT: PXM (\d+) -> APIC 0x(\w+) -> Node (\d+)", "\n".join(said.dmesg))
    view = guest_view(topology_of(run.problem, run.placed[0]))
    assert named
    for vnode, _, node in named:
        assert view.vnodes[int(node)] == (int(vnode),)
