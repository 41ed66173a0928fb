"""Shapes of domains on the command line: ``"memory:8GiB vcpus:4 vnodes:2"``, or files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.read.domains_toml import TableReader
from placer.read.sources import read_domains
from placer.read.toml_fields import Fields, TomlDocument
from placer.text_file import is_file_name

KEYS: Final = ("name", "type", "memory", "vcpus", "vnodes", "page_size")
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


def read_shapes(args: Sequence[str]) -> tuple[Domain, ...]:
    """Return the shapes that the arguments name, each as a domain.

    An argument is ``key:value`` throughout, with the keys of a ``[[domain]]``
    (docs/domains-toml.md), or names files as `read_domains` takes them: every domain there is
    a shape. Raises InputError with the faults of all arguments, two of one name among them.
    """
    found: list[Domain] = []
    faults: list[Fault] = []
    for arg in args:
        try:
            if _is_inline(arg):
                found.append(_parse(arg))
            else:
                found.extend(read_domains([arg]).domains)
        except InputError as error:
            faults.extend(error.faults)
    for name, times in Counter(shape.name for shape in found).items():
        if times > 1:
            told = f"{times} shapes named {name!r}"
            faults.append(Fault(source="--vm", field="name", found=told, expected="unique names"))
    if faults:
        raise InputError(faults)
    return tuple(found)


def _is_inline(arg: str) -> bool:
    parts = [part.partition(":") for part in arg.split()]
    return bool(parts) and all(part[1] for part in parts) and not is_file_name(arg)


def _parse(text: str) -> Domain:
    document = TomlDocument("--vm", "")
    table: dict[str, Any] = {}
    for token in text.split():
        key, _, value = token.partition(":")
        if key in table:
            document.fault((key,), "the key again", "each key once")
        table[key] = int(value) if _NUMBER.fullmatch(value) and key != "name" else value
    table.setdefault("name", text.replace(" ", ","))
    fields = Fields(document, (), table, KEYS)
    domains = TableReader(document, Path(), False, False).read(fields)
    document.raise_faults()
    return domains[0]
