from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from placer.export import FORMATS
from placer.report.folder import write_run
from placer.run import Run
from tests import sample_runs
from tests.builders import make_domain, make_host, make_problem
from tests.cli.program import run_placer


@pytest.mark.parametrize("format_name", list(FORMATS))
def test_every_format_goes_to_standard_output(rc9: Path, format_name: str) -> None:
    ended = run_placer("export", rc9, "--format", format_name)
    assert ended.code == 0
    assert ended.out.endswith("\n")
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


def two_domains() -> Run:
    domains = [make_domain([512], name=name) for name in ("first", "second")]
    return sample_runs.solved(make_problem(make_host([8192]), *domains))


def test_one_of_several_domains_must_be_named(tmp_path: Path) -> None:
    write_run(tmp_path / "run", two_domains(), log={})
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
