"""``numactl --hardware``: nodes, their pcpus, memory and distances (numactl.c, hardware)."""

from __future__ import annotations

import re
from typing import Final

from placer.read.host_layout import MOST_PCPUS, MOST_PNODES
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import MOST_BYTES, TextLines

_AVAILABLE: Final = re.compile(r"^available: \d+ nodes? \(", re.M | re.A)
_NODE: Final = re.compile(r"node (\d{1,9}) (cpus|size|free):(.*)", re.A)
_HEADER: Final = re.compile(r"node((?: +\d{1,9})++) *", re.A)
_ROW: Final = re.compile(r" *(\d{1,9}):((?: +\d{1,9})++) *", re.A)
_MOST_DISTANCE: Final = 1 << 31


def is_numactl(text: str) -> bool:
    """Whether ``text`` is what the program prints, as far as a glance tells."""
    return _AVAILABLE.search(text) is not None


def parse_numactl(text: str, source: str) -> HostParts:
    """Return what the text says; sizes are whole MB. Raises InputError for a faulty line."""
    found = HostParts(source=source, grain_bytes=1 << 20)
    lines = TextLines(text, source)
    columns: list[int] = []
    for line in lines:
        if match := _NODE.fullmatch(line.rstrip()):
            number = lines.figure("node", match[1], MOST_PCPUS)
            node = found.nodes.setdefault(number, NodePart())
            name, value = f"node {match[1]} {match[2]}", match[3].strip()
            if match[2] == "cpus":
                for pcpu in lines.pcpus(name, value):
                    if pcpu in found.pcpus:
                        raise lines.fault(name, f"pcpu {pcpu} again", "each pcpu on one node")
                    found.pcpus[pcpu] = PcpuPart(node=number)
            elif value != "<not available>":
                amount, _, unit = value.partition(" ")
                if unit != "MB":
                    raise lines.fault(name, repr(value[:40]), "a size in MB")
                size = lines.figure(name, amount, MOST_BYTES, 1 << 20)
                if match[2] == "size":
                    node.total_bytes = size
                else:
                    node.free_bytes = size
        elif match := _HEADER.fullmatch(line):
            parts = match[1].split()
            if len(parts) > MOST_PNODES:
                raise lines.fault("node", f"{len(parts)} nodes", f"{MOST_PNODES} at most")
            columns = [lines.figure("node", part, MOST_PCPUS) for part in parts]
        elif columns and (match := _ROW.fullmatch(line)):
            row = lines.figure("node", match[1], MOST_PCPUS)
            values = match[2].split()
            if len(values) != len(columns):
                told = f"{len(values)} distances"
                raise lines.fault(f"node {row}", told, f"{len(columns)}, one for each node")
            for column, value in zip(columns, values, strict=True):
                found.distances[row, column] = lines.figure("distance", value, _MOST_DISTANCE)
        if len(found.nodes) > MOST_PNODES:
            raise lines.fault("node", f"{len(found.nodes)} nodes", f"{MOST_PNODES} at most")
    if not found.nodes:
        lines.number = 1
        raise lines.fault("nodes", "none", "lines such as `node 0 cpus: 0 1`")
    return found
