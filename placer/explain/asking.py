"""Asking whether a changed problem can be placed: by hand where that is exact, else by solving."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from placer.answer import Answer
from placer.check import check_placement
from placer.domain import Domain
from placer.errors import ModelError
from placer.explain.count import shortage_of
from placer.explain.quick import fits
from placer.explain.room import Room
from placer.host import Host
from placer.placement import Placement
from placer.problem import Problem
from placer.result import Certificate


class Ask(Protocol):
    """Whoever solves. All domains are to be placed.

    Without ``best`` any placement will do; the status says ``infeasible`` only where
    that is proven, and ``unknown`` where the budget did not last.
    """

    def __call__(self, problem: Problem, *, best: bool = False) -> Answer:
        """Return whether and where the domains of ``problem`` can be placed."""


class Asker:
    """Answers of an ``Ask`` with what can be told by hand before it, at most ``most`` times.

    Where it is not ``thorough``, questions that take long by their nature are not raised.
    """

    def __init__(self, ask: Ask, *, most: int, thorough: bool = True) -> None:
        self.ask = ask
        self.thorough = thorough
        self.left = most
        self.gave_up = False
        """Whether a question stayed open."""
        self._rooms: dict[int, tuple[Host, Room]] = {}
        self._by_name: dict[str, Room] = {}

    def room(self, host: Host) -> Room:
        """Return the figures of ``host``, found once."""
        known = self._rooms.get(id(host))
        if known is None:
            like = self._by_name.get(host.name)
            known = self._rooms[id(host)] = (host, Room(host, like))
            self._by_name.setdefault(host.name, known[1])
        return known[1]

    def fits(self, problem: Problem) -> bool | None:
        """Return whether every domain of ``problem`` can be placed; None where that stays open."""
        told = self._by_hand(problem)
        if told is not None:
            return told
        answer = self._solve(problem, best=False)
        if answer.placement is not None:
            return True
        return False if answer.status == "infeasible" else None

    def prove(self, problem: Problem) -> tuple[bool | None, Certificate]:
        """Return the same with the certificate of a no."""
        for domain in problem.domains:
            counted = [shortage_of(domain, self.room(h)) for h in hosts_for(problem, domain)]
            found = [shortage for shortage in counted if shortage is not None]
            if len(found) == len(counted):
                by_count = all(s.certificate == "capacity count" for s in found)
                return False, "capacity count" if by_count else "matching"
        answer = self._solve(problem, best=False)
        if answer.placement is not None:
            return True, ""
        return (False, "cpsat") if answer.status == "infeasible" else (None, "")

    def place(self, problem: Problem, *, best: bool = False) -> tuple[Placement, bool] | None:
        """Return a placement that the checker accepts, or None where there is none in time.

        The second value says whether it is proven to be the best one.
        Raises ModelError where the checker does not accept it.
        """
        # The fewest vnodes that can be placed are part of a right answer (C4).
        chosen = any(domain.auto_vnodes for domain in problem.domains)
        answer = self._solve(problem, best=best or chosen)
        if answer.placement is None:
            return None
        violations = check_placement(problem, answer.placement)
        if violations:
            text = "; ".join(str(violation) for violation in violations)
            raise ModelError(f"the checker refuses a placement of a changed problem: {text}")
        return answer.placement, answer.status == "optimal"

    def _by_hand(self, problem: Problem) -> bool | None:
        """No where a domain fits no host; yes where the only domain fits one."""
        if problem.current or len(problem.domains) > 1:
            return self._by_count(problem)
        domain = problem.domains[0]
        answer: bool | None = False
        for host in hosts_for(problem, domain):
            told = fits(domain, self.room(host))
            if told:
                return True
            answer = None if told is None else answer
        return answer

    def _by_count(self, problem: Problem) -> bool | None:
        for domain in problem.domains:
            hosts = hosts_for(problem, domain)
            if all(shortage_of(domain, self.room(host)) is not None for host in hosts):
                return False
        return None

    def _solve(self, problem: Problem, *, best: bool) -> Answer:
        if self.left <= 0:
            self.gave_up = True
            return Answer(status="unknown")
        self.left -= 1
        answer = self.ask(replace(problem, allow_partial=False), best=best)
        self.gave_up = self.gave_up or answer.status == "unknown"
        return answer


def hosts_for(problem: Problem, domain: Domain) -> list[Host]:
    """Return the hosts that ``domain`` is allowed on."""
    return [
        host
        for host in problem.hosts
        if (domain.hosts is None or host.name in domain.hosts)
        and host.name not in domain.forbidden_hosts
    ]


def find_least(
    holds: Callable[[int], bool | None], low: int, high: int, guesses: Iterable[int] = ()
) -> int | None:
    """Return the least whole number above ``low``, up to ``high``, for which ``holds``.

    ``holds`` is taken to be true from some number on. Guesses are tried first, in ascending
    order by halving; None where ``high`` itself does not hold. What is returned was seen to
    hold.
    """
    if high <= low or not holds(high):
        return None
    tries = sorted({guess for guess in guesses if low < guess < high})
    while tries:
        middle = len(tries) // 2
        guess = tries[middle]
        if holds(guess):
            high, tries = guess, tries[:middle]
        else:
            low, tries = guess, tries[middle + 1 :]
    # A guess is mostly the very number: then the one before it fails.
    if high - low > 1:
        if not holds(high - 1):
            return high
        high -= 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
