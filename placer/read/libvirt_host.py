"""libvirt's ``virsh capabilities`` (the host's NUMA cells) and ``virsh freecell --all``.

Formats: libvirt's formatcaps, and tools/virsh-host.c.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

from placer.read.host_layout import MOST_PCPUS, MOST_PNODES, MOST_SOCKET, parse_pcpus
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import MOST_BYTES, TextLines
from placer.read.xml_document import XmlDocument, root_tag

_ROW: Final = re.compile(r" *(\d{1,9}): +(\d{1,19}) KiB", re.A)
_TOTAL: Final = re.compile(r"^Total: +\d+ KiB$", re.M | re.A)
_MOST_DISTANCE: Final = 1 << 31


def is_capabilities(text: str) -> bool:
    """Whether ``text`` is ``virsh capabilities``, as far as a glance tells."""
    return root_tag(text) == "capabilities"


def is_freecell(text: str) -> bool:
    """Whether ``text`` is ``virsh freecell --all``, as far as a glance tells."""
    return _TOTAL.search(text) is not None and _ROW.match(text.lstrip("\n")) is not None


def parse_capabilities(text: str, source: str) -> HostParts:
    """Return the cells of the host. Raises InputError where there are none or one is damaged."""
    document = XmlDocument(text, source)
    cells = document.root.findall("./host/topology/cells/cell")
    parts = HostParts(source=source, grain_bytes=1 << 10)
    if not cells:
        raise document.refuse(
            document.root, "host/topology", "no NUMA cells", "<cells> of a host with libvirt's NUMA"
        )
    for cell in cells:
        number = document.figure(cell, "id", MOST_PCPUS)
        if number in parts.nodes:
            raise document.refuse(cell, "id", str(number), "each cell once")
        if len(parts.nodes) == MOST_PNODES:
            raise document.refuse(cell, "", "one more cell", f"{MOST_PNODES} at most")
        memory = cell.find("memory")
        total = None if memory is None else document.size(memory, memory.text, memory.get("unit"))
        parts.nodes[number] = NodePart(total_bytes=total)
        for sibling in cell.findall("./distances/sibling"):
            other = document.figure(sibling, "id", MOST_PCPUS)
            parts.distances[number, other] = document.figure(sibling, "value", _MOST_DISTANCE)
        for cpu in cell.findall("./cpus/cpu"):
            pcpu = document.figure(cpu, "id", MOST_PCPUS)
            if pcpu in parts.pcpus:
                raise document.refuse(cpu, "id", str(pcpu), "each cpu once")
            parts.pcpus[pcpu] = _pcpu(document, cpu, number)
    return parts


def _pcpu(document: XmlDocument, cpu: Element, node: int) -> PcpuPart:
    socket = document.figure_or_none(cpu, "socket_id", MOST_SOCKET)
    siblings = cpu.get("siblings")
    core: object = None
    if siblings:
        try:
            core = ("first", min(parse_pcpus(siblings)))
        except ValueError as error:
            told = str(error)[:80]
            raise document.refuse(cpu, "siblings", told, 'cpus such as "0,12"') from None
    elif cpu.get("core_id") is not None:
        die = document.figure_or_none(cpu, "die_id", MOST_SOCKET)
        core = (socket, die, document.figure(cpu, "core_id", MOST_BYTES))
    return PcpuPart(node=node, socket=socket, core=core)


def parse_freecell(text: str, source: str) -> HostParts:
    """Return what is free in each cell; nothing else is told."""
    parts = HostParts(source=source, grain_bytes=1 << 10)
    lines = TextLines(text, source)
    for line in lines:
        if match := _ROW.fullmatch(line.rstrip()):
            number = lines.figure("cell", match[1], MOST_PCPUS)
            size = lines.figure(f"cell {number}", match[2], MOST_BYTES, 1 << 10)
            parts.nodes[number] = NodePart(free_bytes=size)
        elif line.strip() and not line.startswith(("---", "Total:")):
            raise lines.fault("cell", repr(line[:40]), "lines such as `0: 2048 KiB`")
    if len(parts.nodes) > MOST_PNODES:
        raise lines.fault("cell", f"{len(parts.nodes)} cells", f"{MOST_PNODES} at most")
    return parts
