"""Pages, orders and sizes: the only place that knows how big they are."""

from __future__ import annotations

import re
from typing import Final

PAGE_BYTES: Final = 4096
PAGE_BITS: Final = 12
PAGE_KIB: Final = 4
PAGES_PER_MIB: Final = 256
ORDER_4KIB: Final = 0
ORDER_2MIB: Final = 9
ORDER_1GIB: Final = 18
MAX_ORDER: Final = 18
"""The largest order of Xen's heap on x86 (xen/common/page_alloc.c)."""

PAGES_2MIB: Final = 1 << ORDER_2MIB
ORDER_NAMES: Final[dict[int, str]] = {ORDER_1GIB: "1GiB", ORDER_2MIB: "2MiB", ORDER_4KIB: "4KiB"}

LOCAL_DISTANCE: Final = 10
REMOTE_DISTANCE: Final = 20
UNREACHABLE: Final = 255
"""The SLIT figure for a pair of pnodes that must not be used (ACPI 6.5, 5.2.17)."""

SHARE_UNITS: Final = 10_000
"""The integer access shares of a vnode sum to this."""

SPILL_UNITS: Final = 64
"""A vnode's memory counts as this many parts in the cost."""

COST_UNITS: Final = SHARE_UNITS * SPILL_UNITS
"""One SLIT unit of one vcpu in the integer cost."""

_SUFFIXES: Final = {
    "": 1,
    "B": 1,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
    "T": 1 << 40,
    "KB": 1 << 10,
    "MB": 1 << 20,
    "GB": 1 << 30,
    "TB": 1 << 40,
}
_SIZE: Final = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,9}))?\s*([A-Za-z]{0,3})", re.ASCII)


def parse_size(text: str) -> int:
    """Return the bytes that a size such as ``"16GiB"`` or ``"1.5G"`` names.

    All suffixes are binary, as xl and lstopo use them. Raises ValueError for
    anything else and where the size is not a whole number of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[3].upper() not in _SUFFIXES:
        raise ValueError(f"{text[:40]!r} is not a size such as 512MiB or 16GiB")
    factor = _SUFFIXES[match[3].upper()]
    fraction = match[2] or ""
    scaled = int(match[1] + fraction) * factor
    scale: int = 10 ** len(fraction)
    whole, rest = divmod(scaled, scale)
    if rest:
        raise ValueError(f"{text[:40]!r} is not a whole number of bytes")
    return whole


def pages_from_bytes(num_bytes: int) -> int:
    """Return the pages that ``num_bytes`` fill; ValueError where it is no whole number."""
    pages, rest = divmod(num_bytes, PAGE_BYTES)
    if rest:
        raise ValueError(f"{num_bytes} bytes is not a whole number of 4 KiB pages")
    return pages


def pages_from_mib(mib: int) -> int:
    """Return the 4 KiB pages in ``mib`` MiB."""
    return mib * PAGES_PER_MIB


def mib_from_pages(pages: int) -> int:
    """Return the whole MiB in ``pages`` 4 KiB pages, rounded down."""
    return pages // PAGES_PER_MIB


def format_pages(pages: int) -> str:
    """Return ``pages`` as a size that a person reads: ``"16 GiB"``, ``"513.6 MiB"``."""
    num_bytes = pages * PAGE_BYTES
    for name, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)):
        if abs(num_bytes) >= size:
            text = f"{num_bytes / size:.1f}"
            return f"{text.removesuffix('.0')} {name}"
    return f"{num_bytes >> 10} KiB"


def exact_size(pages: int) -> str:
    """Return ``pages`` in the largest unit that gives a whole number: ``"2072 MiB"``."""
    num_bytes = pages * PAGE_BYTES
    for name, size in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)):
        if num_bytes and num_bytes % size == 0:
            return f"{num_bytes // size} {name}"
    return f"{num_bytes >> 10} KiB"
