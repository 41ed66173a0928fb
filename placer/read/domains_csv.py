"""Domains as a table: a row for each domain, or for each vnode (docs/domains.md).

A row is turned into the table that domains.toml would have in its place and read as that.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from placer.errors import Fault, InputError
from placer.read.bounds import Budget
from placer.read.domains_toml import DOMAIN_KEYS, DomainSet, TableReader
from placer.read.toml_fields import Fields, TomlDocument, describe
from placer.read.toml_lines import FieldPath

_VNODE: Final = "vnode"
_NUMBERS: Final = frozenset({"count", "memory_pages", "vcpus", "vnodes", "priority"})
_FLAGS: Final = frozenset({"distinct_pnodes", "dedicated"})
_TEXTS: Final = frozenset({"groups", "hosts", "forbidden_hosts"})
_LISTS: Final = frozenset({"vcpu_to_vnode", "pnodes"})
_SIZES: Final = frozenset({"vnode_memory"})
_ROWS: Final = frozenset({"distances", "vcpu_bounds", "access"})
_BY_VNODE: Final = frozenset(
    {"memory", "vcpus", "pnode", "distances", "page_size", "memory_policy"}
)
"""What a row for a vnode says of that vnode; the rest is of its domain."""

_DOMAIN_COLUMNS: Final = tuple(key for key in DOMAIN_KEYS if key not in ("access_file",))
_VNODE_COLUMNS: Final = (
    "name",
    _VNODE,
    *sorted(_BY_VNODE),
    "type",
    "priority",
    "groups",
    "hosts",
    "forbidden_hosts",
    "distinct_pnodes",
    "dedicated",
    "thread_policy",
    "cpu_spill",
    "cpus",
    "cpus_soft",
    "count",
)
_NUMBER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_RANGE: Final = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)
_INTERLEAVE: Final = re.compile(r"interleave[ :]+(?:width=(\d{1,6})|([\d; ]{1,4000}))", re.ASCII)
_MOST_VCPU: Final = 8191
_MOST_ROWS: Final = 300_000


class _Table(TomlDocument):
    """Rows of a CSV file as tables of a document; a fault names the line of its row."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.text = ""
        self.faults: list[Fault] = []
        self.root: dict[str, Any] = {}
        self.budget = Budget(source)
        self.line_numbers: list[int] = []

    @cached_property
    def _lines(self) -> dict[FieldPath, int]:
        return {(row,): line for row, line in enumerate(self.line_numbers)}

    def make_fault(self, path: FieldPath, found: str, expected: str) -> Fault:
        """Return a fault of the column at ``path``, whose first part is the row."""
        row = path[0] if path and isinstance(path[0], int) else None
        column = next((str(part) for part in path if isinstance(part, str)), "row")
        return Fault(
            source=self.source,
            field=column[:60] or "''",
            found=found,
            expected=expected,
            line=None if row is None else self.line_numbers[row],
        )


def read_domains_csv(
    text: str,
    path: Path,
    *,
    fallback: bool = False,
    ignore_pnodes: bool = False,
    warnings: list[Fault] | None = None,
) -> DomainSet:
    """Return the domains of the table ``text``, whose file is ``path``.

    A column ``vnode`` makes it a table of vnodes: rows of one name are one domain. Names of
    files in it are relative to it. Raises InputError with every fault at once.
    """
    document = _Table(str(path))
    header, rows = _split(document, text)
    by_vnode = _VNODE in header
    known = _VNODE_COLUMNS if by_vnode else _DOMAIN_COLUMNS
    _check_header(document, header, known)
    if by_vnode:
        tables = _join_vnodes(document, header, rows)
    else:
        tables = [
            (number, {key: _value(document, number, key, cell) for key, cell in row.items()})
            for number, row in enumerate(rows)
        ]
    document.raise_faults()
    if not tables:
        document.fault((), "no row", "a row for each domain")
    reader = TableReader(document, path.parent, fallback, ignore_pnodes)
    domains = []
    for number, table in tables:
        domains += reader.read(Fields(document, (number,), table, DOMAIN_KEYS))
    for name, count in Counter(domain.name for domain in domains).items():
        if count > 1:
            document.fault(("domain",), f"{count} domains named {name!r}", "unique names")
    if warnings is not None:
        warnings.extend(reader.warnings)
    document.raise_faults()
    return DomainSet(
        domains=tuple(domains),
        warnings=reader.warnings,
        cfg_files=frozenset(reader.cfg_files),
    )


def _split(document: _Table, text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the header and the cells of each row that are not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[dict[str, str]] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                document.line_numbers.append(reader.line_num)
                continue
            if not rows:
                document.line_numbers.clear()
            if len(rows) >= _MOST_ROWS:
                fault = Fault(
                    source=document.source,
                    field="rows",
                    found=f"more than {_MOST_ROWS}",
                    expected=f"{_MOST_ROWS} at most, or several files",
                    line=reader.line_num,
                )
                raise InputError(fault)
            document.line_numbers.append(reader.line_num)
            if len(cells) != len(header):
                found = f"{len(cells)} cells"
                document.fault((len(rows),), found, f"{len(header)}, as in the header")
            named = zip(header, cells, strict=False)
            rows.append({key: cell.strip() for key, cell in named if cell.strip()})
    except csv.Error as error:
        fault = Fault(
            source=document.source,
            field="CSV",
            found=str(error),
            expected="a table of comma-separated values",
            line=reader.line_num,
        )
        raise InputError(fault) from None
    return header, rows


def _check_header(document: _Table, header: Sequence[str], known: Sequence[str]) -> None:
    first = Fields(document, (), dict.fromkeys(header), known)
    given = Counter(header)
    for key in first.table:
        if given[key] > 1:
            document.fault((key,), "the column twice", "each column once")
    if "name" not in header and "cfg" not in header:
        document.fault(("name",), "no such column", "a column of names")


def _value(document: _Table, row: int, key: str, cell: str) -> Any:
    """Return what a cell is in domains.toml; lists are separated by ``;``."""
    path = (row, key)
    if key in _NUMBERS and _NUMBER.fullmatch(cell):
        return int(cell)
    if key in _FLAGS:
        if cell.lower() not in ("true", "false", "yes", "no", "1", "0"):
            document.fault(path, describe(cell), "true or false")
        return cell.lower() in ("true", "yes", "1")
    items = [item.strip() for item in cell.split(";") if item.strip()]
    if key in _TEXTS or key in _SIZES:
        return items
    if key in _LISTS:
        return [item if item == "any" else _number(document, path, item) for item in items]
    if key in _ROWS and cell != "auto":
        rows = [[_number(document, path, one) for one in item.split()] for item in items]
        # "10 20" is the pair of local and remote distance.
        return rows[0] if key == "distances" and len(rows) == 1 and len(rows[0]) == 2 else rows
    if key in ("cpus", "cpus_soft", "page_size") and len(items) > 1:
        return items
    if key == "memory_policy":
        policies = [_policy(item) for item in _split_policies(cell)]
        return policies[0] if len(policies) == 1 else policies
    return cell


def _number(document: _Table, path: FieldPath, text: str) -> Any:
    if path[-1] == "access":
        return text
    if not _NUMBER.fullmatch(text):
        document.fault(path, describe(text), "whole numbers")
        return 0
    return int(text)


def _split_policies(cell: str) -> list[str]:
    """Split at ``;`` but for those that part the pnodes of an interleaved vnode."""
    return [part.strip() for part in re.split(r";(?=\s*[a-z])", cell) if part.strip()]


def _policy(text: str) -> Any:
    """Return ``strict``, ``preferred``, or the table of ``interleave 0;1`` or ``width=2``."""
    match = _INTERLEAVE.fullmatch(text)
    if match is None:
        return text
    if match[1] is not None:
        return {"policy": "interleave", "width": int(match[1])}
    pnodes = [int(one[:7]) for one in match[2].replace(";", " ").split()]
    return {"policy": "interleave", "pnodes": pnodes}


# -- a row for each vnode --------------------------------------------------------------------


def _join_vnodes(
    document: _Table, header: Sequence[str], rows: list[dict[str, str]]
) -> list[tuple[int, dict[str, Any]]]:
    """Return a table for each name, and the number of its first row."""
    grouped: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if "name" not in row:
            document.fault((number, "name"), "nothing", "the name of the vnode's domain")
        grouped.setdefault(row.get("name", ""), []).append(number)
    return [(own[0], _join(document, header, rows, own)) for own in grouped.values()]


def _join(
    document: _Table, header: Sequence[str], rows: list[dict[str, str]], own: list[int]
) -> dict[str, Any]:
    """Return the table of the domain whose vnodes are the rows ``own``."""
    vnodes: dict[int, int] = {}
    for number in own:
        text = rows[number].get(_VNODE, "")
        vnode = int(text) if _NUMBER.fullmatch(text) else -1
        if vnode in vnodes or not 0 <= vnode < len(own):
            expected = f"each of 0 to {len(own) - 1} once"
            document.fault((number, _VNODE), describe(text), expected)
        vnodes[vnode] = number
    if len(vnodes) < len(own) or document.faults:
        return {}
    ordered = [vnodes[vnode] for vnode in range(len(own))]
    table: dict[str, Any] = {}
    for key in header:
        if key == _VNODE or key in _BY_VNODE:
            continue
        for number in own:
            cell = rows[number].get(key)
            if cell is None:
                continue
            value = _value(document, number, key, cell)
            if table.setdefault(key, value) != value:
                expected = "the same in each row of the domain, or nothing"
                document.fault((number, key), describe(cell), expected)
    _join_columns(document, rows, ordered, table)
    return table


def _join_columns(
    document: _Table, rows: list[dict[str, str]], ordered: list[int], table: dict[str, Any]
) -> None:
    """Put the columns that speak of one vnode together, in the order of vnodes."""

    def column(key: str) -> list[str | None] | None:
        cells = [rows[number].get(key) for number in ordered]
        return None if all(cell is None for cell in cells) else cells

    def whole(key: str) -> list[str] | None:
        cells = column(key)
        if cells is None:
            return None
        for number, cell in zip(ordered, cells, strict=True):
            if cell is None:
                document.fault((number, key), "nothing", "one for each vnode of the domain")
        return [cell or "" for cell in cells]

    memory = whole("memory")
    if memory is None:
        document.fault((ordered[0], "memory"), "nothing", "a size for each vnode")
    else:
        table["vnode_memory"] = memory
    vcpus = column("vcpus") or [None] * len(ordered)
    mapping = _map(document, ordered, [cell or "" for cell in vcpus])
    if mapping is not None:
        table["vcpu_to_vnode"] = mapping
    if (pnodes := column("pnode")) is not None:
        table["pnodes"] = [
            "any" if cell in (None, "any") else _number(document, (number, "pnode"), cell or "")
            for number, cell in zip(ordered, pnodes, strict=True)
        ]
    if (distances := whole("distances")) is not None:
        table["distances"] = [
            [
                _number(document, (number, "distances"), one)
                for one in cell.replace(";", " ").split()
            ]
            for number, cell in zip(ordered, distances, strict=True)
        ]
    if (sizes := column("page_size")) is not None:
        table["page_size"] = [cell or "4KiB" for cell in sizes]
    if (policies := column("memory_policy")) is not None:
        table["memory_policy"] = [_policy(cell or "strict") for cell in policies]


def _map(document: _Table, ordered: list[int], cells: list[str]) -> list[int] | None:
    """Return the vnode of each vcpu, from the vcpus of each vnode: ``0-3;8``."""
    of: dict[int, int] = {}
    for vnode, (number, cell) in enumerate(zip(ordered, cells, strict=True)):
        path = (number, "vcpus")
        for part in cell.replace(",", ";").split(";"):
            match = _RANGE.fullmatch(part.strip())
            if match is None:
                if cell:
                    document.fault(path, describe(cell), "vcpus such as 0-3;8")
                break
            first, last = int(match[1]), int(match[2] or match[1])
            if not first <= last <= _MOST_VCPU:
                document.fault(path, describe(cell), f"vcpus of 0 to {_MOST_VCPU}")
                break
            for vcpu in range(first, last + 1):
                if vcpu in of:
                    found = f"vcpu {vcpu} again"
                    document.fault(path, found, "each vcpu in one vnode")
                    break
                of[vcpu] = vnode
    missing = next(vcpu for vcpu in range(len(of) + 1) if vcpu not in of)
    if missing < len(of) or not of:
        document.fault((ordered[0], "vcpus"), f"no vcpu {missing}", "vcpus 0, 1, 2 and so on")
        return None
    return [of[vcpu] for vcpu in range(len(of))]
