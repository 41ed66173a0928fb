"""Stored fleets: a file of domain classes with counts, and one of hosts.

An instance NAME is two files: `NAME-domains.toml`, which placer itself reads (docs/domains-toml.md;
`count` stands for that many equal domains), and either `NAME-hosts.csv`, lines of a machine of
models/machines/ and how many of it, or `NAME-hosts.toml`, an ordinary inventory.

    python benchmarks/fleet_instance.py --domains 1000 --hosts 100 --fill 0.85 --seed 1 --out NAME
    python benchmarks/fleet_instance.py datasets/fleet/*-domains.toml

draws and stores one, and prints the properties of stored ones as CSV.
"""

from __future__ import annotations

import argparse
import csv
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that the file runs as a script, whatever is installed
    sys.path.insert(0, str(ROOT))

from benchmarks.generate_fleet import (  # noqa: E402
    PAGES_PER_GIB,
    FleetShapes,
    expand,
    make_shapes,
    read_machine,
)
from placer.domain import Domain  # noqa: E402
from placer.host import Host  # noqa: E402
from placer.problem import Problem  # noqa: E402
from placer.read.domains_toml import read_domains_toml  # noqa: E402
from placer.read.inventory import read_inventory  # noqa: E402

DOMAINS: Final = "-domains.toml"
HOSTS: Final = ("-hosts.csv", "-hosts.toml")
PROPERTIES: Final = (
    "instance",
    "domains",
    "hosts",
    "vcpu_fill",
    "memory_fill",
    "wide_vcpus",
    "profiled_domains",
    "profiled_vcpus",
    "domain_classes",
    "host_types",
)


def read_instance(path: Path) -> Problem:
    """Return the problem of the stored instance whose domains are in ``path``.

    Domains may be left out where it is fuller than generate_fleet.PARTIAL_ABOVE. Raises
    InputError where a file cannot be read, ValueError where it is no instance.
    """
    return expand(read_shapes(path))


def read_shapes(path: Path) -> FleetShapes:
    """Return the classes of the stored instance whose domains are in ``path``."""
    if not path.name.endswith(DOMAINS):
        raise ValueError(f"{path}: the domains of an instance are in a file named *{DOMAINS}")
    stem = path.name.removesuffix(DOMAINS)
    counts: Counter[str] = Counter()
    first: dict[str, Domain] = {}
    for domain in read_domains_toml(path).domains:
        name, _, _ = domain.name.rpartition("-")
        counts[name] += 1
        first.setdefault(name, domain)
    hosts = _read_hosts([path.parent / (stem + ending) for ending in HOSTS])
    return FleetShapes(
        hosts=tuple(host for host, _ in hosts),
        num_hosts=tuple(count for _, count in hosts),
        domains=tuple(replace(domain, name=name) for name, domain in first.items()),
        num_domains=tuple(counts[name] for name in first),
    )


def write_instance(shapes: FleetShapes, path: Path, title: str) -> None:
    """Write ``shapes`` to the domains file ``path`` and to the hosts' CSV beside it."""
    lines = [f"# {line}" for line in textwrap.wrap(title, 96)]
    for domain, count in zip(shapes.domains, shapes.num_domains, strict=True):
        lines += ["", "[[domain]]", *_domain_lines(domain, count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    hosts = path.with_name(path.name.removesuffix(DOMAINS) + HOSTS[0])
    with hosts.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["machine", "count"])
        for host, count in zip(shapes.hosts, shapes.num_hosts, strict=True):
            table.writerow([host.name, count])


def is_profiled(domain: Domain) -> bool:
    """Whether a domain has distances that are not symmetric, or measured access shares."""
    if domain.num_vnodes < 2:
        return False
    return domain.access is not None or not np.array_equal(domain.distances, domain.distances.T)


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What an instance is like: shares are of all its vcpus or domains."""

    vcpu_fill: float
    memory_fill: float
    wide_vcpus: float
    profiled_domains: float
    profiled_vcpus: float


def measure(shapes: FleetShapes) -> Properties:
    """Return the properties of ``shapes``."""
    counts = np.array(shapes.num_domains)
    vcpus = counts * np.array([domain.num_vcpus for domain in shapes.domains])
    wide = np.array([shapes.is_wide(domain) for domain in shapes.domains])
    profiled = np.array([is_profiled(domain) for domain in shapes.domains])
    return Properties(
        vcpu_fill=shapes.vcpu_fill,
        memory_fill=shapes.memory_fill,
        wide_vcpus=float(vcpus[wide].sum() / vcpus.sum()),
        profiled_domains=float(counts[profiled].sum() / counts.sum()),
        profiled_vcpus=float(vcpus[profiled].sum() / vcpus.sum()),
    )


def describe(name: str, shapes: FleetShapes) -> list[str]:
    """Return the row of PROPERTIES of an instance; shares and fills in percent."""
    found = measure(shapes)
    shares = (
        found.vcpu_fill,
        found.memory_fill,
        found.wide_vcpus,
        found.profiled_domains,
        found.profiled_vcpus,
    )
    return [
        name,
        str(sum(shapes.num_domains)),
        str(sum(shapes.num_hosts)),
        *(f"{100 * share:.2f}" for share in shares),
        str(len(shapes.domains)),
        str(len(shapes.hosts)),
    ]


def _read_hosts(paths: Sequence[Path]) -> list[tuple[Host, int]]:
    for path in paths:
        if path.is_file() and path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            return [(read_machine(row["machine"]), int(row["count"])) for row in rows]
        if path.is_file():
            found: dict[str, list[Host]] = {}
            for host in read_inventory(path):
                found.setdefault(host.name.rpartition("-")[0], []).append(host)
            return [(replace(alike[0], name=name), len(alike)) for name, alike in found.items()]
    raise ValueError(f"no hosts: neither {' nor '.join(map(str, paths))} is there")


def _domain_lines(domain: Domain, count: int) -> Iterator[str]:
    yield f'name = "{domain.name}"'
    yield f"count = {count}"
    if domain.priority > 1:
        yield f"priority = {domain.priority}"
    yield f"vcpus = {domain.num_vcpus}"
    yield f'memory = "{domain.memory_pages // PAGES_PER_GIB}GiB"'
    if domain.num_vnodes == 1:
        return
    yield f"vnodes = {domain.num_vnodes}"
    assert domain.vcpu_to_vnode is not None
    yield "vcpu_to_vnode = ["
    yield from _wrap(", ".join(map(str, domain.vcpu_to_vnode.tolist())) + ",")
    yield "]"
    rows: Sequence[Sequence[int | Fraction]] = ()
    if domain.access is not None:
        yield "access = ["
        rows = domain.access
    elif is_profiled(domain):
        yield "distances = ["
        rows = domain.distances.tolist()
    for row in rows:
        cells = ", ".join(f'"{x}"' if isinstance(x, Fraction) else str(x) for x in row)
        yield f"    [{cells}],"
    if rows:
        yield "]"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="    ")


def main() -> None:
    """Store an instance, or describe stored ones."""
    parser = argparse.ArgumentParser(description="Store fleets, or describe stored ones.")
    parser.add_argument("files", nargs="*", type=Path, help=f"stored instances, *{DOMAINS}")
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--fill", type=float, default=0.85)
    parser.add_argument("--memory-fill", type=float, help="by default less than --fill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="store under this name")
    options = parser.parse_args()
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(PROPERTIES)
    for path in options.files:
        table.writerow(describe(path.name.removesuffix(DOMAINS), read_shapes(path)))
    if options.out is not None:
        num_domains, num_hosts, fill, memory_fill = (
            options.domains,
            options.hosts,
            options.fill,
            options.memory_fill,
        )
        shapes = make_shapes(num_domains, num_hosts, fill, options.seed, memory_fill)
        memory = "" if memory_fill is None else f", of the memory {memory_fill:g}"
        title = (
            f"{num_domains:,} domains on {num_hosts:,} hosts, a fill of {fill:g}{memory}, "
            f"seed {options.seed}; benchmarks/generate_fleet.py"
        )
        write_instance(shapes, options.out.with_name(options.out.name + DOMAINS), title)
        table.writerow(describe(options.out.name, shapes))


if __name__ == "__main__":
    main()
