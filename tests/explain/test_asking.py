"""The least number that holds, and who is asked what."""

from __future__ import annotations

import pytest

from placer.answer import Answer
from placer.errors import ModelError
from placer.explain.asking import Asker, find_least
from placer.placement import Placement
from placer.problem import Problem
from tests.builders import make_domain, make_host, make_problem
from tests.explain.ask import new_ask


@pytest.mark.parametrize("least", [1, 2, 7, 50, 99, 100])
@pytest.mark.parametrize("guesses", [(), (7,), (6, 8), (1, 50, 100), (200, -3)])
def test_the_least_is_found_whatever_is_guessed(least: int, guesses: tuple[int, ...]) -> None:
    assert find_least(lambda n: n >= least, 0, 100, guesses) == least


def test_a_right_guess_needs_no_halving() -> None:
    asked: list[int] = []

    def holds(number: int) -> bool:
        asked.append(number)
        return number >= 2500

    assert find_least(holds, 0, 1_000_000, [2500]) == 2500
    assert len(asked) == 3


def test_where_nothing_holds_there_is_no_least() -> None:
    assert find_least(lambda _: False, 0, 100) is None
    assert find_least(lambda _: None, 0, 100) is None
    assert find_least(lambda _: True, 5, 5) is None


def test_what_is_told_by_hand_is_not_asked() -> None:
    def never(problem: Problem, *, best: bool = False) -> Answer:
        raise AssertionError(f"asked about {problem} with best={best}")

    asker = Asker(never, most=10)
    host = make_host([3000, 3000])
    assert asker.fits(make_problem(host, make_domain([2000, 2000], 2))) is True
    assert asker.fits(make_problem(host, make_domain([2900, 2900], 2))) is False


def test_no_more_is_asked_than_allowed() -> None:
    host = make_host([3000, 3000], distances=[[10, 255], [255, 10]])
    problem = make_problem(host, make_domain([2000, 2000], 2))
    asker = Asker(new_ask(), most=1)
    assert asker.fits(problem) is False
    assert not asker.gave_up
    assert asker.fits(problem) is None
    assert asker.gave_up


def test_a_placement_that_breaks_a_rule_is_never_offered() -> None:
    host = make_host([3000, 3000])
    small = make_problem(host, make_domain([2000], 2))
    placement = new_ask()(small).placement
    assert placement is not None

    def wrong(problem: Problem, *, best: bool = False) -> Answer:
        return Answer(status="feasible", placement=Placement(domains=placement.domains))

    with pytest.raises(ModelError, match="the checker refuses"):
        Asker(wrong, most=1).place(make_problem(host, make_domain([2500], 2)))
