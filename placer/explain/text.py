"""Figures as an explanation writes them: sizes that are exact, lists that stay short."""

from __future__ import annotations

from collections.abc import Sequence

from placer.cpulist import format_ranges
from placer.units import PAGE_KIB, PAGES_PER_MIB

PAGES_PER_GIB = 1024 * PAGES_PER_MIB

_MAX_NAMES = 6


def format_size(pages: int) -> str:
    """Return ``pages`` as a size, to a tenth: ``"12.0 GiB"``, ``"513.6 MiB"``, ``"40 KiB"``."""
    if pages >= PAGES_PER_GIB:
        return f"{pages / PAGES_PER_GIB:.1f} GiB"
    if pages >= PAGES_PER_MIB:
        return f"{pages / PAGES_PER_MIB:.1f} MiB"
    return f"{pages * PAGE_KIB} KiB"


def format_exactly(pages: int) -> str:
    """Return ``pages`` as a size, not rounded: ``"2.0 GiB"``, ``"2100 MiB"``, ``"2000 KiB"``."""
    if pages and pages % (PAGES_PER_GIB // 2) == 0:
        return f"{pages / PAGES_PER_GIB:.1f} GiB"
    if pages and pages % PAGES_PER_MIB == 0:
        return f"{pages // PAGES_PER_MIB} MiB"
    return f"{pages * PAGE_KIB} KiB"


def format_need(need: int, have: int) -> tuple[str, str]:
    """Return both sizes to a tenth, or exactly where that would make them look equal."""
    texts = format_size(need), format_size(have)
    return texts if texts[0] != texts[1] else (format_exactly(need), format_exactly(have))


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return ``"1 vcpu"``, ``"3 vcpus"``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def pnodes_of(pnodes: Sequence[int]) -> str:
    """Return ``"pnode 1"`` or ``"pnodes 0-3"``."""
    return f"pnode{'' if len(pnodes) == 1 else 's'} {format_ranges(sorted(pnodes))}"


def vnodes_of(vnodes: Sequence[int]) -> str:
    """Return ``"vnode 1"`` or ``"vnodes 0-3"``."""
    return f"vnode{'' if len(vnodes) == 1 else 's'} {format_ranges(sorted(vnodes))}"


def list_names(names: Sequence[str]) -> str:
    """Return ``"a"``, ``"a and b"``, ``"a, b and 3 more"``."""
    shown = list(names)
    if len(shown) > _MAX_NAMES:
        shown = [*shown[: _MAX_NAMES - 1], f"{len(names) - _MAX_NAMES + 1} more"]
    if len(shown) == 1:
        return shown[0]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
