import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from placer.errors import Fault, InputError
from placer.host import Host
from placer.read.host_running import DOM0_KEYS, RUNNING_KEYS
from placer.read.inventory import HOST_KEYS, PNODE_KEYS, read_inventory
from placer.read.synthetic import KEYS as SYNTHETIC_KEYS
from placer.read.toml_fields import TomlDocument
from placer.read.toml_lines import find_lines

DOCS = Path(__file__).parents[2] / "docs"
SEED = Path(__file__).parents[2] / "datasets" / "seed"
GIB = 262144
TWO = """
[[host]]
name = "h"
distances = [10, 20]
[[host.pnode]]
total = "1GiB"
pcpus = "0-1"
[[host.pnode]]
total = "1GiB"
pcpus = "2-3"
"""

T = TypeVar("T")
Reader = Callable[[str], Host]


@pytest.fixture
def read_host(tmp_path: Path) -> Reader:
    def read(text: str) -> Host:
        path = tmp_path / "inventory.toml"
        path.write_text(text)
        (host,) = read_inventory(path)
        return host

    return read


def attempt(read: Callable[[], T]) -> tuple[T | None, tuple[Fault, ...]]:
    try:
        return read(), ()
    except InputError as error:
        return None, error.faults


def faults_of(read_host: Reader, text: str) -> dict[str, Fault]:
    with pytest.raises(InputError) as caught:
        read_host(text)
    faults = {fault.field: fault for fault in caught.value.faults}
    assert len(faults) == len(caught.value.faults)
    return faults


def test_the_host_before_rcbig_has_the_free_memory_reckoned_back_from_the_dump() -> None:
    (host,) = read_inventory(SEED / "heatpipe-before-rcbig.toml")
    assert host.free_pages.tolist() == [131471 + 524288 + 2097152, 341610 + 524288 + 2097152]
    assert host.free_pages.tolist() == [2752911, 2963050]
    assert host.total_pages.tolist() == [4194304, 4194304]
    assert [(d.name, d.pages.tolist()) for d in host.running] == [("Domain-0", [1416166, 1153345])]
    assert sum(host.running[0].pages.tolist()) == 2569511


def test_the_host_before_rc9_runs_rcbig_with_half_of_its_pages_on_each_pnode() -> None:
    (host,) = read_inventory(SEED / "heatpipe-before-rc9.toml")
    assert host.free_pages.tolist() == [655759, 865898]
    dom0, rcbig = host.running
    assert (rcbig.name, rcbig.domid, dom0.domid) == ("rcbig", 5, 0)
    assert rcbig.pages.tolist() == [2097152, 2097152]
    assert rcbig.vcpus_on.tolist() == [2, 2]
    assert dom0.vcpus_on.tolist() == [0, 0]
    assert dom0.floating_vcpus == 0


@pytest.mark.parametrize("state", ["rcbig", "rc9"])
def test_the_pnodes_of_the_seeds_host_span_what_its_dump_prints(state: str) -> None:
    (host,) = read_inventory(SEED / f"heatpipe-before-{state}.toml")
    first = host.spans[host.spans[:, 0] == 0]
    assert int(first[0, 1]) == 0
    assert int(first[-1, 1] + first[-1, 2]) == 4521984
    assert int(first[:, 2].sum()) == 4521984 - 327680
    assert host.spans[host.spans[:, 0] == 1].tolist() == [[1, 4521984, 4194304]]
    assert host.pcpu_pnode.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert host.distances.tolist() == [[10, 20], [20, 10]]
    assert host.overcommit == 1
    assert host.smt == "threads"


def test_xens_own_use_of_the_seeds_host_is_the_same_in_both_states() -> None:
    used = []
    for state in ("rcbig", "rc9"):
        (host,) = read_inventory(SEED / f"heatpipe-before-{state}.toml")
        held = sum(domain.pages for domain in host.running)
        used.append((host.total_pages - host.free_pages - held).tolist())
    assert used == [[352907 - 327680, 77909]] * 2


def test_free_pages_are_always_the_sum_of_the_free_spans(read_host: Reader) -> None:
    for text in (TWO, TWO.replace('total = "1GiB"', 'total = "1GiB"\nfree = "12MiB"')):
        host = read_host(text)
        sums = np.bincount(host.free_spans[:, 0], weights=host.free_spans[:, 2])
        assert sums.tolist() == host.free_pages.tolist()


def test_all_memory_is_free_where_nothing_else_is_said(read_host: Reader) -> None:
    assert read_host(TWO).free_pages.tolist() == [GIB, GIB]


def test_running_domains_are_taken_from_memory_that_is_not_said_to_be_free(
    read_host: Reader,
) -> None:
    host = read_host(TWO + '[[host.running]]\nname = "a"\npages = [100, 0]\n')
    assert host.free_pages.tolist() == [GIB - 100, GIB]


def test_pnodes_without_spans_lie_one_after_another_at_whole_gib(read_host: Reader) -> None:
    host = read_host(TWO.replace('"1GiB"', '"1536MiB"'))
    assert host.spans.tolist() == [[0, GIB, 393216], [1, 3 * GIB, 393216]]


def test_free_frames_lie_low_and_leave_out_holes_and_frame_0(read_host: Reader) -> None:
    host = read_host(
        TWO.replace(
            'total = "1GiB"\npcpus = "0-1"',
            'spans = [[0, 100], [200, 100]]\nfree_pages = 150\npcpus = "0-1"',
        )
    )
    assert host.total_pages.tolist() == [200, GIB]
    assert host.free_spans.tolist()[:2] == [[0, 1, 99], [0, 200, 51]]
    assert not host.free_spans_known


def test_frame_0_counts_as_free_nowhere(read_host: Reader) -> None:
    text = '[[host]]\n[[host.pnode]]\nspans = [[0, 1000]]\npcpus = "0"\n'
    assert read_host(text).free_pages.tolist() == [999]
    faults = faults_of(read_host, text + "free_pages = 1000\n")
    assert "at most 999" in faults["host[0].pnode[0].free"].expected


def test_free_spans_are_kept_as_given(read_host: Reader) -> None:
    text = (
        '[[host]]\n[[host.pnode]]\nspans = [[0, 1000]]\npcpus = "0"\n'
        "free_spans = [[500, 10], [100, 20]]\n"
    )
    host = read_host(text)
    assert host.free_spans.tolist() == [[0, 100, 20], [0, 500, 10]]
    assert host.free_spans_known
    assert host.free_pages.tolist() == [30]


@pytest.mark.parametrize(
    ("free_spans", "field"),
    [
        ("[[990, 20]]", "host[0].pnode[0].free_spans[0]"),
        ("[[0, 5]]", "host[0].pnode[0].free_spans[0]"),
        ("[[10, 20], [25, 5]]", "host[0].pnode[0].free_spans"),
        ("[[10]]", "host[0].pnode[0].free_spans[0]"),
        ("[[10, 0]]", "host[0].pnode[0].free_spans[0]"),
        ("[[10, -1]]", "host[0].pnode[0].free_spans[0][1]"),
    ],
)
def test_free_spans_lie_in_the_spans_and_do_not_overlap(
    read_host: Reader, free_spans: str, field: str
) -> None:
    text = f'[[host]]\n[[host.pnode]]\nspans = [[0, 1000]]\npcpus = "0"\nfree_spans = {free_spans}'
    assert field in faults_of(read_host, text)


def test_siblings_are_the_pcpus_of_a_core_in_the_order_written(read_host: Reader) -> None:
    text = '[[host]]\n[[host.pnode]]\ntotal = "1GiB"\n'
    by_threads = read_host(text + 'pcpus = "0,4,1,5"\nthreads_per_core = 2\n')
    by_cores = read_host(text + "cores = [[0, 4], [1, 5]]\n")
    assert by_threads == by_cores
    assert by_cores.pcpu_ids.tolist() == [0, 1, 4, 5]
    assert by_cores.pcpu_core.tolist() == [0, 1, 0, 1]


def test_cores_are_numbered_over_the_whole_host_and_sockets_may_be_given(
    read_host: Reader,
) -> None:
    host = read_host(TWO.replace('pcpus = "2-3"', "pcpus = [2, 3]\nsocket = [7, 8]"))
    assert host.pcpu_core.tolist() == [0, 1, 2, 3]
    assert host.pcpu_socket.tolist() == [0, 0, 7, 8]


def test_a_pnode_may_have_no_pcpus_or_no_memory(read_host: Reader) -> None:
    host = read_host(TWO.replace('pcpus = "2-3"', "").replace('"1GiB"', '"0"', 1))
    assert host.total_pages.tolist() == [0, GIB]
    assert host.pcpu_pnode.tolist() == [0, 0]
    assert host.spans.tolist() == [[1, GIB, GIB]]


def test_overcommit_is_read_exactly(read_host: Reader) -> None:
    text = TWO.replace('name = "h"', 'name = "h"\novercommit = 1.1')
    assert read_host(text).overcommit == Fraction(11, 10)


def test_the_smt_penalty_is_a_whole_number_of_slit_units(read_host: Reader) -> None:
    text = TWO.replace('name = "h"', 'name = "h"\nsmt = "penalty=3"')
    assert (read_host(text).smt, read_host(text).smt_penalty) == ("penalty", 3)
    assert "host[0].smt" in faults_of(read_host, text.replace("penalty=3", "penalty=0.5"))


def test_a_running_domain_is_given_by_pnode_as_a_list_or_a_table(read_host: Reader) -> None:
    running = '[[host.running]]\nname = "a"\nvcpus = {"1" = 2}\ndomid = 3\nfloating_vcpus = 1\n'
    as_pages = read_host(TWO + running + 'pages = {"1" = 512}\ndedicated_pcpus = "3"\n')
    as_memory = read_host(TWO + running + 'memory = ["0", "2MiB"]\ndedicated_pcpus = [3]\n')
    assert as_pages == as_memory
    (domain,) = as_pages.running
    assert domain.pages.tolist() == [0, 512]
    assert domain.vcpus_on.tolist() == [0, 2]
    assert (domain.domid, domain.floating_vcpus, domain.dedicated_pcpus) == (3, 1, (3,))


def test_distances_of_several_pnodes_are_assumed_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "h.toml"
    path.write_text(TWO.replace("distances = [10, 20]\n", ""))
    warnings: list[Fault] = []
    (host,) = read_inventory(path, warnings=warnings)
    assert host.distances.tolist() == [[10, 20], [20, 10]]
    assert [warning.field for warning in warnings] == ["host[0].distances"]
    assert "assumed" in warnings[0].expected
    path.write_text('[[host]]\n[[host.pnode]]\ntotal = "1GiB"\npcpus = "0"\n')
    assert read_inventory(path, warnings=warnings)[0].name == "h"
    assert len(warnings) == 1


def test_asymmetric_and_unreachable_distances_are_allowed(read_host: Reader) -> None:
    host = read_host(TWO.replace("[10, 20]", "[[10, 16], [255, 10]]"))
    assert host.distances.tolist() == [[10, 16], [255, 10]]


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ("[[10, 20], [20, 11]]", "distances[1][1]"),
        ("[[10, 9], [20, 10]]", "distances[0][1]"),
        ("[[10, 256], [20, 10]]", "distances[0][1]"),
        ("[[10, 20]]", "distances"),
        ("[[10, 20], [20]]", "distances[1]"),
        ("[11, 20]", "distances[0]"),
        ("[10, 20.0]", "distances[1]"),
        ("[10, true]", "distances[1]"),
        ('"auto"', "distances"),
        ("[[10, nan], [20, 10]]", "distances[0][1]"),
    ],
)
def test_a_distance_that_no_slit_holds_is_a_fault(
    read_host: Reader, written: str, field: str
) -> None:
    faults = faults_of(read_host, TWO.replace("[10, 20]", written))
    assert set(faults) == {f"host[0].{field}"}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('total = "1GiB"', "total = 1073741824", "pnode[0].total"),
        ('total = "1GiB"', 'total = "1024"', "pnode[0].total"),
        ('total = "1GiB"', 'total = "1 furlong"', "pnode[0].total"),
        ('total = "1GiB"', 'total = "1KiB"', "pnode[0].total"),
        ('total = "1GiB"', 'total = "-1GiB"', "pnode[0].total"),
        ('total = "1GiB"', 'total = "5PiB"', "pnode[0].total"),
        ('total = "1GiB"', 'total = "9999999TiB"', "pnode[0].total"),
        ('total = "1GiB"', "total_pages = 1.5", "pnode[0].total_pages"),
        ('total = "1GiB"', "total_pages = -1", "pnode[0].total_pages"),
        ('total = "1GiB"', "total_pages = true", "pnode[0].total_pages"),
        ('total = "1GiB"', "total_pages = 99999999999999999999", "pnode[0].total_pages"),
        ('total = "1GiB"', 'total = "1GiB"\ntotal_pages = 7', "pnode[0].total_pages"),
        ('total = "1GiB"', "", "pnode[0].total"),
        ('total = "1GiB"', 'total = "1GiB"\nfree = "2GiB"', "pnode[0].free"),
        ('total = "1GiB"', 'total = "1GiB"\nreserve = "2GiB"', "pnode[0].reserve"),
        ('total = "1GiB"', 'total = "1GiB"\nspans = [[0, 100]]', "pnode[0].spans"),
        ('total = "1GiB"', 'total = "1GiB"\ntotl = 1', "pnode[0].totl"),
        ('pcpus = "0-1"', 'pcpus = "0-999999999"', "pnode[0].pcpus"),
        ('pcpus = "0-1"', 'pcpus = "1-0"', "pnode[0].pcpus"),
        ('pcpus = "0-1"', 'pcpus = "0,^1"', "pnode[0].pcpus"),
        ('pcpus = "0-1"', 'pcpus = "0,0"', "pnode[0].pcpus"),
        ('pcpus = "0-1"', "pcpus = [0, 0]", "pnode[0].pcpus"),
        ('pcpus = "0-1"', "pcpus = [true]", "pnode[0].pcpus[0]"),
        ('pcpus = "0-1"', "pcpus = 4", "pnode[0].pcpus"),
        ('pcpus = "0-1"', 'pcpus = "0-2"', "pnode[1]"),
        ('pcpus = "0-1"', 'pcpus = "0-1"\nthreads_per_core = 3', "pnode[0].pcpus"),
        ('pcpus = "0-1"', 'pcpus = "0-1"\ncores = [[0]]', "pnode[0].pcpus"),
        ('pcpus = "0-1"', "cores = [[]]", "pnode[0].cores[0]"),
        ('pcpus = "0-1"', "threads_per_core = 2", "pnode[0].threads_per_core"),
        ('pcpus = "0-1"', 'pcpus = "0-1"\nsocket = [1]', "pnode[0].socket"),
        ('name = "h"', 'name = ""', "name"),
        ('name = "h"', "name = 7", "name"),
        ('name = "h"', 'name = "a\\u0007b"', "name"),
        ('name = "h"', 'name = "h"\novercommit = 0', "overcommit"),
        ('name = "h"', 'name = "h"\novercommit = -1.5', "overcommit"),
        ('name = "h"', 'name = "h"\novercommit = nan', "overcommit"),
        ('name = "h"', 'name = "h"\novercommit = inf', "overcommit"),
        ('name = "h"', 'name = "h"\novercommit = 1e999999999', "overcommit"),
        ('name = "h"', 'name = "h"\novercommit = 1e-999999999999999999999', "overcommit"),
        ('name = "h"', 'name = "h"\novercommit = true', "overcommit"),
        ('name = "h"', 'name = "h"\nsmt = "off"', "smt"),
    ],
)
def test_a_wrong_value_is_a_fault_of_its_own_field(
    read_host: Reader, old: str, new: str, field: str
) -> None:
    faults = faults_of(read_host, TWO.replace(old, new, 1))
    assert set(faults) == {f"host[0].{field}"}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("pages = [1, 2]", "name"),
        ('name = "a"', "pages"),
        ('name = "a"\npages = [1]', "pages"),
        ('name = "a"\npages = [1, -2]', "pages[1]"),
        ('name = "a"\npages = {"2" = 1}', "pages.2"),
        ('name = "a"\npages = [1, 2]\nmemory = ["1GiB", "0"]', "pages"),
        ('name = "a"\npages = [1, 2]\nvcpus = 3', "vcpus"),
        ('name = "a"\npages = [1, 2]\ndomid = -1', "domid"),
        ('name = "a"\npages = [1, 2]\ndedicated_pcpus = "9"', "dedicated_pcpus"),
        ('name = "a"\npages = [1, 2]\nvcpu = [1, 1]', "vcpu"),
    ],
)
def test_a_wrong_running_domain_is_a_fault(read_host: Reader, text: str, field: str) -> None:
    assert set(faults_of(read_host, f"{TWO}[[host.running]]\n{text}\n")) == {
        f"host[0].running[0].{field}"
    }


def test_running_domains_share_no_name_number_or_dedicated_pcpu(read_host: Reader) -> None:
    one = '[[host.running]]\nname = "a"\npages = [1, 1]\ndomid = 1\ndedicated_pcpus = "0"\n'
    faults = faults_of(read_host, TWO + one + one)
    names = {"name", "domid", "dedicated_pcpus"}
    assert set(faults) == {f"host[0].running[1].{name}" for name in names}


def test_free_memory_and_running_domains_fit_into_the_total(read_host: Reader) -> None:
    text = TWO.replace('"1GiB"', '"1GiB"\nfree = "1GiB"', 1)
    faults = faults_of(read_host, text + '[[host.running]]\nname = "a"\npages = [1, 0]\n')
    assert set(faults) == {"host[0].pnode[0].free"}
    faults = faults_of(read_host, TWO + f'[[host.running]]\nname="a"\npages = [{GIB + 1}, 0]\n')
    assert set(faults) == {"host[0].pnode[0].total"}


def test_spans_of_different_pnodes_do_not_overlap(read_host: Reader) -> None:
    text = TWO.replace('total = "1GiB"', "spans = [[0, 10]]")
    assert set(faults_of(read_host, text)) == {"host[0].pnode[1].spans"}


def test_every_fault_is_reported_at_once_with_its_line(read_host: Reader) -> None:
    text = (
        "[[host]]\n"
        'nmae = "h"\n'
        'smt = "off"\n'
        "distances = [\n"
        "  [10, 20],\n"
        "  [20, 12],\n"
        "]\n"
        "[[host.pnode]]\n"
        'total = "lots"\n'
        "\n"
        "[[host.pnode]] # free is more than there is\n"
        'total = "1GiB"\n'
        'free = "2GiB"\n'
    )
    faults = faults_of(read_host, text)
    assert {field: fault.line for field, fault in faults.items()} == {
        "host[0].nmae": 2,
        "host[0].smt": 3,
        "host[0].distances[1][1]": 4,
        "host[0].pnode[0].total": 9,
        "host[0].pnode[1].free": 13,
    }
    assert faults["host[0].nmae"].expected == "name?"


def test_a_missing_key_is_shown_at_the_line_of_its_table(read_host: Reader) -> None:
    faults = faults_of(read_host, TWO.replace('total = "1GiB"\npcpus = "2-3"', 'pcpus = "2-3"'))
    assert faults["host[0].pnode[1].total"].line == 8


def test_text_that_is_no_toml_is_one_fault_with_line_and_column(read_host: Reader) -> None:
    with pytest.raises(InputError) as caught:
        read_host('[[host]]\nname = "h\n')
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == (2, 10)


@pytest.mark.parametrize("text", ["", "host = 3", "[host]", "[[hosts]]", "[[host]]", "host = [1]"])
def test_a_file_without_a_whole_host_is_a_fault(read_host: Reader, text: str) -> None:
    assert faults_of(read_host, text)


def test_a_host_without_any_pcpu_is_a_fault(read_host: Reader) -> None:
    assert "host[0].pnode" in faults_of(read_host, '[[host]]\n[[host.pnode]]\ntotal = "1GiB"\n')


def test_several_hosts_have_different_names(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(TWO + TWO.replace('"h"', '"i"'))
    assert [host.name for host in read_inventory(path)] == ["h", "i"]
    path.write_text(TWO + TWO)
    with pytest.raises(InputError, match="2 hosts named 'h'"):
        read_inventory(path)
    path.write_text(TWO + TWO.replace('name = "h"', ""))
    with pytest.raises(InputError, match=r"host\[1\]\.name: found no name"):
        read_inventory(path)


def test_a_byte_order_mark_and_crlf_are_no_faults(tmp_path: Path) -> None:
    path = tmp_path / "h.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TWO.replace("\n", "\r\n").encode())
    assert read_inventory(path)[0].num_pnodes == 2


def test_bytes_that_are_no_utf8_are_a_fault_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "h.toml"
    path.write_bytes(b"[[host]]\nname = '\xff'\n")
    with pytest.raises(InputError) as caught:
        read_inventory(path)
    assert caught.value.faults[0].line == 2


VALUES = st.recursive(
    st.sampled_from(
        ["1", "-1", "0", "true", "nan", "-inf", "1e99999", '"1GiB"', '"0-3"', '"x"', "9" * 30]
        + ["[]", "{}", "[10, 20]", "[[0, 4096]]", "1979-05-27", '"penalty=2"', "0x10", '""']
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
    max_leaves=4,
)
KEYS = st.sampled_from(sorted({*HOST_KEYS, *PNODE_KEYS, *RUNNING_KEYS, "other", '"a b"'}))
LINES = st.one_of(
    st.sampled_from(["[[host]]", "[[host.pnode]]", "[[host.running]]", "# note", "[host.x]"]),
    st.builds("{} = {}".format, KEYS, VALUES),
)


@given(st.lists(LINES, max_size=14).map("\n".join))
def test_text_like_an_inventory_is_a_host_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "like.toml"
    path.write_text(f"[[host]]\nname = 'h'\n{text}")
    hosts, faults = attempt(lambda: read_inventory(path))
    assert bool(hosts) != bool(faults)
    assert all(fault.line is not None for fault in faults)


@given(st.text(max_size=60))
@example("[0.0]")
def test_any_text_is_a_document_or_an_input_error(text: str) -> None:
    document, faults = attempt(lambda: TomlDocument("text", text))
    assert (document is None) == (len(faults) == 1)
    if document is not None:
        assert document.root.keys() <= {path[0] for path in find_lines(text)}


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, f"a = {'1' * 5000}", "a = 1e" + "9" * 30])
def test_documents_made_to_break_a_parser_do_not(text: str) -> None:
    document, faults = attempt(lambda: TomlDocument("text", text))
    assert len(faults) == (document is None)
    assert document is None or set(document.root) == {"a"}


def test_the_lines_of_keys_are_found_behind_every_kind_of_value() -> None:
    text = (
        "a = '''\n[x]\nb = 1\n'''\n"
        'c.d = """\n\\"""\n""" # e = 1\n'
        '"q\\u0041" = [ # [[\n  "]", {f = 1},\n]\n'
        "[[t]]\nu = '#'\n[t.v]\nw = 1\n[[t]]\nu = 2\n[[t.z]]\ny=1\n"
    )
    assert find_lines(text) == {
        ("a",): 1,
        ("c",): 5,
        ("c", "d"): 5,
        ("qA",): 8,
        ("t", 0): 11,
        ("t", 0, "u"): 12,
        ("t", 0, "v"): 13,
        ("t", 0, "v", "w"): 14,
        ("t", 1): 15,
        ("t", 1, "u"): 16,
        ("t", 1, "z", 0): 17,
        ("t", 1, "z", 0, "y"): 18,
    }


def test_the_docs_example_is_read_and_every_key_is_in_the_docs(read_host: Reader) -> None:
    docs = (DOCS / "inventory.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", docs, re.DOTALL)
    host = read_host(example)
    assert host.free_pages.tolist() == [12 * GIB, 14 * GIB]
    assert host.pcpu_core.tolist() == [core for core in range(8) for _ in range(2)]
    for key in (*HOST_KEYS[:-3], *PNODE_KEYS, *RUNNING_KEYS, *DOM0_KEYS, *SYNTHETIC_KEYS):
        assert f"`{key}`" in docs


def with_dom0(folder: Path, dom0: str, totals: tuple[int, ...] = (1000, 1000, 1000)) -> Path:
    path = folder / "dom0.toml"
    pnodes = "".join(
        f'[[host.pnode]]\ntotal_pages = {total}\npcpus = "{2 * p}-{2 * p + 1}"\n'
        for p, total in enumerate(totals)
    )
    path.write_text(f"[[host]]\ndistances = [10, 20]\n{pnodes}[host.dom0]\n{dom0}\n")
    return path


@pytest.mark.parametrize(
    ("dom0", "pages", "vcpus_on", "floating"),
    [
        ("memory_pages = 301", [101, 100, 100], [0, 0, 0], 6),
        ("memory_pages = 300\nnodes = [2]\nvcpus = 3", [0, 0, 300], [0, 0, 3], 0),
        ("memory_pages = 300\nnodes = [2, 0]", [150, 0, 150], [0, 0, 0], 4),
        ("memory_pages = 1100\nnodes = [1]\nrelaxed = true", [100, 1000, 0], [0, 0, 0], 2),
    ],
)
def test_dom0_holds_memory_on_its_nodes(
    dom0: str, pages: list[int], vcpus_on: list[int], floating: int, tmp_path: Path
) -> None:
    (host,) = read_inventory(with_dom0(tmp_path, dom0))
    (running,) = host.running
    assert (running.name, running.domid) == ("Domain-0", 0)
    assert running.pages.tolist() == pages
    assert running.vcpus_on.tolist() == vcpus_on
    assert running.floating_vcpus == floating
    assert (host.free_pages + running.pages).tolist() == [1000, 1000, 1000]


def test_dom0_fills_a_small_pnode_and_has_the_rest_on_the_others(tmp_path: Path) -> None:
    (host,) = read_inventory(with_dom0(tmp_path, "memory_pages = 900", (100, 1000, 1000)))
    assert host.running[0].pages.tolist() == [100, 400, 400]


@pytest.mark.parametrize(
    ("dom0", "said"),
    [
        ("vnodes = 2\nmemory_pages = 5", "gives it no vNUMA information (xen 705313c093)"),
        ("vnuma = []\nmemory_pages = 5", "dom0.vnuma: found vNUMA for dom0"),
        ("memory_pages = 1001\nnodes = [1]", "relaxed = true"),
        ("nodes = [1]", "no memory"),
        ("memory_pages = 5\nnodes = []", "one pnode or more, each once"),
        ("memory_pages = 5\nnodes = [1, 1]", "one pnode or more, each once"),
        ("memory_pages = 5\nnodes = [3]", "nodes[0]: found 3"),
        ("memory_pages = 5\nrelaxed = 1", "true or false"),
        (
            'memory_pages = 5\n[[host.running]]\nname = "x"\ndomid = 0\npages = [0, 0, 0]',
            "dom0 among [[host.running]] as well",
        ),
    ],
)
def test_a_dom0_that_cannot_be_is_refused(dom0: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_inventory(with_dom0(tmp_path, dom0))
    assert said in str(caught.value)
