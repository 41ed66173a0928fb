"""Which engine answers what: a domain too large for one proof goes through several."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from placer.answer import Answer, Limits
from placer.check import check_placement
from placer.cost import level_values
from placer.pipeline import find_answer
from placer.units import COST_UNITS, LOCAL_DISTANCE
from tests.quadratic.large_domains import draw_large


def cost_of(answer: Answer) -> tuple[int, int]:
    """The value and the bound of the cost."""
    level = next(level for level in answer.levels if level.name == "cost")
    return level.value, level.bound


@pytest.mark.parametrize("fixed", [True, False])
def test_a_large_domain_is_answered_within_its_time_above_what_every_access_at_home_costs(
    fixed: bool,
) -> None:
    problem = draw_large(4, fixed=fixed)
    answer = find_answer(problem, Limits(time_limit=4.0))
    local = problem.domains[0].num_vcpus * LOCAL_DISTANCE * COST_UNITS
    assert answer.status == "feasible"
    assert answer.placement is not None
    assert check_placement(problem, answer.placement) == ()
    value, bound = cost_of(answer)
    assert local <= bound < value
    assert level_values(problem, answer.placement)["cost"] == value


def test_the_start_is_told_before_the_encoding_goes_on_from_it() -> None:
    told: list[str] = []
    answer = find_answer(draw_large(5), Limits(time_limit=4.0), told.append)
    costs = [
        int(line.split()[1]) for line in told if line.startswith("cost: ") and "1 placed" in line
    ]
    assert costs
    assert costs == sorted(costs, reverse=True)
    assert cost_of(answer)[0] <= costs[-1]


def test_ctrl_c_during_the_walks_of_a_large_domain_gives_the_best_so_far() -> None:
    problem = draw_large(6, num_vnodes=24, num_pnodes=32)
    timer = threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    answer = find_answer(problem, Limits())
    timer.join()
    assert answer.interrupted
    assert answer.status == "feasible"
    assert answer.placement is not None
    assert check_placement(problem, answer.placement) == ()
    value, bound = cost_of(answer)
    assert bound < value
