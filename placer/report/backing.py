"""What memory a placed domain has: extents by vnode, pnode and page size, and contiguity."""

from __future__ import annotations

from typing import Any, TextIO

import numpy as np
from rich.console import Console
from rich.text import Text

from placer.arrays import Ints
from placer.frames import MACHINE_FRAME, ORDER, PNODE, VNODE, DomainFrames
from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable
from placer.spans import merge
from placer.units import ORDER_1GIB, ORDER_2MIB, ORDER_4KIB, ORDER_NAMES, format_pages

_ORDERS = (ORDER_1GIB, ORDER_2MIB, ORDER_4KIB)


def backing_document(frames: DomainFrames) -> dict[str, Any]:
    """Return what backs a domain as plain values: docs/pages.md says what each is.

    A block is a run of machine frames of one vnode without a gap, as long as it can be.
    """
    total = int(frames.run_pages.sum())
    rows = []
    for vnode, pnode in np.unique(frames.runs[:, [VNODE, PNODE]], axis=0).tolist():
        here = (frames.runs[:, VNODE] == vnode) & (frames.runs[:, PNODE] == pnode)
        runs, pages = frames.runs[here], frames.run_pages[here]
        blocks = merge(np.stack([runs[:, MACHINE_FRAME], pages], axis=1))[:, 1]
        by_order = _pages_by_order(runs, pages)
        rows.append(
            {
                "vnode": vnode,
                "pnode": pnode,
                "extents": {ORDER_NAMES[o]: by_order[o] >> o for o in _ORDERS},
                "pages": int(pages.sum()),
                "num_blocks": len(blocks),
                "largest_block_pages": int(blocks.max()),
            }
        )
    in_all = _pages_by_order(frames.runs, frames.run_pages)
    return {
        "domain": frames.domain,
        "host": frames.host,
        "pages": total,
        "pages_by_size": {ORDER_NAMES[order]: in_all[order] for order in _ORDERS},
        "share_in_1gib": in_all[ORDER_1GIB] / total,
        "share_in_2mib_or_larger": (in_all[ORDER_1GIB] + in_all[ORDER_2MIB]) / total,
        "vnodes": rows,
    }


def _pages_by_order(runs: Ints, pages: Ints) -> dict[int, int]:
    """Sum the ``pages`` of each run by the order of its extents."""
    return {order: int(pages[runs[:, ORDER] == order].sum()) for order in _ORDERS}


def show_backing(frames: DomainFrames, out: TextIO) -> None:
    """Print `backing_document` as a table and two lines."""
    print_to(out, lambda console: _print_backing(backing_document(frames), console))


def _print_backing(found: dict[str, Any], console: Console) -> None:
    names = [ORDER_NAMES[order] for order in _ORDERS]
    table = new_table(
        ("vnode", True),
        ("pnode", True),
        *((name, True) for name in names),
        ("memory", True),
        ("blocks", True),
        ("largest", True),
    )
    for row in found["vnodes"]:
        table.add_row(
            str(row["vnode"]),
            str(row["pnode"]),
            *(str(row["extents"][name]) for name in names),
            format_pages(row["pages"]),
            str(row["num_blocks"]),
            format_pages(row["largest_block_pages"]),
        )
    print_table(console, table)
    console.print()
    lines = (
        f"{found['domain']} on {found['host']}: {found['pages']} pages, "
        f"{format_pages(found['pages'])}",
        f"{found['share_in_1gib']:.1%} in 1 GiB pages, {found['share_in_2mib_or_larger']:.1%} "
        "in pages of 2 MiB or larger",
    )
    for line in lines:
        console.print(Text(printable(line)), soft_wrap=True)
