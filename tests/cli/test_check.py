from __future__ import annotations

import json
import os
from pathlib import Path

from placer.report.folder import write_run
from tests import sample_runs
from tests.cli.program import run_placer
from tests.packaging.test_import_time import modules_loaded_by


def test_a_run_that_was_not_touched_agrees(rc9: Path) -> None:
    ended = run_placer("check", rc9)
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "placement: 1 of 1 domains, all rules"
    assert ended.out.splitlines()[-1] == "all agree"
    assert ended.err == ""


def test_a_changed_figure_is_named_and_ends_with_its_own_code(rc9: Path) -> None:
    path = rc9 / "placement.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["domains"][0]["cost"] += 1
    path.write_text(json.dumps(document), encoding="utf-8")
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
    path = rc9 / "frames.json"
    frames = json.loads(path.read_text(encoding="utf-8"))
    frames["domains"][0]["runs"][0][2] = 1
    path.write_text(json.dumps(frames), encoding="utf-8")
    ended = run_placer("check", rc9)
    assert ended.code == 2
    assert "order 1, expected one of" in ended.err
