"""What a hypervisor did with guests: debug key u, or the JSON of a tool that created them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from placer.errors import Fault, InputError
from placer.read.xen_keys import SeenDomain, SeenVnode, has_xen_keys, parse_xen_keys
from placer.record import parse_json
from placer.text_file import read_text

_EXPECTED: Final = "a dump of Xen's debug key u, or JSON with results of created domains"


@dataclass(frozen=True, kw_only=True)
class SeenGuest:
    """One domain as a hypervisor has it. ``type`` is None where the source does not say it."""

    domid: int
    domain: SeenDomain
    type: str | None = None


def read_seen(path: Path) -> tuple[SeenGuest, ...]:
    """Return the domains that ``path`` tells of, by id; dom0 of a dump is left out.

    JSON is an object whose ``results`` each have a ``guest_type`` and, where the domain was
    created, a ``placement``: ``domid``, ``total_pages``, ``node_pages`` by pnode, and ``vnodes``
    with ``pnode``, ``vcpus``, ``ranges`` and ``pages_on_node``, null without vNUMA. Raises
    InputError where the file is neither.
    """
    text = read_text(path)
    if text.lstrip().startswith("{"):
        return _read_json(parse_json(text, str(path)), str(path))
    if not has_xen_keys(text):
        raise _fault(str(path), "--seen", "neither", _EXPECTED)
    keys = parse_xen_keys(text, str(path))
    guests = (SeenGuest(domid=domid, domain=domain) for domid, domain in keys.domains.items())
    return tuple(sorted((one for one in guests if one.domid), key=lambda one: one.domid))


def _read_json(data: Any, source: str) -> tuple[SeenGuest, ...]:
    found = []
    results = _get(data, "results", list, source, "")
    for index, result in enumerate(results):
        where = f"results[{index}]"
        kind = _get(result, "guest_type", str, source, where)
        if not isinstance(result.get("placement"), dict):
            continue
        where = f"{where}.placement"
        placement = result["placement"]
        found.append(
            SeenGuest(
                domid=_get(placement, "domid", int, source, where),
                type=kind,
                domain=_domain(placement, source, where),
            )
        )
    return tuple(found)


def _domain(placement: dict[str, Any], source: str, where: str) -> SeenDomain:
    seen = SeenDomain(
        total_pages=_get(placement, "total_pages", int, source, where),
        pages_on=_by_number(placement, "node_pages", source, where),
        pages_of={},
    )
    vnodes = placement.get("vnodes")
    if vnodes is None:
        return seen
    for index, vnode in enumerate(_get(placement, "vnodes", list, source, where)):
        here = f"{where}.vnodes[{index}]"
        ranges = _get(vnode, "ranges", list, source, here)
        number = _get(vnode, "vnode", int, source, here)
        pnode = vnode.get("pnode")
        seen.vnodes[number] = SeenVnode(
            pnode=pnode if isinstance(pnode, int) else None,
            vcpus=_numbers(_get(vnode, "vcpus", list, source, here), source, f"{here}.vcpus"),
            ranges=[_range(item, source, f"{here}.ranges[{k}]") for k, item in enumerate(ranges)],
        )
        for node, pages in _by_number(vnode, "pages_on_node", source, here).items():
            seen.pages_of[number, node] = pages
    return seen


def _get(table: Any, key: str, kind: type, source: str, where: str) -> Any:
    """Return ``table[key]``, which is of ``kind``; InputError otherwise."""
    if not isinstance(table, dict):
        raise _fault(source, where or "JSON", "no object", _EXPECTED)
    value = table.get(key)
    if type(value) is not kind:
        field = f"{where}.{key}".lstrip(".")
        found = "nothing" if key not in table else repr(value)[:40]
        expected = {list: "a list", int: "a whole number", str: "a string", dict: "an object"}
        raise _fault(source, field, found, expected[kind])
    return value


def _by_number(table: dict[str, Any], key: str, source: str, where: str) -> dict[int, int]:
    found = {}
    for name, pages in _get(table, key, dict, source, where).items():
        if not (name.isascii() and name.isdecimal() and len(name) < 10) or type(pages) is not int:
            raise _fault(source, f"{where}.{key}.{name[:40]}", repr(pages)[:40], "pages by pnode")
        found[int(name)] = pages
    return found


def _numbers(items: list[Any], source: str, where: str) -> list[int]:
    for item in items:
        if type(item) is not int:
            raise _fault(source, where, repr(item)[:40], "whole numbers")
    return items


def _range(item: Any, source: str, where: str) -> tuple[int, int]:
    """Return a pair of addresses, numbers or hexadecimal strings."""
    try:
        start, end = (part if type(part) is int else int(part, 16) for part in item)
    except (TypeError, ValueError):
        raise _fault(source, where, repr(item)[:40], "[start, end]") from None
    return start, end


def _fault(source: str, field: str, found: str, expected: str) -> InputError:
    return InputError(Fault(source=source, field=field, found=found, expected=expected))
