"""Host inventories in TOML: docs/inventory.md says which keys there are."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from placer.errors import Fault
from placer.host import Host, SmtMode
from placer.layout import near_far
from placer.read.bounds import entries_of_host
from placer.read.host_layout import (
    MOST_OVERCOMMIT,
    MOST_PNODE_ID,
    MOST_PNODES,
    assumed_distances,
    counts_end,
    parse_smt,
)
from placer.read.host_memory import (
    lay_out_memory,
    read_heap_of,
    read_memory_map,
    read_pnode_memory,
)
from placer.read.host_pcpus import number_pcpus, read_cores
from placer.read.host_running import read_dom0, read_running
from placer.read.toml_fields import Fields, TomlDocument, describe
from placer.units import LOCAL_DISTANCE, REMOTE_DISTANCE

HOST_KEYS: Final = (
    "name",
    "overcommit",
    "smt",
    "distances",
    "heap",
    "fragmentation",
    "fragmentation_seed",
    "memory_map",
    "dom0",
    "pnode",
    "running",
)
PNODE_KEYS: Final = (
    "id",
    "total",
    "total_pages",
    "free",
    "free_pages",
    "reserve",
    "reserve_pages",
    "spans",
    "free_spans",
    "pcpus",
    "threads_per_core",
    "cores",
    "socket",
)


def read_inventory(path: Path, *, warnings: list[Fault] | None = None) -> tuple[Host, ...]:
    """Return the hosts of the inventory file ``path``, in its order.

    What is assumed is added to ``warnings``. Raises InputError with every fault at
    once, each with the path of its field (``host[0].pnode[1].free``) and its line.
    """
    document = TomlDocument.read(path)
    root = Fields(document, (), document.root, ("host",))
    tables = root.tables("host", HOST_KEYS)
    if not tables and "host" not in document.root:
        document.fault(("host",), "no [[host]]", "at least one")
    default_name = path.stem if len(tables) == 1 else None
    hosts = []
    for table in tables:
        noted = len(document.faults)
        host = _read_host(table, default_name, [] if warnings is None else warnings)
        if host is not None and len(document.faults) == noted:
            hosts.append(host)
    names = Counter(t.table["name"] for t in tables if isinstance(t.table.get("name"), str))
    for name, count in names.items():
        if count > 1:
            document.fault(("host",), f"{count} hosts named {name!r}", "unique names")
    document.raise_faults()
    return tuple(hosts)


def _read_host(table: Fields, default_name: str | None, warnings: list[Fault]) -> Host | None:
    document = table.document
    noted = len(document.faults)
    name = table.text("name", "a name") if "name" in table else default_name
    if name is None and "name" not in table:
        table.fault("name", "no name", "a name, since there are several hosts")
    pnode_tables = table.tables("pnode", PNODE_KEYS)
    if not 1 <= len(pnode_tables) <= MOST_PNODES:
        table.fault("pnode", f"{len(pnode_tables)} pnodes", f"1 to {MOST_PNODES}")
        return None
    document.spend(table.path, entries_of_host(len(pnode_tables), 0))
    heap = read_heap_of(table)
    if heap is not None and heap.free_from == "buddyinfo":
        place = document.make_fault(table.at("heap"), "", "")
        warnings.append(counts_end(place.source, place.field, place.line))
    memory = [read_pnode_memory(own, index, heap) for index, own in enumerate(pnode_tables)]
    cores = [read_cores(own, index) for index, own in enumerate(pnode_tables)]
    distances = _read_distances(table, len(memory), warnings)
    overcommit = _read_overcommit(table)
    smt, penalty = _read_smt(table)
    pcpus = number_pcpus(table, cores)
    running = read_running(table, len(memory), {row[0] for row in pcpus})
    totals = [pnode.total or 0 for pnode in memory]
    pcpus_on = [sum(map(len, own.cores)) for own in cores]
    dom0 = read_dom0(table, totals, pcpus_on, running)
    running += [dom0] if dom0 is not None else []
    memory_map = read_memory_map(table)
    pnode_ids = _read_ids(table, pnode_tables)
    laid_out = lay_out_memory(table, memory, running, heap)
    if len(document.faults) > noted or name is None or distances is None or laid_out is None:
        return None
    rows = np.array(sorted(pcpus), dtype=np.int64).reshape(-1, 4)
    free = np.bincount(laid_out.free_spans[:, 0], laid_out.free_spans[:, 2], len(memory))
    try:
        return Host(
            name=name,
            total_pages=np.array(totals),
            free_pages=free.astype(np.int64),
            reserve_pages=np.array([pnode.reserve for pnode in memory]),
            spans=laid_out.spans,
            free_spans=laid_out.free_spans,
            pcpu_ids=rows[:, 0],
            pcpu_pnode=rows[:, 1],
            pcpu_socket=rows[:, 2],
            pcpu_core=rows[:, 3],
            distances=np.array(distances),
            overcommit=overcommit,
            smt=smt,
            smt_penalty=penalty,
            pnode_ids=np.array(pnode_ids),
            memory_map=memory_map,
            free_from=laid_out.free_from,
            running=tuple(running),
            source=document.source,
        )
    except ValueError as error:
        document.fault(table.path, str(error), "")
        return None


def _read_ids(table: Fields, pnodes: list[Fields]) -> list[int]:
    """Return the operating system's number of each pnode: its ``id``, else its place."""
    ids: list[int] = []
    for index, own in enumerate(pnodes):
        number = own.integer("id", 0, MOST_PNODE_ID) if "id" in own else index
        if number is not None and ids and number <= ids[-1]:
            own.fault("id", f"{number} after {ids[-1]}", "ascending numbers; absent is the place")
        ids.append(index if number is None else number)
    return ids


def _read_distances(
    table: Fields, num_pnodes: int, warnings: list[Fault]
) -> list[list[int]] | None:
    document = table.document
    if "distances" in table:
        return document.matrix(table.at("distances"), table.table["distances"], num_pnodes)
    if num_pnodes > 1:
        place = document.make_fault(table.at("distances"), "", "")
        warnings.append(assumed_distances(place.source, place.field, place.line))
    return near_far(num_pnodes, LOCAL_DISTANCE, REMOTE_DISTANCE)


def _read_overcommit(table: Fields) -> Fraction:
    if "overcommit" not in table:
        return Fraction(1)
    expected = f"a number above 0, {MOST_OVERCOMMIT} at most"
    value = table.table["overcommit"]
    number = table.document.number(table.at("overcommit"), value, expected)
    if number is not None and not 0 < number <= MOST_OVERCOMMIT:
        table.fault("overcommit", describe(value), expected)
    return Fraction(1) if number is None else number


def _read_smt(table: Fields) -> tuple[SmtMode, int]:
    expected = '"threads", "cores" or "penalty=W"'
    text = table.text("smt", expected)
    if text is None:
        return "threads", 0
    parsed = parse_smt(text)
    if parsed is None:
        table.fault("smt", describe(text), f"{expected} with whole SLIT units W")
        return "threads", 0
    modes: dict[str, SmtMode] = {"threads": "threads", "cores": "cores", "penalty": "penalty"}
    return modes[parsed[0]], parsed[1]
