"""``xl info -n``: pcpus, nodes, their memory and distances (xl_info.c, output_numainfo)."""

from __future__ import annotations

import re
from typing import Final

from placer.read.host_layout import MOST_PCPUS, MOST_PNODES, MOST_SOCKET
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import MOST_BYTES, TextLines
from placer.units import UNREACHABLE

_SETTING: Final = re.compile(r"([a-z_]\w*(?: topology)?) +:(?: (.*))?", re.A)
_PCPU: Final = re.compile(r" *(\d{1,9}): +(\d{1,9}) +(\d{1,9}) +(\d{1,9})", re.A)
_NODE: Final = re.compile(r" *(\d{1,9}): +(\d{1,19}) +(\d{1,19}) +([\d,-]+)", re.A)
_MOST_DISTANCE: Final = 1 << 32
_UNKNOWN: Final = "-1"


def is_xl_info(text: str) -> bool:
    """Whether ``text`` is the output of ``xl info``, as far as a glance tells."""
    return "xen_major  " in text or "numa_info  " in text


def parse_xl_info(text: str, source: str) -> HostParts:
    """Return what the text says; sizes are whole MiB, holes counted.

    A host with one core in each socket has an empty table of pcpus; which node each is on is
    then for another source to tell (debug key u). Raises InputError where there is no table
    of nodes.
    """
    parts = HostParts(source=source, grain_bytes=1 << 20)
    lines = TextLines(text, source)
    settings: dict[str, str] = {}
    section = ""
    for line in lines:
        if match := _SETTING.fullmatch(line.rstrip()):
            section = match[1]
            settings[section] = (match[2] or "").strip()
        elif section == "cpu_topology" and (match := _PCPU.fullmatch(line.rstrip())):
            _add_pcpu(parts, lines, match)
        elif section == "numa_info" and (match := _NODE.fullmatch(line.rstrip())):
            _add_node(parts, lines, match)
        elif section == "numa_info" and re.match(r" *\d+:", line):
            raise lines.fault("numa_info", repr(line[:60]), "node, memsize, memfree, distances")
    lines.number = 1
    if not parts.nodes:
        raise lines.fault("numa_info", "no nodes", "the output of `xl info -n`, not of `xl info`")
    name = settings.get("host", "")
    parts.name = name if name not in ("", "(none)") and name.isprintable() else None
    total = settings.get("total_memory", "")
    if total.isdecimal():
        parts.ram_bytes = lines.figure("total_memory", total, MOST_BYTES, 1 << 20)
    if not parts.pcpus:
        _add_untold(parts, lines, settings)
    return parts


def _add_pcpu(parts: HostParts, lines: TextLines, match: re.Match[str]) -> None:
    number = lines.figure("cpu", match[1], MOST_PCPUS)
    if number in parts.pcpus:
        raise lines.fault("cpu", f"cpu {number} again", "each once")
    core, socket = (lines.figure(f"cpu {number}", match[k], MOST_SOCKET) for k in (2, 3))
    node = lines.figure(f"cpu {number}", match[4], MOST_PCPUS)
    parts.pcpus[number] = PcpuPart(node=node, socket=socket, core=(socket, core))


def _add_node(parts: HostParts, lines: TextLines, match: re.Match[str]) -> None:
    number = lines.figure("node", match[1], MOST_PCPUS)
    if number in parts.nodes or len(parts.nodes) == MOST_PNODES:
        raise lines.fault("node", f"node {number}", f"each once, {MOST_PNODES} at most")
    size, free = (lines.figure(f"node {number}", match[k], MOST_BYTES, 1 << 20) for k in (2, 3))
    parts.nodes[number] = NodePart(total_bytes=size, free_bytes=free)
    distances = match[4].split(",")
    if len(distances) > MOST_PNODES:
        found = f"{len(distances)} distances"
        raise lines.fault(f"node {number}", found, f"{MOST_PNODES} at most")
    for other, text in enumerate(distances):
        known = text != _UNKNOWN
        value = lines.figure("distance", text, _MOST_DISTANCE) if known else UNREACHABLE
        parts.distances[number, other] = value


def _add_untold(parts: HostParts, lines: TextLines, settings: dict[str, str]) -> None:
    """Add the pcpus of a host whose table is empty, where their numbers are known."""
    count, highest = settings.get("nr_cpus", ""), settings.get("max_cpu_id", "")
    if not (count.isdecimal() and highest.isdecimal()):
        return
    num = lines.figure("nr_cpus", count, MOST_PCPUS + 1)
    if lines.figure("max_cpu_id", highest, MOST_PCPUS) != num - 1:
        return
    alone = settings.get("cores_per_socket") == "1" and settings.get("threads_per_core") == "1"
    parts.pcpus = {pcpu: PcpuPart(core=("alone", pcpu) if alone else None) for pcpu in range(num)}
