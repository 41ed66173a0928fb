"""Typed access to the fields of a TOML document: every fault is kept, with its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from placer.errors import Fault, InputError
from placer.read.bounds import Budget, add_fault
from placer.read.toml_lines import STRING, FieldPath, find_lines, format_path, line_of
from placer.text_file import read_text
from placer.units import LOCAL_DISTANCE, UNREACHABLE, pages_from_bytes, parse_size

_T = TypeVar("_T")

MOST_PAGES: Final = 1 << 40
"""Frame numbers of x86 have 40 bits: 52 of a physical address less 12 of a page."""

_PLACE: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.S)
_UNITLESS: Final = re.compile(r"[0-9.]+", re.ASCII)
_MOST_EXPONENT: Final = 30
MOST_NESTED: Final = 300_000
"""Brackets and dots of one document. The parser keeps about 1 KiB for each that opens a table of
its own: inline, by a header or by a dotted key."""

_MOST_PARTS: Final = 64
_MOST_SIGNS: Final = 4300
"""As many digits as Python makes a number of; the parser takes 100 bytes for each."""

_LONG: Final = re.compile(rf"(?<![0-9A-Za-z_.+-])[0-9A-Za-z_.+-]{{{_MOST_SIGNS}}}")
_KEY: Final = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+')"""
_DOTTED: Final = re.compile(
    rf"#[^\n]*+|(?P<key>{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY})++)|{STRING.pattern}|[A-Za-z0-9_-]++"
)
"""Whatever may hold dots, strings and comments among it, so that a key is known from them."""


class TomlDocument:
    """A parsed document that gathers its faults.

    Accessors return None for a value that is faulty and note the fault; ``raise_faults``
    then raises them all at once.
    """

    def __init__(self, source: str, text: str) -> None:
        """Parse ``text``; raises InputError with line and column where it is no TOML."""
        self.source = source
        self.text = text
        self.faults: list[Fault] = []
        self.budget = Budget(source)
        self.root: dict[str, Any] = _parse(source, text)

    @classmethod
    def read(cls, path: Path) -> TomlDocument:
        """Return the document in the file ``path``; InputError where it is unreadable."""
        return cls(str(path), read_text(path))

    @cached_property
    def _lines(self) -> dict[FieldPath, int]:
        return find_lines(self.text)

    def make_fault(self, path: FieldPath, found: str, expected: str) -> Fault:
        """Return a fault, or a warning, of the field at ``path``."""
        return Fault(
            source=self.source,
            field=format_path(path) or "document",
            found=found,
            expected=expected,
            line=line_of(path, self._lines),
        )

    def fault(self, path: FieldPath, found: str, expected: str) -> None:
        """Note that the field at ``path`` is faulty; InputError after very many faults."""
        add_fault(self.faults, self.make_fault(path, found, expected))

    def spend(self, path: FieldPath, entries: int) -> None:
        """Count what the field at ``path`` asks for; InputError where it is too much in all."""
        if entries > self.budget.left:
            place = self.make_fault(path, "", "")
            self.budget.spend(entries, place.field, place.line)
        self.budget.left -= entries

    def raise_faults(self) -> None:
        """Raise InputError where any fault was noted."""
        if self.faults:
            raise InputError(self.faults)

    def integer(self, path: FieldPath, value: Any, least: int, most: int) -> int | None:
        """Return a whole number from ``least`` to ``most``."""
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.fault(
            path,
            describe(value),
            f"{least}" if least == most else f"a whole number, {least} to {most}",
        )
        return None

    def number(self, path: FieldPath, value: Any, expected: str) -> Fraction | None:
        """Return a number, exactly as written; no sign of it is checked."""
        exact = exact_number(value)
        if exact is None:
            self.fault(path, describe(value), expected)
        return exact

    def text_value(self, path: FieldPath, value: Any, expected: str) -> str | None:
        """Return a string that is not empty and has no control characters."""
        if isinstance(value, str) and value.strip() == value != "" and value.isprintable():
            return value
        self.fault(path, describe(value), expected)
        return None

    def size(self, path: FieldPath, value: Any) -> int | None:
        """Return the pages of a size with its unit, such as ``"16GiB"``; 0 needs none."""
        expected = 'a size with its unit, such as "512MiB" or "16GiB"'
        if value in (0, "0") and not isinstance(value, (bool, Decimal)):
            return 0
        if not isinstance(value, str) or _UNITLESS.fullmatch(value.strip()):
            self.fault(path, describe(value), expected)
            return None
        try:
            pages = pages_from_bytes(parse_size(value))
        except ValueError as error:
            whole = "whole" in str(error)
            self.fault(
                path, describe(value), "a whole number of 4 KiB pages" if whole else expected
            )
            return None
        if pages > MOST_PAGES:
            self.fault(path, describe(value), "4 PiB or less")
            return None
        return pages

    def items(self, path: FieldPath, value: Any, expected: str) -> list[Any] | None:
        """Return a list."""
        if isinstance(value, list):
            return value
        self.fault(path, describe(value), expected)
        return None

    def integers(
        self, path: FieldPath, value: Any, least: int, most: int, expected: str
    ) -> list[int] | None:
        """Return a list of whole numbers from ``least`` to ``most``."""
        items = self.items(path, value, expected)
        if items is None:
            return None
        found = [self.integer((*path, i), v, least, most) for i, v in enumerate(items)]
        return all_known(found)

    def matrix(
        self, path: FieldPath, value: Any, size: int, most: int = UNREACHABLE
    ) -> list[list[int]] | None:
        """Return the SLIT distances that ``[local, remote]`` or ``size`` rows write.

        The diagonal is 10, the rest 10 to ``most`` (254, or 255 for unreachable).
        """
        expected = f"[local, remote] or {size} rows of {size} distances"
        items = self.items(path, value, expected)
        if items is None:
            return None
        if len(items) == 2 and not any(isinstance(item, list) for item in items):
            local = self.integer((*path, 0), items[0], LOCAL_DISTANCE, LOCAL_DISTANCE)
            remote = self.integer((*path, 1), items[1], LOCAL_DISTANCE, most)
            if local is None or remote is None:
                return None
            return [[local if p == q else remote for q in range(size)] for p in range(size)]
        if len(items) != size:
            self.fault(path, describe(value), expected)
            return None
        rows: list[list[int] | None] = []
        for p, item in enumerate(items):
            row = self.items((*path, p), item, f"a row of {size} distances")
            if row is None or len(row) != size:
                if row is not None:
                    self.fault((*path, p), describe(item), f"a row of {size} distances")
                rows.append(None)
                continue
            entries = [
                self.integer(
                    (*path, p, q), row[q], LOCAL_DISTANCE, LOCAL_DISTANCE if p == q else most
                )
                for q in range(size)
            ]
            rows.append(all_known(entries))
        return all_known(rows)


class Fields:
    """One table of a document. A key that is not in ``known`` is a fault at once."""

    def __init__(
        self, document: TomlDocument, path: FieldPath, table: Any, known: Sequence[str]
    ) -> None:
        self.document = document
        self.path = path
        self.table: dict[str, Any] = table if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            document.fault(path, describe(table), "a table")
        for key in self.table:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                expected = f"{near[0]}?" if near else f"one of {', '.join(known)}"
                document.fault((*path, key), "an unknown key", expected)

    def __contains__(self, key: str) -> bool:
        return key in self.table

    def at(self, key: str) -> FieldPath:
        """Return the path of ``key``."""
        return (*self.path, key)

    def fault(self, key: str, found: str, expected: str) -> None:
        """Note that ``key`` is faulty."""
        self.document.fault(self.at(key), found, expected)

    def given(self, *keys: str) -> list[str]:
        """Return those of ``keys`` that the table has."""
        return [key for key in keys if key in self.table]

    def integer(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number, or None where it is absent or faulty."""
        if key not in self.table:
            return None
        return self.document.integer(self.at(key), self.table[key], least, most)

    def integers(self, key: str, least: int, most: int, expected: str) -> list[int] | None:
        """Return a list of whole numbers, or None."""
        if key not in self.table:
            return None
        return self.document.integers(self.at(key), self.table[key], least, most, expected)

    def flag(self, key: str) -> bool | None:
        """Return true or false, or None."""
        value = self.table.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.fault(key, describe(value), "true or false")
        return None

    def choice(self, key: str, choices: Sequence[str]) -> str | None:
        """Return one of ``choices``, or None."""
        if key not in self.table or self.table[key] in choices:
            return self.table.get(key)
        self.fault(key, describe(self.table[key]), " or ".join(f'"{c}"' for c in choices))
        return None

    def text(self, key: str, expected: str) -> str | None:
        """Return a printable string that is not empty, or None."""
        if key not in self.table:
            return None
        return self.document.text_value(self.at(key), self.table[key], expected)

    def texts(self, key: str, expected: str) -> tuple[str, ...] | None:
        """Return a list of different strings, or None."""
        if key not in self.table:
            return None
        items = self.document.items(self.at(key), self.table[key], f"a list of {expected}")
        if items is None:
            return None
        found = [
            self.document.text_value((*self.at(key), i), item, expected)
            for i, item in enumerate(items)
        ]
        names = all_known(found)
        if names is not None and len(set(names)) < len(names):
            self.fault(key, "a name given twice", f"different {expected}")
            return None
        return None if names is None else tuple(names)

    def pages(self, key: str) -> int | None:
        """Return the pages that ``key`` (a size) or ``key_pages`` (a number) gives."""
        in_pages = f"{key}_pages"
        if key in self.table and in_pages in self.table:
            self.fault(in_pages, f"{key} as well", "one of the two")
            return None
        if in_pages in self.table:
            return self.integer(in_pages, 0, MOST_PAGES)
        if key in self.table:
            return self.document.size(self.at(key), self.table[key])
        return None

    def table_of(self, key: str, known: Sequence[str]) -> Fields | None:
        """Return the table ``[key]``, or None where it is absent."""
        if key not in self.table:
            return None
        return Fields(self.document, self.at(key), self.table[key], known)

    def tables(self, key: str, known: Sequence[str]) -> list[Fields]:
        """Return the tables of ``[[key]]``; none where it is absent."""
        value = self.table.get(key, [])
        if not isinstance(value, list):
            self.fault(key, describe(value), f"[[{key}]]")
            return []
        return [
            Fields(self.document, (*self.at(key), index), item, known)
            for index, item in enumerate(value)
        ]


def exact_number(value: Any) -> Fraction | None:
    """Return a whole or decimal number exactly; None for anything else, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    if isinstance(value, Decimal):
        # A huge exponent would become a number of as many digits.
        if not value.is_finite() or (value and abs(value.adjusted()) > _MOST_EXPONENT):
            return None
        if len(value.as_tuple().digits) > 2 * _MOST_EXPONENT:
            return None
    return Fraction(value)


def parse_decimal(text: str) -> Decimal:
    """Return a TOML float exactly; NaN where it has more digits than can be kept."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def describe(value: Any) -> str:
    """Return what was found, in a few words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:37]}...")
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a table"
    text = str(value) if not isinstance(value, int) or abs(value) < 10**40 else "a huge number"
    return text if len(text) <= 40 else f"{text[:37]}..."


def all_known(values: Iterable[_T | None]) -> list[_T] | None:
    """Return the values as a list, or None where one of them is None."""
    kept = list(values)
    known = [value for value in kept if value is not None]
    return known if len(known) == len(kept) else None


def _refuse_bombs(source: str, text: str) -> None:
    """Raise InputError for what the parser would need far more memory or time for than its size."""
    nested = text.count("[") + text.count("{") + text.count(".")
    if nested > MOST_NESTED:
        found = f"{nested} brackets and dots"
        fault = Fault(source=source, field="TOML", found=found, expected=f"{MOST_NESTED} at most")
        raise InputError(fault)
    if match := _LONG.search(text):
        line = text.count("\n", 0, match.start()) + 1
        found = f"a number or word of more than {_MOST_SIGNS} signs"
        raise InputError(
            Fault(source=source, field="TOML", found=found, expected="a shorter one", line=line)
        )
    # A dotted key takes time by the square of its parts. It stands on one line.
    if all(line.count(".") <= _MOST_PARTS for line in text.split("\n")):
        return
    for match in _DOTTED.finditer(text):
        if match["key"] and match["key"].count(".") > _MOST_PARTS:
            line = text.count("\n", 0, match.start()) + 1
            found = f"a key of {match['key'].count('.') + 1} parts"
            raise InputError(
                Fault(
                    source=source,
                    field="TOML",
                    found=found,
                    expected=f"{_MOST_PARTS} at most",
                    line=line,
                )
            )


def _parse(source: str, text: str) -> dict[str, Any]:
    _refuse_bombs(source, text)
    try:
        return tomllib.loads(text, parse_float=parse_decimal)
    except tomllib.TOMLDecodeError as error:
        match = _PLACE.fullmatch(str(error))
        found = match[1] if match else str(error)
        line = int(match[2]) if match and match[2] else text.count("\n") + 1
        column = int(match[3]) if match and match[3] else None
        fault = Fault(
            source=source, field="TOML", found=found, expected="", line=line, column=column
        )
    except RecursionError:
        fault = Fault(source=source, field="TOML", found="brackets too deep", expected="")
    except ValueError:
        # int() refuses numbers of thousands of digits.
        fault = Fault(source=source, field="TOML", found="a number too long", expected="")
    raise InputError(fault)
