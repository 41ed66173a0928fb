"""Where the tables and keys of a TOML document stand: tomllib does not keep it."""

from __future__ import annotations

import re
import tomllib
from typing import Final

FieldPath = tuple[str | int, ...]
"""A place in a document: ``("host", 0, "pnode", 1, "free")``."""

# Possessive: what is skipped is skipped for good, and no place to go back to is kept.
_BLANK: Final = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_KEY: Final = re.compile(r'[ \t]*+([A-Za-z0-9_-]++|"(?:[^"\\\n]++|\\.)*+"|\'[^\'\n]*+\')[ \t]*+')
STRING: Final = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|"{1,2}+(?!"))*+"{3,5}|\'\'\'(?:[^\']++|\'{1,2}+(?!\'))*+\'{3,5}'
    r'|"(?:[^"\\\n]++|\\.)*+"|\'[^\'\n]*+\''
)
_MOST_SHOWN: Final = 60
_PLAIN: Final = re.compile(r"[^\[\]{}\"'#\n]+")


def find_lines(text: str) -> dict[FieldPath, int]:
    """Return the line, from 1, of every table header and key of a valid TOML document.

    Keys inside inline tables and elements of arrays have no entry of their own.
    """
    lines: dict[FieldPath, int] = {}
    counts: dict[FieldPath, int] = {}
    prefix: FieldPath = ()
    position, line, counted = 0, 1, 0
    while True:
        position = _end(_BLANK.match(text, position), position)
        if position >= len(text):
            return lines
        line += text.count("\n", counted, position)
        counted = position
        if text[position] == "[":
            many = text.startswith("[[", position)
            keys, position = _keys(text, position + 1 + many)
            if not keys:
                return lines
            prefix = _table(keys, many, counts)
            lines[prefix] = line
            position += 1 + many
        else:
            keys, position = _keys(text, position)
            if not keys:
                return lines
            for length in range(1, len(keys) + 1):
                lines.setdefault(prefix + tuple(keys[:length]), line)
            position = _after_value(text, position)


def line_of(path: FieldPath, lines: dict[FieldPath, int]) -> int | None:
    """Return the line of ``path``, or of the nearest table or key that holds it."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None


def format_path(path: FieldPath) -> str:
    """Return ``host[0].pnode[1].free``."""
    text = ""
    for part in path:
        if isinstance(part, str) and len(part) > _MOST_SHOWN:
            part = f"{part[:_MOST_SHOWN]}..."  # noqa: PLW2901
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _end(match: re.Match[str] | None, position: int) -> int:
    return position if match is None else match.end()


def _keys(text: str, position: int) -> tuple[list[str], int]:
    """Return a dotted key and where it ends."""
    keys: list[str] = []
    while match := _KEY.match(text, position):
        position = match.end()
        key = match[1]
        if key.startswith('"'):
            key = str(tomllib.loads(f"key = {key}")["key"])
        elif key.startswith("'"):
            key = key[1:-1]
        keys.append(key)
        if not text.startswith(".", position):
            break
        position += 1
    return keys, position


def _table(keys: list[str], many: bool, counts: dict[FieldPath, int]) -> FieldPath:
    """Return the path of a table header; a ``[[...]]`` opens the next of its array."""
    path: FieldPath = ()
    for key in keys[:-1]:
        path += (key,)
        if path in counts:
            path += (counts[path] - 1,)
    path += (keys[-1],)
    if many:
        counts[path] = counts.get(path, 0) + 1
        path += (counts[path] - 1,)
    return path


def _after_value(text: str, position: int) -> int:
    """Return the end of the value that follows a key."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character in "\"'":
            position = max(_end(STRING.match(text, position), position), position + 1)
        elif character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif character == "\n" and not depth:
            return position
        else:
            depth += (character in "[{") - (character in "]}")
            position = max(_end(_PLAIN.match(text, position), position), position + 1)
    return position
