"""A fleet in parts: whole again afterwards, with the bounds of the whole, from any engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.engine import ENGINES, Engine, EngineName, Failure, Serial, open_engine
from placer.engine.deal import Answers
from placer.errors import EngineError
from placer.parts import find_answer_by_parts
from placer.pipeline import find_answer
from placer.problem import Group, Problem
from placer.record import plain_values
from placer.solve import SolveOptions, solve
from tests.builders import every_vcpu, make_domain, make_host, make_problem
from tests.random_problems import draw_batch
from tests.test_answers import assert_sound

GIB = 1 << 18


def batch(num_hosts: int = 6) -> Problem:
    """Twelve domains for each two hosts, some with what patterns do not know."""
    hosts = [make_host([16 * GIB] * 2, cpus=8, name=f"h{n}") for n in range(num_hosts)]
    domains = []
    for n in range(2 * num_hosts):
        domains += [
            make_domain([2 * GIB, 2 * GIB], 2, name=f"wide-{n}", distinct_pnodes=True),
            make_domain([3 * GIB], 2, name=f"pinned-{n}", hard_affinity=every_vcpu("0-7", 2)),
            make_domain([GIB], 1, name=f"pair-{n}", groups=(f"pair-{n // 2}",)),
        ]
    groups = tuple(Group(name=f"pair-{n}", keep="apart") for n in range(num_hosts))
    return make_problem(hosts, *domains, groups=groups)


def by_parts(problem: Problem, engine: Engine | None = None, **limits: Any) -> Answer:
    return find_answer_by_parts(problem, Limits(**limits), 3, engine or Serial())


def test_parts_are_one_placement_with_the_bounds_of_the_whole() -> None:
    problem = batch()
    answer = by_parts(problem, work=4.0)
    assert_sound(problem, answer)
    assert answer.placement is not None
    assert not answer.placement.unplaced
    cost = {level.name: level for level in answer.levels}["cost"]
    whole = {level.name: level for level in find_answer(problem, Limits(work=4.0)).levels}["cost"]
    assert cost.bound <= whole.value
    assert whole.bound <= cost.value


@pytest.mark.parametrize("name", ENGINES[1:])
def test_parts_are_solved_alike_by_every_engine(name: EngineName) -> None:
    problem = batch()
    expected = by_parts(problem, work=1.0).placement
    found = by_parts(problem, open_engine(name, workers=2), work=1.0).placement
    assert plain_values(found) == plain_values(expected)


def test_what_no_part_could_take_is_placed_in_the_end() -> None:
    problem = batch(4)
    tied = (
        make_domain([GIB], name="here", hosts=("h0",), groups=("tied",)),
        make_domain([GIB], name="there", hosts=("h1",), groups=("tied",)),
        make_domain([GIB], name="far", hosts=("h2",), groups=("tied",)),
    )
    asked = make_problem(
        problem.hosts,
        *problem.domains,
        *tied,
        groups=(*problem.groups, Group(name="tied", keep="apart")),
    )
    answer = by_parts(asked, work=4.0)
    assert_sound(asked, answer)
    assert answer.placement is not None
    homes = {placed.domain: placed.host for placed in answer.placement.domains}
    assert [homes[name] for name in ("here", "there", "far")] == ["h0", "h1", "h2"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_any_batch_in_parts_keeps_the_rules(seed: int) -> None:
    problem = draw_batch(seed)
    assert_sound(problem, by_parts(problem, time_limit=4))


def test_a_fleet_of_plain_domains_starts_from_what_its_parts_found() -> None:
    hosts = [make_host([16 * GIB] * 2, cpus=8, name=f"h{n}") for n in range(8)]
    domains = [make_domain([2 * GIB] * (1 + n % 2), 1 + n % 2, name=f"vm{n}") for n in range(60)]
    problem = make_problem(hosts, *domains)
    answer = by_parts(problem, work=2.0)
    assert_sound(problem, answer)
    assert answer.placement is not None
    assert not answer.placement.unplaced
    assert answer.status == "optimal"


class _Stub:
    """An engine that solves the first part, and then does what it is told."""

    workers = 1

    def __init__(
        self, then: Exception | KeyboardInterrupt | Failure, *, in_time: bool = True
    ) -> None:
        self.then = then
        self.in_time = in_time

    def run(self, task: Any, shared: Any, items: Sequence[Any]) -> Answers:
        """See `placer.engine.Engine.run`."""
        answer = task(shared, [items[0]])[0]
        if self.in_time:
            yield 0, answer
        if isinstance(self.then, Failure):
            yield 1, self.then
        else:
            raise self.then


@pytest.mark.parametrize("in_time", [True, False])
def test_ctrl_c_gives_what_there_is_and_what_fits_beside_it(in_time: bool) -> None:
    problem = batch()
    answer = by_parts(problem, _Stub(KeyboardInterrupt(), in_time=in_time), work=4.0)
    assert answer.interrupted
    assert answer.placement is not None
    assert check_placement(problem, answer.placement) == ()
    assert not answer.placement.unplaced


def test_a_part_that_no_worker_could_solve_is_an_error() -> None:
    with pytest.raises(EngineError, match="a part of the fleet could not be solved: it was lost"):
        by_parts(batch(), _Stub(Failure("it was lost")), work=4.0)


def test_parts_are_an_option_of_solving() -> None:
    solution = solve(batch(4), SolveOptions(parts=2, work=2.0))
    assert solution.score is not None
    assert solution.score.violations == ()
    assert solution.score.placed == 24
    with pytest.raises(ValueError, match="parts is 0, expected 1 or more"):
        SolveOptions(parts=0)
