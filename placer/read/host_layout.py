"""What hosts that are described by counts have in common: pcpus, figures, limits."""

from __future__ import annotations

import re
from typing import Final

from placer.errors import Fault

MOST_PNODES: Final = 256
"""Four times what Xen can be built for (NR_NUMA_NODES, 2 to 64)."""

MOST_PCPUS: Final = 16383
"""The most that Xen can be built for (NR_CPUS)."""

MOST_PNODE_ID: Final = 65535
"""More than Linux can be built for (MAX_NUMNODES, 1024)."""

MOST_SOCKET: Final = 65535
MOST_OVERCOMMIT: Final = 1024
MOST_SMT_PENALTY: Final = 10_000
MOST_DOMID: Final = 0x7FEF
"""The highest number of an ordinary domain is below DOMID_FIRST_RESERVED, 0x7FF0."""

_MOST_DIGITS: Final = 40
_RANGE: Final = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?", re.ASCII)
_PENALTY: Final = re.compile(r"penalty=([0-9]{1,9})", re.ASCII)


def parse_pcpus(text: str) -> list[int]:
    """Return the pcpus of ``"0-3,8"`` in the order written.

    Raises ValueError where a part is neither N nor A-B, runs backwards, repeats a
    pcpu or is above ``MOST_PCPUS``.
    """
    found: list[int] = []
    for part in text.split(","):
        first, last = parse_pcpu_range(part)
        found.extend(range(first, last + 1))
        if len(found) > MOST_PCPUS + 1:
            break
    if len(set(found)) < len(found):
        raise ValueError("a pcpu is named twice")
    return found


def parse_pcpu_range(text: str) -> tuple[int, int]:
    """Return the first and the last pcpu of ``"3"`` or ``"0-3"``; ValueError for another text."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no pcpu and no range A-B")
    first = int(match[1])
    last = int(match[2] or first)
    if last < first:
        raise ValueError(f"the range {text[:40]!r} runs backwards")
    if last > MOST_PCPUS:
        raise ValueError(f"pcpu {last} is above {MOST_PCPUS}")
    return first, last


def parse_figure(text: str, most: int) -> int:
    """Return the number that decimal digits write; ValueError where it is above ``most``."""
    if len(text) > _MOST_DIGITS or int(text) > most:
        raise ValueError(f"{text[:_MOST_DIGITS]}, above {most}")
    return int(text)


def parse_smt(text: str) -> tuple[str, int] | None:
    """Return mode and penalty of ``threads``, ``cores`` or ``penalty=W``; None for others."""
    if text in ("threads", "cores"):
        return text, 0
    match = _PENALTY.fullmatch(text)
    if match is None or int(match[1]) > MOST_SMT_PENALTY:
        return None
    return "penalty", int(match[1])


def assumed_distances(source: str, field: str, line: int | None) -> Fault:
    """Return the warning for a host of several pnodes whose distances nobody gave."""
    return Fault(
        source=source,
        field=field,
        found="no distances",
        expected="distances; 10 (local) and 20 (remote) are assumed",
        line=line,
    )


def counts_end(source: str, field: str, line: int | None) -> Fault:
    """Return the warning for a host whose free extents Linux counts."""
    return Fault(
        source=source,
        field=field,
        found="counts of free extents without places, up to 4 MiB",
        expected="frame numbers; places are made up, and 1 GiB pages are a lower bound",
        line=line,
    )
