"""OpenStack Nova's NUMATopology of a compute host, as JSON (nova/objects/numa.py).

Written from the class's documentation; no output of a real deployment is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from placer.errors import Fault, InputError
from placer.read.host_guests import GuestPart
from placer.read.host_layout import MOST_PCPUS, MOST_PNODES, MOST_SOCKET
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import MOST_BYTES
from placer.record import parse_json

_NAME: Final = "nova_object.name"
_DATA: Final = "nova_object.data"
_INSTANCES: Final = "instances"


def is_nova(data: Any) -> bool:
    """Whether ``data`` is such an object, as far as a glance tells."""
    return isinstance(data, dict) and data.get(_NAME) == "NUMATopology"


def parse_nova(text: str, source: str) -> HostParts:
    """Return the cells of a host; what its instances use is one running domain.

    ``cpuset`` and ``pcpuset`` together are a cell's pcpus. Raises InputError where the JSON is
    no such object or a figure of it cannot be.
    """
    data = parse_json(text, source)
    reader = _Reader(source)
    if not is_nova(data):
        raise reader.fault(_NAME, "no NUMATopology", "the JSON of nova.objects.NUMATopology")
    parts = HostParts(source=source, grain_bytes=1 << 20)
    used = _Used()
    topology = reader.table(data, _DATA, "")
    for index, cell in enumerate(reader.list_of(topology, "cells", _DATA)):
        where = f"{_DATA}.cells[{index}]"
        _read_cell(reader, reader.table(cell, _DATA, where), f"{where}.{_DATA}", parts, used)
    if not 1 <= len(parts.nodes) <= MOST_PNODES:
        raise reader.fault(f"{_DATA}.cells", f"{len(parts.nodes)} cells", f"1 to {MOST_PNODES}")
    if any(used.pages_on.values()) or used.vcpus_on or used.pinned:
        parts.guests.append(
            GuestPart(
                name=_INSTANCES,
                pages_on=used.pages_on,
                vcpus_on=used.vcpus_on,
                dedicated_pcpus=frozenset(used.pinned),
            )
        )
    return parts


@dataclass
class _Used:
    """What the instances of a host use, by cell."""

    pages_on: dict[int, int] = field(default_factory=dict)
    vcpus_on: dict[int, int] = field(default_factory=dict)
    pinned: set[int] = field(default_factory=set)


def _read_cell(
    reader: _Reader,
    cell: dict[str, Any],
    where: str,
    parts: HostParts,
    used: _Used,
) -> None:
    node = reader.figure(cell, "id", where, MOST_PCPUS)
    if node in parts.nodes:
        raise reader.fault(f"{where}.id", str(node), "each cell once")
    socket = cell.get("socket")
    pcpus = set(reader.numbers(cell, "cpuset", where)) | set(
        reader.numbers(cell, "pcpuset", where) if cell.get("pcpuset") is not None else []
    )
    core_of: dict[int, object] = {}
    for k, siblings in enumerate(reader.list_of(cell, "siblings", where)):
        for pcpu in reader.numbers({"siblings": siblings}, "siblings", f"{where}.siblings[{k}]"):
            core_of[pcpu] = ("siblings", node, k)
    for pcpu in sorted(pcpus):
        if pcpu in parts.pcpus:
            raise reader.fault(f"{where}.cpuset", f"cpu {pcpu} again", "each cpu in one cell")
        parts.pcpus[pcpu] = PcpuPart(
            node=node,
            socket=None if socket is None else reader.figure(cell, "socket", where, MOST_SOCKET),
            core=core_of.get(pcpu, ("alone", pcpu)),
        )
    total = reader.figure(cell, "memory", where, MOST_BYTES >> 20)
    taken = min(reader.figure(cell, "memory_usage", where, MOST_BYTES >> 20), total)
    parts.nodes[node] = NodePart(total_bytes=total << 20, free_bytes=(total - taken) << 20)
    used.pages_on[node] = taken << 8
    mine = set(reader.numbers(cell, "pinned_cpus", where))
    used.pinned |= mine
    shared = reader.figure(cell, "cpu_usage", where, MOST_PCPUS) - len(mine)
    if shared > 0:
        used.vcpus_on[node] = shared


class _Reader:
    """Typed access to JSON, with faults that name the field."""

    def __init__(self, source: str) -> None:
        self.source = source

    def fault(self, name: str, found: str, expected: str) -> InputError:
        return InputError(Fault(source=self.source, field=name, found=found, expected=expected))

    def table(self, data: Any, key: str, where: str) -> dict[str, Any]:
        value = data.get(key) if isinstance(data, dict) else None
        if not isinstance(value, dict):
            raise self.fault(f"{where}.{key}".lstrip("."), repr(value)[:40], "an object")
        return value

    def list_of(self, data: dict[str, Any], key: str, where: str) -> list[Any]:
        value = data.get(key)
        if not isinstance(value, list):
            raise self.fault(f"{where}.{key}", repr(value)[:40], "a list")
        return value

    def figure(self, data: dict[str, Any], key: str, where: str, most: int) -> int:
        value = data.get(key)
        if type(value) is not int or not 0 <= value <= most:
            expected = f"a whole number, 0 to {most}"
            raise self.fault(f"{where}.{key}", repr(value)[:40], expected)
        return value

    def numbers(self, data: dict[str, Any], key: str, where: str) -> list[int]:
        items = self.list_of(data, key, where)
        for item in items:
            if type(item) is not int or not 0 <= item <= MOST_PCPUS:
                raise self.fault(f"{where}.{key}", repr(item)[:40], f"cpus, 0 to {MOST_PCPUS}")
        return items
