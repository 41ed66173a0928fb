"""In which order domains can change places so that no pnode is over-committed on the way.

A state is the set of changes made so far, so that a set found to be a dead end is never
tried again: with up to some 16 changes that hinder one another all sets are few. Changes
into pnodes that have room for all that is still to come hinder nobody and are made at once;
the others fall into parts that share no pnode of the scarce ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from placer.errors import ModelError
from placer.moves.room import Room, Seat, seat_on

MOST_LOOKS: Final = 500_000
"""How often the search for one part may ask whether a change can be made."""

FEW_LOOKS: Final = 20_000
"""The same for each of the sets to stop first that are tried where the search was given up."""

EXACT_CHANGES: Final = 16
"""Up to so many changes in a part, the smallest set to stop first is searched for."""

Pnode = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One domain that is to go from one seat to another.

    ``live`` holds both at once, ``restart`` frees the first before it takes the second, and
    so does ``repin``, whose seats are of vcpus alone.
    """

    domain: str
    kind: Literal["live", "restart", "repin"]
    source: Seat
    target: Seat


@dataclass(frozen=True, slots=True)
class Step:
    """A change made, or its domain stopped, or started again at its new seat."""

    change: Change
    kind: Literal["live", "restart", "repin", "stop", "start"]


class _OutOfLooksError(Exception):
    """The search was given up before an order was found or excluded."""


def order_changes(changes: Sequence[Change], rooms: dict[str, Room]) -> tuple[list[Step], bool]:
    """Return the steps in order, and whether no smaller number of stops would do.

    ``rooms`` are the hosts with every domain at its source; they end with each at its
    target. Stopping everything first always works where the target is a valid placement.
    """
    field = _Field(rooms, changes)
    steps = [_done(change) for change in field.make_free_changes()]
    fewest = True
    for part in field.parts():
        alone = _Field(rooms, part)
        stopped, made, proven = _order_part(alone, part)
        fewest = fewest and proven
        steps += [Step(change, "stop") for change in stopped]
        steps += [_done(change) for change in made]
        steps += [Step(change, "start") for change in stopped]
    return steps, fewest


def _done(change: Change) -> Step:
    return Step(change, change.kind)


def _order_part(field: _Field, part: list[Change]) -> tuple[list[Change], list[Change], bool]:
    """Return what is stopped first, what is then changed in order, and whether that is proven.

    All of it is done on the field.
    """
    excluded = False
    try:
        if len(part) <= EXACT_CHANGES:
            found = _first_order(field, _sets_by_size(part), MOST_LOOKS)
            return *_carry_out(field, *found), True
        made = field.find_order(MOST_LOOKS)
        if made is not None:
            return *_carry_out(field, [], made), True
        excluded = True
    except _OutOfLooksError:
        pass
    stopped, made = _without_needless(field, *_first_order(field, _growing_sets(field, part)))
    return *_carry_out(field, stopped, made), excluded and len(stopped) == 1


def _carry_out(
    field: _Field, stopped: list[Change], made: list[Change]
) -> tuple[list[Change], list[Change]]:
    field.stop(stopped)
    for change in made:
        field.make(change)
    field.start(stopped)
    return stopped, made


def _first_order(
    field: _Field, sets: Iterable[list[Change]], most_looks: int | None = None
) -> tuple[list[Change], list[Change]]:
    """Return the first of some sets to stop with which an order exists, and that order.

    ``most_looks`` are for all sets together, past which _OutOfLooksError is raised; without
    it each has FEW_LOOKS and is passed over where they do not do. The last set is all.
    """
    end = None if most_looks is None else field.looks + most_looks
    for stopped in sets:
        field.stop(stopped)
        try:
            made = field.find_order(FEW_LOOKS if end is None else end - field.looks)
        except _OutOfLooksError:
            if end is not None:
                raise
            made = None
        finally:
            field.bring_back(stopped)
        if made is not None:
            return stopped, made
    raise ModelError("no order of moves although every domain is stopped first")


def _sets_by_size(part: list[Change]) -> Iterator[list[Change]]:
    """Every set of domains, the smallest first, of equal ones that with most restarts.

    Domains that are restarted go down in any case.
    """
    for size in range(len(part) + 1):
        sets = sorted(
            combinations(part, size),
            key=lambda chosen: sum(change.kind != "restart" for change in chosen),
        )
        yield from map(list, sets)


def _growing_sets(field: _Field, part: list[Change]) -> Iterator[list[Change]]:
    """One set after another, each with more of the domains that hold most of what is scarce."""
    by_weight = sorted(part, key=field.held_where_scarce, reverse=True)
    size = 0
    while size < len(part):
        yield by_weight[:size]
        size = size + 1 if size < EXACT_CHANGES else size * 2
    yield by_weight


def _without_needless(
    field: _Field, stopped: list[Change], made: list[Change]
) -> tuple[list[Change], list[Change]]:
    """Leave out of a set to stop each domain that need not be in it."""
    for change in list(stopped):
        fewer = [other for other in stopped if other is not change]
        try:
            stopped, made = _first_order(field, [fewer], FEW_LOOKS)
        except (_OutOfLooksError, ModelError):
            continue
    return stopped, made


class _Field:
    """The hosts, and the changes that are still to be made on them."""

    def __init__(self, rooms: dict[str, Room], changes: Sequence[Change]) -> None:
        self.rooms = rooms
        self.todo = dict(enumerate(changes))
        self.number_of = {change.domain: number for number, change in self.todo.items()}
        self.coming: dict[Pnode, list[int]] = {}
        self.looks = 0
        for change in changes:
            self._expect(change, 1)

    # -- what may be done now ------------------------------------------------------

    def fits(self, change: Change) -> bool:
        """Whether a change can be made as things are."""
        self.looks += 1
        room = self.rooms[change.target.host]
        if change.source.host != change.target.host:
            return room.fits(change.target)
        room.remove(change.source)
        fits = _fits_beside(room, change) if change.kind == "live" else room.fits(change.target)
        room.add(change.source)
        return fits

    def is_open(self, pnode: Pnode) -> bool:
        """Whether a pnode has room for all that is to come, whatever leaves it."""
        room = self.rooms[pnode[0]]
        pages, shared, own = self.coming.get(pnode, (0, 0, 0))
        return room.has_room(pnode[1], pages, shared, own)

    def _hinders_nobody(self, change: Change) -> bool:
        host = change.target.host
        return all(self.is_open((host, pnode)) for pnode in change.target.pnodes)

    def held_where_scarce(self, change: Change) -> int:
        """The pages and vcpus that the domain holds on pnodes without room for what is to come."""
        host = change.source.host
        return sum(
            sum(seat_on(change.source, pnode))
            for pnode in change.source.pnodes
            if not self.is_open((host, pnode))
        )

    # -- doing and undoing ---------------------------------------------------------

    def make(self, change: Change) -> None:
        """Make a change."""
        self.rooms[change.source.host].remove(change.source)
        self.rooms[change.target.host].add(change.target)
        self._expect(change, -1)
        del self.todo[self.number_of[change.domain]]

    def unmake(self, change: Change) -> None:
        """Take a change back."""
        self.rooms[change.target.host].remove(change.target)
        self.rooms[change.source.host].add(change.source)
        self._expect(change, 1)
        self.todo[self.number_of[change.domain]] = change

    def stop(self, chosen: Iterable[Change]) -> None:
        """Stop domains: they hold nothing until they are started."""
        for change in chosen:
            self.rooms[change.source.host].remove(change.source)
            self._expect(change, -1)
            del self.todo[self.number_of[change.domain]]

    def bring_back(self, chosen: Iterable[Change]) -> None:
        """Undo a stop."""
        for change in chosen:
            self.rooms[change.source.host].add(change.source)
            self._expect(change, 1)
            self.todo[self.number_of[change.domain]] = change

    def start(self, chosen: Iterable[Change]) -> None:
        """Start what was stopped at its new seat."""
        for change in chosen:
            self.rooms[change.target.host].add(change.target)

    def _expect(self, change: Change, sign: int) -> None:
        target = change.target
        for pnode in target.pnodes:
            figures = self.coming.setdefault((target.host, pnode), [0, 0, 0])
            for index, amount in enumerate(seat_on(target, pnode)):
                figures[index] += sign * amount

    # -- searching -----------------------------------------------------------------

    def make_free_changes(self) -> list[Change]:
        """Make every change that can be made and hinders no other, and all that then can."""
        made = []
        again = True
        while again:
            again = False
            for change in sorted_changes(self.todo):
                if self._hinders_nobody(change) and self.fits(change):
                    self.make(change)
                    made.append(change)
                    again = True
        return made

    def parts(self) -> list[list[Change]]:
        """Return the changes left, those together that share a scarce pnode or an own slot."""
        shared: dict[object, list[int]] = {}
        for number, change in sorted(self.todo.items()):
            for seat in (change.source, change.target):
                for pnode in seat.pnodes:
                    if not self.is_open((seat.host, pnode)):
                        shared.setdefault((seat.host, pnode), []).append(number)
                for slot in seat.own:
                    shared.setdefault((seat.host, "slot", slot), []).append(number)
        leader = {number: number for number in self.todo}

        def find(number: int) -> int:
            while leader[number] != number:
                leader[number] = leader[leader[number]]
                number = leader[number]
            return number

        for numbers in shared.values():
            for number in numbers[1:]:
                low, high = sorted((find(numbers[0]), find(number)))
                leader[high] = low
        parts: dict[int, list[Change]] = {}
        for number in sorted(self.todo):
            parts.setdefault(find(number), []).append(self.todo[number])
        return list(parts.values())

    def find_order(self, most_looks: int) -> list[Change] | None:
        """Return an order of the changes left, or None where there is none.

        The field is left as it was. Raises _OutOfLooksError after ``most_looks`` or so.
        """
        end = self.looks + most_looks
        dead_ends: set[int] = set()
        made: list[Change] = []
        branches: list[tuple[int, int, list[Change]]] = []
        try:
            while True:
                before = len(made)
                made += self.make_free_changes()
                if not self.todo:
                    return list(made)
                if self.looks > end:
                    raise _OutOfLooksError
                left = sum(1 << number for number in self.todo)
                branches.append((before, left, [] if left in dead_ends else self._ways()))
                while branches and not branches[-1][2]:
                    before, left, _ = branches.pop()
                    dead_ends.add(left)
                    # The changes that followed of themselves, and the one that led there.
                    self._take_back(made, max(0, before - 1))
                if not branches:
                    return None
                change = branches[-1][2].pop()
                self.make(change)
                made.append(change)
        finally:
            self._take_back(made, 0)

    def _ways(self) -> list[Change]:
        """The changes that can be made now; the last frees most of what is scarce."""
        ways = [(number, change) for number, change in self.todo.items() if self.fits(change)]
        ways.sort(key=lambda way: (self.held_where_scarce(way[1]), -way[0]))
        return [change for _, change in ways]

    def _take_back(self, made: list[Change], length: int) -> None:
        while len(made) > length:
            self.unmake(made.pop())


def sorted_changes(todo: dict[int, Change]) -> list[Change]:
    """Return changes by number."""
    return [todo[number] for number in sorted(todo)]


def _fits_beside(room: Room, change: Change) -> bool:
    """Whether a live migration within one host fits; ``room`` is without its domain."""
    source, both = change.source, change.source.beside(change.target)
    if any(room.owners[slot] for slot in both.own if slot not in source.own):
        return False
    for pnode in both.pnodes:
        taken, before = seat_on(both, pnode), seat_on(source, pnode)
        pages, shared, own = taken
        if not room.has_room(pnode, pages if pages > before[0] else 0, 0, 0):
            return False
        if (shared > before[1] or own > before[2]) and not room.has_room(pnode, 0, shared, own):
            return False
    return True
