"""How many more domains fit: as CSV, and for a person at a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from placer.domain import Domain
from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable
from placer.units import format_pages
from placer.whatif.headroom import HostRoom

COLUMNS: Final = ("shape", "host", "num_more", "num_more_bound", "reason", "binding", "short_by")
MAX_ROWS: Final = 200
Rooms = Sequence[tuple[Domain, Sequence[HostRoom]]]


def format_room(found: Rooms) -> str:
    """Return a row for each shape and host as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for shape, rooms in found:
        for room in rooms:
            next_one = room.next_one
            writer.writerow(
                (
                    shape.name,
                    room.host,
                    room.number,
                    room.bound,
                    next_one.reason,
                    "; ".join(next_one.binding),
                    "; ".join(next_one.short_by),
                )
            )
    return text.getvalue()


def show_room(found: Rooms, out: TextIO) -> None:
    """Print how many more of each shape fit on each host, and what stops the next."""
    print_to(out, lambda console: _print(found, console))


def _print(found: Rooms, console: Console) -> None:
    for position, (shape, rooms) in enumerate(found):
        if position:
            console.print()
        table = new_table(
            ("host", False), ("more", True), ("", False), ("what stops the next", False)
        )
        for room in rooms[:MAX_ROWS]:
            table.add_row(
                Text(printable(room.host)),
                Text(str(room.number)),
                Text("proven" if room.is_proven else f"at most {room.bound}"),
                Text(printable(room.next_one.reason)),
            )
        if len(rooms) > MAX_ROWS:
            table.caption = f"and {len(rooms) - MAX_ROWS} more hosts"
        print_table(console, table)
        console.print()
        number, bound = sum(room.number for room in rooms), sum(room.bound for room in rooms)
        known = "proven" if number == bound else f"{bound} at most"
        vnodes = "vnode" if shape.num_vnodes == 1 else "vnodes"
        vcpus = "vcpu" if shape.num_vcpus == 1 else "vcpus"
        size = f"{format_pages(shape.memory_pages)}, {shape.num_vcpus} {vcpus}"
        size += f", {shape.num_vnodes} {vnodes}"
        text = f"{shape.name} ({size}): {number} more fit, {known}"
        console.print(Text(printable(text)), soft_wrap=True)
