"""hwloc's XML, formats 1.x, 2.x and 3.0, as ``lstopo FILE.xml`` writes it.

Rules: hwloc's topology-xml.c. What the document forbids (``allowed_cpuset``) is left out, as
hwloc does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from placer.cpulist import format_ranges
from placer.read.host_layout import MOST_PCPUS, MOST_PNODES
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import MOST_BYTES
from placer.read.xml_document import XmlDocument, root_tag

_WORD: Final = re.compile(r"(?:0x)?[0-9a-fA-F]{0,16}", re.A)
_MOST_INDEX: Final = 1 << 16
_MOST_DISTANCE: Final = 1 << 63
_LATENCY: Final = 4
"""HWLOC_DISTANCES_KIND_MEANS_LATENCY."""


def is_hwloc(text: str) -> bool:
    """Whether ``text`` is such a document, as far as a glance tells."""
    return root_tag(text) == "topology"


@dataclass
class _Found:
    """The nodes and pcpus of the tree, with what encloses each."""

    nodes: dict[int, Element] = field(default_factory=dict)
    cpusets: dict[int, int] = field(default_factory=dict)
    pcpus: dict[int, PcpuPart] = field(default_factory=dict)


def parse_hwloc(text: str, source: str) -> HostParts:
    """Return the nodes, pcpus and distances of a document.

    A pcpu that is local to several nodes (DRAM and high-bandwidth memory) is the one's with
    the fewest pcpus, the lowest of those; the others have no pcpus. Raises InputError where
    the document is damaged.
    """
    document = XmlDocument(text, source)
    if document.root.tag != "topology":
        raise document.refuse(document.root, "", "no topology", "<topology>")
    machine = document.root.find("object")
    if machine is None:
        raise document.refuse(document.root, "object", "none", "the machine")
    parts = HostParts(source=source, name=_host_name(document.root))
    found = _Found()
    for element, socket, core, cpuset in _objects(document, machine):
        kind = element.get("type")
        if kind == "NUMANode":
            _add_node(document, element, cpuset, found)
        elif kind == "PU":
            number = document.figure(element, "os_index", MOST_PCPUS)
            if number in found.pcpus:
                raise document.refuse(element, "os_index", str(number), "each PU once")
            found.pcpus[number] = PcpuPart(socket=socket, core=core)
    allowed_pcpus = _bitmap(document, machine, "allowed_cpuset")
    allowed_nodes = _bitmap(document, machine, "allowed_nodeset")
    if not found.nodes:
        # hwloc 1.x has no node where the kernel has no NUMA.
        found.nodes[0] = machine
        found.cpusets[0] = -1
    for number, element in sorted(found.nodes.items()):
        if allowed_nodes is None or allowed_nodes >> number & 1 or element is machine:
            total = document.figure_or_none(element, "local_memory", MOST_BYTES)
            parts.nodes[number] = NodePart(total_bytes=total or 0)
    for number, pcpu in sorted(found.pcpus.items()):
        if allowed_pcpus is None or allowed_pcpus >> number & 1:
            parts.pcpus[number] = pcpu
    _tie(parts, found, document)
    _leave_out_without_node(parts)
    _read_distances(document, machine, parts)
    return parts


def _objects(
    document: XmlDocument, machine: Element
) -> Iterator[tuple[Element, int | None, object, int]]:
    """Yield every object with its package, core and own or enclosing cpuset."""
    waiting: list[tuple[Element, int | None, int | None, int]] = [(machine, None, None, 0)]
    packages = cores = 0
    while waiting:
        element, socket, core, cpuset = waiting.pop()
        kind = element.get("type")
        if kind in ("Package", "Socket"):
            index = document.figure_or_none(element, "os_index", _MOST_INDEX * _MOST_INDEX)
            socket = packages if index is None or index >= _MOST_INDEX else index
            packages += 1
        elif kind == "Core":
            core = cores
            cores += 1
        own = _bitmap(document, element, "cpuset")
        cpuset = cpuset if own is None else own
        yield element, socket, core, cpuset
        children = [child for child in element if child.tag == "object"]
        waiting += [(child, socket, core, cpuset) for child in reversed(children)]


def _add_node(document: XmlDocument, element: Element, cpuset: int, found: _Found) -> None:
    number = document.figure(element, "os_index", _MOST_INDEX)
    if number in found.nodes:
        raise document.refuse(element, "os_index", str(number), "each node once")
    if len(found.nodes) == MOST_PNODES:
        raise document.refuse(element, "", "one more node", f"{MOST_PNODES} at most")
    found.nodes[number] = element
    found.cpusets[number] = cpuset


def _tie(parts: HostParts, found: _Found, document: XmlDocument) -> None:
    """Give every pcpu its node."""
    order = sorted(parts.nodes, key=lambda node: (found.cpusets[node].bit_count(), node))
    shared = set()
    for node in order:
        mine = found.cpusets[node]
        for number, pcpu in parts.pcpus.items():
            if not mine >> number & 1:
                continue
            if pcpu.node is None:
                pcpu.node = node
            else:
                shared.add(node)
    for node in sorted(shared):
        parts.warnings.append(
            document.fault(
                found.nodes[node],
                f"node {node}",
                "pcpus that another node has too",
                "one node for each pcpu: this one is taken for memory alone",
            )
        )


def _leave_out_without_node(parts: HostParts) -> None:
    """Leave out the pcpus of nodes that the document forbids."""
    nowhere = [number for number, pcpu in parts.pcpus.items() if pcpu.node is None]
    if nowhere and len(nowhere) < len(parts.pcpus):
        parts.warn("pcpus", f"pcpus {format_ranges(nowhere)} of no allowed node: left out")
        for number in nowhere:
            del parts.pcpus[number]


def _bitmap(document: XmlDocument, element: Element, name: str) -> int | None:
    """Return a set as an integer's bits, -1 for the infinite one; None where it is absent."""
    text = element.get(name)
    if text is None:
        return None
    value = 0
    words = text.split(",")
    if len(words) > _MOST_INDEX // 32:
        raise document.refuse(element, name, f"{len(words)} words", "a smaller set")
    infinite = words[0] == "0xf...f"
    for word in words[1:] if infinite else words:
        if not _WORD.fullmatch(word):
            raise document.refuse(element, name, repr(word[:40]), "words in hexadecimal")
        value = value << 32 | int(word.removeprefix("0x") or "0", 16)
    return value | -1 << 32 * (len(words) - 1) if infinite else value


def _host_name(root: Element) -> str | None:
    for info in root.iter("info"):
        name = info.get("value", "")
        if info.get("name") == "HostName" and name and name.isprintable() and name != "(none)":
            return name
    return None


def _read_distances(document: XmlDocument, machine: Element, parts: HostParts) -> None:
    for element in document.root.iter("distances2"):
        kind = document.figure_or_none(element, "kind", _MOST_DISTANCE) or 0
        named = element.get("name") == "NUMALatency"
        if element.get("type") != "NUMANode" or not (named or kind & _LATENCY):
            continue
        if element.get("indexing", "os") != "os":
            continue
        indexes = _numbers(document, element, "indexes")
        values = _numbers(document, element, "u64values")
        _take(document, element, indexes, values, parts)
        if named:
            return
    if not parts.distances:
        _read_old_distances(document, machine, parts)


def _read_old_distances(document: XmlDocument, machine: Element, parts: HostParts) -> None:
    """Read the matrices of 1.x: latencies over a base, among the nodes below an object."""
    for owner in machine.iter("object"):
        matrices = owner.findall("distances")
        if not matrices:
            continue
        nodes = [
            document.figure(below, "os_index", _MOST_INDEX)
            for below in owner.iter("object")
            if below.get("type") == "NUMANode"
        ]
        for element in matrices:
            if document.figure(element, "nbobjs", _MOST_INDEX) != len(nodes):
                continue
            base = _decimal(document, element, "latency_base")
            values = [
                round(_decimal(document, item, "value") * base) for item in element.iter("latency")
            ]
            _take(document, element, nodes, values, parts)


def _take(
    document: XmlDocument, element: Element, nodes: list[int], values: list[int], parts: HostParts
) -> None:
    if len(values) != len(nodes) ** 2:
        told = f"{len(values)} values for {len(nodes)} nodes"
        raise document.refuse(element, "values", told, "a value for each pair")
    for row, a in enumerate(nodes):
        for column, b in enumerate(nodes):
            if a in parts.nodes and b in parts.nodes:
                parts.distances[a, b] = values[row * len(nodes) + column]


def _numbers(document: XmlDocument, element: Element, tag: str) -> list[int]:
    return [
        document.number(item, tag, text, _MOST_DISTANCE)
        for item in element.findall(tag)
        for text in (item.text or "").split()
    ]


def _decimal(document: XmlDocument, element: Element, name: str) -> float:
    text = element.get(name, "")
    if not re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,12})?", text, re.A):
        raise document.refuse(element, name, repr(text[:40]), "a decimal number")
    return float(text)
