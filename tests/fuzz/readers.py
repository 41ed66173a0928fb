"""Every reader of the program, in one table: what is fuzzed, and what it is seeded with.

A reader takes bytes, as a file or as an argument of the command line. It returns a value or raises
one of placer's own errors; whatever else comes out of it is a defect.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import typer

from placer.cli.defaults import read_defaults
from placer.cli.main import app
from placer.cpulist import CpuList
from placer.errors import Fault, InputError, PlacerError
from placer.read.access_file import read_access
from placer.read.domain_formats import may_hold_domains
from placer.read.gqap import read_gqap
from placer.read.heap_file import read_heap_file, save_heap_file
from placer.read.host_formats import HOST_FORMATS, is_foreign, read_parts
from placer.read.host_layout import parse_pcpus
from placer.read.host_parts import build_host, join_parts
from placer.read.host_source import read_host_source
from placer.read.policies import read_policy
from placer.read.scenarios import read_scenarios
from placer.read.seen import read_seen
from placer.read.shapes import read_shapes
from placer.read.sources import read_domains, read_hosts
from placer.read.synthetic import is_synthetic, parse_synthetic
from placer.report.folder import run_files
from placer.report.frontier import COLUMNS as FRONTIER_COLUMNS
from placer.report.frontier import FRONTIER_FILE
from placer.report.printable import printable
from placer.report.seen import compare, match_guests
from placer.report.verify import verify_run
from placer.report.whatif_folder import (
    COLUMNS,
    DOMAINS_FILE,
    PNODES_FILE,
    SCENARIOS_FILE,
    WhatIfFolder,
    read_domain_rows,
    read_points,
    read_rows,
)
from placer.run import (
    FRAMES_FILE,
    PLACEMENT_FILE,
    PROBLEM_FILE,
    RESULT_FILE,
    Run,
    hosts_after,
    movable_after,
    read_run,
)
from placer.scenario import Scenario
from placer.units import parse_size
from placer.whatif.draft import Base, Draft

ROOT: Final = Path(__file__).parent.parent.parent
SEEDS: Final = Path(__file__).parent / "seeds"
CORPUS: Final = ROOT / "tests" / "corpus"
CAPTURES: Final = ROOT / "tests" / "read" / "data" / "captures"


MOST_TWICE: Final = 100_000
"""Bytes of a file that is read in two ways."""

MOST_SIGNS: Final = 2000
"""What a fault says fits a screen, however long what it complains of is."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One reader.

    ``read`` is given a folder of its own and the bytes. ``samples`` are globs below the root of
    the project, ``made`` a sample that is made anew. ``modules`` of placer are covered by it.
    ``ends``: how its files are named.
    """

    read: Callable[[Path, bytes], object]
    samples: tuple[str, ...] = ()
    modules: tuple[str, ...]
    ends: str = ".txt"
    made: Callable[[], bytes] | None = None


def run_reader(name: str, folder: Path, data: bytes) -> object:
    """Let a reader have ``data``; what it returns, or None where it refused with faults.

    Raises whatever it should not have raised, and AssertionError where a fault does not name
    its source or cannot be printed on one line.
    """
    try:
        return READERS[name].read(folder, data)
    except InputError as error:
        assert error.faults, "an InputError without a fault"
        for fault in error.faults:
            _check_fault(fault)
    except PlacerError as error:
        assert str(error), "an error without a word"
    return None


def _check_fault(fault: Fault) -> None:
    assert fault.source, fault
    assert fault.field, fault
    assert len(f"{fault.field}{fault.found}{fault.expected}") < MOST_SIGNS, fault
    line = printable(f"error: {fault}")
    assert line.isprintable(), line
    line.encode("utf-8", "backslashreplace")
    assert fault.line is None or fault.line >= 1, fault


def corpus_of(name: str) -> list[Path]:
    """Return what broke a reader once."""
    return [path for path in sorted((CORPUS / name).glob("*")) if path.name != "README.md"]


def samples_of(name: str) -> list[bytes]:
    """Return the good samples of a reader."""
    reader = READERS[name]
    paths = [path for pattern in reader.samples for path in sorted(ROOT.glob(pattern))]
    made = [] if reader.made is None else [reader.made()]
    return made + [path.read_bytes() for path in paths if path.is_file()]


# -- how bytes become arguments ----------------------------------------------------------------


def _file(read: Callable[[Path], object], name: str) -> Callable[[Path, bytes], object]:
    """A reader of one file."""

    def call(folder: Path, data: bytes) -> object:
        path = folder / name
        path.write_bytes(data)
        return read(path)

    return call


def _argument(read: Callable[[str], object]) -> Callable[[Path, bytes], object]:
    """A reader of one argument, decoded as Python decodes them; NUL cannot be in one."""

    def call(folder: Path, data: bytes) -> object:
        return read(os.fsdecode(data.replace(b"\0", b"\xff")))

    return call


def _refusing(read: Callable[[str], object], name: str) -> Callable[[Path, bytes], object]:
    """A parser that says ValueError, which its callers turn into faults."""

    def call(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            fault = Fault(source=name, field=name, found=str(error), expected="")
            raise InputError(fault) from None

    return _argument(call)


def _domains(path: Path) -> object:
    """Domains as `place` reads them, strictly and with every option healed."""
    may_hold_domains(path)
    warnings: list[Fault] = []
    found: list[object] = []
    error: InputError | None = None
    healed = {"fallback": True, "ignore_pnodes": True}
    for options in ({}, healed) if path.stat().st_size < MOST_TWICE else ({},):
        try:
            found.append(read_domains([str(path)], warnings=warnings, **options))
        except InputError as refused:
            error = refused
    for warning in warnings:
        _check_fault(warning)
    if error is not None:
        raise error
    return found


def _hosts(path: Path) -> object:
    """Hosts as `place --host` reads them."""
    is_foreign(path)
    hosts, warnings = read_hosts([str(path)])
    for warning in warnings:
        _check_fault(warning)
    return hosts


def _host_format(name: str) -> Callable[[Path], object]:
    """A host as `host --from FORMAT` reads it, alone and beside a source that has the rest."""

    def read(path: Path) -> object:
        HOST_FORMATS[name].glance(path.read_bytes().decode("utf-8", "replace"))
        beside = read_parts(SEEDS / "numactl" / "two-nodes.txt")
        found = read_parts(path, name)
        for parts in found:
            for others in ([], beside):
                try:
                    _, faults = build_host(join_parts([parts, *others]), "host")
                except InputError as error:  # it says too little, or contradicts the other
                    faults = list(error.faults)
                for fault in faults:
                    _check_fault(fault)
        return found

    return read


def _sysfs(folder: Path, data: bytes) -> object:
    """A tree of sysfs: each line ``== PATH`` begins a file of it."""
    root = folder / "root"
    path = root / "sys/devices/system/node/online"
    for block in data.split(b"\n== "):
        name, _, content = block.removeprefix(b"== ").partition(b"\n")
        text = name.decode("latin-1").strip("/ ")
        if text and not set(text) - _SAFE and ".." not in text and len(text) < 150:
            path = root / text
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:  # a file where a folder is needed: whatever is there is read
            continue
    is_foreign(root)
    (host,), warnings = read_host_source([str(root)], format_name="sysfs")
    for warning in warnings:
        _check_fault(warning)
    return host


_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./")


@cache
def _run() -> Run:
    """A small finished run."""
    from tests import sample_runs

    return sample_runs.rc9()


@cache
def _run_texts() -> dict[str, bytes]:
    return {name: text.encode() for name, text in run_files(_run()).items()}


def _run_file(name: str) -> Callable[[Path, bytes], object]:
    """A run folder of which one file is what it is given."""

    def read(folder: Path, data: bytes) -> object:
        for other, content in _run_texts().items():
            path = folder / other
            if not path.exists() or other in _TOUCHED:
                path.write_bytes(content)
        (folder / name).write_bytes(data)
        run = read_run(folder)
        for after in (hosts_after, movable_after, lambda _: verify_run(folder)):
            try:
                after(run)
            except InputError as error:
                for fault in error.faults:
                    _check_fault(fault)
        return run

    return read


_TOUCHED: Final = frozenset(
    {PROBLEM_FILE, RESULT_FILE, FRAMES_FILE, PLACEMENT_FILE, "placements.csv", "pages.csv"}
)


def _seen(path: Path) -> object:
    """What `verify` holds a run against."""
    guests = read_seen(path)
    matched = match_guests(_run(), guests, None, None)
    return [compare(_run(), placed, guest) for placed, guest in matched]


def _results(name: str) -> bytes:
    """A file of what-if results: the base, and a host that fails."""
    columns = FRONTIER_COLUMNS if name == FRONTIER_FILE else COLUMNS[name]
    rows = [[scenario, "key", *["1"] * (len(columns) - 2)] for scenario in ("base", "fail h")]
    if name == FRONTIER_FILE:
        rows = [["1"] * len(columns), ["2"] * len(columns)]
    return "".join(",".join(row) + "\n" for row in (columns, *rows)).encode()


def _results_file(name: str) -> Callable[[Path, bytes], object]:
    """A folder of what-if results of which one file is what it is given."""

    def read(folder: Path, data: bytes) -> object:
        for other in (SCENARIOS_FILE, DOMAINS_FILE, PNODES_FILE, FRONTIER_FILE):
            (folder / other).write_bytes(_results(other))
        (folder / ".lock").unlink(missing_ok=True)
        (folder / name).write_bytes(data)
        found = (read_rows(folder), read_domain_rows(folder), read_points(folder))
        with WhatIfFolder(folder, [("base", "key"), ("fail h", "key2")], replace=True):
            pass
        return found

    return read


def _scenarios(path: Path) -> object:
    """Scenarios, and what each makes of a base."""
    found = read_scenarios(path)
    return [_applied(scenario) for scenario in found]


def _applied(scenario: Scenario) -> object:
    from placer.whatif.changes import apply

    draft = Draft.of(Base(run=_run()))
    try:
        for change in scenario.changes:
            apply(change, draft)
        return draft
    except InputError as error:
        return error


def _defaults(path: Path) -> object:
    """placer.toml."""
    return read_defaults(_commands(), {"PLACER_CONFIG": str(path)})


@cache
def _commands() -> Any:
    return typer.main.get_command(app)


def _synthetic(text: str) -> object:
    is_synthetic(text)
    return parse_synthetic(text)


def _heap_of_inventory(folder: Path, data: bytes) -> object:
    """The heap that an inventory names."""
    (folder / "it.heap").write_bytes(data)
    path = folder / "it.toml"
    path.write_text(
        '[[host]]\nname = "h"\nheap = "it.heap"\n'
        '[[host.pnode]]\ntotal = "16GiB"\npcpus = "0-3"\n'
        '[[host.pnode]]\ntotal = "16GiB"\npcpus = "4-7"\n'
    )
    return _hosts(path)


@cache
def _saved_heap() -> bytes:
    """What `placer heap --save` writes."""
    host = parse_synthetic("pnode:2 core:4 memory:16GiB free:8GiB")
    with tempfile.TemporaryDirectory() as folder:
        save_heap_file(Path(folder) / "heap", host)
        return (Path(folder) / "heap").read_bytes()


_DOMAIN_PARTS: Final = ("sources", "domain_formats", "domain_parts")
_HOST_PARTS: Final = ("host_formats", "host_source", "host_parts", "host_guests", "host_layout")
_TOML: Final = ("toml_fields", "toml_lines", "tomllib._parser")
_RECORD: Final = ("placer.record", "placer.run")


def _foreign(
    name: str, samples: tuple[str, ...], modules: tuple[str, ...], ends: str = ".txt"
) -> Reader:
    return Reader(
        read=_file(_host_format(name), f"it{ends}"),
        samples=(*samples, f"tests/fuzz/seeds/{name}/*"),
        modules=(*modules, *_HOST_PARTS),
        ends=ends,
    )


_LIBVIRT: Final = "tests/read/data/captures/libvirt"
_XEN: Final = "tests/read/data/captures/xen/2nodes"

READERS: Final[dict[str, Reader]] = {
    # -- domains --
    "xl-cfg": Reader(
        read=_file(_domains, "it.cfg"),
        samples=("datasets/seed/*.cfg", "tests/read/data/*.cfg", "tests/pages/data/*/input.cfg"),
        modules=("xl_cfg", "xl_domain", "xl_findings", "xl_seed", "xl_vnuma", *_DOMAIN_PARTS),
        ends=".cfg",
    ),
    "domains-toml": Reader(
        read=_file(_domains, "it.toml"),
        samples=("datasets/fleet/small-domains.toml", "tests/fuzz/seeds/domains-toml/*"),
        modules=("domains_toml", "domain_inline", "domain_options", *_TOML, *_DOMAIN_PARTS),
        ends=".toml",
    ),
    "domains-csv": Reader(
        read=_file(_domains, "it.csv"),
        samples=("tests/fuzz/seeds/domains-csv/*",),
        modules=("domains_csv", "openstack_flavor", *_DOMAIN_PARTS),
        ends=".csv",
    ),
    "libvirt-domain": Reader(
        read=_file(_domains, "it.xml"),
        samples=("tests/fuzz/seeds/libvirt-domain/*", f"{_LIBVIRT}/domain/*.xml"),
        modules=("libvirt_domain", "xml_document", *_DOMAIN_PARTS),
        ends=".xml",
    ),
    "openstack-flavor": Reader(
        read=_file(_domains, "it.json"),
        samples=("tests/fuzz/seeds/openstack-flavor/*",),
        modules=("openstack_flavor", "placer.record", *_DOMAIN_PARTS),
        ends=".json",
    ),
    "proxmox": Reader(
        read=_file(_domains, "100.conf"),
        samples=("tests/fuzz/seeds/proxmox/*",),
        modules=("proxmox", *_DOMAIN_PARTS),
        ends=".conf",
    ),
    "domains-of-any-kind": Reader(
        read=_file(_domains, "it.txt"),
        samples=(
            "datasets/seed/*.cfg",
            "tests/fuzz/seeds/proxmox/*",
            "tests/fuzz/seeds/libvirt-domain/*",
            "tests/fuzz/seeds/openstack-flavor/*",
        ),
        modules=_DOMAIN_PARTS,
    ),
    "access-file": Reader(
        read=_file(lambda path: read_access(path, None), "it.csv"),
        samples=("tests/fuzz/seeds/access-file/*",),
        modules=("access_file",),
        ends=".csv",
    ),
    "policy": Reader(
        read=_file(read_policy, "it.toml"),
        samples=("models/policies/*.toml",),
        modules=("policies", "resources", *_TOML),
        ends=".toml",
    ),
    # -- hosts --
    "inventory": Reader(
        read=_file(_hosts, "it.toml"),
        samples=(
            "datasets/seed/*.toml",
            "models/machines/*.toml",
            "tests/fuzz/seeds/inventory/*",
        ),
        modules=(
            "inventory",
            "host_memory",
            "host_pcpus",
            "host_running",
            "synthesised",
            *_TOML,
            "sources",
        ),
        ends=".toml",
    ),
    "heap-file": Reader(
        read=_file(read_heap_file, "it.heap"),
        samples=("tests/read/data/linux-*.txt", "tests/pages/data/2p-hvm-over-4g/before-u.txt"),
        made=_saved_heap,
        modules=("heap_file", "xen_keys"),
        ends=".heap",
    ),
    "heap-of-inventory": Reader(
        read=_heap_of_inventory,
        samples=("tests/read/data/linux-*.txt",),
        made=_saved_heap,
        modules=("heap_file", "host_memory", "synthesised"),
        ends=".heap",
    ),
    "host-of-any-kind": Reader(
        read=_file(_hosts, "it.txt"),
        samples=(f"{_XEN}/*.txt", "tests/read/data/captures/guest/*/*.txt", "tests/fuzz/seeds/*/*"),
        modules=_HOST_PARTS,
    ),
    "hwloc": _foreign(
        "hwloc",
        ("tests/read/data/captures/hwloc/*.xml", "tests/read/data/captures/hwloc-v3/*.xml"),
        ("hwloc", "xml_document"),
        ".xml",
    ),
    "libvirt": _foreign(
        "libvirt",
        (f"{_LIBVIRT}/capabilities/*.xml",),
        ("libvirt_host", "xml_document"),
        ".xml",
    ),
    "freecell": _foreign("freecell", (f"{_LIBVIRT}/*freecell*",), ("libvirt_host", "text_lines")),
    "xl-info": _foreign("xl-info", (f"{_XEN}*/info-n.txt",), ("xl_info", "text_lines")),
    "xl-list": _foreign("xl-list", (f"{_XEN}*/list-n.txt",), ("xl_list", "text_lines")),
    "xl-vcpu-list": _foreign("xl-vcpu-list", (f"{_XEN}*/vcpu-list.txt",), ("xl_list",)),
    "xen-keys": _foreign(
        "xen-keys",
        (f"{_XEN}/debug-u.txt", "tests/pages/data/2p-hvm-over-4g/*.txt"),
        ("xen_host", "xen_keys"),
    ),
    "numactl": _foreign(
        "numactl", ("tests/read/data/captures/guest/*/numactl*.txt",), ("numactl", "text_lines")
    ),
    "lscpu": _foreign("lscpu", ("tests/read/data/captures/guest/*/lscpu-p*",), ("lscpu",)),
    "lscpu-json": _foreign(
        "lscpu-json", ("tests/read/data/captures/guest/*/lscpu*.json",), ("lscpu",), ".json"
    ),
    "nova": _foreign("nova", (), ("nova",), ".json"),
    "node-resource-topology": _foreign(
        "node-resource-topology",
        (),
        ("node_resource_topology", "yaml_document", "yaml.constructor"),
        ".yaml",
    ),
    "sysfs": Reader(
        read=_sysfs,
        samples=("tests/fuzz/seeds/sysfs/*",),
        modules=("sysfs", *_HOST_PARTS),
    ),
    # -- runs, what-if, verify --
    **{
        f"run-{name.removesuffix('.json').removesuffix('.csv')}": Reader(
            read=_run_file(name),
            made=partial(lambda name: _run_texts()[name], name),
            modules=(*_RECORD, "placer.report.verify"),
            ends=name[name.index(".") :],
        )
        for name in sorted(_TOUCHED)
    },
    "scenarios": Reader(
        read=_file(_scenarios, "it.toml"),
        samples=("tests/fuzz/seeds/scenarios/*",),
        modules=("scenarios", "placer.whatif.changes", *_TOML),
        ends=".toml",
    ),
    "seen": Reader(
        read=_file(_seen, "seen.json"),
        samples=("tests/pages/data/*/seen.json", "tests/pages/data/*/debug-u.txt"),
        modules=("seen", "xen_keys", "placer.report.seen"),
        ends=".json",
    ),
    **{
        f"whatif-{name.removesuffix('.csv').removeprefix('whatif_')}": Reader(
            read=_results_file(name),
            made=partial(_results, name),
            modules=("placer.report.whatif_folder",),
            ends=".csv",
        )
        for name in (SCENARIOS_FILE, DOMAINS_FILE, PNODES_FILE, FRONTIER_FILE)
    },
    "config": Reader(
        read=_file(_defaults, "placer.toml"),
        samples=("tests/fuzz/seeds/config/*",),
        modules=("placer.cli.defaults", *_TOML),
        ends=".toml",
    ),
    "gqap": Reader(
        read=_file(read_gqap, "it.txt"),
        samples=("tests/fuzz/seeds/gqap/*", "datasets/gqap/20-15-35.txt"),
        modules=("gqap",),
    ),
    # -- arguments --
    "synthetic": Reader(
        read=_argument(_synthetic),
        samples=("tests/fuzz/seeds/synthetic/*",),
        modules=("synthetic",),
    ),
    "shape": Reader(
        read=_argument(lambda text: read_shapes([text])),
        samples=("tests/fuzz/seeds/shape/*",),
        modules=("shapes",),
    ),
    "cpulist": Reader(
        read=_refusing(CpuList.parse, "cpus"),
        samples=("tests/fuzz/seeds/cpulist/*",),
        modules=("placer.cpulist",),
    ),
    "pcpus": Reader(
        read=_refusing(parse_pcpus, "pcpus"),
        samples=("tests/fuzz/seeds/pcpus/*",),
        modules=("host_layout",),
    ),
    "size": Reader(
        read=_refusing(parse_size, "size"),
        samples=("tests/fuzz/seeds/size/*",),
        modules=("placer.units",),
    ),
}


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}\n" for name in READERS)
