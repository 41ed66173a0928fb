"""Scenario files: which questions are asked of a base (docs/whatif.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.errors import InputError
from placer.host import Host, SmtMode
from placer.problem import Group
from placer.read.bounds import ENTRIES_OF_A_DOMAIN, ENTRIES_OF_A_HOST, entries_of_host
from placer.read.domain_inline import MOST_VNODES
from placer.read.domain_options import MOST_VCPUS
from placer.read.domains_toml import DOMAIN_KEYS, MOST_COPIES, TableReader
from placer.read.host_layout import MOST_OVERCOMMIT, MOST_PNODES, parse_smt
from placer.read.policies import read_policy
from placer.read.sources import read_hosts
from placer.read.synthetic import is_synthetic
from placer.read.toml_fields import Fields, TomlDocument, describe
from placer.scenario import (
    AddDomains,
    AddHosts,
    Change,
    CountHosts,
    FailMemory,
    FailPcpus,
    FailPnodes,
    GroupDomains,
    LimitHosts,
    MergePnodes,
    PinDomains,
    RemoveDomains,
    ReplaceHosts,
    ResizeDomains,
    Scenario,
    SetHosts,
    SetPolicy,
    Solving,
    SplitPnodes,
    TakeHosts,
    Ungroup,
)
from placer.units import LOCAL_DISTANCE, PAGES_PER_MIB, UNREACHABLE

ROOT_KEYS: Final = ("shape", "scenario")
SCENARIO_KEYS: Final = ("name", "solve", "max_moves", "max_moved_gib", "changes")
SOLVING: Final = ("fresh", "keep", "moves")
MOST_HOSTS: Final = 100_000

_HOSTS: Final = "names of hosts, or patterns"
_DOMAINS: Final = "names of domains, or patterns"


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Return the scenarios of the file ``path``, in its order.

    Files that it names are relative to it. Raises InputError with every fault at once.
    """
    document = TomlDocument.read(path)
    root = Fields(document, (), document.root, ROOT_KEYS)
    shapes = _read_shapes(root, path.parent)
    tables = root.tables("scenario", SCENARIO_KEYS)
    if not tables and not document.faults:
        root.fault("scenario", "no [[scenario]]", "at least one")
    reader = _Changes(shapes, path.parent)
    found = [scenario for table in tables if (scenario := _read_scenario(table, reader))]
    names: set[str] = set()
    for table in tables:
        name = table.table.get("name")
        if isinstance(name, str):
            if name in names:
                table.fault("name", f"{name!r} again", "unique names of scenarios")
            names.add(name)
    document.raise_faults()
    return tuple(found)


def _read_shapes(root: Fields, folder: Path) -> dict[str, Domain]:
    known = tuple(key for key in DOMAIN_KEYS if key != "count")
    shapes: dict[str, Domain] = {}
    for table in root.tables("shape", known):
        reader = TableReader(table.document, folder, False, False)
        for domain in reader.read(table):
            if domain.name in shapes:
                table.fault("name", f"{domain.name!r} again", "unique names of shapes")
            shapes[domain.name] = domain
    return shapes


def _read_scenario(table: Fields, reader: _Changes) -> Scenario | None:
    noted = len(table.document.faults)
    name = table.text("name", "a name")
    if "name" not in table:
        table.fault("name", "no name", "a name")
    solve = table.choice("solve", SOLVING) or "keep"
    moves = table.integer("max_moves", 0, MOST_COPIES)
    gib = None
    if "max_moved_gib" in table:
        expected = "GiB, 0 or more"
        gib = table.document.number(
            table.at("max_moved_gib"), table.table["max_moved_gib"], expected
        )
        if gib is not None and gib < 0:
            table.fault("max_moved_gib", describe(table.table["max_moved_gib"]), expected)
    for key in table.given("max_moves", "max_moved_gib"):
        if solve != "moves":
            table.fault(key, f'solve = "{solve}"', 'together with solve = "moves"')
    changes = [
        change for own in table.tables("changes", reader.keys) if (change := reader.read(own))
    ]
    if name is None or len(table.document.faults) > noted:
        return None
    return Scenario(
        name=name,
        changes=tuple(changes),
        solve=cast(Solving, solve),
        max_moves=moves,
        max_moved_pages=None if gib is None else int(gib * 1024 * PAGES_PER_MIB),
    )


@dataclass(frozen=True)
class _Kind:
    """One ``op``: the keys that it takes, those that it needs, and what reads them."""

    read: Callable[[_Changes, Fields], Change | None]
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    needs_one_of: bool = False
    """Whether one of what it takes has to be there: it would change nothing without."""

    @property
    def keys(self) -> set[str]:
        """Every key that may stand beside ``op``; ``a|b`` are two that mean the same."""
        return {part for key in (*self.needs, *self.takes) for part in key.split("|")}


class _Changes:
    """Reads the changes of scenarios."""

    def __init__(self, shapes: dict[str, Domain], folder: Path) -> None:
        self.shapes = shapes
        self.folder = folder
        self.keys = ("op", *sorted(set().union(*(kind.keys for kind in KINDS.values()))))

    def read(self, table: Fields) -> Change | None:
        """Return the change that ``table`` states, None where it is faulty."""
        document = table.document
        noted = len(document.faults)
        if "op" not in table:
            table.fault("op", "no op", f"one of {', '.join(KINDS)}")
            return None
        name = table.choice("op", tuple(KINDS))
        if name is None or name not in KINDS:
            return None
        kind = KINDS[name]
        for key in kind.needs:
            if not table.given(*key.split("|")):
                table.fault(key.split("|")[0], "absent", f"what {name} needs")
        if kind.needs_one_of and not table.given(*kind.takes):
            table.fault("op", f"{name} with nothing to change", f"one of {', '.join(kind.takes)}")
        for key in sorted(table.table.keys() & set(self.keys) - kind.keys - {"op"}):
            table.fault(key, f'op = "{name}"', f"one of {', '.join(sorted(kind.keys))}")
        if len(document.faults) > noted:
            return None
        change = kind.read(self, table)
        return change if len(document.faults) == noted else None

    # -- hosts ---------------------------------------------------------------------

    def hosts(self, table: Fields) -> tuple[str, ...]:
        """Return the names under ``host`` or ``hosts``."""
        return _names(table, "host", "hosts", _HOSTS)

    def source(self, table: Fields) -> tuple[Host, ...]:
        """Return the hosts that ``from`` names: a file, a folder, or a synthetic host."""
        text = table.text("from", "an inventory or a synthetic host")
        if text is None:
            return ()
        argument = text if is_synthetic(text) else str(self.folder / text)
        try:
            found = read_hosts([argument])[0]
            asked = sum(entries_of_host(host.num_pnodes, host.num_pcpus) for host in found)
            table.document.spend(table.at("from"), asked)
            return found
        except InputError as error:
            _pass_on(table, "from", error)
            return ()

    def add_host(self, table: Fields) -> Change | None:
        found = self.source(table)
        name = table.text("name", "a name")
        count = table.integer("count", 1, MOST_HOSTS)
        if (name is not None or count is not None) and len(found) > 1:
            table.fault("from", f"{len(found)} hosts", "one, where name or count is given")
        if not found:
            return None
        if name is not None or count is not None:
            name = name or found[0].name
            table.document.spend(table.at("count"), (count or 1) * ENTRIES_OF_A_HOST)
            names = [name] if count is None else [f"{name}-{number}" for number in range(count)]
            found = tuple(replace(found[0], name=each) for each in names)
        return AddHosts(hosts=found)

    def take(self, table: Fields) -> Change | None:
        how = cast(Literal["fail", "remove", "drain"], table.table["op"].partition("-")[0])
        return TakeHosts(hosts=self.hosts(table), how=how)

    def fail_pnode(self, table: Fields) -> Change | None:
        return FailPnodes(hosts=self.hosts(table), pnodes=_pnodes(table))

    def fail_pcpus(self, table: Fields) -> Change | None:
        pcpus = _cpus(table, "pcpus")
        return None if pcpus is None else FailPcpus(hosts=self.hosts(table), pcpus=pcpus)

    def fail_memory(self, table: Fields) -> Change | None:
        pages, pnode = table.pages("memory"), table.integer("pnode", 0, MOST_PNODES - 1)
        if pages is None or pnode is None:
            return None
        return FailMemory(hosts=self.hosts(table), pnode=pnode, pages=pages)

    def replace_host(self, table: Fields) -> Change | None:
        found = self.source(table)
        if len(found) != 1:
            if found:
                table.fault("from", f"{len(found)} hosts", "one")
            return None
        return ReplaceHosts(hosts=self.hosts(table), by=found[0])

    def split_pnodes(self, table: Fields) -> Change | None:
        into = table.integer("into", 2, MOST_PNODES)
        distance = table.integer("distance", LOCAL_DISTANCE, UNREACHABLE - 1)
        if into is None or (distance is None and "distance" in table):
            return None
        return SplitPnodes(hosts=self.hosts(table), into=into, distance=distance or 12)

    def merge_pnodes(self, table: Fields) -> Change | None:
        return MergePnodes(hosts=self.hosts(table))

    def set_hosts(self, table: Fields) -> Change | None:
        overcommit, distances = None, None
        smt: tuple[str | None, int] = (None, 0)
        if "overcommit" in table:
            expected = f"a number above 0, {MOST_OVERCOMMIT} at most"
            value = table.table["overcommit"]
            overcommit = table.document.number(table.at("overcommit"), value, expected)
            if overcommit is not None and not 0 < overcommit <= MOST_OVERCOMMIT:
                table.fault("overcommit", describe(value), expected)
        if "distances" in table:
            distances = _distances(table)
        if "smt" in table:
            text = table.text("smt", "threads, cores or penalty=W")
            parsed = None if text is None else parse_smt(text)
            if text is not None and parsed is None:
                table.fault("smt", describe(text), '"threads", "cores" or "penalty=W"')
            smt = parsed or (None, 0)
        return SetHosts(
            hosts=self.hosts(table),
            overcommit=overcommit,
            reserve_pages=table.pages("reserve"),
            distances=distances,
            smt=cast("SmtMode | None", smt[0]),
            smt_penalty=smt[1],
        )

    def count_hosts(self, table: Fields) -> Change | None:
        count = table.integer("count", 1, MOST_HOSTS)
        return None if count is None else CountHosts(number=count)

    # -- domains -------------------------------------------------------------------

    def domains(self, table: Fields) -> tuple[str, ...]:
        """Return the names under ``domain`` or ``domains``."""
        return _names(table, "domain", "domains", _DOMAINS)

    def add(self, table: Fields) -> Change | None:
        shape = table.text("shape", "the name of a [[shape]]")
        count = table.integer("count", 1, MOST_COPIES)
        name = table.text("name", "a name")
        if shape is None:
            return None
        if shape not in self.shapes:
            table.fault("shape", repr(shape), "the name of a [[shape]] of this file")
            return None
        table.document.spend(table.at("count"), (count or 1) * ENTRIES_OF_A_DOMAIN)
        return AddDomains(domains=copies_of(self.shapes[shape], count, name))

    def remove(self, table: Fields) -> Change | None:
        return RemoveDomains(domains=self.domains(table))

    def resize(self, table: Fields) -> Change | None:
        memory = table.pages("memory")
        if memory == 0:
            table.fault("memory", "no memory", "some memory")
        return ResizeDomains(
            domains=self.domains(table),
            memory_pages=memory,
            num_vcpus=table.integer("vcpus", 1, MOST_VCPUS),
            num_vnodes=table.integer("vnodes", 1, MOST_VNODES),
        )

    def pin(self, table: Fields) -> Change | None:
        pnodes = _pnodes(table) if table.given("pnode", "pnodes") else None
        return PinDomains(domains=self.domains(table), pnodes=pnodes, pcpus=_cpus(table, "pcpus"))

    def unpin(self, table: Fields) -> Change | None:
        return PinDomains(domains=self.domains(table))

    def allow(self, table: Fields) -> Change | None:
        return LimitHosts(domains=self.domains(table), allowed=self.hosts(table))

    def forbid(self, table: Fields) -> Change | None:
        return LimitHosts(domains=self.domains(table), forbidden=self.hosts(table))

    def allow_any(self, table: Fields) -> Change | None:
        return LimitHosts(domains=self.domains(table), lift=True)

    def group(self, table: Fields) -> Change | None:
        name = table.text("name", "a name")
        keep = table.choice("keep", ("together", "apart"))
        over = table.choice("over", ("hosts", "pnodes")) or "hosts"
        if name is None or keep is None:
            return None
        group = Group(
            name=name,
            keep=cast(Literal["together", "apart"], keep),
            over=cast(Literal["hosts", "pnodes"], over),
        )
        return GroupDomains(domains=self.domains(table), group=group)

    def ungroup(self, table: Fields) -> Change | None:
        name = table.text("name", "a name")
        return None if name is None else Ungroup(group=name)

    def policy(self, table: Fields) -> Change | None:
        name = table.text("policy", "the name of a policy, or a file of one")
        if name is None:
            return None
        try:
            return SetPolicy(
                policy=read_policy(self.folder / name if name.endswith(".toml") else name)
            )
        except InputError as error:
            _pass_on(table, "policy", error)
            return None


def _pass_on(table: Fields, key: str, error: InputError) -> None:
    """Note the faults of what ``key`` names; those that have no line of their own as its own."""
    for fault in error.faults:
        if fault.line is None:
            table.fault(key, f"{describe(table.table[key])}: {fault.found}", fault.expected)
        else:
            table.document.faults.append(fault)


def copies_of(shape: Domain, count: int | None, name: str | None = None) -> tuple[Domain, ...]:
    """Return ``count`` domains of a shape, ``name-0``, ``name-1`` and so on; one without."""
    name = name or shape.name
    if count is None:
        return (replace(shape, name=name),)
    return tuple(replace(shape, name=f"{name}-{number}") for number in range(count))


def _names(table: Fields, one: str, many: str, expected: str) -> tuple[str, ...]:
    if one in table and many in table:
        table.fault(one, f"{many} as well", "one of the two")
    if many in table:
        return table.texts(many, expected) or ()
    name = table.text(one, expected)
    return () if name is None else (name,)


def _pnodes(table: Fields) -> tuple[int, ...]:
    if "pnodes" in table:
        expected = "a list of pnodes"
        return tuple(table.integers("pnodes", 0, MOST_PNODES - 1, expected) or ())
    number = table.integer("pnode", 0, MOST_PNODES - 1)
    return () if number is None else (number,)


def _cpus(table: Fields, key: str) -> CpuList | None:
    text = table.text(key, 'a CPU list such as "0-3,^1" or "nodes:1"')
    if text is None:
        return None
    try:
        return CpuList.parse(text)
    except ValueError as error:
        table.fault(key, str(error), 'a CPU list such as "0-3,^1" or "nodes:1"')
        return None


def _distances(table: Fields) -> Any:
    value = table.table["distances"]
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_PNODES:
        table.fault("distances", describe(value), "[10, remote], or a row for each pnode")
        return None
    if not any(isinstance(item, list) for item in value):
        row = table.document.matrix(table.at("distances"), value, 2)
        return None if row is None else np.array(row[0])
    rows = table.document.matrix(table.at("distances"), value, len(value))
    return None if rows is None else np.array(rows)


_HOST: Final = ("host|hosts",)
_DOMAIN: Final = ("domain|domains",)

KINDS: Final[dict[str, _Kind]] = {
    "add-host": _Kind(_Changes.add_host, ("from",), ("name", "count")),
    "remove-host": _Kind(_Changes.take, _HOST),
    "fail-host": _Kind(_Changes.take, _HOST),
    "drain-host": _Kind(_Changes.take, _HOST),
    "fail-pnode": _Kind(_Changes.fail_pnode, (*_HOST, "pnode|pnodes")),
    "fail-pcpus": _Kind(_Changes.fail_pcpus, (*_HOST, "pcpus")),
    "fail-memory": _Kind(_Changes.fail_memory, (*_HOST, "pnode", "memory|memory_pages")),
    "replace-host": _Kind(_Changes.replace_host, (*_HOST, "from")),
    "split-pnodes": _Kind(_Changes.split_pnodes, (*_HOST, "into"), ("distance",)),
    "merge-pnodes": _Kind(_Changes.merge_pnodes, _HOST),
    "set-host": _Kind(
        _Changes.set_hosts,
        _HOST,
        ("overcommit", "reserve", "reserve_pages", "distances", "smt"),
        True,
    ),
    "count-hosts": _Kind(_Changes.count_hosts, ("count",)),
    "add": _Kind(_Changes.add, ("shape",), ("count", "name")),
    "remove": _Kind(_Changes.remove, _DOMAIN),
    "resize": _Kind(_Changes.resize, _DOMAIN, ("memory", "memory_pages", "vcpus", "vnodes"), True),
    "pin": _Kind(_Changes.pin, _DOMAIN, ("pnode", "pnodes", "pcpus"), True),
    "unpin": _Kind(_Changes.unpin, _DOMAIN),
    "allow-hosts": _Kind(_Changes.allow, (*_DOMAIN, *_HOST)),
    "forbid-hosts": _Kind(_Changes.forbid, (*_DOMAIN, *_HOST)),
    "allow-any-host": _Kind(_Changes.allow_any, _DOMAIN),
    "group": _Kind(_Changes.group, (*_DOMAIN, "name", "keep"), ("over",)),
    "ungroup": _Kind(_Changes.ungroup, ("name",)),
    "set-policy": _Kind(_Changes.policy, ("policy",)),
}
"""The operations of scenario files by name."""
