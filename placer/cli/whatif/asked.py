"""What all questions of ``placer whatif`` share: base, engines, results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from placer.cli.engines import EngineChoice
from placer.cli.exit_code import ExitCode
from placer.cli.runs import read_finished
from placer.cli.streams import say, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from placer.cli.progress import Telling
    from placer.engine import Engine
    from placer.run import Run
    from placer.scenario import Scenario
    from placer.whatif.draft import Base
    from placer.whatif.rows import Cells, Outcome
    from placer.whatif.solving import WhatIfOptions


class SolveChoice(StrEnum):
    """What may become of domains that run and could stay."""

    FRESH = "fresh"
    KEEP = "keep"
    MOVES = "moves"


SolveOption = Annotated[
    SolveChoice,
    typer.Option(help="Keep what runs where it is, let it be moved, or place all anew."),
]
MaxMovesOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="With --solve moves: move at most N domains."),
]
MaxMovedGibOption = Annotated[
    float | None,
    typer.Option(min=0, metavar="G", help="With --solve moves: move at most G GiB of memory."),
]
ReplaceOption = Annotated[
    bool,
    typer.Option(
        "--replace/--no-replace", help="Drop answers to other questions that --out holds."
    ),
]
BaseOption = Annotated[
    Path | None, typer.Option(metavar="RUN", help="The finished run that the questions are about.")
]
DomainsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DOMAIN",
        help="Without --base: files of domains, as for place, which are placed first.",
        show_default=False,
    ),
]
HostOption = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST", help="Without --base: hosts, as for place. May repeat."),
]
OutOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write the CSV files into this folder, or go on there."),
]
EngineOption = Annotated[EngineChoice, typer.Option(help="Where scenarios are solved.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="How many side by side; the processors at hand."),
]
WorkOption = Annotated[
    float,
    typer.Option(
        metavar="UNITS",
        help="Deterministic time for each scenario; a unit is one to four seconds.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Random seed.")]
ReasonsOption = Annotated[
    bool, typer.Option("--reasons/--no-reasons", help="Say why domains have no place.")
]


def read_base(
    base: Path | None, domains: list[str] | None, host: list[str] | None, tell: Telling
) -> Base:
    """Return the base: a finished run, or domains and hosts placed now.

    Raises InputError for faults, and where the base has no placement.
    """
    from placer.errors import Fault, InputError
    from placer.whatif.draft import Base

    if base is not None:
        if domains or host:
            hint = "DOMAIN" if domains else "--host"
            raise typer.BadParameter("expected without --base", param_hint=hint)
        run = read_finished(base)
    else:
        if not domains or not host:
            raise typer.BadParameter("expected --base RUN, or DOMAIN and --host")
        run = _place(domains, host, tell)
    if run.placed and not run.frames:
        raise InputError(
            Fault(
                source=str(base),
                field="--base",
                found="a run whose placement was not realised",
                expected="one with frames",
            )
        )
    return Base(run=run)


_BASE_WORK = 20.0
"""Deterministic time for the base, where it has to be placed first."""


def _place(domains: list[str], host: list[str], tell: Telling) -> Run:
    from placer.cli.place import read_problem
    from placer.run import Run
    from placer.solve import SolveOptions, solve

    problem = read_problem(domains, host, warnings=[], allow_partial=True)
    tell("placing the base")
    solution = solve(problem, SolveOptions(work=_BASE_WORK), progress=tell)
    return Run(problem=problem, result=solution.result, frames=solution.frames)


def options_of(work: float, seed: int, reasons: bool) -> WhatIfOptions:
    """Return how scenarios are solved; BadParameter for no work."""
    from placer.whatif.solving import WhatIfOptions

    if not work > 0:
        raise typer.BadParameter(f"found {work:g}, expected above 0", param_hint="--work")
    return WhatIfOptions(work=work, seed=seed, reasons=reasons)


@dataclass(frozen=True)
class Answered:
    """The row of each scenario, base first, and the rows of domains that lose their place."""

    rows: list[Cells]
    losers: list[Cells]


def as_solved(
    scenarios: Sequence[Scenario],
    solve: SolveChoice,
    max_moves: int | None,
    max_moved_gib: float | None,
) -> list[Scenario]:
    """Return the scenarios solved so; BadParameter for limits without moves."""
    from dataclasses import replace

    from placer.cli.place import pages_of_gib

    for hint, limit in (("--max-moves", max_moves), ("--max-moved-gib", max_moved_gib)):
        if limit is not None and solve is not SolveChoice.MOVES:
            raise typer.BadParameter("expected together with --solve moves", param_hint=hint)
    pages = pages_of_gib(max_moved_gib)
    return [
        replace(one, solve=solve.value, max_moves=max_moves, max_moved_pages=pages)
        for one in scenarios
    ]


def answer_all(
    base: Base,
    scenarios: Sequence[Scenario],
    options: WhatIfOptions,
    engine: Engine,
    *,
    out: Path | None,
    replace: bool,
    quiet: bool,
    tell: Telling,
    also_write: Callable[[Answered], None] | None = None,
) -> Answered:
    """Solve what is not solved yet, write it, and return all of it.

    ``also_write`` is called at the end, while the folder of ``out`` is still ours alone.
    """
    from contextlib import ExitStack

    from placer.report.whatif_folder import WhatIfFolder, read_domain_rows
    from placer.whatif.many import number_scenarios, solve_all
    from placer.whatif.rows import base_rows, losers_of

    tell("preparing the scenarios")
    numbered = number_scenarios(base, scenarios, options)
    first = base_rows(base, options)
    rows: dict[str, Cells] = {}
    losers: list[Cells] = []
    with ExitStack() as stack:
        folder = None
        if out is not None:
            keys = [(first.row[0], first.key), *((s.name, key) for _, key, s in numbered)]
            folder = stack.enter_context(WhatIfFolder(out, keys, replace=replace))
            rows.update(folder.done)
            losers.extend(losers_of(read_domain_rows(out)))
            if folder.dropped and not quiet:
                say(f"{out}: {folder.dropped} rows of other questions dropped")
        tell("solving", done=0, total=len(numbered))

        def keep(outcome: Outcome) -> None:
            rows[outcome.row[0]] = outcome.row
            losers.extend(losers_of(outcome.domains))
            if folder is not None:
                folder.append(outcome)
            tell(outcome.row[0], done=len(rows) - 1)

        if first.row[0] not in rows:
            keep(first)
        missing = [each for each in numbered if each[2].name not in rows]
        for outcome in solve_all(base, missing, options, engine):
            keep(outcome)
        if folder is not None:
            tell(f"writing {out}")
            folder.finish()
        place = {scenario.name: number for number, _, scenario in numbered}
        answered = Answered(
            [first.row, *(rows[scenario.name] for _, _, scenario in numbered)],
            sorted(losers, key=lambda row: place[row[0]]),
        )
        if also_write is not None:
            also_write(answered)
    return answered


def end_with(answered: Answered, out: Path | None, *, quiet: bool, gate: bool = False) -> None:
    """Show the answers, and end the program: with 5 where a scenario failed.

    With ``gate`` also where one leaves a domain without a place that the base has placed; then
    how many do is said too.
    """
    from placer.report.whatif_tables import (
        cell_of,
        leaves_out,
        show_gate,
        show_losers,
        show_scenarios,
    )

    rows = answered.rows
    show(lambda stream: show_scenarios(rows, stream))
    show(lambda stream: show_losers(answered.losers, stream))
    if gate:
        show(lambda stream: show_gate(rows, stream))
    if out is not None and not quiet:
        say(f"wrote {out}")
    missed = any(cell_of(row, "status") == "failed" for row in rows)
    if gate and not missed:
        missed = any(leaves_out(row) for row in rows[1:])
    raise typer.Exit(ExitCode.GATE_MISSED if missed else ExitCode.PLACED)
