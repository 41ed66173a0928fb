"""Names that a hostile user gives, and files of every format that carry one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Final
from xml.sax.saxutils import escape

from placer.read.xl_cfg import render_value

PLAIN: Final = (
    "../../etc/x",
    "a/b",
    "-rf",
    "--out=x",
    "CON",
    "NUL.txt",
    "com1",
    "n" * 300,
    "\N{GRINNING FACE}" * 300,
    "\N{GRINNING FACE}",
    "$(touch ran)",
    "`touch ran`",
    "; touch ran",
    "a b'c\"d\\e",
    "=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "</script><script>document.title='ran'</script>",
    "\"><img src=x onerror=document.title='ran'>",
    "]]>",
    "&lt;&amp;",
    "{{ 7*7 }} ${7*7}",
    "%s%n%0a",
    "Same",
    "sAME",
    "\u00e9",
    "e\u0301",
    ".",
    "..",
    "dot.",
    "dot",
    "~",
    "#,;=[]",
)
"""Those that are names of printable signs: they are taken as they are."""

REFUSED: Final = (
    "",
    " space",
    "space ",
    "abc\u202etxt.exe",
    "nul\0",
    "two\nlines",
    "tab\tbed",
    "es\x1b[2Jc",
    "\ud800",
)
"""Those that no format takes: they are empty, or hold what is no printable sign, or a space at
an end."""


def toml(name: str) -> str:
    """Return a string of TOML."""
    return json.dumps(name, ensure_ascii=False)


def _csv(name: str) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([["name", "memory", "vcpus"], [name, "1GiB", "1"]])
    return text.getvalue()


DOMAIN_FILES: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "xl": ("vm.cfg", lambda n: f"name = {render_value(n)}\nmemory = 1024\nvcpus = 1\n"),
    "toml": (
        "vm.toml",
        lambda n: f'[[domain]]\nname = {toml(n)}\nmemory = "1GiB"\nvcpus = 1\n',
    ),
    "csv": ("vm.csv", _csv),
    "libvirt": (
        "vm.xml",
        lambda n: (
            f"<domain type='xen'><name>{escape(n)}</name><memory unit='GiB'>1</memory>"
            "<vcpu>1</vcpu><os><type>hvm</type></os></domain>"
        ),
    ),
    "openstack": (
        "vm.json",
        lambda n: json.dumps({"name": n, "ram": 1024, "vcpus": 1, "extra_specs": {}}),
    ),
    "proxmox": ("100.conf", lambda n: f"name: {n}\ncores: 1\nmemory: 1024\n"),
}
"""The name of a file of each format of domains, and its text for a name."""
