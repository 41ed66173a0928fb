from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.errors import InputError
from placer.problem import Problem
from placer.record import (
    format_json,
    parse_json,
    record_frames,
    record_placement,
    record_problem,
    record_result,
    restore_frames,
    restore_placement,
    restore_problem,
    restore_result,
)
from placer.result import Level
from tests import sample_runs
from tests.strategies import tiny_problem


def through_text(record: dict[str, Any]) -> Any:
    return parse_json(format_json(record), "test")


def assert_returns_unchanged(problem: Problem) -> None:
    record = record_problem(problem)
    restored = restore_problem(through_text(record), "problem.json")
    assert restored == problem
    assert format_json(record_problem(restored)) == format_json(record)


def test_a_problem_that_uses_every_field_returns_unchanged() -> None:
    assert_returns_unchanged(sample_runs.full_problem())


@pytest.mark.parametrize("seed", range(100))
def test_random_problems_return_unchanged(seed: int) -> None:
    assert_returns_unchanged(tiny_problem(seed))


@pytest.mark.parametrize(
    "run",
    [
        sample_runs.rcbig,
        sample_runs.rc9,
        sample_runs.impossible,
        sample_runs.partial,
        sample_runs.spilled,
        sample_runs.unrealised,
    ],
)
def test_answers_and_frames_return_unchanged(run: Callable[[], Any]) -> None:
    result, frames = run().result, run().frames
    assert restore_result(through_text(record_result(result)), "result.json") == result
    assert restore_frames(through_text(record_frames(frames)), "frames.json") == frames
    if result.placement is not None:
        record = through_text(record_placement(result.placement))
        assert restore_placement(record, "placement") == result.placement


def test_fractions_and_cpu_lists_are_kept_as_text() -> None:
    record = record_problem(sample_runs.full_problem())
    first = record["domains"][0]
    assert record["cost_slack"] == "1/20"
    assert record["hosts"][0]["overcommit"] == "3/2"
    assert first["access"][0] == ["1/3", "2/3"]
    assert first["hard_affinity"] == ["0-7,^1", None, "nodes:1"]
    assert first["extra"][1] == ["vif", ["mac=00", ["nested", 3]]]


def test_neither_the_source_of_an_input_nor_the_clock_is_recorded() -> None:
    problem = sample_runs.full_problem()
    elsewhere = replace(
        problem, hosts=tuple(replace(host, source="elsewhere") for host in problem.hosts)
    )
    assert record_problem(elsewhere) == record_problem(problem)
    result = sample_runs.rc9().result
    slower = replace(result, levels=tuple(replace(level, seconds=99.0) for level in result.levels))
    assert record_result(slower) == record_result(result)
    assert "seconds" not in record_result(result)["levels"][0]


def edited(path: str, value: Any) -> dict[str, Any]:
    """The record of the full problem with the value at a dotted path replaced (or removed)."""
    record: Any = copy.deepcopy(record_problem(sample_runs.full_problem()))
    *parents, last = path.split(".")
    place = record
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    key: Any = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return dict(record)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("schema_version", 1, "schema_version"),
        ("schema_version", True, "schema_version"),
        ("groups", ..., "record"),
        ("surplus", 1, "record"),
        ("hosts", {}, "hosts"),
        ("hosts.0.name", 3, "hosts[0].name"),
        ("hosts.0.smt", "fast", "hosts[0].smt"),
        ("hosts.0.smt_penalty", True, "hosts[0].smt_penalty"),
        ("hosts.0.smt_penalty", 1.0, "hosts[0].smt_penalty"),
        ("hosts.0.overcommit", "1/0", "hosts[0].overcommit"),
        ("hosts.0.overcommit", 1.5, "hosts[0].overcommit"),
        ("hosts.0.total_pages", [1, "2"], "hosts[0].total_pages"),
        ("hosts.0.total_pages", [1, 1 << 63], "hosts[0].total_pages"),
        ("hosts.0.total_pages", [[1], 2], "hosts[0].total_pages"),
        ("hosts.0.total_pages", 7, "hosts[0].total_pages"),
        ("hosts.0.distances", [[10, 20], [20]], "hosts[0].distances"),
        ("hosts.0.distances", [[10, 20], [20, 11]], "hosts[0]"),
        ("hosts.0.running.0.pages", ..., "hosts[0].running[0]"),
        ("domains.0.hard_affinity.0", "0-", "domains[0].hard_affinity[0]"),
        ("domains.0.memory.0", None, "domains[0].memory[0]"),
        ("domains.0.extra.0", ["kernel"], "domains[0].extra[0]"),
        ("domains.0.priority", 0, "domains[0]"),
        ("domains.0.groups", ["absent"], "first.groups"),
        ("allow_partial", 1, "allow_partial"),
        ("policy", [], "policy"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_by_its_field(
    path: str, value: Any, field: str
) -> None:
    with pytest.raises(InputError) as caught:
        restore_problem(edited(path, value), "problem.json")
    assert [fault.field for fault in caught.value.faults] == [field]


@pytest.mark.parametrize("data", [None, [], 3, "text", {}])
def test_what_is_no_record_at_all_is_refused(data: object) -> None:
    for restore in (restore_problem, restore_result, restore_frames, restore_placement):
        with pytest.raises(InputError) as caught:
            restore(data, "file.json")
        assert caught.value.faults[0].source == "file.json"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "Expecting value"),
        ('{"a": NaN}', "NaN"),
        ('{"b": 0, "a": 1, "a": 2}', "'a' twice in one object"),
        ("[" * 100_000, "nested too deeply"),
        ("{} {}", "Extra data"),
    ],
)
def test_what_is_no_strict_json_is_refused(text: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        parse_json(text, "file.json")


def test_a_syntax_error_of_json_has_its_line_and_column() -> None:
    with pytest.raises(InputError) as caught:
        parse_json('{\n  "a": }', "file.json")
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == (2, 8)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_formatted_json_is_read_back_as_it_was(data: Any) -> None:
    text = format_json(data)
    assert json.loads(text) == data
    assert text.isascii()
    assert text.endswith("\n")


def test_infinite_figures_are_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        format_json({"gap": float("inf")})


def test_a_list_of_plain_values_stands_on_one_line() -> None:
    assert format_json({"a": [1, 2], "b": [[1, 2], []], "c": {}}) == (
        '{\n  "a": [1, 2],\n  "b": [\n    [1, 2],\n    []\n  ],\n  "c": {}\n}\n'
    )


def test_levels_keep_their_sense() -> None:
    result = replace(
        sample_runs.rc9().result,
        levels=(Level(name="packed_pages", value=1, bound=2, status="feasible", sense="max"),),
    )
    assert restore_result(record_result(result), "result.json").levels[0].sense == "max"
