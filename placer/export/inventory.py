"""A host as an inventory that `placer.read.inventory` reads again: docs/inventory.md."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import tomlkit
from tomlkit.items import AoT, Array, Table

from placer.arrays import Ints
from placer.cpulist import format_ranges
from placer.errors import RefusedError
from placer.host import Host, RunningDomain
from placer.layout import as_rows, lay_out_spans
from placer.read.host_memory import E820_TYPES
from placer.units import exact_size

MOST_SPANS: Final = 4096
"""More free frames than these runs belong into a heap file, not into an inventory."""


def format_inventory(hosts: Sequence[Host]) -> str:
    """Return the inventory of ``hosts``.

    Reading it gives equal hosts, but that frames made up from counts have become given ones.
    Raises RefusedError where an overcommit is no decimal fraction, or where free memory is in
    too many pieces.
    """
    document = tomlkit.document()
    tables = tomlkit.aot()
    for host in hosts:
        tables.append(_host_table(host))
    document.add("host", tables)
    return tomlkit.dumps(document).rstrip("\n") + "\n"


def _host_table(host: Host) -> Table:
    table = tomlkit.table()
    table.add("name", host.name)
    if host.overcommit != 1:
        table.add("overcommit", tomlkit.float_(_decimal(host)))
    if host.smt != "threads":
        penalty = f"penalty={host.smt_penalty}"
        table.add("smt", penalty if host.smt == "penalty" else host.smt)
    table.add("distances", _rows(host.distances.tolist()))
    if len(host.memory_map):
        words = {number: word for word, number in E820_TYPES.items()}
        rows = [[start, end, words[kind]] for start, end, kind in host.memory_map.tolist()]
        table.add("memory_map", _rows(rows))
    pnodes = tomlkit.aot()
    for pnode in range(host.num_pnodes):
        pnodes.append(_pnode_table(host, pnode))
    table.add("pnode", pnodes)
    if host.running:
        table.add("running", _running(host.running))
    return table


def _decimal(host: Host) -> str:
    """Return the overcommit with all its digits."""
    share: Fraction = host.overcommit
    decimal = Decimal(share.numerator) / Decimal(share.denominator)
    if Fraction(decimal) != share:
        raise RefusedError(f"the overcommit of host {host.name!r}, {share}, is no decimal fraction")
    text = f"{decimal:f}"
    return text if "." in text else f"{text}.0"


def _pnode_table(host: Host, pnode: int) -> Table:
    table = tomlkit.table()
    if int(host.pnode_ids[pnode]) != pnode:
        table.add("id", int(host.pnode_ids[pnode]))
    total = int(host.total_pages[pnode])
    table.add("total", exact_size(total) if total else 0)
    own_free = _own(host.free_spans, pnode)
    if host.free_from != "counts" and len(own_free) > 0:
        if len(own_free) > MOST_SPANS:
            raise RefusedError(
                f"the free memory of pnode {pnode} of host {host.name!r} is in {len(own_free)} "
                "pieces; `placer heap --save` keeps them"
            )
        if not _as_laid_out(host):
            table.add("spans", _rows(_own(host.spans, pnode)))
        table.add("free_spans", _rows(own_free))
    else:
        free = int(host.free_pages[pnode])
        table.add("free", exact_size(free) if free else 0)
        if not _as_laid_out(host):
            table.add("spans", _rows(_own(host.spans, pnode)))
    if reserve := int(host.reserve_pages[pnode]):
        table.add("reserve", exact_size(reserve))
    _add_pcpus(table, host, pnode)
    return table


def _own(spans: Ints, pnode: int) -> list[list[int]]:
    rows: list[list[int]] = spans[spans[:, 0] == pnode, 1:].tolist()
    return rows


def _as_laid_out(host: Host) -> bool:
    """Whether the frames of a host are those that a reader makes up from the totals."""
    totals = host.total_pages.tolist()
    return as_rows(lay_out_spans(totals, [[] for _ in totals])) == [
        tuple(row) for row in host.spans.tolist()
    ]


def _add_pcpus(table: Table, host: Host, pnode: int) -> None:
    """Add ``pcpus`` where no core has several, else ``cores``; and the sockets."""
    here = host.pcpu_pnode == pnode
    cores: dict[int, list[int]] = {}
    sockets: dict[int, int] = {}
    rows = (host.pcpu_ids[here], host.pcpu_core[here], host.pcpu_socket[here])
    for pcpu, core, socket in zip(*(row.tolist() for row in rows), strict=True):
        cores.setdefault(core, []).append(pcpu)
        sockets[core] = socket
    order = sorted(cores)
    if not order:
        return
    if all(len(pcpus) == 1 for pcpus in cores.values()):
        pcpus = [cores[core][0] for core in order]
        table.add("pcpus", format_ranges(pcpus) if pcpus == sorted(pcpus) else pcpus)
    else:
        table.add("cores", _rows([cores[core] for core in order], per_line=8))
    numbers = [sockets[core] for core in order]
    if set(numbers) != {pnode}:
        table.add("socket", numbers[0] if len(set(numbers)) == 1 else numbers)


def _running(domains: Sequence[RunningDomain]) -> AoT:
    tables = tomlkit.aot()
    for domain in domains:
        table = tomlkit.table()
        table.add("name", domain.name)
        if domain.domid is not None:
            table.add("domid", domain.domid)
        table.add("pages", domain.pages.tolist())
        if domain.vcpus_on.any():
            table.add("vcpus", domain.vcpus_on.tolist())
        if domain.floating_vcpus:
            table.add("floating_vcpus", domain.floating_vcpus)
        if domain.dedicated_pcpus:
            table.add("dedicated_pcpus", format_ranges(list(domain.dedicated_pcpus)))
        tables.append(table)
    return tables


def _rows(rows: Sequence[Sequence[Any]], per_line: int = 1) -> Array:
    """Return a list of lists, so many of them on a line; on one line where that is short."""
    array = tomlkit.array()
    if sum(len(str(item)) + 2 for row in rows for item in row) < 60:
        array.extend(rows)
        return array
    for start in range(0, len(rows), per_line):
        array.add_line(*rows[start : start + per_line])
    array.add_line(indent="")
    return array
