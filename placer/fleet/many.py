"""Many domains with any features: a start from the fleet engine, neighbourhoods, and a bound.

What is plain is placed by patterns, what is not by solves of its own, first; groups, masks and
tie-breaks that patterns do not know are then seen to by neighbourhoods over every feature. The
bound of the cost is that of the plain domains among themselves, with all that the others ask
for left away, and every other domain all local.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from placer.answer import Answer, Keep, Limits, Progress
from placer.check import check_placement
from placer.cost import level_values
from placer.cpsat.search import search
from placer.cpsat.timebox import TimeBox
from placer.errors import ModelError
from placer.fleet.bounds import all_local, cost_bound, least_costs, plain_part
from placer.fleet.engine import is_fleet, place_fleet
from placer.fleet.neighbourhood import improve
from placer.fleet.part import better_of, part_of, placement_of
from placer.fleet.patterns import patterns_bytes
from placer.fleet.plan import Fleet
from placer.fleet.residual import host_without
from placer.fleet.seating import seat_shared
from placer.fleet.sequential import complete, construct
from placer.fleet.shapes import is_plain, list_shapes
from placer.footprint import encoding_bytes, has_room
from placer.placement import PlacedDomain, Placement, by_host
from placer.policy import DISTANCE
from placer.problem import Problem
from placer.result import MOST, Level, rank

MOST_ENCODED = 160
"""Up to so many vnodes the whole problem is handed to CP-SAT as well, to prove what it can."""

_PROOF_WORK = 30.0
"""Without a time limit, the deterministic time of that."""

_START_SHARE = 0.4
"""Of the time, how much may go into the start and the bound."""

_NEARLY_ALL = 0.9
"""Of the domains, what a start places that nothing is held against."""

_IMPROVE_SHARE = 0.5
"""Of the time that is left then, how much may go into neighbourhoods where a proof follows."""


def place_many(
    problem: Problem,
    limits: Limits,
    progress: Progress | None = None,
    start: Placement | None = None,
    keep: Keep | None = None,
) -> Answer:
    """Place a batch that is too large for one encoding; the best that the time allows.

    Status ``unknown`` where no placement was found, ``infeasible`` where there is none. A
    ``start`` keeps the rules; it may leave domains out, whatever the problem allows, and what
    it leaves out is placed first.
    """
    if is_fleet(problem) and all(is_plain(domain) for domain in problem.domains):
        answer = place_fleet(problem, limits, progress, start=start, keep=keep)
        if answer is not None and (answer.placement is not None or answer.interrupted):
            return answer
        if answer is not None and answer.status == "infeasible":
            return answer
    return _Batch(problem, limits, progress, start, keep).run()


def answer_with(problem: Problem, placement: Placement) -> Answer:
    """Return the answer that has ``placement``, which keeps the rules, with what bounds it at once.

    Nothing is searched for: every access local, every domain placed.
    """
    return _Batch(problem, Limits(), None).answer_with(placement)


def place_by_patterns(
    problem: Problem, limits: Limits, *, improve: bool = True, keep: Keep | None = None
) -> Answer | None:
    """Return a placement by patterns with its bounds, where these are all levels there are.

    None where a domain is not plain, or where groups, the policy or what runs now have a say.
    Without ``improve`` best fit alone, which is proven where every domain costs the least.
    ``keep`` is given what is found on the way.
    """
    if not is_fleet(problem) or not all(map(is_plain, problem.domains)):
        return None
    answer = place_fleet(problem, limits, improve_it=improve, keep=keep)
    if answer is None or answer.placement is None or check_placement(problem, answer.placement):
        return None
    return answer


@dataclass(frozen=True)
class _Plain:
    """The plain domains by themselves, as the fleet engine answered for them."""

    placement: Placement | None
    cost_bound: int
    most_priority: int
    is_impossible: bool


class _Batch:
    def __init__(
        self,
        problem: Problem,
        limits: Limits,
        progress: Progress | None,
        start: Placement | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.problem = problem
        self.keep = keep
        self.limits = limits
        self.progress = progress
        self.given = start
        self.box = TimeBox(limits, progress)
        grouped = {group.name for group in problem.groups}
        running = set(problem.running_now)
        self.plain = {
            domain.name
            for domain in problem.domains
            if is_plain(domain) and domain.name not in running and not grouped & set(domain.groups)
        }
        self.least = {domain.name: all_local(domain) for domain in problem.domains}
        self.bounded = [domain for domain in problem.domains if is_plain(domain)]

    def run(self) -> Answer:
        """Start, improve, prove."""
        best: Placement | None = None
        relaxed = _Plain(None, 0, self._total_priority(), is_impossible=False)
        try:
            relaxed = self._relax()
            if relaxed.is_impossible:
                return Answer(status="infeasible")
            best = self._start(relaxed)
            if best is not None and not self.box.is_late():
                box = self._box(_IMPROVE_SHARE)
                best = improve(self.problem, best, self.limits, box=box, keep=self.keep)
            if self._may_prove() and not self.box.is_over():
                return self._prove(best, relaxed)
        except KeyboardInterrupt:
            self.box.stop()
        return self._answer(best, relaxed)

    def _total_priority(self) -> int:
        return sum(domain.priority for domain in self.problem.domains)

    def _num_vnodes(self) -> int:
        return sum(domain.num_vnodes for domain in self.problem.domains)

    def _may_prove(self) -> bool:
        """Whether one encoding of all is small enough, in vnodes and for the memory."""
        if self._num_vnodes() > MOST_ENCODED:
            return False
        return has_room(self.limits.memory_bytes, encoding_bytes(self.problem))

    def _limits(self, share: float) -> Limits:
        left, work = self.box.seconds_left(), self.limits.work
        return replace(
            self.limits,
            time_limit=None if left is None else max(share * left, 0.01),
            work=None if work is None else share * (self.box.meter.left or 0.0),
        )

    def _box(self, share: float) -> TimeBox:
        share = share if self._num_vnodes() <= MOST_ENCODED else 1.0
        return TimeBox(self._limits(share), self.progress, within=self.box)

    # -- bound ---------------------------------------------------------------------------

    def _relax(self) -> _Plain:
        """Ask the fleet engine about the plain domains on the hosts as they are.

        Requests between domains, tie-breaks and what runs now are left away: whatever
        is impossible so is impossible.
        """
        total = self._total_priority()
        relaxed = plain_part(self.problem)
        if relaxed is None:
            return _Plain(None, 0, total, is_impossible=False)
        shapes = list_shapes(relaxed)
        if not has_room(self.limits.memory_bytes, patterns_bytes(shapes)):
            return _Plain(None, 0, total, is_impossible=False)
        fleet = Fleet.of(relaxed, shapes)
        self.least = least_costs(self.problem, (relaxed, fleet))
        limits = self._limits(_START_SHARE / 2)
        answer = place_fleet(relaxed, limits, self.progress, fleet=fleet, keep=self._keeping())
        if answer is None:
            return _Plain(None, 0, total, is_impossible=False)
        if answer.interrupted:
            self.box.stop()
        if answer.status == "infeasible" and self._spills_nowhere():
            return _Plain(None, 0, total, is_impossible=True)
        bounds = {level.name: level.bound for level in answer.levels}
        plain = sum(domain.priority for domain in self.bounded)
        most = total - plain + bounds.get("placed_priority", plain)
        return _Plain(answer.placement, bounds.get("cost", 0), most, is_impossible=False)

    def _spills_nowhere(self) -> bool:
        """Whether what does not fit at home fits nowhere: the fleet engine never spills."""
        return all(domain.cpu_spill == "never" for domain in self.bounded)

    def _keeping(self, beside: Sequence[PlacedDomain] = ()) -> Keep | None:
        """What is told of the best so far of a part, beside what is placed already."""
        keep = self.keep
        if keep is None:
            return None

        def keep_part(found: Callable[[], Placement]) -> bool:
            return keep(lambda: self._with(beside, found().domains))

        return keep_part

    def _with(self, beside: Sequence[PlacedDomain], found: Sequence[PlacedDomain]) -> Placement:
        """What is placed beside, and what is found where all of it has pcpus together."""
        together = self._seat([*beside, *found]) if beside else None
        return together or placement_of(self.problem, beside or found)

    # -- start ---------------------------------------------------------------------------

    def _start(self, relaxed: _Plain) -> Placement | None:
        """What was given, completed; else as the relaxation says, odd ones first, one by one.

        What places little was given by a solve that had not come far: the better of both then.
        """
        given = None if self.given is None else self._completed(self.given)
        if given is None or len(given.domains) < _NEARLY_ALL * len(self.problem.domains):
            return better_of(self.problem, given, self._start_anew(relaxed))
        return given

    def _start_anew(self, relaxed: _Plain) -> Placement | None:
        if relaxed.placement is not None and self._is_valid(relaxed.placement):
            return relaxed.placement
        if self.box.is_late():
            return None
        found = self._start_with_odd()
        if found is not None and self._is_valid(found):
            return found
        box = TimeBox(self._limits(_START_SHARE), self.progress, within=self.box)
        return construct(self.problem, self.limits, box, self.keep)

    def _completed(self, found: Placement) -> Placement | None:
        """A start with what it leaves out placed beside it, or as far as is allowed."""
        if not found.unplaced:
            return found
        loose = replace(self.problem, allow_partial=True)
        box = TimeBox(self._limits(_START_SHARE), self.progress, within=self.box)
        found = complete(loose, found, self.limits, box)
        if found.unplaced and not self.problem.allow_partial:
            found = improve(loose, found, self.limits, box=box)
        return found if self.problem.allow_partial or not found.unplaced else None

    def _is_valid(self, found: Placement) -> bool:
        """Whether a placement is one of the whole problem, by the checker."""
        named = {answer.domain for answer in found.domains} | set(found.unplaced)
        if len(named) < len(self.problem.domains):
            return False
        if found.unplaced and not self.problem.allow_partial:
            return False
        return not check_placement(self.problem, found)

    def _start_with_odd(self) -> Placement | None:
        """Place what is not plain first, then the plain ones by patterns on what is left."""
        problem = self.problem
        if not self.plain or any(host.smt == "penalty" for host in problem.hosts):
            return None
        odd = {domain.name for domain in problem.domains} - self.plain
        placed: list[PlacedDomain] = []
        if odd:
            part = part_of(problem, problem.hosts, odd, allow_partial=problem.allow_partial)
            box = TimeBox(self._limits(_START_SHARE), self.progress, within=self.box)
            first = construct(part, self.limits, box, self._keeping())
            if first is None:
                return None
            placed.extend(first.domains)
        if self.box.is_late():
            return None
        rest = self._place_plain(placed)
        if rest is None:
            return None
        return self._seat([*placed, *rest])

    def _place_plain(self, placed: list[PlacedDomain]) -> list[PlacedDomain] | None:
        problem = self.problem
        on: dict[str, list[PlacedDomain]] = {host.name: [] for host in problem.hosts}
        for one in placed:
            on[one.host].append(one)
        hosts = tuple(host_without(host, problem, on[host.name]) for host in problem.hosts)
        part = part_of(problem, hosts, self.plain, allow_partial=problem.allow_partial)
        plain = replace(part, policy=DISTANCE, current=())
        keep = self._keeping(placed)
        answer = place_fleet(plain, self._limits(_START_SHARE), self.progress, keep=keep)
        if answer is None or answer.placement is None:
            return None
        return list(answer.placement.domains)

    def _seat(self, placed: list[PlacedDomain]) -> Placement | None:
        """Name the pcpus of each host for all that is there together."""
        seated: list[PlacedDomain] = []
        on = by_host(placed)
        for host in self.problem.hosts:
            here = on.get(host.name, [])
            named = seat_shared(host, self.problem, here)
            if named is None:
                return None
            seated.extend(named)
        return placement_of(self.problem, seated)

    # -- answer --------------------------------------------------------------------------

    def _prove(self, best: Placement | None, relaxed: _Plain) -> Answer:
        """Hand the whole to CP-SAT with what was found, and keep the better bounds."""
        work = None if self.limits.most_work is not None else _PROOF_WORK
        box = TimeBox(self.limits, self.progress, work=work, within=self.box)
        answer = search(self.problem, self.limits, start=best, box=box, keep=self.keep)
        if answer.placement is None:
            return answer
        bounds = self._bounds(answer.placement, relaxed)
        answer.levels = [_tighter(level, bounds.get(level.name)) for level in answer.levels]
        if all(level.status == "optimal" for level in answer.levels):
            answer.status = "optimal"
        return answer

    def answer_with(self, placement: Placement) -> Answer:
        """The answer of a placement of which nothing is known but itself."""
        return self._answer(placement, _Plain(None, 0, self._total_priority(), is_impossible=False))

    def _answer(self, best: Placement | None, relaxed: _Plain) -> Answer:
        answer = Answer(status="unknown", interrupted=self.box.stopped())
        if best is None:
            return answer
        bounds = self._bounds(best, relaxed)
        answer.placement = best
        answer.levels = [
            _level(name, value, bounds.get(name))
            for name, value in level_values(self.problem, best).items()
        ]
        proven = all(level.status == "optimal" for level in answer.levels)
        answer.status = "optimal" if proven else "feasible"
        return answer

    def _bounds(self, best: Placement, relaxed: _Plain) -> dict[str, int]:
        """What no placement betters, level by level, as far as anything is known."""
        bounds = {
            "placed_priority": relaxed.most_priority,
            "packed_pages": sum(int(host.total_pages.sum()) for host in self.problem.hosts),
        }
        if best.unplaced:
            bounds["cost"] = cost_bound(self.problem, best, self.least)
            return bounds
        local = {domain.name: all_local(domain) for domain in self.problem.domains}
        bounds["cost"] = sum(local.values())
        spilled = level_values(self.problem, best)["vcpus_off_home"]
        if relaxed.cost_bound and not spilled:
            plain = sum(local[domain.name] for domain in self.bounded)
            bounds["cost"] += max(0, relaxed.cost_bound - plain)
        return bounds


def _level(name: str, value: int, bound: int | None) -> Level:
    sense = MOST.get(name, "min")
    limit = 0 if bound is None else bound
    _refuse_beyond(name, value, limit)
    return Level(
        name=name,
        value=value,
        bound=limit,
        status="optimal" if value == limit else "feasible",
        sense=sense,
    )


def _tighter(level: Level, bound: int | None) -> Level:
    """The level with the better of two bounds."""
    if bound is None or rank({level.name: bound}) <= rank({level.name: level.bound}):
        return level
    _refuse_beyond(level.name, level.value, bound)
    status = "optimal" if bound == level.value else level.status
    return replace(level, bound=bound, status=status)


def _refuse_beyond(name: str, value: int, bound: int) -> None:
    """A bound that its own value betters is a defect."""
    if rank({name: bound}) > rank({name: value}):
        raise ModelError(f"level {name} has the value {value}, better than its bound {bound}")
