"""Large neighbourhoods: a few hosts emptied and packed again by CP-SAT over patterns."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints
from placer.cpsat.master import Duals
from placer.cpsat.meter import Meter
from placer.cpsat.packing import Packing, PackSite, pack
from placer.fleet.plan import Fleet, Piece, Plan
from placer.fleet.pricing import Pricer

Floats = npt.NDArray[np.float64]

_PATTERNS = 40
"""How many patterns of a class a host is offered, beside those that it carries."""

_WORK = 0.25
"""How much deterministic time one neighbourhood gets."""


@dataclass(frozen=True, eq=False)
class _Job:
    """Hosts to pack anew, with the patterns that each is offered."""

    hosts: list[int]
    sites: list[PackSite]
    offered: list[Ints]
    limits: Ints


class Repacker:
    """Improves a plan by packing small sets of hosts anew.

    ``duals`` say what each domain is worth and what each host could carry: hosts that
    carry less than that are chosen more often. It ends where ``meter`` is spent.
    """

    def __init__(
        self,
        plan: Plan,
        pricers: list[Pricer],
        duals: Duals | None,
        *,
        seed: int,
        workers: int,
        meter: Meter | None = None,
    ) -> None:
        self.meter = meter or Meter()
        self.plan = plan
        self.fleet: Fleet = plan.fleet
        self.pricers = pricers
        self.duals = duals
        self.workers = workers
        self.rng = np.random.default_rng(seed)
        self.index = [
            {
                (int(c), int(k)): at
                for at, (c, k) in enumerate(zip(pricer.shape, pricer.number, strict=True))
            }
            for pricer in pricers
        ]
        self.excess = np.array([self._excess(host) for host in range(self.fleet.num_hosts)])
        self.size = 3
        self.tried = 0
        self.improved = 0

    def run(
        self,
        deadline: float,
        enough: Callable[[Plan], bool],
        tell: Callable[[], None] | None = None,
        idle: int | None = None,
    ) -> None:
        """Improve until the plan is good enough, time is over, or ``idle`` brought nothing."""
        last = self.tried
        with ThreadPoolExecutor(self.workers) as threads:
            while time.monotonic() < deadline and not enough(self.plan):
                if self.meter.is_spent:
                    return
                if idle is not None and self.tried >= last + idle:
                    return
                jobs = [self._job(hosts) for hosts in self._choose_sets()]
                answers = threads.map(lambda job: self._solve(job, deadline), jobs)
                for job, answer in zip(jobs, list(answers), strict=True):
                    self.tried += 1
                    if self._accept(job, answer):
                        last = self.tried
                if tell is not None:
                    tell()

    def _excess(self, host: int) -> float:
        """How much more a host costs than what it carries is worth to the relaxation."""
        if self.duals is None:
            return 1.0
        number = int(self.fleet.type_of[host])
        worth = sum(self.duals.cover[c] for c, _ in self.plan.pieces[host])
        return max(0.0, self.plan.cost_on(host) - float(worth) + float(self.duals.hosts[number]))

    def _choose_sets(self) -> list[list[int]]:
        """Disjoint sets of hosts, one for each worker, drawn by what they could save."""
        weight = self.excess + 1e-3 * self.excess.mean() + 1.0
        count = min(self.fleet.num_hosts, self.size * self.workers)
        drawn = self.rng.choice(
            self.fleet.num_hosts, count, replace=False, p=weight / weight.sum()
        ).tolist()
        self.rng.shuffle(drawn)
        return [drawn[start :: self.workers] for start in range(min(self.workers, count))]

    def _job(self, hosts: list[int]) -> _Job:
        limits = self.plan.missing.copy()
        for host in hosts:
            for shape, _ in self.plan.pieces[host]:
                limits[shape] += 1
        dearest = 1 + sum(self.plan.cost_on(host) for host in hosts)
        dearest += int((self.plan.missing * self.fleet.least_cost).sum()) * 4
        sites, chosen = [], []
        for host in hosts:
            number = int(self.fleet.type_of[host])
            pricer = self.pricers[number]
            here = np.zeros(len(pricer.cost), dtype=np.int64)
            for piece in self.plan.pieces[host]:
                here[self.index[number][piece]] += 1
            offered = self._offer(pricer, limits, here)
            priority = self.fleet.priorities[pricer.shape[offered]]
            sites.append(
                PackSite(
                    use=pricer.tight[offered],
                    capacity=pricer.tight_capacity,
                    gain=dearest * priority - pricer.cost[offered],
                    shape=pricer.shape[offered],
                    hint=here[offered],
                )
            )
            chosen.append(offered)
        return _Job(hosts, sites, chosen, limits)

    def _offer(self, pricer: Pricer, limits: Ints, here: Ints) -> Ints:
        """The cheapest patterns of each class that is there, equals in random order."""
        possible = np.flatnonzero((limits[pricer.shape] > 0) & (pricer.most > 0))
        noise = self.rng.random(len(possible))
        order = possible[np.lexsort((noise, pricer.cost[possible], pricer.shape[possible]))]
        shape = pricer.shape[order]
        rank = np.arange(len(order)) - np.searchsorted(shape, shape)
        return np.union1d(order[rank < _PATTERNS], np.flatnonzero(here))

    def _solve(self, job: _Job, deadline: float) -> Packing:
        seconds = max(0.0, deadline - time.monotonic())
        return pack(job.sites, job.limits, work=_WORK, seconds=seconds, meter=self.meter)

    def _accept(self, job: _Job, answer: Packing) -> bool:
        """Take the answer where it makes the plan better.

        Two neighbourhoods solved side by side may both want a domain that is left out;
        then the second is not taken.
        """
        if answer.counts is None:
            return False
        before = self.plan.rank
        old = [list(self.plan.pieces[host]) for host in job.hosts]
        new = [
            self._pieces(host, offered, counts)
            for host, offered, counts in zip(job.hosts, job.offered, answer.counts, strict=True)
        ]
        self._put(job.hosts, new)
        if (self.plan.missing < 0).any() or self.plan.rank >= before:
            self._put(job.hosts, old)
            return False
        self.improved += 1
        for host in job.hosts:
            self.excess[host] = self._excess(host)
        return True

    def _put(self, hosts: list[int], pieces: list[list[Piece]]) -> None:
        for host in hosts:
            self.plan.replace(host, [])
        for host, mine in zip(hosts, pieces, strict=True):
            self.plan.replace(host, mine)

    def _pieces(self, host: int, offered: Ints, counts: Ints) -> list[Piece]:
        pricer = self.pricers[self.fleet.type_of[host]]
        chosen = np.repeat(offered, counts)
        return list(zip(pricer.shape[chosen].tolist(), pricer.number[chosen].tolist(), strict=True))
