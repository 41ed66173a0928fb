"""Placements by hand, and the rules that they break."""

from __future__ import annotations

from typing import Any

import numpy as np

from placer.check import check_placement
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem


def place_simply(problem: Problem, *pcpus: int, on: int = 0, **fields: Any) -> Placement:
    """Place the one domain of a problem, all of it on one pnode of the one host."""
    (domain,), (host,) = problem.domains, problem.hosts
    pages = np.zeros((domain.num_vnodes, host.num_pnodes), dtype=np.int64)
    pages[:, on] = domain.vnode_pages
    mapping = domain.vcpu_to_vnode
    given_fields: dict[str, Any] = {
        "domain": domain.name,
        "host": host.name,
        "vnode_pages": domain.vnode_pages,
        "home": [on] * domain.num_vnodes,
        "pages": pages,
        "vcpu_to_vnode": [0] * domain.num_vcpus if mapping is None else mapping,
        "vcpu_to_pnode": [on] * domain.num_vcpus,
        "vcpu_to_pcpu": list(pcpus),
    }
    return Placement(domains=(PlacedDomain(**{**given_fields, **fields}),))


def rules_broken(problem: Problem, placement: Placement) -> set[str]:
    """Return the names of the rules that a placement breaks."""
    return {violation.rule for violation in check_placement(problem, placement)}
