import os
from pathlib import Path

import pytest

from placer.errors import Fault, InputError
from placer.problem import Problem
from placer.read.host_formats import read_parts
from placer.read.sources import read_domains, read_hosts
from placer.report.folder import write_run
from placer.run import Run
from placer.solve import SolveOptions, solve
from tests.read.captures import CAPTURES

SEED = Path(__file__).parents[2] / "datasets" / "seed"
HOST = '[[host]]\nname = "{}"\n[[host.pnode]]\ntotal = "1GiB"\npcpus = "0"\n'
CFG = 'name = "{}"\nmemory = 128\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with guests a and b, an inventory, and a domains.toml that names a."""
    (tmp_path / "a.cfg").write_text(CFG.format("a"))
    (tmp_path / "b.cfg").write_text(CFG.format("b"))
    (tmp_path / "domains.toml").write_text(
        'policy = "pack"\n[[group]]\nname = "g"\nkeep = "apart"\n'
        '[[domain]]\ncfg = "a.cfg"\ngroups = ["g"]\n[[domain]]\nname = "c"\nmemory = "1GiB"\n'
    )
    (tmp_path / "hosts.toml").write_text(HOST.format("h"))
    (tmp_path / "notes.txt").write_text("nothing to read")
    return tmp_path


def names(args: list[str]) -> list[str]:
    return [domain.name for domain in read_domains(args).domains]


def host_names(args: list[str]) -> list[str]:
    return [host.name for host in read_hosts(args)[0]]


def test_domains_keep_the_order_of_the_arguments(folder: Path) -> None:
    b, domains = str(folder / "b.cfg"), str(folder / "domains.toml")
    assert names([b, domains]) == ["b", "a", "c"]
    assert names([domains, b]) == ["a", "c", "b"]


def test_a_folder_stands_for_its_configurations_in_the_order_of_their_names(
    folder: Path,
) -> None:
    found = read_domains([str(folder)])
    assert [domain.name for domain in found.domains] == ["b", "a", "c"]
    assert found.domains[1].groups == ("g",)
    assert [group.name for group in found.groups] == ["g"]
    assert found.policy == "pack"


def test_a_glob_stands_for_the_files_it_matches(folder: Path) -> None:
    assert names([str(folder / "*.cfg")]) == ["a", "b"]
    assert names([str(folder / "**")]) == ["b", "a", "c"]
    assert names([str(folder / "[ab].cfg")]) == ["a", "b"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(folder: Path) -> None:
    (folder / "[ab].cfg").write_text(CFG.format("odd"))
    assert names([str(folder / "[ab].cfg")]) == ["odd"]


def test_an_xl_configuration_may_have_any_name_but_toml(folder: Path) -> None:
    (folder / "guest").write_text(CFG.format("plain"))
    assert names([str(folder / "guest")]) == ["plain"]


def test_a_domain_named_twice_is_a_fault_with_both_sources(folder: Path) -> None:
    (folder / "other.cfg").write_text(CFG.format("a"))
    with pytest.raises(InputError) as caught:
        read_domains([str(folder / "a.cfg"), str(folder / "other.cfg")])
    (fault,) = caught.value.faults
    assert fault.source.endswith("other.cfg")
    assert str(folder / "a.cfg") in fault.found
    with pytest.raises(InputError, match="there twice"):
        read_domains([str(folder / "a.cfg"), str(folder / "a.cfg")])


def test_sets_may_not_contradict_each_other(folder: Path) -> None:
    other = folder / "other.toml"
    other.write_text(
        'policy = "spread"\n[[group]]\nname = "g"\nkeep = "together"\n'
        '[[domain]]\nname = "d"\nmemory = "1GiB"\n'
    )
    with pytest.raises(InputError) as caught:
        read_domains([str(folder / "domains.toml"), str(other)])
    assert [fault.field for fault in caught.value.faults] == ["group", "policy"]
    other.write_text(other.read_text().replace("spread", "pack").replace("together", "apart"))
    found = read_domains([str(folder / "domains.toml"), str(other)])
    assert (found.policy, len(found.groups)) == ("pack", 1)


def test_the_faults_of_all_arguments_come_at_once(folder: Path) -> None:
    (folder / "bad.cfg").write_text("memory = 128\n")
    with pytest.raises(InputError) as caught:
        read_domains([str(folder / "none.cfg"), str(folder / "bad.cfg"), str(folder / "*.xm")])
    sources = [Path(fault.source).name for fault in caught.value.faults]
    assert sources == ["none.cfg", "bad.cfg", "*.xm"]


def test_warnings_are_kept_where_reading_fails(folder: Path) -> None:
    (folder / "bad.cfg").write_text('memory = 128\nbuilder = "hvm"\n')
    warnings: list[Fault] = []
    with pytest.raises(InputError):
        read_domains([str(folder / "bad.cfg")], warnings=warnings)
    assert [warning.field for warning in warnings] == ["builder"]


@pytest.mark.parametrize(
    "arg",
    ["none.cfg", "none", "*.cfg", "", "\0", "a\0*", "x" * 5000, "[", "empty", "pipe", "dangling"],
)
def test_what_cannot_be_read_is_one_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arg: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    for read in (read_hosts, read_domains):
        with pytest.raises(InputError) as caught:
            read([arg])
        assert len(caught.value.faults) == 1


def test_a_pipe_in_a_folder_does_not_stop_the_reading(folder: Path) -> None:
    os.mkfifo(folder / "pipe.cfg")
    with pytest.raises(InputError) as caught:
        read_domains([str(folder)])
    (fault,) = caught.value.faults
    assert fault.source.endswith("pipe.cfg")


def test_no_argument_is_a_fault() -> None:
    for read in (read_hosts, read_domains):
        with pytest.raises(InputError, match="found none"):
            read([])


def test_the_seeds_guests_are_read_from_their_folder_but_need_the_fallback() -> None:
    with pytest.raises(InputError) as caught:
        read_domains([str(SEED)])
    assert {Path(fault.source).name for fault in caught.value.faults} == {"rcbig.cfg"}
    found = read_domains([str(SEED)], fallback=True)
    assert [domain.name for domain in found.domains] == ["rc9", "rcbig"]
    assert found.warnings


def test_the_seeds_two_states_are_one_host_and_not_two() -> None:
    with pytest.raises(InputError, match="before-rc9"):
        read_hosts([str(SEED)])


def test_hosts_come_from_files_folders_globs_and_words(folder: Path) -> None:
    assert host_names([str(folder / "hosts.toml")]) == ["h"]
    assert host_names([str(folder)]) == ["h"]
    assert host_names([str(folder / "h*.toml")]) == ["h"]
    assert host_names(["pnode:2 memory:1GiB", str(folder / "hosts.toml")]) == ["host", "h"]


def test_several_synthetic_hosts_are_numbered_unless_they_are_named() -> None:
    words = "pnode:2 memory:1GiB"
    assert host_names([words, f"{words} name:big", words]) == ["host0", "big", "host2"]


def test_a_file_wins_over_a_synthetic_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memory:1GiB").write_text(HOST.format("file"))
    assert host_names(["memory:1GiB"]) == ["file"]


def test_a_host_named_twice_is_a_fault_with_both_sources(folder: Path) -> None:
    (folder / "more.toml").write_text(HOST.format("h"))
    with pytest.raises(InputError) as caught:
        read_hosts([str(folder / "*.toml")])
    (fault,) = caught.value.faults
    assert fault.source.endswith("more.toml")
    assert str(folder / "hosts.toml") in fault.found


def test_an_inventory_with_domains_in_it_is_read_as_both_and_refused(folder: Path) -> None:
    (folder / "hosts.toml").write_text(HOST.format("h") + '[[domain]]\nname = "d"\n')
    for read in (read_hosts, read_domains):
        with pytest.raises(InputError, match="unknown key"):
            read([str(folder)])


def test_warnings_of_inventories_are_returned(folder: Path) -> None:
    path = folder / "hosts.toml"
    path.write_text(path.read_text() + '[[host.pnode]]\ntotal = "1GiB"\n')
    hosts, warnings = read_hosts([str(path)])
    assert hosts[0].num_pnodes == 2
    assert [warning.field for warning in warnings] == ["host[0].distances"]


def test_a_finished_run_is_the_hosts_as_it_leaves_them(tmp_path: Path) -> None:
    domains = read_domains([str(SEED / "rcbig.cfg")], fallback=True).domains
    before = read_hosts([str(SEED / "heatpipe-before-rcbig.toml")])[0]
    problem = Problem(hosts=before, domains=domains)
    solution = solve(problem, SolveOptions())
    folder = tmp_path / "runs" / "rcbig"
    write_run(folder, Run(problem=problem, result=solution.result, frames=solution.frames), log={})
    (after,), warnings = read_hosts([str(folder)])
    assert not warnings
    assert after.source == str(folder)
    assert [domain.name for domain in after.running] == ["Domain-0", "rcbig"]
    assert after.running[1].pages.tolist() == [2097152, 2097152]
    taken = (before[0].free_pages - after.free_pages).tolist()
    assert taken == [2097152 + domains[0].overhead_pages, 2097152]
    assert read_hosts([str(tmp_path / "runs" / "*")])[0] == (after,)
    with pytest.raises(InputError, match="rcbig"):
        Problem(hosts=(after,), domains=domains)


def test_a_folder_that_is_no_run_and_holds_no_inventory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "placement.json").write_text("{}")
    with pytest.raises(InputError, match=r"no \*\.toml file with hosts"):
        read_hosts([str(tmp_path)])


def understood(path: Path) -> list[str]:
    """Return as what a file is understood; its refusals name it and say why."""
    kinds = []
    for kind, read in (("host", read_parts), ("domain", lambda path: read_domains([str(path)]))):
        try:
            read(path)
            kinds.append(kind)
        except InputError as error:
            assert str(error).startswith(str(path))
            assert ": found " in str(error)
    return kinds


def test_every_captured_file_is_understood_or_refused_with_a_reason() -> None:
    files = [path for path in CAPTURES.rglob("*") if path.is_file()]
    found = {path.relative_to(CAPTURES): understood(path) for path in files}
    as_domains = {path.name for path, kinds in found.items() if "domain" in kinds}
    as_hosts = {path.name for path, kinds in found.items() if "host" in kinds}
    assert not as_domains & as_hosts
    assert {"numatune-distances.xml", "vnuma-hvm.xml", "test-fullvirt-vnuma.cfg"} <= as_domains
    assert len(as_domains) >= 12
    assert {"debug-u.txt", "info-n.txt", "caps-test.xml", "lscpu.json"} <= as_hosts
    assert len(as_hosts) >= 35
