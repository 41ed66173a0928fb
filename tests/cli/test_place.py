from __future__ import annotations

import json
import signal
import tempfile
import time
from pathlib import Path

import pytest

from placer.run import RUN_FILES, is_run, read_run
from tests.cli.conftest import write_cfg
from tests.cli.program import HOST, run_placer, spawn_placer, start_placer


def test_the_first_guest_of_the_posting_is_placed_with_fallback(seed: Path, tmp_path: Path) -> None:
    ended = run_placer(
        "place",
        seed / "rcbig.cfg",
        "--host",
        seed / "heatpipe-before-rcbig.toml",
        "--fallback",
        "--out",
        tmp_path / "rcbig",
    )
    assert ended.code == 0
    (placed,) = read_run(tmp_path / "rcbig").placed
    assert placed.home.tolist() == [0, 0, 1, 1]
    assert placed.pages_on.tolist() == [2097152, 2097152]
    assert placed.vcpu_to_vnode.tolist() == [0, 1, 2, 3]
    assert "mean access distance 14.0 (" in ended.out
    warnings = [line for line in ended.err.splitlines() if line.startswith("warning: ")]
    for faulty in (
        "vnumamem: found 2 entries, expected 4",
        "vnumamem: found sum 20, expected 16384",
        "below 64 MB",
        "vnuma_distance: found 4 entries, expected 2 or 16",
        "vcpu_to_vnode: found 2 entries, expected 4",
        "vnodes 1 and 3 without a vcpu",
        "vnode_to_pnode: found 2 entries, expected 4",
    ):
        assert sum(faulty in line for line in warnings) == 1, faulty
    assert sum("an old spelling" in line for line in warnings) == 3
    log = json.loads((tmp_path / "rcbig" / "run-log.json").read_text(encoding="utf-8"))
    assert [f"warning: {text}" for text in log["warnings"]] == warnings
    assert set(log["level_seconds"]) == {"vcpus_off_home", "cost", "homes_in_order"}


def test_without_fallback_every_faulty_option_is_an_error(seed: Path) -> None:
    ended = run_placer("place", seed / "rcbig.cfg", "--host", seed / "heatpipe-before-rcbig.toml")
    assert ended.code == 2
    assert ended.out == ""
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 7
    assert all(line.startswith(f"error: {seed / 'rcbig.cfg'}:") for line in errors)


def test_the_second_guest_of_the_posting_is_placed(seed: Path, tmp_path: Path) -> None:
    ended = run_placer(
        "place",
        seed / "rc9.cfg",
        "--host",
        seed / "heatpipe-before-rc9.toml",
        "--out",
        tmp_path / "rc9",
    )
    assert ended.code == 0
    (placed,) = read_run(tmp_path / "rc9").placed
    assert placed.home.tolist() == [1, 0]
    assert placed.vcpu_to_vnode.tolist() == [1, 0, 1, 0]
    assert "mean access distance 12.0 (" in ended.out


def test_json_is_all_that_stands_on_standard_output(small: Path, tmp_path: Path) -> None:
    ended = run_placer("place", small, "--host", HOST, "--json", "--out", tmp_path / "run")
    assert ended.code == 0
    assert json.loads(ended.out)["domains"][0]["name"] == "small"
    assert ended.out == (tmp_path / "run" / "placement.json").read_text(encoding="utf-8")


def test_without_a_terminal_only_what_was_written_is_told(small: Path, tmp_path: Path) -> None:
    place = ("place", small, "--host", HOST, "--out", tmp_path / "run")
    assert run_placer(*place).err == f"wrote {tmp_path / 'run'}\n"
    assert run_placer(*place, "--quiet").err == ""


def test_what_cannot_be_placed_is_proven_impossible_with_its_reasons(
    small: Path, large: Path, tmp_path: Path
) -> None:
    ended = run_placer("place", small, large, "--host", HOST, "--out", tmp_path / "run")
    assert ended.code == 3
    assert "error: no placement exists\n" in ended.err
    assert "error: large: not placed: needs 64.0 GiB" in ended.err
    assert "  proven by: capacity count\n" in ended.err
    assert "  short by: " in ended.err
    assert "Traceback" not in ended.err
    run = read_run(tmp_path / "run")
    assert run.result.status == "infeasible"
    assert {refusal.domain for refusal in run.result.unplaced} == {"small", "large"}
    assert "large,reason,0," in (tmp_path / "run" / "unplaced.csv").read_text(encoding="utf-8")


def test_an_impossible_question_answers_in_json_too(large: Path) -> None:
    ended = run_placer("place", large, "--host", HOST, "--json")
    assert ended.code == 3
    assert json.loads(ended.out)["status"] == "infeasible"


def test_a_partial_placement_ends_with_its_own_code(small: Path, large: Path) -> None:
    ended = run_placer("place", small, large, "--host", HOST, "--allow-partial")
    assert ended.code == 5
    assert "1 of 2 domains placed" in ended.out
    assert "error: large: not placed" in ended.err


def test_domains_left_out_for_one_reason_are_named_together(tmp_path: Path) -> None:
    domains = tmp_path / "domains.toml"
    each = '[[domain]]\nname = "{}"\nmemory = "{}"\nvcpus = 1\n'
    sizes = {**{f"large-{n}": "64GiB" for n in range(8)}, "larger": "65GiB", "small": "1GiB"}
    domains.write_text("".join(each.format(*size) for size in sizes.items()), encoding="utf-8")
    ended = run_placer(
        "place", domains, "--host", HOST, "--allow-partial", "--out", tmp_path / "run"
    )
    assert ended.code == 5
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert [line.split(": not placed: needs ")[0] for line in errors] == [
        "error: large-0, large-1, large-2, large-3, large-4 and 3 more",
        "error: larger",
    ]
    rows = (tmp_path / "run" / "unplaced.csv").read_text(encoding="utf-8")
    assert all(f"\n{name},reason," in rows for name in sizes if name != "small")


def test_a_full_placement_under_allow_partial_ends_well(small: Path) -> None:
    assert run_placer("place", small, "--host", HOST, "--allow-partial").code == 0


def test_no_answer_within_the_time_limit_has_its_own_code(tmp_path: Path) -> None:
    host = "pnode:2 core:8 pu:1 memory:10GiB distance:10,20"
    # In the order of their vcpus the first two take the room that one of the others needs.
    domains = [
        write_cfg(tmp_path / f"{name}.cfg", memory=memory, vcpus=vcpus)
        for name, memory, vcpus in (("a", 1500, 3), ("b", 1500, 3), ("c", 8000, 1), ("d", 8000, 1))
    ]
    assert run_placer("place", *domains, "--host", host).code == 0
    ended = run_placer("place", *domains, "--host", host, "--time-limit", "1e-9")
    assert ended.code == 4
    assert "error: no answer was found" in ended.err


def test_libxl_places_by_its_own_rule(small: Path, large: Path) -> None:
    assert run_placer("place", small, "--host", HOST, "--solver", "libxl").code == 0
    ended = run_placer("place", small, large, "--host", HOST, "--solver", "libxl")
    assert ended.code == 5
    assert "libxl's own rule: 1 of 2 domains placed" in ended.out
    assert "breaks 1 rule" in ended.out


def test_a_run_is_the_next_starting_state(small: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run_placer("place", small, "--host", HOST, "--out", first).code == 0
    other = write_cfg(tmp_path / "other.cfg", memory=1024)
    assert run_placer("place", other, "--host", first, "--out", second).code == 0
    (host,) = read_run(second).problem.hosts
    assert [running.name for running in host.running] == ["small"]
    again = run_placer("place", small, "--host", second)
    assert again.code == 2
    assert "runs already" in again.err


def test_a_run_can_be_replaced_by_the_one_that_starts_from_it(small: Path, tmp_path: Path) -> None:
    other = write_cfg(tmp_path / "other.cfg", memory=1024)
    assert run_placer("place", small, "--host", HOST, "--out", tmp_path / "run").code == 0
    place = ("place", other, "--host", tmp_path / "run", "--out", tmp_path / "run")
    assert run_placer(*place).code == 0
    assert [placed.domain for placed in read_run(tmp_path / "run").placed] == ["other"]


def test_a_folder_that_is_no_run_is_refused_before_anything_is_solved(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("placer.solve.solve", None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    ended = run_placer("place", small, "--host", HOST, "--out", tmp_path / "mine")
    assert ended.code == 2
    assert (
        "found a folder that is no run, expected a new name, an empty folder or a run" in ended.err
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_folder_that_mktemp_made_becomes_the_run(small: Path, tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    assert run_placer("place", small, "--host", HOST, "--out", folder).code == 0
    assert run_placer("check", folder).code == 0


def test_faults_of_all_inputs_are_reported_at_once(tmp_path: Path) -> None:
    ended = run_placer(
        "place", tmp_path / "absent.cfg", "--host", tmp_path / "absent.toml", "--policy", "absent"
    )
    assert ended.code == 2
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cost-slack", "-1"),
        ("--cost-slack", "much"),
        ("--cost-slack", "1/0"),
        ("--time-limit", "0"),
        ("--time-limit", "nan"),
        ("--work", "0"),
        ("--work", "nan"),
        ("--memory-limit", "0"),
        ("--workers", "0"),
        ("--workers", "100000"),
        ("--cost-slack", "1e30"),
        ("--cost-slack", "1e999999999"),
        ("--seed", "-1"),
        ("--seed", str(2**31)),
        ("--solver", "guess"),
    ],
)
def test_an_option_with_a_wrong_value_is_named(small: Path, option: str, value: str) -> None:
    ended = run_placer("place", small, "--host", HOST, option, value)
    assert ended.code == 2
    assert option in ended.err
    assert value in ended.err or option in ("--workers", "--seed")  # Typer says the range alone
    assert ended.out == ""


@pytest.mark.parametrize(("text", "slack"), [("5", "1/20"), ("2.5%", "1/40"), ("0", "0/1")])
def test_the_cost_slack_is_a_percentage(small: Path, tmp_path: Path, text: str, slack: str) -> None:
    place = ("place", small, "--host", HOST, "--cost-slack", text, "--out", tmp_path / "run")
    assert run_placer(*place).code == 0
    problem = json.loads((tmp_path / "run" / "problem.json").read_text(encoding="utf-8"))
    assert problem["cost_slack"] == slack


def test_the_policy_of_the_command_line_goes_before_that_of_the_domains(
    small: Path, tmp_path: Path
) -> None:
    domains = tmp_path / "domains.toml"
    domains.write_text(f'policy = "pack"\n[[domain]]\ncfg = "{small.name}"\n', encoding="utf-8")
    place = ("place", domains, "--host", HOST, "--json")
    assert json.loads(run_placer(*place).out)["policy"] == "pack"
    assert json.loads(run_placer(*place, "--policy", "spread").out)["policy"] == "spread"
    assert json.loads(run_placer("place", small, "--host", HOST, "--json").out)["policy"] == (
        "distance"
    )


def test_equal_calls_write_equal_bytes_but_for_the_log(small: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        place = ("place", small, "--host", HOST, "--seed", "3", "--out", tmp_path / name)
        assert run_placer(*place).code == 0
    for name in RUN_FILES - {"run-log.json"}:
        one, two = ((tmp_path / run / name).read_text("utf-8") for run in ("one", "two"))
        if name == "SHA256SUMS":
            one, two = (text[: text.index("run-log") - 66] for text in (one, two))
        assert one == two, name


def test_what_is_printed_does_not_depend_on_the_terminal(small: Path) -> None:
    plain = spawn_placer("place", small, "--host", HOST, "--quiet")
    assert plain.code == 0
    dressed = spawn_placer(
        "place", small, "--host", HOST, "--quiet", COLUMNS="30", FORCE_COLOR="1", TERM="xterm"
    )
    assert dressed == plain
    ascii_only = spawn_placer(
        "place", small, "--host", HOST, "--quiet", PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    assert ascii_only.code == 0
    assert ascii_only.out.isascii()


def test_a_reader_that_goes_away_is_no_failure(small: Path, tmp_path: Path) -> None:
    arguments = ["place", small, "--host", HOST, "--json", "--quiet", "--out", tmp_path / "run"]
    with start_placer(arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 0
    assert err == ""
    assert is_run(tmp_path / "run")


def write_hard_question(folder: Path) -> tuple[Path, Path]:
    """Six domains of six vnodes on a ring of eight pnodes: placed at once, proven late."""
    domains, host = folder / "domains.toml", folder / "host.toml"
    domains.write_text(
        "\n".join(
            f'[[domain]]\nname = "d{number}"\nmemory = "{6000 + 137 * number}MiB"\n'
            "vcpus = 6\nvnodes = 6\n"
            for number in range(6)
        ),
        encoding="utf-8",
    )
    ring = [[min((p - q) % 8, (q - p) % 8) for q in range(8)] for p in range(8)]
    distances = [[12 + 4 * hops if hops else 10 for hops in row] for row in ring]
    host.write_text(
        f'[[host]]\nname = "ring"\ndistances = {distances}\n'
        + "".join(
            f'[[host.pnode]]\ntotal = "{4596 + 300 * p}MiB"\npcpus = "{6 * p}-{6 * p + 5}"\n'
            for p in range(8)
        ),
        encoding="utf-8",
    )
    return domains, host


TELL_SOLVES = """
import sys
from ortools.sat.python import cp_model
solve = cp_model.CpSolver.solve
def told(self, model, *others):
    print("solving with" if model.has_objective() else "solving without", file=sys.stderr)
    return solve(self, model, *others)
cp_model.CpSolver.solve = told
"""


def test_an_interrupt_ends_with_the_best_so_far_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL_SOLVES, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    domains, host = write_hard_question(tmp_path)
    arguments = ["place", domains, "--host", host, "--out", tmp_path / "run"]
    with start_placer(arguments) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line == "solving with\n":
                break
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "interrupted: 6 of 6 domains placed" in out
    run = read_run(tmp_path / "run")
    assert run.result.interrupted
    assert run_placer("check", tmp_path / "run").code == 0


def test_a_time_limit_ends_with_the_best_so_far(tmp_path: Path) -> None:
    domains, host = write_hard_question(tmp_path)
    place = ("place", domains, "--host", host, "--out", tmp_path / "run", "--time-limit", 3)
    ended = run_placer(*place)
    assert ended.code == 0
    assert "not proven optimal: 6 of 6 domains placed" in ended.out
    (cost,) = (level for level in read_run(tmp_path / "run").result.levels if level.name == "cost")
    assert cost.status == "feasible"
    assert cost.bound < cost.value
    assert run_placer("check", tmp_path / "run").code == 0


@pytest.mark.parametrize("kind", ["pv", "pvh", "hvm"])
def test_the_run_of_any_type_of_guest_is_checked_exported_and_gone_on_from(
    tmp_path: Path, kind: str
) -> None:
    config = tmp_path / "vm.cfg"
    first = '["size=512", "vcpus=0", "vdistances=10,20"]'
    second = '["size=512", "vcpus=1", "vdistances=20,10"]'
    config.write_text(
        f'name = "vm"\ntype = "{kind}"\nmemory = 1024\nvnuma = [{first}, {second}]\n',
        encoding="utf-8",
    )
    run = tmp_path / "run"
    assert run_placer("place", config, "--host", HOST, "--out", run).code == 0
    assert run_placer("check", run).code == 0
    formats = ["xl", "xen-dump-v1", "numactl", "dmesg", *(["xl-v1"] if kind == "pv" else [])]
    for name in formats:
        ended = run_placer("export", run, "--format", name)
        assert (ended.code, ended.out != "") == (0, True), ended.err
    small = write_cfg(tmp_path / "other.cfg", memory=1024)
    assert run_placer("place", small, "--host", run).code == 0
