"""What a solve of a fleet had placed survives its end by kill -9, and the next one goes on."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.parts import make_batch
from placer.answer import Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.errors import Fault, InputError
from placer.fleet import many
from placer.placement import Placement
from placer.problem import Problem
from placer.record import parse_json, restore_placement
from placer.report.unfinished import Unfinished
from placer.result import rank
from placer.run import read_run
from placer.solve import SolveOptions, solve
from tests.cli.program import run_placer, start_placer
from tests.fleet.tiny_fleets import draw_fleet


def _states(problem: Problem, folder: Path, work: float = 1.0) -> tuple[Unfinished, list[bytes]]:
    """The states that a solve leaves on its way, none left out."""
    begun = Unfinished(folder, problem, every_seconds=0.0)
    seen: list[bytes] = []

    def keep(placement: Callable[[], Placement]) -> bool:
        begun._next = 0.0
        is_kept = begun.keep(placement)
        seen.append(begun.path.read_bytes())
        return is_kept

    solve(problem, SolveOptions(work=work, baselines=False, reasons=False), keep=keep)
    return begun, seen


@pytest.mark.parametrize("seed", range(3))
def test_every_state_keeps_the_rules_and_none_is_worse_than_the_one_before(
    seed: int, tmp_path: Path, tried: Callable[..., None]
) -> None:
    problem = make_batch(30, 3, 0.9, seed)
    begun, seen = _states(problem, tmp_path / "run")
    ranks = []
    for state in seen:
        begun.path.write_bytes(state)
        placement, warning = begun.read()
        assert placement is not None, warning
        assert not check_placement(problem, placement)
        ranks.append(rank(level_values(problem, placement)))
    assert ranks == sorted(ranks, reverse=True)
    assert seen
    tried("unfinished-state", 1)


def test_a_solve_that_goes_on_is_never_worse_than_what_it_began_with(tmp_path: Path) -> None:
    problem = make_batch(30, 3, 0.9, 1)
    begun, _ = _states(problem, tmp_path / "run")
    start, _ = begun.read()
    assert start is not None
    options = SolveOptions(work=0.01, baselines=False, reasons=False)
    placement = solve(problem, options, start=start).result.placement
    assert placement is not None
    assert rank(level_values(problem, placement)) <= rank(level_values(problem, start))


@pytest.mark.parametrize("length", [1, 120, 240, 255])
@pytest.mark.parametrize("sign", ["x", "\N{LATIN SMALL LETTER A WITH DIAERESIS}"])
def test_a_run_of_any_name_has_its_own_state_beside_it(
    length: int, sign: str, tmp_path: Path
) -> None:
    (tmp_path / "small.toml").write_text('[[domain]]\nname = "a"\nmemory = "1GiB"\nvcpus = 1\n')
    problem = draw_fleet(0)
    name = "run" if length == 1 else (sign * length).encode()[:length].decode(errors="ignore")
    state = Unfinished(tmp_path / name, problem).path
    other = Unfinished(tmp_path / f"{name[:-1]}y", problem).path
    assert not state.exists()
    assert state != other
    assert (state.name == f"{name}.unfinished.json") == (len(name.encode()) < 240)
    host = "pnode:2 core:4 memory:16GiB"
    ended = run_placer("place", tmp_path / "small.toml", "--host", host, "--out", tmp_path / name)
    assert ended.code == 0, ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "small.toml"])


def _arguments(root: Path, out: Path) -> tuple[object, ...]:
    fleet = root / "datasets" / "fleet"
    small = (fleet / "small-domains.toml", "--host", fleet / "small-hosts.toml")
    return ("place", *small, "--work", "40", "--out", out)


OFTEN = """
import placer.report.unfinished as module
module.Unfinished.__init__.__kwdefaults__["every_seconds"] = 0.2
"""
"""States are written often, so that short tries leave some."""


@pytest.mark.slow
def test_a_solve_killed_again_and_again_ends_with_a_run_as_good_as_its_last_state(
    project_root: Path, tmp_path: Path, tried: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    times, rng, folder = 8, random.Random(5), tmp_path / "run"
    path = folder.with_name("run.unfinished.json")
    (tmp_path / "sitecustomize.py").write_text(OFTEN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    last: Placement | None = None
    for _ in range(times):
        with start_placer(_arguments(project_root, folder)) as process:
            time.sleep(rng.uniform(1.0, 9.0))
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not folder.exists()
        if path.exists():
            table = parse_json(path.read_text(encoding="utf-8"), str(path))
            last = restore_placement(table["placement"], str(path))
    assert last is not None
    ended = run_placer(*_arguments(project_root, folder))
    assert ended.code in {0, 5}, ended.err
    assert f"going on from {len(last.domains)} of " in ended.err
    assert not path.exists()
    assert run_placer("check", folder).code == 0
    run = read_run(folder)
    assert run.result.placement is not None
    ranks = [rank(level_values(run.problem, it)) for it in (run.result.placement, last)]
    assert ranks[0] <= ranks[1]
    tried("killed-solve", times)


def test_the_command_says_that_it_goes_on_and_lets_the_state_go(
    project_root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    cfg = project_root / "datasets" / "seed" / "rc9.cfg"
    host = project_root / "datasets" / "seed" / "heatpipe-before-rc9.toml"
    assert run_placer("place", cfg, "--host", host, "--out", folder).code == 0
    problem = read_run(folder).problem
    begun = Unfinished(folder, problem, every_seconds=0.0)
    placement = read_run(folder).result.placement
    assert placement is not None
    begun.keep(lambda: placement)
    ended = run_placer("place", cfg, "--host", host, "--out", folder)
    assert f"going on from 1 of 1 domains placed: {begun.path}" in ended.err
    assert ended.code == 0
    assert not begun.path.exists()
    begun.keep(lambda: placement)
    assert (
        "going on"
        not in run_placer("place", cfg, "--host", host, "--out", folder, "--no-resume").err
    )


def test_the_state_of_another_question_is_said_and_not_used(tmp_path: Path) -> None:
    begun, seen = _states(make_batch(30, 3, 0.9, 1), tmp_path / "run")
    assert seen
    placement, warning = Unfinished(tmp_path / "run", draw_fleet(2)).read()
    assert placement is None
    assert "found the state of another question" in str(warning)
    assert begun.path.exists()


def test_a_state_that_breaks_a_rule_is_not_written_and_said_where_one_is_there(
    tmp_path: Path,
) -> None:
    begun, _ = _states(make_batch(30, 3, 0.9, 1), tmp_path / "run")
    placement, _ = begun.read()
    assert placement is not None
    worse = replace(placement, domains=placement.domains[1:])
    begun.path.unlink()
    begun._next, begun._best = 0.0, None
    assert begun.keep(lambda: worse)
    assert not begun.path.exists()
    assert begun._write(worse)
    found, warning = begun.read()
    assert found is None
    assert "D1 once" in str(warning)


@pytest.mark.parametrize("content", [b"{}", b"", b"{", b"\xff", b'{"kind": 1}'])
def test_a_file_of_another_kind_is_never_overwritten(content: bytes, tmp_path: Path) -> None:
    begun = Unfinished(tmp_path / "run", draw_fleet(1))
    begun.path.write_bytes(content)
    with pytest.raises(InputError, match=r"run\.unfinished\.json"):
        begun.read()
    assert begun.path.read_bytes() == content


def test_a_state_that_cannot_be_written_is_a_warning_once_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[Fault] = []
    folder = tmp_path / "file" / "run"
    problem = draw_fleet(1)
    begun = Unfinished(folder, problem, every_seconds=0.0, warn=said.append)
    nothing = Placement(domains=(), unplaced=tuple(domain.name for domain in problem.domains))
    for _ in range(3):
        begun._next = 0.0
        assert not begun.keep(lambda: nothing)
    assert [str(fault).partition(": found")[0] for fault in said] == [f"{begun.path}: --out"]
    (tmp_path / "file").unlink()
    begun._next = 0.0
    assert begun.keep(lambda: nothing)
    assert begun.read()[0] is not None


def test_what_comes_too_soon_is_offered_again(tmp_path: Path) -> None:
    problem = make_batch(30, 3, 0.9, 1)
    begun = Unfinished(tmp_path / "run", problem, every_seconds=1000.0)
    taken: list[bool] = []

    def keep(placement: Callable[[], Placement]) -> bool:
        if len(taken) == 2:
            begun._next = 0.0
        taken.append(begun.keep(placement))
        return taken[-1]

    solve(problem, SolveOptions(work=1.0, baselines=False, reasons=False), keep=keep)
    assert taken[:3] == [False, False, True]


def _kept_before_neighbourhoods(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> list[Placement]:
    """What the steps offer that make the first placement of a batch."""
    kept: list[Placement] = []

    def end(*_: object, **__: object) -> Placement:
        raise KeyboardInterrupt

    def keep(placement: Callable[[], Placement]) -> bool:
        kept.append(placement())
        return True

    monkeypatch.setattr(many, "improve", end)
    many.place_many(problem, Limits(work=1.0), keep=keep)
    return kept


@pytest.mark.parametrize("seed", range(3))
def test_the_steps_to_a_first_placement_are_kept_too(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_batch(60, 6, 0.95, seed)
    loose = replace(problem, allow_partial=True)
    kept = _kept_before_neighbourhoods(problem, monkeypatch)
    sound = [len(found.domains) for found in kept if not check_placement(loose, found)]
    assert len(set(sound)) > 1
    assert max(sound) > len(problem.domains) / 2


def test_a_start_that_places_little_does_not_make_the_first_placement_worse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = make_batch(60, 6, 0.95, 0)
    anew = _kept_before_neighbourhoods(problem, monkeypatch)[-1]
    few = anew.domains[:3]
    early = Placement(
        domains=few,
        unplaced=tuple(d.name for d in problem.domains if d.name not in {p.domain for p in few}),
    )
    limits = Limits(work=1.0)
    found = many.place_many(problem, limits, start=early).placement
    assert found is not None
    loose = replace(problem, allow_partial=True)
    assert rank(level_values(loose, found)) <= rank(level_values(loose, anew))


def test_what_is_worse_does_not_take_its_place(tmp_path: Path) -> None:
    begun, _ = _states(make_batch(30, 3, 0.9, 1), tmp_path / "run")
    before = begun.path.read_bytes()
    placement, _ = begun.read()
    assert placement is not None
    first = placement.domains[0]
    worse = replace(placement, domains=placement.domains[1:], unplaced=(first.domain,))
    begun._next = 0.0
    assert begun.keep(lambda: worse)
    assert begun.path.read_bytes() == before
