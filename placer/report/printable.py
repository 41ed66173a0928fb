"""Text from a user's files, made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return ``text`` on one line, what moves a cursor or changes a terminal written as escapes."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
