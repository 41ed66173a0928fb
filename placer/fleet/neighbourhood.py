"""Large neighbourhoods over every feature: free a few whole hosts, and solve them again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from placer.answer import Keep, Limits, Progress
from placer.cost import domain_cost, each_placed, level_values, load_per_mille
from placer.cpsat.search import search
from placer.cpsat.timebox import TimeBox
from placer.domain import Domain
from placer.fleet.part import kept_together, may_run_on, moves_of, part_of, placement_of
from placer.placement import PlacedDomain, Placement
from placer.problem import Problem
from placer.result import rank
from placer.units import COST_UNITS, LOCAL_DISTANCE

_PART_WORK = 0.5
"""Deterministic time for one neighbourhood."""

_MOST_VNODES = 24
"""Hosts are added to a neighbourhood until so many vnodes are free."""

_BESIDE = 0.01
"""Deterministic time that a neighbourhood counts for each vnode beside the solver's: models
have to be built."""

_LEFT_OUT = 4
"""So many units that are left out are tried together with freed hosts."""

_FRUITLESS = 4
"""Without a time limit the search ends after so many neighbourhoods a host in a row."""


def improve(
    problem: Problem,
    start: Placement,
    limits: Limits,
    progress: Progress | None = None,
    box: TimeBox | None = None,
    keep: Keep | None = None,
) -> Placement:
    """Return a placement that is as good as ``start`` or better, level after level.

    A neighbourhood is one host or a few, freed of all that was placed there, with some
    of what is left out. It is a problem of its own, solved with what is there now for a
    start, and taken where the levels of the whole become better. As hosts are freed whole,
    members of groups outside are on other hosts, where nothing here comes near them;
    what is kept together is freed together, and what is left out joins only where no
    placed member of its unit is elsewhere.

    Hosts are drawn by how much their domains cost beyond the least, and by chance, from
    the seed. It ends with the time, an interrupt (``box`` tells, where it is given), or
    when nothing more is found; ``keep`` is given what is better. With one worker equal
    seeds give equal placements, unless the clock strikes.
    """
    box = TimeBox(limits, progress) if box is None else box
    search_parts = _Improvement(problem, start, limits, box)
    try:
        search_parts.run(keep)
    except KeyboardInterrupt:
        box.stop()
    return search_parts.placement()


@dataclass(frozen=True)
class _Draw:
    """A neighbourhood: numbers of hosts, and names of domains that are left out now."""

    hosts: tuple[int, ...]
    left_out: tuple[str, ...]


class _Improvement:
    def __init__(self, problem: Problem, start: Placement, limits: Limits, box: TimeBox) -> None:
        self.problem = problem
        self.limits = limits
        self.box = box
        self.rng = np.random.default_rng(limits.seed)
        self.by_name = {domain.name: domain for domain in problem.domains}
        self.units = kept_together(problem)
        self.unit_of = {name: unit for unit in self.units for name in unit}
        self.placed = {answer.domain: answer for answer in start.domains}
        self.on_host: list[list[str]] = [[] for _ in problem.hosts]
        for answer in start.domains:
            self.on_host[problem.host_index[answer.host]].append(answer.domain)
        self.cost = {
            domain.name: domain_cost(domain, answer, host)
            for domain, answer, host in each_placed(problem, start)
        }
        self.least = self._least_costs()
        self.values = level_values(problem, start)
        self.loads = [self._load(number) for number in range(len(problem.hosts))]
        self.tried: dict[_Draw, int] = {}
        self.size = 2

    def placement(self) -> Placement:
        """The best so far."""
        return placement_of(self.problem, self.placed.values())

    def run(self, keep: Keep | None = None) -> None:
        """Draw neighbourhoods until the time is up or nothing is found any more."""
        num_hosts, fruitless = len(self.problem.hosts), 0
        is_kept = keep is None or keep(self.placement)
        while not self.box.is_over() and not self._is_ideal():
            # A clock lets it go on; work is spent where it brings something, or not at all.
            is_timed = self.limits.work is None and self.limits.time_limit is not None
            if not is_timed and fruitless >= _FRUITLESS * max(2, num_hosts):
                return
            draw = self._draw()
            if draw is None:
                return
            vnodes = sum(self.placed[n].num_vnodes for h in draw.hosts for n in self.on_host[h])
            self.box.meter.charge(_BESIDE * max(1, vnodes + len(draw.left_out)))
            fruitless = 0 if self._try(draw) else fruitless + 1
            if keep is not None and not (is_kept and fruitless):
                is_kept = keep(self.placement)
            self.box.tell(self._describe())

    def _describe(self) -> str:
        values = self.values
        out = len(self.problem.domains) - len(self.placed)
        left_out = f", {out} left out" if out else ""
        return f"cost: {values['cost']}, {len(self.placed)} placed{left_out}"

    def _is_ideal(self) -> bool:
        """Whether all is placed, local and at home, and no level below has a say."""
        vcpus = sum(domain.num_vcpus for domain in self.problem.domains)
        return (
            len(self.placed) == len(self.problem.domains)
            and self.values["cost"] == vcpus * LOCAL_DISTANCE * COST_UNITS
            and self.values["vcpus_off_home"] == 0
            and list(self.values)[-1] == "cost"
            and "auto_vnodes" not in self.values
        )

    # -- drawing -------------------------------------------------------------------------

    def _least_costs(self) -> dict[str, int]:
        """What a domain costs at least: all local, or the cheapest of its like that is placed."""
        by_shape: dict[Hashable, list[int]] = defaultdict(list)
        for name, cost in self.cost.items():
            by_shape[_shape(self.by_name[name])].append(cost)
        least = {}
        for domain in self.problem.domains:
            seen = by_shape[_shape(domain)]
            local = domain.num_vcpus * LOCAL_DISTANCE * COST_UNITS
            least[domain.name] = min(seen) if len(seen) > 1 else local
        return least

    def _draw(self) -> _Draw | None:
        """Choose hosts by their excess and by chance; None where all were tried in vain."""
        for _ in range(20):
            draw = self._draw_once()
            if self.tried.get(draw, 0) < self.size:
                return draw
            self.size += 1
        return None

    def _draw_once(self) -> _Draw:
        left_out = self._draw_left_out()
        num_hosts = len(self.problem.hosts)
        excess = np.array(
            [sum(self.cost[name] - self.least[name] for name in names) for names in self.on_host],
            dtype=np.float64,
        )
        weights = np.maximum(excess, 0) / max(float(excess.max()), 1.0) + 0.1
        if left_out:
            weights *= [
                any(may_run_on(self.by_name[name], host) for name in left_out)
                for host in self.problem.hosts
            ]
            weights += 1e-9
        hosts: list[int] = []
        num_vnodes = sum(self.by_name[name].num_vnodes for name in left_out)
        while len(hosts) < num_hosts:
            open_weights = weights.copy()
            open_weights[hosts] = 0
            host = int(self.rng.choice(num_hosts, p=open_weights / open_weights.sum()))
            more = sum(self.placed[name].num_vnodes for name in self.on_host[host])
            if len(hosts) >= 2 and num_vnodes + more > _MOST_VNODES:
                break
            hosts.append(host)
            num_vnodes += more
            if len(hosts) >= self.size and num_vnodes:
                break
        return _Draw(tuple(sorted(hosts)), tuple(sorted(left_out)))

    def _draw_left_out(self) -> list[str]:
        """A few units of which nothing is placed."""
        units = [unit for unit in self.units if not any(name in self.placed for name in unit)]
        if not units:
            return []
        count = min(len(units), _LEFT_OUT)
        chosen = self.rng.choice(len(units), size=count, replace=False)
        return [name for number in sorted(chosen.tolist()) for name in units[number]]

    # -- solving -------------------------------------------------------------------------

    def _try(self, draw: _Draw) -> bool:
        """Solve a neighbourhood; take its answer where the whole becomes better."""
        self.tried[draw] = self.tried.get(draw, 0) + 1
        hosts = [self.problem.hosts[number] for number in draw.hosts]
        now = {name for number in draw.hosts for name in self.on_host[number]}
        joining = {
            name for name in draw.left_out if any(may_run_on(self.by_name[name], h) for h in hosts)
        }
        for name in list(now):
            joining.update(other for other in self.unit_of[name] if other not in self.placed)
        joining = {
            name for name in joining if any(may_run_on(self.by_name[name], h) for h in hosts)
        }
        if not now and not joining:
            return False
        partial = self.problem.allow_partial
        here = {host.name for host in hosts}
        elsewhere = (
            answer
            for name, answer in self.placed.items()
            if name not in now or self._ran_outside(name, here)
        )
        moved = moves_of(self.problem, elsewhere) if self.problem.current else (0, 0)
        part = part_of(self.problem, hosts, now | joining, allow_partial=partial, moved=moved)
        start = placement_of(part, (self.placed[name] for name in now))
        seed = int(self.rng.integers(1 << 31))
        limits = Limits(seed=seed, workers=self.limits.workers)
        box = TimeBox(limits, work=_PART_WORK, within=self.box)
        answer = search(part, limits, start=start, box=box, in_order=False)
        found = answer.placement
        if found is None or any(name in self.problem.running_now for name in found.unplaced):
            return False
        before, after = level_values(part, start), level_values(part, found)
        if not self._is_better(draw, part, found, before, after):
            return False
        self._take(draw, now, found)
        for name, value in after.items():
            if name != "spread_max":
                self.values[name] += value - before[name]
        if "spread_max" in self.values:
            self.values["spread_max"] = max(self.loads)
        return True

    def _ran_outside(self, name: str, here: set[str]) -> bool:
        """Whether the domain runs now on another host than these: it is moved in any case."""
        before = self.problem.running_now.get(name)
        return before is not None and before.host not in here

    def _is_better(
        self,
        draw: _Draw,
        part: Problem,
        found: Placement,
        before: dict[str, int],
        after: dict[str, int],
    ) -> bool:
        """Whether the levels of the whole become better, all additive but the highest load."""
        if "spread_max" in before:
            elsewhere = max(
                (load for number, load in enumerate(self.loads) if number not in draw.hosts),
                default=0,
            )
            before = {**before, "spread_max": max(elsewhere, before["spread_max"])}
            after = {**after, "spread_max": max(elsewhere, after["spread_max"])}
        return rank(after) < rank(before)

    def _take(self, draw: _Draw, now: set[str], found: Placement) -> None:
        for name in now:
            del self.placed[name], self.cost[name]
        for number in draw.hosts:
            self.on_host[number] = []
        for answer in found.domains:
            number = self.problem.host_index[answer.host]
            self.placed[answer.domain] = answer
            self.on_host[number].append(answer.domain)
            host, domain = self.problem.hosts[number], self.by_name[answer.domain]
            self.cost[answer.domain] = domain_cost(domain, answer, host)
        for number in draw.hosts:
            self.loads[number] = self._load(number)
        self.tried.clear()
        self.size = 2

    def _load(self, number: int) -> int:
        placed: list[PlacedDomain] = [self.placed[name] for name in self.on_host[number]]
        return max(load_per_mille(self.problem.hosts[number], placed))


def _shape(domain: Domain) -> Hashable:
    """Domains of one shape cost alike on like hosts."""
    return (
        tuple(domain.vnode_pages.tolist()),
        domain.num_vcpus,
        domain.distances.tobytes(),
        domain.access,
        domain.memory,
        None if domain.vcpu_to_vnode is None else domain.vcpu_to_vnode.tobytes(),
    )
