"""``xl list -n`` and ``xl vcpu-list``: what runs on a host (xl_info.c, xl_vcpu.c).

Neither says what the host is: they go beside ``xl info -n`` or debug key u.
"""

from __future__ import annotations

from typing import Final

from placer.read.host_guests import GuestPart
from placer.read.host_layout import MOST_DOMID, MOST_PCPUS, MOST_PNODES
from placer.read.host_parts import HostParts
from placer.read.text_lines import TextLines
from placer.read.toml_fields import MOST_PAGES
from placer.units import PAGES_PER_MIB

_LIST_COLUMNS: Final = ["Name", "ID", "Mem", "VCPUs", "State", "Time(s)"]
_VCPU_COLUMNS: Final = ["Name", "ID", "VCPU", "CPU", "State", "Time(s)", "Affinity"]
_ALL: Final = "all"
_MOST_NUMBERS: Final = 1 << 22
"""In all affinities that are not the same, together."""


def is_xl_list(text: str) -> bool:
    """Whether ``text`` is the output of ``xl list``, as far as a glance tells."""
    return _has_header(text, _LIST_COLUMNS)


def is_xl_vcpu_list(text: str) -> bool:
    """Whether ``text`` is the output of ``xl vcpu-list``, as far as a glance tells."""
    return _has_header(text, _VCPU_COLUMNS)


def _has_header(text: str, columns: list[str]) -> bool:
    return any(line.split()[: len(columns)] == columns for line in text[:4000].splitlines())


def parse_xl_list(text: str, source: str) -> HostParts:
    """Return the domains of ``xl list -n``: memory, vcpus, and the nodes of their memory.

    Raises InputError for a faulty line, and for ``xl list`` without its nodes.
    """
    parts = HostParts(source=source)
    lines = TextLines(text, source)
    numbers = _Sets(lines, MOST_PNODES - 1)
    seen: set[int] = set()
    begun = False
    for line in lines:
        if line.split()[:6] == _LIST_COLUMNS:
            if "NODE" not in line:
                raise lines.fault("header", "no NODE Affinity", "the output of `xl list -n`")
            begun = True
            continue
        if not begun or not line.strip():
            continue
        row = line.replace("any node", _ALL).rsplit(None, 6)
        if len(row) != 7:
            raise lines.fault("domain", repr(line[:60]), "a row of 7 columns")
        name, domid, mib, vcpus, _, _, nodes = row
        number = lines.figure("ID", domid, MOST_DOMID)
        if number in seen:
            raise lines.fault("ID", f"{number} again", "each domain once")
        seen.add(number)
        parts.guests.append(
            GuestPart(
                name=_name(name),
                domid=number,
                memory_pages=lines.figure("Mem", mib, MOST_PAGES // PAGES_PER_MIB) * PAGES_PER_MIB,
                num_vcpus=lines.figure("VCPUs", vcpus, MOST_PCPUS),
                nodes=numbers.of(nodes),
            )
        )
    return parts


def parse_xl_vcpu_list(text: str, source: str) -> HostParts:
    """Return the domains of ``xl vcpu-list`` with where each vcpu may, or prefers to, run.

    Where hard and soft affinity share pcpus it is those, else the hard ones. Raises InputError
    for a faulty line, and for Xen before 4.5, which has no soft affinity.
    """
    parts = HostParts(source=source)
    lines = TextLines(text, source)
    guests: dict[int, GuestPart] = {}
    numbers = _Sets(lines, MOST_PCPUS)
    begun = False
    for line in lines:
        if line.split()[:7] == _VCPU_COLUMNS:
            if "Soft)" not in line:
                raise lines.fault("header", repr(line[-40:]), "Affinity (Hard / Soft)")
            begun = True
            continue
        if not begun or not line.strip():
            continue
        row = line.rsplit(None, 8)
        if len(row) != 9 or row[7] != "/":
            raise lines.fault("vcpu", repr(line[:60]), "a row of 9 columns")
        domid = lines.figure("ID", row[1], MOST_DOMID)
        guest = guests.setdefault(domid, GuestPart(name=_name(row[0]), domid=domid))
        if lines.figure("VCPU", row[2], MOST_PCPUS) != len(guest.vcpu_pcpus):
            raise lines.fault("VCPU", row[2], f"{len(guest.vcpu_pcpus)}: vcpus in their order")
        guest.vcpu_pcpus.append(numbers.both(row[6], row[8]))
        guest.num_vcpus = len(guest.vcpu_pcpus)
    parts.guests = list(guests.values())
    return parts


class _Sets:
    """The sets of numbers of a table, each made once: every vcpu of a guest has the same."""

    def __init__(self, lines: TextLines, most: int) -> None:
        self.lines = lines
        self.most = most
        self._left = _MOST_NUMBERS
        self._made: dict[str, frozenset[int] | None] = {_ALL: None, "none": frozenset()}
        self._both: dict[tuple[str, str], frozenset[int] | None] = {}

    def of(self, text: str) -> frozenset[int] | None:
        """Return the numbers of ``0-3,8`` or ``none``, None for all."""
        if text not in self._made:
            found = self.lines.pcpus("Affinity", text)
            if max(found, default=0) > self.most:
                raise self.lines.fault("Affinity", str(max(found)), f"{self.most} at most")
            self._spend(len(found))
            self._made[text] = frozenset(found)
        return self._made[text]

    def both(self, hard_text: str, soft_text: str) -> frozenset[int] | None:
        """Return what hard and soft affinity share, the hard one where they share none."""
        key = hard_text, soft_text
        if key not in self._both:
            hard, soft = self.of(hard_text), self.of(soft_text)
            both = hard if soft is None else soft if hard is None else (hard & soft or hard)
            self._spend(len(both or ()))
            self._both[key] = both
        return self._both[key]

    def _spend(self, number: int) -> None:
        self._left -= number
        if self._left < 0:
            found = f"more than {_MOST_NUMBERS} numbers in all"
            raise self.lines.fault("Affinity", found, "affinities of vcpus")


def _name(text: str) -> str | None:
    """Return a domain's name, None for one that is being destroyed and has none any more."""
    return None if text == "(null)" else text
