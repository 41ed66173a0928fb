"""What a host is: pnodes, memory, pcpus with their siblings, distances, what runs there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TextIO

import numpy as np
from rich.console import Console
from rich.text import Text

from placer.cpulist import format_ranges
from placer.host import Host
from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable
from placer.units import format_pages

BAR_WIDTH: Final = 20
_FILLED: Final = "\N{FULL BLOCK}"
_EMPTY: Final = "\N{LIGHT SHADE}"
_SHOWN_CORES: Final = 64
_SHOWN_RUNNING: Final = 20


def host_document(host: Host) -> dict[str, Any]:
    """Return ``host`` as plain values: docs/commands.md says what each is."""
    return {
        "host": host.name,
        "pnodes": [
            {
                "pnode": pnode,
                "id": int(host.pnode_ids[pnode]),
                "total_pages": int(host.total_pages[pnode]),
                "free_pages": int(host.free_pages[pnode]),
                "reserve_pages": int(host.reserve_pages[pnode]),
                "sockets": np.unique(host.pcpu_socket[host.pcpu_pnode == pnode]).tolist(),
                "cores": cores_of(host, pnode),
            }
            for pnode in range(host.num_pnodes)
        ],
        "distances": host.distances.tolist(),
        "overcommit": str(host.overcommit),
        "smt": f"penalty={host.smt_penalty}" if host.smt == "penalty" else host.smt,
        "running": [
            {
                "name": domain.name,
                "domid": domain.domid,
                "pages": domain.pages.tolist(),
                "vcpus_on": domain.vcpus_on.tolist(),
                "floating_vcpus": domain.floating_vcpus,
                "dedicated_pcpus": list(domain.dedicated_pcpus),
            }
            for domain in host.running
        ],
    }


def cores_of(host: Host, pnode: int) -> list[list[int]]:
    """Return the pcpus of each core of a pnode, in the order of their cores."""
    here = host.pcpu_pnode == pnode
    cores: dict[int, list[int]] = {}
    for pcpu, core in zip(host.pcpu_ids[here].tolist(), host.pcpu_core[here].tolist(), strict=True):
        cores.setdefault(core, []).append(pcpu)
    return [cores[core] for core in sorted(cores)]


def format_cores(cores: Sequence[Sequence[int]]) -> str:
    """Return the pcpus of some cores: ``"0-3"``, or ``"0-3 + 8-11"``, siblings across the plus.

    Where the cores do not all have the same number of threads they are listed one by one.
    """
    if not cores:
        return "none"
    if len({len(core) for core in cores}) == 1 and list(map(list, cores)) == sorted(
        map(list, cores)
    ):
        threads = [[core[k] for core in cores] for k in range(len(cores[0]))]
        if all(row == sorted(row) for row in threads):
            texts = [format_ranges(row) for row in threads]
            flat = sorted(pcpu for core in cores for pcpu in core)
            if len(threads) == 1 or sum(map(len, texts)) <= 3 * len(format_ranges(flat)) + 12:
                return " + ".join(texts)
            if all(list(core) == list(range(core[0], core[0] + len(core))) for core in cores):
                return f"{format_ranges(flat)}, {len(threads)} adjacent to a core"
    listed = [f"({' '.join(map(str, core))})" for core in cores[:_SHOWN_CORES]]
    more = len(cores) - len(listed)
    return " ".join(listed) + (f" and {more} more cores" if more else "")


def show_hosts(hosts: Sequence[Host], out: TextIO) -> None:
    """Print a picture of each host: a bar of memory and the cores of each pnode, distances."""
    unicode = _can_write(out, _FILLED + _EMPTY)

    def draw(console: Console) -> None:
        for number, host in enumerate(hosts):
            if number:
                console.print()
            _print_host(host, console, unicode)

    print_to(out, draw)


def _can_write(out: TextIO, signs: str) -> bool:
    try:
        signs.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _print_host(host: Host, console: Console, unicode: bool) -> None:
    total, free = int(host.total_pages.sum()), int(host.free_pages.sum())
    counts = ", ".join(
        (
            _count(host.num_pnodes, "pnode"),
            _count(len(np.unique(host.pcpu_socket)), "socket"),
            _count(len(np.unique(host.pcpu_core)), "core"),
            _count(host.num_pcpus, "pcpu"),
            f"{format_pages(total)}, {format_pages(free)} free",
        )
    )
    console.print(Text(f"{printable(host.name)}: {counts}"), soft_wrap=True)
    console.print()
    renumbered = (host.pnode_ids != np.arange(host.num_pnodes)).any()
    with_reserve = host.reserve_pages.any()
    table = new_table(
        ("pnode", True),
        *((("id", True),) if renumbered else ()),
        ("memory used", False),
        ("free", True),
        ("total", True),
        *((("reserve", True),) if with_reserve else ()),
        ("pcpus (+ siblings)", False),
    )
    most = int(host.total_pages.max())
    for pnode in range(host.num_pnodes):
        own, left = int(host.total_pages[pnode]), int(host.free_pages[pnode])
        table.add_row(
            str(pnode),
            *((str(host.pnode_ids[pnode]),) if renumbered else ()),
            Text(_bar(own - left, own, most, unicode)),
            format_pages(left),
            format_pages(own),
            *((format_pages(int(host.reserve_pages[pnode])),) if with_reserve else ()),
            format_cores(cores_of(host, pnode)),
        )
    print_table(console, table)
    if host.num_pnodes > 1:
        console.print()
        matrix = new_table(("distance", True), *((f"to {p}", True) for p in range(host.num_pnodes)))
        for pnode, row in enumerate(host.distances.tolist()):
            matrix.add_row(f"from {pnode}", *map(str, row))
        print_table(console, matrix)
    if host.running:
        console.print()
        _print_running(host, console)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _bar(used: int, total: int, most: int, unicode: bool) -> str:
    """Return a bar of ``total``, the part used filled; a pnode of ``most`` pages has them all."""
    if not total:
        return "no memory"
    width = max(round(total * BAR_WIDTH / most), 1)
    filled = min(round(used * width / total), width)
    full, empty = (_FILLED, _EMPTY) if unicode else ("#", ".")
    return full * filled + empty * (width - filled)


def _print_running(host: Host, console: Console) -> None:
    table = new_table(
        ("running", False),
        ("id", True),
        ("memory", True),
        ("of which on pnodes", False),
        ("vcpus", True),
        ("tied to pnodes", False),
    )
    for domain in host.running[:_SHOWN_RUNNING]:
        pages = domain.pages.tolist()
        on = ", ".join(f"{p}: {format_pages(count)}" for p, count in enumerate(pages) if count)
        tied = domain.vcpus_on.tolist()
        vcpus = sum(tied) + domain.floating_vcpus + len(domain.dedicated_pcpus)
        where = [f"{count} on {p}" for p, count in enumerate(tied) if count]
        if domain.dedicated_pcpus:
            where.append(f"pcpus {format_ranges(list(domain.dedicated_pcpus))} alone")
        table.add_row(
            Text(printable(domain.name)),
            "-" if domain.domid is None else str(domain.domid),
            format_pages(sum(pages)),
            on or "-",
            str(vcpus),
            ", ".join(where) or "-",
        )
    print_table(console, table)
    if len(host.running) > _SHOWN_RUNNING:
        console.print(f"and {len(host.running) - _SHOWN_RUNNING} more domains")
