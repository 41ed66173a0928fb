"""SRAT and SLIT as Xen builds them for HVM and PVH guests (tools/libacpi/build.c).

Strings, revisions and flags are libacpi's; the number of a proximity domain is the vnode's.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from placer.errors import RefusedError
from placer.export.placed import find_placed, refuse, topology_as
from placer.export.rendered import ExportOptions, Rendered
from placer.run import Run
from placer.topology import Topology, guest_view

_HEADER: Final = struct.Struct("<4sIBB6s8sI4sI")
_SRAT_HEAD: Final = struct.Struct("<IQ")
_PROCESSOR: Final = struct.Struct("<BBBBIBBBBI")
_MEMORY: Final = struct.Struct("<BBIHQQIIQ")
MOST_VCPUS: Final = 128
"""APIC ids are twice the vcpu's number and have 8 bits; HVM_MAX_VCPUS."""

MOST_VNODES: Final = 256
"""A processor entry names its domain by 8 bits."""


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return SRAT.aml and SLIT.aml.

    Raises RefusedError for PV guests, which have no such tables, and for more vcpus or vnodes
    than the entries can name. Distances have 8 bits: what is cut off is warned about, and a SLIT
    that Linux would drop.
    """
    given, placed = find_placed(run, domain)
    _, topology = topology_as(run, placed, options)
    if topology.type == "pv":
        raise RefusedError(f"domain {domain!r}: a PV guest has no ACPI tables; --type hvm has")
    reasons = []
    if topology.num_vcpus > MOST_VCPUS:
        reasons.append(f"{topology.num_vcpus} vcpus, and SRAT as Xen builds it names {MOST_VCPUS}")
    if topology.num_vnodes > MOST_VNODES:
        reasons.append(f"{topology.num_vnodes} vnodes, and SRAT as Xen builds it names 256")
    refuse(given, reasons)
    warnings = list(guest_view(topology).warnings)
    if (topology.distances > 0xFF).any():
        warnings.append("distances above 255 are cut to 8 bits in the SLIT, as Xen does")
    files = (("SRAT.aml", srat(topology)), ("SLIT.aml", slit(topology)))
    return Rendered(files=files, warnings=tuple(warnings))


def srat(topology: Topology) -> bytes:
    """Return the SRAT: an entry for each vcpu, then one for each memory range."""
    entries = [
        _PROCESSOR.pack(0, _PROCESSOR.size, vnode, 2 * vcpu, 1, 0, 0, 0, 0, 0)
        for vcpu, vnode in enumerate(topology.vcpu_to_vnode.tolist())
    ]
    entries += [
        _MEMORY.pack(1, _MEMORY.size, vnode, 0, start, end - start, 0, 1, 0)
        for vnode, start, end in topology.ranges.tolist()
    ]
    return _table(b"SRAT", _SRAT_HEAD.pack(1, 0) + b"".join(entries))


def slit(topology: Topology) -> bytes:
    """Return the SLIT: the number of vnodes, then the distances by rows."""
    distances = (topology.distances & 0xFF).astype(np.uint8)
    return _table(b"SLIT", struct.pack("<Q", topology.num_vnodes) + distances.tobytes())


def _table(signature: bytes, body: bytes) -> bytes:
    """Return a table with its header; all its bytes sum to 0."""
    length = _HEADER.size + len(body)
    header = _HEADER.pack(signature, length, 1, 0, b"Xen", b"HVM", 0, b"HVML", 0)
    checksum = -sum(header + body) & 0xFF
    header = _HEADER.pack(signature, length, 1, checksum, b"Xen", b"HVM", 0, b"HVML", 0)
    return header + body
