"""What Xen prints for the debug keys u, m and H: pnodes, free memory by zone, domains.

``u`` in the words of Xen 4.17, of later ones, and of the vNUMA patches of November 2013
(dump_numa); ``H`` (dump_heap) and ``m`` (pagealloc_info) as all of them print it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.errors import Fault, InputError
from placer.layout import as_rows, lay_out_free
from placer.read.host_layout import (
    MOST_DOMID,
    MOST_PCPUS,
    MOST_PNODES,
    parse_figure,
    parse_pcpu_range,
    parse_pcpus,
)
from placer.read.toml_fields import MOST_PAGES
from placer.units import PAGE_KIB, PAGES_PER_MIB

MOST_ZONE: Final = 40
"""The highest zone: frame numbers of 40 bits."""

MOST_VCPUS: Final = 1 << 22
"""Vcpus of all domains in all dumps of one log."""

MOST_VNODES: Final = 1 << 10
"""What the patches of 2013 take (MAX_VNUMA_NODES); released Xen takes 32."""

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
_OLD_MORE_VCPUS: Final = re.compile(r"\d+(?: \d+)*+")
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
    key ``u``, which alone says where each pnode's frames are, and for figures that no Xen has.
    """
    dump = _Dump(source)
    for number, raw in enumerate(text.splitlines(), start=1):
        line = _PREFIX.sub("", raw).strip()
        try:
            dump.read(line)
        except ValueError as error:
            fault = Fault(
                source=source,
                field=repr(line[:60]),
                found=str(error),
                expected="figures that Xen can print",
                line=number,
            )
            raise InputError(fault) from None
    return dump.end()


class _Dump:
    """What was found so far, and which domain and vnode the next lines are about."""

    def __init__(self, source: str) -> None:
        self.found = XenKeys(source=source)
        self._vcpus_left = MOST_VCPUS
        self._pcpus = np.full(MOST_PCPUS + 1, -1)
        self._domain: SeenDomain | None = None
        self._vnode: SeenVnode | None = None
        self._old_vcpus: list[int] | None = None

    def read(self, line: str) -> None:
        """Take in one line; ValueError where a figure of it cannot be."""
        found, domain = self.found, self._domain
        if "pressed -> dumping numa info" in line:
            found.nodes, found.domains = {}, {}
            self._pcpus[:] = -1
            self._domain = self._vnode = self._old_vcpus = None
        elif match := _NODE.fullmatch(line):
            start, size, free = (parse_figure(text, MOST_PAGES) for text in match.groups()[1:])
            found.nodes[parse_figure(match[1], MOST_PNODES - 1)] = (start, size, free)
        elif match := _CPUS.fullmatch(line):
            pnode = parse_figure(match[3], MOST_PNODES - 1)
            first, last = parse_pcpu_range(f"{match[1]}-{match[2] or match[1]}")
            self._pcpus[first : last + 1] = pnode
        elif match := _DOMAIN.fullmatch(line):
            self._domain = SeenDomain(total_pages=parse_figure(match[2], MOST_PAGES))
            found.domains[parse_figure(match[1], MOST_DOMID)] = self._domain
            self._vnode = self._old_vcpus = None
        elif match := _HEAP.fullmatch(line):
            key = parse_figure(match[1], MOST_PNODES - 1), parse_figure(match[2], MOST_ZONE)
            found.free_in[key] = parse_figure(match[3], MOST_PAGES)
        elif match := _ZONE.fullmatch(line):
            found.free_kib[parse_figure(match[1], MOST_ZONE)] = parse_figure(
                match[2], MOST_PAGES * PAGE_KIB
            )
        elif domain is not None:
            self._read_of(domain, line)

    def end(self) -> XenKeys:
        """Return everything that was found; InputError with what contradicts."""
        pcpus = np.flatnonzero(self._pcpus >= 0)
        pnodes = self._pcpus[pcpus].tolist()
        self.found.pcpu_pnode = dict(zip(pcpus.tolist(), pnodes, strict=True))
        _check(self.found)
        return self.found

    def _count_vcpus(self, number: int) -> None:
        self._vcpus_left -= number
        if self._vcpus_left < 0:
            raise ValueError(f"more than {MOST_VCPUS} vcpus in all")

    def _read_of(self, domain: SeenDomain, line: str) -> None:
        """Take in one line about a domain."""
        if match := _NODE_PAGES.fullmatch(line):
            pnode = parse_figure(match[1], MOST_PNODES - 1)
            domain.pages_on[pnode] = parse_figure(match[2], MOST_PAGES)
        elif _VNODES.fullmatch(line) or _OLD_VNODES.fullmatch(line):
            domain.vnodes = {}
        elif match := _VNODE.fullmatch(line):
            self._vnode = SeenVnode(pnode=_pnode(match[2]))
            domain.vnodes[parse_figure(match[1], MOST_VNODES - 1)] = self._vnode
            if vcpus := match[3].split():
                self._vnode.vcpus = parse_pcpus(",".join(vcpus))
                self._count_vcpus(len(self._vnode.vcpus))
        elif self._vnode is not None and (match := _RANGE.fullmatch(line)):
            self._vnode.ranges.append((int(match[1], 16), int(match[2], 16)))
        elif match := _OLD_VNODE.fullmatch(line):
            mib = parse_figure(match[3], MOST_PAGES // PAGES_PER_MIB)
            vnode = SeenVnode(pnode=_pnode(match[2]), mib=mib)
            domain.vnodes[parse_figure(match[1], MOST_VNODES - 1)] = vnode
        elif match := _OLD_VCPUS.fullmatch(line):
            self._old_vcpus = []
            self._add_old_vcpus(domain, self._old_vcpus, match[1])
        elif self._old_vcpus is not None and _OLD_MORE_VCPUS.fullmatch(line):
            self._add_old_vcpus(domain, self._old_vcpus, line)

    def _add_old_vcpus(self, domain: SeenDomain, vcpus: list[int], text: str) -> None:
        """Add the vnodes of the next vcpus, which the patches of 2013 list in order."""
        numbers = text.split()
        self._count_vcpus(len(numbers))
        for vnode in (parse_figure(part, MOST_VNODES - 1) for part in numbers):
            if vnode in domain.vnodes:
                domain.vnodes[vnode].vcpus.append(len(vcpus))
            vcpus.append(vnode)


def _pnode(text: str) -> int | None:
    """Return the pnode of a vnode, None where Xen has none."""
    return parse_figure(text, MOST_PNODES - 1) if text.isdecimal() else None


def _check(found: XenKeys) -> None:
    """Raise InputError with what contradicts."""
    faults = []

    def fault(name: str, what: str, expected: str) -> None:
        faults.append(Fault(source=found.source, field=name, found=what, expected=expected))

    if not found.nodes:
        fault("debug key u", "no line NODEn start->.. size->.. free->..", "the dump of the key")
    elif sorted(found.nodes) != list(range(len(found.nodes))):
        fault("debug key u", f"nodes {sorted(found.nodes)}", "0, 1 and so on")
    for node, (start, size, free) in found.nodes.items():
        if start + size > MOST_PAGES:
            fault(f"NODE{node}", f"frames up to {start + size}", f"{MOST_PAGES} at most")
        if free > size:
            fault(f"NODE{node}", f"{free} free pages", f"its size, {size}, at most")
    for node in sorted({node for node, _ in found.free_in} - set(found.nodes)):
        fault("debug key H", f"node {node}", "a node of key u")
    if found.free_kib.get(0):
        fault("heap[0]", f"{found.free_kib[0]}kB", "0kB: zone 0 has no frames")
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
