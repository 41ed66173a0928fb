"""XML that somebody else wrote: parsed by defusedxml, every element with its line.

Entities and whatever lies outside the file are refused, and a tree is not deeper than any
real one, so that no document takes more time or memory than its own size.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from placer.errors import Fault, InputError
from placer.read.host_layout import parse_figure
from placer.read.text_lines import MOST_BYTES
from placer.units import parse_size

_MOST_DEPTH: Final = 200
_MOST_ELEMENTS: Final = 500_000
"""Each takes some 300 bytes. The largest machines have some 100,000."""

_ROOT: Final = re.compile(
    # Possessive: a comment that could end at any later --> would be tried in every way.
    r"(?:\s++|<\?[^>]*+>|(?><!--.*?-->)|<!DOCTYPE[^>\[]*+>)*+<([A-Za-z][\w:.-]*)",
    re.S,
)
_GLANCE: Final = 20_000
_LIBVIRT_UNITS: Final = {"bytes": "B", "byte": "B", "b": "B"}
_DECIMAL_UNITS: Final = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
"""What libvirt means by them; without the B, or with iB, units are binary (formatdomain)."""


def root_tag(text: str) -> str | None:
    """Return the name of the outermost element, as far as a glance tells; None for no XML."""
    match = _ROOT.match(text.lstrip("\ufeff")[:_GLANCE])
    return None if match is None else match[1]


class XmlDocument:
    """A parsed document; ``root`` is an ordinary element tree."""

    def __init__(self, text: str, source: str) -> None:
        """Parse ``text``. Raises InputError where it is no XML or is meant to do harm."""
        from defusedxml import DefusedXmlException
        from defusedxml.sax import parseString

        self.source = source
        handler = _Handler()
        try:
            # A document type that lies elsewhere is named by hwloc's files; expat never loads it.
            parseString(text.encode(), handler, forbid_external=False)
        except DefusedXmlException as error:
            kind = type(error).__name__
            self._refuse("XML", f"{kind}: entities or references", "a document of its own")
        except SAXParseException as error:
            line = error.getLineNumber()
            self._refuse("XML", error.getMessage(), "well-formed XML", line)
        except (SAXException, ValueError, LookupError) as error:
            self._refuse("XML", str(error), "well-formed XML")
        self.root = handler.builder.close()
        self._lines = handler.lines

    def _refuse(self, name: str, found: str, expected: str, line: int | None = None) -> NoReturn:
        fault = Fault(source=self.source, field=name, found=found, expected=expected, line=line)
        raise InputError(fault) from None

    def line_of(self, element: Element) -> int | None:
        """Return the line on which ``element`` begins."""
        return self._lines.get(id(element))

    def fault(self, element: Element, name: str, found: str, expected: str) -> Fault:
        """Return a fault, or a warning, of the field ``name`` of ``element``."""
        field = f"<{element.tag}> {name}".rstrip()
        return Fault(
            source=self.source,
            field=field,
            found=found,
            expected=expected,
            line=self.line_of(element),
        )

    def refuse(self, element: Element, name: str, found: str, expected: str) -> InputError:
        """Return the error of `fault`."""
        return InputError(self.fault(element, name, found, expected))

    def figure(self, element: Element, name: str, most: int) -> int:
        """Return the attribute ``name``, a whole number, 0 to ``most``; InputError if absent."""
        text = element.get(name)
        if text is None:
            raise self.refuse(element, name, "nothing", f"a whole number, {most} at most")
        return self.number(element, name, text, most)

    def figure_or_none(self, element: Element, name: str, most: int) -> int | None:
        """Return the attribute ``name`` as `figure` does, None where it is absent."""
        return None if element.get(name) is None else self.figure(element, name, most)

    def number(self, element: Element, name: str, text: str, most: int) -> int:
        """Return the whole number that ``text`` of ``element`` writes."""
        digits = text.strip()
        try:
            if not (digits.isascii() and digits.isdecimal()):
                raise ValueError
            return parse_figure(digits, most)
        except ValueError:
            expected = f"a whole number, {most} at most"
            raise self.refuse(element, name, repr(text[:40]), expected) from None

    def size(self, element: Element, text: str | None, unit: str | None) -> int:
        """Return the bytes of a figure with libvirt's unit (KiB where there is none)."""
        value = self.number(element, "size", text or "", MOST_BYTES)
        name = unit or "KiB"
        if name in _DECIMAL_UNITS:
            value *= _DECIMAL_UNITS[name]
        else:
            try:
                value *= parse_size(f"1{_LIBVIRT_UNITS.get(name, name)}")
            except ValueError:
                raise self.refuse(element, "unit", repr(name[:20]), "KiB, MiB, GiB ..") from None
        if value > MOST_BYTES:
            raise self.refuse(element, "size", f"{value} bytes", f"{MOST_BYTES} at most")
        return value


class _Handler(ContentHandler):
    """Builds the tree, and keeps the line of each element."""

    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()
        self.lines: dict[int, int] = {}
        self._depth = 0
        self._locator: Locator | None = None
        # Elements are kept alive, so that no id is given twice.
        self._kept: list[Element] = []

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        self._depth += 1
        if len(self._kept) >= _MOST_ELEMENTS:
            raise ValueError(f"more than {_MOST_ELEMENTS} elements")
        if self._depth > _MOST_DEPTH:
            raise ValueError(f"elements more than {_MOST_DEPTH} deep")
        element = self.builder.start(name, dict(attrs.items()))
        self._kept.append(element)
        if self._locator is not None:
            self.lines[id(element)] = self._locator.getLineNumber() or 0

    def endElement(self, name: str) -> None:  # noqa: N802
        self._depth -= 1
        self.builder.end(name)

    def characters(self, content: str) -> None:
        self.builder.data(content)
