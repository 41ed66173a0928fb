"""Whoever answers in the tests of explanations, and random problems that have no answer."""

from __future__ import annotations

from collections.abc import Iterator

from placer.answer import Limits
from placer.cpsat.feasible import Questions
from placer.errors import InputError
from placer.explain.alone import place_alone
from placer.explain.asking import Asker, hosts_for
from placer.problem import Problem
from tests.random_problems import draw_problem


def new_ask() -> Questions:
    """Return an ask whose work lasts for all that a test wants to know."""
    return Questions(Limits(), work=30.0)


def new_asker() -> Asker:
    """Return an asker that may ask as often as it likes."""
    return Asker(new_ask(), most=1_000_000)


def can_be_placed(problem: Problem) -> bool:
    """Return what the solver alone says, without any count by hand."""
    answer = new_ask()(problem)
    assert answer.status in ("feasible", "optimal", "infeasible")
    return answer.placement is not None


def draw_alone(seeds: range) -> Iterator[Problem]:
    """Yield problems of one domain on one host, with any features."""
    for seed in seeds:
        problem = draw_problem(seed)
        for domain in problem.domains:
            for host in hosts_for(problem, domain):
                try:
                    yield place_alone(problem, domain, [host])
                except InputError:
                    continue  # it asks for a pnode or pcpu that the host lacks
