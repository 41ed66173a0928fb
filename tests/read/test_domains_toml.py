import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placer.domain import Domain, VnodeMemory
from placer.errors import Fault, InputError
from placer.problem import Group
from placer.read.access_file import parse_share, read_access
from placer.read.domains_toml import DOMAIN_KEYS, DomainSet, read_domains_toml

DOCS = Path(__file__).parents[2] / "docs"
GIB = 262144
VM = '[[domain]]\nname = "vm"\nmemory = "4GiB"\nvcpus = 4\nvnodes = 2\n'

Reader = Callable[[str], DomainSet]


@pytest.fixture
def read_set(tmp_path: Path) -> Reader:
    (tmp_path / "guest.cfg").write_text('name = "guest"\nmemory = 4096\nvcpus = 4\n')
    (tmp_path / "seed.cfg").write_text(
        'name = "seed"\nmemory = 4096\nvcpus = 4\nvnodes = 2\nvnumamem = [2048, 2048]\n'
        'vdistance = [10, 40, 40, 10]\nvnuma_vcpumap = "1, 0, 1, 0"\nvnuma_vnodemap = [1, 0]\n'
    )

    def read(text: str) -> DomainSet:
        path = tmp_path / "domains.toml"
        path.write_text(text)
        return read_domains_toml(path)

    return read


def only(found: DomainSet) -> Domain:
    (domain,) = found.domains
    return domain


def faults_of(read_set: Reader, text: str) -> dict[str, Fault]:
    with pytest.raises(InputError) as caught:
        read_set(text)
    faults = {fault.field: fault for fault in caught.value.faults}
    assert len(faults) == len(caught.value.faults)
    return faults


def test_an_inline_domain_needs_a_name_and_memory_alone(read_set: Reader) -> None:
    domain = only(read_set('[[domain]]\nname = "vm"\nmemory = "1GiB"\n'))
    assert (domain.name, domain.type, domain.num_vcpus) == ("vm", "pv", 1)
    assert domain.vnode_pages.tolist() == [GIB]
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == [0]
    assert (domain.priority, domain.cpu_spill) == (1, "last")


def test_memory_is_split_in_whole_mib_with_the_remainder_on_the_last_vnode(
    read_set: Reader,
) -> None:
    domain = only(read_set('[[domain]]\nname = "vm"\nmemory = "1000MiB"\nvnodes = 3\n'))
    assert domain.vnode_pages.tolist() == [333 * 256, 333 * 256, 334 * 256]
    assert domain.vcpu_to_vnode is None
    assert domain.distances.tolist() == [[10, 20, 20], [20, 10, 20], [20, 20, 10]]


def test_every_inline_field_reaches_the_domain(read_set: Reader) -> None:
    domain = only(
        read_set(
            '[[domain]]\nname = "vm"\ntype = "hvm"\nvnode_memory = ["1GiB", "0", "3GiB"]\n'
            "vcpu_to_vnode = [2, 0, 2]\ndistances = [[10, 30, 20], [40, 10, 20], [20, 20, 10]]\n"
            'pnodes = [1, "any", 0]\ncpus = "0-3,^1"\ncpus_soft = ["nodes:0", "all", "5"]\n'
        )
    )
    assert domain.type == "hvm"
    assert domain.vnode_pages.tolist() == [GIB, 0, 3 * GIB]
    assert domain.num_vcpus == 3
    assert domain.vcpu_to_vnode is not None
    assert domain.vcpu_to_vnode.tolist() == [2, 0, 2]
    assert domain.distances.tolist()[:2] == [[10, 30, 20], [40, 10, 20]]
    assert domain.vnode_pnode.tolist() == [1, -1, 0]
    assert [a.text for a in domain.hard_affinity if a] == ["0-3,^1"] * 3
    assert [a.text for a in domain.soft_affinity if a] == ["nodes:0", "all", "5"]


def test_every_option_that_xl_cannot_say_reaches_the_domain(read_set: Reader) -> None:
    options = (
        'priority = 7\ngroups = ["web"]\nhosts = ["a"]\nforbidden_hosts = ["b"]\n'
        'distinct_pnodes = true\ndedicated = true\nthread_policy = "isolate"\n'
        'page_size = ["2MiB", "1GiB"]\nmemory_policy = ["preferred", '
        '{policy = "interleave", pnodes = [1, 0]}]\n'
        'access = [[0.75, 0.25], ["1/3", "2/3"]]\n'
    )
    for head in (VM, '[[domain]]\ncfg = "seed.cfg"\n'):
        domain = only(read_set(head + options))
        assert domain.priority == 7
        assert (domain.groups, domain.hosts, domain.forbidden_hosts) == (("web",), ("a",), ("b",))
        assert (domain.distinct_pnodes, domain.dedicated) == (True, True)
        assert (domain.thread_policy, domain.cpu_spill) == ("isolate", "never")
        assert domain.page_order.tolist() == [9, 18]
        assert domain.memory == (
            VnodeMemory(policy="preferred"),
            VnodeMemory(policy="interleave", interleave_pnodes=(0, 1)),
        )
        assert domain.access == (
            (Fraction(3, 4), Fraction(1, 4)),
            (Fraction(1, 3), Fraction(2, 3)),
        )


def test_one_value_stands_for_all_vnodes(read_set: Reader) -> None:
    domain = only(
        read_set(VM + 'page_size = "2MiB"\nmemory_policy = {policy = "interleave", width = 2}\n')
    )
    assert domain.page_order.tolist() == [9, 9]
    assert domain.memory == (VnodeMemory(policy="interleave", interleave_width=2),) * 2


def test_vcpu_bounds_are_pairs_that_leave_room_for_the_vcpus(read_set: Reader) -> None:
    domain = only(read_set(VM + "vcpu_bounds = [[1, 3], [0, 4]]\n"))
    assert domain.vcpu_bounds is not None
    assert domain.vcpu_bounds.tolist() == [[1, 3], [0, 4]]
    for bounds in ("[[1, 1], [1, 2]]", "[[3, 4], [2, 4]]"):
        faults = faults_of(read_set, VM + f"vcpu_bounds = {bounds}\n")
        assert set(faults) == {"domain[0].vcpu_bounds"}


def test_a_cfg_is_read_relative_to_the_file_and_keeps_what_it_says(read_set: Reader) -> None:
    found = read_set('[[domain]]\ncfg = "seed.cfg"\npriority = 3\n')
    domain = only(found)
    assert (domain.name, domain.priority) == ("seed", 3)
    assert domain.vnode_pnode.tolist() == [1, 0]
    assert domain.distances.tolist() == [[10, 40], [40, 10]]
    assert domain.source.endswith("seed.cfg")
    assert {path.name for path in found.cfg_files} == {"seed.cfg"}


def test_what_xl_can_say_is_a_fault_beside_a_cfg(read_set: Reader) -> None:
    faults = faults_of(
        read_set, '[[domain]]\ncfg = "guest.cfg"\nmemory = "1GiB"\nvnodes = 2\nname = "x"\n'
    )
    assert set(faults) == {"domain[0].memory", "domain[0].vnodes", "domain[0].name"}


def test_the_solver_chooses_the_vnodes_of_a_cfg_without_vnuma(read_set: Reader) -> None:
    domain = only(read_set('[[domain]]\ncfg = "guest.cfg"\nvnodes = "auto"\ndistances = "auto"\n'))
    assert domain.auto_vnodes
    assert domain.auto_distances
    assert domain.vcpu_to_vnode is None
    assert domain.memory_pages == 4 * GIB
    faults = faults_of(
        read_set, '[[domain]]\ncfg = "seed.cfg"\nvnodes = "auto"\ndistances = "auto"\n'
    )
    assert set(faults) == {"domain[0].vnodes", "domain[0].distances"}


def test_auto_vnodes_take_nothing_that_needs_their_number(read_set: Reader) -> None:
    auto = VM.replace("vnodes = 2", 'vnodes = "auto"')
    domain = only(read_set(auto))
    assert domain.auto_vnodes
    assert domain.vnode_pages.tolist() == [4 * GIB]
    faults = faults_of(
        read_set,
        auto + "vcpu_to_vnode = [0, 0, 1, 1]\nvcpu_bounds = [[1, 2]]\npnodes = [0]\n"
        'distances = [10, 30]\naccess = [[1]]\nvnode_memory = ["2GiB", "2GiB"]\n',
    )
    keys = {"vcpu_to_vnode", "vcpu_bounds", "pnodes", "distances", "access", "vnode_memory"}
    assert {f"domain[0].{key}" for key in keys} == set(faults)


def test_auto_distances_hold_10_and_20_until_the_pnodes_are_known(read_set: Reader) -> None:
    domain = only(read_set(VM + 'distances = "auto"\n'))
    assert domain.auto_distances
    assert domain.distances.tolist() == [[10, 20], [20, 10]]


def test_copies_are_numbered_from_0(read_set: Reader) -> None:
    found = read_set(VM + "count = 3\n")
    assert [domain.name for domain in found.domains] == ["vm-0", "vm-1", "vm-2"]


def test_groups_and_the_policy_come_with_the_domains(read_set: Reader) -> None:
    found = read_set(
        'policy = "spread"\n[[group]]\nname = "g"\nkeep = "apart"\n'
        '[[group]]\nname = "h"\nkeep = "together"\nover = "pnodes"\n' + VM
    )
    assert found.policy == "spread"
    assert found.groups == (
        Group(name="g", keep="apart"),
        Group(name="h", keep="together", over="pnodes"),
    )


def test_a_policy_file_is_named_relative_to_the_file(read_set: Reader, tmp_path: Path) -> None:
    assert read_set(f'policy = "mine.toml"\n{VM}').policy == str(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('[[group]]\nname = "g"', "group[0].keep"),
        ('[[group]]\nkeep = "apart"', "group[0].name"),
        ('[[group]]\nname = "g"\nkeep = "near"', "group[0].keep"),
        ('[[group]]\nname = "g"\nkeep = "apart"\nover = "cores"', "group[0].over"),
        ('[[group]]\nname = "g"\nkeep = "apart"\nkep = 1', "group[0].kep"),
    ],
)
def test_a_wrong_group_is_a_fault_of_its_own_field(read_set: Reader, text: str, field: str) -> None:
    assert set(faults_of(read_set, f"{text}\n{VM}")) == {field}


def test_groups_and_domains_have_names_of_their_own(read_set: Reader) -> None:
    group = '[[group]]\nname = "g"\nkeep = "apart"\n'
    assert set(faults_of(read_set, group + group + VM + VM)) == {"group[1].name", "domain"}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("priority = 0", "priority"),
        ("priority = 1.5", "priority"),
        ("priority = true", "priority"),
        ('groups = "g"', "groups"),
        ('groups = ["g", "g"]', "groups"),
        ("groups = [1]", "groups[0]"),
        ("hosts = []", "hosts"),
        ("distinct_pnodes = 1", "distinct_pnodes"),
        ('thread_policy = "isolate"', "thread_policy"),
        ('dedicated = true\nthread_policy = "best"', "thread_policy"),
        ('cpu_spill = "always"', "cpu_spill"),
        ('page_size = "3MiB"', "page_size"),
        ('page_size = ["2MiB"]', "page_size"),
        ("page_size = ['4KiB', 9]", "page_size[1]"),
        ('memory_policy = "interleave"', "memory_policy"),
        ('memory_policy = {policy = "interleave"}', "memory_policy"),
        ('memory_policy = {policy = "interleave", width = 0}', "memory_policy.width"),
        ('memory_policy = {policy = "interleave", width = 1, pnodes = [0]}', "memory_policy"),
        ('memory_policy = {policy = "interleave", pnodes = [0, 0]}', "memory_policy.pnodes"),
        ('memory_policy = {policy = "strict", width = 2}', "memory_policy.width"),
        ("memory_policy = {width = 2}", "memory_policy.policy"),
        ('memory_policy = ["strict"]', "memory_policy"),
        ("vcpu_bounds = [[1, 4]]", "vcpu_bounds"),
        ("vcpu_bounds = [[4, 1], [0, 4]]", "vcpu_bounds[0]"),
        ("vcpu_to_vnode = [0, 1]", "vcpu_to_vnode"),
        ("vcpu_to_vnode = [0, 1, 2, 0]", "vcpu_to_vnode[2]"),
        ("vcpu_to_vnode = [0, 1, true, 0]", "vcpu_to_vnode[2]"),
        ("distances = [[10, 20], [20, 11]]", "distances[1][1]"),
        ("distances = [10, 255]", "distances[1]"),
        ("distances = [10, 20, 20, 10]", "distances"),
        ('distances = "far"', "distances"),
        ("pnodes = [0]", "pnodes"),
        ('pnodes = [0, "none"]', "pnodes[1]"),
        ("pnodes = [0, -1]", "pnodes[1]"),
        ('cpus = "0-"', "cpus"),
        ("cpus = 3", "cpus"),
        ('cpus = ["0", "1"]', "cpus"),
        ('cpus_soft = ["0", "1", "^all", "2"]', "cpus_soft[2]"),
        ('vnode_memory = ["1GiB", "1GiB"]', "vnode_memory"),
        ('vnode_memory = ["4GiB"]', "vnode_memory"),
        ("vnode_memory = [1024, '3GiB']", "vnode_memory[0]"),
        ("count = 0", "count"),
        ("access = [[1, 0]]", "access"),
        ("access = [[1], [0, 1]]", "access[0]"),
        ("access = [[1, 0], [0, nan]]", "access[1][1]"),
        ("access = [[1, 0], [0, 1.5]]", "access[1][1]"),
        ('access = [[1, 0], [0, "1/0"]]', "access[1][1]"),
        ("access = [[1, 0], 3]", "access[1]"),
        ("access = [[1, 0], [0, 1]]\naccess_file = 'a.csv'", "access_file"),
        ("priorty = 2", "priorty"),
        ('type = "container"', "type"),
    ],
)
def test_a_wrong_value_is_a_fault_of_its_own_field(read_set: Reader, text: str, field: str) -> None:
    assert set(faults_of(read_set, VM + text)) == {f"domain[0].{field}"}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('name = "vm"', "", "name"),
        ('name = "vm"', 'name = " "', "name"),
        ('memory = "4GiB"', "", "memory"),
        ('memory = "4GiB"', "memory = 4096", "memory"),
        ('memory = "4GiB"', "memory = 0", "memory"),
        ('memory = "4GiB"', 'vnode_memory = ["0", "0"]', "vnode_memory"),
        ('memory = "4GiB"', 'memory = "4KiB"', "vnodes"),
        ("vcpus = 4", "vcpus = 0", "vcpus"),
        ("vcpus = 4", "vcpus = 9999999", "vcpus"),
        ("vnodes = 2", "vnodes = 0", "vnodes"),
        ("vnodes = 2", 'vnodes = "all"', "vnodes"),
        ("vnodes = 2", "vnodes = 100000", "vnodes"),
    ],
)
def test_a_wrong_amount_is_a_fault_of_its_own_field(
    read_set: Reader, old: str, new: str, field: str
) -> None:
    assert set(faults_of(read_set, VM.replace(old, new))) == {f"domain[0].{field}"}


def test_all_faults_come_at_once_with_those_of_the_cfg_files(
    read_set: Reader, tmp_path: Path
) -> None:
    (tmp_path / "bad.cfg").write_text("vcpus = 4\n")
    faults = faults_of(
        read_set,
        '[[domain]]\ncfg = "bad.cfg"\npriority = 0\n[[domain]]\ncfg = "none.cfg"\n'
        '[[domain]]\ncfg = 3\n[[domain]]\nname = "x"\nmemory = "1GiB"\nvnodes = "x"\n',
    )
    assert {"name", "memory"} <= set(faults)
    assert {"domain[0].priority", "domain[2].cfg", "domain[3].vnodes"} <= set(faults)
    assert any(fault.source.endswith("none.cfg") for fault in faults.values())
    assert faults["domain[0].priority"].line == 3


def test_warnings_of_a_cfg_are_kept_where_another_fails(tmp_path: Path) -> None:
    (tmp_path / "warns.cfg").write_text('name = "w"\nmemory = 64\nbuilder = "hvm"\n')
    path = tmp_path / "domains.toml"
    path.write_text('[[domain]]\ncfg = "warns.cfg"\n[[domain]]\nname = 3\n')
    warnings: list[Fault] = []
    with pytest.raises(InputError):
        read_domains_toml(path, warnings=warnings)
    assert any(warning.field == "builder" for warning in warnings)


def test_fallback_and_ignore_pnodes_reach_the_cfg_files(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_text(
        'name = "x"\nmemory = 4096\nvcpus = 2\nvnodes = 2\n'
        "vnumamem = [1]\nvnuma_vnodemap = [1, 0]\n"
    )
    path = tmp_path / "domains.toml"
    path.write_text(
        f'[[domain]]\ncfg = "x.cfg"\n{VM}pnodes = [1, 0]\n'
        'memory_policy = {policy = "interleave", pnodes = [0, 1]}\n'
    )
    with pytest.raises(InputError):
        read_domains_toml(path)
    x, vm = read_domains_toml(path, fallback=True, ignore_pnodes=True).domains
    assert x.vnode_pages.tolist() == [2048 * 256] * 2
    assert x.vnode_pnode.tolist() == vm.vnode_pnode.tolist() == [-1, -1]
    assert vm.memory[0] == VnodeMemory(policy="interleave", interleave_width=2)


@pytest.mark.parametrize(
    "text", ["", 'policy = "pack"', "domain = 3", "[domain]", "[[domains]]", "domain = [1]"]
)
def test_a_file_without_a_domain_is_a_fault(read_set: Reader, text: str) -> None:
    assert faults_of(read_set, text)


def test_access_shares_of_a_csv_file_are_exact(read_set: Reader, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0.1, 0.9\n1/3,2/3\n")
    domain = only(read_set(VM + 'access_file = "a.csv"\n'))
    assert domain.access == ((Fraction(1, 10), Fraction(9, 10)), (Fraction(1, 3), Fraction(2, 3)))


def test_empty_and_missing_lines_are_rows_of_vnodes_without_vcpus(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n0,1,0\n\n\n\n")
    second = (Fraction(0), Fraction(1), Fraction(0))
    assert read_access(path, 3) == ((), second, ())
    assert read_access(path, None) == ((), second)


def test_every_fault_of_a_csv_file_has_its_line(read_set: Reader, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('0.5,x\n1\n-1,2\n0,1\n"a,1\n')
    with pytest.raises(InputError) as caught:
        read_set(VM + 'access_file = "a.csv"\n')
    assert [fault.line for fault in caught.value.faults] == [1, 2, 3, 3, 5, None]
    assert all(fault.source.endswith("a.csv") for fault in caught.value.faults)
    assert faults_of(read_set, VM + 'access_file = "none.csv"\n')


@given(st.text(max_size=50))
def test_any_text_is_a_share_from_0_to_1_or_none(text: str) -> None:
    share = parse_share(text)
    assert share is None or 0 <= share <= 1


VALUES = st.recursive(
    st.sampled_from(
        ["1", "-1", "0", "2", "true", "nan", "1e99999", '"1GiB"', '"0-3"', '"x"', "9" * 30]
        + ["[]", "{}", "[10, 20]", '"auto"', "1979-05-27", '"strict"', '"2MiB"', '"guest.cfg"']
        + ['{policy = "interleave", width = 2}', "0.5", '"^all"', '""', '"any"']
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
    max_leaves=4,
)
LINES = st.one_of(
    st.sampled_from(["[[domain]]", "[[group]]", "# note", 'name = "b"', 'memory = "1GiB"']),
    st.builds("{} = {}".format, st.sampled_from([*DOMAIN_KEYS, "keep", "policy"]), VALUES),
)


@given(st.lists(LINES, max_size=14).map("\n".join))
def test_text_like_a_domains_toml_is_a_set_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "guest.cfg").write_text('name = "guest"\nmemory = 4096\nvcpus = 4\n')
    path = folder / "like-domains.toml"
    path.write_text(f"[[domain]]\nname = 'a'\nmemory = '4GiB'\n{text}")
    try:
        found = read_domains_toml(path)
    except InputError as error:
        faults = error.faults
    else:
        assert found.domains
        return
    assert faults


def test_the_docs_example_is_read_and_every_key_is_in_the_docs(
    read_set: Reader, tmp_path: Path
) -> None:
    docs = (DOCS / "domains-toml.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", docs, re.DOTALL)
    (tmp_path / "front.cfg").write_text('name = "front"\nmemory = 4096\n')
    found = read_set(example)
    assert [domain.name for domain in found.domains] == [
        "front",
        "store",
        *(f"worker-{number}" for number in range(4)),
    ]
    for key in DOMAIN_KEYS:
        assert f"`{key}`" in docs
