"""What is free on a host, from the files that can say it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.errors import InputError
from placer.host import Host
from placer.pages.heap import Heap, free_extents
from placer.read.heap_file import HeapFile, read_heap_file, save_heap_file
from placer.read.inventory import read_inventory
from placer.read.synthesised import lay_out_counts, lay_out_fragmented
from tests.builders import make_host
from tests.pages.machines import host_of

DATA = Path(__file__).parent / "data"
PAGES = Path(__file__).parents[1] / "pages" / "data"
GIB = 1 << 18
KEY_U = b"NODE0 start->0 size->5 free->1\n"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=11, max_size=11), st.integers(0, 3000))
def test_counts_are_laid_out_as_exactly_so_many_extents(counts: list[int], start: int) -> None:
    spans = np.array([[start, 1 << 17], [GIB, 1 << 18]])
    rows = lay_out_counts(spans, counts)
    heap = Heap(1, np.insert(rows, 0, 0, axis=1))
    found = heap.extents()[0]
    assert found[:10].tolist() == counts[:10]
    assert int((found[10:] << np.arange(9)).sum()) == counts[10]
    assert heap.available(9)[0] == 2 * counts[10] + counts[9]
    inside = Heap(1, np.insert(spans, 0, 0, axis=1))
    inside.remove(np.insert(rows, 0, 0, axis=1))


def test_what_may_be_larger_than_the_last_order_makes_up_as_few_1_gib_extents_as_can_be() -> None:
    spans = np.array([[GIB, 4 * GIB]])
    for number, whole in ((4 * 255, 0), (4 * 255 + 1, 1), (4 * 256, 4)):
        rows = lay_out_counts(spans, [0] * 10 + [number])
        assert Heap(1, np.insert(rows, 0, 0, axis=1)).available(18)[0] == whole


@pytest.mark.parametrize(
    "counts", [[0] * 10 + [257], [513 * 512], [1, 0, 0, 0, 0, 0, 0, 0, 0, 512]]
)
def test_counts_that_have_no_room_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="room"):
        lay_out_counts(np.array([[GIB, GIB]]), counts)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 600_000),
    st.floats(0, 1),
    st.integers(0, 100),
    st.sampled_from([0, 1, 700]),
)
def test_the_share_of_free_memory_in_no_2_mib_extent_is_the_one_asked_for(
    free: int, share: float, seed: int, start: int
) -> None:
    spans = np.array([[GIB + start, 4 * GIB]])
    rows = lay_out_fragmented(spans, free, share, np.random.default_rng(seed))
    again = lay_out_fragmented(spans, free, share, np.random.default_rng(seed))
    assert np.array_equal(rows, again)
    heap = Heap(1, np.insert(rows, 0, 0, axis=1))
    assert heap.free_pages[0] == free
    large = int(heap.available(9)[0]) * 512
    assert free * (1 - share) - 512 <= large <= free * (1 - share)
    Heap(1, np.insert(spans, 0, 0, axis=1)).remove(np.insert(rows, 0, 0, axis=1))


def test_a_host_too_full_for_its_fragmentation_is_refused() -> None:
    with pytest.raises(ValueError, match="no room for 50% in small extents"):
        lay_out_fragmented(np.array([[GIB, GIB]]), GIB, 0.5, np.random.default_rng(0))


def test_a_terabyte_without_fragmentation_is_one_span() -> None:
    spans = np.array([[GIB, 1 << 28]])
    rows = lay_out_fragmented(spans, 1 << 28, 0.0, np.random.default_rng(0))
    assert rows.tolist() == [[GIB, 1 << 28]]


def test_linux_counts_are_read_from_either_of_its_files() -> None:
    buddies = read_heap_file(DATA / "linux-buddyinfo.txt")
    types = read_heap_file(DATA / "linux-pagetypeinfo.txt")
    assert buddies.counts is not None
    assert types.counts is not None
    assert buddies.counts.shape == types.counts.shape == (1, 11)
    # Taken one after the other on a machine at work.
    assert np.abs(buddies.counts - types.counts).sum() < 200
    assert buddies.free_from == "buddyinfo"
    assert buddies.free_pages.tolist() == (buddies.counts << np.arange(11)).sum(axis=1).tolist()


def test_a_machine_that_linux_describes_keeps_its_extents(tmp_path: Path) -> None:
    path = inventory(tmp_path, 'heap = "buddyinfo"', ['total = "24GiB"\npcpus = "0-1"'])
    (tmp_path / "buddyinfo").write_text((DATA / "linux-buddyinfo.txt").read_text())
    (host,) = read_inventory(path)
    counts = read_heap_file(tmp_path / "buddyinfo").counts
    assert counts is not None
    assert free_extents(host)[0, :10].tolist() == counts[0, :10].tolist()
    assert host.free_from == "buddyinfo"
    assert not host.free_spans_known


def test_a_count_too_long_for_the_kernel_counts_as_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "types"
    path.write_text("Node    0, zone   Normal, type    Movable >100000 7\n")
    found = read_heap_file(path)
    assert found.counts is not None
    assert found.counts.tolist() == [[100000, 7]]


def test_xens_keys_give_a_host_its_frames_and_what_is_free_in_each_zone(tmp_path: Path) -> None:
    source = PAGES / "2p-hvm-over-4g"
    text = (source / "before-u.txt").read_text() + (source / "before-H.txt").read_text()
    (tmp_path / "keys.txt").write_text(text)
    path = inventory(tmp_path, 'heap = "keys.txt"', ['pcpus = "0-1"', 'pcpus = "2-3"'])
    (host,) = read_inventory(path)
    assert host.free_from == "xen keys"
    assert host.spans.tolist() == [[0, 0, 1441792], [1, 1441792, 1179648]]
    assert host.total_pages.tolist() == [1441792, 1179648]
    by_zone = (Heap.of(host).extents_by_zone() << np.arange(19)).sum(axis=2)
    assert by_zone[0, 20:22].tolist() == [261592, 387517]
    assert by_zone[1, 21:23].tolist() == [655360, 391554]


def test_key_u_alone_gives_free_pages_by_pnode(tmp_path: Path) -> None:
    (tmp_path / "u").write_text((PAGES / "4p-pv-auto" / "before-u.txt").read_text())
    found = read_heap_file(tmp_path / "u")
    assert found.free_pages.tolist() == [177418, 127668, 129965, 48540]


def saved(host: Host, path: Path) -> HeapFile:
    save_heap_file(path, host)
    return read_heap_file(path)


def test_a_saved_heap_is_read_back_as_it_was(tmp_path: Path) -> None:
    host = host_of([(0, 5, 1000), (1, 1 << 20, 77), (0, 1 << 21, GIB)])
    found = saved(host, tmp_path / "heap.npz")
    assert found.free_spans is not None
    assert np.array_equal(found.free_spans, host.free_spans)
    assert found.spans is not None
    assert np.array_equal(found.spans, host.spans)
    assert found.free_from == "spans"
    made_up = saved(replace(host, free_from="buddyinfo"), tmp_path / "other.npz")
    assert made_up.free_from == "buddyinfo"
    first = (tmp_path / "heap.npz").read_bytes()
    save_heap_file(tmp_path / "heap.npz", host)
    assert (tmp_path / "heap.npz").read_bytes() == first


def test_a_host_may_take_its_memory_from_a_saved_heap(tmp_path: Path) -> None:
    host = host_of([(0, 512, 1024), (1, 8192, 600)])
    save_heap_file(tmp_path / "heap.npz", host)
    path = inventory(tmp_path, 'heap = "heap.npz"', ['pcpus = "0"', 'pcpus = "1"'])
    (found,) = read_inventory(path)
    assert found.free_spans.tolist() == host.free_spans.tolist()
    assert found.free_spans_known


def archive(**changed: object) -> bytes:
    arrays = {
        "version": np.array(1),
        "num_pnodes": np.array(1),
        "spans": np.array([[0, 1, 5]]),
        "free_spans": np.array([[0, 1, 5]]),
        "free_from": np.array(0),
    }
    arrays.update((name, np.asarray(value)) for name, value in changed.items())
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def empty_archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w"):
        pass
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "heap: found none of these, expected a file saved by placer heap"),
        (b"hello", "none of these"),
        (b"PK", "a damaged archive"),
        (empty_archive(), "a damaged archive"),
        (archive(version=9), "version: found 9, expected 1"),
        (archive(spans=np.zeros((2, 2), dtype=int)), "other shapes"),
        (archive(spans=np.array([["a", "b", "c"]])), "other than whole numbers"),
        (archive(spans=np.array([[None, 1, 2]])), "a damaged archive"),
        (archive(free_spans=[[1, 1, 5]]), "a pnode out of range"),
        (archive(spans=[[0, -5, 9]]), "spans: found frames out of range"),
        (archive(spans=[[0, 1, 1 << 62]]), "spans: found frames out of range"),
        (archive(free_spans=[[0, 1, 5], [0, 3, 5]]), "free_spans: found frame 3 is free twice"),
        (archive(num_pnodes=-1), "expected figures of a host"),
        (archive(free_from=77), "expected figures of a host"),
        (b"(XEN) NODE0 start->0 size->5 free->9\n", "NODE0: found 9 free pages"),
        (b"NODE0 start->0 size->5 free->1\nNODE2 start->9 size->5 free->1\n", "nodes [0, 2]"),
        (b"Node 0, zone DMA 1 2 3\nNode 0, zone DMA32 1 2\n", ":2: buddyinfo: found 2 orders"),
        (b"Node 0, zone DMA 1 2 3\nnonsense\n", ":2: buddyinfo: found 'nonsense'"),
        (b"Node 0, zone DMA " + b"1 " * 25 + b"\n", "25 orders"),
        (b"Node 5000, zone DMA 1 2 3\n", ":1: buddyinfo: found 5000, above 1023"),
        (b"Node 0, zone DMA 1\nNode 0, zone DMA " + b"1" * 60 + b" x\n", ":2: buddyinfo: found"),
        (b"Node 0, zone DMA 1 2 " + b"9" * 5000 + b"\n", ":1: buddyinfo: found 99999"),
        (KEY_U + b"NODE1 start->5 size->" + b"9" * 30 + b" free->1\n", ":2: 'NODE1 start->5"),
        (b"NODE0 start->1099511627776 size->5 free->1\n", "found frames up to 1099511627781"),
        (KEY_U + b"CPU0...99999999 -> NODE0\n", ":2: 'CPU0...99999999 -> NODE0': found pcpu"),
        (KEY_U + b"CPU3...1 -> NODE0\n", "the range '3-1' runs backwards"),
        (KEY_U + b"heap[node=0][zone=41] -> 5 pages\n", "found 41, above 40"),
        (KEY_U + b"heap[0]: 16kB free\n", "heap[0]: found 16kB, expected 0kB"),
        (KEY_U + b"d1 (total: 5):\n0: pnode   0, vcpus 0 - 3\n", ":3: '0: pnode   0"),
        (KEY_U + b"d1 (total: 5):\n0: pnode 999, vcpus 0\n", "found 999, above 255"),
        (b"\xff\xfe", "byte 0xff"),
    ],
)
def test_what_is_no_heap_is_refused_in_one_clear_line(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_heap_file(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def inventory(folder: Path, host: str, pnodes: list[str]) -> Path:
    path = folder / "host.toml"
    tables = "".join(f"[[host.pnode]]\n{pnode}\n" for pnode in pnodes)
    path.write_text(f"[[host]]\ndistances = [10, 20]\n{host}\n{tables}")
    return path


@pytest.mark.parametrize(
    ("host", "pnode", "said"),
    [
        ('heap = "no"', "", "no: no such file or directory"),
        ("heap = 5", "", "host[0].heap: found"),
        ('heap = "keys"', "free_pages = 5", "free_pages beside a heap, which says it"),
        ('heap = "keys"', "free_spans = [[1, 2]]", "free_spans beside a heap"),
        ('heap = "keys"', "spans = [[1, 2]]", "spans beside a heap that has them"),
        ('heap = "keys"\nfragmentation = 0.5', "", "heap as well"),
        ('heap = "two"', "", "2 pnodes in"),
        (
            'heap = "keys"',
            "total_pages = 8",
            "total_pages: found 8 pages, expected 9 pages or more",
        ),
        ("fragmentation = 1.5", "total_pages = 512", "a share of the free memory, from 0 to 1"),
        ('fragmentation = "x"', "total_pages = 512", "a share of the free memory"),
        ("fragmentation_seed = 5", "total_pages = 512", "a share to go with it"),
        ("fragmentation = 0.5", "free_spans = [[1, 2]]\nspans=[[1, 2]]", "beside fragmentation"),
        ("fragmentation = 0.9", "total_pages = 512", "no room for 90%"),
        ("memory_map = 5", "total_pages = 5", "memory_map: found"),
        ("memory_map = [[0, 5]]", "total_pages = 5", "[first byte, end, type]"),
        ('memory_map = [[0, 5, "rum"]]', "total_pages = 5", "one of ram, reserved"),
        ('memory_map = [[5, 5, "ram"]]', "total_pages = 5", "found 5 to 5"),
        ('memory_map = [[0, 5, "ram"], [4, 9, "ram"]]', "total_pages = 5", "found 4 to 9"),
    ],
)
def test_what_contradicts_a_heap_is_named(host: str, pnode: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("NODE0 start->0 size->50 free->9\n")
    (tmp_path / "two").write_text("Node 0, zone DMA 1\nNode 1, zone DMA 1\n")
    pnode = pnode or "total_pages = 50"
    path = inventory(tmp_path, host, [f'{pnode}\npcpus = "0"'])
    with pytest.raises(InputError) as caught:
        read_inventory(path)
    assert said in str(caught.value)


def test_a_memory_map_is_read_in_words(tmp_path: Path) -> None:
    rows = '[[0, 0x9fc00, "ram"], [0x9fc00, 0xa0000, "reserved"], [0x100000, 0x200000, "unusable"]]'
    path = inventory(tmp_path, f"memory_map = {rows}", ['total = "1MiB"\npcpus = "0"'])
    (host,) = read_inventory(path)
    assert host.memory_map[:, 2].tolist() == [1, 2, 5]
    assert host.memory_map[1, 0] == 0x9FC00


def test_a_host_without_a_map_has_none() -> None:
    assert make_host([512]).memory_map.shape == (0, 3)
