"""Host inventories in TOML: docs/inventory.md says which keys there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from placer.errors import Fault
from placer.host import Host, RunningDomain, SmtMode
from placer.read.host_layout import (
    MOST_DOMID,
    MOST_OVERCOMMIT,
    MOST_PCPUS,
    MOST_PNODES,
    MOST_SOCKET,
    Span,
    as_rows,
    assumed_distances,
    lay_out_free,
    lay_out_spans,
    near_far,
    parse_pcpus,
    parse_smt,
    without_frame_0,
)
from placer.read.toml_fields import MOST_PAGES, Fields, TomlDocument, all_known, describe
from placer.read.toml_lines import FieldPath
from placer.units import LOCAL_DISTANCE, REMOTE_DISTANCE

HOST_KEYS: Final = ("name", "overcommit", "smt", "distances", "pnode", "running")
PNODE_KEYS: Final = (
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
RUNNING_KEYS: Final = (
    "name",
    "domid",
    "memory",
    "pages",
    "vcpus",
    "floating_vcpus",
    "dedicated_pcpus",
)

_PCPUS: Final = 'pcpus such as "0-3,8"'


@dataclass
class _Pnode:
    """One pnode as it was written; ``cores`` lists the sibling pcpus of each core.

    ``total`` is None where it is faulty; what follows from it is then not checked.
    """

    total: int | None = None
    free: int | None = None
    reserve: int = 0
    spans: list[Span] = field(default_factory=list)
    free_spans: list[Span] | None = None
    cores: list[list[int]] = field(default_factory=list)
    sockets: list[int] = field(default_factory=list)


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
    pnodes = [_read_pnode(own, index) for index, own in enumerate(pnode_tables)]
    distances = _read_distances(table, len(pnodes), warnings)
    overcommit = _read_overcommit(table)
    smt, penalty = _read_smt(table)
    pcpus = _number_pcpus(table, pnodes)
    running = _read_running(table, len(pnodes), {row[0] for row in pcpus})
    spans, free_spans = _lay_out(table, pnodes, running)
    if len(document.faults) > noted or name is None or distances is None:
        return None
    rows = np.array(sorted(pcpus), dtype=np.int64).reshape(-1, 4)
    free_rows = as_rows(free_spans)
    try:
        return Host(
            name=name,
            total_pages=np.array([pnode.total or 0 for pnode in pnodes]),
            free_pages=np.array([sum(num for _, num in own) for own in free_spans]),
            reserve_pages=np.array([pnode.reserve for pnode in pnodes]),
            spans=np.array(as_rows(spans), dtype=np.int64),
            free_spans=np.array(free_rows, dtype=np.int64),
            pcpu_ids=rows[:, 0],
            pcpu_pnode=rows[:, 1],
            pcpu_socket=rows[:, 2],
            pcpu_core=rows[:, 3],
            distances=np.array(distances),
            overcommit=overcommit,
            smt=smt,
            smt_penalty=penalty,
            free_spans_known=all(p.free_spans is not None for p in pnodes if p.total),
            running=tuple(running),
            source=document.source,
        )
    except ValueError as error:
        document.fault(table.path, str(error), "")
        return None


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


def _read_pnode(table: Fields, index: int) -> _Pnode:
    pnode = _Pnode()
    spans = _read_spans(table, "spans")
    pnode.spans = spans or []
    spanned = sum(num for _, num in pnode.spans)
    total = table.pages("total")
    if total is not None:
        pnode.total = total
        if spans is not None and total > spanned:
            table.fault("spans", f"{spanned} frames for {total} pages", "a frame for each page")
    elif spans is not None and not table.given("total", "total_pages"):
        pnode.total = spanned
    elif not table.given("total", "total_pages", "spans"):
        table.fault("total", "no memory size", "total, total_pages or spans (0 for none)")
    pnode.free = table.pages("free")
    pnode.free_spans = _read_spans(table, "free_spans")
    pnode.reserve = table.pages("reserve") or 0
    for name, value in (("free", pnode.free), ("reserve", pnode.reserve)):
        if value is not None and total is not None and value > total:
            key = table.given(name, f"{name}_pages")[0]
            table.fault(key, f"{value} pages", f"at most the total, {total} pages")
    _read_cores(table, index, pnode)
    return pnode


def _read_spans(table: Fields, key: str) -> list[Span] | None:
    """Return a list of [first frame, number of frames]; overlaps are found later."""
    if key not in table:
        return None
    document, expected = table.document, "a list of [first frame, number of frames]"
    items = document.items(table.at(key), table.table[key], expected)
    spans: list[Span] = []
    for index, item in enumerate(items or []):
        path = (*table.at(key), index)
        pair = document.integers(path, item, 0, MOST_PAGES, "[first frame, number of frames]")
        if pair is None:
            continue
        if len(pair) != 2 or not pair[1] or sum(pair) > MOST_PAGES:
            expected = f"[first frame, number of frames], ending at {MOST_PAGES} or before"
            document.fault(path, str(pair) if len(pair) == 2 else describe(pair), expected)
            continue
        spans.append((pair[0], pair[1]))
    return None if items is None else spans


def _read_cores(table: Fields, index: int, pnode: _Pnode) -> None:
    document = table.document
    if "cores" in table:
        for key in table.given("pcpus", "threads_per_core"):
            table.fault(key, "cores as well", "cores alone, or pcpus with threads_per_core")
        expected = "a list of cores, each a list of its pcpus"
        for place, item in enumerate(
            document.items(table.at("cores"), table.table["cores"], expected) or []
        ):
            path = (*table.at("cores"), place)
            core = document.integers(path, item, 0, MOST_PCPUS, "the pcpus of a core")
            if core is not None and not core:
                document.fault(path, "no pcpu", "the pcpus of a core")
            elif core:
                pnode.cores.append(core)
    else:
        pcpus = _read_pcpus(table, "pcpus") or []
        threads = table.integer("threads_per_core", 1, MOST_PCPUS)
        if "threads_per_core" in table and "pcpus" not in table:
            table.fault("threads_per_core", "no pcpus", "pcpus to go with it")
        threads = threads or 1
        if len(pcpus) % threads:
            table.fault("pcpus", f"{len(pcpus)} pcpus", f"a multiple of {threads} threads a core")
        pnode.cores = [pcpus[i : i + threads] for i in range(0, len(pcpus), threads)]
    pnode.sockets = _read_sockets(table, index, len(pnode.cores))


def _read_sockets(table: Fields, index: int, num_cores: int) -> list[int]:
    value = table.table.get("socket", index)
    if not isinstance(value, list):
        socket = table.document.integer(table.at("socket"), value, 0, MOST_SOCKET)
        return [index if socket is None else socket] * num_cores
    sockets = table.integers("socket", 0, MOST_SOCKET, "a socket, or one for each core")
    if sockets is not None and len(sockets) != num_cores:
        table.fault("socket", f"{len(sockets)} sockets", f"one for each of {num_cores} cores")
    if sockets is None or len(sockets) != num_cores:
        return [index] * num_cores
    return sockets


def _read_pcpus(table: Fields, key: str) -> list[int] | None:
    """Return pcpus written as text or as a list, in the order written."""
    value = table.table.get(key)
    if value is None:
        return None
    if isinstance(value, list):
        pcpus = table.integers(key, 0, MOST_PCPUS, _PCPUS)
        if pcpus is not None and len(set(pcpus)) < len(pcpus):
            table.fault(key, "a pcpu named twice", "different pcpus")
            return None
        return pcpus
    if not isinstance(value, str):
        table.fault(key, describe(value), _PCPUS)
        return None
    try:
        return parse_pcpus(value) if value.strip() else []
    except ValueError as error:
        table.fault(key, str(error), _PCPUS)
        return None


def _number_pcpus(table: Fields, pnodes: list[_Pnode]) -> list[tuple[int, int, int, int]]:
    """Return (pcpu, pnode, socket, core) rows; cores are numbered over the whole host."""
    rows: list[tuple[int, int, int, int]] = []
    owner: dict[int, int] = {}
    core_number = 0
    for index, pnode in enumerate(pnodes):
        for core, socket in zip(pnode.cores, pnode.sockets, strict=True):
            for pcpu in core:
                if pcpu in owner:
                    other = owner[pcpu]
                    table.document.fault(
                        (*table.at("pnode"), index),
                        f"pcpu {pcpu} again",
                        f"each pcpu once (it is on pnode {other})",
                    )
                owner[pcpu] = index
                rows.append((pcpu, index, socket, core_number))
            core_number += 1
    if not rows and not table.document.faults:
        table.fault("pnode", "no pcpus", "pcpus or cores on at least one pnode")
    return rows


def _lay_out(
    table: Fields, pnodes: list[_Pnode], running: list[RunningDomain]
) -> tuple[list[list[Span]], list[list[Span]]]:
    """Return all frames and the free ones, by pnode."""
    noted = len(table.document.faults)
    _check_overlaps(table, "spans", [pnode.spans for pnode in pnodes])
    _check_overlaps(table, "free_spans", [pnode.free_spans or [] for pnode in pnodes])
    spans = lay_out_spans([p.total or 0 for p in pnodes], [p.spans for p in pnodes])
    free: list[list[Span]] = []
    for index, pnode in enumerate(pnodes):
        held = sum(int(domain.pages[index]) for domain in running)
        place = (*table.at("pnode"), index)
        if pnode.total is not None:
            own = _free_frames(table.document, place, pnode, pnode.total, spans[index], held)
            free.append(own)
    if len(table.document.faults) > noted or len(free) < len(pnodes):
        return spans, [[] for _ in pnodes]
    return spans, free


def _free_frames(
    document: TomlDocument,
    place: FieldPath,
    pnode: _Pnode,
    total: int,
    spans: list[Span],
    held: int,
) -> list[Span]:
    """Return the free frames of one pnode, as given or laid out from the count."""
    usable = without_frame_0(spans)
    most = min(total, sum(num for _, num in usable))
    if pnode.free_spans is not None:
        listed = sum(num for _, num in pnode.free_spans)
        if pnode.free not in (None, listed):
            document.fault((*place, "free"), f"{pnode.free} pages", f"{listed}, as free_spans sum")
        for index, (start, num) in enumerate(pnode.free_spans):
            if not _lies_in(start, num, usable):
                document.fault(
                    (*place, "free_spans", index),
                    f"[{start}, {num}]",
                    "frames of the pnode's spans, frame 0 left out",
                )
        free, key = listed, "free_spans"
    elif pnode.free is not None:
        free, key = pnode.free, "free"
        if most < free <= total:
            document.fault(
                (*place, key), f"{free} pages", f"at most {most}: frame 0 is never handed out"
            )
    else:
        free, key = min(most, total - held), "total"
    if (held and free + held > total) or free < 0:
        document.fault(
            (*place, key),
            f"{max(free, 0)} free pages and {held} of running domains",
            f"at most the total, {total} pages",
        )
    return lay_out_free(spans, free) if pnode.free_spans is None else sorted(pnode.free_spans)


def _lies_in(start: int, num: int, spans: list[Span]) -> bool:
    joined = as_rows([spans])
    return any(first <= start and start + num <= first + count for _, first, count in joined)


def _check_overlaps(table: Fields, key: str, spans: list[list[Span]]) -> None:
    flat = sorted((start, num, p) for p, own in enumerate(spans) for start, num in own)
    for (start, num, pnode), (later, _, other) in pairwise(flat):
        if start + num > later:
            table.document.fault(
                (*table.at("pnode"), other, key),
                f"frame {later} again",
                f"each frame once (pnode {pnode} has {start} to {start + num - 1})",
            )


def _read_running(table: Fields, num_pnodes: int, pcpus: set[int]) -> list[RunningDomain]:
    running = []
    names: set[str] = set()
    domids: set[int] = set()
    taken: set[int] = set()
    for own in table.tables("running", RUNNING_KEYS):
        noted = len(table.document.faults)
        name = own.text("name", "a name")
        if "name" not in own:
            own.fault("name", "no name", "a name")
        if name in names:
            own.fault("name", f"{name!r} again", "unique names on a host")
        domid = own.integer("domid", 0, MOST_DOMID)
        if domid in domids:
            own.fault("domid", f"{domid} again", "unique domain numbers on a host")
        pages = _read_held_pages(own, num_pnodes)
        vcpus = _read_by_pnode(own, "vcpus", num_pnodes, "vcpus")
        floating = own.integer("floating_vcpus", 0, MOST_PCPUS)
        dedicated = _read_pcpus(own, "dedicated_pcpus") or []
        if missing := sorted(set(dedicated) - pcpus):
            own.fault("dedicated_pcpus", f"pcpu {missing[0]}", "pcpus of the host")
        if twice := sorted(set(dedicated) & taken):
            own.fault("dedicated_pcpus", f"pcpu {twice[0]} again", "pcpus that no other has")
        names |= {name} if name else set()
        domids |= {domid} if domid is not None else set()
        taken |= set(dedicated)
        if len(table.document.faults) > noted or name is None or pages is None:
            continue
        running.append(
            RunningDomain(
                name=name,
                pages=np.array(pages),
                vcpus_on=np.array(vcpus or [0] * num_pnodes),
                dedicated_pcpus=tuple(sorted(dedicated)),
                floating_vcpus=floating or 0,
                domid=domid,
            )
        )
    return running


def _read_held_pages(table: Fields, num_pnodes: int) -> list[int] | None:
    if ("memory" in table) == ("pages" in table):
        found = "both memory and pages" if "pages" in table else "no memory"
        table.fault("pages", found, "pages or memory, one figure for each pnode")
        return None
    kind: Literal["memory", "pages"] = "memory" if "memory" in table else "pages"
    return _read_by_pnode(table, kind, num_pnodes, kind)


def _read_by_pnode(
    table: Fields, key: str, num_pnodes: int, kind: Literal["memory", "pages", "vcpus"]
) -> list[int] | None:
    """Return one figure for each pnode, from a list of all or a table of some."""
    value: Any = table.table.get(key)
    if value is None:
        return None
    document, path = table.document, table.at(key)
    expected = f"a list of {num_pnodes} figures, or a table of pnode = figure"

    def figure(part: str | int, item: Any) -> int | None:
        if kind == "memory":
            return document.size((*path, part), item)
        most = MOST_PAGES if kind == "pages" else MOST_PCPUS
        return document.integer((*path, part), item, 0, most)

    if isinstance(value, dict):
        figures = [0] * num_pnodes
        numbers = {str(p): p for p in range(num_pnodes)}
        for text, item in value.items():
            if text not in numbers:
                document.fault((*path, text), "no such pnode", f"0 to {num_pnodes - 1}")
            elif (number := figure(text, item)) is not None:
                figures[numbers[text]] = number
        return figures
    items = document.items(path, value, expected)
    if items is None:
        return None
    if len(items) != num_pnodes:
        document.fault(path, describe(items), expected)
        return None
    return all_known(figure(index, item) for index, item in enumerate(items))
