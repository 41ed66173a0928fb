"""What Xen prints for the debug keys u, m and H: pnodes, free memory by zone, domains.

``u`` in the words of Xen 4.17, of later ones, and of the vNUMA patches of November 2013
(dump_numa); ``H`` (dump_heap) and ``m`` (pagealloc_info) as all of them print it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.errors import Fault, InputError
from placer.read.host_layout import as_rows, lay_out_free
from placer.units import PAGE_KIB

MOST_ZONE: Final = 40
"""The highest zone: frame numbers of 40 bits."""

_PREFIX: Final = re.compile(r"^\(XEN\) (?:\[[^\]]*\] ?)?")
_NODE: Final = re.compile(r"(?:idx\d+ -> )?NODE(\d+) start->(\d+) size->(\d+) free->(\d+)")
_CPUS: Final = re.compile(r"CPU(\d+)(?:\.\.\.(\d+))? -> NODE(\d+)")
_DOMAIN: Final = re.compile(r"(?:Domain |d)(\d+) \(total: (\d+)\):?")
_NODE_PAGES: Final = re.compile(r"Node (\d+): (\d+)")
_VNODES: Final = re.compile(r"(\d+) vnodes, (\d+) vcpus.*")
_VNODE: Final = re.compile(r"(\d+): pnode +(\d+|\?+), vcpus ?([\d \-]*)")
_RANGE: Final = re.compile(r"([0-9a-f]{16}) - ([0-9a-f]{16})")
_OLD_VNODES: Final = re.compile(r"Domain has (\d+) vnodes.*")
_OLD_VNODE: Final = re.compile(r"vnode (\d+) - pnode (-?\d+|any):? \(?<?(\d+)>?\)? MB,?.*")
_OLD_VCPUS: Final = re.compile(r"Domain vcpu to vnode:([\d ]*)")
_OLD_MORE_VCPUS: Final = re.compile(r"\d+( \d+)*")
_HEAP: Final = re.compile(r"heap\[node=(\d+)\]\[zone=(\d+)\] -> (\d+) pages")
_ZONE: Final = re.compile(r"heap\[(\d+)\]: (\d+)kB free")


@dataclass(kw_only=True)
class SeenVnode:
    """One vnode of a domain: its pnode (None where Xen has none), vcpus, and guest ranges.

    ``ranges`` are (start, end) in bytes; ``mib`` is what the patches of 2013 print instead.
    """

    pnode: int | None
    vcpus: list[int] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    mib: int | None = None


@dataclass(kw_only=True)
class SeenDomain:
    """One domain of key ``u``: its pages in all and on each pnode, and its vnodes if any.

    ``pages_of[vnode, pnode]`` is for sources that tell that too, which the key does not.
    """

    total_pages: int
    pages_on: dict[int, int] = field(default_factory=dict)
    vnodes: dict[int, SeenVnode] = field(default_factory=dict)
    pages_of: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(kw_only=True)
class XenKeys:
    """Everything that was found.

    ``nodes[n] = (start_frame, num_frames, free_pages)`` by pnode; ``free_in[n, z]`` from key
    ``H``; ``free_kib[z]`` over all pnodes from key ``m``; ``pcpu_pnode`` by pcpu.
    """

    source: str
    nodes: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    pcpu_pnode: dict[int, int] = field(default_factory=dict)
    domains: dict[int, SeenDomain] = field(default_factory=dict)
    free_in: dict[tuple[int, int], int] = field(default_factory=dict)
    free_kib: dict[int, int] = field(default_factory=dict)


def has_xen_keys(text: str) -> bool:
    """Whether ``text`` holds the dump of key ``u``, as far as a glance tells."""
    return "NODE0 start->" in text


def parse_xen_keys(text: str, source: str) -> XenKeys:
    """Return what the dumps in ``text`` say; lines of other kinds are passed over.

    Of two dumps of one key the later counts. Raises InputError where there is no dump of
    key ``u``, which alone says where each pnode's frames are.
    """
    found = XenKeys(source=source)
    domain: SeenDomain | None = None
    vnode: SeenVnode | None = None
    old_vcpus: list[int] | None = None
    for raw in text.splitlines():
        line = _PREFIX.sub("", raw).strip()
        if "pressed -> dumping numa info" in line:
            found.nodes, found.pcpu_pnode, found.domains = {}, {}, {}
            domain = vnode = old_vcpus = None
        elif match := _NODE.fullmatch(line):
            node, start, size, free = map(int, match.groups())
            found.nodes[node] = (start, size, free)
        elif match := _CPUS.fullmatch(line):
            for pcpu in range(int(match[1]), int(match[2] or match[1]) + 1):
                found.pcpu_pnode[pcpu] = int(match[3])
        elif match := _DOMAIN.fullmatch(line):
            domain = found.domains[int(match[1])] = SeenDomain(total_pages=int(match[2]))
            vnode = old_vcpus = None
        elif match := _HEAP.fullmatch(line):
            node, zone, pages = map(int, match.groups())
            found.free_in[node, zone] = pages
        elif match := _ZONE.fullmatch(line):
            found.free_kib[int(match[1])] = int(match[2])
        elif domain is None:
            continue
        elif match := _NODE_PAGES.fullmatch(line):
            domain.pages_on[int(match[1])] = int(match[2])
        elif _VNODES.fullmatch(line) or _OLD_VNODES.fullmatch(line):
            domain.vnodes = {}
        elif match := _VNODE.fullmatch(line):
            pnode = int(match[2]) if match[2].isdigit() else None
            vnode = domain.vnodes[int(match[1])] = SeenVnode(
                pnode=pnode, vcpus=_expand(match[3].split())
            )
        elif vnode is not None and (match := _RANGE.fullmatch(line)):
            vnode.ranges.append((int(match[1], 16), int(match[2], 16)))
        elif match := _OLD_VNODE.fullmatch(line):
            pnode = int(match[2]) if match[2].isdigit() else None
            domain.vnodes[int(match[1])] = SeenVnode(pnode=pnode, mib=int(match[3]))
        elif match := _OLD_VCPUS.fullmatch(line):
            old_vcpus = []
            _add_old_vcpus(domain, old_vcpus, match[1])
        elif old_vcpus is not None and _OLD_MORE_VCPUS.fullmatch(line):
            _add_old_vcpus(domain, old_vcpus, line)
    _check(found)
    return found


def _add_old_vcpus(domain: SeenDomain, vcpus: list[int], text: str) -> None:
    """Add the vnodes of the next vcpus, which the patches of 2013 list in order."""
    for vnode in map(int, text.split()):
        if vnode in domain.vnodes:
            domain.vnodes[vnode].vcpus.append(len(vcpus))
        vcpus.append(vnode)


def _expand(runs: Iterable[str]) -> list[int]:
    """Return the vcpus of runs such as ``0-1`` and ``3``."""
    found: list[int] = []
    for run in runs:
        first, _, last = run.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _check(found: XenKeys) -> None:
    """Raise InputError with what contradicts."""
    faults = []

    def fault(name: str, what: str, expected: str) -> None:
        faults.append(Fault(source=found.source, field=name, found=what, expected=expected))

    if not found.nodes:
        fault("debug key u", "no line NODEn start->.. size->.. free->..", "the dump of the key")
    elif sorted(found.nodes) != list(range(len(found.nodes))):
        fault("debug key u", f"nodes {sorted(found.nodes)}", "0, 1 and so on")
    for node, (_, size, free) in found.nodes.items():
        if free > size:
            fault(f"NODE{node}", f"{free} free pages", f"its size, {size}, at most")
    for node in sorted({node for node, _ in found.free_in} - set(found.nodes)):
        fault("debug key H", f"node {node}", "a node of key u")
    for (node, zone), pages in sorted(found.free_in.items()):
        if node in found.nodes and pages > len(_in_zone(found, node, zone)):
            most = len(_in_zone(found, node, zone))
            fault(f"heap[node={node}][zone={zone}]", f"{pages} pages", f"{most} at most")
    if faults:
        raise InputError(faults)


def _in_zone(found: XenKeys, node: int, zone: int) -> range:
    """The frames of a pnode in a zone, holes included; frame 0 is in none."""
    start, size, _ = found.nodes[node]
    low, high = (1 << zone - 1, 1 << zone) if zone else (0, 0)
    first = max(start, low)
    return range(first, max(first, min(start + size, high)))


def free_spans_of(found: XenKeys) -> Ints:
    """Return (pnode, start_frame, num_frames) of free memory, as far as the keys say.

    With key ``H`` each zone of a pnode has as much as it says; with key ``m`` each zone has it
    over all pnodes, and each pnode as key ``u`` says; else pnodes alone. Where in it is not
    known: it is laid out at the low end, since Xen hands out high addresses first.
    """
    rows = []
    free_in = found.free_in or _divide_zones(found)
    for node, (start, size, free) in sorted(found.nodes.items()):
        if free_in:
            zones = [(zone, pages) for (owner, zone), pages in free_in.items() if owner == node]
            rows.append([(_in_zone(found, node, zone).start, pages) for zone, pages in zones])
        else:
            rows.append(lay_out_free([(start, size)], free))
    return np.array(as_rows(rows), dtype=np.int64).reshape(-1, 3)


def _divide_zones(found: XenKeys) -> dict[tuple[int, int], int]:
    """Divide what key ``m`` says of each zone among the pnodes, so that each has what ``u`` says.

    A zone that lies in one pnode alone is that pnode's; of others the lowest pnode that has free
    memory left takes first. What the two keys do not agree about, since memory came and went
    between them, is put where a pnode has room.
    """
    zones = {zone: kib // PAGE_KIB for zone, kib in sorted(found.free_kib.items()) if kib}
    if not zones:
        return {}
    left = {node: free for node, (_, _, free) in sorted(found.nodes.items())}
    room = {(n, z): len(_in_zone(found, n, z)) for n in left for z in range(1, MOST_ZONE + 1)}
    owners = {zone: [node for node in left if room[node, zone]] for zone in zones}
    given: dict[tuple[int, int], int] = {}
    for zone in sorted(zones, key=lambda zone: (len(owners[zone]), zone)):
        for node in owners[zone]:
            pages = min(zones[zone], room[node, zone], left[node])
            given[node, zone] = pages
            zones[zone] -= pages
            left[node] -= pages
    for (node, zone), most in room.items():
        more = min(left[node], most - given.get((node, zone), 0))
        if more:
            given[node, zone] = given.get((node, zone), 0) + more
            left[node] -= more
    return given
