"""A C program compiled against Xen's headers reads the flat files (libxen-dev)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from placer.errors import RefusedError
from placer.export import ExportOptions, render
from placer.run import Run
from placer.topology import Topology, topology_of, vmemranges
from tests.export.shapes import PLAIN, SHAPES, run_of

SOURCE = Path(__file__).parent / "abi.c"
DOMID_SELF = 0x7FF0

Read = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def program(
    tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str, str], str]
) -> Path:
    compiler = require_program("gcc", "gcc libc6-dev")
    if not Path("/usr/include/xen/domctl.h").exists():
        pytest.skip("Xen's headers are missing; on Debian: sudo apt-get install libxen-dev")
    target = tmp_path_factory.mktemp("abi") / "abi"
    command = [compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", SOURCE, "-o", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def read(program: Path, tmp_path: Path) -> Read:
    def run(data: bytes, *arguments: int) -> dict[str, Any]:
        path = tmp_path / "vnuma.bin"
        path.write_bytes(data)
        command = [program, path, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        assert (told.pop("size"), told.pop("zero"), told.pop("pad")) == (len(data), 0, 0)
        return told

    return run


def topology(run: Run) -> Topology:
    return topology_of(run.problem, run.placed[0])


def expected(run: Run) -> dict[str, Any]:
    """Return what the arrays hold, from the topology and not from the exporter."""
    one = topology(run)
    return {
        "counts": [one.num_vnodes, one.num_vcpus, len(one.ranges)],
        "vdistance": one.distances.ravel().tolist(),
        "vcpu_to_vnode": one.vcpu_to_vnode.tolist(),
        "vnode_to_pnode": run.placed[0].home.tolist(),
        "vmemrange": [[vnode, start, end, 0] for vnode, start, end in one.ranges.tolist()],
    }


@pytest.mark.parametrize("shape", PLAIN)
def test_what_a_guest_asks_for_is_read_through_xen_s_structure(shape: str, read: Read) -> None:
    run = run_of(shape)
    told = read(render(run, None, "xen-abi").content)
    assert told == {"magic": "PLXVNUM1", "domid": DOMID_SELF, **expected(run)}
    numbered = read(render(run, None, "xen-abi", ExportOptions(domid=7)).content)
    assert numbered["domid"] == 7


@pytest.mark.parametrize("shape", PLAIN)
def test_what_the_toolstack_sets_is_read_through_xen_s_structure(shape: str, read: Read) -> None:
    run = run_of(shape)
    told = read(render(run, None, "xen-abi", ExportOptions(to_set=True)).content)
    assert told == {"magic": "PLXVNUS1", **expected(run)}


@pytest.mark.parametrize("shape", PLAIN)
def test_the_structures_of_2013_hold_the_same_where_each_vnode_has_one_range(
    shape: str, read: Read
) -> None:
    run = run_of(shape)
    one = topology(run)
    options = ExportOptions(era="seed")
    if [vnode for vnode, _, _ in one.ranges.tolist()] != list(range(one.num_vnodes)):
        with pytest.raises(RefusedError, match="the structures of 2013 have one for each"):
            render(run, None, "xen-abi", options)
        return
    told = read(render(run, None, "xen-abi", options).content, one.num_vcpus)
    assert told == {"magic": "PLXVNUM0", "domid": DOMID_SELF, **expected(run)}


def test_a_guest_that_passes_the_hole_has_a_vnode_of_two_ranges(read: Read) -> None:
    run = run_of("over-4gib")
    told = read(render(run, None, "xen-abi").content)
    assert len(told["vmemrange"]) == 3
    pv = read(render(run, None, "xen-abi", ExportOptions(type="pv")).content)
    assert pv["counts"][2] == 2
    _, domain = SHAPES["over-4gib"]
    assert sum(end - start for _, start, end, _ in told["vmemrange"]) == sum(
        end - start for _, start, end in vmemranges(domain, domain.vnode_pages).tolist()
    )
