"""``lscpu``: which pcpus there are, and on which node, socket and core each is.

As JSON (``lscpu -J``, also of ``-e``) and as the table for programs (``lscpu -p``).
"""

from __future__ import annotations

import re
from typing import Any, Final

from placer.errors import Fault, InputError
from placer.read.host_layout import MOST_PCPUS, MOST_PNODES, MOST_SOCKET, parse_pcpus
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import TextLines
from placer.record import parse_json

_NODE_CPUS: Final = re.compile(r"NUMA node(\d{1,9}) CPU\(s\):", re.A)
_TABLE: Final = re.compile(r"^# ?CPU,", re.M)
_COLUMNS: Final = ("CPU", "Core", "Socket", "Node")
_MOST_DEPTH: Final = 20


def is_lscpu_table(text: str) -> bool:
    """Whether ``text`` is the output of ``lscpu -p``, as far as a glance tells."""
    return _TABLE.search(text) is not None


def is_lscpu_json(data: Any) -> bool:
    """Whether ``data`` is the JSON of ``lscpu -J``, as far as a glance tells."""
    if not isinstance(data, dict):
        return False
    cpus = data.get("cpus")
    return isinstance(data.get("lscpu"), list) or (
        isinstance(cpus, list) and bool(cpus) and isinstance(cpus[0], dict) and "cpu" in cpus[0]
    )


def parse_lscpu_table(text: str, source: str) -> HostParts:
    """Return the pcpus of ``lscpu -p``. Raises InputError for a faulty line."""
    found = HostParts(source=source)
    lines = TextLines(text, source)
    columns: list[str] = []
    for line in lines:
        if line.startswith("#"):
            if line.lstrip("# ").upper().startswith("CPU,"):
                columns = [name.strip().capitalize() for name in line.lstrip("# ").split(",")]
                columns[0] = "CPU"
            continue
        if not line.strip():
            continue
        if not columns:
            raise lines.fault("columns", "no header", "a line such as `# CPU,Core,Socket,Node`")
        row = dict(zip(columns, line.split(","), strict=False))
        figures = {}
        for name in _COLUMNS:
            if row.get(name, "").strip() not in ("", "-"):
                figures[name] = lines.figure(name, row[name].strip(), MOST_SOCKET)
        if "CPU" not in figures or figures["CPU"] > MOST_PCPUS:
            raise lines.fault("CPU", repr(line[:40]), f"a pcpu, 0 to {MOST_PCPUS}")
        if row.get("Online", "Y").strip().upper().startswith("N"):
            continue
        _add(found, figures["CPU"], figures)
    return found


def parse_lscpu_json(data: Any, source: str) -> HostParts:
    """Return the pcpus of ``lscpu -J``; siblings are told where a core has one thread."""
    found = HostParts(source=source)
    if not isinstance(data.get("lscpu"), list):
        _read_rows(data["cpus"], found)
        return found
    fields = dict(_walk(data["lscpu"], 0))
    online = fields.get("On-line CPU(s) list:")
    if not isinstance(online, str):
        raise _fault(source, "On-line CPU(s) list:", repr(online)[:40], "pcpus such as 0-3")
    one_thread = fields.get("Thread(s) per core:") == "1"
    for pcpu in _pcpus(source, "On-line CPU(s) list:", online):
        found.pcpus[pcpu] = PcpuPart(core=("core", pcpu) if one_thread else None)
    for name, value in fields.items():
        if match := _NODE_CPUS.fullmatch(name):
            node = int(match[1])
            found.nodes[node] = NodePart()
            if len(found.nodes) > MOST_PNODES:
                told = f"{len(found.nodes)} nodes"
                raise _fault(source, name, told, f"{MOST_PNODES} at most")
            for pcpu in _pcpus(source, name, value) if value else []:
                if pcpu in found.pcpus:
                    found.pcpus[pcpu].node = node
    return found


def _walk(items: Any, depth: int) -> list[tuple[str, Any]]:
    """Return (field, data) of all entries, those inside others too."""
    found: list[tuple[str, Any]] = []
    for item in items if isinstance(items, list) and depth < _MOST_DEPTH else []:
        if isinstance(item, dict) and isinstance(item.get("field"), str):
            found.append((item["field"], item.get("data")))
            found += _walk(item.get("children"), depth + 1)
    return found


def _read_rows(rows: list[Any], found: HostParts) -> None:
    """Read the rows of ``lscpu -e -J``; figures are numbers or, of older versions, text."""
    for index, row in enumerate(rows):
        where = f"cpus[{index}]"
        if not isinstance(row, dict):
            raise _fault(found.source, where, repr(row)[:40], "an object")
        if row.get("online") in (False, "no"):
            continue
        figures = {}
        for name in _COLUMNS:
            value = row.get(name.lower())
            if value in (None, "-", ""):
                continue
            text = str(value)
            if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
                raise _fault(found.source, f"{where}.{name.lower()}", text[:40], "a whole number")
            if len(text) > 9 or int(text) > (MOST_PCPUS if name == "CPU" else MOST_SOCKET):
                raise _fault(found.source, f"{where}.{name.lower()}", text[:40], "a smaller number")
            figures[name] = int(text)
        if "CPU" not in figures:
            raise _fault(found.source, f"{where}.cpu", "nothing", "a pcpu")
        _add(found, figures["CPU"], figures)


def _add(found: HostParts, pcpu: int, figures: dict[str, int]) -> None:
    if pcpu in found.pcpus:
        raise _fault(found.source, f"pcpu {pcpu}", "the pcpu again", "each pcpu once")
    core = figures.get("Core")
    node = figures.get("Node")
    found.pcpus[pcpu] = PcpuPart(
        node=node,
        socket=figures.get("Socket"),
        core=None if core is None else (figures.get("Socket"), core),
    )
    if node is not None:
        found.nodes.setdefault(node, NodePart())


def _pcpus(source: str, name: str, value: Any) -> list[int]:
    try:
        return parse_pcpus(value) if isinstance(value, str) else parse_pcpus("")
    except ValueError as error:
        raise _fault(source, name, str(error)[:80], "pcpus such as 0-3") from None


def _fault(source: str, name: str, found: str, expected: str) -> InputError:
    return InputError(Fault(source=source, field=name, found=found, expected=expected))


def parse_lscpu_text(text: str, source: str) -> HostParts:
    """Return the pcpus of JSON ``text``; InputError where it is none of lscpu's."""
    data = parse_json(text, source)
    if not is_lscpu_json(data):
        raise _fault(source, "JSON", "no list lscpu or cpus", "the output of lscpu -J")
    return parse_lscpu_json(data, source)
