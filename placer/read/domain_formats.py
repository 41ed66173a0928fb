"""Files that describe domains: which program's they are, told by name and content."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from placer.errors import Fault, InputError
from placer.read.domains_toml import DomainSet, read_domains_toml
from placer.read.xl_domain import read_xl
from placer.text_file import is_file, read_text

SUFFIXES: Final = (".cfg", ".toml", ".xml", ".json", ".csv", ".conf")
"""Of files that may hold domains, where an argument is a folder or a glob."""
OWN_KEYS: Final = frozenset({"domain", "group"})
"""Of a TOML file that holds domains."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How domains are read: options of `placer.read.sources.read_domains`, and the warnings."""

    fallback: bool
    ignore_pnodes: bool
    warnings: list[Fault]


def read_domain_file(path: Path, reading: Reading) -> DomainSet:
    """Return the domains of one file, in whatever format it is.

    A name that ends in ``.toml`` is a domains.toml, one that ends in ``.cfg`` an xl.cfg. Of
    others, libvirt's XML, flavors as JSON or CSV, Proxmox' and placer's own CSV are known by
    their content, and what is none of them is read as an xl.cfg. Raises InputError.
    """
    if path.suffix == ".toml":
        return read_domains_toml(
            path,
            fallback=reading.fallback,
            ignore_pnodes=reading.ignore_pnodes,
            warnings=reading.warnings,
        )
    if path.suffix != ".cfg" and is_file(path):
        text = read_text(path)
        read = _reader_of(path, text)
        if read is not None:
            return read(path, text, reading)
    domain, _ = read_xl(
        path,
        fallback=reading.fallback,
        ignore_pnodes=reading.ignore_pnodes,
        warnings=reading.warnings,
    )
    return DomainSet(domains=(domain,))


def may_hold_domains(path: Path) -> bool:
    """Whether a file of a folder is one of domains, as far as a glance tells.

    What cannot be read is kept: what is wrong with it is said when it is read in earnest.
    """
    if path.suffix == ".cfg":
        return True
    try:
        text = read_text(path)
    except InputError:
        return True
    if path.suffix == ".toml":
        return _is_toml_of_domains(text)
    if path.suffix == ".csv":
        return bool({"name", "cfg"} & set(_header(text)))
    if path.suffix == ".xml":
        return _is_libvirt(text)
    if path.suffix == ".json":
        return '"vcpus"' in text.lower() and '"ram"' in text.lower()
    return True


def _is_toml_of_domains(text: str) -> bool:
    """False for TOML files that hold hosts alone."""
    try:
        keys = tomllib.loads(text).keys()
    except (ValueError, RecursionError):
        return True
    return "host" not in keys or bool(keys & OWN_KEYS)


Reader = Callable[[Path, str, Reading], DomainSet]


def _reader_of(path: Path, text: str) -> Reader | None:
    """Return what reads the text, None for an xl.cfg."""
    from placer.read.proxmox import is_proxmox

    start = text.lstrip("\ufeff \t\r\n")[:1]
    if path.suffix == ".csv":
        return _csv
    if path.suffix == ".xml" or start == "<":
        return _libvirt
    if path.suffix == ".json" or start == "{":
        return _flavors
    return _proxmox if is_proxmox(text) else None


def _is_libvirt(text: str) -> bool:
    from placer.read.xml_document import root_tag

    return root_tag(text) == "domain"


def _header(text: str) -> list[str]:
    """Return the names in the first row that is not empty."""
    first = next((line for line in text.lstrip("\ufeff").splitlines() if line.strip()), "")
    try:
        return [cell.strip().lower() for cell in next(csv.reader([first]), [])]
    except csv.Error:
        return []


def _libvirt(path: Path, text: str, reading: Reading) -> DomainSet:
    from placer.read.libvirt_domain import parse_libvirt_domain

    domain = parse_libvirt_domain(
        text, str(path), ignore_pnodes=reading.ignore_pnodes, warnings=reading.warnings
    )
    return DomainSet(domains=(domain,))


def _flavors(path: Path, text: str, reading: Reading) -> DomainSet:
    from placer.read.openstack_flavor import read_flavors_json

    return DomainSet(domains=tuple(read_flavors_json(text, path, warnings=reading.warnings)))


def _proxmox(path: Path, text: str, reading: Reading) -> DomainSet:
    from placer.read.proxmox import parse_proxmox

    domain = parse_proxmox(
        text, path, ignore_pnodes=reading.ignore_pnodes, warnings=reading.warnings
    )
    return DomainSet(domains=(domain,))


def _csv(path: Path, text: str, reading: Reading) -> DomainSet:
    from placer.read.openstack_flavor import is_flavor_table, read_flavors_csv

    if is_flavor_table(_header(text)):
        return DomainSet(domains=tuple(read_flavors_csv(text, path, warnings=reading.warnings)))
    from placer.read.domains_csv import read_domains_csv

    return read_domains_csv(
        text,
        path,
        fallback=reading.fallback,
        ignore_pnodes=reading.ignore_pnodes,
        warnings=reading.warnings,
    )
