"""``placer whatif compare``: two runs, domain by domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from placer.cli.progress import QuietOption, progress
from placer.cli.runs import read_finished
from placer.cli.streams import say, show, write_file


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="A finished run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one.")],
    out: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a row for each domain.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Show what differs between two runs, domain by domain."""
    with progress(f"reading {run_a}", quiet=quiet) as tell:
        from placer.report.compared import format_compared, show_compared
        from placer.whatif.compare import compare_runs

        first = read_finished(run_a)
        tell(f"reading {run_b}")
        second = read_finished(run_b)
        tell("comparing")
        rows = list(compare_runs(first, second))
        if out is not None:
            write_file(out, format_compared(rows), "--csv")
    show(lambda stream: show_compared(first, second, rows, stream))
    if out is not None and not quiet:
        say(f"wrote {out}")
