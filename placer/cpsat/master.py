"""The relaxed master of column generation: which host carries which configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ortools.linear_solver import pywraplp

from placer.arrays import Ints
from placer.cpsat.meter import Meter
from placer.errors import ModelError
from placer.units import COST_UNITS

Floats = npt.NDArray[np.float64]


_CELL_WORK = 5e-8
"""Deterministic time for each row and column together, as measured where a unit is two seconds."""

_ADDING_WORK = 1e-5
"""And for each column that is added."""

_SOLVED = (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE)


class NoRelaxationError(ModelError):
    """The solver of linear programs gave up."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Duals:
    """The prices of a relaxed master, in cost units.

    ``cover[c]`` is what one more domain of class c costs, ``hosts[t]`` what one more host
    of type t would save, ``priority`` what a unit of priority costs.
    """

    cover: Floats
    hosts: Floats
    priority: float


class RelaxedMaster:
    """The linear relaxation over columns, solved again as columns come.

    Least cost such that the domains carried have a priority of ``keep`` in all; of
    class c at most ``counts[c]``, of type t at most ``hosts[t]`` columns. ``lack[c]`` is how
    many of class c the last answer leaves uncovered, where that is allowed. ``meter`` is told
    about how long it takes, by its size.
    """

    def __init__(
        self,
        counts: Ints,
        priorities: Ints,
        hosts: list[int],
        keep: int,
        meter: Meter | None = None,
    ) -> None:
        self.meter = meter or Meter()
        self.solver = pywraplp.Solver.CreateSolver("GLOP")
        solver = self.solver
        self.objective = solver.Objective()
        self.objective.SetMinimization()
        self.cover = [solver.Constraint(0.0, solver.infinity()) for _ in counts]
        self.of_type = [solver.Constraint(-solver.infinity(), float(number)) for number in hosts]
        self.keep = solver.Constraint(float(keep), solver.infinity())
        for number, count in enumerate(counts.tolist()):
            wanted = solver.NumVar(0.0, float(count), "")
            self.cover[number].SetCoefficient(wanted, -1.0)
            self.keep.SetCoefficient(wanted, float(priorities[number]))
        self.columns: list[pywraplp.Variable] = []
        self.lacking: list[pywraplp.Variable] = []
        self.lack: Floats = np.zeros(0)

    def allow_lack(self, penalties: Floats) -> None:
        """Let each class be uncovered at a penalty in cost units, so that there is an answer."""
        for number, penalty in enumerate(penalties.tolist()):
            lack = self.solver.NumVar(0.0, self.solver.infinity(), "")
            self.cover[number].SetCoefficient(lack, 1.0)
            self.objective.SetCoefficient(lack, penalty / COST_UNITS)
            self.lacking.append(lack)

    def change_penalties(self, penalties: Floats) -> None:
        """Give ``allow_lack`` other penalties."""
        for lack, penalty in zip(self.lacking, penalties.tolist(), strict=True):
            self.objective.SetCoefficient(lack, penalty / COST_UNITS)

    def add(self, host_type: int, shapes: Ints, amounts: Ints, cost: int) -> None:
        """Add a column: ``amounts`` of the classes ``shapes`` on a host of the type."""
        column = self.solver.NumVar(0.0, self.solver.infinity(), "")
        for shape, amount in zip(shapes.tolist(), amounts.tolist(), strict=True):
            self.cover[shape].SetCoefficient(column, float(amount))
        self.of_type[host_type].SetCoefficient(column, 1.0)
        self.objective.SetCoefficient(column, cost / COST_UNITS)
        self.columns.append(column)
        self.meter.charge(_ADDING_WORK)

    def solve(self) -> tuple[float, Duals]:
        """Return the value in cost units and the duals; NoRelaxationError where there is none."""
        rows = len(self.cover) + len(self.of_type)
        self.meter.charge(_CELL_WORK * rows * (rows + len(self.columns)))
        status = self.solver.Solve()
        if status not in _SOLVED:
            self._solve_anew(status)
        duals = Duals(
            cover=np.maximum([row.dual_value() * COST_UNITS for row in self.cover], 0.0),
            hosts=np.maximum([-row.dual_value() * COST_UNITS for row in self.of_type], 0.0),
            priority=max(self.keep.dual_value() * COST_UNITS, 0.0),
        )
        self.lack = np.array([lack.solution_value() for lack in self.lacking])
        return self.objective.Value() * COST_UNITS, duals

    def _solve_anew(self, status: int) -> None:
        """Solve from nothing: on the way from one answer to the next precision may get lost."""
        for algorithm in (pywraplp.MPSolverParameters.PRIMAL, pywraplp.MPSolverParameters.DUAL):
            parameters = pywraplp.MPSolverParameters()
            parameters.SetIntegerParam(
                pywraplp.MPSolverParameters.INCREMENTALITY,
                pywraplp.MPSolverParameters.INCREMENTALITY_OFF,
            )
            parameters.SetIntegerParam(pywraplp.MPSolverParameters.LP_ALGORITHM, algorithm)
            if self.solver.Solve(parameters) in _SOLVED:
                return
        raise NoRelaxationError(f"the relaxed master has no answer, status {status}")

    def amounts(self) -> Floats:
        """Return how often each column is used in the answer."""
        return np.array([column.solution_value() for column in self.columns])


@dataclass(frozen=True, eq=False, kw_only=True)
class Column:
    """What one host of a type may carry: pieces (class, pattern), amounts by class, cost."""

    host_type: int
    pieces: tuple[tuple[int, int], ...]
    shapes: Ints
    amounts: Ints
    cost: int
