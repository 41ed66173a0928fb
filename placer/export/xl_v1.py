"""xl.cfg with the flat vNUMA keys of the first patches (November 2013)."""

from __future__ import annotations

from typing import Final

from placer.cpulist import format_ranges
from placer.domain import Domain
from placer.export.placed import balloon_warnings, find_placed, odd_sizes, refuse, spilled_vnodes
from placer.export.rendered import ExportOptions, Rendered
from placer.export.xl_settings import (
    Setting,
    first_vcpus,
    kept_settings,
    maxmem_warnings,
    pins,
    soft_pins,
    vcpus_away,
    write_settings,
)
from placer.placement import PlacedDomain
from placer.run import Run
from placer.topology import Topology, guest_view, topology_of
from placer.units import mib_from_pages

LEAST_VNODE_MB: Final = 64
_NOTE: Final = "released Xen ignores the vNUMA keys of November 2013"


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the configuration file in the syntax of the posting.

    Raises RefusedError where that syntax cannot say the placement, or its parser
    would put defaults in place of it: guests that are not PV, spilled memory,
    vnodes below 64 MB or without a vcpu.
    """
    given, placed = find_placed(run, domain)
    topology = topology_of(run.problem, placed)
    refuse(given, _reasons(given, placed, topology))
    warnings = [_NOTE, *guest_view(topology).warnings]
    away = vcpus_away(placed)
    if away and not given.dedicated:
        warnings.append(
            f"vcpus {format_ranges(away)} run off the pnode of their vnode, which this syntax "
            "cannot say"
        )
    sizes = [mib_from_pages(pages) for pages in topology.vnode_pages.tolist()]
    warnings += [*maxmem_warnings(given, sum(sizes)), *balloon_warnings(given)]
    settings: list[Setting] = [("memory", sum(sizes)), ("vcpus", first_vcpus(given))]
    if first_vcpus(given) != given.num_vcpus:
        settings.append(("maxvcpus", given.num_vcpus))
    settings += [
        ("name", given.name),
        ("vnodes", topology.num_vnodes),
        ("vnumamem", sizes),
        ("vdistance", topology.distances.ravel().tolist()),
        ("vnuma_vcpumap", ", ".join(map(str, topology.vcpu_to_vnode.tolist()))),
        ("vnuma_vnodemap", topology.vnode_to_pnode.tolist()),
        *pins(given, placed),
        *soft_pins(given),
    ]
    settings += kept_settings(given, [key for key, _ in settings] + ["type"])
    return Rendered(text=f"# Note: {_NOTE}.\n" + write_settings(settings), warnings=tuple(warnings))


def _reasons(domain: Domain, placed: PlacedDomain, topology: Topology) -> list[str]:
    reasons = []
    if domain.type != "pv":
        reasons.append(f"this syntax is for PV guests, and type is {domain.type}; use xl")
    reasons += [*odd_sizes(topology), *spilled_vnodes(placed)]
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        if mib_from_pages(pages) < LEAST_VNODE_MB:
            reasons.append(f"vnode {vnode} is below {LEAST_VNODE_MB} MB")
        if not topology.vcpus_of(vnode):
            reasons.append(f"vnode {vnode} has no vcpu")
    return reasons
