"""Whole exports of the posting's two guests, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from placer.export import FORMATS, ExportOptions, render
from placer.run import Run

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("format_name", FORMATS)
def test_rcbig_is_exported_as_the_golden_file_says(rcbig: Run, format_name: str) -> None:
    expected = (GOLDEN / f"rcbig.{format_name}.txt").read_bytes()
    text = render(rcbig, "rcbig", format_name, ExportOptions(domid=5)).text
    assert text.encode() == expected


@pytest.mark.parametrize("format_name", FORMATS)
def test_rc9_is_exported_as_the_golden_file_says(rc9: Run, format_name: str) -> None:
    expected = (GOLDEN / f"rc9.{format_name}.txt").read_bytes()
    assert render(rc9, "rc9", format_name).text.encode() == expected


def test_every_format_has_a_golden_file_for_both_guests() -> None:
    names = {path.name for path in GOLDEN.glob("*.txt")}
    assert names == {f"{guest}.{name}.txt" for guest in ("rcbig", "rc9") for name in FORMATS}
