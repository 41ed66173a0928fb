from __future__ import annotations

import pytest

from placer.errors import InputError
from placer.sums import format_sums, parse_sums, sum_of

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_sums_are_read_back_as_they_were_written() -> None:
    text = format_sums({"b.csv": "", "a.json": "{}\n"})
    assert text.splitlines()[1] == f"{EMPTY}  b.csv"
    assert parse_sums(text, "sums") == {"a.json": sum_of(b"{}\n"), "b.csv": EMPTY}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        EMPTY,
        f"{EMPTY} b",
        f"{EMPTY}  ",
        f"{EMPTY}  ../b",
        f"{EMPTY}  b\0",
        f"{EMPTY.upper()}  b",
        f"{EMPTY[1:]}  b",
        f"{EMPTY}  a",
        f"{EMPTY}  b\r",
    ],
)
def test_a_line_that_is_no_sum_is_named(line: str) -> None:
    text = f"{EMPTY}  a\n{line}\n"
    if not line:
        assert parse_sums(text, "sums") == {"a": EMPTY}
        return
    with pytest.raises(InputError) as caught:
        parse_sums(text, "sums")
    (fault,) = caught.value.faults
    assert (fault.source, fault.line) == ("sums", 2)
