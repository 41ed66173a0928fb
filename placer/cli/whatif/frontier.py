"""``placer whatif frontier``: cost against moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli.engines import EngineChoice, SchedulerOption, engine_of
from placer.cli.exit_code import ExitCode
from placer.cli.progress import QuietOption, progress
from placer.cli.streams import say, show, write_file
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
    options_of,
    read_base,
)

if TYPE_CHECKING:
    from placer.cli.whatif.asked import Answered
    from placer.whatif.frontier import Point


def frontier(
    domains: DomainsArgument = None,
    base: BaseOption = None,
    host: HostOption = None,
    max_moves: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="At most N moves; all that runs.")
    ] = None,
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
    """Find the least cost for each number of moves: what rebalancing is worth."""
    with progress("reading", quiet=quiet) as tell:
        from placer.report.frontier import FRONTIER_FILE, format_frontier, show_frontier
        from placer.whatif.frontier import frontier_of, frontier_scenarios

        options, chosen = options_of(work, seed, reasons), engine_of(engine, workers, scheduler)
        started = read_base(base, domains, host, tell)
        found = frontier_scenarios(started, max_moves)
        points: list[Point] = []

        def write(answered: Answered) -> None:
            points.extend(frontier_of(found, answered.rows[1:]))
            if out is not None:
                write_file(out / FRONTIER_FILE, format_frontier(points), "--out")

        answer_all(
            started,
            found,
            options,
            chosen,
            out=out,
            replace=replace,
            quiet=quiet,
            tell=tell,
            also_write=write,
        )
    show(lambda stream: show_frontier(points, stream))
    if out is not None and not quiet:
        say(f"wrote {out}")
    raise typer.Exit(ExitCode.PLACED if len(points) == len(found) else ExitCode.GATE_MISSED)
