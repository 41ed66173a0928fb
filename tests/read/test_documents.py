"""XML and YAML that are broken, or made to break their parsers."""

from __future__ import annotations

import pytest

from placer.errors import InputError
from placer.read.xml_document import XmlDocument
from placer.read.yaml_document import YamlDocument

BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<a>&c;</a>"""
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no element found"),
        ("<a>\n<b>\n</a>", "it.xml:3: XML: found mismatched tag"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "unknown encoding"),
        ('<?xml version="1.0" encoding="base64"?><a/>', "it.xml: XML: "),
        ("<a>\0</a>", "not well-formed"),
        (BOMB, "EntitiesForbidden"),
        (OUTSIDE, "EntitiesForbidden"),
    ],
)
def test_xml_that_is_none_or_does_harm_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match="expected") as error:
        XmlDocument(text, "it.xml")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1", "it.yaml:1"),
        ("a: \x01", "unacceptable character"),
        ("\ud800", "it.yaml"),
        ("a: &x 1\nb: *x", "it.yaml:2: YAML: found an alias"),
        ("a: !!python/object:os.system x", "it.yaml:1: YAML"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_yaml_that_is_none_or_does_harm_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match="expected") as error:
        YamlDocument(text, "it.yaml")
    assert told in str(error.value)
