"""What is free on a host: extents by pnode and order, what they can back, how broken up it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TextIO

import numpy as np
from rich.console import Console
from rich.text import Text

from placer.host import FreeFrom, Host
from placer.pages.heap import Heap
from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable
from placer.units import MAX_ORDER, ORDER_1GIB, ORDER_2MIB, PAGE_BITS, format_pages

PLACES: Final[dict[FreeFrom, str]] = {
    "spans": "free frames as given",
    "counts": "places of free memory made up: in one piece at the low end of each pnode",
    "fragmentation": "places of free memory made up from a fragmentation figure",
    "buddyinfo": "places of free memory made up from Linux's counts; 1 GiB is a lower bound",
    "xen keys": "places of free memory made up from Xen's debug keys: at the low end of each zone",
}


def heap_document(host: Host) -> dict[str, Any]:
    """Return the free memory of ``host`` as plain values: docs/pages.md says what each is."""
    heap = Heap.of(host)
    extents = heap.extents()
    zones = (heap.extents_by_zone() << np.arange(MAX_ORDER + 1)).sum(axis=2)
    large, huge = heap.available(ORDER_2MIB), heap.available(ORDER_1GIB)
    rows = []
    for pnode, free in enumerate(heap.free_pages.tolist()):
        small = free - (int(large[pnode]) << ORDER_2MIB)
        orders = np.flatnonzero(extents[pnode])
        rows.append(
            {
                "pnode": pnode,
                "total_pages": int(host.total_pages[pnode]),
                "free_pages": free,
                "extents_by_order": extents[pnode].tolist(),
                "free_pages_by_zone": {
                    str(zone): int(zones[pnode, zone])
                    for zone in np.flatnonzero(zones[pnode]).tolist()
                },
                "num_2mib": int(large[pnode]),
                "num_1gib": int(huge[pnode]),
                "fragmentation": small / free if free else 0.0,
                "largest_order": int(orders[-1]) if len(orders) else None,
            }
        )
    return {
        "host": host.name,
        "free_from": host.free_from,
        "dma_width_bits": heap.dma_zone + PAGE_BITS if heap.dma_zone else None,
        "pnodes": rows,
    }


def show_heaps(hosts: Sequence[Host], out: TextIO) -> None:
    """Print `heap_document` of each host as two tables and two lines."""
    print_to(out, lambda console: _print_heaps(hosts, console))


def _print_heaps(hosts: Sequence[Host], console: Console) -> None:
    for number, host in enumerate(hosts):
        if number:
            console.print()
        _print_heap(heap_document(host), host.free_from, console)


def _print_heap(found: dict[str, Any], free_from: FreeFrom, console: Console) -> None:
    console.print(Text(printable(found["host"])))
    at_least = ">= " if free_from == "buddyinfo" else ""
    table = new_table(
        ("pnode", True),
        ("total", True),
        ("free", True),
        ("2MiB pages", True),
        ("1GiB pages", True),
        ("fragmentation", True),
        ("largest order", True),
    )
    for row in found["pnodes"]:
        largest = row["largest_order"]
        table.add_row(
            str(row["pnode"]),
            format_pages(row["total_pages"]),
            format_pages(row["free_pages"]),
            str(row["num_2mib"]),
            f"{at_least}{row['num_1gib']}",
            f"{row['fragmentation']:.1%}",
            "-" if largest is None else str(largest),
        )
    print_table(console, table)
    console.print()
    orders = new_table(("order", True), *((f"pnode {r['pnode']}", True) for r in found["pnodes"]))
    for order in range(MAX_ORDER + 1):
        counts = [row["extents_by_order"][order] for row in found["pnodes"]]
        if any(counts):
            orders.add_row(str(order), *map(str, counts))
    print_table(console, orders)
    console.print()
    console.print(Text(PLACES[free_from]), soft_wrap=True)
    if found["dma_width_bits"] is not None:
        limit = format_pages(1 << found["dma_width_bits"] - PAGE_BITS)
        console.print(Text(f"memory below {limit} is kept for devices where others have some"))
