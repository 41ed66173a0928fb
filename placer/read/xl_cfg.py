"""The grammar of xl's configuration files: text to values, each with its line and column.

The grammar is that of Xen's tools/libs/util/libxlu_cfg_l.l and libxlu_cfg_y.y; the
file is data and is never evaluated. docs/xl-cfg.md lists the few differences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from placer.errors import Fault, InputError
from placer.read.bounds import add_fault
from placer.text_file import read_bytes

MAX_DEPTH: Final = 64
"""Lists may nest this deep; deeper ones are a fault."""

MOST_BYTES: Final = 1 << 20
"""A larger file is no configuration of one guest."""

_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t]+)
      | (?P<comment>\#[^\n]*)
      | (?P<newline>\n)
      | (?P<key>[a-z][._0-9a-z]*)
      | (?P<number>[0-9][0-9a-fx]*)
      | (?P<string>'(?:[^'\\\n]++|\\[^\n])*+'|"(?:[^"\\\n]++|\\[^\n])*+")
      | (?P<unclosed>['"][^\n]*)
      | (?P<mark>\+=|[\[\],=;])
      | (?P<bad>[^ \t\n]+)""",
    re.VERBOSE | re.ASCII,
)
_ESCAPES: Final = {
    '"': '"',
    "'": "'",
    "\\": "\\",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_WRITTEN: Final = str.maketrans(
    {value: "\\" + letter for letter, value in _ESCAPES.items() if letter != "'"}
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_STRTOL: Final = re.compile(
    r"[ \t\n\v\f\r]*(?P<sign>[+-]?)"
    r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))",
    re.ASCII,
)
_DECIMAL: Final = re.compile(r"0*(?P<digits>[0-9]+)", re.ASCII)
_PLAIN_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_PYTHON_LIKE: Final = "+-.():"
_INT64_BITS: Final = 63
_INT64_DIGITS: Final = 19


@dataclass(frozen=True, slots=True)
class Str:
    """A quoted string, its escapes resolved."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Num:
    """A number as it is written; xl converts it where it is used."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class List:
    """A list of strings, numbers and lists."""

    items: tuple[Value, ...]
    line: int
    column: int


Value = Str | Num | List


@dataclass(frozen=True, slots=True)
class Setting:
    """The value that a key has at the end of the file, and where it got it.

    ``line`` and ``column`` are those of the key in the statement that counts.
    ``added`` tells that this was a ``+=``, which xl rejects for numbers.
    """

    key: str
    value: Value
    line: int
    column: int
    added: bool


@dataclass(frozen=True)
class ConfigFile:
    """All settings of a file, in the order in which their keys first appear."""

    source: str
    settings: tuple[Setting, ...]

    @cached_property
    def _by_key(self) -> dict[str, Setting]:
        return {setting.key: setting for setting in self.settings}

    def get(self, key: str) -> Setting | None:
        """Return the setting of ``key``, or None where the file has none."""
        return self._by_key.get(key)


def read_config(path: Path) -> ConfigFile:
    """Return the settings of the file ``path``.

    Raises InputError with every fault: the file cannot be opened, is no UTF-8
    text, or breaks the grammar.
    """
    source = str(path)
    data = read_bytes(path, most=MOST_BYTES)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        last_line = before[before.rfind(b"\n") + 1 :].decode("utf-8")
        raise InputError(
            Fault(
                source=source,
                field="text",
                found=f"the byte 0x{data[error.start]:02x}, which is no UTF-8",
                expected="UTF-8 text",
                line=before.count(b"\n") + 1,
                column=len(last_line) + 1,
            )
        ) from error
    return parse_config(text, source)


def parse_config(text: str, source: str = "text") -> ConfigFile:
    """Return the settings that ``text`` writes; ``source`` names it in faults.

    Reading goes on after a fault at the next line (inside a list: at the next line
    that starts a statement). Raises InputError with every fault.
    """
    faults: list[Fault] = []
    text = _without_foreign_marks(text, source, faults)
    parser = _Parser(text, source, faults)
    settings = parser.parse()
    if faults:
        raise InputError(sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)))
    return ConfigFile(source, settings)


def parse_number(text: str) -> int:
    """Return the number that xl reads in a scalar: strtol with base 0 (xlu_cfg_get_long).

    ``0x`` starts a hexadecimal and ``0`` an octal number. Raises ValueError for
    anything else and for numbers that 64 bits do not hold.
    """
    match = _STRTOL.fullmatch(text)
    if match is None:
        raise ValueError(f"{shorten(text)}, not a number")
    if match["hex"]:
        digits, base, most = match["hex"], 16, _INT64_BITS // 4 + 1
    elif match["octal"]:
        digits, base, most = match["octal"], 8, _INT64_BITS // 3 + 1
    else:
        digits, base, most = match["decimal"], 10, _INT64_DIGITS
    digits = digits.lstrip("0") or "0"
    value = int(digits, base) if len(digits) <= most else 1 << _INT64_BITS
    if value >= 1 << _INT64_BITS:
        raise ValueError(f"{shorten(text)}, more than 64 bits hold")
    return -value if match["sign"] == "-" else value


def parse_decimal(text: str) -> int:
    """Return the number that xl reads in a list item: digits in base ten (strtoul).

    Blanks around it are passed over. Raises ValueError for anything else (xl itself
    lets junk after the digits pass) and for numbers that 64 bits do not hold.
    """
    match = _DECIMAL.fullmatch(text.strip(" \t"))
    if match is None:
        raise ValueError(f"{shorten(text)}, not a decimal number")
    if len(match["digits"]) > _INT64_DIGITS or int(match["digits"]) >= 1 << _INT64_BITS:
        raise ValueError(f"{shorten(text)}, more than 64 bits hold")
    return int(match["digits"])


def plain_value(value: Value) -> str | int | list[Any]:
    """Return ``value`` without positions, so that `render_value` writes an equivalent one.

    Strings are str; numbers in plain decimal are int; all other numbers (hexadecimal,
    octal, with leading zeros or very long ones) keep their text as str, which xl reads
    the same: it stores every number as a string.
    """
    if isinstance(value, List):
        return [plain_value(item) for item in value.items]
    if isinstance(value, Num) and _PLAIN_NUMBER.fullmatch(value.text):
        return int(value.text)
    return value.text


def render_value(value: str | int | Sequence[Any]) -> str:
    """Return ``value`` in xl's syntax: a quoted string, digits, or a list in brackets.

    A number below zero is quoted, because the grammar has no sign and xl reads a
    quoted number as well. Raises ValueError for a string that holds a NUL, for lists
    nested deeper than MAX_DEPTH and for values of other kinds.
    """
    return _render(value, 0)


def shorten(text: str) -> str:
    """Return ``text`` quoted for a message, cut where it is long."""
    return repr(text) if len(text) <= 40 else repr(text[:37]) + "..."


def _render(value: object, depth: int) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("xl's strings hold no NUL")
        return '"' + value.translate(_WRITTEN) + '"'
    if isinstance(value, int):
        return str(int(value)) if value >= 0 else f'"{int(value)}"'
    if isinstance(value, list | tuple):
        if depth >= MAX_DEPTH:
            raise ValueError(f"lists nest deeper than {MAX_DEPTH}")
        return "[" + ", ".join(_render(item, depth + 1) for item in value) + "]"
    raise ValueError(f"xl has no value for {type(value).__name__}")


def _without_foreign_marks(text: str, source: str, faults: list[Fault]) -> str:
    """Report a byte order mark, NULs and CRLF once each, and take them out of ``text``."""

    def report(offset: int, found: str, expected: str) -> None:
        line = text.count("\n", 0, offset) + 1
        column = offset - text.rfind("\n", 0, offset)
        faults.append(
            Fault(
                source=source,
                field="text",
                found=found,
                expected=expected,
                line=line,
                column=column,
            )
        )

    if text.startswith("\ufeff"):
        report(0, "a byte order mark", "UTF-8 without one")
    if "\0" in text:
        report(text.index("\0"), f"{text.count(chr(0))} NUL", "text")
    if "\r\n" in text:
        report(text.index("\r\n"), "CRLF at the end of the line", "LF alone (xl rejects CR)")
    return text.removeprefix("\ufeff").replace("\0", "").replace("\r\n", "\n")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        if self.kind == "newline":
            return "the end of the line"
        return "the end of the file" if self.kind == "end" else shorten(self.text)


class _SyntaxError(Exception):
    """Leaves a statement; the fault is recorded already."""


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of ``text`` without blanks and comments, and an ``end``."""
    line, line_start = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "bad"
        if kind not in ("blank", "comment"):
            yield _Token(kind, match[0], line, match.start() - line_start + 1)
        if kind == "newline":
            line, line_start = line + 1, match.end()
    yield _Token("end", "", line, len(text) - line_start + 1)


def _joined(pieces: list[Value]) -> Value:
    """Return what a value and all that was added to it make, at the place of the last."""
    last = pieces[-1]
    if isinstance(last, List):
        items = tuple(item for piece in pieces if isinstance(piece, List) for item in piece.items)
        return List(items, last.line, last.column)
    text = "".join(piece.text for piece in pieces if not isinstance(piece, List))
    return Str(text, last.line, last.column)


class _Parser:
    """Recursive descent over the tokens, one statement at a time."""

    def __init__(self, text: str, source: str, faults: list[Fault]) -> None:
        self._tokens = tuple(_tokens(text))
        self._next = 0
        self._depth = 0
        self._source = source
        self._faults = faults
        self._settings: dict[str, Setting] = {}
        self._pieces: dict[str, list[Value]] = {}

    def parse(self) -> tuple[Setting, ...]:
        while self._peek().kind != "end":
            self._depth = 0
            try:
                self._statement()
            except _SyntaxError:
                self._resume()
        for key, pieces in self._pieces.items():
            if len(pieces) > 1:
                self._settings[key] = replace(self._settings[key], value=_joined(pieces))
        return tuple(self._settings.values())

    def _peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def _take(self) -> _Token:
        token = self._peek()
        self._next += 1
        return token

    def _at(self, *marks: str) -> bool:
        token = self._peek()
        return token.kind == "mark" and token.text in marks

    def _report(self, field: str, found: str, expected: str, line: int, column: int) -> None:
        add_fault(
            self._faults,
            Fault(
                source=self._source,
                field=field[:60],
                found=found,
                expected=expected,
                line=line,
                column=column,
            ),
        )

    def _refuse(self, field: str, expected: str) -> _SyntaxError:
        """Record that the next token is not what is expected; return what to raise."""
        token = self._peek()
        found = str(token)
        if token.kind == "unclosed":
            found, expected = f"the unclosed string {found}", "its closing quote on the same line"
        elif token.kind == "bad" and token.text[0] in _PYTHON_LIKE:
            expected += " (xl takes no Python)"
        self._report(field, found, expected, token.line, token.column)
        return _SyntaxError()

    def _resume(self) -> None:
        """Skip to the next line; inside a list, to the next line that starts a statement."""
        while (token := self._peek()).kind != "end":
            if token.kind == "newline" and (self._depth == 0 or self._statement_starts(1)):
                return
            self._next += 1

    def _statement_starts(self, ahead: int) -> bool:
        return self._peek(ahead).kind == "key" and self._peek(ahead + 1).text in ("=", "+=")

    def _statement(self) -> None:
        if self._peek().kind == "newline" or self._at(";"):
            self._take()
            return
        if self._peek().kind != "key":
            raise self._refuse("syntax", "a key of lower-case letters, digits, '_' and '.'")
        key = self._take()
        if not self._at("=", "+="):
            raise self._refuse(key.text, "'=' or '+=' after the key")
        added = self._take().text == "+="
        value = self._value(key.text)
        if self._peek().kind not in ("newline", "end") and not self._at(";"):
            raise self._refuse(key.text, "the end of the line or ';' after the value")
        self._store(key, value, added)

    def _store(self, key: _Token, value: Value, added: bool) -> None:
        before = self._pieces.get(key.text, [])
        if added and before:
            if isinstance(before[0], List) != isinstance(value, List):
                kind, wanted = "a string", "a list"
                if isinstance(value, List):
                    kind, wanted = wanted, kind
                found = f"{kind} added to {wanted}"
                self._report(key.text, found, wanted, value.line, value.column)
                return
            before.append(value)
        else:
            self._pieces[key.text] = [value]
        self._settings[key.text] = Setting(key.text, value, key.line, key.column, added)

    def _value(self, key: str) -> Value:
        token = self._peek()
        if token.kind == "string":
            return Str(self._unquote(key, self._take()), token.line, token.column)
        if token.kind == "number":
            self._take()
            return Num(token.text, token.line, token.column)
        if self._at("["):
            return self._list(key)
        raise self._refuse(key, "a string in quotes, a number or a list")

    def _list(self, key: str) -> List:
        opening = self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._next -= 1
            raise self._refuse(key, f"lists at most {MAX_DEPTH} deep")
        items: list[Value] = []
        self._skip_newlines()
        while not self._at("]"):
            items.append(self._value(key))
            self._skip_newlines()
            if not self._at(","):
                break
            self._take()
            self._skip_newlines()
        if not self._at("]"):
            raise self._refuse(key, "',' or ']'")
        self._take()
        self._depth -= 1
        return List(tuple(items), opening.line, opening.column)

    def _skip_newlines(self) -> None:
        while self._peek().kind == "newline":
            self._next += 1

    def _unquote(self, key: str, token: _Token) -> str:
        """Return the text of a string token; a wrong escape is a fault, and reading goes on."""

        def resolve(match: re.Match[str]) -> str:
            letter = match[1]
            if letter not in _ESCAPES:
                self._report(
                    key,
                    f"the escape {shorten(match[0])}",
                    "\\\\ \\\" \\' \\a \\b \\f \\n \\r \\t or \\v"
                    + (" (xl misreads numeric escapes)" if letter in "x01234567" else ""),
                    token.line,
                    token.column + 1 + match.start(),
                )
                return ""
            return _ESCAPES[letter]

        return _ESCAPE.sub(resolve, token.text[1:-1])
