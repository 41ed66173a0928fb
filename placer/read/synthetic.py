"""Hosts from one line of text, after hwloc's synthetic topologies: docs/inventory.md.

``"pnode:2 core:4 pu:1 memory:16GiB distance:10,20"``
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from fractions import Fraction
from typing import Final, cast

import numpy as np

from placer.errors import Fault, InputError
from placer.host import Host, SmtMode
from placer.layout import (
    Span,
    as_rows,
    lay_out_free,
    lay_out_spans,
    near_far,
)
from placer.read.host_layout import MOST_OVERCOMMIT, MOST_PCPUS, MOST_PNODES, parse_smt
from placer.read.toml_fields import MOST_PAGES, describe
from placer.units import (
    LOCAL_DISTANCE,
    REMOTE_DISTANCE,
    UNREACHABLE,
    pages_from_bytes,
    parse_size,
)

LEVELS: Final = ("package", "socket", "pnode", "core", "pu")
KEYS: Final = (
    *LEVELS,
    "memory",
    "free",
    "reserve",
    "distance",
    "overcommit",
    "smt",
    "name",
)
_COUNT: Final = re.compile(r"[0-9]{1,6}", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,9})?", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SOURCE: Final = "synthetic host"


def is_synthetic(text: str) -> bool:
    """Return whether ``text`` is meant as a synthetic string: ``key:value`` throughout.

    One key at least must be known, so that a path with a colon in it is none.
    """
    parts = [token.partition(":") for token in text.split()]
    return bool(parts) and all(p[1] for p in parts) and any(p[0] in KEYS for p in parts)


class _Tokens:
    """The keys and values of a synthetic string, with their columns and faults."""

    def __init__(self, text: str) -> None:
        self.values: dict[str, str] = {}
        self.columns: dict[str, int] = {}
        self.faults: list[Fault] = []
        for match in re.finditer(r"\S+", text):
            key, colon, value = match[0].partition(":")
            self.columns[key] = match.start() + 1
            if not colon:
                self.fault(key, "no colon", "key:value")
            elif key not in KEYS:
                near = get_close_matches(key, KEYS, n=1)
                self.fault(key, "an unknown key", f"{near[0]}?" if near else ", ".join(KEYS))
            elif key in self.values:
                self.fault(key, "the key again", "each key once")
            else:
                self.values[key] = value

    def fault(self, key: str, found: str, expected: str) -> None:
        self.faults.append(
            Fault(
                source=_SOURCE,
                field=key[:60] if key and key.isprintable() else repr(key[:60]),
                found=found,
                expected=expected,
                line=1 if key in self.columns else None,
                column=self.columns.get(key),
            )
        )


def parse_synthetic(text: str, name: str = "host") -> Host:
    """Return the host that ``text`` writes; ``name:`` in it wins over ``name``.

    Such as ``"pnode:2 core:4 pu:2 memory:16GiB distance:10,21"``: counts multiply from left to
    right, as in hwloc; memory and distances are of each pnode (docs/inventory.md). Raises
    InputError with every fault at once, each with its column.
    """
    tokens = _Tokens(text)
    num_pnodes, pcpus = _read_levels(tokens)
    totals = _read_sizes(tokens, "memory", num_pnodes)
    if "memory" not in tokens.values:
        tokens.fault("memory", "no memory", "memory:SIZE, of each pnode")
    free = _read_sizes(tokens, "free", num_pnodes) or totals
    reserve = _read_sizes(tokens, "reserve", num_pnodes) or [0] * num_pnodes
    for key, sizes in (("free", free), ("reserve", reserve)):
        if totals is not None and sizes is not None:
            for pnode, (size, total) in enumerate(zip(sizes, totals, strict=True)):
                if size > total:
                    tokens.fault(key, f"{size} pages on pnode {pnode}", f"at most {total}")
    distances = _read_distances(tokens, num_pnodes)
    overcommit = _read_overcommit(tokens)
    smt = parse_smt(tokens.values.get("smt", "threads"))
    if smt is None:
        tokens.fault("smt", describe(tokens.values["smt"]), "threads, cores or penalty=W")
    own_name = tokens.values.get("name", name)
    if "name" in tokens.values and not _NAME.fullmatch(own_name):
        tokens.fault("name", describe(own_name), "letters, digits, dots, dashes")
    if tokens.faults or totals is None or free is None or smt is None:
        raise InputError(tokens.faults)
    none: list[list[Span]] = [[] for _ in totals]
    spans = lay_out_spans(totals, none)
    free_spans = [lay_out_free(own, num) for own, num in zip(spans, free, strict=True)]
    return Host(
        name=own_name,
        total_pages=np.array(totals),
        free_pages=np.array(free),
        reserve_pages=np.array(reserve),
        spans=np.array(as_rows(spans), dtype=np.int64),
        free_spans=np.array(as_rows(free_spans), dtype=np.int64),
        pcpu_ids=pcpus[:, 0],
        pcpu_pnode=pcpus[:, 1],
        pcpu_socket=pcpus[:, 2],
        pcpu_core=pcpus[:, 3],
        distances=np.array(distances),
        overcommit=overcommit,
        smt=cast(SmtMode, smt[0]),
        smt_penalty=smt[1],
        source=text,
    )


def _read_levels(tokens: _Tokens) -> tuple[int, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Return the number of pnodes and (pcpu, pnode, socket, core) rows, siblings adjacent."""
    levels = [key for key in tokens.values if key in LEVELS]
    if "package" in levels and "socket" in levels:
        tokens.fault("socket", "package as well", "one of the two, they mean the same")
    order = ["socket" if key == "package" else key for key in levels]
    ranks = [{"core": 1, "pu": 2}.get(key, 0) for key in order]
    if ranks != sorted(ranks):
        tokens.fault(levels[0], " ".join(levels), "pnode and socket, then core, then pu")
    counts = {}
    for key, rank_name in zip(levels, order, strict=True):
        text = tokens.values[key]
        if not _COUNT.fullmatch(text) or not 1 <= int(text) <= MOST_PCPUS:
            tokens.fault(key, describe(text), f"a whole number, 1 to {MOST_PCPUS}")
        counts[rank_name] = int(text) if _COUNT.fullmatch(text) else 1
    num_pnodes, sockets = counts.get("pnode", 1), counts.get("socket")
    socket_first = sockets is not None and order.index("socket") < (
        order.index("pnode") if "pnode" in order else len(order)
    )
    pnodes_per_socket = num_pnodes if socket_first else 1
    sockets_per_pnode = 1 if socket_first or sockets is None else sockets
    if socket_first and sockets is not None:
        num_pnodes *= sockets
    threads = counts.get("pu", 1)
    cores_per_socket = counts.get("core", 1)
    num_pcpus = num_pnodes * sockets_per_pnode * cores_per_socket * threads
    if not 1 <= num_pnodes <= MOST_PNODES:
        tokens.fault("pnode", f"{num_pnodes} pnodes", f"1 to {MOST_PNODES}")
    elif not 1 <= num_pcpus <= MOST_PCPUS + 1:
        tokens.fault(
            "pu" if "pu" in levels else "core", f"{num_pcpus} pcpus", f"1 to {MOST_PCPUS + 1}"
        )
    if tokens.faults:
        return min(max(num_pnodes, 1), MOST_PNODES), np.zeros((0, 4), dtype=np.int64)
    pcpu = np.arange(num_pcpus, dtype=np.int64)
    core = pcpu // threads
    pnode = core // (cores_per_socket * sockets_per_pnode)
    socket = pnode // pnodes_per_socket if socket_first else core // cores_per_socket
    return num_pnodes, np.stack([pcpu, pnode, socket, core], axis=1)


def _read_sizes(tokens: _Tokens, key: str, num_pnodes: int) -> list[int] | None:
    """Return the pages of each pnode, from one size for all or one for each."""
    if key not in tokens.values:
        return None
    expected = 'a size with its unit, such as "16GiB", or one for each pnode'
    sizes = []
    for part in tokens.values[key].split(","):
        try:
            if part.isdecimal() and part != "0":
                raise ValueError(part)
            pages = pages_from_bytes(parse_size(part))
        except ValueError:
            tokens.fault(key, describe(part), expected)
            continue
        if pages > MOST_PAGES:
            tokens.fault(key, describe(part), "4 PiB or less")
            continue
        sizes.append(pages)
    given = tokens.values[key].count(",") + 1
    if given not in (1, num_pnodes):
        tokens.fault(key, f"{given} sizes for {num_pnodes} pnodes", expected)
        return None
    if len(sizes) < given:
        return None
    return sizes * num_pnodes if given == 1 else sizes


def _read_distances(tokens: _Tokens, num_pnodes: int) -> list[list[int]]:
    """Return the matrix of ``local,remote`` or of a figure for each pair, row by row."""
    assumed = near_far(num_pnodes, LOCAL_DISTANCE, REMOTE_DISTANCE)
    if "distance" not in tokens.values:
        return assumed
    parts = tokens.values["distance"].split(",")
    expected = f"local,remote or {num_pnodes * num_pnodes} figures"
    if len(parts) not in (2, num_pnodes * num_pnodes):
        tokens.fault("distance", f"{len(parts)} figures", expected)
        return assumed
    figures = [int(part) if _COUNT.fullmatch(part) else -1 for part in parts]
    if len(parts) == 2:
        rows = near_far(num_pnodes, figures[0], figures[1])
        local = {0}
    else:
        rows = [figures[p * num_pnodes : (p + 1) * num_pnodes] for p in range(num_pnodes)]
        local = {p * num_pnodes + p for p in range(num_pnodes)}
    noted = len(tokens.faults)
    for index, (part, figure) in enumerate(zip(parts, figures, strict=True)):
        if index in local and figure != LOCAL_DISTANCE:
            tokens.fault("distance", describe(part), f"{LOCAL_DISTANCE} for a pnode to itself")
        elif not LOCAL_DISTANCE <= figure <= UNREACHABLE:
            tokens.fault("distance", describe(part), "10 to 254, or 255 for unreachable")
    return assumed if len(tokens.faults) > noted else rows


def _read_overcommit(tokens: _Tokens) -> Fraction:
    text = tokens.values.get("overcommit", "1")
    if not _DECIMAL.fullmatch(text) or not 0 < Fraction(text) <= MOST_OVERCOMMIT:
        tokens.fault("overcommit", describe(text), f"a number above 0, {MOST_OVERCOMMIT} at most")
        return Fraction(1)
    return Fraction(text)
