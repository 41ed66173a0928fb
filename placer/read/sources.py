"""Arguments that name hosts or domains: files, folders, globs, runs, synthetic hosts."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from placer.domain import Domain
from placer.errors import Fault, InputError
from placer.host import Host
from placer.problem import DOM0_NAMES, Group, Running, join_groups
from placer.read.domain_formats import (
    OWN_KEYS,
    SUFFIXES,
    Reading,
    may_hold_domains,
    read_domain_file,
)
from placer.read.domains_toml import DomainSet
from placer.read.host_formats import is_foreign, read_foreign
from placer.read.inventory import read_inventory
from placer.read.synthetic import is_synthetic, parse_synthetic
from placer.text_file import is_file_name, is_folder, read_text

if TYPE_CHECKING:
    from placer.run import Movable

Kind = Literal["hosts", "domains"]

_SUFFIXES: Final[dict[Kind, tuple[str, ...]]] = {
    "hosts": (".toml",),
    "domains": SUFFIXES,
}
_EXPECTED: Final[dict[Kind, str]] = {
    "hosts": "an inventory, a folder, a glob, a run, a synthetic host or a program's output",
    "domains": "an xl.cfg, .toml, .csv, .xml, .json or .conf file, a folder or a glob",
}


@dataclass
class _Named:
    """Hosts or domains so far, with where each name came from."""

    sources: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, kind: str, name: str, source: str) -> None:
        if name in self.sources:
            other = self.sources[name]
            where = "there twice" if other == source else f"in {other} too"
            found = f"{kind} {name!r}, {where}"
            self.faults.append(
                Fault(source=source, field="name", found=found, expected="unique names")
            )
        self.sources.setdefault(name, source)


Named = str | Path | Sequence[str | Path]


def _listed(args: Named) -> list[str]:
    """Return one name, or several, as a list: text alone is not a list of its letters."""
    return [str(args)] if isinstance(args, (str, Path)) else [str(arg) for arg in args]


def read_hosts(args: str | Path | Sequence[str | Path]) -> tuple[tuple[Host, ...], list[Fault]]:
    """Return the hosts that ``args``, one or several, name, in their order, and the warnings.

    Each is an inventory file, a folder or a glob of them, the folder of a finished
    run (the hosts as it leaves them), a synthetic host such as ``"pnode:2 core:4
    memory:16GiB"``, or a file or a tree of sysfs in which another program describes a whole
    host (docs/inventory.md; a glob stands for such files too, a folder does not). Several
    synthetic hosts without a name are host0, host1 and so on.
    Raises InputError with the faults of all arguments, two hosts of one name among them.
    """
    found = read_start(args, rebalance=False)
    return found.hosts, found.warnings


@dataclass(frozen=True, kw_only=True)
class Start:
    """Hosts with what may be moved on them: the domains that finished runs have placed.

    ``domains``, ``groups`` and ``current`` are for the `Problem`, before what is new; empty
    where running domains are left where they are.
    """

    hosts: tuple[Host, ...]
    warnings: list[Fault]
    domains: tuple[Domain, ...] = ()
    groups: tuple[Group, ...] = ()
    current: tuple[Running, ...] = ()


def read_start(args: Named, *, rebalance: bool) -> Start:
    """Return what the arguments of `read_hosts` name, with what may be moved there.

    With ``rebalance`` the domains that a finished run has placed may be moved. Of the other
    domains that run on a host, dom0 apart, a warning says that they stay: where the vnodes of
    a domain are is known from the run that placed it alone. Raises InputError as `read_hosts`
    does.
    """
    args = _listed(args)
    warnings: list[Fault] = []
    named = _Named()
    hosts: list[Host] = []
    movables: list[Movable] | None = [] if rebalance else None
    synthetic = [arg for arg in args if _is_synthetic(arg)]
    numbers = iter(range(len(synthetic)))
    for arg in args:
        try:
            if _is_synthetic(arg):
                number = next(numbers)
                name = "host" if len(synthetic) == 1 else f"host{number}"
                found = [parse_synthetic(arg, name)]
            else:
                found = list(_read_host_paths(arg, warnings, movables))
        except InputError as error:
            named.faults.extend(error.faults)
            continue
        for host in found:
            named.add("host", host.name, host.source or arg)
        hosts.extend(found)
    if not args:
        named.faults.append(
            Fault(source="hosts", field="host", found="none", expected=_EXPECTED["hosts"])
        )
    if named.faults:
        raise InputError(named.faults)
    if movables is None:
        return Start(hosts=tuple(hosts), warnings=warnings)
    warnings.extend(_stays(host) for host in hosts if _of_unknown_vnodes(host))
    groups: tuple[Group, ...] = ()
    for movable in movables:
        groups = join_groups(groups, movable.groups)
    return Start(
        hosts=tuple(hosts),
        warnings=warnings,
        domains=tuple(domain for movable in movables for domain in movable.domains),
        groups=groups,
        current=tuple(running for movable in movables for running in movable.current),
    )


def _of_unknown_vnodes(host: Host) -> list[str]:
    """The domains on a host, dom0 apart, of which no vnodes are known."""
    return [run.name for run in host.running if run.domid != 0 and run.name not in DOM0_NAMES]


def _stays(host: Host) -> Fault:
    names = _of_unknown_vnodes(host)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Fault(
        source=host.source or "hosts",
        field=f"running domains of {host.name}",
        found=f"{shown}, of which no vnodes are known: they stay where they are",
        expected="the run that placed them as --host, where they are to be moved",
    )


def read_domains(
    args: str | Path | Sequence[str | Path],
    *,
    fallback: bool = False,
    ignore_pnodes: bool = False,
    warnings: list[Fault] | None = None,
) -> DomainSet:
    """Return the domains that ``args``, one or several, name, in their order, in one set.

    Each is a file of domains in any format of docs/domains.md, or a folder
    or a glob of them; there, a configuration that a domains.toml beside it names is read
    through that alone, and files that hold no domains are passed over. With ``fallback`` faulty
    vNUMA options give way to their defaults, with a warning; with ``ignore_pnodes`` the pnodes
    that domains name are passed over. Warnings are appended to ``warnings`` too, also where
    reading fails.
    Raises InputError with the faults of all arguments, two domains of one name or two
    policies among them.
    """
    args = _listed(args)
    joined = _Joined()

    # The warnings of a faulty file are kept.
    reading = Reading(fallback=fallback, ignore_pnodes=ignore_pnodes, warnings=joined.warnings)
    for arg in args:
        try:
            paths, many = _paths(arg, "domains")
        except InputError as error:
            joined.named.faults.extend(error.faults)
            continue
        for path, found in _read_all(paths, many, reading, joined.named.faults):
            joined.add(found, str(path))
    if not args:
        joined.named.faults.append(
            Fault(source="domains", field="domain", found="none", expected=_EXPECTED["domains"])
        )
    if warnings is not None:
        warnings.extend(joined.warnings)
    if joined.named.faults:
        raise InputError(joined.named.faults)
    return DomainSet(
        domains=tuple(joined.domains),
        groups=tuple(joined.groups.values()),
        warnings=joined.warnings,
        policy=joined.policy,
        cfg_files=frozenset(joined.cfg_files),
    )


class _Joined:
    """Several sets of domains made one, and what contradicts."""

    def __init__(self) -> None:
        self.named = _Named()
        self.domains: list[Domain] = []
        self.groups: dict[str, Group] = {}
        self.warnings: list[Fault] = []
        self.policy: str | None = None
        self.policy_source = ""
        self.cfg_files: set[Path] = set()

    def add(self, found: DomainSet, source: str) -> None:
        for domain in found.domains:
            self.named.add("domain", domain.name, domain.source or source)
        self.domains.extend(found.domains)
        for group in found.groups:
            if self.groups.setdefault(group.name, group) != group:
                self._contradiction(source, "group", f"{group.name!r}, otherwise elsewhere")
        if found.policy is not None:
            if self.policy not in (None, found.policy):
                told = f"{found.policy!r}, but {self.policy!r} in {self.policy_source}"
                self._contradiction(source, "policy", told)
            elif self.policy is None:
                self.policy, self.policy_source = found.policy, source
        self.cfg_files |= found.cfg_files

    def _contradiction(self, source: str, name: str, found: str) -> None:
        self.named.faults.append(
            Fault(source=source, field=name, found=found, expected=f"one {name} of that meaning")
        )


def _read_all(
    paths: list[Path],
    many: bool,
    reading: Reading,
    faults: list[Fault],
) -> Iterator[tuple[Path, DomainSet]]:
    """Yield what each file holds, in order.

    What may name others is read first: they are then not read twice where the argument
    stood for ``many`` files.
    """
    sets: dict[Path, DomainSet] = {}
    named: set[Path] = set()
    for path in sorted(paths, key=lambda path: path.suffix not in (".toml", ".csv")):
        if many and Path(os.path.realpath(path)) in named:
            continue
        try:
            sets[path] = read_domain_file(path, reading)
        except InputError as error:
            faults.extend(error.faults)
            continue
        named |= sets[path].cfg_files
    for path in paths:
        if path in sets:
            yield path, sets[path]


def _is_synthetic(arg: str) -> bool:
    return is_synthetic(arg) and not is_file_name(arg)


def _read_host_paths(
    arg: str, warnings: list[Fault], movables: list[Movable] | None
) -> Iterator[Host]:
    """Yield the hosts of all files and runs that ``arg`` stands for."""
    faults: list[Fault] = []
    for path in _paths(arg, "hosts")[0]:
        try:
            if is_folder(path) and _is_run(path):
                yield from _read_run(path, warnings, movables)
            elif is_folder(path) or (path.suffix != ".toml" and is_foreign(path)):
                yield from read_foreign(path, warnings)
            else:
                yield from read_inventory(path, warnings=warnings)
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)


def _read_run(
    folder: Path, warnings: list[Fault], movables: list[Movable] | None
) -> Iterator[Host]:
    """Yield the hosts of a run as it leaves them, or as it found them with what may be moved."""
    from placer.run import hosts_after, movable_after, read_run

    run = read_run(folder, warnings=warnings)
    if movables is None:
        hosts = hosts_after(run)
    else:
        movables.append(movable_after(run))
        hosts = movables[-1].hosts
    for host in hosts:
        yield replace(host, source=str(folder))


def _is_run(folder: Path) -> bool:
    from placer.run import is_run

    return is_run(folder)


def _is_host(path: Path) -> bool:
    """Whether a match of a glob is a run, a tree of sysfs or another program's output."""
    if is_folder(path):
        return _is_run(path) or is_foreign(path)
    return path.suffix != ".toml" and is_foreign(path)


def _paths(arg: str, kind: Kind) -> tuple[list[Path], bool]:
    """Return the files (for hosts, runs too) of ``arg``, and whether it stands for many.

    In a folder and among the matches of a glob, files of other kinds are passed over.
    """

    def refuse(found: str, expected: str = "") -> InputError:
        expected = expected or _EXPECTED[kind]
        return InputError(Fault(source=arg or "''", field=kind, found=found, expected=expected))

    if is_file_name(arg):
        path = Path(arg)
        if not is_folder(path) or (kind == "hosts" and (_is_run(path) or is_foreign(path))):
            return [path], False
        try:
            matches = sorted(path.iterdir())
        except OSError as error:
            raise refuse((error.strerror or "an error").lower()) from None
    elif glob.has_magic(arg) and "\0" not in arg:
        # Path.glob takes no absolute pattern.
        matches = [Path(match) for match in sorted(glob.glob(arg, recursive=True))]  # noqa: PTH207
        if not matches:
            raise refuse("no match")
    else:
        raise refuse("no such file")
    suffixes = _SUFFIXES[kind]
    kept = [path for path in matches if path.suffix in suffixes and _may_hold(path, kind)]
    if kind == "hosts" and not is_file_name(arg):
        kept = [path for path in matches if path in kept or _is_host(path)]
    if not kept:
        names = " or ".join(f"*{suffix}" for suffix in suffixes)
        raise refuse(f"no {names} file with {kind}", f"at least one with {kind}")
    return kept, True


def _may_hold(path: Path, kind: Kind) -> bool:
    """Return False for folders, and for files that hold the other kind alone."""
    if is_folder(path):
        return False
    return may_hold_domains(path) if kind == "domains" else _may_hold_hosts(path)


def _may_hold_hosts(path: Path) -> bool:
    """Return False for TOML files that hold domains alone."""
    try:
        keys = tomllib.loads(read_text(path)).keys()
    except (InputError, ValueError, RecursionError):
        # What is wrong with it is said when it is read in earnest.
        return True
    return "host" in keys or not keys & OWN_KEYS
