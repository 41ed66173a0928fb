"""Text that a program printed, line by line, with faults that name the line."""

from __future__ import annotations

from collections.abc import Iterator

from placer.errors import Fault, InputError
from placer.read.host_layout import parse_figure, parse_pcpus
from placer.read.toml_fields import MOST_PAGES
from placer.units import PAGE_BYTES

MOST_BYTES = MOST_PAGES * PAGE_BYTES


class TextLines:
    """The lines of one text; ``number`` is that of the line at hand, from 1."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.number = 0
        self._lines = text.splitlines()

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._lines, start=1):
            self.number = number
            yield line

    def fault(self, name: str, found: str, expected: str) -> InputError:
        """Return the error of the field ``name`` in the line at hand."""
        fault = Fault(
            source=self.source, field=name, found=found, expected=expected, line=self.number
        )
        return InputError(fault)

    def figure(self, name: str, text: str, most: int = MOST_BYTES, scale: int = 1) -> int:
        """Return a whole number, 0 to ``most`` once multiplied by ``scale``."""
        try:
            if not (text.isascii() and text.isdecimal()):
                raise ValueError
            return parse_figure(text, most // scale) * scale
        except ValueError:
            expected = f"a whole number, {most // scale} at most"
            raise self.fault(name, repr(text[:40]), expected) from None

    def pcpus(self, name: str, text: str) -> list[int]:
        """Return the pcpus of ``"0-3,8"`` or of ``"0 1 2"``; none for an empty text."""
        if not text.strip():
            return []
        try:
            return parse_pcpus(text if "," in text or "-" in text else ",".join(text.split()))
        except ValueError as error:
            raise self.fault(name, str(error)[:80], 'pcpus such as "0-3,8"') from None
