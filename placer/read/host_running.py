"""What runs on a host already, as an inventory says: dom0 and other domains."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np

from placer.arrays import Ints
from placer.host import RunningDomain
from placer.read.bounds import ENTRIES_OF_A_DOMAIN
from placer.read.host_layout import MOST_DOMID, MOST_PCPUS
from placer.read.host_pcpus import read_pcpus
from placer.read.toml_fields import MOST_PAGES, Fields, all_known, describe
from placer.units import exact_size

RUNNING_KEYS: Final = (
    "name",
    "domid",
    "memory",
    "pages",
    "vcpus",
    "floating_vcpus",
    "dedicated_pcpus",
)
DOM0_KEYS: Final = ("memory", "memory_pages", "nodes", "relaxed", "vcpus")
VNUMA_KEYS: Final = ("vnodes", "vnuma", "distances", "vdistances", "vcpu_to_vnode")
DOM0_NAME: Final = "Domain-0"
NO_VNUMA_IN_DOM0: Final = (
    "none: Xen stripes the memory of dom0 over its nodes and gives it no vNUMA information "
    "(xen 705313c093)"
)


def read_running(table: Fields, num_pnodes: int, pcpus: set[int]) -> list[RunningDomain]:
    """Return the domains of ``[[host.running]]``; ``pcpus`` are all of the host."""
    running = []
    names: set[str] = set()
    domids: set[int] = set()
    taken: set[int] = set()
    for own in table.tables("running", RUNNING_KEYS):
        noted = len(table.document.faults)
        table.document.spend(own.path, ENTRIES_OF_A_DOMAIN + 2 * num_pnodes)
        name = own.text("name", "a name")
        if "name" not in own:
            own.fault("name", "no name", "a name")
        if name in names:
            own.fault("name", f"{name!r} again", "unique names on a host")
        domid = own.integer("domid", 0, MOST_DOMID)
        if domid in domids:
            own.fault("domid", f"{domid} again", "unique domain numbers on a host")
        pages = _read_held_pages(own, num_pnodes)
        vcpus = _read_by_pnode(own, "vcpus", num_pnodes, "vcpus")
        floating = own.integer("floating_vcpus", 0, MOST_PCPUS)
        dedicated = read_pcpus(own, "dedicated_pcpus") or []
        if missing := sorted(set(dedicated) - pcpus):
            own.fault("dedicated_pcpus", f"pcpu {missing[0]}", "pcpus of the host")
        if twice := sorted(set(dedicated) & taken):
            own.fault("dedicated_pcpus", f"pcpu {twice[0]} again", "pcpus that no other has")
        names |= {name} if name else set()
        domids |= {domid} if domid is not None else set()
        taken |= set(dedicated)
        if len(table.document.faults) > noted or name is None or pages is None:
            continue
        running.append(
            RunningDomain(
                name=name,
                pages=np.array(pages),
                vcpus_on=np.array(vcpus or [0] * num_pnodes),
                dedicated_pcpus=tuple(sorted(dedicated)),
                floating_vcpus=floating or 0,
                domid=domid,
            )
        )
    return running


def _read_held_pages(table: Fields, num_pnodes: int) -> list[int] | None:
    if ("memory" in table) == ("pages" in table):
        found = "both memory and pages" if "pages" in table else "no memory"
        table.fault("pages", found, "pages or memory, one figure for each pnode")
        return None
    kind: Literal["memory", "pages"] = "memory" if "memory" in table else "pages"
    return _read_by_pnode(table, kind, num_pnodes, kind)


def _read_by_pnode(
    table: Fields, key: str, num_pnodes: int, kind: Literal["memory", "pages", "vcpus"]
) -> list[int] | None:
    """Return one figure for each pnode, from a list of all or a table of some."""
    value: Any = table.table.get(key)
    if value is None:
        return None
    document, path = table.document, table.at(key)
    expected = f"a list of {num_pnodes} figures, or a table of pnode = figure"

    def figure(part: str | int, item: Any) -> int | None:
        if kind == "memory":
            return document.size((*path, part), item)
        most = MOST_PAGES if kind == "pages" else MOST_PCPUS
        return document.integer((*path, part), item, 0, most)

    if isinstance(value, dict):
        figures = [0] * num_pnodes
        numbers = {str(p): p for p in range(num_pnodes)}
        for text, item in value.items():
            if text not in numbers:
                document.fault((*path, text), "no such pnode", f"0 to {num_pnodes - 1}")
            elif (number := figure(text, item)) is not None:
                figures[numbers[text]] = number
        return figures
    items = document.items(path, value, expected)
    if items is None:
        return None
    if len(items) != num_pnodes:
        document.fault(path, describe(items), expected)
        return None
    return all_known(figure(index, item) for index, item in enumerate(items))


def read_dom0(
    table: Fields, totals: list[int], pcpus_on: list[int], running: list[RunningDomain]
) -> RunningDomain | None:
    """Return dom0 as ``[host.dom0]`` says, None where there is no such table.

    Its memory is spread evenly over ``nodes`` (Xen's ``dom0_nodes``), by default over all
    pnodes with pcpus; what they cannot hold goes to the other pnodes where it is ``relaxed``
    and is a fault where it is not. ``totals`` and ``pcpus_on`` are by pnode.
    """
    own = table.table_of("dom0", (*DOM0_KEYS, *VNUMA_KEYS))
    if own is None:
        return None
    noted = len(table.document.faults)
    for key in own.given(*VNUMA_KEYS):
        own.fault(key, "vNUMA for dom0", NO_VNUMA_IN_DOM0)
    if any(domain.name == DOM0_NAME or domain.domid == 0 for domain in running):
        table.fault("dom0", "dom0 among [[host.running]] as well", "one of the two")
    pages = own.pages("memory")
    if pages is None and not own.given("memory", "memory_pages"):
        own.fault("memory", "no memory", "what dom0 holds")
    nodes = _read_nodes(own, pcpus_on)
    relaxed = own.flag("relaxed") or False
    vcpus = own.integer("vcpus", 1, MOST_PCPUS)
    if len(table.document.faults) > noted or pages is None or nodes is None:
        return None
    held = _spread(pages, nodes, totals)
    if held.sum() < pages and relaxed:
        others = [pnode for pnode in range(len(totals)) if pnode not in nodes]
        for pnode in others:
            held[pnode] = min(totals[pnode], pages - int(held.sum()))
    if held.sum() < pages:
        found = f"{exact_size(pages)} where there are {exact_size(int(held.sum()))}"
        own.fault("memory", found, "memory that its nodes have, or relaxed = true")
        return None
    num_vcpus = sum(pcpus_on[pnode] for pnode in nodes) if vcpus is None else vcpus
    tied = len(nodes) == 1 and not relaxed
    vcpus_on = np.zeros(len(totals), dtype=np.int64)
    if tied and vcpus is not None:
        vcpus_on[nodes[0]] = num_vcpus
    return RunningDomain(
        name=DOM0_NAME,
        pages=held,
        vcpus_on=vcpus_on,
        floating_vcpus=0 if vcpus_on.any() else num_vcpus,
        domid=0,
    )


def _read_nodes(own: Fields, pcpus_on: list[int]) -> list[int] | None:
    if "nodes" not in own:
        return [pnode for pnode, pcpus in enumerate(pcpus_on) if pcpus]
    nodes = own.integers("nodes", 0, len(pcpus_on) - 1, "pnodes of the host")
    if nodes is not None and (not nodes or len(set(nodes)) < len(nodes)):
        own.fault("nodes", str(nodes), "one pnode or more, each once")
        return None
    return nodes and sorted(nodes)


def _spread(pages: int, nodes: list[int], totals: list[int]) -> Ints:
    """Spread pages evenly over pnodes, as far as each has memory; what is left is left out."""
    held = np.zeros(len(totals), dtype=np.int64)
    able = list(nodes)
    left = pages
    while left and able:
        share, more = divmod(left, len(able))
        for place, pnode in enumerate(able):
            held[pnode] += min(share + (place < more), totals[pnode] - int(held[pnode]))
        left = pages - int(held.sum())
        able = [pnode for pnode in able if held[pnode] < totals[pnode]]
    return held
