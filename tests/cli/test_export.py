from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from placer.export import FORMATS, render
from placer.report.folder import write_run
from placer.run import read_run
from tests import sample_runs
from tests.builders import make_domain
from tests.cli.program import run_placer
from tests.export.runs import DOMAIN_0, heatpipe, make_run, put


@pytest.mark.parametrize(
    "format_name", [name for name, one in FORMATS.items() if one.suffix is not None]
)
def test_every_format_of_one_file_goes_to_standard_output(rc9: Path, format_name: str) -> None:
    ended = run_placer("export", rc9, "--format", format_name)
    assert ended.code == 0
    assert ended.data == render(read_run(rc9), None, format_name).content
    assert all(line.startswith("warning: ") for line in ended.err.splitlines())


def test_the_dump_of_the_posting_is_exported(rc9: Path) -> None:
    out = run_placer("export", rc9, "--format", "xen-dump-v1", "--domid", 6).out
    assert "idx1 -> NODE1 start->4521984 size->4194304 free->341610" in out
    assert "Domain 6 (total: 1048576):" in out


def test_the_numbering_of_nodes_is_passed_on(rc9: Path) -> None:
    for numbering in ("vnode", "guest"):
        ended = run_placer("export", rc9, "--format", "numactl", "--numbering", numbering)
        assert "node 0 cpus: 1 3" in ended.out
    assert run_placer("export", rc9, "--format", "numactl", "--numbering", "other").code == 2


def test_a_file_holds_what_standard_output_gets(rc9: Path, tmp_path: Path) -> None:
    target = tmp_path / "rc9.cfg"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    ended = run_placer("export", rc9, "--format", "xl", "-o", target)
    assert ended.code == 0
    assert ended.out == ""
    assert target.read_text(encoding="utf-8") == run_placer("export", rc9, "--format", "xl").out
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rc9", "rc9.cfg"]


def test_a_new_file_has_the_rights_of_any_new_file(rc9: Path, tmp_path: Path) -> None:
    assert run_placer("export", rc9, "--format", "xl", "-o", tmp_path / "new").code == 0
    (tmp_path / "plain").touch()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_symbolic_link_stays_and_its_target_is_written(rc9: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert run_placer("export", rc9, "--format", "xl", "-o", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text(encoding="utf-8").startswith("#")


def test_a_pipe_is_written_to_as_it_stands(rc9: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    texts: list[str] = []
    reader = threading.Thread(target=lambda: texts.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert run_placer("export", rc9, "--format", "numactl", "-o", pipe).code == 0
    reader.join()
    assert texts[0].startswith("available: 2 nodes (0-1)")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_file_that_cannot_be_written_is_named(rc9: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "absent" / "x.cfg", tmp_path):
        ended = run_placer("export", rc9, "--format", "xl", "-o", target)
        assert ended.code == 2
        assert f"error: {target}: -o: found " in ended.err


def test_an_export_that_is_refused_leaves_the_file_as_it_was(rc9: Path, tmp_path: Path) -> None:
    target = tmp_path / "old"
    target.write_text("old", encoding="utf-8")
    ended = run_placer("export", rc9, "--format", "nothing", "-o", target)
    assert ended.code == 2
    assert "known: xl, xl-v1" in ended.err
    assert target.read_text(encoding="utf-8") == "old"


def write_sample(folder: Path, names: list[str]) -> Path:
    """Write the run that places a small domain of each name on one host; return its folder."""
    domains = [make_domain([512], name=name) for name in names]
    placed = [put(domain, [0], [0]) for domain in domains]
    host = heatpipe([2752911, 2963050], (DOMAIN_0,))
    write_run(folder, make_run(host, domains, placed), log={})
    return folder


def test_one_of_several_domains_must_be_named(tmp_path: Path) -> None:
    write_sample(tmp_path / "run", ["first", "second"])
    ended = run_placer("export", tmp_path / "run", "--format", "numactl")
    assert ended.code == 2
    assert "'first', 'second'" in ended.err
    named = run_placer("export", tmp_path / "run", "--format", "numactl", "--domain", "second")
    assert named.code == 0


def test_a_domain_that_is_not_placed_is_refused(rc9: Path, tmp_path: Path) -> None:
    ended = run_placer("export", rc9, "--format", "xl", "--domain", "absent")
    assert ended.code == 2
    assert "'absent' is not in the run; placed: 'rc9'" in ended.err
    write_run(tmp_path / "none", sample_runs.impossible(), log={})
    assert run_placer("export", tmp_path / "none", "--format", "xl").code == 2


def test_tables_go_to_a_folder_and_not_to_standard_output(rc9: Path, tmp_path: Path) -> None:
    arguments = ["export", rc9, "--format", "acpi", "--type", "hvm"]
    ended = run_placer(*arguments)
    assert ended.code == 2
    assert "--format acpi writes several files: -o DIR says where to" in ended.err
    assert run_placer(*arguments, "-o", tmp_path / "new" / "acpi").code == 0
    names = sorted(path.name for path in (tmp_path / "new" / "acpi").iterdir())
    assert names == ["SLIT.aml", "SRAT.aml"]


def test_all_domains_are_exported_under_names_that_stay_in_the_folder(tmp_path: Path) -> None:
    names = ["../../etc/x", "a/b", "-rf", "CON", "x" * 300, "Web", "web", "büro \U0001f600", ".."]
    out = tmp_path / "deep" / "er" / "out"
    folder = write_sample(tmp_path / "run", names)
    ended = run_placer("export", folder, "--format", "qemu", "--all", "-o", out)
    assert ended.code == 0
    written = list(out.iterdir())
    assert len(written) == len({path.name.lower() for path in written}) == len(names)
    assert all(path.suffix == ".args" and path.is_file() for path in written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "run"]
    for name in names:
        assert f"warning: domain {name!r}: " in ended.err
        single = run_placer("export", folder, "--format", "qemu", f"--domain={name}").data
        assert [path.read_bytes() for path in written].count(single) == 1


def test_where_a_domain_cannot_be_said_none_is_written_and_all_reasons_are_told(
    tmp_path: Path,
) -> None:
    folder = write_sample(tmp_path / "run", ["one", "two"])
    out = tmp_path / "out"
    ended = run_placer("export", folder, "--format", "acpi", "--all", "-o", out)
    assert ended.code == 2
    assert [line.split(":")[1] for line in ended.err.splitlines()] == [
        " domain 'one'",
        " domain 'two'",
    ]
    assert not out.exists()


def test_all_needs_a_folder_and_no_domain(rc9: Path, tmp_path: Path) -> None:
    ended = run_placer("export", rc9, "--format", "xl", "--all")
    assert (ended.code, "--all writes several files: -o DIR" in ended.err) == (2, True)
    (tmp_path / "file").touch()
    ended = run_placer("export", rc9, "--format", "xl", "--all", "-o", tmp_path / "file")
    assert (ended.code, "found not a directory" in ended.err) == (2, True)
    both = run_placer("export", rc9, "--format", "xl", "--all", "--domain", "rc9", "-o", tmp_path)
    assert (both.code, "only --all or --domain" in both.err) == (2, True)


def test_options_are_refused_where_the_format_has_no_use_for_them(rc9: Path) -> None:
    for options, known in (
        (["--set"], "--set is not for format libvirt, but for xen-abi"),
        (["--era", "seed"], "--era is not for format libvirt, but for xen-abi"),
        (["--type", "hvm"], "--type is not for format libvirt, but for xl, xen-abi, acpi"),
        (["--domid", 5], "--domid is not for format libvirt, but for xen-dump"),
    ):
        ended = run_placer("export", rc9, "--format", "libvirt", *options)
        assert ended.code == 2
        assert known in ended.err


def test_both_sides_of_the_hypercall_and_both_eras_are_told_apart(rc9: Path) -> None:
    arguments = ["export", rc9, "--format", "xen-abi"]
    magics = [
        run_placer(*arguments, *options).data[:8] for options in ([], ["--set"], ["--era", "seed"])
    ]
    assert magics == [b"PLXVNUM1", b"PLXVNUS1", b"PLXVNUM0"]
    ended = run_placer(*arguments, "--set", "--era", "seed")
    assert (ended.code, "only --set or --era seed" in ended.err) == (2, True)
