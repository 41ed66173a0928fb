"""libvirt validates and defines the domains that are exported, and keeps what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import defusedxml.ElementTree
import pytest

from placer.export import render
from placer.run import Run
from placer.topology import topology_of
from placer.units import PAGE_KIB
from tests.export.shapes import ODD_NAME, SHAPES, run_of


def written(run: Run) -> str:
    return render(run, None, "libvirt").text


@pytest.mark.parametrize("shape", SHAPES)
def test_libvirt_s_schema_takes_the_domain(
    shape: str, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    program = require_program("virt-xml-validate", "libvirt-clients")
    require_program("xmllint", "libxml2-utils")
    path = tmp_path / "domain.xml"
    path.write_text(written(run_of(shape)), encoding="utf-8")
    command = [program, path, "domain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def define(text: str, folder: Path, program: str) -> tuple[str, Element | None]:
    """Define the domain with libvirt's own test driver; what it said, and how it dumps it."""
    path = folder / "domain.xml"
    path.write_text(text.replace('<domain type="kvm">', '<domain type="test">'), encoding="utf-8")
    root = defusedxml.ElementTree.fromstring(text)
    name = str(root.findtext("name")).replace("'", "'\\''")
    script = f"define '{path}'; dumpxml '{name}'"
    command = [program, "-c", "test:///default", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    at = done.stdout.find("<domain")
    if done.returncode or at < 0:
        return done.stdout + done.stderr, None
    assert done.stderr == ""
    return done.stdout[:at], defusedxml.ElementTree.fromstring(done.stdout[at:])


@pytest.mark.parametrize("shape", SHAPES)
def test_libvirt_defines_the_domain_and_keeps_its_topology(
    shape: str, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    run = run_of(shape)
    said, kept = define(written(run), tmp_path, require_program("virsh", "libvirt-clients"))
    assert kept is not None, said
    topology = topology_of(run.problem, run.placed[0])
    host = run.problem.hosts[0]
    assert kept.findtext("name") == run.problem.domains[0].name
    assert kept.findtext("vcpu") == str(topology.num_vcpus)
    cells = kept.findall("cpu/numa/cell")
    assert [int(cell.attrib["memory"]) for cell in cells] == [
        pages * PAGE_KIB for pages in topology.vnode_pages.tolist()
    ]
    for vnode, cell in enumerate(cells):
        assert numbers(cell.get("cpus", "")) == topology.vcpus_of(vnode)
        if topology.num_vnodes > 1:
            siblings = cell.findall("distances/sibling")
            row = {int(one.attrib["id"]): int(one.attrib["value"]) for one in siblings}
            assert row == dict(enumerate(topology.distances[vnode].tolist()))
    placed = run.placed[0]
    for node in kept.findall("numatune/memnode"):
        lies_on = placed.pages[int(node.attrib["cellid"])].nonzero()[0].tolist()
        assert numbers(node.attrib["nodeset"]) == lies_on
    pins = {
        int(one.attrib["vcpu"]): numbers(one.attrib["cpuset"])
        for one in kept.findall("cputune/vcpupin")
    }
    for vcpu, pnode in enumerate(placed.vcpu_to_pnode.tolist()):
        assert placed.vcpu_to_pcpu[vcpu] in pins[vcpu]
        assert {int(host.pcpu_pnode[pcpu]) for pcpu in pins[vcpu]} == {pnode}


def numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def test_an_odd_name_is_kept(tmp_path: Path, require_program: Callable[[str, str], str]) -> None:
    program = require_program("virsh", "libvirt-clients")
    _, kept = define(written(run_of("odd-name")), tmp_path, program)
    assert kept is not None
    assert kept.findtext("name") == ODD_NAME


def test_libvirt_does_look_at_the_cells(
    tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    text = written(run_of("two-reversed")).replace('<cell id="1"', '<cell id="2"')
    said, kept = define(text, tmp_path, require_program("virsh", "libvirt-clients"))
    assert kept is None
    assert "guest NUMA cell" in said
