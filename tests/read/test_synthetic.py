from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.errors import InputError
from placer.read.synthetic import KEYS, is_synthetic, parse_synthetic

GIB = 262144


def fields_of(text: str) -> set[str]:
    with pytest.raises(InputError) as caught:
        parse_synthetic(text)
    return {fault.field for fault in caught.value.faults}


def test_the_example_of_the_docs_is_a_host_of_two_pnodes_of_four_pcpus() -> None:
    host = parse_synthetic("pnode:2 core:4 pu:1 memory:16GiB distance:10,20")
    assert host.total_pages.tolist() == [16 * GIB] * 2
    assert host.free_pages.tolist() == [16 * GIB] * 2
    assert host.pcpu_pnode.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert host.pcpu_core.tolist() == list(range(8))
    assert host.distances.tolist() == [[10, 20], [20, 10]]
    assert (host.name, host.smt) == ("host", "threads")
    assert host.overcommit == 1


def test_counts_default_to_one_and_distances_to_10_and_20() -> None:
    host = parse_synthetic("memory:1GiB")
    assert (host.num_pnodes, host.num_pcpus) == (1, 1)
    assert parse_synthetic("pnode:2 memory:1GiB").distances.tolist() == [[10, 20], [20, 10]]


def test_counts_multiply_from_left_to_right() -> None:
    host = parse_synthetic("package:2 pnode:2 core:2 pu:2 memory:1GiB")
    assert host.num_pnodes == 4
    assert host.pcpu_pnode.tolist() == [p for p in range(4) for _ in range(4)]
    assert host.pcpu_socket.tolist() == [0] * 8 + [1] * 8
    assert host.pcpu_core.tolist() == [core for core in range(8) for _ in range(2)]
    inside = parse_synthetic("pnode:2 socket:2 core:2 pu:2 memory:1GiB")
    assert inside.num_pnodes == 2
    assert inside.pcpu_pnode.tolist() == [0] * 8 + [1] * 8
    assert inside.pcpu_socket.tolist() == [s for s in range(4) for _ in range(4)]


def test_a_socket_without_pnodes_holds_one() -> None:
    host = parse_synthetic("socket:3 core:2 memory:1GiB")
    assert host.num_pnodes == 3
    assert host.pcpu_socket.tolist() == host.pcpu_pnode.tolist() == [0, 0, 1, 1, 2, 2]


def test_sizes_are_one_for_all_pnodes_or_one_for_each() -> None:
    host = parse_synthetic("pnode:2 memory:16GiB,8GiB free:4GiB reserve:0,1MiB")
    assert host.total_pages.tolist() == [16 * GIB, 8 * GIB]
    assert host.free_pages.tolist() == [4 * GIB, 4 * GIB]
    assert host.reserve_pages.tolist() == [0, 256]
    assert host.free_spans[:, 2].tolist() == host.free_pages.tolist()


def test_a_distance_for_each_pair_is_read_row_by_row() -> None:
    host = parse_synthetic("pnode:2 memory:1GiB distance:10,21,31,10")
    assert host.distances.tolist() == [[10, 21], [31, 10]]


def test_the_other_attributes_are_those_of_an_inventory() -> None:
    host = parse_synthetic("name:big memory:1GiB overcommit:1.1 smt:penalty=2")
    assert (host.name, host.overcommit) == ("big", Fraction(11, 10))
    assert (host.smt, host.smt_penalty) == ("penalty", 2)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {"memory"}),
        ("pnode:2 core:4", {"memory"}),
        ("pnode:0 memory:1GiB", {"pnode"}),
        ("pnode:-1 memory:1GiB", {"pnode"}),
        ("pnode:257 memory:1GiB", {"pnode"}),
        ("pnode:999999 core:999999 pu:999999 memory:1GiB", {"pnode", "core", "pu"}),
        ("pnode:200 core:100 memory:1GiB", {"core"}),
        ("pnode:2 memory:1GiB,2GiB,3GiB", {"memory"}),
        ("memory:1024", {"memory"}),
        ("memory:1KiB", {"memory"}),
        ("memory:8PiB", {"memory"}),
        ("memory:9999999TiB", {"memory"}),
        ("memory:1GiB free:2GiB", {"free"}),
        ("memory:1GiB reserve:2GiB", {"reserve"}),
        ("pnode:2 memory:1GiB distance:10", {"distance"}),
        ("pnode:2 memory:1GiB distance:10,9", {"distance"}),
        ("pnode:2 memory:1GiB distance:10,256", {"distance"}),
        ("pnode:2 memory:1GiB distance:11,20", {"distance"}),
        ("pnode:2 memory:1GiB distance:10,20,20,11", {"distance"}),
        ("pnode:2 memory:1GiB distance:10,x", {"distance"}),
        ("memory:1GiB overcommit:0", {"overcommit"}),
        ("memory:1GiB overcommit:nan", {"overcommit"}),
        ("memory:1GiB smt:off", {"smt"}),
        ("memory:1GiB name:a/b", {"name"}),
        ("memory:1GiB memory:1GiB", {"memory"}),
        ("core:2 pnode:2 memory:1GiB", {"core"}),
        ("socket:2 package:2 memory:1GiB", {"socket"}),
        ("memory:1GiB quickly", {"quickly"}),
        ("numa:2 cores:4 memory:1GiB smt:off", {"numa", "cores", "smt"}),
    ],
)
def test_every_fault_names_its_key(text: str, fields: set[str]) -> None:
    assert fields_of(text) == fields


def test_a_fault_stands_at_its_column() -> None:
    with pytest.raises(InputError, match=r"1:9: cores: .*core\?"):
        parse_synthetic("pnode:2 cores:4 memory:1GiB")


def test_a_string_is_synthetic_where_each_word_has_a_key_and_one_is_known() -> None:
    assert is_synthetic("pnode:2 core:4")
    assert is_synthetic("pnoed:2 memory:1GiB")
    assert not is_synthetic("")
    assert not is_synthetic("inventory.toml")
    assert not is_synthetic("run:2/hosts.toml")
    assert not is_synthetic("my hosts/memory:1GiB.toml")


TOKENS = st.builds(
    "{}:{}".format,
    st.sampled_from(KEYS),
    st.sampled_from(["1", "2", "0", "-1", "10,20", "1GiB", "1GiB,2GiB", "x", "", "99999", "1.5"]),
)


@given(st.lists(st.one_of(TOKENS, st.text(max_size=8)), max_size=8).map(" ".join))
def test_any_words_are_a_host_or_an_input_error(text: str) -> None:
    try:
        host = parse_synthetic(text)
    except InputError as error:
        faults = error.faults
    else:
        assert host.free_spans[:, 2].sum() == host.free_pages.sum()
        return
    assert faults
