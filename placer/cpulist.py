"""xl's CPU lists: ``"0-3,^1,nodes:1"`` (xl.cfg(5), CPULIST), kept apart from any host."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from placer.arrays import Ints

_TOKEN = re.compile(
    r"(?P<remove>\^?)(?P<nodes>(?:nodes?:)?)(?:(?P<all>all)|[ \t]*(?P<first>[0-9]{1,9})"
    r"(?:-[ \t]*(?P<last>[0-9]{1,9}))?)",
    re.ASCII,
)


MOST_TOKENS = 1 << 15
"""Parts of one list: twice as many as Xen can have pcpus."""


@dataclass(frozen=True, slots=True)
class CpuRange:
    """One token of a CPU list: the pcpus ``first`` to ``last``, both None for all of them.

    They are taken out where ``remove``, else added. With ``by_pnode`` the numbers are those of
    pnodes, whose pcpus are meant.
    """

    remove: bool
    by_pnode: bool
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class CpuList:
    """A parsed CPU list; which pcpus it names depends on the host that it is resolved on.

    ``ranges`` are its tokens in order, ``text`` is what was written. `CpuList.parse` makes one.
    """

    ranges: tuple[CpuRange, ...]
    text: str

    @classmethod
    def parse(cls, text: str) -> CpuList:
        """Return the list that ``text`` writes.

        Raises ValueError with what is wrong: an unknown token, a range that
        runs backwards, or ``^all``, which xl refuses.
        """
        ranges = []
        if text.count(",") >= MOST_TOKENS:
            raise ValueError(f"{text.count(',') + 1} parts, {MOST_TOKENS} at most")
        for token in text.split(","):
            match = _TOKEN.fullmatch(token)
            if match is None:
                raise ValueError(f"{token[:40]!r} is not a number, a range A-B, all or nodes:N")
            remove = bool(match["remove"])
            if match["all"]:
                if remove:
                    raise ValueError("'^all' leaves no pcpu")
                ranges.append(CpuRange(remove, bool(match["nodes"]), None, None))
                continue
            first = int(match["first"])
            last = int(match["last"]) if match["last"] else first
            if last < first:
                raise ValueError(f"the range {token!r} runs backwards")
            ranges.append(CpuRange(remove, bool(match["nodes"]), first, last))
        return cls(tuple(ranges), text)

    @classmethod
    def of(cls, pcpus: frozenset[int]) -> CpuList:
        """Return the list that names exactly ``pcpus``."""
        ordered = sorted(pcpus)
        ranges = tuple(CpuRange(False, False, pcpu, pcpu) for pcpu in ordered)
        return cls(ranges, ",".join(map(str, ordered)))

    def resolve(self, pcpu_ids: Ints, pcpu_pnode: Ints) -> frozenset[int]:
        """Return the pcpu ids that the list names on a host of ``pcpu_ids``, on ``pcpu_pnode``.

        Tokens act from left to right on a set that starts empty; ids that the
        host lacks are passed over (xl's update_cpumap_range).
        """
        chosen = np.zeros(len(pcpu_ids), dtype=bool)
        for token in self.ranges:
            values = pcpu_pnode if token.by_pnode else pcpu_ids
            if token.first is None or token.last is None:
                hit = np.ones(len(pcpu_ids), dtype=bool)
            else:
                hit = (values >= token.first) & (values <= token.last)
            chosen = chosen & ~hit if token.remove else chosen | hit
        return frozenset(int(pcpu) for pcpu in pcpu_ids[chosen])


def format_ranges(numbers: frozenset[int] | list[int]) -> str:
    """Return numbers as ``"0-3,7"``; the empty set as ``""``."""
    parts: list[str] = []
    ordered = sorted(set(numbers))
    start = 0
    for index in range(len(ordered)):
        if index + 1 == len(ordered) or ordered[index + 1] != ordered[index] + 1:
            low, high = ordered[start], ordered[index]
            parts.append(str(low) if low == high else f"{low}-{high}")
            start = index + 1
    return ",".join(parts)
