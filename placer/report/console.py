"""What a person reads at a terminal, drawn by rich: stable where it goes to no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final, TextIO

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

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
    drawn = Drawing(out.encoding)
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


_NAME_WIDTH: Final = 10
"""Columns of text may become so narrow, or as their heading's longest word."""

_FIGURE_WIDTH: Final = 16
"""Up to so wide figures stay on one line; longer ones, lists, are folded between words."""


def print_table(console: Console, table: Table) -> None:
    """Print a table of `new_table` so that nothing of it is cut, however narrow the console.

    Where it is too wide, headings are folded between words, then text. Where that does not do,
    columns follow in a table below, again with the first one.
    """
    widths = [_widths_of(console, column) for column in table.columns]
    if sum(width.most for width in widths) + 3 * len(widths) - 1 <= console.width:
        console.print(table)
        return
    blocks = list(_blocks([width.least for width in widths], console.width))
    for number, block in enumerate(blocks):
        part = new_table(
            *((str(table.columns[c].header), table.columns[c].justify == "right") for c in block)
        )
        part.padding = (0, 1, 0, 0)
        for cells in zip(*(table.columns[c].cells for c in block), strict=True):
            part.add_row(*cells)
        given = _shrunk([widths[c] for c in block], console.width - 2 * len(block) + 1)
        for column, width in zip(part.columns, given, strict=True):
            column.width = width
        if number:
            console.print()
        if number == len(blocks) - 1:
            part.caption = table.caption
        console.print(part)


@dataclass(frozen=True, slots=True)
class _Widths:
    """How wide a column has to be, its cells on one line each, and its heading on one as well."""

    least: int
    cells: int
    most: int


def _widths_of(console: Console, column: Column) -> _Widths:
    """The widths of a column in which figures and the words of its heading stay whole."""
    heading = Measurement.get(console, console.options, column.header)
    cells = [Measurement.get(console, console.options, cell) for cell in column.cells]
    widest = max((cell.maximum for cell in cells), default=0)
    most = max(heading.maximum, widest)
    if column.justify == "right":
        whole = (min(cell.maximum, max(cell.minimum, _FIGURE_WIDTH)) for cell in cells)
        return _Widths(max([heading.minimum, *whole]), widest, most)
    word = max((cell.minimum for cell in cells), default=0)
    return _Widths(max(heading.minimum, min(word, _NAME_WIDTH)), widest, most)


def _blocks(least: Sequence[int], width: int) -> Iterator[list[int]]:
    """Yield which columns stand in each table: the first one, and others while they have room."""
    block = [0]
    for column in range(1, len(least)):
        wanted = [*block, column]
        if len(block) > 1 and sum(least[c] for c in wanted) + 2 * len(wanted) - 1 > width:
            yield block
            wanted = [0, column]
        block = wanted
    yield block


def _shrunk(widths: Sequence[_Widths], room: int) -> list[int]:
    """The widths of columns that share ``room``: headings give way, then the widest columns."""
    given = [width.most for width in widths]
    for least in (
        [max(width.least, width.cells) for width in widths],
        [width.least for width in widths],
        [1] * len(widths),
    ):
        while sum(given) > room:
            wide = [c for c, width in enumerate(given) if width > least[c]]
            if not wide:
                break
            given[max(wide, key=lambda c: given[c])] -= 1
    return given


class Drawing(StringIO):
    """Text drawn for a stream that is no terminal, whose encoding decides how boxes look."""

    def __init__(self, encoding: str | None) -> None:
        super().__init__()
        self._encoding = encoding or "ascii"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self._encoding
