"""``placer verify``: a plan against what the hypervisor did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from placer.cli.exit_code import ExitCode
from placer.cli.progress import QuietOption, progress
from placer.cli.runs import read_finished
from placer.cli.streams import show


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    seen: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="What Xen printed for debug key u, or JSON of created domains.",
        ),
    ],
    domain: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which domain; all of the run if left out.")
    ] = None,
    domid: Annotated[
        int | None, typer.Option(min=1, max=32751, help="The id that Xen gave the domain.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Hold the placed domains of RUN against what the hypervisor did, page by page."""
    with progress(f"reading {run}", quiet=quiet) as tell:
        from placer.read.seen import read_seen
        from placer.report.seen import compare, match_guests, show_comparisons

        finished = read_finished(run)
        matched = match_guests(finished, read_seen(seen), domain, domid)
        tell("comparing")
        found = [compare(finished, placed, guest) for placed, guest in matched]
    show(lambda stream: show_comparisons(found, stream))
    if any(one.unexplained for one in found):
        raise typer.Exit(ExitCode.GATE_MISSED)
