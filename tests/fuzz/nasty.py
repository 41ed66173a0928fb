"""What to put where it does not belong."""

from __future__ import annotations

from typing import Final

NUMBERS: Final = (
    "-1", "0", "00", "-0", "1", "007", "1.5", "1e999", "-1e999", "1e-999", "nan", "inf", "-inf",
    "0x10", "0xfffffffffffffffff", "1_000", "4294967296", "9223372036854775807",
    "9223372036854775808", "18446744073709551616", "-9223372036854775809", "1" + "0" * 300,
    "9" * 5000, "0x" + "f" * 5000, "²", "٣", "1e5", "1:59:59", "true", "null", '""', "[]", "{}",
)  # fmt: skip
BYTES: Final = (
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\r", b"\n",
    b"\x1b[31m", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xae",
    b'"', b"'", b"[", b"]", b"{", b"}", b"<", b">", b"&", b";", b",", b":", b"=", b"#", b"\\",
    b"[" * 3000, b"{" * 3000, b'{"a":' * 500, b"[[" * 700 + b"]]" * 700, b"<a>" * 500, b"- " * 900,
    b"a." * 500, b"0," * 4000, b"0-16383,", b"nodes:0-999999999", b"^all", b" " * 5000,
    b"<!---->" * 40, b'<!DOCTYPE a [<!ENTITY b "bb">]>', b"&b;", b"<?xml version='1.1'?>",
    b"*a", b"&a ", b"!!int ''", b"!!python/name:os ", b"<<: ", b"? ", b"''''", b'"""', b"'''",
    b"../../etc/passwd", b"/dev/zero", b"\xf0\x9f\x92\xa9", b"a" * 3000,
)  # fmt: skip
"""Among them all that a file can begin, end or be broken up with."""
