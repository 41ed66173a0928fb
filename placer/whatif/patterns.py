"""Names that shell patterns stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from placer.errors import Fault, InputError


def matching(patterns: Sequence[str], names: Iterable[str], kind: str) -> list[str]:
    """Return those of ``names`` that a pattern stands for, in their order.

    A pattern that is a name stands for that alone. Raises InputError for a pattern
    that stands for none; ``kind`` says of what they are.
    """
    listed = list(names)
    known, chosen = set(listed), set()
    faults = []
    for pattern in patterns:
        found = {pattern} & known or {name for name in listed if fnmatchcase(name, pattern)}
        chosen |= found
        if not found:
            near = get_close_matches(pattern, listed, n=1)
            expected = f"{near[0]!r}?" if near else f"the name of a {kind}, or a pattern of some"
            faults.append(
                Fault(source="scenario", field=kind, found=repr(pattern), expected=expected)
            )
    if faults:
        raise InputError(faults)
    return [name for name in listed if name in chosen]
