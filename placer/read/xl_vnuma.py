"""A guest's vNUMA as xl.cfg(5) has it since Xen 4.6: ``vnuma = [["pnode=0", ...], ...]``.

The rules are those of tools/xl/xl_parse.c (parse_vnuma_config) and
tools/libs/light/libxl_vnuma.c; what xl passes over in silence is reported here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from placer.domain import DomainType
from placer.errors import Fault
from placer.read.bounds import MOST_FAULTS
from placer.read.xl_cfg import List, Num, Setting, Str, parse_decimal, shorten
from placer.read.xl_findings import At, Findings, count_of, describe_numbers, kind_of
from placer.units import LOCAL_DISTANCE, REMOTE_DISTANCE

MAX_MEMORY_MB: Final = 1 << 32
"""No more memory than this: the 52 bits of a physical address (x86 PADDR_BITS)."""

MAX_VCPUS: Final = 8192
"""The most vcpus that Xen gives any domain (MAX_VIRT_CPUS)."""

MAX_PNODE: Final = 254
"""Xen's nodeid_t is one byte, and 255 means no node."""

MAX_DISTANCE: Final = (1 << 32) - 1
"""libxl and the hypercall hold distances in 32 bits."""

MAX_VNODES: Final = 1024
"""The most vnodes in any syntax (MAX_VNUMA_NODES of the first patches)."""

MAX_XEN_VNODES: Final = 32
"""More vnodes are refused by XEN_DOMCTL_setvnumainfo (xen/common/domctl.c, vnuma_alloc)."""

_OPTIONS: Final = ("pnode", "size", "vcpus", "vdistances")
_SLIT_MOST: Final = 254
_RANGE: Final = re.compile(r"[ \t]*([0-9]{1,9})[ \t]*(?:-[ \t]*([0-9]{1,9})[ \t]*)?", re.ASCII)

DEFAULT_DISTANCES: Final = f"replaced by {LOCAL_DISTANCE} local and {REMOTE_DISTANCE} remote"
DEFAULT_PNODES: Final = "replaced by automatic placement"
DEFAULT_VCPUS: Final = "replaced by vcpu i on vnode i mod "


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What the rest of the file says of memory and vcpus; None where absent or faulty."""

    type: DomainType
    memory_mb: int | None
    maxmem_mb: int | None
    vcpus: int | None
    maxvcpus: int | None
    num_vcpus: int | None
    """The vcpus that libxl places: maxvcpus where it is given, else vcpus, else 1."""
    memory_at: At
    """Where memory is set, for faults."""

    @property
    def total_mb(self) -> int | None:
        """The memory that the vnodes share: maxmem where it is given, else memory."""
        return self.maxmem_mb if self.maxmem_mb is not None else self.memory_mb


@dataclass(frozen=True, kw_only=True)
class Vnuma:
    """The vnodes of a guest as its configuration gives them.

    ``sizes_mb[i]``; ``vcpu_to_vnode[v]`` or None where the solver chooses;
    ``distances[i][j]`` or None for 10 and 20; ``pnodes[i]``, -1 where the solver
    chooses; ``num_vcpus``, which the vcpu lists may raise.
    """

    sizes_mb: list[int]
    num_vcpus: int
    vcpu_to_vnode: list[int] | None = None
    distances: list[list[int]] | None = None
    pnodes: list[int] | None = None


@dataclass
class _Vnode:
    """The options of one vnode: where it stands, and option to (element, text)."""

    at: At
    options: dict[str, tuple[Str | Num, str]]


def split_equally(total_mb: int, num_vnodes: int) -> list[int]:
    """Return equal sizes, the remainder on the last (the seed series' split_vnumamem)."""
    size, rest = divmod(total_mb, num_vnodes)
    return [size] * (num_vnodes - 1) + [size + rest]


def near_and_far(num_vnodes: int) -> list[list[int]]:
    """Return 10 on the diagonal and 20 elsewhere."""
    return [
        [LOCAL_DISTANCE if i == j else REMOTE_DISTANCE for j in range(num_vnodes)]
        for i in range(num_vnodes)
    ]


def check_distances(
    findings: Findings, at: At, name: str, distances: Sequence[Sequence[int]]
) -> list[Fault]:
    """Return the faults of a whole distance table; warn of what Linux would not take.

    The one rule of libxl: no distance of a vnode is below its distance to itself.
    Linux drops the table unless all local distances are 10 and all others 11 to 254.
    """
    faults: list[Fault] = []
    odd = []
    for i, row in enumerate(distances):
        for j, distance in enumerate(row):
            if distance < row[i] and len(faults) < MOST_FAULTS:
                found = f"{distance} from vnode {i} to {j}"
                faults.append(
                    findings.at(at, name, found, f"at least {row[i]}, its distance to itself")
                )
            if i == j and distance != LOCAL_DISTANCE:
                odd.append((f"{distance} from vnode {i} to itself", f"{LOCAL_DISTANCE}"))
            elif i != j and not LOCAL_DISTANCE < distance <= _SLIT_MOST:
                odd.append(
                    (f"{distance} from vnode {i} to {j}", f"{LOCAL_DISTANCE + 1} to {_SLIT_MOST}")
                )
    if odd and not faults:
        found, expected = odd[0]
        more = f" and {len(odd) - 1} more such" if len(odd) > 1 else ""
        findings.warn(at, name, found + more, f"{expected}, or Linux drops the whole table")
    return faults


def check_start_memory(findings: Findings, amounts: Amounts) -> None:
    """Record a fault where a guest with vNUMA would start with less than its maximum."""
    memory, maxmem = amounts.memory_mb, amounts.maxmem_mb
    if memory is not None and maxmem is not None and memory < maxmem:
        findings.fault(
            amounts.memory_at,
            "memory",
            f"{memory} below maxmem {maxmem}",
            f"{maxmem} (libxl refuses populate on demand with vNUMA)",
        )


def read_vnuma(setting: Setting, findings: Findings, amounts: Amounts) -> Vnuma | None:
    """Return the vnodes that a ``vnuma`` list with elements gives; None where it is faulty.

    Faults and warnings go to ``findings``; with its fallback a faulty property is
    replaced, for all vnodes, by its default.
    """
    check_start_memory(findings, amounts)
    vnodes = _read_vnodes(setting, findings)
    if vnodes is None:
        return None
    if len(vnodes) > MAX_VNODES:
        findings.fault(setting, "vnuma", f"{len(vnodes)} vnodes", f"{MAX_VNODES} at most")
        return None
    if len(vnodes) > MAX_XEN_VNODES:
        findings.warn(
            setting, "vnuma", f"{len(vnodes)} vnodes", f"{MAX_XEN_VNODES} at most (Xen's limit)"
        )
    if amounts.type != "hvm":
        findings.warn(
            setting,
            "vnuma",
            f"vnuma for type {amounts.type}",
            "type hvm (released Xen builds no other guest with vNUMA)",
        )
    sizes = _read_sizes(vnodes, findings, amounts)
    num_vcpus, vcpu_to_vnode = _read_vcpus(setting, vnodes, findings, amounts)
    distances = _read_distances(vnodes, findings)
    pnodes = _read_pnodes(vnodes, findings)
    if sizes is None:
        return None
    return Vnuma(
        sizes_mb=sizes,
        num_vcpus=num_vcpus,
        vcpu_to_vnode=vcpu_to_vnode,
        distances=distances,
        pnodes=pnodes,
    )


def _read_vnodes(setting: Setting, findings: Findings) -> list[_Vnode] | None:
    """Split every vnode's strings into options; None where a vnode is no list."""
    if not isinstance(setting.value, List):
        raise TypeError("vnuma is a list here")
    vnodes: list[_Vnode] = []
    whole = True
    for i, element in enumerate(setting.value.items):
        if not isinstance(element, List):
            expected = 'a list such as ["pnode=0", "size=1024", "vcpus=0-1", "vdistances=10,20"]'
            findings.fault(element, f"vnuma[{i}]", kind_of(element), expected)
            whole = False
            continue
        vnode = _Vnode(element, {})
        for item in element.items:
            _read_option(item, f"vnuma[{i}]", vnode, findings)
        vnodes.append(vnode)
    return vnodes if whole else None


def _read_option(item: Str | Num | List, name: str, vnode: _Vnode, findings: Findings) -> None:
    if isinstance(item, List):
        findings.settle([findings.at(item, name, "a list", 'a string "option=value"')], "ignored")
        return
    option, equals, value = (part.strip() for part in item.text.partition("="))
    if not equals or not value:
        found = shorten(item.text)
        findings.settle([findings.at(item, name, found, 'a string "option=value"')], "ignored")
        return
    if option not in _OPTIONS:
        near = difflib.get_close_matches(option, _OPTIONS, n=1)
        expected = f"{near[0]}=" if near else "pnode=, size=, vcpus= or vdistances="
        found = f"the unknown option {shorten(option)}"
        findings.settle([findings.at(item, name, found, expected)], "ignored, as xl does")
        return
    if option in vnode.options:
        fault = findings.at(item, f"{name} {option}", "a second one", "one")
        findings.settle([fault], "the last is used, as xl does")
    vnode.options[option] = (item, value)


def _read_sizes(vnodes: list[_Vnode], findings: Findings, amounts: Amounts) -> list[int] | None:
    faults: list[Fault] = []
    sizes: list[int] = []
    for i, vnode in enumerate(vnodes):
        name = f"vnuma[{i}] size"
        if "size" not in vnode.options:
            faults.append(findings.at(vnode.at, name, "no size", "its memory in MB"))
            continue
        item, text = vnode.options["size"]
        try:
            size = parse_decimal(text)
        except ValueError as error:
            faults.append(findings.at(item, name, str(error), "its memory in MB"))
            continue
        if size > MAX_MEMORY_MB:
            faults.append(findings.at(item, name, f"{size} MB", f"{MAX_MEMORY_MB} at most"))
            continue
        sizes.append(size)
        if size == 0:
            findings.warn(item, name, "0", "above 0 (Linux passes over a vnode without memory)")
    total = amounts.total_mb
    if len(sizes) == len(vnodes):
        faults += _sum_faults(vnodes[0].at, sum(sizes), findings, amounts)
    if total is None or (faults and total < 1):
        findings.faults.extend(faults)
        return None if faults else sizes
    if findings.settle(faults, f"replaced by an equal split of {total} MB"):
        return sizes
    return split_equally(total, len(vnodes)) if findings.fallback else None


def _sum_faults(at: At, total: int, findings: Findings, amounts: Amounts) -> list[Fault]:
    """Compare the sizes' sum with maxmem, or else with memory."""
    found = f"sum {total}"
    if total == 0 or total > MAX_MEMORY_MB:
        return [findings.at(at, "vnuma size", found, f"1 to {MAX_MEMORY_MB} MB in all")]
    if amounts.maxmem_mb is not None:
        if total != amounts.maxmem_mb:
            return [findings.at(at, "vnuma size", found, f"{amounts.maxmem_mb}, which is maxmem")]
    elif amounts.memory_mb is not None and total != amounts.memory_mb:
        if amounts.type == "pv" or total > amounts.memory_mb:
            return [findings.at(at, "vnuma size", found, f"{amounts.memory_mb}, which is memory")]
        findings.warn(
            amounts.memory_at,
            "memory",
            str(amounts.memory_mb),
            f"{total}, the sum of the sizes (xl ignores memory beside vnuma)",
        )
    return []


def _read_vcpus(
    setting: Setting, vnodes: list[_Vnode], findings: Findings, amounts: Amounts
) -> tuple[int, list[int] | None]:
    """Return how many vcpus there are, and the vnode of each (None: the solver's)."""
    faults: list[Fault] = []
    given = [
        (i, *vnode.options["vcpus"]) for i, vnode in enumerate(vnodes) if "vcpus" in vnode.options
    ]
    if not given:
        findings.warn(
            setting,
            "vnuma vcpus",
            "no vcpus in any vnode",
            "vcpus= (placer chooses; xl itself would refuse)",
        )
        return amounts.num_vcpus or 1, None
    home: dict[int, int] = {}
    for i, item, text in given:
        name = f"vnuma[{i}] vcpus"
        for token in text.split(","):
            if len(faults) >= MOST_FAULTS:
                break
            for vcpu in _read_range(token, item, name, findings, faults):
                if vcpu in home:
                    where = "twice" if home[vcpu] == i else f"in vnode {home[vcpu]} too"
                    faults.append(findings.at(item, name, f"vcpu {vcpu} {where}", "each vcpu once"))
                home.setdefault(vcpu, i)
    num_vcpus = amounts.maxvcpus or max(amounts.vcpus or 1, len(home))
    homeless = [vcpu for vcpu in range(num_vcpus) if vcpu not in home]
    beyond = sorted(vcpu for vcpu in home if vcpu >= num_vcpus)
    if beyond:
        item = vnodes[home[beyond[0]]].options["vcpus"][0]
        expected = f"0 to {num_vcpus - 1}"
        name = f"vnuma[{home[beyond[0]]}] vcpus"
        faults.append(findings.at(item, name, f"vcpu {describe_numbers(beyond)}", expected))
    if homeless:
        found = f"vcpu {describe_numbers(homeless)} in no vnode"
        faults.append(findings.at(setting, "vnuma vcpus", found, f"each of {num_vcpus} in one"))
    if not findings.settle(faults, f"{DEFAULT_VCPUS}{len(vnodes)}"):
        return num_vcpus, [vcpu % len(vnodes) for vcpu in range(num_vcpus)]
    return num_vcpus, [home[vcpu] for vcpu in range(num_vcpus)]


def _read_range(
    token: str, item: Str | Num, name: str, findings: Findings, faults: list[Fault]
) -> range:
    match = _RANGE.fullmatch(token)
    expected = f"numbers or ranges A-B below {MAX_VCPUS}, with commas"
    if match is None:
        faults.append(findings.at(item, name, shorten(token), expected))
        return range(0)
    first = int(match[1])
    last = int(match[2]) if match[2] else first
    if last < first or last >= MAX_VCPUS:
        faults.append(findings.at(item, name, shorten(token), expected))
        return range(0)
    return range(first, last + 1)


def _read_distances(vnodes: list[_Vnode], findings: Findings) -> list[list[int]] | None:
    """Return the distance table; a vnode without vdistances has 10 and 20."""
    faults: list[Fault] = []
    table = near_and_far(len(vnodes))
    for i, vnode in enumerate(vnodes):
        name = f"vnuma[{i}] vdistances"
        if "vdistances" not in vnode.options:
            if len(vnodes) > 1:
                expected = f"them; {LOCAL_DISTANCE} and {REMOTE_DISTANCE} are used (xl takes 0)"
                findings.warn(vnode.at, name, "no distances", expected)
            continue
        item, text = vnode.options["vdistances"]
        row = read_distance_row(text.split(","), [item], name, findings, faults)
        if len(row) != len(vnodes):
            expected = f"{len(vnodes)} (one for each vnode)"
            found = count_of(len(row), "entry", "entries")
            faults.append(findings.at(item, name, found, expected))
        elif None not in row:
            table[i] = [distance for distance in row if distance is not None]
    if not faults:
        faults = check_distances(findings, vnodes[0].at, "vnuma vdistances", table)
    return table if findings.settle(faults, DEFAULT_DISTANCES) else None


def read_distance_row(
    texts: Sequence[str],
    items: Sequence[At],
    name: str,
    findings: Findings,
    faults: list[Fault],
) -> list[int | None]:
    """Return the distances that ``texts`` write, None for each that is faulty.

    ``items`` holds where each stands, or one place for all.
    """
    row: list[int | None] = []
    for index, text in enumerate(texts):
        at = items[min(index, len(items) - 1)]
        try:
            distance = parse_decimal(text)
        except ValueError as error:
            faults.append(findings.at(at, name, str(error), "a distance"))
            row.append(None)
            continue
        if not 0 < distance <= MAX_DISTANCE:
            faults.append(findings.at(at, name, str(distance), "a distance above 0, in 32 bits"))
            row.append(None)
            continue
        row.append(distance)
    return row


def _read_pnodes(vnodes: list[_Vnode], findings: Findings) -> list[int] | None:
    faults: list[Fault] = []
    pnodes: list[int] = []
    for i, vnode in enumerate(vnodes):
        name = f"vnuma[{i}] pnode"
        item, text = vnode.options.get("pnode", (None, ""))
        if findings.ignore_pnodes:
            if item is not None:
                findings.warn(item, name, f"{shorten(text)}, dropped as --ignore-pnodes asks")
            continue
        if item is None:
            expected = "one (placer chooses; xl itself would take pnode 0)"
            findings.warn(vnode.at, name, "no pnode", expected)
            pnodes.append(-1)
            continue
        pnode = read_pnode(text, item, name, findings, faults)
        pnodes.append(-1 if pnode is None else pnode)
    if findings.ignore_pnodes or not findings.settle(faults, DEFAULT_PNODES):
        return None
    return pnodes


def read_pnode(text: str, at: At, name: str, findings: Findings, faults: list[Fault]) -> int | None:
    """Return the pnode that ``text`` names, or None with one more of ``faults``."""
    expected = f"a pnode, 0 to {MAX_PNODE}"
    try:
        pnode = parse_decimal(text)
    except ValueError as error:
        faults.append(findings.at(at, name, str(error), expected))
        return None
    if pnode > MAX_PNODE:
        faults.append(findings.at(at, name, str(pnode), expected))
        return None
    return pnode
