from __future__ import annotations

import re
from pathlib import Path

import pytest

import placer
from placer.cli import main as program
from placer.cli.exit_code import ExitCode, exit_code_of
from placer.errors import ModelError, PlacerError
from placer.result import Result, Score, SolverInfo
from tests import sample_runs
from tests.cli.program import HOST, run_placer, spawn_placer

COMMANDS = (
    "place",
    "explain",
    "check",
    "export",
    "pages",
    "host",
    "heap",
    "verify",
    "balloon",
    "report",
    "whatif run",
    "whatif fail-each",
    "whatif headroom",
    "whatif frontier",
    "whatif sweep",
    "whatif compare",
    "config show",
)


def test_the_version_is_that_of_the_package() -> None:
    assert run_placer("--version").out == f"placer {placer.__version__}\n"


def test_help_names_every_command_and_documents_every_option(project_root: Path) -> None:
    text = (project_root / "docs" / "commands.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"  {command.split()[-1]} " in run_placer(*command.split()[:-1], "--help").out
        ended = run_placer(*command.split(), "--help")
        assert ended.code == 0
        section = text.split(f"## {command}\n", 1)[1].split("\n## ", 1)[0]
        options = set(re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", ended.out, re.MULTILINE))
        known = options - {"--help", "--format", "--output"}
        assert [option for option in known if f"`{option}" not in section] == []


@pytest.mark.parametrize(
    "arguments",
    [(), ("guess",), ("place",), ("place", "x.cfg"), ("check",), ("export", "x"), ("--guess",)],
)
def test_wrong_usage_ends_with_2_and_no_traceback(arguments: tuple[str, ...]) -> None:
    ended = run_placer(*arguments)
    assert ended.code == 2
    assert "Usage: placer" in ended.out + ended.err
    assert "Traceback" not in ended.err


def test_every_exit_code_is_documented(project_root: Path) -> None:
    for name in ("docs/commands.md", "README.md"):
        text = (project_root / name).read_text(encoding="utf-8")
        codes = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
        assert codes == set(ExitCode), name


INFO = SolverInfo(name="cpsat", version="0", seed=0, workers=1)


def test_the_exit_code_follows_from_the_answer() -> None:
    placed = sample_runs.rc9().result
    fine = Score(placed=1, cost=1, mean_access_distance=10.0)
    broken = Score(placed=1, cost=1, mean_access_distance=10.0, violations=("C1",))
    assert exit_code_of(placed, fine) == ExitCode.PLACED
    assert exit_code_of(placed, broken) == ExitCode.GATE_MISSED
    assert exit_code_of(sample_runs.partial().result, fine) == ExitCode.GATE_MISSED
    assert exit_code_of(Result(status="infeasible", solver=INFO), None) == ExitCode.IMPOSSIBLE
    assert exit_code_of(Result(status="unknown", solver=INFO), None) == ExitCode.NO_ANSWER
    interrupted = Result(status="unknown", solver=INFO, interrupted=True)
    assert exit_code_of(interrupted, None) == ExitCode.INTERRUPTED


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, *, sums: bool) -> None:
        raise error

    monkeypatch.setattr("placer.report.verify.read_records", fail)


def test_a_defect_of_the_solver_is_an_unexpected_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(ModelError("the checker refuses it"), monkeypatch)
    ended = run_placer("check", "x")
    assert ended.code == 1
    assert ended.err.startswith("error: the checker refuses it\nthis is a defect of placer")


def test_any_other_failure_of_placer_has_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(PlacerError("told"), monkeypatch)
    assert run_placer("check", "x").code == PlacerError.exit_code
    assert run_placer("check", "x").err == "error: told\n"


BREAK = (
    "import placer.run\n"
    "def fail(folder, sums):\n"
    "    raise ZeroDivisionError('two\\nlines')\n"
    "placer.run.read_records = fail\n"
)


def test_an_unexpected_exception_is_one_line_and_how_to_report_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(BREAK, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    ended = spawn_placer("check", "x")
    debug = spawn_placer("--debug", "check", "x")
    assert ended.code == 1
    first, second = ended.err.splitlines()
    assert re.fullmatch(
        r"error: unexpected ZeroDivisionError at .*sitecustomize\.py:3: two lines", first
    )
    assert second.startswith("this is a defect of placer: please report")
    assert debug.code == 1
    assert "Traceback (most recent call last)" in debug.err


def test_control_characters_of_an_argument_are_not_printed(small: Path) -> None:
    ended = run_placer("place", small, "--host", HOST, "--policy", "a\x1b[31mb")
    assert ended.code == 2
    assert "\x1b" not in ended.err


def test_python_dash_m_is_the_same_program() -> None:
    ended = spawn_placer("--version")
    assert (ended.code, ended.out) == (0, f"placer {placer.__version__}\n")
    assert program.app.info.name == "placer"
