"""A question about a fleet: changes to what is given, and what may be done about them.

Each class named ``...Change`` is one operation of a scenario file (docs/whatif.md). Hosts and
domains are named by shell patterns (``"web-*"``), which have to match something. The values say
what is to change; `placer.whatif` makes the changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from placer.arrays import Ints
from placer.cpulist import CpuList
from placer.domain import Domain
from placer.host import Host, SmtMode
from placer.policy import Policy
from placer.problem import Group

Solving = Literal["fresh", "keep", "moves"]
"""What may become of domains that run and could stay.

``fresh``: all are placed anew. ``keep``: they stay. ``moves``: they may be moved, within the
scenario's limits.
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class AddHosts:
    """Hosts more, each with nothing of the base's on it."""

    hosts: tuple[Host, ...]


@dataclass(frozen=True, kw_only=True)
class TakeHosts:
    """Hosts that are gone (``fail``, ``remove``), or stay and are to be empty (``drain``)."""

    hosts: tuple[str, ...]
    how: Literal["fail", "remove", "drain"]


@dataclass(frozen=True, kw_only=True)
class FailPnodes:
    """Pnodes of hosts that lose their memory and their pcpus; the numbers of others stay."""

    hosts: tuple[str, ...]
    pnodes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FailPcpus:
    """Pcpus of hosts that are gone, by a CPU list."""

    hosts: tuple[str, ...]
    pcpus: CpuList


@dataclass(frozen=True, kw_only=True)
class FailMemory:
    """So many pages of a pnode that are gone, free ones first."""

    hosts: tuple[str, ...]
    pnode: int
    pages: int


@dataclass(frozen=True, eq=False, kw_only=True)
class ReplaceHosts:
    """Hosts that become machines like ``by``, under their own names."""

    hosts: tuple[str, ...]
    by: Host


@dataclass(frozen=True, kw_only=True)
class SplitPnodes:
    """Each pnode cut into ``into`` equal ones (NPS1 to NPS4, SNC on), ``distance`` apart."""

    hosts: tuple[str, ...]
    into: int
    distance: int


@dataclass(frozen=True, kw_only=True)
class MergePnodes:
    """The pnodes of each socket made one (NPS4 to NPS1, SNC off)."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SetHosts:
    """Other figures of hosts; what is None stays. ``distances``: a matrix, or (10, remote)."""

    hosts: tuple[str, ...]
    overcommit: Fraction | None = None
    reserve_pages: int | None = None
    distances: Ints | None = None
    smt: SmtMode | None = None
    smt_penalty: int = 0


@dataclass(frozen=True, kw_only=True)
class CountHosts:
    """So many hosts: the last ones are removed, or empty copies of the last one added."""

    number: int


@dataclass(frozen=True, eq=False, kw_only=True)
class AddDomains:
    """Domains more."""

    domains: tuple[Domain, ...]


@dataclass(frozen=True, kw_only=True)
class RemoveDomains:
    """Domains that are no longer there."""

    domains: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ResizeDomains:
    """Domains of another size: the figures that are not None."""

    domains: tuple[str, ...]
    memory_pages: int | None = None
    num_vcpus: int | None = None
    num_vnodes: int | None = None


@dataclass(frozen=True, kw_only=True)
class PinDomains:
    """Domains tied to pnodes (one for each vnode) or to pcpus; with neither, tied no more."""

    domains: tuple[str, ...]
    pnodes: tuple[int, ...] | None = None
    pcpus: CpuList | None = None


@dataclass(frozen=True, kw_only=True)
class LimitHosts:
    """Domains that may run on ``allowed`` alone (patterns; None for any), never on ``forbidden``.

    ``lift`` takes away what was asked before.
    """

    domains: tuple[str, ...]
    allowed: tuple[str, ...] | None = None
    forbidden: tuple[str, ...] = ()
    lift: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupDomains:
    """Domains put into a group, new or of the base."""

    domains: tuple[str, ...]
    group: Group


@dataclass(frozen=True, kw_only=True)
class Ungroup:
    """A group that no longer holds."""

    group: str


@dataclass(frozen=True, kw_only=True)
class SetPolicy:
    """Another policy."""

    policy: Policy


Change = (
    AddHosts
    | TakeHosts
    | FailPnodes
    | FailPcpus
    | FailMemory
    | ReplaceHosts
    | SplitPnodes
    | MergePnodes
    | SetHosts
    | CountHosts
    | AddDomains
    | RemoveDomains
    | ResizeDomains
    | PinDomains
    | LimitHosts
    | GroupDomains
    | Ungroup
    | SetPolicy
)


_OPS: Final[dict[type, str]] = {
    AddHosts: "add-host",
    FailPnodes: "fail-pnode",
    FailPcpus: "fail-pcpus",
    FailMemory: "fail-memory",
    ReplaceHosts: "replace-host",
    SplitPnodes: "split-pnodes",
    MergePnodes: "merge-pnodes",
    SetHosts: "set-host",
    CountHosts: "count-hosts",
    AddDomains: "add",
    RemoveDomains: "remove",
    ResizeDomains: "resize",
    PinDomains: "pin",
    GroupDomains: "group",
    Ungroup: "ungroup",
    SetPolicy: "set-policy",
}


def op_of(change: Change) -> str:
    """Return the operation of a scenario file that a change is."""
    if isinstance(change, TakeHosts):
        return f"{change.how}-host"
    if isinstance(change, LimitHosts):
        if change.lift:
            return "allow-any-host"
        return "forbid-hosts" if change.allowed is None else "allow-hosts"
    if isinstance(change, PinDomains) and change.pnodes is None and change.pcpus is None:
        return "unpin"
    return _OPS[type(change)]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A name, changes in their order, and what may be moved to answer them.

    ``max_moves`` and ``max_moved_pages`` limit what happens to domains that could stay, with
    ``solve="moves"``; those that lose their place do not count.
    """

    name: str
    changes: tuple[Change, ...] = ()
    solve: Solving = "keep"
    max_moves: int | None = None
    max_moved_pages: int | None = None
