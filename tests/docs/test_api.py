"""The Python API is what docs/api.md says: it runs, it is typed, every field is explained."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import placer
import placer.errors
from tests.docs.api_page import members
from tests.docs.examples import Example, examples


@pytest.fixture
def shown(project_root: Path) -> list[Example]:
    return examples((project_root / "docs" / "api.md").read_text(encoding="utf-8"))


def test_the_examples_of_the_page_print_what_it_shows(
    shown: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    assert sum(bool(example.printed) for example in shown) == 4
    for example in shown:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(example.code, "docs/api.md", "exec"), names)  # noqa: S102
        assert printed.getvalue() == example.printed


WRONG = """
import placer

reveal: int = placer.place(placer.Problem(hosts=(), domains=())).result.status
"""


@pytest.mark.slow
def test_a_strict_type_checker_takes_the_examples_and_sees_what_is_wrong(
    shown: list[Example], tmp_path: Path
) -> None:
    code = "\n".join(example.code for example in shown)
    (tmp_path / "client.py").write_text(code, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull]
        + ["--cache-dir", str(tmp_path / "cache"), "client.py", "wrong.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "MYPYPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(complaints) == 1, done.stdout + done.stderr
    assert complaints[0].startswith("wrong.py:4: error: Incompatible types in assignment")


CLASSES = [name for name in placer.__all__ if inspect.isclass(getattr(placer, name))]
FUNCTIONS = [name for name in placer.__all__ if inspect.isfunction(getattr(placer, name))]


def told(text: str | None) -> set[str]:
    """The names that a docstring sets in code."""
    return set(re.findall(r"``(\w+)", text or ""))


@pytest.mark.parametrize("name", CLASSES)
def test_every_field_of_a_class_is_explained(name: str) -> None:
    value = getattr(placer, name)
    if is_dataclass(value):
        assert {field.name for field in fields(value)} - told(value.__doc__) == set()
        for field in fields(value):
            if str(field.type).startswith("Ints") and name != "DomainFrames":
                assert f"``{field.name}[" in str(value.__doc__), f"{field.name} has no shape"
    assert value.__doc__


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_and_property_of_a_class_is_explained(name: str) -> None:
    for member_name, member in members(getattr(placer, name)).items():
        function = getattr(member, "__func__", member)
        function = getattr(function, "fget", None) or getattr(function, "func", function)
        assert function.__doc__, member_name
        asked = set(list(inspect.signature(function).parameters)[1:])
        assert asked - told(function.__doc__) == set(), member_name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_of_a_function_is_explained(name: str) -> None:
    function = getattr(placer, name)
    assert set(inspect.signature(function).parameters) - told(function.__doc__) == set()


def test_every_error_of_placers_own_is_public() -> None:
    family = {
        name
        for name, value in vars(placer.errors).items()
        if inspect.isclass(value) and issubclass(value, placer.PlacerError)
    }
    assert len(family) == 7
    assert family <= set(placer.__all__)


PUBLIC = re.compile(r"\b([A-Z]\w+)\b")


def annotations_of(value: Any) -> list[str]:
    if inspect.isclass(value):
        own = list(inspect.get_annotations(value).values())
        for member in members(value).values():
            function = getattr(member, "__func__", member)
            function = getattr(function, "fget", None) or getattr(function, "func", function)
            own += inspect.get_annotations(function).values()
        return [str(annotation) for annotation in own]
    return [str(annotation) for annotation in inspect.get_annotations(value).values()]


def test_every_class_that_a_public_name_hands_out_or_takes_is_public() -> None:
    hidden = set()
    for name in set(placer.__all__) - {"__version__"}:
        value = getattr(placer, name)
        home = vars(sys.modules[value.__module__])
        for annotation in annotations_of(value):
            for word in PUBLIC.findall(annotation):
                found = home.get(word)
                if inspect.isclass(found) and found.__module__.startswith("placer."):
                    hidden |= {word} - set(placer.__all__)
    assert hidden == set()


def problem(**fields: Any) -> placer.Problem:
    host = placer.parse_host("pnode:2 core:2 memory:1GiB")
    domain = placer.Domain(name="vm", vnode_pages=[512], num_vcpus=1)
    return placer.Problem(**{"hosts": (host,), "domains": (domain,), **fields})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hosts": ()}, "problem: host: found no host, expected at least one"),
        ({"domains": ()}, "problem: domain: found no domain, expected at least one"),
        ({"cost_slack": -0.5}, "problem: cost_slack: found -1/2, expected 0 or more"),
        ({"max_moves": -1}, "problem: max_moves: found -1, expected 0 or more"),
    ],
)
def test_a_problem_that_does_not_fit_together_is_an_input_error(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(placer.InputError) as caught:
        problem(**fields)
    assert [str(fault) for fault in caught.value.faults] == [said]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: placer.Policy(name="mine", tie_break="any"), "tie_break is 'any'"),
        (lambda: placer.Group(name="g", keep="near"), "keep 'near' over 'hosts'"),
        (lambda: placer.Group(name="g", keep="apart", over="racks"), "over 'racks'"),
        (lambda: placer.SolveOptions(workers=0), "workers is 0, expected 1 to 256"),
        (lambda: placer.CpuList.parse("3-1"), "runs backwards"),
        (lambda: placer.DomainFrames(domain="a", host="b", runs=[[1, 2]]), "rows of 2 figures"),
        (lambda: placer.DomainFrames(domain="a", host="b", runs=[[0.5] * 7]), "found float64"),
    ],
)
def test_a_value_that_contradicts_itself_is_a_value_error(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_lists_and_plain_numbers_are_kept_as_what_cannot_change() -> None:
    listed = problem(hosts=[placer.parse_host("pnode:2 core:2 memory:1GiB")], cost_slack=0.25)
    assert listed == problem(cost_slack=Fraction(1, 4))
    assert isinstance(listed.hosts, tuple)
    host = placer.Host(name="h", total_pages=[512], pcpu_pnode=[0], overcommit=1.5)
    assert host.overcommit == Fraction(3, 2)


def test_one_name_is_no_list_of_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "vm.toml"
    path.write_text('[[domain]]\nname = "vm"\nvcpus = 1\nmemory = "1GiB"\n', encoding="utf-8")
    hosts, _ = placer.read_hosts("pnode:2 core:2 memory:1GiB")
    assert [host.num_pcpus for host in hosts] == [4]
    for args in (path, str(path), [path], [str(path)]):
        assert [domain.name for domain in placer.read_domains(args).domains] == ["vm"]


def test_a_run_is_written_and_read_by_a_name_that_is_text(tmp_path: Path) -> None:
    given = problem()
    solution = placer.place(given)
    run = placer.Run(problem=given, result=solution.result, frames=solution.frames)
    placer.write_run(str(tmp_path / "run"), run)
    assert placer.read_run(str(tmp_path / "run")) == run
