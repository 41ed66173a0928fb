"""``placer host``: what a host is, from whatever describes it; and its inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from placer.cli.completion import host_formats
from placer.cli.progress import QuietOption, progress
from placer.cli.streams import drawn_now, say, say_warnings, show, write_file, write_out


def host(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Output of programs on one host, joined (xl info -n, xl debug-keys u, xl list -n, "
            "xl vcpu-list, numactl --hardware, lscpu, lstopo XML, virsh capabilities, virsh "
            "freecell --all, a tree of sysfs ..), or what --host of place takes. This machine "
            "if left out.",
            show_default=False,
        ),
    ] = None,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="The format of every SOURCE; else sniffed.",
            autocompletion=host_formats,
        ),
    ] = None,
    cpus: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A source that goes before all others for pcpus."),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A source that goes before all others for memory and distances."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE.toml", help="Write an inventory; - is standard output."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json/--no-json", help="Print JSON and nothing else.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Show a host: pnodes, memory, pcpus with their siblings, distances, what runs there."""
    with progress("reading", quiet=quiet) as tell:
        from placer.export.inventory import format_inventory
        from placer.read.host_source import read_host_source
        from placer.record import format_json
        from placer.report.host import host_document, show_hosts

        hosts, warnings = read_host_source(
            source or [], format_name=format_name, cpus=cpus, memory=memory
        )
        say_warnings(warnings)
        tell("writing")
        if output is not None:
            text = format_inventory(hosts)
            if output != "-":
                write_file(Path(output), text, "-o")
        if as_json:
            document = format_json([host_document(one) for one in hosts])
        elif output is None:
            draw = drawn_now(lambda stream: show_hosts(hosts, stream))
    if output == "-":
        write_out(text)
        return
    if output is not None and not quiet:
        say(f"wrote {output}")
    if as_json:
        write_out(document)
    elif output is None:
        show(draw)
