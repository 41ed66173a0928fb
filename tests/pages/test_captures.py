"""Guests built on the heaps that real Xen had, held against what real Xen gave them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from placer.arrays import Ints
from placer.domain import Domain
from placer.frames import GUEST_FRAME, OUTSIDE, DomainFrames
from placer.host import Host
from placer.pages.build import build_domain
from placer.pages.heap import Heap, dma_zone_of
from placer.pages.striped import Round
from placer.placement import PlacedDomain
from placer.read.xen_keys import SeenDomain, XenKeys, free_spans_of, parse_xen_keys
from placer.read.xl_domain import read_xl
from placer.topology import vmemranges
from placer.units import PAGE_BITS, PAGE_BYTES
from tests.pages.machines import put

DATA = Path(__file__).parent / "data"
CASES = sorted(path.name for path in DATA.iterdir() if path.is_dir())
WITH_VNUMA = [name for name in CASES if not name.endswith("auto")]
STRIPED = [name for name in CASES if name.endswith("auto")]


@dataclass(frozen=True)
class Capture:
    host: Host
    domain: Domain
    seen: SeenDomain
    pages: dict[tuple[int, int], int]


def read_capture(name: str) -> Capture:
    folder = DATA / name
    before = parse_xen_keys(
        "".join((folder / f"before-{key}.txt").read_text() for key in ("u", "m", "H")), name
    )
    after = parse_xen_keys((folder / "debug-u.txt").read_text(), name)
    probe = json.loads((folder / "probe.txt").read_text())
    domain, _ = read_xl(folder / "input.cfg")
    kind = name.split("-")[1]
    domain = replace(domain, type=kind)
    memory_map = np.empty((0, 3), dtype=np.int64)
    if (folder / "e820.txt").exists():
        memory_map = read_e820((folder / "e820.txt").read_text())
    return Capture(
        host=host_of(before, memory_map),
        domain=domain,
        seen=after.domains[probe["domid"]],
        pages={(row["vnode"], row["pnode"]): row["pages"] for row in probe["frames"]["pages"]},
    )


def read_e820(text: str) -> Ints:
    kinds = {"usable": 1, "reserved": 2}
    rows = re.findall(r"\[([0-9a-f]+), ([0-9a-f]+)\] \((\w+)\)", text)
    return np.array([(int(low, 16), int(high, 16) + 1, kinds[kind]) for low, high, kind in rows])


def host_of(keys: XenKeys, memory_map: Ints) -> Host:
    free = free_spans_of(keys)
    num_pnodes = len(keys.nodes)
    spans = [(node, start, size) for node, (start, size, _) in sorted(keys.nodes.items())]
    pcpus = sorted(keys.pcpu_pnode)
    pnodes = [keys.pcpu_pnode[pcpu] for pcpu in pcpus]
    distances = np.full((num_pnodes, num_pnodes), 20)
    np.fill_diagonal(distances, 10)
    return Host(
        name="host",
        total_pages=[size for _, _, size in spans],
        free_pages=np.bincount(free[:, 0], free[:, 2], num_pnodes).astype(np.int64),
        reserve_pages=[0] * num_pnodes,
        spans=spans,
        free_spans=free,
        pcpu_ids=pcpus,
        pcpu_pnode=pnodes,
        pcpu_socket=pnodes,
        pcpu_core=pcpus,
        distances=distances,
        memory_map=memory_map,
    )


def as_seen(capture: Capture) -> PlacedDomain:
    """The placement that the configuration asks for: each vnode on its pnode."""
    homes = [vnode.pnode or 0 for _, vnode in sorted(capture.seen.vnodes.items())]
    vnodes = np.zeros(capture.domain.num_vcpus, dtype=np.int64)
    for index, vnode in capture.seen.vnodes.items():
        vnodes[vnode.vcpus] = index
    return put(capture.domain, capture.host, homes, vnodes)


def built(capture: Capture) -> DomainFrames:
    placed = as_seen(capture)
    return build_domain(Heap.of(capture.host), capture.domain, placed, capture.host)


@pytest.mark.parametrize("name", WITH_VNUMA)
def test_each_pnode_gives_each_vnode_the_very_number_of_pages_that_xen_gave(name: str) -> None:
    capture = read_capture(name)
    frames = built(capture)
    found: dict[tuple[int, int], int] = {}
    for run, pages in zip(frames.runs.tolist(), frames.run_pages.tolist(), strict=True):
        vnode = -1 if run[GUEST_FRAME] == OUTSIDE else run[0]
        found[vnode, run[1]] = found.get((vnode, run[1]), 0) + pages
    assert found == capture.pages
    assert int(frames.run_pages.sum()) == capture.seen.total_pages


@pytest.mark.parametrize("name", WITH_VNUMA)
def test_guest_ranges_are_those_that_xen_was_told(name: str) -> None:
    capture = read_capture(name)
    found = vmemranges(capture.domain, None, capture.host.memory_map).tolist()
    seen = [
        [index, start, end]
        for index, vnode in sorted(capture.seen.vnodes.items())
        for start, end in vnode.ranges
    ]
    assert found == seen


@pytest.mark.parametrize("name", STRIPED)
def test_memory_without_a_pnode_goes_round_the_node_affinity_to_the_extent(name: str) -> None:
    """Where the round begins depends on what the toolstack took before; so does its end."""
    capture = read_capture(name)
    text = (DATA / name / "list-n.txt").read_text().splitlines()[-1].split()[-1]
    affinity = [
        pnode
        for part in text.split(",")
        for pnode in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)
    ]
    heap, around = Heap.of(capture.host), Round(affinity)
    pages = capture.domain.memory_pages
    taken = np.zeros(capture.host.num_pnodes, dtype=np.int64)
    for order, number in ((9, pages // 512), (0, pages % 512)):
        for stripe in around.allocate(heap, order, number):
            taken[stripe.pnode] += int(stripe.rows[:, 1].sum()) << order
    seen = np.array([capture.seen.pages_on[node] for node in range(len(taken))])
    special = 17 if capture.domain.type == "pvh" else 0
    assert int(seen.sum()) == pages + special
    assert taken.astype(bool).tolist() == seen.astype(bool).tolist()
    assert int(np.abs(taken - seen).max()) <= 512 + special


@pytest.mark.parametrize("name", CASES)
def test_the_memory_kept_for_devices_is_as_wide_as_xen_said(name: str) -> None:
    said = re.search(r"DMA width (\d+) bits", (DATA / name / "boot.txt").read_text())
    assert said is not None
    assert dma_zone_of(read_capture(name).host) + PAGE_BITS == int(said[1])


def test_the_heap_of_the_keys_has_the_free_pages_of_key_u() -> None:
    for name in CASES:
        keys = parse_xen_keys((DATA / name / "before-u.txt").read_text(), name)
        host = read_capture(name).host
        free = [free for _, (_, _, free) in sorted(keys.nodes.items())]
        assert np.abs(host.free_pages - free).max() <= 64, name


def test_ranges_of_a_guest_over_4_gib_leave_out_its_hole() -> None:
    ranges = vmemranges(read_capture("2p-hvm-over-4g").domain)
    assert (ranges[:, 2] - ranges[:, 1]).sum() // PAGE_BYTES == 5120 * 256 - 2048
    assert ranges[1].tolist() == [1, 0x9F800000, 0xF0000000]


@pytest.mark.parametrize("name", CASES)
def test_key_m_divides_the_zones_nearly_as_key_h_does(name: str) -> None:
    texts = {key: (DATA / name / f"before-{key}.txt").read_text() for key in ("u", "m", "H")}
    with_h = parse_xen_keys(texts["u"] + texts["H"], name)
    with_m = parse_xen_keys(texts["u"] + texts["m"], name)
    heaps = [
        Heap(len(keys.nodes), free_spans_of(keys)).extents_by_zone() << np.arange(19)
        for keys in (with_h, with_m)
    ]
    differences = np.abs(heaps[0].sum(axis=2) - heaps[1].sum(axis=2))
    assert int(differences.sum()) <= 128, differences.nonzero()
