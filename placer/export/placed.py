"""The domain that is exported, and what keeps a configuration file from saying its placement."""

from __future__ import annotations

from placer.domain import Domain
from placer.errors import RefusedError
from placer.placement import PlacedDomain
from placer.run import Run
from placer.topology import Topology
from placer.units import PAGES_PER_MIB, exact_size


def find_placed(run: Run, name: str) -> tuple[Domain, PlacedDomain]:
    """Return the domain named ``name`` and where it is placed.

    Raises RefusedError, which names the placed domains, where it is not placed.
    """
    placed = {answer.domain: answer for answer in run.placed}
    if name in placed:
        return run.domain(name), placed[name]
    why = "is not placed" if name in run.problem.domain_index else "is not in the run"
    others = ", ".join(map(repr, placed)) or "none"
    raise RefusedError(f"domain {name!r} {why}; placed: {others}")


def refuse(domain: Domain, reasons: list[str]) -> None:
    """Raise RefusedError with all ``reasons`` where there are any."""
    if reasons:
        raise RefusedError(f"domain {domain.name!r}: " + "; ".join(reasons))


def odd_sizes(topology: Topology) -> list[str]:
    """Return a reason for each vnode whose size is no whole number of MB."""
    return [
        f"vnode {vnode} has {pages} pages, no whole number of MB, and sizes are given in MB"
        for vnode, pages in enumerate(topology.vnode_pages.tolist())
        if pages % PAGES_PER_MIB
    ]


def spilled_vnodes(placed: PlacedDomain) -> list[str]:
    """Return a reason for each vnode whose memory is not all on its home pnode."""
    reasons = []
    for vnode, pages in enumerate(placed.pages.tolist()):
        pnodes = [pnode for pnode, count in enumerate(pages) if count]
        if pnodes and pnodes != [placed.home[vnode]]:
            where = " and ".join(map(str, pnodes))
            reasons.append(
                f"the memory of vnode {vnode} lies on pnode {where}, and the configuration "
                f"names one pnode for a vnode, its home {placed.home[vnode]}"
            )
    return reasons


def balloon_warnings(domain: Domain) -> list[str]:
    """Return a warning where the domain has less memory now than it is created with."""
    if not domain.ballooned_pages.any():
        return []
    now = exact_size(domain.memory_pages)
    return [f"the guest is created with all its memory; its balloon leaves it {now} afterwards"]
