"""placement.json: a run for other programs (docs/placement-json.md)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import numpy as np

from placer.arrays import Ints
from placer.cost import domain_cost
from placer.frames import DomainFrames
from placer.placement import PlacedDomain
from placer.record import SCHEMA_VERSION
from placer.result import Baseline
from placer.run import Run
from placer.topology import topology_of, vmemranges
from placer.units import COST_UNITS, ORDER_NAMES

MOST_VIOLATIONS: Final = 100
"""How many of a baseline's broken rules are listed; all are counted."""


def placement_document(run: Run) -> dict[str, Any]:
    """Return the content of placement.json as plain values, in the order of the schema.

    Pages by pnode are the allocator's count. Costs are recomputed from the inputs and
    the placement, not taken from the solver.
    """
    result = run.result
    return {
        "schema_version": SCHEMA_VERSION,
        "status": result.status,
        "solver": {
            "name": result.solver.name,
            "version": result.solver.version,
            "seed": result.solver.seed,
            "workers": result.solver.workers,
        },
        "policy": run.problem.policy.name,
        "levels": [
            {
                "name": level.name,
                "value": level.value,
                "bound": level.bound,
                "gap": level.gap,
                "status": level.status,
            }
            for level in result.levels
        ],
        "domains": [_domain(run, placed) for placed in run.placed],
        "unplaced": [
            {
                "name": refusal.domain,
                "reason": refusal.reason,
                "certificate": refusal.certificate,
                "binding": list(refusal.binding),
                "short_by": list(refusal.short_by),
                "nearest": list(refusal.nearest),
            }
            for refusal in result.unplaced
        ],
        "moves": [
            {
                "step": move.step,
                "domain": move.domain,
                "kind": move.kind,
                "from_host": move.from_host,
                "to_host": move.to_host,
                "from_homes": list(move.from_homes),
                "to_homes": list(move.to_homes),
                "pages": move.pages,
            }
            for move in result.moves
        ],
        "fewest_stops": result.fewest_stops,
        "creation_order": list(result.creation_order),
        "baseline": None if result.baseline is None else _baseline(result.baseline),
        "baselines": [_baseline(baseline) for baseline in result.baselines],
    }


def realised_pages(run: Run, placed: PlacedDomain) -> Ints:
    """Return the pages of each vnode on each pnode as the allocator counts them.

    Shape (V, P). Where the run has no frames (libxl's rule may choose what the heap
    cannot give) the plan's own figures.
    """
    frames = frames_or_none(run, placed)
    if frames is None:
        return placed.pages
    return frames.pages_on(placed.num_vnodes, run.host(placed.host).num_pnodes)


def mean_distance(cost: int, num_vcpus: int) -> float:
    """Return the mean access distance that an exact cost is for so many vcpus."""
    return float(Fraction(cost, num_vcpus * COST_UNITS))


def frames_or_none(run: Run, placed: PlacedDomain) -> DomainFrames | None:
    """Return the frames of a placed domain, None where the run was not realised."""
    return run.frames_of(placed.domain) if run.frames else None


def _domain(run: Run, placed: PlacedDomain) -> dict[str, Any]:
    domain, host = run.domain(placed.domain), run.host(placed.host)
    pages = realised_pages(run, placed)
    topology = topology_of(run.problem, placed)
    cost = domain_cost(domain, placed, host)
    ranges = vmemranges(domain, placed.vnode_pages, host.memory_map).tolist()
    frames = frames_or_none(run, placed)
    vnodes = []
    for vnode in range(placed.num_vnodes):
        extents = {} if frames is None else frames.extents_of(vnode)
        vnodes.append(
            {
                "vnode": vnode,
                "home": int(placed.home[vnode]),
                "pages": int(placed.vnode_pages[vnode]),
                "pnodes": {str(p): count for p, count in enumerate(pages[vnode].tolist()) if count},
                "vcpus": np.flatnonzero(placed.vcpu_to_vnode == vnode).tolist(),
                "distances": topology.distances[vnode].tolist(),
                "vmemranges": [
                    {"start": start, "end": end} for owner, start, end in ranges if owner == vnode
                ],
                "extents": {name: extents.get(order, 0) for order, name in ORDER_NAMES.items()},
            }
        )
    return {
        "name": domain.name,
        "host": host.name,
        "type": domain.type,
        "memory_pages": int(placed.vnode_pages.sum()),
        "vcpus": domain.num_vcpus,
        "cost": cost,
        "mean_access_distance": mean_distance(cost, domain.num_vcpus),
        "vnodes": vnodes,
        "vcpu_to_vnode": placed.vcpu_to_vnode.tolist(),
        "vcpu_to_pnode": placed.vcpu_to_pnode.tolist(),
        "vcpu_to_pcpu": placed.vcpu_to_pcpu.tolist(),
    }


def _baseline(baseline: Baseline) -> dict[str, Any]:
    return {
        "name": baseline.name,
        "placed": baseline.score.placed,
        "cost": baseline.score.cost,
        "mean_access_distance": baseline.score.mean_access_distance,
        "num_violations": len(baseline.score.violations),
        "violations": list(baseline.score.violations[:MOST_VIOLATIONS]),
        "domains": [
            {
                "name": placed.domain,
                "host": placed.host,
                "homes": placed.home.tolist(),
                "vcpu_to_pnode": placed.vcpu_to_pnode.tolist(),
            }
            for placed in baseline.placement.domains
        ],
    }
