"""xl.cfg(5) with ``vnuma``, the syntax of Xen 4.6 and later."""

from __future__ import annotations

from typing import Final

from placer.cpulist import format_ranges
from placer.domain import Domain
from placer.export.placed import (
    balloon_warnings,
    beyond_xen,
    find_placed,
    odd_sizes,
    refuse,
    spilled_vnodes,
    topology_as,
    unsaid,
)
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
from placer.topology import Topology, guest_view, pages_without_address, video_bytes
from placer.units import PAGE_BYTES, exact_size, mib_from_pages

_REFUSED_TYPES: Final = {
    "pv": "released Xen takes vnuma for HVM guests only and refuses to create this PV guest; "
    "--type hvm exports one that it takes",
    "pvh": "Xen 4.17 takes vnuma for HVM guests only and fails to create this PVH guest; "
    "--type hvm exports one that it takes",
}
_NOT_FOR_HVM: Final = {"bootloader", "bootloader_args", "e820_host"}
"""Settings that xl reads for PV guests alone (xl.cfg(5))."""

_CARRIED: Final = ("dedicated", "hard_affinity", "soft_affinity", "extra")


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the configuration file that creates the domain as it is placed.

    Raises RefusedError where the file cannot say the placement or libxl would refuse
    it: spilled memory, sizes that are no whole MB, too many vnodes or ranges, a
    distance below the local one, vnode 0 smaller than the video memory.
    """
    planned, placed = find_placed(run, domain)
    given, topology = topology_as(run, placed, options)
    refuse(given, _reasons(given, placed, topology))
    warnings = [*guest_view(topology).warnings, *unsaid(given, *_CARRIED)]
    text = ""
    if given.type in _REFUSED_TYPES:
        warnings.insert(0, _REFUSED_TYPES[given.type])
        text = f"# Note: {_REFUSED_TYPES[given.type]}.\n"
    elif given.type != planned.type:
        differences = _differences(planned, given, placed)
        warnings = [*differences, *warnings]
        text = "".join(f"# Note: {line}.\n" for line in differences)
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
    if given.type != planned.type:
        own += _NOT_FOR_HVM
    text += write_settings(settings) + _vnuma(topology)
    text += write_settings([*affinity, *kept_settings(given, own)])
    return Rendered(text=text, warnings=tuple(warnings))


def _differences(planned: Domain, created: Domain, placed: PlacedDomain) -> list[str]:
    """Say what is otherwise in a guest that is created as HVM and was planned as another type."""
    lines = [f"planned as {planned.type} and created as hvm, the type that released Xen takes"]
    video = video_bytes(created)
    without = sum(pages_without_address(created, placed.vnode_pages))
    if video:
        lines.append(
            f"{video >> 20} MiB of video memory come out of vnode 0, whose guest addresses are "
            "fewer by so much"
        )
    lines.append(
        f"{without} pages, that memory among them, name no pnode: Xen takes them from the pnodes "
        "of the domain as it likes; so it does with the first 640 KiB of vnode 0"
    )
    more = created.overhead_pages - planned.overhead_pages
    if more > 0:
        lines.append(f"the toolstack needs {exact_size(more)} more beside the guest")
    left_out = sorted(_NOT_FOR_HVM & dict(planned.extra).keys())
    if left_out:
        lines.append(f"{' and '.join(left_out)} are for PV guests and left out")
    return lines


def _reasons(domain: Domain, placed: PlacedDomain, topology: Topology) -> list[str]:
    reasons = [*odd_sizes(topology), *spilled_vnodes(placed), *beyond_xen(topology)]
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
