"""What a balloon changed: sizes and locality of each vnode, before and after."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from placer.ballooning import Ballooned
from placer.cost import mean_access_distance
from placer.placement import PlacedDomain
from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable
from placer.run import Run
from placer.units import format_pages


def show_ballooned(run: Run, found: Ballooned, out: TextIO) -> None:
    """Print a table of the vnodes, and the domain's mean access distance; ``run`` is before."""
    print_to(out, lambda console: _print(run, found, console))


def _print(run: Run, found: Ballooned, console: Console) -> None:
    before, after = found.before, found.after
    table = new_table(
        ("vnode", True),
        ("pnode", True),
        ("before", True),
        ("after", True),
        ("at home before", True),
        ("after", True),
    )
    for vnode in range(after.num_vnodes):
        table.add_row(
            str(vnode),
            str(after.home[vnode]),
            format_pages(int(before.vnode_pages[vnode])),
            format_pages(int(after.vnode_pages[vnode])),
            _at_home(before, vnode),
            _at_home(after, vnode),
        )
    print_table(console, table)
    console.print()
    name = after.domain
    host = run.host(after.host)
    distances = [
        float(mean_access_distance(which.domain(name), placed, host))
        for which, placed in ((run, before), (found.run, after))
    ]
    sizes = [format_pages(int(placed.vnode_pages.sum())) for placed in (before, after)]
    console.print(
        Text(printable(f"{name} on {host.name}: {sizes[0]} before, {sizes[1]} after")),
        soft_wrap=True,
    )
    line = f"mean access distance {distances[0]:.3f} before, {distances[1]:.3f} after (10 is local)"
    console.print(Text(line), soft_wrap=True)


def _at_home(placed: PlacedDomain, vnode: int) -> str:
    total = int(placed.pages[vnode].sum())
    return f"{int(placed.pages[vnode, placed.home[vnode]]) / total:.1%}" if total else "-"
