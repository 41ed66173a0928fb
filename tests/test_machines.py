"""The servers of models/machines/: each is read, says where its figures are from, and agrees."""

import re
from pathlib import Path

import numpy as np
import pytest

from placer.errors import Fault
from placer.host import Host
from placer.read.inventory import read_inventory
from placer.read.sources import read_hosts
from placer.units import PAGES_PER_MIB, UNREACHABLE

FOLDER = Path(__file__).resolve().parent.parent / "models" / "machines"
FILES = sorted(FOLDER.glob("*.toml"))
SOURCES = ("github.com/", "lore.kernel.org/", "gist.github.com/", "stevescargall.com/", "docs.")
LARGEST_DOM0_MIB = 8 * 1024


def read(path: Path) -> Host:
    (host,) = read_inventory(path)
    return host


def comment_of(path: Path) -> str:
    """The comment above the host, in one line."""
    lines = path.read_text(encoding="utf-8").split("[[host]]")[0].splitlines()
    return " ".join(" ".join(line.lstrip("#") for line in lines).split())


def in_mib(pages: np.ndarray) -> list[int]:
    return [int(count) // PAGES_PER_MIB for count in pages]


def has_threads(path: Path) -> bool:
    host = read(path)
    return len(np.unique(host.pcpu_core)) < host.num_pcpus


def spread(values: list[int]) -> str:
    """The value, or the least and the most: "36", "28 to 31"."""
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def table_row(path: Path) -> str:
    host = read(path)
    pcpus = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes).tolist()
    threads = max(np.bincount(np.unique(host.pcpu_core, return_inverse=True)[1]).tolist())
    memory = [round(mib / 1024) for mib in in_mib(host.total_pages)]
    distances = " ".join(map(str, np.unique(host.distances).tolist()))
    sockets = len(np.unique(host.pcpu_socket))
    cells = (
        f"`{path.name}`",
        str(sockets),
        str(host.num_pnodes),
        spread(pcpus),
        str(threads),
        spread(memory),
        distances,
    )
    return "| " + " | ".join(cells) + " |"


def test_there_are_machines_of_every_kind_that_users_have() -> None:
    names = [path.stem for path in FILES]
    assert len(names) >= 12
    for part in (
        "epyc-.*1s",
        "epyc-.*2s-nps1",
        "nps2",
        "nps4",
        "snc2",
        "4s",
        "8s",
        "cxl",
        "kunpeng",
    ):
        assert any(re.search(part, name) for name in names), part


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_machine_is_a_host_argument_without_a_warning(path: Path) -> None:
    (host,), warnings = read_hosts([str(path)])
    assert host.name == path.stem
    assert warnings == list[Fault]()


def test_all_machines_together_are_a_pool() -> None:
    hosts, _ = read_hosts([str(FOLDER)])
    assert [host.name for host in hosts] == [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_machine_names_public_sources_above_its_figures(path: Path) -> None:
    comment = comment_of(path)
    assert " free: " in comment
    assert any(source in comment.split(" free: ")[0] for source in SOURCES)
    if " everything: " not in comment:
        for figure in ("pnodes", "memory", "siblings" if has_threads(path) else "pcpus"):
            assert figure in comment


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_distances_of_a_machine_are_symmetric_and_all_pnodes_reach_each_other(path: Path) -> None:
    distances = read(path).distances
    assert (distances == distances.T).all()
    assert distances.max() < UNREACHABLE


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_distances_that_the_comment_lists_are_those_of_the_machine(path: Path) -> None:
    listed = re.search(r"distances (\d+(?:(?:, | and )\d+)+)", comment_of(path))
    distances = np.unique(read(path).distances).tolist()
    if "everything:" in comment_of(path) or len(distances) == 1:
        assert listed is None
    else:
        assert listed is not None
        assert [int(number) for number in re.findall(r"\d+", listed[1])] == distances


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_not_free_is_xens_frame_table_and_dom0(path: Path) -> None:
    host = read(path)
    total, free = in_mib(host.total_pages), in_mib(host.free_pages)
    (dom0,) = host.running
    held = in_mib(dom0.pages)
    expected = min(LARGEST_DOM0_MIB, 1024 + sum(total) * 5 // 100)
    assert 0 <= expected - sum(held) < host.num_pnodes
    for whole, left, own in zip(total, free, held, strict=True):
        assert whole - left == -(-whole // 128) + own


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pnodes_of_one_socket_are_nearer_than_those_of_two(path: Path) -> None:
    host = read(path)
    sockets = dict(zip(host.pcpu_pnode.tolist(), host.pcpu_socket.tolist(), strict=True))
    pnodes = sorted(sockets)
    pairs = [(p, q) for p in pnodes for q in pnodes if p != q]
    near = [int(host.distances[p, q]) for p, q in pairs if sockets[p] == sockets[q]]
    far = [int(host.distances[p, q]) for p, q in pairs if sockets[p] != sockets[q]]
    assert max(near, default=0) <= min(far, default=UNREACHABLE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_core_has_as_many_threads_as_every_other(path: Path) -> None:
    host = read(path)
    _, threads = np.unique(host.pcpu_core, return_counts=True)
    assert len(np.unique(threads)) == 1


def test_the_cxl_machine_has_memory_without_pcpus() -> None:
    host = read(FOLDER / "intel-xeon-52c-2s-cxl.toml")
    pcpus = np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)
    assert pcpus.tolist() == [104, 104, 0, 0]
    assert (host.total_pages > 0).all()


def test_the_table_of_machines_is_that_of_the_files() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [table_row(path) for path in FILES]
