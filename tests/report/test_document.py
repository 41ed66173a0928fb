from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from placer.record import format_json
from placer.report.document import placement_document
from placer.result import Result
from placer.run import Run
from tests import sample_runs

RUNS = [
    sample_runs.rcbig,
    sample_runs.rc9,
    sample_runs.impossible,
    sample_runs.partial,
    sample_runs.spilled,
    sample_runs.unrealised,
]


@pytest.fixture(scope="module")
def schema(project_root: Path) -> Any:
    path = project_root / "docs" / "placement.schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def faults(schema: Any, document: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


def test_the_schema_is_a_schema(schema: Any) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("run", RUNS)
def test_the_document_of_a_run_follows_the_schema(run: Callable[[], Run], schema: Any) -> None:
    assert faults(schema, json.loads(format_json(placement_document(run())))) == []


@pytest.mark.parametrize("seed", range(40))
def test_random_documents_follow_the_schema(seed: int, schema: Any) -> None:
    assert faults(schema, placement_document(sample_runs.tiny(seed))) == []


def objects(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every object in a JSON value."""
    if isinstance(data, dict):
        yield path
        for key, value in data.items():
            yield from objects(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from objects(value, (*path, index))


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


@pytest.mark.parametrize("run", [sample_runs.rc9, sample_runs.partial])
def test_the_schema_takes_no_field_more_and_none_less(run: Callable[[], Run], schema: Any) -> None:
    document = placement_document(run())
    paths = list(objects(document))
    assert len(paths) > 10
    for path in paths:
        more = copy.deepcopy(document)
        at(more, path)["surplus"] = "text"
        assert faults(schema, more), path
        if path and path[-1] == "pnodes":
            continue
        for key in at(document, path):
            less = copy.deepcopy(document)
            del at(less, path)[key]
            assert faults(schema, less), (path, key)


def test_the_schema_knows_every_level(schema: Any, project_root: Path) -> None:
    names = schema["$defs"]["level"]["properties"]["name"]["enum"]
    text = (project_root / "docs" / "placement-json.md").read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []
    seen = {
        level["name"]
        for seed in range(40)
        for level in placement_document(sample_runs.tiny(seed))["levels"]
    }
    assert {"vcpus_off_home", "cost", "homes_in_order"} < seen <= set(names)


def test_every_field_of_the_schema_is_documented(schema: Any, project_root: Path) -> None:
    text = (project_root / "docs" / "placement-json.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", text))

    def names(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from node.get("properties", {})
            for value in node.values():
                yield from names(value)

    assert set(names(schema)) <= words


def test_the_first_guest_of_the_posting_is_told_as_it_was() -> None:
    document = placement_document(sample_runs.rcbig())
    (domain,) = document["domains"]
    assert document["status"] == "optimal"
    assert domain["memory_pages"] == 4194304
    assert domain["mean_access_distance"] == 14.0
    assert domain["cost"] == 4 * 14 * 640_000
    assert [vnode["home"] for vnode in domain["vnodes"]] == [0, 0, 1, 1]
    assert [vnode["pnodes"] for vnode in domain["vnodes"]] == [
        {"0": 1048576},
        {"0": 1048576},
        {"1": 1048576},
        {"1": 1048576},
    ]
    assert domain["vcpu_to_vnode"] == [0, 1, 2, 3]
    assert domain["vnodes"][2]["distances"] == [20, 20, 10, 20]
    assert domain["vnodes"][3]["vmemranges"] == [{"start": 0x300000000, "end": 0x400000000}]
    assert domain["vnodes"][0]["extents"] == {"1GiB": 0, "2MiB": 2048, "4KiB": 0}


def test_the_second_guest_of_the_posting_is_told_as_it_was() -> None:
    (domain,) = placement_document(sample_runs.rc9())["domains"]
    assert domain["mean_access_distance"] == 12.0
    assert [vnode["home"] for vnode in domain["vnodes"]] == [1, 0]
    assert [vnode["pnodes"] for vnode in domain["vnodes"]] == [{"1": 524288}, {"0": 524288}]
    assert [vnode["vcpus"] for vnode in domain["vnodes"]] == [[1, 3], [0, 2]]
    assert [vnode["distances"] for vnode in domain["vnodes"]] == [[10, 40], [40, 10]]
    assert domain["vcpu_to_vnode"] == [1, 0, 1, 0]
    assert domain["vcpu_to_pnode"] == [0, 1, 0, 1]


def test_the_pages_of_a_spilled_vnode_stand_by_pnode() -> None:
    (domain,) = placement_document(sample_runs.spilled())["domains"]
    (vnode,) = domain["vnodes"]
    assert set(vnode["pnodes"]) == {"0", "1"}
    assert sum(vnode["pnodes"].values()) == vnode["pages"] == 10240
    pages = {"1GiB": 1 << 18, "2MiB": 512, "4KiB": 1}
    assert sum(pages[size] * count for size, count in vnode["extents"].items()) == 10240


def test_an_impossible_question_has_reasons_and_no_domains() -> None:
    document = placement_document(sample_runs.impossible())
    assert document["status"] == "infeasible"
    assert document["domains"] == []
    (refusal,) = document["unplaced"]
    assert refusal["name"] == "vm"
    assert refusal["reason"]
    assert refusal["short_by"]


def test_the_baseline_says_where_libxl_puts_the_same_domains() -> None:
    baseline = placement_document(sample_runs.rcbig())["baseline"]
    assert baseline["name"] == "libxl"
    assert baseline["placed"] == 1
    assert [domain["homes"] for domain in baseline["domains"]] == [[0, 0, 1, 1]]


def test_a_result_without_a_baseline_says_null(schema: Any) -> None:
    run = sample_runs.rc9()
    result = Result(status="optimal", solver=run.result.solver, placement=run.result.placement)
    document = placement_document(Run(problem=run.problem, result=result, frames=run.frames))
    assert document["baseline"] is None
    assert faults(schema, document) == []


def test_extents_of_a_placement_that_was_not_realised_are_0() -> None:
    (domain,) = placement_document(sample_runs.unrealised())["domains"]
    assert [vnode["extents"] for vnode in domain["vnodes"]] == [{"1GiB": 0, "2MiB": 0, "4KiB": 0}]
    assert domain["vnodes"][0]["pnodes"] == {"0": 1024}
