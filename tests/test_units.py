"""Sizes and pages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.units import (
    COST_UNITS,
    ORDER_1GIB,
    ORDER_2MIB,
    ORDER_NAMES,
    PAGES_2MIB,
    exact_size,
    format_pages,
    mib_from_pages,
    pages_from_bytes,
    pages_from_mib,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("16GiB", 16 << 30),
        ("16 GiB", 16 << 30),
        ("16gib", 16 << 30),
        ("1.5G", 3 << 29),
        ("0.5K", 512),
        ("2TB", 2 << 40),
        ("512MiB", 512 << 20),
        (" 7B ", 7),
    ],
)
def test_sizes_have_binary_suffixes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "G", "-1", "+1", "1e9", "1.G", ".5G", "1 PiB", "1GiBs", "١", "1,5G", "0x10"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


def test_parts_of_a_byte_are_refused() -> None:
    with pytest.raises(ValueError, match="whole number of bytes"):
        parse_size("0.3K")


@given(st.integers(0, 1 << 40))
def test_pages_of_whole_pages_come_back(pages: int) -> None:
    assert pages_from_bytes(pages * 4096) == pages
    assert mib_from_pages(pages_from_mib(pages)) == pages


@given(st.integers(0, 1 << 40), st.integers(1, 4095))
def test_parts_of_a_page_are_refused(pages: int, more: int) -> None:
    with pytest.raises(ValueError, match="4 KiB pages"):
        pages_from_bytes(pages * 4096 + more)


def test_orders_and_cost_units_are_those_of_the_model() -> None:
    assert ORDER_NAMES == {18: "1GiB", 9: "2MiB", 0: "4KiB"}
    assert 4096 << ORDER_2MIB == 2 << 20
    assert 4096 << ORDER_1GIB == 1 << 30
    assert (PAGES_2MIB, COST_UNITS) == (512, 640_000)


@pytest.mark.parametrize(
    ("pages", "text"),
    [
        (0, "0 KiB"),
        (1, "4 KiB"),
        (256, "1 MiB"),
        (131471, "513.6 MiB"),
        (4 << 18, "4 GiB"),
        (3 << 28, "3 TiB"),
        (-256, "-1 MiB"),
    ],
)
def test_pages_are_shown_as_a_person_reads_them(pages: int, text: str) -> None:
    assert format_pages(pages) == text


@given(st.integers(0, 1 << 40))
def test_an_exact_size_reads_back_as_itself(pages: int) -> None:
    assert parse_size(exact_size(pages)) == pages * 4096
