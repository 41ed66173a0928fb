"""What a ``[[domain]]`` says that xl.cfg cannot: docs/domains-toml.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numpy as np

from placer.domain import MemoryPolicy, VnodeMemory
from placer.errors import InputError
from placer.read.access_file import SHARE, Shares, parse_share, read_access
from placer.read.host_layout import MOST_PNODES
from placer.read.toml_fields import Fields, all_known, describe
from placer.read.toml_lines import FieldPath
from placer.units import ORDER_NAMES

_T = TypeVar("_T")

OPTION_KEYS: Final = (
    "priority",
    "groups",
    "hosts",
    "forbidden_hosts",
    "distinct_pnodes",
    "cpu_spill",
    "dedicated",
    "thread_policy",
    "vcpu_bounds",
    "page_size",
    "memory_policy",
    "access",
    "access_file",
)
MOST_PRIORITY: Final = 1_000_000
MOST_VCPUS: Final = 8192
"""The most vcpus that Xen gives any domain (MAX_VIRT_CPUS)."""

_ORDERS: Final = {name: order for order, name in ORDER_NAMES.items()}
_MEMORY_EXPECTED: Final = (
    '"strict", "preferred" or {policy = "interleave", pnodes = [..] or width = N}'
)


@dataclass(frozen=True, kw_only=True)
class DomainShape:
    """What is known of a domain before its options; None where it is faulty.

    ``mapped``: its configuration says which vcpu is in which vnode.
    """

    num_vnodes: int | None
    num_vcpus: int | None
    auto_vnodes: bool = False
    mapped: bool = False


def read_options(
    fields: Fields, shape: DomainShape, folder: Path, *, ignore_pnodes: bool
) -> dict[str, Any]:
    """Return the fields of a Domain that the options set; faults are noted in ``fields``.

    ``folder`` is where relative names of access files begin.
    """
    options: dict[str, Any] = {
        "priority": fields.integer("priority", 1, MOST_PRIORITY),
        "groups": fields.texts("groups", "names of groups"),
        "hosts": fields.texts("hosts", "names of hosts"),
        "forbidden_hosts": fields.texts("forbidden_hosts", "names of hosts"),
        "distinct_pnodes": fields.flag("distinct_pnodes"),
        "dedicated": fields.flag("dedicated"),
        "thread_policy": fields.choice("thread_policy", ("prefer", "isolate", "require")),
        "vcpu_bounds": _read_bounds(fields, shape),
        "page_order": _read_page_orders(fields, shape),
        "memory": _read_memory(fields, shape, ignore_pnodes),
        "access": _read_access(fields, shape, folder),
        "cpu_spill": fields.choice("cpu_spill", ("last", "never", "free")),
    }
    if options["hosts"] == ():
        fields.fault("hosts", "no host", "one at least, or leave it out for any")
    if "thread_policy" in fields and not options["dedicated"]:
        fields.fault("thread_policy", "shared vcpus", "dedicated = true to go with it")
    given = {key: value for key, value in options.items() if value is not None}
    if "dedicated" in given:
        # None lets the domain take the default that goes with dedicated.
        given.setdefault("cpu_spill", None)
    return given


def _refuses_auto(fields: Fields, key: str, shape: DomainShape) -> bool:
    """Note a fault where ``key`` needs vnodes that the solver has yet to choose."""
    if shape.auto_vnodes:
        fields.fault(key, 'vnodes = "auto" as well', "a given number of vnodes")
    return shape.auto_vnodes


def _read_bounds(fields: Fields, shape: DomainShape) -> Any:
    """Return [least, most] vcpus of each vnode."""
    if "vcpu_bounds" not in fields or _refuses_auto(fields, "vcpu_bounds", shape):
        return None
    document, path = fields.document, fields.at("vcpu_bounds")
    if shape.mapped:
        fields.fault("vcpu_bounds", "a map of vcpus to vnodes as well", "one of the two")
        return None
    expected = "a pair [least, most] for each vnode"
    items = document.items(path, fields.table["vcpu_bounds"], expected)
    if items is None or (shape.num_vnodes is not None and len(items) != shape.num_vnodes):
        if items is not None:
            document.fault(path, describe(items), f"{shape.num_vnodes} pairs [least, most]")
        return None
    pairs: list[list[int] | None] = []
    for index, item in enumerate(items):
        pair = document.integers((*path, index), item, 0, MOST_VCPUS, "[least, most]")
        if pair is not None and (len(pair) != 2 or pair[0] > pair[1]):
            document.fault((*path, index), str(pair)[:40], "[least, most], least first")
            pair = None
        pairs.append(pair)
    known = all_known(pairs)
    if known is None or shape.num_vnodes is None:
        return None
    least, most = sum(pair[0] for pair in known), sum(pair[1] for pair in known)
    if shape.num_vcpus is not None and not least <= shape.num_vcpus <= most:
        document.fault(path, f"room for {least} to {most} vcpus", f"room for {shape.num_vcpus}")
        return None
    return np.array(known, dtype=np.int64)


def _for_each_vnode(
    fields: Fields, key: str, shape: DomainShape, parse: Callable[[FieldPath, Any], _T | None]
) -> list[_T] | None:
    """Return what ``parse`` makes of an option that is one value, or a list, for all vnodes."""
    value, path = fields.table[key], fields.at(key)
    if not isinstance(value, list):
        parsed = parse(path, value)
        return None if parsed is None else [parsed] * (shape.num_vnodes or 1)
    if shape.num_vnodes is not None and len(value) != shape.num_vnodes:
        fields.fault(key, describe(value), f"one value, or {shape.num_vnodes}")
        return None
    return all_known([parse((*path, index), item) for index, item in enumerate(value)])


def _read_page_orders(fields: Fields, shape: DomainShape) -> Any:
    def parse(path: FieldPath, value: Any) -> int | None:
        order = _ORDERS.get(value) if isinstance(value, str) else None
        if order is None:
            fields.document.fault(path, describe(value), '"4KiB", "2MiB" or "1GiB"')
        return order

    if "page_size" not in fields:
        return None
    orders = _for_each_vnode(fields, "page_size", shape, parse)
    return None if orders is None else np.array(orders, dtype=np.int64)


def _read_memory(
    fields: Fields, shape: DomainShape, ignore_pnodes: bool
) -> tuple[VnodeMemory, ...] | None:
    def parse(path: FieldPath, value: Any) -> VnodeMemory | None:
        return _read_memory_policy(fields, path, value, ignore_pnodes)

    if "memory_policy" not in fields:
        return None
    memory = _for_each_vnode(fields, "memory_policy", shape, parse)
    return None if memory is None else tuple(memory)


def _read_memory_policy(
    fields: Fields, path: FieldPath, value: Any, ignore_pnodes: bool
) -> VnodeMemory | None:
    document = fields.document
    if isinstance(value, str) and value in ("strict", "preferred"):
        return VnodeMemory(policy=cast(MemoryPolicy, value))
    if not isinstance(value, dict):
        document.fault(path, describe(value), _MEMORY_EXPECTED)
        return None
    noted = len(document.faults)
    own = Fields(document, path, value, ("policy", "pnodes", "width"))
    policy = own.choice("policy", ("strict", "preferred", "interleave"))
    if "policy" not in own:
        own.fault("policy", "no policy", _MEMORY_EXPECTED)
    width = own.integer("width", 1, MOST_PNODES)
    pnodes = own.integers("pnodes", 0, MOST_PNODES - 1, "a list of pnodes")
    if pnodes is not None and (not pnodes or len(set(pnodes)) < len(pnodes)):
        own.fault("pnodes", str(pnodes)[:40], "different pnodes, one at least")
    given = own.given("pnodes", "width")
    if policy == "interleave" and len(given) != 1:
        found = "both" if given else "neither pnodes nor width"
        document.fault(path, found, "pnodes = [..] or width = N")
    elif policy in ("strict", "preferred") and given:
        own.fault(given[0], f'policy "{policy}"', "interleave")
    if len(document.faults) > noted or policy is None:
        return None
    kind = cast(MemoryPolicy, policy)
    if pnodes is None:
        return VnodeMemory(policy=kind, interleave_width=width)
    if ignore_pnodes:
        return VnodeMemory(policy=kind, interleave_width=len(pnodes))
    return VnodeMemory(policy=kind, interleave_pnodes=tuple(sorted(pnodes)))


def _read_access(fields: Fields, shape: DomainShape, folder: Path) -> Shares | None:
    given = fields.given("access", "access_file")
    if not given or _refuses_auto(fields, given[0], shape):
        return None
    if len(given) == 2:
        fields.fault("access_file", "access as well", "one of the two")
        return None
    if given == ["access"]:
        return _read_access_rows(fields, shape.num_vnodes)
    name = fields.text("access_file", "the name of a CSV file")
    if name is None:
        return None
    try:
        return read_access(folder / name, shape.num_vnodes)
    except InputError as error:
        fields.document.faults.extend(error.faults)
        return None


def _read_access_rows(fields: Fields, num_vnodes: int | None) -> Shares | None:
    document, path = fields.document, fields.at("access")
    items = document.items(path, fields.table["access"], "a list of rows of access shares")
    if items is None:
        return None
    if num_vnodes is not None and len(items) != num_vnodes:
        document.fault(path, f"{len(items)} rows", f"{num_vnodes}, one for each vnode")
    rows: list[tuple[Fraction, ...] | None] = []
    for index, item in enumerate(items):
        row = document.items((*path, index), item, "a row of access shares")
        shares = [parse_share(value) for value in row or []]
        for column, (share, value) in enumerate(zip(shares, row or [], strict=True)):
            if share is None:
                document.fault((*path, index, column), describe(value), SHARE)
        if row and num_vnodes is not None and len(row) != num_vnodes:
            expected = f"{num_vnodes}, one for each vnode, or none"
            document.fault((*path, index), f"{len(row)} shares", expected)
        known = all_known(shares)
        rows.append(None if known is None or row is None else tuple(known))
    kept = all_known(rows)
    return None if kept is None else tuple(kept)
