"""How much one file may say, so that a short one cannot ask for endless memory or time.

A few bytes can stand for a lot: ``count = 100000``, ``vcpus = 8192``, ``pcpus = "0-16383"``. What
a file asks for is counted in entries of arrays, and a file that asks for too many is refused.
"""

from __future__ import annotations

from typing import Final

from placer.errors import Fault, InputError

MOST_FAULTS: Final = 1000
"""After so many faults of one file the rest of it is not read."""

MOST_ENTRIES: Final = 1 << 24
"""Entries of arrays that one file may ask for, all hosts and domains in it together."""

ENTRIES_OF_A_DOMAIN: Final = 96
"""What a domain takes beside its arrays."""

ENTRIES_OF_A_HOST: Final = 256
"""What a host takes beside its arrays."""


def entries_of_domain(num_vnodes: int, num_vcpus: int) -> int:
    """Return what a domain takes: two affinities and a vnode for each vcpu, and its distances."""
    return ENTRIES_OF_A_DOMAIN + 4 * num_vcpus + num_vnodes * num_vnodes


def entries_of_host(num_pnodes: int, num_pcpus: int) -> int:
    """Return what a host takes: four figures for each pcpu, and its distances."""
    return ENTRIES_OF_A_HOST + 4 * num_pcpus + num_pnodes * num_pnodes


class Budget:
    """The entries that are left to one file."""

    def __init__(self, source: str, most: int = MOST_ENTRIES) -> None:
        self.source = source
        self.most = most
        self.left = most

    def spend(self, entries: int, field: str, line: int | None = None) -> None:
        """Take ``entries`` for ``field``; InputError where they are more than are left."""
        self.left -= entries
        if self.left < 0:
            fault = Fault(
                source=self.source,
                field=field,
                found="with what is before it, more vcpus, pcpus, vnodes and copies than one file "
                "may have",
                expected="less of them, or several files",
                line=line,
            )
            raise InputError(fault)


def add_fault(faults: list[Fault], fault: Fault) -> None:
    """Add a fault; InputError with all of them where there are so many that no more are sought."""
    faults.append(fault)
    if len(faults) >= MOST_FAULTS:
        told = Fault(
            source=fault.source,
            field="file",
            found=f"{len(faults)} faults so far",
            expected="fewer: the rest was not read",
        )
        raise InputError([*faults, told])
