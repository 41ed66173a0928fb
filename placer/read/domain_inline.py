"""A ``[[domain]]`` without a configuration file of xl: every field is in the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from placer.arrays import ABSENT, Ints
from placer.cpulist import CpuList
from placer.domain import Domain, DomainType
from placer.read.domain_options import MOST_VCPUS
from placer.read.host_layout import MOST_PNODES
from placer.read.toml_fields import Fields, all_known, describe
from placer.units import PAGES_PER_MIB, UNREACHABLE

INLINE_KEYS: Final = (
    "name",
    "type",
    "memory",
    "memory_pages",
    "vcpus",
    "vnodes",
    "vnode_memory",
    "vcpu_to_vnode",
    "distances",
    "pnodes",
    "cpus",
    "cpus_soft",
)
AUTO: Final = "auto"
MOST_VNODES: Final = 1024
"""MAX_VNUMA_NODES of the first vNUMA patches; released Xen takes 32."""


@dataclass(frozen=True, kw_only=True)
class InlineAmounts:
    """Sizes and vcpus of an inline domain; None where they are faulty."""

    vnode_pages: list[int] | None
    num_vcpus: int | None
    auto_vnodes: bool

    @property
    def num_vnodes(self) -> int | None:
        """How many vnodes there are."""
        return None if self.vnode_pages is None else len(self.vnode_pages)


def read_amounts(fields: Fields) -> InlineAmounts:
    """Return how much memory is in which vnode, and how many vcpus there are."""
    num_vcpus: int | None = 1
    if "vcpus" in fields:
        num_vcpus = fields.integer("vcpus", 1, MOST_VCPUS)
    elif isinstance(fields.table.get("vcpu_to_vnode"), list):
        num_vcpus = len(fields.table["vcpu_to_vnode"])
    return InlineAmounts(
        vnode_pages=_read_sizes(fields),
        num_vcpus=num_vcpus,
        auto_vnodes=fields.table.get("vnodes") == AUTO,
    )


def read_inline(fields: Fields, amounts: InlineAmounts, *, ignore_pnodes: bool) -> Domain | None:
    """Return the domain of the table, or None where faults were noted."""
    document = fields.document
    noted = len(document.faults)
    name = fields.text("name", "a name")
    if "name" not in fields:
        fields.fault("name", "neither name nor cfg", "a name, or the name of an xl.cfg file")
    domain_type = fields.choice("type", ("pv", "pvh", "hvm")) or "pv"
    vcpu_to_vnode = _read_map(fields, amounts)
    distances = _read_distances(fields, amounts)
    pnodes = _read_pnodes(fields, amounts)
    hard = _read_affinity(fields, "cpus", amounts.num_vcpus)
    soft = _read_affinity(fields, "cpus_soft", amounts.num_vcpus)
    faulty = len(document.faults) > noted
    if faulty or name is None or amounts.vnode_pages is None or amounts.num_vcpus is None:
        return None
    return Domain(
        name=name,
        type=cast(DomainType, domain_type),
        vnode_pages=np.array(amounts.vnode_pages, dtype=np.int64),
        num_vcpus=amounts.num_vcpus,
        vcpu_to_vnode=vcpu_to_vnode,
        distances=distances,
        auto_vnodes=amounts.auto_vnodes,
        auto_distances=fields.table.get("distances") == AUTO,
        vnode_pnode=ABSENT if pnodes is None or ignore_pnodes else np.array(pnodes),
        hard_affinity=hard,
        soft_affinity=soft,
        source=document.source,
    )


def _read_sizes(fields: Fields) -> list[int] | None:
    """Return the pages of each vnode; with ``vnodes = "auto"`` all pages in one."""
    auto = fields.table.get("vnodes") == AUTO
    number = None if auto else _read_number_of_vnodes(fields)
    if not auto and number is None and "vnodes" in fields:
        fields.pages("memory")
        return None
    memory = fields.pages("memory")
    if "vnode_memory" in fields:
        sizes = _read_vnode_memory(fields, auto, number)
        if sizes is not None and memory is not None and sum(sizes) != memory:
            expected = f"{memory} pages, as memory says"
            fields.fault("vnode_memory", f"{sum(sizes)} pages in all", expected)
            return None
        return sizes
    if not fields.given("memory", "memory_pages"):
        fields.fault("memory", "no memory", "memory or vnode_memory")
    if memory is None:
        return None
    if not memory:
        fields.fault(fields.given("memory", "memory_pages")[0], "no memory", "some memory")
        return None
    return [memory] if auto else _split(fields, memory, number or 1)


def _read_number_of_vnodes(fields: Fields) -> int | None:
    value = fields.table.get("vnodes")
    if isinstance(value, str):
        fields.fault("vnodes", describe(value), f'1 to {MOST_VNODES}, or "{AUTO}"')
        return None
    return fields.integer("vnodes", 1, MOST_VNODES)


def _read_vnode_memory(fields: Fields, auto: bool, number: int | None) -> list[int] | None:
    document, path = fields.document, fields.at("vnode_memory")
    items = document.items(path, fields.table["vnode_memory"], "a list of sizes, one a vnode")
    if items is None:
        return None
    sizes = all_known(document.size((*path, i), item) for i, item in enumerate(items))
    if auto:
        fields.fault("vnode_memory", 'vnodes = "auto" as well', "memory alone")
        return None
    wanted = len(items) if number is None else number
    if len(items) != wanted or not 1 <= len(items) <= MOST_VNODES:
        expected = f"{wanted}, one a vnode" if number else f"1 to {MOST_VNODES} sizes"
        fields.fault("vnode_memory", f"{len(items)} sizes", expected)
        return None
    if sizes is not None and not sum(sizes):
        fields.fault("vnode_memory", "no memory", "some memory")
        return None
    return sizes


def _split(fields: Fields, memory: int, number: int) -> list[int] | None:
    """Split into equal shares of whole MiB, the remainder on the last, as libxl did."""
    share = memory // PAGES_PER_MIB // number * PAGES_PER_MIB
    if number > 1 and not share:
        found = f"{memory} pages for {number} vnodes"
        fields.fault("vnodes", found, "1 MiB a vnode or more, or vnode_memory")
        return None
    return [share] * (number - 1) + [memory - share * (number - 1)]


def _read_map(fields: Fields, amounts: InlineAmounts) -> Ints | None:
    """Return the vnode of each vcpu; with one vnode it is that one."""
    if "vcpu_to_vnode" not in fields:
        only_one = amounts.num_vnodes == 1 and not amounts.auto_vnodes
        if not only_one or amounts.num_vcpus is None:
            return None
        return np.zeros(amounts.num_vcpus, dtype=np.int64)
    if amounts.auto_vnodes:
        fields.fault("vcpu_to_vnode", 'vnodes = "auto" as well', "a given number of vnodes")
        return None
    most = (amounts.num_vnodes or MOST_VNODES) - 1
    entries = fields.integers("vcpu_to_vnode", 0, most, "a list of vnodes, one a vcpu")
    if entries is None:
        return None
    if len(entries) != (amounts.num_vcpus or len(entries)) or not entries:
        found = f"{len(entries)} entries"
        fields.fault("vcpu_to_vnode", found, f"{amounts.num_vcpus or 1}, one a vcpu")
        return None
    return np.array(entries, dtype=np.int64)


def _read_distances(fields: Fields, amounts: InlineAmounts) -> Ints:
    value: Any = fields.table.get("distances", AUTO)
    if value == AUTO:
        return ABSENT
    if amounts.auto_vnodes:
        fields.fault("distances", 'vnodes = "auto" as well', f'"{AUTO}" or none')
    if amounts.auto_vnodes or amounts.num_vnodes is None:
        return ABSENT
    path = fields.at("distances")
    rows = fields.document.matrix(path, value, amounts.num_vnodes, UNREACHABLE - 1)
    return ABSENT if rows is None else np.array(rows, dtype=np.int64)


def _read_pnodes(fields: Fields, amounts: InlineAmounts) -> list[int] | None:
    if "pnodes" not in fields:
        return None
    document, path = fields.document, fields.at("pnodes")
    if amounts.auto_vnodes:
        fields.fault("pnodes", 'vnodes = "auto" as well', "a given number of vnodes")
        return None
    expected = 'a list of pnodes or "any", one a vnode'
    items = document.items(path, fields.table["pnodes"], expected)
    if items is None:
        return None
    if amounts.num_vnodes is not None and len(items) != amounts.num_vnodes:
        fields.fault("pnodes", f"{len(items)} entries", f"{amounts.num_vnodes}, one a vnode")
        return None
    return all_known(
        -1 if item == "any" else document.integer((*path, i), item, 0, MOST_PNODES - 1)
        for i, item in enumerate(items)
    )


def _read_affinity(fields: Fields, key: str, num_vcpus: int | None) -> tuple[CpuList | None, ...]:
    """Return the CPU list of each vcpu: a string is for all, element i is for vcpu i."""
    value = fields.table.get(key)
    if value is None:
        return ()
    path = fields.at(key)
    if not isinstance(value, list):
        return (_parse_cpus(fields, path, value),) * (num_vcpus or 0)
    if num_vcpus is not None and len(value) != num_vcpus:
        fields.fault(key, f"{len(value)} entries", f"one CPU list, or {num_vcpus}")
        return ()
    return tuple(_parse_cpus(fields, (*path, i), item) for i, item in enumerate(value))


def _parse_cpus(fields: Fields, path: tuple[str | int, ...], value: Any) -> CpuList | None:
    expected = 'a CPU list such as "0-3,^1" or "nodes:1"'
    if not isinstance(value, str):
        fields.document.fault(path, describe(value), expected)
        return None
    try:
        return CpuList.parse(value)
    except ValueError as error:
        fields.document.fault(path, str(error), expected)
        return None
