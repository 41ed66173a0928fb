"""What is exported and read again is the same domain, as far as the format can carry it.

What it cannot carry is named by a warning of the exporter.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from placer.domain import Domain
from placer.errors import RefusedError
from placer.export import FORMATS, ExportOptions, render
from placer.read.host_formats import read_parts
from placer.read.host_parts import build_host, join_parts
from placer.read.seen import read_seen
from placer.read.sources import read_domains
from placer.run import Run
from placer.solve import solve
from placer.topology import guest_view, topology_of
from placer.units import PAGES_PER_MIB
from tests.builders import make_problem
from tests.export.shapes import PLAIN, SHAPES, run_of

NO_NAME = {"odd-name": "is no DNS name"}
"""What Proxmox cannot call a guest."""


def exported(run: Run, format_name: str, folder: Path) -> tuple[Path, tuple[str, ...]]:
    rendered = render(run, None, format_name)
    path = folder / f"vm{FORMATS[format_name].suffix}"
    path.write_bytes(rendered.content)
    return path, rendered.warnings


def read_again(path: Path) -> Domain:
    (domain,) = read_domains([str(path)]).domains
    return domain


def assert_same(ours: Domain, again: Domain) -> None:
    """Compare what makes a domain, whatever its placement."""
    for name in ("type", "num_vcpus"):
        assert getattr(again, name) == getattr(ours, name)
    assert again.vnode_pages.tolist() == ours.vnode_pages.tolist()
    assert ours.vcpu_to_vnode is not None
    assert again.vcpu_to_vnode is not None
    assert again.vcpu_to_vnode.tolist() == ours.vcpu_to_vnode.tolist()


def assert_placed_alike(run: Run, again: Domain) -> None:
    """Placing the domain that was read on the same host gives the same placement."""
    solution = solve(make_problem(run.problem.hosts[0], again))
    assert solution.result.placement is not None
    (placed,) = solution.result.placement.domains
    assert placed.home.tolist() == run.placed[0].home.tolist()
    assert placed.pages.tolist() == run.placed[0].pages.tolist()
    assert placed.vcpu_to_pnode.tolist() == run.placed[0].vcpu_to_pnode.tolist()


@pytest.mark.parametrize("shape", PLAIN)
def test_an_xl_configuration_is_the_domain_where_it_is_placed(shape: str, tmp_path: Path) -> None:
    run = run_of(shape)
    path, warnings = exported(run, "xl", tmp_path)
    again, (_, given) = read_again(path), SHAPES[shape]
    assert_same(given, again)
    assert again.name == given.name
    assert again.distances.tolist() == given.distances.tolist()
    assert again.vnode_pnode.tolist() == run.placed[0].home.tolist()
    assert_placed_alike(run, again)
    assert any("page sizes" in one for one in warnings) == bool(given.page_order.any())


@pytest.mark.parametrize("guest", ["rcbig", "rc9"])
@pytest.mark.parametrize("format_name", ["xl", "xl-v1"])
def test_a_guest_of_the_posting_is_itself_again_in_both_syntaxes_of_xl(
    request: pytest.FixtureRequest, guest: str, format_name: str, tmp_path: Path
) -> None:
    run: Run = request.getfixturevalue(guest)
    (given,) = run.problem.domains
    path, _ = exported(run, format_name, tmp_path)
    again = read_again(path)
    assert_same(given, again)
    assert again.name == given.name
    assert again.distances.tolist() == given.distances.tolist()
    assert again.vnode_pnode.tolist() == run.placed[0].home.tolist()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_libvirt_domain_is_the_domain_where_it_is_placed(shape: str, tmp_path: Path) -> None:
    run = run_of(shape)
    path, warnings = exported(run, "libvirt", tmp_path)
    again, (_, given) = read_again(path), SHAPES[shape]
    assert_same(given, again)
    assert again.name == given.name
    assert again.distances.tolist() == given.distances.tolist()
    assert again.page_order.tolist() == given.page_order.tolist()
    assert again.memory == given.memory
    assert_placed_alike(run, again)
    assert any("distinct pnodes" in one for one in warnings) == given.distinct_pnodes


@pytest.mark.parametrize("shape", [name for name in PLAIN if name != "without-vcpus"])
def test_a_proxmox_guest_is_the_domain_where_it_is_placed(shape: str, tmp_path: Path) -> None:
    run, (_, given) = run_of(shape), SHAPES[shape]
    if given.page_order.any():
        given = replace(given, page_order=given.page_order * 0 + 9)
        problem = make_problem(SHAPES[shape][0], given)
        solution = solve(problem)
        run = Run(problem=problem, result=solution.result, frames=solution.frames)
    path, warnings = exported(run, "proxmox", tmp_path)
    again = read_again(path)
    assert_same(given, again)
    assert again.page_order.tolist() == given.page_order.tolist()
    assert again.memory == given.memory
    assert again.vnode_pnode.tolist() == run.placed[0].home.tolist()
    if shape in NO_NAME:
        assert any(NO_NAME[shape] in one for one in warnings)
    else:
        assert again.name == given.name
    assert any("no distances" in one for one in warnings) == (given.num_vnodes > 1)


@pytest.mark.parametrize("shape", [name for name in PLAIN if name != "without-vcpus"])
def test_a_flavor_is_the_domain_wherever_it_is_placed(shape: str, tmp_path: Path) -> None:
    run, (_, given) = run_of(shape), SHAPES[shape]
    if len(set(given.page_order.tolist())) > 1:
        with pytest.raises(RefusedError, match="several page sizes"):
            render(run, None, "openstack")
        return
    path, warnings = exported(run, "openstack", tmp_path)
    again = read_again(path)
    assert_same(given, again)
    assert again.name == given.name
    assert (again.dedicated, again.thread_policy) == (given.dedicated, given.thread_policy)
    assert any("names no nodes of the host" in one for one in warnings)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("format_name", ["numactl", "hwloc"])
def test_the_guest_s_view_read_as_a_host_has_its_nodes(
    shape: str, format_name: str, tmp_path: Path
) -> None:
    run = run_of(shape)
    path, _ = exported(run, format_name, tmp_path)
    host, _ = build_host(join_parts([read_parts(path)[0]]), "guest")
    view = guest_view(topology_of(run.problem, run.placed[0]))
    assert host.num_pnodes == view.num_nodes
    assert (host.total_pages // PAGES_PER_MIB).tolist() == (view.pages // PAGES_PER_MIB).tolist()
    assert host.distances.tolist() == view.distances.tolist()
    assert [host.pcpu_ids[host.pcpu_pnode == p].tolist() for p in range(host.num_pnodes)] == [
        view.vcpus_of(node) for node in range(view.num_nodes)
    ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("format_name", ["xen-dump", "xen-dump-v1"])
def test_a_dump_read_again_has_the_domain_s_vnodes_and_pages(
    shape: str, format_name: str, tmp_path: Path
) -> None:
    run = run_of(shape)
    topology = topology_of(run.problem, run.placed[0])
    rendered = render(run, None, format_name, ExportOptions(domid=3))
    path = tmp_path / "dump.txt"
    path.write_text(rendered.text, encoding="utf-8")
    (seen,) = (one for one in read_seen(path) if one.domid == 3)
    vnodes = [seen.domain.vnodes[vnode] for vnode in range(topology.num_vnodes)]
    assert len(seen.domain.vnodes) == topology.num_vnodes
    assert [one.pnode for one in vnodes] == run.placed[0].home.tolist()
    assert [sorted(one.vcpus) for one in vnodes] == [
        topology.vcpus_of(vnode) for vnode in range(topology.num_vnodes)
    ]
    num_pnodes = run.problem.hosts[0].num_pnodes
    lies_on = run.frames[0].pages_on(topology.num_vnodes, num_pnodes).sum(axis=0).tolist()
    assert [seen.domain.pages_on.get(pnode, 0) for pnode in range(len(lies_on))] == lies_on
