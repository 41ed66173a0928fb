"""A first placement of many domains with any features: one unit after another, best fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from placer.answer import Answer, Keep, Limits
from placer.arrays import Ints
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat.meter import least_of
from placer.cpsat.search import search
from placer.cpsat.timebox import TimeBox
from placer.domain import Domain
from placer.fleet.part import kept_together, may_run_on, part_of, placement_of
from placer.fleet.residual import host_without
from placer.fleet.seating import seat_shared
from placer.host import Host
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.quadratic.one_domain import place_one
from placer.result import rank
from placer.units import COST_UNITS, LOCAL_DISTANCE

_UNIT_WORK = 1.0
"""Deterministic time for one unit on one host."""

_PLAIN_SECONDS = 4.0
"""Seconds for one plain domain on one host, of which most take milliseconds."""

_COMPARED = 3
"""Of so many hosts that take a unit with distant accesses the best one is chosen."""

_RESTARTS = 6
"""How often what found no place is moved to the front and all begins anew."""


def construct(
    problem: Problem, limits: Limits, box: TimeBox | None = None, keep: Keep | None = None
) -> Placement | None:
    """Return a valid placement of ``problem``, or None where none was found.

    Domains, or those that groups keep together as one unit, are placed widest and
    heaviest first, each by a solve of its own on a host as those before left it: on the
    fullest host that has room for it in one pnode, else on the best of a few. Domains that
    run now stay where they are, unless that leaves no way and nothing limits moves. What
    finds no place goes first in the next attempt. With ``allow_partial`` the best attempt
    is given, without what fits nowhere; else all are placed or none. ``box`` is the time,
    where this is one of several steps; an interrupt ends it as the clock does. ``keep`` is
    given what is placed so far.
    """
    box = TimeBox(limits) if box is None else box
    found = _construct(problem, limits, box, keep, stay=True) if _may_stay(problem) else None
    if found is None and problem.current and problem.max_moves is problem.max_moved_pages is None:
        found = _construct(problem, limits, box, keep, stay=False)
    if found is not None and problem.current and check_placement(problem, found):
        return None
    return found


def _placed_by(problem: Problem, builder: _Builder) -> Placement:
    return placement_of(problem, builder.placed())


def complete(problem: Problem, start: Placement, limits: Limits, box: TimeBox) -> Placement:
    """Return ``start`` with what it leaves out placed beside it, one unit after another, best fit.

    As far as that goes, in the time of ``box``; what stands in ``start`` stays there.
    """
    left_out = set(start.unplaced)
    builder = _Builder(problem, limits, box, start.domains)
    for unit in _widest_first(problem):
        rest = [name for name in unit if name in left_out]
        if box.is_over():
            break
        if rest:
            builder.place(rest)
    found = placement_of(problem, builder.placed())
    return start if check_placement(replace(problem, allow_partial=True), found) else found


def _may_stay(problem: Problem) -> bool:
    """Whether all that runs now keeps the rules where it is."""
    if not problem.current:
        return True
    part = part_of(problem, problem.hosts, problem.running_now.keys(), allow_partial=False)
    return not check_placement(part, placement_of(part, problem.running_now.values()))


def _construct(
    problem: Problem, limits: Limits, box: TimeBox, keep: Keep | None, *, stay: bool
) -> Placement | None:
    """Build the best of a few attempts; with ``stay`` what runs now is left where it is."""
    staying = tuple(problem.running_now.values()) if stay else ()
    names = {answer.domain for answer in staying}
    units = ([name for name in unit if name not in names] for unit in _widest_first(problem))
    order = [unit for unit in units if unit]
    best: Placement | None = None
    best_rank: list[int] = []
    for _ in range(1 + _RESTARTS):
        builder = _Builder(problem, limits, box, staying)
        left_out = []
        for unit in order:
            if not builder.place(unit):
                left_out.append(unit)
            elif keep is not None:
                keep(partial(_placed_by, problem, builder))
        found = placement_of(problem, builder.placed())
        if not found.unplaced:
            return found
        if problem.allow_partial:
            found_rank = rank(level_values(problem, found))
            if best is None or found_rank < best_rank:
                best, best_rank = found, found_rank
        if box.is_over():
            break
        order = left_out + [unit for unit in order if unit not in left_out]
    return best


def _widest_first(problem: Problem) -> list[list[str]]:
    """The units by the pnodes that each needs, then by its part of the whole room."""
    pages = max(int(host.usable_pages.max()) for host in problem.hosts) or 1
    pcpus = max(int(_pcpus(host).max()) for host in problem.hosts) or 1
    all_pages = sum(int(host.usable_pages.sum()) for host in problem.hosts) or 1
    all_pcpus = sum(host.num_pcpus for host in problem.hosts) or 1
    by_name = {domain.name: domain for domain in problem.domains}

    def size(unit: list[str]) -> tuple[int, float]:
        domains = [by_name[name] for name in unit]
        memory = sum(domain.memory_pages + domain.overhead_pages for domain in domains)
        vcpus = sum(domain.num_vcpus for domain in domains)
        width = max(-(-memory // pages), -(-vcpus // pcpus))
        return -width, -max(memory / all_pages, vcpus / all_pcpus)

    return sorted(kept_together(problem), key=size)


def _pcpus(host: Host) -> Ints:
    return np.asarray(np.bincount(host.pcpu_pnode, minlength=host.num_pnodes), dtype=np.int64)


class _Builder:
    """The hosts as they are while domains come to them one after another."""

    def __init__(
        self, problem: Problem, limits: Limits, box: TimeBox, staying: tuple[PlacedDomain, ...]
    ) -> None:
        self.problem = problem
        self.limits = limits
        self.box = box
        self.by_name = {domain.name: domain for domain in problem.domains}
        self.placed_on: list[list[PlacedDomain]] = [[] for _ in problem.hosts]
        for answer in staying:
            self.placed_on[problem.host_index[answer.host]].append(answer)
        self.left = [
            host_without(host, problem, here)
            for host, here in zip(problem.hosts, self.placed_on, strict=True)
        ]
        self.pages = np.zeros(len(problem.hosts))
        self.most_pages = np.zeros(len(problem.hosts))
        self.vcpus = np.zeros(len(problem.hosts))
        self.most_vcpus = np.zeros(len(problem.hosts))
        self.all_pages = np.array([max(1, int(h.usable_pages.sum())) for h in problem.hosts])
        self.all_vcpus = np.array(
            [max(1.0, host.num_pcpus * float(host.overcommit)) for host in problem.hosts]
        )
        self.kinds: dict[Hashable, int] = {}
        self.kind = [0] * len(problem.hosts)
        for number in range(len(problem.hosts)):
            self._count(number)
        self.groups = {group.name: group for group in problem.groups}

    def placed(self) -> Iterator[PlacedDomain]:
        """Yield what is placed, host after host."""
        for answers in self.placed_on:
            yield from answers

    def place(self, unit: list[str]) -> bool:
        """Place all of a unit on one host; where some may be left out, else as much as can be."""
        if self._place(unit, allow_partial=False):
            return True
        if self.problem.allow_partial and len(unit) > 1:
            self._place(unit, allow_partial=True)
        return False

    def _place(self, unit: list[str], *, allow_partial: bool) -> bool:
        domains = [self.by_name[name] for name in unit]
        apart, together = self._kept(domains)
        grouped = any(domain.groups for domain in domains)
        seen: set[Hashable] = set()
        found: list[tuple[list[int], int, list[PlacedDomain]]] = []
        for number in self._candidates(domains, allow_partial=allow_partial):
            key = self.kind[number], self._closed_pnodes(number, domains) if grouped else None
            if key in seen or not self._may_have(number, domains, apart, together):
                continue
            if self.box.is_over():
                break
            seen.add(key)
            solved = self._solve(number, domains, allow_partial=allow_partial)
            if solved is None:
                continue
            answer, seated = solved
            values = {level.name: level.value for level in answer.levels}
            values.pop("homes_in_order", None)
            found.append((rank(values), number, seated))
            if _is_all_local(domains, answer) or len(found) == _COMPARED:
                break
        if not found:
            return False
        _, number, seated = min(found, key=lambda item: item[0])
        self.placed_on[number] = seated
        self.left[number] = host_without(self.problem.hosts[number], self.problem, seated)
        self._count(number)
        return True

    def _solve(
        self, number: int, domains: list[Domain], *, allow_partial: bool
    ) -> tuple[Answer, list[PlacedDomain]] | None:
        """The answer for a unit on a host as it is, and all that is then placed there."""
        closed = self._closed_pnodes(number, domains)
        host = _without_pnodes(self.left[number], closed)
        names = {domain.name for domain in domains}
        part = part_of(self.problem, [host], names, allow_partial=allow_partial)
        left = least_of(self.box.seconds_left(), _PLAIN_SECONDS)
        answer = None if allow_partial else place_one(part, replace(self.limits, time_limit=left))
        if answer is not None and answer.interrupted:
            raise KeyboardInterrupt
        if answer is None:
            box = TimeBox(self.limits, work=_UNIT_WORK, within=self.box)
            answer = search(part, self.limits, box=box, in_order=False)
        if answer.placement is None or not answer.placement.domains:
            return None
        if any(closed.intersection(new.home.tolist()) for new in answer.placement.domains):
            return None
        here = [*self.placed_on[number], *answer.placement.domains]
        seated = seat_shared(self.problem.hosts[number], self.problem, here)
        return None if seated is None else (answer, seated)

    # -- which hosts ---------------------------------------------------------------------

    def _count(self, number: int) -> None:
        """What a host has left, in all and on its roomiest pnode."""
        host = self.left[number]
        usable = host.usable_pages
        self.pages[number], self.most_pages[number] = usable.sum(), usable.max()
        taken = {pcpu for running in host.running for pcpu in running.dedicated_pcpus}
        free = ~np.isin(host.pcpu_ids, list(taken))
        room = np.bincount(host.pcpu_pnode[free], minlength=host.num_pnodes) * float(
            host.overcommit
        )
        for running in host.running:
            room = room - running.vcpus_on
        room = np.maximum(room, 0)
        self.vcpus[number], self.most_vcpus[number] = room.sum(), room.max()
        self.kind[number] = self.kinds.setdefault(self._figures(number), len(self.kinds))

    def _candidates(self, domains: list[Domain], *, allow_partial: bool) -> list[int]:
        """The hosts that counting leaves: those with room in one pnode, the fullest first."""
        memory = sum(domain.memory_pages + domain.overhead_pages for domain in domains)
        vcpus = sum(domain.num_vcpus for domain in domains)
        least = (self.pages >= memory) & (self.vcpus >= vcpus)
        if allow_partial:
            least = np.ones_like(least)
        is_spread = self.problem.policy.tie_break == "spread"
        whole = (self.most_pages >= memory) & (self.most_vcpus >= vcpus)
        room = np.maximum(self.pages / self.all_pages, self.vcpus / self.all_vcpus)
        order = np.lexsort((-room if is_spread or allow_partial else room, ~whole))
        fits: list[int] = order[least[order]].tolist()
        return fits

    def _may_have(
        self, number: int, domains: list[Domain], apart: set[str], together: set[str]
    ) -> bool:
        """Whether a host is allowed, and no group keeps the domains from it.

        That is a member kept ``apart`` there, or one kept ``together`` elsewhere.
        """
        if not all(may_run_on(domain, self.problem.hosts[number]) for domain in domains):
            return False
        return not any(
            answer.domain in (apart if host == number else together)
            for host, answers in enumerate(self.placed_on if apart or together else ())
            for answer in answers
        )

    def _figures(self, number: int) -> Hashable:
        """Hosts of the same figures are alike as they are now."""
        host = self.left[number]
        arrays = (host.free_pages, host.reserve_pages, host.distances, host.pcpu_pnode)
        more = (host.pcpu_core, host.free_spans, host.total_pages, host.pcpu_ids)
        running = tuple(
            (run.vcpus_on.tobytes(), run.dedicated_pcpus, run.pages.tobytes())
            for run in host.running
        )
        figures = tuple(array.tobytes() for array in (*arrays, *more))
        return figures, running, host.overcommit, host.smt, host.smt_penalty

    def _members(self, domains: Iterable[Domain], keep: str, over: str) -> dict[str, set[str]]:
        """For each group of this kind that these domains are in: the names that it has."""
        names: dict[str, set[str]] = defaultdict(set)
        mine = {
            name
            for domain in domains
            for name in domain.groups
            if self.groups[name].keep == keep and over in {self.groups[name].over, "either"}
        }
        for domain in self.problem.domains if mine else ():
            for name in mine.intersection(domain.groups):
                names[name].add(domain.name)
        return names

    def _kept(self, domains: list[Domain]) -> tuple[set[str], set[str]]:
        """The members of groups that keep the domains apart over hosts, and those together."""
        apart: set[str] = set().union(*self._members(domains, "apart", "hosts").values())
        together: set[str] = set().union(*self._members(domains, "together", "either").values())
        return apart, together

    def _closed_pnodes(self, number: int, domains: list[Domain]) -> frozenset[int]:
        """The pnodes that are home to members of groups kept apart over pnodes."""
        apart = self._members(domains, "apart", "pnodes").values()
        return frozenset(
            pnode
            for names in apart
            for answer in self.placed_on[number]
            if answer.domain in names
            for pnode in answer.home.tolist()
        )


def _is_all_local(domains: list[Domain], answer: Answer) -> bool:
    """Whether no host could do better, as far as counts of vcpus and cost go."""
    values = {level.name: level.value for level in answer.levels}
    least = sum(domain.num_vcpus for domain in domains) * LOCAL_DISTANCE * COST_UNITS
    off = values["vcpus_off_home"] + values.get("vcpus_off_soft", 0)
    return off == 0 and values["cost"] <= least


def _without_pnodes(host: Host, closed: frozenset[int]) -> Host:
    """The host with no memory free on some pnodes."""
    if not closed:
        return host
    listed = sorted(closed)
    free = host.free_pages.copy()
    free[listed] = 0
    spans = host.free_spans[~np.isin(host.free_spans[:, 0], listed)]
    return replace(host, free_pages=free, free_spans=spans)
