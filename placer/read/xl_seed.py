"""A guest's vNUMA as the first patches had it: one flat list for each property.

The keys are those of Elena Ufimtseva's series "vNUMA introduction" (xen-devel,
November 2013) in every spelling that its examples, its code and its man page used.
Xen never released them; today's xl passes them over in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from placer.errors import Fault
from placer.read.xl_cfg import ConfigFile, List, Num, Setting, Str, parse_decimal
from placer.read.xl_findings import At, Findings, count_of, describe_numbers, kind_of
from placer.read.xl_vnuma import (
    DEFAULT_DISTANCES,
    DEFAULT_PNODES,
    DEFAULT_VCPUS,
    MAX_MEMORY_MB,
    MAX_VNODES,
    Amounts,
    Vnuma,
    check_distances,
    check_start_memory,
    read_distance_row,
    read_pnode,
    split_equally,
)

MIN_VNODE_MB: Final = 64
"""The least memory of a vnode in this syntax (MIN_VNODE_SIZE of the series)."""

MAX_BOOLEAN: Final = (1 << 31) - 1
"""Any number but 0 is true (xl.cfg(5), BOOLEAN)."""

SPELLINGS: Final = {
    "vnodes": ("vnuma_nodes",),
    "vnumamem": ("vnuma_mem",),
    "vdistance": ("vnuma_distance",),
    "vnuma_vcpumap": ("vcpu_to_vnode",),
    "vnuma_vnodemap": ("vnode_to_pnode",),
    "vnuma_autoplacement": (),
}
"""Every key of the syntax, and its other spellings, which are read with a warning."""

SEED_KEYS: Final = frozenset(SPELLINGS) | {old for olds in SPELLINGS.values() for old in olds}


def seed_settings(config: ConfigFile) -> list[Setting]:
    """Return the settings of ``config`` that belong to this syntax."""
    return [setting for setting in config.settings if setting.key in SEED_KEYS]


def read_seed(config: ConfigFile, findings: Findings, amounts: Amounts) -> Vnuma | None:
    """Return the vnodes that the flat keys give; None where faulty or where vNUMA is off.

    Faults and warnings go to ``findings``; with its fallback a faulty option is
    replaced by its default, as the first release of the series did.
    """
    options = {key: _find(config, key, findings) for key in SPELLINGS}
    check_start_memory(findings, amounts)
    num_vnodes = _read_num_vnodes(options["vnodes"], seed_settings(config), findings, amounts)
    if num_vnodes == 0:
        return None
    sizes = _read_sizes(options["vnumamem"], num_vnodes, findings, amounts)
    distances = _read_distances(options["vdistance"], num_vnodes, findings)
    vcpu_to_vnode = _read_vcpu_map(options["vnuma_vcpumap"], num_vnodes, findings, amounts)
    automatic = _read_autoplacement(options["vnuma_autoplacement"], findings)
    pnodes = _read_vnode_map(options["vnuma_vnodemap"], num_vnodes, findings, automatic)
    if sizes is None:
        return None
    return Vnuma(
        sizes_mb=sizes,
        num_vcpus=amounts.num_vcpus or 1,
        vcpu_to_vnode=vcpu_to_vnode,
        distances=distances,
        pnodes=pnodes,
    )


def _find(config: ConfigFile, key: str, findings: Findings) -> Setting | None:
    """Return the setting of ``key`` in whichever spelling the file has."""
    found = [s for s in (config.get(name) for name in (key, *SPELLINGS[key])) if s is not None]
    for setting in found:
        if setting.key != key:
            findings.warn(setting, setting.key, "an old spelling", key)
    if len(found) > 1:
        later = max(found, key=lambda setting: (setting.line, setting.column))
        both = " and ".join(setting.key for setting in found)
        findings.fault(later, later.key, f"both {both}", "one spelling of the option")
    return found[0] if found else None


def _read_num_vnodes(
    setting: Setting | None, seen: list[Setting], findings: Findings, amounts: Amounts
) -> int | None:
    """Return how many vnodes there are; 0 where vNUMA is off, None where that is unknown."""
    others = [other.key for other in seen if setting is None or other.key != setting.key]
    faults: list[Fault] = []
    at, name, count = (setting, setting.key, None) if setting else (seen[0], "vnodes", 0)
    if setting is not None:
        count = findings.number_of(setting, faults, least=0, most=MAX_VNODES)
    if count == 0 and others:
        beside = f"beside {', '.join(others)}"
        found = f"0 {beside}" if setting else f"no vnodes {beside}"
        expected = "1 or more (the series would turn vNUMA off and ignore the rest)"
        faults.append(findings.at(at, name, found, expected))
    elif count == 0:
        findings.warn(at, name, "0", "1 or more; vNUMA is off, the guest has one vnode")
    elif count is not None and amounts.num_vcpus is not None and count > amounts.num_vcpus:
        expected = f"{amounts.num_vcpus} at most (one for each vcpu)"
        faults.append(findings.at(at, name, str(count), expected))
        count = None
    default = "replaced by one vnode: vNUMA is off, its other options are ignored"
    if findings.settle(faults, default):
        return count
    return 0 if findings.fallback else count or None


def _numbers(
    items: Iterable[Str | Num | List], name: str, findings: Findings, faults: list[Fault]
) -> list[int | None]:
    """Return the decimal numbers of a list, None for each that is faulty."""
    numbers: list[int | None] = []
    for index, item in enumerate(items):
        if isinstance(item, List):
            faults.append(findings.at(item, name, f"a list as entry {index}", "a number"))
            numbers.append(None)
            continue
        try:
            numbers.append(parse_decimal(item.text))
        except ValueError as error:
            faults.append(findings.at(item, name, str(error), "a number"))
            numbers.append(None)
    return numbers


def _read_list(
    setting: Setting, findings: Findings, faults: list[Fault], expected: str
) -> tuple[Str | Num | List, ...]:
    """Return the elements of a list option; with a fault, none where it is no list."""
    if isinstance(setting.value, List):
        return setting.value.items
    faults.append(findings.at(setting.value, setting.key, kind_of(setting.value), expected))
    return ()


def _check_length(
    setting: Setting, length: int, expected: int | None, each: str, findings: Findings
) -> list[Fault]:
    if expected is None or length == expected:
        return []
    found = count_of(length, "entry", "entries")
    wanted = f"{expected} (one for each {each})"
    return [findings.at(setting.value, setting.key, found, wanted)]


def _read_sizes(
    setting: Setting | None, num_vnodes: int | None, findings: Findings, amounts: Amounts
) -> list[int] | None:
    total = amounts.total_mb
    if setting is not None:
        faults: list[Fault] = []
        sizes = _given_sizes(setting, num_vnodes, findings, amounts, faults)
        if total is None or num_vnodes is None:
            findings.faults.extend(faults)
            return None
        share = split_equally(total, num_vnodes)
        default = f"replaced by an equal split, {share[0]} MB each"
        if share[-1] != share[0]:
            default += f" and {share[-1]} MB on the last"
        if findings.settle(faults, default):
            return sizes
        if not findings.fallback:
            return None
    if total is None or num_vnodes is None:
        return None
    share = split_equally(total, num_vnodes)
    if share[0] < MIN_VNODE_MB:
        findings.fault(
            amounts.memory_at,
            "memory",
            f"{total} MB for {count_of(num_vnodes, 'vnode')}",
            f"{MIN_VNODE_MB * num_vnodes} MB or more ({MIN_VNODE_MB} for each vnode)",
        )
        return None
    return share


def _given_sizes(
    setting: Setting,
    num_vnodes: int | None,
    findings: Findings,
    amounts: Amounts,
    faults: list[Fault],
) -> list[int]:
    """Return the sizes of a vnumamem list; ``faults`` gets all that is wrong with it."""
    items = _read_list(setting, findings, faults, "a list of sizes in MB")
    if not isinstance(setting.value, List):
        return []
    at, name = setting.value, setting.key
    faults += _check_length(setting, len(items), num_vnodes, "vnode", findings)
    read = _numbers(items, name, findings, faults)
    sizes = [size for size in read if size is not None]
    total = amounts.total_mb
    if len(sizes) == len(read):
        whole = total if total is not None else sum(sizes)
        if sum(sizes) != whole or sum(sizes) > MAX_MEMORY_MB:
            faults.append(findings.at(at, name, f"sum {sum(sizes)}", f"{whole} (memory in MB)"))
    small = [size for size in sizes if size < MIN_VNODE_MB]
    if small:
        found = f"{describe_numbers(small)}, below {MIN_VNODE_MB} MB"
        faults.append(findings.at(at, name, found, f"{MIN_VNODE_MB} MB or more for each vnode"))
    return sizes


def _read_distances(
    setting: Setting | None, num_vnodes: int | None, findings: Findings
) -> list[list[int]] | None:
    """Return the table that 2 or N * N distances give; None for the default."""
    if setting is None:
        return None
    faults: list[Fault] = []
    items = _read_list(setting, findings, faults, "a list of distances")
    texts, places = _atoms(items, setting.key, findings, faults)
    row = read_distance_row(texts, places, setting.key, findings, faults)
    table: list[list[int]] | None = None
    if isinstance(setting.value, List):
        distances = [distance for distance in row if distance is not None]
        table = _distance_table(setting, distances, len(items), num_vnodes, findings, faults)
    return table if findings.settle(faults, DEFAULT_DISTANCES) else None


def _distance_table(
    setting: Setting,
    distances: list[int],
    length: int,
    num_vnodes: int | None,
    findings: Findings,
    faults: list[Fault],
) -> list[list[int]] | None:
    at, name = setting.value, setting.key
    size = math.isqrt(length) if num_vnodes is None else num_vnodes
    if length not in (2, size * size) or length == 0:
        expected = "2 entries" if num_vnodes is None else f"2 or {size * size}"
        expected += " (local and remote, or one for each pair of vnodes)"
        found = count_of(length, "entry", "entries")
        faults.append(findings.at(at, name, found, expected))
        return None
    if len(distances) != length:
        return None
    if length == size * size:
        table = [distances[i * size : (i + 1) * size] for i in range(size)]
        faults += check_distances(findings, at, name, table)
        return table
    near, far = distances
    if near >= far:
        expected = "the local distance below the remote one"
        faults.append(findings.at(at, name, f"{near} and {far}", expected))
        return None
    table = [[near if i == j else far for j in range(size)] for i in range(size)]
    faults += check_distances(findings, at, name, table)
    return table


def _atoms(
    items: Iterable[Str | Num | List], name: str, findings: Findings, faults: list[Fault]
) -> tuple[list[str], list[At]]:
    """Return the texts of a list and where they stand; an inner list is a fault."""
    texts: list[str] = []
    places: list[At] = []
    for index, item in enumerate(items):
        if isinstance(item, List):
            faults.append(findings.at(item, name, f"a list as entry {index}", "a number"))
        else:
            texts.append(item.text)
            places.append(item)
    return texts, places


def _read_vcpu_map(
    setting: Setting | None, num_vnodes: int | None, findings: Findings, amounts: Amounts
) -> list[int] | None:
    """Return the vnode of each vcpu; None where the solver chooses or a fault stands."""
    if setting is None:
        return [0] * (amounts.num_vcpus or 1) if num_vnodes == 1 else None
    faults: list[Fault] = []
    value = setting.value
    if isinstance(value, List):
        items: tuple[Str | Num | List, ...] = value.items
    else:
        parts = value.text.split(",") if value.text.strip() else []
        items = tuple(Str(part, value.line, value.column) for part in parts)
    faults += _check_length(setting, len(items), amounts.num_vcpus, "vcpu", findings)
    numbers = _numbers(items, setting.key, findings, faults)
    if num_vnodes is not None:
        for vcpu, vnode in enumerate(numbers):
            if vnode is not None and vnode >= num_vnodes:
                found = f"vnode {vnode} for vcpu {vcpu}"
                expected = f"0 to {num_vnodes - 1}"
                faults.append(findings.at(items[vcpu], setting.key, found, expected))
        empty = sorted(set(range(num_vnodes)) - {n for n in numbers if n is not None})
        if empty:
            plural = len(empty) > 1
            found = f"vnode{'s' if plural else ''} {describe_numbers(empty)} without a vcpu"
            faults.append(findings.at(value, setting.key, found, "a vcpu in every vnode"))
    if findings.settle(faults, f"{DEFAULT_VCPUS}{num_vnodes}"):
        return [number for number in numbers if number is not None]
    if num_vnodes is None:
        return None
    return [vcpu % num_vnodes for vcpu in range(amounts.num_vcpus or 1)]


def _read_autoplacement(setting: Setting | None, findings: Findings) -> bool:
    """Return whether a faulty vnode map may give way to automatic placement."""
    if setting is None:
        return False
    faults: list[Fault] = []
    value = findings.number_of(setting, faults, least=0, most=MAX_BOOLEAN)
    findings.settle(faults, "replaced by 0")
    return bool(value)


def _read_vnode_map(
    setting: Setting | None, num_vnodes: int | None, findings: Findings, automatic: bool
) -> list[int] | None:
    """Return the pnode of each vnode; None where the solver chooses or a fault stands."""
    if setting is None:
        return None
    if findings.ignore_pnodes:
        findings.warn(setting, setting.key, "a map of pnodes, dropped as --ignore-pnodes asks")
        return None
    faults: list[Fault] = []
    items = _read_list(setting, findings, faults, "a list of pnodes")
    texts, places = _atoms(items, setting.key, findings, faults)
    if isinstance(setting.value, List):
        faults += _check_length(setting, len(items), num_vnodes, "vnode", findings)
    pnodes = [
        read_pnode(text, at, setting.key, findings, faults)
        for text, at in zip(texts, places, strict=True)
    ]
    if not findings.settle(faults, DEFAULT_PNODES, heal=automatic):
        return None
    return [pnode for pnode in pnodes if pnode is not None]
