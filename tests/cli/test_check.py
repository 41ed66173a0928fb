from __future__ import annotations

import os
from pathlib import Path

from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import run_placer
from tests.edited_runs import edit, sum_again
from tests.packaging.test_import_time import modules_loaded_by


def test_a_run_that_was_not_touched_agrees(rc9: Path) -> None:
    ended = run_placer("check", rc9)
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "sums: 14 files against SHA256SUMS"
    assert ended.out.splitlines()[1] == "placement: 1 of 1 domains, all rules"
    assert ended.out.splitlines()[-1] == "all agree"
    assert ended.err == ""


def test_a_changed_figure_is_named_and_ends_with_its_own_code(rc9: Path) -> None:
    edit(rc9, "placement.json", lambda d: d["domains"][0].update(cost=30720001))
    ended = run_placer("check", rc9)
    assert ended.code == 5
    assert "error: placement.json: domains[0].cost is 30720001, recomputed 30720000" in ended.err
    assert ended.out.endswith("1 found wrong\n")


def test_a_plan_of_libxl_that_breaks_a_rule_does_not_pass(tmp_path: Path) -> None:
    write_run(tmp_path / "run", sample_runs.unrealised(), log={})
    assert run_placer("check", tmp_path / "run").code == 5


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    ended = run_placer("check", tmp_path)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err


def test_a_damaged_run_is_refused(rc9: Path) -> None:
    (rc9 / "result.json").write_text('{"schema_version": 1}', encoding="utf-8")
    sum_again(rc9)
    ended = run_placer("check", rc9)
    assert ended.code == 2
    assert "result.json: record: found no field" in ended.err


def test_checking_loads_no_solver(rc9: Path) -> None:
    loaded = modules_loaded_by(
        f"sys.argv = ['placer', 'check', {str(rc9)!r}]\n"
        "from placer.cli.main import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "assert 'placer.check' in sys.modules\n"
        "assert not {'placer.solve', 'placer.cpsat', 'placer.pages'} & set(sys.modules)"
    )
    assert "ortools" not in loaded


def test_a_pipe_in_a_run_is_refused_and_not_waited_for(rc9: Path) -> None:
    (rc9 / "vcpus.csv").unlink()
    os.mkfifo(rc9 / "vcpus.csv")
    ended = run_placer("check", rc9)
    assert ended.code != 0
    assert "vcpus.csv" in ended.err


def test_an_order_that_no_extent_has_is_named(rc9: Path) -> None:
    edit(rc9, "frames.json", lambda d: d["domains"][0]["runs"][0].__setitem__(2, 1))
    ended = run_placer("check", rc9)
    assert ended.code == 5
    assert "order 1, expected one of" in ended.err


def test_an_edited_record_is_told_by_check_and_refused_by_every_other_reader(
    rc9: Path, small: Path, tmp_path: Path
) -> None:
    edit(rc9, "result.json", lambda d: d.update(fewest_stops=False), with_sums=False)
    ended = run_placer("check", rc9)
    assert ended.code == 5
    assert "error: result.json: was changed after the run was written" in ended.err
    for arguments in (
        ("export", rc9, "--format", "xl"),
        ("pages", rc9),
        ("report", rc9, "--html", tmp_path / "page.html"),
        ("balloon", rc9, "--target", "2GiB"),
        ("place", small, "--host", rc9),
        ("whatif", "fail-each", "--base", rc9),
        ("whatif", "compare", rc9, rc9),
    ):
        ended = run_placer(*arguments)
        assert ended.code == 2, arguments
        assert "result.json: SHA-256: found a file that was changed" in ended.err, arguments
    assert not (tmp_path / "page.html").exists()


def test_a_run_without_sums_does_not_pass_and_is_still_read(rc9: Path) -> None:
    (rc9 / "SHA256SUMS").unlink()
    ended = run_placer("check", rc9)
    assert ended.code == 5
    assert "error: SHA256SUMS: not there; which files were edited cannot be told" in ended.err
    assert run_placer("export", rc9, "--format", "xl").code == 0


def test_of_a_run_without_sums_every_command_warns_once(rc9: Path, tmp_path: Path) -> None:
    """An edited cost is then passed over, which the reader has to know."""
    page, state = tmp_path / "page.html", tmp_path / "state"
    shape = ("--vm", "memory:1MiB vcpus:1")
    cfg = tmp_path / "a.cfg"
    cfg.write_text('name = "a"\nmemory = 8\n', encoding="utf-8")
    commands: tuple[tuple[object, ...], ...] = (
        ("export", rc9, "--format", "xl"),
        ("pages", rc9),
        ("report", rc9, "--html", page),
        ("balloon", rc9, "--target", "512MiB", "--out", state),
        ("place", cfg, "--host", rc9),
        ("place", "--host", rc9, "--rebalance"),
        ("explain", cfg, "--host", rc9),
        ("heap", rc9),
        ("host", rc9),
        ("whatif", "headroom", "--base", rc9, *shape),
    )
    warning = f"warning: {rc9}: SHA256SUMS: found no such file, expected it, since edits cannot be"
    for arguments in commands:
        assert warning not in run_placer(*arguments).err, arguments
    (rc9 / "SHA256SUMS").unlink()
    edit(rc9, "result.json", lambda d: d["levels"][0].update(value=1), with_sums=False)
    for arguments in commands:
        ended = run_placer(*arguments)
        assert ended.err.count(warning) == 1, (arguments, ended)
        assert ended.code in (0, 3), (arguments, ended)
    ended = run_placer("whatif", "compare", rc9, state)
    assert ended.err.count(warning) == 1


def test_damage_that_the_sums_know_of_is_found_wrong_and_not_refused(rc9: Path) -> None:
    (rc9 / "frames.json").write_text("{", encoding="utf-8")
    ended = run_placer("check", rc9)
    assert ended.code == 5
    assert "frames.json: was changed after the run was written" in ended.err
    assert f"error: {rc9 / 'frames.json'}:1:2: JSON: found" in ended.err
    assert ended.out == "sums: 14 files against SHA256SUMS\n2 found wrong\n"
