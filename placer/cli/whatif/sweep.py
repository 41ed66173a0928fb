"""``placer whatif sweep``: a grid of figures."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from placer.cli.engines import EngineChoice, SchedulerOption, engine_of
from placer.cli.whatif.asked import (
    BaseOption,
    DomainsArgument,
    EngineOption,
    HostOption,
    OutOption,
    QuietOption,
    ReasonsOption,
    SeedOption,
    WorkersOption,
    WorkOption,
    answer_all,
    end_with,
    options_of,
    read_base,
)


class SolveChoice(StrEnum):
    """What may become of domains that run and could stay."""

    FRESH = "fresh"
    KEEP = "keep"


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
    solve: Annotated[
        SolveChoice, typer.Option(help="Place all anew in each cell, or keep what runs.")
    ] = SolveChoice.FRESH,
    out: OutOption = None,
    engine: EngineOption = EngineChoice.THREADS,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    work: WorkOption = 2.0,
    seed: SeedOption = 0,
    reasons: ReasonsOption = True,
    quiet: QuietOption = False,
) -> None:
    """Solve every cell of a grid of figures, as a scenario each."""
    from placer.whatif.sweep import sweep_scenarios

    options, chosen = options_of(work, seed, reasons), engine_of(engine, workers, scheduler)
    if not axes:
        raise typer.BadParameter("expected at least one axis", param_hint="--set")
    found = sweep_scenarios(axes, solve.value)
    started = read_base(base, domains, host)
    rows = answer_all(started, found, options, chosen, out=out, quiet=quiet)
    end_with(rows, out, quiet=quiet)
