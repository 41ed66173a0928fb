"""Kubernetes' NodeResourceTopology (topology.node.k8s.io, v1alpha1 and v1alpha2), YAML or JSON.

Written from the definition of the resource; no output of a real cluster is at hand.
"""

from __future__ import annotations

import re
from typing import Any, Final

from placer.read.host_guests import GuestPart
from placer.read.host_layout import MOST_PCPUS, MOST_PNODES
from placer.read.host_parts import HostParts, NodePart, PcpuPart
from placer.read.text_lines import MOST_BYTES
from placer.read.yaml_document import YamlDocument
from placer.units import PAGE_BYTES

KIND: Final = "NodeResourceTopology"
_KIND_LINE: Final = re.compile(r'^[ \t"-]*kind"?: *"?NodeResourceTopology', re.M)
_QUANTITY: Final = re.compile(r"(\d{1,19})(\.\d{1,9})?([a-zA-Z]{0,2})", re.A)
_FACTORS: Final = {
    "": 1,
    **{f"{letter}i": 1 << 10 * k for k, letter in enumerate("KMGTP", start=1)},
    **{letter: 1000**k for k, letter in enumerate("kMGTP", start=1)},
}
_ZONE: Final = re.compile(r"(?:.*\D)?(\d{1,5})", re.A)
_MOST_DISTANCE: Final = 1 << 31
_PODS: Final = "pods"


def is_node_resource_topology(text: str) -> bool:
    """Whether ``text`` is such a resource or a list of them, as far as a glance tells."""
    return _KIND_LINE.search(text) is not None


def parse_node_resource_topology(text: str, source: str) -> list[HostParts]:
    """Return the hosts of a resource, or of a list of them as ``kubectl get -o yaml`` prints it.

    Zones say how many cpus they have, not which: pcpus are numbered zone by zone, each a core.
    What is allocatable is the zone's; what is not available of it is held by one running
    domain. Raises InputError where the document is no such resource.
    """
    document = YamlDocument(text, source)
    root = document.table((), document.value)
    items: list[tuple[tuple[str | int, ...], Any]] = [((), root)]
    if "items" in root:
        found = document.list_of(("items",), root["items"])
        items = [(("items", index), item) for index, item in enumerate(found)]
    hosts = [_read_host(document, path, document.table(path, item)) for path, item in items]
    if not hosts:
        raise document.refuse(("items",), "no items", f"at least one {KIND}")
    return hosts


def _read_host(
    document: YamlDocument, path: tuple[str | int, ...], resource: dict[str, Any]
) -> HostParts:
    if resource.get("kind") != KIND:
        raise document.refuse((*path, "kind"), repr(resource.get("kind"))[:40], KIND)
    metadata = document.table((*path, "metadata"), resource.get("metadata", {}))
    name = metadata.get("name")
    parts = HostParts(
        source=document.source, name=name if isinstance(name, str) and name.isprintable() else None
    )
    held: dict[int, int] = {}
    vcpus_on: dict[int, int] = {}
    zones = document.list_of((*path, "zones"), resource.get("zones"))
    numbers: dict[str, int] = {}
    nodes = []
    for index, zone in enumerate(zones):
        place = (*path, "zones", index)
        table = document.table(place, zone)
        if table.get("type", "Node") != "Node":
            continue
        number = _zone_number(document, (*place, "name"), table.get("name"))
        if number in parts.nodes or len(parts.nodes) == MOST_PNODES:
            raise document.refuse(
                (*place, "name"), f"node {number}", f"each once, {MOST_PNODES} at most"
            )
        numbers[str(table["name"])] = number
        parts.nodes[number] = NodePart()
        nodes.append((number, place, table))
    if not nodes:
        raise document.refuse((*path, "zones"), "no zone of type Node", "at least one")
    for number, place, table in sorted(nodes, key=lambda node: node[0]):
        cpus, pages = _read_resources(document, place, table, number, parts)
        held[number] = pages
        if cpus:
            vcpus_on[number] = cpus
        _read_costs(document, place, table, number, numbers, parts)
    if any(held.values()) or vcpus_on:
        parts.guests.append(GuestPart(name=_PODS, pages_on=held, vcpus_on=vcpus_on))
    parts.warn("zones", "how many cpus a zone has, not which", "numbers are given zone by zone")
    return parts


def _zone_number(document: YamlDocument, path: tuple[str | int, ...], name: Any) -> int:
    match = _ZONE.fullmatch(name) if isinstance(name, str) and len(name) < 256 else None
    if match is None:
        raise document.refuse(path, repr(name)[:40], "a name that ends in the node's number")
    return int(match[1])


def _read_resources(
    document: YamlDocument,
    place: tuple[str | int, ...],
    zone: dict[str, Any],
    number: int,
    parts: HostParts,
) -> tuple[int, int]:
    """Read what a zone has; return the cpus and pages of it that are not available."""
    amounts: dict[str, tuple[int, int]] = {}
    given = document.list_of((*place, "resources"), zone.get("resources"))
    for index, item in enumerate(given):
        path = (*place, "resources", index)
        table = document.table(path, item)
        name = table.get("name")
        if name not in ("cpu", "memory"):
            continue
        most = MOST_PCPUS + 1 if name == "cpu" else MOST_BYTES
        figures = {
            key: _quantity(document, (*path, key), table[key], most)
            for key in ("capacity", "allocatable", "available")
            if key in table
        }
        total = figures.get("allocatable", figures.get("capacity"))
        if total is None:
            raise document.refuse(path, "no allocatable", "what the zone can give")
        amounts[name] = total, min(figures.get("available", total), total)
    for name in ("cpu", "memory"):
        if name not in amounts:
            raise document.refuse((*place, "resources"), f"no {name}", "cpu and memory")
    cpus, available = amounts["cpu"]
    first = max(parts.pcpus, default=-1) + 1
    if first + cpus > MOST_PCPUS + 1:
        raise document.refuse(
            (*place, "resources"), f"{first + cpus} cpus", f"{MOST_PCPUS + 1} at most"
        )
    for pcpu in range(first, first + cpus):
        parts.pcpus[pcpu] = PcpuPart(node=number, core=("alone", pcpu))
    total, free = amounts["memory"]
    parts.nodes[number] = NodePart(total_bytes=total, free_bytes=free)
    return cpus - available, (total - free) // PAGE_BYTES


def _read_costs(
    document: YamlDocument,
    place: tuple[str | int, ...],
    zone: dict[str, Any],
    number: int,
    numbers: dict[str, int],
    parts: HostParts,
) -> None:
    """Read the distances of a zone to the others."""
    for index, cost in enumerate(document.list_of((*place, "costs"), zone.get("costs", []))):
        path = (*place, "costs", index)
        table = document.table(path, cost)
        other = numbers.get(str(table.get("name")))
        if other is None:
            raise document.refuse((*path, "name"), repr(table.get("name"))[:40], "a zone")
        value = table.get("value")
        if type(value) is not int or not 0 <= value <= _MOST_DISTANCE:
            raise document.refuse((*path, "value"), repr(value)[:40], "a whole number")
        parts.distances[number, other] = value


def _quantity(document: YamlDocument, path: tuple[str | int, ...], value: Any, most: int) -> int:
    """Return a Kubernetes quantity, rounded down; ``m`` is a thousandth."""
    text = str(value) if type(value) in (int, str) else ""
    match = _QUANTITY.fullmatch(text) if len(text) < 40 else None
    if match is None or (match[3] != "m" and match[3] not in _FACTORS):
        raise document.refuse(path, repr(value)[:40], 'a quantity such as "16" or "64Gi"')
    digits = len((match[2] or ".")[1:])
    scaled = int(match[1] + (match[2] or ".")[1:])
    factor = _FACTORS.get(match[3], 1)
    amount: int = scaled * factor // (10**digits * (1000 if match[3] == "m" else 1))
    if amount > most:
        raise document.refuse(path, text, f"{most} at most")
    return amount
