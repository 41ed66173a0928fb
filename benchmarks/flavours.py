"""Sizes of virtual machines that clouds sell, and what workloads in them are known to be like.

Sizes, in vcpus and GiB, as their providers publish them:

- m6i, c6i, r6i, m6a, c5, m5, r5, x1: Amazon EC2 Instance Types Guide
  (docs.aws.amazon.com/ec2/latest/instancetypes/): 4, 2 and 8 GiB a vcpu for the general,
  compute and memory families, 15.25 GiB for x1, which is sold for SAP HANA;
- n2-standard-80: Google Compute Engine, general-purpose machine family
  (cloud.google.com/compute/docs/general-purpose-machines).

How many vnodes a guest sees is not published for most of them; it is chosen here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple


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
"""Flavours of one vnode."""

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
"""Flavours larger than a pnode of most servers."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is known of a workload: virtual distances or measured access shares, not both."""

    distances: tuple[tuple[int, ...], ...] | None = None
    access: tuple[tuple[Fraction, ...], ...] | None = None


def _chain(num_vnodes: int) -> Profile:
    """Distances along a chain, nearer to those ahead than to those behind."""
    return Profile(
        distances=tuple(
            tuple(
                10 if i == j else 15 + 5 * (j - i) if j > i else 25 + 5 * (i - j)
                for j in range(num_vnodes)
            )
            for i in range(num_vnodes)
        )
    )


def _primary(num_vnodes: int) -> Profile:
    """A database: its shared buffers lie in vnode 0, and every vcpu reads them."""
    return _shares(num_vnodes, Fraction(1, 10), Fraction(1, 2), lambda i: 0)


def _pipeline(num_vnodes: int) -> Profile:
    """Stages, each of which reads what the one before it wrote."""
    return _shares(num_vnodes, Fraction(1, 20), Fraction(13, 20), lambda i: (i - 1) % num_vnodes)


def _even(num_vnodes: int) -> Profile:
    """A hash table over all memory, which every vcpu reads everywhere."""
    return _shares(num_vnodes, Fraction(1), Fraction(0), lambda i: i)


def _shares(
    num_vnodes: int, even: Fraction, own: Fraction, partner: Callable[[int], int]
) -> Profile:
    """Shares of which ``even`` is spread over all vnodes, the rest own and the partner's."""
    rows = [[even / num_vnodes] * num_vnodes for _ in range(num_vnodes)]
    for i, row in enumerate(rows):
        row[i] += own
        row[partner(i)] += 1 - even - own
    return Profile(access=tuple(map(tuple, rows)))


PROFILES: Final[dict[str, Callable[[int], Profile]]] = {
    "chain": _chain,
    "primary": _primary,
    "pipeline": _pipeline,
    "even": _even,
}
"""Profiles by name, each for a number of vnodes from 2 up."""
