"""Parts of a document that are written by a program, between marks that a page does not show."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BLOCK = re.compile(
    r"(?P<open>^<!-- written by make docs: (?P<name>[^\n]+?) -->\n)"
    r"(?P<inside>.*?)"
    r"(?P<close>^<!-- end -->$)",
    re.MULTILINE | re.DOTALL,
)


def names_of_blocks(text: str) -> list[str]:
    """Return the names of the blocks of a document, in order."""
    return [match["name"] for match in _BLOCK.finditer(text)]


def block_of(text: str, name: str) -> str:
    """Return what stands in a block of a document; KeyError where there is none."""
    return {match["name"]: match["inside"] for match in _BLOCK.finditer(text)}[name]


def with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """Return the document with each block that it has a place for; KeyError for one unknown."""
    return _BLOCK.sub(
        lambda match: f"{match['open']}\n{blocks[match['name']].strip()}\n\n{match['close']}", text
    )
