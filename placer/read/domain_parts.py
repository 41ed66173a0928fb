"""What any program says of a guest, made into a domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from placer.arrays import ABSENT
from placer.cpulist import CpuList
from placer.domain import Domain, DomainType, ThreadPolicy, VnodeMemory
from placer.errors import Fault, InputError
from placer.read.domain_inline import MOST_VNODES
from placer.read.domain_options import MOST_VCPUS
from placer.read.toml_fields import MOST_PAGES
from placer.units import LOCAL_DISTANCE, PAGE_BYTES, REMOTE_DISTANCE

MOST_NODE: Final = 65535
"""The highest number of a host's node that a guest is tied to."""


@dataclass(kw_only=True)
class DomainParts:
    """A guest as far as its file tells.

    ``vnode_bytes[i]``; ``vcpu_to_vnode[v]``, None where it is left open; ``distances`` by
    rows, None for 10 and 20; ``pnodes[i]``, -1 where none is asked for; ``hard[v]`` a CPU list
    or None. ``lines`` says on which line of the file a field stands.
    """

    source: str
    name: str = ""
    type: DomainType = "hvm"
    vnode_bytes: list[int] = field(default_factory=list)
    num_vcpus: int = 1
    first_vcpus: int | None = None
    vcpu_to_vnode: list[int] | None = None
    distances: list[list[int]] | None = None
    pnodes: list[int] = field(default_factory=list)
    memory: list[VnodeMemory] = field(default_factory=list)
    page_order: list[int] = field(default_factory=list)
    hard: list[CpuList | None] = field(default_factory=list)
    dedicated: bool = False
    thread_policy: ThreadPolicy = "prefer"
    lines: dict[str, int | None] = field(default_factory=dict)
    warnings: list[Fault] = field(default_factory=list)

    def fault(self, name: str, found: str, expected: str) -> Fault:
        """Return a fault, or a warning, of the field ``name``."""
        return Fault(
            source=self.source,
            field=name,
            found=found,
            expected=expected,
            line=self.lines.get(name),
        )

    def refuse(self, name: str, found: str, expected: str) -> InputError:
        """Return the error of `fault`."""
        return InputError(self.fault(name, found, expected))

    def warn(self, name: str, found: str, expected: str) -> None:
        """Note a warning of the field ``name``."""
        self.warnings.append(self.fault(name, found, expected))

    def numbers(self, name: str, text: str, most: int) -> list[int]:
        """Return the numbers of ``"0-3,8,^2"`` in ascending order; InputError where none."""
        try:
            return parse_numbers(text, most)
        except ValueError as error:
            expected = f"numbers and ranges such as 0-3,8, {most} at most"
            raise self.refuse(name, str(error), expected) from None

    def figure(self, name: str, text: str, least: int, most: int) -> int:
        """Return the whole number, ``least`` to ``most``, that ``text`` writes."""
        digits = text.strip()
        if digits.isascii() and digits.isdecimal() and len(digits) <= 20:
            value = int(digits)
            if least <= value <= most:
                return value
        raise self.refuse(name, repr(text[:40]), f"a whole number, {least} to {most}")

    def choice(self, name: str, text: str, known: Sequence[str]) -> str:
        """Return ``text``, which is one of ``known``."""
        if text not in known:
            raise self.refuse(name, repr(text[:40]), f"one of {', '.join(known)}")
        return text

    def seat(self, vnode_cpus: Sequence[Sequence[int]], name: str) -> None:
        """Set the vcpu map from the vcpus of each vnode; each in one of them, or InputError."""
        mapping = [-1] * self.num_vcpus
        for vnode, vcpus in enumerate(vnode_cpus):
            for vcpu in vcpus:
                if vcpu >= self.num_vcpus:
                    expected = f"vcpus 0 to {self.num_vcpus - 1}"
                    raise self.refuse(name, f"vcpu {vcpu}", expected)
                if mapping[vcpu] >= 0:
                    found = f"vcpu {vcpu} in vnode {mapping[vcpu]} and in {vnode}"
                    raise self.refuse(name, found, "each vcpu in one vnode")
                mapping[vcpu] = vnode
        self.vcpu_to_vnode = mapping

    def domain(self, *, ignore_pnodes: bool) -> Domain:
        """Return the domain; ``ignore_pnodes`` drops what ties it to numbered pnodes.

        Raises InputError where the parts are no domain that placer takes.
        """
        if not self.name or self.name.strip() != self.name or not self.name.isprintable():
            raise self.refuse("name", repr(self.name[:40]), "a name of printable signs")
        if not 1 <= self.num_vcpus <= MOST_VCPUS:
            raise self.refuse("vcpus", str(self.num_vcpus), f"1 to {MOST_VCPUS}")
        if not 1 <= len(self.vnode_bytes) <= MOST_VNODES:
            raise self.refuse("vnodes", str(len(self.vnode_bytes)), f"1 to {MOST_VNODES}")
        pages = [-(-size // PAGE_BYTES) for size in self.vnode_bytes]
        if not 0 < sum(pages) <= MOST_PAGES:
            raise self.refuse("memory", f"{sum(pages)} pages", "some memory, 4 PiB at most")
        count = len(pages)
        memory = self.memory or [VnodeMemory()] * count
        tied = bool(self.pnodes) and not ignore_pnodes
        try:
            return Domain(
                name=self.name,
                type=self.type,
                vnode_pages=np.array(pages, dtype=np.int64),
                num_vcpus=self.num_vcpus,
                vcpu_to_vnode=None if self.vcpu_to_vnode is None else np.array(self.vcpu_to_vnode),
                distances=ABSENT if self.distances is None else np.array(self.distances),
                vnode_pnode=np.array(self.pnodes) if tied else ABSENT,
                memory=tuple(_untied(one) if ignore_pnodes else one for one in memory),
                page_order=np.array(self.page_order) if self.page_order else ABSENT,
                hard_affinity=tuple(self.hard),
                dedicated=self.dedicated,
                thread_policy=self.thread_policy,
                extra=self._extra(),
                source=self.source,
            )
        except ValueError as error:
            raise self.refuse("domain", str(error), "fields that agree") from None

    def _extra(self) -> tuple[tuple[str, int], ...]:
        """How many vcpus run at first, as xl.cfg says it."""
        if self.first_vcpus is None or self.first_vcpus >= self.num_vcpus:
            return ()
        return (("vcpus", self.first_vcpus),)


def _untied(memory: VnodeMemory) -> VnodeMemory:
    if memory.interleave_pnodes is None:
        return memory
    return VnodeMemory(policy=memory.policy, interleave_width=len(memory.interleave_pnodes))


def parse_numbers(text: str, most: int) -> list[int]:
    """Return the numbers of ``"0-3,8,^2"``, ascending; ValueError where there are none."""
    parsed = CpuList.parse("".join(text.split()))
    for part in parsed.ranges:
        if part.by_pnode or part.first is None or part.last is None:
            raise ValueError(f"{text[:40]!r} names more than numbers")
        if part.last > most:
            raise ValueError(f"{part.last} is above {most}")
    named = bytearray(1 + max(part.last or 0 for part in parsed.ranges))
    for part in parsed.ranges:
        first, last = part.first or 0, part.last or 0
        named[first : last + 1] = (b"\0" if part.remove else b"\1") * (last + 1 - first)
    found: list[int] = np.flatnonzero(np.frombuffer(named, dtype=np.uint8)).tolist()
    if not found:
        raise ValueError(f"{text[:40]!r} names none")
    return found


def mirrored(given: dict[tuple[int, int], int], count: int) -> list[list[int]] | None:
    """Return the distances between ``count`` vnodes; None where none is given.

    What is given in one direction alone holds in both; the rest is 10 and 20.
    """
    if not given:
        return None
    near, far = LOCAL_DISTANCE, REMOTE_DISTANCE
    return [
        [given.get((i, j), given.get((j, i), near if i == j else far)) for j in range(count)]
        for i in range(count)
    ]
