"""The table of formats, and domains that cannot be exported."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from placer.errors import RefusedError
from placer.export import FORMATS, ExportOptions, render
from placer.run import Run
from tests.builders import make_domain
from tests.export.runs import DOMAIN_0, heatpipe, make_run, put

OF_DOMAINS = [name for name, one in FORMATS.items() if not one.of_run]


@pytest.mark.parametrize("format_name", OF_DOMAINS)
def test_a_domain_that_is_not_in_the_run_is_refused_naming_the_placed_ones(
    rc9: Run, format_name: str
) -> None:
    with pytest.raises(RefusedError, match="'nobody' is not in the run; placed: 'rc9'"):
        render(rc9, "nobody", format_name)


@pytest.mark.parametrize("format_name", OF_DOMAINS)
def test_a_domain_that_was_left_out_is_refused_naming_the_placed_ones(format_name: str) -> None:
    inside, outside = make_domain([512], name="in"), make_domain([512], name="out")
    host = heatpipe([1024, 1024], (DOMAIN_0,))
    run = make_run(host, [inside, outside], [put(inside, [0], [0])])
    with pytest.raises(RefusedError, match="'out' is not placed; placed: 'in'"):
        render(run, "out", format_name)


@pytest.mark.parametrize("format_name", OF_DOMAINS)
def test_a_run_without_a_placement_has_nothing_to_export(rc9: Run, format_name: str) -> None:
    empty = replace(rc9, result=replace(rc9.result, status="infeasible", placement=None), frames=())
    with pytest.raises(RefusedError, match="'rc9' is not placed; placed: none"):
        render(empty, "rc9", format_name)


def test_an_unknown_format_is_refused_naming_the_known_ones(rc9: Run) -> None:
    with pytest.raises(
        RefusedError, match="'xm' is unknown; known: xl, xl-v1, xen-dump, xen-dump-v1"
    ):
        render(rc9, "rc9", "xm")


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_export_that_is_text_ends_with_one_newline(rc9: Run, format_name: str) -> None:
    options = ExportOptions(type="hvm" if format_name == "acpi" else None)
    rendered = render(rc9, None, format_name, options)
    if rendered.files or rendered.data is not None:
        assert rendered.text == ""
        return
    text = rendered.text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_a_format_is_loaded_when_it_is_asked_for() -> None:
    code = (
        "import sys, placer.export as e;"
        "assert not {one.module for one in e.FORMATS.values()} & set(sys.modules);"
        "assert not {'ortools', 'pandas', 'typer'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
