"""What a person reads at a terminal, drawn by rich: stable where it goes to no terminal."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Final, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH: Final = 100
"""Columns of a table that does not go to a terminal."""


def print_to(out: TextIO, draw: Callable[[Console], None]) -> None:
    """Let ``draw`` print to a console on ``out``.

    Where that is no terminal: at most 100 columns, no colour, no spaces at the end of a line.
    Boxes are drawn with ASCII where the encoding of ``out`` has no others.
    """
    if out.isatty():
        draw(Console(file=out, highlight=False))
        return
    drawn = _Drawing(out.encoding)
    draw(
        Console(
            file=drawn,
            width=WIDTH,
            force_terminal=False,
            color_system=None,
            legacy_windows=False,
            highlight=False,
        )
    )
    out.write("".join(f"{line.rstrip()}\n" for line in drawn.getvalue().splitlines()))


def new_table(*columns: tuple[str, bool]) -> Table:
    """Return an empty table with columns of (name, whether they are aligned to the right)."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, to_the_right in columns:
        table.add_column(name, justify="right" if to_the_right else "left", overflow="fold")
    return table


class _Drawing(StringIO):
    """Text drawn for a stream of another encoding, which decides how boxes look."""

    def __init__(self, encoding: str | None) -> None:
        super().__init__()
        self._encoding = encoding or "ascii"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding
