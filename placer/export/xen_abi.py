"""Xen's vNUMA structures as bytes: what XENMEM_get_vnumainfo returns, and what sets it.

Layouts: xen/include/public/memory.h and domctl.h of Xen 4.17, and those of the patches of
November 2013. Little endian, x86-64. docs/formats.md describes the header.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from placer.arrays import Ints
from placer.errors import RefusedError
from placer.export.placed import beyond_xen, find_placed, refuse, spilled_vnodes, topology_as
from placer.export.rendered import ExportOptions, Rendered
from placer.run import Run
from placer.topology import Topology, guest_view

MAGIC: Final = {
    ("upstream", False): b"PLXVNUM1",
    ("upstream", True): b"PLXVNUS1",
    ("seed", False): b"PLXVNUM0",
}
DOMID_SELF: Final = 0x7FF0
_HEADER: Final = struct.Struct("<8sIIQQ")
_GET: Final = struct.Struct("<HHIIIQQQ")
_SET: Final = struct.Struct("<IIIIQQQQ")
_SEED_GET: Final = struct.Struct("<HxxIQQQQ")
_RANGE: Final = struct.Struct("<QQII")
_SEED_RANGE: Final = struct.Struct("<QQQ")


def render(run: Run, domain: str, options: ExportOptions) -> Rendered:
    """Return the structure and its arrays in one file, pointers being offsets in it.

    Raises RefusedError for spilled memory, for more than 32 vnodes or 170 ranges, and where
    the structures of 2013 cannot say the ranges.
    """
    given, placed = find_placed(run, domain)
    _, topology = topology_as(run, placed, options)
    reasons = [*spilled_vnodes(placed), *beyond_xen(topology)]
    if options.era == "seed":
        if options.to_set:
            raise RefusedError(
                "the structure that set vNUMA in 2013 is not known; only --set or "
                "--era seed, not both"
            )
        reasons += _not_one_range(topology)
    refuse(given, reasons)
    data = _layout(topology, options)
    return Rendered(data=data, warnings=guest_view(topology).warnings)


def _not_one_range(topology: Topology) -> list[str]:
    counts = np.bincount(topology.ranges[:, 0], minlength=topology.num_vnodes).tolist()
    return [
        f"vnode {vnode} has {count} ranges, and the structures of 2013 have one for each"
        for vnode, count in enumerate(counts)
        if count != 1
    ]


def _layout(topology: Topology, options: ExportOptions) -> bytes:
    """Return header, structure and arrays, each array at a multiple of 8."""
    seed = options.era == "seed"
    structure = _SEED_GET if seed else _SET if options.to_set else _GET
    arrays = {
        "vdistance": _u32(topology.distances),
        "vcpu_to_vnode": _u32(topology.vcpu_to_vnode),
        "vnode_to_pnode": _u32(topology.vnode_to_pnode),
        "vmemrange": b"".join(
            _SEED_RANGE.pack(start, end, 0) if seed else _RANGE.pack(start, end, 0, vnode)
            for vnode, start, end in topology.ranges.tolist()
        ),
    }
    if seed:
        arrays["nr_vnodes"] = struct.pack("<I", topology.num_vnodes)
    at, offset = {}, _HEADER.size + structure.size
    for name, content in arrays.items():
        at[name] = offset
        offset += -(-len(content) // 8) * 8
    counts = topology.num_vnodes, len(topology.ranges), topology.num_vcpus
    domid = DOMID_SELF if options.domid is None else options.domid
    pointers = at["vdistance"], at["vcpu_to_vnode"]
    if seed:
        fields = _SEED_GET.pack(domid, 0, at["nr_vnodes"], *pointers, at["vmemrange"])
    elif options.to_set:
        fields = _SET.pack(*counts, 0, *pointers, at["vnode_to_pnode"], at["vmemrange"])
    else:
        vnodes, ranges, vcpus = counts
        fields = _GET.pack(domid, 0, vnodes, vcpus, ranges, *pointers, at["vmemrange"])
    header = _HEADER.pack(
        MAGIC[options.era, options.to_set], offset, _HEADER.size, at["vnode_to_pnode"], 0
    )
    padded = (content.ljust(-(-len(content) // 8) * 8, b"\0") for content in arrays.values())
    return header + fields + b"".join(padded)


def _u32(values: Ints) -> bytes:
    return np.ascontiguousarray(values, dtype="<u4").tobytes()
