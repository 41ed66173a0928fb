"""XML that placer writes: elements from the standard library, text that is indented."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from placer.errors import RefusedError


def add(
    parent: Element, tag: str, text: str | int | None = None, **attributes: str | int
) -> Element:
    """Add an element with attributes in the order given and, perhaps, text; return it.

    Raises RefusedError where a sign of either cannot be said in XML.
    """
    element = SubElement(parent, tag, {key: _said(str(value)) for key, value in attributes.items()})
    if text is not None:
        element.text = _said(str(text))
    return element


def format_xml(root: Element) -> str:
    """Return the document as text, two blanks for each level."""
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _said(text: str) -> str:
    """Return ``text`` as it is; RefusedError for what XML 1.0 has no sign for."""
    for sign in text:
        code = ord(sign)
        if (
            (code < 0x20 and sign not in "\t\n\r")
            or 0xD800 <= code <= 0xDFFF
            or code in (0xFFFE, 0xFFFF)
        ):
            raise RefusedError(f"{text[:40]!r} has a sign that XML cannot say")
    return text
