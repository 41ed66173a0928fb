"""OpenStack flavors with the extra specs that Nova places by, as JSON or CSV.

Written from Nova's documentation (extra specs, CPU topologies, huge pages); no output of a real
deployment is at hand.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from placer.domain import Domain, ThreadPolicy
from placer.errors import Fault, InputError
from placer.read.bounds import Budget, entries_of_domain
from placer.read.domain_inline import MOST_VNODES
from placer.read.domain_options import MOST_VCPUS
from placer.read.domain_parts import DomainParts
from placer.record import parse_json
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_4KIB, parse_size

_MOST_MIB: Final = 1 << 32
_PAIR: Final = re.compile(
    r"\s*+([\w:.-]++)\s*+=\s*+(?:'([^']*+)'|\"([^\"]*+)\"|([^,'\"]*+))\s*+(?:,|$)"
)
"""Possessive throughout, so that blanks are given to one part alone and nothing is tried twice."""

_PAGE_WORDS: Final = {"small": ORDER_4KIB, "any": ORDER_4KIB, "large": ORDER_2MIB}
_PAGE_BYTES: Final = {4096 << order: order for order in (ORDER_4KIB, ORDER_2MIB, ORDER_1GIB)}
_THREAD_POLICIES: Final[dict[str, ThreadPolicy]] = {
    "prefer": "prefer",
    "isolate": "isolate",
    "require": "require",
}
_PLACES_BY: Final = re.compile(r"hw:(?:numa|cpu_policy|cpu_thread|cpu_dedicated|mem_page)")
"""Extra specs that say where a guest may be; others are of no concern here."""


def is_flavor_table(header: list[str]) -> bool:
    """Whether the header of a CSV file is that of ``openstack flavor list --long -f csv``."""
    names = {name.strip().lower() for name in header}
    return {"name", "ram", "vcpus"} <= names


def read_flavors_json(
    text: str, path: Path, *, warnings: list[Fault] | None = None
) -> list[Domain]:
    """Return the flavors of a JSON file, an object or a list of them.

    Each has ``name``, ``ram`` (MiB), ``vcpus`` and ``extra_specs`` or ``properties``, in any
    case, as the API and ``openstack flavor show -f json`` give them. Raises InputError.
    """
    data = parse_json(text, str(path))
    if isinstance(data, dict):
        for key in ("flavors", "flavor"):
            if key in data:
                data = data[key]
                break
    listed = data if isinstance(data, list) else [data]
    domains = []
    budget = Budget(str(path))
    for number, one in enumerate(listed):
        parts = DomainParts(source=str(path))
        where = f"[{number}]." if isinstance(data, list) else ""
        if not isinstance(one, dict):
            raise parts.refuse(f"{where}flavor", repr(one)[:40], "an object")
        fields = {str(key).lower(): value for key, value in one.items()}
        if not {"ram", "vcpus"} & fields.keys():
            found, expected = "neither ram nor vcpus", "a flavor, or a list of them"
            raise parts.refuse(f"{where}flavor", found, expected)
        specs = fields.get("extra_specs", fields.get("properties", {}))
        if isinstance(specs, str):
            specs = _parse_pairs(parts, specs)
        if not isinstance(specs, dict):
            raise parts.refuse(f"{where}extra_specs", repr(specs)[:40], "an object")
        domains.append(_Flavor(parts, where, fields, specs).read(warnings, budget))
    if not domains:
        raise DomainParts(source=str(path)).refuse("flavor", "none", "one at least")
    return domains


def read_flavors_csv(text: str, path: Path, *, warnings: list[Fault] | None = None) -> list[Domain]:
    """Return the flavors of a table with the columns Name, RAM, VCPUs and Properties."""
    domains = []
    budget = Budget(str(path))
    for line, row in _rows(text, str(path)):
        parts = DomainParts(source=str(path))
        fields = {name: value for name, value in row.items() if value}
        parts.lines = dict.fromkeys((*fields, "name", "ram", "vcpus", "properties"), line)
        specs = _parse_pairs(parts, row.get("properties", ""))
        parts.lines |= dict.fromkeys(specs, line)
        domains.append(_Flavor(parts, "", fields, specs).read(warnings, budget))
    if not domains:
        raise DomainParts(source=str(path)).refuse("flavor", "no row", "one at least")
    return domains


def _rows(text: str, source: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = [cell.strip().lower() for cell in row]
                continue
            if len(row) != len(header):
                found, expected = f"{len(row)} cells", f"{len(header)}, as in the header"
                raise InputError(
                    Fault(
                        source=source,
                        field="row",
                        found=found,
                        expected=expected,
                        line=reader.line_num,
                    )
                )
            yield reader.line_num, {k: v.strip() for k, v in zip(header, row, strict=True)}
    except csv.Error as error:
        fault = Fault(
            source=source, field="CSV", found=str(error), expected="CSV", line=reader.line_num
        )
        raise InputError(fault) from None


def _parse_pairs(parts: DomainParts, text: str) -> dict[str, Any]:
    """Return the pairs of ``hw:numa_nodes='2', hw:cpu_policy='shared'`` or of a JSON object."""
    if text.startswith("{"):
        data = parse_json(text, parts.source)
        if isinstance(data, dict):
            return data
    pairs: dict[str, Any] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            found = repr(text[position : position + 40])
            raise parts.refuse("properties", found, "key='value', key='value'")
        pairs[match[1]] = next(value for value in match.groups()[1:] if value is not None)
        position = match.end()
    return pairs


class _Flavor:
    """Reads one flavor into ``parts``."""

    def __init__(
        self, parts: DomainParts, where: str, fields: Mapping[str, Any], specs: Mapping[str, Any]
    ) -> None:
        self.parts = parts
        self.where = where
        self.fields = fields
        self.specs = {str(key): self._text(str(key), value) for key, value in specs.items()}

    def read(self, warnings: list[Fault] | None, budget: Budget) -> Domain:
        parts = self.parts
        parts.name = self._text("name", self.fields.get("name", ""))
        memory = self._figure("ram", self.fields, 1, _MOST_MIB)
        parts.num_vcpus = self._figure("vcpus", self.fields, 1, MOST_VCPUS)
        known = {
            "hw:numa_nodes",
            "hw:cpu_policy",
            "hw:cpu_thread_policy",
            "hw:mem_page_size",
        }
        self._read_policies()
        count = 1
        if "hw:numa_nodes" in self.specs:
            count = self._figure("hw:numa_nodes", self.specs, 1, MOST_VNODES)
        name = f"{self.where}flavor"
        budget.spend(entries_of_domain(count, parts.num_vcpus), name, parts.lines.get("name"))
        known |= self._read_nodes(memory, count)
        self._read_page_size()
        for key in self.specs:
            if _PLACES_BY.match(key) and key not in known:
                parts.warn(self.where + key, repr(self.specs[key][:40]), "it is passed over")
        if warnings is not None:
            warnings.extend(parts.warnings)
        return parts.domain(ignore_pnodes=False)

    def _text(self, key: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value) if abs(value) < 10**20 else "a huge number"
        raise self.parts.refuse(self.where + key, repr(value)[:40], "a text or a whole number")

    def _figure(self, key: str, fields: Mapping[str, Any], least: int, most: int) -> int:
        if key not in fields:
            raise self.parts.refuse(self.where + key, "nothing", "a whole number")
        name = self.where + key
        self.parts.lines.setdefault(name, self.parts.lines.get(key))
        return self.parts.figure(name, self._text(key, fields[key]), least, most)

    def _read_policies(self) -> None:
        parts = self.parts
        policy = self.specs.get("hw:cpu_policy", "shared")
        parts.choice(self.where + "hw:cpu_policy", policy, ("shared", "dedicated"))
        parts.dedicated = policy == "dedicated"
        threads = self.specs.get("hw:cpu_thread_policy")
        if threads is not None:
            name = self.where + "hw:cpu_thread_policy"
            parts.choice(name, threads, tuple(_THREAD_POLICIES))
            if not parts.dedicated:
                raise parts.refuse(name, repr(threads), "hw:cpu_policy dedicated to go with it")
            parts.thread_policy = _THREAD_POLICIES[threads]

    def _read_nodes(self, memory: int, count: int) -> set[str]:
        """Read hw:numa_cpus and hw:numa_mem of ``count`` nodes; return the keys read."""
        parts = self.parts
        keys = [(f"hw:numa_cpus.{n}", f"hw:numa_mem.{n}") for n in range(count)]
        given = [key for pair in keys for key in pair if key in self.specs]
        if not given:
            for what, number in (("ram", memory), ("vcpus", parts.num_vcpus)):
                if number % count:
                    expected = f"as much in each of {count} nodes, or hw:numa_cpus and hw:numa_mem"
                    raise parts.refuse(self.where + what, str(number), expected)
            parts.vnode_bytes = [(memory // count) << 20] * count
            each = parts.num_vcpus // count
            parts.vcpu_to_vnode = [vcpu // each for vcpu in range(parts.num_vcpus)]
            return set()
        missing = [key for pair in keys for key in pair if key not in self.specs]
        if missing:
            raise parts.refuse(self.where + missing[0], "nothing", "one for each node, or none")
        vcpus = []
        for cpus, mem in keys:
            parts.vnode_bytes.append(self._figure(mem, self.specs, 1, _MOST_MIB) << 20)
            vcpus.append(parts.numbers(self.where + cpus, self.specs[cpus], MOST_VCPUS))
        total = sum(parts.vnode_bytes) >> 20
        if total != memory:
            expected = f"{memory} MiB in all, as ram says"
            raise parts.refuse(f"{self.where}hw:numa_mem", f"{total} MiB in all", expected)
        parts.seat(vcpus, f"{self.where}hw:numa_cpus")
        if -1 in (parts.vcpu_to_vnode or []):
            vcpu = (parts.vcpu_to_vnode or []).index(-1)
            found = f"vcpu {vcpu} in no node"
            raise parts.refuse(f"{self.where}hw:numa_cpus", found, "each vcpu in one")
        return set(given)

    def _read_page_size(self) -> None:
        text = self.specs.get("hw:mem_page_size")
        if text is None:
            return
        order = _PAGE_WORDS.get(text)
        if order is None:
            order = _PAGE_BYTES.get(_bytes_of(text))
        if order is None:
            expected = "small, large, any, 4KB, 2MB or 1GB (a number is KiB)"
            name = self.where + "hw:mem_page_size"
            raise self.parts.refuse(name, repr(text[:40]), expected)
        self.parts.page_order = [order] * len(self.parts.vnode_bytes)


def _bytes_of(text: str) -> int:
    """Return the bytes of a page size: KiB without a unit, and Nova's units are binary; or -1."""
    digits = text.strip()
    if digits.isascii() and digits.isdecimal() and len(digits) < 12:
        return int(digits) << 10
    match = re.fullmatch(r"(\d{1,7})\s*([KMG])i?B?", digits, re.ASCII)
    return -1 if match is None else parse_size(f"{match[1]}{match[2]}iB")
