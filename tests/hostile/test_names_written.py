"""Names where they go out: no file elsewhere, none over another's, nothing run, the name again."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import subprocess
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePath
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from placer.domain import DomainType
from placer.errors import InputError, RefusedError
from placer.export import FORMATS, ExportOptions, render
from placer.export.folder import file_names, render_all
from placer.export.inventory import format_inventory
from placer.export.xl_settings import write_settings
from placer.export.xml_text import add, format_xml
from placer.read.inventory import read_inventory
from placer.read.xl_cfg import Str, parse_config
from placer.report.folder import write_run
from placer.report.spreadsheet import as_spreadsheet
from placer.run import RUN_FILES, Run, read_run
from tests import sample_runs
from tests.builders import make_domain, make_host
from tests.cli.program import run_placer
from tests.export.runs import make_run, put, rc9_run, renamed
from tests.hostile.names import PLAIN, toml

HOST = "</script>\"'`id`; $(x) \N{GRINNING FACE} ../h"
OF_DOMAINS = [name for name, form in FORMATS.items() if not form.of_run]
DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@cache
def run_of(names: tuple[str, ...] = PLAIN, kind: DomainType = "hvm") -> Run:
    """A domain of two vnodes for each name, on one host."""
    host = make_host([1 << 20] * 2, cpus=8, name=HOST)
    domains = [make_domain([16384, 16384], 2, name=name, type=kind) for name in names]
    placed = [put(domain, [0, 1], [0, 1], host=HOST) for domain in domains]
    return make_run(host, domains, placed)


@pytest.fixture(scope="module")
def run() -> Run:
    return run_of()


def name_of(text: str) -> str | None:
    """The name that an xl.cfg says."""
    setting = parse_config(text).get("name")
    assert setting is not None
    assert isinstance(setting.value, Str)
    return setting.value.text


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def check_file_names(found: list[str]) -> None:
    """Assert that no file system takes one for a path, a device, an option or another."""
    assert len({unicodedata.normalize("NFKC", name).casefold() for name in found}) == len(found)
    for name in found:
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set('/\\:*?"<>| ')
        assert 0 < len(name) <= 200
        assert name[0] not in ".-"
        assert name[-1] != "."
        assert not DEVICE.fullmatch(name)


@pytest.mark.parametrize("format_name", OF_DOMAINS)
def test_a_folder_of_exports_holds_a_file_of_its_own_for_each_name(
    run: Run, format_name: str, tmp_path: Path, tried: Callable[..., None]
) -> None:
    taken, refused = [], []
    pv = format_name == "xl-v1"
    for name in PLAIN:
        try:
            render(run_of(kind="pv") if pv else run, name, format_name, ExportOptions())
            taken.append(name)
        except RefusedError as error:
            assert repr(name) in str(error)
            refused.append(name)
    assert len(taken) > len(PLAIN) / 2
    room = tmp_path / "room"
    room.mkdir()
    write_run(room / "run", run_of(kind="pv") if pv else run, log={})
    out = room / "deep" / "out"
    arguments = ("--format", format_name, "--all", "-o", out, "--quiet")
    if refused:
        ended = run_placer("export", room / "run", *arguments)
        assert (ended.code, below(room / "deep")) == (2, set())
        write_run(room / "run", run_of(tuple(taken), "pv" if pv else "hvm"), log={})
    assert run_placer("export", room / "run", *arguments).code == 0
    assert len(list(out.iterdir())) == len(taken)
    check_file_names([path.name for path in out.iterdir()])
    assert {path.name for path in tmp_path.iterdir()} == {"room"}
    assert {path.name for path in room.iterdir()} == {"run", "deep"}
    tried("hostile-name-written", len(PLAIN))


@pytest.mark.parametrize("format_name", [name for name in OF_DOMAINS if name != "xen-abi"])
def test_an_export_says_the_same_name_or_none(
    run: Run, format_name: str, tried: Callable[..., None]
) -> None:
    run = run_of(kind="pv") if format_name == "xl-v1" else run
    for name in PLAIN:
        try:
            rendered = render(run, name, format_name, ExportOptions())
        except RefusedError:
            continue
        text = rendered.text or ""
        if format_name in ("xl", "xl-v1"):
            assert name_of(text) == name
        elif format_name == "libvirt":
            assert fromstring(text).findtext("name") == name
        elif format_name == "hwloc":
            infos = {info.get("name"): info.get("value") for info in fromstring(text).iter("info")}
            assert infos["HostName"] == name
        elif format_name == "svg":
            title = fromstring(text).findtext("{http://www.w3.org/2000/svg}title")
            assert title == f"{name} on {HOST}"
            assert not re.search(r"<(script|img)", text)
        elif format_name == "openstack":
            assert json.loads(text)["name"] == name
        elif format_name == "proxmox":
            said = re.findall(r"^name: (.*)$", text, re.MULTILINE)
            assert said in ([], [name])
            assert all(re.match(r"[a-z]+[0-9]*: ", line) for line in text.splitlines())
        elif format_name == "dot":
            strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
            plain = [re.sub(r"\\(.)", r"\1", string) for string in strings]
            assert any(name in string for string in plain), name
            assert '"' not in re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
        elif format_name != "qemu":
            assert name not in text or len(name) < 8
    tried("hostile-name-written", len(PLAIN))


def test_a_shell_takes_a_line_for_qemu_as_arguments_and_runs_nothing(
    run: Run, tmp_path: Path, tried: Callable[..., None]
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    stub = programs / "qemu-system-x86_64"
    stub.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n", encoding="utf-8")
    for name in ("touch", "id", "x", "rm", "cmd"):
        (programs / name).write_text(f"#!/bin/sh\n: > {tmp_path}/ran\n", encoding="utf-8")
    for path in programs.iterdir():
        path.chmod(0o755)
    for name in PLAIN:
        line = render(run, name, "qemu", ExportOptions()).text
        assert line is not None
        ended = subprocess.run(
            ["/bin/sh", "-c", f"qemu-system-x86_64 {line}"],
            env={"PATH": str(programs), "LC_ALL": "C.UTF-8"},
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        arguments = ended.stdout.decode().split("\0")[:-1]
        assert arguments == shlex.split(line)
        assert arguments[arguments.index("-name") + 1] == "guest=" + name.replace(",", ",,")
        assert {path.name for path in tmp_path.iterdir()} == {"programs"}
    tried("hostile-name-written", len(PLAIN))


def test_a_run_and_its_tables_say_every_name_again(
    run: Run, tmp_path: Path, tried: Callable[..., None]
) -> None:
    write_run(tmp_path / "run", run, log={})
    assert read_run(tmp_path / "run") == run
    assert {path.name for path in (tmp_path / "run").iterdir()} == RUN_FILES
    with (tmp_path / "run" / "domains.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["domain"] for row in rows] == list(PLAIN)
    assert {row["host"] for row in rows} == {HOST}
    document = json.loads((tmp_path / "run" / "placement.json").read_text("utf-8"))
    assert json.dumps(document).count(json.dumps(HOST)) >= len(PLAIN)
    ended = run_placer("report", tmp_path / "run", "--csv", tmp_path / "csv", "--quiet")
    assert ended.code == 0
    text = (tmp_path / "csv" / "domains.csv").read_text("utf-8").removeprefix("\ufeff")
    cells = [row["domain"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert [cell.removeprefix("'") for cell in cells] == [n.removeprefix("'") for n in PLAIN]
    assert not [cell for cell in cells if cell[0] in "=+-@|\t\r"]
    assert run_placer("report", tmp_path / "run", "--html", tmp_path / "page.html").code == 0
    assert run_placer("report", tmp_path / "run", "--pictures", tmp_path / "charts").code == 0
    for path in (tmp_path / "charts").iterdir():
        assert fromstring(path.read_text("utf-8")).tag.endswith("svg")
    assert {path.name for path in tmp_path.iterdir()} == {"run", "csv", "page.html", "charts"}
    tried("hostile-name-written", len(PLAIN))


def test_what_is_printed_has_no_sign_that_moves_a_cursor(run: Run, tmp_path: Path) -> None:
    write_run(tmp_path / "run", renamed(rc9_run(), "a\x1b[2J\u202eb\nc"), log={})
    for command in (["report"], ["pages"], ["heap"], ["host"]):
        ended = run_placer(*command, tmp_path / "run")
        said = ended.out + ended.err
        assert ended.code == 0
        assert all(sign.isprintable() or sign == "\n" for sign in said)


def test_scenarios_of_any_name_are_rows_of_one_folder(
    tmp_path: Path, tried: Callable[..., None]
) -> None:
    write_run(tmp_path / "base", sample_runs.named_vm(1), log={})
    text = "".join(f"[[scenario]]\nname = {toml(name)}\nchanges = []\n\n" for name in PLAIN)
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    arguments = ["whatif", "run", tmp_path / "s.toml", "--base", tmp_path / "base", "--quiet"]
    for _ in range(2):  # written, then gone on with
        ended = run_placer(*arguments, "--out", tmp_path / "out", "--engine", "serial")
        assert ended.code == 0, ended.err
        with (tmp_path / "out" / "whatif.csv").open(encoding="utf-8", newline="") as file:
            assert [row["scenario"] for row in csv.DictReader(file)] == ["base", *PLAIN]
    assert {path.name for path in tmp_path.iterdir()} == {"base", "s.toml", "out"}
    tried("hostile-name-written", len(PLAIN))


def test_an_inventory_says_the_name_of_a_host_again(
    tmp_path: Path, tried: Callable[..., None]
) -> None:
    for name in PLAIN:
        host = make_host([1 << 20] * 2, name=name)
        (tmp_path / "h.toml").write_text(format_inventory([host]), encoding="utf-8")
        (again,) = read_inventory(tmp_path / "h.toml", warnings=[])
        assert again.name == name
    tried("hostile-name-written", len(PLAIN))


def test_a_run_folder_of_any_name_is_that_folder_or_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tried: Callable[..., None]
) -> None:
    (tmp_path / "room").mkdir()
    monkeypatch.chdir(tmp_path / "room")
    names = [name for name in PLAIN if "/" not in name]
    made = set()
    for name in names:
        try:
            write_run(Path(name), rc9_run(), log={})
            write_run(Path(name), rc9_run(), log={})
            made.add(name)
        except InputError as error:
            assert len(error.faults) == 1
            assert len(name) == 300 or name in (".", "..")
        assert {path.name for path in Path().iterdir()} == made
    assert [path.name for path in tmp_path.iterdir()] == ["room"]
    tried("hostile-name-written", len(names))


LONG = "n" * 250


def test_a_file_of_the_longest_name_that_there_is_can_be_written(tmp_path: Path) -> None:
    write_run(tmp_path / "run", rc9_run(), log={})
    for name in (LONG, "\N{GRINNING FACE}" * 63, "x" * 255):
        path = tmp_path / name
        assert run_placer("export", tmp_path / "run", "--format", "xl", "-o", path).code == 0
        assert 'name = "rc9"' in path.read_text("utf-8")
        path.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


COUNT = 300
every = settings(max_examples=COUNT, derandomize=True, deadline=None, database=None)


@every
@given(st.lists(st.text(max_size=300), unique=True, max_size=8))
@example(["A", "a", "%41"])
@example(["x" * 119, "X" * 119, "x" * 121])
@example(["a.", "a", "a%2E"])
def test_any_names_have_file_names_of_their_own(names: list[str]) -> None:
    found = file_names(names)
    assert list(found) == names
    check_file_names(list(found.values()))
    assert all(PurePath(name).name == name for name in found.values())


@every
@given(st.text(min_size=1, max_size=100))
def test_any_name_is_said_again_or_refused(name: str) -> None:
    try:
        text = write_settings([("name", name)])
    except RefusedError:
        assert not name.isprintable() or "\\" in name or ("'" in name and '"' in name)
    else:
        assert name_of(text) == name
    from xml.etree.ElementTree import Element

    root = Element("r")
    try:
        add(root, "a", name, b=name)
    except RefusedError:
        assert any(not sign.isprintable() for sign in name)
    else:
        again = fromstring(format_xml(root))[0]
        assert (again.text or "").replace("\r\n", "\n") == name.replace("\r\n", "\n").replace(
            "\r", "\n"
        ) or not name.isprintable()
        assert again.get("b") == name or not name.isprintable()
    cells = next(csv.reader(io.StringIO(as_spreadsheet_row(name), newline="")))
    assert cells[0] in (name, f"'{name}")
    assert cells[0][0] not in "=+-@|\t\r\n"


def as_spreadsheet_row(name: str) -> str:
    """The row of a name, as it stands in a table for a spreadsheet."""
    text = io.StringIO()
    csv.writer(text).writerows([["domain"], [name]])
    return as_spreadsheet(text.getvalue()).split("\r\n", maxsplit=1)[1]


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_name_is_one_argument_of_a_shell(name: str) -> None:
    text = render(renamed(rc9_run(), name), name, "qemu", ExportOptions()).text
    assert text is not None
    arguments = shlex.split(text)
    assert arguments[arguments.index("-name") + 1] == "guest=" + name.replace(",", ",,")


def test_properties_of_names_were_tried(tried: Callable[..., None]) -> None:
    test_any_names_have_file_names_of_their_own()
    test_any_name_is_said_again_or_refused()
    tried("any-name", 2 * COUNT)


def test_a_folder_is_never_rendered_outside_itself(run: Run) -> None:
    contents, _ = render_all(run, "xl", ExportOptions())
    assert all(not path.is_absolute() and ".." not in path.parts for path in contents)
