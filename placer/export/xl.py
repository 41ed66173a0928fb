"""xl.cfg(5) with ``vnuma``, the syntax of Xen 4.6 and later."""

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
from placer.read.xl_cfg import render_value
from placer.run import Run
from placer.topology import Topology, guest_view, topology_of, video_bytes
from placer.units import PAGE_BYTES, mib_from_pages

MOST_VNODES: Final = 32
MOST_RANGES: Final = 170
"""Limits of XEN_DOMCTL_setvnumainfo (xen/common/domctl.c, vnuma_init)."""

_REFUSED_TYPES: Final = {
    "pv": "released Xen takes vnuma for HVM guests only and refuses to create this PV guest",
    "pvh": "Xen 4.17 takes vnuma for HVM guests only and fails to create this PVH guest",
}


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the configuration file that creates the domain as it is placed.

    Raises RefusedError where the file cannot say the placement or libxl would refuse
    it: spilled memory, sizes that are no whole MB, too many vnodes or ranges, a
    distance below the local one, vnode 0 smaller than the video memory.
    """
    given, placed = find_placed(run, domain)
    topology = topology_of(run.problem, placed)
    refuse(given, _reasons(given, placed, topology))
    warnings = list(guest_view(topology).warnings)
    text = ""
    if given.type in _REFUSED_TYPES:
        warnings.insert(0, _REFUSED_TYPES[given.type])
        text = f"# Note: {_REFUSED_TYPES[given.type]}.\n"
    memory_mib = mib_from_pages(int(topology.vnode_pages.sum()))
    warnings += [*maxmem_warnings(given, memory_mib), *balloon_warnings(given)]
    settings: list[Setting] = [
        ("name", given.name),
        ("type", given.type),
        ("memory", memory_mib),
        ("maxmem", memory_mib),
        ("vcpus", first_vcpus(given)),
        ("maxvcpus", given.num_vcpus),
    ]
    affinity = [*pins(given, placed), *_soft_settings(given, placed, warnings)]
    own = [key for key, _ in (*settings, *affinity)] + ["vnuma"]
    text += write_settings(settings) + _vnuma(topology)
    text += write_settings([*affinity, *kept_settings(given, own)])
    return Rendered(text=text, warnings=tuple(warnings))


def _reasons(domain: Domain, placed: PlacedDomain, topology: Topology) -> list[str]:
    reasons = [*odd_sizes(topology), *spilled_vnodes(placed)]
    if topology.num_vnodes > MOST_VNODES:
        reasons.append(f"{topology.num_vnodes} vnodes, and Xen takes {MOST_VNODES} at most")
    if len(topology.ranges) > MOST_RANGES:
        reasons.append(f"{len(topology.ranges)} memory ranges, and Xen takes {MOST_RANGES} at most")
    if (topology.distances < topology.distances.diagonal()[:, None]).any():
        reasons.append("a distance is below the local one of its vnode, which libxl refuses")
    video = video_bytes(domain)
    if int(topology.vnode_pages[0]) * PAGE_BYTES < video:
        reasons.append(f"vnode 0 is smaller than the {video >> 20} MiB of video memory")
    return reasons


def _soft_settings(domain: Domain, placed: PlacedDomain, warnings: list[str]) -> list[Setting]:
    """Return ``cpus_soft``: as given, or by pnode where a vcpu runs off its home.

    Without it libxl gives each vcpu a soft affinity for the pnode of its vnode.
    """
    given, away = soft_pins(domain), vcpus_away(placed)
    if not away or domain.dedicated:
        return given
    if given:
        warnings.append(
            f"vcpus {format_ranges(away)} run off the pnode of their vnode; the cpus_soft that "
            "was given is kept and does not say so"
        )
        return given
    return [("cpus_soft", [f"nodes:{pnode}" for pnode in placed.vcpu_to_pnode.tolist()])]


def _vnuma(topology: Topology) -> str:
    """Return the ``vnuma`` list, a line for each vnode; a vnode without vcpus names none."""
    lines = ["vnuma = [\n"]
    for vnode, pages in enumerate(topology.vnode_pages.tolist()):
        items = [f"pnode={topology.vnode_to_pnode[vnode]}", f"size={mib_from_pages(pages)}"]
        vcpus = topology.vcpus_of(vnode)
        if vcpus:
            items.append(f"vcpus={format_ranges(vcpus)}")
        items.append("vdistances=" + ",".join(map(str, topology.distances[vnode].tolist())))
        lines.append(f"    {render_value(items)},\n")
    return "".join(lines) + "]\n"
