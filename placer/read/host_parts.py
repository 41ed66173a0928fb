"""What one source says of a host, and the host that several of them make together.

A source may say little (``lscpu`` nothing of memory, ``numactl`` nothing of sibling threads);
`join_parts` puts the parts of one host together, `build_host` makes a `Host` of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np

from placer.arrays import Ints
from placer.cpulist import format_ranges
from placer.errors import Fault, InputError
from placer.host import FreeFrom, Host
from placer.layout import (
    Span,
    as_rows,
    lay_out_free,
    lay_out_spans,
    near_far,
    without_frame_0,
)
from placer.read.bounds import MOST_FAULTS
from placer.read.host_guests import GuestPart, running_of
from placer.read.host_layout import MOST_PCPUS, MOST_PNODES, MOST_SOCKET
from placer.read.toml_fields import MOST_PAGES
from placer.units import LOCAL_DISTANCE, PAGE_BYTES, REMOTE_DISTANCE, UNREACHABLE, exact_size

_T = TypeVar("_T")

FOUR_GIB_FRAME: Final = 1 << 20


@dataclass
class NodePart:
    """The memory of one node in bytes; None where the source does not say it.

    ``span`` is its first frame and the number of frames, holes included.
    """

    total_bytes: int | None = None
    free_bytes: int | None = None
    span: Span | None = None


@dataclass
class PcpuPart:
    """Where one pcpu is; pcpus with equal ``core`` are siblings. None where it is not said."""

    node: int | None = None
    socket: int | None = None
    core: Hashable = None


@dataclass
class HostParts:
    """What one source says. Nodes and pcpus have the source's own numbers.

    - ``nodes`` and ``pcpus`` by number, offline ones left out; ``distances[a, b]`` by node.
    - ``grain_bytes``: what figures of memory are rounded to.
    - ``ram_bytes``: all memory, where a node's total may count holes.
    - ``free_spans``: (node, first frame, number) and ``free_from`` how they are known.
    - ``guests``: what runs there.
    - ``warnings`` that need no other source to be true.
    """

    source: str
    name: str | None = None
    nodes: dict[int, NodePart] = field(default_factory=dict)
    pcpus: dict[int, PcpuPart] = field(default_factory=dict)
    distances: dict[tuple[int, int], int] = field(default_factory=dict)
    grain_bytes: int = PAGE_BYTES
    ram_bytes: int | None = None
    free_spans: Ints | None = None
    free_from: FreeFrom = "counts"
    guests: list[GuestPart] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def warn(self, name: str, found: str, expected: str = "", line: int | None = None) -> None:
        """Note a warning about the field ``name``."""
        self.warnings.append(
            Fault(source=self.source, field=name, found=found, expected=expected, line=line)
        )

    @property
    def has_totals(self) -> bool:
        """Whether the memory of a node is said."""
        return any(node.total_bytes is not None for node in self.nodes.values())

    @property
    def has_free(self) -> bool:
        """Whether it is said what is free."""
        return any(node.free_bytes is not None for node in self.nodes.values())


def join_parts(
    parts: Sequence[HostParts],
    cpus: HostParts | None = None,
    memory: HostParts | None = None,
) -> HostParts:
    """Return the parts of one host as one.

    Pcpus are those of ``cpus``, memory and distances those of ``memory``, as far as each says
    them; else pcpus are those of the first of ``parts`` that has any, memory is that of the
    source with the finest figures, what is free likewise, and distances are the first. What a
    source leaves out of a pcpu is filled in from the others. Raises InputError where two
    sources contradict each other about where a pcpu is.
    """
    every = [part for part in (cpus, memory, *parts) if part is not None]
    if len(every) == 1:
        return every[0]
    by_grain = sorted((part for part in every if part is not cpus), key=lambda p: p.grain_bytes)
    for_memory = ([memory] if memory is not None else []) + by_grain + every
    joined = HostParts(
        source=" and ".join(dict.fromkeys(part.source for part in every)),
        name=_first(every, lambda part: part.name),
    )
    totals = next((part for part in for_memory if part.has_totals), None)
    free = next((part for part in for_memory if part.has_free), None)
    spanned = next((part for part in for_memory if _has_spans(part)), None)
    for node in sorted({node for part in every for node in part.nodes}):
        nowhere = NodePart()
        joined.nodes[node] = NodePart(
            total_bytes=totals.nodes.get(node, nowhere).total_bytes if totals else None,
            free_bytes=free.nodes.get(node, nowhere).free_bytes if free else None,
            span=spanned.nodes.get(node, nowhere).span if spanned else None,
        )
    if free is not None:
        joined.free_spans, joined.free_from = free.free_spans, free.free_from
    joined.ram_bytes = _first(for_memory, lambda part: part.ram_bytes)
    joined.distances = _first(for_memory, lambda part: part.distances or None) or {}
    _join_pcpus(joined, every)
    for part in every:
        joined.warnings += part.warnings
    joined.guests = GuestPart.merged(guest for part in every for guest in part.guests)
    return joined


def _has_spans(part: HostParts) -> bool:
    return any(node.span is not None for node in part.nodes.values())


def _first(parts: Sequence[HostParts], get: Callable[[HostParts], _T | None]) -> _T | None:
    return next((found for part in parts if (found := get(part)) is not None), None)


def _join_pcpus(joined: HostParts, every: list[HostParts]) -> None:
    """Put together what is said of each pcpu; the first source with pcpus says which there are."""
    first = next((part for part in every if part.pcpus), None)
    if first is None:
        return
    joined.pcpus = {
        number: PcpuPart(node=pcpu.node, socket=pcpu.socket, core=pcpu.core)
        for number, pcpu in first.pcpus.items()
    }
    faults: list[Fault] = []
    for part in every[every.index(first) + 1 :]:
        lacks_cores = all(pcpu.core is None for pcpu in joined.pcpus.values())
        lacks_sockets = all(pcpu.socket is None for pcpu in joined.pcpus.values())
        if len(faults) >= MOST_FAULTS:
            break
        for number in sorted(joined.pcpus.keys() & part.pcpus.keys()):
            mine, other = joined.pcpus[number], part.pcpus[number]
            if mine.node is None:
                mine.node = other.node
            elif other.node not in (None, mine.node):
                faults.append(
                    Fault(
                        source=part.source,
                        field=f"pcpu {number}",
                        found=f"node {other.node}",
                        expected=f"node {mine.node}, as in {first.source}",
                    )
                )
            if lacks_cores and other.core is not None:
                mine.core = other.core
            if lacks_sockets and other.socket is not None:
                mine.socket = other.socket
    if faults:
        raise InputError(faults)


def build_host(parts: HostParts, default_name: str) -> tuple[Host, list[Fault]]:
    """Return the host that ``parts`` describe, and what had to be assumed, as warnings.

    Pnodes are the nodes in ascending order; ``Host.pnode_ids`` keeps the source's numbers. No
    figure of what is free means that all of it is; no distances, or impossible ones, mean 10
    and 20. Raises InputError where memory or pcpus are missing or contradict each other.
    """
    faults: list[Fault] = []

    def refuse(name: str, found: str, expected: str) -> None:
        faults.append(Fault(source=parts.source, field=name, found=found, expected=expected))

    warned = HostParts(source=parts.source, warnings=list(parts.warnings))
    if not parts.has_totals:
        refuse("memory", "no memory of nodes", "a source that has it beside it (--memory FILE)")
    if not parts.pcpus:
        refuse("pcpus", "no pcpus", "a source that has them beside it (--cpus FILE)")
    ids = sorted(parts.nodes)
    if len(ids) > MOST_PNODES:
        refuse("nodes", f"{len(ids)} nodes", f"{MOST_PNODES} at most")
    if parts.pcpus and max(parts.pcpus) > MOST_PCPUS:
        refuse("pcpus", f"pcpu {max(parts.pcpus)}", f"{MOST_PCPUS} at most")
    if faults:
        raise InputError(faults)
    pnode_of = {node: pnode for pnode, node in enumerate(ids)}
    pcpus = _pcpu_rows(parts, pnode_of, refuse, warned)
    totals, free = _memory(parts, ids, refuse, warned)
    if faults:
        raise InputError(faults)
    matrix = _distances(parts, ids, warned)
    spans = [[span] if (span := parts.nodes[node].span) and span[1] else [] for node in ids]
    laid_out = lay_out_spans(totals, spans)
    if parts.free_spans is not None:
        renumbered = parts.free_spans.copy()
        renumbered[:, 0] = [pnode_of[node] for node in parts.free_spans[:, 0].tolist()]
        free_rows = renumbered
    else:
        free = [
            min(pages, sum(num for _, num in without_frame_0(own)))
            for own, pages in zip(laid_out, free, strict=True)
        ]
        lain = [lay_out_free(own, pages) for own, pages in zip(laid_out, free, strict=True)]
        free_rows = np.array(as_rows(lain), dtype=np.int64).reshape(-1, 3)
    free_pages = np.bincount(free_rows[:, 0], free_rows[:, 2], len(ids)).astype(np.int64)
    rooms = {node: totals[p] - int(free_pages[p]) for node, p in pnode_of.items()}
    nodes_of_pcpus = {number: pcpu.node for number, pcpu in parts.pcpus.items()}
    running = running_of(parts.guests, pnode_of, rooms, nodes_of_pcpus, warned.warn)
    try:
        host = Host(
            name=parts.name or default_name,
            total_pages=np.array(totals),
            free_pages=free_pages,
            reserve_pages=np.zeros(len(ids), dtype=np.int64),
            spans=np.array(as_rows(laid_out), dtype=np.int64).reshape(-1, 3),
            free_spans=free_rows,
            pcpu_ids=pcpus[:, 0],
            pcpu_pnode=pcpus[:, 1],
            pcpu_socket=pcpus[:, 2],
            pcpu_core=pcpus[:, 3],
            distances=np.array(matrix),
            pnode_ids=np.array(ids),
            free_from=parts.free_from,
            running=running,
            source=parts.source,
        )
    except ValueError as error:
        fault = Fault(source=parts.source, field="host", found=str(error), expected="")
        raise InputError(fault) from error
    return host, warned.warnings


_Refuse = Callable[[str, str, str], None]


def _pcpu_rows(
    parts: HostParts, pnode_of: dict[int, int], refuse: _Refuse, warned: HostParts
) -> Ints:
    """Return (pcpu, pnode, socket, core) rows, cores numbered by pnode, then by first pcpu."""
    nowhere = sorted(number for number, pcpu in parts.pcpus.items() if pcpu.node not in pnode_of)
    only = next(iter(pnode_of)) if len(pnode_of) == 1 else None
    if nowhere and (only is None or any(parts.pcpus[n].node is not None for n in nowhere)):
        named = {parts.pcpus[number].node for number in nowhere} - {None}
        found = f"pcpus {format_ranges(nowhere)} on no node" if not named else f"node {min(named)}"  # type: ignore[type-var]
        refuse("pcpus", found, "nodes whose memory is known; join a source that says them")
    if all(pcpu.core is None for pcpu in parts.pcpus.values()):
        warned.warn(
            "pcpus",
            "nothing about sibling threads: each pcpu is taken for a core",
            "a source that tells, such as lscpu -p, beside it",
        )
    rows = []
    cores: dict[Hashable, int] = {}
    pnodes = {
        number: pnode_of.get(only if pcpu.node is None else pcpu.node, 0)  # type: ignore[arg-type]
        for number, pcpu in parts.pcpus.items()
    }
    for number in sorted(parts.pcpus, key=lambda number: (pnodes[number], number)):
        pcpu, pnode = parts.pcpus[number], pnodes[number]
        key: Hashable = ("alone", number) if pcpu.core is None else (pnode, pcpu.core)
        core = cores.setdefault(key, len(cores))
        socket = pnode if pcpu.socket is None else min(max(pcpu.socket, 0), MOST_SOCKET)
        rows.append((number, pnode, socket, core))
    return np.array(sorted(rows), dtype=np.int64).reshape(-1, 4)


def _memory(
    parts: HostParts, ids: list[int], refuse: _Refuse, warned: HostParts
) -> tuple[list[int], list[int]]:
    """Return the pages of each pnode, all and free."""
    totals, free = [], []
    for node in ids:
        part = parts.nodes[node]
        if part.total_bytes is None:
            refuse(f"node {node}", "no memory", "its size, which may be 0")
            continue
        totals.append(part.total_bytes // PAGE_BYTES)
        known = part.free_bytes is not None
        free.append((part.free_bytes if known else part.total_bytes) // PAGE_BYTES)  # type: ignore[operator]
        if totals[-1] > MOST_PAGES:
            refuse(
                f"node {node}", f"{part.total_bytes} bytes", f"{MOST_PAGES * PAGE_BYTES} or less"
            )
    if len(totals) < len(ids):
        return [], []
    _take_out_hole(parts, ids, totals, warned)
    if not parts.has_free:
        held = sum(guest.pages_in_all() for guest in parts.guests)
        warned.warn(
            "memory",
            "nothing about what is free: all memory is taken to be free",
            "a source that tells, such as numactl --hardware, beside it",
        )
        if held:
            warned.warn("memory", f"{exact_size(held)} that domains hold are taken to be free too")
    for pnode, node in enumerate(ids):
        if free[pnode] > totals[pnode]:
            told = f"{exact_size(free[pnode])} free of {exact_size(totals[pnode])}"
            warned.warn(f"node {node}", f"{told}: no more than that is taken to be free")
            free[pnode] = totals[pnode]
    return totals, free


def _take_out_hole(parts: HostParts, ids: list[int], totals: list[int], warned: HostParts) -> None:
    """Take the hole below 4 GiB out of the node that spans it, where all RAM is known.

    Xen counts it as that node's; sizes in MiB may be short of the sum by one for each node.
    """
    if parts.ram_bytes is None:
        return
    hole = sum(totals) - parts.ram_bytes // PAGE_BYTES
    if hole * PAGE_BYTES <= parts.grain_bytes * (len(ids) + 1) or hole <= 256 * (len(ids) + 1):
        return
    start = 0
    for pnode, node in enumerate(ids):
        span = parts.nodes[node].span or (start, totals[pnode])
        start = span[0] + span[1]
        if span[0] < FOUR_GIB_FRAME < start and hole < totals[pnode]:
            totals[pnode] -= hole
            warned.warn(
                f"node {node}",
                f"{exact_size(hole)} more than there is memory in all: taken for the hole below "
                "4 GiB",
            )
            return


def _distances(parts: HostParts, ids: list[int], warned: HostParts) -> list[list[int]]:
    """Return the matrix; 10 and 20 where it is absent or none that ACPI allows."""
    assumed = near_far(len(ids), LOCAL_DISTANCE, REMOTE_DISTANCE)
    if len(ids) == 1 and not parts.distances:
        return assumed
    expected = "distances; 10 (local) and 20 (remote) are assumed"
    if not parts.distances:
        warned.warn("distances", "no distances", expected)
        return assumed
    missing = [(a, b) for a in ids for b in ids if (a, b) not in parts.distances]
    if missing:
        warned.warn("distances", f"none from node {missing[0][0]} to {missing[0][1]}", expected)
        return assumed
    matrix = [[parts.distances[a, b] for b in ids] for a in ids]
    for row, a in enumerate(ids):
        for column, b in enumerate(ids):
            value = matrix[row][column]
            if (value != LOCAL_DISTANCE) if a == b else not LOCAL_DISTANCE <= value <= UNREACHABLE:
                warned.warn(
                    "distances",
                    f"{value} from node {a} to {b}",
                    f"{LOCAL_DISTANCE} for a node to itself, {LOCAL_DISTANCE} to {UNREACHABLE} "
                    "elsewhere; 10 and 20 are assumed throughout",
                )
                return assumed
    return matrix
