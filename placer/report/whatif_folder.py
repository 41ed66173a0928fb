"""The CSV files of what-if analysis: appended as scenarios finish, sorted at the end, resumable."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from placer.aside import is_ours, parents_made
from placer.check import score
from placer.errors import Fault, InputError
from placer.explain.text import count_of
from placer.report.frontier import COLUMNS as FRONTIER_COLUMNS
from placer.report.frontier import FRONTIER_FILE, point_of
from placer.run import Run
from placer.text_file import is_file, read_text
from placer.whatif.frontier import Point
from placer.whatif.rows import (
    BASE_NAME,
    DOMAIN_COLUMNS,
    PNODE_COLUMNS,
    SCENARIO_COLUMNS,
    Cells,
    Outcome,
)
from placer.whole_file import whole_file, whole_files

SCENARIOS_FILE: Final = "whatif.csv"
DOMAINS_FILE: Final = "whatif_domains.csv"
PNODES_FILE: Final = "whatif_pnodes.csv"
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    DOMAINS_FILE: DOMAIN_COLUMNS,
    PNODES_FILE: PNODE_COLUMNS,
    SCENARIOS_FILE: SCENARIO_COLUMNS,
}
"""Every file with its columns, in the order in which they are written: a scenario whose row is in
the last one has all its rows in the others."""

KNOWN_FILES: Final = frozenset({*COLUMNS, FRONTIER_FILE})
"""Every file of a folder of what-if results."""

_NAME, _KEY, _STATUS = (SCENARIO_COLUMNS.index(c) for c in ("scenario", "key", "status"))


class WhatIfFolder:
    """A folder of results. ``done`` are the rows of scenarios that need not be solved again.

    A scenario counts as done where its key (which is made of the base, the changes and how
    they are solved) is the wanted one and it did not fail. What else is there is dropped, and
    so are rows that were only half written. One process at a time has a folder.
    """

    def __init__(
        self, folder: Path, keys: Sequence[tuple[str, str]], *, replace: bool = False
    ) -> None:
        """Open ``folder``, made where it is not there, for scenarios of (name, key), in order.

        Raises InputError where the folder holds something else, or cannot be written, or
        another process is writing there; and where it holds answers about another base, or
        to other questions alone, unless ``replace``.
        """
        self.folder = folder
        self._replace = replace
        self.order = [name for name, _ in keys]
        self.done: dict[str, Cells] = {}
        self.dropped = 0
        self._files: dict[str, FileIO] = {}
        self._blocks: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in COLUMNS}
        self._stack = ExitStack()
        try:
            self._refuse_others()
            with parents_made(folder):
                self._lock()
                self._refuse_others()
                self._take_over(dict(keys))
        except OSError as error:
            self._stack.close()
            raise self._unwritable(error) from error
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> WhatIfFolder:
        try:
            for name in COLUMNS:
                # Not buffered: what could not be written is not tried again at the end.
                file = (self.folder / name).open("ab", buffering=0)
                self._files[name] = self._stack.enter_context(file)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def append(self, outcome: Outcome) -> None:
        """Add the rows of a scenario; they are in the files when this returns."""
        scenario = outcome.row[_NAME]
        before = {name: file.tell() for name, file in self._files.items()}
        try:
            for name, rows in (
                (DOMAINS_FILE, outcome.domains),
                (PNODES_FILE, outcome.pnodes),
                (SCENARIOS_FILE, (outcome.row,)),
            ):
                data = _format(rows)
                self._blocks[name][scenario] = before[name], len(data)
                _write_all(self._files[name], data)
        except OSError as error:
            for name, size in before.items():
                with suppress(OSError):
                    self._files[name].truncate(size)
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Put the rows in the order of the scenarios, each file whole or not at all, and synced."""
        try:
            for name, columns in COLUMNS.items():
                blocks = self._blocks[name]
                path = self.folder / name
                offsets = [blocks[s] for s in self.order if s in blocks]
                if offsets == sorted(offsets):
                    os.fsync(self._files[name])
                    continue
                with whole_file(path) as fresh, path.open("rb") as old, fresh.open("wb") as new:
                    new.write(_format([columns]))
                    for offset, length in offsets:
                        old.seek(offset)
                        new.write(old.read(length))
        except OSError as error:
            raise self._unwritable(error) from error

    # -- what is there already ----------------------------------------------------------

    def _refuse_others(self) -> None:
        if not os.path.lexists(self.folder):
            return
        found = ""
        if not self.folder.is_dir():
            found = "something that is no folder"
        elif others := self._others():
            found = f"a folder that holds {others[0]!r}"
        if found:
            raise self._fault(found, "a new name, or a folder of earlier what-if results")

    def _others(self) -> list[str]:
        """What is there beside results, and beside what whoever was killed had begun."""
        names = {path.name for path in self.folder.iterdir()} - KNOWN_FILES
        return sorted(name for name in names if not is_ours(name))

    def _lock(self) -> None:
        """Have the folder to ourselves until we are done, or the process ends."""
        number = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self._stack.callback(os.close, number)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            found = "a folder that another process is writing"
            raise self._fault(found, "one at a time") from error

    def _refuse_to_drop(self, rows: Sequence[Cells], wanted: dict[str, str]) -> None:
        """Refuse to drop answers that have nothing to do with what is asked now."""
        names = {row[_NAME]: row[_KEY] for row in rows}
        base = names.pop(BASE_NAME, None)
        what = ""
        if base is not None and base != wanted.get(BASE_NAME):
            what = "about another base, or solved with other options"
        elif names and not names.keys() & wanted.keys():
            what = "to other questions"
        if what and not self._replace:
            found = f"{count_of(len(rows), 'answer')} {what}"
            raise self._fault(found, "a new name, or --replace to drop them")

    def _take_over(self, wanted: dict[str, str]) -> None:
        """Keep the rows of what is done; begin the files anew with them."""
        rows = list(self._rows_of(SCENARIOS_FILE))
        self._refuse_to_drop(rows, wanted)
        for row in rows:
            if wanted.get(row[_NAME]) == row[_KEY] and row[_STATUS] != "failed":
                self.done[row[_NAME]] = row
            else:
                self.dropped += 1
        # The scenarios' takes its name first: none is there without its rows in the others.
        names = list(reversed(COLUMNS))
        with whole_files([self.folder / name for name in names]) as begun:
            for path, name in zip(begun, names, strict=True):
                self._begin(path, name)
        if self.dropped or not wanted.keys() <= self.done.keys():
            # The curve is made of all rows, when the last one is there.
            (self.folder / FRONTIER_FILE).unlink(missing_ok=True)

    def _begin(self, path: Path, name: str) -> None:
        with path.open("wb") as file:
            file.write(_format([COLUMNS[name]]))
            for scenario, block in _by_scenario(self._rows_of(name), self.done):
                self._blocks[name][scenario] = file.tell(), len(block)
                file.write(block)

    def _rows_of(self, name: str) -> Iterator[Cells]:
        """The rows of a file; one that was half written ends them."""
        path = self.folder / name
        if not is_file(path):
            return
        columns = COLUMNS[name]
        with path.open(encoding="utf-8", newline="", errors="replace") as file:
            reader = csv.reader(_whole_lines(file))
            rows = _readable(reader, path)
            header = tuple(next(rows, ()))
            if header and header != columns:
                raise self._fault(f"other columns in {name}", "a folder of this version's results")
            for row in rows:
                if len(row) == len(columns):
                    yield tuple(row)

    def _fault(self, found: str, expected: str) -> InputError:
        return InputError(
            Fault(source=str(self.folder), field="--out", found=found, expected=expected)
        )

    def _unwritable(self, error: OSError) -> InputError:
        found = (error.strerror or str(error)).lower()
        return self._fault(found, "a folder that can be written")


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines that have an end: the last one may have been cut off."""
    for line in lines:
        if line.endswith("\n"):
            yield line


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _by_scenario(rows: Iterable[Cells], kept: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The rows of each scenario that is kept, in one block each."""
    block: list[Cells] = []
    for row in rows:
        if block and block[0][0] != row[0]:
            yield block[0][0], _format(block)
            block = []
        if row[0] in kept:
            block.append(row)
    if block:
        yield block[0][0], _format(block)


def _format(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def read_texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file of results; InputError where the folder has none."""
    _refuse_without_results(folder)
    for name in (*COLUMNS, FRONTIER_FILE):
        if is_file(folder / name):
            yield name, read_text(folder / name)


def _refuse_without_results(folder: Path) -> None:
    if not is_file(folder / SCENARIOS_FILE):
        raise InputError(
            Fault(
                source=str(folder),
                field="--whatif",
                found="no whatif.csv",
                expected="a folder that `placer whatif ... --out` wrote",
            )
        )


def is_results(folder: Path) -> bool:
    """Return whether ``folder`` holds what-if results: not their copies for a spreadsheet."""
    try:
        with (folder / SCENARIOS_FILE).open("rb") as file:
            return not file.read(len(BOM_UTF8)).startswith(BOM_UTF8)
    except OSError:
        return False


def refuse_other_base(folder: Path, rows: Sequence[Cells], run: Run) -> None:
    """Raise InputError where the first row of whatif.csv, the base, has other figures than ``run``.

    Without a row there is nothing to say.
    """
    placement = run.result.placement
    ours = {
        "num_domains": len(run.problem.domains),
        "num_placed": len(run.placed),
        "cost_slit_per_640000": 0 if placement is None else score(run.problem, placement, ()).cost,
    }
    theirs = {name: row[SCENARIO_COLUMNS.index(name)] for row in rows[:1] for name in ours}
    if theirs and theirs != {name: str(value) for name, value in ours.items()}:
        raise InputError(
            Fault(
                source=str(folder / SCENARIOS_FILE),
                field="base",
                found=_figures(theirs),
                expected=f"{_figures(ours)}, as in the run",
                line=2,
            )
        )


def _figures(cells: Mapping[str, object]) -> str:
    return "{} domains, {} placed, cost {}".format(*cells.values())


def read_rows(folder: Path) -> tuple[Cells, ...]:
    """Return the rows of whatif.csv; InputError where there is none or it has other columns."""
    _refuse_without_results(folder)
    return tuple(_rows(folder, SCENARIOS_FILE, SCENARIO_COLUMNS))


def read_domain_rows(folder: Path) -> tuple[Cells, ...]:
    """Return the rows of whatif_domains.csv; none where there is no such file."""
    if not is_file(folder / DOMAINS_FILE):
        return ()
    return tuple(_rows(folder, DOMAINS_FILE, DOMAIN_COLUMNS))


def read_points(folder: Path) -> tuple[Point, ...]:
    """Return the curve of frontier.csv; none where there is no such file."""
    if not is_file(folder / FRONTIER_FILE):
        return ()
    found = []
    for number, row in enumerate(_rows(folder, FRONTIER_FILE, FRONTIER_COLUMNS), start=2):
        cell = dict(zip(FRONTIER_COLUMNS, row, strict=True))
        try:
            found.append(point_of(cell))
        except ValueError as error:
            raise InputError(
                Fault(
                    source=str(folder / FRONTIER_FILE),
                    field="row",
                    found=str(error),
                    expected="the figures of a point",
                    line=number,
                )
            ) from error
    return tuple(found)


def _rows(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[Cells]:
    text = read_text(folder / name)
    reader = csv.reader(io.StringIO(text, newline=""))
    for number, row in enumerate(_readable(reader, folder / name)):
        if (number == 0 and tuple(row) != columns) or len(row) != len(columns):
            raise InputError(
                Fault(
                    source=str(folder / name),
                    field="columns",
                    found=f"{len(row)}: {', '.join(row[:4])[:80]}",
                    expected=f"the {len(columns)} columns of this version",
                    line=reader.line_num,
                )
            )
        if number:
            yield tuple(row)


def _readable(reader: Any, path: Path) -> Iterator[list[str]]:
    """The rows of a CSV file; InputError where it is none."""
    try:
        yield from reader
    except csv.Error as error:
        fault = Fault(
            source=str(path), field="CSV", found=str(error), expected="CSV", line=reader.line_num
        )
        raise InputError(fault) from None


__all__ = [
    "BASE_NAME",
    "COLUMNS",
    "DOMAINS_FILE",
    "PNODES_FILE",
    "SCENARIOS_FILE",
    "WhatIfFolder",
    "is_results",
    "read_domain_rows",
    "read_points",
    "read_rows",
    "read_texts",
    "refuse_other_base",
]
