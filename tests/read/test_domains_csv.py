"""Tables of domains: a row for each domain, or for each vnode."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from placer.domain import Domain
from placer.errors import InputError
from placer.read.domains_csv import read_domains_csv
from placer.read.domains_toml import read_domains_toml
from placer.read.sources import read_domains

DOMAINS = """\
name,type,memory,vcpus,vnodes,vnode_memory,distances,pnodes,page_size,memory_policy,priority,groups,dedicated,cpus,access
web,hvm,8GiB,8,2,,10 25,any;1,2MiB,strict;interleave 0;1,5,front;blue,true,0-7;^3,0.75 0.25;1/3 2/3
db,,,4,,3GiB;1GiB,10 21;31 10,,,preferred,,,,,
worker,,2GiB,2,auto,,,,,,,,,,
"""
TOML = """\
[[domain]]
name = "web"
type = "hvm"
memory = "8GiB"
vcpus = 8
vnodes = 2
distances = [10, 25]
pnodes = ["any", 1]
page_size = "2MiB"
memory_policy = ["strict", {policy = "interleave", pnodes = [0, 1]}]
priority = 5
groups = ["front", "blue"]
dedicated = true
cpus = ["0-7", "^3"]
access = [[0.75, 0.25], ["1/3", "2/3"]]

[[domain]]
name = "db"
vcpus = 4
vnode_memory = ["3GiB", "1GiB"]
distances = [[10, 21], [31, 10]]
memory_policy = "preferred"

[[domain]]
name = "worker"
memory = "2GiB"
vcpus = 2
vnodes = "auto"
"""
VNODES = """\
name,vnode,memory,vcpus,pnode,distances,page_size,memory_policy,type,priority
web,0,3GiB,0-2;5,1,10 21,2MiB,,hvm,
db,0,1GiB,0,,,,,,
web,1,1GiB,3-4,,31 10,,interleave width=2,,7
"""


def table(text: str) -> list[Domain]:
    return list(read_domains_csv(text, Path("vms.csv")).domains)


def test_a_row_is_the_domain_that_the_same_keys_are_in_toml(tmp_path: Path) -> None:
    text = DOMAINS.replace("0-7;^3", "0-7").replace('cpus = ["0-7", "^3"]', "")
    path = tmp_path / "domains.toml"
    path.write_text(TOML.replace('cpus = ["0-7", "^3"]', 'cpus = "0-7"'))
    assert table(text) == list(read_domains_toml(path).domains)


def test_shares_are_kept_exactly() -> None:
    web, _, worker = table(DOMAINS.replace("0-7;^3", "0-7"))
    assert web.access == ((Fraction(3, 4), Fraction(1, 4)), (Fraction(1, 3), Fraction(2, 3)))
    assert worker.auto_vnodes


def test_rows_of_one_name_are_the_vnodes_of_one_domain() -> None:
    web, db = table(VNODES)
    assert (web.name, web.type, web.priority, web.num_vcpus) == ("web", "hvm", 7, 6)
    assert web.vnode_pages.tolist() == [3 << 18, 1 << 18]
    assert web.vcpu_to_vnode is not None
    assert web.vcpu_to_vnode.tolist() == [0, 0, 0, 1, 1, 0]
    assert web.vnode_pnode.tolist() == [1, -1]
    assert web.distances.tolist() == [[10, 21], [31, 10]]
    assert web.page_order.tolist() == [9, 0]
    assert [memory.policy for memory in web.memory] == ["strict", "interleave"]
    assert web.memory[1].interleave_width == 2
    assert (db.num_vnodes, db.num_vcpus, db.type) == (1, 1, "pv")


def test_a_row_may_stand_for_many_domains() -> None:
    text = "name,memory,vcpus,count\nsmall,1GiB,1,3\n"
    assert [domain.name for domain in table(text)] == ["small-0", "small-1", "small-2"]


def test_a_row_may_name_a_configuration_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text('name = "a"\nmemory = 128\n')
    (tmp_path / "vms.csv").write_text("cfg,priority\na.cfg,4\n")
    (domain,) = read_domains([str(tmp_path)]).domains
    assert (domain.name, domain.priority) == ("a", 4)


def test_marks_of_other_programs_do_no_harm() -> None:
    text = "\r\n".join(["", "name , memory", "a , 1GiB", " , ", ""])
    assert [domain.name for domain in table(text)] == ["a"]


HEAD = "name,memory,vcpus,vnodes,distances,dedicated,pnodes,memory_policy,access\n"
BY_VNODE = "name,vnode,memory,vcpus,pnode,distances\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "vms.csv: name: found no such column"),
        ("name,memory\n", "vms.csv: row: found no row"),
        ("name,memori\na,1GiB\n", "vms.csv: memori: found an unknown key, expected memory?"),
        ("name,memory,memory\na,1GiB,2GiB\n", "vms.csv: memory: found the column twice"),
        ("name,memory\na,1GiB\nb,1GiB,7\n", "vms.csv:3: row: found 3 cells, expected 2"),
        ('name,memory\na,"1GiB\n', "vms.csv:2: CSV: found"),
        (HEAD + "a,1,1,,,,,,\n", "vms.csv:2: memory: found '1', expected a size with its unit"),
        (HEAD + "a,1GiB,many,,,,,,\n", "vms.csv:2: vcpus: found 'many', expected a whole number"),
        (HEAD + "a,1GiB,1,2,10 x,,,,\n", "vms.csv:2: distances: found 'x', expected whole numbers"),
        (HEAD + "a,1GiB,1,2,,perhaps,,,\n", "vms.csv:2: dedicated: found 'perhaps'"),
        (HEAD + "\n\na,1GiB,1,2,,,0,,\n", "vms.csv:4: pnodes: found 1 entries, expected 2"),
        (HEAD + "a,1GiB,1,1,,,,sticky,\n", "vms.csv:2: memory_policy: found 'sticky'"),
        (HEAD + "a,1GiB,1,1,,,,,a b\n", "vms.csv:2: access: found"),
        (HEAD + "a,1GiB,1,1,,,,,\na,1GiB,1,1,,,,,\n", "vms.csv: domain: found 2 domains named 'a'"),
        (BY_VNODE + ",0,1GiB,0,,\n", "vms.csv:2: name: found nothing"),
        (BY_VNODE + "a,1,1GiB,0,,\n", "vms.csv:2: vnode: found '1', expected each of 0 to 0"),
        (BY_VNODE + "a,0,,0,,\n", "vms.csv:2: memory: found nothing"),
        (BY_VNODE + "a,0,1GiB,,,\n", "vms.csv:2: vcpus: found no vcpu 0"),
        (BY_VNODE + "a,0,1GiB,0-3,,\na,1,1GiB,3,,\n", "vms.csv:3: vcpus: found vcpu 3 again"),
        (BY_VNODE + "a,0,1GiB,0-99999,,\n", "vms.csv:2: vcpus: found '0-99999'"),
        (BY_VNODE + "a,0,1GiB,0,x,\n", "vms.csv:2: pnode: found 'x'"),
        (BY_VNODE + "a,0,1GiB,0,,10 20\n", "vms.csv:2: distances: found"),
    ],
)
def test_a_fault_names_file_line_and_column(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        table(text)
    assert told in str(caught.value).splitlines()[0]


def test_rows_of_a_domain_that_disagree_are_told() -> None:
    with pytest.raises(InputError, match=r"vms\.csv:3: type: found 'pv', expected the same in"):
        table("name,vnode,memory,vcpus,type\na,0,1GiB,0,hvm\na,1,1GiB,1,pv\n")


def test_the_tables_of_the_documentation_are_read(project_root: Path) -> None:
    page = (project_root / "docs" / "domains.md").read_text(encoding="utf-8")
    of_domains, of_vnodes = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    assert [domain.name for domain in table(of_domains)] == [
        "web",
        "db",
        *(f"worker-{number}" for number in range(4)),
    ]
    (web,) = table(of_vnodes)
    assert web.num_vnodes == 2
    assert web.memory[1].interleave_width == 2
