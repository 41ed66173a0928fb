"""A guest's configuration as xl reads it, turned into a domain to be placed.

The keys are those of xl.cfg(5) that bear on placement, and the vNUMA keys of the
first patches; docs/xl-cfg.md lists them all. Every other key is kept for export.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Final, get_args

import numpy as np

from placer.arrays import ABSENT, Ints
from placer.cpulist import CpuList
from placer.domain import Domain, DomainType
from placer.errors import Fault, InputError
from placer.read.bounds import MOST_FAULTS, add_fault
from placer.read.xl_cfg import (
    ConfigFile,
    List,
    Num,
    Setting,
    Str,
    plain_value,
    read_config,
    shorten,
)
from placer.read.xl_findings import Findings, count_of, kind_of
from placer.read.xl_seed import SEED_KEYS, read_seed, seed_settings
from placer.read.xl_vnuma import MAX_MEMORY_MB, MAX_VCPUS, Amounts, Vnuma, read_vnuma
from placer.units import pages_from_mib

MAX_HVM_VCPUS: Final = 128
"""HVM_MAX_VCPUS (xen/include/public/hvm/hvm_info_table.h); PVH guests share it."""

_TYPES: Final[tuple[DomainType, ...]] = get_args(DomainType)
_BUILDERS: Final[dict[str, DomainType]] = {"hvm": "hvm", "generic": "pv"}
_USED: Final = SEED_KEYS | {"name", "type", "memory", "vcpus", "cpus", "cpus_soft", "vnuma"}
_KNOWN: Final = _USED | {"builder", "maxmem", "maxvcpus"}
_VNUMA_MARKS: Final = ("numa", "vnode", "pnode", "vdist", "vcpumap", "vcpu_map", "vmem", "v_node")
_VNUMA_KEYS: Final = sorted(SEED_KEYS | {"vnuma"})
_SURELY_ALIKE: Final = 0.8
_ROUGHLY_ALIKE: Final = 0.4


def read_xl(
    path: Path,
    *,
    fallback: bool = False,
    ignore_pnodes: bool = False,
    warnings: list[Fault] | None = None,
) -> tuple[Domain, list[Fault]]:
    """Return the domain that the configuration file ``path`` describes, and the warnings.

    With ``fallback`` every faulty vNUMA option is replaced by its default, with
    warnings that say what and why; ``ignore_pnodes`` drops the requests for pnodes.
    Warnings are appended to ``warnings`` too, also where reading fails.

    Raises InputError with every fault of the file.
    """
    return domain_from_config(
        read_config(path), fallback=fallback, ignore_pnodes=ignore_pnodes, warnings=warnings
    )


def domain_from_config(
    config: ConfigFile,
    *,
    fallback: bool = False,
    ignore_pnodes: bool = False,
    warnings: list[Fault] | None = None,
) -> tuple[Domain, list[Fault]]:
    """Return the domain that the settings of a file describe, as `read_xl` does."""
    findings = Findings(source=config.source, fallback=fallback, ignore_pnodes=ignore_pnodes)
    domain = _read_domain(config, findings)
    found = _in_file_order(findings.warnings)
    if warnings is not None:
        warnings.extend(found)
    if domain is None:
        faults: list[Fault] = []
        for fault in _in_file_order(findings.faults):
            add_fault(faults, fault)
        raise InputError(faults)
    return domain, found


def _in_file_order(faults: list[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0))


def _read_domain(config: ConfigFile, findings: Findings) -> Domain | None:
    """Return the domain, or None where ``findings`` has faults."""
    name = findings.read_text(config, "name")
    if config.get("name") is None:
        findings.fault(None, "name", "no name", "the name of the domain")
    elif name == "":
        findings.fault(config.get("name"), "name", "an empty name", "the name of the domain")
    elif name is not None and (name.strip() != name or not name.isprintable()):
        found = f"{name[:40]!r}"
        findings.fault(config.get("name"), "name", found, "a name of printable signs")
    amounts = _read_amounts(config, findings)
    vnuma = _read_vnodes(config, findings, amounts)
    num_vcpus = vnuma.num_vcpus if vnuma is not None else amounts.num_vcpus
    hard = _read_affinity(config, "cpus", num_vcpus, findings)
    soft = _read_affinity(config, "cpus_soft", num_vcpus, findings)
    _warn_of_lookalikes(config, findings)
    if findings.faults or vnuma is None or name is None:
        return None
    if amounts.vcpus is not None and amounts.vcpus < vnuma.num_vcpus:
        expected = f"{vnuma.num_vcpus}, which may run and are placed"
        findings.warn(config.get("vcpus"), "vcpus", str(amounts.vcpus), expected)
    return Domain(
        name=name,
        type=amounts.type,
        vnode_pages=np.array([pages_from_mib(size) for size in vnuma.sizes_mb], dtype=np.int64),
        num_vcpus=vnuma.num_vcpus,
        vcpu_to_vnode=None if vnuma.vcpu_to_vnode is None else _array(vnuma.vcpu_to_vnode),
        distances=ABSENT if vnuma.distances is None else _array(vnuma.distances),
        vnode_pnode=ABSENT if vnuma.pnodes is None else _array(vnuma.pnodes),
        hard_affinity=hard,
        soft_affinity=soft,
        extra=_read_extra(config, amounts, vnuma.num_vcpus),
        source=config.source,
    )


def _array(values: list[int] | list[list[int]]) -> Ints:
    return np.array(values, dtype=np.int64)


def _read_type(config: ConfigFile, findings: Findings) -> DomainType:
    """Return the guest's type; builder is the deprecated way to say it."""
    text, builder = findings.read_text(config, "type"), findings.read_text(config, "builder")
    given = next((known for known in _TYPES if known == text), None)
    if text is not None and given is None:
        findings.fault(config.get("type"), "type", shorten(text), "'pv', 'pvh' or 'hvm'")
    if builder is None:
        return given or "pv"
    if builder not in _BUILDERS:
        expected = "'hvm' or 'generic', or better type="
        findings.fault(config.get("builder"), "builder", shorten(builder), expected)
        return given or "pv"
    built = _BUILDERS[builder]
    if given is not None and given != built:
        found = f"{shorten(builder)} beside type {given}"
        findings.fault(config.get("builder"), "builder", found, f"type {given} alone")
    else:
        findings.warn(config.get("builder"), "builder", "a deprecated key", f'type = "{built}"')
    return given or built


def _read_amounts(config: ConfigFile, findings: Findings) -> Amounts:
    """Return type, memory and vcpus, each checked by itself and against its maximum."""
    domain_type = _read_type(config, findings)
    memory = findings.read_number(config, "memory", least=1, most=MAX_MEMORY_MB, unit=" MB")
    maxmem = findings.read_number(config, "maxmem", least=1, most=MAX_MEMORY_MB, unit=" MB")
    vcpus = findings.read_number(config, "vcpus", least=1, most=MAX_VCPUS)
    maxvcpus = findings.read_number(config, "maxvcpus", least=1, most=MAX_VCPUS)
    if memory is not None and maxmem is not None and maxmem < memory:
        expected = f"memory, {memory}, or more"
        findings.fault(config.get("maxmem"), "maxmem", str(maxmem), expected)
        maxmem = None
    if maxvcpus is not None and maxvcpus < (vcpus or 1):
        findings.fault(
            config.get("maxvcpus"), "maxvcpus", str(maxvcpus), f"vcpus, {vcpus}, or more"
        )
        maxvcpus = None
    num_vcpus: int | None = maxvcpus or vcpus or 1
    for key, value in (("vcpus", vcpus), ("maxvcpus", maxvcpus)):
        if value is None and config.get(key) is not None:
            num_vcpus = None
    if domain_type != "pv" and (num_vcpus or 0) > MAX_HVM_VCPUS:
        expected = f"{MAX_HVM_VCPUS} at most for type {domain_type} (Xen's limit)"
        at = config.get("maxvcpus") or config.get("vcpus")
        findings.warn(at, at.key if at is not None else "vcpus", str(num_vcpus), expected)
    return Amounts(
        type=domain_type,
        memory_mb=memory,
        maxmem_mb=maxmem,
        vcpus=vcpus,
        maxvcpus=maxvcpus,
        num_vcpus=num_vcpus,
        memory_at=config.get("memory") or config.get("maxmem"),
    )


def _read_vnodes(config: ConfigFile, findings: Findings, amounts: Amounts) -> Vnuma | None:
    """Return the vnodes by whichever syntax the file uses, else one with everything."""
    seed = seed_settings(config)
    upstream = config.get("vnuma")
    if upstream is not None and not isinstance(upstream.value, List):
        expected = "a list of lists (xl would ignore it)"
        findings.fault(upstream.value, "vnuma", kind_of(upstream.value), expected)
        return None
    if upstream is not None and isinstance(upstream.value, List) and upstream.value.items:
        if seed:
            beside = ", ".join(setting.key for setting in seed)
            expected = "one of the two syntaxes"
            findings.fault(upstream, "vnuma", f"vnuma beside {beside}", expected)
        return read_vnuma(upstream, findings, amounts)
    if config.get("memory") is None and config.get("maxmem") is None:
        expected = "the memory of the domain in MB (libxl would give it 32)"
        findings.fault(None, "memory", "no memory", expected)
    if seed:
        vnuma = read_seed(config, findings, amounts)
        if vnuma is not None or findings.faults:
            return vnuma
    memory = amounts.memory_mb if amounts.memory_mb is not None else amounts.maxmem_mb
    if memory is None or amounts.num_vcpus is None:
        return None
    return Vnuma(
        sizes_mb=[memory], num_vcpus=amounts.num_vcpus, vcpu_to_vnode=[0] * amounts.num_vcpus
    )


def _read_affinity(
    config: ConfigFile, key: str, num_vcpus: int | None, findings: Findings
) -> tuple[CpuList | None, ...]:
    """Return the CPU list of each vcpu: a string is for all, element i is for vcpu i."""
    setting = config.get(key)
    if setting is None:
        return (None,) * (num_vcpus or 0)
    if not isinstance(setting.value, List):
        return (_parse_cpus(setting.value, key, findings),) * (num_vcpus or 0)
    lists: list[CpuList | None] = []
    for index, item in enumerate(setting.value.items):
        if isinstance(item, List):
            findings.fault(item, f"{key}[{index}]", "a list", "a CPU list in quotes or a number")
            continue
        lists.append(_parse_cpus(item, f"{key}[{index}]", findings))
    if num_vcpus is None:
        return ()
    if len(lists) > num_vcpus:
        found = count_of(len(lists), "entry", "entries")
        expected = f"{num_vcpus} at most (one for each vcpu); the rest is ignored, as xl does"
        findings.warn(setting.value, key, found, expected)
    return (*lists[:num_vcpus], *[None] * (num_vcpus - len(lists)))


def _parse_cpus(value: Str | Num, name: str, findings: Findings) -> CpuList | None:
    try:
        return CpuList.parse(value.text)
    except ValueError as error:
        findings.fault(value, name, f"{shorten(value.text)}", f"a CPU list: {error}")
        return None


def _warn_of_lookalikes(config: ConfigFile, findings: Findings) -> None:
    """Warn of keys that nobody reads but that seem to mean vNUMA."""
    unknown = [setting for setting in config.settings if setting.key not in _KNOWN]
    for setting in unknown[:MOST_FAULTS]:
        key = setting.key
        marked = any(mark in key for mark in _VNUMA_MARKS)
        near = difflib.get_close_matches(
            key, _VNUMA_KEYS, n=1, cutoff=_ROUGHLY_ALIKE if marked else _SURELY_ALIKE
        )
        if marked or near:
            expected = f"{near[0]}, perhaps" if near else ""
            findings.warn(setting, key, "an unknown key that xl ignores", expected)


def _read_extra(
    config: ConfigFile, amounts: Amounts, num_vcpus: int
) -> tuple[tuple[str, object], ...]:
    """Return what placer does not use, in file order, as `plain_value` gives it.

    ``vcpus`` is among it where fewer vcpus run at the start than are placed.
    """

    def is_kept(setting: Setting) -> bool:
        if setting.key == "vcpus":
            return amounts.vcpus is not None and amounts.vcpus < num_vcpus
        return setting.key not in _USED

    return tuple((s.key, plain_value(s.value)) for s in config.settings if is_kept(s))
