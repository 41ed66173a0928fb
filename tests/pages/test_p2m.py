from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.frames import OUTSIDE, DomainFrames
from placer.pages.p2m import NO_FRAME, PhysicalMap, write_orders, write_p2m

GIB = 1 << 18


def frames_of(runs: list[list[int]]) -> DomainFrames:
    return DomainFrames(domain="vm", host="host", runs=runs)


def plain_map(runs: list[list[int]]) -> dict[int, tuple[int, int]]:
    """(machine frame, order) of each guest frame, page by page: low extents lie high."""
    found = {}
    for _, _, order, guest, machine, count, step in runs:
        for k in range(count) if guest != OUTSIDE else ():
            at = guest + (k * step << order)
            frame = machine + (count - 1 - k << order)
            found.update({at + i: (frame + i, order) for i in range(1 << order)})
    return found


@st.composite
def random_runs(draw: st.DrawFn) -> list[list[int]]:
    """Runs of single and 2 MiB pages side by side, apart, striped, and some at no address."""
    runs, guest = [], 0
    for _ in range(draw(st.integers(1, 8))):
        guest += draw(st.sampled_from([0, 0, 1, 32, 700]))
        order = draw(st.sampled_from([0, 0, 9]))
        count = draw(st.integers(1, 6) if order else st.sampled_from([1, 2, 3, 200, 1500]))
        machine = draw(st.integers(0, 1 << 12)) << 9
        kind = draw(st.sampled_from(["side by side", "side by side", "striped", "outside"]))
        if kind == "striped" and not order:
            runs.append([0, 0, 0, guest, machine, count, 2])
            runs.append([0, 1, 0, guest + 1, machine, count, 2])
            guest += 2 * count
        elif kind == "outside":
            runs.append([0, 0, order, OUTSIDE, machine, count, 1])
        else:
            runs.append([0, 0, order, guest, machine, count, 1])
            guest += count << order
    return draw(st.permutations(runs))


@settings(max_examples=400)
@given(random_runs(), st.data())
def test_the_array_says_of_every_guest_frame_what_backs_it(
    runs: list[list[int]], data: st.DataObject
) -> None:
    expected = plain_map(runs)
    found = PhysicalMap(frames_of(runs))
    assert found.num_frames == max(expected, default=-1) + 1
    whole = [expected.get(frame, (NO_FRAME, 255)) for frame in range(found.num_frames)]
    assert found.to_array().tolist() == [frame for frame, _ in whole]
    first = data.draw(st.integers(0, found.num_frames))
    last = data.draw(st.integers(first, found.num_frames + 5))
    padded = [*whole, *[(NO_FRAME, 255)] * 5]
    window = np.full(last - first, 7, dtype=np.int64)
    found.fill(window, first)
    assert window.tolist() == [frame for frame, _ in padded[first:last]]
    orders = np.full(last - first, 7, dtype=np.uint8)
    found.fill_orders(orders, first)
    assert orders.tolist() == [order for _, order in padded[first:last]]
    from_extents = {
        guest + i: (machine + i, order)
        for guest, machine, order in found.extents().tolist()
        for i in range(1 << order)
    }
    assert from_extents == expected


def test_pages_of_1_gib_are_filled_like_any_other() -> None:
    runs = [[0, 0, 18, 5, 4 * GIB, 2, 1], [0, 0, 0, 5 + 2 * GIB, 77, 1, 1]]
    found = PhysicalMap(frames_of(runs)).to_array()
    assert found[:5].tolist() == [NO_FRAME] * 5
    assert np.array_equal(found[5 : 5 + GIB], np.arange(5 * GIB, 6 * GIB))
    assert np.array_equal(found[5 + GIB : 5 + 2 * GIB], np.arange(4 * GIB, 5 * GIB))
    assert found[-1] == 77


def test_a_guest_at_no_address_has_an_empty_map(tmp_path: Path) -> None:
    frames = frames_of([[0, 0, 0, OUTSIDE, 5, 3, 1]])
    assert PhysicalMap(frames).to_array().tolist() == []
    assert write_p2m(tmp_path / "none.npy", frames) == 0
    assert np.load(tmp_path / "none.npy").shape == (0,)


def test_files_hold_what_the_arrays_hold(tmp_path: Path) -> None:
    frames = frames_of([[0, 0, 9, 0, 1 << 20, 20000, 1], [0, 0, 0, 20000 * 512, 5, 99, 1]])
    found = PhysicalMap(frames)
    assert write_p2m(tmp_path / "p2m.npy", frames) == found.num_frames
    assert np.array_equal(np.load(tmp_path / "p2m.npy"), found.to_array())
    write_orders(tmp_path / "orders.npy", frames)
    orders = np.load(tmp_path / "orders.npy")
    assert orders.dtype == np.uint8
    assert np.bincount(orders).nonzero()[0].tolist() == [0, 9]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders.npy", "p2m.npy"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    frames = frames_of([[0, 0, 0, 0, 5, 3, 1]])
    with pytest.raises(OSError, match=r"[Ii]s a directory"):
        write_p2m(tmp_path, frames)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"[Ii]s a directory"):
        write_p2m(tmp_path / "folder", frames)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


WRITE = """
import resource, sys
import numpy as np
from pathlib import Path
from placer.frames import DomainFrames
from placer.pages.p2m import write_p2m
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
runs = [[0, 0, 9, 0, 1 << 30, 1 << 19, 1]]
try:
    np.empty(1 << 27, dtype=np.int64)
except MemoryError:
    print(write_p2m(Path(sys.argv[1]), DomainFrames(domain="vm", host="host", runs=runs)))
"""


def test_a_map_of_2_gib_is_written_with_less_than_512_mib_of_address_space(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    paths = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    ended = subprocess.run(
        [sys.executable, "-c", WRITE, str(path)],
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (ended.returncode, ended.stdout) == (0, f"{1 << 28}\n"), ended.stderr
    assert path.stat().st_size > 2 << 30
    written = np.load(path, mmap_mode="r")
    assert written[:3].tolist() == [(1 << 30) + (1 << 28) - 512 + i for i in range(3)]
    assert written[-1] == (1 << 30) + 511
    assert written[1 << 27] == (1 << 30) + ((1 << 18) - 1) * 512
    path.unlink()
