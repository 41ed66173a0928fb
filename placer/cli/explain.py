"""``placer explain``: why domains do not fit, and what would help."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from placer.cli.exit_code import exit_code_of
from placer.cli.place import MOST_SECONDS, read_problem
from placer.cli.progress import QuietOption, progress
from placer.cli.streams import write_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placer.explain import Movable
    from placer.placement import PlacedDomain
    from placer.problem import Problem
    from placer.result import Refusal
    from placer.solve import Solution

_WORK = 20.0
"""CP-SAT's deterministic time for all questions; on most machines seconds or less."""

_MOST_ASKS = 1000
"""Problems solved for each domain at most."""

_PLACING_SHARE = 0.5
"""Of the time left, how much placing may take; the rest is for the reasons."""

_LEAST_SECONDS = 1e-3


def explain(
    domains: Annotated[
        list[str],
        typer.Argument(
            metavar="DOMAIN", help="Files of domains, as for place, folders of them, or globs."
        ),
    ],
    host: Annotated[
        list[str],
        typer.Option(
            metavar="HOST",
            help="Inventory file, folder, glob, finished run, or a synthetic host. May repeat.",
        ),
    ],
    fallback: Annotated[
        bool,
        typer.Option(
            "--fallback/--no-fallback", help="Replace faulty vNUMA options by their defaults."
        ),
    ] = False,
    ignore_pnodes: Annotated[
        bool,
        typer.Option(
            "--ignore-pnodes/--no-ignore-pnodes", help="Choose anew the pnodes that domains name."
        ),
    ] = False,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial/--no-allow-partial",
            help="Explain what is left out where not all fit.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Random seed.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Threads of the solver.")] = 1,
    time_limit: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="End after so long, placement and reasons included."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json/--no-json", help="Print JSON and nothing else.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Say of each domain where it fits, or why it does not and with what it would."""
    began = time.monotonic()
    if time_limit is not None and not 0 < time_limit < MOST_SECONDS:
        expected = f"found {time_limit:g}, expected above 0, below {MOST_SECONDS}"
        raise typer.BadParameter(expected, param_hint="--time-limit")

    def rest() -> float | None:
        return None if time_limit is None else max(0.0, time_limit - (time.monotonic() - began))

    with progress("reading", quiet=quiet) as tell:
        from placer.alarm import Alarm
        from placer.answer import Limits
        from placer.cpsat.feasible import Questions
        from placer.explain import explain_all
        from placer.solve import SolveOptions, solve

        problem = read_problem(
            domains,
            host,
            warnings=[],
            fallback=fallback,
            ignore_pnodes=ignore_pnodes,
            allow_partial=allow_partial,
        )
        tell("solving")
        seconds = rest()
        options = SolveOptions(
            seed=seed,
            workers=workers,
            time_limit=None if seconds is None else max(_LEAST_SECONDS, _PLACING_SHARE * seconds),
            reasons=False,
        )
        solution = solve(problem, options, progress=tell)
        refusals = solution.result.unplaced
        known = solution.result.status in ("infeasible", "optimal", "feasible")
        if refusals and known and not solution.result.interrupted:
            tell("looking for reasons")
            movable = _movable(host)
            questions = Questions(Limits(seed=seed, workers=workers, time_limit=rest()), work=_WORK)
            found: tuple[Refusal, ...] | None = Alarm[Any](rest()).call(
                lambda: explain_all(
                    problem,
                    solution.result.placement,
                    questions,
                    most_asks=_MOST_ASKS,
                    movable=movable,
                )
            )
            refusals = refusals if found is None else found
        tell("writing the answer")
        if as_json:
            from placer.record import format_json

            text = format_json(_document(problem, solution, refusals))
        else:
            text = "".join(f"{line}\n" for line in _lines(problem, solution, refusals))
    write_out(text)
    raise typer.Exit(exit_code_of(solution.result, solution.score))


def _movable(host_args: list[str]) -> Movable | None:
    """What runs on the hosts and may be moved, where a finished run is among the arguments."""
    from dataclasses import replace

    from placer.problem import join_groups
    from placer.read.sources import read_start

    start = read_start(host_args, rebalance=True)
    if not start.current:
        return None

    def movable(problem: Problem, most: int) -> Problem | None:
        if most > len(start.current):
            return None
        return replace(
            problem,
            hosts=start.hosts,
            domains=(*start.domains, *problem.domains),
            groups=join_groups(start.groups, problem.groups),
            current=start.current,
            max_moves=most,
        )

    return movable


def _placed(problem: Problem, solution: Solution) -> dict[str, tuple[PlacedDomain, float]]:
    """Each placed domain by name, with its mean access distance."""
    from placer.cost import each_placed, mean_access_distance

    placement = solution.result.placement
    if placement is None:
        return {}
    return {
        placed.domain: (placed, float(mean_access_distance(domain, placed, host)))
        for domain, placed, host in each_placed(problem, placement)
    }


def _lines(problem: Problem, solution: Solution, refusals: tuple[Refusal, ...]) -> Iterator[str]:
    from placer.report.printable import printable

    placed, refused = _placed(problem, solution), {r.domain: r for r in refusals}
    for domain in problem.domains:
        name = printable(domain.name)
        if domain.name in placed:
            answer, distance = placed[domain.name]
            homes = " ".join(map(str, answer.home.tolist()))
            noun = "pnode" if answer.num_vnodes == 1 else "pnodes"
            yield (
                f"{name}: fits on {printable(answer.host)}, {noun} {homes}, "
                f"mean access distance {round(distance, 4)}"
            )
            continue
        refusal = refused[domain.name]
        yield f"{name}: does not fit: {printable(refusal.reason)}"
        if refusal.certificate:
            yield f"  proven by: {refusal.certificate}"
        for label, texts in (
            ("in conflict", refusal.binding),
            ("short by", refusal.short_by),
            ("nearest", refusal.nearest),
        ):
            if texts:
                yield f"  {label}:"
                yield from (f"    {printable(text)}" for text in texts)


def _document(
    problem: Problem, solution: Solution, refusals: tuple[Refusal, ...]
) -> dict[str, Any]:
    from placer.record import SCHEMA_VERSION

    placed, refused = _placed(problem, solution), {r.domain: r for r in refusals}
    rows: list[dict[str, Any]] = []
    for domain in problem.domains:
        row: dict[str, Any] = {"name": domain.name, "fits": domain.name in placed}
        if domain.name in placed:
            answer, distance = placed[domain.name]
            row |= {"host": answer.host, "home": answer.home.tolist()}
            row |= {"mean_access_distance": distance}
        else:
            refusal = refused[domain.name]
            row |= {"reason": refusal.reason, "certificate": refusal.certificate}
            row |= {"binding": list(refusal.binding), "short_by": list(refusal.short_by)}
            row |= {"nearest": list(refusal.nearest)}
        rows.append(row)
    return {
        "schema_version": SCHEMA_VERSION,
        "status": solution.result.status,
        "domains": rows,
    }
