"""The fleets of the benchmark: what they are like, drawn and stored, and a small run of it."""

import csv
import io
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fleet
from benchmarks.fleet_instance import (
    DOMAINS,
    PROPERTIES,
    describe,
    is_profiled,
    measure,
    read_instance,
    read_shapes,
    write_instance,
)
from benchmarks.generate_fleet import (
    PAGES_PER_GIB,
    FleetShapes,
    count_left_out,
    expand,
    make_fleet,
    make_shapes,
)
from placer.errors import ModelError
from placer.problem import Problem
from placer.read.sources import read_domains, read_hosts
from placer.solve import Solution, SolveOptions, solve

FOLDER = Path(__file__).resolve().parent.parent / "datasets" / "fleet"
STORED: dict[str, tuple[int, int, float, int] | tuple[int, int, float, int, float]] = {
    "1000x100-85": (1000, 100, 0.85, 1),
    "1000x100-97": (1000, 100, 0.97, 1),
    "1000x100-memory97": (1000, 100, 0.85, 1, 0.97),
    "10000x1000-85": (10_000, 1000, 0.85, 1),
    "100000x10000-85": (100_000, 10_000, 0.85, 1),
    "small": (40, 4, 0.85, 5),
}
LARGE = [name for name in STORED if name != "small"]
DRAWN = [(200, 20, 0.85, 1), (150, 20, 0.7, 2), (400, 40, 0.97, 3), (5000, 300, 0.9, 4)]


def same(left: FleetShapes, right: FleetShapes) -> bool:
    return (left.hosts, left.num_hosts, left.domains, left.num_domains) == (
        right.hosts,
        right.num_hosts,
        right.domains,
        right.num_domains,
    )


@cache
def shapes_of(name: str) -> FleetShapes:
    return read_shapes(stored(name))


def stored(name: str) -> Path:
    return FOLDER / f"{name}{DOMAINS}"


def hard(shapes: FleetShapes, fill: float, memory_fill: float | None = None) -> None:
    """Hold a fleet against what the benchmark promises of it."""
    found = measure(shapes)
    assert 0.5 <= found.wide_vcpus <= 0.6
    assert found.profiled_domains >= 0.2
    assert found.profiled_vcpus >= 0.2
    assert found.vcpu_fill == pytest.approx(fill, abs=0.005)
    if memory_fill is None:
        assert found.memory_fill <= found.vcpu_fill
    else:
        assert found.memory_fill == pytest.approx(memory_fill, abs=0.005)
    assert found.vcpu_fill >= 0.7 - 0.005
    assert 30 <= len(shapes.domains) <= 50
    assert len(shapes.hosts) == 6
    assert {host.num_pnodes for host in shapes.hosts} == {2, 4, 8}


@pytest.mark.parametrize("name", LARGE)
def test_a_stored_fleet_is_hard_and_as_full_as_its_name_says(name: str) -> None:
    shapes = shapes_of(name)
    num_domains, num_hosts, fill, _, *memory_fill = STORED[name]
    assert (sum(shapes.num_domains), sum(shapes.num_hosts)) == (num_domains, num_hosts)
    hard(shapes, fill, *memory_fill)


@pytest.mark.parametrize("name", STORED)
def test_a_stored_fleet_is_what_its_seed_draws(name: str) -> None:
    assert same(shapes_of(name), make_shapes(*STORED[name]))


@pytest.mark.parametrize("arguments", DRAWN)
def test_a_drawn_fleet_is_hard_and_as_full_as_asked(
    arguments: tuple[int, int, float, int],
) -> None:
    shapes = make_shapes(*arguments)
    assert (sum(shapes.num_domains), sum(shapes.num_hosts)) == arguments[:2]
    hard(shapes, arguments[2])


def test_equal_arguments_give_equal_fleets_and_other_seeds_give_others() -> None:
    first = make_fleet(60, 6, 0.85, 7)
    assert first == make_fleet(60, 6, 0.85, 7)
    assert first != make_fleet(60, 6, 0.85, 8)


@pytest.mark.parametrize("name", ["small", "1000x100-85", "10000x1000-85"])
def test_best_fit_places_a_fleet_at_85_percent_whole(name: str) -> None:
    assert count_left_out(shapes_of(name)) == 0


@pytest.mark.parametrize("name", ["1000x100-97", "1000x100-memory97"])
def test_best_fit_leaves_domains_out_of_a_fleet_at_97_percent(name: str) -> None:
    assert count_left_out(shapes_of(name)) > 0


@pytest.mark.parametrize(
    ("name", "partial"),
    [("1000x100-85", False), ("1000x100-97", True), ("1000x100-memory97", True)],
)
def test_domains_may_be_left_out_of_the_fuller_fleets_alone(name: str, partial: bool) -> None:
    assert read_instance(stored(name)).allow_partial is partial


@pytest.mark.parametrize("name", STORED)
def test_domains_have_whole_gib_equal_vnodes_and_mostly_priority_1(name: str) -> None:
    shapes = shapes_of(name)
    priorities: Counter[int] = Counter()
    for domain, count in zip(shapes.domains, shapes.num_domains, strict=True):
        assert domain.memory_pages % PAGES_PER_GIB == 0
        assert len(set(domain.vnode_pages.tolist())) == 1
        if domain.vcpu_to_vnode is not None:
            assert len(set(np.bincount(domain.vcpu_to_vnode).tolist())) == 1
        priorities[domain.priority] += count
    assert priorities[1] > 0.8 * sum(priorities.values())
    assert set(priorities) <= {1, 2, 5}


def test_every_wide_domain_fits_a_host_of_its_fleet() -> None:
    shapes = shapes_of("1000x100-85")
    for domain in shapes.domains:
        alone = replace(shapes, domains=(domain,), num_domains=(1,))
        assert count_left_out(alone) == 0


def test_a_wide_domain_fits_no_pnode_and_a_profile_takes_two_vnodes() -> None:
    shapes = shapes_of("1000x100-85")
    by_name = {domain.name: domain for domain in shapes.domains}
    assert shapes.is_wide(by_name["m5.24xlarge-8n"])
    assert not shapes.is_wide(by_name["m6i.8xlarge-1n"])
    assert is_profiled(by_name["m5.24xlarge-8n-chain"])
    assert not is_profiled(by_name["m5.24xlarge-8n"])
    assert not is_profiled(by_name["m6i.large-1n"])


def test_equal_domains_share_their_arrays() -> None:
    problem = make_fleet(60, 6, 0.85, 1)
    kinds: dict[str, set[int]] = {}
    for domain in problem.domains:
        kinds.setdefault(domain.name.rpartition("-")[0], set()).add(id(domain.vnode_pages))
    assert len(kinds) < len(problem.domains)
    assert all(len(arrays) == 1 for arrays in kinds.values())


def test_classes_are_spread_over_the_order_of_the_domains() -> None:
    domains = read_instance(stored("1000x100-85")).domains
    kind = Counter(domain.name.rpartition("-")[0] for domain in domains).most_common(1)[0][0]
    places = [i for i, d in enumerate(domains) if d.name.rpartition("-")[0] == kind]
    assert max(np.diff(places)) < 3 * len(domains) / len(places)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 3, 0.85, 1), "5 domains cannot fill these hosts so far: 7 to 66 can"),
        ((100_000, 3, 0.85, 1), "100000 domains cannot fill these hosts so far: 7 to 66 can"),
        ((0, 3, 0.85, 1), "at least one domain"),
        ((5, 3, 1.5, 1), "a fill of 1.5"),
        ((5, 3, 0.85, 1, 1.5), "a memory fill of 1.5"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_can(
    arguments: tuple[int, int, float, int] | tuple[int, int, float, int, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_fleet(*arguments)


def test_a_fleet_comes_back_from_its_files(tmp_path: Path) -> None:
    shapes = make_shapes(60, 6, 0.85, 3)
    path = tmp_path / f"mine{DOMAINS}"
    write_instance(shapes, path, "a fleet")
    assert same(read_shapes(path), shapes)
    assert read_instance(path) == expand(shapes)


def test_an_instance_without_hosts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"mine{DOMAINS}"
    write_instance(make_shapes(60, 6, 0.85, 3), path, "a fleet")
    (tmp_path / "mine-hosts.csv").unlink()
    with pytest.raises(ValueError, match=r"no hosts: neither .*mine-hosts\.csv nor"):
        read_instance(path)


def test_the_program_reads_the_small_fleet_as_it_is() -> None:
    hosts, warnings = read_hosts([str(FOLDER / "small-hosts.toml")])
    found = read_domains([str(stored("small"))])
    assert not warnings
    assert not found.warnings
    small = read_instance(stored("small"))
    by_name = {domain.name: domain for domain in small.domains}
    assert {domain.name: domain for domain in found.domains} == by_name
    assert {host.name: host for host in hosts} == {host.name: host for host in small.hosts}


def test_the_table_of_fleets_is_that_of_the_files() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    expected = []
    for name in STORED:
        cells = describe(f"`{name}`", shapes_of(name))
        expected.append(f"| {' | '.join(cells)} |")
    assert rows == expected
    assert len(PROPERTIES) == rows[0].count("|") - 1


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, list[dict[str, str]], str]:
    code = fleet.main(args)
    captured = capsys.readouterr()
    return code, list(csv.DictReader(io.StringIO(captured.out))), captured.err


TINY = ("--domains", "20", "--hosts", "3", "--fill", "0.85", "--seed", "1", "--seconds", "20")


def test_the_benchmark_prints_placers_row_first_and_the_baselines_below(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, rows, told = run(capsys, *TINY)
    assert code == 0
    assert tuple(rows[0]) == fleet.COLUMNS
    assert len(rows) >= 2
    ours = rows[0]
    assert (ours["domains"], ours["hosts"], ours["placed"], ours["unplaced"]) == (
        "20",
        "3",
        "20",
        "0",
    )
    value, bound = int(ours["cost"]), int(ours["bound"])
    assert 0 < bound <= value
    assert float(ours["gap_percent"]) == pytest.approx(100 * (value - bound) / value, abs=1e-4)
    assert float(ours["peak_mib"]) > 0
    assert "row 1: " in told
    assert "row 2: libxl" in told
    assert "  cost: " in told


def test_the_benchmark_reads_a_stored_fleet(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / f"mine{DOMAINS}"
    write_instance(make_shapes(20, 3, 0.85, 1), path, "a fleet")
    _, drawn, _ = run(capsys, *TINY)
    code, rows, _ = run(capsys, "--instance", str(path), "--seconds", "20")
    assert code == 0
    assert rows[0]["cost"] == drawn[0]["cost"]


def test_the_benchmark_exits_with_5_where_the_checker_finds_a_violation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(problem: Problem, options: SolveOptions, progress: object = None) -> Solution:
        solution = solve(problem, options)
        assert solution.score is not None
        return replace(solution, score=replace(solution.score, violations=("C1 memory",)))

    def refused(problem: Problem, options: SolveOptions, progress: object = None) -> Solution:
        raise ModelError("the checker refuses the solver's placement: C1 memory")

    monkeypatch.setattr("benchmarks.fleet.solve", broken)
    code, rows, told = run(capsys, *TINY)
    assert (code, len(rows) >= 1) == (5, True)
    assert "violations: ('C1 memory',)" in told
    monkeypatch.setattr("benchmarks.fleet.solve", refused)
    code, rows, told = run(capsys, *TINY)
    assert (code, rows) == (5, [])
    assert "the checker refuses" in told


def test_the_benchmark_exits_with_2_where_the_fleet_cannot_be_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, rows, told = run(capsys, "--domains", "5", "--hosts", "3")
    assert (code, rows) == (2, [])
    assert "cannot fill these hosts" in told
