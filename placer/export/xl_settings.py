"""Settings of an xl configuration file that both of its vNUMA syntaxes share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from placer.cpulist import CpuList
from placer.domain import Domain
from placer.errors import RefusedError
from placer.placement import PlacedDomain
from placer.read.xl_cfg import parse_number, render_value

Setting = tuple[str, Any]

_KEY: Final = re.compile(r"[a-z][._0-9a-z]*", re.ASCII)
_OWN_KEYS: Final = frozenset({"builder", "maxmem", "maxvcpus", "vcpus"})
"""Kept settings whose place another one takes: ``type`` and the amounts of the placement."""


def write_settings(settings: Iterable[Setting]) -> str:
    """Return ``settings`` as lines ``key = value``.

    Raises RefusedError for a key or a value that xl's grammar cannot say.
    """
    lines = []
    for key, value in settings:
        if not _KEY.fullmatch(key):
            raise RefusedError(f"setting {key!r} is no key of an xl configuration file")
        try:
            lines.append(f"{key} = {render_value(value)}\n")
        except ValueError as error:
            raise RefusedError(f"setting {key!r}: {error}") from error
    return "".join(lines)


def first_vcpus(domain: Domain) -> int:
    """Return how many vcpus run when the domain starts; the others are placed too."""
    given = _kept_number(domain, "vcpus")
    return given if given is not None and 1 <= given < domain.num_vcpus else domain.num_vcpus


def maxmem_warnings(domain: Domain, memory_mib: int) -> list[str]:
    """Return a warning where a ``maxmem`` that was given is not what is exported."""
    given = _kept_number(domain, "maxmem")
    if given is None or given == memory_mib:
        return []
    return [f"maxmem was {given} and is left at {memory_mib} MB, the sum of the vnode sizes"]


def _kept_number(domain: Domain, key: str) -> int | None:
    value = dict(domain.extra).get(key)
    if not isinstance(value, str):
        return value if isinstance(value, int) else None
    try:
        return parse_number(value)
    except ValueError:
        return None


def kept_settings(domain: Domain, own_keys: Sequence[str]) -> list[Setting]:
    """Return the settings that placer does not use, in order.

    Left out are those that the export writes itself (``own_keys`` and the amounts).
    """
    return [(k, v) for k, v in domain.extra if k not in _OWN_KEYS and k not in own_keys]


def pins(domain: Domain, placed: PlacedDomain) -> list[Setting]:
    """Return ``cpus``: the pcpus of dedicated vcpus, else the hard affinity that was given."""
    if domain.dedicated:
        return [("cpus", [str(pcpu) for pcpu in placed.vcpu_to_pcpu.tolist()])]
    return _affinity("cpus", domain.hard_affinity)


def soft_pins(domain: Domain) -> list[Setting]:
    """Return ``cpus_soft``, the soft affinity that was given."""
    return _affinity("cpus_soft", domain.soft_affinity)


def vcpus_away(placed: PlacedDomain) -> list[int]:
    """Return the vcpus that run off the home pnode of their vnode."""
    home = placed.home[placed.vcpu_to_vnode].tolist()
    runs_on = placed.vcpu_to_pnode.tolist()
    return [vcpu for vcpu, pnode in enumerate(runs_on) if pnode != home[vcpu]]


def _affinity(key: str, lists: tuple[CpuList | None, ...]) -> list[Setting]:
    texts = ["all" if cpus is None else cpus.text for cpus in lists]
    if all(cpus is None for cpus in lists):
        return []
    return [(key, texts[0] if len(set(texts)) == 1 else texts)]
