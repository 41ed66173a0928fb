"""Linux's own description of a machine: /sys/devices/system, of this machine or a copy of it.

Documented in the kernel's Documentation/ABI: stable/sysfs-devices-node and
testing/sysfs-devices-system-cpu.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from placer.cpulist import format_ranges
from placer.errors import Fault, InputError
from placer.read.host_layout import MOST_PCPUS, MOST_PNODES, parse_figure, parse_pcpus
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import MOST_BYTES, TextLines
from placer.text_file import is_file, is_folder, read_text
from placer.units import exact_size

_NODES: Final = Path("devices/system/node")
_CPUS: Final = Path("devices/system/cpu")
_NUMBERED: Final = re.compile(r"(?:node|cpu)(\d{1,9})", re.A)
_MEMORY: Final = re.compile(r"(?:Node (\d{1,9}) )?(MemTotal|MemFree): +(\d+) kB", re.A)
_HUGE: Final = re.compile(r"hugepages-(\d{1,12})kB", re.A)
_GPU_NODE: Final = re.compile(r"^Node: +(\d{1,9})$", re.M | re.A)
_MOST_DISTANCE: Final = 1 << 31


def find_sysfs(folder: Path) -> Path | None:
    """Return the ``sys`` of a tree that ``folder`` is the root, the ``sys`` or the parent of."""
    for sys in (folder / "sys", folder):
        if is_folder(sys / _CPUS) or is_folder(sys / _NODES):
            return sys
    return None


def read_sysfs(folder: Path) -> HostParts:
    """Return the machine that a tree of sysfs describes: online nodes and pcpus alone.

    Free pages of the pools of huge pages count as free. Where there are no nodes (a kernel
    without NUMA) all memory of /proc/meminfo is node 0's. Raises InputError where ``folder``
    is no such tree or a file of it is damaged.
    """
    sys = find_sysfs(folder)
    if sys is None:
        raise _fault(
            folder, "sysfs", "no devices/system", "/sys, or a copy of it or of what it is in"
        )
    found = HostParts(source=str(folder), grain_bytes=1 << 10, name=_host_name(sys))
    _read_pcpus(sys / _CPUS, found)
    nodes = _numbered(sys / _NODES, "node")
    online = _listed(sys / _NODES / "online")
    order: list[int] = [node for node in sorted(nodes) if online is None or node in online]
    gpus = _gpu_nodes(sys.parent / "proc/driver/nvidia/gpus") & set(order)
    if gpus:
        found.warn("nodes", f"the memory of GPUs as nodes {format_ranges(sorted(gpus))}: left out")
    if len(order) > MOST_PNODES:
        raise _fault(sys / _NODES, "nodes", f"{len(order)} nodes", f"{MOST_PNODES} at most")
    for node in order:
        if node not in gpus:
            _read_node(nodes[node], node, order, found)
    if not order:
        _read_whole(sys.parent / "proc" / "meminfo", found)
    return found


def _read_pcpus(folder: Path, found: HostParts) -> None:
    online = _listed(folder / "online")
    for number, cpu in sorted(_numbered(folder, "cpu").items()):
        flag = _text(cpu / "online")
        if (online is not None and number not in online) or (flag is not None and flag == "0"):
            continue
        if number > MOST_PCPUS:
            raise _fault(cpu, "pcpu", str(number), f"{MOST_PCPUS} at most")
        topology = cpu / "topology"
        package = _number(topology / "physical_package_id")
        found.pcpus[number] = PcpuPart(socket=package, core=_core(topology, package))


def _core(topology: Path, package: int | None) -> Hashable:
    """Return what the siblings of a core have in common."""
    for name in ("core_cpus_list", "thread_siblings_list"):
        siblings = _listed(topology / name)
        if siblings:
            return ("first", min(siblings))
    for name in ("core_cpus", "thread_siblings"):
        bits = _bits(topology / name)
        if bits:
            return ("first", min(bits))
    core = _number(topology / "core_id")
    return None if core is None else (package, _number(topology / "die_id"), core)


def _read_node(folder: Path, node: int, order: list[int], found: HostParts) -> None:
    """Take in one node: its pcpus, memory, huge pages and row of distances."""
    pcpus = _listed(folder / "cpulist")
    if pcpus is None:
        pcpus = _bits(folder / "cpumap")
    if pcpus is None:
        pcpus = set(_numbered(folder, "cpu"))
    for pcpu in pcpus & found.pcpus.keys():
        claimed = found.pcpus[pcpu].node
        if claimed is None:
            found.pcpus[pcpu].node = node
        elif claimed != node:
            found.warn(
                f"node {node}", f"pcpu {pcpu} on node {claimed} too", "each pcpu on one node"
            )
    sizes = _memory(folder / "meminfo")
    part = NodePart(total_bytes=sizes.get("MemTotal"), free_bytes=sizes.get("MemFree"))
    pool = _free_huge_bytes(folder / "hugepages")
    if pool and part.free_bytes is not None and part.total_bytes is not None:
        part.free_bytes = min(part.free_bytes + pool, part.total_bytes)
        found.warn(
            f"node {node}",
            f"{exact_size(pool >> 12)} of the free memory in its pools of huge pages",
            "guests that are backed by huge pages of those sizes",
        )
    found.nodes[node] = part
    text = _text(folder / "distance")
    if text is None:
        return
    values = text.split()
    if len(values) != len(order):
        found.warn(
            f"node {node}", f"{len(values)} distances", f"{len(order)}, one for each online node"
        )
        return
    lines = TextLines(text, str(folder / "distance"))
    lines.number = 1
    for other, value in zip(order, values, strict=True):
        found.distances[node, other] = lines.figure("distance", value, _MOST_DISTANCE)


def _read_whole(path: Path, found: HostParts) -> None:
    """Take all memory and all pcpus for node 0's."""
    sizes = _memory(path)
    found.nodes[0] = NodePart(total_bytes=sizes.get("MemTotal"), free_bytes=sizes.get("MemFree"))
    for pcpu in found.pcpus.values():
        pcpu.node = 0


def _memory(path: Path) -> dict[str, int]:
    """Return MemTotal and MemFree of a meminfo in bytes, as far as they are there."""
    text = _text(path)
    if text is None:
        return {}
    lines = TextLines(text, str(path))
    return {
        match[2]: lines.figure(match[2], match[3], MOST_BYTES, 1 << 10)
        for line in lines
        if (match := _MEMORY.fullmatch(line.strip()))
    }


def _free_huge_bytes(folder: Path) -> int:
    pool = 0
    for path in sorted(folder.iterdir()) if is_folder(folder) else []:
        match = _HUGE.fullmatch(path.name)
        free = _number(path / "free_hugepages") if match else None
        if match and free:
            pool += int(match[1]) * 1024 * free
    return min(pool, MOST_BYTES)


def _gpu_nodes(folder: Path) -> set[int]:
    """Return the nodes that are the memory of NVIDIA's GPUs, as their driver says."""
    found = set()
    for status in sorted(folder.glob("*/numa_status")) if is_folder(folder) else []:
        match = _GPU_NODE.search(_text(status) or "")
        if match:
            found.add(int(match[1]))
    return found


def _host_name(sys: Path) -> str | None:
    name = _text(sys.parent / "proc" / "sys" / "kernel" / "hostname")
    return name if name and name != "(none)" and name.isprintable() else None


def _numbered(folder: Path, kind: str) -> dict[int, Path]:
    """Return the folders ``node0``, ``cpu0`` and so on by number."""
    try:
        paths = list(folder.iterdir()) if is_folder(folder) else []
    except OSError as error:
        raise _fault(folder, kind, (error.strerror or "an error").lower(), "a folder") from None
    return {
        int(match[1]): path
        for path in paths
        if path.name.startswith(kind) and (match := _NUMBERED.fullmatch(path.name))
    }


def _text(path: Path) -> str | None:
    """Return the text of a file without the blanks around it, None where there is none."""
    if not is_file(path):
        return None
    # Copies of such files are known to end in NUL bytes.
    return read_text(path).strip(" \t\n\0")


def _number(path: Path) -> int | None:
    """Return a number; None where there is none or Linux does not know it (-1)."""
    text = _text(path)
    if text in (None, "", "-1"):
        return None
    try:
        return parse_figure(text, MOST_BYTES) if text.isascii() and text.isdecimal() else _no(text)
    except ValueError:
        raise _fault(path, path.name, repr(text[:40]), "a whole number") from None


def _no(text: str) -> int:
    raise ValueError(text)


def _listed(path: Path) -> set[int] | None:
    """Return the numbers of ``0-3,8``, None where there is no such file."""
    text = _text(path)
    if text is None:
        return None
    try:
        return set(parse_pcpus(text)) if text else set()
    except ValueError as error:
        raise _fault(path, path.name, str(error)[:80], 'numbers such as "0-3,8"') from None


def _bits(path: Path) -> set[int] | None:
    """Return the numbers of a bitmap, words in hexadecimal, the lowest last."""
    text = _text(path)
    if text is None:
        return None
    words = text.split(",")
    if len(words) > (MOST_PCPUS + 1) // 4:
        raise _fault(path, path.name, f"{len(words)} words", "a bitmap of pcpus")
    width = max(len(word) for word in words) * 4
    found = set()
    for place, word in enumerate(reversed(words)):
        if not re.fullmatch(r"[0-9a-fA-F]{1,16}", word):
            raise _fault(path, path.name, repr(word[:40]), "words in hexadecimal")
        value = int(word, 16)
        found |= {place * width + bit for bit in range(value.bit_length()) if value >> bit & 1}
    return found


def _fault(path: Path, name: str, found: str, expected: str) -> InputError:
    return InputError(Fault(source=str(path), field=name, found=found, expected=expected))
