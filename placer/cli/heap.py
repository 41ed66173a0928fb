"""``placer heap``: what is free on a host, and in which extents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli.progress import QuietOption, progress
from placer.cli.streams import drawn_now, say, say_warnings, show, write_out, writing

if TYPE_CHECKING:
    from placer.host import Host


def heap(
    host: Annotated[
        list[str],
        typer.Argument(
            metavar="HOST",
            help="Inventory file, folder, glob, finished run (as it leaves its hosts), or a "
            "synthetic host.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of several hosts; all if left out.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Save the heap of one host, for `heap = FILE`."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json/--no-json", help="Print JSON and nothing else.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Show the free extents of HOST by pnode and order, and what page sizes they can back."""
    with progress("reading", quiet=quiet) as tell:
        from placer.read.sources import read_hosts
        from placer.record import format_json
        from placer.report.heap import heap_document, show_heaps

        hosts, warnings = read_hosts(host)
        say_warnings(warnings)
        chosen = _choose(hosts, name)
        tell("writing")
        if save is not None:
            _save(chosen, save)
        if as_json:
            document = format_json([heap_document(one) for one in chosen])
        else:
            draw = drawn_now(lambda stream: show_heaps(chosen, stream))
    if save is not None and not quiet:
        say(f"wrote {save}")
    if as_json:
        write_out(document)
        return
    show(draw)


def _choose(hosts: tuple[Host, ...], name: str | None) -> tuple[Host, ...]:
    """Return the host of that name, or all; RefusedError where there is none."""
    from placer.errors import RefusedError

    if name is None:
        return hosts
    chosen = tuple(host for host in hosts if host.name == name)
    if not chosen:
        listed = ", ".join(repr(host.name) for host in hosts)
        raise RefusedError(f"no host {name!r}; there are: {listed}")
    return chosen


def _save(hosts: tuple[Host, ...], path: Path) -> None:
    from placer.errors import RefusedError
    from placer.read.heap_file import save_heap_file

    if len(hosts) != 1:
        raise RefusedError(f"--name is needed with --save: there are {len(hosts)} hosts")
    with writing(path, "--save"):
        save_heap_file(path, hosts[0])
