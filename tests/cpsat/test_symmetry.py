"""What is interchangeable is so, and one order of it is searched without a loss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat import search as searching
from placer.cpsat.items import Item
from placer.cpsat.search import search
from placer.cpsat.symmetry import equal_domains, equal_hosts, equal_vnodes, put_in_order
from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.errors import InputError
from placer.placement import Placement
from placer.problem import Group, Problem
from tests.builders import every_vcpu, make_domain, make_host, make_problem
from tests.strategies import tiny_problem

PARTS = 5


def vnodes_alike(domain: Domain) -> list[list[int]]:
    return equal_vnodes(Item(0, 0, domain))


def test_equal_vnodes_but_the_first_can_be_exchanged() -> None:
    assert vnodes_alike(make_domain([512] * 4, 4)) == [[1, 2, 3]]


@pytest.mark.parametrize(
    "fields",
    [
        {"vnode_pnode": [-1, 0, -1]},
        {"memory": (VnodeMemory(), VnodeMemory(policy="preferred"), VnodeMemory())},
        {"page_order": [0, 9, 0]},
        {"vcpu_to_vnode": [0, 1, 1]},
        {"vcpu_bounds": [(1, 1), (1, 2), (1, 1)]},
        {"distances": [[10, 20, 30], [20, 10, 20], [30, 20, 10]]},
        {"hard_affinity": (None, None, CpuList.parse("0"))},
    ],
)
def test_vnodes_that_differ_are_not_exchanged(fields: dict[str, Any]) -> None:
    assert vnodes_alike(make_domain([512] * 3, 3, **fields)) == []


def test_domains_that_differ_in_name_alone_are_equal() -> None:
    domains = [make_domain([512], name=f"vm{n}") for n in range(3)]
    domains[1] = replace(domains[1], priority=2)
    assert equal_domains(make_problem(make_host([4096]), *domains)) == [[0, 2]]


def test_a_group_tells_equal_domains_apart() -> None:
    domains = [make_domain([512], name=f"vm{n}", groups=("g",) if n else ()) for n in range(2)]
    groups = (Group(name="g", keep="apart"),)
    assert equal_domains(make_problem(make_host([4096]), *domains, groups=groups)) == []


def test_a_host_that_a_domain_names_is_like_no_other() -> None:
    hosts = [make_host([4096], name=f"h{n}") for n in range(3)]
    domain = make_domain([512], forbidden_hosts=("h1",))
    assert equal_hosts(make_problem(hosts, domain)) == [[0, 2]]


def twins(problem: Problem, seed: int) -> Problem:
    """Return the problem with equal domains, hosts and vnodes put into it."""
    rng = np.random.default_rng(seed)
    domains = []
    for domain in problem.domains:
        count = domain.num_vnodes
        if count > 1 and domain.access is None and domain.vnode_pages[1:].all():
            domain = replace(  # noqa: PLW2901
                domain,
                vnode_pages=[
                    int(domain.vnode_pages[0]),
                    *[int(domain.vnode_pages[-1])] * (count - 1),
                ],
                memory=(domain.memory[0], *[domain.memory[-1]] * (count - 1)),
                page_order=[int(domain.page_order[0])] * count,
                vnode_pnode=[-1] * count,
                vcpu_bounds=None,
            )
        domains.append(domain)
    if rng.random() < 0.7:
        domains.insert(int(rng.integers(2)), replace(domains[0], name="twin"))
    hosts = problem.hosts
    if rng.random() < 0.7:
        running = tuple(replace(run, name=f"twin-{run.name}") for run in hosts[0].running)
        hosts = (hosts[0], replace(hosts[0], name="twin", running=running), *hosts[1:])
    return replace(problem, domains=tuple(domains), hosts=hosts)


def answer_of(answer: Answer) -> object:
    """Return what of an answer must not depend on how it was searched for."""
    levels = [(level.name, level.value, level.bound) for level in answer.levels]
    placement = answer.placement or Placement(domains=())
    homes = [(placed.domain, placed.host, placed.home.tolist()) for placed in placement.domains]
    return answer.status, levels, homes


@pytest.mark.parametrize("part", range(PARTS))
def test_one_order_of_equal_things_changes_no_level_and_no_home(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = 0
    for seed in range(part, 150, PARTS):
        try:
            problem = twins(tiny_problem(seed), seed)
        except InputError:
            continue
        ordered = search(problem, Limits())
        with monkeypatch.context() as patch:
            patch.setattr(searching, "break_symmetry", lambda v: None)
            plain = search(problem, Limits())
        assert answer_of(ordered) == answer_of(plain), f"seed {seed}"
        placed += ordered.placement is not None
    assert placed >= 10


def test_a_placement_put_in_order_keeps_the_rules_and_its_levels() -> None:
    moved = 0
    for seed in range(100):
        try:
            problem = twins(tiny_problem(seed), seed)
        except InputError:
            continue
        turned = replace(
            problem, hosts=problem.hosts[::-1], domains=problem.domains[::-1], allow_partial=True
        )
        found = search(turned, Limits()).placement
        if found is None:  # what runs is never left out
            continue
        given = Placement(domains=found.domains[::-1], unplaced=found.unplaced[::-1])
        again = replace(problem, allow_partial=True)
        ordered = put_in_order(again, given)
        assert check_placement(again, ordered) == (), f"seed {seed}"
        assert level_values(again, ordered) == level_values(again, given), f"seed {seed}"
        moved += ordered.domains != given.domains
    assert moved >= 10


def test_equal_vnodes_with_masks_keep_their_masks_when_put_in_order() -> None:
    host = make_host([4096, 4096], cpus=4)
    domain = make_domain(
        [512, 512, 512], 3, vcpu_to_vnode=[0, 1, 2], hard_affinity=every_vcpu("0-7", 3)
    )
    problem = make_problem(host, domain)
    found = search(problem, Limits()).placement
    assert found is not None
    (answer,) = found.domains
    pages = np.zeros((3, 2), dtype=np.int64)
    pages[[0, 1, 2], [0, 1, 0]] = 512
    given = replace(
        answer, home=[0, 1, 0], pages=pages, vcpu_to_pnode=[0, 1, 0], vcpu_to_pcpu=[0, 4, 1]
    )
    (ordered,) = put_in_order(problem, Placement(domains=(given,))).domains
    assert ordered.home.tolist() == [0, 0, 1]
    assert ordered.vcpu_to_pcpu.tolist() == [0, 1, 4]
    assert check_placement(problem, Placement(domains=(ordered,))) == ()
