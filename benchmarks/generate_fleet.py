"""Fleets of hosts and domains, drawn from a seed: the instances of benchmarks/fleet.py.

Hosts are servers of models/machines/ with 2 to 8 pnodes; domains have the sizes of cloud flavours
(flavours.py). A fleet is made of classes with counts (`make_shapes`), which `expand` turns into a
problem; `make_fleet` does both. The number of domains, the number of hosts and the fill are met
by tilting the mix of sizes: each flavour's weight is multiplied by a power of its vcpus and by
one of its memory a vcpu. What a fleet keeps to, as nearly as whole domains allow:

- 55 % of the vcpus are in *wide* domains, which no single pnode of any host could hold;
- 30 % of the domains have distances that are not symmetric or measured access shares;
- the vcpus fill the hosts to `fill`, the memory to 2 points less, and to 85 % at most, or to
  `memory_fill`;
- up to a fill of 0.9 all domains can be placed: best fit places fleets of up to 100 hosts whole,
  else they are drawn again; larger ones are the same mix with more room for luck.

Equal domains share their arrays. The same arguments give the same fleet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.flavours import PROFILES, SMALL, SPLIT, WIDE, Flavour, Profile
from placer.arrays import Ints, read_only
from placer.domain import Domain
from placer.host import Host
from placer.problem import Problem
from placer.read.inventory import read_inventory

Floats = npt.NDArray[np.float64]

MACHINES: Final = (
    ("amd-epyc-7763-2s-nps4", 3.0),
    ("amd-epyc-7742-2s-nps4", 1.5),
    ("amd-epyc-7452-2s-nps2", 3.0),
    ("intel-xeon-6240-2s", 2.0),
    ("intel-xeon-28c-4s-ring", 2.0),
    ("intel-xeon-10c-8s", 2.0),
)
"""The servers of models/machines/ that hosts are drawn from, each with its weight."""

WIDE_SHARE: Final = 0.55
"""The part of all vcpus that wide domains have."""

PROFILED_WIDE: Final = 0.5
"""The part of the wide domains that have a profile."""

PROFILED_SMALL: Final = 0.28
"""The part of the other domains that have several vnodes and a profile."""

MEMORY_BELOW: Final = 0.02
MOST_MEMORY: Final = 0.85
"""The memory's fill is so far below that of the vcpus, and no more than this, where the flavours
allow it: the vcpus bind, and in fuller fleets they bind alone."""

PARTIAL_ABOVE: Final = 0.9
"""Fuller fleets than this need not be placeable whole: domains may be left out of them."""

MOST_CHECKED_HOSTS: Final = 100
MOST_DRAWS: Final = 40
PAGES_PER_GIB: Final = 1 << 18

_MACHINES: Final = Path(__file__).resolve().parent.parent / "models" / "machines"
_PLAIN, _SPLIT, _WIDE = range(3)


@dataclass(frozen=True, kw_only=True)
class FleetShapes:
    """A fleet as classes: hosts and domains that stand for all that are equal, with counts."""

    hosts: tuple[Host, ...]
    num_hosts: tuple[int, ...]
    domains: tuple[Domain, ...]
    num_domains: tuple[int, ...]

    @property
    def vcpu_fill(self) -> float:
        """The vcpus of all domains over the pcpus of all hosts."""
        wanted = sum(d.num_vcpus * n for d, n in zip(self.domains, self.num_domains, strict=True))
        return wanted / sum(
            h.num_pcpus * n for h, n in zip(self.hosts, self.num_hosts, strict=True)
        )

    @property
    def memory_fill(self) -> float:
        """The pages of all domains, with their overhead, over the usable pages of all hosts."""
        wanted = sum(_pages(d) * n for d, n in zip(self.domains, self.num_domains, strict=True))
        return wanted / sum(
            int(h.usable_pages.sum()) * n for h, n in zip(self.hosts, self.num_hosts, strict=True)
        )

    def is_wide(self, domain: Domain) -> bool:
        """Whether no single pnode of any host could hold the whole domain."""
        return not any(_fits_one_pnode(domain, host) for host in self.hosts)


def make_fleet(
    num_domains: int, num_hosts: int, fill: float, seed: int, memory_fill: float | None = None
) -> Problem:
    """Return a fleet of so many domains that fill so many hosts to ``fill``, by ``seed``.

    ``memory_fill`` is the fill of the memory, by default MEMORY_BELOW less. Where either is
    above 0.9 the problem allows domains to be left out. Raises ValueError where
    no mix of the flavours comes to that many domains, and says how many would.
    """
    return expand(make_shapes(num_domains, num_hosts, fill, seed, memory_fill))


def make_shapes(
    num_domains: int, num_hosts: int, fill: float, seed: int, memory_fill: float | None = None
) -> FleetShapes:
    """Return the fleet of `make_fleet` as classes with counts."""
    if num_domains < 1 or num_hosts < 1:
        raise ValueError("a fleet has at least one domain and one host")
    if memory_fill is None:
        memory_fill = min(fill - MEMORY_BELOW, MOST_MEMORY)
    for name, share in (("fill", fill), ("memory fill", memory_fill)):
        if not 0 < share <= 1:
            raise ValueError(f"a {name} of {share}, expected above 0 and up to 1")
    checked = max(fill, memory_fill) <= PARTIAL_ABOVE and num_hosts <= MOST_CHECKED_HOSTS
    best: tuple[int, FleetShapes] | None = None
    for attempt in range(MOST_DRAWS if checked else 1):
        draw = random.Random(f"{seed}:{attempt}")
        shapes = _draw(num_domains, num_hosts, fill, memory_fill, draw)
        left_out = count_left_out(shapes) if checked else 0
        if best is None or left_out < best[0]:
            best = left_out, shapes
        if not left_out:
            break
    assert best is not None
    return best[1]


def expand(shapes: FleetShapes) -> Problem:
    """Return the problem that ``shapes`` stand for, each class spread evenly over the order."""
    return Problem(
        hosts=tuple(
            replace(shapes.hosts[kind], name=f"{shapes.hosts[kind].name}-{number}")
            for kind, number in interleave(shapes.num_hosts)
        ),
        domains=tuple(
            replace(shapes.domains[kind], name=f"{shapes.domains[kind].name}-{number}")
            for kind, number in interleave(shapes.num_domains)
        ),
        allow_partial=max(shapes.vcpu_fill, shapes.memory_fill) > PARTIAL_ABOVE,
    )


def interleave(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return (class, number in the class), each class spread evenly over the whole list."""
    kinds = np.repeat(np.arange(len(counts)), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    places = (2 * numbers + 1) / np.repeat(counts, counts)
    order = np.lexsort((kinds, places))
    return list(zip(kinds[order].tolist(), numbers[order].tolist(), strict=True))


@cache
def read_machine(name: str) -> Host:
    """Return the server ``name`` of models/machines/."""
    (host,) = read_inventory(_MACHINES / f"{name}.toml")
    return host


def make_domain(flavour: Flavour, profile: str | None, priority: int) -> Domain:
    """Return the domain that stands for a class; it has the name of the class."""
    k = flavour.vnodes
    words = [flavour.name, f"{k}n", *([profile] if profile else [])]
    words += [f"p{priority}"] if priority > 1 else []
    known = PROFILES[profile](k) if profile else Profile()
    domain = Domain(
        name="-".join(words),
        vnode_pages=np.full(k, flavour.gib * PAGES_PER_GIB // k),
        num_vcpus=flavour.vcpus,
        vcpu_to_vnode=np.repeat(np.arange(k), flavour.vcpus // k),
        priority=priority,
        access=known.access,
    )
    if known.distances is None:
        return domain
    return replace(domain, distances=read_only(known.distances, ndim=2))


def count_left_out(shapes: FleetShapes) -> int:
    """Return how many domains best fit leaves out: the largest first, on the fullest host."""
    hosts = [shapes.hosts[kind] for kind, _ in interleave(shapes.num_hosts)]
    most = max(host.num_pnodes for host in hosts)
    memory = np.zeros((len(hosts), most), dtype=np.int64)
    vcpus = np.zeros((len(hosts), most), dtype=np.int64)
    for row, host in enumerate(hosts):
        memory[row, : host.num_pnodes] = host.usable_pages
        vcpus[row, : host.num_pnodes] = _pcpus(host)
    left_out = 0
    all_pages, all_vcpus = int(memory.sum()), int(vcpus.sum())
    largest = sorted(
        zip(shapes.domains, shapes.num_domains, strict=True),
        key=lambda pair: -_pages(pair[0]) / all_pages - pair[0].num_vcpus / all_vcpus,
    )
    for domain, count in largest:
        pages = int(domain.vnode_pages[0]) + domain.overhead_pages
        width = domain.num_vcpus // domain.num_vnodes
        for number in range(count):
            room = np.minimum(memory // pages, vcpus // width)
            fitting = np.flatnonzero(room.sum(axis=1) >= domain.num_vnodes)
            if not len(fitting):
                left_out += count - number
                break
            row = int(fitting[vcpus[fitting].sum(axis=1).argmin()])
            needed = domain.num_vnodes
            # As few pnodes as can be, so that whole ones stay free for wide domains.
            for pnode in np.argsort(-room[row], kind="stable"):
                taken = min(int(room[row, pnode]), needed)
                memory[row, pnode] -= taken * pages
                vcpus[row, pnode] -= taken * width
                needed -= taken
    return left_out


def _draw(
    num_domains: int, num_hosts: int, fill: float, memory_fill: float, draw: random.Random
) -> FleetShapes:
    weights = [weight * draw.uniform(0.7, 1.3) for _, weight in MACHINES]
    expected = np.array(weights) * (num_hosts / sum(weights))
    host_counts = _sample(expected, num_hosts, draw)
    kinds = np.flatnonzero(host_counts)
    hosts = tuple(read_machine(MACHINES[kind][0]) for kind in kinds)
    num_of_type = host_counts[kinds]
    all_vcpus = fill * int(num_of_type @ np.array([host.num_pcpus for host in hosts]))
    all_pages = int(num_of_type @ np.array([int(host.usable_pages.sum()) for host in hosts]))
    wanted_pages = memory_fill * all_pages
    mix = _Mix(hosts, num_of_type, all_vcpus, wanted_pages, draw)
    counts = mix.counts(num_domains)
    used = np.flatnonzero(counts)
    return FleetShapes(
        hosts=hosts,
        num_hosts=tuple(num_of_type.tolist()),
        domains=tuple(mix.domains[index] for index in used),
        num_domains=tuple(counts[used].tolist()),
    )


class _Mix:
    """Domain classes with their weights, in three groups, tilted until the numbers come out.

    ``group[c]`` of a class is plain (one vnode), split (several, and a profile) or wide.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        num_of_type: Ints,
        all_vcpus: float,
        all_pages: float,
        draw: random.Random,
    ) -> None:
        self.all_vcpus = all_vcpus
        self.all_pages = all_pages
        self.draw = draw
        self.domains: list[Domain] = []
        weights: list[float] = []
        group: list[int] = []
        pcpus = num_of_type * np.array([host.num_pcpus for host in hosts])
        for kind, domain, weight in _all_classes():
            fits = np.array([_fits(domain, host) for host in hosts])
            if fits.any() and (kind == _WIDE) != any(_fits_one_pnode(domain, h) for h in hosts):
                self.domains.append(domain)
                weights.append(weight * draw.uniform(0.6, 1.4) * pcpus[fits].sum() / pcpus.sum())
                group.append(kind)
        self.weights = np.array(weights)
        self.group = np.array(group)
        self.vcpus = np.array([float(domain.num_vcpus) for domain in self.domains])
        self.pages = np.array([float(_pages(domain)) for domain in self.domains])

    def expected(self, by_size: float, by_memory: float) -> Floats:
        """Return how many of each class there are when the mix is tilted so, not rounded."""
        ratio = self.pages / self.vcpus
        tilt = by_size * np.log(self.vcpus) + by_memory * np.log(ratio / ratio.mean())
        shares = np.zeros(len(tilt))
        for kind, part in ((_PLAIN, 1 - PROFILED_SMALL), (_SPLIT, PROFILED_SMALL), (_WIDE, 1.0)):
            own = self.group == kind
            if own.any():
                tilted = self.weights[own] * np.exp(tilt[own] - tilt[own].max())
                shares[own] = part * tilted / tilted.sum()
        wide = self.group == _WIDE
        wide_share = WIDE_SHARE if wide.any() else 0.0
        for own, share in ((wide, wide_share), (~wide, 1 - wide_share)):
            if own.any():
                shares[own] *= share * self.all_vcpus / (shares * self.vcpus)[own].sum()
        return shares

    def counts(self, num_domains: int) -> Ints:
        """Return whole numbers of each class: ``num_domains`` in all, with the totals."""
        fewest, most = (float(self.expected(tilt, 0.0).sum()) for tilt in (16.0, -16.0))
        if not fewest <= num_domains <= most:
            raise ValueError(
                f"{num_domains} domains cannot fill these hosts so far: "
                f"{int(fewest) + 1} to {int(most)} can"
            )

        def by_size(by_memory: float) -> float:
            return _root(lambda t: num_domains - float(self.expected(t, by_memory).sum()), 20.0)

        by_memory = _root(
            lambda t: float(self.expected(by_size(t), t) @ self.pages) - self.all_pages, 6.0
        )
        expected = self.expected(by_size(by_memory), by_memory)
        counts = np.zeros(len(expected), dtype=np.int64)
        in_group = _round(
            np.array([float(expected[self.group == kind].sum()) for kind in range(3)]), num_domains
        )
        for kind in range(3):
            own = self.group == kind
            if in_group[kind]:
                scaled = expected[own] * (in_group[kind] / expected[own].sum())
                counts[own] = _sample(scaled, int(in_group[kind]), self.draw)
        return self._exchange(counts)

    def _exchange(self, counts: Ints) -> Ints:
        """Exchange single domains inside the groups until the totals are met."""
        forbidden = self.group[:, None] != self.group[None, :]
        more_vcpus = (self.vcpus[None, :] - self.vcpus[:, None]) / self.all_vcpus
        more_pages = (self.pages[None, :] - self.pages[:, None]) / self.all_pages
        for _ in range(20 * len(counts)):
            vcpus = counts @ self.vcpus / self.all_vcpus - 1
            pages = counts @ self.pages / self.all_pages - 1
            badness = _badness(vcpus + more_vcpus, pages + more_pages)
            badness[forbidden | (counts == 0)[:, None]] = np.inf
            leaves, enters = divmod(int(badness.argmin()), len(counts))
            if badness[leaves, enters] >= float(_badness(vcpus, pages)) - 1e-12:
                break
            counts[leaves] -= 1
            counts[enters] += 1
        return counts


def _badness(vcpus: npt.ArrayLike, pages: npt.ArrayLike) -> Floats:
    """How bad it is that vcpus and pages are off by these parts of what they should be."""
    off_vcpus, off_pages = np.asarray(vcpus), np.asarray(pages)
    too_many = np.where(off_vcpus > 0, off_vcpus, 0)
    return np.asarray(np.abs(off_vcpus) + too_many + 0.1 * np.abs(off_pages), dtype=np.float64)


@cache
def _all_classes() -> tuple[tuple[int, Domain, float], ...]:
    """Every (group, domain, weight): flavours alone, and with two profiles each."""
    classes: list[tuple[int, Domain, float]] = []
    for index, flavour in enumerate(SMALL):
        classes.append((_PLAIN, make_domain(flavour, None, 1), flavour.weight))
        if index in (2, 4):
            classes.append((_PLAIN, make_domain(flavour, None, 2), flavour.weight / 4))
    for index, flavour in enumerate(SPLIT):
        for turn, profile in enumerate(_profiles(index)):
            priority = 2 if turn and index in (2, 4) else 1
            classes.append((_SPLIT, make_domain(flavour, profile, priority), flavour.weight))
    for index, flavour in enumerate(WIDE):
        priority = 5 if flavour.name.startswith("x1.") else 1
        plain = flavour.weight * (1 - PROFILED_WIDE)
        classes.append((_WIDE, make_domain(flavour, None, priority), plain))
        for profile in _profiles(index):
            weight = flavour.weight * PROFILED_WIDE / 2
            classes.append((_WIDE, make_domain(flavour, profile, priority), weight))
    return tuple(classes)


def _profiles(index: int) -> tuple[str, str]:
    """The two profiles of the flavour at ``index``; all four in turn over two flavours."""
    names = tuple(PROFILES)
    first = (index + index // 2) % len(names)
    return names[first], names[(first + 2) % len(names)]


def _pages(domain: Domain) -> int:
    return domain.memory_pages + domain.overhead_pages


def _pcpus(host: Host) -> Ints:
    return np.bincount(host.pcpu_pnode, minlength=host.num_pnodes)


def _fits(domain: Domain, host: Host) -> bool:
    """Whether the equal vnodes of a domain fit on the empty host."""
    pages = int(domain.vnode_pages[0]) + domain.overhead_pages
    room = np.minimum(
        host.usable_pages // pages, _pcpus(host) // (domain.num_vcpus // domain.num_vnodes)
    )
    return int(room.sum()) >= domain.num_vnodes


def _fits_one_pnode(domain: Domain, host: Host) -> bool:
    """Whether a single pnode of the empty host would hold the whole domain."""
    return bool(((host.usable_pages >= _pages(domain)) & (_pcpus(host) >= domain.num_vcpus)).any())


def _root(rising: Callable[[float], float], bound: float) -> float:
    """Return where a rising function passes 0 between -bound and bound, or the nearer end."""
    low, high = -bound, bound
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def _round(values: Floats, total: int) -> Ints:
    """Return whole numbers near ``values`` that sum to ``total``, by largest remainder."""
    counts = np.floor(values).astype(np.int64)
    order = np.argsort(counts - values, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts


def _sample(expected: Floats, total: int, draw: random.Random) -> Ints:
    """Return whole numbers that sum to ``total``, each ``expected`` rounded up or down at random.

    Systematic sampling: the values are laid end to end, and every whole number from a
    random start counts for the value that it falls on.
    """
    order = list(range(len(expected)))
    draw.shuffle(order)
    ends = np.cumsum(expected[order])
    points = (np.arange(total) + draw.random()) * (float(ends[-1]) / total)
    hits = np.searchsorted(ends, points, side="right").clip(max=len(order) - 1)
    counts = np.zeros(len(expected), dtype=np.int64)
    counts[order] = np.bincount(hits, minlength=len(order))
    return counts
