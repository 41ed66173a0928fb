"""domains.toml: domains, groups and policy, with what xl.cfg cannot say (docs/domains-toml.md)."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np

from placer.arrays import ABSENT
from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.problem import Group
from placer.read.bounds import ENTRIES_OF_A_DOMAIN, entries_of_domain
from placer.read.domain_inline import AUTO, INLINE_KEYS, read_amounts, read_inline
from placer.read.domain_options import OPTION_KEYS, DomainShape, read_options
from placer.read.toml_fields import Fields, TomlDocument
from placer.read.xl_domain import read_xl
from placer.units import LOCAL_DISTANCE, REMOTE_DISTANCE

ROOT_KEYS: Final = ("policy", "group", "domain")
GROUP_KEYS: Final = ("name", "keep", "over")
DOMAIN_KEYS: Final = ("cfg", "count", *INLINE_KEYS, *OPTION_KEYS)
MOST_COPIES: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class DomainSet:
    """Domains to be placed, and what was given with them.

    ``domains`` and ``groups`` are for a `Problem`; ``warnings`` are what was replaced or passed
    over. ``policy`` is the name or the file of a policy, None where none was given;
    ``cfg_files`` are the resolved xl configurations that a domains.toml named.
    """

    domains: tuple[Domain, ...]
    groups: tuple[Group, ...] = ()
    warnings: list[Fault] = field(default_factory=list)
    policy: str | None = None
    cfg_files: frozenset[Path] = frozenset()


def read_domains_toml(
    path: Path,
    *,
    fallback: bool = False,
    ignore_pnodes: bool = False,
    warnings: list[Fault] | None = None,
) -> DomainSet:
    """Return what the file ``path`` states; names of files in it are relative to it.

    ``fallback`` and ``ignore_pnodes`` act on the xl configurations it names as in
    `read_xl`; ``ignore_pnodes`` drops its own requests for pnodes too (a given set to
    interleave over becomes a set of that size). Warnings are appended to ``warnings``
    too, also where reading fails. Raises InputError with every fault at once.
    """
    document = TomlDocument.read(path)
    reader = TableReader(document, path.parent, fallback, ignore_pnodes)
    root = Fields(document, (), document.root, ROOT_KEYS)
    policy = root.text("policy", "the name of a policy")
    if policy is not None and policy.endswith(".toml"):
        policy = str(path.parent / policy)
    groups = _read_groups(root)
    tables = root.tables("domain", DOMAIN_KEYS)
    if not tables and not document.faults:
        root.fault("domain", "no [[domain]]", "at least one")
    domains: list[Domain] = []
    for table in tables:
        domains.extend(reader.read(table))
    for name, count in Counter(domain.name for domain in domains).items():
        if count > 1:
            root.fault("domain", f"{count} domains named {name!r}", "unique names")
    if warnings is not None:
        warnings.extend(reader.warnings)
    document.raise_faults()
    return DomainSet(
        domains=tuple(domains),
        groups=groups,
        warnings=reader.warnings,
        policy=policy,
        cfg_files=frozenset(reader.cfg_files),
    )


def _read_groups(root: Fields) -> tuple[Group, ...]:
    groups: list[Group] = []
    names: set[str] = set()
    for table in root.tables("group", GROUP_KEYS):
        name = table.text("name", "a name")
        keep = table.choice("keep", ("together", "apart"))
        over = table.choice("over", ("hosts", "pnodes")) or "hosts"
        for key in ("name", "keep"):
            if key not in table:
                table.fault(key, f"no {key}", "name, and keep = together or apart")
        if name in names:
            table.fault("name", f"{name!r} again", "unique names of groups")
        if name is not None:
            names.add(name)
        if name is not None and keep is not None:
            groups.append(
                Group(
                    name=name,
                    keep=cast(Literal["together", "apart"], keep),
                    over=cast(Literal["hosts", "pnodes"], over),
                )
            )
    return tuple(groups)


class TableReader:
    """Reads the ``[[domain]]`` tables of one document."""

    def __init__(
        self, document: TomlDocument, folder: Path, fallback: bool, ignore_pnodes: bool
    ) -> None:
        self.document = document
        self.folder = folder
        self.fallback = fallback
        self.ignore_pnodes = ignore_pnodes
        self.warnings: list[Fault] = []
        self.cfg_files: set[Path] = set()

    def read(self, table: Fields) -> list[Domain]:
        """Return the domains of one table: ``count`` copies, or one; none where faulty."""
        noted = len(self.document.faults)
        if "cfg" in table:
            domain, shape, changes = self._read_cfg(table)
            vnodes, vcpus = shape.num_vnodes or 1, shape.num_vcpus or 1
            self.document.spend(table.path, entries_of_domain(vnodes, vcpus))
        else:
            amounts = read_amounts(table)
            vnodes, vcpus = amounts.num_vnodes or 1, amounts.num_vcpus or 1
            self.document.spend(table.path, entries_of_domain(vnodes, vcpus))
            domain = read_inline(table, amounts, ignore_pnodes=self.ignore_pnodes)
            changes = {}
            shape = DomainShape(
                num_vnodes=amounts.num_vnodes,
                num_vcpus=amounts.num_vcpus,
                auto_vnodes=amounts.auto_vnodes,
                mapped="vcpu_to_vnode" in table,
            )
        changes |= read_options(table, shape, self.folder, ignore_pnodes=self.ignore_pnodes)
        count = table.integer("count", 1, MOST_COPIES)
        if domain is None or len(self.document.faults) > noted:
            return []
        try:
            domain = replace(domain, **changes)
        except ValueError as error:
            self.document.fault(table.path, str(error), "fields that agree")
            return []
        if count is None:
            return [domain]
        self.document.spend(table.at("count"), count * ENTRIES_OF_A_DOMAIN)
        return [domain.named(f"{domain.name}-{number}") for number in range(count)]

    def _read_cfg(self, table: Fields) -> tuple[Domain | None, DomainShape, dict[str, Any]]:
        """Return the domain of the xl configuration, and what the table changes in it."""
        changes: dict[str, Any] = {}
        unknown = DomainShape(num_vnodes=None, num_vcpus=None)
        auto = [key for key in ("vnodes", "distances") if table.table.get(key) == AUTO]
        for key in table.given(*INLINE_KEYS):
            if key not in auto:
                only = f' ("{AUTO}" alone can stand here)' if key in ("vnodes", "distances") else ""
                table.fault(key, "cfg as well", f"the option in the xl.cfg file{only}")
        name = table.text("cfg", "the name of an xl.cfg file")
        if name is None:
            return None, unknown, changes
        path = self.folder / name
        try:
            domain, _ = read_xl(
                path,
                fallback=self.fallback,
                ignore_pnodes=self.ignore_pnodes,
                warnings=self.warnings,
            )
        except InputError as error:
            self.document.faults.extend(error.faults)
            return None, unknown, changes
        self.cfg_files.add(Path(os.path.realpath(path)))
        one = domain.num_vnodes == 1
        if "vnodes" in auto:
            changes |= {"auto_vnodes": True, "vcpu_to_vnode": None}
            if not one or domain.vnode_pnode[0] >= 0:
                found = "vnodes in the xl.cfg file" if not one else "a pnode in the xl.cfg file"
                table.fault("vnodes", found, f'no vNUMA option beside "{AUTO}"')
        if "distances" in auto:
            changes |= {"auto_distances": True, "distances": ABSENT}
            if not _are_default(domain):
                table.fault("distances", "distances in the xl.cfg file", "one of the two")
        shape = DomainShape(
            num_vnodes=domain.num_vnodes,
            num_vcpus=domain.num_vcpus,
            auto_vnodes="vnodes" in auto,
            mapped=domain.vcpu_to_vnode is not None and not one,
        )
        return domain, shape, changes


def _are_default(domain: Domain) -> bool:
    near_far = np.full_like(domain.distances, REMOTE_DISTANCE)
    np.fill_diagonal(near_far, LOCAL_DISTANCE)
    return bool((domain.distances == near_far).all())
