"""Packing patterns onto a few hosts for the most gain, by CP-SAT over pattern counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from ortools.linear_solver import pywraplp
from ortools.sat.python import cp_model

from placer.arrays import Ints
from placer.cpsat.meter import Meter
from placer.cpsat.variables import new_solver, total
from placer.errors import ModelError

Floats = npt.NDArray[np.float64]


_BESIDE: Final = 0.02
"""Deterministic time that a packing counts beside the solver's: its model has to be built."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PackSite:
    """One host with the patterns that may go there.

    ``use[k, r]`` and ``capacity[r]`` by resource, ``gain[k]`` what the pattern is worth
    (above 0), ``shape[k]`` the class that it is of. ``hint[k]`` is how often it is
    there in an answer that is known.
    """

    use: Ints
    capacity: Ints
    gain: Ints
    shape: Ints
    hint: Ints | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Packing:
    """How often each pattern goes on each site, the gain, and a proven bound of it.

    ``counts`` is None where nothing was found; ``bound`` is None where nothing was proven.
    """

    counts: list[Ints] | None
    gain: int
    bound: int | None


def pack(
    sites: Sequence[PackSite],
    limits: Ints,
    *,
    seed: int = 0,
    workers: int = 1,
    work: float = 1.0,
    seconds: float | None = None,
    gap: int = 0,
    meter: Meter | None = None,
) -> Packing:
    """Return the counts of most gain, at most ``limits[c]`` of class c over all sites.

    Stops after ``work`` of CP-SAT's deterministic time, after ``seconds`` where given, or
    where the gain is known to ``gap``. ``meter`` is told what it has taken.
    """
    model = cp_model.CpModel()
    of_class: dict[int, list[cp_model.IntVar]] = defaultdict(list)
    most_of_class: dict[int, int] = defaultdict(int)
    counts: list[list[cp_model.IntVar]] = []
    gains: list[int] = []
    flat: list[cp_model.IntVar] = []
    for site in sites:
        most = most_counts(site.use, site.capacity)
        most = np.minimum(most, limits[site.shape])
        mine = [model.new_int_var(0, int(high), "") for high in most]
        counts.append(mine)
        for variable, shape, high in zip(mine, site.shape.tolist(), most.tolist(), strict=True):
            of_class[shape].append(variable)
            most_of_class[shape] += high
        flat.extend(mine)
        gains.extend(site.gain.tolist())
        _keep_capacity(model, site, mine, most)
        if site.hint is not None:
            for variable, value in zip(mine, site.hint.tolist(), strict=True):
                model.add_hint(variable, value)
    for shape, variables in of_class.items():
        if most_of_class[shape] > limits[shape]:
            model.add(total(variables) <= int(limits[shape]))
    model.maximize(cp_model.LinearExpr.weighted_sum(flat, gains))
    solver = new_solver(seed=seed, workers=workers)
    solver.parameters.max_deterministic_time = work
    if seconds is not None:
        solver.parameters.max_time_in_seconds = max(seconds, 0.0)
    solver.parameters.absolute_gap_limit = gap
    solver.parameters.symmetry_level = 0
    solver.parameters.cp_model_probing_level = 0
    status = solver.solve(model)
    if meter is not None:
        meter.charge(_BESIDE + float(solver.response_proto.deterministic_time))
    if status == cp_model.MODEL_INVALID:
        raise ModelError(f"CP-SAT rejects the packing: {model.validate()}")
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Packing(counts=None, gain=0, bound=None)
    found = [
        np.array([solver.value(variable) for variable in mine], dtype=np.int64) for mine in counts
    ]
    gain = sum(int(site.gain @ chosen) for site, chosen in zip(sites, found, strict=True))
    bound = gain if status == cp_model.OPTIMAL and gap == 0 else None
    if bound is None:
        bound = max(gain, int(np.floor(solver.best_objective_bound + 0.5)))
    return Packing(counts=found, gain=gain, bound=bound)


def most_counts(use: Ints, capacity: Ints) -> Ints:
    """Return how often each pattern fits alone, shape (K,); 0 where it does not."""
    with np.errstate(divide="ignore"):
        times = np.where(use > 0, capacity // np.maximum(use, 1), np.iinfo(np.int64).max)
    most = times.min(axis=1) if use.shape[1] else np.zeros(len(use), dtype=np.int64)
    return np.asarray(np.clip(most, 0, 1 << 20), dtype=np.int64)


def _keep_capacity(
    model: cp_model.CpModel, site: PackSite, counts: list[cp_model.IntVar], most: Ints
) -> None:
    seen: set[bytes] = set()
    for resource in range(site.use.shape[1]):
        row = site.use[:, resource]
        capacity = int(site.capacity[resource])
        if int(row @ most) <= capacity:
            continue
        divisor = int(np.gcd.reduce(row))
        row, capacity = row // divisor, capacity // divisor
        key = row.tobytes() + str(capacity).encode()
        if key in seen:
            continue
        seen.add(key)
        inside = np.flatnonzero(row)
        terms = [counts[k] for k in inside.tolist()]
        model.add(cp_model.LinearExpr.weighted_sum(terms, row[inside].tolist()) <= capacity)


def relax_packing(site: PackSite, most: Ints) -> tuple[float, Floats]:
    """Return the most gain where patterns may be used in part, and what each lacks to it.

    The second value, by pattern, is 0 for those that are worth their place at the prices of
    the relaxation and below 0 for the others: whatever uses such a pattern gains at least so
    much less than the first value, for each time that it is used.
    """
    solver = pywraplp.Solver.CreateSolver("GLOP")
    scale = float(max(1, int(site.gain.max())))
    variables = [solver.NumVar(0.0, float(high), "") for high in most.tolist()]
    objective = solver.Objective()
    objective.SetMaximization()
    for variable, gain in zip(variables, (site.gain / scale).tolist(), strict=True):
        objective.SetCoefficient(variable, gain)
    rows = []
    sizes = np.maximum(site.capacity, 1).astype(np.float64)
    for resource in range(site.use.shape[1]):
        row = solver.Constraint(
            -solver.infinity(), float(site.capacity[resource] / sizes[resource])
        )
        rows.append(row)
        inside = np.flatnonzero(site.use[:, resource])
        amounts = site.use[inside, resource] / sizes[resource]
        for k, amount in zip(inside.tolist(), amounts.tolist(), strict=True):
            row.SetCoefficient(variables[k], amount)
    if solver.Solve() != pywraplp.Solver.OPTIMAL:
        return float("inf"), np.zeros(len(most))
    prices = np.maximum([row.dual_value() for row in rows], 0.0) * scale / sizes
    worth = site.gain - site.use @ prices
    value = float(prices @ site.capacity) + float(np.maximum(worth, 0.0) @ most)
    return value * (1 + 1e-9) + 1.0, np.minimum(worth, 0.0)
