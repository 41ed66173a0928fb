"""Exports of a placed domain, one module a format, loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from placer.errors import RefusedError
from placer.export.rendered import ExportOptions, Numbering, Rendered
from placer.run import Run

__all__ = ["FORMATS", "ExportOptions", "Numbering", "Rendered", "render"]

FORMATS: Final[dict[str, str]] = {
    "xl": "placer.export.xl",
    "xl-v1": "placer.export.xl_v1",
    "xen-dump-v1": "placer.export.xen_dump_v1",
    "numactl": "placer.export.numactl",
    "dmesg": "placer.export.dmesg",
}
"""Every format and the module whose ``render`` writes it; docs/formats.md describes them."""


def render(
    run: Run, domain: str, format_name: str, options: ExportOptions | None = None
) -> Rendered:
    """Return the export of the domain named ``domain`` in a format of FORMATS.

    Raises RefusedError where the format is unknown, the domain is not placed, or the
    format cannot say what the placement is; the message names the reason.
    """
    if format_name not in FORMATS:
        raise RefusedError(f"format {format_name!r} is unknown; known: {', '.join(FORMATS)}")
    module = import_module(FORMATS[format_name])
    rendered: Rendered = module.render(run, domain, options or ExportOptions())
    return rendered
