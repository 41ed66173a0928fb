"""How much more memory, or how many more pcpus, would end a conflict, pnode by pnode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

from placer.domain import Domain
from placer.explain.asking import Asker, find_least
from placer.explain.conflict import Conflict
from placer.explain.draft import Draft
from placer.explain.requirement import cores_for, most_threads
from placer.explain.text import count_of, format_exactly
from placer.problem import Problem
from placer.units import PAGES_PER_MIB

_MAX_SUMMED = 8
"""Of so many vnodes every set is summed; of more only the prefixes by size."""

_MAX_PNODES = 3
"""So many pnodes are tried, the ones with most room first."""


def grain_of(domain: Domain) -> int:
    """Return the pages in which amounts are told: MiB where the domain's sizes are whole MiB."""
    return 1 if (domain.vnode_pages % PAGES_PER_MIB).any() else PAGES_PER_MIB


def sums_of_vnodes(*domains: Domain) -> list[int]:
    """Return the pages that sets of vnodes of ``domains`` take on one pnode, ascending.

    The overhead of a domain goes with its vnode 0.
    """
    sizes = []
    for domain in domains:
        own = domain.vnode_pages.tolist()
        sizes += [own[0] + domain.overhead_pages, *(size for size in own[1:] if size)]
    if len(sizes) <= _MAX_SUMMED:
        return sorted({sum(s) for n in range(1, len(sizes) + 1) for s in combinations(sizes, n)})
    ordered = sorted(sizes)
    return sorted({*sizes, *(sum(ordered[:n]) for n in range(1, len(ordered) + 1))})


def find_shortages(problem: Problem, name: str, conflict: Conflict, asker: Asker) -> Iterator[str]:
    """Yield what the domain is short by: the least more on one pnode that lets all be placed.

    Memory first, then pcpus, each for the pnode that needs least. Nothing where no single
    pnode can end the conflict.
    """
    domain = problem.domains[problem.domain_index[name]]
    for kind, find in (("memory", _missing_memory), ("vcpus", _missing_pcpus)):
        places = [
            (unit.host, pnode)
            for unit in conflict.requirements
            if unit.kind == kind
            for pnode in unit.members[:_MAX_PNODES]
        ]
        found = []
        for host, pnode in sorted(places, key=lambda at: _by_room(problem, kind, *at))[
            :_MAX_PNODES
        ]:
            least = find(problem, domain, host, pnode, asker)
            if least is not None:
                found.append((least[0], host, pnode, least[1]))
        if found:
            _, host, pnode, text = min(found, key=lambda f: f[0])
            yield f"{text} on pnode {pnode} of {host}"


def _by_room(problem: Problem, kind: str, host: str, pnode: int) -> tuple[int, int, int]:
    number = problem.host_index[host]
    room = problem.hosts[number]
    have = room.usable_pages[pnode] if kind == "memory" else (room.pcpu_pnode == pnode).sum()
    return -int(have), number, pnode


def _missing_memory(
    problem: Problem, domain: Domain, host: str, pnode: int, asker: Asker
) -> tuple[int, str] | None:
    usable = int(problem.hosts[problem.host_index[host]].usable_pages[pnode])
    free = problem.hosts[problem.host_index[host]]
    hidden = max(0, int(free.reserve_pages[pnode] - free.free_pages[pnode]))
    need = sum(d.memory_pages + d.overhead_pages for d in problem.domains)

    def holds(pages: int) -> bool | None:
        draft = Draft(problem)
        draft.add_memory(host, pnode, pages + hidden)
        return asker.fits(draft.build())

    pages = find_in_grains(
        holds, grain_of(domain), need, (s - usable for s in sums_of_vnodes(*problem.domains))
    )
    return None if pages is None else (pages, format_exactly(pages))


def find_in_grains(
    holds: Callable[[int], bool | None], grain: int, most: int, guesses: Iterable[int]
) -> int | None:
    """Return the least multiple of ``grain`` above 0 and up to about ``most`` that holds."""
    least = find_least(
        lambda n: holds(n * grain), 0, -(-most // grain), (-(-g // grain) for g in guesses)
    )
    return None if least is None else least * grain


def _missing_pcpus(
    problem: Problem, domain: Domain, host: str, pnode: int, asker: Asker
) -> tuple[int, str] | None:
    here = problem.hosts[problem.host_index[host]]
    full = domain.dedicated and domain.thread_policy == "require"
    threads = most_threads(here) if full else 1
    alone = domain.dedicated and domain.thread_policy == "isolate"
    whole = full or alone or here.smt == "cores"
    vcpus = sum(d.num_vcpus for d in problem.domains)
    running = sum(int(run.vcpus_on[pnode]) for run in here.running)

    def holds(number: int) -> bool | None:
        draft = Draft(problem)
        draft.add_cores(host, pnode, number, threads)
        return asker.fits(draft.build())

    room = sum(asker.room(here).vcpus(domain))
    number = find_least(holds, 0, cores_for(here, vcpus + running), [domain.num_vcpus - room])
    return None if number is None else (number, count_of(number, "core" if whole else "pcpu"))
