"""Whole exports of the posting's two guests, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from placer.export import FORMATS, ExportOptions, render
from placer.run import Run

GOLDEN = Path(__file__).parent / "golden"
DOMID = {"rcbig": 5, "rc9": None}


def exported(run: Run, guest: str, format_name: str) -> dict[str, bytes]:
    """Return the content of each golden file; what PV guests have not is shown of HVM ones."""
    options = ExportOptions(
        domid=DOMID[guest] if "domid" in FORMATS[format_name].options else None,
        type="hvm" if format_name == "acpi" else None,
    )
    rendered = render(run, None, format_name, options)
    if rendered.files:
        return {f"{guest}.{format_name}.{name}": content for name, content in rendered.files}
    ending = ".txt" if rendered.data is None else FORMATS[format_name].suffix
    return {f"{guest}.{format_name}{ending}": rendered.content}


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("guest", DOMID)
def test_a_guest_of_the_posting_is_exported_as_its_golden_files_say(
    request: pytest.FixtureRequest, guest: str, format_name: str
) -> None:
    run: Run = request.getfixturevalue(guest)
    files = exported(run, guest, format_name)
    assert files == {name: (GOLDEN / name).read_bytes() for name in files}


def test_every_golden_file_is_that_of_a_format(rcbig: Run, rc9: Run) -> None:
    written = {name for one in FORMATS for name in exported(rcbig, "rcbig", one)}
    written |= {name for one in FORMATS for name in exported(rc9, "rc9", one)}
    assert {path.name for path in GOLDEN.iterdir()} == {*written, "README.md"}
