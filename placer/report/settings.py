"""The defaults of options as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from placer.report.console import new_table, print_table, print_to
from placer.report.printable import printable


def show_settings(rows: Sequence[tuple[str, str, str, str]], path: str, out: TextIO) -> None:
    """Print command, option, value and source of each row, and the file that was read."""
    print_to(out, lambda console: _print(rows, path, console))


def _print(rows: Sequence[tuple[str, str, str, str]], path: str, console: Console) -> None:
    if rows:
        table = new_table(
            ("command", False), ("option", False), ("default", False), ("from", False)
        )
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        print_table(console, table)
        console.print()
    console.print(Text(printable(f"file: {path}")), soft_wrap=True)
