"""The tables of a run, by pandas: long form, one fact a row (docs/csv.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

import numpy as np
import pandas as pd

from placer.check import check_placement
from placer.cost import (
    access_units,
    domain_cost,
    level_values,
    vcpus_by_place,
)
from placer.placement import PlacedDomain, Placement
from placer.report.document import frames_or_none, mean_distance, realised_pages
from placer.report.loads import loads_of
from placer.run import Run
from placer.topology import topology_of
from placer.units import ORDER_NAMES

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "placements": (
        "domain",
        "host",
        "vnode",
        "pnode",
        "is_home",
        "memory_pages",
        "num_vcpus",
    ),
    "vcpus": (
        "domain",
        "host",
        "vcpu",
        "vnode",
        "pnode",
        "pcpu",
        "home_pnode",
        "home_distance_slit",
        "is_dedicated",
    ),
    "pnodes": (
        "host",
        "pnode",
        "total_pages",
        "reserve_pages",
        "free_before_pages",
        "placed_pages",
        "free_after_pages",
        "overhead_pages",
        "num_pcpus",
        "num_cores",
        "num_running_vcpus",
        "num_placed_vcpus",
        "vcpus_per_core",
        "vcpus_per_thread",
    ),
    "distances": (
        "domain",
        "host",
        "from_vnode",
        "to_vnode",
        "from_pnode",
        "to_pnode",
        "virtual_distance_slit",
        "physical_distance_slit",
        "access_share_per_10000",
    ),
    "pages": (
        "domain",
        "host",
        "vnode",
        "pnode",
        "page_size",
        "num_extents",
        "memory_pages",
    ),
    "domains": (
        "domain",
        "host",
        "type",
        "priority",
        "num_vnodes",
        "num_vcpus",
        "memory_pages",
        "overhead_pages",
        "cost_slit_per_640000",
        "mean_access_distance_slit",
        "num_vcpus_off_home",
    ),
    "summary": ("metric", "unit", "value", "baseline_value", "first_fit_value"),
    "unplaced": ("domain", "fact", "position", "text"),
    "moves": (
        "step",
        "domain",
        "kind",
        "vnode",
        "from_host",
        "from_pnode",
        "to_host",
        "to_pnode",
        "moved_pages",
    ),
}
"""The columns of each table, in order."""

Row = tuple[Any, ...]


def tables(run: Run) -> dict[str, pd.DataFrame]:
    """Return every table of ``run`` by name, each with its columns also where it has no row."""
    costs = _costs(run, run.result.placement)
    rows = {
        "placements": _placements(run),
        "vcpus": _vcpus(run),
        "pnodes": _pnodes(run),
        "distances": _distances(run),
        "pages": _pages(run),
        "domains": _domains(run, costs),
        "summary": _summary(run, costs),
        "unplaced": _unplaced(run),
        "moves": _moves(run),
    }
    return {
        name: pd.DataFrame(list(rows[name]), columns=list(columns))
        for name, columns in COLUMNS.items()
    }


def format_csv(table: pd.DataFrame) -> str:
    """Return ``table`` as CSV: a header, LF, absent values empty, numbers as Python prints them."""
    text = table.map(_format_value) if len(table) else table
    return str(text.to_csv(index=False, lineterminator="\n"))


def _format_value(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _placements(run: Run) -> Iterator[Row]:
    for placed in run.placed:
        pages = realised_pages(run, placed)
        vcpus = vcpus_by_place(placed, run.host(placed.host).num_pnodes)
        for vnode, home in enumerate(placed.home.tolist()):
            for pnode in range(pages.shape[1]):
                memory, num_vcpus = int(pages[vnode, pnode]), int(vcpus[vnode, pnode])
                if memory or num_vcpus or pnode == home:
                    is_home = int(pnode == home)
                    yield placed.domain, placed.host, vnode, pnode, is_home, memory, num_vcpus


def _vcpus(run: Run) -> Iterator[Row]:
    for placed in run.placed:
        dedicated = int(run.domain(placed.domain).dedicated)
        distances = run.host(placed.host).distances
        for vcpu, vnode in enumerate(placed.vcpu_to_vnode.tolist()):
            pnode, home = int(placed.vcpu_to_pnode[vcpu]), int(placed.home[vnode])
            yield (
                placed.domain,
                placed.host,
                vcpu,
                vnode,
                pnode,
                int(placed.vcpu_to_pcpu[vcpu]),
                home,
                int(distances[pnode, home]),
                dedicated,
            )


def _pnodes(run: Run) -> Iterator[Row]:
    for load in loads_of(run):
        host = load.host
        placed_pages = np.zeros(host.num_pnodes, dtype=np.int64)
        overhead = placed_pages.copy()
        for placed in run.placed_on.get(host.name, []):
            placed_pages += realised_pages(run, placed).sum(axis=0)
            overhead[placed.home[0]] += run.domain(placed.domain).overhead_pages
        for pnode in range(host.num_pnodes):
            yield (
                host.name,
                pnode,
                int(host.total_pages[pnode]),
                int(host.reserve_pages[pnode]),
                int(host.free_pages[pnode]),
                int(placed_pages[pnode]),
                int(host.free_pages[pnode] - placed_pages[pnode]),
                int(overhead[pnode]),
                int(load.pcpus[pnode]),
                int(load.cores[pnode]),
                int(load.running[pnode]),
                int(load.placed[pnode]),
                _float(load.per_core(pnode)),
                _float(load.per_thread(pnode)),
            )


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _distances(run: Run) -> Iterator[Row]:
    for placed in run.placed:
        physical = run.host(placed.host).distances
        virtual = topology_of(run.problem, placed).distances
        shares = access_units(run.domain(placed.domain), placed.vnode_pages)
        homes = placed.home.tolist()
        for i, from_pnode in enumerate(homes):
            for j, to_pnode in enumerate(homes):
                yield (
                    placed.domain,
                    placed.host,
                    i,
                    j,
                    from_pnode,
                    to_pnode,
                    int(virtual[i, j]),
                    int(physical[from_pnode, to_pnode]),
                    shares[i][j],
                )


def _pages(run: Run) -> Iterator[Row]:
    for placed in run.placed:
        frames = frames_or_none(run, placed)
        if frames is None:
            continue
        counts: dict[tuple[int, int, int], int] = {}
        for vnode, pnode, order, _, _, num_extents, _ in frames.runs.tolist():
            key = (vnode, pnode, -order)
            counts[key] = counts.get(key, 0) + num_extents
        for (vnode, pnode, negative), num_extents in sorted(counts.items()):
            size = ORDER_NAMES[-negative]
            pages = num_extents << -negative
            yield placed.domain, placed.host, vnode, pnode, size, num_extents, pages


def _costs(run: Run, placement: Placement | None) -> dict[str, int]:
    """Return the cost of each placed domain by name."""
    placed = () if placement is None else placement.domains
    return {p.domain: domain_cost(run.domain(p.domain), p, run.host(p.host)) for p in placed}


def _domains(run: Run, costs: dict[str, int]) -> Iterator[Row]:
    for placed in run.placed:
        domain, cost = run.domain(placed.domain), costs[placed.domain]
        yield (
            domain.name,
            placed.host,
            domain.type,
            domain.priority,
            placed.num_vnodes,
            domain.num_vcpus,
            int(placed.vnode_pages.sum()),
            domain.overhead_pages,
            cost,
            mean_distance(cost, domain.num_vcpus),
            _num_off_home(placed),
        )


def _num_off_home(placed: PlacedDomain) -> int:
    return int((placed.home[placed.vcpu_to_vnode] != placed.vcpu_to_pnode).sum())


def _summary(run: Run, costs: dict[str, int]) -> Iterator[Row]:
    """Yield each metric of the answer beside those of the baselines; whole or floats."""
    result = run.result
    ours = _metrics(run, result.placement, costs)
    ours["violations"] = ("rules", _num_violations(run))
    theirs = [_baseline_metrics(run, name) for name in ("libxl", "first-fit-decreasing")]
    for metric, (unit, value) in ours.items():
        beside = (_text(metrics.get(metric)) for metrics, _ in theirs)
        yield metric, unit, _text(value), *beside
    for level in result.levels:
        unit = LEVEL_UNITS.get(level.name, "")
        beside = (_text(levels.get(level.name)) for _, levels in theirs)
        yield f"level_{level.name}_value", unit, _text(level.value), *beside
        yield f"level_{level.name}_bound", unit, _text(level.bound), "", ""
        yield f"level_{level.name}_gap", "ratio", _text(level.gap), "", ""


def _baseline_metrics(run: Run, name: str) -> tuple[dict[str, float | None], dict[str, int]]:
    """The metrics and the levels of a baseline; empty where there is none of that name."""
    found = next((one for one in run.result.baselines if one.name == name), None)
    if found is None:
        return {}, {}
    metrics = _metrics(run, found.placement, _costs(run, found.placement))
    values: dict[str, float | None] = {metric: value for metric, (_, value) in metrics.items()}
    values["violations"] = len(found.score.violations)
    return values, level_values(run.problem, found.placement)


LEVEL_UNITS: Final[Mapping[str, str]] = {
    "placed_priority": "priority",
    "auto_vnodes": "vnodes",
    "vcpus_off_home": "vcpus",
    "cost": "SLIT/640000",
    "pages_moved": "pages",
    "vcpus_off_soft": "vcpus",
    "spread_max": "1/1000",
    "spread_sum": "1/1000",
    "packed_pages": "pages",
    "homes_in_order": "vnodes",
}
"""What the value of each level counts."""


def _text(value: float | None) -> str:
    return _format_value(value)


def _num_violations(run: Run) -> int | None:
    if run.result.placement is None:
        return None
    return len(check_placement(run.problem, run.result.placement, run.frames or None))


def _metrics(
    run: Run, placement: Placement | None, costs: dict[str, int]
) -> dict[str, tuple[str, float | None]]:
    """Return (unit, value) of each figure that any placement has, None where it has no meaning."""
    placed = () if placement is None else placement.domains
    cost = sum(costs.values())
    num_vcpus = sum(len(p.vcpu_to_vnode) for p in placed)
    used = {(p.host, pnode) for p in placed for pnode in np.flatnonzero(p.pages_on > 0).tolist()}
    return {
        "domains": ("domains", len(run.problem.domains)),
        "domains_placed": ("domains", len(placed)),
        "hosts_used": ("hosts", len({p.host for p in placed})),
        "pnodes_used": ("pnodes", len(used)),
        "memory_placed": ("pages", sum(int(p.vnode_pages.sum()) for p in placed)),
        "vcpus_placed": ("vcpus", num_vcpus),
        "vcpus_off_home": ("vcpus", sum(_num_off_home(p) for p in placed)),
        "access_cost": ("SLIT/640000", cost if placed else None),
        "mean_access_distance": (
            "SLIT",
            mean_distance(cost, num_vcpus) if num_vcpus else None,
        ),
    }


def _unplaced(run: Run) -> Iterator[Row]:
    for refusal in run.result.unplaced:
        yield refusal.domain, "reason", 0, refusal.reason
        if refusal.certificate:
            yield refusal.domain, "certificate", 0, refusal.certificate
        for fact, texts in (
            ("binding", refusal.binding),
            ("short_by", refusal.short_by),
            ("nearest", refusal.nearest),
        ):
            for position, text in enumerate(texts):
                yield refusal.domain, fact, position, text


def _moves(run: Run) -> Iterator[Row]:
    """Yield a row for each step and vnode; from or to nowhere is empty."""
    placed = {answer.domain: answer for answer in run.placed}
    for move in run.result.moves:
        answer, before = placed[move.domain], run.problem.running_now.get(move.domain)
        moved = np.zeros(answer.num_vnodes, dtype=np.int64)
        if before is not None and move.kind != "stop":
            same = before.host == answer.host
            gone = before.pages - answer.pages if same else before.pages
            moved = np.maximum(gone, 0).sum(axis=1)
        for vnode in range(answer.num_vnodes):
            yield (
                move.step,
                move.domain,
                move.kind,
                vnode,
                move.from_host,
                move.from_homes[vnode] if move.from_homes else None,
                move.to_host,
                move.to_homes[vnode] if move.to_homes else None,
                int(moved[vnode]),
            )
