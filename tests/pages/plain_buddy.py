"""A buddy allocator without any cleverness, to hold the bulk one against.

One extent at a time, one list for each zone and order, as xen/common/page_alloc.c has
them; of a list the highest address goes first.
"""

from __future__ import annotations

MAX_ORDER = 18


class PlainBuddy:
    """The free extents of one pnode."""

    def __init__(self) -> None:
        self.lists: dict[tuple[int, int], set[int]] = {}

    def allocate(self, order: int, above_zone: int = 0) -> int | None:
        """Return the first frame of one extent, or None where there is none.

        With ``above_zone`` from higher zones alone.
        """
        found = {zone for zone, _ in self.lists if not above_zone or zone > above_zone}
        zones = sorted(found, reverse=True)
        for zone in zones:
            for larger in range(order, MAX_ORDER + 1):
                free = self.lists.get((zone, larger), set())
                if not free:
                    continue
                start = max(free)
                free.remove(start)
                for half in reversed(range(order, larger)):
                    self.lists.setdefault((zone, half), set()).add(start)
                    start += 2**half
                return start
        return None

    def free(self, start: int, order: int) -> None:
        """Give one extent back and merge it with its buddy while that is free."""
        zone = start.bit_length()
        while order < MAX_ORDER:
            buddy = start ^ 2**order
            same = self.lists.get((zone, order), set())
            if buddy not in same:
                break
            same.remove(buddy)
            start = min(start, buddy)
            order += 1
        self.lists.setdefault((zone, order), set()).add(start)

    def free_range(self, start: int, num: int) -> None:
        """Give back a range of frames, cut into the largest extents that are aligned."""
        while num:
            order = 0
            while (
                order < MAX_ORDER
                and start > 0  # frame 0 never merges
                and start % 2 ** (order + 1) == 0
                and 2 ** (order + 1) <= num
            ):
                order += 1
            self.free(start, order)
            start += 2**order
            num -= 2**order

    def extents(self) -> list[int]:
        """Return how many free extents there are of each order."""
        return [
            sum(len(free) for (_, size), free in self.lists.items() if size == order)
            for order in range(MAX_ORDER + 1)
        ]

    def spans(self) -> list[tuple[int, int]]:
        """Return (start, num) of the longest runs of free frames."""
        found: list[tuple[int, int]] = []
        pieces = sorted((start, 2**o) for (_, o), free in self.lists.items() for start in free)
        for start, num in pieces:
            if found and found[-1][0] + found[-1][1] == start:
                found[-1] = (found[-1][0], found[-1][1] + num)
            else:
                found.append((start, num))
        return found
