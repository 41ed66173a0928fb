"""The answer: where everything is, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from placer.arrays import Ints, read_only, same_fields
from placer.domain import Domain

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False, kw_only=True)
class PlacedDomain:
    """One domain on one host.

    Shapes: V vnodes, N vcpus, P pnodes of the host. All arrays are int64 and read-only; lists are
    copied. Memory is in pages of 4 KiB. ``domain`` and ``host`` are names.

    - ``vnode_pages[i]``: pages of vnode i (chosen by the solver with
      ``vnodes = "auto"``, else the domain's).
    - ``home[i]``: the home pnode of vnode i. ``pages[i, p]``: its pages on pnode p.
    - ``vcpu_to_vnode[v]``, ``vcpu_to_pnode[v]``, ``vcpu_to_pcpu[v]`` (a pcpu id; shared
      pcpus may be named more than once).
    - ``empty_siblings``: pcpu ids left empty because of the domain's thread policy.

    Raises ValueError where an array has another number of dimensions or holds no whole numbers;
    whether it fits its domain and its host `check_placement` says.
    """

    domain: str
    host: str
    vnode_pages: Ints
    home: Ints
    pages: Ints
    vcpu_to_vnode: Ints
    vcpu_to_pnode: Ints
    vcpu_to_pcpu: Ints
    empty_siblings: tuple[int, ...] = ()

    if TYPE_CHECKING:  # what is given may be lists, what is read are arrays

        def __init__(
            self,
            *,
            domain: str,
            host: str,
            vnode_pages: ArrayLike,
            home: ArrayLike,
            pages: ArrayLike,
            vcpu_to_vnode: ArrayLike,
            vcpu_to_pnode: ArrayLike,
            vcpu_to_pcpu: ArrayLike,
            empty_siblings: tuple[int, ...] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("vnode_pages", "home", "vcpu_to_vnode", "vcpu_to_pnode", "vcpu_to_pcpu"):
            object.__setattr__(self, name, read_only(getattr(self, name), name=name))
        object.__setattr__(self, "pages", read_only(self.pages, ndim=2, name="pages"))

    @property
    def num_vnodes(self) -> int:
        """How many vnodes the domain has."""
        return len(self.home)

    @property
    def pages_on(self) -> Ints:
        """The domain's pages by pnode, shape (P,); a new array."""
        return np.asarray(self.pages.sum(axis=0), dtype=np.int64)

    def __eq__(self, other: object) -> bool:
        return same_fields(self, other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Every placed domain, in the problem's order, and the names left out.

    ``domains`` are the placed ones, ``unplaced`` the names of the others.
    """

    domains: tuple[PlacedDomain, ...]
    unplaced: tuple[str, ...] = field(default=())

    def of(self, name: str) -> PlacedDomain:
        """Return the placed domain named ``name``; KeyError where it is not placed."""
        for placed in self.domains:
            if placed.domain == name:
                return placed
        raise KeyError(name)


def held_pages(domain: Domain, placed: PlacedDomain) -> Ints:
    """Return what a placed domain takes of each pnode: its pages, the toolstack's with vnode 0."""
    pages = placed.pages_on
    pages[placed.home[0]] += domain.overhead_pages
    return pages


def by_host(placed: Iterable[PlacedDomain]) -> dict[str, list[PlacedDomain]]:
    """Return the placed domains of each host by its name, in their order; none for empty hosts."""
    here: defaultdict[str, list[PlacedDomain]] = defaultdict(list)
    for answer in placed:
        here[answer.host].append(answer)
    return here
