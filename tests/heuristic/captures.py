"""What the captures in data/ say: a host as it was, a domain, and the pnodes that libxl took."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from placer.arrays import Ints
from placer.cpulist import CpuList
from placer.domain import Domain, DomainType
from placer.host import Host, RunningDomain
from placer.units import pages_from_mib

DATA = Path(__file__).parent / "data"
CASES = tuple(sorted(path.name for path in DATA.iterdir() if path.is_dir()))


@dataclass(frozen=True)
class Capture:
    host: Host
    domain: Domain
    chosen: tuple[int, ...]


def read_capture(name: str) -> Capture:
    """Return the capture in the folder ``name`` of data/."""
    folder = DATA / name
    pcpu_pnode = _pcpu_pnode((folder / "debug-u.txt").read_text())
    free_mib, distances = _numa_info((folder / "info-n-before.txt").read_text())
    config = (folder / "input.cfg").read_text()
    domain_name = _setting(config, "name").strip('"')
    affinity = {
        row.split()[0]: row.split()[-1]
        for row in (folder / "list-n.txt").read_text().splitlines()[1:]
    }
    ids = np.arange(len(pcpu_pnode))
    pnodes = np.arange(len(free_mib))
    on = {name: _pnodes(text, pnodes, pnodes) for name, text in affinity.items()}
    num_vcpus = int(_setting(config, "vcpus"))
    memory = pages_from_mib(int(_setting(config, "memory")))
    suffix = name.rsplit("-", 1)[1]
    given = suffix if suffix in {"hvm", "pvh"} else _setting(config, "type").strip('"')
    kind: DomainType = "hvm" if given == "hvm" else "pvh" if given == "pvh" else "pv"
    free_pages = np.array([pages_from_mib(mib) for mib in free_mib])
    starts = np.concatenate([[0], np.cumsum(free_pages)[:-1]]) + 1
    vcpus = (folder / "vcpu-list.txt").read_text().splitlines()[1:]
    others = [row for row in vcpus if row.split()[0] != domain_name]
    host = Host(
        name=name,
        total_pages=free_pages,
        free_pages=free_pages,
        reserve_pages=np.zeros_like(free_pages),
        spans=np.stack([pnodes, starts, free_pages], axis=1),
        free_spans=np.stack([pnodes, starts, free_pages], axis=1),
        pcpu_ids=ids,
        pcpu_pnode=pcpu_pnode,
        pcpu_socket=pcpu_pnode,
        pcpu_core=ids,
        distances=np.array(distances),
        running=_running(others, on, pcpu_pnode, len(pnodes)),
    )
    domain = Domain(name=domain_name, type=kind, vnode_pages=[memory], num_vcpus=num_vcpus)
    return Capture(host, domain, on[domain_name])


def _setting(config: str, key: str) -> str:
    found = re.search(rf"^{key} = (.+)$", config, re.MULTILINE)
    assert found is not None, key
    return found[1]


def _pcpu_pnode(text: str) -> Ints:
    found: list[int] = []
    for first, last, pnode in re.findall(r"CPU(\d+)(?:\.\.\.(\d+))? -> NODE(\d+)", text):
        found += [int(pnode)] * (int(last or first) - int(first) + 1)
    return np.array(found, dtype=np.int64)


def _numa_info(text: str) -> tuple[list[int], list[list[int]]]:
    """Return the free MiB of each pnode and the distances."""
    table = text.split("numa_info")[1]
    rows = re.findall(r"^ +\d+: +\d+ +(\d+) +([\d,]+)$", table, re.MULTILINE)
    return [int(free) for free, _ in rows], [
        [int(distance) for distance in row.split(",")] for _, row in rows
    ]


def _pnodes(
    text: str,
    ids: Ints,
    pnode: Ints,
) -> tuple[int, ...]:
    """Return the pnodes of the pcpus (or pnodes) that xl writes as ``all`` or ``0-1,3``."""
    named = sorted(CpuList.parse(text).resolve(ids, pnode))
    return tuple(sorted({int(pnode[number]) for number in named}))


def _running(
    rows: list[str],
    node_affinity: dict[str, tuple[int, ...]],
    pcpu_pnode: Ints,
    num_pnodes: int,
) -> tuple[RunningDomain, ...]:
    """Return each domain of ``xl vcpu-list``: its vcpus tied to one pnode, or floating."""
    ids = np.arange(len(pcpu_pnode))
    tied: dict[str, list[int]] = {}
    floating: dict[str, int] = {}
    for row in rows:
        name, hard = row.split()[0], row.split("/")[0].split()[-1]
        may = set(_pnodes(hard, ids, pcpu_pnode)) & set(node_affinity[name])
        tied.setdefault(name, [0] * num_pnodes)
        floating.setdefault(name, 0)
        if len(may) == num_pnodes:
            floating[name] += 1
        else:
            (only,) = may
            tied[name][only] += 1
    return tuple(
        RunningDomain(
            name=name,
            pages=np.zeros(num_pnodes, dtype=np.int64),
            vcpus_on=np.array(tied[name]),
            floating_vcpus=floating[name],
        )
        for name in tied
    )
