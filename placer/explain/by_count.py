"""What counting says of a domain on all its hosts, and of a batch on all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from placer.domain import Domain
from placer.explain.asking import hosts_for
from placer.explain.count import Shortage, shortage_of
from placer.explain.room import Room
from placer.explain.text import count_of, format_exactly, format_need, list_names
from placer.host import Host
from placer.problem import Problem
from placer.result import Refusal

NO_HOST = "no host is allowed"


@dataclass(frozen=True, slots=True)
class HostVerdict:
    """What counting says of one host: ``shortage`` is None where it is silent."""

    host: Host
    shortage: Shortage | None


def nearest_first(verdicts: Sequence[HostVerdict]) -> list[HostVerdict]:
    """Return the hosts that are short by least first, and before them those not short at all.

    Hosts on which a request means nothing come last.
    """

    def distance(verdict: HostVerdict) -> tuple[bool, float]:
        shortage = verdict.shortage
        if shortage is None:
            return False, 0.0
        return shortage.fact == "requests" and shortage.share == 1.0, shortage.share

    return sorted(verdicts, key=distance)


def describe_others(verdicts: Sequence[HostVerdict]) -> str:
    """Return ``"; the 9 other hosts fail too: 7 by memory, 2 by vcpus"`` of hosts that fail."""
    if not verdicts:
        return ""
    facts = Counter("search" if v.shortage is None else v.shortage.fact for v in verdicts)
    listed = ", ".join(f"{number} by {fact}" for fact, number in facts.most_common())
    if len(verdicts) == 1:
        return f"; {verdicts[0].host.name} fails too, by {next(iter(facts))}"
    return f"; the {len(verdicts)} other hosts fail too: {listed}"


def explain_by_count(problem: Problem, domain: Domain) -> Refusal | None:
    """Return why ``domain`` cannot be on any host by itself, or None where counting is silent.

    What is reported is the host that is short by least, and how the others fail.
    """
    return Counts(problem).refusal_of(domain)


class Counts:
    """The figures of the hosts of one problem, for many questions."""

    def __init__(self, problem: Problem, room: Callable[[Host], Room] | None = None) -> None:
        self.problem = problem
        self._rooms: dict[str, Room] = {}
        self._room = room
        self._open: dict[tuple[object, ...], bool] = {}

    def room(self, host: Host) -> Room:
        """Return the figures of ``host``, found once."""
        if self._room is not None:
            return self._room(host)
        if host.name not in self._rooms:
            self._rooms[host.name] = Room(host)
        return self._rooms[host.name]

    def is_open(self, domain: Domain) -> bool:
        """Return whether counting is silent about some host for ``domain``."""
        shape = _shape(domain)
        if shape not in self._open:
            hosts = hosts_for(self.problem, domain)
            self._open[shape] = any(shortage_of(domain, self.room(host)) is None for host in hosts)
        return self._open[shape]

    def verdicts(self, domain: Domain) -> list[HostVerdict]:
        """Return what counting says of each host that is allowed."""
        hosts = hosts_for(self.problem, domain)
        return [HostVerdict(host, shortage_of(domain, self.room(host))) for host in hosts]

    def refusal_of(self, domain: Domain) -> Refusal | None:
        """Return what `explain_by_count` does."""
        if self.is_open(domain):
            return None
        verdicts = nearest_first(self.verdicts(domain))
        if not verdicts:
            return refuse_all_hosts(domain)
        shortage = verdicts[0].shortage
        if shortage is None:
            return None
        by_count = all(v.shortage and v.shortage.certificate != "matching" for v in verdicts)
        return Refusal(
            domain=domain.name,
            reason=shortage.reason + describe_others(verdicts[1:]),
            certificate="capacity count" if by_count else "matching",
            binding=shortage.binding,
            short_by=shortage.short_by,
        )

    def batch_shortage(self, domains: Sequence[Domain]) -> Shortage | None:
        """Return what all of ``domains`` together lack on the hosts that they may be on.

        Memory with overhead, then vcpus, over all hosts and over those of each list of
        hosts that domains share.
        """
        by_lists: dict[tuple[object, ...], list[Domain]] = {}
        for domain in domains:
            by_lists.setdefault((domain.hosts, domain.forbidden_hosts), []).append(domain)
        by_hosts: dict[frozenset[str], list[Domain]] = {}
        for some in by_lists.values():
            allowed = frozenset(host.name for host in hosts_for(self.problem, some[0]))
            by_hosts.setdefault(allowed, []).extend(some)
        everywhere = frozenset().union(*by_hosts)
        for names in sorted({*by_hosts, everywhere}, key=lambda s: (len(s), sorted(s))):
            inside = [d for mine, some in by_hosts.items() if mine <= names for d in some]
            hosts = [host for host in self.problem.hosts if host.name in names]
            where = hosts[0].name if len(hosts) == 1 else count_of(len(hosts), "host")
            shortage = _lack_of_memory(inside, hosts, where) or self._lack_of_vcpus(
                inside, hosts, where
            )
            if shortage is not None:
                return shortage
        return None

    def _lack_of_vcpus(
        self, domains: Sequence[Domain], hosts: Sequence[Host], where: str
    ) -> Shortage | None:
        shared = [domain for domain in domains if not domain.dedicated]
        need = sum(domain.num_vcpus for domain in shared)
        have = sum(sum(self.room(host).shared) for host in hosts)
        if need <= have or not shared:
            return None
        reason = f"{_together(shared)} {need} shared vcpus, {where} has room for {have}"
        return Shortage(
            fact="vcpus",
            reason=reason if len(hosts) == 1 else reason.replace(" has room", " have room"),
            binding=(f"pcpus of {where}",),
            short_by=(f"{count_of(need - have, 'vcpu')} on {where}",),
            share=(need - have) / need,
        )


def _lack_of_memory(
    domains: Sequence[Domain], hosts: Sequence[Host], where: str
) -> Shortage | None:
    need = sum(domain.memory_pages + domain.overhead_pages for domain in domains)
    have = sum(int(host.usable_pages.sum()) for host in hosts)
    if need <= have:
        return None
    has = "has" if len(hosts) == 1 else "have"
    wants, room = format_need(need, have)
    return Shortage(
        fact="memory",
        reason=(f"{_together(domains)} {wants} with overhead, {where} {has} {room} free"),
        binding=(f"memory of {where}",),
        short_by=(f"{format_exactly(need - have)} on {where}",),
        share=(need - have) / need,
    )


def _together(domains: Sequence[Domain]) -> str:
    names = list_names([domain.name for domain in domains])
    return f"{names} need" if len(domains) > 1 else f"{names} needs"


def refuse_all_hosts(domain: Domain) -> Refusal:
    """Return the refusal of a domain that is kept from every host."""
    listed = () if domain.hosts is None else (f"hosts = {list_names(domain.hosts or ('none',))}",)
    forbidden = domain.forbidden_hosts
    if forbidden:
        listed = (*listed, f"forbidden hosts: {list_names(forbidden)}")
    return Refusal(
        domain=domain.name,
        reason=NO_HOST,
        certificate="capacity count",
        binding=listed or ("hosts",),
    )


def refused_by_count(problem: Problem) -> bool:
    """Return whether counting alone proves that not all domains of ``problem`` can be placed."""
    counts = Counts(problem)
    if counts.batch_shortage(problem.domains) is not None:
        return True
    return not all(counts.is_open(domain) for domain in problem.domains)


def _shape(domain: Domain) -> tuple[object, ...]:
    """All that counting looks at, so that domains alike are counted once."""
    mapping = domain.vcpu_to_vnode
    bounds = domain.vcpu_bounds
    return (
        domain.type,
        domain.vnode_pages.tobytes(),
        domain.num_vcpus,
        None if mapping is None else mapping.tobytes(),
        None if bounds is None else bounds.tobytes(),
        domain.auto_vnodes,
        domain.vnode_pnode.tobytes(),
        domain.hard_affinity,
        domain.memory,
        domain.page_order.tobytes(),
        domain.dedicated,
        domain.thread_policy,
        domain.hosts,
        domain.forbidden_hosts,
        domain.distinct_pnodes,
        domain.cpu_spill,
    )
