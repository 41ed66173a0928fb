"""Exports of a placed domain, one module a format, loaded when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib import import_module
from typing import Final

from placer.errors import RefusedError
from placer.export.rendered import Era, ExportOptions, Numbering, Rendered
from placer.run import Run, only_placed

__all__ = ["FORMATS", "Era", "ExportOptions", "Format", "Numbering", "Rendered", "render"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format: the module whose ``render`` writes it, the ending of its files, its options.

    A format without an ending is a folder of files. One that is ``of_run`` is of the whole
    problem, not of one domain.
    """

    module: str
    suffix: str | None
    options: frozenset[str] = frozenset()
    of_run: bool = False


def _format(module: str, suffix: str | None, *options: str) -> Format:
    return Format(module=f"placer.export.{module}", suffix=suffix, options=frozenset(options))


FORMATS: Final[dict[str, Format]] = {
    "xl": _format("xl", ".cfg", "type"),
    "xl-v1": _format("xl_v1", ".cfg"),
    "xen-dump": _format("xen_dump", ".txt", "domid"),
    "xen-dump-v1": _format("xen_dump_v1", ".txt", "domid"),
    "xen-abi": _format("xen_abi", ".bin", "domid", "type", "to_set", "era"),
    "acpi": _format("acpi", None, "type"),
    "libvirt": _format("libvirt", ".xml"),
    "qemu": _format("qemu", ".args"),
    "hwloc": _format("hwloc", ".xml", "numbering", "type"),
    "openstack": _format("openstack", ".json"),
    "proxmox": _format("proxmox", ".conf"),
    "numactl": _format("numactl", ".txt", "numbering", "type"),
    "dmesg": _format("dmesg", ".txt"),
    "dzn": Format(module="placer.export.dzn", suffix=".dzn", of_run=True),
    "dot": _format("dot", ".dot"),
    "svg": _format("svg", ".svg"),
}
"""Every format; docs/formats.md describes them."""

_NAMES: Final = {"to_set": "--set"}


def render(
    run: Run, domain: str | None, format_name: str, options: ExportOptions | None = None
) -> Rendered:
    """Return the export of the domain named ``domain`` in a format of FORMATS.

    None stands for the only placed domain, and for the run where the format is of that. Raises
    RefusedError where the format is unknown or does not take an option, the domain is not
    placed, or the format cannot say what the placement is; the message names the reason.
    """
    if format_name not in FORMATS:
        near = get_close_matches(format_name, FORMATS, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        known = ", ".join(FORMATS)
        raise RefusedError(f"format {format_name!r} is unknown{hint}; known: {known}")
    chosen = options or ExportOptions()
    for field in fields(ExportOptions):
        given = getattr(chosen, field.name) != field.default
        if given and field.name not in FORMATS[format_name].options:
            takers = [name for name, one in FORMATS.items() if field.name in one.options]
            option = _NAMES.get(field.name, f"--{field.name}")
            raise RefusedError(
                f"{option} is not for format {format_name}, but for {', '.join(takers)}"
            )
    of_run = FORMATS[format_name].of_run
    if of_run and domain is not None:
        raise RefusedError(f"format {format_name} is of the whole run, not of one domain")
    module = import_module(FORMATS[format_name].module)
    which = domain if of_run or domain is not None else only_placed(run)
    rendered: Rendered = module.render(run, which, chosen)
    return rendered
