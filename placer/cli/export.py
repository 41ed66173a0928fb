"""``placer export``: one placed domain in the words of another program."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from placer.cli.streams import say_warnings, write_file, write_out


class NumberingChoice(StrEnum):
    """How nodes are numbered where a guest may number them otherwise."""

    VNODE = "vnode"
    GUEST = "guest"


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    format_name: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", help="xl, xl-v1, xen-dump-v1, numactl or dmesg."
        ),
    ],
    domain: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which domain; the only placed one may be left out."),
    ] = None,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output."),
    ] = "-",
    domid: Annotated[
        int | None, typer.Option(min=0, max=32751, help="The id of the domain in a dump.")
    ] = None,
    numbering: Annotated[
        NumberingChoice | None,
        typer.Option(help="Number nodes as vnodes, or as the guest does."),
    ] = None,
) -> None:
    """Write a placed domain of RUN in another program's format."""
    from placer.export import ExportOptions, render
    from placer.run import only_placed, read_run

    finished = read_run(run)
    options = ExportOptions(domid=domid, numbering=None if numbering is None else numbering.value)
    rendered = render(finished, domain or only_placed(finished), format_name, options)
    say_warnings(rendered.warnings)
    if output == "-":
        write_out(rendered.text)
    else:
        write_file(Path(output), rendered.text)
