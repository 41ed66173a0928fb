"""Questions that want any placement, or a good one, within one bound of work for all of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

from ortools.sat.python import cp_model

from placer.answer import Answer, Limits
from placer.cpsat.constraints import add_constraints
from placer.cpsat.extract import extract_placement
from placer.cpsat.search import search
from placer.cpsat.sizing import find_unequal_sizes
from placer.cpsat.symmetry import break_symmetry
from placer.cpsat.timebox import SOLVED, TimeBox
from placer.cpsat.variables import Variables
from placer.policy import DISTANCE
from placer.problem import Problem
from placer.quadratic.one_domain import place_any, place_one, place_soon

_ENCODING_WORK: Final = 0.003
"""What a question costs before it is solved, beside a thousandth of that for each term."""

_BEST_SHARE: Final = 0.03
"""One search for the least cost takes at most so much of all the work."""

_SHARE: Final = 0.25
"""One question takes at most so much of the work that is left."""


class Questions:
    """Answers whether problems can be placed, until ``work`` units of solving are used up.

    A unit is about a second (CP-SAT's deterministic time; the making of models is
    counted by their size), so that equal questions in equal order have equal answers;
    the time limit of ``limits`` stops it too. The least cost is searched for only where
    ``thorough`` is set or a quadratic core says it at once; else a question for the best
    placement has any for an answer, whose status is ``feasible``. Ctrl-C raises
    KeyboardInterrupt.
    """

    def __init__(self, limits: Limits, work: float, *, thorough: bool = True) -> None:
        self.limits = limits
        self.box = TimeBox(limits, work=work)
        self._best_work = _BEST_SHARE * work if thorough else 0.0

    def __call__(self, problem: Problem, *, best: bool = False) -> Answer:
        """Return any placement of all domains of ``problem``, or with ``best`` the least-cost one.

        ``infeasible`` is proven; ``unknown`` where the work was not enough.
        """
        if self.box.is_over():
            return Answer(status="unknown")
        self.box.meter.charge(_ENCODING_WORK * (1 + _num_terms(problem) / 1000))
        problem = replace(problem, policy=DISTANCE, cost_slack=Fraction(0))
        left = self.box.meter.left or 0.0
        chosen = any(domain.auto_vnodes for domain in problem.domains)
        answer = self._place_by_hand(problem, best=best)
        if answer is None and best and (self._best_work or chosen):
            work = min(_SHARE * left, self._best_work or left)
            box = TimeBox(self.limits, work=work, within=self.box)
            soon = place_soon(problem, self.limits)
            start = None if soon is None else soon.placement
            answer = search(problem, self.limits, start=start, box=box, in_order=False)
        box = TimeBox(self.limits, work=_SHARE * left, within=self.box)
        if answer is None or (answer.status == "unknown" and not chosen):
            answer = self._place(problem, box)
        if answer.status == "infeasible" and any(d.auto_vnodes for d in problem.domains):
            answer = self._place_unequally(problem, box)
        if self.box.stopped() or answer.interrupted:
            raise KeyboardInterrupt
        return answer

    def _place_by_hand(self, problem: Problem, *, best: bool) -> Answer | None:
        """The answer for one plain domain, which needs no encoding; None for others."""
        if not best:
            return place_any(problem)
        if self._best_work:
            return place_one(problem, self.limits)
        return place_soon(problem, self.limits)

    def _place(self, problem: Problem, box: TimeBox) -> Answer:
        v = Variables(problem, spill=True)
        add_constraints(v)
        break_symmetry(v)
        status, solver, _ = box.solve(v.model, lambda *_: "looking for reasons", first_will_do=True)
        if status in SOLVED:
            return Answer(status="feasible", placement=extract_placement(v, solver))
        return Answer(status="infeasible" if status == cp_model.INFEASIBLE else "unknown")

    def _place_unequally(self, problem: Problem, box: TimeBox) -> Answer:
        """C4's last resort: vnodes of unequal sizes."""
        seconds = box.seconds_left()
        sizes, proven = find_unequal_sizes(
            problem,
            seed=self.limits.seed,
            workers=self.limits.workers,
            time_limit=None if seconds is None else max(seconds, 0.001),
            work=max(box.meter.left or 0.0, 0.001),
        )
        if not sizes:
            return Answer(status="infeasible" if proven else "unknown")
        return search(problem, self.limits, sizes=sizes, box=box, in_order=False)


def _num_terms(problem: Problem) -> int:
    """About how many terms an encoding has: vnodes by pnodes, and vcpus."""
    pnodes = sum(host.num_pnodes for host in problem.hosts)
    return sum(domain.num_vnodes * pnodes + domain.num_vcpus for domain in problem.domains)
