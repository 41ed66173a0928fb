"""``placer whatif sweep``: a grid of figures."""

from __future__ import annotations

from typing import Annotated

import typer

from placer.cli.engines import EngineChoice, SchedulerOption, engine_of
from placer.cli.progress import QuietOption, progress
from placer.cli.whatif.asked import (
    BaseOption,
    DomainsArgument,
    EngineOption,
    HostOption,
    MaxMovedGibOption,
    MaxMovesOption,
    OutOption,
    ReasonsOption,
    ReplaceOption,
    SeedOption,
    SolveChoice,
    SolveOption,
    WorkersOption,
    WorkOption,
    answer_all,
    as_solved,
    end_with,
    options_of,
    read_base,
)


def sweep(
    domains: DomainsArgument = None,
    base: BaseOption = None,
    host: HostOption = None,
    axes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUES",
            help="An axis: overcommit, hosts, reserve, policy or smt, with values A,B,C or "
            "FIRST:LAST:STEP. May repeat.",
        ),
    ] = None,
    solve: SolveOption = SolveChoice.FRESH,
    max_moves: MaxMovesOption = None,
    max_moved_gib: MaxMovedGibOption = None,
    out: OutOption = None,
    replace: ReplaceOption = False,
    engine: EngineOption = EngineChoice.THREADS,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    work: WorkOption = 2.0,
    seed: SeedOption = 0,
    reasons: ReasonsOption = True,
    quiet: QuietOption = False,
) -> None:
    """Solve every cell of a grid of figures, as a scenario each."""
    if not axes:
        raise typer.BadParameter("expected at least one axis", param_hint="--set")
    with progress("reading", quiet=quiet) as tell:
        from placer.whatif.sweep import sweep_scenarios

        options, chosen = options_of(work, seed, reasons), engine_of(engine, workers, scheduler)
        found = as_solved(sweep_scenarios(axes), solve, max_moves, max_moved_gib)
        started = read_base(base, domains, host, tell)
        answered = answer_all(
            started, found, options, chosen, out=out, replace=replace, quiet=quiet, tell=tell
        )
    end_with(answered, out, quiet=quiet)
