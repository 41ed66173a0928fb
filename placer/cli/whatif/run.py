"""``placer whatif run``: the scenarios of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from placer.cli.engines import EngineChoice, SchedulerOption, engine_of
from placer.cli.progress import QuietOption, progress
from placer.cli.whatif.asked import (
    BaseOption,
    DomainsArgument,
    EngineOption,
    HostOption,
    OutOption,
    ReasonsOption,
    ReplaceOption,
    SeedOption,
    WorkersOption,
    WorkOption,
    answer_all,
    end_with,
    options_of,
    read_base,
)


def run(
    scenarios: Annotated[
        Path, typer.Argument(metavar="SCENARIOS", help="A scenario file (docs/whatif.md).")
    ],
    domains: DomainsArgument = None,
    base: BaseOption = None,
    host: HostOption = None,
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
    """Solve every scenario of a file, and compare each with the base."""
    with progress("reading", quiet=quiet) as tell:
        from placer.read.scenarios import read_scenarios

        options, chosen = options_of(work, seed, reasons), engine_of(engine, workers, scheduler)
        found = read_scenarios(scenarios)
        started = read_base(base, domains, host, tell)
        answered = answer_all(
            started, found, options, chosen, out=out, replace=replace, quiet=quiet, tell=tell
        )
    end_with(answered, out, quiet=quiet)
