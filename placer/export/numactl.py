"""What ``numactl --hardware`` prints in the guest (numactl.c, hardware and print_distances)."""

from __future__ import annotations

from placer.export.placed import find_placed, topology_as
from placer.export.rendered import ExportOptions, Rendered
from placer.run import Run
from placer.topology import configured_view, guest_view
from placer.units import mib_from_pages


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the nodes of the guest, their vcpus, memory and distances.

    ``options.numbering`` "vnode" keeps the numbers and distances of the configuration.
    Size and free are the configured memory in MB: what the guest's kernel leaves of
    it does not follow from the topology.
    """
    _, placed = find_placed(run, domain)
    _, topology = topology_as(run, placed, options)
    as_configured = options.numbering == "vnode"
    view = configured_view(topology) if as_configured else guest_view(topology)
    warnings = list(view.warnings)
    if view.num_nodes > 1 and view.vnodes != tuple((node,) for node in range(view.num_nodes)):
        names = ", ".join(f"node {node} is vnode {v[0]}" for node, v in enumerate(view.vnodes))
        warnings.append(f"the guest numbers its nodes by their first vcpu: {names}")
    last = view.num_nodes - 1
    lines = [f"available: {view.num_nodes} nodes ({f'0-{last}' if last else '0'})"]
    for node in range(view.num_nodes):
        size = mib_from_pages(int(view.pages[node]))
        lines.append(f"node {node} cpus:" + "".join(f" {vcpu}" for vcpu in view.vcpus_of(node)))
        lines.append(f"node {node} size: {size} MB")
        lines.append(f"node {node} free: {size} MB")
    lines.append("node distances:")
    lines.append("node " + "".join(f"{_padded(node)} " for node in range(view.num_nodes)))
    for node, row in enumerate(view.distances.tolist()):
        lines.append(f"{_padded(node)}: " + "".join(f"{_padded(distance)} " for distance in row))
    return Rendered(text="".join(f"{line}\n" for line in lines), warnings=tuple(warnings))


def _padded(number: int) -> str:
    """Return C's ``% 3d``: a leading blank for the sign, and three columns at least."""
    return f" {number}".rjust(3)
