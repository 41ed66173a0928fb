"""CPU lists as xl.cfg(5) writes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.cpulist import CpuList, format_ranges

PCPUS = np.arange(8)
PNODES = np.array([0, 0, 0, 0, 1, 1, 1, 1])


def named(text: str) -> set[int]:
    return set(CpuList.parse(text).resolve(PCPUS, PNODES))


@pytest.mark.parametrize(
    ("text", "pcpus"),
    [
        ("0", {0}),
        ("0-3", {0, 1, 2, 3}),
        ("0,5", {0, 5}),
        ("all", set(range(8))),
        ("nodes:1", {4, 5, 6, 7}),
        ("node:0", {0, 1, 2, 3}),
        ("nodes:0-1,^2", {0, 1, 3, 4, 5, 6, 7}),
        ("0-3,^1", {0, 2, 3}),
        ("^1,0-3", {0, 1, 2, 3}),
        ("all,^nodes:0", {4, 5, 6, 7}),
        ("^nodes:0,all", set(range(8))),
        ("6-99", {6, 7}),
        ("99", set()),
        ("0, 3", {0, 3}),
    ],
)
def test_tokens_act_from_left_to_right_on_the_pcpus_that_are_there(
    text: str, pcpus: set[int]
) -> None:
    assert named(text) == pcpus


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a number"),
        ("0,", "is not a number"),
        ("a", "is not a number"),
        ("-3", "is not a number"),
        ("0-", "is not a number"),
        ("^", "is not a number"),
        ("nodes:", "is not a number"),
        ("0 1", "is not a number"),
        ("0x1", "is not a number"),
        ("1" * 10, "is not a number"),
        ("3-1", "runs backwards"),
        ("^all", "leaves no pcpu"),
    ],
)
def test_what_xl_refuses_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CpuList.parse(text)


@given(st.frozensets(st.integers(0, 7)).filter(bool))
def test_a_list_of_pcpus_names_exactly_them(pcpus: frozenset[int]) -> None:
    assert CpuList.of(pcpus).resolve(PCPUS, PNODES) == pcpus
    assert named(CpuList.of(pcpus).text) == pcpus


@given(st.frozensets(st.integers(0, 7)).filter(bool))
def test_ranges_name_exactly_the_numbers_they_were_made_of(pcpus: frozenset[int]) -> None:
    assert named(format_ranges(pcpus)) == pcpus


def test_ranges_are_as_few_as_can_be() -> None:
    assert format_ranges([7, 0, 1, 2, 2]) == "0-2,7"
    assert format_ranges([]) == ""
