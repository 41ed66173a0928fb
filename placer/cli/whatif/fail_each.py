"""``placer whatif fail-each``: N-1."""

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


def fail_each(
    domains: DomainsArgument = None,
    base: BaseOption = None,
    host: HostOption = None,
    pnodes: Annotated[
        bool,
        typer.Option("--pnodes/--hosts", help="Each pnode in turn, or each host (the default)."),
    ] = False,
    solve: SolveOption = SolveChoice.KEEP,
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
    """Let each host or each pnode fail: whether there is room, at what cost, who loses."""
    with progress("reading", quiet=quiet) as tell:
        from placer.whatif.questions import each_host_fails, each_pnode_fails

        options, chosen = options_of(work, seed, reasons), engine_of(engine, workers, scheduler)
        started = read_base(base, domains, host, tell)
        each = each_pnode_fails(started) if pnodes else each_host_fails(started)
        found = as_solved(each, solve, max_moves, max_moved_gib)
        answered = answer_all(
            started, found, options, chosen, out=out, replace=replace, quiet=quiet, tell=tell
        )
    end_with(answered, out, quiet=quiet, gate=True)
