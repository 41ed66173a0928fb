"""A guest of libvirt: its domain XML (libvirt's formatdomain), as ``virsh dumpxml`` prints it."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from placer.cpulist import CpuList, format_ranges
from placer.domain import Domain, DomainType, VnodeMemory
from placer.errors import Fault
from placer.read.domain_inline import MOST_VNODES
from placer.read.domain_options import MOST_VCPUS
from placer.read.domain_parts import MOST_NODE, DomainParts, mirrored
from placer.read.host_layout import MOST_PCPUS
from placer.read.xml_document import XmlDocument
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_4KIB, PAGE_BYTES, UNREACHABLE

_TYPES: Final[dict[str, DomainType]] = {"hvm": "hvm", "xen": "pv", "linux": "pv", "xenpvh": "pvh"}
_MODES: Final = ("strict", "preferred", "interleave", "restrictive")
_ORDERS: Final = {PAGE_BYTES << order: order for order in (ORDER_4KIB, ORDER_2MIB, ORDER_1GIB)}
_MIB: Final = 1 << 20


def parse_libvirt_domain(
    text: str, source: str, *, ignore_pnodes: bool = False, warnings: list[Fault] | None = None
) -> Domain:
    """Return the guest that ``text`` describes; warnings are appended.

    Cells are vnodes, and without them the whole guest is one. Raises InputError for what is
    no such XML and what libvirt refuses.
    """
    document = XmlDocument(text, source)
    if document.root.tag != "domain":
        raise document.refuse(document.root, "", "another document", "<domain>")
    reader = _Reader(document)
    try:
        return reader.read(ignore_pnodes)
    finally:
        if warnings is not None:
            warnings.extend(reader.parts.warnings)


class _Reader:
    """Reads one document into ``parts``."""

    def __init__(self, document: XmlDocument) -> None:
        self.document = document
        self.root = document.root
        self.parts = DomainParts(source=document.source)

    def read(self, ignore_pnodes: bool) -> Domain:
        parts = self.parts
        parts.name = (self.find("name").text or "").strip()
        parts.lines["name"] = self.line("name")
        parts.type = self._type()
        vcpu = self.root.find("vcpu")
        self._read_vcpus(vcpu)
        cells = self._cells()
        if cells:
            self._read_cells(cells)
        else:
            memory = self.find("memory")
            parts.vnode_bytes = [self._rounded(self._bytes(memory))]
            parts.vcpu_to_vnode = [0] * parts.num_vcpus
        self._check_memory()
        self._read_numatune()
        self._read_pins(vcpu)
        self._read_pages()
        return parts.domain(ignore_pnodes=ignore_pnodes)

    def find(self, path: str) -> Element:
        """Return the element at ``path``; InputError where there is none."""
        found = self.root.find(path)
        if found is None:
            raise self.document.refuse(self.root, "", f"no <{path}>", f"<{path}>")
        return found

    def line(self, path: str) -> int | None:
        found = self.root.find(path)
        return None if found is None else self.document.line_of(found)

    def _warn(self, element: Element, name: str, found: str, expected: str) -> None:
        self.parts.warnings.append(self.document.fault(element, name, found, expected))

    def _type(self) -> DomainType:
        kind = self.root.find("os/type")
        text = "hvm" if kind is None else (kind.text or "").strip()
        if text not in _TYPES:
            place = self.root if kind is None else kind
            expected = f"one of {', '.join(_TYPES)}: a virtual machine"
            raise self.document.refuse(place, "", repr(text[:40]), expected)
        return _TYPES[text]

    def _read_vcpus(self, vcpu: Element | None) -> None:
        if vcpu is None:
            return
        parts = self.parts
        parts.num_vcpus = self.document.number(vcpu, "", vcpu.text or "", MOST_VCPUS)
        if not parts.num_vcpus:
            raise self.document.refuse(vcpu, "", "0", f"1 to {MOST_VCPUS}")
        parts.lines["vcpus"] = self.document.line_of(vcpu)
        first = self.document.figure_or_none(vcpu, "current", MOST_VCPUS)
        if first is not None and first != parts.num_vcpus:
            if not 1 <= first <= parts.num_vcpus:
                expected = f"1 to {parts.num_vcpus}, as many as there are"
                raise self.document.refuse(vcpu, "current", str(first), expected)
            parts.first_vcpus = first
            expected = f"{parts.num_vcpus}, which may run and are placed"
            self._warn(vcpu, "current", str(first), expected)

    # -- memory ------------------------------------------------------------------------------

    def _bytes(self, element: Element) -> int:
        return self.document.size(element, element.text, element.get("unit"))

    def _rounded(self, size: int) -> int:
        """Round as libvirt does for QEMU, which takes memory in MiB."""
        if self.root.get("type") in ("qemu", "kvm"):
            return -(-size // _MIB) * _MIB
        return size

    def _check_memory(self) -> None:
        """Warn of a <memory> that is not the cells' sum, which libvirt overrides, and a balloon."""
        total = sum(self.parts.vnode_bytes)
        memory, current = self.root.find("memory"), self.root.find("currentMemory")
        told = total
        if memory is not None:
            self.parts.lines["memory"] = self.document.line_of(memory)
            told = self._bytes(memory)
            if abs(told - total) >= _MIB * len(self.parts.vnode_bytes):
                found, expected = f"{told >> 10} KiB", f"{total >> 10} KiB, the sum of the cells"
                self._warn(memory, "", found, expected)
        if current is not None and self._bytes(current) < told:
            found = f"{self._bytes(current) >> 10} KiB, what a balloon leaves"
            self._warn(current, "", found, f"room for all of its {total >> 10} KiB")

    # -- cells -------------------------------------------------------------------------------

    def _cells(self) -> list[Element]:
        """Return the cells by number, which are 0, 1 and so on (virDomainNumaDefParseXML)."""
        given = self.root.findall("cpu/numa/cell")
        if len(given) > MOST_VNODES:
            raise self.document.refuse(given[0], "", f"{len(given)} cells", f"{MOST_VNODES}")
        cells: dict[int, Element] = {}
        for place, cell in enumerate(given):
            number = self.document.figure_or_none(cell, "id", MOST_NODE)
            number = place if number is None else number
            if number in cells or number >= len(given):
                expected = f"each of 0 to {len(given) - 1} once"
                raise self.document.refuse(cell, "id", str(number), expected)
            cells[number] = cell
        return [cells[number] for number in range(len(given))]

    def _read_cells(self, cells: list[Element]) -> None:
        parts = self.parts
        vcpus: list[list[int]] = []
        given: dict[tuple[int, int], int] = {}
        for number, cell in enumerate(cells):
            if cell.get("memory") is None:
                raise self.document.refuse(cell, "memory", "nothing", "a size")
            size = self.document.size(cell, cell.get("memory"), cell.get("unit"))
            parts.vnode_bytes.append(self._rounded(size))
            parts.lines["cpus"] = self.document.line_of(cell)
            text = cell.get("cpus") or ""
            vcpus.append(parts.numbers("cpus", text, MOST_VCPUS) if text.strip() else [])
            for sibling in cell.findall("distances/sibling"):
                other = self.document.figure(sibling, "id", MOST_NODE)
                value = self.document.figure(sibling, "value", UNREACHABLE)
                if other >= len(cells) or not value:
                    found = f"cell {other}, distance {value}"
                    expected = f"a cell, 0 to {len(cells) - 1}, and a distance above 0"
                    raise self.document.refuse(sibling, "", found, expected)
                given[number, other] = value
        parts.seat(vcpus, "cpus")
        self._seat_others(cells[0])
        parts.distances = mirrored(given, len(cells))

    def _seat_others(self, first: Element) -> None:
        """Put vcpus that no cell names into the first one (virDomainNumaFillCPUsInNode)."""
        mapping = self.parts.vcpu_to_vnode or []
        left = [vcpu for vcpu, vnode in enumerate(mapping) if vnode < 0]
        if left:
            found = f"{len(left)} vcpus in no cell"
            self._warn(first, "cpus", found, "each in a cell: libvirt puts them into the first")
        self.parts.vcpu_to_vnode = [max(0, vnode) for vnode in mapping]

    # -- where memory and vcpus are to be ----------------------------------------------------

    def _read_numatune(self) -> None:
        parts, count = self.parts, len(self.parts.vnode_bytes)
        parts.pnodes = [-1] * count
        parts.memory = [VnodeMemory()] * count
        cells = len(self.root.findall("cpu/numa/cell"))
        own: dict[int, Element] = {}
        for node in self.root.findall("numatune/memnode"):
            vnode = self.document.figure(node, "cellid", MOST_NODE)
            if vnode >= cells or vnode in own:
                expected = f"each cell once, 0 to {cells - 1}" if cells else "cells in <cpu>"
                raise self.document.refuse(node, "cellid", str(vnode), expected)
            own[vnode] = node
            self._tie([vnode], node)
        overall = self.root.find("numatune/memory")
        others = [vnode for vnode in range(count) if vnode not in own]
        if overall is not None and others and overall.get("placement") != "auto":
            self._tie(others, overall)

    def _tie(self, vnodes: list[int], element: Element) -> None:
        """Tie the memory of vnodes as a <memory> or <memnode> says."""
        parts, text = self.parts, element.get("nodeset")
        if text is None:
            return
        parts.lines["nodeset"] = parts.lines["mode"] = self.document.line_of(element)
        nodes = parts.numbers("nodeset", text, MOST_NODE)
        mode = parts.choice("mode", element.get("mode") or "strict", _MODES)
        memory = VnodeMemory()
        if mode == "preferred":
            memory = VnodeMemory(policy="preferred")
        elif mode == "interleave" and len(nodes) > 1:
            memory = VnodeMemory(policy="interleave", interleave_pnodes=tuple(nodes))
        elif len(nodes) > 1:
            found = f"{text}, for vnodes {format_ranges(vnodes)}"
            expected = "one node: placer puts a vnode on one pnode, whichever is best"
            self._warn(element, "nodeset", found, expected)
        for vnode in vnodes:
            parts.pnodes[vnode] = nodes[0] if len(nodes) == 1 else -1
            parts.memory[vnode] = memory

    def _read_pins(self, vcpu: Element | None) -> None:
        parts = self.parts
        every = None if vcpu is None else self._pcpus(vcpu, vcpu.get("cpuset"))
        parts.hard = [every] * parts.num_vcpus
        pinned: set[int] = set()
        for pin in self.root.findall("cputune/vcpupin"):
            number = self.document.figure(pin, "vcpu", MOST_VCPUS)
            if number in pinned:
                found = f"vcpu {number} again"
                raise self.document.refuse(pin, "vcpu", found, "each vcpu once, as libvirt asks")
            pinned.add(number)
            own = self._pcpus(pin, pin.get("cpuset"))
            if number < parts.num_vcpus:
                parts.hard[number] = own
            else:
                expected = f"0 to {parts.num_vcpus - 1}: libvirt drops this pin"
                self._warn(pin, "vcpu", str(number), expected)

    def _pcpus(self, element: Element, text: str | None) -> CpuList | None:
        if text is None or not text.strip():
            return None
        self.parts.lines["cpuset"] = self.document.line_of(element)
        self.parts.numbers("cpuset", text, MOST_PCPUS)
        return CpuList.parse("".join(text.split()))

    def _read_pages(self) -> None:
        backing = self.root.find("memoryBacking/hugepages")
        if backing is None:
            return
        parts, count = self.parts, len(self.parts.vnode_bytes)
        given = backing.findall("page")
        if len(given) > count + 1:
            expected = f"{count + 1} at most: one for each vnode, and one for the rest"
            raise self.document.refuse(given[0], "", f"{len(given)} sizes", expected)
        parts.page_order = [0 if given else ORDER_2MIB] * count
        if not given:
            self._warn(backing, "", "no size", "a <page>: the host's default is taken as 2 MiB")
        for page in given:
            size = self.document.size(page, page.get("size"), page.get("unit"))
            if size not in _ORDERS:
                found = f"{size} bytes"
                raise self.document.refuse(page, "size", found, "4 KiB, 2 MiB or 1 GiB")
            nodes = page.get("nodeset")
            parts.lines["nodeset"] = self.document.line_of(page)
            own = range(count) if nodes is None else parts.numbers("nodeset", nodes, MOST_NODE)
            for vnode in own:
                if vnode >= count:
                    expected = f"vnodes, 0 to {count - 1}"
                    raise self.document.refuse(page, "nodeset", str(vnode), expected)
                if nodes is not None or not parts.page_order[vnode]:
                    parts.page_order[vnode] = _ORDERS[size]
