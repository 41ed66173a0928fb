"""The rows that a scenario's answer becomes: figures, domains and pnodes beside those of the base.

All values are text, as they stand in the CSV files (docs/csv.md), so that the same answer has
the same bytes wherever it was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from placer.check import score
from placer.cost import domain_cost, pages_moved
from placer.placement import PlacedDomain
from placer.result import Level
from placer.scenario import Scenario
from placer.units import COST_UNITS
from placer.whatif.draft import Base, Draft
from placer.whatif.figures import Figures
from placer.whatif.keys import digest_of, key_of
from placer.whatif.solving import Solved, WhatIfOptions

SCENARIO_COLUMNS: Final = (
    "scenario",
    "key",
    "solve",
    "status",
    "reason",
    "num_hosts",
    "num_domains",
    "num_placed",
    "num_unplaced",
    "num_lost",
    "num_displaced",
    "num_moved",
    "moved_pages",
    "num_stopped",
    "placed_priority",
    "placed_priority_bound",
    "cost_slit_per_640000",
    "cost_bound",
    "cost_gap",
    "mean_access_distance_slit",
    "num_vcpus_off_home",
    "free_pages",
    "usable_pages",
    "largest_vnode_pages",
    "largest_domain_pages",
    "num_placed_change",
    "cost_change",
    "mean_access_distance_change",
    "usable_pages_change",
)
DOMAIN_COLUMNS: Final = (
    "scenario",
    "domain",
    "state",
    "host",
    "homes",
    "base_host",
    "base_homes",
    "moved_pages",
    "mean_access_distance_slit",
    "base_mean_access_distance_slit",
    "reason",
)
PNODE_COLUMNS: Final = (
    "scenario",
    "host",
    "pnode",
    "total_pages",
    "free_after_pages",
    "usable_pages",
    "num_vcpus",
    "num_pcpus",
)
BASE_NAME: Final = "base"
"""The name of the first row, which is the base itself."""

Cells = tuple[str, ...]


_LOSING: Final = frozenset({"unplaced", "lost"})
"""States of domains that have no place."""


def losers_of(rows: Iterable[Cells]) -> Iterator[Cells]:
    """Yield the rows of whatif_domains.csv of domains without a place, but those of the base."""
    state = DOMAIN_COLUMNS.index("state")
    return (row for row in rows if row[state] in _LOSING and row[0] != BASE_NAME)


def proof_of(row: Cells) -> str:
    """Return how good a row of whatif.csv says that its answer is, in a word or a figure.

    "proven" where every level is; else how far the first level that is not may be from it.
    """
    cell = dict(zip(SCENARIO_COLUMNS, row, strict=True))
    if cell["status"] == "optimal":
        return "proven"
    value, bound = cell["placed_priority"], cell["placed_priority_bound"]
    if value and bound and int(bound) > int(value):
        return f"{value} of {bound} placed"
    gap = cell["cost_gap"]
    return f"{100 * float(gap):.2f} %" if gap and float(gap) else "not proven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A scenario's rows. ``failed`` where it could not be solved and the reason is in the row."""

    number: int
    key: str
    row: Cells
    domains: tuple[Cells, ...] = ()
    pnodes: tuple[Cells, ...] = ()
    failed: bool = False


def failed_rows(number: int, key: str, scenario: Scenario, reason: str) -> Outcome:
    """Return the one row of a scenario that could not be solved."""
    cells = {"scenario": scenario.name, "key": key, "solve": scenario.solve, "status": "failed"}
    cells["reason"] = " ".join(reason.split())
    row = tuple(cells.get(column, "") for column in SCENARIO_COLUMNS)
    return Outcome(number=number, key=key, row=row, failed=True)


# -- rows ---------------------------------------------------------------------------


def base_rows(base: Base, options: WhatIfOptions) -> Outcome:
    """Return the rows of the base itself: every domain and every pnode."""
    scenario = Scenario(name=BASE_NAME)
    run = base.run
    key = key_of(scenario, digest_of(base), options)
    figures, points = base.figures, base.score
    refusals = {refusal.domain: refusal.reason for refusal in run.result.unplaced}
    cells: dict[str, Any] = {
        "scenario": BASE_NAME,
        "key": key,
        "solve": "",
        "status": run.result.status,
        "num_lost": 0,
        "num_displaced": 0,
        "num_moved": 0,
        "moved_pages": 0,
        "num_stopped": 0,
        "num_placed_change": 0,
        "cost_change": 0,
        "mean_access_distance_change": 0.0 if points.placed else None,
        "usable_pages_change": 0,
        "num_domains": len(base.domains),
        "num_placed": points.placed,
        "num_unplaced": len(base.domains) - points.placed,
        "mean_access_distance_slit": points.mean_access_distance if points.placed else None,
        **_level_cells(run.result.levels, points.cost),
        **_figure_cells(figures),
    }
    domains = []
    for name, domain in base.domains.items():
        placed = run.placed_by_name.get(name)
        there = ("", "", "", "") if placed is None else (placed.host, _homes(placed))
        state = "unplaced" if placed is None else "placed"
        mean = None if placed is None else _mean(base.cost_of[name], domain.num_vcpus)
        domains.append(
            _cells(
                (
                    BASE_NAME,
                    name,
                    state,
                    *there[:2],
                    *there[:2],
                    0,
                    mean,
                    mean,
                    refusals.get(name, "" if placed is not None else "not placed in the base"),
                )
            )
        )
    return Outcome(
        number=-1,
        key=key,
        row=_cells(cells.get(column) for column in SCENARIO_COLUMNS),
        domains=tuple(domains),
        pnodes=tuple(_pnode_cells(figures, BASE_NAME)),
    )


def rows_of(base: Base, solved: Solved, number: int, key: str) -> Outcome:
    """Return the rows of an answer: domains and hosts that are as in the base are left out."""
    draft, scenario = solved.draft, solved.scenario
    before, was = base.figures, base.score
    figures = Figures.of(
        draft.hosts.values(), draft.domains, solved.placement.domains, draft.drained, before
    )
    cost, mean, num_placed = 0, None, len(solved.placement.domains)
    if solved.problem is not None and num_placed:
        points = score(solved.problem, solved.placement, ())
        cost, mean = points.cost, points.mean_access_distance
    domains, moved, moved_pages_sum = _domain_rows(base, solved)
    cells: dict[str, Any] = {
        "scenario": scenario.name,
        "key": key,
        "solve": scenario.solve,
        "status": solved.status,
        "num_domains": len(draft.domains),
        "num_placed": num_placed,
        "num_unplaced": len(draft.domains) - num_placed,
        "num_lost": len(draft.lost),
        "num_displaced": len(solved.displaced),
        "num_moved": moved,
        "moved_pages": moved_pages_sum,
        "num_stopped": sum(move.kind == "stop" for move in solved.moves),
        "mean_access_distance_slit": mean,
        "num_placed_change": num_placed - was.placed,
        "cost_change": cost - was.cost,
        "mean_access_distance_change": (
            None if mean is None or not was.placed else mean - was.mean_access_distance
        ),
        "usable_pages_change": figures.usable - before.usable,
        **_level_cells(solved.levels, cost),
        **_figure_cells(figures),
    }
    return Outcome(
        number=number,
        key=key,
        row=_cells(cells.get(column) for column in SCENARIO_COLUMNS),
        domains=tuple(domains),
        pnodes=tuple(_pnode_cells(figures, scenario.name, unlike=before)),
    )


def _figure_cells(figures: Figures) -> dict[str, Any]:
    """Free memory, and the largest domain of one vnode and of several that it holds."""
    return {
        "num_hosts": len(figures.loads),
        "free_pages": sum(int(load.free.sum()) for load in figures.loads),
        "usable_pages": figures.usable,
        "largest_vnode_pages": figures.largest_vnode,
        "largest_domain_pages": figures.largest_domain,
    }


def _pnode_cells(figures: Figures, scenario: str, unlike: Figures | None = None) -> Iterator[Cells]:
    """Yield a row for each pnode, or for each pnode of hosts that are ``unlike`` others."""
    before = {} if unlike is None else {load.host.name: load for load in unlike.loads}
    for load in figures.loads:
        if load.is_like(before.get(load.host.name)):
            continue
        pcpus = np.bincount(load.host.pcpu_pnode, minlength=load.host.num_pnodes)
        for pnode in range(load.host.num_pnodes):
            yield _cells(
                (
                    scenario,
                    load.host.name,
                    pnode,
                    int(load.host.total_pages[pnode]),
                    int(load.free[pnode]),
                    int(load.usable[pnode]),
                    int(load.vcpus[pnode]),
                    int(pcpus[pnode]),
                )
            )


def _level_cells(levels: Sequence[Level], cost: int) -> dict[str, Any]:
    found = {level.name: level for level in levels}
    priority, least = found.get("placed_priority"), found.get("cost")
    off_home = found.get("vcpus_off_home")
    bound = None if least is None else least.bound
    gap = None
    if bound is not None:
        gap = float(Fraction(abs(cost - bound), max(1, abs(cost))))
    return {
        "placed_priority": None if priority is None else priority.value,
        "placed_priority_bound": None if priority is None else priority.bound,
        "cost_slit_per_640000": cost,
        "cost_bound": bound,
        "cost_gap": gap,
        "num_vcpus_off_home": None if off_home is None else off_home.value,
    }


def _domain_rows(base: Base, solved: Solved) -> tuple[list[Cells], int, int]:
    """The rows of domains that are not as in the base; how many are moved, and their pages."""
    draft, name = solved.draft, solved.scenario.name
    now = {placed.domain: placed for placed in solved.placement.domains}
    reasons = {refusal.domain: refusal.reason for refusal in solved.unplaced}
    rows, moved, all_pages = [], 0, 0
    for domain in draft.domains.values():
        placed = now.get(domain.name)
        running = base.running.get(domain.name)
        was = None if running is None else running.placed
        mean = old_mean = None
        pages = 0
        if was is not None:
            old_mean = _mean(base.cost_of[domain.name], len(was.vcpu_to_vnode))
        if placed is None:
            state = "unplaced"
        else:
            asked = domain
            if placed.num_vnodes != domain.num_vnodes and solved.problem is not None:
                asked = solved.problem.domains[solved.problem.domain_index[domain.name]]
            if was is placed and draft.is_untouched(domain, placed.host):
                continue
            cost = domain_cost(asked, placed, draft.hosts[placed.host])
            mean = _mean(cost, domain.num_vcpus)
            if was is None:
                state = "placed" if domain.name in base.domains else "added"
            else:
                pages = _moved_pages(placed, was, draft)
                elsewhere = "restarted" if domain.name in solved.displaced else "moved"
                state = elsewhere if pages else "changed"
                if not pages and mean == old_mean and domain.name not in draft.resized:
                    continue
        moved += pages > 0
        all_pages += pages
        rows.append(
            _cells(
                (
                    name,
                    domain.name,
                    state,
                    "" if placed is None else placed.host,
                    "" if placed is None else _homes(placed),
                    "" if was is None else was.host,
                    "" if was is None else _homes(was),
                    pages,
                    mean,
                    old_mean,
                    reasons.get(domain.name, "no place was found") if placed is None else "",
                )
            )
        )
    for gone in sorted(draft.removed):
        rows.append(_gone(base, name, gone, "removed", ""))
    for gone, host in sorted(draft.lost.items()):
        rows.append(
            _cells((name, gone, "lost", "", "", host, "", 0, None, None, "its host is gone"))
        )
    return rows, moved, all_pages


def _gone(base: Base, scenario: str, name: str, state: str, reason: str) -> Cells:
    running = base.running.get(name)
    was = None if running is None else running.placed
    mean = None if was is None else _mean(base.cost_of[name], len(was.vcpu_to_vnode))
    host, homes = ("", "") if was is None else (was.host, _homes(was))
    return _cells((scenario, name, state, "", "", host, homes, 0, None, mean, reason))


def _moved_pages(placed: PlacedDomain, was: PlacedDomain, draft: Draft) -> int:
    """The pages that go elsewhere; where a domain's vnodes are others, counted by pnode.

    All of them where the host has become another machine under its name.
    """
    if placed.host != was.host or placed.host in draft.rebuilt:
        return int(was.vnode_pages.sum())
    if placed.pages.shape == was.pages.shape and placed.domain not in draft.resized:
        return pages_moved(placed, was)
    return int(np.maximum(was.pages_on - placed.pages_on, 0).sum())


def _homes(placed: PlacedDomain) -> str:
    return " ".join(map(str, placed.home.tolist()))


def _mean(cost: int, num_vcpus: int) -> float:
    return float(Fraction(cost, num_vcpus * COST_UNITS))


def _cells(values: Iterable[Any]) -> Cells:
    return tuple(
        "" if value is None else repr(value) if isinstance(value, float) else str(value)
        for value in values
    )
