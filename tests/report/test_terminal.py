from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from placer.check import score
from placer.host import RunningDomain
from placer.report import terminal
from placer.report.console import WIDTH
from placer.report.terminal import show_run, summary_lines
from placer.result import Score
from placer.run import Run
from tests import sample_runs
from tests.builders import make_domain, make_host, make_problem
from tests.export.runs import rc9_run, renamed


def score_of(run: Run) -> Score | None:
    placement = run.result.placement
    return None if placement is None else score(run.problem, placement)


def shown(run: Run, encoding: str = "utf-8") -> str:
    """What a stream of that encoding, which is no terminal, gets to see."""
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding=encoding, newline="\n")
    show_run(run, score_of(run), out)
    out.flush()
    return data.getvalue().decode(encoding)


@pytest.mark.parametrize(
    "run",
    [sample_runs.rcbig, sample_runs.rc9, sample_runs.partial, sample_runs.spilled],
)
def test_the_tables_are_plain_text_within_their_width(run: Callable[[], Run]) -> None:
    text = shown(run())
    table = text.split("\n\n")[0].splitlines()
    assert all(len(line) <= WIDTH for line in table)
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "\x1b" not in text
    assert text.endswith("\n")


def test_colour_and_width_of_the_environment_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = shown(sample_runs.rcbig())
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "40"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    assert shown(sample_runs.rcbig()) == before


def test_boxes_are_ascii_where_the_encoding_has_no_others() -> None:
    text = shown(sample_runs.rcbig(), encoding="ascii")
    assert text.isascii()
    assert "rcbig" in text
    assert not shown(sample_runs.rcbig()).isascii()


def table_rows(text: str) -> list[list[str]]:
    """The cells of the placement table, where no cell is empty."""
    lines = text.split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [line.split() for line in lines]


def test_the_second_guest_is_shown_where_the_posting_has_it() -> None:
    first, second = table_rows(shown(sample_runs.rc9()))
    assert first == "rc9 heatpipe 0 1 2048 1,3 4 5 10 40 12.0".split()
    assert second == "1 0 2048 0,2 0 1 40 10".split()


def test_each_level_is_shown_with_its_bound_gap_and_status() -> None:
    levels = shown(sample_runs.rc9()).split("\n\n")[1]
    assert "cost 30720000 30720000 0 optimal".split() in [
        line.split() for line in levels.splitlines()
    ]


def test_spilled_memory_is_shown_by_pnode() -> None:
    text = shown(sample_runs.spilled())
    placed = sample_runs.spilled().placed[0]
    for pnode, pages in enumerate(placed.pages[0].tolist()):
        assert f"{pages // 256} on {pnode}" in text


def test_brackets_in_a_name_are_no_markup() -> None:
    text = shown(renamed(rc9_run(), "[bold]x[/bold]"))
    assert "[bold]x[/bold]" in text


def test_control_characters_of_a_name_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in shown(renamed(rc9_run(), "a\x1b[31mb"))


def test_a_long_table_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "MAX_ROWS", 3)
    text = shown(sample_runs.rcbig())
    assert len(table_rows(text)) == 4
    assert "and 1 more vnodes" in text


def lines(run: Run) -> str:
    return "\n".join(summary_lines(run, score_of(run)))


def test_the_summary_says_how_good_the_answer_is_and_what_libxl_would_do() -> None:
    assert lines(sample_runs.rcbig()) == (
        "proven optimal: 1 of 1 domains placed\n"
        "mean access distance 14.0 (10 is all local)\n"
        "libxl's own rule: 1 placed, mean access distance 14.0 (this answer: the same), "
        "breaks no rule\n"
        "first fit decreasing: 1 placed, mean access distance 14.0 (this answer: the same), "
        "breaks no rule"
    )


def run_on(num_vcpus: int, **fields: Any) -> Run:
    """A run of one domain on a host of one pnode with two cores of two threads."""
    host = make_host([4096], cpus=4, threads=2, **fields)
    return sample_runs.solved(make_problem(host, make_domain([1024], num_vcpus)))


def test_vcpus_that_share_cores_are_worth_a_line() -> None:
    text = "most vcpus per core: 1.5 on pnode 0 of host (0.75 per thread); more than 1 on 1 pnode"
    assert text in lines(run_on(3)).splitlines()
    assert "per core" not in lines(run_on(2))


@pytest.mark.parametrize("smt", [{"smt": "cores"}, {"smt": "penalty", "smt_penalty": 2}])
def test_a_host_that_counts_or_prices_cores_says_how_full_they_are(smt: dict[str, Any]) -> None:
    text = "most vcpus per core: 0.5 on pnode 0 of host (0.25 per thread)"
    assert text in lines(run_on(1, **smt)).splitlines()


def test_only_pnodes_that_got_vcpus_are_named_for_their_cores() -> None:
    running = RunningDomain(name="old", pages=[0, 0], vcpus_on=[4, 0])
    host = make_host([1024, 4096], cpus=4, threads=2, running=(running,))
    run = sample_runs.solved(make_problem(host, make_domain([2048], 2)))
    assert "per core" not in lines(run)


def test_a_better_answer_than_libxls_says_by_how_much() -> None:
    distances = [[10, 20, 40], [20, 10, 40], [40, 40, 10]]
    host = make_host([3000, 2000, 3000], distances=distances)
    run = sample_runs.solved(make_problem(host, make_domain([1500, 1500], 2, vcpu_to_vnode=[0, 1])))
    ours, baseline = score_of(run), run.result.baseline
    assert ours is not None
    assert baseline is not None
    if baseline.score.cost == ours.cost:
        worse = replace(baseline.score, cost=2 * ours.cost)
        run = replace(run, result=replace(run.result, baselines=(replace(baseline, score=worse),)))
        assert "this answer: -50.0 %" in lines(run)
    else:
        change = 100 * (ours.cost - baseline.score.cost) / baseline.score.cost
        assert f"this answer: {change:+.1f} %" in lines(run)


def test_rules_that_libxl_breaks_are_listed() -> None:
    text = lines(sample_runs.impossible())
    assert text.startswith("proven impossible: 0 of 1 domains placed")
    assert "breaks 1 rule:\n  D1" in text


def test_many_broken_rules_of_libxl_are_counted_after_the_first_five() -> None:
    run = sample_runs.impossible()
    baseline = run.result.baseline
    assert baseline is not None
    broken = tuple(f"C9: number {n}" for n in range(8))
    worse = replace(baseline, score=replace(baseline.score, violations=broken))
    text = lines(replace(run, result=replace(run.result, baselines=(worse,))))
    assert "C9: number 4\n  and 3 more" in text
    assert "number 5" not in text


def test_an_answer_of_libxl_itself_shows_its_own_violations() -> None:
    run = sample_runs.unrealised()
    broken = Score(placed=1, cost=1, mean_access_distance=10.0, violations=("C9: made up",))
    text = "\n".join(summary_lines(run, broken))
    assert text.startswith("libxl's own rule: 1 of 1 domains placed")
    assert "this answer breaks 1 rule:\n  C9: made up" in text


def test_an_interrupted_answer_says_so() -> None:
    run = sample_runs.rc9()
    result = replace(run.result, status="feasible", interrupted=True)
    assert lines(replace(run, result=result)).startswith("not proven optimal, interrupted:")


@pytest.mark.parametrize(
    ("pages", "text"), [(256 * 4096000, "4096000"), (257, "1.00"), (384, "1.50")]
)
def test_memory_is_shown_in_mib(pages: int, text: str) -> None:
    run = sample_runs.solved(make_problem(make_host([1 << 31]), make_domain([pages])))
    assert text in table_rows(shown(run))[0]
