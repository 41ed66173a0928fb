"""The independent checker: one function for each rule of models/README.md.

It works from what was given and what was answered, shares no code with the
solvers, the heuristics or the page allocator, and trusts nothing that they say.
A rule's name starts with its label in models/README.md: ``"C1 memory"``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from placer.check import rules
from placer.check.frames import check_frames
from placer.check.moves import check_frames_on_the_way, check_limits, check_moves
from placer.check.violation import Triple, Violation
from placer.cost import domain_cost, each_placed, smt_penalties
from placer.frames import DomainFrames
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Move, Score
from placer.units import COST_UNITS

__all__ = ["Violation", "check_placement", "score"]

PER_DOMAIN = (
    rules.check_homes,
    rules.check_memory_policies,
    rules.check_vcpu_map,
    rules.check_requests,
    rules.check_auto_vnodes,
    rules.check_pcpu_masks,
    rules.check_reach,
    rules.check_cpu_spill,
    rules.check_threads,
)
PER_HOST = (
    rules.check_memory,
    rules.check_page_sizes,
    rules.check_pcpus,
    rules.check_pnode_cpus,
)


def check_placement(
    problem: Problem,
    placement: Placement,
    frames: Sequence[DomainFrames] | None = None,
    moves: Sequence[Move] | None = None,
) -> tuple[Violation, ...]:
    """Return every rule of ``problem`` that ``placement`` breaks.

    ``frames`` and ``moves`` are held against it where they are given. An empty tuple means that
    the placement is one that models/README.md allows; whether it is
    the best one is not looked at. Domains whose arrays do not fit together are
    reported by D1 and left out of the other rules.
    """
    found = list(rules.check_once(problem, placement))
    sound: list[Triple] = []
    known = [
        placed
        for placed in placement.domains
        if placed.domain in problem.domain_index and placed.host in problem.host_index
    ]
    for triple in each_placed(problem, Placement(domains=tuple(known))):
        faults = list(rules.check_shape(*triple))
        found += faults
        if not faults:
            sound.append(triple)
    for triple in sound:
        for rule in PER_DOMAIN:
            found += rule(*triple)
    here: defaultdict[str, list[Triple]] = defaultdict(list)
    for triple in sound:
        here[triple[2].name].append(triple)
    for host in problem.hosts:
        for host_rule in PER_HOST:
            found += host_rule(host, here[host.name])
    for group in problem.groups:
        found += rules.check_group(group, sound)
    if frames is not None:
        found += check_frames(sound, problem.hosts, frames)
    if problem.current or moves:
        fit = Placement(domains=tuple(placed for _, placed, _ in sound))
        found += check_limits(problem, fit)
        if moves is not None:
            found += check_moves(problem, fit, moves)
            if frames is not None:
                found += check_frames_on_the_way(problem, fit, moves, frames)
    return tuple(found)


def score(
    problem: Problem, placement: Placement, violations: Sequence[Violation] | None = None
) -> Score:
    """Return the figures of ``placement`` and the rules of ``problem`` that it breaks.

    ``violations`` are these where ``check_placement`` has said them already.
    ``cost`` is O2b, smt penalties included; the mean access distance leaves them out
    and is 0.0 where nothing is placed. Domains that D1 rejects count for nothing.
    """
    if violations is None:
        violations = check_placement(problem, placement)
    unfit = {violation.domain for violation in violations if violation.rule.startswith("D1")}
    fit = Placement(domains=tuple(d for d in placement.domains if d.domain not in unfit))
    triples = list(each_placed(problem, fit))
    num_vcpus = sum(domain.num_vcpus for domain, _, _ in triples)
    distance_cost = sum(domain_cost(*triple) for triple in triples)
    mean = float(Fraction(distance_cost, num_vcpus * COST_UNITS)) if num_vcpus else 0.0
    return Score(
        placed=len(triples),
        cost=distance_cost + smt_penalties(problem, fit),
        mean_access_distance=mean,
        violations=tuple(str(violation) for violation in violations),
    )
