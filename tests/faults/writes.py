"""Every write of the program: what is asked, and what is there before and after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from placer.report.folder import write_run
from placer.run import LOG_FILE, SUMS_FILE
from tests import sample_runs
from tests.faults.program import tree

HOST: Final = "pnode:2 core:4 memory:16GiB"
SMALL_HOST: Final = "pnode:1 core:2 memory:4GiB"


@dataclass(frozen=True)
class Write:
    """One way to write: ``earlier`` and ``later`` make the arguments, given inputs and target.

    ``option`` is the one that names the target, whose name is ``name``.
    """

    key: str
    option: tuple[str, str]
    earlier: Callable[[Path, Path], Sequence[object]]
    later: Callable[[Path, Path], Sequence[object]]
    name: str = "target"

    def is_run(self) -> bool:
        """Return whether a run folder is written."""
        return self.key in ("place", "balloon")


def _run(command: str, *arguments: str) -> Callable[[Path, Path], Sequence[object]]:
    """Arguments in which {in} is the folder of inputs, {out} the target."""
    return lambda given, target: [
        command,
        *(text.replace("{in}", str(given)).replace("{out}", str(target)) for text in arguments),
    ]


def _of_runs(
    command: str, *arguments: str
) -> tuple[Callable[[Path, Path], Sequence[object]], Callable[[Path, Path], Sequence[object]]]:
    """The same of two runs of the same names and different contents."""
    return _run(command, "{in}/one", *arguments), _run(command, "{in}/two", *arguments)


WRITES: Final = (
    Write(
        "place",
        ("place", "--out"),
        _run("place", "{in}/a.cfg", "--host", HOST, "--out", "{out}"),
        _run("place", "{in}/b.cfg", "--host", HOST, "--out", "{out}"),
    ),
    Write(
        "balloon",
        ("balloon", "--out"),
        _run("balloon", "{in}/one", "--target", "768MiB", "--out", "{out}"),
        _run("balloon", "{in}/one", "--target", "512MiB", "--out", "{out}"),
    ),
    Write("export", ("export", "--output"), *_of_runs("export", "--format", "xl", "-o", "{out}")),
    Write(
        "export-folder",
        ("export", "--output"),
        *_of_runs("export", "--format", "acpi", "--type", "hvm", "-o", "{out}"),
    ),
    Write(
        "export-all",
        ("export", "--output"),
        *_of_runs("export", "--format", "libvirt", "--all", "-o", "{out}"),
    ),
    Write("report", ("report", "--html"), *_of_runs("report", "--html", "{out}")),
    Write("report-csv", ("report", "--csv"), *_of_runs("report", "--csv", "{out}")),
    Write("report-pictures", ("report", "--pictures"), *_of_runs("report", "--pictures", "{out}")),
    Write(
        "heap",
        ("heap", "--save"),
        _run("heap", HOST, "--save", "{out}"),
        _run("heap", SMALL_HOST, "--save", "{out}"),
        "target.npz",
    ),
    Write(
        "host",
        ("host", "--output"),
        _run("host", HOST, "-o", "{out}"),
        _run("host", SMALL_HOST, "-o", "{out}"),
        "target.toml",
    ),
    Write("pages", ("pages", "--p2m"), *_of_runs("pages", "--p2m", "{out}"), "target.npy"),
    Write(
        "pages-orders", ("pages", "--orders"), *_of_runs("pages", "--orders", "{out}"), "target.npy"
    ),
    Write(
        "headroom",
        ("whatif headroom", "--csv"),
        _run("whatif", "headroom", "--base", "{in}/one", "--vm", "memory:1GiB", "--csv", "{out}"),
        _run("whatif", "headroom", "--base", "{in}/one", "--vm", "memory:9GiB", "--csv", "{out}"),
    ),
    Write(
        "compare",
        ("whatif compare", "--csv"),
        _run("whatif", "compare", "{in}/one", "{in}/two", "--csv", "{out}"),
        _run("whatif", "compare", "{in}/one", "{in}/base", "--csv", "{out}"),
    ),
)

WHATIFS: Final = (
    Write(
        "whatif-run",
        ("whatif run", "--out"),
        _run("whatif", "run", "{in}/first.toml", "--base", "{in}/base", "--out", "{out}"),
        _run("whatif", "run", "{in}/all.toml", "--base", "{in}/base", "--out", "{out}"),
    ),
    Write(
        "whatif-fail-each",
        ("whatif fail-each", "--out"),
        _run("whatif", "fail-each", "--base", "{in}/base", "--out", "{out}"),
        _run("whatif", "fail-each", "--pnodes", "--base", "{in}/base", "--out", "{out}"),
    ),
    Write(
        "whatif-frontier",
        ("whatif frontier", "--out"),
        _run("whatif", "frontier", "--max-moves=1", "--base", "{in}/base", "--out", "{out}"),
        _run("whatif", "frontier", "--max-moves=3", "--base", "{in}/base", "--out", "{out}"),
    ),
    Write(
        "whatif-sweep",
        ("whatif sweep", "--out"),
        _run("whatif", "sweep", "--set=hosts=1", "--base", "{in}/base", "--out", "{out}"),
        _run("whatif", "sweep", "--set=hosts=1,2,3", "--base", "{in}/base", "--out", "{out}"),
    ),
)
"""The folders of what-if results, which are gone on with: rows of the earlier question stay
where the later one asks the same."""

SCENARIOS: Final = """
[[scenario]]
name = "left fails"
changes = [{ op = "fail-host", host = "left" }]
"""
MORE_SCENARIOS: Final = """
[[scenario]]
name = "all anew"
solve = "fresh"

[[scenario]]
name = "one less"
changes = [{ op = "remove", domain = "web-1" }]

[[scenario]]
name = "no such host"
changes = [{ op = "fail-host", host = "middle" }]
"""


def write_inputs(folder: Path) -> None:
    """Write what the commands read: configurations, runs and scenarios."""
    for name, memory in (("a", 1024), ("b", 2048)):
        text = f'name = "vm"\nmemory = {memory}\nvcpus = 2\n'
        (folder / f"{name}.cfg").write_text(text, encoding="utf-8")
    for name, run in (("one", sample_runs.named_vm(1)), ("two", sample_runs.named_vm(2))):
        write_run(folder / name, run, log={})
    write_run(folder / "base", sample_runs.two_hosts(), log={})
    (folder / "first.toml").write_text(SCENARIOS, encoding="utf-8")
    (folder / "all.toml").write_text(SCENARIOS + MORE_SCENARIOS, encoding="utf-8")


_LOG_LINE = f" {LOG_FILE}\n".encode()
"""How the line of the log in the sums of a run ends."""


def content(target: Path) -> dict[str, bytes | None] | None:
    """Return what is there, but for the log of a run, which has the time in it; None: nothing."""
    if not target.exists():
        return None
    found = {name: data for name, data in tree(target).items() if name != LOG_FILE}
    sums = found.get(SUMS_FILE)
    if sums is not None:
        lines = sums.splitlines(keepends=True)
        found[SUMS_FILE] = b"".join(line for line in lines if not line.endswith(_LOG_LINE))
    return found
