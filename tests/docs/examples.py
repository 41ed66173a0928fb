"""The Python of a document, and what it says that it prints."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One block of Python, and the block of text that follows it, if any."""

    code: str
    printed: str


_PAIR = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n(?:prints\n\n)?```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


def examples(text: str) -> list[Example]:
    """Return the blocks of Python of a document that stand before its generated parts."""
    by_hand = text.partition("<!-- written by make docs")[0]
    return [Example(match["code"], match["printed"] or "") for match in _PAIR.finditer(by_hand)]
