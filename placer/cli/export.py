"""``placer export``: placed domains in the words of another program."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli.completion import export_formats
from placer.cli.progress import QuietOption, progress
from placer.cli.runs import read_finished
from placer.cli.streams import say_warnings, write_file, write_out, writing
from placer.errors import RefusedError

if TYPE_CHECKING:
    from placer.export import ExportOptions, Rendered
    from placer.run import Run


class NumberingChoice(StrEnum):
    """How nodes are numbered where a guest may number them otherwise."""

    VNODE = "vnode"
    GUEST = "guest"


class TypeChoice(StrEnum):
    """What a domain may be created as."""

    PV = "pv"
    HVM = "hvm"
    PVH = "pvh"


class EraChoice(StrEnum):
    """Whose structures are written."""

    UPSTREAM = "upstream"
    SEED = "seed"


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    format_name: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="xl, xl-v1, xen-dump, xen-dump-v1, xen-abi, acpi, libvirt, qemu, hwloc, "
            "openstack, proxmox, numactl, dmesg, dzn, dot or svg.",
            autocompletion=export_formats,
        ),
    ],
    domain: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which domain; the only placed one may be left out."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all/--no-all", help="Every placed domain, a file each in the folder of -o."
        ),
    ] = False,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to; - is standard output. A folder with --all and for acpi.",
        ),
    ] = "-",
    domid: Annotated[
        int | None, typer.Option(min=0, max=32751, help="The id of the domain in a dump.")
    ] = None,
    numbering: Annotated[
        NumberingChoice | None,
        typer.Option(help="Number nodes as vnodes, or as the guest does."),
    ] = None,
    domain_type: Annotated[
        TypeChoice | None,
        typer.Option("--type", help="Create the domain as this type; its own if not given."),
    ] = None,
    to_set: Annotated[
        bool,
        typer.Option("--set/--no-set", help="xen-abi: the structure that sets the topology."),
    ] = False,
    era: Annotated[
        EraChoice, typer.Option(help="xen-abi: structures of released Xen, or of the seed's.")
    ] = EraChoice.UPSTREAM,
    quiet: QuietOption = False,
) -> None:
    """Write placed domains of RUN in another program's format."""
    if every and domain is not None:
        raise RefusedError("only --all or --domain, not both")
    with progress(f"reading {run}", quiet=quiet) as tell:
        from placer.export import ExportOptions

        finished = read_finished(run)
        options = ExportOptions(
            domid=domid,
            numbering=None if numbering is None else numbering.value,
            type=None if domain_type is None else domain_type.value,
            to_set=to_set,
            era=era.value,
        )
        tell(f"writing {format_name}")
        if every:
            _export_all(finished, format_name, options, output)
            content = None
        else:
            content = _export_one(finished, domain, format_name, options, output)
    if content is not None:
        write_out(content)


def _export_all(run: Run, format_name: str, options: ExportOptions, output: str) -> None:
    from placer.export.folder import render_all
    from placer.whole_file import write_whole_files

    folder = _folder(output, "--all")
    contents, warnings = render_all(run, format_name, options)
    say_warnings(warnings)
    with writing(folder, "-o"):
        write_whole_files(folder, contents)


def _export_one(
    run: Run, domain: str | None, format_name: str, options: ExportOptions, output: str
) -> bytes | None:
    """Write the export of one domain; return what is for standard output instead."""
    from placer.export import render
    from placer.whole_file import write_whole_files

    rendered: Rendered = render(run, domain, format_name, options)
    if rendered.files:
        folder = _folder(output, f"--format {format_name}")
        say_warnings(rendered.warnings)
        with writing(folder, "-o"):
            write_whole_files(folder, {PurePath(n): content for n, content in rendered.files})
        return None
    say_warnings(rendered.warnings)
    if output == "-":
        return rendered.content
    write_file(Path(output), rendered.content, "-o")
    return None


def _folder(output: str, option: str) -> Path:
    """Return the folder that several files go to; RefusedError where none is given."""
    if output == "-":
        raise RefusedError(f"{option} writes several files: -o DIR says where to")
    return Path(output)
