"""``placer whatif headroom``: how many more fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli.exit_code import ExitCode
from placer.cli.progress import QuietOption, progress
from placer.cli.streams import say, show, write_file
from placer.cli.whatif.asked import (
    BaseOption,
    DomainsArgument,
    HostOption,
    SeedOption,
    WorkOption,
    options_of,
    read_base,
)

if TYPE_CHECKING:
    from placer.domain import Domain
    from placer.whatif.headroom import HostRoom


def headroom(
    domains: DomainsArgument = None,
    base: BaseOption = None,
    host: HostOption = None,
    vm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHAPE",
            help="A shape such as 'memory:8GiB vcpus:4 vnodes:2', or a file of domains. "
            "May repeat.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a row for each host.")
    ] = None,
    work: WorkOption = 2.0,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Say how many more domains of a shape fit on each host, and what stops the next one."""
    if not vm:
        raise typer.BadParameter("expected at least one shape", param_hint="--vm")
    found: list[tuple[Domain, list[HostRoom]]] = []
    with progress("reading", quiet=quiet) as tell:
        from placer.read.shapes import read_shapes
        from placer.report.room import format_room, show_room
        from placer.whatif.headroom import headroom as rooms_of

        options = options_of(work, seed, False)
        shapes = read_shapes(vm)
        started = read_base(base, domains, host, tell)
        done = 0
        tell("solving", done=done, total=len(shapes) * len(started.problem.hosts))
        for shape in shapes:
            found.append((shape, []))
            for room in rooms_of(started, shape, seed=options.seed, work=options.work):
                found[-1][1].append(room)
                done += 1
                tell(f"{shape.name} on {room.host}", done=done)
        if out is not None:
            write_file(out, format_room(found), "--csv")
    show(lambda stream: show_room(found, stream))
    if out is not None and not quiet:
        say(f"wrote {out}")
    raise typer.Exit(ExitCode.PLACED)
