"""The pcpus of a host's pnodes, as an inventory says: cores, sibling threads, sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from placer.read.host_layout import MOST_PCPUS, MOST_SOCKET, parse_pcpus
from placer.read.toml_fields import Fields, describe

_PCPUS: Final = 'pcpus such as "0-3,8"'


@dataclass
class PnodeCores:
    """The pcpus of one pnode as they were written: the siblings of each core, and its socket."""

    cores: list[list[int]] = field(default_factory=list)
    sockets: list[int] = field(default_factory=list)


def read_cores(table: Fields, index: int) -> PnodeCores:
    """Return what a ``[[host.pnode]]`` says of its pcpus."""
    pnode = PnodeCores()
    document = table.document
    if "cores" in table:
        for key in table.given("pcpus", "threads_per_core"):
            table.fault(key, "cores as well", "cores alone, or pcpus with threads_per_core")
        expected = "a list of cores, each a list of its pcpus"
        for place, item in enumerate(
            document.items(table.at("cores"), table.table["cores"], expected) or []
        ):
            path = (*table.at("cores"), place)
            core = document.integers(path, item, 0, MOST_PCPUS, "the pcpus of a core")
            if core is not None and not core:
                document.fault(path, "no pcpu", "the pcpus of a core")
            elif core:
                pnode.cores.append(core)
    else:
        pcpus = read_pcpus(table, "pcpus") or []
        threads = table.integer("threads_per_core", 1, MOST_PCPUS)
        if "threads_per_core" in table and "pcpus" not in table:
            table.fault("threads_per_core", "no pcpus", "pcpus to go with it")
        threads = threads or 1
        if len(pcpus) % threads:
            table.fault("pcpus", f"{len(pcpus)} pcpus", f"a multiple of {threads} threads a core")
        pnode.cores = [pcpus[i : i + threads] for i in range(0, len(pcpus), threads)]
    pnode.sockets = _read_sockets(table, index, len(pnode.cores))
    return pnode


def _read_sockets(table: Fields, index: int, num_cores: int) -> list[int]:
    value = table.table.get("socket", index)
    if not isinstance(value, list):
        socket = table.document.integer(table.at("socket"), value, 0, MOST_SOCKET)
        return [index if socket is None else socket] * num_cores
    sockets = table.integers("socket", 0, MOST_SOCKET, "a socket, or one for each core")
    if sockets is not None and len(sockets) != num_cores:
        table.fault("socket", f"{len(sockets)} sockets", f"one for each of {num_cores} cores")
    if sockets is None or len(sockets) != num_cores:
        return [index] * num_cores
    return sockets


def read_pcpus(table: Fields, key: str) -> list[int] | None:
    """Return pcpus written as text or as a list, in the order written."""
    value = table.table.get(key)
    if value is None:
        return None
    if isinstance(value, list):
        pcpus = table.integers(key, 0, MOST_PCPUS, _PCPUS)
        if pcpus is not None and len(set(pcpus)) < len(pcpus):
            table.fault(key, "a pcpu named twice", "different pcpus")
            return None
        return pcpus
    if not isinstance(value, str):
        table.fault(key, describe(value), _PCPUS)
        return None
    try:
        pcpus = parse_pcpus(value) if value.strip() else []
        table.document.spend(table.at(key), 4 * len(pcpus))
        return pcpus
    except ValueError as error:
        table.fault(key, str(error), _PCPUS)
        return None


def number_pcpus(table: Fields, pnodes: list[PnodeCores]) -> list[tuple[int, int, int, int]]:
    """Return (pcpu, pnode, socket, core) rows; cores are numbered over the whole host."""
    rows: list[tuple[int, int, int, int]] = []
    owner: dict[int, int] = {}
    core_number = 0
    for index, pnode in enumerate(pnodes):
        for core, socket in zip(pnode.cores, pnode.sockets, strict=True):
            for pcpu in core:
                if pcpu in owner:
                    other = owner[pcpu]
                    table.document.fault(
                        (*table.at("pnode"), index),
                        f"pcpu {pcpu} again",
                        f"each pcpu once (it is on pnode {other})",
                    )
                owner[pcpu] = index
                rows.append((pcpu, index, socket, core_number))
            core_number += 1
    if not rows and not table.document.faults:
        table.fault("pnode", "no pcpus", "pcpus or cores on at least one pnode")
    return rows
