"""A guest's topology in hwloc's XML, format 2.0 (hwloc's topology-xml.c and hwloc2.dtd)."""

from __future__ import annotations

from itertools import count
from xml.etree.ElementTree import Element

from placer.export.placed import find_placed, topology_as
from placer.export.rendered import ExportOptions, Rendered
from placer.export.xml_text import add, format_xml
from placer.run import Run
from placer.topology import GuestView, configured_view, guest_view
from placer.units import PAGE_BYTES

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
_DISTANCES_KIND = 5
"""From the operating system (1), and they mean latency (4)."""

_PER_LINE = 10


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the guest's nodes, their vcpus as PUs, memory and distances.

    Nodes are numbered as the guest does, or as vnodes with ``options.numbering`` "vnode".
    """
    given, placed = find_placed(run, domain)
    _, topology = topology_as(run, placed, options)
    as_configured = options.numbering == "vnode"
    view = configured_view(topology) if as_configured else guest_view(topology)
    root = Element("topology", {"version": "2.0"})
    _add_machine(root, view, given.name)
    if view.num_nodes > 1:
        _add_distances(root, view)
    text = format_xml(root)
    return Rendered(text=_HEAD + text, warnings=view.warnings)


def _add_machine(root: Element, view: GuestView, name: str) -> None:
    numbers = count(1)
    vcpus = frozenset(range(len(view.vcpu_to_node)))
    nodes = frozenset(range(view.num_nodes))
    machine = add(
        root,
        "object",
        type="Machine",
        os_index=0,
        **_sets(vcpus, nodes),
        allowed_cpuset=_bitmap(vcpus),
        allowed_nodeset=_bitmap(nodes),
        gp_index=next(numbers),
    )
    add(machine, "info", name="Backend", value="placer")
    add(machine, "info", name="HostName", value=name)
    # hwloc wants objects in the order of their lowest PU.
    for node in sorted(range(view.num_nodes), key=lambda node: (view.vcpus_of(node)[:1], node)):
        mine = frozenset(view.vcpus_of(node))
        sets = _sets(mine, frozenset({node}))
        parent = machine
        if mine and view.num_nodes > 1:
            parent = add(
                machine,
                "object",
                type="Group",
                **sets,
                gp_index=next(numbers),
                kind=1001,
                subkind=0,
            )
        memory = add(
            parent,
            "object",
            type="NUMANode",
            os_index=node,
            **sets,
            gp_index=next(numbers),
            local_memory=int(view.pages[node]) * PAGE_BYTES,
        )
        add(memory, "page_type", size=PAGE_BYTES, count=int(view.pages[node]))
        for vcpu in sorted(mine):
            own = _sets(frozenset({vcpu}), frozenset({node}))
            core = add(parent, "object", type="Core", os_index=vcpu, **own, gp_index=next(numbers))
            add(core, "object", type="PU", os_index=vcpu, **own, gp_index=next(numbers))


def _sets(vcpus: frozenset[int], nodes: frozenset[int]) -> dict[str, str]:
    cpus, memory = _bitmap(vcpus), _bitmap(nodes)
    return {
        "cpuset": cpus,
        "complete_cpuset": cpus,
        "nodeset": memory,
        "complete_nodeset": memory,
    }


def _bitmap(numbers: frozenset[int]) -> str:
    """Return a set as hwloc writes it: words of 32 bits, the highest first."""
    value = sum(1 << number for number in numbers)
    words: list[str] = []
    while value or not words:
        words.append(f"0x{value & 0xFFFFFFFF:08x}" if value else "0x0")
        value >>= 32
    return ",".join(reversed(words))


def _add_distances(root: Element, view: GuestView) -> None:
    matrix = add(
        root,
        "distances2",
        type="NUMANode",
        nbobjs=view.num_nodes,
        kind=_DISTANCES_KIND,
        name="NUMALatency",
        indexing="os",
    )
    _add_numbers(matrix, "indexes", list(range(view.num_nodes)))
    _add_numbers(matrix, "u64values", view.distances.ravel().tolist())


def _add_numbers(parent: Element, tag: str, numbers: list[int]) -> None:
    for start in range(0, len(numbers), _PER_LINE):
        text = "".join(f"{number} " for number in numbers[start : start + _PER_LINE])
        add(parent, tag, text, length=len(text))
