"""The host that the sources of one command line describe together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from placer.errors import Fault, InputError
from placer.host import Host
from placer.read.host_formats import SYSFS, default_name, is_foreign, read_parts
from placer.read.host_parts import HostParts, build_host, join_parts
from placer.read.sources import read_hosts
from placer.text_file import is_file_name


def read_host_source(
    sources: Sequence[str],
    *,
    format_name: str | None = None,
    cpus: str | None = None,
    memory: str | None = None,
) -> tuple[tuple[Host, ...], list[Fault]]:
    """Return the hosts that ``sources`` describe, and the warnings.

    Sources in other programs' formats are joined into one host (`join_parts`), ``cpus`` and
    ``memory`` first for what they are named after; without any it is this machine. One source
    of placer's own (an inventory, a folder, a run, a synthetic host) stands alone.
    ``format_name`` says what every source is. Raises InputError as the readers do.
    """
    if not sources and cpus is None and memory is None:
        sources = ["/"]
    named = [*sources, *(one for one in (cpus, memory) if one is not None)]
    own = [one for one in named if not _is_part(one, format_name)]
    if own and len(named) > 1:
        fault = Fault(
            source=own[0],
            field="SOURCE",
            found="a host of its own, or no known format, among several sources",
            expected="the output of programs on one host, or one source alone",
        )
        raise InputError(fault)
    if own:
        return read_hosts(own)
    faults: list[Fault] = []
    read: dict[str, list[HostParts]] = {}
    for one in dict.fromkeys(named):
        try:
            read[one] = read_parts(Path(one), format_name)
        except InputError as error:
            faults += error.faults
    if not faults and len(named) > 1:
        faults = [_several(one, len(found)) for one, found in read.items() if len(found) > 1]
    if faults:
        raise InputError(faults)
    name = default_name(Path(named[0]))
    if len(named) > 1:
        joined = join_parts(
            [read[one][0] for one in sources],
            cpus=None if cpus is None else read[cpus][0],
            memory=None if memory is None else read[memory][0],
        )
        host, warnings = build_host(joined, name)
        return (host,), warnings
    hosts, warnings = [], []
    for parts in read[named[0]]:
        host, found = build_host(parts, name)
        hosts.append(host)
        warnings += found
    return tuple(hosts), warnings


def _is_part(one: str, format_name: str | None) -> bool:
    """Whether a source is in another program's format, as it is said or at a glance."""
    if format_name is not None:
        return True
    path = Path(one)
    return is_file_name(one) and path.suffix != ".toml" and is_foreign(path)


def _several(source: str, number: int) -> Fault:
    return Fault(
        source=source,
        field="SOURCE",
        found=f"{number} hosts",
        expected="one, where several sources are joined",
    )


__all__ = ["SYSFS", "read_host_source"]
