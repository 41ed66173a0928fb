"""Exports as files of a folder, one or several for each domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import PurePath
from typing import Final
from urllib.parse import quote

from placer.errors import RefusedError
from placer.export import FORMATS, ExportOptions, Rendered, render
from placer.run import Run

_LONGEST: Final = 120
"""File systems take 255 bytes; there is room for an ending and for the name of a new file."""

_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
"""What no file can be called under Windows, with any ending."""


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a file name, without an ending, for each of the distinct ``names``.

    Letters, digits, ``_``, ``-`` and ``.`` stand as they are and others as ``%XX``, as in URLs.
    None starts with ``.`` or ``-``, is a device's or is longer than 120; none are equal but for
    case: a digest of the name then follows, after ``~``.
    """
    quoted = {name: _quoted(name) for name in names}
    alike = Counter(text.lower() for text in quoted.values())
    found = dict(quoted)
    for name, text in quoted.items():
        if len(text) > _LONGEST or alike[text.lower()] > 1:
            digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]
            found[name] = f"{text[: _LONGEST - 17]}~{digest}"
    return found


def _quoted(name: str) -> str:
    text = quote(name, safe="", errors="surrogatepass").replace("~", "%7E")
    if text.endswith("."):  # which FAT and Windows leave off
        text = text[:-1] + "%2E"
    if not text or text[0] in ".-" or text.split(".", maxsplit=1)[0].lower() in _DEVICES:
        return f"%{ord(text[0]):02X}{text[1:]}" if text else "%"
    return text


def render_all(
    run: Run, format_name: str, options: ExportOptions
) -> tuple[dict[PurePath, bytes], tuple[str, ...]]:
    """Return the content of each file for all placed domains of ``run``, and the warnings.

    Warnings begin with the domain's name. Raises RefusedError with the reasons of all domains
    that the format cannot say, and where none is placed.
    """
    contents: dict[PurePath, bytes] = {}
    warnings: list[str] = []
    refused: list[str] = []
    if format_name in FORMATS and FORMATS[format_name].of_run:
        raise RefusedError(f"format {format_name} is of the whole run: leave --all out")
    names = file_names(run.placed_by_name)
    if not names:
        raise RefusedError("no domain is placed")
    for name, file_name in names.items():
        try:
            rendered = render(run, name, format_name, options)
        except RefusedError as error:
            refused += [text for text in str(error).splitlines() if text not in refused]
            continue
        warnings += [f"domain {name!r}: {warning}" for warning in rendered.warnings]
        contents |= _files(rendered, file_name, FORMATS[format_name].suffix)
    if refused:
        raise RefusedError("\n".join(refused))
    return contents, tuple(warnings)


def _files(rendered: Rendered, name: str, suffix: str | None) -> dict[PurePath, bytes]:
    if suffix is None:
        return {PurePath(name, part): content for part, content in rendered.files}
    return {PurePath(name + suffix): rendered.content}
