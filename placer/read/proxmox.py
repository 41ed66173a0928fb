"""A guest of Proxmox VE: /etc/pve/qemu-server/VMID.conf (qm.conf(5)).

Written from its documentation; no file of a real installation is at hand.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from placer.cpulist import CpuList
from placer.domain import Domain, VnodeMemory
from placer.errors import Fault, InputError
from placer.read.domain_options import MOST_VCPUS
from placer.read.domain_parts import MOST_NODE, DomainParts
from placer.read.host_layout import MOST_PCPUS
from placer.units import ORDER_1GIB, ORDER_2MIB

MOST_NODES: Final = 8
"""numa0 to numa7: Proxmox knows no more."""

_LINE: Final = re.compile(r"([A-Za-z][\w-]*):[ \t]*(.*)")
_NUMA: Final = re.compile(r"numa(\d{1,3})", re.ASCII)
_MARKS: Final = frozenset({"cores", "sockets", "memory", "numa", "scsihw", "ostype", "vmgenid"})
_MOST_MIB: Final = 1 << 32
_PAGES: Final = {"2": ORDER_2MIB, "1024": ORDER_1GIB, "any": ORDER_2MIB}
_POLICIES: Final = ("preferred", "bind", "interleave")
_FLAGS: Final = {"1": True, "on": True, "yes": True, "true": True} | dict.fromkeys(
    ("0", "off", "no", "false"), False
)


def is_proxmox(text: str) -> bool:
    """Whether ``text`` is such a file and no xl.cfg, as far as its first lines tell."""
    for line in text.splitlines()[:400]:
        match = _LINE.fullmatch(line.strip())
        if match is not None and match[1] in _MARKS:
            return True
    return False


def parse_proxmox(
    text: str, path: Path, *, ignore_pnodes: bool = False, warnings: list[Fault] | None = None
) -> Domain:
    """Return the guest that ``text`` of the file ``path`` describes.

    It is named as its file where it has no name.

    Snapshots, which follow in sections, are passed over. Raises InputError with line and key.
    """
    reader = _Reader(text, str(path), path.stem)
    try:
        return reader.read(ignore_pnodes)
    finally:
        if warnings is not None:
            warnings.extend(reader.parts.warnings)


class _Reader:
    """Reads one file into ``parts``."""

    def __init__(self, text: str, source: str, name: str) -> None:
        self.parts = DomainParts(source=source, name=name)
        self.settings: dict[str, str] = {}
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.strip()
            if line.startswith("["):
                break
            if not line or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                found, expected = repr(line[:40]), "key: value"
                raise InputError(
                    Fault(source=source, field="line", found=found, expected=expected, line=number)
                )
            # Proxmox keeps the first of a key that is there twice.
            self.settings.setdefault(match[1], match[2])
            self.parts.lines.setdefault(match[1], number)

    def read(self, ignore_pnodes: bool) -> Domain:
        parts = self.parts
        parts.name = self.settings.get("name", parts.name)
        sockets = self._figure("sockets", 1, MOST_VCPUS, 1)
        cores = self._figure("cores", 1, MOST_VCPUS, 1)
        parts.num_vcpus = sockets * cores
        if parts.num_vcpus > MOST_VCPUS:
            raise parts.refuse("cores", f"{parts.num_vcpus} vcpus", f"{MOST_VCPUS} at most")
        if "vcpus" in self.settings:
            parts.first_vcpus = self._figure("vcpus", 1, parts.num_vcpus, 1)
        memory = self._memory()
        if self._flag("numa"):
            self._read_nodes(memory, sockets, cores)
        else:
            parts.vnode_bytes = [memory << 20]
            parts.vcpu_to_vnode = [0] * parts.num_vcpus
        pages = self.settings.get("hugepages")
        if pages is not None:
            order = _PAGES[parts.choice("hugepages", pages, tuple(_PAGES))]
            parts.page_order = [order] * len(parts.vnode_bytes)
        self._read_affinity()
        return parts.domain(ignore_pnodes=ignore_pnodes)

    def _figure(self, key: str, least: int, most: int, otherwise: int) -> int:
        text = self.settings.get(key)
        return otherwise if text is None else self.parts.figure(key, text, least, most)

    def _flag(self, key: str) -> bool:
        text = self.settings.get(key, "0").strip().lower()
        self.parts.choice(key, text, tuple(_FLAGS))
        return _FLAGS[text]

    def _memory(self) -> int:
        """Return the MiB of ``memory: 2048`` or ``memory: current=2048``; 512 without it."""
        text = self.settings.get("memory", "512").strip()
        return self.parts.figure("memory", text.removeprefix("current="), 1, _MOST_MIB)

    def _read_nodes(self, memory: int, sockets: int, cores: int) -> None:
        """Read numa0 and so on; without them each socket is a node (PVE/QemuServer/Memory.pm)."""
        parts = self.parts
        nodes = {int(m[1]): key for key in self.settings if (m := _NUMA.fullmatch(key))}
        if not nodes:
            if memory % sockets:
                expected = f"as much in each of {sockets} sockets"
                raise parts.refuse("memory", f"{memory} MiB", expected)
            parts.vnode_bytes = [(memory // sockets) << 20] * sockets
            parts.vcpu_to_vnode = [vcpu // cores for vcpu in range(parts.num_vcpus)]
            return
        if sorted(nodes) != list(range(len(nodes))) or len(nodes) > MOST_NODES:
            names = ", ".join(nodes[number] for number in sorted(nodes))
            raise parts.refuse(nodes[max(nodes)], names[:60], "numa0, numa1 .. up to numa7")
        vcpus = []
        for number in range(len(nodes)):
            vcpus.append(self._read_node(nodes[number]))
        parts.seat(vcpus, nodes[0])
        total = sum(parts.vnode_bytes) >> 20
        if total != memory:
            raise parts.refuse("memory", f"{memory} MiB", f"{total}, the sum of its nodes")
        left = [vcpu for vcpu, vnode in enumerate(parts.vcpu_to_vnode or []) if vnode < 0]
        if left:
            raise parts.refuse(nodes[0], f"{len(left)} vcpus in no node", "each in one node")

    def _read_node(self, key: str) -> list[int]:
        """Read ``cpus=0-3;8,hostnodes=0,memory=1024,policy=bind``; return its vcpus."""
        parts = self.parts
        options: dict[str, str] = {}
        for item in self.settings[key].split(","):
            name, sign, value = item.strip().partition("=")
            if not sign:
                name, value = "cpus", name
            parts.choice(key, name, ("cpus", "hostnodes", "memory", "policy"))
            options[name] = value.strip()
        for name in ("cpus", "memory"):
            if name not in options:
                raise parts.refuse(key, f"no {name}", "cpus=.. and memory=..")
        # qemu-server reads the size as any number and takes whole MiB of it.
        whole, _, rest = options["memory"].partition(".")
        if rest.strip("0"):
            raise parts.refuse(key, f"memory={options['memory'][:20]}", "whole MiB")
        parts.vnode_bytes.append(parts.figure(key, whole, 1, _MOST_MIB) << 20)
        policy = parts.choice(key, options.get("policy", "bind"), _POLICIES)
        nodes = None
        if "hostnodes" in options:
            if "policy" not in options:
                raise parts.refuse(
                    key, "hostnodes without policy", f"one of {', '.join(_POLICIES)}"
                )
            nodes = parts.numbers(key, options["hostnodes"].replace(";", ","), MOST_NODE)
        self._tie(key, policy, nodes)
        return parts.numbers(key, options["cpus"].replace(";", ","), MOST_VCPUS)

    def _tie(self, key: str, policy: str, nodes: list[int] | None) -> None:
        parts, memory = self.parts, VnodeMemory()
        if nodes is not None and policy == "preferred":
            memory = VnodeMemory(policy="preferred")
        elif nodes is not None and len(nodes) > 1:
            if policy == "interleave":
                memory = VnodeMemory(policy="interleave", interleave_pnodes=tuple(nodes))
            else:
                found = f"{len(nodes)} nodes, policy {policy}"
                expected = "one node: placer puts a vnode on one pnode, whichever is best"
                parts.warn(key, found, expected)
        parts.pnodes.append(nodes[0] if nodes is not None and len(nodes) == 1 else -1)
        parts.memory.append(memory)

    def _read_affinity(self) -> None:
        parts, text = self.parts, self.settings.get("affinity", "").strip()
        if text:
            parts.numbers("affinity", text, MOST_PCPUS)
            parts.hard = [CpuList.parse("".join(text.split()))] * parts.num_vcpus
