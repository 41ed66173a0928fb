"""A host refuses figures that contradict one another and hands out read-only arrays."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from placer.host import Host, RunningDomain
from placer.read.synthetic import parse_synthetic
from placer.units import ORDER_1GIB
from tests.builders import make_host

ARRAYS = (
    "total_pages",
    "free_pages",
    "reserve_pages",
    "spans",
    "free_spans",
    "pcpu_ids",
    "pcpu_pnode",
    "pcpu_socket",
    "pcpu_core",
    "distances",
    "usable_pages",
)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_a_host_are_read_only_and_whole_numbers(name: str) -> None:
    array = getattr(make_host([4096] * 2), name)
    assert array.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        array.flat[0] = 7


def test_a_host_keeps_no_hold_on_the_arrays_that_it_was_given() -> None:
    free = np.array([4096, 4096])
    host = make_host([4096] * 2, free_pages=free)
    free[0] = 0
    assert host.free_pages.tolist() == [4096, 4096]


def test_counts_follow_from_the_arrays() -> None:
    host = make_host([4096] * 3, cpus=[4, 0, 2])
    assert (host.num_pnodes, host.num_pcpus) == (3, 6)


def test_usable_pages_are_free_ones_less_the_reserve_and_never_below_0() -> None:
    host = make_host([4096, 100], reserve_pages=[96, 200])
    assert host.usable_pages.tolist() == [4000, 0]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"total_pages": [], "free_pages": []}, "at least one pnode"),
        ({"free_pages": [1]}, "free_pages with 1 entries, expected 2, one for each pnode"),
        ({"reserve_pages": [1, 2, 3]}, "reserve_pages with 3 entries, expected 2"),
        ({"pnode_ids": [0]}, "pnode_ids with 1 entries, expected 2"),
        ({"distances": [[10]]}, r"distances of shape \(1, 1\), expected \(2, 2\)"),
        ({"distances": [[10, 20], [20]]}, "distances: found rows of several lengths"),
        ({"spans": [(0, 1)]}, "spans: found rows of 2 figures, expected 3"),
        ({"spans": [(0, 512, 7.5)]}, "spans: found float64"),
        ({"free_spans": [(2, 512, 8)]}, "free_spans: a pnode of 0 to 1"),
        ({"free_spans": [(0, -1, 8)]}, "free_spans: a pnode of 0 to 1"),
        ({"total_pages": [1 << 63] * 2}, "total_pages: found 9223372036854775808"),
        ({"total_pages": None}, "total_pages: found object"),
        ({"smt": "double"}, "smt is 'double', expected one of threads, cores, penalty"),
        ({"distances": [[11, 20], [20, 10]]}, "to itself is 10"),
        ({"distances": [[10, 9], [20, 10]]}, "10 to 254"),
        ({"distances": [[10, 256], [20, 10]]}, "10 to 254"),
        ({"total_pages": [-1, 1], "free_pages": [0, 0]}, "never negative"),
        ({"reserve_pages": [-1, 0]}, "never negative"),
        ({"free_pages": [4097, 0]}, "between 0 and the total"),
        ({"free_pages": [-1, 0]}, "between 0 and the total"),
        ({"pcpu_pnode": [0] * 3}, "pcpu_ids with 8 entries, expected 3, one for each pcpu"),
        ({"pcpu_core": [0]}, "pcpu_core with 1 entries, expected 8"),
        ({"pcpu_ids": [0, 0, 1, 2, 3, 4, 5, 6]}, "ids ascend"),
        ({"pcpu_ids": list(range(-1, 7))}, "ids ascend"),
        ({"pcpu_pnode": [2] * 8}, "0 to 1"),
        ({"pcpu_core": [0] * 8}, "threads of a core lie on one pnode"),
        ({"overcommit": Fraction(0)}, "overcommit is above 0"),
        ({"overcommit": float("inf")}, "overcommit is inf, expected a number"),
        ({"overcommit": "much"}, "overcommit is 'much', expected a number"),
        ({"smt_penalty": -1}, "penalty is 0 or more"),
        (
            {"running": (RunningDomain(name="dom0", pages=[1], vcpus_on=[0, 0]),)},
            "running domain dom0",
        ),
    ],
)
def test_figures_that_contradict_one_another_are_refused(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        make_host([4096] * 2, **fields)


def test_a_host_of_amounts_alone_is_the_synthetic_one() -> None:
    pages = 4 << ORDER_1GIB
    host = Host(
        name="host",
        total_pages=[pages] * 2,
        pcpu_pnode=[0, 0, 1, 1],
        distances=[[10, 21], [21, 10]],
    )
    assert host == parse_synthetic("pnode:2 core:2 memory:4GiB distance:10,21")


def test_what_is_free_lies_at_the_low_end_of_spans_that_are_given() -> None:
    host = Host(
        name="host",
        total_pages=[600],
        free_pages=[500],
        spans=[(0, 0, 400), (0, 4096, 200)],
        pcpu_pnode=[0],
    )
    assert host.free_spans.tolist() == [[0, 1, 399], [0, 4096, 101]]
    assert host.free_from == "counts"


def test_a_default_is_read_only_too() -> None:
    host = Host(name="host", total_pages=[600], pcpu_pnode=[0])
    for name in ARRAYS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(host, name).flat[0] = 7


def test_an_unreachable_pair_and_a_one_way_street_are_allowed() -> None:
    host = make_host([4096] * 2, distances=[[10, 255], [12, 10]])
    assert host.distances.tolist() == [[10, 255], [12, 10]]


def test_a_pnode_may_have_no_pcpus_or_no_memory() -> None:
    host = make_host([4096, 0], cpus=[0, 4])
    assert set(host.pcpu_pnode.tolist()) == {1}
    assert host.total_pages.tolist() == [4096, 0]


def test_fractions_of_a_page_are_refused() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        make_host([4096], free_pages=np.array([0.5]))


def test_hosts_are_equal_by_content_and_cannot_be_hashed() -> None:
    host = make_host([4096] * 2)
    assert host == make_host([4096] * 2)
    assert host == replace(host, source="elsewhere")
    assert host != replace(host, free_pages=[4096, 4095])
    assert host != "host"
    with pytest.raises(TypeError, match="unhashable"):
        hash(host)


def test_a_running_domain_is_equal_by_content_and_read_only() -> None:
    running = RunningDomain(name="dom0", pages=[5, 0], vcpus_on=[1, 0], domid=0)
    assert running == RunningDomain(name="dom0", pages=[5, 0], vcpus_on=[1, 0], domid=0)
    assert running != replace(running, pages=[4, 0])
    for array in (running.pages, running.vcpus_on):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9


def test_fields_of_a_host_cannot_be_set() -> None:
    host: Any = make_host([4096])
    with pytest.raises(AttributeError, match="cannot assign"):
        host.name = "other"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pages": [-1], "vcpus_on": [0]}, "0 or more"),
        ({"pages": [0], "vcpus_on": [-1]}, "0 or more"),
        ({"pages": [0], "vcpus_on": [0], "dedicated_pcpus": (99,)}, "pcpus of the host"),
    ],
)
def test_running_domains_that_cannot_be_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make_host([4096], running=(RunningDomain(name="web", **fields),))
