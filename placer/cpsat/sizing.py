"""C4's last resort: vnodes of unequal sizes, where no equal split can be placed."""

from __future__ import annotations

import numpy as np
from ortools.sat.python import cp_model

from placer.arrays import Ints
from placer.cpsat.constraints import add_constraints
from placer.cpsat.variables import Expr, Variables, new_solver, total
from placer.problem import Problem


def find_unequal_sizes(
    problem: Problem,
    *,
    seed: int,
    workers: int,
    time_limit: float | None,
    work: float | None = None,
) -> tuple[dict[str, Ints], bool]:
    """Return the vnode sizes of the domains that only an unequal split can place.

    As few domains as possible are split unequally; then the differences between
    largest and smallest vnode are least, then the vnodes fewest. Empty where
    there is no such placement, or none was found in time (``time_limit`` in seconds,
    ``work`` in deterministic time). The second value says whether all that was proven.
    """
    v = Variables(problem, spill=True, sized=True)
    add_constraints(v)
    sized = [item for item in v.items if item.sized]
    differences: list[Expr] = []
    for item in sized:
        most = item.domain.memory_pages
        widest = v.model.new_int_var(0, most, "")
        for i in range(item.num_vnodes):
            for j in range(item.num_vnodes):
                apart = v.sized_pages(item, i) - v.sized_pages(item, j)
                v.model.add(widest >= apart).only_enforce_if(v.placed[item.number])
        differences.append(widest)
    levels = [
        total(v.placed[item.number] for item in sized),
        total(differences),
        total(item.num_vnodes * v.placed[item.number] for item in sized),
    ]
    chosen: dict[str, Ints] = {}
    proven = True
    for level in levels:
        if isinstance(level, int):
            return {}, True
        v.model.minimize(level)
        solver = new_solver(seed=seed, workers=workers)
        if time_limit is not None:
            solver.parameters.max_time_in_seconds = time_limit / len(levels)
        if work is not None:
            solver.parameters.max_deterministic_time = work / len(levels)
        status = solver.solve(v.model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return chosen, status == cp_model.INFEASIBLE
        proven = proven and status == cp_model.OPTIMAL
        chosen = {
            item.domain.name: np.array(
                [solver.value(v.sized_pages(item, i)) for i in range(item.num_vnodes)]
            )
            for item in sized
            if solver.boolean_value(v.placed[item.number])
        }
        v.model.add(level <= solver.value(level))
    return chosen, proven
