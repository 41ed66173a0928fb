"""``placer check``: recompute a finished run without any solver."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from placer.cli.exit_code import ExitCode
from placer.cli.progress import QuietOption, progress
from placer.cli.streams import say, write_out


def check(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    quiet: QuietOption = False,
) -> None:
    """Recompute RUN from its inputs, without the solver, and say what does not agree."""
    with progress(f"reading {run}", quiet=quiet) as tell:
        from placer.report.verify import verify_run

        verification = verify_run(run, tell)
    write_out("".join(f"{line}\n" for line in verification.checked))
    for fault in verification.faults:
        say(f"error: {fault}")
    if verification.faults:
        write_out(f"{len(verification.faults)} found wrong\n")
        raise typer.Exit(ExitCode.GATE_MISSED)
    write_out("all agree\n")
