"""The formats in which other programs describe a host, how each is known and read."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from placer.errors import Fault, InputError
from placer.host import Host
from placer.read.host_parts import HostParts, build_host
from placer.read.hwloc import is_hwloc, parse_hwloc
from placer.read.libvirt_host import (
    is_capabilities,
    is_freecell,
    parse_capabilities,
    parse_freecell,
)
from placer.read.lscpu import (
    is_lscpu_json,
    is_lscpu_table,
    parse_lscpu_table,
    parse_lscpu_text,
)
from placer.read.node_resource_topology import (
    is_node_resource_topology,
    parse_node_resource_topology,
)
from placer.read.nova import is_nova, parse_nova
from placer.read.numactl import is_numactl, parse_numactl
from placer.read.sysfs import find_sysfs, read_sysfs
from placer.read.xen_host import parse_xen_host
from placer.read.xen_keys import has_xen_keys
from placer.read.xl_info import is_xl_info, parse_xl_info
from placer.read.xl_list import (
    is_xl_list,
    is_xl_vcpu_list,
    parse_xl_list,
    parse_xl_vcpu_list,
)
from placer.record import parse_json
from placer.text_file import is_folder, read_text

SYSFS: Final = "sysfs"


@dataclass(frozen=True, kw_only=True)
class HostFormat:
    """One format: what a text of it is made by, how it is known, and its parser."""

    made_by: str
    glance: Callable[[str], bool]
    parse: Callable[[str, str], list[HostParts]]


def _one(parse: Callable[[str, str], HostParts]) -> Callable[[str, str], list[HostParts]]:
    return lambda text, source: [parse(text, source)]


def _json(glance: Callable[[Any], bool]) -> Callable[[str], bool]:
    """Return a glance at JSON text; what is no JSON is of no such format."""

    def look(text: str) -> bool:
        if not text.lstrip().startswith("{"):
            return False
        try:
            return glance(parse_json(text, ""))
        except InputError:
            return False

    return look


HOST_FORMATS: Final[dict[str, HostFormat]] = {
    "hwloc": HostFormat(made_by="lstopo FILE.xml", glance=is_hwloc, parse=_one(parse_hwloc)),
    "libvirt": HostFormat(
        made_by="virsh capabilities", glance=is_capabilities, parse=_one(parse_capabilities)
    ),
    "xl-info": HostFormat(made_by="xl info -n", glance=is_xl_info, parse=_one(parse_xl_info)),
    "xen-keys": HostFormat(
        made_by="xl debug-keys u; xl dmesg", glance=has_xen_keys, parse=_one(parse_xen_host)
    ),
    "xl-list": HostFormat(made_by="xl list -n", glance=is_xl_list, parse=_one(parse_xl_list)),
    "xl-vcpu-list": HostFormat(
        made_by="xl vcpu-list", glance=is_xl_vcpu_list, parse=_one(parse_xl_vcpu_list)
    ),
    "numactl": HostFormat(
        made_by="numactl --hardware", glance=is_numactl, parse=_one(parse_numactl)
    ),
    "lscpu": HostFormat(made_by="lscpu -p", glance=is_lscpu_table, parse=_one(parse_lscpu_table)),
    "lscpu-json": HostFormat(
        made_by="lscpu -J", glance=_json(is_lscpu_json), parse=_one(parse_lscpu_text)
    ),
    "freecell": HostFormat(
        made_by="virsh freecell --all", glance=is_freecell, parse=_one(parse_freecell)
    ),
    "nova": HostFormat(
        made_by="Nova's NUMATopology", glance=_json(is_nova), parse=_one(parse_nova)
    ),
    "node-resource-topology": HostFormat(
        made_by="kubectl get noderesourcetopologies -o yaml",
        glance=is_node_resource_topology,
        parse=parse_node_resource_topology,
    ),
}
"""Every format of a file but placer's own; a tree of sysfs is a folder."""


def sniff_host(text: str) -> str | None:
    """Return the name of the format that ``text`` looks like, None where it is of none."""
    return next((name for name, one in HOST_FORMATS.items() if one.glance(text)), None)


def read_parts(path: Path, format_name: str | None = None) -> list[HostParts]:
    """Return what a file, or a tree of sysfs, says of a host; of several hosts for some lists.

    Without ``format_name`` the format is that which it looks like. Raises InputError where it
    is of no known format, or faulty.
    """
    if format_name not in (None, SYSFS, *HOST_FORMATS):
        known = [SYSFS, *HOST_FORMATS]
        near = get_close_matches(str(format_name), known, n=1)
        expected = f"{near[0]}?" if near else f"one of {', '.join(known)}"
        raise _fault(Path("--from"), "format", repr(format_name), expected)
    if format_name == SYSFS or (format_name is None and is_folder(path)):
        return [read_sysfs(path)]
    text = read_text(path)
    name = format_name or sniff_host(text)
    if name is None:
        made_by = "; ".join(one.made_by for one in HOST_FORMATS.values())
        raise _fault(path, "format", "none that is known", f"the output of one of: {made_by}")
    return HOST_FORMATS[name].parse(text, str(path))


def default_name(path: Path) -> str:
    """Return the name of a host whose source does not name it: the file's, or this machine's."""
    if is_folder(path):
        root = path.resolve()
        if root in (Path("/"), Path("/sys")):
            return platform.node() or "host"
        return root.parent.name if root.name == "sys" else root.name
    return path.stem


def is_foreign(path: Path) -> bool:
    """Whether a file or folder describes a host in one of these formats, at a glance."""
    if is_folder(path):
        return find_sysfs(path) is not None
    try:
        return sniff_host(read_text(path)) is not None
    except InputError:
        return False


def read_foreign(path: Path, warnings: list[Fault]) -> list[Host]:
    """Return the hosts of one file or tree of sysfs, which says all that a host needs."""
    hosts = []
    for parts in read_parts(path):
        host, found = build_host(parts, default_name(path))
        hosts.append(host)
        warnings += found
    return hosts


def _fault(path: Path, name: str, found: str, expected: str) -> InputError:
    return InputError(Fault(source=str(path), field=name, found=found, expected=expected))
