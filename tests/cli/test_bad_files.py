"""Every file that the program is given, in the place of which something else lies."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import HOST, Ended, run_placer

SHAPE = "memory:1GiB vcpus:1"
Arguments = Callable[[Path, Path], list[object]]
"""The command line that names a path, and where good files are."""

FILES: dict[str, tuple[str, Arguments]] = {
    "place DOMAIN": (".cfg", lambda p, good: ["place", p, "--host", HOST]),
    "place DOMAIN in TOML": (".toml", lambda p, good: ["place", p, "--host", HOST]),
    "place DOMAIN in CSV": (".csv", lambda p, good: ["place", p, "--host", HOST]),
    "place DOMAIN in XML": (".xml", lambda p, good: ["place", p, "--host", HOST]),
    "place DOMAIN in JSON": (".json", lambda p, good: ["place", p, "--host", HOST]),
    "place DOMAIN of Proxmox": (".conf", lambda p, good: ["place", p, "--host", HOST]),
    "place --host": (".toml", lambda p, good: ["place", good / "a.cfg", "--host", p]),
    "place --host, another program's": (
        ".txt",
        lambda p, good: ["place", good / "a.cfg", "--host", p],
    ),
    "place --policy": (
        ".toml",
        lambda p, good: ["place", good / "a.cfg", "--host", HOST, "--policy", p],
    ),
    "explain DOMAIN": (".cfg", lambda p, good: ["explain", p, "--host", HOST]),
    "explain --host": (".toml", lambda p, good: ["explain", good / "a.cfg", "--host", p]),
    "host SOURCE": (".txt", lambda p, good: ["host", p]),
    "host --from": (".txt", lambda p, good: ["host", "--from", "numactl", p]),
    "host --cpus": (".txt", lambda p, good: ["host", good / "numactl.txt", "--cpus", p]),
    "host --memory": (".txt", lambda p, good: ["host", good / "numactl.txt", "--memory", p]),
    "heap HOST": (".toml", lambda p, good: ["heap", p]),
    "verify --seen": (".txt", lambda p, good: ["verify", good / "run", "--seen", p]),
    "whatif run SCENARIOS": (
        ".toml",
        lambda p, good: ["whatif", "run", p, "--base", good / "run"],
    ),
    "whatif --host": (
        ".toml",
        lambda p, good: ["whatif", "headroom", good / "a.cfg", "--host", p, "--vm", SHAPE],
    ),
    "whatif DOMAIN": (
        ".cfg",
        lambda p, good: ["whatif", "headroom", p, "--host", HOST, "--vm", SHAPE],
    ),
    "whatif headroom --vm": (
        ".cfg",
        lambda p, good: ["whatif", "headroom", "--base", good / "run", "--vm", p],
    ),
}
"""Every argument that names a file to be read, with the name's end that it looks for."""

FOLDERS: dict[str, Arguments] = {
    "check RUN": lambda p, good: ["check", p],
    "export RUN": lambda p, good: ["export", p, "--format", "xl"],
    "pages RUN": lambda p, good: ["pages", p],
    "verify RUN": lambda p, good: ["verify", p, "--seen", good / "numactl.txt"],
    "balloon RUN": lambda p, good: ["balloon", p, "--target", "1GiB"],
    "report RUN": lambda p, good: ["report", p],
    "report --compare": lambda p, good: ["report", good / "run", "--compare", p],
    "report --whatif": lambda p, good: ["report", good / "run", "--whatif", p],
    "whatif --base": lambda p, good: ["whatif", "headroom", "--base", p, "--vm", SHAPE],
    "whatif compare RUN_A": lambda p, good: ["whatif", "compare", p, good / "run"],
    "whatif compare RUN_B": lambda p, good: ["whatif", "compare", good / "run", p],
    "place --host RUN": lambda p, good: ["place", good / "a.cfg", "--host", p],
    "place --rebalance RUN": lambda p, good: ["place", "--host", p, "--rebalance"],
}
"""Every argument that names a folder to be read."""

INSIDE: dict[str, tuple[str, str, str]] = {
    "cfg of a domains.toml": ("domain", "x.toml", '[[domain]]\ncfg = "{}"\n'),
    "cfg of a table": ("domain", "x.csv", "cfg\n{}\n"),
    "access_file of a domains.toml": (
        "domain",
        "x.toml",
        '[[domain]]\nname = "a"\nmemory = "1GiB"\naccess_file = "{}"\n',
    ),
    "policy of a domains.toml": (
        "domain",
        "x.toml",
        'policy = "{}.toml"\n[[domain]]\nname = "a"\nmemory = "1GiB"\n',
    ),
    "heap of an inventory": (
        "host",
        "x.toml",
        '[[host]]\nheap = "{}"\n[[host.pnode]]\ntotal = "1GiB"\npcpus = "0"\n',
    ),
    "from of a scenario": (
        "scenario",
        "x.toml",
        '[[scenario]]\nname = "a"\nchanges = [{{ op = "add-host", from = "{}" }}]\n',
    ),
    "policy of a scenario": (
        "scenario",
        "x.toml",
        '[[scenario]]\nname = "a"\nchanges = [{{ op = "set-policy", policy = "{}.toml" }}]\n',
    ),
}
"""Every field of a file that names another: which kind of file it is, its name and text."""


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good files."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "a.cfg").write_text('name = "a"\nmemory = 256\n')
    (folder / "numactl.txt").write_text(
        "available: 1 nodes (0)\nnode 0 cpus: 0 1\nnode 0 size: 1000 MB\nnode 0 free: 900 MB\n"
    )
    write_run(folder / "run", sample_runs.rc9(), log={})
    return folder


def _kinds(folder: Path, end: str) -> Iterator[tuple[str, Path]]:
    """Yield what may lie in a file's place, made in ``folder``."""

    def path(name: str) -> Path:
        return folder / f"{name}{end}"

    yield "nothing", path("missing")
    yield "a name with a line end", path("a\nerror: b")
    yield "a name with a colour", path("\x1b[31m\x07red")
    yield "a name that is no UTF-8", path("\udcff\udcfe")
    yield "a name of 5000 signs", path("a" * 5000)
    yield "no name", Path()
    path("dangling").symlink_to("nowhere")
    yield "a link to nothing", path("dangling")
    path("loop").symlink_to(f"loop{end}")
    yield "a link to itself", path("loop")
    path("folder").mkdir()
    yield "an empty folder", path("folder")
    os.mkfifo(path("fifo"))
    yield "a FIFO", path("fifo")
    path("linked").symlink_to(f"fifo{end}")
    yield "a link to a FIFO", path("linked")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.relpath(path("socket")))
    yield "a socket", path("socket")
    listening.close()
    for device in ("zero", "full", "null", "random"):
        yield f"/dev/{device}", Path("/dev") / device
    path("device").symlink_to("/dev/zero")
    yield "a link to /dev/zero", path("device")
    yield "a file that cannot be read", Path("/proc/self/mem")
    path("file").write_text("x")
    yield "a file as a folder", path("file") / f"a{end}"
    path("empty").touch()
    yield "an empty file", path("empty")
    path("bytes").write_bytes(b"\xff\xfe\0\x01")
    yield "bytes that are no UTF-8", path("bytes")
    path("nul").write_bytes(bytes(5000))
    yield "a file of NUL", path("nul")
    path("\udcff").write_bytes(b"\xff")
    yield "a file whose name is no UTF-8", path("\udcff")
    path("\x1b[2J\n").write_bytes(b"x")
    yield "a file whose name clears the screen", path("\x1b[2J\n")


KINDS = 24


@pytest.fixture
def never_waits() -> Iterator[None]:
    """Fail where something is waited for that never comes."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def assert_refused(ended: Ended, what: str) -> None:
    """One error or more in a line each, nothing on standard output, exit code 2."""
    lines = ended.err.splitlines()
    assert ended.code == 2, f"{what}: {ended}"
    assert ended.out == "", f"{what}: {ended}"
    assert any(line.startswith("error: ") for line in lines), f"{what}: {ended}"
    for line in lines:
        assert line.startswith(("error: ", "warning: ")), f"{what}: {ended}"
        assert line.isprintable(), f"{what}: {ended}"
        assert "unexpected " not in line, f"{what}: {ended}"
        assert len(line) < 6000, f"{what}: {ended}"


@pytest.mark.slow
@pytest.mark.usefixtures("never_waits")
@pytest.mark.parametrize("argument", FILES)
def test_a_file_that_is_none_is_refused_in_clear_lines(
    argument: str,
    good: Path,
    tmp_path: Path,
    tried: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    end, arguments = FILES[argument]
    kinds = list(_kinds(tmp_path, end))
    assert len(kinds) == KINDS
    for kind, path in kinds:
        assert_refused(run_placer(*arguments(path, good)), f"{argument}, {kind}")
    tried("file-kinds", len(kinds))


@pytest.mark.slow
@pytest.mark.usefixtures("never_waits")
@pytest.mark.parametrize("argument", FOLDERS)
def test_a_folder_that_is_none_is_refused_in_clear_lines(
    argument: str,
    good: Path,
    tmp_path: Path,
    tried: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, path in _kinds(tmp_path, ""):
        assert_refused(run_placer(*FOLDERS[argument](path, good)), f"{argument}, {kind}")
    tried("file-kinds", KINDS)


@pytest.mark.slow
@pytest.mark.usefixtures("never_waits")
@pytest.mark.parametrize("field", INSIDE)
def test_a_file_that_a_file_names_is_refused_in_clear_lines(
    field: str,
    good: Path,
    tmp_path: Path,
    tried: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    kind_of_file, name, text = INSIDE[field]
    end = ".toml" if "{}.toml" in text else ""
    count = 0
    for kind, path in _kinds(tmp_path, end):
        named = str(path).removesuffix(end)
        if not named.isprintable():  # a field cannot hold such a name
            continue
        (tmp_path / name).write_text(text.format(named))
        arguments = {
            "domain": ["place", tmp_path / name, "--host", HOST],
            "host": ["place", good / "a.cfg", "--host", tmp_path / name],
            "scenario": ["whatif", "run", tmp_path / name, "--base", good / "run"],
        }
        assert_refused(run_placer(*arguments[kind_of_file]), f"{field}, {kind}")
        count += 1
    tried("file-kinds", count)


@pytest.mark.usefixtures("never_waits")
def test_a_settings_file_that_is_none_is_refused_in_clear_lines(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    count = 0
    for kind, path in _kinds(tmp_path, ".toml"):
        if kind == "an empty file":  # it sets nothing
            continue
        monkeypatch.setenv("PLACER_CONFIG", str(path))
        assert_refused(run_placer("check", good / "run"), f"PLACER_CONFIG, {kind}")
        count += 1
    tried("file-kinds", count)


def test_a_link_to_a_good_file_is_the_file(good: Path, tmp_path: Path) -> None:
    (tmp_path / "a.cfg").symlink_to(good / "a.cfg")
    (tmp_path / "b.cfg").symlink_to("a.cfg")
    (tmp_path / "run").symlink_to(good / "run")
    assert run_placer("place", tmp_path / "b.cfg", "--host", HOST).code == 0
    assert run_placer("check", tmp_path / "run").code == 0


def test_a_file_with_a_strange_name_is_read(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "\udcff\x1b[31m\n.cfg"
    path.write_text('name = "a"\nmemory = 256\nvnuma_x = 1\n')
    ended = run_placer("place", path, "--host", HOST)
    assert ended.code == 0
    assert "\x1b" not in ended.err
    assert ended.err.splitlines()[0].startswith("warning: ")
