"""Whether one domain fits one host, for the plain cases that need no solver."""

from __future__ import annotations

from dataclasses import dataclass, field

from placer.domain import Domain
from placer.explain.count import View, shortage_of
from placer.explain.room import Room
from placer.splits import Granules, vcpu_bounds
from placer.units import ORDER_1GIB, ORDER_2MIB

MAX_STEPS = 600
"""So many homes are tried before the question is left to a solver."""


def fits(domain: Domain, room: Room) -> bool | None:
    """Return whether ``domain`` can be placed on a host with nothing else; None where that is open.

    Counting alone says no. Yes and the rest of no come from trying homes: for shared vcpus,
    or dedicated ones that need no siblings, without hard affinity, on a host where
    every pnode reaches every other. The answer is exact where it is given.
    """
    if shortage_of(domain, room) is not None:
        return False
    if not _is_plain(domain, room):
        return None
    return _Seating(View(domain, room)).run()


def _is_plain(domain: Domain, room: Room) -> bool:
    if domain.auto_vnodes or not room.reach_all:
        return False
    if any(mask is not None for mask in domain.hard_affinity):
        return False
    if domain.dedicated and (
        domain.thread_policy == "require"
        or (domain.thread_policy == "isolate" and any(room.running_vcpus))
    ):
        return False
    loose = [i for i, memory in enumerate(domain.memory) if memory.policy != "strict"]
    if any(domain.memory[i].policy == "interleave" for i in loose):
        return False
    simple = not domain.distinct_pnodes and domain.cpu_spill != "never"
    return not loose or (
        simple and all(domain.vnode_pnode[i] < 0 and not domain.page_order[i] for i in loose)
    )


@dataclass
class _Seating:
    """Homes for strict vnodes one after another, the largest first; then what may spill."""

    view: View
    steps: int = 0
    open_end: bool = False
    failed: set[tuple[object, ...]] = field(default_factory=set)

    def run(self) -> bool | None:
        view, domain = self.view, self.view.domain
        self.never = domain.cpu_spill == "never"
        self.order = sorted(view.strict, key=lambda i: (len(view.homes[i]), -view.needs[i], i))
        self.loose = [i for i in range(domain.num_vnodes) if i not in view.strict]
        orders = [o for o in (ORDER_2MIB, ORDER_1GIB) if int(domain.page_order.max()) >= o]
        vcpus = view.room.vcpus(domain)
        extents = [view.room.extents(order) for order in orders]
        self.left = [
            [view.room.usable[p], vcpus[p], *(free[p] for free in extents)]
            for p in range(view.num_pnodes)
        ]
        self.takes = {}
        for i in view.strict:
            pages = int(domain.vnode_pages[i])
            wanted = [pages >> o if int(domain.page_order[i]) >= o else 0 for o in orders]
            self.takes[i] = [view.needs[i], view.least_vcpus[i] if self.never else 0, *wanted]
        self.fixed = domain.vcpu_to_vnode is not None
        if self.never and not self.fixed:
            bounds = vcpu_bounds(domain, domain.vnode_pages)
            self.more = [high - low for low, high in bounds]
            self.spare = domain.num_vcpus - sum(low for low, _ in bounds)
            if self.spare < 0:
                return None
        self.members: list[list[int]] = [[] for _ in range(view.num_pnodes)]
        # Pnodes that the vnodes may use alike are alike, as long as they have the same left.
        self.kind = [tuple(p in homes for homes in view.homes) for p in range(view.num_pnodes)]
        found = self._seat(0)
        if not found and (self.open_end or self.steps > MAX_STEPS):
            return None
        return found

    def _state(self, pnode: int) -> tuple[object, ...]:
        more = (
            sum(self.more[i] for i in self.members[pnode]) if self.never and not self.fixed else 0
        )
        used = bool(self.members[pnode]) if self.view.domain.distinct_pnodes else False
        return (self.kind[pnode], *self.left[pnode], more, used)

    def _seat(self, position: int) -> bool:
        if position == len(self.order):
            return self._finish()
        self.steps += 1
        states = [self._state(p) for p in range(self.view.num_pnodes)]
        key = (position, *sorted(states, key=repr))
        if key in self.failed or self.steps > MAX_STEPS:
            return False
        vnode = self.order[position]
        takes, tried = self.takes[vnode], set()
        for pnode in self.view.homes[vnode]:
            left = self.left[pnode]
            if states[pnode] in tried or (self.view.domain.distinct_pnodes and self.members[pnode]):
                continue
            tried.add(states[pnode])
            if any(take > have for take, have in zip(takes, left, strict=True)):
                continue
            self.left[pnode] = [have - take for take, have in zip(takes, left, strict=True)]
            self.members[pnode].append(vnode)
            found = self._seat(position + 1)
            self.members[pnode].pop()
            self.left[pnode] = left
            if found:
                return True
        self.failed.add(key)
        return False

    def _finish(self) -> bool:
        """Deal out the vcpus that the map leaves free, and the memory that may spill."""
        if self.never and not self.fixed:
            most = sum(
                min(self.left[p][1], sum(self.more[i] for i in members))
                for p, members in enumerate(self.members)
            )
            if most < self.spare:
                return False
        pages = [row[0] for row in self.left]
        domain = self.view.domain
        need = sum(int(domain.vnode_pages[i]) for i in self.loose)
        overhead = domain.overhead_pages if 0 in self.loose else 0
        if need + overhead > sum(pages):
            return False
        if self._spill(pages, overhead):
            return True
        self.open_end = True
        return False

    def _spill(self, pages: list[int], overhead: int) -> bool:
        """Whether dealing whole granules, most room first, places all that may spill."""
        domain = self.view.domain
        if not overhead:
            return all(self._deal(i, pages) is not None for i in self.loose)
        for home in sorted(range(len(pages)), key=lambda p: -pages[p]):
            left = list(pages)
            left[home] -= overhead
            if left[home] < 0:
                continue
            where = self._deal(0, left)
            at_home = domain.vnode_pages[0] == 0 or where == home
            if at_home and all(self._deal(i, left) is not None for i in self.loose if i):
                return True
        return False

    def _deal(self, vnode: int, pages: list[int]) -> int | None:
        """Take the vnode's granules from ``pages``; return the pnode with most, or None."""
        grain = Granules.of(int(self.view.domain.vnode_pages[vnode]))
        missing, home, most = grain.count, -1, 0
        for pnode in sorted(range(len(pages)), key=lambda p: (-(pages[p] // grain.pages), p)):
            dealt = min(missing, pages[pnode] // grain.pages)
            pages[pnode] -= dealt * grain.pages
            missing -= dealt
            if dealt > most or (dealt == most and dealt and pnode < home):
                home, most = pnode, dealt
        return None if missing else home
