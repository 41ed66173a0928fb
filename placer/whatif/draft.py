"""The base of all scenarios, and the draft of one: what its changes have made of the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from placer.answer import Limits, solver_info
from placer.check import score
from placer.cost import domain_cost
from placer.domain import Domain
from placer.frames import DomainFrames
from placer.host import Host, RunningDomain
from placer.placement import PlacedDomain, Placement
from placer.policy import Policy
from placer.problem import DOM0_NAMES, Group, Problem, Running, as_running
from placer.result import Result, Score
from placer.run import Run, hosts_after
from placer.whatif.figures import Figures
from placer.whatif.patterns import matching


@dataclass(frozen=True, kw_only=True)
class Base:
    """A finished run that scenarios change.

    Its placed domains run, and on its hosts what they hold counts as free, as with
    ``Problem.current``.
    """

    run: Run

    @property
    def problem(self) -> Problem:
        """What was asked."""
        return self.run.problem

    @cached_property
    def running(self) -> dict[str, Running]:
        """Where each placed domain is, with its frames, by name."""
        return {
            placed.domain: Running(placed=placed, frames=self.run.frames_of(placed.domain))
            for placed in self.run.placed
        }

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """Every domain by name, those that run with the vnodes and the vcpu map that they have."""
        placed = self.run.placed_by_name
        return {
            domain.name: as_running(domain, placed[domain.name])
            if domain.name in placed
            else domain
            for domain in self.problem.domains
        }

    @cached_property
    def as_problem(self) -> Problem:
        """The base as a problem in which all that is placed runs and stays."""
        return replace(
            self.problem,
            domains=tuple(self.domains.values()),
            current=tuple(self.running.values()),
            allow_partial=True,
            max_moves=0,
            max_moved_pages=None,
        )

    @cached_property
    def placement(self) -> Placement:
        """The placement, empty where the run has none."""
        found = self.run.result.placement
        if found is not None:
            return found
        return Placement(domains=(), unplaced=tuple(self.domains))

    @cached_property
    def after(self) -> dict[str, Host]:
        """Each host with all that the base placed on it, by name."""
        return {host.name: host for host in hosts_after(self.run)}

    @cached_property
    def figures(self) -> Figures:
        """What the base leaves of each pnode."""
        return Figures.of(self.problem.hosts, self.domains, self.placement.domains)

    @cached_property
    def score(self) -> Score:
        """The figures of the placement; that it keeps the rules was checked when it was made."""
        return score(self.as_problem, self.placement, ())

    @cached_property
    def cost_of(self) -> dict[str, int]:
        """The cost of each placed domain."""
        return {
            placed.domain: domain_cost(
                self.domains[placed.domain], placed, self.run.host(placed.host)
            )
            for placed in self.run.placed
        }


@dataclass
class Draft:
    """Hosts, domains and groups by name, and what is still where it was."""

    base: Base
    hosts: dict[str, Host]
    domains: dict[str, Domain]
    groups: dict[str, Group]
    policy: Policy
    stays: dict[str, Running]
    """The domains that may stay where they run."""

    drained: set[str] = field(default_factory=set)
    """Hosts that nothing may run on."""

    rebuilt: set[str] = field(default_factory=set)
    """Hosts that have become other machines under their names."""

    resized: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    """Domains that an inventory says run on a host, or a pnode of it, that is gone; its name."""

    @classmethod
    def of(cls, base: Base) -> Draft:
        """The base unchanged."""
        problem = base.problem
        return cls(
            base=base,
            hosts={host.name: host for host in problem.hosts},
            domains=dict(base.domains),
            groups={group.name: group for group in problem.groups},
            policy=problem.policy,
            stays=dict(base.running),
        )

    def hosts_like(self, patterns: tuple[str, ...]) -> list[str]:
        """Return the names of the hosts that the patterns stand for; InputError for none."""
        return matching(patterns, self.hosts, "host")

    def domains_like(self, patterns: tuple[str, ...]) -> list[str]:
        """Return the names of the domains that the patterns stand for; InputError for none."""
        return matching(patterns, self.domains, "domain")

    def on(self, host: str) -> list[Running]:
        """Return what runs on a host and may stay, in order."""
        return [running for running in self.stays.values() if running.placed.host == host]

    def is_untouched(self, domain: Domain, host: str) -> bool:
        """Whether no change has touched a domain of the base, or the host that it runs on."""
        return domain is self.base.domains.get(domain.name) and self.hosts[
            host
        ] is self.base.run.host(host)

    def evict(self, *names: str) -> None:
        """Take domains off their places; they have to be placed anew."""
        for name in names:
            self.stays.pop(name, None)

    def take_host(self, name: str) -> None:
        """Take a host away, with all that ran there."""
        self.evict(*(running.placed.domain for running in self.on(name)))
        gone = self.hosts.pop(name)
        self.lost.update((run.name, name) for run in gone.running if not is_dom0(run))

    def lose(self, host: str, names: Sequence[str]) -> None:
        """Note that domains of the inventory are gone that ran on a host.

        What they held elsewhere on it counts as held: which frames that was is not known.
        """
        self.lost.update((name, host) for name in names)
        left = tuple(run for run in self.hosts[host].running if run.name not in names)
        if names:
            self.hosts[host] = replace(self.hosts[host], running=left)

    def resize(self, name: str, domain: Domain) -> None:
        """Put a domain of another size in the place of one, which loses its place."""
        self.domains[name] = domain
        self.resized.add(name)
        self.evict(name)


def is_dom0(running: RunningDomain) -> bool:
    """Return whether it is dom0, which comes and goes with its host."""
    return running.domid == 0 or running.name in DOM0_NAMES


def placed_run(
    problem: Problem, placed: tuple[PlacedDomain, ...], frames: tuple[DomainFrames, ...]
) -> Run:
    """Return what is placed as a run, so that `hosts_after` can tell what it leaves."""
    there = {one.domain for one in placed}
    result = Result(
        status="feasible",
        solver=solver_info(Limits()),
        placement=Placement(
            domains=placed,
            unplaced=tuple(d.name for d in problem.domains if d.name not in there),
        ),
    )
    return Run(problem=problem, result=result, frames=frames)
