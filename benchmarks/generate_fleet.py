"""Fleets of hosts and domains, drawn from a seed: the instances of benchmarks/fleet.py.

Hosts are servers of models/machines/ with 2 to 8 pnodes; domains have the sizes of public cloud
flavours. A fleet is made of classes with counts (`make_shapes`), which `expand` turns into a
problem; `make_fleet` does both. The number of domains, the number of hosts and the fill are met
by tilting the mix of sizes, so that any of them may be asked for within the range that the
sizes allow.

What a fleet keeps to, whatever is asked:

- just over half of the vcpus are in *wide* domains: those that no single pnode of any host of
  the fleet could hold;
- a third of the domains have distances that are not symmetric or a measured access matrix;
- vcpus fill the hosts to `fill`, memory stays a little below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from placer.arrays import Ints, read_only
from placer.domain import OVERHEAD_PAGES, Domain
from placer.host import Host
from placer.problem import Problem
from placer.read.inventory import read_inventory

Floats = npt.NDArray[np.float64]

PAGES_PER_GIB: Final = 1 << 18

WIDE_SHARE: Final = 0.55
"""The part of all vcpus that wide domains have."""

MEMORY_BELOW: Final = 0.06
"""How far the memory's fill stays below that of the vcpus, where the flavours allow it."""

PARTIAL_ABOVE: Final = 0.9
"""Fuller fleets than this need not be placeable whole: domains may be left out of them."""


class Flavour(NamedTuple):
    """The size of a domain: vcpus and GiB, dealt evenly to vnodes. ``weight`` is its popularity."""

    name: str
    vcpus: int
    gib: int
    vnodes: int
    weight: float


SMALL: Final = (
    Flavour("m6i.large", 2, 8, 1, 10),
    Flavour("c6i.xlarge", 4, 8, 1, 10),
    Flavour("m6i.xlarge", 4, 16, 1, 14),
    Flavour("m6i.2xlarge", 8, 32, 1, 12),
    Flavour("r6i.2xlarge", 8, 64, 1, 8),
    Flavour("c6i.4xlarge", 16, 32, 1, 6),
    Flavour("m6i.8xlarge", 32, 128, 1, 2),
)
"""Flavours that one pnode may hold."""

SPLIT: Final = (
    Flavour("m6i.xlarge", 4, 16, 2, 4),
    Flavour("m6i.2xlarge", 8, 32, 2, 5),
    Flavour("r6i.2xlarge", 8, 64, 2, 4),
    Flavour("c6i.4xlarge", 16, 32, 2, 3),
    Flavour("m6i.8xlarge", 32, 128, 4, 1),
)
"""Some of the small ones, whose guests know more than one vnode."""

WIDE: Final = (
    Flavour("c6i.16xlarge", 64, 128, 2, 4),
    Flavour("c5.18xlarge", 72, 144, 4, 5),
    Flavour("n2-standard-80", 80, 320, 4, 5),
    Flavour("m5.24xlarge", 96, 384, 8, 6),
    Flavour("r5.24xlarge", 96, 768, 8, 3),
    Flavour("m6i.32xlarge", 128, 512, 8, 4),
    Flavour("m6a.48xlarge", 192, 768, 8, 2),
    Flavour("x1.16xlarge", 64, 976, 8, 2),
    Flavour("x1.32xlarge", 128, 1952, 8, 2),
)
"""Flavours larger than a pnode."""


def _ring(num_vnodes: int) -> list[list[int]]:
    """Distances that grow around a ring in one direction: near ahead, far behind."""
    return [
        [10 if i == j else 15 + 5 * ((j - i) % num_vnodes) for j in range(num_vnodes)]
        for i in range(num_vnodes)
    ]


def _primary(num_vnodes: int) -> list[list[Fraction]]:
    """A database: its shared buffers lie in vnode 0, and every vcpu reads them."""
    rest = Fraction(1, 10 * num_vnodes)
    rows = [[rest] * num_vnodes for _ in range(num_vnodes)]
    for i, row in enumerate(rows):
        row[i] += Fraction(1, 2)
        row[0] += Fraction(2, 5)
    return rows


def _pipeline(num_vnodes: int) -> list[list[Fraction]]:
    """Stages, each of which reads what the one before it wrote."""
    rest = Fraction(1, 20 * num_vnodes)
    rows = [[rest] * num_vnodes for _ in range(num_vnodes)]
    for i, row in enumerate(rows):
        row[i] += Fraction(13, 20)
        row[(i - 1) % num_vnodes] += Fraction(3, 10)
    return rows


def _even(num_vnodes: int) -> list[list[Fraction]]:
    """A hash table over all memory, which every vcpu reads everywhere."""
    return [[Fraction(1, num_vnodes)] * num_vnodes for _ in range(num_vnodes)]


PROFILES: Final = {"ring": _ring, "primary": _primary, "pipeline": _pipeline, "even": _even}
"""What a workload is known to be like; `ring` gives distances, the others access shares."""

SHAPED_WIDE: Final = 0.5
"""The part of the wide domains that have a profile."""

SHAPED_SMALL: Final = 0.28
"""The part of the small domains that have more than one vnode, and a profile."""

MACHINES: Final = (
    ("amd-epyc-7763-2s-nps4", 3.0),
    ("amd-epyc-7742-2s-nps4", 1.5),
    ("amd-epyc-7452-2s-nps2", 3.0),
    ("intel-xeon-6240-2s", 2.0),
    ("intel-xeon-28c-4s-ring", 2.0),
    ("intel-xeon-10c-8s", 2.0),
)
"""The servers of models/machines/ that hosts are drawn from, each with its weight."""

_MACHINES: Final = Path(__file__).resolve().parent.parent / "models" / "machines"


@dataclass(frozen=True, kw_only=True)
class FleetShapes:
    """A fleet as classes: hosts and domains that stand for all that are equal, with counts."""

    hosts: tuple[Host, ...]
    num_hosts: tuple[int, ...]
    domains: tuple[Domain, ...]
    num_domains: tuple[int, ...]
    allow_partial: bool


def make_fleet(num_domains: int, num_hosts: int, fill: float, seed: int) -> Problem:
    """Return a fleet of so many domains that fill so many hosts to ``fill``, by ``seed``.

    Up to a fill of 0.9 all domains are to be placed; above it, domains may be left out.
    Raises ValueError where no mix of the flavours comes to that, and says what would do.
    """
    return expand(make_shapes(num_domains, num_hosts, fill, seed))


def expand(shapes: FleetShapes) -> Problem:
    """Return the problem that ``shapes`` stand for: members are spread evenly in the order."""
    return Problem(
        hosts=tuple(
            replace(shapes.hosts[kind], name=f"{shapes.hosts[kind].name}-{number:05d}")
            for kind, number in _interleave(shapes.num_hosts)
        ),
        domains=tuple(
            replace(shapes.domains[kind], name=f"{shapes.domains[kind].name}-{number:06d}")
            for kind, number in _interleave(shapes.num_domains)
        ),
        allow_partial=shapes.allow_partial,
    )


def _interleave(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return (class, number in the class), each class spread evenly over the whole list."""
    kinds = np.repeat(np.arange(len(counts)), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    places = (2 * numbers + 1) / np.repeat(counts, counts)
    order = np.lexsort((kinds, places))
    return list(zip(kinds[order].tolist(), numbers[order].tolist(), strict=True))


def make_shapes(num_domains: int, num_hosts: int, fill: float, seed: int) -> FleetShapes:
    """Return the fleet of `make_fleet` as classes with counts."""
    if num_domains < 1 or num_hosts < 1 or not 0 < fill <= 1:
        raise ValueError("a fleet has domains and hosts, and is filled to above 0 and up to 1")
    draw = np.random.default_rng(seed)
    hosts, host_counts = _draw_hosts(num_hosts, draw)
    classes = _classes(hosts, draw)
    vcpus = np.array([domain.num_vcpus for domain in classes.domains])
    memory = np.array([domain.memory_pages + domain.overhead_pages for domain in classes.domains])
    all_vcpus = fill * float(np.dot(host_counts, [host.num_pcpus for host in hosts]))
    all_pages = float(np.dot(host_counts, [host.usable_pages.sum() for host in hosts]))
    mix = _Mix(classes, vcpus.astype(float), memory.astype(float), all_vcpus)
    counts = mix.counts(num_domains, (fill - MEMORY_BELOW) * all_pages, all_vcpus)
    used = np.flatnonzero(counts)
    return FleetShapes(
        hosts=hosts,
        num_hosts=tuple(host_counts.tolist()),
        domains=tuple(classes.domains[index] for index in used),
        num_domains=tuple(counts[used].tolist()),
        allow_partial=fill > PARTIAL_ABOVE,
    )


def read_machine(name: str) -> Host:
    """Return the server ``name`` of models/machines/."""
    (host,) = read_inventory(_MACHINES / f"{name}.toml")
    return host


def _draw_hosts(num_hosts: int, draw: np.random.Generator) -> tuple[tuple[Host, ...], Ints]:
    """Draw the hosts by weight, as near to the weights as whole numbers can be."""
    weights = np.array([weight for _, weight in MACHINES]) * draw.uniform(0.7, 1.3, len(MACHINES))
    counts = _round(weights / weights.sum() * num_hosts, num_hosts)
    used = np.flatnonzero(counts)
    return tuple(read_machine(MACHINES[index][0]) for index in used), read_only(counts[used])


@dataclass(frozen=True)
class _Classes:
    """Domain classes with their weights, in three groups: plain small, split small, wide."""

    domains: list[Domain]
    weights: Floats
    group: Ints


def _classes(hosts: Sequence[Host], draw: np.random.Generator) -> _Classes:
    domains: list[Domain] = []
    weights: list[float] = []
    group: list[int] = []

    def add(number: int, flavour: Flavour, profile: str | None, weight: float, prio: int) -> None:
        domain = _domain(flavour, profile, prio)
        if not any(_fits(domain, host) for host in hosts):
            return
        if (number == 2) == any(_fits_one_pnode(domain, host) for host in hosts):
            return
        domains.append(domain)
        weights.append(weight * draw.uniform(0.6, 1.4))
        group.append(number)

    for index, flavour in enumerate(SMALL):
        add(0, flavour, None, flavour.weight, 1)
        if index in (2, 4):
            add(0, flavour, None, flavour.weight / 4, 2)
    for index, flavour in enumerate(SPLIT):
        for turn in range(2):
            profile = tuple(PROFILES)[(index + 2 * turn + index // 2) % 4]
            add(1, flavour, profile, flavour.weight, 2 if turn and index in (2, 4) else 1)
    for index, flavour in enumerate(WIDE):
        prio = 5 if flavour.gib >= 2048 else 1
        add(2, flavour, None, flavour.weight * (1 - SHAPED_WIDE), prio)
        for turn in range(2):
            profile = tuple(PROFILES)[(index + 2 * turn + index // 2) % 4]
            add(2, flavour, profile, flavour.weight * SHAPED_WIDE / 2, prio)
    return _Classes(domains, np.array(weights), read_only(group))


def _domain(flavour: Flavour, profile: str | None, priority: int) -> Domain:
    """Return the domain that stands for a class; its name is that of the class."""
    k = flavour.vnodes
    name = f"{flavour.name}-{k}n" + (f"-{profile}" if profile else "")
    name += f"-p{priority}" if priority > 1 else ""
    shape = None if profile is None else PROFILES[profile](k)
    return Domain(
        name=name,
        vnode_pages=np.full(k, flavour.gib * PAGES_PER_GIB // k),
        num_vcpus=flavour.vcpus,
        vcpu_to_vnode=np.repeat(np.arange(k), flavour.vcpus // k),
        priority=priority,
        **({} if shape is None or profile != "ring" else {"distances": shape}),  # type: ignore[arg-type]
        access=None if shape is None or profile == "ring" else tuple(map(tuple, shape)),  # type: ignore[arg-type]
    )


def _pcpus(host: Host) -> Ints:
    return np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)


def _fits(domain: Domain, host: Host) -> bool:
    """Whether the equal vnodes of a domain fit on the empty host."""
    k = domain.num_vnodes
    by_memory = (host.usable_pages - OVERHEAD_PAGES["pv"]) // int(domain.vnode_pages[0])
    by_vcpus = _pcpus(host) // (domain.num_vcpus // k)
    return int(np.minimum(by_memory, by_vcpus).clip(0).sum()) >= k


def _fits_one_pnode(domain: Domain, host: Host) -> bool:
    """Whether a single pnode of the empty host would hold the whole domain."""
    pages = domain.memory_pages + domain.overhead_pages
    return bool(((host.usable_pages >= pages) & (_pcpus(host) >= domain.num_vcpus)).any())


@dataclass(frozen=True)
class _Mix:
    """Shares of the classes, tilted by size until the numbers come out."""

    classes: _Classes
    vcpus: Floats
    memory: Floats
    all_vcpus: float

    def expected(self, by_size: float, by_memory: float) -> Floats:
        """Return how many of each class there are when the mix is tilted so."""
        ratio = self.memory / self.vcpus
        tilt = by_size * np.log(self.vcpus) + by_memory * np.log(ratio / ratio.mean())
        group = self.classes.group
        shares = np.zeros(len(self.vcpus))
        parts = (1 - SHAPED_SMALL, SHAPED_SMALL, 1.0)
        for number, part in enumerate(parts):
            own = group == number
            if own.any():
                exponent = tilt[own] - tilt[own].max()
                tilted = self.classes.weights[own] * np.exp(exponent)
                shares[own] = part * tilted / tilted.sum()
        wide = group == 2
        shares[wide] *= WIDE_SHARE * self.all_vcpus / (shares * self.vcpus)[wide].sum()
        small = (1 - WIDE_SHARE) * self.all_vcpus / (shares * self.vcpus)[~wide].sum()
        shares[~wide] *= small
        return shares

    def counts(self, num_domains: int, pages: float, vcpus: float) -> Ints:
        """Return whole numbers of each class: ``num_domains`` in all, with these totals."""

        def by_size(by_memory: float) -> float:
            return _bisect(
                lambda tilt: num_domains - float(self.expected(tilt, by_memory).sum()), 12.0
            )

        low, high = (float(self.expected(tilt, 0.0).sum()) for tilt in (12.0, -12.0))
        if not low <= num_domains <= high:
            raise ValueError(
                f"{num_domains} domains cannot fill these hosts so far: "
                f"between {int(low) + 1} and {int(high)} can"
            )
        by_memory = _bisect(
            lambda tilt: float(self.expected(by_size(tilt), tilt) @ self.memory) - pages, 6.0
        )
        expected = self.expected(by_size(by_memory), by_memory)
        counts = _round(expected, num_domains)
        return self._repair(counts, pages, vcpus)

    def _repair(self, counts: Ints, pages: float, vcpus: float) -> Ints:
        """Exchange single domains inside the groups until the totals are met."""
        group = self.classes.group
        allowed = group[:, None] == group[None, :]
        counts = counts.copy()
        for _ in range(10 * len(counts)):
            off_vcpus = counts @ self.vcpus - vcpus
            off_pages = counts @ self.memory - pages
            after_vcpus = off_vcpus + self.vcpus[None, :] - self.vcpus[:, None]
            after_pages = off_pages + self.memory[None, :] - self.memory[:, None]
            score = _miss(after_vcpus / vcpus) + 0.1 * _miss(after_pages / pages)
            score[~allowed | (counts == 0)[:, None]] = np.inf
            leave, enter = divmod(int(score.argmin()), len(counts))
            now = _miss(np.array(off_vcpus / vcpus)) + 0.1 * _miss(np.array(off_pages / pages))
            if score[leave, enter] >= now - 1e-12:
                break
            counts[leave] -= 1
            counts[enter] += 1
        return counts


def _miss(off: Floats) -> Floats:
    """How bad it is to be off by this part: too much is worse than too little."""
    return np.where(off > 0, 2 * off, -off)


def _bisect(rises, bound: float) -> float:  # type: ignore[no-untyped-def]
    """Return where a rising function passes 0 between -bound and bound, or the nearer end."""
    low, high = -bound, bound
    for _ in range(60):
        middle = (low + high) / 2
        if rises(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _round(values: Floats, total: int) -> Ints:
    """Return whole numbers near ``values`` that sum to ``total``, by largest remainder."""
    counts = np.floor(values).astype(np.int64)
    order = np.argsort(counts - values, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts
